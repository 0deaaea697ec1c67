"""Waves that fade: a sine or cosine near 0, nothing far from it.

The angle of the wave and the exponent of the bell are computed without rounding.  Where
the bell is 0 so is the result, whatever the wave; the limit at infinity is 0.
"""

import math

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from .._core import Parameter, activation, chooses, derivative_of
from .._numerics import (
    angles as angles,
    elementary as el,
    pieces as num,
    polynomials as poly,
)
from .._numerics.pairs import Pair, number, pair
from .._numerics.precision import cancelling


@activation
def sinc(x: Array) -> Array:
    """Cardinal sine, without a factor pi: the ideal low-pass filter.

    sinc(x) = sin(x) / x if abs(x) > 1e-3
        else 1 - x**2 / 6 + x**4 / 120 - x**6 / 5040 + x**8 / 362880

    Near 0 that is the same to 37 digits, and can be differentiated.  1 at 0 and 0 at
    infinity; `jnp.sinc(x)` is sinc(pi * x).  Derivative:
    (cos(x) - sinc(x)) / x; second: -sinc(x) - 2 * sinc'(x) / x.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.sinc(jnp.array([-1.0, 2.0]))
        Array([0.84147096, 0.4546487 ], dtype=float32)
    """
    square, near, far = _within(x, 0.6)
    s = angles.sin(angles.product(num.finite(x))).value()
    return el.where(near, 1 + square * num.polynomial(poly.SIN_TAIL, square), s / far)


def _within(x: Array, limit: float) -> tuple[Array, Array, Array]:
    """x * x up to a limit; whether x is within it; x where it is not, else 1."""
    end = math.sqrt(limit)
    near = jnp.abs(x) < end
    low = el.where(near, x, end)
    return low * low, near, el.where(near, 1, x)


@derivative_of(sinc)
@cancelling()
def _sinc_dx(x: Array) -> Array:
    square, near, far = _within(x, 2.0)
    s, c = angles.sin_cos(angles.product(num.finite(x)))
    beyond = (c.value() - s.value() / far) / far
    # not a shorter one in half precision: a third of the smallest number must be right
    slope = num.horner(poly.SINC_DX[x.dtype.name], square)
    return el.where(near, x * slope, beyond)


