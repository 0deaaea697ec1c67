"""Parts of compositions whose argument is known to more digits than a float holds.

Each is a function of x + rest.  The rest is at most a few rounding errors of x.  It is
too small to change a value, where it is left out; where a slope falls off exponentially
it counts.  Every derivative is made of parts again, so that JAX can go on.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from .._core import Parameter, activation, derivative_of
from .._numerics import elementary as el, pieces as num
from .._numerics.pairs import number, pair, upper_half
from .._numerics.precision import in_half
from .distributions import erf, normal_cdf
from .sigmoids import tanh
from .smooth_rectifiers import softplus

Known = tuple[Array, Array]  # an argument and its rest

# --- functions -----------------------------------------------------------------------


@activation
def sigmoid_of(x: Array, rest: Array) -> Array:
    """The sigmoid."""
    s = num.logistic(x)
    return s + el.where(x < 0, s, 0) * rest


@activation
def sigmoid_slope(x: Array, rest: Array) -> Array:
    """Its derivative."""
    a = el.minimum(num.magnitude(x), num.growth_end(x))
    j = num.inverse_growth(a, 1.0, el.where(x < 0, -rest, rest))
    return j - j * j


@derivative_of(sigmoid_of)
def _sigmoid_of_dx(x: Array, rest: Array) -> Array:
    return sigmoid_slope(x, rest)


@derivative_of(sigmoid_slope)
def _sigmoid_slope_dx(x: Array, rest: Array) -> Array:
    return -tanh(x / 2) * sigmoid_slope(x, rest)


@activation
def tanh_of(x: Array, rest: Array, times: Parameter) -> Array:
    """tanh(times * x): XLA does not round a product that an exponential needs."""
    return num.tanh(num.square_clip(x) * times)


@activation
def tanh_slope(x: Array, rest: Array, times: Array) -> Array:
    """The derivative of tanh there."""
    b, end = jnp.abs(times), num.growth_end(x) / 2
    most = el.minimum(end / b, float(jnp.finfo(x.dtype).max))
    a = el.minimum(num.magnitude(x), lax.stop_gradient(most))
    below = (x < 0) != (times < 0)
    j = num.inverse_growth(a, 2 * b, 2 * el.where(below, -rest, rest))
    return 4 * j - (4 * j) * j


@derivative_of(tanh_of)
def _tanh_of_dx(x: Array, rest: Array, times: Array) -> Array:
    return times * tanh_slope(x, rest, times)


@derivative_of(tanh_of, wrt="times")
def _tanh_of_dtimes(x: Array, rest: Array, times: Array) -> Array:
    return num.square_clip(x) * tanh_slope(x, rest, times)


@derivative_of(tanh_slope)
def _tanh_slope_dx(x: Array, rest: Array, times: Array) -> Array:
    slope = tanh_slope(x, rest, times)
    return -2 * times * (tanh_of(x, rest, times) * slope)


@derivative_of(tanh_slope, wrt="times")
def _tanh_slope_dtimes(x: Array, rest: Array, times: Array) -> Array:
    slope = tanh_slope(x, rest, times)
    return -2 * num.square_clip(x) * (tanh_of(x, rest, times) * slope)


@activation
def bell(x: Array, rest: Array) -> Array:
    """exp(-x**2)."""
    return num.bell(x, rest)


@derivative_of(bell)
def _bell_dx(x: Array, rest: Array) -> Array:
    return -2 * num.modest(x) * bell(x, rest)


@activation
def erf_of(x: Array, rest: Array) -> Array:
    """The error function; `lax.erf` has no lowering in Triton."""
    return erf(x)


@derivative_of(erf_of)
def _erf_of_dx(x: Array, rest: Array) -> Array:
    return 2 / math.sqrt(math.pi) * bell(x, rest)


@activation
def half_erfc_of(x: Array, rest: Array) -> Array:
    """erfc(-x) / 2."""
    return normal_cdf(math.sqrt(2) * x)


@derivative_of(half_erfc_of)
def _half_erfc_of_dx(x: Array, rest: Array) -> Array:
    return 1 / math.sqrt(math.pi) * bell(x, rest)


def _still(x: Array) -> Array:
    return jnp.zeros_like(x)


for _part in (
    *(sigmoid_of, sigmoid_slope, tanh_of, tanh_slope),
    *(bell, erf_of, half_erfc_of),
):
    derivative_of(_part, wrt="rest")(_still)  # a rest has no derivative


def slope(f: Callable[[Array], Array], x: Array) -> Array:
    """The derivative of a composition at x, by the rules of its parts."""
    return jax.jvp(f, (x,), (jnp.ones_like(x),))[1]


class SecondDerivative:
    """The second derivative of a composition by the rules of its parts, as a kernel."""

    def __init__(self, f: Callable[..., Array]) -> None:
        functools.update_wrapper(self, f)
        self.f = f

    def __call__(self, x: Array, **parameters: Any) -> Array:
        f = functools.partial(self.f, **parameters)
        return slope(functools.partial(slope, f), x)


# --- arguments -----------------------------------------------------------------------


def _known(x: Any, rest: Any) -> Known:
    # beyond, every slope is 0 or constant, and the rest is not small
    return x, lax.stop_gradient(el.where(jnp.abs(x) < 2.0**12, rest, 0))


def times_of(a: Parameter, x: Array) -> tuple[Array, Array, Array]:
    """The arguments of `tanh_of` for tanh(a * x)."""
    # a rest of the shape of x: Triton lowers no call with a constant
    return x, lax.full_like(x, 0), jnp.asarray(a, x.dtype)


def over(x: Array, a: Parameter) -> tuple[Array, Array, Array]:
    """The arguments of `tanh_of` for tanh(x / a)."""
    if isinstance(a, Array):
        inverse, low = num.ratio(jnp.ones_like(a), a, 2.0**60)
    else:
        inverse = number(1 / float(a), x)
        low = 1 / float(a) - float(inverse)
    rest = el.clip(num.square_clip(x) * low, -(2.0**-6), 2.0**-6)
    return x, lax.stop_gradient(rest), jnp.asarray(inverse)


def product(a: Parameter, x: Array, rest: Parameter = 0.0) -> Known:
    """a * (x + rest) of an x up to 2**60."""
    x, a = num.square_clip(x), number(a, x)
    y = a * x
    if in_half():
        return _known(y, a * rest)
    high, a_high = upper_half(x), upper_half(a)
    left = ((high * a_high - y) + high * (a - a_high)) + (x - high) * a
    return _known(y, left + a * rest)


def total(a: Parameter, x: Array, rest: Parameter = 0.0) -> Known:
    """a + (x + rest) of an x up to 2**60."""
    x, a = num.square_clip(x), number(a, x)
    y = a + x
    added = y - x
    return _known(y, ((x - (y - added)) + (a - added)) + rest)


def softplus_of(x: Array, rest: Parameter = 0.0) -> Known:
    """The softplus; below 0 it is not large enough to have a rest."""
    y = softplus(x)
    y = y + el.minimum(y, 1) * rest if isinstance(rest, Array) else y
    if in_half():
        return _known(y, 0.0)
    left = ((num.finite(x) - y) + softplus(-num.magnitude(x))) + rest
    return _known(y, el.where(x > 0, left, 0))


def exp_of(x: Array, rest: Parameter = 0.0, factor: Parameter = 1.0) -> Known:
    """factor * exp(x + rest) of an x up to 80."""
    # where it is too faint for products with it to be normal, it is 0
    y = el.where(x < -80, 0, jnp.exp(x))
    y = number(factor, x) * (y + y * rest if isinstance(rest, Array) else y)
    if in_half():
        return _known(y, 0.0)
    k, mantissa = num.exp_split(el.clip(x, -80, 80), rest, extra_bits=7)
    e = mantissa.times(num.power_of_two(k, x)).halved()
    exact = pair(number(factor, x)) * e
    return _known(y, (exact.head - y) + exact.tail())
