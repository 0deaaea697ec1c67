"""Errors in units in the last place, and rounding to any floating format."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ._exact import Exact


class Format(NamedTuple):
    """The facts about a floating dtype that rounding needs."""

    mantissa: int
    lowest: int  # the exponent of the smallest normal number
    highest: int  # the exponent of the largest number
    largest: float
    beyond: float  # the next value after the largest, were there one
    overflow: float  # what overflow gives: inf, or nan in formats without inf
    wide: np.dtype[Any]  # the dtype kernels compute in


def format_of(dtype: Any) -> Format:
    """The format of a dtype: bfloat16, float16, float32, float64, a float8.

    Raises:
        TypeError: it is not a floating dtype.
    """
    try:
        dtype = jnp.dtype(dtype)
    except TypeError:
        raise TypeError(f"{dtype!r} is not a dtype") from None
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(f"{dtype.name} is not a floating dtype")
    info = jnp.finfo(dtype)
    largest = float(info.max)
    highest = int(np.frexp(largest)[1]) - 1
    mantissa = int(info.nmant)
    if dtype.itemsize < 8:
        with np.errstate(over="ignore", invalid="ignore"):
            overflow = float(np.asarray(np.inf).astype(dtype))
        beyond = largest + 2.0 ** (highest - mantissa)
    else:
        overflow, beyond = np.inf, np.inf
    wide = np.dtype(np.float32 if dtype.itemsize < 4 else dtype)
    lowest = int(np.frexp(float(info.smallest_normal))[1]) - 1
    return Format(mantissa, lowest, highest, largest, beyond, overflow, wide)


def as_float64(values: Any) -> np.ndarray:
    """The values as float64, without a warning for NaN that carries a payload."""
    with np.errstate(invalid="ignore"):
        return np.asarray(values).astype(np.float64)


def ulp(exact: Any, dtype: Any) -> np.ndarray:
    """The spacing of a dtype at `exact`; that of the subnormals below the normals.

    Returns:
        A float64 NumPy array of the shape of `exact`.

    Example:
        >>> jaxact.testing.ulp([1.0, 100.0], "bfloat16")
        array([0.0078125, 0.5      ])
    """
    form = format_of(dtype)
    return _spacing(np.asarray(exact, np.float64), form)


def _spacing(exact: np.ndarray, form: Format) -> np.ndarray:
    finite = np.where(np.isfinite(exact), exact, form.largest)
    exponent = np.frexp(finite)[1] - 1
    exponent = np.where(finite == 0, form.lowest, exponent)
    exponent = np.clip(exponent, form.lowest, form.highest)
    return np.ldexp(1.0, exponent - form.mantissa)


def round_to(high: np.ndarray, low: np.ndarray, dtype: Any) -> np.ndarray:
    """The values `high + low` rounded once to a dtype, ties to even."""
    form = format_of(dtype)
    dtype = jnp.dtype(dtype)
    if dtype == np.float64:
        return high.copy()
    # To odd first: a last bit that says "not exact" keeps the second rounding right.
    bits = high.view(np.int64)
    inexact = np.isfinite(high) & (low != 0) & (bits & 1 == 0)
    odd = np.where(np.signbit(low) == np.signbit(high), bits + 1, bits - 1)
    value = np.where(inexact, odd, bits).view(np.float64)
    step = _spacing(value, form)
    with np.errstate(invalid="ignore", over="ignore"):
        value = np.rint(value / step) * step
        over = np.abs(value) > form.largest
        value = np.where(over, np.copysign(form.overflow, value), value)
        return value.astype(dtype)


def _unit(exact: Exact, dtype: Any) -> np.ndarray:
    """The spacing of a dtype, or the rounding error of the terms around a root."""
    unit = _spacing(exact.high, format_of(dtype))
    if jnp.dtype(dtype).itemsize < 4:
        return unit
    scale = np.where(np.isnan(exact.root_scale), 0, exact.root_scale)
    return np.maximum(unit, scale * float(jnp.finfo(dtype).eps))


def ulp_error(got: Any, exact: Any, dtype: Any = None) -> np.ndarray:
    """The error of `got` in units in the last place of a dtype at the exact value.

    Overflow counts as the next value after the largest.  A zero where the exact value
    is below the smallest normal number is not an error: hardware may flush it.  In
    float32 and float64 the unit near a root of a derivative is at least the rounding
    error of the largest term, as `Exact.root_scale` has it; smaller formats are
    computed in float32 and need no such allowance.

    Args:
        got: the results.
        exact: what `oracle` returns, or plain numbers.
        dtype: the format that sets the unit; that of `got` by default.

    Returns:
        float64 errors; inf where one of the two is NaN, or a limit is missed.

    Raises:
        TypeError: the dtype is not a floating one.

    Example:
        >>> jaxact.testing.ulp_error([1.0, 2.5], [1.0, 2.0], "bfloat16")
        array([ 0., 32.])
    """
    got = np.asarray(got)
    dtype = got.dtype if dtype is None else dtype
    form = format_of(dtype)
    got = as_float64(got)
    if not isinstance(exact, Exact):
        exact = Exact.of(np.asarray(exact, np.float64))
    high, low = exact.high, np.where(np.isfinite(exact.high), exact.low, 0)
    unit = _unit(exact, dtype)

    with np.errstate(invalid="ignore", over="ignore"):
        over = np.isfinite(high) & (np.abs(high) > form.largest)
        if np.isnan(form.overflow):
            got = np.where(np.isnan(got) & over, np.copysign(form.beyond, high), got)
        low = np.where(np.abs(high) >= form.beyond, 0, low)
        want = np.where(
            np.isfinite(high), np.clip(high, -form.beyond, form.beyond), high
        )
        bounded = np.where(
            np.isinf(got) & np.isfinite(want), np.copysign(form.beyond, got), got
        )
        error = np.abs((bounded - want) - low) / unit
    limit = np.isinf(high)
    wanted_nan = np.isnan(high)
    if np.isnan(form.overflow):  # a format without inf has NaN for it
        error = np.where(limit, np.where(np.isnan(got), 0, np.inf), error)
    else:
        error = np.where(limit, np.where(got == high, 0, np.inf), error)
    error = np.where(wanted_nan, np.where(np.isnan(got), 0, np.inf), error)
    error = np.where(np.isnan(error), np.inf, error)
    flushed = (got == 0) & (np.abs(high) < 2.0**form.lowest)
    return np.where(flushed, 0.0, error)


_SMALL, _FAINT = 1e-6, 1e-30
_AT_A_ROOT = 8.0  # units of float32 that half precisions, computed in it, are forgiven


def unit_error(got: Any, exact: Exact) -> np.ndarray:
    """The error of `got` in the units in which `jaxact.testing` states bounds.

    That is `ulp_error` where the exact result r is at least 1e-6 in size.  For a
    smaller r float32 and float64 need fewer digits: the unit is at least 2^-19 of r, so
    that 8 units are a relative error of 2^-16.  If r is below 1e-30, in every format, a
    result that has the sign of r or is 0, and is not larger than 1e-30, has no error;
    the wrong sign has an infinite one.  Near a root of a derivative, where terms
    cancel, a half precision is forgiven 8 units of float32 before its own error counts.

    Returns:
        float64 errors; inf where one of the two is NaN, or a limit is missed.
    """
    got = np.asarray(got)
    dtype, error = got.dtype, ulp_error(got, exact)
    got, size = as_float64(got), np.abs(exact.high)
    known, unit = np.isfinite(size), _unit(exact, dtype)
    scale = np.where(np.isnan(exact.root_scale), 0, exact.root_scale)
    if jnp.dtype(dtype).itemsize >= 4:
        small = known & (size < _SMALL)
        wider = np.maximum(unit, size * 2.0**-19)
        error = error * np.divide(unit, wider, out=np.ones_like(unit), where=small)
    else:
        forgiven = _AT_A_ROOT * float(jnp.finfo("float32").eps) * scale
        error = np.maximum(error - np.where(known, forgiven / unit, 0), 0)
    faint = known & (size < _FAINT) & (size > 0)
    error = np.where(faint & (np.abs(got) <= _FAINT), 0, error)
    opposite = (got != 0) & (np.signbit(got) != np.signbit(exact.high))
    return np.where(faint & opposite & (scale == 0), np.inf, error)
