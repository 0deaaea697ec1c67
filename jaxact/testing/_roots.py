"""The points where an activation or one of its derivatives passes through zero."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from ._exact import Question
from ._oracle import signs, signs_of_all
from ._points import points

_MOST = 32  # roots of one order: a periodic function has infinitely many
_known: dict[Any, tuple[float, ...]] = {}


def roots(asked: Question, dtype: Any, orders: int = 4) -> tuple[float, ...]:
    """The roots of derivatives 0 to `orders` - 1 by x, to the last bit of a dtype.

    They are found by a change of sign between the points of a sample of float32; each
    is the first of two neighbouring floats that has the sign on its right, or 0.
    """
    formula = asked.formula
    parameters = tuple(asked.parameters.items())
    dtype = jnp.dtype(dtype)
    key = formula.text, formula.variables, parameters, asked.domain, dtype, orders
    if key not in _known:
        at = np.concatenate(
            [points("float32", count=2**12), np.linspace(-20, 20, 2001)]
        )
        at = np.unique(at.astype(np.float32).astype(np.float64))
        at = at[np.isfinite(at) & (at > asked.domain[0]) & (at < asked.domain[1])]
        sides = signs_of_all(asked, at, orders)
        found = [_changes(asked, at, sides[n], n, dtype) for n in range(orders)]
        _known[key] = tuple(np.unique(np.concatenate(found)).tolist())
    return _known[key]


def _changes(
    asked: Question, at: np.ndarray, side: np.ndarray, order: int, dtype: Any
) -> np.ndarray:
    """Where the sign of one derivative changes, by bisection of the floats."""
    told = np.flatnonzero(side)
    turn = np.flatnonzero(side[told[:-1]] != side[told[1:]])
    turn = turn[np.argsort(np.abs(at[told[turn]]))[:_MOST]]
    left, right = (_rank(at[told[turn + n]].astype(dtype)) for n in (0, 1))
    before = side[told[turn]]
    while (right - left > 1).any():
        middle = left + (right - left) // 2
        same = signs(asked, _unrank(middle, dtype).astype(np.float64), order) == before
        left, right = np.where(same, middle, left), np.where(same, right, middle)
    return _unrank(right, dtype).astype(np.float64)


def _rank(values: np.ndarray) -> np.ndarray:
    """The rank of floats in their order, 0 at 0."""
    bits = np.abs(values).view(f"int{8 * values.dtype.itemsize}").astype(np.int64)
    return np.where(values < 0, -bits, bits)


def _unrank(ranks: np.ndarray, dtype: Any) -> np.ndarray:
    size = np.abs(ranks).astype(f"int{8 * dtype.itemsize}").view(dtype)
    return np.where(ranks < 0, -size, size)
