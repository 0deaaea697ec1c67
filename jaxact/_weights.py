"""Weights of the entries of a row, and what they are made of: exponentials and sums.

A row is seen through the exponentials of x - max(x), so that nothing overflows.  XLA
may compute x twice: rounded for the maximum, and without its rounding, inside of a
fused multiply-add, for the difference.  So the entries that equal the maximum are told
by comparison, and no difference is above 0.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from . import _numerics as num
from ._core import activation, derivative_of, pushforward_of
from ._pairs import Pair, pair, upper_half
from ._precision import in_half, rounded_to

Axis = int | str | tuple[int | str, ...] | None
Temperature = float | Array


def masked(x: Array, where: Array | None) -> Array:
    return x if where is None else jnp.where(where != 0, x, -jnp.inf)


def largest(x: Array, axis: Any, otherwise: float = -jnp.inf) -> Array:
    """The largest entry of every row, or something else of one without entries."""
    x = lax.stop_gradient(x)  # a maximum over a named axis has no derivative
    if any(x.shape[a] == 0 for a in axes_of(axis, x)):
        return jnp.max(x, axis, keepdims=True, initial=otherwise)
    return jnp.max(x, axis, keepdims=True)


def base_of(x: Array, axis: Any, floor: Array | None = None) -> Array:
    """The largest entry of a row and of the floor, or a finite one for -inf."""
    top = largest(x, axis)
    top = top if floor is None else jnp.maximum(top, lax.stop_gradient(floor))
    return jnp.maximum(top, float(jnp.finfo(x.dtype).min))


def below(x: Array, base: Array) -> Array:
    """x - base of a base that no x is above, 0 where they are equal, inf too."""
    return jnp.where(x >= base, 0, x - base)


def over(x: Array, base: Array, temperature: Temperature) -> Array:
    """(x - base) / temperature; what is left out stays so at any temperature."""
    if not isinstance(temperature, Array):
        return below(x, base) / temperature
    x, base, temperature = _cooled(x, base, temperature)
    d = below(x, base)
    left_out = d == -jnp.inf
    return jnp.where(left_out, d, jnp.where(left_out, 0, d) / temperature)


def _cooled(x: Array, base: Array, temperature: Array) -> tuple[Array, Array, Array]:
    """All three over 4 where it is hot, so that no difference of two x overflows."""
    scale = jnp.where(temperature > 1, 0.25, 1).astype(x.dtype)
    return x * scale, base * scale, temperature * scale


def exponentials(x: Array, base: Array, temperature: Temperature) -> Array:
    """exp((x - base) / temperature), times a power of two near 1 of each row."""
    if in_half():
        return jnp.exp(over(x, base, temperature))
    if isinstance(temperature, Array):
        return _tempered(x, base, temperature)
    # where the base is modest the exponents are subtracted, which rounds nothing; where
    # it is large the difference is exact as far as it counts
    smallest = num.smallest_argument(x)
    large = jnp.abs(base) > -2.9 * smallest
    shift, top = jnp.where(large, base, 0), jnp.where(large, 0, base)
    # the same power wherever XLA computes it: that of an integer, far from a tie
    power = num.nearest(num.nearest(top).astype(x.dtype) * (1 / math.log(2))) - 1
    d = jnp.where(x >= base, top, x - shift)
    least = top + smallest
    k, mantissa = num.exp_parts(jnp.maximum(d, least))
    e = mantissa.value() * num.power_of_two(k - power, x)
    # a selection at the end: on a CPU, XLA would take a product apart for every sum
    return jnp.where(d < least, 0, e)


def _tempered(x: Array, base: Array, temperature: Array) -> Array:
    """exp((x - base) / temperature)."""
    x, base, temperature = _cooled(x, base, temperature)
    hot = temperature == jnp.inf  # all that is not left out weighs the same
    temperature = jnp.where(hot, 1, temperature)
    d = below(x, base)
    d = jnp.where(hot & (d > -jnp.inf), 0, d)
    too_low = d < num.lowest_argument(x) * temperature
    back = x - d  # d is rounded, and far below 0 its last bits count
    told = (d == 0) | (back == jnp.inf)
    rest = jnp.where(told, 0, (x - (d + back)) + (back - base))
    head = upper_half(d)
    quotient = Pair(head, (d - head) + rest) / pair(temperature)
    d = quotient.value()
    rest = (quotient.head - d) + quotient.tail()
    return jnp.where(too_low, 0, num.plain_exp(d, rest).value())


def total(v: Array, axis: Any) -> Array:
    """The sum of every row."""
    return jnp.sum(v, axis, keepdims=True)


def excess(x: Array, base: Array, axis: Any, temperature: Temperature) -> Array:
    """The sum of exp((x - base) / temperature) less 1, 0 of nothing.

    The largest entries are counted, so that the others keep their digits.
    """
    e = exponentials(x, base, temperature)
    one = exponentials(base, base, temperature)
    others = jnp.where(x >= base, 0, e)
    whole, rest = (total(v, axis) for v in (e, others))
    count = jnp.round((whole - rest) / one)
    return jnp.maximum(rest / one + (count - 1), 0)


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
    """f of rows, the axes of `axis` being moved to the end as one.

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

    For what JAX leaves to the user there, to sort or to look up along a sharded axis;
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
    x = masked(x, where)
    e = exponentials(x, base_of(x, axis), temperature)
    whole = total(e, axis)
    return e / jnp.where(whole == 0, 1, whole)  # 0 if nothing is left


