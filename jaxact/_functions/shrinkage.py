"""Shrinkage: small values become 0, large ones are kept or moved towards 0.

They come from the denoising of signals, where small coefficients are noise.
"""

import jax.numpy as jnp
from jax import Array

from .._core import Parameter, activation, derivative_of
from .._numerics import elementary as el, pieces as num, polynomials as poly

_POSITIVE = {"lambd": (0.0, float("inf"))}


def _edges(lambd: float) -> list[float]:
    return [-lambd, lambd]


@activation(kinks=_edges, domain=_POSITIVE)
def hard_shrink(x: Array, lambd: Parameter = 0.5) -> Array:
    """Hard shrinkage: 0 up to a size of lambd, and x itself beyond.

    hard_shrink(x, lambd) = x if abs(x) > lambd else 0

    Derivative: 1 for |x| > lambd, 0 for |x| <= lambd, as in PyTorch and Keras; 0 by
    `lambd`, which is therefore chosen, not learnt.

    Args:
        x: an array or number of real dtype; integers count as float32.
        lambd: the size up to which the value is 0, positive.

    Returns:
        An array of the shape and dtype of `x + lambd`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.hard_shrink(jnp.array([-0.25, 2.0]))
        Array([0., 2.], dtype=float32)

    Reference:
        Donoho, Johnstone (1994), Ideal spatial adaptation by wavelet shrinkage,
        Biometrika 81
    """
    return el.where(jnp.abs(x) <= lambd, 0, x)


@derivative_of(hard_shrink)
def _hard_shrink_dx(y: Array) -> Array:
    return el.where(y == 0, 0, 1)  # y is x or 0


@derivative_of(hard_shrink, wrt="lambd")
def _hard_shrink_dlambd() -> float:
    return 0.0


@activation(kinks=_edges, domain=_POSITIVE)
def soft_shrink(x: Array, lambd: Parameter = 0.5) -> Array:
    """Soft shrinkage: x moved towards 0 by lambd, and 0 if that would overshoot.

    soft_shrink(x, lambd) = x - lambd if x > lambd else x + lambd if x < -lambd else 0

    Derivative: 1 for |x| > lambd, 0 for |x| <= lambd, as in PyTorch and Keras; by
    `lambd`: -1 for x > lambd, 1 for x < -lambd, 0 between.

    Args:
        x: an array or number of real dtype; integers count as float32.
        lambd: how far to move, positive, a number or an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x + lambd`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.soft_shrink(jnp.array([-0.25, 2.0]))
        Array([0. , 1.5], dtype=float32)

    Reference:
        Donoho (1995), De-noising by soft-thresholding, IEEE Transactions on
        Information Theory 41
    """
    return _shrunk(x, lambd, lambd)


def _shrunk(x: Array, lambd: Parameter, bias: Parameter) -> Array:
    return el.where(x < -lambd, x + bias, el.where(x <= lambd, 0, x - bias))


def _side(x: Array, lambd: Array) -> Array:
    """-1, 0 or 1: on which side of the edges x is."""
    return el.where(x < -lambd, -1, el.where(x <= lambd, 0, 1))


@derivative_of(soft_shrink)
def _soft_shrink_dx(x: Array, y: Array, lambd: Array) -> Array:
    # the difference may underflow, but not with the default
    shrunk = _side(x, lambd) if isinstance(lambd, Array) else y
    return el.where(shrunk == 0, 0, 1)


@derivative_of(soft_shrink, wrt="lambd")
def _soft_shrink_dlambd(x: Array, lambd: Array) -> Array:
    return -_side(x, lambd)


@activation(kinks=_edges, domain=_POSITIVE)
def shrink(x: Array, lambd: Parameter = 0.5, bias: Parameter = 0.0) -> Array:
    """Shrinkage that chooses by lambd and moves by bias, as in ONNX.

    shrink(x, lambd, bias) = x + bias if x < -lambd else x - bias if x > lambd else 0

    Derivative: 1 for |x| > lambd, 0 for |x| <= lambd; by `bias`: -1 for x > lambd, 1
    for x < -lambd, 0 between; by `lambd`: 0.  It is `hard_shrink` for bias 0 and
    `soft_shrink` for bias = lambd.

    Args:
        x: an array or number of real dtype; integers count as float32.
        lambd: the size up to which the value is 0, positive.
        bias: how far to move, a number or an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x + lambd + bias`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.shrink(jnp.array([-0.25, 2.0]), bias=0.25)
        Array([0.  , 1.75], dtype=float32)
    """
    return _shrunk(x, lambd, bias)


@derivative_of(shrink)
def _shrink_dx(x: Array, lambd: Array) -> Array:
    return el.where(jnp.abs(x) <= lambd, 0, 1)


@derivative_of(shrink, order=2)
@derivative_of(shrink, wrt="lambd")
def _shrink_dlambd() -> float:
    return 0.0


@derivative_of(shrink, wrt="bias")
def _shrink_dbias(x: Array, lambd: Array) -> Array:
    return -_side(x, lambd)


@activation
def tanh_shrink(x: Array) -> Array:
    """The part of x that tanh takes away: cubic at 0, x - sign(x) far out.

    tanh_shrink(x) = x - tanh(x)

    Derivative: tanh(x)**2; second: 2 tanh(x) (1 - tanh(x)**2).  Near 0 the difference
    cancels to x**3 / 3; it is computed as a polynomial there.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.tanh_shrink(jnp.array([-1.0, 2.0]))
        Array([-0.23840587,  1.0359725 ], dtype=float32)
    """
    if num.single(x):
        c = el.clip(x, -9, 9)
        bend = (c * (c * c)) * num.ratio_of(poly.TANH_SHRINK_RATIO, c * c)
        return bend - (c - x)  # so that -0 stays so
    a, near, far = _tanh_shrink_parts(x)
    return el.where(x < 0, -1, 1) * el.where(a < 1, near, (a - 1) + far)


def _tanh_shrink_parts(x: Array) -> tuple[Array, Array, Array]:
    """|x|; its value where that is below 1; 1 - tanh|x| where it is not."""
    a = num.magnitude(x)
    square = jnp.square(el.minimum(a, 1))
    tail = num.exp_pair(-2 * a)
    far = 2 * tail.value() / (1 + tail.value())
    return a, a * (square * num.polynomial(poly.TANH_SHRINK, square)), far


@derivative_of(tanh_shrink)
def _tanh_shrink_dx(x: Array) -> Array:
    a, near, far = _tanh_shrink_parts(x)
    return jnp.square(el.where(a < 1, a - near, 1 - far))


@derivative_of(tanh_shrink, order=2)
def _tanh_shrink_dx2(x: Array) -> Array:
    return -num.logistic_dx2(2 * x, times=8.0)


@derivative_of(tanh_shrink, order=3)
def _tanh_shrink_dx3(x: Array) -> Array:
    return -num.logistic_dx3(2 * x, times=16.0)
