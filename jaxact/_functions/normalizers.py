"""Weights that sum to one along an axis, and their logarithms.

All of them are computed from the exponentials of x - max(x), of which the largest is 1,
so that nothing overflows.  Four rules hold for every function here:

- An entry whose mask `where` is False, or that is -inf, is left out: its weight is 0,
  the logarithm of it -inf.  Under a mask its gradient is 0, whatever it and its tangent
  hold, NaN too; an -inf without a mask has the derivative of the formula, as in jax.nn.
- If nothing is left in a row all weights are 0, their logarithms and that of
  their sum -inf, and the gradients 0; the mean of nothing is NaN, as in jax.nn.
- Entries of inf share the weight equally; a NaN makes its row NaN.
- float16 and bfloat16 are summed in float32 and rounded once.
"""

import math
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from .._core import Parameter, activation, definition_of, derivative_of, pushforward_of
from .._numerics import elementary as el, pieces as num
from .._numerics.rows import (
    Axis,
    Temperature,
    constant_along,
    excess,
    leading,
    masked,
    over,
    softmax_of,
    softmax_push,
    softmin_of,
    total,
    with_base,
)
from ._weights import softmax_dtemperature, weights


@activation(holomorphic=True)
def softmax(
    x: Array,
    axis: Axis = -1,
    where: Parameter | None = None,
    temperature: Parameter = 1.0,
) -> Array:
    """Softmax: probabilities from scores.

    softmax(x)_i = exp(x_i / T) / sum_j exp(x_j / T), T being the temperature.

    Derivative: y_i (t_i - sum_j y_j t_j) / T along t, from the output y, which is all
    that is kept.  Where one y_m is nearly 1, t_i - t_m takes the place of t_i, so that
    1 - y_m is not lost in the rounding of y_m.  By T: along t = -x / T.

    Args:
        x: an array; integers count as float32, or complex, as in jax.nn.
        axis: the axis or axes that sum to one, numbers or names; None for all.
        where: a mask that broadcasts with x; what is False is left out.
        temperature: positive; a number, or an array with one entry along `axis`; of
            inf all weights are equal.

    Returns:
        An array of the shape and dtype of `x / temperature`.

    Raises:
        TypeError: an argument is not an array or number.
        ValueError: x has no such axis, or the temperature differs along it.

    Example:
        >>> jaxact.softmax(jnp.array([1.0, 2.0, 3.0]))
        Array([0.09003057, 0.24472848, 0.66524094], dtype=float32)

    Reference:
        Bridle (1990), Probabilistic interpretation of feedforward classification
        network outputs, Neurocomputing
    """
    if jnp.iscomplexobj(x):
        return _complex_softmax(x / temperature, axis, where)
    return softmax_of(x, axis, where, temperature)


def _complex(x: Array, axis: Any, where: Any) -> tuple[Array, Array]:
    """x less the entry that jax.nn takes for its largest, and the sum of exponentials.

    For complex numbers, whose maximum has no derivative.
    """
    top, start = lax.stop_gradient(x), -jnp.inf
    top = jnp.max(top, axis, where=where, initial=start, keepdims=True)
    d = (x if where is None else el.where(where, x, -jnp.inf)) - top
    return d, jnp.sum(jnp.exp(d), axis, where=where, keepdims=True)


def _complex_softmax(x: Array, axis: Any, where: Any) -> Array:
    where = where if where is None else where != 0
    d, whole = _complex(x, axis, where)
    y = jnp.exp(d) / whole
    return y if where is None else el.where(where, y, 0)


@definition_of(softmax)
def _softmax_plain(
    x: Any, axis: Any = -1, where: Any = None, temperature: Any = 1.0
) -> Array:
    x = (
        x / temperature
        if where is None
        else jnp.where(where, x / temperature, -jnp.inf)
    )
    e = jnp.exp(x - lax.stop_gradient(jnp.max(x, axis, keepdims=True)))
    return e / jnp.sum(e, axis, keepdims=True)


@pushforward_of(softmax)
def _softmax_push(
    t: Array, y: Array, axis: Any, where: Any, temperature: Temperature
) -> Array:
    return softmax_push(t, y, axis, where, temperature)


derivative_of(softmax, wrt="temperature")(softmax_dtemperature)


