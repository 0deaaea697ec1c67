"""Piecewise linear: the identity on one side, little or nothing on the other.

The output of a rectifier tells its slope: where the output is positive, the slope is 1.
So the backward pass keeps the output, which the next layer keeps anyway, and nothing
else.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

from .._core import Parameter, activation, chooses, derivative_of
from .._numerics import elementary as el, pieces as num


@activation(integers="keep", holomorphic=True)
def identity(x: Array) -> Array:
    """The identity, a linear layer's activation.

    identity(x) = x

    Derivative: identity'(x) = 1.

    Args:
        x: an array or number of any dtype, which the result keeps.

    Returns:
        An array of the shape and dtype of x, which may be any.

    Raises:
        TypeError: `x` is not an array or number.

    Example:
        >>> jaxact.identity(jnp.array([-1, 2]))
        Array([-1,  2], dtype=int32)
    """
    return x


@derivative_of(identity)
def _identity_dx() -> float:
    return 1.0


@derivative_of(identity, order=2)
def _identity_dx2() -> float:
    return 0.0


@activation(kinks=(0.0,), integers="keep")
def relu(x: Array) -> Array:
    """Rectified linear unit.

    relu(x) = x if x > 0 else 0

    The derivation: g(z) = max(0, z) is z for z > 0 and 0 for z < 0, so g'(z) = 1 for
    z > 0 and g'(z) = 0 for z < 0.  At z = 0 the two sides disagree; g'(0) = 0 here, as
    in every framework.  Simple and cheap, but a unit whose z is at or below 0 for every
    input has no gradient left to move it: it is dead (see `leaky_relu`).

    Args:
        x: an array or number of real dtype.

    Returns:
        An array of the shape and dtype of x; integers keep theirs.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.relu(jnp.array([-1.0, 2.0]))
        Array([0., 2.], dtype=float32)

    Reference:
        Nair, Hinton (2010), Rectified linear units improve restricted Boltzmann
        machines, ICML.  On relu'(0): Bertoin et al. (2021), arXiv:2106.12915
    """
    return el.maximum(x, 0)


@derivative_of(relu)
def _relu_dx(y: Array) -> Array:
    return el.where(y > 0, 1, 0)


@activation(kinks=(0.0,), integers="weak")
def leaky_relu(x: Array, negative_slope: Parameter = 0.01) -> Array:
    """Leaky rectified linear unit.

    leaky_relu(x, negative_slope) = x if x >= 0 else negative_slope * x

    The derivation: g(z) = max(0.01 z, z) is z for z >= 0 and 0.01 z for z < 0, so
    g'(z) = 1 for z > 0 and g'(z) = 0.01, or another small slope, for z < 0.  The slope
    below 0 keeps a gradient in units that a ReLU would leave dead.  At z = 0 the slope
    is 1, as in JAX; PyTorch takes `negative_slope` there, as
    `leaky_relu_left` does.  TensorFlow's default is 0.2.

    Derivative by `negative_slope`: min(x, 0).

    Args:
        x: an array or number of real dtype; integers count as float32.
        negative_slope: the slope below 0, a number or an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x + negative_slope`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.leaky_relu(jnp.array([-1.0, 2.0]))
        Array([-0.01,  2.  ], dtype=float32)

    Reference:
        Maas, Hannun, Ng (2013), Rectifier nonlinearities improve neural network
        acoustic models, ICML workshop
    """
    return _leaky(x, negative_slope)


def _leaky(x: Array, slope: Parameter) -> Array:
    # the maximum only turns -0 into 0: the sign bit of the output then tells the
    # branch, also where the product underflows
    low = num.unless(slope == 0, x)
    return el.where(x >= 0, el.maximum(x, 0), slope * low)


@derivative_of(leaky_relu)
def _leaky_relu_dx(x: Array, y: Array, negative_slope: Array) -> Array:
    # a slope that is given may be negative: only under the default does y tell x's sign
    told = x if isinstance(negative_slope, Array) else y
    below = (told < 0) if told is x else jnp.signbit(told)
    return el.where(below, negative_slope, 1)


@derivative_of(leaky_relu, wrt="negative_slope")
def _leaky_relu_dnegative_slope(x: Array) -> Array:
    return el.minimum(x, 0)


@activation(kinks=(0.0,))
def prelu(x: Array, negative_slope: Parameter = 0.25, axis: int | None = None) -> Array:
    """Parametric rectified linear unit: `leaky_relu` with a slope that is learnt.

    prelu(x, negative_slope) = x if x >= 0 else negative_slope * x

    Derivative: 1 for x >= 0, as in Flax and Equinox, `negative_slope` for x < 0;
    PyTorch takes `negative_slope` at 0 too.  By `negative_slope`: min(x, 0).  PyTorch
    starts from 0.25, Flax from 0.01, Keras from 0.

    Args:
        x: an array or number of real dtype; integers count as float32.
        negative_slope: the slope below 0: one number, one for each channel, or any
            array that broadcasts with x.
        axis: the axis of x along which a `negative_slope` of one dimension lies, such
            as 1 where the channels come second; None for the last.

    Returns:
        An array of the shape and dtype of `x + negative_slope`, the latter laid along
        the axis.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> x = jnp.array([[-1.0, -2.0], [3.0, 4.0]])
        >>> jaxact.prelu(x, jnp.array([0.25, 0.5]))
        Array([[-0.25, -1.  ],
               [ 3.  ,  4.  ]], dtype=float32)

    Reference:
        He, Zhang, Ren, Sun (2015), arXiv:1502.01852
    """
    return _leaky(x, negative_slope)  # the core has laid it along the axis


derivative_of(prelu)(_leaky_relu_dx)
derivative_of(prelu, wrt="negative_slope")(_leaky_relu_dnegative_slope)


@activation(kinks=(0.0,))
def leaky_relu_left(x: Array, negative_slope: Parameter = 0.01) -> Array:
    """`leaky_relu` with the slope from the left at 0.

    leaky_relu_left(x, negative_slope) = x if x > 0 else negative_slope * x

    Derivative: 1 for x > 0, `negative_slope` for x <= 0, 0 included, as in PyTorch and
    TensorFlow; by `negative_slope`: min(x, 0).  Values are those of `leaky_relu`.

    Args:
        x: an array or number of real dtype; integers count as float32.
        negative_slope: the slope below 0, a number or an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x + negative_slope`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.leaky_relu_left(jnp.array([-1.0, 2.0]))
        Array([-0.01,  2.  ], dtype=float32)
    """
    return _leaky(x, negative_slope)


@derivative_of(leaky_relu_left)
def _leaky_relu_left_dx(x: Array, y: Array, negative_slope: Array) -> Array:
    told = x if isinstance(negative_slope, Array) else y
    return el.where(told > 0, 1, negative_slope)


derivative_of(leaky_relu_left, wrt="negative_slope")(_leaky_relu_dnegative_slope)


@chooses(leaky_relu_left)
def rrelu(
    x: ArrayLike,
    key: Array | None = None,
    lower: Parameter = 1 / 8,
    upper: Parameter = 1 / 3,
) -> Array:
    """Randomized `leaky_relu`: in training every element has a slope of its own.

    rrelu(x) = x if x > 0 else a * x.  With a key, for training, a is drawn uniformly
    from [lower, upper) for each element; without one, for evaluation, a is (lower +
    upper) / 2.  Derivative: 1 for x > 0, a for x <= 0, as in PyTorch.

    Args:
        x: an array or number of real dtype; integers count as float32.
        key: a key of `jax.random`, for training; None for evaluation.
        lower: the least slope below 0.
        upper: the largest.

    Returns:
        An array of the shape and dtype of `x + lower + upper`; with a key, of x.

    Raises:
        ValueError: `lower` is larger than `upper`.
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.rrelu(jnp.array([-1.0, 2.0]))
        Array([-0.22916667,  2.        ], dtype=float32)

    Reference:
        Xu, Wang, Chen, Li (2015), arXiv:1505.00853
    """
    known = not isinstance(lower, Tracer) and not isinstance(upper, Tracer)
    if known and np.any(np.greater(lower, upper)):
        raise ValueError(f"rrelu: lower={lower} is larger than upper={upper}")
    if hasattr(x, "__jax_array__"):  # an object that only knows how to become one
        x = jnp.asarray(x)
    if key is None:
        return leaky_relu_left(x, (lower + upper) / 2)
    dtype = jnp.result_type(x)
    dtype = dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.result_type(float)
    slope = jax.random.uniform(key, jnp.shape(x), dtype, lower, upper)
    return leaky_relu_left(jnp.asarray(x, dtype), slope)


@activation(kinks=(0.0, 6.0), integers="weak")
def relu6(x: Array) -> Array:
    """Rectified linear unit capped at 6, for low precision.

    relu6(x) = 0 if x <= 0 else x if x < 6 else 6

    Derivative: 1 for 0 < x < 6 and 0 elsewhere, 0 and 6 included, as in PyTorch.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.relu6(jnp.array([-1.0, 8.0]))
        Array([0., 6.], dtype=float32)

    Reference:
        Howard et al. (2017), MobileNets, arXiv:1704.04861
    """
    return el.minimum(el.maximum(x, 0), 6)


@derivative_of(relu6)
def _relu6_dx(y: Array) -> Array:
    return el.where((y > 0) & (y < 6), 1, 0 * y)  # 0 * y keeps a NaN


def _corners(threshold: float, max_value: float) -> list[float]:
    return [p for p in (threshold, max_value) if math.isfinite(p)]


def _capped(x: Array, max_value: Parameter) -> Array:
    if _is_infinite(max_value):
        return jnp.zeros_like(x, bool)
    return (x >= max_value) & (max_value <= float(jnp.finfo(x.dtype).max))


def _is_infinite(max_value: Any) -> bool:
    """Whether it is the default; an inf among constants would stop JAX's debugging."""
    return not isinstance(max_value, Array) and bool(max_value == math.inf)