def softmax_push(t: Array, y: Array, axis: Any, temperature: Temperature) -> Array:
    """The tangent of weights y along t."""
    left_out = y == 0  # or without weight, which is the same here
    return jnp.where(left_out, 0, y * less_mean(t, y, left_out, axis)) / temperature


def less_mean(t: Array, p: Array, left_out: Array, axis: Any) -> Array:
    """t less its mean weighed by p, where it is not left out."""
    t = jnp.where(left_out, 0, t)
    t = t - leading(t, p, axis)
    return jnp.where(left_out, 0, t - total(p * t, axis))


def leading(t: Array, y: Array, axis: Any) -> Array:
    """The tangent of the entry that has more than half of the weight, if one has."""
    return total(jnp.where(y > 0.5, t, 0), axis)


@activation
def short_softmax(
    x: Array,
    axis: Axis = -1,
    where: Array | None = None,
    temperature: float | Array = 1.0,
) -> Array:
    """The softmax in the short way of the half precisions, but not rounded.

    For kernels that are differentiated further.
    """
    with rounded_to(jnp.float16):
        return softmax_of(x, axis, where, temperature)


@pushforward_of(short_softmax)
def _short_softmax_push(
    t: Array, y: Array, axis: Any, temperature: Temperature
) -> Array:
    return softmax_push(t, y, axis, temperature)


def beside_sink(
    x: Array, sink: Any, axis: Any, where: Any, temperature: Temperature
) -> tuple[Array, Array]:
    """The kernel of `softmax_with_sink`, and the weight of the sink."""
    constant_along(axis, x, temperature=temperature, sink=sink)
    x, sink = masked(x, where), jnp.asarray(sink, x.dtype)
    base = base_of(x, axis, sink)
    e, of_sink = (exponentials(v, base, temperature) for v in (x, sink))
    whole = _careful_total(e, axis) + of_sink
    whole = jnp.where(whole == 0, 1, whole)
    return e / whole, of_sink / whole


def _careful_total(e: Array, axis: Any) -> Array:
    """The sum of numbers up to 5, their upper bits apart, for products of weights."""
    if in_half():
        return total(e, axis)
    upper = jnp.round(e * 2.0**11) * 2.0**-11
    return total(upper, axis) + total(e - upper, axis)


@activation
def weights_beside(
    x: Array,
    sink: float | Array = 0.0,
    axis: Axis = -1,
    where: Array | None = None,
    temperature: float | Array = 1.0,
    short: bool = False,
) -> Array:
    """The weights of a row beside a sink, for kernels that are differentiated further.

    `short` is the way of the half precisions, but nothing is rounded to them.
    """
    with rounded_to(jnp.float16 if short else x.dtype):
        return beside_sink(x, sink, axis, where, temperature)[0]