@derivative_of(sinc, order=2)
@cancelling()
def _sinc_dx2(x: Array) -> Array:
    square, near, far = _within(x, 1.2)
    s, c = angles.sin_cos(angles.product(num.finite(x)))
    roomy = jnp.abs(far) < 2.0 ** (jnp.finfo(x.dtype).maxexp // 3)
    divisor = pair(el.where(roomy, far, 1))
    ratio = s.halved() / divisor
    middle = ratio + ((c.halved() - ratio) / divisor / divisor).times(2)
    ratio = s.value() / far  # where the rests of pairs underflow
    beyond = ratio + 2 * ((c.value() - ratio) / far) / far
    beyond = -el.where(roomy, middle.value(), beyond)
    return el.where(near, num.polynomial(poly.SINC_DX2, square), beyond)


@activation
def gabor(x: Array, w0: Parameter = 10.0, s0: Parameter = 10.0) -> Array:
    """Gabor wavelet, a cosine under a bell: the real part of WIRE's activation.

    gabor(x, w0, s0) = cos(w0 * x) * exp(-(s0 * x)**2)

    Derivative: -(w0 * sin(w0 * x) + 2 * s0**2 * x * cos(w0 * x)) times the bell; by w0:
    -x * sin(w0 * x) times the bell; by s0: -2 * s0 * x**2 times the value.

    Args:
        x: an array or number of real dtype; integers count as float32.
        w0: the angular frequency, a number or an array that broadcasts with x.
        s0: the inverse width, likewise.

    Returns:
        An array of the shape and dtype of `x + w0 + s0`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.gabor(jnp.array([-0.1, 0.2]))
        Array([ 0.1987661, -0.007622 ], dtype=float32)

    Reference:
        Saragadam et al. (2023), WIRE, arXiv:2301.05187
    """
    return _wave(x, w0, s0, 2)


def _wave(x: Array, w0: Parameter, s0: Parameter, eighths: int) -> Array:
    """The sine of w0 * x and so many eighths of a turn, times exp(-(s0 * x)**2)."""
    x, _ = _lit(x, s0)
    wave = angles.sin(angles.product(x, w0), eighths)
    return _bell(x, s0)[0].times(wave.value())


def _lit(x: Array, s0: Parameter) -> tuple[Array, Array]:
    """x limited to where the bell is not 0 (anywhere if s0 is 0); whether it is 0."""
    limit, size = num.bell_limit(x) / math.sqrt(2), jnp.abs(number(s0, x))
    # not an infinite quotient
    most = limit / el.maximum(size, limit * 2.0 ** -(jnp.finfo(x.dtype).maxexp - 1))
    dark = (jnp.abs(x) > most) & (size > 0)
    return el.where(dark, el.where(x < 0, -most, most), x), dark


def _bell(x: Array, s0: Parameter) -> tuple[num.Exp, Pair]:
    """exp(-z * z), and z = s0 * x."""
    z = num.exact_product(x, number(s0, x))
    toward = el.where(z.head < 0, -z.tail(), z.tail())
    return num.gauss(num.magnitude(z.head), toward, times=2.0), z


def _wave_dx(x: Array, w0: Array, s0: Array, eighths: int) -> Array:
    x, dark = _lit(x, s0)
    bell, z = _bell(x, s0)
    s, c = angles.sin_cos(angles.product(x, w0), eighths)
    steep = pair(number(2 * s0, x)) * z.halved()
    near = c.halved() * pair(number(w0, x)) - s.halved() * steep
    plain = w0 * c.value() - 2 * s0 * z.value() * s.value()
    return bell.times(el.where(dark, 0, _unless_tiny(near, plain, z)))


def _unless_tiny(p: Pair, plain: Array, z: Pair) -> Array:
    """The value of a pair; `plain` where rests underflow: nothing cancels there."""
    return el.where(jnp.abs(z.head) < 2.0**-40, plain, p.value())


def _wave_dx2(x: Array, w0: Array, s0: Array, eighths: int) -> Array:
    x, dark = _lit(x, s0)
    bell, z = _bell(x, s0)
    s, c = angles.sin_cos(angles.product(x, w0), eighths)
    width, speed = pair(number(s0, x)), pair(number(w0, x))
    steep = (width * z.halved()).times(2)
    straight = steep * steep - (width * width).times(2) - speed * speed
    near = straight * s.halved() - (speed * steep).times(2) * c.halved()
    curve = jnp.square(2 * s0 * z.value()) - (2 * s0 * s0 + w0 * w0)
    plain = curve * s.value() - 4 * w0 * s0 * z.value() * c.value()
    return bell.times(el.where(dark, 0, _unless_tiny(near, plain, z)))


def _wave_dw0(x: Array, w0: Array, s0: Array, eighths: int) -> Array:
    x, _ = _lit(x, s0)
    cosine = angles.cos(angles.product(x, w0), eighths).value()
    # in two factors, for x may be large and the bell faint
    low, rest = el.clip(x, -(2.0**20), 2.0**20), jnp.abs(x) * 2.0**-20
    return _bell(x, s0)[0].times(cosine * low) * el.maximum(rest, 1)


def _wave_ds0(x: Array, w0: Array, s0: Array, eighths: int) -> Array:
    x, _ = _lit(num.finite(x), s0)  # 0 for s0 = 0, wherever x is
    bell, z = _bell(x, s0)
    wave = angles.sin(angles.product(x, w0), eighths)
    return bell.times(-2 * z.value() * (x * wave.value()))


@derivative_of(gabor)
@cancelling()
def _gabor_dx(x: Array, w0: Array, s0: Array) -> Array:
    up, down = num.raised(x)
    return _wave_dx(up, w0, s0, 2) * down


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


@activation
def gabor_sine(x: Array, w0: Parameter = 10.0, s0: Parameter = 10.0) -> Array:
    """Gabor wavelet, a sine under a bell: the imaginary part of WIRE's activation.

    gabor_sine(x, w0, s0) = sin(w0 * x) * exp(-(s0 * x)**2)

    Derivative: (w0 * cos(w0 * x) - 2 * s0**2 * x * sin(w0 * x)) times the bell; by w0:
    x * cos(w0 * x) times the bell; by s0: -2 * s0 * x**2 times the value.

    Args:
        x: an array or number of real dtype; integers count as float32.
        w0: the angular frequency, a number or an array that broadcasts with x.
        s0: the inverse width, likewise.

    Returns:
        An array of the shape and dtype of `x + w0 + s0`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.gabor_sine(jnp.array([-0.1, 0.2]))
        Array([-0.30955988,  0.01665436], dtype=float32)

    Reference:
        Saragadam et al. (2023), WIRE, arXiv:2301.05187
    """
    return _wave(x, w0, s0, 0)


@derivative_of(gabor_sine)
@cancelling()
def _gabor_sine_dx(x: Array, w0: Array, s0: Array) -> Array:
    return _wave_dx(x, w0, s0, 0)


@derivative_of(gabor_sine, order=2)
@cancelling()
def _gabor_sine_dx2(x: Array, w0: Array, s0: Array) -> Array:
    up, down = num.raised(x)
    return _wave_dx2(up, w0, s0, 0) * down


@derivative_of(gabor_sine, wrt="w0")
def _gabor_sine_dw0(x: Array, w0: Array, s0: Array) -> Array:
    return _wave_dw0(x, w0, s0, 0)


@derivative_of(gabor_sine, wrt="s0")
def _gabor_sine_ds0(x: Array, w0: Array, s0: Array) -> Array:
    return _wave_ds0(x, w0, s0, 0)


@chooses(gabor, gabor_sine)
def gabor_complex(x: ArrayLike, w0: Parameter = 10.0, s0: Parameter = 10.0) -> Array:
    """Complex Gabor wavelet, the activation of WIRE: exp(i * w0 * x - |s0 * x|**2).

    `gabor` and `gabor_sine` are its parts on the real line, and carry its derivatives;
    off it both are multiplied by exp(-w0 * Im x - (s0 * Im x)**2).

    Args:
        x: an array or number of real or complex dtype; half precisions and integers
            count as float32.
        w0: the angular frequency, a number or an array that broadcasts with x.
        s0: the inverse width, likewise.

    Returns:
        A complex array of the shape of `x + w0 + s0`: complex64, or complex128 if x is
        float64 or complex128.

    Raises:
        TypeError: an argument is not an array or number of real dtype, or x not one of
            real or complex dtype.

    Example:
        >>> jaxact.gabor_complex(jnp.array([-0.1, 0.2]))
        Array([ 0.1987661-0.30955988j, -0.007622 +0.01665436j], dtype=complex64)

    Reference:
        Saragadam et al. (2023), WIRE, arXiv:2301.05187
    """
    x = jnp.asarray(x)
    wide = jnp.real(x).dtype == jnp.float64
    along = jnp.real(x).astype(jnp.float64 if wide else jnp.float32)
    parts = gabor(along, w0, s0), gabor_sine(along, w0, s0)
    if jnp.iscomplexobj(x):
        across = jnp.imag(x)
        fading = jnp.exp(-w0 * across - (s0 * across) ** 2)
        parts = parts[0] * fading, parts[1] * fading
    return lax.complex(*parts)
