"""The catalogue: activations by name, with parameters set, as data and back.

It is read off what the decorators saw; there is no second list.
"""

import functools
import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from . import frameworks
from ._core import (
    Defined,
    Definition,
    choosers,
    definitions,
    describe,
    is_number,
    is_option,
    lookup,
    signature_of,
)
from .combinators import rebuilt

_HOME = f"{__package__}._functions."

# --- names ---------------------------------------------------------------------------


def names(family: str | None = None) -> tuple[str, ...]:
    """The names that `get` takes: of one family or of all, in order of definition.

    They are those of the activations and of the functions that choose among them, such
    as `gelu`; `aliases` gives other names.

    Raises:
        ValueError: there is no such family.
    """
    _require_family(family)
    return tuple(n for n, f in _public().items() if family in (None, _family(f)))


def defined(family: str | None = None) -> tuple[str, ...]:
    """The names of the activations themselves, without those that choose among them.

    Raises:
        ValueError: there is no such family.
    """
    _require_family(family)
    return tuple(n for n, d in _ours().items() if family in (None, d.family))


def families() -> tuple[str, ...]:
    """The families, one per file of `jaxact/_functions`."""
    return tuple(dict.fromkeys(d.family for d in _ours().values()))


def aliases() -> dict[str, str]:
    """The other names of activations, each with the name it stands for."""
    return {n: d.name for n, d in _in_files() if n != d.name}


def choices(name: str) -> tuple[str, ...]:
    """The activations that a name stands for: several of a chooser, the default first.

    Raises:
        ValueError: there is no such name.
    """
    function = _function("catalogue", name)
    return tuple(info(f.__name__).name for f in choosers.get(function, (function,)))


def info(name: str) -> Definition:
    """What is known of an activation: formula, parameters, kinks, kernels.

    Of a chooser, such as `gelu`, what it chooses if nothing else is said.

    Raises:
        ValueError: there is no activation of that name or alias.
    """
    function = _function("catalogue", name)
    if function in choosers:
        return info(choosers[function][0].__name__)
    return _ours()[aliases().get(name, name)]


def _ours() -> dict[str, Definition]:
    """The activations of the families' files, less those that only kernels call."""
    here = (d for d in definitions() if d.function.__module__.startswith(_HOME))
    return {
        d.name: d
        for d in here
        if not (d.name.startswith("_") or d.family.startswith("_"))
    }


def _public() -> dict[str, Callable[..., Any]]:
    """The functions by name, those that choose among others last."""
    found = {n: d.function for n, d in _ours().items()}
    chosen = (f for f in choosers if f.__module__.startswith(_HOME))
    return {**found, **{f.__name__: f for f in chosen}}


def _in_files() -> Iterator[tuple[str, Definition]]:
    """The public names that the files of the families give to activations of theirs."""
    ours = _ours().values()
    for module in dict.fromkeys(d.function.__module__ for d in ours):
        for name, value in vars(sys.modules[module]).items():
            definition = lookup(value) if callable(value) else None
            if definition is None or name.startswith("_"):
                continue
            if definition.function.__module__ == module:
                yield name, definition


def _require_family(family: str | None) -> None:
    if family is not None and family not in families():
        known = ", ".join(families())
        raise ValueError(f"catalogue.names: no family {family!r}; there are {known}")


# --- activations by name, with parameters set ----------------------------------------


def get(
    name: str, /, framework: str | None = None, **parameters: Any
) -> Callable[..., Any]:
    """The activation of a name, with parameters set.

    get("leaky_relu") is `jaxact.leaky_relu`; get("leaky_relu", negative_slope=0.2) is
    that function with another default.  The latter equals what is built alike, can be
    hashed, pickled, and be a static argument or the field of a module.

    With a framework the name, the names of the parameters, their defaults and the
    slope at kinks are that framework's: get("hardtanh", "torch", max_val=2.0).

    Args:
        name: a name or an alias.
        framework: `"jax.nn"`, `"torch"`, `"keras"`, `"onnx"`, `"huggingface"`,
            `"ggml"` or `"flax"`; see `jaxact.frameworks`.
        parameters: numbers, arrays, or values of options.

    Raises:
        TypeError: there is no such parameter, or its value is none that it takes.
        ValueError: there is no such name; the message suggests names that are close.
    """
    theirs: Mapping[str, str] = {}
    if framework is not None:
        same = _translated(framework, name, parameters)
        theirs = same.renamed
        # where others write None, we have a default that stands for it
        told = {theirs.get(n, n): v for n, v in parameters.items() if v is not None}
        parameters = {**same.fixed, **told}
        name = same.general if told and same.general else same.name
    function = _function("get", name)
    if not parameters:
        return function
    _require_accepted(function, parameters, theirs)
    return Bound(function, **{n: _constant(v) for n, v in parameters.items()})


