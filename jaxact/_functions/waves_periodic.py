"""Sines and what is made of them, for signals, images and fields as networks.

A rounded w0 * x is wrong by radians once it is large, and so is its sine.  Here the
product is reduced without rounding, so that every float has the sine it should have.
Where no limit exists at infinity the value is NaN.
"""

import jax.numpy as jnp
from jax import Array

from .._core import Parameter, activation, derivative_of
from .._numerics import angles as angles, elementary as el, pieces as num
from .._numerics.pairs import Pair, constant, number, pair
from .._numerics.precision import cancelling


def _seen(x: Array, frequency: Parameter) -> Array:
    """x, but finite where the frequency is 0, because 0 * inf is NaN."""
    return num.unless(frequency == 0, x)


def _angle(x: Array, frequency: Parameter) -> angles.Angle:
    return angles.product(_seen(x, frequency), frequency)


@activation
def sine(x: Array, w0: Parameter = 30.0) -> Array:
    """Sine, the activation of SIREN.

    sine(x, w0) = sin(w0 * x)

    Derivative: w0 * cos(w0 * x), and so on: all of them are sines; by w0:
    x * cos(w0 * x).

    Args:
        x: an array or number of real dtype; integers count as float32.
        w0: the angular frequency, a number or an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x + w0`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.sine(jnp.array([-1.0, 2.0]))
        Array([ 0.9880316, -0.3048106], dtype=float32)

    Reference:
        Sitzmann, Martel, Bergman, Lindell, Wetzstein (2020), arXiv:2006.09661
    """
    return angles.sin(_angle(x, w0)).value()


@derivative_of(sine)
def _sine_dx(x: Array, w0: Array) -> Array:
    return w0 * angles.cos(_angle(x, w0)).value()


@derivative_of(sine, order=2)
def _sine_dx2(x: Array, w0: Array) -> Array:
    return -w0 * (w0 * angles.sin(_angle(x, w0)).value())


@derivative_of(sine, order=3)
def _sine_dx3(x: Array, w0: Array) -> Array:
    return -w0 * (w0 * (w0 * angles.cos(_angle(x, w0)).value()))


@derivative_of(sine, order=4)
def _sine_dx4(x: Array, w0: Array) -> Array:
    return w0 * (w0 * (w0 * (w0 * angles.sin(_angle(x, w0)).value())))


@derivative_of(sine, wrt="w0")
def _sine_dw0(x: Array, w0: Array) -> Array:
    return x * angles.cos(_angle(x, w0)).value()


@activation
def cosine(x: Array, w0: Parameter = 1.0) -> Array:
    """Cosine, as in random Fourier features.

    cosine(x, w0) = cos(w0 * x)

    Derivative: -w0 * sin(w0 * x); by w0: -x * sin(w0 * x).

    Args:
        x: an array or number of real dtype; integers count as float32.
        w0: the angular frequency, a number or an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x + w0`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.cosine(jnp.array([-1.0, 2.0]))
        Array([ 0.54030234, -0.41614684], dtype=float32)

    Reference:
        Rahimi, Recht (2007), Random features for large-scale kernel machines, NIPS
    """
    return angles.cos(_angle(x, w0)).value()


@derivative_of(cosine)
def _cosine_dx(x: Array, w0: Array) -> Array:
    return -w0 * angles.sin(_angle(x, w0)).value()


@derivative_of(cosine, order=2)
def _cosine_dx2(x: Array, w0: Array) -> Array:
    return -w0 * (w0 * angles.cos(_angle(x, w0)).value())


@derivative_of(cosine, wrt="w0")
def _cosine_dw0(x: Array, w0: Array) -> Array:
    x = _seen(x, w0)
    return -x * angles.sin(angles.product(x, w0)).value()


def _finer_angle(x: Array, w0: Parameter) -> angles.Angle:
    return angles.product(x, w0) + angles.product(x, num.magnitude(x), w0)


@activation(kinks=(0.0,))
def finer(x: Array, w0: Parameter = 30.0) -> Array:
    """A sine whose frequency grows with the input, the activation of FINER.

    finer(x, w0) = sin(w0 * (abs(x) + 1) * x)

    Derivative: w0 * (2 * |x| + 1) * cos(w0 * (|x| + 1) * x); by w0: (|x| + 1) * x times
    that cosine.  The second derivative jumps at 0, where it is 0.

    Args:
        x: an array or number of real dtype; integers count as float32.
        w0: the angular frequency at 0, a number or an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x + w0`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.finer(jnp.array([-1.0, 2.0]))
        Array([ 0.3048106 , -0.80115265], dtype=float32)

    Reference:
        Liu et al. (2023), arXiv:2312.02434
    """
    return angles.sin(_finer_angle(_seen(x, w0), w0)).value()


@derivative_of(finer)
def _finer_dx(x: Array, w0: Array) -> Array:
    x = _seen(x, w0)
    cosine = angles.cos(_finer_angle(x, w0)).value()
    return 2 * ((num.magnitude(x) + 0.5) * (w0 * cosine))


@derivative_of(finer, order=2)
@cancelling()
def _finer_dx2(x: Array, w0: Array) -> Array:
    x = _seen(x, w0)
    s, c = angles.sin_cos(_finer_angle(x, w0))
    a, half, tilt = num.magnitude(x), constant(0.5, like=x), w0 * num.sign(x)
    speed = pair(number(w0, x)) * (pair(el.minimum(a, 2.0**30)) + half)
    near = (c.halved() * pair(tilt) - (speed * s.halved() * speed).times(2)).value()
    speed = w0 * (a + 0.5)  # where the pairs would overflow
    far = tilt * c.value() - 2 * (speed * (speed * s.value()))
    return 2 * el.where(a < 2.0**30, near, far)


