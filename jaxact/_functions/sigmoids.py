"""S-shaped: from one limit to another, with the slope largest in the middle.

Their slope is often computed from the output, as g (1 - g) or 1 - g**2.  Digits are
lost in that: once g has rounded to 1 the slope is 0, and the unit counts as dead.  Here
it is computed from the input, and is right until it underflows.
"""

import jax.numpy as jnp
from jax import Array, lax

from .._core import activation, derivative_of
from .._numerics import elementary as el, pieces as num
from .._numerics.pairs import constant


@activation(holomorphic=True)
def sigmoid(x: Array) -> Array:
    """Logistic sigmoid: a probability from a score.

    sigmoid(x) = 1 / (1 + exp(-x))

    The derivation: write g(z) = (1 + exp(-z))**-1.  By the chain rule

        g'(z) = -(1 + exp(-z))**-2 * d/dz (1 + exp(-z))
              = exp(-z) / (1 + exp(-z))**2
              = 1 / (1 + exp(-z)) * (exp(-z) / (1 + exp(-z)))
              = g(z) * (1 - g(z)),

    largest, 1/4, at z = 0, and so g''(z) = g'(z) * (1 - 2 g(z)).  The kernel uses the
    second line with exp(-|z|): 1 - g(z) loses its digits as g(z) nears 1.

    Args:
        x: an array or number of real or complex dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number.

    Example:
        >>> jaxact.sigmoid(jnp.array([-1.0, 2.0]))
        Array([0.26894143, 0.880797  ], dtype=float32)

    Reference:
        Rumelhart, Hinton, Williams (1986), Learning representations by back-propagating
        errors, Nature 323
    """
    return lax.logistic(x) if jnp.iscomplexobj(x) else num.logistic(x)


@derivative_of(sigmoid)
def _sigmoid_dx(x: Array) -> Array:
    return num.logistic_dx(x)


@derivative_of(sigmoid, order=2)
def _sigmoid_dx2(x: Array) -> Array:
    return num.logistic_dx2(x)


@derivative_of(sigmoid, order=3)
def _sigmoid_dx3(x: Array) -> Array:
    return num.logistic_dx3(x)


@activation(holomorphic=True)
def tanh(x: Array) -> Array:
    """Hyperbolic tangent: a sigmoid from -1 to 1.

    tanh(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x))

    The derivation: with s = exp(z) - exp(-z) and c = exp(z) + exp(-z), g = s / c, and
    s' = c, c' = s.  By the quotient rule

        g'(z) = (c * c - s * s) / c**2 = 1 - g(z)**2,

    largest, 1, at z = 0, and so g''(z) = -2 g(z) g'(z).  The kernel of g' is
    4 exp(-2|z|) / (1 + exp(-2|z|))**2: 1 - g**2 is 0 from |z| = 9 on in float32.

    Args:
        x: an array or number of real or complex dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number.

    Example:
        >>> jaxact.tanh(jnp.array([-1.0, 2.0]))
        Array([-0.7615942 ,  0.96402764], dtype=float32)

    Reference:
        LeCun, Bottou, Orr, Müller (1998), Efficient backprop
    """
    return jnp.tanh(x) if jnp.iscomplexobj(x) else num.tanh(x)


@derivative_of(tanh)
def _tanh_dx(x: Array) -> Array:
    return num.tanh_dx(x)


@derivative_of(tanh, order=2)
def _tanh_dx2(x: Array) -> Array:
    return num.logistic_dx2(2 * x, times=8.0)


@derivative_of(tanh, order=3)
def _tanh_dx3(x: Array) -> Array:
    return num.logistic_dx3(2 * x, times=16.0)


@activation(kinks=(0.0,))
def soft_sign(x: Array) -> Array:
    """Softsign: a sigmoid with algebraic tails.

    soft_sign(x) = x / (1 + x) if x >= 0 else x / (1 - x)

    Derivative: 1 / (1 + |x|)**2; second: -2 sign(x) / (1 + |x|)**3, -2 at 0.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.soft_sign(jnp.array([-1.0, 2.0]))
        Array([-0.5      ,  0.6666667], dtype=float32)

    Reference:
        Glorot, Bengio (2010), Understanding the difficulty of training deep feedforward
        neural networks, AISTATS
    """
    x = el.clip(x, -(2.0**60), 2.0**60)  # beyond, it is 1; inf / inf is NaN
    return x / (1 + jnp.abs(x))


@derivative_of(soft_sign)
def _soft_sign_dx(x: Array) -> Array:
    return 1 / num.square(num.one_plus_magnitude(x))


@derivative_of(soft_sign, order=2)
def _soft_sign_dx2(x: Array) -> Array:
    d = num.one_plus_magnitude(x)
    lift = num.lift(x)
    size = (constant(2 * lift, like=x) / d / d / d).value() / lift
    return el.where(x < 0, size, -size)
