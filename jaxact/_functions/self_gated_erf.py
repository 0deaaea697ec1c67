"""The input times the error function of a softplus or an exponential: serf and kin.

As in `self_gated_composed` they are made of parts, with slopes of their own.
"""

import math

import jax.numpy as jnp
from jax import Array

from .._core import Parameter, activation, derivative_of
from .._numerics import elementary as el, pieces as num
from . import _parts as parts
from .distributions import erf


@activation
def serf(x: Array) -> Array:
    """The input times the error function of its softplus.

    serf(x) = x * erf(log(1 + exp(x)))

    Derivative: erf(p) + x * 2 / sqrt(pi) * exp(-p**2) * sigmoid(x) with
    p = softplus(x).  0 at -inf.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.serf(jnp.array([-1.0, 2.0]))
        Array([-0.34224793,  1.9947393 ], dtype=float32)

    Reference:
        Nag, Bhattacharyya (2021), arXiv:2108.09598
    """
    return _serf(x)


def _serf(x: Array) -> Array:
    return num.opened(x, parts.erf_of(*parts.softplus_of(x)))


@derivative_of(serf)
def _serf_dx(x: Array) -> Array:
    x = el.clip(x, num.lowest(x), 40)
    return _slope_of_serf(x, num.exp_in_range(-jnp.abs(x)), 1.0)


def _slope_of_serf(v: Array, e: Array, gamma: Parameter) -> Array:
    """erf(u) + gamma * v * sigmoid(v) * 2 / sqrt(pi) * exp(-u**2), e = exp(-|v|)."""
    u = gamma * (el.maximum(v, 0) + num.log1p_up_to_1(e))
    gate = el.where(v < 0, e, 1) / (1 + e)
    return erf(u) + _SLOPE * (gamma * v * gate * jnp.exp(-u * u))


_SLOPE = 2 / math.sqrt(math.pi)  # of erf at 0


derivative_of(serf, order=2)(parts.SecondDerivative(_serf))


@activation
def erfact(
    x: Array, alpha: Parameter = 0.75, beta: Parameter = 0.75, axis: int | None = None
) -> Array:
    """ErfAct: the input times the error function of an exponential.

    erfact(x, alpha, beta) = x * erf(alpha * exp(beta * x))

    Derivative: erf(u) + x * beta * u * b with u = alpha * exp(beta * x),
    b = 2 / sqrt(pi) * exp(-u**2); by alpha: x * exp(beta * x) * b; by beta:
    x**2 * u * b.  0 at -inf for positive beta.

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha: the factor of the exponential, a number or an array that broadcasts.
        beta: the factor in the exponent, a number or an array that broadcasts.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + alpha + beta`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.erfact(jnp.array([-1.0, 2.0]))
        Array([-0.3836432,  1.999996 ], dtype=float32)

    Reference:
        Biswas et al. (2021), arXiv:2109.04386
    """
    return _erfact(x, alpha, beta)


def _erfact(x: Array, alpha: Parameter, beta: Parameter) -> Array:
    u, rest = parts.product(beta, x)
    u = el.minimum(u, 80)  # of a finite exponential
    return num.opened(x, parts.erf_of(*parts.exp_of(u, rest, alpha)))


@derivative_of(erfact)
def _erfact_dx(x: Array, alpha: Array, beta: Array) -> Array:
    x = _within(x, beta)
    u = num.square_clip(alpha * num.exp_in_range(x, beta))
    return erf(u) + _SLOPE * (u * (beta * x) * jnp.exp(-u * u))


def _within(x: Array, times: Array) -> Array:
    """x as far as the exponential of times * x neither overflows nor underflows."""
    end = -num.lowest(x) / el.maximum(jnp.abs(times), 1e-30)
    return el.clip(x, -end, end)


derivative_of(erfact, order=2)(parts.SecondDerivative(_erfact))


@activation
def pserf(
    x: Array, gamma: Parameter = 1.25, delta: Parameter = 0.85, axis: int | None = None
) -> Array:
    """Parametric serf: the input times the error function of a scaled softplus.

    pserf(x, gamma, delta) = x * erf(gamma * log(1 + exp(delta * x)))

    Derivative: erf(u) + x * gamma * delta * sigmoid(delta * x) * b with
    u = gamma * softplus(delta * x), b = 2 / sqrt(pi) * exp(-u**2); by gamma:
    x * softplus(delta * x) * b; by delta: x**2 * gamma * sigmoid(delta * x) * b.

    Args:
        x: an array or number of real dtype; integers count as float32.
        gamma: the scale of the softplus, a number or an array that broadcasts.
        delta: the scale of its argument, a number or an array that broadcasts.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + gamma + delta`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.pserf(jnp.array([-1.0, 2.0]))
        Array([-0.47070757,  1.9980787 ], dtype=float32)

    Reference:
        Biswas et al. (2021), arXiv:2109.04386
    """
    return _pserf(x, gamma, delta)


def _pserf(x: Array, gamma: Parameter, delta: Parameter) -> Array:
    u = parts.softplus_of(*parts.product(delta, x))
    return num.opened(x, parts.erf_of(*parts.product(gamma, *u)))


@derivative_of(pserf)
def _pserf_dx(x: Array, gamma: Array, delta: Array) -> Array:
    x, size = _within(x, delta), abs(delta)
    e = num.exp_in_range(jnp.abs(x), -size)
    return _slope_of_serf(delta * x, e, gamma)


derivative_of(pserf, order=2)(parts.SecondDerivative(_pserf))
