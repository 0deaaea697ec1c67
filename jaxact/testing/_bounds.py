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
    the error.  That of orders above 2 is a part of their `sizes_around` the point, of
    which float32 has 1e-5.
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


def sizes_around(
    asked: Question, points: np.ndarray, order: int, dtype: Any
) -> np.ndarray | None:
    """How large a derivative of an order above 2 is around points; None below.

    Near a root an error is measured by the size around it: the largest at the point,
    a quarter of it aside, and 0.25 aside where the domain has no end.
    """
    if order <= 2:
        return None
    wide = format_of(dtype).wide
    x = as_float64(points)
    around = [x, 0.75 * x, 1.25 * x]
    if asked.domain == (-math.inf, math.inf):
        around += [x - 0.25, x + 0.25]
    with np.errstate(over="ignore"):
        at = np.stack(around).astype(wide)
    (exact,) = exact_orders(asked, at, (order,), wide, "x")
    return np.fmax.reduce(np.abs(exact.high), axis=0)


def by_size(
    error: np.ndarray,
    got: np.ndarray,
    exact: Exact,
    sizes: np.ndarray,
    f: Callable[..., Any],
) -> np.ndarray:
    """The errors in roundings of a size, which a half precision is forgiven."""
    form = format_of(got.dtype)
    info = jnp.finfo(form.wide)
    high, wide = exact.high, as_float64(got)
    known = np.isfinite(sizes) & np.isfinite(high[0]) & np.isfinite(wide)
    with np.errstate(invalid="ignore", divide="ignore"):
        far = np.min(np.abs(wide - high), axis=0)
        unit = float(info.eps) * sizes
        far = np.maximum(far - float(info.smallest_normal), 0)
        if got.dtype.itemsize < 4:
            far = np.maximum(far - high_order(f) * unit, 0)
            unit = ulp(high[0], got.dtype)
        roundings = np.where(far == 0, 0, far / unit)
    return np.where(known, roundings, error)


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
}


@cache
def in_frameworks() -> frozenset[str]:
    """The activations that a framework has too."""
    rows = [row for table in frameworks.TABLE.values() for row in table.values()]
    several = [row.among.values() if isinstance(row, Choice) else [row] for row in rows]
    return frozenset(
        name for same in several for s in same for name in (s.name, s.general) if name
    )
