"""Weights that sum to one along an axis, and their logarithms.

All of them see a row through the exponentials of x - max(x), of which the largest is 1,
so that nothing overflows.  Four rules hold for every function here:

- An entry whose mask `where` is False, or that is -inf, is left out: its weight is 0,
  the logarithm of it -inf, its gradient 0, whatever it and its tangent hold, NaN too.
- Of a row in which nothing is left all weights are 0, their logarithms and that of
  their sum -inf, and the gradients 0.
- Entries of inf share the weight equally; a NaN makes its row NaN.
- float16 and bfloat16 are summed in float32 and rounded once.
"""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from .. import _numerics as num
from .._core import activation, definition_of, derivative_of, pushforward_of
from .._pairs import Pair, pair, upper_half
from .._precision import in_half

Axis = int | tuple[int, ...] | None
Temperature = float | Array


def masked(x: Array, where: Array | None) -> Array:
    return x if where is None else jnp.where(where != 0, x, -jnp.inf)


def base_of(x: Array, axis: Axis, floor: Array | float = -jnp.inf) -> Array:
    """The largest entry of a row and of the floor, or a finite one for -inf."""
    top = jnp.max(x, axis, keepdims=True, initial=-jnp.inf)
    return jnp.maximum(jnp.maximum(top, floor), float(jnp.finfo(x.dtype).min))


def below(x: Array, base: Array) -> Array:
    """x - base, 0 where both are infinite."""
    return jnp.where((x == base) & jnp.isinf(base), 0, x - base)


def exponentials(x: Array, base: Array, temperature: Temperature) -> Array:
    """exp((x - base) / temperature)."""
    if in_half():
        return jnp.exp(below(x, base) / temperature)
    d = below(x, base)
    too_low = d < num.lowest_argument(x) * temperature
    back = x - d  # d is rounded, and far below 0 its last bits count
    rest = jnp.where(back < jnp.inf, (x - (d + back)) + (back - base), 0)
    if isinstance(temperature, Array):
        head = upper_half(d)
        quotient = Pair(head, (d - head) + rest) / pair(temperature)
        d = quotient.value()
        rest = (quotient.head - d) + quotient.tail()
    # a selection at the end: on a CPU, XLA would take a product apart for every sum
    return jnp.where(too_low, 0, num.plain_exp(d, rest).value())


def total(e: Array, axis: Axis, less: int = 0) -> Array:
    """The sum of numbers from 0 to 1, less the number 0 or 1."""
    if in_half() and not less:
        return jnp.sum(e, axis, keepdims=True)
    # split so that the upper bits add up exactly
    count = math.prod(e.shape[a] for a in axes_of(axis, e))
    steps = 2.0 ** (jnp.finfo(e.dtype).nmant + 1 - count.bit_length())
    upper = jnp.round(e * steps) * (1 / steps)
    whole = jnp.sum(upper, axis, keepdims=True)
    return (whole - less) + jnp.sum(e - upper, axis, keepdims=True)


def axes_of(axis: Axis, x: Array) -> tuple[int, ...]:
    """The axes, counted from the first.

    Raises:
        ValueError: x has no such axis, or it is there twice.
    """
    given = range(x.ndim) if axis is None else axis
    return np.lib.array_utils.normalize_axis_tuple(given, x.ndim, "axis")


def constant_along(axis: Axis, x: Array, **parameters: Any) -> None:
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


def by_rows(f: Any, x: Array, axis: Axis, *beside: Array) -> Array:
    """f of rows, the axes of `axis` being moved to the end of all arrays as one.

    What stands beside x has one entry in a row.
    """
    axes = axes_of(axis, x)
    if not x.size:
        return x
    last = tuple(range(x.ndim - len(axes), x.ndim))
    moved = [jnp.moveaxis(v, axes, last) for v in (x, *beside)]
    rows = (v.reshape(*v.shape[: x.ndim - len(axes)], -1) for v in moved)
    return jnp.moveaxis(f(*rows).reshape(moved[0].shape), last, axes)


