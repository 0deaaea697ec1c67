"""Algebraic: bends made of square roots, where an exponential would cost too much.

The square of a large number leaves the range of a format long before its root does, so
x is limited first, to where the function is straight or constant.
"""

import jax.numpy as jnp
from jax import Array

from .._core import Parameter, activation, derivative_of
from .._numerics import elementary as el, pieces as num
from .._numerics.pairs import number, shared

_POSITIVE = {"alpha": (0.0, float("inf"))}
# (sqrt(1 + s) - 1) / (2 s) as a power series, for s < 1/64
_BEND = (
    *(1 / 4, -1 / 16, 1 / 32, -5 / 256, 7 / 512, -21 / 2048),
    *(33 / 4096, -429 / 65536, 715 / 131072),
)


@activation
def bent_identity(x: Array) -> Array:
    """Bent identity: slope 1/2 far below 0, 3/2 far above.

    bent_identity(x) = (sqrt(x**2 + 1) - 1) / 2 + x

    Derivative: 1 + x / (2 sqrt(x**2 + 1)); second: 1 / (2 (x**2 + 1)**(3/2)).

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.bent_identity(jnp.array([-1.0, 2.0]))
        Array([-0.79289323,  2.618034  ], dtype=float32)
    """
    z = el.clip(x, -(2.0**60), 2.0**60)
    s = z * z
    small = s < 1 / 64  # there the root cancels with the 1
    low = el.where(small, s, 0)
    near = low * num.horner(_BEND[: 3 if x.dtype.itemsize == 4 else None], low)
    y = z + el.where(small, near, jnp.sqrt(s + 1) * 0.5 - 0.5)
    return el.where(x == z, y, x * el.where(x > 0, 1.5, 0.5))


@derivative_of(bent_identity)
def _bent_identity_dx(x: Array) -> Array:
    z = el.clip(x, -(2.0**60), 2.0**60)
    return 1 + z / jnp.sqrt(z * z + 1) / 2


@derivative_of(bent_identity, order=2)
def _bent_identity_dx2(x: Array) -> Array:
    return _isru_dx(x, jnp.asarray(1, x.dtype)) / 2


@activation(domain=_POSITIVE)
def isru(x: Array, alpha: Parameter = 1.0, axis: int | None = None) -> Array:
    """Inverse square root unit: a sigmoid from -1/sqrt(alpha) to 1/sqrt(alpha).

    isru(x, alpha) = x / sqrt(1 + alpha * x**2)

    Derivative, with d = 1 + alpha x**2: d**(-3/2); second: -3 alpha x d**(-5/2); by
    `alpha`: -x**3 d**(-3/2) / 2.

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha: sets the limits, positive, a number or an array that broadcasts with x.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + alpha`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.isru(jnp.array([-1.0, 2.0]))
        Array([-0.70710677,  0.8944272 ], dtype=float32)

    Reference:
        Carlile, Delamarter, Kinney, Marti, Whitney (2017), arXiv:1710.09967
    """
    return _isru(x, alpha)


def _isru(x: Array, alpha: Parameter) -> Array:
    x, d = _limited(x, alpha)
    return x / jnp.sqrt(d)


def _limited(x: Array, alpha: Parameter) -> tuple[Array, Array]:
    """x, limited to where all is constant, and 1 + alpha * x**2."""
    info = jnp.finfo(x.dtype)
    alpha = number(alpha, x)
    end = 2.0 ** (info.maxexp // 2 - 4) / jnp.sqrt(alpha)
    end = el.minimum(end, float(info.max))
    x = el.clip(x, -end, end)
    return x, 1 + (alpha * x) * x


@derivative_of(isru)
def _isru_dx(x: Array, alpha: Array) -> Array:
    _, d = _limited(x, alpha)
    return 1 / jnp.sqrt(d) / d


@derivative_of(isru, order=2)
def _isru_dx2(x: Array, alpha: Array) -> Array:
    x, d = _limited(x, alpha)
    return -3 * (alpha * x) / d * shared(1 / jnp.sqrt(d)) / d


@derivative_of(isru, wrt="alpha")
def _isru_dalpha(x: Array, alpha: Array) -> Array:
    y = _isru(x, alpha)
    return -0.5 * y * y * y


@activation(domain=_POSITIVE)
def isrlu(x: Array, alpha: Parameter = 1.0, axis: int | None = None) -> Array:
    """Inverse square root linear unit: `isru` below 0, the identity above.

    isrlu(x, alpha) = x if x >= 0 else x / sqrt(1 + alpha * x**2)

    Derivative: 1 for x >= 0, (1 + alpha x**2)**(-3/2) below; second: 0 for x >= 0,
    -3 alpha x (1 + alpha x**2)**(-5/2) below.  Both are continuous at 0.

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha: sets the limit -1/sqrt(alpha), positive, a number or an array that
            broadcasts with x.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + alpha`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.isrlu(jnp.array([-1.0, 2.0]))
        Array([-0.70710677,  2.        ], dtype=float32)

    Reference:
        Carlile, Delamarter, Kinney, Marti, Whitney (2017), arXiv:1710.09967
    """
    return el.where(x >= 0, x, _isru(x, alpha))


@derivative_of(isrlu)
def _isrlu_dx(x: Array, alpha: Array) -> Array:
    return el.where(x >= 0, 1, _isru_dx(x, alpha))


@derivative_of(isrlu, order=2)
def _isrlu_dx2(x: Array, alpha: Array) -> Array:
    return el.where(x >= 0, 0, _isru_dx2(x, alpha))


@derivative_of(isrlu, wrt="alpha")
def _isrlu_dalpha(x: Array, alpha: Array) -> Array:
    return el.where(x >= 0, 0, _isru_dalpha(x, alpha))
