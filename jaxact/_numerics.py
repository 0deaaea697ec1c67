"""Pieces of kernels that several activations share, for float32 and float64.

The exponential comes in two parts, ``exp(x) = 2**k * (1 + q)``, because most losses are
there: ``q`` is `expm1` without cancellation, a product with a large factor is formed
before the power of two makes it underflow, and an argument known to more digits than
one float holds adds its rest to the reduced argument.  Errors are in ULP, measured.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from . import _polynomials


class _Format(NamedTuple):
    """What the pieces need to know of a floating-point format."""

    integer: type
    mantissa: int  # stored bits
    bias: int
    ln2_high: float  # so few bits that k * ln2_high is exact
    ln2_low: float
    smallest: float  # exp of it and of everything below counts as 0
    faint: float  # exp of it and of everything below is 0 times any factor
    half_mask: int  # keeps the upper half of the mantissa


_FORMATS = {
    4: _Format(
        np.int32, 23, 127, 0.693145751953125, 1.42860682030941723212e-06, -88.0,
        -190.0, -(1 << 12),
    ),
    8: _Format(
        np.int64, 52, 1023, 6.93147180369123816490e-01, 1.90821492927058770002e-10,
        -709.5, -1500.0,
        -(1 << 27),
    ),
}  # fmt: skip


def _format(x: Array) -> _Format:
    return _FORMATS[x.dtype.itemsize]


def polynomial(table: dict[str, tuple[float, ...]], x: Array) -> Array:
    """A minimax polynomial of `_polynomials` at x, by Horner's rule."""
    *rest, total = table[x.dtype.name]
    for coefficient in reversed(rest):
        total = total * x + coefficient
    return jnp.asarray(total)


def power_of_two(k: Array) -> Array:
    """2**k of a whole k from -bias to bias; the lowest gives 0."""
    f = _format(k)
    bits = (k.astype(f.integer) + f.bias) << f.mantissa
    return lax.bitcast_convert_type(bits, k.dtype)


def exp_parts(x: Array, rest: Array | None = None) -> tuple[Array, Array]:
    """k and q with exp(x + rest) = 2**k * (1 + q), |q| < 0.42; q to 0.6 ULP."""
    f = _format(x)
    k = jnp.round(x * (1 / np.log(2)))
    r = (x - k * f.ln2_high) - k * f.ln2_low
    if rest is not None:
        r = r + rest
    return k, r + r * (r * polynomial(_polynomials.EXPM1_TAIL, r))


def exp(x: Array) -> Array:
    """exp(x) of x <= 0, 0.8 ULP; 0 where the result is subnormal."""
    k, q = exp_parts(jnp.maximum(x, _format(x).smallest))
    return (1 + q) * power_of_two(k)


def expm1(x: Array) -> Array:
    """exp(x) - 1 of x <= 0, 1 ULP."""
    k, q = exp_parts(jnp.maximum(x, _format(x).smallest))
    scale = power_of_two(k)
    return (scale - 1) + q * scale


def exp_and_rest(x: Array) -> tuple[Array, Array]:
    """exp(x) and 1 - exp(x) of x <= 0."""
    k, q = exp_parts(jnp.maximum(x, _format(x).smallest))
    scale = power_of_two(k)
    return (1 + q) * scale, (1 - scale) - q * scale


class Faint(NamedTuple):
    """exp(x) of x <= 0 as a factor: the product may be normal where exp(x) is not."""

    k: Array
    q: Array

    def value(self) -> Array:
        """exp(x), or 0 where it is subnormal."""
        return (1 + self.q) * power_of_two(jnp.maximum(self.k, -_format(self.q).bias))

    def times(self, factor: Array) -> Array:
        """factor * exp(x)."""
        lowest = 1 - _format(self.q).bias
        first = jnp.maximum(self.k, lowest)
        rest = jnp.maximum(self.k - first, lowest - 1)
        product = (factor + factor * self.q) * power_of_two(first)
        return product * power_of_two(rest)


def lowest(x: Array) -> float:
    """The argument whose exponential is 0 times any factor."""
    return _format(x).faint


def faint_exp(x: Array, rest: Array | None = None) -> Faint:
    """exp(x + rest) of x <= 0, to be multiplied."""
    return Faint(*exp_parts(jnp.maximum(x, _format(x).faint), rest))


def log1p(e: Array) -> Array:
    """log(1 + e) of 0 <= e <= 1."""
    return e * polynomial(_polynomials.LOG1P, e)


def log1m(e: Array) -> Array:
    """log(1 - e) of 0 <= e <= 1/2."""
    return -e * polynomial(_polynomials.LOG1M, -e)


