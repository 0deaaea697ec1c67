"""Ratios of polynomials whose coefficients are learnt.

The backward pass keeps x and the coefficients; JAX derives the derivatives by the
coefficients from the kernel, the one by x is written down.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import Array

from .._core import activation, definition_of, pushforward_of
from .._numerics import elementary as el, pieces as num

Value = tuple[Array, Array]  # of a polynomial, and its derivative


@activation(
    examples={
        "numerator": [0.03, 0.5, 1.0, 0.75, 0.25, 0.03],
        "denominator": [0.125, 1.0, 0.25, 0.0625],
    }
)
def rational(x: Array, numerator: Array, denominator: Array) -> Array:
    """Safe Padé activation unit: a ratio of polynomials without poles.

    rational(x) is P(x) / (1 + |Q(x)|), where P(x) = numerator[0] + numerator[1] x + ...
    and Q(x) = denominator[0] x + denominator[1] x**2 + ...

    Derivative: (P' - rational(x) sign(Q) Q') / (1 + |Q|); where Q is 0 the mean of both
    sides.  Far out it grows as the difference of the degrees says, with no overflow on
    the way.  `rational_coefficients` gives coefficients to start from.

    Args:
        x: an array or number of real dtype; integers count as float32.
        numerator: the coefficients of P, constant first, of one dimension.
        denominator: those of Q, which has no constant, of one dimension.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: an argument is not an array or number of real dtype.
        ValueError: coefficients are not of one dimension.

    Example:
        >>> p, q = jnp.array([0.0, 1.0]), jnp.array([0.0, 1.0])  # x / (1 + x**2)
        >>> jaxact.rational(jnp.array([-1.0, 2.0]), p, q)
        Array([-0.5,  0.4], dtype=float32)

    Reference:
        Molina, Schramowski, Kersting (2019), arXiv:1907.06732
    """
    _check(numerator, denominator)
    near, end = _limited(x, numerator, denominator)
    p, q = _polynomials(near, numerator, denominator)
    value = p[0] / (1 + el.maximum(q[0], -q[0]))  # of slope 0 at 0
    growth = len(numerator) - 1 - len(denominator)
    if growth == 0:
        return value
    return value * el.maximum(jnp.abs(x) / end, 1) ** growth


def _limited(x: Array, numerator: Array, denominator: Array) -> tuple[Array, float]:
    """x where no power overflows, and the end, beyond which the highest count alone."""
    info = jnp.finfo(x.dtype)
    degree = max(len(numerator) - 1, len(denominator), 1)
    end = 2.0 ** min(info.nmant + 1, (info.maxexp - 8) // degree)
    return el.clip(x, -end, end), end


def _check(numerator: Array, denominator: Array) -> None:
    if numerator.ndim != 1 or denominator.ndim != 1 or not len(numerator):
        raise ValueError(
            f"rational: the coefficients are of shapes {numerator.shape} and "
            f"{denominator.shape}; expected one dimension each, and a numerator"
        )


def _ratio_slope(x: Array, numerator: Array, denominator: Array) -> Array:
    """The slope where numerator and denominator have one degree.

    Where |x| > 1 it is computed in z = 1 / x, the polynomials being divided by their
    highest power.
    """
    outer = jnp.abs(x) > 1
    # far enough out the ratio has its limit, and powers of z would underflow
    big = el.clip(el.where(outer, x, 1), -(2.0**25), 2.0**25)
    z = el.where(outer, 1 / big, x)
    n = len(denominator)
    p, dp = _horner(z, _turned(outer, numerator))
    q, dq = _horner(z, _turned(outer, jnp.pad(denominator, (1, 0))))
    one, done = el.where(outer, num.magnitude(z) ** n, 1), 0
    if n:
        done = n * num.magnitude(z) ** (n - 1) * jnp.sign(z)
    bottom = one + q * jnp.sign(q)  # unlike jnp.abs of slope 0 at 0
    done = el.where(outer, done, 0)
    slope = (dp - p / bottom * (done + jnp.sign(q) * dq)) / bottom
    far = -z / el.where(outer, x, 1) * slope
    if n % 2:
        far = far * jnp.sign(x)
    return el.where(outer, far, slope)


def _polynomials(x: Array, numerator: Array, denominator: Array) -> list[Value]:
    """P and Q, each with its derivative."""
    return [_horner(x, list(c)) for c in (numerator, jnp.pad(denominator, (1, 0)))]


def _turned(outer: Array, coefficients: Array) -> list[Array]:
    """The coefficients, at the outer points in the opposite order."""
    pairs = zip(coefficients, coefficients[::-1], strict=True)
    return [el.where(outer, back, ahead) for ahead, back in pairs]


def _horner(z: Array, coefficients: list[Array]) -> Value:
    """A polynomial, its coefficients constant first, and its derivative."""
    *rest, value = coefficients
    slope = jnp.zeros_like(z)
    for c in reversed(rest):
        value, slope = value * z + c, slope * z + value
    return value, slope


@definition_of(rational)
def _rational(x: Array, numerator: Array, denominator: Array) -> Array:
    top = sum(c * x**i for i, c in enumerate(numerator))
    bottom = sum(c * x**i for i, c in enumerate(denominator, 1))
    return top / (1 + jnp.maximum(bottom, -bottom))


@pushforward_of(rational)
def _rational_push(t: Array, x: Array, numerator: Array, denominator: Array) -> Array:
    growth = len(numerator) - 1 - len(denominator)
    if growth == 0:  # far out it is constant, and the terms of the slope cancel
        return t * _ratio_slope(x, numerator, denominator)
    near, end = _limited(x, numerator, denominator)
    (p, dp), (q, dq) = _polynomials(near, numerator, denominator)
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
