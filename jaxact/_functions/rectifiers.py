"""Piecewise linear: the identity on one side, little or nothing on the other.

A rectifier is its own best witness: where the output is positive the slope is 1, so
the backward pass keeps the output, which the next layer keeps anyway, and nothing else.
"""

import jax.numpy as jnp
from jax import Array

from .. import _numerics as num
from .._core import activation, derivative_of


@activation(integers="keep", holomorphic=True)
def identity(x: Array) -> Array:
    """The identity, a linear layer's activation.

    identity(x) = x

    Derivative: identity'(x) = 1.

    Args:
        x: an array or number of any dtype, which the result keeps.

    Raises:
        TypeError: `x` is no array or number.
    """
    return x


@derivative_of(identity)
def _identity_dx() -> float:
    return 1.0


@derivative_of(identity, order=2)
def _identity_dx2() -> float:
    return 0.0


@activation(kinks=(0.0,), integers="keep")
def relu(x: Array) -> Array:
    """Rectified linear unit.

    relu(x) = x if x > 0 else 0

    The derivation: g(z) = max(0, z) is z for z > 0 and 0 for z < 0, so g'(z) = 1 for
    z > 0 and g'(z) = 0 for z < 0.  At z = 0 the two sides disagree; g'(0) = 0 here, as
    in every framework.  Simple and cheap, but a unit whose z is at or below 0 for every
    input has no gradient left to move it: it is dead (see `leaky_relu`).

    Shape and dtype are those of `x`; integer arrays keep their dtype.

    Args:
        x: an array or number of real dtype.

    Raises:
        TypeError: `x` is no array or number of real dtype.

    Reference:
        Nair, Hinton (2010), Rectified linear units improve restricted Boltzmann
        machines, ICML.  On relu'(0): Bertoin et al. (2021), arXiv:2106.12915
    """
    return jnp.maximum(x, 0)


@derivative_of(relu)
def _relu_dx(y: Array) -> Array:
    return jnp.sign(y)  # y is never negative, and a NaN stays one


@activation(kinks=(0.0,), integers="weak")
def leaky_relu(x: Array, negative_slope: float | Array = 0.01) -> Array:
    """Leaky rectified linear unit.

    leaky_relu(x, negative_slope) = x if x >= 0 else negative_slope * x

    The derivation: g(z) = max(0.01 z, z) is z for z >= 0 and 0.01 z for z < 0, so
    g'(z) = 1 for z > 0 and g'(z) = 0.01, or another small slope, for z < 0.  The slope
    below 0 keeps a gradient in units that a ReLU would leave dead.  At z = 0 the slope
    is 1, as in JAX; PyTorch takes `negative_slope` there.  TensorFlow's default is 0.2.

    Derivative by `negative_slope`: min(x, 0).

    Args:
        x: an array or number of real dtype; integers count as float32.
        negative_slope: the slope below 0, a number or an array that broadcasts with x.

    Raises:
        TypeError: an argument is no array or number of real dtype.

    Reference:
        Maas, Hannun, Ng (2013), Rectifier nonlinearities improve neural network
        acoustic models, ICML workshop
    """
    # the maximum only turns -0 into 0: the sign bit of the output then tells the
    # branch, also where the product underflows
    low = jnp.where(negative_slope == 0, num.finite(x), x)  # 0 * inf is NaN
    return jnp.where(x >= 0, jnp.maximum(x, 0), negative_slope * low)


@derivative_of(leaky_relu)
def _leaky_relu_dx(x: Array, y: Array, negative_slope: Array) -> Array:
    # a slope that is given may be negative: only under the default does y tell x's sign
    told = x if isinstance(negative_slope, Array) else y
    below = (told < 0) if told is x else jnp.signbit(told)
    return jnp.where(jnp.isnan(told), told, jnp.where(below, negative_slope, 1))


@derivative_of(leaky_relu, wrt="negative_slope")
def _leaky_relu_dnegative_slope(x: Array) -> Array:
    return jnp.minimum(x, 0)


@activation(kinks=(0.0, 6.0), integers="weak")
def relu6(x: Array) -> Array:
    """Rectified linear unit capped at 6, for low precision.

    relu6(x) = 0 if x <= 0 else x if x < 6 else 6

    Derivative: 1 for 0 < x < 6 and 0 elsewhere, 0 and 6 included, as in PyTorch.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Raises:
        TypeError: `x` is no array or number of real dtype.

    Reference:
        Howard et al. (2017), MobileNets, arXiv:1704.04861
    """
    return jnp.minimum(jnp.maximum(x, 0), 6)


@derivative_of(relu6)
def _relu6_dx(y: Array) -> Array:
    return jnp.where((y > 0) & (y < 6), 1, 0 * y)  # 0 * y keeps a NaN
