"""The input times a gate that the input itself opens: x * sigmoid-like(x).

Their tail below 0 is x times something exponentially small, a product that is normal
long after the small factor has underflowed; their slope has a root near -1.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import _numerics as num
from .._core import activation, derivative_of


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


@derivative_of(silu)
def _silu_dx(x: Array) -> Array:
    x = _clip(x)
    return num.gated_dx(x, jnp.abs(x), x)


@derivative_of(silu, order=2)
def _silu_dx2(x: Array) -> Array:
    a = jnp.abs(_clip(x))
    return num.gated_dx2(a, jnp.full_like(a, 2), a)


def _clip(x: Array) -> Array:
    """x, or where all is settled for float32 and float64."""
    limit = -num.lowest(x)
    return jnp.clip(x, -limit, limit)


_V1 = 2 * np.sqrt(2 / np.pi)
_V3 = _V1 * 0.044715


@activation(holomorphic=True)
def gelu_tanh(x: Array) -> Array:
    """Gaussian error linear unit, in the approximation by tanh.

    gelu_tanh(x) = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))

    Derivative: s + x s' v' with v(x) = sqrt(8 / pi) (x + 0.044715 x**3), s = sigmoid(v),
    s' = sigmoid'(v).  Within 5e-4 of `gelu_exact`.  0 at -inf.

    Args:
        x: an array or number of real or complex dtype; integers count as float32.

    Raises:
        TypeError: `x` is no array or number.

    Reference:
        Hendrycks, Gimpel (2016), arXiv:1606.08415
    """
    if jnp.iscomplexobj(x):
        return x / 2 * (1 + jnp.tanh((_V1 * x + _V3 * x**3) / 2))
    return num.gated(x, *num.odd_cubic(jnp.abs(_near(x)), _V1, _V3))


def _near(x: Array) -> Array:
    """x, or where the gate is 0 or 1 for float32 and float64."""
    limit = 16 if x.dtype.itemsize == 4 else 32
    return jnp.clip(x, -limit, limit)


@derivative_of(gelu_tanh)
def _gelu_tanh_dx(x: Array) -> Array:
    x = _near(x)
    v, rest = num.odd_cubic(jnp.abs(x), _V1, _V3)
    return num.gated_dx(x, v, x * (_V1 + 3 * _V3 * x * x), rest)


@derivative_of(gelu_tanh, order=2)
def _gelu_tanh_dx2(x: Array) -> Array:
    a = jnp.abs(_near(x))
    v, rest = num.odd_cubic(a, _V1, _V3)
    slope = _V1 + 3 * _V3 * a * a
    return num.gated_dx2(v, 2 * _V1 + 12 * _V3 * a * a, a * slope * slope, rest)


@activation
def gelu_exact(x: Array) -> Array:
    """Gaussian error linear unit: x times the normal distribution function.

    gelu_exact(x) = x * erfc(-x / sqrt(2)) / 2

    Derivative: Phi(x) + x phi(x); second: phi(x) (2 - x**2), with Phi and phi the normal
    distribution and density.  The least value is -0.170, at x = -0.752.  0 at -inf.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Raises:
        TypeError: `x` is no array or number of real dtype.

    Reference:
        Hendrycks, Gimpel (2016), arXiv:1606.08415
    """
    a = jnp.minimum(jnp.abs(x), num.GAUSS_LIMIT)
    return jnp.maximum(x, 0) - num.gauss(a).times(a * num.mills(a))


_DENSITY = 1 / np.sqrt(2 * np.pi)


@derivative_of(gelu_exact)
def _gelu_exact_dx(x: Array) -> Array:
    a = jnp.minimum(jnp.abs(x), num.GAUSS_LIMIT)
    below = num.gauss(a).times(num.mills(a) - _DENSITY * a)
    return jnp.where(x > 0, 1 - below, below)


@derivative_of(gelu_exact, order=2)
def _gelu_exact_dx2(x: Array) -> Array:
    a = jnp.minimum(jnp.abs(x), num.GAUSS_LIMIT)
    head, rest = num.half_square(a)
    return num.gauss(a).times(2 * _DENSITY * ((1 - head) - rest))


def gelu(x: Array, approximate: bool = True) -> Array:
    """Gaussian error linear unit: `gelu_tanh`, or `gelu_exact` if not `approximate`.

    The default is that of jax.nn and Flax; PyTorch and Keras layers default to the exact
    form.

    Args:
        x: an array or number of real dtype; integers count as float32.
        approximate: whether to take the approximation by tanh.

    Raises:
        TypeError: `x` is no array or number of real dtype.
    """
    if getattr(x, "weak_type", isinstance(x, (bool, int, float))):
        x = jnp.asarray(x, jnp.result_type(x, float))  # not weakly typed, as in jax.nn
    return gelu_tanh(x) if approximate else gelu_exact(x)


@activation(holomorphic=True)
def mish(x: Array) -> Array:
    """Mish: the input times the tanh of its softplus.

    mish(x) = x * tanh(log(1 + exp(x)))

    Derivative: t + x w with t = tanh(softplus(x)), w = (1 - t**2) sigmoid(x).  The least
    value is -0.309, at x = -1.192.  0 at -inf.

    Args:
        x: an array or number of real or complex dtype; integers count as float32.

    Raises:
        TypeError: `x` is no array or number.

    Reference:
        Misra (2019), arXiv:1908.08681
    """
    if jnp.iscomplexobj(x):
        return x * jnp.tanh(jnp.logaddexp(x, jnp.zeros_like(x)))
    # with e = exp(-|x|), t is 1 + 2e over 1 + 2e + 2e**2 above 0, and below
    # e (2 + e) over 2 + 2e + e**2
    tail = num.faint_exp(-jnp.abs(x))
    e = tail.value()
    top = jnp.where(x < 0, tail.times(_clip(x) * (2 + e)), x * (1 + 2 * e))
    return top / jnp.where(x < 0, 2 + e * (2 + e), 1 + 2 * e * (1 + e))


@derivative_of(mish)
def _mish_dx(x: Array) -> Array:
    x = _clip(x)
    tail = num.faint_exp(-jnp.abs(x))
    e = tail.value()
    q = jnp.where(x < 0, 2 + e * (2 + e), 1 + 2 * e * (1 + e))
    below = tail.times((2 + e) * q + 4 * x * (1 + e))
    above = (1 + 2 * e) * q + 4 * x * e * e * (1 + e)
    return jnp.where(x < 0, below, above) / (q * q)


@derivative_of(mish, order=2)
def _mish_dx2(x: Array) -> Array:
    x = _clip(x)
    tail = num.faint_exp(-jnp.abs(x))
    e = tail.value()
    q = jnp.where(x < 0, 2 + e * (2 + e), 1 + 2 * e * (1 + e))
    cubic = jnp.where(x < 0, 2 + e * (2 - e * (3 + 2 * e)), -2 - e * (3 - e * (2 + 2 * e)))
    factor = 2 * (1 + e) * q + x * cubic
    return 4 * tail.times(jnp.where(x < 0, factor, e * factor)) / (q * q * q)


@activation(kinks=(-3.0, 3.0))
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
    between = x * (jnp.clip(x, -3, 3) + 3) / 6
    return jnp.where(x >= 3, x, jnp.where(x <= -3, 0, between))


@derivative_of(hard_silu)
def _hard_silu_dx(x: Array) -> Array:
    return jnp.where(x <= -3, 0, jnp.where(x >= 3, 1, (2 * x + 3) / 6))


@derivative_of(hard_silu, order=2)
def _hard_silu_dx2(x: Array) -> Array:
    return jnp.maximum(jnp.sign(3 - jnp.abs(x)), 0) / 3
