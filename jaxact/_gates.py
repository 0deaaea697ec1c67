"""Kernels that self-gated activations and gated linear units share."""

import math
from fractions import Fraction
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from . import _elementary as el
from . import _numerics as num
from . import _polynomials as poly
from ._pairs import Pair, constant, number, pair, shared, where
from ._precision import cancelling

Scale = Array | np.ndarray | float | tuple[float, float]  # a pair of more digits

ONE = np.ones(())
# the constant of quick_gelu, and what the double leaves of it
QUICK = (1.702, float(Fraction("1.702") - Fraction(1.702)))

# --- silu: x / (1 + exp(-u)) with u = beta * x ---------------------------------------


class _Steep(NamedTuple):
    """|x| as far as its gate is not 0, and |u| = a * times + rest."""

    a: Array
    times: float | Array
    rest: Array | None
    up: Array  # whether u > 0
    sign: Array | int  # of beta


def _steep(x: Array, beta: Scale, end: float) -> _Steep:
    a, up = num.magnitude(x), x > 0
    if isinstance(beta, Array):
        times, down = jnp.abs(beta), beta < 0
        most = el.minimum(end / times, float(jnp.finfo(x.dtype).max))
        a = el.minimum(a, lax.stop_gradient(most))
        return _Steep(a, times, None, up != down, el.where(down, -1, 1))
    whole, left = beta if isinstance(beta, tuple) else (float(beta), 0.0)
    times = float(np.asarray(whole, x.dtype))
    left += whole - times
    a = el.minimum(a, end / times)
    return _Steep(a, times, a * left if left else None, up, 1)


_H = 2.0**-30  # the scale in which a grown exponential is added to 1


def _lifted(s: _Steep) -> Array:
    """(1 + exp(|u|)) * 2**-30."""
    power, q = num.grown(s.a, s.times, -30, s.rest)
    return power * q + (power + _H)


def silu(x: Array, beta: Scale) -> Array:
    """max(x, 0) - |x| / (1 + exp(|u|)) for beta > 0: one formula for both signs."""
    if not isinstance(beta, Array):
        s = _steep(x, beta, num.growth_end(x) + 19)
        return el.maximum(x, 0) - (s.a / _lifted(s)) * _H
    s = _steep(x, beta, 1.9 * num.growth_end(x))
    # half of the exponent at a time, for a small beta leaves a large a
    power, q = num.grown(s.a, s.times * 0.5)
    growth = power * q + power
    inverse = 1 / growth
    z = s.a * inverse / (growth + inverse)
    return el.where(s.times == 0, x / 2, el.where(s.up, x, 0) - z * s.sign)


def silu_dx(x: Array, beta: Scale) -> Array:
    """((1 - u) + u * j) * j, j = 1 / (1 + exp(u)), of |u|, or 1 less that above 0."""
    s = _steep(x, beta, num.growth_end(x) + 19)
    j = 1 / _lifted(s)
    if isinstance(s.times, float):
        root = 1 / s.times
        near = float(np.asarray(root, x.dtype))
        rest = (s.a * _H) * j + (root - near)
        return num.mirrored(((near - s.a) + rest) * j, s.up, _H * s.times)
    # |u| in other words: XLA would not fuse a product that it needs twice
    u = jnp.abs(el.clip(x, -s.a, s.a) * s.times)
    return num.mirrored(((1 - u) + (u * _H) * j) * j, s.up, _H)


def angle(x: Array, beta: Scale) -> tuple[Pair, Array]:
    """|u|, and where u < 0."""
    a, below = num.magnitude(x), x < 0
    if isinstance(beta, tuple):
        b = constant(*beta, like=x)
    else:
        b = pair(number(beta, x))
    negative = b.head < 0
    b = where(negative, -b, b)
    most = el.minimum(_end(x) / b.value(), float(jnp.finfo(x.dtype).max))
    u = pair(el.minimum(a, lax.stop_gradient(most))) * b
    return u, (below != negative) & (u.head > 0)


def _end(x: Array) -> float:
    """The largest |u|: so far out the exponential is 0."""
    return 256.0 if x.dtype.itemsize == 4 else 2048.0


def silu_dx2(x: Array, beta: Scale) -> Array:
    """The second derivative of `silu` by x."""
    h = constant(2.0, like=x)
    if isinstance(beta, np.ndarray) and bool(beta == 1):
        a = el.minimum(num.magnitude(x), _end(x))
        return num.gated_dx2(a, h, pair(a))
    with cancelling():
        u, _ = angle(x, beta)
        b = beta[0] if isinstance(beta, tuple) else number(beta, x)
        return shared(num.gated_dx2(u.head, h, u, u.tail(), b))


def silu_dbeta(x: Array, beta: Array) -> Array:
    """The derivative of `silu` by beta: x**2 times the derivative of the sigmoid."""
    s = _steep(x, beta, 2 * num.growth_end(x) + 76)
    j = num.inverse_growth(el.minimum(s.a, 64 / s.times), s.times, s.rest)
    power, q = num.grown(s.a, s.times * 0.5, -60)
    root = (s.a * 2.0**-60) / (power * q + power)  # a * exp(-u / 2)
    y = el.where(s.a * s.times < 64, s.a * ((j - j * j) * s.a), root * root)
    return el.where((num.magnitude(x) > s.a) & (s.times != 0), 0, y)


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


def _near(x: Array) -> Array:
    """x, or where the gate is 0 or 1 for float32 and float64."""
    limit = 16 if x.dtype.itemsize == 4 else 32
    return el.clip(x, -limit, limit)


