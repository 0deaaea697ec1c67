"""The input times a gate that the input itself opens: x * sigmoid-like(x).

Their tail below 0 is x times something exponentially small, a product that is normal
long after the small factor has underflowed; their slope has a root near -1.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import _elementary as el
from .. import _gates as gates
from .. import _numerics as num
from .. import _polynomials as poly
from .._core import activation, derivative_of
from .._pairs import Pair, constant, pair, shared, where


@activation(holomorphic=True)
def silu(x: Array, beta: float | Array = 1.0) -> Array:
    """Sigmoid linear unit, also called swish.

    silu(x, beta) = x / (1 + exp(-beta * x))

    Derivative: s + u s (1 - s), with u = beta x and s = sigmoid(u); second:
    beta s (1 - s) (2 + u (1 - 2 s)); by beta: x**2 s (1 - s).  The least value is
    -0.278, at x = -1.278.  0 at -inf.  beta = 0 makes it x / 2, a large beta `relu`.

    Args:
        x: an array or number of real or complex dtype; integers count as float32.
        beta: how steep the gate is, a number or an array that broadcasts with x.

    Raises:
        TypeError: an argument is no array or number.

    Reference:
        Elfwing, Uchibe, Doya (2017), arXiv:1702.03118;
        Ramachandran, Zoph, Le (2017), arXiv:1710.05941
    """
    if jnp.iscomplexobj(x):
        u = beta * x
        return x * jnp.exp(-jnp.logaddexp(-u, jnp.zeros_like(u)))
    return gates.silu(x, beta)


@derivative_of(silu)
def _silu_dx(x: Array, beta: Array) -> Array:
    return gates.silu_dx(x, beta)


@derivative_of(silu, order=2)
def _silu_dx2(x: Array, beta: Array) -> Array:
    return gates.silu_dx2(x, beta)


@derivative_of(silu, wrt="beta")
def _silu_dbeta(x: Array, beta: Array) -> Array:
    return gates.silu_dbeta(x, beta)


swish = silu


@activation
def quick_gelu(x: Array) -> Array:
    """The gelu in the approximation by a sigmoid: `silu` with beta = 1.702.

    quick_gelu(x) = x / (1 + exp(-1.702 * x))

    Derivative: s + u s (1 - s), with u = 1.702 x and s = sigmoid(u); second:
    1.702 s (1 - s) (2 + u (1 - 2 s)).  Within 0.021 of `gelu_exact`.  0 at -inf.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Raises:
        TypeError: `x` is no array or number of real dtype.

    Reference:
        Hendrycks, Gimpel (2016), arXiv:1606.08415
    """
    return gates.silu(x, gates.QUICK)


@derivative_of(quick_gelu)
def _quick_gelu_dx(x: Array) -> Array:
    return gates.silu_dx(x, gates.QUICK)


@derivative_of(quick_gelu, order=2)
def _quick_gelu_dx2(x: Array) -> Array:
    return gates.silu_dx2(x, gates.QUICK)


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
        v1, v3 = gates.V1[0], gates.V3[0]
        return x / 2 * (1 + jnp.tanh((v1 * x + v3 * x**3) / 2))
    return gates.gelu_tanh(x)


@derivative_of(gelu_tanh)
def _gelu_tanh_dx(x: Array) -> Array:
    return gates.gelu_tanh_dx(x)


@derivative_of(gelu_tanh, order=2)
def _gelu_tanh_dx2(x: Array) -> Array:
    return gates.gelu_tanh_dx2(x)


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
    return gates.gelu_exact(x)


@derivative_of(gelu_exact)
def _gelu_exact_dx(x: Array) -> Array:
    return gates.gelu_exact_dx(x)


@derivative_of(gelu_exact, order=2)
def _gelu_exact_dx2(x: Array) -> Array:
    return gates.gelu_exact_dx2(x)


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

    Raises:
        TypeError: `x` is no array or number of real dtype.

    Reference:
        Wu et al. (2020), Integer quantization for deep learning inference,
        arXiv:2004.09602
    """
    return el.clip(gates.gelu_exact(x), low, high)


@derivative_of(gelu_clipped)
def _gelu_clipped_dx(x: Array, low: int, high: int) -> Array:
    y = gates.gelu_exact(x)
    return el.where((y < low) | (y > high), 0, gates.gelu_exact_dx(x))


@derivative_of(gelu_clipped, order=2)
def _gelu_clipped_dx2(x: Array, low: int, high: int) -> Array:
    y = gates.gelu_exact(x)
    return el.where((y < low) | (y > high), 0, gates.gelu_exact_dx2(x))


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
    h = el.where(below, e + e * e, 2 * e * e)
    h = shared(h / (2 * e + el.where(below, 2 + e * e, 1 + 2 * e * e)))
    faint = tail.scale(num.modest(x) * (m.head + (m.tail() - m.value() * h)))
    low, start = el.clip(x, -0.7, 0.7), float(np.asarray(0.6, x.dtype))
    middle = (0.6 - start) + low * num.polynomial(poly.MISH_MIDDLE, low)
    plain = el.where(jnp.abs(x) <= 0.7, x * start + x * middle, x * (1 - h))
    return el.where(x < -0.7, faint, plain)


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
    a = el.clip(-x, -0.75, 1.75)
    middle = num.below_root(a, _MISH_ROOT, poly.MISH_DX_MIDDLE, 0.5)
    return el.where(x < -1.75, below, el.where(x > 0.75, above, middle))


@derivative_of(mish, order=2)
def _mish_dx2(x: Array) -> Array:
    x = num.modest(x)
    tail, e, q = _mish_parts(x)
    one, two, three = (constant(float(n), like=x) for n in (1, 2, 3))
    below = two + e * (two - e * (three + e.times(2)))
    above = -two - e * (three - e * (one + e).times(2))
    factor = ((one + e) * q).times(8) + (pair(x) * where(x < 0, below, above)).times(4)
    ratio = tail.mantissa * factor / (q * q * q)
    size = el.where(x < 0, ratio.value(), ratio.value() * e.value())
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
    return el.where(x <= -3, 0, x * el.clip((x + 3) * (1 / 6), 0, 1))


@derivative_of(hard_silu)
def _hard_silu_dx(x: Array) -> Array:
    return el.where(x <= -3, 0, el.where(x >= 3, 1, (2 * x + 3) / 6))


@derivative_of(hard_silu, order=2)
def _hard_silu_dx2(x: Array) -> Array:
    return el.maximum(num.sign(3 - jnp.abs(x)), 0) / 3


hard_swish = hard_silu
