"""Splits: activations that make more channels of an axis, or fewer.

The next layer gets another number of channels than came in.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from .._core import activation, definition_of, pushforward_of
from .._numerics import elementary as el


@activation
def crelu(x: Array, axis: int = -1) -> Array:
    """Concatenated rectifier: the positive and the negative part side by side.

    crelu(x) is relu(x) and relu(-x), joined along `axis`, which becomes twice as long.

    Derivative: 1 and 0 for x > 0, 0 and -1 for x < 0, 0 and 0 at 0.  No information is
    lost, and no unit is dead.  The backward pass keeps the output and nothing else.

    Args:
        x: an array of real dtype; integers count as float32.
        axis: the axis to join along.

    Returns:
        An array of the dtype of x and of its shape, but twice as long along the axis.

    Raises:
        TypeError: `x` is not an array of real dtype.
        ValueError: `x` has no such axis.

    Example:
        >>> jaxact.crelu(jnp.array([-1.0, 2.0]))
        Array([0., 2., 1., 0.], dtype=float32)

    Reference:
        Shang, Sohn, Almeida, Lee (2016), arXiv:1603.05201
    """
    return jnp.concatenate([el.maximum(x, 0), el.maximum(-x, 0)], axis)


@definition_of(crelu)
def _crelu(x: Array, axis: int = -1) -> Array:
    return jnp.concatenate([jnp.where(x > 0, x, 0), jnp.where(x < 0, -x, 0)], axis)


@pushforward_of(crelu)
def _crelu_push(t: Array, y: Array, axis: int) -> Array:
    return jnp.concatenate([t, -t], axis) * jnp.sign(y)  # y is never negative


@activation
def maxout(x: Array, pieces: int = 2, axis: int = -1) -> Array:
    """Maxout: the largest of every few neighbouring channels.

    maxout(x, k) is max(x[0], ..., x[k - 1]), max(x[k], ..., x[2 k - 1]) and so on along
    `axis`, which becomes k times shorter; with linear layers before it the maximum of k
    straight lines, a convex function that is learnt.

    Derivative: 1 for the largest of a group, 0 for the others; several that are equally
    large share it evenly.

    Args:
        x: an array of real dtype; integers count as float32.
        pieces: the size k of a group, which divides the length of the axis.
        axis: the axis along which groups lie.

    Returns:
        An array of the dtype of x and of its shape, but `pieces` times shorter along
        the axis.

    Raises:
        TypeError: `x` is not an array of real dtype.
        ValueError: `pieces` does not divide the length of the axis, or there is no such
            axis.

    Example:
        >>> jaxact.maxout(jnp.array([-1.0, 2.0, 4.0, 3.0]))
        Array([2., 4.], dtype=float32)

    Reference:
        Goodfellow, Warde-Farley, Mirza, Courville, Bengio (2013), arXiv:1302.4389
    """
    groups, within = _grouped(x, pieces, axis)
    return _folded(jnp.maximum, jnp.max, groups, within)


def _grouped(x: Array, pieces: int, axis: int) -> tuple[Array, int]:
    """x with its axis in groups, and the axis within them."""
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"maxout: x of shape {x.shape} has no axis {axis}")
    axis %= x.ndim
    length = x.shape[axis]
    if pieces < 1 or length % pieces:
        raise ValueError(f"maxout: no groups of {pieces} in an axis of length {length}")
    groups = (length // pieces, pieces)
    return x.reshape(*x.shape[:axis], *groups, *x.shape[axis + 1 :]), axis + 1


def _folded(
    f: Callable[[Array, Array], Array], whole: Any, groups: Array, within: int
) -> Array:
    """A reduction, of small groups entry by entry: a tenth of the time on a CPU."""
    size = groups.shape[within]
    if size > 16:
        return whole(groups, within)
    entries = (lax.index_in_dim(groups, i, within, keepdims=False) for i in range(size))
    return functools.reduce(f, entries)


@definition_of(maxout)
def _maxout(x: Array, pieces: int = 2, axis: int = -1) -> Array:
    parts = jnp.split(x, x.shape[axis] // pieces, axis)
    return jnp.concatenate([jnp.max(p, axis, keepdims=True) for p in parts], axis)


@pushforward_of(maxout)
def _maxout_push(t: Array, x: Array, pieces: int, axis: int) -> Array:
    groups, within = _grouped(x, pieces, axis)
    largest = jnp.expand_dims(_folded(jnp.maximum, jnp.max, groups, within), within)
    largest = (groups == largest).astype(t.dtype)
    count = jnp.expand_dims(_folded(jnp.add, jnp.sum, largest, within), within)
    return jnp.sum(_grouped(t, pieces, axis)[0] * (largest / count), within)
