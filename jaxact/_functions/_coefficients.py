"""Rows of coefficients: one for all of x, or one for each channel or group of them."""

import jax.numpy as jnp
from jax import Array


def spread(
    coefficients: Array, x: Array, axis: int | None, name: str, least: int = 1
) -> Array:
    """Coefficients, of which all but their own axis, the last, broadcast with x."""
    shape = coefficients.shape
    if not shape or shape[-1] < least:
        problem = f"expected (n,) or (groups, n), n being {least} or more"
    elif len(shape) == 2:
        along = -1 if axis is None else axis
        problem = _not_grouped(shape[0], x, along)
        if problem is None:
            return _grouped(coefficients, x, along)
    elif len(shape) > 2 and axis is not None:
        problem = "coefficients along an axis have shape (groups, n)"
    elif not _broadcasts(shape[:-1], x):
        problem = "all but the last axis must broadcast with x"
    else:
        return coefficients
    raise ValueError(
        f"{name}: shape {shape} does not fit x of shape {x.shape}; {problem}"
    )


def in_rows(
    coefficients: Array, x: Array, axis: int | None, name: str, least: int = 1
) -> Array:
    """The same with their own axis first, each of them of the rank of x or a number."""
    wide = spread(coefficients, x, axis, name, least)
    if wide.ndim == 1:
        return wide
    first = jnp.moveaxis(wide, -1, 0)
    return jnp.expand_dims(first, tuple(range(1, 2 + x.ndim - first.ndim)))


def _broadcasts(shape: tuple[int, ...], x: Array) -> bool:
    if len(shape) > x.ndim:
        return False
    pairs = zip(reversed(shape), reversed(x.shape), strict=False)
    return all(m == 1 or n == 1 or m == n for m, n in pairs)


def _not_grouped(groups: int, x: Array, axis: int) -> str | None:
    """The reason why channels along an axis do not form so many groups, or None."""
    if not -x.ndim <= axis < x.ndim:
        return f"x has no axis {axis}"
    channels = x.shape[axis]
    if groups and (groups == 1 or channels == 1 or channels % groups == 0):
        return None
    return f"{channels} channels on axis {axis} are not {groups} groups of one size"


def _grouped(coefficients: Array, x: Array, axis: int) -> Array:
    """Coefficients of groups of neighbours along an axis of x, for each channel."""
    groups, n = coefficients.shape
    channels = x.shape[axis]
    if groups > 1 and channels not in (1, groups):
        coefficients = jnp.repeat(coefficients, channels // groups, 0)
    return coefficients.reshape(-1, *[1] * (x.ndim - 1 - axis % x.ndim), n)
