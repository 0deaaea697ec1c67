"""Elementwise derivatives, of an activation or of any elementwise JAX function."""

import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, overload

import jax
import jax.numpy as jnp
from jax import Array

from .._core import (
    Definition,
    describe,
    is_number,
    is_option,
    lookup,
    signature_of,
    usage,
)
from .._core.types import Activation, Kernel, P
from ._elementwise import require_elementwise

_SEVERAL = inspect.Parameter.VAR_POSITIONAL


@overload
def derivative(
    f: Kernel[P, Array], order: int = ..., wrt: str = ...
) -> Activation[P, Array]: ...
@overload
def derivative(
    f: Callable[P, Array], order: int = ..., wrt: str = ...
) -> Callable[P, Array]: ...
def derivative(f: Callable[..., Array], order: int = 1, wrt: str = "x") -> Any:
    """The derivative of an elementwise function, elementwise, as a function.

    derivative(f, n)(x) = d^n f / dx^n at every element of x; shape and dtype are those
    of f(x), integers count as floats.  The result takes the arguments of `f`, and can
    be differentiated, batched, compiled and pickled.  It follows the rule of `f`: for
    an activation the analytic derivative, for any other function that of JAX.  The
    derivative of an activation is compiled.  Any other `f` is traced at every call, as
    `jax.grad` does, so that it may read things that change between calls.

    Args:
        f: an activation or any elementwise JAX function.  Of a scalar x it may be any
            function that gives a scalar, such as a network.
        order: how often to differentiate, 1, 2, ...
        wrt: the variable: `x`, or the first argument if none has that name; or another
            argument by its name.  The other arguments may be of any kind, such as a
            dict of parameters.

    Returns:
        A function with the arguments of `f`; its result has the shape and dtype of
        f(x).

    Raises:
        TypeError: `f` is not elementwise.
        ValueError: `order` is not a positive whole number, or `wrt` is not an argument
            of `f`.

    Example:
        >>> jaxact.derivative(jaxact.elu)(jnp.array([-1.0, 2.0]))
        Array([0.36787945, 1.        ], dtype=float32)
    """
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise ValueError(f"derivative: order must be 1, 2, ...; got {order!r}")
    if isinstance(f, Derivative) and f.wrt == wrt and not f.with_value:
        f, order = f.function, f.order + order
    return Derivative(f, wrt, order)


@overload
def value_and_derivative(
    f: Kernel[P, Array], wrt: str = ...
) -> Activation[P, tuple[Array, Array]]: ...
@overload
def value_and_derivative(
    f: Callable[P, Array], wrt: str = ...
) -> Callable[P, tuple[Array, Array]]: ...
def value_and_derivative(f: Callable[..., Array], wrt: str = "x") -> Any:
    """The value of an elementwise function and its first derivative, in one pass.

    value_and_derivative(f)(x) = (f(x), f'(x)), both elementwise, of the shape and dtype
    of f(x).

    Args:
        f: an activation or any elementwise JAX function.
        wrt: the variable, as for `derivative`.

    Returns:
        A function with the arguments of `f`, which returns two arrays of the shape and
        dtype of f(x).

    Raises:
        TypeError: `f` is not elementwise.
        ValueError: `wrt` is not an argument of `f`.

    Example:
        >>> jaxact.value_and_derivative(jaxact.relu)(jnp.array([-1.0, 2.0]))
        (Array([0., 2.], dtype=float32), Array([0., 1.], dtype=float32))
    """
    return Derivative(f, wrt, with_value=True)


