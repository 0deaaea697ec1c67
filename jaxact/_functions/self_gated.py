"""The input times a gate that the input itself opens: x * sigmoid-like(x).

Their tail below 0 is x times something exponentially small, a product that is normal
long after the small factor has underflowed; their slope has a root near -1.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import _numerics as num
from .. import _polynomials as poly
from .._core import activation, derivative_of
from .._pairs import Pair, constant, pair, shared, where
from .._precision import cancelling


@activation(holomorphic=True)
def silu(x: Array) -> Array:
    """Sigmoid linear unit, also called swish.

    silu(x) = x / (1 + exp(-x))

    Derivative: s + x s (1 - s), with s = sigmoid(x); second: s' (2 + x (1 - 2 s)).  The
    least value is -0.278, at x = -1.278.  0 at -inf.

    Args:
        x: an array or number of real or complex dtype; integers count as float32.

    Raises:
        TypeError: `x` is no array or number.

    Reference:
        Elfwing, Uchibe, Doya (2017), arXiv:1702.03118;
        Ramachandran, Zoph, Le (2017), arXiv:1710.05941
    """
    if jnp.iscomplexobj(x):
        return x * jnp.exp(-jnp.logaddexp(-x, jnp.zeros_like(x)))
    return num.gated(x, jnp.abs(x))


# the root of the derivative, less its sign
_SILU_ROOT = (1.2784645427610737, 1.0946994183093437e-16)


@derivative_of(silu)
def _silu_dx(x: Array) -> Array:
    a = jnp.abs(num.modest(x))
    middle = num.below_root(jnp.minimum(a, 2), _SILU_ROOT, poly.SILU_DX_MIDDLE)
    below = jnp.where(a < 2, middle, num.gated_dx(a, num.pair_of(a)))
    return jnp.where(x > 0, 1 - below, below)


@derivative_of(silu, order=2)
def _silu_dx2(x: Array) -> Array:
    a = num.magnitude(num.modest(x))
    return num.gated_dx2(a, constant(2.0, like=x), pair(a))


swish = silu

_GELU_TANH_ROOT = (0.7524614220710163, -3.635560509207687e-17)
# sqrt(8 / pi), and that times 0.044715, with what the doubles leave
_V1 = (1.5957691216057308, -9.96930880911092e-17)
_V3 = (0.07135481627260025, -6.175149918155315e-19)


def _v(a: Array) -> Pair:
    """sqrt(8 / pi) * (a + 0.044715 * a**3)."""
    return num.odd_cubic(a, constant(*_V1, like=a), constant(*_V3, like=a))


def _near(x: Array) -> Array:
    """x, or where the gate is 0 or 1 for float32 and float64."""
    limit = 16 if x.dtype.itemsize == 4 else 32
    return jnp.clip(x, -limit, limit)


@activation(holomorphic=True)
def gelu_tanh(x: Array) -> Array:
    """Gaussian error linear unit, in the approximation by tanh.

    gelu_tanh(x) = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))

    Derivative: s + x s' v' with v(x) = sqrt(8 / pi) (x + 0.044715 x**3),
    s = sigmoid(v), s' = sigmoid'(v).  Within 5e-4 of `gelu_exact`.  0 at -inf.

    Args:
        x: an array or number of real or complex dtype; integers count as float32.

    Raises:
        TypeError: `x` is no array or number.

    Reference:
        Hendrycks, Gimpel (2016), arXiv:1606.08415
    """
    if jnp.iscomplexobj(x):
        return x / 2 * (1 + jnp.tanh((_V1[0] * x + _V3[0] * x**3) / 2))
    v = _v(_near(jnp.abs(x)))
    return num.gated(x, v.head, v.tail())


@derivative_of(gelu_tanh)
def _gelu_tanh_dx(x: Array) -> Array:
    a = jnp.abs(_near(x))
    middle = num.below_root(
        jnp.minimum(a, 1.4), _GELU_TANH_ROOT, poly.GELU_TANH_DX_MIDDLE
    )
    v, third = _v(a), constant(3 * _V3[0], 3 * _V3[1], like=a)
    growth = num.odd_cubic(a, constant(*_V1, like=a), third)
    below = jnp.where(a < 1.4, middle, num.gated_dx(v.head, growth, v.tail()))
    return jnp.where(x > 0, 1 - below, below)


@derivative_of(gelu_tanh, order=2)
@cancelling()
def _gelu_tanh_dx2(x: Array) -> Array:
    a = num.magnitude(_near(x))
    v, one = _v(a), pair(a)
    first, third = constant(*_V1, like=a), constant(*_V3, like=a)
    curve = constant(3.0, like=a) * third * (one * one)
    slope = first + curve
    return num.gated_dx2(
        v.head, (first + curve.times(2)).times(2), one * slope * slope, v.tail()
    )


_PHI = 0.3085375387259869  # the normal distribution at -1/2


@activation
def gelu_exact(x: Array) -> Array:
    """Gaussian error linear unit: x times the normal distribution function.

    gelu_exact(x) = x * erfc(-x / sqrt(2)) / 2

    Derivative: Phi(x) + x phi(x); second: phi(x) (2 - x**2), with Phi and phi the
    normal distribution and density.  The least value is -0.170, at
    x = -0.752.  0 at -inf.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Raises:
        TypeError: `x` is no array or number of real dtype.

    Reference:
        Hendrycks, Gimpel (2016), arXiv:1606.08415
    """
    a = num.gauss_clip(jnp.abs(x))
    below, t = x < 0, jnp.minimum(a, 1) - 0.5
    # Phi(-1/2) as a number whose complement is exact, and a rest
    start = round(_PHI * 2**24) / 2**24
    # no shorter one in half: 1/2 at 0 must be exact, else the smallest results are 0
    slope = num.horner(poly.GELU_MIDDLE[x.dtype.name], t)
    bend = (_PHI - start) + t * slope
    gate = jnp.where(below, start, 1 - start) + jnp.where(below, bend, -bend)
    tail = num.polynomial(poly.GELU_TAIL, num.far(jnp.maximum(a, 1), 1.5625))
    return jnp.where(a < 1, x * gate, jnp.maximum(x, 0) - num.gauss(a).times(tail))


_GELU_ROOT = (0.7517915246935645, -1.4956759177009883e-17)


@derivative_of(gelu_exact)
def _gelu_exact_dx(x: Array) -> Array:
    a = num.gauss_clip(jnp.abs(x))
    middle = num.below_root(jnp.minimum(a, 1.6), _GELU_ROOT, poly.GELU_DX_MIDDLE)
    tail = num.polynomial(poly.GELU_DX_TAIL, num.far(jnp.maximum(a, 1.6), 2)) * a
    below = jnp.where(a < 1.6, middle, -num.gauss(a).times(tail))
    return jnp.where(x > 0, 1 - below, below)


_DENSITY = 1 / math.sqrt(2 * math.pi)


@derivative_of(gelu_exact, order=2)
def _gelu_exact_dx2(x: Array) -> Array:
    a = num.gauss_clip(num.magnitude(x))
    head, rest = num.half_square(a)
    start = float(np.asarray(2 * _DENSITY, a.dtype))
    w = (1 - head) - rest
    return num.gauss(a).times(w * start + w * (2 * _DENSITY - start))


def gelu(x: Array, approximate: bool = True) -> Array:
    """Gaussian error linear unit: `gelu_tanh`, or `gelu_exact` if not `approximate`.

    The default is that of jax.nn and Flax; PyTorch and Keras layers default to the
    exact form.

    Args:
        x: an array or number of real dtype; integers count as float32.
        approximate: whether to take the approximation by tanh.

    Raises:
        TypeError: `x` is no array or number of real dtype.
    """
    if getattr(x, "weak_type", type(x) in (bool, int, float)):
        x = jnp.asarray(x, jnp.result_type(x, float))  # not weakly typed, as in jax.nn
    return gelu_tanh(x) if approximate else gelu_exact(x)


@activation(holomorphic=True)
def mish(x: Array) -> Array:
    """Mish: the input times the tanh of its softplus.

    mish(x) = x * tanh(log(1 + exp(x)))

    Derivative: t + x w with t = tanh(softplus(x)), w = (1 - t**2) sigmoid(x).  The
    least value is -0.309, at x = -1.192.  0 at -inf.

    Args:
        x: an array or number of real or complex dtype; integers count as float32.

    Raises:
        TypeError: `x` is no array or number.

    Reference:
        Misra (2019), arXiv:1908.08681
    """
    if jnp.iscomplexobj(x):
        return x * jnp.tanh(jnp.logaddexp(x, jnp.zeros_like(x)))
    # far from 0, with e = exp(-|x|), t is 1 less h above 0 and e less e * h below
    below = x < 0
    tail = num.faint_exp(-jnp.abs(x))
    e, m = tail.value(), tail.mantissa
    h = jnp.where(below, e + e * e, 2 * e * e)
    h = shared(h / (2 * e + jnp.where(below, 2 + e * e, 1 + 2 * e * e)))
    faint = tail.scale(num.modest(x) * (m.head + (m.tail() - m.value() * h)))
    low, start = jnp.clip(x, -0.7, 0.7), float(np.asarray(0.6, x.dtype))
    middle = (0.6 - start) + low * num.polynomial(poly.MISH_MIDDLE, low)
    plain = jnp.where(jnp.abs(x) <= 0.7, x * start + x * middle, x * (1 - h))
    return jnp.where(x < -0.7, faint, plain)


_MISH_ROOT = (1.1924312145154952, 4.8484829848031044e-17)


@derivative_of(mish)
def _mish_dx(x: Array) -> Array:
    x = num.modest(x)
    tail = num.faint_exp(-jnp.abs(x))
    e = tail.value()
    u = e * num.polynomial(poly.MISH_INVERSE_SQUARE, e)
    below = num.less(1 + x, e * ((1.5 + x) + e * (1 + e / 4)), u)
    below = tail.times(below)
    q = 1 + 2 * e * (1 + e)
    above = 1 - 2 * e * e * (q - 2 * x * (1 + e)) / (q * q)
    a = jnp.clip(-x, -0.75, 1.75)
    middle = num.below_root(a, _MISH_ROOT, poly.MISH_DX_MIDDLE, 0.5)
    return jnp.where(x < -1.75, below, jnp.where(x > 0.75, above, middle))


@derivative_of(mish, order=2)
def _mish_dx2(x: Array) -> Array:
    x = num.modest(x)
    tail, e, q = _mish_parts(x)
    one, two, three = (constant(float(n), like=x) for n in (1, 2, 3))
    below = two + e * (two - e * (three + e.times(2)))
    above = -two - e * (three - e * (one + e).times(2))
    factor = ((one + e) * q).times(8) + (pair(x) * where(x < 0, below, above)).times(4)
    ratio = tail.mantissa * factor / (q * q * q)
    size = jnp.where(x < 0, ratio.value(), ratio.value() * e.value())
    return tail.scale(size)


def _mish_parts(x: Array) -> tuple[num.Exp, Pair, Pair]:
    """exp(-|x|), and the denominator of the tanh of softplus."""
    tail = num.faint_exp(-num.magnitude(x), extra_bits=4)
    e, one, two = tail.pair(), constant(1.0, like=x), constant(2.0, like=x)
    below, above = two + e * (two + e), one + (e * (one + e)).times(2)
    return tail, e, where(x < 0, below, above)


@activation(kinks=(-3.0, 3.0), integers="weak")
def hard_silu(x: Array) -> Array:
    """Piecewise quadratic silu, also called hard_swish: x times `hard_sigmoid`.

    hard_silu(x) = 0 if x <= -3 else x if x >= 3 else x * (x + 3) / 6

    Derivative: (2x + 3) / 6 for |x| < 3, 0 for x <= -3, 1 for x >= 3.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Raises:
        TypeError: `x` is no array or number of real dtype.

    Reference:
        Howard et al. (2019), Searching for MobileNetV3, arXiv:1905.02244
    """
    # no rounding where x nears -3, one less where the other form is well conditioned
    gate = jnp.where(x < -1.5, (x + 3) / 6, x / 6 + 0.5)
    return jnp.where(x >= 3, x, jnp.where(x <= -3, 0, x * gate))


@derivative_of(hard_silu)
def _hard_silu_dx(x: Array) -> Array:
    return jnp.where(x <= -3, 0, jnp.where(x >= 3, 1, (2 * x + 3) / 6))


@derivative_of(hard_silu, order=2)
def _hard_silu_dx2(x: Array) -> Array:
    return jnp.maximum(jnp.sign(3 - jnp.abs(x)), 0) / 3


hard_swish = hard_silu
