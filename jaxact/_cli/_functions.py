"""Which functions a command is about: names of the catalogue, or module:attribute."""

import difflib
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
import typer

from .. import catalogue, frameworks
from .._core import lookup
from ..testing._measure import given
from ._plain import PLAIN
from ._timing import Function


def refuse(complaint: str) -> NoReturn:
    """Say what is wrong with the arguments, and exit with status 2."""
    typer.echo(f"jaxact: {complaint}", err=True)
    raise typer.Exit(2)


def writable(parameter: typer.CallbackParam, file: Path | None) -> Path | None:
    """Refuse a file that could not be written, before the work."""
    if file is None:
        return None
    said = f"{parameter.opts[0]} {file}"
    if not file.parent.is_dir():
        refuse(f"{said}: there is no directory {file.parent}")
    if file.is_dir():
        refuse(f"{said} is a directory; give the name of a file")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        refuse(f"{said} cannot be written")
    return file


JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json",
        callback=writable,
        help="Write the rows to a file as they are found, a line of JSON each, below "
        "one that says with what they were measured.",
    ),
]


def functions(names: Iterable[str]) -> dict[str, Callable[..., Any]]:
    """The functions of these names; the whole catalogue for none.

    A name that chooses among activations, such as `gelu`, stands for all of them.  What
    this package has may be named `jaxact.gelu` or `jaxact:gelu` too.
    """
    found = {}
    for name in list(names) or catalogue.defined():
        ours = name.removeprefix("jaxact.").removeprefix("jaxact:")
        if ":" in ours:
            found[name] = imported(name)
            continue
        try:
            chosen = catalogue.choices(ours)
        except ValueError as error:
            refuse(str(error))
        found |= {n: catalogue.get(n) for n in chosen}
    return found


def counterpart(name: str, module: str) -> Callable[..., Any] | None:
    """The function of another library that is the same, or has the same name."""
    other = importlib.import_module(module)
    name = name.rpartition(":")[2]
    known = frameworks.theirs(module, name) if module in frameworks.TABLE else {}
    for called, chosen in known.items():
        if f := getattr(other, called, None):
            return partial(f, **chosen) if chosen else f
    return getattr(other, name, None)


def rival(name: str, f: Callable[..., Any]) -> tuple[str, Callable[..., Any] | None]:
    """What a function replaces, and which that is.

    It is jax.nn's function of the same name, or else what a user would write in jnp:
    the formula as it stands, or a plain form where that is faster.  The latter two are
    compiled as those of jax.nn are: functions of x and of the parameters without a
    default.  "" and None stand for a function that has no rival.
    """
    other, definition = counterpart(name, "jax.nn"), lookup(f)
    if other is not None:
        return "jax.nn", other
    if definition is None or definition.reference is None:
        return "", None
    formula = definition.formula and definition.formula.as_jnp(plain=True)
    written = PLAIN.get(name) or formula or definition.reference
    named = {*definition.parameters, *definition.options} - {*definition.required}
    if name in PLAIN:  # they know no axis
        named &= {*inspect.signature(written).parameters}
    written = partial(written, **{n: definition.default(n) for n in named})
    return (
        "plain" if name in PLAIN else "formula",
        jax.jit(lambda x, **given: written(x, **given).astype(x.dtype)),
    )


def both(name: str, f: Function, dtype: str) -> tuple[str, Function, Function | None]:
    """A function and its rival as functions of x alone, and which rival that is.

    Parameters without a default are set.
    """
    set_here = examples(f, dtype)
    which, other = rival(name, f)
    if set_here:
        f, other = partial(f, **set_here), other and partial(other, **set_here)
    return which, f, other


def examples(f: Function, dtype: str) -> dict[str, Any]:
    """Values for the parameters of f that have no default."""
    return {
        name: jnp.asarray(value, dtype) if np.ndim(value) else value
        for name, value in given(f, {}).items()
    }


def benched_dtype(name: str) -> str:
    """The name of a floating dtype that JAX is set to compute in."""
    name = dtype_name(name)
    if name == "float64" and not jax.config.read("jax_enable_x64"):
        refuse("float64 needs JAX_ENABLE_X64=1 in the environment")
    return name


def works(call: Callable[[], Any] | None) -> bool:
    """Whether there is such a call, and it can be made."""
    try:
        return call is not None and jax.block_until_ready(call()) is not None
    except Exception:  # another library's function may fail in ways of its own
        return False


def dtype_name(name: str) -> str:
    """The name of a floating dtype."""
    known = "bfloat16 float16 float32 float64 float8_e4m3fn float8_e5m2".split()
    try:
        dtype = jnp.dtype(name)
    except TypeError:
        refuse(f"no dtype {name!r}{close(name, known)}")
    if not jnp.issubdtype(dtype, jnp.floating):
        refuse(f"{name!r} is not a floating dtype")
    return dtype.name


def imported(spec: str) -> Callable[..., Any]:
    """What ``module:attribute`` names, the working directory on the path."""
    module_name, _, attribute = spec.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        value: Any = importlib.import_module(module_name)
    except Exception as error:
        refuse(f"cannot import {module_name!r}: {type(error).__name__}: {error}")
    for part in attribute.split("."):
        if not hasattr(value, part):
            refuse(f"{spec}: no attribute {part!r}{close(part, dir(value))}")
        value = getattr(value, part)
    if not callable(value):
        refuse(f"{spec} is not a function but {value!r:.60}")
    return value


def close(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3)
    return f"; did you mean {' or '.join(close)}?" if close else ""
