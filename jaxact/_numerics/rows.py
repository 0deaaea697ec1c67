"""Exponentials and sums along an axis.

All is computed from the exponentials of x - max(x), so that nothing overflows.  XLA may
compute x twice: rounded for the maximum, and without rounding, inside of a fused
multiply-add, for the difference.  So entries equal to the maximum are found by
comparison, and no difference is above 0.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from . import elementary as el, pieces as num
from .precision import in_bfloat16

Axis = int | str | tuple[int | str, ...] | None
Temperature = float | Array


def _as_given(x: Array) -> Array:
    """x with the rounding of bfloat16, which XLA leaves out where it computes x twice.

    So the largest entry may be looked for in bfloat16.
    """
    if not in_bfloat16():
        return x
    bits = lax.bitcast_convert_type(x.astype(jnp.bfloat16), jnp.int16)
    return lax.bitcast_convert_type(bits.astype(jnp.int32) << 16, x.dtype)


def masked(x: Array, where: Array | None, otherwise: float = -jnp.inf) -> Array:
    return x if where is None else el.where(where != 0, x, otherwise)


def largest(x: Array, axis: Any, otherwise: float = -jnp.inf) -> Array:
    """The largest entry of every row, or something else of one without entries."""
    return _extreme(jnp.max, x, axis, otherwise)


def smallest(x: Array, axis: Any) -> Array:
    """The smallest entry of every row, or inf of one without entries."""
    return _extreme(jnp.min, x, axis, jnp.inf)


def _extreme(f: Any, x: Array, axis: Any, otherwise: float) -> Array:
    """The largest or the smallest entry of rows, as they were given.

    Of bfloat16 in that precision, so that no copy of x is made for it.
    """
    y = lax.stop_gradient(x)  # an extreme over a named axis has no derivative
    y = y.astype(jnp.bfloat16) if in_bfloat16() else y
    empty = any(x.shape[a] == 0 for a in axes_of(axis, x))
    start = {"initial": otherwise} if empty else {}
    return f(y, axis, keepdims=True, **start).astype(x.dtype)


def with_base(x: Array, axis: Any, floor: Array | None = None) -> tuple[Array, Array]:
    """x, and the largest entry of a row and of the floor, or a finite one for -inf."""
    top = largest(x, axis)
    top = top if floor is None else el.maximum(top, lax.stop_gradient(floor))
    return _as_given(x), el.maximum(top, float(jnp.finfo(x.dtype).min))


def below(x: Array, base: Array) -> Array:
    """x - base of a base that no x is above, 0 where they are equal, inf too."""
    return el.where(x >= base, 0, x - base)


def over(x: Array, base: Array, temperature: Temperature) -> Array:
    """(x - base) / temperature; a left out entry stays left out at any temperature."""
    if not isinstance(temperature, Array):
        return below(x, base) / temperature
    x, base, temperature = _cooled(x, base, temperature)
    d = below(x, base)
    left_out = d == -jnp.inf
    return el.where(left_out, d, el.where(left_out, 0, d) / temperature)


def _cooled(x: Array, base: Array, temperature: Array) -> tuple[Array, Array, Array]:
    """All three over 4 where it is hot, so that no difference of two x overflows."""
    scale = el.where(temperature > 1, 0.25, 1).astype(x.dtype)
    return x * scale, base * scale, temperature * scale


def exponentials(
    x: Array, base: Array, temperature: Temperature, less: Array | float = 0.0
) -> Array:
    """exp((x - base) / temperature) - less, times exp(base) where that is modest.

    Nothing is subtracted from an x below a modest base, which would round it; from one
    below a large base the difference is exact as far as it counts.
    """
    if isinstance(temperature, Array):
        d = over(x, base, temperature)
    else:
        large = jnp.abs(base - 12) > 28
        d = el.where(x < base, x - el.where(large, base, 0), el.where(large, 0, base))
    s, q = num.grown(el.maximum(d, num.lowest(x)), short=True)
    return s * q + (s - less)


def total(v: Array, axis: Any) -> Array:
    """The sum of every row."""
    return jnp.sum(v, axis, keepdims=True)


def excess(x: Array, base: Array, axis: Any, temperature: Temperature) -> Array:
    """The sum of exp((x - base) / temperature) less 1, 0 of nothing.

    Where it is small, and no second entry near the largest, that one is left out, so
    that the others keep their digits.
    """
    e = exponentials(x, base, temperature)
    one = exponentials(base, base, temperature)
    rest = total(el.where(e < 0.75 * one, e, 0), axis)
    whole = total(e, axis)
    return el.where(whole < 1.5 * one, rest, whole - one) / one


def axes_of(axis: Any, x: Array) -> tuple[int, ...]:
    """The axes that have a number, counted from the first.

    Raises:
        ValueError: x has no such axis, or it is there twice.
    """
    given = axis if isinstance(axis, tuple) else (axis,)
    if axis is None:
        given = range(x.ndim)
    numbers = [a for a in given if not isinstance(a, str)]
    return np.lib.array_utils.normalize_axis_tuple(numbers, x.ndim, "axis")


def constant_along(axis: Any, x: Array, **parameters: Any) -> None:
    """Refuse parameters that differ within a row.

    Raises:
        ValueError: one has more than one entry along the axis.
    """
    axes = axes_of(axis, x)
    for name, value in parameters.items():
        shape = (*(1,) * (x.ndim - np.ndim(value)), *np.shape(value))
        if any(shape[a] != 1 for a in axes):
            raise ValueError(
                f"{name} must have one entry along axis {axis}, or be a number; its "
                f"shape is {shape}, that of x {x.shape}"
            )


def by_rows(f: Any, x: Array, axis: Any) -> Array:
    """f applied to rows: the axes of `axis` are moved to the end as one.

    Raises:
        ValueError: one of the axes has a name: a row must be at hand as a whole.
    """
    for name in axis if isinstance(axis, tuple) else (axis,):
        if isinstance(name, str):
            raise ValueError(
                f"rows along the named axis {name!r} are not at hand as a whole; "
                "gather them first, as jax.lax.all_gather does"
            )
    if 0 in x.shape:
        return x
    axes = axes_of(axis, x)
    last = tuple(range(x.ndim - len(axes), x.ndim))

    def moved(x: Array) -> Array:
        x = jnp.moveaxis(x, axes, last)
        rows = x if len(axes) == 1 else x.reshape(*x.shape[: -len(axes)], -1)
        return jnp.moveaxis(f(rows).reshape(x.shape), last, axes)

    return gathering(moved, x)


def gathering(f: Callable[..., Array], x: Array, *more: Array) -> Array:
    """f(x, ...), an array like x, of arrays that may be sharded explicitly.

    JAX leaves it to the user there to sort, or to look up, along a sharded axis; here
    XLA finds the way.
    """
    sharding = jax.typeof(x).sharding
    if all(part is None for part in sharding.spec):
        return f(x, *more)
    found: Any = jax.sharding.auto_axes(f, out_sharding=sharding)
    return found(x, *more)


def softmax_of(x: Array, axis: Any, where: Any, temperature: Temperature) -> Array:
    """The kernel of `softmax`."""
    constant_along(axis, x, temperature=temperature)
    return shares(*with_base(masked(x, where), axis), axis, temperature)


def softmin_of(x: Array, axis: Any, where: Any, temperature: Temperature) -> Array:
    """The kernel of `softmin`, whose minimum takes half the time of that of -x."""
    constant_along(axis, x, temperature=temperature)
    x = masked(x, where, jnp.inf)
    base = el.maximum(-smallest(x, axis), float(jnp.finfo(x.dtype).min))
    return shares(-_as_given(x), base, axis, temperature)


def shares(x: Array, base: Array, axis: Any, temperature: Temperature) -> Array:
    e = exponentials(x, base, temperature)
    whole = total(e, axis)
    return e / el.where(whole == 0, 1, whole)  # 0 if nothing is left


def softmax_push(
    t: Array, y: Array, axis: Any, where: Any, temperature: Temperature
) -> Array:
    """The tangent of weights y along t, that of the leading one taken from all first.

    So the digits that 1 - y loses in the rounding of a y near 1 do not count.  The
    order is that of the fewest passes over memory in reverse.
    """
    t = told(t, y, where)
    t = (t - leading(t, y, axis)) * y
    return told(t + y * -total(t, axis), y, where) / temperature


def told(t: Array, y: Array, where: Any) -> Array:
    """t, 0 where there is a mask and no weight."""
    return t if where is None else el.where(y == 0, 0, t)


def leading(t: Array, y: Array, axis: Any) -> Array:
    """The tangent of the entry that has more than half of the weight, if one has."""
    return total(el.where(y > 0.5, t, 0), axis)


def beside_sink(
    x: Array, sink: Any, axis: Any, where: Any, temperature: Temperature
) -> tuple[Array, Array]:
    """The kernel of `softmax_with_sink`, and the weight of the sink."""
    constant_along(axis, x, temperature=temperature, sink=sink)
    x, base = with_base(masked(x, where), axis, jnp.asarray(sink, x.dtype))
    return shares_beside(x, base, sink, axis, temperature)


def shares_beside(
    x: Array, base: Array, sink: Any, axis: Any, temperature: Temperature
) -> tuple[Array, Array]:
    sink = jnp.asarray(sink, x.dtype)
    e, of_sink = (exponentials(v, base, temperature) for v in (x, sink))
    whole = total(e, axis) + of_sink
    whole = el.where(whole == 0, 1, whole)
    return e / whole, of_sink / whole
