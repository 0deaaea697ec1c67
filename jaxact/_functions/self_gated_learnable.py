"""The input times a gate whose shape or range is a parameter, to be trained.

Between them they reach the identity, relu, leaky_relu, silu and gelu.  They are made of
their parts; a derivative is declared where the sum of these would cancel.
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from .._core import Parameter, activation, derivative_of, kernel_of, kernels_of
from .._numerics import elementary as el, pieces as num, polynomials as poly
from .._numerics.pairs import shared
from . import _parts as parts
from .distributions import erf, normal_cdf
from .gelus import gelu_exact
from .self_gated import silu
from .sigmoids import sigmoid, tanh

_silu, _silu_dx, _silu_dx2 = kernels_of(silu)
_silu_dbeta = kernel_of(silu, "beta")
_gelu_dx = kernel_of(gelu_exact, "x")


class _Tanh(NamedTuple):
    """alpha + tanh(u), u as far as tanh(u) is not 1, and tanh'(u)."""

    total: Array
    u: Array
    slope: Array


def _tanh_beside(alpha: Parameter, x: Array, beta: Parameter) -> _Tanh:
    """Where alpha and tanh(u) cancel, also where the latter is 1, digits are left."""
    times, end = jnp.asarray(2 * jnp.abs(beta), x.dtype), num.growth_end(x)
    largest = float(jnp.finfo(x.dtype).max)
    a = el.minimum(num.magnitude(x), el.minimum(end / times, largest))
    j = num.inverse_growth(a, times)
    sign = el.where((x < 0) == (beta < 0), 1, -1).astype(x.dtype)
    u = num.exact_product(sign * a, times / 2)
    low = el.clip(u.value(), -1, 1)
    square = low * low
    bend = low * (square * num.polynomial(poly.TANH_SHRINK, square))
    sum_ = alpha + u.head
    back = sum_ - alpha
    lost = (alpha - (sum_ - back)) + (u.head - back)
    near = sum_ + (lost + (u.tail() - bend))
    far = (alpha + sign) - sign * (2 * j)
    total = el.where(jnp.abs(u.head) < 0.6, near, far)
    return _Tanh(total, u.value(), 4 * j - 4 * j * j)


@activation
def aptx(
    x: Array,
    alpha: Parameter = 1.0,
    beta: Parameter = 1.0,
    gamma: Parameter = 0.5,
    axis: int | None = None,
) -> Array:
    """Alpha plus tanh times x: at the defaults silu(2x) / 2, a steeper silu.

    aptx(x, alpha, beta, gamma) = (alpha + tanh(beta * x)) * gamma * x

    Derivative: gamma * (alpha + t + beta * x * (1 - t**2)) with t = tanh(beta * x); by
    alpha: gamma * x; by beta: gamma * x**2 * (1 - t**2); by gamma: (alpha + t) * x.

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha: what is added to tanh, a number or an array that broadcasts with x.
        beta: the scale of the argument of tanh, a number or an array that broadcasts.
        gamma: the scale of it all, a number or an array that broadcasts with x.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + alpha + beta + gamma`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.aptx(jnp.array([-1.0, 2.0]))
        Array([-0.11920292,  1.9640275 ], dtype=float32)

    Reference:
        Kumar (2022), arXiv:2209.06119
    """
    return _aptx(num.unless(gamma == 0, x), alpha, beta, gamma)


def _aptx(x: Array, alpha: Parameter, beta: Parameter, gamma: Parameter) -> Array:
    if not isinstance(alpha, Array):  # 1 + tanh(u) is 2 * sigmoid(2 * u)
        return 2 * gamma * _silu(x, 2 * beta)
    return num.opened(x, gamma * _tanh_beside(alpha, x, beta).total)


@derivative_of(aptx)
def _aptx_dx(x: Array, alpha: Array, beta: Array, gamma: Array) -> Array:
    if not isinstance(alpha, Array):
        return 2 * gamma * _silu_dx(x, 2 * beta)
    gate = _tanh_beside(alpha, x, beta)
    return gamma * (gate.total + gate.u * gate.slope)


@derivative_of(aptx, order=2)
def _aptx_dx2(x: Array, beta: Array, gamma: Array) -> Array:
    return 2 * gamma * _silu_dx2(x, 2 * beta)


@derivative_of(aptx, wrt="alpha")
def _aptx_dalpha(x: Array, gamma: Array) -> Array:
    return num.opened(x, gamma)


@derivative_of(aptx, wrt="beta")
def _aptx_dbeta(x: Array, beta: Array, gamma: Array) -> Array:
    return 4 * gamma * _silu_dbeta(x, 2 * jnp.asarray(beta))


