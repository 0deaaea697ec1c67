"""Pieces of kernels that several activations share, for float32 and float64.

The exponential of x <= 0 is kept as ``2**k * (1 + q)``, because most digits are lost
there otherwise.  ``q`` gives `expm1` without cancellation; a product with a large
factor is formed before the power of two makes it underflow; and the rest of an argument
with more digits than one float holds is added to the reduced argument.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from . import elementary as el, pairs, polynomials as _polynomials
from .pairs import Pair, constant, integer_like, number, shared, upper_half
from .precision import in_half, rounded_to


class _Format(NamedTuple):
    """The facts about a floating-point format that the pieces need."""

    ln2_high: float  # so few bits that k * ln2_high is exact
    ln2_low: float
    smallest: float  # exp of it and of everything below counts as 0
    faint: float  # exp of it and of everything below is 0 times a modest factor
    faint_lift: int  # a power of two that keeps such products from underflow


_FORMATS = {
    4: _Format(0.693145751953125, 1.42860682030941723e-06, -88.0, -118.0, 64),
    8: _Format(0.693147180369123816, 1.90821492927058770e-10, -709.0, -800.0, 512),
}


SCALE = 2.0**-30  # in which a grown exponential is added to 1
Table = Mapping[str, Sequence[float]]  # the coefficients for each precision


def _format(x: Array) -> _Format:
    return _FORMATS[x.dtype.itemsize]


def _mantissa(x: Array) -> int:
    """The number of its bits that are stored."""
    return jnp.finfo(x.dtype).nmant


def _bias(x: Array) -> int:
    """The number that is added to an exponent when it is stored."""
    return jnp.finfo(x.dtype).maxexp - 1


def magnitude(x: Array) -> Array:
    """|x|, with a slope at 0 too, for functions that JAX differentiates further."""
    return el.where(x < 0, -x, x)


def sign(x: Array) -> Array:
    """The sign of x, by selections, which lower on a host without the device."""
    return el.where(x > 0, 1, el.where(x < 0, -1, x))


def finite(x: Array) -> Array:
    """x, an infinite one replaced by the largest finite one."""
    largest = float(jnp.finfo(x.dtype).max)
    return el.clip(x, -largest, largest)


def infinite(x: Array) -> Array:
    """Whether x is infinite; an inf to compare with would stop JAX's debugging."""
    return jnp.abs(x) > float(jnp.finfo(x.dtype).max)


def polynomial(table: Table, x: Array) -> Array:
    """A minimax polynomial of `_polynomials` at x."""
    return horner(coefficients(table, x), x)


def coefficients(table: Table, x: Array) -> Sequence[float]:
    """Those of a minimax polynomial, for the precision that is asked for."""
    return table["half" if in_half() else x.dtype.name]


def horner(constant_first: Sequence[float], x: Array) -> Array:
    """A polynomial at x."""
    *rest, total = constant_first
    for coefficient in reversed(rest):
        total = total * x + coefficient
    return jnp.asarray(total)


def nearest(x: Array) -> Array:
    """The integer nearest to an x that is not huge; anything for NaN.

    The sum has it in its last bits.  A rounding and a conversion would take twice the
    time, for XLA has to see to NaN and overflow.
    """
    large = np.asarray(1.5 * 2.0 ** _mantissa(x), x.dtype)
    bits = lax.bitcast_convert_type(x + large, integer_like(x))
    return bits - large.view(integer_like(x))


def power_of_two(k: Array, like: Array) -> Array:
    """2**k of an integer k from -bias to bias; the lowest gives 0."""
    bits = (k + _bias(like)) << _mantissa(like)
    return lax.bitcast_convert_type(bits, like.dtype)


def power_below(x: Array) -> Array:
    """The largest power of two up to a normal x > 0: its exponent alone."""
    integer = integer_like(x)
    bits = lax.bitcast_convert_type(x, integer) & integer(-1 << _mantissa(x))
    return lax.bitcast_convert_type(bits, x.dtype)


def inverse_power(power: Array) -> Array:
    """1 / power of a power of two: the exponent negated, cheaper than a division."""
    integer = integer_like(power)
    bits = lax.bitcast_convert_type(power, integer)
    twice = integer((2 * _bias(power)) << _mantissa(power))
    return lax.bitcast_convert_type(twice - bits, power.dtype)


