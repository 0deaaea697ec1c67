"""The input times a gate that the input itself opens: x * sigmoid(beta * x).

Far below 0 they are x times an exponentially small factor.  The product is still a
normal number where the factor alone has underflowed.  Their slope has a root near -1.
"""

from fractions import Fraction
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from .._core import Parameter, activation, derivative_of, kernels_of
from .._numerics import elementary as el, pieces as num
from .._numerics.pairs import constant, number, pair, shared
from .._numerics.pieces import Scale
from .._numerics.precision import cancelling


class _Steep(NamedTuple):
    """|x| as far as its gate is not 0, and |u| = a * times + rest."""

    a: Array
    times: Parameter
    rest: Array | None
    up: Array  # whether u > 0
    sign: Array | int  # of beta


def _steep(x: Array, beta: Scale, end: float) -> _Steep:
    a, up = num.magnitude(x), x > 0
    if isinstance(beta, Array):
        times, down = jnp.abs(beta), beta < 0
        most = el.minimum(end / times, float(jnp.finfo(x.dtype).max))
        a = el.minimum(a, lax.stop_gradient(most))
        return _Steep(a, times, None, up != down, el.where(down, -1, 1))
    whole, left = beta if isinstance(beta, tuple) else (float(beta), 0.0)
    times = float(np.asarray(whole, x.dtype))
    left += whole - times
    a = el.minimum(a, end / times)
    return _Steep(a, times, a * left if left else None, up, 1)


_H = num.SCALE


def _lifted(s: _Steep) -> Array:
    """(1 + exp(|u|)) * 2**-30."""
    power, q = num.grown(s.a, s.times, -30, s.rest)
    return power * q + (power + _H)


@activation(holomorphic=True)
def silu(x: Array, beta: Parameter = 1.0, axis: int | None = None) -> Array:
    """Sigmoid linear unit, also called swish.

    silu(x, beta) = x / (1 + exp(-beta * x))

    Derivative: s + u s (1 - s), with u = beta x and s = sigmoid(u); second:
    beta s (1 - s) (2 + u (1 - 2 s)); by beta: x**2 s (1 - s).  The least value is
    -0.278, at x = -1.278.  0 at -inf.  beta = 0 makes it x / 2, a large beta `relu`.

    Args:
        x: an array or number of real or complex dtype; integers count as float32.
        beta: how steep the gate is, a number or an array that broadcasts with x.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + beta`.

    Raises:
        TypeError: an argument is not an array or number, or x has no such axis.

    Example:
        >>> jaxact.silu(jnp.array([-1.0, 2.0]))
        Array([-0.26894143,  1.7615942 ], dtype=float32)

    Reference:
        Elfwing, Uchibe, Doya (2017), arXiv:1702.03118;
        Ramachandran, Zoph, Le (2017), arXiv:1710.05941
    """
    if jnp.iscomplexobj(x):
        u = beta * x
        return x * jnp.exp(-jnp.logaddexp(-u, jnp.zeros_like(u)))
    # max(x, 0) - |x| / (1 + exp(|u|)) for beta > 0: one formula for both signs
    if not isinstance(beta, Array):
        s = _steep(x, beta, num.growth_end(x) + 19)
        return el.maximum(x, 0) - (s.a / _lifted(s)) * _H
    s = _steep(x, beta, 1.9 * num.growth_end(x))
    # half of the exponent at a time, for a small beta leaves a large a
    power, q = num.grown(s.a, s.times * 0.5)
    growth = power * q + power
    inverse = 1 / growth
    z = s.a * inverse / (growth + inverse)
    return el.where(s.times == 0, x / 2, el.where(s.up, x, 0) - z * s.sign)


@derivative_of(silu)
def _silu_dx(x: Array, beta: Scale) -> Array:
    # ((1 - u) + u * j) * j, j = 1 / (1 + exp(u)), of |u|, or 1 less that above 0
    s = _steep(x, beta, num.growth_end(x) + 19)
    j = 1 / _lifted(s)
    if isinstance(s.times, float):
        root = 1 / s.times
        near = float(np.asarray(root, x.dtype))
        rest = (s.a * _H) * j + (root - near)
        return num.mirrored(((near - s.a) + rest) * j, s.up, _H * s.times)
    # |u|, written otherwise: XLA would not fuse a product that it needs twice
    u = jnp.abs(el.clip(x, -s.a, s.a) * s.times)
    return num.mirrored(((1 - u) + (u * _H) * j) * j, s.up, _H)