@jax.tree_util.register_static
class Bound(functools.partial, Defined):
    """An activation with parameters set, which equals what is built alike."""

    @property
    def definition(self) -> Definition | None:  # type: ignore[override]
        """That of the activation, the parameters set being its defaults."""
        known = lookup(self.func)
        return known and replace(known, signature=inspect.signature(self))

    @property
    def __name__(self) -> str:
        return self.func.__name__

    def __eq__(self, other: object) -> bool:
        return type(other) is Bound and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        values = (f"{n}={_shown(v)}" for n, v in self.keywords.items())
        return f"{self.__name__}({', '.join(values)})"

    def _key(self) -> tuple[Any, ...]:
        return self.func, frozenset((n, _key(v)) for n, v in self.keywords.items())


def _key(value: Any) -> tuple[Any, ...]:
    """What tells values apart: 1, 1.0 and True compute in different dtypes."""
    if isinstance(value, np.ndarray):
        return value.dtype.name, value.shape, value.tobytes()
    return type(value).__name__, repr(value)


def _shown(value: Any) -> str:
    return " ".join(repr(value).split())  # an array has lines


def _function(caller: str, name: str) -> Callable[..., Any]:
    public = _public()
    name = aliases().get(name, name)
    if name not in public:
        hint = _hint(name, [*public, *aliases()]) or "jaxact.names() lists them"
        raise ValueError(f"{caller}: no activation {name!r}; {hint}")
    return public[name]


def _family(function: Callable[..., Any]) -> str:
    return function.__module__.rpartition(".")[2]


def _hint(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known)
    return f"did you mean {' or '.join(close)}?" if close else ""


def _translated(
    framework: str, name: str, parameters: dict[str, Any]
) -> frameworks.Same:
    """What a framework's name stands for; the parameter that chooses is taken out."""
    if framework not in frameworks.TABLE:
        known = ", ".join(frameworks.TABLE)
        raise ValueError(f"get: no framework {framework!r}; there are {known}")
    table = frameworks.TABLE[framework]
    if name not in table:
        hint = _hint(name, list(table)) or f"it has {', '.join(table)}"
        raise ValueError(f"get: {framework} has no activation {name!r}; {hint}")
    found = table[name]
    if isinstance(found, frameworks.Same):
        return found
    value = parameters.pop(found.parameter, next(iter(found.among)))
    if value not in found.among:
        values = " or ".join(map(repr, found.among))
        raise ValueError(f"get({name!r}): {found.parameter} must be {values}")
    return found.among[value]


def _require_accepted(
    function: Callable[..., Any], given: Mapping[str, Any], theirs: Mapping[str, str]
) -> None:
    """Refuse parameters that a function does not have, and values of another kind."""
    where = f"get({function.__name__!r})"
    accepted = dict(list(signature_of(function).parameters.items())[1:])
    ours = {v: k for k, v in theirs.items()}  # the error speaks of what was written
    for name, value in given.items():
        if name not in accepted:
            known = ", ".join(ours.get(n, n) for n in accepted) or "none"
            raise TypeError(f"{where}: no parameter {name!r}; it has {known}")
        if is_option(accepted[name]):
            try:
                hash(value)
            except TypeError:
                got = f"got {describe(value)}"
                raise TypeError(f"{where}: {name} is an option; {got}") from None
        elif isinstance(value, Tracer):
            raise TypeError(
                f"{where}: {name} is traced; pass it when the activation is called"
            )
        elif not is_number(value) and (
            value is not None or accepted[name].default is not None
        ):
            raise TypeError(
                f"{where}: {name} must be a number or an array; got {describe(value)}"
            )


def _constant(value: Any) -> Any:
    """A value that nobody can change: arrays are copied."""
    if not isinstance(value, (jax.Array, np.ndarray, np.generic)):
        return value
    if getattr(value, "weak_type", False) and value.ndim == 0:
        return value.item()
    value = np.array(value)
    value.setflags(write=False)
    return value


# --- activations as data -------------------------------------------------------------

_WORDS = ("inf", "-inf", "nan")  # what JSON has no numbers for


