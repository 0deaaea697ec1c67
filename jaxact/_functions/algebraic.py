"""Algebraic: bends made of square roots, for where an exponential is too dear.

Squares of large and of small numbers leave the range of a format long before their
roots do, so x and the parameter are scaled by powers of two first.
"""

import jax.numpy as jnp
from jax import Array

from .. import _numerics as num
from .._core import activation, derivative_of
from .._pairs import Pair, constant, number, pair

_POSITIVE = {"alpha": (0.0, float("inf"))}


@activation
def bent_identity(x: Array) -> Array:
    """Bent identity: slope 1/2 far below 0, 3/2 far above.

    bent_identity(x) = (sqrt(x**2 + 1) - 1) / 2 + x

    Derivative: 1 + x / (2 sqrt(x**2 + 1)); second: 1 / (2 (x**2 + 1)**(3/2)).

    Args:
        x: an array or number of real dtype; integers count as float32.

    Raises:
        TypeError: `x` is no array or number of real dtype.
    """
    z = jnp.clip(x, -(2.0**60), 2.0**60)
    return x * (1 + z / (2 * (jnp.sqrt(z * z + 1) + 1)))


@derivative_of(bent_identity)
def _bent_identity_dx(x: Array) -> Array:
    z = jnp.clip(x, -(2.0**60), 2.0**60)
    return 1 + z / jnp.sqrt(z * z + 1) / 2


@derivative_of(bent_identity, order=2)
def _bent_identity_dx2(x: Array) -> Array:
    return _isru_dx(x, jnp.asarray(1, x.dtype)) / 2


@activation(domain=_POSITIVE)
def isru(x: Array, alpha: float | Array = 1.0) -> Array:
    """Inverse square root unit: a sigmoid from -1/sqrt(alpha) to 1/sqrt(alpha).

    isru(x, alpha) = x / sqrt(1 + alpha * x**2)

    Derivative, with d = 1 + alpha x**2: d**(-3/2); second: -3 alpha x d**(-5/2); by
    `alpha`: -x**3 d**(-3/2) / 2.

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha: sets the limits, positive, a number or an array that broadcasts with x.

    Raises:
        TypeError: an argument is no array or number of real dtype.

    Reference:
        Carlile, Delamarter, Kinney, Marti, Whitney (2017), arXiv:1710.09967
    """
    return _isru(x, alpha)


def _isru(x: Array, alpha: float | Array) -> Array:
    z, m, power = _scaled(x, alpha)
    ratio = z / jnp.sqrt(1 + m * (z * z)) * num.inverse_power(power)
    return jnp.where(jnp.abs(z) < 2.0**-30, x, ratio)  # z may underflow


def _scaled(x: Array, alpha: float | Array) -> tuple[Array, Array, Array]:
    """z, m and 2**k with alpha * x**2 = m * z**2, 1 <= m < 4 and z = 2**k * x.

    z is limited to where its square does not overflow; the limits are reached by then.
    """
    m, power = num.even_power(number(alpha, x))
    return num.square_clip(x * power), m, power


def _isru_square(z: Array, m: Array) -> Pair:
    """1 + m * z**2."""
    return constant(1.0, like=z) + pair(m) * (pair(z) * pair(z))


@derivative_of(isru)
def _isru_dx(x: Array, alpha: Array) -> Array:
    z, m, _ = _scaled(x, alpha)
    d, lift = _isru_square(z, m), num.lift(x)
    return (constant(lift, like=x) / d / d.sqrt()).value() / lift


@derivative_of(isru, order=2)
def _isru_dx2(x: Array, alpha: Array) -> Array:
    z, m, power = _scaled(x, alpha)
    d, lift = _isru_square(z, m), num.lift(x)
    inverse = constant(lift, like=x) / d
    ratio = (pair(m) * inverse / d.sqrt()).value() * z
    bend = -3 * ratio * (power * inverse.value() / lift) / lift
    return jnp.where(jnp.abs(z) < 2.0**-30, -3 * x * alpha, bend)


@derivative_of(isru, wrt="alpha")
def _isru_dalpha(x: Array, alpha: Array) -> Array:
    z, m, power = _scaled(x, alpha)
    ratio = (pair(z) / _isru_square(z, m).sqrt()).value() * num.inverse_power(power)
    return -0.5 * ratio * ratio * ratio


@activation(domain=_POSITIVE)
def isrlu(x: Array, alpha: float | Array = 1.0) -> Array:
    """Inverse square root linear unit: `isru` below 0, the identity above.

    isrlu(x, alpha) = x if x >= 0 else x / sqrt(1 + alpha * x**2)

    Derivative: 1 for x >= 0, (1 + alpha x**2)**(-3/2) below; second: 0 for x >= 0,
    -3 alpha x (1 + alpha x**2)**(-5/2) below.  Both are continuous at 0.

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha: sets the limit -1/sqrt(alpha), positive, a number or an array that
            broadcasts with x.

    Raises:
        TypeError: an argument is no array or number of real dtype.

    Reference:
        Carlile, Delamarter, Kinney, Marti, Whitney (2017), arXiv:1710.09967
    """
    return jnp.where(x >= 0, x, _isru(x, alpha))


@derivative_of(isrlu)
def _isrlu_dx(x: Array, alpha: Array) -> Array:
    return jnp.where(x >= 0, 1, _isru_dx(x, alpha))


@derivative_of(isrlu, order=2)
def _isrlu_dx2(x: Array, alpha: Array) -> Array:
    return jnp.where(x >= 0, 0, _isru_dx2(x, alpha))


@derivative_of(isrlu, wrt="alpha")
def _isrlu_dalpha(x: Array, alpha: Array) -> Array:
    return jnp.where(x >= 0, 0, _isru_dalpha(x, alpha))