@activation(kinks=_corners)
def general_relu(
    x: Array,
    negative_slope: Parameter = 0.0,
    max_value: Parameter = math.inf,
    threshold: Parameter = 0.0,
) -> Array:
    """Rectifier with a cap, a slope below and a threshold, as `keras` has it.

    general_relu(x, negative_slope, max_value, threshold) = max_value if x >= max_value
        else x if x > threshold else negative_slope * (x - threshold)

    Derivative: 0 for x >= max_value, 1 between, `negative_slope` for x <= threshold,
    which at 0 is the convention of `relu` and of `leaky_relu_left`.  By
    `negative_slope`: x - threshold below it; by `max_value`: 1 from it on; by
    `threshold`: -negative_slope below it.  The value at the threshold is 0.

    Args:
        x: an array or number of real dtype; integers count as float32.
        negative_slope: the slope up to the threshold.
        max_value: the largest value; inf for no limit.
        threshold: where the identity begins.

    Returns:
        An array of the shape and dtype of `x + negative_slope + max_value + threshold`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.general_relu(jnp.array([-1.0, 2.0]), 0.25, 1.5)
        Array([-0.25,  1.5 ], dtype=float32)
    """
    low = x - threshold
    low = el.where(negative_slope == 0, num.finite(low), low)  # 0 * inf is NaN
    y = el.where(x > threshold, x, negative_slope * low)
    if _is_infinite(max_value):
        return y
    return el.where(_capped(x, max_value), max_value, y)


@derivative_of(general_relu)
def _general_relu_dx(
    x: Array, negative_slope: Array, max_value: Array, threshold: Array
) -> Array:
    slope = el.where(x > threshold, 1, negative_slope)
    return el.where(_capped(x, max_value), 0, slope)


@derivative_of(general_relu, order=2)
def _general_relu_dx2() -> float:
    return 0.0


@derivative_of(general_relu, wrt="negative_slope")
def _general_relu_dnegative_slope(
    x: Array, max_value: Array, threshold: Array
) -> Array:
    return el.where(_capped(x, max_value), 0, el.minimum(x - threshold, 0))


@derivative_of(general_relu, wrt="max_value")
def _general_relu_dmax_value(x: Array, max_value: Array) -> Array:
    return el.where(_capped(x, max_value), 1, 0)


@derivative_of(general_relu, wrt="threshold")
def _general_relu_dthreshold(
    x: Array, negative_slope: Array, max_value: Array, threshold: Array
) -> Array:
    below = (x <= threshold) & ~_capped(x, max_value)
    return el.where(below, -negative_slope, 0)
