"""Vectors along an axis, scaled by their length.

Lengths are taken of x over a power of two near its largest entry, so that no square or
cube overflows; for infinite entries the results are the limits.
"""

from typing import Any

import jax.numpy as jnp
from jax import Array

from .._core import Parameter, activation, definition_of, pushforward_of
from .._numerics import elementary as el, pieces as num
from .._numerics.rows import Axis, largest, smallest


def _scaled(x: Array, axis: Any, least: float) -> tuple[Array, Array, Array]:
    """x over a power of two, up to 8 in size; that power, at least `least`; max |x|."""
    most = el.maximum(largest(x, axis), -smallest(x, axis))  # two plain reductions
    # XLA takes the inverse of the power, which must be normal too
    limit = float(jnp.finfo(x.dtype).max) / 4
    size = num.power_below(el.clip(most, least, limit))
    # beside infinite entries the finite ones vanish
    ends = el.where(jnp.isinf(x), jnp.sign(x), 0)
    return el.where(jnp.isinf(most), ends, x / size), size, most


@activation
def squash(x: Array, axis: Axis = -1) -> Array:
    """Squash: a vector's length n becomes n^2 / (1 + n^2), its direction stays.

    y = x * n / (1 + n^2), n being the length of x along the axis.

    Derivative: n / (1 + n^2) * (t + u (u . t) (1 - n^2) / (1 + n^2)) along t, u being
    x / n; 0 at 0.  So the length of a capsule is a probability.

    Args:
        x: an array of real dtype; integers count as float32.
        axis: the axis or axes of a vector; None for all.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: x is not an array or number of real dtype.
        ValueError: x has no such axis.

    Example:
        >>> jaxact.squash(jnp.array([3.0, 4.0]))
        Array([0.57692313, 0.7692308 ], dtype=float32)

    Reference:
        Sabour, Frosst, Hinton (2017), Dynamic routing between capsules, NIPS
    """
    u, small, near = _polar(x, axis)
    return u * (el.where(near, small * small, 1) / (1 + small * small))


def _polar(x: Array, axis: Any) -> tuple[Array, Array, Array]:
    """u; the smaller of n and 1 / n; whether it is n."""
    v, size, most = _scaled(x, axis, float(jnp.finfo(x.dtype).smallest_normal))
    square = jnp.sum(v * v, axis, keepdims=True)
    root = jnp.sqrt(el.where(square == 0, 1, square))  # of 0 the slope is infinite
    n = el.where(jnp.isinf(most), jnp.inf, root * size)
    near = n < 1
    return v / root, el.where(near, n, 1 / el.where(near, 1, n)), near


@definition_of(squash)
def _squash_plain(x: Any, axis: Any = -1) -> Array:
    square = jnp.sum(x * x, axis, keepdims=True)
    root = jnp.sqrt(jnp.where(square == 0, 1, square))
    return x * root / (1 + square)


@pushforward_of(squash)
def _squash_push(t: Array, x: Array, axis: Any) -> Array:
    u, small, near = _polar(x, axis)
    ratio = 1 / (1 + small * small)
    turn = (1 - small) * (1 + small) * el.where(near, ratio, -ratio)
    t, along = _without_leading(t, u, u * u, axis)
    bent = t + u * (turn * jnp.sum(u * t, axis, keepdims=True))
    stretched = u * (2 * along) * el.where(near, ratio, small * small * ratio)
    return small * ratio * (bent + stretched)


def _without_leading(
    t: Array, v: Array, square: Array, axis: Any
) -> tuple[Array, Array]:
    """t less a multiple of v, and the multiple.

    The multiple takes away the entry of t where v has more than half of its squares:
    where v is nearly one entry, the rest would be lost.
    """
    leads = square > 0.5 * jnp.sum(square, axis, keepdims=True)
    most = el.where(leads, t / el.where(leads, v, 1), 0)
    along = jnp.sum(most, axis, keepdims=True)
    return el.where(leads, 0, t - along * v), along


@activation
def poly_norm(
    x: Array,
    weights: Parameter | tuple[float, ...] = (1 / 3, 1 / 3, 1 / 3),
    bias: Parameter = 0.0,
    axis: Axis = -1,
    epsilon: Parameter = 1e-6,
) -> Array:
    """PolyNorm: a polynomial of x, each power over its root mean square.

    y = b + sum_i w_i x^i / sqrt(mean(x^(2 i)) + epsilon), i = 1, 2, 3.

    Derivative: with r_i the denominators and d = i x^(i - 1) t, the sum of
    w_i (d - x^i mean(x^i d) / r_i^2) / r_i along t; by w_i: x^i / r_i; by b: 1.
    Liger's kernel counts the weights from the highest power down.

    Args:
        x: an array of real dtype; integers count as float32.
        weights: an array with the weight of each power, of x itself first.
        bias: b, a number or an array that broadcasts with x.
        axis: the axis or axes of the means; None for all.
        epsilon: added to the mean squares.

    Returns:
        An array of the shape of `x + bias`, of the dtype to which x, the weights and
        the bias promote.

    Raises:
        TypeError: an argument is not an array or number of real dtype.
        ValueError: x has no such axis.

    Example:
        >>> jaxact.poly_norm(jnp.array([-1.0, 2.0]))
        Array([-0.15495661,  1.3467308 ], dtype=float32)

    Reference:
        Zhuo et al. (2024), Polynomial composition activations, arXiv:2411.03884
    """
    v, size, _ = _scaled(x, axis, 1.0)
    terms = (w * p / r for w, p, r in _powers(v, size, weights, axis, epsilon))
    return sum(terms, start=jnp.zeros_like(x)) + bias


def _powers(v: Array, size: Array, weights: Any, axis: Any, epsilon: Any) -> Any:
    """The weights, powers of v and their root mean squares."""
    power = v
    for i, weight in enumerate(weights):
        power = power * v if i else v
        faint = epsilon / size ** (2 * i + 2)
        square = jnp.mean(power * power, axis, keepdims=True)
        yield weight, power, jnp.sqrt(square + faint)


@definition_of(poly_norm)
def _poly_norm_plain(
    x: Any,
    weights: Any = (1 / 3, 1 / 3, 1 / 3),
    bias: Any = 0.0,
    axis: Any = -1,
    epsilon: Any = 1e-6,
) -> Array:
    y = bias + jnp.zeros_like(x)
    for i, weight in enumerate(weights, 1):
        square = jnp.mean(x ** (2 * i), axis, keepdims=True)
        y = y + weight * x**i / jnp.sqrt(square + epsilon)
    return y


@pushforward_of(poly_norm)
def _poly_norm_push(t: Array, x: Array, weights: Any, axis: Any, epsilon: Any) -> Array:
    v, size, _ = _scaled(x, axis, 1.0)
    powers = list(_powers(v, size, weights, axis, epsilon))
    last = powers[-1][1]
    t, along = _without_leading(t / size, v, last * last, axis)
    total, below = jnp.zeros_like(t), jnp.ones_like(v)
    for i, (w, p, r) in enumerate(powers, 1):
        d = i * below * t
        # along v itself only epsilon keeps a power from being constant
        faint = epsilon / size ** (2 * i) * i * along
        mean = jnp.mean(p * d, axis, keepdims=True)
        total = total + (d - p * ((mean - faint) / (r * r))) * (w / r)
        below = p
    return total