@derivative_of(finer, wrt="w0")
def _finer_dw0(x: Array, w0: Array) -> Array:
    cosine = angles.cos(_finer_angle(_seen(x, w0), w0)).value()
    return x * ((num.magnitude(x) + 1) * cosine)


def _over(p: Pair, alpha: Parameter, limit: Array) -> Pair:
    """p / alpha, or the limit where alpha is 0."""
    alpha = number(alpha, limit)
    ratio = p.halved() / pair(el.where(alpha == 0, 1, alpha))
    none = alpha == 0
    return Pair(el.where(none, limit, ratio.head), ratio.rest)


@activation
def snake(x: Array, alpha: Parameter = 1.0, axis: int | None = None) -> Array:
    """Snake: the identity with a periodic part, for audio and other periodic signals.

    snake(x, alpha) = x + sin(alpha * x)**2 / alpha

    Derivative: 1 + sin(2 * alpha * x), never negative; second:
    2 * alpha * cos(2 * alpha * x); by alpha: s * (2 * x * cos(alpha * x) - s) with
    s = sin(alpha * x) / alpha.  The identity for alpha = 0.

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha: the frequency, a number or an array that broadcasts with x.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + alpha`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.snake(jnp.array([-1.0, 2.0]))
        Array([-0.2919266,  2.8268218], dtype=float32)

    Reference:
        Ziyin, Hartwig, Ueda (2020), arXiv:2006.08195
    """
    s = angles.sin(angles.product(num.finite(x), alpha))
    bump = s.halved() * _over(s, alpha, x)
    return (x + bump.head) + bump.tail()


@derivative_of(snake)
def _snake_dx(x: Array, alpha: Array) -> Array:
    # 1 + sin(2u) = 2 * sin(u + pi / 4)**2, which does not cancel
    return 2 * num.square(angles.sin(_angle(x, alpha), eighths=1).halved())


@derivative_of(snake, order=2)
def _snake_dx2(x: Array, alpha: Array) -> Array:
    return 2 * alpha * angles.cos(_angle(x, 2 * alpha)).value()


@derivative_of(snake, wrt="alpha")
@cancelling()
def _snake_dalpha(x: Array, alpha: Array) -> Array:
    x = _seen(x, alpha)
    s, c = angles.sin_cos(angles.product(x, alpha))
    ratio = _over(s, alpha, x)
    left = pair(x) * c.halved() - ratio.times(0.5)
    return left.value() * (2 * ratio.value())


@activation(domain={"beta": (0.0, float("inf"))})
def snake_beta(
    x: Array, alpha: Parameter = 1.0, beta: Parameter = 1.0, axis: int | None = None
) -> Array:
    """Snake with a magnitude of its own, as in BigVGAN.

    snake_beta(x, alpha, beta) = x + sin(alpha * x)**2 / beta

    Derivative: 1 + alpha / beta * sin(2 * alpha * x); by alpha:
    x * sin(2 * alpha * x) / beta; by beta: -(sin(alpha * x) / beta)**2.  BigVGAN trains
    the logarithms of alpha and beta, and adds 1e-9 to beta.

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha: the frequency, a number or an array that broadcasts with x.
        beta: the inverse magnitude, positive, a number or an array likewise.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + alpha + beta`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.snake_beta(jnp.array([-1.0, 2.0]))
        Array([-0.2919266,  2.8268218], dtype=float32)

    Reference:
        Ziyin, Hartwig, Ueda (2020), arXiv:2006.08195; Lee et al. (2023), BigVGAN: a
        universal neural vocoder with large-scale training, ICLR
    """
    s = angles.sin(angles.product(num.finite(x), alpha)).halved()
    bump = s * s / pair(number(beta, x))
    return (x + bump.head) + bump.tail()


@derivative_of(snake_beta)
@cancelling()
def _snake_beta_dx(x: Array, alpha: Array, beta: Array) -> Array:
    # from 2 * sin(u + pi / 4)**2, which does not cancel, or straight
    size = jnp.abs(alpha)
    touching = 2 * num.square(angles.sin(_angle(x, alpha), eighths=1).halved())
    near = ((beta - size) + size * touching) / beta
    wave = angles.sin(_angle(x, 2 * alpha))
    steep = (pair(alpha) / pair(beta)) * wave.halved()
    far = (constant(1.0, like=x) + steep).value()
    return el.where((alpha > 0) & (size <= beta), near, far)


@derivative_of(snake_beta, order=2)
def _snake_beta_dx2(x: Array, alpha: Array, beta: Array) -> Array:
    cosine = angles.cos(_angle(x, 2 * alpha)).value()
    return 2 * alpha * (alpha / beta * cosine)


@derivative_of(snake_beta, wrt="alpha")
def _snake_beta_dalpha(x: Array, alpha: Array, beta: Array) -> Array:
    x = _seen(x, alpha)
    return x * (angles.sin(angles.product(x, 2 * alpha)).value() / beta)


@derivative_of(snake_beta, wrt="beta")
def _snake_beta_dbeta(x: Array, alpha: Array, beta: Array) -> Array:
    s = angles.sin(_angle(x, alpha)).halved()
    return -jnp.square((s / pair(number(beta, x))).value())