@derivative_of(aptx, wrt="gamma")
def _aptx_dgamma(x: Array, alpha: Array, beta: Array) -> Array:
    return _aptx(x, alpha, beta, 1.0)


@activation
def acon_c(
    x: Array,
    p1: Parameter = 1.0,
    p2: Parameter = 0.0,
    beta: Parameter = 1.0,
    axis: int | None = None,
) -> Array:
    """ACON-C: a smooth maximum of p1 * x and p2 * x.

    acon_c(x, p1, p2, beta) = p1 * x / (1 + exp(-beta * (p1 - p2) * x))
        + p2 * x / (1 + exp(beta * (p1 - p2) * x))

    That is (p1 - p2) * x * s + p2 * x with s = sigmoid(v), v = beta * (p1 - p2) * x.
    Derivative: p1 * s + p2 * (1 - s) + (p1 - p2) * v * s', s' = s * (1 - s); by p1:
    x * (s + v * s'); by p2: x * (1 - s - v * s'); by beta: ((p1 - p2) * x)**2 * s'.
    Silu at the defaults; max(p1 * x, p2 * x) for a large beta, their mean for beta = 0.

    Args:
        x: an array or number of real dtype; integers count as float32.
        p1: one slope, a number or an array that broadcasts with x.
        p2: the other slope, a number or an array that broadcasts with x.
        beta: how sharply to choose, a number or an array that broadcasts with x.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + p1 + p2 + beta`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.acon_c(jnp.array([-1.0, 2.0]))
        Array([-0.26894143,  1.761594  ], dtype=float32)

    Reference:
        Ma et al. (2020), arXiv:2009.04759
    """
    s = parts.sigmoid_of(*parts.product(beta * (p1 - p2), x))
    return num.opened(x, p2 + (p1 - p2) * s)


@derivative_of(acon_c, wrt="p1")  # x * (s + v * s'), where p1 is near p2 too
def _acon_c_dp1(x: Array, p1: Array, p2: Array, beta: Array) -> Array:
    return num.opened(x, _silu_dx(x, beta * (p1 - p2)))


@derivative_of(acon_c, wrt="p2")  # x * (1 - s - v * s')
def _acon_c_dp2(x: Array, p1: Array, p2: Array, beta: Array) -> Array:
    return num.opened(x, _silu_dx(x, beta * (p2 - p1)))


@activation
def smu(
    x: Array, alpha: Parameter = 0.25, mu: Parameter = 1e6, axis: int | None = None
) -> Array:
    """Smooth maximum unit: a smooth leaky_relu.

    smu(x, alpha, mu) = x * (erfc(-mu * (1 - alpha) * x)
        + alpha * erfc(mu * (1 - alpha) * x)) / 2

    That is ((1 + alpha) * x + (1 - alpha) * x * erf(v)) / 2 with
    v = mu * (1 - alpha) * x.  Derivative, with b = exp(-v**2) / sqrt(pi):
    erfc(-v) / 2 + alpha * erfc(v) / 2 + (1 - alpha) * v * b; by alpha:
    x * (erfc(v) / 2 - v * b); by mu: ((1 - alpha) * x)**2 * b.  At the default mu it is
    `leaky_relu` but for a bend at |x| < 3e-6; alpha = 0, mu = sqrt(1/2): `gelu_exact`.

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha: the slope far below 0, a number or an array that broadcasts with x.
        mu: the sharpness of the bend, a number or an array that broadcasts with x.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + alpha + mu`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.smu(jnp.array([-1.0, 2.0]))
        Array([-0.25,  2.  ], dtype=float32)

    Reference:
        Biswas et al. (2021), arXiv:2111.04682
    """
    return _smu(x, alpha, mu)


def _smu(x: Array, alpha: Parameter, mu: Parameter) -> Array:
    v = parts.product(mu * (1 - alpha), x)
    if isinstance(alpha, Array):
        return num.opened(x, alpha + (1 - alpha) * parts.half_erfc_of(*v))
    # a tail that is not 0 does not cancel
    return num.opened(x, (1 + alpha) / 2 + (1 - alpha) / 2 * parts.erf_of(*v))


@derivative_of(smu)
def _smu_dx(x: Array, alpha: Array, mu: Array) -> Array:
    if isinstance(alpha, Array):
        return parts.slope(lambda x: _smu(x, alpha, mu), x)
    v = el.clip(num.square_clip(x) * (mu * (1 - alpha)), -12, 12)
    turn = erf(v) + (2 / math.sqrt(math.pi)) * (v * jnp.exp(-v * v))
    return (1 + alpha) / 2 + (1 - alpha) / 2 * turn


derivative_of(smu, order=2)(parts.SecondDerivative(_smu))


