"""Activations by name, with parameters set: what a configuration can say."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from . import catalogue, frameworks
from ._core import Defined, Definition, describe, is_number, is_option, lookup


def names(family: str | None = None) -> tuple[str, ...]:
    """The names that `get` takes: of one family, or of all.

    They are those of `jaxact.catalogue.names` and those of the functions that choose
    among activations, such as `gelu`.  `jaxact.catalogue.aliases` gives other names.

    Raises:
        ValueError: there is no such family.
    """
    chosen = catalogue.names(family)
    choosers = catalogue.choosers().items()
    return (*chosen, *(n for n, f in choosers if family in (None, _family(f))))


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
        framework: `"torch"`, `"keras"`, `"onnx"`, `"huggingface"`, `"ggml"` or
            `"flax"`; see `jaxact.frameworks`.
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
    function = _function(name)
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


def _function(name: str) -> Callable[..., Any]:
    choosers = catalogue.choosers()
    if name in choosers:
        return choosers[name]
    try:
        return catalogue.get(name)
    except ValueError:
        known = [*names(), *catalogue.aliases()]
    hint = _hint(name, known) or "jaxact.names() lists them"
    raise ValueError(f"get: no activation {name!r}; {hint}")


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
    accepted = dict(list(inspect.signature(function).parameters.items())[1:])
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