def to_config(f: Callable[..., Any]) -> dict[str, Any]:
    """An activation as data that JSON can hold, from which `from_config` makes it.

    `{"name": "leaky_relu", "parameters": {"negative_slope": 0.2}}`; the parameters are
    those set by `jaxact.get`.  An activation made from others is `{"combine": ...,
    "of": [...], "with": {...}}`.  Arrays are nested lists with their dtype.

    Args:
        f: an activation of jaxact, or what `get` or a combinator made of one.

    Raises:
        TypeError: `f` is something else.
    """
    construction = getattr(f, "construction", None)
    if construction is not None:
        name, parts, settings = construction
        config = {"combine": name, "of": [_encoded(part) for part in parts]}
        if settings:
            config["with"] = {n: _encoded(v) for n, v in settings.items()}
        return config
    function = f.func if isinstance(f, Bound) else f
    name = getattr(function, "__name__", "")
    if _public().get(name) is not function:
        raise TypeError(
            f"to_config: {f!r} is no activation of jaxact; set parameters with "
            "jaxact.get(name, parameter=value)"
        )
    if isinstance(f, Bound):
        values = {n: _encoded(v) for n, v in f.keywords.items()}
        return {"name": name, "parameters": values}
    return {"name": name}


def from_config(config: Mapping[str, Any]) -> Callable[..., Any]:
    """The activation that a config of `to_config` says.

    Names are looked up in the catalogue; nothing is evaluated and nothing imported.

    Raises:
        TypeError: the config, or a value in it, has another type than it should.
        ValueError: a name or a key is unknown, or a key is missing.
    """
    if not isinstance(config, Mapping):
        raise TypeError(f"from_config: expected a dict, got {config!r}")
    if "combine" in config:
        return _combined(config)
    _require_keys(config, {"name"}, {"parameters"})
    parameters = config.get("parameters", {})
    if not isinstance(config["name"], str) or not isinstance(parameters, Mapping):
        raise TypeError(
            "from_config: expected the name as a string and the parameters as a dict; "
            f"got {dict(config)!r}"
        )
    values = {n: _decoded(v) for n, v in parameters.items()}
    if "framework" in values:  # an argument of get, and no parameter
        raise ValueError("from_config: 'framework' is no parameter")
    return get(config["name"], **values)


def _combined(config: Mapping[str, Any]) -> Callable[..., Any]:
    _require_keys(config, {"combine", "of"}, {"with"})
    name, parts, settings = config["combine"], config["of"], config.get("with", {})
    if not (
        isinstance(name, str)
        and isinstance(parts, list)
        and isinstance(settings, Mapping)
    ):
        raise TypeError(
            "from_config: expected 'combine' as a string, 'of' as a list and 'with' as "
            f"a dict; got {dict(config)!r}"
        )
    values = {n: _decoded(v) for n, v in settings.items()}
    try:
        return rebuilt(name, [_decoded(part) for part in parts], values)
    except ValueError as error:
        raise ValueError(f"from_config: {error}") from None


def _require_keys(
    config: Mapping[str, Any], needed: set[str], optional: set[str]
) -> None:
    if missing := needed - set(config):
        raise ValueError(f"from_config: no key {min(missing)!r} in {dict(config)!r}")
    if unknown := set(config) - needed - optional:
        known = ", ".join(sorted(needed | optional))
        raise ValueError(f"from_config: unknown key {min(unknown)!r}; keys are {known}")


def _encoded(value: Any) -> Any:
    """A parameter, or a part of a combination, as JSON can hold it."""
    if isinstance(value, (list, tuple)):
        return [_encoded(v) for v in value]
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": str(value)}
    if hasattr(value, "dtype"):
        array = np.asarray(value)
        wide = array if array.dtype.kind in "iub" else array.astype(np.float64)
        return {"array": _cells(wide.tolist()), "dtype": array.dtype.name}
    if callable(value):
        return to_config(value)
    raise TypeError(f"to_config: {value!r} is no number, array, option or activation")


def _cells(value: Any) -> Any:
    """Nested lists, in which infinities and NaN are words."""
    if isinstance(value, list):
        return [_cells(v) for v in value]
    return value if math.isfinite(value) else str(value)


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decoded(v) for v in value)
    if not isinstance(value, Mapping):
        return value
    if "float" in value:
        _require_keys(value, {"float"}, set())
        if value["float"] not in _WORDS:
            raise ValueError(f"from_config: {value!r}: expected {', '.join(_WORDS)}")
        return float(value["float"])
    if "array" in value:
        _require_keys(value, {"array", "dtype"}, set())
        dtype = jnp.dtype(value["dtype"])
        exact = dtype if dtype.kind in "iub" else np.float64
        return np.array(value["array"], exact).astype(dtype)
    return from_config(value)
