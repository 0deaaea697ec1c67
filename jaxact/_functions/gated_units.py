"""Gated linear units: one operand opens a gate for the other.

`x` is the gate before its activation, `value` what it lets through: in a feed-forward
block ``swiglu(h @ gate, h @ up) @ down``.  Both are kept for the backward pass, and
nothing else.  `packed` makes them functions of one array that holds both.

An infinite `value` times a gate of 0, and an infinite gate times a `value` of 0, is
NaN, as always.  A gate counts as 0 where it is subnormal in the precision that kernels
compute in, float32 for the half precisions: below 1e-38.
"""

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from .._core import Parameter, activation, chooses, derivative_of, kernel_of, kernels_of
from .._numerics import pieces as num
from .gelus import gelu_exact, gelu_tanh
from .packed import packed
from .self_gated import QUICK, silu

_silu, _silu_dx, _silu_dx2 = kernels_of(silu)
_tanh, _tanh_dx, _tanh_dx2 = kernels_of(gelu_tanh)
_exact, _exact_dx, _exact_dx2 = kernels_of(gelu_exact)
_silu_dbeta = kernel_of(silu, "beta")


@activation(holomorphic=True)
def sigmoid_glu(x: Array, value: Parameter) -> Array:
    """Gated linear unit, of two operands: `sigmoid` times the value.

    sigmoid_glu(x, value) = value / (1 + exp(-x))

    `glu` is the same of one array.  Derivative: value s (1 - s), with s = sigmoid(x);
    second: value s (1 - s) (1 - 2 s); by `value`: s.

    Args:
        x: an array or number of real or complex dtype, the gate; integers count as
            float32.
        value: what it lets through, an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x * value`.

    Raises:
        TypeError: an argument is not an array or number.

    Example:
        >>> gate, value = jnp.array([-1.0, 2.0]), jnp.array([0.5, 3.0])
        >>> jaxact.sigmoid_glu(gate, value)
        Array([0.13447072, 2.6423912 ], dtype=float32)

    Reference:
        Dauphin, Fan, Auli, Grangier (2016), Language modeling with gated convolutional
        networks, arXiv:1612.08083
    """
    if jnp.iscomplexobj(x):
        return value * lax.logistic(x)
    return value * num.logistic(x)


@derivative_of(sigmoid_glu)
def _sigmoid_glu_dx(x: Array, value: Array) -> Array:
    return value * num.logistic_dx(x)


@derivative_of(sigmoid_glu, order=2)
def _sigmoid_glu_dx2(x: Array, value: Array) -> Array:
    return value * num.logistic_dx2(x)


@derivative_of(sigmoid_glu, wrt="value")
def _sigmoid_glu_dvalue(x: Array) -> Array:
    return num.logistic(x)


@derivative_of(sigmoid_glu, wrt=("value", "x"))
def _sigmoid_glu_dvalue_dx(x: Array) -> Array:
    return num.logistic_dx(x)


@chooses(sigmoid_glu)
def glu(x: ArrayLike, axis: int = -1) -> Array:
    """Gated linear unit of one array: the first half, the second half its gate.

    glu(x) = packed(sigmoid_glu, "gate last")(x), as in jax.nn.

    Args:
        x: an array of real or complex dtype; integers count as float32.
        axis: the axis that holds the two halves.

    Returns:
        An array of the dtype of x and of its shape, but half as long along the axis.

    Raises:
        TypeError: `x` is not an array.
        ValueError: `x` has no such axis, or one of odd size.

    Example:
        >>> jaxact.glu(jnp.array([1.0, 2.0, -1.0, 3.0]))
        Array([0.26894143, 1.9051483 ], dtype=float32)

    Reference:
        Dauphin, Fan, Auli, Grangier (2016), arXiv:1612.08083
    """
    return packed(sigmoid_glu, "gate last")(x, axis)


@activation
def swiglu(x: Array, value: Parameter, beta: Parameter = 1.0) -> Array:
    """Gated linear unit with `silu`, that of most language models.

    swiglu(x, value, beta) = value * x / (1 + exp(-beta * x))

    The derivation: write s = sigmoid(u) with u = beta x, so that the unit is value x s.
    By the product rule and s' = beta s (1 - s)

        d/dx     = value (s + x beta s (1 - s)) = value (s + u s (1 - s)),
        d/dvalue = x s, which is silu(x, beta),
        d/dbeta  = value x**2 s (1 - s),

    and the second derivative by x is value beta s (1 - s) (2 + u (1 - 2 s)).  No factor
    is kept for the backward pass: s is computed again from x.

    Args:
        x: an array or number of real dtype, the gate; integers count as float32.
        value: what it lets through, an array that broadcasts with x.
        beta: how steep the gate is, a number or an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x * value * beta`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> gate, value = jnp.array([-1.0, 2.0]), jnp.array([0.5, 3.0])
        >>> jaxact.swiglu(gate, value)
        Array([-0.13447072,  5.2847824 ], dtype=float32)

    Reference:
        Shazeer (2020), GLU variants improve transformer, arXiv:2002.05202
    """
    return value * _silu(x, beta)


@derivative_of(swiglu)
def _swiglu_dx(x: Array, value: Array, beta: Array) -> Array:
    return value * _silu_dx(x, beta)


@derivative_of(swiglu, order=2)
def _swiglu_dx2(x: Array, value: Array, beta: Array) -> Array:
    return value * _silu_dx2(x, beta)


@derivative_of(swiglu, wrt="value")
def _swiglu_dvalue(x: Array, beta: Array) -> Array:
    return _silu(x, beta)