@activation(holomorphic=True)
def softmin(
    x: Array,
    axis: Axis = -1,
    where: Parameter | None = None,
    temperature: Parameter = 1.0,
) -> Array:
    """Softmin: probabilities from costs, the `softmax` of -x.

    softmin(x)_i = exp(-x_i / T) / sum_j exp(-x_j / T), T being the temperature.

    Derivative: -y_i (t_i - sum_j y_j t_j) / T along t.  An entry of inf is left out,
    entries of -inf share the weight.

    Args:
        x: an array; integers count as float32, or complex, as in jax.nn.
        axis: the axis or axes that sum to one, numbers or names; None for all.
        where: a mask that broadcasts with x; what is False is left out.
        temperature: positive; a number, or an array with one entry along `axis`; of
            inf all weights are equal.

    Returns:
        An array of the shape and dtype of `x / temperature`.

    Raises:
        TypeError: an argument is not an array or number.
        ValueError: x has no such axis, or the temperature differs along it.

    Example:
        >>> jaxact.softmin(jnp.array([1.0, 2.0, 3.0]))
        Array([0.665241  , 0.24472849, 0.09003058], dtype=float32)
    """
    if jnp.iscomplexobj(x):
        return _complex_softmax(-x / temperature, axis, where)
    return softmin_of(x, axis, where, temperature)


@definition_of(softmin)
def _softmin_plain(
    x: Any, axis: Any = -1, where: Any = None, temperature: Any = 1.0
) -> Array:
    return _softmax_plain(-x, axis, where, temperature)


@pushforward_of(softmin)
def _softmin_push(
    t: Array, y: Array, axis: Any, where: Any, temperature: Temperature
) -> Array:
    return softmax_push(-t, y, axis, where, temperature)


@derivative_of(softmin, wrt="temperature")
def _softmin_dtemperature(
    x: Array, axis: Any, where: Any, temperature: Temperature
) -> Array:
    return softmax_dtemperature(-x, axis, where, temperature)


@activation(holomorphic=True)
def log_softmax(
    x: Array,
    axis: Axis = -1,
    where: Parameter | None = None,
    temperature: Parameter = 1.0,
) -> Array:
    """Logarithm of the softmax: log-probabilities from scores.

    log_softmax(x)_i = x_i / T - log(sum_j exp(x_j / T)), T being the temperature.

    Derivative: (t_i - sum_j p_j t_j) / T along t, p being exp(y), from the output y,
    which is all that is kept; by T: along t = -x / T.  In a half precision y is
    rounded, and p with it: by 3 % where y is -10 in bfloat16.

    Args:
        x: an array; integers count as float32, or complex, as in jax.nn.
        axis: the axis or axes that sum to one, numbers or names; None for all.
        where: a mask that broadcasts with x; what is False is left out.
        temperature: positive; a number, or an array with one entry along `axis`; of
            inf all weights are equal.

    Returns:
        An array of the shape and dtype of `x / temperature`.

    Raises:
        TypeError: an argument is not an array or number.
        ValueError: x has no such axis, or the temperature differs along it.

    Example:
        >>> jaxact.log_softmax(jnp.array([1.0, 2.0, 3.0]))
        Array([-2.407606  , -1.4076059 , -0.40760595], dtype=float32)
    """
    if jnp.iscomplexobj(x):
        where = where if where is None else where != 0
        d, whole = _complex(x / temperature, axis, where)
        y = d - jnp.log(whole)
        return y if where is None else el.where(where, y, -jnp.inf)
    constant_along(axis, x, temperature=temperature)
    x, base = with_base(masked(x, where), axis)
    more = jnp.log1p(excess(x, base, axis, temperature))
    return over(x, base, temperature) - more


@definition_of(log_softmax)
def _log_softmax_plain(
    x: Any, axis: Any = -1, where: Any = None, temperature: Any = 1.0
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
    t: Array, y: Array, axis: Any, where: Any, temperature: Temperature
) -> Array:
    left_out = None if where is None else y == -jnp.inf
    t = t if left_out is None else el.where(left_out, 0, t)
    leads = y > -math.log(2)
    s, q = num.grown(el.maximum(y, num.lowest(y)), short=True)
    p = (s * q + s) * t
    ahead, rest = (
        total(el.where(v, p, 0), axis) for v in (leads, jnp.logical_not(leads))
    )
    # 1 - p would be lost in the rounding of a p near 1
    t = el.where(leads, ((1 - s) - s * q) * t, t - ahead) - rest
    return (t if left_out is None else el.where(left_out, 0, t)) / temperature


@derivative_of(log_softmax, wrt="temperature")
def _log_softmax_dtemperature(
    x: Array, axis: Any, where: Any, temperature: Temperature
) -> Array:
    p = weights(x, axis, where, temperature)
    left_out = jnp.isinf(masked(x, where))
    x = el.where(left_out, 0, x)
    x = num.finite(x - lax.stop_gradient(total(p * x, axis)))
    x = el.where(left_out, 0, x)
    x = x - leading(x, p, axis)
    return el.where(left_out, 0, total(p * x, axis) - x) / temperature / temperature
