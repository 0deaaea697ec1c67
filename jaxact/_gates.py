"""Kernels that self-gated activations and gated linear units share.

Each takes a factor, the other operand of a gated linear unit.  Where the gate is
exponentially small the factor comes before the power of two, so that a product that is
normal does not underflow on the way.
"""

import math
from contextlib import nullcontext
from fractions import Fraction
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from . import _numerics as num
from . import _polynomials as poly
from ._pairs import Pair, constant, number, pair, shared, where
from ._precision import cancelling

Factor = Array | None
Scale = Array | np.ndarray | float | tuple[float, float]  # a pair of more digits

ONE = np.ones(())
# the constant of quick_gelu, and what the double leaves of it
QUICK = (1.702, float(Fraction("1.702") - Fraction(1.702)))


def _times(y: Array, factor: Factor) -> Array:
    return y if factor is None else y * factor


def _only(below: Array, factor: Factor) -> Factor:
    """The factor of what is below 0; above, it comes last."""
    return None if factor is None else jnp.where(below, factor, 1)


# --- silu: x / (1 + exp(-u)) with u = beta * x ---------------------------------------


def _is_one(beta: Scale) -> bool:
    return isinstance(beta, np.ndarray) and bool(beta == 1)


def _pair(beta: Scale, like: Array) -> Pair:
    if isinstance(beta, tuple):
        return constant(*beta, like=like)
    return pair(number(beta, like))


def _end(x: Array) -> float:
    """The largest |u|: so far out the exponential is 0 times any factor."""
    return 256.0 if x.dtype.itemsize == 4 else 2048.0


def angle(x: Array, beta: Scale) -> tuple[Pair, Array]:
    """|u|, and where u < 0."""
    a, below = num.magnitude(x), x < 0
    if _is_one(beta):
        return Pair(jnp.minimum(a, _end(x)), None), below
    b = _pair(beta, x)
    negative = b.head < 0
    b = where(negative, -b, b)
    most = jnp.minimum(_end(x) / b.value(), float(jnp.finfo(x.dtype).max))
    u = pair(jnp.minimum(a, lax.stop_gradient(most))) * b
    return u, (below != negative) & (u.head > 0)


def silu(x: Array, beta: Scale, factor: Factor = None) -> Array:
    """x / (1 + exp(-beta * x)), times a factor."""
    if _is_one(beta) and factor is None:
        return num.silu(x)
    u, below = angle(x, beta)
    return num.gated_times(x, u, 1.0 if factor is None else factor, below)


# the root of the derivative, less its sign
_SILU_ROOT = (1.2784645427610737, 1.0946994183093437e-16)


def silu_dx(x: Array, beta: Scale, factor: Factor = None) -> Array:
    """The derivative of `silu` by x."""
    if _is_one(beta) and factor is None:
        return num.silu_dx(x)
    with nullcontext() if _is_one(beta) else cancelling():
        u, down = angle(x, beta)
        scale = _only(down, factor)
        middle = num.below_root(
            jnp.minimum(u.head, 2), _SILU_ROOT, poly.SILU_DX_MIDDLE, rest=u.tail()
        )
        far = num.gated_dx(u.head, u, u.tail(), scale)
    below = jnp.where(u.head < 2, _times(middle, scale), far)
    return jnp.where(down, below, _times(1 - below, factor))


def silu_dx2(x: Array, beta: Scale, factor: Factor = None) -> Array:
    """The second derivative of `silu` by x."""
    plain = _is_one(beta)
    with nullcontext() if plain and factor is None else cancelling():
        (u, _), h = angle(x, beta), constant(2.0, like=x)
        if plain:
            return num.gated_dx2(u.head, h, pair(u.head), 0.0, factor)
        far, b = 1.0 if factor is None else factor, _pair(beta, x).value()
        return num.gated_dx2(u.head, h, u, u.tail(), far, b)


def silu_dbeta(x: Array, beta: Array, factor: Factor = None) -> Array:
    """The derivative of `silu` by beta: x**2 times the derivative of the sigmoid."""
    u, _ = angle(x, beta)
    k, mantissa = num.exp_parts(-u.head, -u.tail())
    x = jnp.where(u.head < 0.99 * _end(x), num.finite(x), 0)
    quarter = num.power_of_two(k >> 2, x)
    last = num.power_of_two(k - 3 * (k >> 2), x)
    e = mantissa.times(quarter * quarter * (quarter * last))
    # each x with a part of the power of two, lest their product over- or underflow
    one = mantissa.times(x * quarter * quarter).value() / num.square(num.one_plus(e))
    return one * _times(x * quarter * last, factor)


