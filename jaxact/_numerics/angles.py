"""Sine and cosine of a product, to the last bits at every magnitude.

A rounded product of 2^24 is wrong by a whole radian.  So the integer mantissas are
multiplied with those bits of 2 / pi that matter (Payne, Hanek), in words that wrap
around: only whole turns overflow.  There is no step that depends on the magnitude, and
no branch.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from . import elementary as el, pieces as num, polynomials as poly
from .pairs import Pair, constant, integer_like, number, upper_half, where
from .precision import in_half

_SMALL = 0.75  # below it the product itself is the angle: less than pi / 4


@dataclass(frozen=True)
class Angle:
    """A non-negative angle, and whether it stands for its negative."""

    low: Array  # in quarter turns modulo 4, as an integer of two words
    high: Array
    small: Pair  # the same in radians, where that is less than _SMALL
    negative: Array
    moved: Array  # 0, whose derivatives are those of the angle

    def __add__(self, other: "Angle") -> "Angle":
        """The sum of two of the same sign."""
        low, moved = self.low + other.low, self.moved + other.moved
        high = self.high + other.high + _carry(low, other.low)
        large = el.maximum(self.small.head, other.small.head)
        less = el.minimum(self.small.head, other.small.head)
        head, rest = large + less, None
        if not in_half():
            rest = ((large - head) + less) + (self.small.tail() + other.small.tail())
        return Angle(low, high, Pair(head, rest), self.negative, moved)


def product(a: Array, *factors: Array | float) -> Angle:
    """The angle a * b * ... in radians, without rounding."""
    live = [a, *(number(b, a) for b in factors)]
    fixed = [lax.stop_gradient(b) if isinstance(b, Array) else b for b in live]
    moved = jnp.zeros_like(a)
    for i, b in enumerate(live):
        with np.errstate(invalid="ignore"):
            term = b - fixed[i]  # 0; NaN of what is not finite
        for factor in (*fixed[:i], *live[i + 1 :]):
            term = term * factor
        moved = moved + term
    negative = functools.reduce(jnp.not_equal, map(_signbit, fixed))
    arrays = [b for b in fixed if isinstance(b, Array)]
    constants = tuple(float(b) for b in fixed if not isinstance(b, Array))
    low, high = _quarter_turns(arrays, constants)
    small = Pair(abs(fixed[0]), None)
    for b in fixed[1:]:
        small = _times_exactly(small, abs(b))
    return Angle(low, high, small, negative, el.where(negative, -moved, moved))


def _times_exactly(a: Pair, b: Array) -> Pair:
    p = num.exact_product(a.head, b)
    return Pair(p.head, None if p.rest is None else p.rest + a.tail() * b)


def sin(angle: Angle, eighths: int = 0) -> Pair:
    """The sine of an angle and so many eighths of a turn; NaN of infinite factors."""
    return sin_cos(angle, eighths)[0]


def cos(angle: Angle, eighths: int = 0) -> Pair:
    """The cosine, likewise."""
    return sin_cos(angle, eighths)[1]


def sin_cos(angle: Angle, eighths: int = 0) -> tuple[Pair, Pair]:
    """Sine and cosine of an angle and so many eighths of a turn."""
    negative = angle.negative
    quarters, r = _reduced(angle, eighths)
    near_sin, near_cos = _near_zero(r)
    odd = quarters & 1 == 1
    sine, cosine = where(odd, near_cos, near_sin), where(odd, near_sin, near_cos)
    sine = where(quarters & 2 == 2, -sine, sine)
    cosine = where((quarters + 1) & 2 == 2, -cosine, cosine)
    # derivatives cannot be seen through integers: those of a sum with 0 are exact
    s, c, d = sine.value(), cosine.value(), angle.moved
    sine = _plus(sine, d * (c - d / 2 * (s + d / 3 * (c - d / 4 * s))))
    cosine = _plus(cosine, -d * (s + d / 2 * (c - d / 3 * (s + d / 4 * c))))
    return where(negative, -sine, sine), cosine


def _plus(p: Pair, moved: Array) -> Pair:
    if p.rest is None:
        return Pair(p.head + moved, None)
    return Pair(p.head, p.rest + moved)


def _near_zero(r: Pair) -> tuple[Pair, Pair]:
    """Sine and cosine between -pi / 4 and pi / 4."""
    x = r.value()
    square = x * x
    sine = x * (square * num.polynomial(poly.SIN_TAIL, square))
    cosine = square * (square * num.polynomial(poly.COS_TAIL, square))
    if r.rest is None:
        return Pair(x + sine, None), Pair(1 + (cosine - square / 2), None)
    left = (r.head - x) + r.rest
    half, rest = num.half_square(x)
    head = 1 - half
    cosine = ((1 - head) - half) + (cosine - (rest + x * left))
    return Pair(x, sine + left), Pair(head, cosine)


def _reduced(angle: Angle, eighths: int) -> tuple[Array, Pair]:
    """The number of quarter turns, and the rest in radians."""
    size = 8 * angle.high.dtype.itemsize
    word, integer = angle.high.dtype.type, np.dtype(f"int{size}").type
    like = angle.moved
    turn = el.where(angle.negative, word(-eighths % 8), word(eighths % 8))
    high = angle.high + (turn << word(size - 3))
    quarters = (high + word(1 << (size - 3))) >> word(size - 2)
    left = (high - (quarters << word(size - 2))).astype(integer)
    # the upper bits, as many as a float has, and a word of those that follow
    spare = size - 3 - (jnp.finfo(like.dtype).nmant + 1)
    upper = (left + integer(1 << (spare - 1))) & integer(-(1 << spare))
    lower = ((left - upper) << integer(size - spare)) | (
        angle.low >> word(spare)
    ).astype(integer)
    head = upper.astype(like.dtype) * 2.0 ** (2 - size)
    rest = lower.astype(like.dtype) * 2.0 ** (2 + spare - 2 * size)
    quarter = constant(math.pi / 2, 6.123233995736766e-17, like=like)
    if in_half():
        r = Pair((head + rest) * quarter.value(), None)
    else:
        half = upper_half(head)
        r = Pair(half, (head - half) + rest) * quarter
    if eighths % 2:
        return quarters, r
    small = angle.small.head < _SMALL
    if r.rest is None:
        return quarters, Pair(el.where(small, angle.small.head, r.head), None)
    head = el.where(small, angle.small.head, r.head)
    return quarters, Pair(head, el.where(small, angle.small.tail(), r.rest))


def _signbit(b: Any) -> Any:
    return jnp.signbit(b) if isinstance(b, Array) else np.signbit(b)


@functools.partial(jax.jit, static_argnums=1)  # traced once for all derivatives
def _quarter_turns(
    arrays: Sequence[Array], constants: tuple[float, ...]
) -> tuple[Array, Array]:
    """|product| * 2 / pi modulo 4, times a power of two, as an integer of two words.

    It may be too small by a few.
    """
    factors = [*arrays, *(number(c, arrays[0]) for c in constants)]
    parts = [_mantissa_and_exponent(a) for a in factors]
    (first, place), *more = parts
    digits = [first]  # of the product of all mantissas, lowest first
    for n, exponent in more:
        digits, place = _times(digits, n), place + exponent
    size, word = 8 * first.dtype.itemsize, first.dtype.type
    count = len(digits) + 2  # words of 2 / pi, of which the last bit counts 2**-place
    place = el.maximum(place + (count * size - 2), 0)
    # by shifts: a division of integers asks for a sign
    start = place >> (size.bit_length() - 1)
    shift = (place & (size - 1)).astype(word)
    words = _chosen(_two_over_pi(size, count), start, count + 1)
    window = [
        (words[i] << shift) | ((words[i + 1] >> word(1)) >> (word(size - 1) - shift))
        for i in range(count)
    ]
    low = high = jnp.zeros_like(first)
    for i, digit in enumerate(digits):
        w3, w2, w1 = window[i : i + 3]
        high = high + digit * w3 + _high(digit, w2)
        for part in (digit * w2, _high(digit, w1)):
            low = low + part
            high = high + _carry(low, part)
    return low, high


def _chosen(words: list[Any], start: Array, count: int) -> list[Any]:
    """So many of the words, from `start` on."""
    # a table to look them up in would be an array to keep for the backward pass
    for bit in reversed(range((len(words) - count).bit_length())):
        step, reach = 1 << bit, count + (1 << bit) - 1
        moved = start & step > 0
        padded = [*words, *words[:1] * step]
        words = [el.where(moved, padded[i + step], padded[i]) for i in range(reach)]
    return words


def _times(digits: Sequence[Array], n: Array) -> list[Array]:
    """An integer times a word, in words."""
    out, carry = [], jnp.zeros_like(n)
    for digit in digits:
        part = digit * n
        out.append(part + carry)
        carry = _high(digit, n) + _carry(out[-1], part)
    return [*out, carry]


def _mantissa_and_exponent(x: Any) -> tuple[Any, Any]:
    """|x| as an integer times a power of two; a subnormal x counts as 0."""
    info, integer = jnp.finfo(x.dtype), integer_like(x)
    if isinstance(x, Array):
        select, bits = jnp.where, lax.bitcast_convert_type(jnp.abs(x), integer)
    else:
        select, bits = np.where, np.abs(x).view(integer)
    exponent = bits >> integer(info.nmant)
    mantissa = (bits & integer((1 << info.nmant) - 1)) | integer(1 << info.nmant)
    mantissa = select(exponent > 0, mantissa, 0).astype(f"uint{info.bits}")
    return mantissa, exponent - integer(info.maxexp - 1 + info.nmant)


def _high(a: Array, b: Array) -> Array:
    """The upper word of a product of two words."""
    half = a.dtype.type(4 * a.dtype.itemsize)
    mask = a.dtype.type((1 << int(half)) - 1)
    a0, a1, b0, b1 = a & mask, a >> half, b & mask, b >> half
    cross = a1 * b0 + ((a0 * b0) >> half)
    other = a0 * b1 + (cross & mask)
    return a1 * b1 + (cross >> half) + (other >> half)


def _carry(total: Array, part: Array) -> Array:
    """1 where a sum of words with a part has wrapped around."""
    return (total < part).astype(total.dtype)


@functools.cache
def _two_over_pi(size: int, zeros: int) -> list[Any]:
    """2 / pi in words, after some words of zeros."""
    bits = {32: 16, 64: 52}[size] * size
    more = bits + 32
    digits = ((2 << (2 * more)) // _pi(more)) >> 32
    word = np.dtype(f"uint{size}").type
    cuts = range(bits - size, -1, -size)
    return [word(0)] * zeros + [word((digits >> n) % (1 << size)) for n in cuts]


def _pi(bits: int) -> int:
    """pi * 2**bits, by Machin's formula."""

    def atan_of_inverse(n: int) -> int:
        term = total = (1 << (bits + 32)) // n
        for odd in range(3, bits, 2):
            term //= -n * n
            total += term // odd
        return total

    return (16 * atan_of_inverse(5) - 4 * atan_of_inverse(239)) >> 32
