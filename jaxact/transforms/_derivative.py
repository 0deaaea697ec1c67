"""Elementwise derivatives, of an activation or of any elementwise JAX function."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from .._core import describe, is_number, is_option, lookup, usage

Slot = int | str


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
        wrt: the variable: `x`, or the first argument if none has that name; or another
            argument by its name.

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
        wrt: the variable, as for `derivative`.

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
    parameters = list(signature.parameters.values())
    # a slot of a call is the position of an argument, or the name it is passed by
    options = {s for i, p in enumerate(parameters) if is_option(p) for s in (i, p.name)}
    variables = [p.name for p in parameters if not is_option(p)]
    variable = wrt
    if wrt == "x" and "x" not in variables:
        variable = next(iter(variables), "x")
    if variable not in variables:
        raise ValueError(
            f"derivative: {_name(f)} has no argument {wrt!r} to differentiate by; it "
            f"has {', '.join(variables) or 'none'}"
        )
    position = list(signature.parameters).index(variable)

    def traced(static: _Static, *arrays: Any) -> Any:
        slots = dict(static.fixed) | dict(zip(static.slots, arrays, strict=True))
        v = jnp.asarray(slots[static.variable])
        if not jnp.issubdtype(v.dtype, jnp.inexact):
            v = v.astype(float)
        slots[static.variable] = v

        def call(slots: Mapping[Slot, Any]) -> Any:
            args = [slots[s] for s in range(len(slots)) if s in slots]
            return f(*args, **{s: v for s, v in slots.items() if isinstance(s, str)})

        if definition is None:
            _require_elementwise(_name(f), call, slots, static)
        return apply(lambda v: call({**slots, static.variable: v}), v)

    traced.__name__ = traced.__qualname__ = name
    compiled = jax.jit(traced, static_argnums=0)

    @functools.wraps(f)
    def derived(*args: Any, **kwargs: Any) -> Any:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            usual = usage(_name(f), signature)
            raise TypeError(f"{name}: {error}; it is called as {usual}") from None
        bound.arguments.setdefault(variable, signature.parameters[variable].default)
        slots: dict[Slot, Any] = {**dict(enumerate(bound.args)), **bound.kwargs}
        slot = position if position < len(bound.args) else variable
        if not is_number(slots[slot], holomorphic=True):
            raise TypeError(
                f"{name}: {variable} must be an array or a number; got "
                f"{describe(slots[slot])}"
            )
        fixed = {
            s: v
            for s, v in slots.items()
            if s != slot and (s in options or isinstance(v, (bool, str, type(None))))
        }
        arrays = {s: v for s, v in slots.items() if s not in fixed}
        rules = 0 if definition is None else len(definition.kernels)
        static = _Static(slot, tuple(arrays), tuple(fixed.items()), rules)
        return compiled(static, *arrays.values())

    derived.__name__ = derived.__qualname__ = name
    return derived


class _Static(NamedTuple):
    """What a call compiles anew for."""

    variable: Slot
    slots: tuple[Slot, ...]  # of the arrays
    fixed: tuple[tuple[Slot, Any], ...]
    rules: int  # how many are declared: one more, and what is compiled is outdated


def _require_elementwise(
    name: str,
    call: Callable[[Mapping[Slot, Any]], Any],
    slots: Mapping[Slot, Any],
    static: _Static,
) -> None:
    """Refuse a function that does not map numbers to one number, matrices to one."""

    def like(v: Any, shape: tuple[int, ...]) -> jax.ShapeDtypeStruct:
        weak = getattr(v, "weak_type", False)
        return jax.ShapeDtypeStruct(shape, v.dtype, weak_type=weak)

    for shape in ((), (2, 3)):
        probes = {
            s: like(slots[s], shape if s == static.variable or slots[s].ndim else ())
            for s in static.slots
        }
        try:
            out = jax.eval_shape(
                lambda *p: call({**slots, **dict(zip(static.slots, p, strict=True))}),
                *probes.values(),
            )
        except Exception as error:
            raise TypeError(
                f"derivative: {name} is not elementwise: of shape {shape} it fails "
                f"with {type(error).__name__}: {error}"
            ) from None
        if getattr(out, "shape", None) != shape:
            raise TypeError(
                f"derivative: {name} is not elementwise: of shape {shape} it gives "
                f"{out}"
            )
