"""The catalogue: activations by name, with parameters set.

It is made from what the decorators saw; there is no second list.
"""

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.core import Tracer

from ._core import (
    Activation,
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
from ._translation import framework_of, having, near, translated
from .frameworks import Framework

__all__ = [  # noqa: RUF022 (in the order of the file)
    "names",
    "defined",
    "families",
    "aliases",
    "choices",
    "info",
    "get",
    "Bound",
    "is_activation",
    "name_of",
]


def __dir__() -> list[str]:
    return __all__


_HOME = f"{__package__}._functions."

# --- names ---------------------------------------------------------------------------


def names(family: str | None = None) -> tuple[str, ...]:
    """The names that `get` takes: of one family or of all, in order of definition.

    They are those of the activations and of the functions that choose among them, such
    as `gelu`; `aliases` gives other names.

    Returns:
        A tuple of names.

    Raises:
        ValueError: there is no such family.

    Example:
        >>> jaxact.names("sigmoids")
        ('sigmoid', 'tanh', 'soft_sign')
    """
    _require_family(family)
    return tuple(n for n, f in _public().items() if family in (None, _family(f)))


def defined(family: str | None = None) -> tuple[str, ...]:
    """The names of the activations themselves, without those that choose among them.

    Returns:
        A tuple of names.

    Raises:
        ValueError: there is no such family.

    Example:
        >>> jaxact.catalogue.defined("gelus")
        ('gelu_tanh', 'gelu_exact', 'gelu_clipped')
    """
    _require_family(family)
    return tuple(n for n, d in _ours().items() if family in (None, d.family))


def families() -> tuple[str, ...]:
    """The families, one per file of `jaxact/_functions`.

    Returns:
        A tuple of names of families.

    Example:
        >>> "gelus" in jaxact.catalogue.families()
        True
    """
    return tuple(dict.fromkeys(d.family for d in _ours().values()))


def aliases() -> dict[str, str]:
    """The other names of activations, each with the name it stands for.

    Returns:
        A dict from the other name to the name.

    Example:
        >>> jaxact.catalogue.aliases()["swish"]
        'silu'
    """
    return dict(_aliases_among(len(definitions())))


def choices(name: str) -> tuple[str, ...]:
    """The activations that a name stands for: several of a chooser, the default first.

    Returns:
        A tuple of names.

    Raises:
        ValueError: there is no such name.

    Example:
        >>> jaxact.catalogue.choices("gelu")
        ('gelu_tanh', 'gelu_exact')
    """
    function = _function("catalogue", name)
    return tuple(info(f.__name__).name for f in choosers.get(function, (function,)))


def info(name: str) -> Definition:
    """The definition of an activation: formula, parameters, kinks, kernels.

    For a chooser, such as `gelu`, it is the definition of its default.

    Returns:
        A `Definition`, with what its decorators saw.

    Raises:
        ValueError: there is no activation of that name or alias.

    Example:
        >>> jaxact.catalogue.info("elu").formula.text
        'x if x > 0 else alpha * (exp(x) - 1)'
    """
    function = _function("catalogue", name)
    if function in choosers:
        return info(choosers[function][0].__name__)
    definition = lookup(function)
    assert definition is not None
    return definition


def _ours() -> dict[str, Definition]:
    """The activations in the files of the families, without those only kernels call."""
    return _ours_among(len(definitions()))  # looked for when there are new ones


@functools.cache
def _ours_among(count: int) -> dict[str, Definition]:
    here = (d for d in definitions() if (d.function.__module__ or "").startswith(_HOME))
    return {
        d.name: d
        for d in here
        if not (d.name.startswith("_") or d.family.startswith("_"))
    }


def _public() -> dict[str, Activation[..., Array]]:
    """The functions by name, those that choose among others last."""
    found = {n: d.function for n, d in _ours().items()}
    chosen = (f for f in choosers if f.__module__.startswith(_HOME))
    return {**found, **{f.__name__: f for f in chosen}}


def _in_files() -> Iterator[tuple[str, Definition]]:
    """The public names in the files of the families, with what they name."""
    ours = _ours().values()
    for module in dict.fromkeys(d.function.__module__ for d in ours):
        for name, value in vars(sys.modules[module]).items():
            definition = lookup(value) if callable(value) else None
            if definition is None or name.startswith("_"):
                continue
            if definition.function.__module__ == module:
                yield name, definition


@functools.cache
def _aliases_among(count: int) -> dict[str, str]:
    return {n: d.name for n, d in _in_files() if n != d.name}


def _require_family(family: str | None) -> None:
    if family is not None and family not in families():
        known = ", ".join(families())
        raise ValueError(f"catalogue.names: no family {family!r}; there are {known}")


# --- activations by name, with parameters set ----------------------------------------


def get(
    name: str, /, framework: Framework | None = None, **parameters: Any
) -> Activation[..., Array]:
    """The activation of a name, with parameters set.

    get("leaky_relu") is `jaxact.leaky_relu`; get("leaky_relu", negative_slope=0.2) is
    that function with another default.  Two with the same values are equal; they can be
    hashed and pickled, and be a static argument or the field of a module.

    With a framework the name, the names of the parameters, their defaults and the slope
    at kinks are that framework's: get("hardtanh", "torch", max_val=2.0).  A name with
    its module says the same: get("torch.nn.Hardtanh", max_val=2.0).  Keywords that mean
    nothing here, such as `inplace`, are accepted.

    An activation of your own is "module:name", in a module that is imported already.
    It has no shorter name, so that the meaning of a name never depends on the imports.

    Args:
        name: a name or an alias, or a name with the module that has it.
        framework: `"jax.nn"`, `"torch"`, `"keras"`, `"tensorflow"`, `"onnx"`,
            `"huggingface"`, `"ggml"` or `"flax"`, or another name of one, such as
            `"pytorch"`; see `jaxact.frameworks`.
        parameters: numbers, or values of options.  Arrays are given at the call: here
            they would be constants, which no optimizer sees.

    Returns:
        The public function itself if nothing is set, else a function like it.

    Raises:
        TypeError: there is no such parameter, or it does not take the value.
        ValueError: there is no such name, or several; the message suggests names.

    Example:
        >>> jaxact.get("torch.nn.LeakyReLU", negative_slope=0.2, inplace=True)
        leaky_relu_left(negative_slope=0.2)
    """
    if not isinstance(name, str):
        raise TypeError(f"get: expected a name; got {describe(name)}")
    if "(" in name:
        alone = name.partition("(")[0]
        raise ValueError(
            f"get: {name!r} is a call; parameters are keywords of get: "
            f"get({alone!r}, parameter=value)"
        )
    label, written = name, {}
    if ":" not in name or framework is not None:
        theirs, label = framework_of(name, framework)
        if theirs:
            meant = translated(theirs, label, parameters)
            name, parameters, written = meant
    function = _function("get", name)
    if not parameters:
        return function
    accepted = dict(list(signature_of(function).parameters.items())[1:])
    for n, value in parameters.items():
        where = f"get: {label}({written.get(n, n)})"
        if n not in accepted:
            known = ", ".join(accepted) or "none"
            raise TypeError(f"{where}: there is no such parameter; it has {known}")
        _require_value(where, n, accepted[n], value)
    return Bound(function, **parameters)


@jax.tree_util.register_static
class Bound(functools.partial, Defined):
    """An activation with parameters set; two with the same values are equal."""

    @property
    def definition(self) -> Definition | None:  # type: ignore[override]
        """The definition of the activation, with the parameters set as its defaults."""
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
        values = (f"{n}={v!r}" for n, v in self.keywords.items())
        return f"{self.__name__}({', '.join(values)})"

    def _key(self) -> tuple[Any, ...]:
        # 1, 1.0 and True compute in different dtypes
        values = ((n, type(v), repr(v)) for n, v in self.keywords.items())
        return self.func, frozenset(values)


def _require_value(
    where: str, name: str, parameter: inspect.Parameter, value: Any
) -> None:
    """Refuse a value that the parameter does not take; arrays belong in the call."""
    if is_option(parameter):
        try:
            hash(value)
        except TypeError:
            raise TypeError(f"{where} is an option; got {describe(value)}") from None
    elif isinstance(value, Tracer):
        raise TypeError(f"{where} is traced; pass it when the activation is called")
    elif isinstance(value, (jax.Array, np.ndarray)):
        raise TypeError(
            f"{where} is an array, which would be a constant here, and not be trained; "
            f"pass it at the call, f(x, {name}=array), or, if a constant is meant, use "
            f"functools.partial(f, {name}=array), or float(array) for one number"
        )
    elif not is_number(value) and (value is not None or parameter.default is not None):
        raise TypeError(f"{where} must be a number; got {describe(value)}")


# --- names looked up ----------------------------------------------------------------


def _function(caller: str, name: str) -> Activation[..., Array]:
    """The public function of a name, or the activation that "module:name" says."""
    if ":" in name:
        return _in_module(caller, *name.split(":", 1))
    public = _public()
    name = aliases().get(name, name)
    if name not in public:
        hints = [having(name), near(name, [*public, *aliases(), *_users()])]
        told = "; ".join(filter(None, hints)) or "jaxact.names() lists them"
        raise ValueError(f"{caller}: no activation {name!r}; {told}")
    return public[name]


def _in_module(caller: str, module: str, name: str) -> Activation[..., Array]:
    """An activation at the top of a module that is imported already."""
    spelled = f"{module}:{name}"
    if module not in sys.modules:
        raise ValueError(
            f"{caller}: {spelled!r}: the module {module!r} is not imported; import it"
        )
    found = vars(sys.modules[module]).get(name)
    if found is None or not is_activation(found):
        hint = near(spelled, _users()) or "define it there with @jaxact.activation"
        raise ValueError(f"{caller}: {module} has no activation {name!r}; {hint}")
    return found


def is_activation(value: Any) -> bool:
    """Whether a value is an activation, or a function that chooses among some.

    Returns:
        True or False.

    Example:
        >>> jaxact.catalogue.is_activation(jax.nn.relu)
        False
    """
    return callable(value) and (lookup(value) is not None or _chooses(value))


def _chooses(value: Any) -> bool:
    return inspect.isfunction(value) and value in choosers


def name_of(function: Callable[..., Any]) -> str | None:
    """The name by which `get` finds a function again, or None.

    Returns:
        A name, or None if there is none.

    Example:
        >>> jaxact.catalogue.name_of(jaxact.relu)
        'relu'
    """
    name = getattr(function, "__name__", "")
    if _public().get(name) is function:
        return name
    module = sys.modules.get(getattr(function, "__module__", ""))
    if isinstance(module, ModuleType) and is_activation(function):
        if vars(module).get(name) is function:
            return f"{module.__name__}:{name}"
    return None


def _users() -> list[str]:
    """The names of activations that are defined elsewhere than in jaxact."""
    others = (d.function for d in definitions() if not _is_ours(d.function))
    return list(dict.fromkeys(n for f in others if (n := name_of(f)) is not None))


def _is_ours(function: Callable[..., Any]) -> bool:
    return (function.__module__ or "").startswith(f"{__package__}.")


def _family(function: Callable[..., Any]) -> str:
    return function.__module__.rpartition(".")[2]
