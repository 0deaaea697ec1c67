"""Tanh and the error function with scales, fixed or to be trained.

They cap logits, replace a normalisation layer, or smooth |x|.
"""

import math

import jax.numpy as jnp
from jax import Array

from .._core import Parameter, activation, derivative_of
from .._numerics import elementary as el, pieces as num
from . import _parts as parts
from .sigmoids import tanh


@activation(domain={"cap": (0.0, float("inf"))})
def softcap(x: Array, cap: Parameter = 50.0) -> Array:
    """Soft cap: keeps scores within -cap to cap.

    softcap(x, cap) = cap * tanh(x / cap)

    Derivative: 1 - tanh(u)**2 with u = x / cap; by cap: tanh(u) - u * (1 - tanh(u)**2).
    Gemma 2 caps the scores of attention at 50, those of the output at 30.

    Args:
        x: an array or number of real dtype; integers count as float32.
        cap: the bound, positive, a number or an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x + cap`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.softcap(jnp.array([-20.0, 100.0]))
        Array([-18.997448,  48.20138 ], dtype=float32)

    Reference:
        Gemma Team (2024), arXiv:2408.00118
    """
    return cap * parts.tanh_of(*parts.over(x, cap))


@derivative_of(softcap, wrt="cap")  # tanh(u) - u * tanh'(u), whose terms cancel at 0
def _softcap_dcap(x: Array, cap: Array) -> Array:
    slope = parts.tanh_slope(*parts.over(x, cap))
    u = num.square_clip(x) / cap
    low = el.clip(u, -1, 1)
    near = low * low * low * num.horner(_LAG, low * low) * slope
    return el.where(jnp.abs(u) < 1, near, tanh(u) - u * slope)


# (sinh(2 * u) / 2 - u) / u**3, in powers of u**2
_LAG = tuple(2.0 ** (2 * n) / math.factorial(2 * n + 1) for n in range(1, 12))


@activation
def lecun_tanh(x: Array) -> Array:
    """Tanh scaled so that f(1) is about 1, and f(-1) about -1.

    lecun_tanh(x) = 1.7159 * tanh(2 * x / 3)

    Derivative: 1.7159 * 2 / 3 * (1 - tanh(2 * x / 3)**2).

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.lecun_tanh(jnp.array([-1.0, 2.0]))
        Array([-0.9999972,  1.4929388], dtype=float32)

    Reference:
        LeCun, Bottou, Orr, Müller (1998), Efficient backprop
    """
    return 1.7159 * parts.tanh_of(*parts.over(x, 1.5))


@activation
def adaptive_tanh(
    x: Array, alpha: Parameter = 1.0, n: Parameter = 1.0, axis: int | None = None
) -> Array:
    """Tanh with a slope to train, for networks that solve differential equations.

    adaptive_tanh(x, alpha, n) = tanh(n * alpha * x)

    Derivative: n * alpha * d with d = 1 - tanh(n * alpha * x)**2; by alpha: n * x * d;
    by n: alpha * x * d.

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha: the slope to train, a number or an array that broadcasts with x.
        n: a fixed factor of the slope, which makes alpha learn faster.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + alpha + n`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.adaptive_tanh(jnp.array([-1.0, 2.0]))
        Array([-0.7615942 ,  0.96402764], dtype=float32)

    Reference:
        Jagtap, Kawaguchi, Karniadakis (2019), arXiv:1906.01170
    """
    return parts.tanh_of(*parts.times_of(n * alpha, x))


@activation
def dyt(
    x: Array,
    alpha: Parameter = 0.5,
    gamma: Parameter = 1.0,
    beta: Parameter = 0.0,
    axis: int | None = None,
) -> Array:
    """Dynamic tanh: in place of a normalisation layer.

    dyt(x, alpha, gamma, beta) = gamma * tanh(alpha * x) + beta

    Derivative: gamma * alpha * d with d = 1 - tanh(alpha * x)**2; by alpha:
    gamma * x * d; by gamma: tanh(alpha * x); by beta: 1.

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha: the scale of the input, one for all, to train.
        gamma: the scale of the output, usually one for each channel.
        beta: what is added to the output, usually one for each channel.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + alpha + gamma + beta`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.dyt(jnp.array([-1.0, 2.0]))
        Array([-0.46211714,  0.7615942 ], dtype=float32)

    Reference:
        Zhu et al. (2025), arXiv:2503.10622
    """
    return gamma * parts.tanh_of(*parts.times_of(alpha, x)) + beta


