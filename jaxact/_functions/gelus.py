"""The input times the normal distribution function, exactly or nearly: gelus.

Far below 0 they are x times an exponentially small factor.  The product is still a
normal number where the factor alone has underflowed.  Their slope has a root near
-0.75.
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from .._core import activation, chooses, derivative_of, kernels_of
from .._numerics import elementary as el, pieces as num, polynomials as poly
from .._numerics.pairs import Pair, constant, pair
from .._numerics.precision import cancelling

_H = num.SCALE

# --- gelu_tanh: x / (1 + exp(-v)) with v = sqrt(8 / pi) * (x + 0.044715 * x**3) ------

_GELU_TANH_ROOT = (0.7524614220710163, -3.635560509207687e-17)
# sqrt(8 / pi), and that times 0.044715, with the rests that doubles cannot hold
_V1 = (1.5957691216057308, -9.96930880911092e-17)
_V3 = (0.07135481627260025, -6.175149918155315e-19)


def _v(a: Array) -> Pair:
    return num.odd_cubic(a, constant(*_V1, like=a), constant(*_V3, like=a))


# float32: v / ln 2 and v' as polynomials in a**2, whose parts on a grid of a**2 are
# exact: heads of few bits, and their rests
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
    """The growth for |x| in float32, up to where the gelu is 0."""
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


@activation(holomorphic=True)
def gelu_tanh(x: Array) -> Array:
    """Gaussian error linear unit, approximated by tanh.

    gelu_tanh(x) = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))

    Derivative: s + x s' v' with v(x) = sqrt(8 / pi) (x + 0.044715 x**3),
    s = sigmoid(v), s' = sigmoid'(v).  Within 5e-4 of `gelu_exact`.  0 at -inf.

    Args:
        x: an array or number of real or complex dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number.

    Example:
        >>> jaxact.gelu_tanh(jnp.array([-1.0, 2.0]))
        Array([-0.15880801,  1.9545977 ], dtype=float32)

    Reference:
        Hendrycks, Gimpel (2016), arXiv:1606.08415
    """
    if jnp.iscomplexobj(x):
        v1, v3 = _V1[0], _V3[0]
        return x / 2 * (1 + jnp.tanh((v1 * x + v3 * x**3) / 2))
    # max(x, 0) - |x| / (1 + exp(v)): one formula for both signs
    if num.single(x):
        a = el.minimum(jnp.abs(x), 10.85)
        s, q, _, _ = _growth(a)
        return el.maximum(x, 0) - (a / ((s * q + _H) + s)) * _H
    v = _v(_near(jnp.abs(x)))
    return num.gated(x, v.head, v.tail())


@derivative_of(gelu_tanh)
def _gelu_tanh_dx(x: Array) -> Array:
    # ((1 - a v') + a v' * j) * j with j = 1 / (1 + exp(v)), or 1 less that above 0
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
    v, third = _v(a), constant(3 * _V3[0], 3 * _V3[1], like=a)
    growth = num.odd_cubic(a, constant(*_V1, like=a), third)
    far = num.gated_dx(v.head, growth, v.tail())
    below = el.where(a < 1.4, middle, far)
    return el.where(x > 0, 1 - below, below)


@derivative_of(gelu_tanh, order=2)
@cancelling()
def _gelu_tanh_dx2(x: Array) -> Array:
    a = num.magnitude(_near(x))
    v, one = _v(a), pair(a)
    first, third = constant(*_V1, like=a), constant(*_V3, like=a)
    curve = constant(3.0, like=a) * third * (one * one)
    slope = first + curve
    h, g = (first + curve.times(2)).times(2), one * slope * slope
    return num.gated_dx2(v.head, h, g, v.tail())


# --- gelu_exact: x * Phi(x), with Phi and phi the normal distribution and density ----

_GELU_ROOT = (0.7517915246935645, -1.4956759177009883e-17)
_DENSITY = 1 / math.sqrt(2 * math.pi)


@activation
def gelu_exact(x: Array) -> Array:
    """Gaussian error linear unit: x times the normal distribution function.

    gelu_exact(x) = x * erfc(-x / sqrt(2)) / 2

    Derivative: Phi(x) + x phi(x); second: phi(x) (2 - x**2), with Phi and phi the
    normal distribution and density.  The least value is -0.170, at
    x = -0.752.  0 at -inf.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.gelu_exact(jnp.array([-1.0, 2.0]))
        Array([-0.15865526,  1.9544997 ], dtype=float32)

    Reference:
        Hendrycks, Gimpel (2016), arXiv:1606.08415
    """
    # max(x, 0) - |x| * Phi(-|x|): one formula for both signs
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


@derivative_of(gelu_exact)
def _gelu_exact_dx(x: Array) -> Array:
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


@derivative_of(gelu_exact, order=2)
def _gelu_exact_dx2(x: Array) -> Array:
    a = num.gauss_clip(num.magnitude(x))
    head, rest = num.half_square(a)
    start = float(np.asarray(2 * _DENSITY, a.dtype))
    w = (1 - head) - rest
    return num.gauss(a).times(w * start + w * (2 * _DENSITY - start))


@chooses(gelu_tanh, gelu_exact)
def gelu(x: ArrayLike, approximate: bool = True) -> Array:
    """Gaussian error linear unit: `gelu_tanh`, or `gelu_exact` if not `approximate`.

    The default is that of jax.nn and Flax; PyTorch and Keras layers default to the
    exact form.

    Args:
        x: an array or number of real dtype; integers count as float32.
        approximate: whether to take the approximation by tanh.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.gelu(jnp.array([-1.0, 2.0]))
        Array([-0.15880801,  1.9545977 ], dtype=float32)
    """
    if getattr(x, "weak_type", type(x) in (bool, int, float)):
        x = jnp.asarray(x, jnp.result_type(x, float))  # not weakly typed, as in jax.nn
    return gelu_tanh(x) if approximate else gelu_exact(x)


_exact, *_ = kernels_of(gelu_exact)


@activation(kinks=(10.0,))
def gelu_clipped(x: Array, low: int = -10, high: int = 10) -> Array:
    """The exact gelu between two limits, for low precision.

    gelu_clipped(x) = 10 if x * erfc(-x / sqrt(2)) / 2 > 10
        else x * erfc(-x / sqrt(2)) / 2

    A lower limit of -10 is never reached.  Derivative: that of `gelu_exact` between
    the limits and at them, as of `torch.clip` up to PyTorch 2.13; 0 beyond.

    Args:
        x: an array or number of real dtype; integers count as float32.
        low: the least value, fixed when compiled.
        high: the largest.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.gelu_clipped(jnp.array([-1.0, 20.0]))
        Array([-0.15865526, 10.        ], dtype=float32)

    Reference:
        Wu et al. (2020), Integer quantization for deep learning inference,
        arXiv:2004.09602
    """
    return el.clip(_exact(x), low, high)


@derivative_of(gelu_clipped)
def _gelu_clipped_dx(x: Array, low: int, high: int) -> Array:
    y = _exact(x)
    return el.where((y < low) | (y > high), 0, _gelu_exact_dx(x))


@derivative_of(gelu_clipped, order=2)
def _gelu_clipped_dx2(x: Array, low: int, high: int) -> Array:
    y = _exact(x)
    return el.where((y < low) | (y > high), 0, _gelu_exact_dx2(x))