def _softmax(x: Array, axis: Axis, where: Any, temperature: Temperature) -> Array:
    """The kernel of `softmax`."""
    constant_along(axis, x, temperature=temperature)
    x = masked(x, where)
    e = exponentials(x, lax.stop_gradient(base_of(x, axis)), temperature)
    whole = total(e, axis)
    return e / jnp.where(whole == 0, 1, whole)  # 0 if nothing is left


@activation
def softmax(
    x: Array,
    axis: int | tuple[int, ...] | None = -1,
    where: Array | None = None,
    temperature: float | Array = 1.0,
) -> Array:
    """Softmax: probabilities from scores.

    softmax(x)_i = exp(x_i / T) / sum_j exp(x_j / T), T being the temperature.

    Derivative: y_i (t_i - sum_j y_j t_j) / T along t, from the output y, which is all
    that is kept.  Where one y_m is nearly 1, t_i - t_m takes the place of t_i, so that
    1 - y_m is not lost in the rounding of y_m.  By T: along t = -x / T.

    Args:
        x: an array of real dtype; integers count as float32.
        axis: the axis or axes that sum to one; None for all.
        where: a mask that broadcasts with x; what is False is left out.
        temperature: positive; a number, or an array with one entry along `axis`.

    Raises:
        TypeError: an argument is no array or number of real dtype.
        ValueError: x has no such axis, or the temperature differs along it.

    Reference:
        Bridle (1990), Probabilistic interpretation of feedforward classification
        network outputs, Neurocomputing
    """
    return _softmax(x, axis, where, temperature)


@definition_of(softmax)
def _softmax_plain(
    x: Any, axis: Axis = -1, where: Any = None, temperature: Any = 1.0
) -> Array:
    x = (
        x / temperature
        if where is None
        else jnp.where(where, x / temperature, -jnp.inf)
    )
    e = jnp.exp(x - lax.stop_gradient(jnp.max(x, axis, keepdims=True)))
    return e / jnp.sum(e, axis, keepdims=True)


@pushforward_of(softmax)
def softmax_push(t: Array, y: Array, axis: Axis, temperature: Temperature) -> Array:
    left_out = y == 0  # or without weight, which is the same here
    return jnp.where(left_out, 0, y * _less_mean(t, y, left_out, axis)) / temperature


def _less_mean(t: Array, p: Array, left_out: Array, axis: Axis) -> Array:
    """t less its mean weighed by p, where it is not left out."""
    t = jnp.where(left_out, 0, t)
    t = t - leading(t, p, axis)
    return jnp.where(left_out, 0, t - jnp.sum(p * t, axis, keepdims=True))


def leading(t: Array, y: Array, axis: Axis) -> Array:
    """The tangent of the entry that has more than half of the weight, if one has."""
    return jnp.sum(jnp.where(y > 0.5, t, 0), axis, keepdims=True)


@derivative_of(softmax, wrt="temperature")
def softmax_dtemperature(
    x: Array, axis: Axis, where: Any, temperature: Temperature
) -> Array:
    y = weights(x, axis, where, temperature)
    return softmax_push(_by_temperature(x, y, axis, temperature), y, axis, temperature)


def _by_temperature(x: Array, y: Array, axis: Axis, temperature: Temperature) -> Array:
    """The direction that x moves in when the temperature grows, less its mean."""
    x = jnp.where((y == 0) | jnp.isinf(x), 0, x)
    mean = lax.stop_gradient(jnp.sum(y * x, axis, keepdims=True))
    return (mean - x) / temperature


def weights(x: Array, axis: Axis, where: Any, temperature: Temperature = 1) -> Array:
    """The softmax in a kernel that is differentiated further."""
    if in_half():  # the kernel is short, and JAX may differentiate it
        return _softmax(x, axis, where, temperature)
    given = {"temperature": temperature} if isinstance(temperature, Array) else {}
    return softmax(x, axis, where, **given)