@derivative_of(silu, order=2)
def _silu_dx2(x: Array, beta: Scale) -> Array:
    h = constant(2.0, like=x)
    if isinstance(beta, np.ndarray) and bool(beta == 1):
        a = el.minimum(num.magnitude(x), num.angle_end(x))
        return num.gated_dx2(a, h, pair(a))
    with cancelling():
        u, _ = num.angle(x, beta)
        b = beta[0] if isinstance(beta, tuple) else number(beta, x)
        return shared(num.gated_dx2(u.head, h, u, u.tail(), b))


@derivative_of(silu, wrt="beta")
def _silu_dbeta(x: Array, beta: Array) -> Array:
    s = _steep(x, beta, 2 * num.growth_end(x) + 76)
    j = num.inverse_growth(el.minimum(s.a, 64 / s.times), s.times, s.rest)
    power, q = num.grown(s.a, s.times * 0.5, -60)
    root = (s.a * 2.0**-60) / (power * q + power)  # a * exp(-u / 2)
    y = el.where(s.a * s.times < 64, s.a * ((j - j * j) * s.a), root * root)
    return el.where((num.magnitude(x) > s.a) & (s.times != 0), 0, y)


swish = silu


# the constant of quick_gelu, and the rest that a double cannot hold
QUICK = (1.702, float(Fraction("1.702") - Fraction(1.702)))
_silu, *_ = kernels_of(silu)


@activation
def quick_gelu(x: Array) -> Array:
    """The gelu approximated by a sigmoid: `silu` with beta = 1.702.

    quick_gelu(x) = x / (1 + exp(-1.702 * x))

    Derivative: s + u s (1 - s), with u = 1.702 x and s = sigmoid(u); second:
    1.702 s (1 - s) (2 + u (1 - 2 s)).  Within 0.021 of `gelu_exact`.  0 at -inf.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.quick_gelu(jnp.array([-1.0, 2.0]))
        Array([-0.15420423,  1.9356586 ], dtype=float32)

    Reference:
        Hendrycks, Gimpel (2016), arXiv:1606.08415
    """
    return _silu(x, QUICK)


@derivative_of(quick_gelu)
def _quick_gelu_dx(x: Array) -> Array:
    return _silu_dx(x, QUICK)


@derivative_of(quick_gelu, order=2)
def _quick_gelu_dx2(x: Array) -> Array:
    return _silu_dx2(x, QUICK)


@activation
def e_swish(x: Array, beta: Parameter = 1.5) -> Array:
    """Silu times a constant.

    e_swish(x, beta) = beta * x / (1 + exp(-x))

    Derivative: beta * silu'(x); by beta: silu(x).

    Args:
        x: an array or number of real dtype; integers count as float32.
        beta: the scale, usually from 1 to 2, a number or an array that broadcasts.

    Returns:
        An array of the shape and dtype of `x + beta`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.e_swish(jnp.array([-1.0, 2.0]))
        Array([-0.40341216,  2.6423912 ], dtype=float32)

    Reference:
        Alcaide (2018), E-swish: adjusting activations to different network depths
    """
    return beta * num.unless(beta == 0, silu(x))


@derivative_of(e_swish, wrt="beta")  # at infinity too
def _e_swish_dbeta(x: Array) -> Array:
    return silu(x)


@activation(kinks=(-3.0, 3.0), integers="weak")
def hard_silu(x: Array) -> Array:
    """Piecewise quadratic silu, also called hard_swish: x times `hard_sigmoid`.

    hard_silu(x) = 0 if x <= -3 else x if x >= 3 else x * (x + 3) / 6

    Derivative: (2x + 3) / 6 for |x| < 3, 0 for x <= -3, 1 for x >= 3.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.hard_silu(jnp.array([-1.0, 2.0]))
        Array([-0.33333334,  1.6666667 ], dtype=float32)

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