# --- gelu_tanh: x / (1 + exp(-v)) with v = sqrt(8 / pi) * (x + 0.044715 * x**3) ------

_GELU_TANH_ROOT = (0.7524614220710163, -3.635560509207687e-17)
# sqrt(8 / pi), and that times 0.044715, with what the doubles leave
V1 = (1.5957691216057308, -9.96930880911092e-17)
V3 = (0.07135481627260025, -6.175149918155315e-19)


def _v(a: Array) -> Pair:
    return num.odd_cubic(a, constant(*V1, like=a), constant(*V3, like=a))


# float32: v / ln 2 and v' as polynomials in a**2, whose parts on a grid of a**2 are
# exact: heads of few bits, and what they leave
_B1, _B3 = (
    (2.3022079467773438, 2.513669811391339e-07),
    (0.1029052734375, 3.796614252348742e-05),
)
_W1, _W3 = (
    (1.5957698822021484, -7.605964177257403e-07),
    (0.214111328125, -4.687930719925367e-05),
)
_H = 2.0**-30


class _Growth(NamedTuple):
    """exp(v(a)) * 2**-30 as s * (1 + q), and twice a * a on a grid and off it."""

    s: Array
    q: Array
    grid: Array
    off: Array


def _growth(a: Array) -> _Growth:
    """Of |x| in float32, up to where the gelu is 0."""
    magic, coarse = 1.5 * 2.0**23 + 127 - 30, 1.5 * 2.0**16
    twice = a + a
    grid = (a * a + coarse) * 2 - 2 * coarse
    off = twice * a - grid
    w = grid * (_B3[0] / 2) + _B1[0]
    low = off * sum(_B3) + (grid * _B3[1] + 2 * _B1[1])
    t = a * w + magic
    back = 2 * magic - t * 2
    r = ((twice * w + back) + a * low) * (math.log(2) / 2)
    q = (r * r) * num.horner(poly.EXPM1_TAIL["float32"], r) + r
    bits = lax.bitcast_convert_type(t, np.int32) << np.int32(23)
    return _Growth(lax.bitcast_convert_type(bits, a.dtype), q, grid, off)


def _light_gelu_tanh(x: Array) -> Array:
    """max(x, 0) - |x| / (1 + exp(v)): one formula for both signs."""
    a = jnp.minimum(jnp.abs(x), 10.85)
    s, q, _, _ = _growth(a)
    return jnp.maximum(x, 0) - (a / ((s * q + _H) + s)) * _H


def _light_gelu_tanh_dx(x: Array) -> Array:
    """((1 - a v') + a v' / d) / d with d = 1 + exp(v), or 1 less that above 0."""
    a = jnp.minimum(jnp.abs(x), 10.85)
    s, q, grid, off = _growth(a)
    d = (s * q + _H) + s
    w = grid * (_W3[0] / 2) + _W1[0]
    low = off * (sum(_W3) / 2) + (grid * (_W3[1] / 2) + _W1[1])
    share = ((a * _H) * (w + low)) / d
    return num.mirrored(((1 - a * w) + (share - a * low)) / d, x, _H)


def _near(x: Array) -> Array:
    """x, or where the gate is 0 or 1 for float32 and float64."""
    limit = 16 if x.dtype.itemsize == 4 else 32
    return jnp.clip(x, -limit, limit)


def gelu_tanh(x: Array, factor: Factor = None) -> Array:
    """The gelu in the approximation by tanh, times a factor."""
    if factor is None and x.dtype == jnp.float32:
        return _light_gelu_tanh(x)
    v = _v(_near(jnp.abs(x)))
    if factor is None:
        return num.gated(x, v.head, v.tail())
    return num.gated_times(x, v, factor, x < 0)


def gelu_tanh_dx(x: Array, factor: Factor = None) -> Array:
    """The derivative of `gelu_tanh`."""
    if factor is None and x.dtype == jnp.float32:
        return _light_gelu_tanh_dx(x)
    a, scale = jnp.abs(_near(x)), _only(x <= 0, factor)
    middle = num.below_root(
        jnp.minimum(a, 1.4), _GELU_TANH_ROOT, poly.GELU_TANH_DX_MIDDLE
    )
    v, third = _v(a), constant(3 * V3[0], 3 * V3[1], like=a)
    growth = num.odd_cubic(a, constant(*V1, like=a), third)
    far = num.gated_dx(v.head, growth, v.tail(), scale)
    below = jnp.where(a < 1.4, _times(middle, scale), far)
    return jnp.where(x > 0, _times(1 - below, factor), below)