@derivative_of(swiglu, wrt=("value", "x"))
def _swiglu_dvalue_dx(x: Array, beta: Array) -> Array:
    return _silu_dx(x, beta)


@derivative_of(swiglu, wrt="beta")
def _swiglu_dbeta(x: Array, value: Array, beta: Array) -> Array:
    return value * _silu_dbeta(x, beta)


@activation
def geglu_tanh(x: Array, value: Parameter) -> Array:
    """Gated linear unit with `gelu_tanh`.

    geglu_tanh(x, value) = value * x / 2
        * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))

    Derivative: value times that of `gelu_tanh`; by `value`: gelu_tanh(x).

    Args:
        x: an array or number of real dtype, the gate; integers count as float32.
        value: what it lets through, an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x * value`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> gate, value = jnp.array([-1.0, 2.0]), jnp.array([0.5, 3.0])
        >>> jaxact.geglu_tanh(gate, value)
        Array([-0.079404 ,  5.8637934], dtype=float32)

    Reference:
        Shazeer (2020), GLU variants improve transformer, arXiv:2002.05202
    """
    return value * _tanh(x)


@derivative_of(geglu_tanh)
def _geglu_tanh_dx(x: Array, value: Array) -> Array:
    return value * _tanh_dx(x)


@derivative_of(geglu_tanh, order=2)
def _geglu_tanh_dx2(x: Array, value: Array) -> Array:
    return value * _tanh_dx2(x)


@derivative_of(geglu_tanh, wrt="value")
def _geglu_tanh_dvalue(x: Array) -> Array:
    return _tanh(x)


@derivative_of(geglu_tanh, wrt=("value", "x"))
def _geglu_tanh_dvalue_dx(x: Array) -> Array:
    return _tanh_dx(x)


@activation
def geglu_exact(x: Array, value: Parameter) -> Array:
    """Gated linear unit with `gelu_exact`.

    geglu_exact(x, value) = value * x * erfc(-x / sqrt(2)) / 2

    Derivative: value times that of `gelu_exact`; by `value`: gelu_exact(x).

    Args:
        x: an array or number of real dtype, the gate; integers count as float32.
        value: what it lets through, an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x * value`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> gate, value = jnp.array([-1.0, 2.0]), jnp.array([0.5, 3.0])
        >>> jaxact.geglu_exact(gate, value)
        Array([-0.07932763,  5.863499  ], dtype=float32)

    Reference:
        Shazeer (2020), GLU variants improve transformer, arXiv:2002.05202
    """
    return value * _exact(x)


@derivative_of(geglu_exact)
def _geglu_exact_dx(x: Array, value: Array) -> Array:
    return value * _exact_dx(x)


@derivative_of(geglu_exact, order=2)
def _geglu_exact_dx2(x: Array, value: Array) -> Array:
    return value * _exact_dx2(x)


@derivative_of(geglu_exact, wrt="value")
def _geglu_exact_dvalue(x: Array) -> Array:
    return _exact(x)


@derivative_of(geglu_exact, wrt=("value", "x"))
def _geglu_exact_dvalue_dx(x: Array) -> Array:
    return _exact_dx(x)


@chooses(geglu_tanh, geglu_exact)
def geglu(x: ArrayLike, value: ArrayLike, approximate: bool = True) -> Array:
    """Gated linear unit with `gelu`: `geglu_tanh`, or `geglu_exact` at choice.

    The default is that of `gelu`, of Gemma, T5 1.1 and ggml; GEGLU in diffusers and in
    ONNX exports of PyTorch is the exact form.

    Args:
        x: an array or number of real dtype, the gate; integers count as float32.
        value: what it lets through, an array that broadcasts with x.
        approximate: whether to take the approximation by tanh.

    Returns:
        An array of the shape and dtype of `x * value`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> gate, value = jnp.array([-1.0, 2.0]), jnp.array([0.5, 3.0])
        >>> jaxact.geglu(gate, value)
        Array([-0.079404 ,  5.8637934], dtype=float32)
    """
    return geglu_tanh(x, value) if approximate else geglu_exact(x, value)


@activation
def qgeglu(x: Array, value: Parameter) -> Array:
    """Gated linear unit with `quick_gelu`.

    qgeglu(x, value) = value * x / (1 + exp(-1.702 * x))

    Derivative: value times that of `quick_gelu`; by `value`: quick_gelu(x).

    Args:
        x: an array or number of real dtype, the gate; integers count as float32.
        value: what it lets through, an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x * value`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> gate, value = jnp.array([-1.0, 2.0]), jnp.array([0.5, 3.0])
        >>> jaxact.qgeglu(gate, value)
        Array([-0.07710212,  5.806976  ], dtype=float32)

    Reference:
        Shazeer (2020), arXiv:2002.05202; Hendrycks, Gimpel (2016), arXiv:1606.08415
    """
    return value * _silu(x, QUICK)


@derivative_of(qgeglu)
def _qgeglu_dx(x: Array, value: Array) -> Array:
    return value * _silu_dx(x, QUICK)


@derivative_of(qgeglu, order=2)
def _qgeglu_dx2(x: Array, value: Array) -> Array:
    return value * _silu_dx2(x, QUICK)


@derivative_of(qgeglu, wrt="value")
def _qgeglu_dvalue(x: Array) -> Array:
    return _silu(x, QUICK)


@derivative_of(qgeglu, wrt=("value", "x"))
def _qgeglu_dvalue_dx(x: Array) -> Array:
    return _silu_dx(x, QUICK)
