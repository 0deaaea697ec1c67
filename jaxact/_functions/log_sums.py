"""Logarithms of sums of exponentials along an axis: smooth maxima.

They are what `normalizers` divide by, and leave out what those leave out.
"""

from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from .. import _numerics as num
from .._core import activation, definition_of, pushforward_of
from .normalizers import Axis, base_of, exponentials, masked, total, weights


@activation
def logsumexp(
    x: Array,
    axis: int | tuple[int, ...] | None = None,
    *,
    where: Array | None = None,
    keepdims: bool = False,
) -> Array:
    """Logarithm of a sum of exponentials, a smooth maximum.

    y = log(sum_j exp(x_j))

    Derivative: sum_j p_j t_j along t, p being the softmax.  What is kept is x (and
    `where`).  -inf of nothing.  The `b` and `return_sign` of `jax.nn.logsumexp` are
    left out, and what follows `axis` goes by name: with weights b > 0 the sum is
    logsumexp(x + log(b)).

    Args:
        x: an array or number of real dtype; integers count as float32.
        axis: the axis or axes to sum over; None for all.
        where: a mask that broadcasts with x; what is False is left out.
        keepdims: whether the axes stay, of length 1.

    Raises:
        TypeError: an argument is no array or number of real dtype.
        ValueError: x has no such axis.
    """
    x = masked(x, where)
    base = base_of(x, axis)
    y = base + jnp.log1p(total(exponentials(x, base, 1), axis, less=1))
    return y if keepdims else _squeezed(y, axis)


def _squeezed(y: Array, axis: Axis) -> Array:
    """A sum with keepdims as one without."""
    return jnp.squeeze(y, tuple(range(y.ndim)) if axis is None else axis)


@definition_of(logsumexp)
def _logsumexp_plain(
    x: Any, axis: Axis = None, *, where: Any = None, keepdims: bool = False
) -> Array:
    x = x if where is None else jnp.where(where, x, -jnp.inf)
    base = lax.stop_gradient(jnp.max(x, axis, keepdims=True))
    y = base + jnp.log(jnp.sum(jnp.exp(x - base), axis, keepdims=True))
    return y if keepdims else _squeezed(y, axis)


@pushforward_of(logsumexp)
def _logsumexp_push(
    t: Array, x: Array, axis: Axis, where: Any, keepdims: bool
) -> Array:
    p = weights(x, axis, where)
    return jnp.sum(jnp.where(p == 0, 0, p * t), axis, keepdims=keepdims)


@activation
def logmeanexp(
    x: Array,
    axis: int | tuple[int, ...] | None = None,
    *,
    where: Array | None = None,
    keepdims: bool = False,
) -> Array:
    """Logarithm of a mean of exponentials.

    y = log(mean_j exp(x_j))

    Derivative: sum_j p_j t_j along t, p being the softmax, as of `logsumexp`.  -inf of
    nothing.

    Args:
        x: an array or number of real dtype; integers count as float32.
        axis: the axis or axes to average over; None for all.
        where: a mask that broadcasts with x; what is False is left out.
        keepdims: whether the axes stay, of length 1.

    Raises:
        TypeError: an argument is no array or number of real dtype.
        ValueError: x has no such axis.
    """
    counted = jnp.ones(x.shape, bool) if where is None else where != 0
    x = masked(x, where)
    base = base_of(x, axis)
    counted = jnp.broadcast_to(counted, x.shape).astype(x.dtype)
    count = jnp.maximum(jnp.sum(counted, axis, keepdims=True), 1)
    mean = total(exponentials(x, base, 1), axis) / count
    y = base + jnp.log(mean)
    # of small x, where the logarithm is near 0
    small = jnp.where(counted == 0, 0, jnp.clip(x, -0.25, 0.25))
    near = jnp.log1p(jnp.sum(jnp.expm1(small), axis, keepdims=True) / count)
    size = jnp.where(counted == 0, -1, num.magnitude(x))
    largest = jnp.max(size, axis, keepdims=True, initial=-1)  # -1 of nothing
    y = jnp.where((largest >= 0) & (largest < 0.25), near, y)
    return y if keepdims else _squeezed(y, axis)


@definition_of(logmeanexp)
def _logmeanexp_plain(
    x: Any, axis: Axis = None, *, where: Any = None, keepdims: bool = False
) -> Array:
    base = lax.stop_gradient(
        jnp.max(x, axis, keepdims=True, where=where, initial=-1e38)
    )
    y = base + jnp.log(jnp.mean(jnp.exp(x - base), axis, keepdims=True, where=where))
    return y if keepdims else _squeezed(y, axis)


@pushforward_of(logmeanexp)
def _logmeanexp_push(
    t: Array, x: Array, axis: Axis, where: Any, keepdims: bool
) -> Array:
    return _logsumexp_push(t, x, axis, where, keepdims)