@activation
def weight_of_sink(
    x: Array,
    sink: float | Array = 0.0,
    axis: Axis = -1,
    where: Array | None = None,
    temperature: float | Array = 1.0,
    short: bool = False,
) -> Array:
    """The weight of the sink beside a row, alike."""
    with rounded_to(jnp.float16 if short else x.dtype):
        return beside_sink(x, sink, axis, where, temperature)[1]


def both_weights(
    x: Array, sink: Any, axis: Any, where: Any, temperature: Temperature
) -> tuple[Array, Array]:
    """The weights of a row and of its sink, to be differentiated further."""
    given = {"temperature": temperature} if isinstance(temperature, Array) else {}
    given.update({"sink": sink} if isinstance(sink, Array) else {})
    given = {**given, "axis": axis, "where": where, "short": in_half()}
    return weights_beside(x, **given), weight_of_sink(x, **given)


def _along(t: Array, y: Array, of_sink: Array, axis: Any) -> Array:
    """y_i (t_i - sum_j y_j t_j), t being 0 for the sink.

    The tangent of what leads, row or sink, is taken from all of them first, so that
    what 1 - y_m has lost in the rounding of y_m does not count.
    """
    left_out = y == 0
    t = jnp.where(left_out, 0, t)
    ahead = leading(t, y, axis)  # 0 if the sink is
    t = jnp.where(left_out, 0, t - ahead)
    mean = total(y * t, axis) - of_sink * ahead
    return jnp.where(left_out, 0, y * (t - mean))


def beside_push(
    t: Array, x: Array, sink: Any, axis: Any, where: Any, temperature: Temperature
) -> Array:
    y, of_sink = both_weights(x, sink, axis, where, temperature)
    return _along(t, y, of_sink, axis) / temperature


def beside_dsink(
    x: Array, sink: Any, axis: Any, where: Any, temperature: Temperature
) -> Array:
    y, of_sink = both_weights(x, sink, axis, where, temperature)
    # a product of two weights has the rounding of their sum twice, which 1 tells
    more = lax.stop_gradient((1 - of_sink) - _careful_total(y, axis))
    return -y * (of_sink + 2 * of_sink * more) / temperature


def beside_dtemperature(
    x: Array, sink: Any, axis: Any, where: Any, temperature: Temperature
) -> Array:
    y, of_sink = both_weights(x, sink, axis, where, temperature)
    return (
        _along(_above_sink(x, sink, y) / -temperature, y, of_sink, axis) / temperature
    )


def _above_sink(x: Array, sink: Any, y: Array) -> Array:
    """x less the sink, where both are finite and x has weight."""
    x = jnp.where((y == 0) | jnp.isinf(x), 0, x)
    return x - jnp.where(jnp.isinf(sink), 0, sink)


@pushforward_of(weight_of_sink)
def _weight_of_sink_push(
    t: Array, x: Array, sink: Any, axis: Any, where: Any, temperature: Temperature
) -> Array:
    y, of_sink = both_weights(x, sink, axis, where, temperature)
    t = jnp.where(y == 0, 0, t)
    return -of_sink * total(y * t, axis) / temperature


@derivative_of(weight_of_sink, wrt="sink")
def _weight_of_sink_dsink(
    x: Array, sink: Any, axis: Any, where: Any, temperature: Temperature
) -> Array:
    y, of_sink = both_weights(x, sink, axis, where, temperature)
    return of_sink * total(y, axis) / temperature


@derivative_of(weight_of_sink, wrt="temperature")
def _weight_of_sink_dtemperature(
    x: Array, sink: Any, axis: Any, where: Any, temperature: Temperature
) -> Array:
    y, of_sink = both_weights(x, sink, axis, where, temperature)
    mean = total(y * _above_sink(x, sink, y), axis)
    return of_sink * mean / temperature / temperature


pushforward_of(weights_beside)(beside_push)
derivative_of(weights_beside, wrt="sink")(beside_dsink)
derivative_of(weights_beside, wrt="temperature")(beside_dtemperature)
