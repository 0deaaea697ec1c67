"""Exponentials: they rise or fall like a power of e.

The argument of the exponential is a square or a product; it is kept to more digits than
one float, because its rounding error is the relative error of the result.
"""

from jax import Array

from .._core import Parameter, activation, derivative_of
from .._numerics import elementary as el, pieces as num


@activation
def exponential(x: Array) -> Array:
    """The exponential function, a positive output from a score.

    exponential(x) = exp(x)

    Derivative: itself.  Infinite from x = 88.73 on in float32, 11.1 in float16.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.exponential(jnp.array([-1.0, 2.0]))
        Array([0.36787945, 7.389056  ], dtype=float32)
    """
    return num.exp_of_any(x)


@derivative_of(exponential)
def _exponential_dx(x: Array) -> Array:
    return num.exp_of_any(x)


@derivative_of(exponential, order=2)
def _exponential_dx2(x: Array) -> Array:
    return num.exp_of_any(x)


@activation(domain={"sigma": (0.0, float("inf"))})
def gaussian(x: Array, sigma: Parameter = 1.0) -> Array:
    """Gaussian bell, for coordinate networks.

    gaussian(x, sigma) = exp(-x**2 / (2 * sigma**2))

    Derivative: -z / sigma times it, with z = x / sigma; second: (z**2 - 1) / sigma**2
    times it; by sigma: z**2 / sigma times it.

    Args:
        x: an array or number of real dtype; integers count as float32.
        sigma: the width, positive, a number or an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x + sigma`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.gaussian(jnp.array([-1.0, 2.0]))
        Array([0.60653067, 0.13533528], dtype=float32)

    Reference:
        Ramasinghe, Lucey (2021), arXiv:2111.15135
    """
    return num.bell(*_deviations(x, sigma), halved=True)


def _deviations(x: Array, sigma: Parameter) -> tuple[Array, Parameter]:
    """|x / sigma| up to where the bell is 0, and its rounding error."""
    a = num.magnitude(x)
    z = el.minimum(a / sigma, num.gauss_limit(x))
    if not isinstance(sigma, Array):  # it is 1
        return z, 0.0
    inside = z < num.gauss_limit(x)
    return z, el.where(inside, (el.where(inside, a, 0) - z * sigma) / sigma, 0)


@derivative_of(gaussian)
def _gaussian_dx(x: Array, sigma: Array) -> Array:
    z, rest = _deviations(x, sigma)
    return -num.sign(x) * (num.bell(z, rest, halved=True) * (z / sigma))


@derivative_of(gaussian, order=2)
def _gaussian_dx2(x: Array, sigma: Array) -> Array:
    z, rest = _deviations(x, sigma)
    turn = (z - 1) * (z + 1) + 2 * z * rest
    return num.bell(z, rest, halved=True) * (turn / sigma) / sigma


@derivative_of(gaussian, wrt="sigma")
def _gaussian_dsigma(x: Array, sigma: Array) -> Array:
    z, rest = _deviations(x, sigma)
    return num.bell(z, rest, halved=True) * (z * (z / sigma))
