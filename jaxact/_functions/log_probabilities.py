"""Logarithms of probabilities, for losses: no probability is formed on the way.

The logarithm keeps all its digits where the probability itself has underflowed, or has
rounded to 1.
"""

import jax.numpy as jnp
from jax import Array

from .._core import activation, derivative_of
from .._numerics import elementary as el, pieces as num, polynomials as poly
from .._numerics.pairs import pair


@activation(holomorphic=True)
def log_sigmoid(x: Array) -> Array:
    """Logarithm of the sigmoid, a log-probability from a score.

    log_sigmoid(x) = -log(1 + exp(-x))

    Derivative: sigmoid(-x); second: -sigmoid'(x).  x far below 0, -exp(-x) far above.

    Args:
        x: an array or number of real or complex dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number.

    Example:
        >>> jaxact.log_sigmoid(jnp.array([-1.0, 2.0]))
        Array([-1.3132617 , -0.12692802], dtype=float32)
    """
    if jnp.iscomplexobj(x):
        return -jnp.logaddexp(-x, jnp.zeros_like(x))
    return el.minimum(x, 0) - num.log1p(num.exp_pair(-jnp.abs(x)))


@derivative_of(log_sigmoid)
def _log_sigmoid_dx(x: Array) -> Array:
    return num.logistic(-x)


@derivative_of(log_sigmoid, order=2)
def _log_sigmoid_dx2(x: Array) -> Array:
    return -num.logistic_dx(x)


@derivative_of(log_sigmoid, order=3)
def _log_sigmoid_dx3(x: Array) -> Array:
    return -num.logistic_dx2(x)


@activation(domain={"x": (0.0, float("inf"))})
def log1mexp(x: Array) -> Array:
    """log(1 - exp(-x)) for x > 0: the log-probability of the complement.

    log1mexp(x) = log(1 - exp(-x))

    Derivative: 1 / (exp(x) - 1); second: -exp(x) / (exp(x) - 1)**2.  -inf at 0 and NaN
    below, where it is not defined; 0 at inf.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.log1mexp(jnp.array([0.5, 2.0]))
        Array([-0.93275213, -0.14541346], dtype=float32)

    Reference:
        Maechler (2012), Accurately computing log(1 - exp(-|a|)), R package Rmpfr
    """
    tail = num.exp_pair(-jnp.abs(x))
    # NaN of a negative number; a NaN among constants would stop JAX's debugging
    near = jnp.log(el.where(x < 0, x, tail.complement()))
    return el.where(x < 0.7, near, num.log1m(tail))


@derivative_of(log1mexp)
def _log1mexp_dx(x: Array) -> Array:
    tail = num.exp_pair(-jnp.abs(x))
    e, u = (el.where(x < 0, 0, v) for v in (tail.value(), tail.complement()))
    return e / u  # NaN below 0


@derivative_of(log1mexp, order=2)
def _log1mexp_dx2(x: Array) -> Array:
    tail = num.exp_factor(-jnp.abs(x), extra_bits=4)
    u = pair(num.complement(-jnp.abs(x), tail))
    far = tail.scale((tail.mantissa / u / u).value())
    low = el.clip(x, 2.0**-30, 1)
    square = low * low
    near = 1 / (square + square * square * num.polynomial(poly.SINH_TAIL, square))
    least = jnp.square(el.where(x < 0, 0, 1) / el.maximum(x, 0))  # NaN below 0
    return -el.where(x < 2.0**-30, least, el.where(x < 1, near, far))
