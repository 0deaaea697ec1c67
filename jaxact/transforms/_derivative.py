"""Elementwise derivatives, of an activation or of any elementwise JAX function."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from .._core import lookup


def derivative(
    f: Callable[..., Array], order: int = 1, wrt: str = "x"
) -> Callable[..., Array]:
    """The derivative of an elementwise function, elementwise, as a function.

    derivative(f, n)(x) = d^n f / dx^n at every element of x; shape and dtype are those
    of f(x), integers count as floats.  The result takes the arguments of `f`, can be
    differentiated, batched and compiled, and reads the rule of `f`: for an activation
    the analytic one, else what JAX differentiates.

    Args:
        f: an activation or any elementwise JAX function.
        order: how often to differentiate, 1, 2, ...
        wrt: the variable: the first argument by default, or a parameter by name.

    Raises:
        TypeError: `f` is not elementwise.
        ValueError: `order` is no positive whole number, or `wrt` no argument of `f`.
    """
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise ValueError(f"derivative: order must be 1, 2, ...; got {order!r}")
    return _once(_derivative)(f, order, wrt)


def _derivative(f: Callable[..., Any], order: int, wrt: str) -> Callable[..., Any]:
    def nth(g: Callable[[Array], Array], n: int) -> Callable[[Array], Array]:
        if n == 0:
            return g
        return lambda v: jax.jvp(nth(g, n - 1), (v,), (jnp.ones_like(v),))[1]

    name = f"{_name(f)}_d{wrt}{order if order > 1 else ''}"
    return _along(f, wrt, name, lambda g, v: nth(g, order)(v))


def value_and_derivative(
    f: Callable[..., Array], wrt: str = "x"
) -> Callable[..., tuple[Array, Array]]:
    """The value of an elementwise function and its first derivative, in one pass.

    value_and_derivative(f)(x) = (f(x), f'(x)), both elementwise, of the shape and dtype
    of f(x).

    Args:
        f: an activation or any elementwise JAX function.
        wrt: the variable: the first argument by default, or a parameter by name.

    Raises:
        TypeError: `f` is not elementwise.
        ValueError: `wrt` is no argument of `f`.
    """
    return _once(_value_and_derivative)(f, wrt)


def _value_and_derivative(f: Callable[..., Any], wrt: str) -> Callable[..., Any]:
    name = f"{_name(f)}_and_d{wrt}"
    return _along(f, wrt, name, lambda g, v: jax.jvp(g, (v,), (jnp.ones_like(v),)))


@functools.cache
def _once(make: Callable[..., Any]) -> Callable[..., Any]:
    """`make`, which gives one object, and so one compilation, for the same function."""
    cached = functools.lru_cache(maxsize=512)(make)

    def made(f: Callable[..., Any], *args: Any) -> Callable[..., Any]:
        try:
            return cached(f, *args)
        except TypeError:
            try:
                hash(f)
            except TypeError:  # a callable that cannot be hashed
                return make(f, *args)
            raise

    return made


def _name(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", type(f).__name__)


def _along(
    f: Callable[..., Any], wrt: str, name: str, apply: Callable[[Any, Array], Any]
) -> Callable[..., Any]:
    """The function that calls `apply(g, v)`, `g` being `f` in the variable `wrt`."""
    if not callable(f):
        raise TypeError(f"derivative: expected a function, got {f!r}")
    definition = lookup(f)
    if definition is not None and definition.pushforward is not None:
        raise TypeError(f"derivative: {definition.name} is not elementwise")
    signature = inspect.signature(f)
    variable = wrt
    if wrt == "x" and "x" not in signature.parameters:
        variable = next(iter(signature.parameters), "x")
    if variable not in signature.parameters:
        raise ValueError(
            f"derivative: {_name(f)} has no argument {wrt!r}; it takes "
            f"{', '.join(signature.parameters) or 'none'}"
        )

    def call(arguments: Mapping[str, Any]) -> Any:
        bound = inspect.BoundArguments(signature, dict(arguments))  # type: ignore[arg-type]
        return f(*bound.args, **bound.kwargs)

    def traced(static: tuple[tuple[str, Any], ...], arrays: dict[str, Any]) -> Any:
        arguments = {n: None for n in signature.parameters} | dict(static) | arrays
        arguments = {
            n: v for n, v in arguments.items() if n in arrays or n in dict(static)
        }
        v = jnp.asarray(arrays[variable])
        if not jnp.issubdtype(v.dtype, jnp.inexact):
            v = v.astype(jnp.result_type(v, float))
        if definition is None:
            _require_elementwise(f, call, {**arguments, variable: v}, set(arrays))
        return apply(lambda v: call({**arguments, variable: v}), v)

    traced.__name__ = traced.__qualname__ = name
    compiled = jax.jit(traced, static_argnums=0)

    @functools.wraps(f)
    def derived(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        fixed = (bool, str, type(None))
        static = tuple(
            (n, v) for n, v in bound.arguments.items() if isinstance(v, fixed)
        )
        arrays = {n: v for n, v in bound.arguments.items() if not isinstance(v, fixed)}
        if variable not in arrays:
            raise TypeError(
                f"{name}: {variable} must be an array or a number; got "
                f"{bound.arguments.get(variable)!r}"
            )
        return compiled(static, arrays)

    derived.__name__ = derived.__qualname__ = name
    return derived


def _require_elementwise(
    f: Callable[..., Any],
    call: Callable[[Mapping[str, Any]], Any],
    arguments: Mapping[str, Any],
    arrays: set[str],
) -> None:
    """Refuse a function that does not map scalars to a scalar."""
    scalars = {
        n: jax.ShapeDtypeStruct((), jnp.result_type(v)) if n in arrays else v
        for n, v in arguments.items()
    }
    dynamic = {n: v for n, v in scalars.items() if n in arrays}
    try:
        out = jax.eval_shape(lambda d: call({**scalars, **d}), dynamic)
    except Exception as error:
        raise TypeError(
            f"derivative: {_name(f)} is not elementwise: of a scalar it fails with "
            f"{type(error).__name__}: {error}"
        ) from None
    if getattr(out, "shape", None) != ():
        raise TypeError(
            f"derivative: {_name(f)} is not elementwise: of a scalar it gives {out}"
        )
