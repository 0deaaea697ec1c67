"""Activations as plain data, and back."""

import importlib
import math
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from ._core import Activation
from .catalogue import Bound, get, is_activation, name_of
from .combinators import rebuilt
from .frameworks import MODULES

Modules = str | ModuleType | Iterable[str | ModuleType]

_WORDS = ("inf", "-inf", "nan")  # JSON has no numbers for these


def to_config(f: Callable[..., Any]) -> dict[str, Any]:
    """An activation as data that JSON can hold, from which `from_config` makes it.

    `{"name": "leaky_relu", "parameters": {"negative_slope": 0.2}}`; the parameters are
    those set by `jaxact.get`.  An activation of your own has the name `"module:name"`.
    An activation made from others is `{"combine": ..., "of": [...], "with": {...}}`.

    Args:
        f: an activation, also one made by `get` or by a combinator.

    Returns:
        A dict of dicts, lists, strings, numbers and None.

    Raises:
        TypeError: `f` is something else, or an activation that is not at the top of a
            module, where it could be found again.

    Example:
        >>> jaxact.to_config(jaxact.get("elu", alpha=0.5))
        {'name': 'elu', 'parameters': {'alpha': 0.5}}
    """
    construction = getattr(f, "construction", None)
    if construction is not None:
        name, parts, settings = construction
        config = {"combine": name, "of": [to_config(part) for part in parts]}
        if settings:
            config["with"] = {n: _encoded(v) for n, v in settings.items()}
        return config
    function = f.func if isinstance(f, Bound) else f
    name = name_of(function)
    if name is None:
        if is_activation(function) and hasattr(function, "__qualname__"):
            raise TypeError(
                f"to_config: {function.__qualname__} is not at the top of the module "
                f"{function.__module__!r}; define it there, where from_config can find "
                "it"
            )
        raise TypeError(
            f"to_config: {f!r} is not an activation; set parameters with "
            "jaxact.get(name, parameter=value)"
        )
    if isinstance(f, Bound):
        values = {n: _encoded(v) for n, v in f.keywords.items()}
        return {"name": name, "parameters": values}
    return {"name": name}


def from_config(
    config: Mapping[str, Any], *, allow: Modules = ()
) -> Activation[..., Array]:
    """The activation that a config of `to_config` or of a Keras layer describes.

    Names are looked up as by `jaxact.get`, also those of other frameworks, such as
    `"torch.nn.GELU"`.  Nothing is evaluated, and only modules that you name are
    imported.

    Args:
        config: the result of `to_config` or of `keras.layers.serialize`.
        allow: modules, or their names, from which activations of your own may come.

    Returns:
        An activation, which equals the one that the config was made of.

    Raises:
        TypeError: the config, or a value in it, has another type than it should.
        ValueError: a name or a key is unknown, a key is missing, or a module is not
            allowed.

    Example:
        >>> jaxact.from_config({"name": "elu", "parameters": {"alpha": 0.5}})
        elu(alpha=0.5)
    """
    return _from_config(config, _names(allow))


def _names(allow: Modules) -> tuple[str, ...]:
    several = [allow] if isinstance(allow, (str, ModuleType)) else list(allow)
    for module in several:
        if not isinstance(module, (str, ModuleType)):
            raise TypeError(
                "from_config: allow must be modules or their names; "
                f"got {type(module).__name__} {module!r:.60}"
            )
    return tuple(m if isinstance(m, str) else m.__name__ for m in several)


def _from_config(config: Any, allow: tuple[str, ...]) -> Activation[..., Array]:
    if not isinstance(config, Mapping):
        raise TypeError(f"from_config: expected a dict, got {config!r}")
    if "combine" in config:
        return _combined(config, allow)
    if "class_name" in config:
        return _keras_layer(config)
    _require_keys(config, {"name"}, {"parameters"})
    name, parameters = config["name"], config.get("parameters", {})
    if not isinstance(name, str) or not isinstance(parameters, Mapping):
        raise TypeError(
            "from_config: expected the name as a string and the parameters as a dict; "
            f"got {dict(config)!r}"
        )
    values = {n: _decoded(v) for n, v in parameters.items()}
    if "framework" in values:  # an argument of get
        raise ValueError("from_config: 'framework' is not a parameter")
    module, colon, _ = name.partition(":")
    if colon and module not in allow:
        raise ValueError(
            f"from_config: {name!r} needs the module {module!r}; if you trust it, call "
            f"from_config(config, allow=[{module!r}])"
        )
    if colon:
        importlib.import_module(module)
    return get(name, **values)


def _keras_layer(config: Mapping[str, Any]) -> Activation[..., Array]:
    """The activation of a layer, as `keras.layers.serialize` writes it."""
    more = {"module", "registered_name", "build_config"}
    _require_keys(config, {"class_name", "config"}, more)
    module = config.get("module") or "keras.layers"
    layer, settings = config["class_name"], config["config"]
    if module not in MODULES or not isinstance(settings, Mapping):
        raise ValueError(f"from_config: {module}.{layer} is not a layer of Keras")
    if layer == "Activation":
        inside = settings.get("activation")
        return get(inside, "keras") if isinstance(inside, str) else _layer_in(inside)
    tuples = {n: tuple(v) if isinstance(v, list) else v for n, v in settings.items()}
    return get(f"keras.layers.{layer}", None, **tuples)


def _layer_in(config: Any) -> Activation[..., Array]:
    if not isinstance(config, Mapping):
        raise TypeError(f"from_config: expected an activation, got {config!r}")
    return _keras_layer(config)


def _combined(
    config: Mapping[str, Any], allow: tuple[str, ...]
) -> Activation[..., Array]:
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
    made = [_from_config(part, allow) for part in parts]
    try:
        return rebuilt(name, made, values)
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
    """The value of a parameter as JSON can hold it."""
    if isinstance(value, tuple):
        return [_encoded(v) for v in value]
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, np.generic):  # its dtype counts
        return {"number": _encoded(value.astype(object)), "dtype": value.dtype.name}
    if type(value) is float:
        return value if math.isfinite(value) else {"float": str(value)}
    raise TypeError(f"to_config: {value!r} is not a number or an option")


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
    _require_keys(value, {"number", "dtype"}, set())
    dtype, number = jnp.dtype(value["dtype"]), _decoded(value["number"])
    numeric = jnp.issubdtype(dtype, jnp.number) or dtype.kind == "b"
    if not numeric or not isinstance(number, (int, float)):
        raise TypeError(f"from_config: {dict(value)!r} is not a number of a dtype")
    return dtype.type(number)