@activation
def softmin(
    x: Array,
    axis: int | tuple[int, ...] | None = -1,
    where: Array | None = None,
    temperature: float | Array = 1.0,
) -> Array:
    """Softmin: probabilities from costs, the `softmax` of -x.

    softmin(x)_i = exp(-x_i / T) / sum_j exp(-x_j / T), T being the temperature.

    Derivative: -y_i (t_i - sum_j y_j t_j) / T along t.  An entry of inf is left out,
    entries of -inf share the weight.

    Args:
        x: an array of real dtype; integers count as float32.
        axis: the axis or axes that sum to one; None for all.
        where: a mask that broadcasts with x; what is False is left out.
        temperature: positive; a number, or an array with one entry along `axis`.

    Raises:
        TypeError: an argument is no array or number of real dtype.
        ValueError: x has no such axis, or the temperature differs along it.
    """
    return _softmax(-x, axis, where, temperature)


@definition_of(softmin)
def _softmin_plain(
    x: Any, axis: Axis = -1, where: Any = None, temperature: Any = 1.0
) -> Array:
    return _softmax_plain(-x, axis, where, temperature)


@pushforward_of(softmin)
def _softmin_push(t: Array, y: Array, axis: Axis, temperature: Temperature) -> Array:
    return softmax_push(-t, y, axis, temperature)


@derivative_of(softmin, wrt="temperature")
def _softmin_dtemperature(
    x: Array, axis: Axis, where: Any, temperature: Temperature
) -> Array:
    return softmax_dtemperature(-x, axis, where, temperature)


@activation
def log_softmax(
    x: Array,
    axis: int | tuple[int, ...] | None = -1,
    where: Array | None = None,
    temperature: float | Array = 1.0,
) -> Array:
    """Logarithm of the softmax: log-probabilities from scores.

    log_softmax(x)_i = x_i / T - log(sum_j exp(x_j / T)), T being the temperature.

    Derivative: (t_i - sum_j p_j t_j) / T along t, p being exp(y), from the output y,
    which is all that is kept; by T: along t = -x / T.  In a half precision y is
    rounded, and p with it: by 3 % where y is -10 in bfloat16.

    Args:
        x: an array of real dtype; integers count as float32.
        axis: the axis or axes along which the probabilities sum to one; None for all.
        where: a mask that broadcasts with x; what is False is left out.
        temperature: positive; a number, or an array with one entry along `axis`.

    Raises:
        TypeError: an argument is no array or number of real dtype.
        ValueError: x has no such axis, or the temperature differs along it.
    """
    constant_along(axis, x, temperature=temperature)
    x = masked(x, where)
    base = base_of(x, axis)
    excess = total(exponentials(x, base, temperature), axis, less=1)
    return below(x, base) / temperature - jnp.log1p(jnp.maximum(excess, 0))


@definition_of(log_softmax)
def _log_softmax_plain(
    x: Any, axis: Axis = -1, where: Any = None, temperature: Any = 1.0
) -> Array:
    x = (
        x / temperature
        if where is None
        else jnp.where(where, x / temperature, -jnp.inf)
    )
    x = x - lax.stop_gradient(jnp.max(x, axis, keepdims=True))
    return x - jnp.log(jnp.sum(jnp.exp(x), axis, keepdims=True))


@pushforward_of(log_softmax)
def _log_softmax_push(
    t: Array, y: Array, axis: Axis, temperature: Temperature
) -> Array:
    return _less_mean(t, jnp.exp(y), y == -jnp.inf, axis) / temperature


@derivative_of(log_softmax, wrt="temperature")
def _log_softmax_dtemperature(
    x: Array, axis: Axis, where: Any, temperature: Temperature
) -> Array:
    p = weights(x, axis, where, temperature)
    x = masked(x, where)
    left_out = jnp.isinf(x)
    x = jnp.where(left_out, 0, x)
    x = x - lax.stop_gradient(jnp.sum(p * x, axis, keepdims=True))
    return -_less_mean(x, p, left_out, axis) / (temperature * temperature)