def gelu_tanh(x: Array) -> Array:
    """max(x, 0) - |x| / (1 + exp(v)): one formula for both signs."""
    if num.single(x):
        a = el.minimum(jnp.abs(x), 10.85)
        s, q, _, _ = _growth(a)
        return el.maximum(x, 0) - (a / ((s * q + _H) + s)) * _H
    v = _v(_near(jnp.abs(x)))
    return num.gated(x, v.head, v.tail())


def gelu_tanh_dx(x: Array) -> Array:
    """((1 - a v') + a v' * j) * j with j = 1 / (1 + exp(v)), or 1 less that above 0."""
    if num.single(x):
        a = el.minimum(jnp.abs(x), 10.85)
        s, q, grid, off = _growth(a)
        j = 1 / (s * q + (s + _H))
        w = grid * (_W3[0] / 2) + _W1[0]
        low = off * (sum(_W3) / 2) + (grid * (_W3[1] / 2) + _W1[1])
        share = ((a * _H) * (w + low)) * j
        return num.mirrored(((1 - a * w) + (share - a * low)) * j, x > 0, _H)
    a = jnp.abs(_near(x))
    middle = num.below_root(
        el.minimum(a, 1.4), _GELU_TANH_ROOT, poly.GELU_TANH_DX_MIDDLE
    )
    v, third = _v(a), constant(3 * V3[0], 3 * V3[1], like=a)
    growth = num.odd_cubic(a, constant(*V1, like=a), third)
    far = num.gated_dx(v.head, growth, v.tail())
    below = el.where(a < 1.4, middle, far)
    return el.where(x > 0, 1 - below, below)


@cancelling()
def gelu_tanh_dx2(x: Array) -> Array:
    """The second derivative of `gelu_tanh`."""
    a = num.magnitude(_near(x))
    v, one = _v(a), pair(a)
    first, third = constant(*V1, like=a), constant(*V3, like=a)
    curve = constant(3.0, like=a) * third * (one * one)
    slope = first + curve
    h, g = (first + curve.times(2)).times(2), one * slope * slope
    return num.gated_dx2(v.head, h, g, v.tail())


# --- gelu_exact: x * Phi(x), with Phi and phi the normal distribution and density ----

_GELU_ROOT = (0.7517915246935645, -1.4956759177009883e-17)
_DENSITY = 1 / math.sqrt(2 * math.pi)


def gelu_exact(x: Array) -> Array:
    """x * Phi(x): max(x, 0) - |x| * Phi(-|x|), one formula for both signs."""
    if num.single(x):
        a = el.minimum(jnp.abs(x), 14.45)
        s, q, inverse = num.gauss_fall(a)
        lost = (a * inverse) * num.fall(poly.NORMAL_FALL, a, inverse)
        return el.maximum(x, 0) - ((lost * q + lost) * s) * _H
    a = num.gauss_clip(jnp.abs(x))
    below = x < 0
    gate = num.normal_middle(a, below)
    lost = num.gauss(a).times(num.normal_tail(a))
    return el.where(a < 1, x * gate, el.maximum(x, 0) - lost)


def gelu_exact_dx(x: Array) -> Array:
    """The derivative of `gelu_exact`."""
    if num.single(x):
        a = el.minimum(jnp.abs(x), 14.45)
        s, q, inverse = num.gauss_fall(a)
        root, rest = (
            np.float32(_GELU_ROOT[0]),
            _GELU_ROOT[0] - np.float32(_GELU_ROOT[0]),
        )
        # the minimum only keeps XLA from adding the two constants
        slope = el.minimum(root - a, 2) + rest
        slope = slope * num.fall(poly.GELU_DX_FALL, a, inverse)
        return num.mirrored((slope * q + slope) * s, x > 0, _H)
    a = num.gauss_clip(jnp.abs(x))
    middle = num.below_root(el.minimum(a, 1.6), _GELU_ROOT, poly.GELU_DX_MIDDLE)
    tail = num.polynomial(poly.GELU_DX_TAIL, num.far(el.maximum(a, 1.6), 2)) * a
    below = el.where(a < 1.6, middle, -num.gauss(a).times(tail))
    return el.where(x > 0, 1 - below, below)


def gelu_exact_dx2(x: Array) -> Array:
    """The second derivative of `gelu_exact`."""
    a = num.gauss_clip(num.magnitude(x))
    head, rest = num.half_square(a)
    start = float(np.asarray(2 * _DENSITY, a.dtype))
    w = (1 - head) - rest
    return num.gauss(a).times(w * start + w * (2 * _DENSITY - start))


# --- aptx: x * (alpha + tanh(u)) with u = beta * x ------------------------------------


class Tanh(NamedTuple):
    """alpha + tanh(u), u as far as tanh(u) is not 1, and tanh'(u)."""

    total: Array
    u: Array
    slope: Array


def tanh_beside(alpha: float | Array, x: Array, beta: float | Array) -> Tanh:
    """Where alpha and tanh(u) cancel, also where the latter is 1, digits are left."""
    times, end = jnp.asarray(2 * jnp.abs(beta), x.dtype), num.growth_end(x)
    largest = float(jnp.finfo(x.dtype).max)
    a = el.minimum(num.magnitude(x), el.minimum(end / times, largest))
    j = num.inverse_growth(a, times)
    sign = el.where((x < 0) == (beta < 0), 1, -1).astype(x.dtype)
    u = num.exact_product(sign * a, times / 2)
    low = el.clip(u.value(), -1, 1)
    square = low * low
    bend = low * (square * num.polynomial(poly.TANH_SHRINK, square))
    sum_ = alpha + u.head
    back = sum_ - alpha
    lost = (alpha - (sum_ - back)) + (u.head - back)
    near = sum_ + (lost + (u.tail() - bend))
    far = (alpha + sign) - sign * (2 * j)
    total = el.where(jnp.abs(u.head) < 0.6, near, far)
    return Tanh(total, u.value(), 4 * j - 4 * j * j)