@derivative_of(smu, wrt="alpha")  # x * (erfc(v) / 2 - v * b), which is 0 far above
def _smu_dalpha(x: Array, alpha: Array, mu: Array) -> Array:
    v, _ = parts.product(mu * (1 - alpha), x)
    return num.opened(x, _gelu_dx(-math.sqrt(2) * v))


@activation
def b_silu(x: Array, alpha: Parameter = 1.67, axis: int | None = None) -> Array:
    """Bounded silu: a silu that tends to -alpha / 2.

    b_silu(x, alpha) = x / (1 + exp(-x)) + alpha / 2 * tanh(x / 2)

    That is (x + alpha) * sigmoid(x) - alpha / 2.  Derivative: s + (x + alpha) * s',
    s = sigmoid(x), s' = s * (1 - s); by alpha: tanh(x / 2) / 2.  Meant as the backward
    pass of a relu that has no dead units.

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha: twice the bound below, a number or an array that broadcasts with x.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + alpha`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.b_silu(jnp.array([-1.0, 2.0]))
        Array([-0.65480924,  2.397525  ], dtype=float32)

    Reference:
        Horuz et al. (2025), arXiv:2505.22074
    """
    s, q, inverse = _falling(x)
    below = x < 0
    gate = el.where(below, s * q + s, 1) * inverse
    turn = (alpha / 2) * (((1 - s) - s * q) * inverse)
    return el.maximum(x, num.lowest(x)) * gate + el.where(below, -turn, turn)


def _falling(x: Array) -> tuple[Array, Array, Array]:
    """s and q with e = exp(-|x|) = s * (1 + q), and 1 / (1 + e)."""
    s, q = num.grown(el.minimum(num.magnitude(x), -num.lowest(x)), -1.0)
    return s, q, shared(1 / (1 + (s * q + s)))


@derivative_of(b_silu)
def _b_silu_dx(x: Array, alpha: Array) -> Array:
    s, q, inverse = _falling(x)
    e, end = s * q + s, -num.lowest(x)
    gate = el.where(x < 0, e, 1) * inverse
    return gate + (el.clip(x, -end, end) + alpha) * ((e * inverse) * inverse)


def _b_silu(x: Array, alpha: Parameter) -> Array:
    return silu(x) + alpha / 2 * tanh(x / 2)


derivative_of(b_silu, order=2)(parts.SecondDerivative(_b_silu))


@derivative_of(b_silu, wrt="alpha")
def _b_silu_dalpha(x: Array) -> Array:
    return tanh(x / 2) / 2


@activation
def x_silu(x: Array, alpha: Parameter = 0.0, axis: int | None = None) -> Array:
    """Silu with an expanded gate, from -alpha to 1 + alpha.

    x_silu(x, alpha) = x * (1 / (1 + exp(-x)) + alpha * tanh(x / 2))

    That is x * (sigmoid(x) * (1 + 2 * alpha) - alpha).  Derivative:
    s + alpha * tanh(x / 2) + (1 + 2 * alpha) * x * s', s = sigmoid(x),
    s' = s * (1 - s); by alpha: x * tanh(x / 2).

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha: how far the gate exceeds 0 and 1, a number or an array that broadcasts.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + alpha`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.x_silu(jnp.array([-1.0, 2.0]))
        Array([-0.26894143,  1.761594  ], dtype=float32)

    Reference:
        Huang (2024), arXiv:2405.20768
    """
    return num.opened(x, (1 + 2 * alpha) * sigmoid(x) - alpha)


@derivative_of(x_silu, wrt="alpha")  # the sum of its parts cancels around 0
def _x_silu_dalpha(x: Array) -> Array:
    return x * tanh(x / 2)


@activation
def x_gelu(x: Array, alpha: Parameter = 0.0, axis: int | None = None) -> Array:
    """Gelu with an expanded gate, from -alpha to 1 + alpha.

    x_gelu(x, alpha) = x * (erfc(-x / sqrt(2)) / 2 + alpha * erf(x / sqrt(2)))

    That is x * (Phi(x) * (1 + 2 * alpha) - alpha).  Derivative:
    Phi(x) * (1 + 2 * alpha) - alpha + (1 + 2 * alpha) * x * phi(x), with Phi and phi
    the normal distribution and density; by alpha: x * erf(x / sqrt(2)).

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha: how far the gate exceeds 0 and 1, a number or an array that broadcasts.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + alpha`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.x_gelu(jnp.array([-1.0, 2.0]))
        Array([-0.15865526,  1.9544997 ], dtype=float32)

    Reference:
        Huang (2024), arXiv:2405.20768
    """
    return num.opened(x, (1 + 2 * alpha) * normal_cdf(x) - alpha)


@derivative_of(x_gelu, wrt="alpha")  # likewise
def _x_gelu_dalpha(x: Array) -> Array:
    return x * erf(x * math.sqrt(0.5))