def even_power(a: Array) -> tuple[Array, Array]:
    """m and 2**k with a = m * 4**k, the size of m from 1 to 4."""
    bits = lax.bitcast_convert_type(jnp.abs(a), integer_like(a))
    power = power_of_two(((bits >> _mantissa(a)) - _bias(a)) >> 1, a)
    down = inverse_power(power)
    return a * down * down, power


def square_clip(x: Array) -> Array:
    """x, limited so that its square times a modest factor does not overflow."""
    largest = 2.0 ** (_bias(x) // 2 - 3)
    return el.clip(x, -largest, largest)


def overflowing(x: Array) -> float:
    """A number whose square overflows, but not its double."""
    return 2.0 ** (_bias(x) - 27)


def unless(none: Array | bool, x: Array) -> Array:
    """x, but finite where it will be multiplied by 0: 0 * inf is NaN."""
    return el.where(none, finite(x), x)


def opened(x: Array, gate: Array) -> Array:
    """x * gate, at infinity too: the gate has limits there, and the slope 0."""
    end = infinite(x)
    inside = el.where(end, 0, x) * gate
    return el.where(end & (gate != 0), x * lax.stop_gradient(gate), inside)


def exp_split(
    x: Array, rest: Array | float = 0.0, extra_bits: int = 0
) -> tuple[Array, Pair]:
    """k and 1 + q with exp(x + rest) = 2**k * (1 + q), |q| < 0.42.

    q alone is good to one float; with `extra_bits` 4 or 7 the pair is, on the average,
    to as many more.
    """
    f = _format(x)
    k = nearest(x * (1 / math.log(2)))
    times = k.astype(x.dtype)
    half, *more = coefficients(_polynomials.EXPM1_TAIL, x)
    if in_half():
        r = head = x - times * math.log(2)
        left = rest
    else:
        head, left = x - times * f.ln2_high, rest - times * f.ln2_low
        if extra_bits:
            return k, _careful_exp(head, left, half, more, extra_bits)
        r = head + left
    square = r * (r * horner((half, *more), r))
    # an argument with a rest is that good: its sum, rounded, only makes the square
    q = head + (left + square) if isinstance(rest, Array) else r + square
    return k, Pair(jnp.asarray(1, q.dtype), q)


def _careful_exp(
    r: Array, left: Array, half: float, more: list[float], extra_bits: int
) -> Pair:
    """exp(r + left) as 1 + q, `half` and `more` being the polynomial of its tail."""
    head = _on_grid(r)
    left = (r - head) + left
    r = head + left
    if extra_bits == 4:
        tail = r * (r * horner((half, *more), r))
        return Pair(1 + head, left + tail)
    square = head * head / 2  # exact
    bulk = _on_grid(square)
    tail = left * (head + left / 2) + r * r * (r * horner(more, r))
    return Pair((1 + head) + bulk, left + ((square - bulk) + tail))


def _on_grid(r: Array) -> Array:
    """r rounded so that 1 + r is exact, and half a mantissa."""
    steps = 2.0 ** (_mantissa(r) // 2)
    return jnp.floor(r * steps + 0.5) * (1 / steps)


def exp_in_range(
    x: Array, times: float | Array = 1.0, rest: Array | None = None
) -> Array:
    """exp(times * x + rest) of an exponent that neither overflows nor underflows."""
    s, q = grown(x, times, 0, rest)
    return s * q + s


def log1p_up_to_1(e: Array) -> Array:
    """log(1 + e) of 0 <= e <= 1."""
    return e * polynomial(_polynomials.LOG1P, e)


def exp_of_any(x: Array) -> Array:
    """The exponential of any x; 0 where it is subnormal."""
    f = _format(x)
    limit = -f.smallest + 2.0  # the exponential of it overflows
    k, mantissa = exp_split(el.clip(x, f.smallest, limit))
    half = k >> 1  # 2**k itself may be too large where the exponential is not
    return mantissa.value() * power_of_two(half, x) * power_of_two(k - half, x)


def ratio(
    x: Array, a: float | Array, limit: float, more: Array | float = 0.0
) -> tuple[Array, Array | float]:
    """(x + more) / a up to a limit to both sides, and its rounding error."""
    a = number(a, x)
    most = limit * jnp.abs(a)
    inside = jnp.abs(x) < most
    x = el.clip(x, -most, most)
    z = x / a
    if in_half():
        return z, 0.0
    z_high, a_high = upper_half(z), upper_half(a)
    rest = (x - z_high * a_high) - z_high * (a - a_high)
    rest = ((rest - (z - z_high) * a) + more) / a
    return z, el.where(inside, rest, 0)


def exact_product(a: Array, b: Array) -> Pair:
    """a * b, its head a whole float, with a rest unless that may underflow."""
    head = a * b
    if in_half():
        return Pair(head, None)
    high, b_high = upper_half(a), upper_half(b)
    rest = (high * b_high - head) + high * (b - b_high) + (a - high) * b
    least = el.minimum(jnp.abs(head), el.minimum(jnp.abs(a), jnp.abs(b)))
    info = jnp.finfo(a.dtype)
    usual = least > float(info.smallest_normal) * 2.0 ** (info.nmant + 2)
    return Pair(head, el.where(usual, rest, 0))


class Exp(NamedTuple):
    """exp(x) of x <= 0, as a factor too: where it is faint the product need not be."""

    mantissa: Pair
    lifted: Array | float  # its power of two, times another that keeps it normal
    drop: Array | float  # the inverse of that other
    factor: Array | float | None = None  # of any size, for products alone

    def pair(self) -> Pair:
        """exp(x), or 0 where it is subnormal."""
        return self.mantissa.times(self.lifted * self.drop)

    def value(self) -> Array:
        """exp(x), or 0 where it is subnormal, rounded."""
        return self.mantissa.value() * (self.lifted * self.drop)

    def complement(self) -> Array:
        """1 - exp(x), rounded once."""
        e = self.pair()
        return (1 - e.head) - e.tail()

    def times(self, factor: Array | float) -> Array:
        """factor * exp(x), for a modest factor."""
        return self.scale(_product(factor, self.mantissa))

    def scale(self, product: Array) -> Array:
        """A product with the mantissa, times the power of two and the factor."""
        lifted = self.lifted if self.factor is None else self.lifted * self.factor
        return product * lifted * self.drop


def _product(factor: Array | float, p: Pair) -> Array:
    return factor * p.head if p.rest is None else factor * p.head + factor * p.rest


def exp_pair(x: Array) -> Exp:
    """exp(x) of x <= 0, of which products may underflow where it does."""
    k, mantissa = exp_split(el.maximum(x, _format(x).smallest))
    return Exp(mantissa, power_of_two(k, x), 1.0)


def exp_factor(
    x: Array,
    rest: Array | float = 0.0,
    extra_bits: int = 0,
    factor: Array | float | None = None,
) -> Exp:
    """exp(x + rest) of x <= 0, to be multiplied by something modest, and by a factor.

    With a factor the power of two is in two halves, of which none underflows before
    x = -174 in float32 and x = -1416 in float64.
    """
    if in_half():
        root = exp_below_0(x / 2)
        if factor is not None:
            return Exp(Pair(root, None), 1.0, root, factor)
        return Exp(Pair(root, None), root, 1.0)
    f = _format(x)
    if factor is not None:
        k, mantissa = exp_split(el.maximum(x, 2 * f.smallest), rest, extra_bits)
        half = k >> 1
        lifted, drop = power_of_two(half, x), power_of_two(k - half, x)
        return Exp(mantissa, lifted, drop, factor)
    k, mantissa = exp_split(el.maximum(x, f.faint), rest, extra_bits)
    return Exp(mantissa, power_of_two(k + f.faint_lift, x), 2.0**-f.faint_lift)


def exp_times(x: Array, factor: Array | float, rest: Array | float = 0.0) -> Array:
    """factor * exp(x + rest) of x <= 0."""
    if not isinstance(factor, Array):  # a default: modest
        return exp_factor(x, rest).times(factor)
    lowest = 1 - _bias(x)
    k, mantissa = exp_split(el.maximum(x, lowest_argument(x)), rest)
    first = el.maximum(k, lowest)
    last = el.maximum(k - first, lowest - 1)
    product = _product(factor, mantissa)
    return product * power_of_two(first, x) * power_of_two(last, x)


def lowest(x: Array) -> float:
    """The argument whose exponential counts as 0."""
    return _format(x).smallest


def lowest_argument(x: Array) -> float:
    """The argument whose exponential is 0 times any factor."""
    return 2 * _format(x).faint


def modest(x: Array) -> Array:
    """x, or where its product with a faint exponential is 0 for good."""
    limit = -_format(x).faint
    return el.clip(x, -limit, limit)


def raised(x: Array) -> tuple[Array, Array]:
    """x, times a power of two if it is tiny, and the inverse of that power.

    For what is linear in a small x, but made of terms that underflow before it does.
    """
    tiny = jnp.abs(x) < float(jnp.finfo(x.dtype).smallest_normal) * 2**26
    up = x * el.where(tiny, jnp.asarray(2.0**24, x.dtype), 1)
    return up, el.where(tiny, jnp.asarray(2.0**-24, x.dtype), 1)


def lift(x: Array) -> float:
    """A power of two that keeps the rests of small quotients from underflow."""
    return 2.0 ** (_mantissa(x) + 1)


def log1p(exp: Exp) -> Array:
    """log(1 + e) of an exponential e up to 1."""
    return exp.times(polynomial(_polynomials.LOG1P, exp.value()))


def log1m(exp: Exp) -> Array:
    """log(1 - e) of an exponential e up to 1/2, something finite of larger ones."""
    e = el.minimum(exp.value(), 0.5)
    return -exp.times(polynomial(_polynomials.LOG1M, -e))


def pair_of(e: Array) -> Pair:
    """A float of 0 to 1 as a pair for `one_plus`, which needs no split."""
    return Pair(e, None if in_half() else jnp.asarray(0, e.dtype))


def one_plus(e: Pair) -> Pair:
    """1 + e of 0 <= e <= 1."""
    if e.rest is None:
        return Pair(1 + e.head, None)
    head = upper_half(1 + e.value())
    return Pair(head, (e.head - (head - 1)) + e.rest)


def one_plus_magnitude(x: Array) -> Pair:
    """1 + |x|, or a number whose inverse square is 0."""
    a = el.minimum(magnitude(x), 2.0 ** (_bias(x) // 2 + 7))
    if in_half():
        return Pair(1 + a, None)
    head = upper_half(1 + a)
    large = a > 1  # the larger less the sum is exact
    return Pair(head, (el.where(large, a, 1) - head) + el.where(large, 1, a))


def one_minus(e: Pair) -> Pair:
    """1 - e of 0 <= e <= 1."""
    if e.rest is None:
        return Pair(1 - e.head, None)
    head = upper_half(1 - e.value())
    return Pair(head, ((1 - e.head) - head) - e.rest)


def complement(x: Array, tail: Exp) -> Array:
    """1 - exp(x) of x <= 0, `tail` being exp(x), also where it rounds to 1."""
    return -expm1_below_0(x) if tail.mantissa.rest is None else tail.complement()


def square(d: Pair) -> Array:
    """d * d, rounded once."""
    if d.rest is None:
        return d.head * d.head
    return d.head * d.head + d.rest * (2 * d.head + d.rest)


def half_square(x: Array) -> tuple[Array, Array | float]:
    """x * x / 2 as an exact head and a rest."""
    if in_half():
        return x * x / 2, 0.0
    high = upper_half(x)
    return high * high / 2, (x - high) * (x + high) / 2


def gauss_limit(x: Array) -> float:
    """The a from which on exp(-a * a / 2) times a is 0."""
    return 14.5 if x.dtype.itemsize == 4 else 39.0


def bell_limit(x: Array) -> float:
    """The a up to which exp(-a * a / 2) times a large factor counts."""
    return 15.25 if x.dtype.itemsize == 4 else 39.9


def gauss_clip(a: Array) -> Array:
    """a, or where exp(-a * a / 2) times any factor is 0."""
    return el.minimum(a, 19.0 if a.dtype.itemsize == 4 else 54.0)


def far(a: Array, centre: float) -> Array:
    """(a - centre) / (a + 2), the variable of the tails of the normal distribution."""
    return shared((a - centre) / (a + 2))


def gauss(
    a: Array,
    rest: Array | float = 0.0,
    times: float = 1.0,
    factor: Array | None = None,
) -> Exp:
    """exp(-times * (a + rest)**2 / 2) of an a >= 0 that `gauss_clip` has limited.

    Of a power of two; the limit is that of sqrt(times) * a.
    """
    head, more = half_square(a)
    return exp_factor(-head * times, -(more + a * rest) * times, factor=factor)


def single(x: Array) -> bool:
    """Whether x is of float32, for which there are shorter kernels."""
    return x.dtype.itemsize == 4


def gauss_fall(a: Array, rest: Array | float = 0.0) -> tuple[Array, Array, Array]:
    """2**(k + 30) and q with exp(-(a + rest)**2 / 2) = 2**k * (1 + q), 1 / (1 + a / 4).

    Of a float32 from 0 to 14.45: there the bell is 0.
    """
    s, q = bell_parts(a, True, 30, a * -rest if isinstance(rest, Array) else None)
    return s, q, shared(1 / (a * 0.25 + 1))


def fall(table: Table, a: Array, inverse: Array) -> Array:
    """A minimax polynomial in a / (1 + a / 4)."""
    return polynomial(table, a * inverse - 1.5625)


_PHI = 0.3085375387259869  # the normal distribution at -1/2


def normal(x: Array, rest: Array | float = 0.0) -> Array:
    """The normal distribution at x + rest."""
    toward = el.where(x < 0, -rest, rest) if isinstance(rest, Array) else 0.0
    if single(x):
        a = el.minimum(jnp.abs(x), 14.45)
        s, q, inverse = gauss_fall(a, toward)
        tail = fall(_polynomials.NORMAL_FALL, a, inverse) * inverse
        tail = (tail * q + tail) * s
        return mirrored(tail, x > 0, SCALE)
    a, below = gauss_clip(jnp.abs(x)), x < 0
    tail = shared(normal_tail(a) / el.maximum(a, 1))
    small = gauss(a, toward).times(tail)
    gate = normal_middle(a, below, toward)
    return el.where(a < 1, gate, el.where(below, small, 1 - small))


def normal_middle(a: Array, below: Array, rest: Array | float = 0.0) -> Array:
    """The normal distribution at -a or a of 0 <= a <= 1."""
    t = el.minimum(a, 1) - 0.5
    # Phi(-1/2) as a number whose complement is exact, and a rest
    start = round(_PHI * 2**24) / 2**24
    slope = polynomial(_polynomials.GELU_MIDDLE, t)
    bend = (_PHI - start) + (t + rest) * slope
    return el.where(below, start, 1 - start) + el.where(below, bend, -bend)


def normal_tail(a: Array) -> Array:
    """a * exp(a * a / 2) times the normal distribution at -a, for a >= 1."""
    return polynomial(_polynomials.GELU_TAIL, far(el.maximum(a, 1), 1.5625))


def grown(
    a: Array,
    times: float | Array = 1.0,
    bias: int = 0,
    rest: Array | None = None,
    short: bool = False,
) -> tuple[Array, Array]:
    """2**(k + bias) and q with exp(times * a + rest) = 2**k * (1 + q).

    An exponential that grows does not underflow; only its inverse is small.
    The product is not rounded where XLA fuses it with the sum that follows.  A short
    one is for a modest argument, of which the last bits do not count.
    """
    f, times = _format(a), times if isinstance(times, Array) else float(times)
    t, back = _exponent(a * (times * (1 / math.log(2))), bias)
    if short:
        r = a * times + back * math.log(2)
    elif isinstance(times, float) and times < 0:
        # the first of two products is fused, but that by a negative number comes last
        r = back * f.ln2_low - (a * -times - back * f.ln2_high)
    else:
        product = a if isinstance(times, float) and times == 1 else a * times
        r = (product + back * f.ln2_high) + back * f.ln2_low
    return t, _expm1_small(r if rest is None else r + rest)


def _exponent(t: Array, bias: int) -> tuple[Array, Array]:
    """2**(k + bias) of the integer k next to t, and -k.

    The sum with `magic` has k in its last bits, and as it stands that power of two's.
    """
    integer = integer_like(t)
    magic = 1.5 * 2.0 ** _mantissa(t) + _bias(t) + bias
    t = t + magic
    power = lax.bitcast_convert_type(t, integer) << integer(_mantissa(t))
    # -k has no slope; XLA would fold the other difference
    return lax.bitcast_convert_type(power, t.dtype), lax.stop_gradient(magic - t)


def _expm1_small(r: Array) -> Array:
    """exp(r) - 1 of the reduced argument r of an exponential."""
    return (r * r) * horner(_polynomials.EXPM1_TAIL[r.dtype.name], r) + r


def bell_parts(
    a: Array, halved: bool = False, bias: int = 0, rest: Array | None = None
) -> tuple[Array, Array]:
    """2**(k + bias) and q with exp(-a * a + rest) = 2**k * (1 + q), or of a * a / 2."""
    f, whole, half = _format(a), a * a, (a * 0.5) * a
    # XLA fuses a product that is needed once, made from something else than a product
    square, other = (half, whole * -0.5) if halved else (whole, half * -2)
    power, back = _exponent(other * (1 / math.log(2)), bias)
    r = (jnp.abs(back * f.ln2_high) - square) + back * f.ln2_low
    return power, _expm1_small(r if rest is None else r + rest)


def _plus(s: Array, q: Array, h: float) -> Array:
    """(1 + E) * h of E = (1 + q) * s / h, for E >= 1."""
    return s * q + (s + h)


def bell(x: Array, rest: Array | float = 0.0, halved: bool = False) -> Array:
    """exp(-(x + rest)**2), or of half of it; 0 where that is subnormal."""
    end = math.sqrt((1 - _format(x).smallest) * (1 + halved)) - 0.07
    c = el.clip(x, -end, end)
    left = c * rest * (-1 if halved else -2) if isinstance(rest, Array) else None
    s, q = bell_parts(c, halved, 0, left)
    return el.where(jnp.abs(x) >= end, 0, s * q + s)


def erf(x: Array) -> Array:
    """The error function of a float32."""
    c = el.clip(x, -3.92, 3.92)
    return _within_1(c * ratio_of(_polynomials.ERF_RATIO, c * c))


def ratio_of(table: Mapping[str, Any], s: Array) -> Array:
    """A minimax ratio of `_polynomials` at a float32."""
    top, bottom = _ratio(table)
    return horner(top, s) / horner(bottom, s)


def _within_1(y: Array) -> Array:
    """y, limited to -1 to 1 unless it is rounded to a half precision, which does it."""
    return y if in_half() else el.clip(y, -1, 1)


def _ratio(table: Mapping[str, Any]) -> Any:
    return table["half" if in_half() else "float32"]


def logistic(x: Array) -> Array:
    """1 / (1 + exp(-x)); 0 where that is subnormal."""
    least = _format(x).smallest
    s, q = grown(el.clip(x, least, -least), -1.0)
    return 1 / ((s * q + 1) + s)


def inverse_growth(
    a: Array, times: float | Array = 1.0, rest: Array | None = None
) -> Array:
    """1 / (1 + exp(times * a + rest)) of an exponent from 0 to `growth_end`."""
    h = 2.0**-4
    s, q = grown(a, times, -4, rest)
    return h / _plus(s, q, h)


def growth_end(x: Array) -> float:
    """The exponent up to which `inverse_growth` is normal."""
    return 1.5 - _format(x).smallest


def tanh(x: Array) -> Array:
    """(1 - E) / (1 + E) with E = exp(-2 |x|), with the sign of x.

    In float32 2 t / (1 + t**2) with a ratio of polynomials for t = tanh(x / 2): towards
    1 the errors of t cancel.
    """
    if single(x):
        n, d = _tanh_parts(x)
        return _within_1((n * (d + d)) / (d * d + n * n))
    s, q = grown(el.minimum(jnp.abs(x), 19.5), -2.0, short=True)
    y = ((1 - s) - s * q) / ((s + 1) + s * q)
    integer = integer_like(x)
    bits = (lax.bitcast_convert_type(v, integer) for v in (x, y))
    sign = next(bits) & np.iinfo(integer).min
    return lax.bitcast_convert_type(next(bits) | sign, x.dtype)


def _tanh_parts(x: Array) -> tuple[Array, Array]:
    """n and d with tanh(x / 2) = n / d of a float32."""
    c = el.clip(x, -tanh_end(x), tanh_end(x))
    (_, *top), bottom = _ratio(_polynomials.TANH_RATIO)
    s = c * c
    return (c * s) * horner(top, s) + c, horner([2 * b for b in bottom], s)


def tanh_end(x: Array) -> float:
    """Where tanh is 1 and x * tanh'(x) is too small to count beside it."""
    return 10.5 if single(x) else 24.0


def tanh_and_slope(x: Array) -> tuple[Array, Array]:
    """tanh and its derivative, the latter as exact as a sum with tanh needs."""
    if not single(x):
        return tanh(x), tanh_dx(x)
    n, d = _tanh_parts(x)
    inverse = shared(1 / (d * d + n * n))
    root = (d - n) * (d + n) * inverse
    return _within_1((n * (d + d)) * inverse), root * root


def tanh_dx(x: Array) -> Array:
    """4 (j - j**2) with j = 1 / (1 + exp(2 |x|))."""
    j = inverse_growth(el.minimum(jnp.abs(x), growth_end(x) / 2), 2.0)
    return 4 * j - (4 * j) * j


def logistic_dx(x: Array) -> Array:
    """j - j**2 with j = 1 / (1 + exp(|x|))."""
    j = inverse_growth(el.minimum(magnitude(x), growth_end(x)))
    return j - j * j


def mirrored(g: Array, up: Array, h: float) -> Array:
    """g * h, but 1 - g * h where it is mirrored."""
    number = functools.partial(lax.full_like, g)
    turned = lax.select(up, number(-h), number(h))
    return g * turned + lax.select(up, number(1), number(0))


def logistic_times(x: Array, factor: Array) -> Array:
    """factor / (1 + exp(-x)), 0 where that is subnormal, of an infinite factor too."""
    s = logistic(x)
    return el.where(s == 0, 0, factor * s)


def _over_one_plus(tail: Exp) -> tuple[Pair, Array]:
    """Mantissa and denominator of e / (1 + e) of an exponential e up to 1."""
    e, mantissa = tail.pair(), tail.mantissa
    d = (1 + e.head) + e.tail()
    if not in_half():
        # a factor exp(-v) takes in the rounding error of the denominator, roughly over
        # it
        left = (((1 + e.head) - d) + e.tail()) * (1 - e.value() / 2)
        mantissa = Pair(mantissa.head, mantissa.tail() - mantissa.value() * left)
    return mantissa, d


def logistic_dx2(x: Array, times: float = 1.0) -> Array:
    """The derivative of `logistic_dx`, -tanh(x / 2) times it, times a number."""
    a = magnitude(x)
    tail = exp_factor(-a, extra_bits=4)
    e = tail.pair()
    d = one_plus(e)
    ratio, u = tail.mantissa.times(times) / (d * d * d), complement(-a, tail)
    size = tail.scale(_product(u, ratio))  # a tiny u would have no rest
    return el.where(x < 0, size, -size)


def logistic_dx3(x: Array, times: float = 1.0) -> Array:
    """The derivative of `logistic_dx2`, 1 - 6 `logistic_dx` times `logistic_dx`."""
    tail = exp_factor(-magnitude(x), extra_bits=4)
    e = tail.pair()
    d, one = one_plus(e), constant(1.0, like=x)
    ratio = tail.mantissa * (one - e.times(4) + e * e) / (d * d * d * d)
    return tail.scale(ratio.value() * times)


def odd_cubic(a: Array, first: Pair, third: Pair) -> Pair:
    """first * a + third * a**3 of a >= 0, its head a whole float."""
    if in_half():
        return Pair(a * (first.value() + third.value() * (a * a)), None)
    high = upper_half(a)
    square = a * a
    head = upper_half(square)
    rest = (high * high - head) + (a - high) * (a + high)
    factor = first.value() + third.value() * square
    top = upper_half(factor)
    below = (first.head - top) + third.head * head
    rests = third.tail() * square + third.head * rest
    below = below + (first.tail() + rests)
    return Pair(high * top, (a - high) * factor + high * below)


def gated(x: Array, v: Array, rest: Array | float = 0.0) -> Array:
    """x * logistic(sign(x) * (v + rest)) for v >= 0."""
    tail = exp_factor(-v, -rest)
    mantissa, d = _over_one_plus(tail)
    top = tail.scale(_product(modest(x), mantissa))
    return el.where(x < 0, top, x) / d


def gated_dx(v: Array, growth: Pair, rest: Array | float = 0.0) -> Array:
    """The derivative of `gated` at -a, far from its root; growth is a * v'(a)."""
    tail = exp_factor(-v, -rest)
    e = tail.value()
    u = e * polynomial(_polynomials.INVERSE_SQUARE, e)
    return tail.times(less(1 - growth.head, e - growth.tail(), u))


def less(large: Array, small: Array, u: Array) -> Array:
    """(large + small) * (1 - u) of a small u, rounded once."""
    return large + (small - (large + small) * u)


def below_root(
    a: Array,
    root: tuple[float, float],
    table: Table,
    centre: float = 1.0,
    rest: Array | float = 0.0,
) -> Array:
    """(root - a - rest) times a polynomial in a + rest - centre."""
    with rounded_to(a.dtype):  # a float would not do for float16
        zero = constant(*root, like=a)
    # the minimum only keeps XLA from adding the two constants
    distance = el.minimum(zero.head - a, 2) + (zero.tail() - rest)
    return distance * polynomial(table, (a + rest) - centre)


def gated_dx2(
    v: Array,
    h: Pair,
    g: Pair,
    rest: Array | float = 0.0,
    factor: Array | float | None = None,
) -> Array:
    """The second derivative of `gated`; h = 2 v' + x v'', g = |x| * v'**2.

    `factor` is a part of h and g that is left out of them.
    """
    tail = exp_factor(-v, -rest, extra_bits=7, factor=factor)
    e = tail.pair()
    d = one_plus(e)
    ratio = tail.mantissa * (h * d - g * one_minus(e)) / (d * d * d)
    return tail.scale(ratio.value())


def falling(x: Array, rest: Array | float = 0.0) -> tuple[Array, Array, Array]:
    """2**k, r, b with exp(x + rest) = 2**k * (1 + (r + b)) of x <= 0; r is x for k = 0.

    b is 0 to second order.  2**k is 0 where the exponential is subnormal.
    """
    least = _format(x).smallest
    x, f = el.maximum(x, least), _format(x)
    s, back = _exponent(x * (1 / math.log(2)), 0)
    r = (x + back * f.ln2_high) + back * f.ln2_low
    r = r + rest if isinstance(rest, Array) else r
    return s, r, (r * r) * polynomial(_polynomials.EXPM1_TAIL, r)


def gumbel(x: Array) -> Array:
    """exp(x - exp(x)), 0 at either end."""
    x = el.clip(x, _format(x).smallest, 4.52782 if x.dtype.itemsize == 4 else 6.5732)
    f, (power, q) = _format(x), grown(x)
    s, back = _exponent(((x - power) - power * q) * (1 / math.log(2)), 0)
    # the power is a multiple of one that is not small, and so this sum is exact
    r = (x + (back * f.ln2_high - power)) - power * q
    r = r + back * f.ln2_low
    return s * ((r * r) * polynomial(_polynomials.EXPM1_TAIL, r) + r) + s


def exp_below_0(x: Array) -> Array:
    """The exponential of x <= 0; 0 where it is subnormal."""
    s, r, bend = falling(x)
    return s * (r + bend) + s


def expm1_below_0(x: Array, rest: Array | float = 0.0) -> Array:
    """exp(x + rest) - 1 of x <= 0."""
    s, r, bend = falling(x, rest)
    return s * (r + bend) + (s - 1)


def log1p_eightfold(v: Array) -> Array:
    """log(1 + 8 * v) of v >= 0, where 8 * v may overflow."""
    power = power_below(v + 0.125)
    down = inverse_power(power)
    r = v * down + (0.125 * down - 1)  # (1 + 8 * v) / 2**k - 1, from 0 to 1
    bits = lax.bitcast_convert_type(power, integer_like(v)) >> _mantissa(v)
    k = (bits - (_bias(v) - 3)).astype(v.dtype)
    return r * polynomial(_polynomials.LOG1P, r) + k * math.log(2)


Scale = Array | np.ndarray | float | tuple[float, float]  # a pair of more digits


def angle(x: Array, beta: Scale) -> tuple[Pair, Array]:
    """|u|, and where u < 0."""
    a, below = magnitude(x), x < 0
    if isinstance(beta, tuple):
        b = constant(*beta, like=x)
    else:
        b = pairs.pair(number(beta, x))
    negative = b.head < 0
    b = pairs.where(negative, -b, b)
    most = el.minimum(angle_end(x) / b.value(), float(jnp.finfo(x.dtype).max))
    u = pairs.pair(el.minimum(a, lax.stop_gradient(most))) * b
    return u, (below != negative) & (u.head > 0)


def angle_end(x: Array) -> float:
    """The largest |u|: so far out the exponential is 0."""
    return 256.0 if x.dtype.itemsize == 4 else 2048.0
