"""Bells and exponentials: what rises or falls like a power of e.

The argument of the exponential is a square or a product; it is kept to more digits than
one float, for its rounding error is the relative error of the result.
"""

import jax.numpy as jnp
from jax import Array

from .. import _angles as angles
from .. import _numerics as num
from .._core import activation, derivative_of
from .._precision import cancelling


@activation
def exponential(x: Array) -> Array:
    """The exponential function, a positive output from a score.

    exponential(x) = exp(x)

    Derivative: itself.  Infinite from x = 88.73 on in float32, 11.1 in float16.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Raises:
        TypeError: `x` is no array or number of real dtype.
    """
    return num.whole_exp(x)


@derivative_of(exponential)
def _exponential_dx(x: Array) -> Array:
    return num.whole_exp(x)


@derivative_of(exponential, order=2)
def _exponential_dx2(x: Array) -> Array:
    return num.whole_exp(x)


@activation(domain={"sigma": (0.0, float("inf"))})
def gaussian(x: Array, sigma: float | Array = 1.0) -> Array:
    """Gaussian bell, for coordinate networks.

    gaussian(x, sigma) = exp(-x**2 / (2 * sigma**2))

    Derivative: -z / sigma times it, with z = x / sigma; second: (z**2 - 1) / sigma**2
    times it; by sigma: z**2 / sigma times it.

    Args:
        x: an array or number of real dtype; integers count as float32.
        sigma: the width, positive, a number or an array that broadcasts with x.

    Raises:
        TypeError: an argument is no array or number of real dtype.

    Reference:
        Ramasinghe, Lucey (2021), arXiv:2111.15135
    """
    return num.gauss(*_deviations(x, sigma)).value()


def _deviations(x: Array, sigma: float | Array) -> tuple[Array, Array | float]:
    """|x / sigma| as far as the bell is not 0, and what its rounding leaves."""
    return num.ratio(num.magnitude(x), sigma, num.gauss_limit(x))


@derivative_of(gaussian)
def _gaussian_dx(x: Array, sigma: Array) -> Array:
    z, rest = _deviations(x, sigma)
    return -jnp.sign(x) * num.gauss(z, rest).times(num.finite(z / sigma))


@derivative_of(gaussian, order=2)
def _gaussian_dx2(x: Array, sigma: Array) -> Array:
    z, rest = _deviations(x, sigma)
    head, more = num.half_square(z)
    factor = (2 * head - 1) + 2 * (more + z * rest)
    return num.gauss(z, rest).times(num.finite(factor / sigma / sigma))


@derivative_of(gaussian, wrt="sigma")
def _gaussian_dsigma(x: Array, sigma: Array) -> Array:
    z, rest = _deviations(x, sigma)
    return num.gauss(z, rest).times(num.finite(z * z / sigma))


@activation
def gabor(x: Array, w0: float | Array = 10.0, s0: float | Array = 10.0) -> Array:
    """Gabor wavelet, a cosine under a bell: the real part of WIRE's activation.

    gabor(x, w0, s0) = cos(w0 * x) * exp(-(s0 * x)**2)

    Derivative: -(w0 * sin(w0 * x) + 2 * s0**2 * x * cos(w0 * x)) times the bell; by w0:
    -x * sin(w0 * x) times the bell; by s0: -2 * s0 * x**2 times the value.

    Args:
        x: an array or number of real dtype; integers count as float32.
        w0: the angular frequency, a number or an array that broadcasts with x.
        s0: the inverse width, likewise.

    Raises:
        TypeError: an argument is no array or number of real dtype.

    Reference:
        Saragadam et al. (2023), WIRE, arXiv:2301.05187
    """
    return _wave(x, w0, s0, 2)


def _wave(x: Array, w0: float | Array, s0: float | Array, eighths: int) -> Array:
    """The sine of w0 * x and so many eighths of a turn, times exp(-(s0 * x)**2)."""
    bell, _ = _bell(x, s0)
    wave = angles.sin(angles.product(num.finite(x), w0), eighths)
    return bell.times(wave.value())


def _bell(x: Array, s0: float | Array) -> tuple[num.Exp, Array]:
    """exp(-z * z) and z = s0 * x, as far as that is not 0."""
    s0 = jnp.asarray(s0, x.dtype)
    z, rest = num.scaled(x, s0, num.gauss_limit(x) / 1.4142135)
    toward = jnp.where(z < 0, -rest, rest)
    return num.gauss(num.magnitude(z), toward, times=2.0), z


def _wave_parts(x: Array, w0: Array, eighths: int) -> tuple[Array, Array]:
    s, c = angles.sin_cos(angles.product(num.finite(x), w0), eighths)
    return s.value(), c.value()


def _wave_dx(x: Array, w0: Array, s0: Array, eighths: int) -> Array:
    bell, z = _bell(x, s0)
    s, c = _wave_parts(x, w0, eighths)
    return bell.times(w0 * c - 2 * s0 * z * s)


def _wave_dx2(x: Array, w0: Array, s0: Array, eighths: int) -> Array:
    bell, z = _bell(x, s0)
    s, c = _wave_parts(x, w0, eighths)
    straight = (4 * z * z - 2) * s0 * s0 - w0 * w0
    return bell.times(straight * s - 4 * w0 * s0 * z * c)


def _wave_dw0(x: Array, w0: Array, s0: Array, eighths: int) -> Array:
    bell, _ = _bell(x, s0)
    _, c = _wave_parts(x, w0, eighths)
    return bell.times(_where_it_counts(x) * c)


def _wave_ds0(x: Array, w0: Array, s0: Array, eighths: int) -> Array:
    bell, z = _bell(x, s0)
    s, _ = _wave_parts(x, w0, eighths)
    return bell.times(-2 * z * (_where_it_counts(x) * s))


def _where_it_counts(x: Array) -> Array:
    """x, or a bound for it where the bell is 0."""
    return jnp.clip(x, -(2.0**100), 2.0**100)


@derivative_of(gabor)
@cancelling()
def _gabor_dx(x: Array, w0: Array, s0: Array) -> Array:
    return _wave_dx(x, w0, s0, 2)


@derivative_of(gabor, order=2)
@cancelling()
def _gabor_dx2(x: Array, w0: Array, s0: Array) -> Array:
    return _wave_dx2(x, w0, s0, 2)


@derivative_of(gabor, wrt="w0")
def _gabor_dw0(x: Array, w0: Array, s0: Array) -> Array:
    return _wave_dw0(x, w0, s0, 2)


@derivative_of(gabor, wrt="s0")
def _gabor_ds0(x: Array, w0: Array, s0: Array) -> Array:
    return _wave_ds0(x, w0, s0, 2)
