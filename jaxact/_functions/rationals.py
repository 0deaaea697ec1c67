"""Ratios of polynomials whose coefficients are learnt.

The backward pass keeps x and the coefficients; JAX derives the derivatives by the
coefficients from the kernel, the one by x is written down.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import Array

from .._core import Parameter, activation, definition_of, pushforward_of
from .._numerics import elementary as el, pieces as num
from ._coefficients import in_rows, spread


@activation(
    examples={
        "numerator": [0.03, 0.5, 1.0, 0.75, 0.25, 0.03],
        "denominator": [0.125, 1.0, 0.25, 0.0625],
    }
)
def rational(
    x: Array, numerator: Parameter, denominator: Parameter, axis: int | None = None
) -> Array:
    """Safe Padé activation unit: a ratio of polynomials without poles.

    rational(x) is P(x) / (1 + |Q(x)|), where P(x) = numerator[0] + numerator[1] x + ...
    and Q(x) = denominator[0] x + denominator[1] x**2 + ...

    Derivative: (P' - rational(x) sign(Q) Q') / (1 + |Q|); where Q is 0 the mean of both
    sides.  Far out it grows as the difference of the degrees says, with no overflow on
    the way.  `rational_coefficients` gives coefficients to start from.

    Args:
        x: an array or number of real dtype; integers count as float32.
        numerator: the coefficients of P, constant first: of shape (n,) for all of x,
            (channels, n) for each channel, or (groups, n) for groups of neighbours; of
            more dimensions if all but the last broadcast with x.
        denominator: those of Q, which has no constant, likewise.
        axis: where channels lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: an argument is not an array or number of real dtype.
        ValueError: there is no numerator, x has no such axis, or its length is not a
            multiple of the groups.

    Example:
        >>> p, q = jnp.array([0.0, 1.0]), jnp.array([0.0, 1.0])  # x / (1 + x**2)
        >>> jaxact.rational(jnp.array([-1.0, 2.0]), p, q)
        Array([-0.5,  0.4], dtype=float32)

    Reference:
        Molina, Schramowski, Kersting (2019), arXiv:1907.06732; by groups: Yang, Wang
        (2024), Kolmogorov-Arnold transformer, arXiv:2409.10594
    """
    top, bottom = _lists(x, numerator, denominator, axis)
    near, end = _limited(x, top, bottom)
    (p, _), (q, _) = _horner(near, top), _horner(near, bottom)
    value = p / (1 + el.maximum(q, -q))  # of slope 0 at 0
    growth = len(top) - len(bottom)
    if growth == 0:
        return value
    return value * el.maximum(jnp.abs(x) / end, 1) ** growth


def _lists(
    x: Array, numerator: Array, denominator: Array, axis: int | None
) -> tuple[list[Array], list[Array]]:
    """The coefficients of P and of Q, constant first; each broadcasts with x."""
    top = in_rows(numerator, x, axis, "rational: numerator")
    bottom = in_rows(denominator, x, axis, "rational: denominator", least=0)
    return list(top), [jnp.zeros((), x.dtype), *bottom]


def _limited(x: Array, top: list[Array], bottom: list[Array]) -> tuple[Array, float]:
    """x where no power overflows, and the end, beyond which the highest count alone."""
    info = jnp.finfo(x.dtype)
    degree = max(len(top) - 1, len(bottom) - 1, 1)
    end = 2.0 ** min(info.nmant + 1, (info.maxexp - 8) // degree)
    return el.clip(x, -end, end), end


def _ratio_slope(x: Array, top: list[Array], bottom: list[Array]) -> Array:
    """The slope where numerator and denominator have one degree.

    Where |x| > 1 it is computed in z = 1 / x, the polynomials being divided by their
    highest power.
    """
    outer = jnp.abs(x) > 1
    # far enough out the ratio has its limit, and powers of z would underflow
    big = el.clip(el.where(outer, x, 1), -(2.0**25), 2.0**25)
    z = el.where(outer, 1 / big, x)
    n = len(bottom) - 1
    p, dp = _horner(z, _turned(outer, top))
    q, dq = _horner(z, _turned(outer, bottom))
    one, done = el.where(outer, num.magnitude(z) ** n, 1), 0
    if n:
        done = n * num.magnitude(z) ** (n - 1) * jnp.sign(z)
    whole = one + q * jnp.sign(q)  # unlike jnp.abs of slope 0 at 0
    done = el.where(outer, done, 0)
    slope = (dp - p / whole * (done + jnp.sign(q) * dq)) / whole
    far = -z / el.where(outer, x, 1) * slope
    if n % 2:
        far = far * jnp.sign(x)
    return el.where(outer, far, slope)


def _turned(outer: Array, coefficients: list[Array]) -> list[Array]:
    """The coefficients, at the outer points in the opposite order."""
    pairs = zip(coefficients, coefficients[::-1], strict=True)
    return [el.where(outer, back, ahead) for ahead, back in pairs]


def _horner(z: Array, coefficients: list[Array]) -> tuple[Array, Array]:
    """A polynomial and its derivative."""
    *rest, value = coefficients
    slope = jnp.zeros_like(z)
    for c in reversed(rest):
        value, slope = value * z + c, slope * z + value
    return value, slope


@definition_of(rational)
def _rational(
    x: Array, numerator: Array, denominator: Array, axis: int | None = None
) -> Array:
    upper = spread(numerator, x, axis, "numerator")
    lower = spread(denominator, x, axis, "denominator", least=0)
    top = sum(upper[..., i] * x**i for i in range(upper.shape[-1]))
    bottom = sum(lower[..., i] * x ** (i + 1) for i in range(lower.shape[-1]))
    return top / (1 + jnp.maximum(bottom, -bottom))


@pushforward_of(rational)
def _rational_push(
    t: Array, x: Array, numerator: Array, denominator: Array, axis: int | None
) -> Array:
    top, bottom = _lists(x, numerator, denominator, axis)
    growth = len(top) - len(bottom)
    if growth == 0:  # far out it is constant, and the terms of the slope cancel
        return t * _ratio_slope(x, top, bottom)
    near, end = _limited(x, top, bottom)
    (p, dp), (q, dq) = _horner(near, top), _horner(near, bottom)
    # not p / bottom, which XLA would store to share it with the forward pass
    inverse = 1 / (1 + el.maximum(q, -q))
    value = p * inverse
    slope = (dp - value * (jnp.sign(q) * dq)) * inverse
    beyond = jnp.abs(x) / end
    far = growth * value / near * el.maximum(beyond, 1) ** (growth - 1)
    return t * el.where(beyond > 1, far, slope)


def rational_coefficients(
    function: Callable[[Array], Array],
    interval: tuple[float, float] = (-3.0, 3.0),
    degrees: tuple[int, int] = (5, 4),
) -> tuple[Array, Array]:
    """Coefficients with which `rational` is close to another function.

    They are a least-squares fit: with the sign of Q and the denominator of the last
    round as weights, P - f Q = f is linear in the coefficients; the best of the rounds
    is returned.

    Args:
        function: any elementwise function, such as an activation.
        interval: where to be close.
        degrees: of numerator and denominator.

    Returns:
        The numerator and the denominator that `rational` takes, in float32.

    Raises:
        ValueError: the interval is empty, or a degree is negative.

    Example:
        >>> p, q = jaxact.rational_coefficients(jaxact.tanh, degrees=(3, 2))
        >>> p.shape, q.shape
        ((4,), (2,))
    """
    low, high = interval
    if not low < high or min(degrees) < 0:
        raise ValueError(
            f"rational_coefficients: interval={interval!r}, degrees={degrees!r}; "
            "expected low < high, and no negative degree"
        )
    x = (low + high - (high - low) * np.cos(np.pi * np.linspace(0, 1, 1001))) / 2
    f = np.asarray(function(jnp.asarray(x, jnp.float32)), np.float64)
    powers = x[:, None] ** np.arange(max(degrees) + 1)
    top, bottom = powers[:, : degrees[0] + 1], powers[:, 1 : degrees[1] + 1]
    sign, weight = np.ones_like(x), np.ones_like(x)
    best, least = np.zeros(sum(degrees) + 1), np.inf
    for _ in range(20):
        rows = np.hstack([top, -(f * sign)[:, None] * bottom])
        fitted = np.linalg.lstsq(rows * weight[:, None], f * weight)[0]
        p, q = np.split(fitted, [degrees[0] + 1])
        error = np.sum((top @ p / (1 + np.abs(bottom @ q)) - f) ** 2)
        if error < least:
            best, least = fitted, error
        sign, weight = np.sign(bottom @ q), 1 / (1 + np.abs(bottom @ q))
    p, q = np.split(best, [degrees[0] + 1])
    return jnp.asarray(p, jnp.float32), jnp.asarray(q, jnp.float32)
