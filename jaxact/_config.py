"""Activations as plain data, for JSON files and checkpoints, and back."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from . import catalogue
from ._named import Bound, get
from .combinators import rebuilt

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
    if _named(name) is not function:
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


def _named(name: str) -> Callable[..., Any] | None:
    known = catalogue.choosers()
    return catalogue.get(name) if name in catalogue.names() else known.get(name)


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
