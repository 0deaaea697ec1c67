"""Functions of jnp that kernels call much, without the call that each adds to a jaxpr.

`jnp.where` and `jnp.clip` are compiled functions of their own, which takes time to
trace.  Here arrays of one shape, and numbers, go straight to lax; anything else to jnp.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax


def where(test: Any, yes: Any, no: Any) -> Array:
    """`jnp.where`."""
    if isinstance(test, Array) and test.dtype == bool:
        return _straight(lax.select, jnp.where, test, yes, no)
    chosen, other = (yes, no) if np.ndim(test) == 0 and test else (no, yes)
    if np.ndim(test) or isinstance(test, Array) or not isinstance(chosen, Array):
        return jnp.where(test, yes, no)
    known = np.ndim(other) == 0 and jnp.result_type(chosen, other) == chosen.dtype
    return chosen if known else jnp.where(test, yes, no)


def maximum(a: Any, b: Any) -> Array:
    """`jnp.maximum`."""
    return _straight(lax.max, jnp.maximum, a, b)


def minimum(a: Any, b: Any) -> Array:
    """`jnp.minimum`."""
    return _straight(lax.min, jnp.minimum, a, b)


def clip(x: Any, low: Any, high: Any) -> Array:
    """`jnp.clip`."""
    return minimum(maximum(x, low), high)


def _straight(
    fast: Callable[..., Array], general: Callable[..., Array], *operands: Any
) -> Array:
    """What lax makes of arrays of one shape and dtype, and of numbers made such."""
    arrays = [v for v in operands if isinstance(v, Array)]
    values = [v for v in arrays if v.dtype != bool]
    fits = len({v.shape for v in arrays}) == len({v.dtype for v in values}) == 1
    if not fits or any(_is_weak(v) for v in values):
        return general(*operands)
    like = values[0]
    return fast(*(v if isinstance(v, Array) else _alike(v, like) for v in operands))


def _is_weak(v: Array) -> bool:
    return bool(getattr(v, "weak_type", False))


def _alike(number: Any, like: Array) -> Array:
    if np.ndim(number):
        return jnp.asarray(number, like.dtype)
    return lax.full_like(like, number)
