"""What a user would write in jnp, where that is not the formula as it stands.

Each takes less time than the formula, value and pullback in float32, or is a line that
everybody writes (`softmin`, `symlog`); or the formula loses all digits or overflows, as
those of `asinh` and of the softplus kind.  The parameters are the activation's.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.nn import gelu, sigmoid, silu, softmax, softplus


def acon_c(x: Any, p1: Any, p2: Any, beta: Any) -> Any:
    d = (p1 - p2) * x
    return d * sigmoid(beta * d) + p2 * x


def asinh(x: Any) -> Any:
    return jnp.arcsinh(x)


def b_silu(x: Any, alpha: Any) -> Any:
    return (x + alpha) * sigmoid(x) - alpha / 2


def e_swish(x: Any, beta: Any) -> Any:
    return beta * x * sigmoid(x)


def elish(x: Any) -> Any:
    return jnp.where(x >= 0, x, jnp.exp(x) - 1) * sigmoid(x)


def gelu_clipped(x: Any, low: int, high: int) -> Any:
    return jnp.minimum(gelu(x, approximate=False), high)


def laplace(x: Any, mu: Any, sigma: Any) -> Any:
    return (1 + lax.erf((x - mu) / (sigma * math.sqrt(2)))) / 2


def logish(x: Any) -> Any:
    return x * jnp.log(1 + sigmoid(x))


def maxout(x: Any, pieces: int, axis: int) -> Any:
    x = jnp.moveaxis(x, axis, -1)
    groups = [x[..., i::pieces] for i in range(pieces)]
    return jnp.moveaxis(functools.reduce(jnp.maximum, groups), -1, axis)


def poly_norm(x: Any, weights: Any, bias: Any, axis: Any, epsilon: Any) -> Any:
    def normalized(x: Any) -> Any:
        square = jnp.mean(x * x, axis, keepdims=True)
        return x * lax.rsqrt(square + epsilon)

    powers = [normalized(x**i) for i in (1, 2, 3)]
    return bias + sum(w * p for w, p in zip(weights, powers, strict=True))


def shifted_softplus(x: Any) -> Any:
    return softplus(x) - math.log(2)


def sigmoid_glu(x: Any, value: Any) -> Any:
    return sigmoid(x) * value


def smish(x: Any) -> Any:
    return x * jnp.tanh(jnp.log(1 + sigmoid(x)))


def smu(x: Any, alpha: Any, mu: Any) -> Any:
    d = (1 - alpha) * x
    return ((1 + alpha) * x + d * lax.erf(mu * d)) / 2


def softmin(x: Any, axis: Any, where: Any, temperature: Any) -> Any:
    return softmax(-x / temperature, axis, where)


def softplus_thresholded(x: Any, beta: Any, threshold: Any) -> Any:
    small = jnp.minimum(beta * x, threshold)  # or the gradient would be NaN
    return jnp.where(beta * x > threshold, x, jnp.log1p(jnp.exp(small)) / beta)


def squash(x: Any, axis: Any) -> Any:
    square = jnp.sum(x * x, axis, keepdims=True)
    return x * (jnp.sqrt(square) / (1 + square))


def swiglu_clamped_after(x: Any, value: Any, limit: Any) -> Any:
    return jnp.clip(value, -limit, limit) * jnp.minimum(silu(x), limit)


def symlog(x: Any) -> Any:
    return jnp.sign(x) * jnp.log1p(jnp.abs(x))


def x_gelu(x: Any, alpha: Any) -> Any:
    return x * ((1 + 2 * alpha) * lax.erfc(-x * math.sqrt(0.5)) / 2 - alpha)


def x_silu(x: Any, alpha: Any) -> Any:
    return x * ((1 + 2 * alpha) * sigmoid(x) - alpha)


PLAIN: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        *(acon_c, asinh, b_silu, e_swish, elish, gelu_clipped, laplace, logish),
        *(maxout, poly_norm, shifted_softplus, sigmoid_glu, smish, smu, softmin),
        *(softplus_thresholded, squash, swiglu_clamped_after, symlog),
        *(x_gelu, x_silu),
    )
}