@dataclass(frozen=True, repr=False)
class Derivative:
    """A derivative as a function; two that are made alike are equal.

    Attributes:
        function: the function that is differentiated.
        wrt: the variable.
        order: how often.
        with_value: whether a call gives the value too.
    """

    function: Callable[..., Any]
    wrt: str
    order: int = 1
    with_value: bool = False

    def __post_init__(self) -> None:
        """Check the function, and take its docstring and signature."""
        f = self.function
        if not callable(f):
            raise TypeError(f"derivative: expected a function, got {f!r}")
        definition = lookup(f)
        if definition is not None and definition.pushforward is not None:
            raise TypeError(f"derivative: {definition.name} is not elementwise")
        joint = "_and" if self.with_value else ""
        number = "" if self.order == 1 else str(self.order)
        attributes = {
            "__name__": f"{_name(f)}{joint}_d{self.wrt}{number}",
            "__doc__": inspect.getdoc(f),
            "__signature__": inspect.signature(f),
            "__wrapped__": f,
        }
        for attribute, value in attributes.items():
            object.__setattr__(self, attribute, value)
        _variable(f, self.wrt)

    def __hash__(self) -> int:
        try:
            return hash((self.function, self.wrt, self.order, self.with_value))
        except TypeError:  # a callable that cannot be hashed
            return id(self.function)

    def __repr__(self) -> str:
        return self.__name__  # type: ignore[attr-defined]

    def __reduce__(self) -> Any:
        return Derivative, (self.function, self.wrt, self.order, self.with_value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The derivative at x, and at values of the other arguments."""
        definition = lookup(self.function)
        if definition is None:
            return self.traced(*args, **kwargs)
        settings = getattr(self.function, "keywords", {})  # parameters set by `get`
        try:
            return self._compiled(definition)(*args, **{**settings, **kwargs})
        except (TypeError, ValueError):
            self._arguments(args, kwargs)  # each may have more to say
            self.function(*args, **kwargs)
            raise

    def traced(self, *args: Any, **kwargs: Any) -> Any:
        """The result of a call, computed without compiling."""
        bound, variable = self._arguments(args, kwargs), _variable(*self._of)
        given = bound.arguments[variable]
        several = self._signature.parameters[variable].kind is _SEVERAL
        x = jnp.asarray(given[0] if several else given)
        if not jnp.issubdtype(x.dtype, jnp.inexact):
            x = x.astype(float)

        def along(v: Array) -> Any:
            moved = {variable: (v, *given[1:]) if several else v}
            call = inspect.BoundArguments(
                bound.signature, OrderedDict(bound.arguments | moved)
            )
            return self.function(*call.args, **call.kwargs)

        if lookup(self.function) is None:
            require_elementwise(along, x, _name(self.function))
        if self.with_value:
            return jax.jvp(along, (x,), (jnp.ones_like(x),))
        return _nth(along, self.order)(x)

    @property
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self)

    @property
    def _of(self) -> tuple[Callable[..., Any], str]:
        return self.function, self.wrt

    def _arguments(self, args: Any, kwargs: Any) -> inspect.BoundArguments:
        """The arguments of a call, the variable being a number or an array."""
        name, signature = self.__name__, self._signature  # type: ignore[attr-defined]
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            usual = usage(_name(self.function), signature)
            raise TypeError(f"{name}: {error}; it is called as {usual}") from None
        variable = _variable(*self._of)
        default = signature.parameters[variable].default
        bound.arguments.setdefault(variable, default)
        value = bound.arguments[variable]
        if signature.parameters[variable].kind is _SEVERAL:  # as of jnp.maximum
            value = next(iter(value), None)
        if not is_number(value, holomorphic=True):
            raise TypeError(
                f"{name}: {variable} must be an array or a number; got "
                f"{describe(value)}"
            )
        return bound

    def _compiled(self, definition: Definition) -> Callable[..., Any]:
        """The compiled form, which all derivatives made alike share."""
        key = (self.wrt, self.order, self.with_value)
        if key not in definition.derived:
            plain = Derivative(definition.function, *key)

            def traced(*args: Any, **kwargs: Any) -> Any:
                return plain.traced(*args, **kwargs)

            traced.__name__ = traced.__qualname__ = plain.__name__  # type: ignore[attr-defined]
            traced.__signature__ = definition.signature  # type: ignore[attr-defined]
            compiled = jax.jit(traced, static_argnames=definition.options)
            definition.derived[key] = compiled
        return definition.derived[key]


def _name(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", type(f).__name__)


def _variable(f: Callable[..., Any], wrt: str) -> str:
    """The name of the argument to differentiate by."""
    parameters = signature_of(f).parameters.values()
    variables = [p.name for p in parameters if not is_option(p)]
    if wrt == "x" and "x" not in variables:
        wrt = next(iter(variables), "x")
    if wrt not in variables:
        raise ValueError(
            f"derivative: {_name(f)} has no argument {wrt!r} to differentiate by; it "
            f"has {', '.join(variables) or 'none'}"
        )
    return wrt


def _nth(g: Callable[[Array], Array], order: int) -> Callable[[Array], Array]:
    for _ in range(order):
        g = functools.partial(_first, g)
    return g


def _first(g: Callable[[Array], Array], v: Array) -> Array:
    return jax.jvp(g, (v,), (jnp.ones_like(v),))[1]
