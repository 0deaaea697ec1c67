"""The input times a gate that is a function of a function: x * tanh(softplus(x)).

Relatives of mish.  They are made of their parts, whose rules are their derivatives.
The slope is that of the product rule, gate + x * gate'.  There gate' needs only the
digits that its sum with the gate keeps; in the second derivative it needs all.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array

from .._core import Parameter, activation, derivative_of, kernels_of
from .._numerics import elementary as el, pieces as num, polynomials as poly
from .._numerics.pairs import Pair, constant, pair, shared, where
from . import _parts as parts
from .gelus import gelu_exact
from .sigmoids import sigmoid, tanh


@activation(holomorphic=True)
def mish(x: Array) -> Array:
    """Mish: the input times the tanh of its softplus.

    mish(x) = x * tanh(log(1 + exp(x)))

    Derivative: t + x w with t = tanh(softplus(x)), w = (1 - t**2) sigmoid(x).  The
    least value is -0.309, at x = -1.192.  0 at -inf.

    Args:
        x: an array or number of real or complex dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number.

    Example:
        >>> jaxact.mish(jnp.array([-1.0, 2.0]))
        Array([-0.30340147,  1.943959  ], dtype=float32)

    Reference:
        Misra (2019), arXiv:1908.08681
    """
    if jnp.iscomplexobj(x):
        return x * jnp.tanh(jnp.logaddexp(x, jnp.zeros_like(x)))
    # far from 0, with e = exp(-|x|), t is 1 - h above 0 and e - e * h below
    below = x < 0
    tail = num.exp_factor(-jnp.abs(x))
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
    tail = num.exp_factor(-jnp.abs(x))
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
    tail = num.exp_factor(-num.magnitude(x), extra_bits=4)
    e, one, two = tail.pair(), constant(1.0, like=x), constant(2.0, like=x)
    below, above = two + e * (two + e), one + (e * (one + e)).times(2)
    return tail, e, where(x < 0, below, above)


@activation
def golu(x: Array) -> Array:
    """Gompertz linear unit: the input times the Gumbel distribution function.

    golu(x) = x * exp(-exp(-x))

    Derivative: exp(-exp(-x)) * (1 + x * exp(-x)).  The tail below 0 is doubly
    exponential: in float32 it has underflowed at x = -4.7.  0 at -inf.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.golu(jnp.array([-1.0, 2.0]))
        Array([-0.06598804,  1.7468461 ], dtype=float32)

    Reference:
        Das et al. (2025), arXiv:2502.03654
    """
    x = el.maximum(x, -7)  # 0 beyond
    return x * jnp.exp(-jnp.exp(-x))


@derivative_of(golu)
def _golu_dx(x: Array) -> Array:
    x = el.clip(x, -7, -1.06 * num.lowest(x))
    e = jnp.exp(-x)
    return jnp.exp(-e) * (1 + x * e)


@derivative_of(golu, order=2)
def _golu_dx2(x: Array) -> Array:
    x = el.clip(x, -7, -1.06 * num.lowest(x))
    e = jnp.exp(-x)
    return (jnp.exp(-e) * e) * (2 + x * (e - 1))


@activation
def tanhexp(x: Array) -> Array:
    """The input times the tanh of its exponential, also called TeLU.

    tanhexp(x) = x * tanh(exp(x))

    Derivative: t + x * e * (1 - t**2) with e = exp(x), t = tanh(e).  0 at -inf.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.tanhexp(jnp.array([-1.0, 2.0]))
        Array([-0.3521355,  1.9999985], dtype=float32)

    Reference:
        Liu, Di (2020), arXiv:2003.09855; Fernandez, Mali (2024), arXiv:2412.20269
    """
    return _tanhexp(x)


def _tanhexp(x: Array) -> Array:
    # tanh of a larger one is 1, and its slope 0
    return num.opened(x, parts.tanh_of(*parts.exp_of(el.minimum(x, 6)), 1.0))


@derivative_of(tanhexp)
def _tanhexp_dx(x: Array) -> Array:
    x = el.clip(x, num.lowest(x), math.log(num.tanh_end(x)))
    e = num.exp_in_range(x)
    t, slope = num.tanh_and_slope(e)
    return t + (x * e) * slope


derivative_of(tanhexp, order=2)(parts.SecondDerivative(_tanhexp))


telu = tanhexp


@activation
def logish(x: Array) -> Array:
    """The input times the logarithm of 1 + sigmoid.

    logish(x) = x * log(1 + 1 / (1 + exp(-x)))

    Derivative: log(1 + s) + x * s' / (1 + s) with s = sigmoid(x).  x * log(2) far
    above 0, and 0 at -inf.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.logish(jnp.array([-1.0, 2.0]))
        Array([-0.23818304,  1.2633913 ], dtype=float32)

    Reference:
        Zhu et al. (2021), Logish: a new nonlinear nonmonotonic activation function for
        convolutional neural network, Neurocomputing 458
    """
    return num.opened(x, num.log1p_up_to_1(sigmoid(x)))


@derivative_of(logish)
def _logish_dx(x: Array) -> Array:
    x = el.clip(x, num.lowest(x), -num.lowest(x))
    e, below = num.exp_in_range(-jnp.abs(x)), x < 0
    s = shared(el.where(below, e, 1) / (1 + e))
    # (1 - s) / (1 + s), which has all its digits
    share = el.where(below, 1, e) / el.where(below, 1 + 2 * e, 2 + e)
    return num.log1p_up_to_1(s) + (x * s) * share


def _logish(x: Array) -> Array:
    return num.opened(x, jnp.log1p(sigmoid(x)))


derivative_of(logish, order=2)(parts.SecondDerivative(_logish))


@activation
def smish(x: Array) -> Array:
    """The input times the tanh of the logarithm of 1 + sigmoid.

    smish(x) = x * tanh(log(1 + 1 / (1 + exp(-x))))

    Derivative: t + x * (1 - t**2) * s' / (1 + s) with s = sigmoid(x),
    t = tanh(log(1 + s)).  3 / 5 of x far above 0, and 0 at -inf.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.smish(jnp.array([-1.0, 2.0]))
        Array([-0.2337788,  1.1184373], dtype=float32)

    Reference:
        Wang, Ren, Wang (2022), Smish: a novel activation function for deep learning
        methods, Electronics 11
    """
    s = sigmoid(x)
    w = s * (2 + s)  # (1 + s)**2 - 1
    inverse = 1 / (2 + w)
    return num.opened(x, el.where(x > 0, 1 - 2 * inverse, w * inverse))


_gelu, _gelu_dx, _ = kernels_of(gelu_exact)


@activation
def phish(x: Array) -> Array:
    """The input times the tanh of its GELU.

    phish(x) = x * tanh(x * erfc(-x / sqrt(2)) / 2)

    Derivative: t + x * (1 - t**2) * gelu'(x) with t = tanh(gelu_exact(x)).  0 at -inf.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.phish(jnp.array([-1.0, 2.0]))
        Array([0.15733732, 1.9213358 ], dtype=float32)

    Reference:
        Naveen (2022), Phish: a novel activation function that could bring a
        significant improvement to deep learning, TechRxiv
    """
    return _phish(x)


def _phish(x: Array) -> Array:
    return num.opened(x, tanh(gelu_exact(x)))


@derivative_of(phish)
def _phish_dx(x: Array) -> Array:
    x = el.clip(x, -40, num.tanh_end(x))
    t, slope = num.tanh_and_slope(_gelu(x))
    return t + (x * slope) * _gelu_dx(x)


derivative_of(phish, order=2)(parts.SecondDerivative(_phish))


@activation
def mila(x: Array, beta: Parameter = -0.25) -> Array:
    """Mish with its gate shifted.

    mila(x, beta) = x * tanh(log(1 + exp(beta + x)))

    Derivative: t + x * w with t = tanh(softplus(beta + x)),
    w = (1 - t**2) * sigmoid(beta + x); by beta: x * w.  beta = 0 is `mish`.

    Args:
        x: an array or number of real dtype; integers count as float32.
        beta: the shift of the gate, a number or an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x + beta`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.mila(jnp.array([-1.0, 2.0]))
        Array([-0.24673115,  1.9142085 ], dtype=float32)

    Reference:
        Misra (2019), Mila, a package of its author
    """
    return _mila(x, beta)


def _mila(x: Array, beta: Parameter) -> Array:
    u = parts.softplus_of(*parts.total(beta, x))
    return num.opened(x, parts.tanh_of(*u, 1.0))


@derivative_of(mila)
def _mila_dx(x: Array, beta: Array) -> Array:
    # tanh(softplus(u)) is w / (w + 2) with w = e * (e + 2), e = exp(u)
    u, rest = parts.total(beta, el.clip(x, -(2.0**60), 2.0**60))
    e = num.exp_in_range(el.clip(u, num.lowest(x), 40), 1.0, rest)
    w = e * (e + 2)
    inverse = shared(1 / (w + 2))
    slope = (4 * e * (1 + e) * inverse) * inverse
    return w * inverse + el.where(u > 40, 0, num.square_clip(x) * slope)


derivative_of(mila, order=2)(parts.SecondDerivative(_mila))
