"""Functions of jnp that kernels call often, without the call each adds to a jaxpr.

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
        like = _like(test, yes, no)
        if like is None:
            return jnp.where(test, yes, no)
        both = (lax.full_like(like, v) if _is_number(v) else v for v in (yes, no))
        return lax.select(test, *both)
    chosen, other = (yes, no) if np.ndim(test) == 0 and test else (no, yes)
    if np.ndim(test) or isinstance(test, Array) or not isinstance(chosen, Array):
        return jnp.where(test, yes, no)
    known = np.ndim(other) == 0 and jnp.result_type(chosen, other) == chosen.dtype
    return chosen if known else jnp.where(test, yes, no)


def maximum(a: Any, b: Any) -> Array:
    """`jnp.maximum`."""
    return _of_two(lax.max, jnp.maximum, a, b)


def minimum(a: Any, b: Any) -> Array:
    """`jnp.minimum`."""
    return _of_two(lax.min, jnp.minimum, a, b)


def clip(x: Any, low: Any, high: Any) -> Array:
    """`jnp.clip`."""
    return minimum(maximum(x, low), high)


def _of_two(
    fast: Callable[..., Array], general: Callable[..., Array], a: Any, b: Any
) -> Array:
    like = _like(a, b)
    if like is None:
        return general(a, b)
    # a number stays a scalar: XLA would hoist an array of it out of a loop, and keep it
    return fast(*(np.asarray(v, like.dtype) if _is_number(v) else v for v in (a, b)))


def _like(*operands: Any) -> Array | None:
    """One of the arrays, if they are of one shape and, but for masks, one dtype."""
    arrays = [v for v in operands if isinstance(v, Array)]
    values = [v for v in arrays if v.dtype != bool]
    alike = len({v.shape for v in arrays}) == len({v.dtype for v in values}) == 1
    weak = any(getattr(v, "weak_type", False) for v in values)
    numbers = all(map(_is_number, (v for v in operands if not isinstance(v, Array))))
    return values[0] if alike and numbers and not weak else None


def _is_number(v: Any) -> bool:
    return not isinstance(v, Array) and np.ndim(v) == 0