def upper_half(x: Array) -> Array:
    """x with the lower half of its mantissa cleared: its square is exact."""
    f = _format(x)
    bits = lax.bitcast_convert_type(x, f.integer) & f.integer(f.half_mask)
    return lax.bitcast_convert_type(bits, x.dtype)


def half_square(x: Array) -> tuple[Array, Array]:
    """x * x / 2 as an exact head and a rest, 24 bits further."""
    high = upper_half(x)
    return high * high / 2, (x - high) * (x + high) / 2


GAUSS_LIMIT = 38.6  # exp of half its square is 0 times any factor, in float64 too


def gauss(a: Array) -> Faint:
    """exp(-a * a / 2) of 0 <= a <= GAUSS_LIMIT."""
    head, rest = half_square(a)
    return faint_exp(-head, -rest)


def mills(a: Array) -> Array:
    """Phi(-a) * exp(a * a / 2) of 0 <= a <= GAUSS_LIMIT: a tail less its decay."""
    return polynomial(_polynomials.NORMAL_TAIL, (a - 4) / (a + 4)) / (1 + a)


def logistic(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    e = exp(-jnp.abs(x))
    return jnp.where(x < 0, e, 1) / (1 + e)


def logistic_dx(x: Array) -> Array:
    """exp(-x) / (1 + exp(-x))**2."""
    e = exp(-jnp.abs(x))
    return e / jnp.square(1 + e)


def logistic_dx2(x: Array) -> Array:
    """-tanh(x / 2) times `logistic_dx`."""
    e, u = exp_and_rest(-jnp.abs(x))
    d = 1 + e
    return -jnp.sign(x) * (e * u) / (d * d * d)


def hypotenuse(x: Array, b: Array) -> tuple[Array, Array, Array, Array]:
    """|x| and sqrt(x**2 + b), both times up * down, powers of two >= 1 and <= 1.

    They are scaled so that no square overflows or underflows.
    """
    f = _format(x)
    middle = f.bias // 2
    a = jnp.abs(x)
    root = jnp.sqrt(b)
    down = jnp.where(jnp.maximum(a, root) > 2.0 ** (middle - 3), 2.0 ** -(middle + 7), 1)
    up = jnp.where(jnp.maximum(a, root) < 2.0 ** (13 - middle), 2.0 ** (middle + 7), 1)
    down, up = down.astype(x.dtype), up.astype(x.dtype)
    a = a * up * down
    return a, jnp.sqrt(a * a + b * up * down * up * down), up, down


def odd_cubic(a: Array, first: float, third: float) -> tuple[Array, Array]:
    """first * a + third * a**3 of a >= 0, and the rest that its rounding leaves."""
    first_high, third_high = _upper_half(first, a), _upper_half(third, a)
    high = upper_half(a)
    square = a * a
    square_high = upper_half(square)
    square_rest = (high * high - square_high) + (a + high) * (a - high)
    factor = first + third * square
    factor_high = upper_half(factor)
    factor_rest = ((first_high - factor_high) + third_high * square_high) + (
        (first - first_high) + ((third - third_high) * square + third_high * square_rest)
    )
    return high * factor_high, (a - high) * factor + high * factor_rest


def _upper_half(constant: float, like: Array) -> float:
    """`upper_half` of a constant, in the format of an array."""
    f = _format(like)
    bits = np.asarray(constant, like.dtype).view(f.integer) & f.integer(f.half_mask)
    return float(bits.view(like.dtype))


def gated(x: Array, v: Array, rest: Array | None = None) -> Array:
    """x * logistic(sign(x) * (v + rest)) for v >= 0."""
    tail = faint_exp(-v, None if rest is None else -rest)
    top = jnp.where(x < 0, tail.times(jnp.maximum(x, lowest(x))), x)
    return top / (1 + tail.value())


def gated_dx(x: Array, v: Array, growth: Array, rest: Array | None = None) -> Array:
    """The derivative of `gated`; growth is x * v'(x)."""
    tail = faint_exp(-v, None if rest is None else -rest)
    e = tail.value()
    d = 1 + e
    top = jnp.where(x < 0, tail.times(d + growth), d + growth * e)
    return top / (d * d)


def gated_dx2(v: Array, h: Array, g: Array, rest: Array | None = None) -> Array:
    """The second derivative of `gated`; h = 2 v' + x v'', g = |x| * v'**2."""
    minus = None if rest is None else -rest
    tail = faint_exp(-v, minus)
    e = tail.value()
    d = 1 + e
    return tail.times(h * d - g * (1 - e)) / (d * d * d)