@cancelling()
def gelu_tanh_dx2(x: Array, factor: Factor = None) -> Array:
    """The second derivative of `gelu_tanh`."""
    a = num.magnitude(_near(x))
    v, one = _v(a), pair(a)
    first, third = constant(*V1, like=a), constant(*V3, like=a)
    curve = constant(3.0, like=a) * third * (one * one)
    slope = first + curve
    h, g = (first + curve.times(2)).times(2), one * slope * slope
    return num.gated_dx2(v.head, h, g, v.tail(), factor)


# --- gelu_exact: x * Phi(x), with Phi and phi the normal distribution and density ----

_GELU_ROOT = (0.7517915246935645, -1.4956759177009883e-17)
_DENSITY = 1 / math.sqrt(2 * math.pi)


def gelu_exact(x: Array, factor: Factor = None) -> Array:
    """x * Phi(x), times a factor."""
    a = num.gauss_clip(jnp.abs(x))
    below = x < 0
    gate = num.normal_middle(a, below)
    lost = num.gauss(a, factor=_only(below, factor)).times(num.normal_tail(a))
    if factor is None:
        return jnp.where(a < 1, x * gate, jnp.maximum(x, 0) - lost)
    far = jnp.where(below, -lost, (x - lost) * factor)
    return jnp.where(a < 1, x * factor * gate, far)


def gelu_exact_dx(x: Array, factor: Factor = None) -> Array:
    """The derivative of `gelu_exact`."""
    a, scale = num.gauss_clip(jnp.abs(x)), _only(x <= 0, factor)
    middle = num.below_root(jnp.minimum(a, 1.6), _GELU_ROOT, poly.GELU_DX_MIDDLE)
    tail = num.polynomial(poly.GELU_DX_TAIL, num.far(jnp.maximum(a, 1.6), 2)) * a
    far = -num.gauss(a, factor=scale).times(tail)
    below = jnp.where(a < 1.6, _times(middle, scale), far)
    return jnp.where(x > 0, _times(1 - below, factor), below)


def gelu_exact_dx2(x: Array, factor: Factor = None) -> Array:
    """The second derivative of `gelu_exact`."""
    a = num.gauss_clip(num.magnitude(x))
    head, rest = num.half_square(a)
    start = float(np.asarray(2 * _DENSITY, a.dtype))
    w = (1 - head) - rest
    return num.gauss(a, factor=factor).times(w * start + w * (2 * _DENSITY - start))


# --- aptx: x * (alpha + tanh(u)) with u = beta * x ------------------------------------


class Tanh(NamedTuple):
    """The tanh of u = beta * x: what a sum with it is made of."""

    x: Array  # as far as tanh is not 1
    u: Pair
    a: Array  # |u|, but for a rest
    rest: Array
    sign: Array
    bend: Array  # u - tanh(u), for |u| < 1
    tail: num.Exp  # exp(-2 * |u|)
    most: Array  # 2 / (1 + tail): tail times it is 1 - |tanh(u)|


def tanh_of(x: Array, beta: float | Array) -> Tanh:
    end, largest = 1 - num.lowest(x), float(jnp.finfo(x.dtype).max)
    steep = jnp.asarray(beta, x.dtype)
    limit = end / jnp.maximum(jnp.abs(steep), end / largest)
    x = jnp.clip(x, -limit, limit)
    u = num.exact_product(x, steep)
    a, below = num.magnitude(u.head), u.head < 0
    rest = jnp.where(below, -u.tail(), u.tail())
    tail = num.faint_exp(-2 * a, -2 * rest)
    low = jnp.clip(u.head, -1, 1)
    square = low * low
    bend = low * (square * num.polynomial(poly.TANH_SHRINK, square))
    sign, most = jnp.where(below, -1, 1), shared(2 / (1 + tail.value()))
    return Tanh(x, u, a, rest, sign.astype(x.dtype), bend, tail, most)


def added(alpha: float | Array, u: Array, rest: Array) -> Array:
    """alpha + u + rest, where alpha and u may cancel."""
    total = alpha + u
    back = total - alpha
    return total + (((alpha - (total - back)) + (u - back)) + rest)
