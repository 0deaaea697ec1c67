"""The errors that activations may have, and the units in which they are counted."""

import math
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np

from .. import frameworks
from .._core import Definition, lookup
from .._functions._parts import SecondDerivative
from ..frameworks import Choice
from ._exact import Exact, Question
from ._oracle import exact_orders
from ._ulp import as_float64, format_of, ulp


def allowed_ulp(
    f: Callable[..., Any],
    dtype: Any,
    order: int,
    parameters: Iterable[str] = (),
) -> float:
    """The error that an activation may have, in the units of `unit_error`.

    `parameters` are those that are set: jax.nn does not have all of ours.  A second
    derivative that JAX makes of parts is a sum of several products, and may have twice
    the error.  That of orders above 2 is 1e-5 of their size around the point in
    float32, see `by_size`.
    """
    size, name = jnp.dtype(dtype).itemsize, getattr(f, "__name__", "")
    if size < 4:
        return 0.51
    if order > 2:
        return high_order(f)
    if (name, order) in _CANCELS:
        return _CANCELS[name, order]
    bound = 4.0 if name in in_frameworks() else 8.0
    definition = lookup(f)
    return 2 * bound if order > 1 and definition and _by_jax(definition) else bound


def _by_jax(definition: Definition) -> bool:
    """Whether the second derivative is one that JAX makes of parts."""
    kernels = definition.kernels
    return ("x",) not in kernels or isinstance(
        kernels.get(("x", "x")), SecondDerivative
    )


def high_order(f: Callable[..., Any]) -> float:
    """The error of orders above 2, in roundings of their size around the point."""
    definition = lookup(f)
    by_parts = definition is not None and ("x",) not in definition.kernels
    return (2e-5 if by_parts else 1e-5) / float(jnp.finfo("float32").eps)


def by_size(
    got: np.ndarray,
    exact: Exact,
    asked: Question,
    points: np.ndarray,
    order: int,
    f: Callable[..., Any],
) -> np.ndarray:
    """The errors of an order above 2, by the size of this derivative around each point.

    They are counted in roundings of that size.  A half precision is forgiven as many as
    float32 may have, and what is left is counted in its own units.
    """
    high = exact.high[0]
    at = np.flatnonzero(np.isfinite(high) & np.isfinite(as_float64(got)))
    found = np.full(len(high), np.inf)
    if len(at):
        found[at] = _in_roundings(got[at], exact[:, at], np.abs(high[at]), f)
        # the size at the point itself is enough, unless another is needed
        at = at[found[at] > _LITTLE]
    if len(at):
        sizes = np.fmax(np.abs(high[at]), _around(asked, points[at], order, got.dtype))
        found[at] = _in_roundings(got[at], exact[:, at], sizes, f)
    return found


_LITTLE = 4.0  # roundings


def _around(asked: Question, points: np.ndarray, order: int, dtype: Any) -> np.ndarray:
    """The largest derivative a quarter of x aside, or 0.25 where no domain ends."""
    x = as_float64(points)
    aside = [0.75 * x, 1.25 * x]
    if asked.domain == (-math.inf, math.inf):
        aside += [x - 0.25, x + 0.25]
    wide = format_of(dtype).wide
    with np.errstate(over="ignore"):
        at = np.stack(aside).astype(wide)
    (found,) = exact_orders(asked, at, (order,), wide, "x")
    return np.fmax.reduce(np.abs(found.high), axis=0)


def _in_roundings(
    got: np.ndarray, exact: Exact, sizes: np.ndarray, f: Callable[..., Any]
) -> np.ndarray:
    info = jnp.finfo(format_of(got.dtype).wide)
    far = np.min(np.abs(as_float64(got) - exact.high), axis=0)
    far = np.maximum(far - float(info.smallest_normal), 0)
    unit = float(info.eps) * sizes
    if got.dtype.itemsize < 4:
        far = np.maximum(far - high_order(f) * unit, 0)
        unit = ulp(exact.high[0], got.dtype)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(far == 0, 0, far / unit)


# what cancels far from a root, or amplifies the rounding of an exponent
_CANCELS = {
    ("sqrt_softplus", 2): 27.0,
    ("golu", 0): 10.0,
    ("golu", 1): 10.0,
    ("golu", 2): 16.0,
    ("xielu", 0): 6.0,
    ("erfact", 1): 16.0,
    ("serf", 1): 12.0,
    ("pserf", 1): 12.0,
    ("tanhexp", 1): 13.0,
    ("mila", 1): 12.0,
    ("phish", 1): 9.0,
    ("b_spline", 1): 11.0,  # beyond the grid: the value at its end and the line
}


@cache
def in_frameworks() -> frozenset[str]:
    """The activations that a framework has too."""
    rows = [row for table in frameworks.TABLE.values() for row in table.values()]
    several = [row.among.values() if isinstance(row, Choice) else [row] for row in rows]
    return frozenset(
        name for same in several for s in same for name in (s.name, s.general) if name
    )
