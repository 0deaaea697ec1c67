"""Points to measure at: every bit pattern of small formats, a sample of large ones."""

from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np

from ._ulp import format_of

_NEIGHBOURS = 64


def points(
    dtype: Any, around: Iterable[float] = (), count: int = 2**15, seed: int = 0
) -> np.ndarray:
    """Points of a floating dtype at which to measure an activation.

    In formats of up to 16 bits they are all bit patterns.  In float32 and float64 they
    are about `count` points, as many for every exponent and sign, a dense share in
    [-100, 100], the special values, and in addition the neighbourhoods of the points
    `around`.

    Args:
        dtype: the floating dtype.
        around: points of interest: kinks, roots, thresholds.
        count: how many for float32 and float64.
        seed: of the random mantissas.

    Returns:
        A NumPy array of one dimension, of the dtype.

    Raises:
        TypeError: the dtype is not a floating one.

    Example:
        >>> jaxact.testing.points("bfloat16").shape
        (65536,)
    """
    form = format_of(dtype)
    dtype = jnp.dtype(dtype)
    if dtype.itemsize <= 2:
        unsigned = np.dtype(f"uint{8 * dtype.itemsize}")
        return np.arange(2 ** (8 * dtype.itemsize), dtype=unsigned).view(dtype)
    rng = np.random.default_rng(seed)
    unsigned = np.dtype(f"uint{8 * dtype.itemsize}")
    exponents = np.arange(form.lowest - 1, form.highest + 1)  # the first: subnormals
    each = max(1, count * 2 // 3 // (2 * len(exponents)))
    fields = np.repeat(exponents - (form.lowest - 1), each).astype(unsigned)
    mantissas = rng.integers(0, 2**form.mantissa, len(fields), dtype=unsigned)
    mantissas[::each] = 0  # the powers of two themselves
    spread = ((fields << unsigned.type(form.mantissa)) | mantissas).view(dtype)
    dense = rng.uniform(-100, 100, count // 3).astype(dtype)
    info = np.finfo(dtype)
    ends = [0.0, np.inf, info.smallest_subnormal, info.smallest_normal, info.max]
    special = np.array(ends, dtype)
    parts = [spread, -spread, dense, special, -special]
    parts += [_near(a, dtype, form.mantissa) for a in around]
    finite = np.concatenate(parts)
    _, first = np.unique(finite.view(unsigned), return_index=True)  # keeps -0.0
    return np.append(np.sort(finite[first], kind="stable"), np.array(np.nan, dtype))


def _near(center: float, dtype: np.dtype[Any], mantissa: int) -> np.ndarray:
    """Neighbouring floats of a point, and a geometric spread around it."""
    middle = np.array(center, dtype)
    up, down = [middle], [middle]
    for _ in range(_NEIGHBOURS):
        up.append(np.nextafter(up[-1], np.array(np.inf, dtype)))
        down.append(np.nextafter(down[-1], np.array(-np.inf, dtype)))
    step = max(abs(center), 1.0) * 2.0 ** -np.linspace(1, mantissa, 4 * mantissa)
    spread = np.concatenate([center + step, center - step]).astype(dtype)
    return np.concatenate([np.array(up), np.array(down), spread])