@activation
def derf(
    x: Array,
    alpha: Parameter = 0.5,
    shift: Parameter = 0.0,
    gamma: Parameter = 1.0,
    beta: Parameter = 0.0,
    axis: int | None = None,
) -> Array:
    """Dynamic erf: in place of a normalisation layer, as `dyt`.

    derf(x, alpha, shift, gamma, beta) = gamma * erf(alpha * x + shift) + beta

    Derivative: gamma * alpha * b with b = 2 / sqrt(pi) * exp(-(alpha * x + shift)**2);
    by alpha: gamma * x * b; by shift: gamma * b; by gamma: erf(alpha * x + shift); by
    beta: 1.

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha: the scale of the input, one for all, to train.
        shift: what is added to the input, one for all, to train.
        gamma: the scale of the output, usually one for each channel.
        beta: what is added to the output, usually one for each channel.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + alpha + shift + gamma + beta`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.derf(jnp.array([-1.0, 2.0]))
        Array([-0.5204998 ,  0.84270084], dtype=float32)

    Reference:
        Chen et al. (2025), arXiv:2512.10938
    """
    u = parts.product(alpha, x)
    if isinstance(shift, Array) or shift:
        u = parts.total(shift, *u)
    return gamma * parts.erf_of(*u) + beta


@activation
def stan(x: Array, beta: Parameter = 1.0, axis: int | None = None) -> Array:
    """Self-scalable tanh: tanh that grows, for networks that solve equations.

    stan(x, beta) = tanh(x) * (1 + beta * x)

    That is tanh(x) + beta * x * tanh(x).  Derivative:
    (1 + beta * x) * (1 - tanh(x)**2) + beta * tanh(x); by beta: x * tanh(x).

    Args:
        x: an array or number of real dtype; integers count as float32.
        beta: the weight of x * tanh(x), a number or an array that broadcasts with x.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + beta`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.stan(jnp.array([-1.0, 2.0]))
        Array([0.      , 2.892083], dtype=float32)

    Reference:
        Gnanasambandam et al. (2022), arXiv:2204.12589
    """
    t = tanh(x)
    return t + num.opened(x, beta * t)


@derivative_of(stan, wrt="beta")
def _stan_dbeta(x: Array) -> Array:
    return x * tanh(x)  # at infinity too


@activation
def lisht(x: Array) -> Array:
    """Linearly scaled tanh: an even function, |x| with a round bottom.

    lisht(x) = x * tanh(x)

    Derivative: tanh(x) + x * (1 - tanh(x)**2).

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.lisht(jnp.array([-1.0, 2.0]))
        Array([0.7615942, 1.9280553], dtype=float32)

    Reference:
        Roy et al. (2019), arXiv:1901.05894
    """
    return _lisht(x)


def _lisht(x: Array) -> Array:
    return num.opened(x, tanh(x))


@derivative_of(lisht)
def _lisht_dx(x: Array) -> Array:
    x = el.clip(x, -num.tanh_end(x), num.tanh_end(x))
    t, slope = num.tanh_and_slope(x)
    return t + x * slope


derivative_of(lisht, order=2)(parts.SecondDerivative(_lisht))


@activation(domain={"a": (0.0, float("inf"))})
def soft_modulus_t(x: Array, a: Parameter = 0.01) -> Array:
    """Soft modulus by tanh: `lisht` brought closer to |x|.

    soft_modulus_t(x, a) = x * tanh(x / a)

    Derivative: tanh(u) + u * (1 - tanh(u)**2) with u = x / a; by a:
    -u**2 * (1 - tanh(u)**2).

    Args:
        x: an array or number of real dtype; integers count as float32.
        a: the width of the bend, positive, a number or an array that broadcasts.

    Returns:
        An array of the shape and dtype of `x + a`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.soft_modulus_t(jnp.array([0.005, 2.0]))
        Array([0.00231059, 2.        ], dtype=float32)

    Reference:
        Vallés-Pérez et al. (2023), arXiv:2301.05993
    """
    return _soft_modulus_t(x, a)


def _soft_modulus_t(x: Array, a: Parameter) -> Array:
    return num.opened(x, parts.tanh_of(*parts.over(x, a)))


@derivative_of(soft_modulus_t)
def _soft_modulus_t_dx(x: Array, a: Array) -> Array:
    end = num.tanh_end(x)
    u = el.clip(num.square_clip(x) * (1 / a), -end, end)
    t, slope = num.tanh_and_slope(u)
    return t + u * slope


derivative_of(soft_modulus_t, order=2)(parts.SecondDerivative(_soft_modulus_t))
