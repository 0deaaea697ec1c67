"""Weights that sum to one along an axis, of which many or all but one are exactly 0.

Masks, -inf, inf and NaN count as in `normalizers`.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from .._core import Parameter, activation, chooses, definition_of, pushforward_of
from .._numerics import elementary as el
from .._numerics.rows import (
    Axis,
    below,
    by_rows,
    leading,
    masked,
    softmax_push,
    with_base,
)
from ._weights import weights
from .normalizers import softmax


def _less_largest(x: Array, axis: Any, where: Any) -> Array:
    """x less the largest entry of its row; -1 and below has no weight."""
    x, base = with_base(masked(x, where), axis)
    return el.maximum(below(x, base), -2)


@activation
def sparsemax(
    x: Array,
    axis: Axis = -1,
    where: Parameter | None = None,
) -> Array:
    """Sparsemax: the nearest point of the probability simplex, with exact zeros.

    y_i = max(x_i - tau, 0), tau being such that y sums to one.

    Derivative: t_i less the mean of t over the entries with y_j > 0 for those, 0 for
    the others, from the output y, which is all that is kept.  An entry just at tau
    counts as one of the others.

    Args:
        x: an array of real dtype; integers count as float32.
        axis: the axis or axes that sum to one; None for all.
        where: a mask that broadcasts with x; what is False is left out.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: an argument is not an array or number of real dtype.
        ValueError: x has no such axis.

    Example:
        >>> jaxact.sparsemax(jnp.array([1.0, 2.0, 2.5]))
        Array([0.  , 0.25, 0.75], dtype=float32)

    Reference:
        Martins, Astudillo (2016), From softmax to sparsemax, arXiv:1602.02068
    """
    return by_rows(_sparsemax, _less_largest(x, axis, where), axis)


def _sparsemax(z: Array) -> Array:
    """The kernel for rows with the largest entry 0."""
    order = jnp.flip(jnp.sort(z, axis=-1), -1)
    rank = _ranks(z)
    support = 1 + rank * order > jnp.cumsum(order, -1)
    count = jnp.sum(support.astype(z.dtype), -1, keepdims=True)
    excess = jnp.sum(el.where(support, order, 0), -1, keepdims=True) - 1
    # divided by the count last: in a half precision the rest is exact
    y = el.maximum(count * z - excess, 0) / el.maximum(count, 1)
    return el.where(z > -1, y, z - z)  # NaN of NaN


def _ranks(z: Array) -> Array:
    """1, 2, ... along the last axis."""
    return lax.broadcasted_iota(z.dtype, z.shape, z.ndim - 1) + 1


@definition_of(sparsemax)
def _sparsemax_plain(x: Any, axis: Any = -1, where: Any = None) -> Array:
    x = x if where is None else jnp.where(where, x, -1e30)

    def rows(z: Array) -> Array:
        order = jnp.flip(jnp.sort(z, -1), -1)
        taus = (jnp.cumsum(order, -1) - 1) / _ranks(z)
        size = jnp.sum(order > taus, -1, keepdims=True)
        return jnp.maximum(z - jnp.take_along_axis(taus, size - 1, -1), 0)

    return by_rows(rows, x - lax.stop_gradient(jnp.max(x, axis, keepdims=True)), axis)


@pushforward_of(sparsemax)
def _sparsemax_push(t: Array, y: Array, axis: Any) -> Array:
    return _centred(t, jnp.sign(y), axis)


def _centred(t: Array, g: Array, axis: Any) -> Array:
    """g * (t - the mean of t weighed by g)."""
    t = el.where(g == 0, 0, t)
    weight = jnp.sum(g, axis, keepdims=True)
    mean = jnp.sum(g * t, axis, keepdims=True) / el.where(weight == 0, 1, weight)
    return el.where(g == 0, 0, g * (t - mean))


@activation
def entmax15(
    x: Array,
    axis: Axis = -1,
    where: Parameter | None = None,
) -> Array:
    """Entmax with alpha = 1.5: between softmax and sparsemax, with exact zeros.

    y_i = max(x_i / 2 - tau, 0)^2, tau being such that y sums to one.

    Derivative: g_i (t_i - sum_j g_j t_j / sum_j g_j) with g = sqrt(y), from the output
    y, which is all that is kept.

    Args:
        x: an array of real dtype; integers count as float32.
        axis: the axis or axes that sum to one; None for all.
        where: a mask that broadcasts with x; what is False is left out.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: an argument is not an array or number of real dtype.
        ValueError: x has no such axis.

    Example:
        >>> jaxact.entmax15(jnp.array([1.0, 2.0, 2.5]))
        Array([0.00479501, 0.324041  , 0.671164  ], dtype=float32)

    Reference:
        Peters, Niculae, Martins (2019), Sparse sequence-to-sequence models,
        arXiv:1905.05702
    """
    return by_rows(_entmax15, _less_largest(x, axis, where) / 2, axis)


def _entmax15(z: Array) -> Array:
    """The kernel for rows with the largest entry 0."""
    order = jnp.flip(jnp.sort(z, axis=-1), -1)
    taus = _taus(order)
    size = jnp.sum((order >= taus).astype(z.dtype), -1, keepdims=True)
    tau = jnp.sum(el.where(_ranks(z) == size, taus, 0), -1, keepdims=True)
    # steps of Newton: the threshold of sums of squares has lost digits
    for _ in range(2):
        root = el.maximum(z - tau, 0)
        excess = jnp.sum(root * root, -1, keepdims=True) - 1
        slope = jnp.sum(root, -1, keepdims=True)
        tau = tau + excess / (2 * el.where(slope > 0, slope, 1))
    y = jnp.square(el.maximum(z - tau, 0))
    return el.where(z > -1, y, z - z)  # NaN of NaN


def _taus(order: Array) -> Array:
    """The threshold for the first one, two, ... of entries in descending order."""
    rank = _ranks(order)
    mean, square = (jnp.cumsum(v, -1) / rank for v in (order, order * order))
    spread = rank * (square - mean * mean)
    square = (1 - spread) / rank
    return mean - el.where(square > 0, jnp.sqrt(el.where(square > 0, square, 1)), 0)


@definition_of(entmax15)
def _entmax15_plain(x: Any, axis: Any = -1, where: Any = None) -> Array:
    x = x if where is None else jnp.where(where, x, -1e30)

    def rows(z: Array) -> Array:
        order = jnp.flip(jnp.sort(z, -1), -1)
        taus = _taus(order)
        size = jnp.sum(order >= taus, -1, keepdims=True)
        return jnp.maximum(z - jnp.take_along_axis(taus, size - 1, -1), 0) ** 2

    top = lax.stop_gradient(jnp.max(x, axis, keepdims=True))
    return by_rows(rows, (x - top) / 2, axis)


@pushforward_of(entmax15)
def _entmax15_push(t: Array, y: Array, axis: Any) -> Array:
    # no root of 0, whose slope is infinite
    g = el.where(y == 0, 0, jnp.sqrt(el.where(y == 0, 1, y)))
    return _centred(t - leading(t, y, axis), g, axis)  # 1 - y is lost in a y near 1


@activation
def hardmax(
    x: Array,
    axis: Axis = -1,
    where: Parameter | None = None,
    straight_through: bool = False,
) -> Array:
    """Hardmax: 1 for the largest entry, the first of several, 0 for the others.

    Derivative: 0; if `straight_through`, that of `softmax`, so that a choice can be
    trained.

    Args:
        x: an array of real dtype; integers count as float32.
        axis: the axis or axes with one 1; None for all.
        where: a mask that broadcasts with x; what is False is left out.
        straight_through: whether the derivative is that of the softmax.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: an argument is not an array or number of real dtype.
        ValueError: x has no such axis.

    Example:
        >>> jaxact.hardmax(jnp.array([1.0, 2.0, 2.5]))
        Array([0., 0., 1.], dtype=float32)
    """

    def rows(z: Array) -> Array:
        place = lax.broadcasted_iota(int, z.shape, z.ndim - 1)
        first = (place == jnp.argmax(z, -1, keepdims=True)).astype(z.dtype)
        return el.where(jnp.any(jnp.isnan(z), -1, keepdims=True), jnp.nan, first)

    x = masked(x, where)
    return el.where(x == -jnp.inf, 0, by_rows(rows, x, axis))


@definition_of(hardmax)
def _hardmax_plain(
    x: Any, axis: Any = -1, where: Any = None, straight_through: bool = False
) -> Array:
    x = x if where is None else jnp.where(where, x, -jnp.inf)

    def rows(z: Array) -> Array:
        return jax.nn.one_hot(jnp.argmax(z, -1), z.shape[-1], dtype=z.dtype)

    hard = by_rows(rows, x, axis)
    if not straight_through:
        return hard
    soft = jax.nn.softmax(x, axis)
    return hard + soft - lax.stop_gradient(soft)


@pushforward_of(hardmax)
def _hardmax_push(
    t: Array, x: Array, axis: Any, where: Any, straight_through: bool
) -> Array:
    if not straight_through:
        return jnp.zeros_like(t)
    return softmax_push(t, weights(x, axis, where), axis, where, 1)


@chooses(softmax)
def gumbel_softmax(
    x: ArrayLike,
    key: Array,
    temperature: ArrayLike = 1.0,
    hard: bool = False,
    axis: Axis = -1,
) -> Array:
    """A random choice among entries with log-probabilities x that can be trained.

    It is the softmax of (x + G) / T, T being the temperature and G noise of the Gumbel
    distribution, drawn in float32 at least.

    Derivative: that of the softmax with the noise held, also if `hard`.

    Args:
        x: an array of real dtype; integers count as float32.
        key: from `jax.random.key`; the same key gives the same noise.
        temperature: positive; towards 0 the result gets hard.
        hard: whether the result is one-hot, with the derivative of the soft one.
        axis: the axis or axes to choose along; None for all.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: an argument is not an array or number of real dtype.
        ValueError: x has no such axis.

    Example:
        >>> scores, key = jnp.array([1.0, 2.0, 3.0]), jax.random.key(0)
        >>> jaxact.gumbel_softmax(scores, key, hard=True).sum()
        Array(1., dtype=float32)

    Reference:
        Jang, Gu, Poole (2016), Categorical reparameterization with Gumbel-softmax,
        arXiv:1611.01144
    """
    x = jnp.asarray(x)
    dtype = x.dtype if jnp.issubdtype(x.dtype, jnp.floating) else jnp.result_type(float)
    wide = dtype if jnp.finfo(dtype).bits >= 32 else jnp.float32
    z = x.astype(wide) + jax.random.gumbel(key, x.shape, wide)
    z = z / jnp.asarray(temperature, wide)
    y = hardmax(z, axis, straight_through=True) if hard else softmax(z, axis)
    return y.astype(dtype)
