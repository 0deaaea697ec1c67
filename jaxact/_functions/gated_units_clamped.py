"""Gated linear units whose operands are clamped, gate and value alike.

A clamp keeps outliers out of low precision.  Beyond it the slope is 0; at the limit
itself it is the slope from inside, as in `torch.clamp` up to PyTorch 2.13.  PyTorch
2.14 has the slope 0 there, and `jnp.clip` half of the slope from inside.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array

from .._core import Parameter, activation, derivative_of, kernel_of, kernels_of
from .._numerics import elementary as el, pieces as num
from .self_gated import silu


def _capped(x: Array, limit: Parameter) -> Array:
    """The smaller of the two; x at a tie, in higher derivatives too."""
    return el.where(x > limit, limit, x)


def _clamped(value: Array, limit: Parameter) -> Array:
    """The value between -limit and limit."""
    return el.where(jnp.abs(value) > limit, num.sign(value) * limit, value)


def _over(value: Array, limit: Array, gate: Array) -> Array:
    """The gate times the slope of the clamped value by its limit."""
    return el.where(jnp.abs(value) > limit, num.sign(value) * gate, 0)


_POSITIVE = {"limit": (0.0, math.inf)}


_silu, _silu_dx, _silu_dx2 = kernels_of(silu)
_silu_dbeta = kernel_of(silu, "beta")
_ONE = np.ones(())


@activation(kinks=lambda limit: (limit,), domain=_POSITIVE)
def swiglu_oai(
    x: Array, value: Parameter, alpha: Parameter = 1.702, limit: Parameter = 7.0
) -> Array:
    """The gated linear unit of gpt-oss: clamped, and with one added to the value.

    swiglu_oai(x, value, alpha, limit) = (1 + (
        limit if value > limit else -limit if value < -limit else value))
        * (limit if x > limit else x)
        / (1 + exp(-alpha * (limit if x > limit else x)))

    The gate is clamped only from above.  The models hold the operands interleaved:
    ``packed(swiglu_oai, "interleaved")``.

    Derivative: (v + 1) silu'(x, alpha) for x <= limit, else 0, with the clamped value
    v; by `value`: silu(min(x, limit), alpha) for |value| <= limit, else 0; by `limit`:
    that of the clamps.

    Args:
        x: an array or number of real dtype, the gate; integers count as float32.
        value: what it lets through, an array that broadcasts with x.
        alpha: how steep the gate is, a number or an array that broadcasts with x.
        limit: of both operands, positive, a number or an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x * value * alpha * limit`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> gate, value = jnp.array([-1.0, 2.0]), jnp.array([0.5, 3.0])
        >>> jaxact.swiglu_oai(gate, value, limit=1.5)
        Array([-0.23130634,  3.4791555 ], dtype=float32)

    Reference:
        OpenAI (2025), gpt-oss-120b & gpt-oss-20b model card, arXiv:2508.10925
    """
    factor = _clamped(value, limit) + 1
    return factor * _silu(_capped(x, limit), alpha)


@derivative_of(swiglu_oai)
def _swiglu_oai_dx(x: Array, value: Array, alpha: Array, limit: Array) -> Array:
    factor = _clamped(value, limit) + 1
    return el.where(x > limit, 0, factor * _silu_dx(x, alpha))


@derivative_of(swiglu_oai, order=2)
def _swiglu_oai_dx2(x: Array, value: Array, alpha: Array, limit: Array) -> Array:
    factor = _clamped(value, limit) + 1
    return el.where(x > limit, 0, factor * _silu_dx2(x, alpha))


@derivative_of(swiglu_oai, wrt="value")
def _swiglu_oai_dvalue(x: Array, value: Array, alpha: Array, limit: Array) -> Array:
    gate = _silu(_capped(x, limit), alpha)
    return el.where(jnp.abs(value) > limit, 0, gate)


@derivative_of(swiglu_oai, wrt=("value", "x"))
def _swiglu_oai_dvalue_dx(x: Array, value: Array, alpha: Array, limit: Array) -> Array:
    slope = _silu_dx(x, alpha)
    return el.where((x > limit) | (jnp.abs(value) > limit), 0, slope)


@derivative_of(swiglu_oai, wrt="alpha")
def _swiglu_oai_dalpha(x: Array, value: Array, alpha: Array, limit: Array) -> Array:
    factor = _clamped(value, limit) + 1
    return factor * _silu_dbeta(_capped(x, limit), alpha)


@derivative_of(swiglu_oai, wrt="limit")
def _swiglu_oai_dlimit(x: Array, value: Array, alpha: Array, limit: Array) -> Array:
    factor = _clamped(value, limit) + 1
    of_gate = el.where(x > limit, factor * _silu_dx(limit, alpha), 0)
    return of_gate + _over(value, limit, _silu(_capped(x, limit), alpha))


@activation(kinks=lambda limit: (limit,), domain=_POSITIVE)
def swiglu_clamped(x: Array, value: Parameter, limit: Parameter = 7.0) -> Array:
    """`swiglu` of clamped operands, the gate clamped before its activation.

    swiglu_clamped(x, value, limit) = (
        limit if value > limit else -limit if value < -limit else value)
        * (limit if x > limit else x) / (1 + exp(-(limit if x > limit else x)))

    It is that of DeepSeek-V4, GLM and HY-V4, and SWIGLU_CLAMP of ggml.  The gate is
    clamped only from above.  `swiglu_clamped_after` clamps it later.

    Derivative: v silu'(x) for x <= limit, else 0, with the clamped value v; by `value`:
    silu(min(x, limit)) for |value| <= limit, else 0; by `limit`: that of the clamps.

    Args:
        x: an array or number of real dtype, the gate; integers count as float32.
        value: what it lets through, an array that broadcasts with x.
        limit: of both operands, positive, a number or an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x * value * limit`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> gate, value = jnp.array([-1.0, 2.0]), jnp.array([0.5, 3.0])
        >>> jaxact.swiglu_clamped(gate, value, limit=1.5)
        Array([-0.13447072,  1.8395426 ], dtype=float32)

    Reference:
        The clamps: OpenAI (2025), gpt-oss model card, arXiv:2508.10925
    """
    factor = _clamped(value, limit)
    return factor * _silu(_capped(x, limit), _ONE)


@derivative_of(swiglu_clamped)
def _swiglu_clamped_dx(x: Array, value: Array, limit: Array) -> Array:
    factor = _clamped(value, limit)
    return el.where(x > limit, 0, factor * _silu_dx(x, _ONE))


@derivative_of(swiglu_clamped, order=2)
def _swiglu_clamped_dx2(x: Array, value: Array, limit: Array) -> Array:
    factor = _clamped(value, limit)
    return el.where(x > limit, 0, factor * _silu_dx2(x, _ONE))


@derivative_of(swiglu_clamped, wrt="value")
def _swiglu_clamped_dvalue(x: Array, value: Array, limit: Array) -> Array:
    gate = _silu(_capped(x, limit), _ONE)
    return el.where(jnp.abs(value) > limit, 0, gate)


@derivative_of(swiglu_clamped, wrt=("value", "x"))
def _swiglu_clamped_dvalue_dx(x: Array, value: Array, limit: Array) -> Array:
    slope = _silu_dx(x, _ONE)
    return el.where((x > limit) | (jnp.abs(value) > limit), 0, slope)


@derivative_of(swiglu_clamped, wrt="limit")
def _swiglu_clamped_dlimit(x: Array, value: Array, limit: Array) -> Array:
    factor, gate = _clamped(value, limit), _capped(x, limit)
    of_gate = el.where(x > limit, factor * _silu_dx(limit, _ONE), 0)
    return of_gate + _over(value, limit, _silu(gate, _ONE))


def _silu_reaches(limit: float) -> tuple[float, ...]:
    """Where silu takes the limit, by steps of Newton on x = limit (1 + exp(-x))."""
    x = float(limit)
    for _ in range(60):
        tail = limit * math.exp(-x)
        x -= (x - limit - tail) / (1 + tail)
    return (x,)


@activation(kinks=_silu_reaches, domain=_POSITIVE)
def swiglu_clamped_after(x: Array, value: Parameter, limit: Parameter = 7.0) -> Array:
    """`swiglu` with its gate clamped after the activation, and its value.

    swiglu_clamped_after(x, value, limit) = (
        limit if value > limit else -limit if value < -limit else value)
        * (limit if x / (1 + exp(-x)) > limit else x / (1 + exp(-x)))

    It is that of Step-3.5, vLLM's swiglustep.  For large x the gate is `limit`, a
    little more than in `swiglu_clamped`.

    Derivative: v silu'(x) for silu(x) <= limit, else 0, with the clamped value v; by
    `value`: min(silu(x), limit) for |value| <= limit, else 0; by `limit`: that of the
    clamps.

    Args:
        x: an array or number of real dtype, the gate; integers count as float32.
        value: what it lets through, an array that broadcasts with x.
        limit: of both factors, positive, a number or an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x * value * limit`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> gate, value = jnp.array([-1.0, 2.0]), jnp.array([0.5, 3.0])
        >>> jaxact.swiglu_clamped_after(gate, value, limit=1.5)
        Array([-0.13447072,  2.25      ], dtype=float32)

    Reference:
        The clamps: OpenAI (2025), gpt-oss model card, arXiv:2508.10925
    """
    gate = el.minimum(_silu(x, _ONE), limit)
    return _clamped(value, limit) * gate


def _above(x: Array, limit: Array) -> Array:
    """Whether silu(x) > limit, by differences that are hardly rounded there."""
    power, q = num.grown(el.clip(x, 0, -num.lowest(x)), -1.0)
    return (x - limit) - limit * power > limit * power * q


def _below(x: Array, limit: Array, slope: Array) -> Array:
    """The slope where the gate is not clamped."""
    return el.where(_above(x, limit), 0, slope)


@derivative_of(swiglu_clamped_after)
def _swiglu_clamped_after_dx(x: Array, value: Array, limit: Array) -> Array:
    return _clamped(value, limit) * _below(x, limit, _silu_dx(x, _ONE))


@derivative_of(swiglu_clamped_after, order=2)
def _swiglu_clamped_after_dx2(x: Array, value: Array, limit: Array) -> Array:
    return _clamped(value, limit) * _below(x, limit, _silu_dx2(x, _ONE))


@derivative_of(swiglu_clamped_after, wrt="value")
def _swiglu_clamped_after_dvalue(x: Array, value: Array, limit: Array) -> Array:
    gate = el.where(_above(x, limit), limit, _silu(x, _ONE))
    return el.where(jnp.abs(value) > limit, 0, gate)


@derivative_of(swiglu_clamped_after, wrt=("value", "x"))
def _swiglu_clamped_after_dvalue_dx(x: Array, value: Array, limit: Array) -> Array:
    slope = _below(x, limit, _silu_dx(x, _ONE))
    return el.where(jnp.abs(value) > limit, 0, slope)


@derivative_of(swiglu_clamped_after, wrt="limit")
def _swiglu_clamped_after_dlimit(x: Array, value: Array, limit: Array) -> Array:
    of_gate = el.where(_above(x, limit), _clamped(value, limit), 0)
    gate = el.where(_above(x, limit), limit, _silu(x, _ONE))
    return of_gate + _over(value, limit, gate)
