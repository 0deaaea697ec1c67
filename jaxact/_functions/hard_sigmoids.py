"""Piecewise linear sigmoids: straight in the middle, exactly constant outside.

They cost no exponential.  Outside the middle their slope is 0, so that nothing is
trained through them there.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array

from .._core import Parameter, activation, derivative_of
from .._numerics import elementary as el, pieces as num
from .._numerics.pairs import constant, number, pair, upper_half
from .._numerics.precision import rounded_to


@activation(kinks=(-3.0, 3.0), integers="weak")
def hard_sigmoid(x: Array) -> Array:
    """Piecewise linear sigmoid of slope 1/6.

    hard_sigmoid(x) = 0 if x <= -3 else 1 if x >= 3 else x / 6 + 1 / 2

    Derivative: 1/6 for |x| < 3, 0 elsewhere.  Older Keras and ONNX take the slope 1/5,
    as `hard_sigmoid_sloped` does.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.hard_sigmoid(jnp.array([-1.0, 2.0]))
        Array([0.33333334, 0.8333334 ], dtype=float32)

    Reference:
        Howard et al. (2019), Searching for MobileNetV3, arXiv:1905.02244
    """
    return (el.clip(x, -3, 3) + 3) / 6


@derivative_of(hard_sigmoid)
def _hard_sigmoid_dx(x: Array) -> Array:
    return el.maximum(num.sign(3 - jnp.abs(x)), 0) / 6


@derivative_of(hard_sigmoid, order=2)
def _hard_sigmoid_dx2() -> float:
    return 0.0


def _clipped_line(slope: float, offset: float) -> list[float]:
    return [-offset / slope, (1 - offset) / slope]


@activation(kinks=_clipped_line, domain={"slope": (0.0, float("inf"))})
def hard_sigmoid_sloped(
    x: Array, slope: Parameter = 0.2, offset: Parameter = 0.5
) -> Array:
    """Piecewise linear sigmoid of any slope and offset, those of ONNX by default.

    hard_sigmoid_sloped(x, slope, offset) = 0 if slope * x + offset <= 0
        else 1 if slope * x + offset >= 1 else slope * x + offset

    Derivative: `slope` where the value is between 0 and 1, 0 elsewhere; by `slope`: x
    between, by `offset`: 1 between.  ONNX calls them alpha and beta.

    Args:
        x: an array or number of real dtype; integers count as float32.
        slope: the slope of the middle, positive.
        offset: the value at 0.

    Returns:
        An array of the shape and dtype of `x + slope + offset`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.hard_sigmoid_sloped(jnp.array([-1.0, 2.0]))
        Array([0.3, 0.9], dtype=float32)

    Reference:
        Courbariaux, Bengio, David (2015), BinaryConnect, arXiv:1511.00363
    """
    head = upper_half(number(slope, x))  # times a half precision it is exact
    x = num.finite(x)
    return el.clip((x * head + offset) + x * (slope - head), 0, 1)


def _on_the_line(x: Array, slope: Parameter, offset: Parameter) -> Array:
    """Whether 0 < slope * x + offset < 1, with no rounding error."""
    with rounded_to(x.dtype):  # the ends are needed in full for any precision
        a, b = pair(number(slope, x)), pair(number(offset, x))
        low, high = -b / a, (constant(1.0, like=x) - b) / a
    above = (x - low.head) > low.tail()
    return above & ((x - high.head) < high.tail())


@derivative_of(hard_sigmoid_sloped)
def _hard_sigmoid_sloped_dx(x: Array, slope: Array, offset: Array) -> Array:
    return el.where(_on_the_line(x, slope, offset), slope, 0)


@derivative_of(hard_sigmoid_sloped, order=2)
def _hard_sigmoid_sloped_dx2() -> float:
    return 0.0


@derivative_of(hard_sigmoid_sloped, wrt="slope")
def _hard_sigmoid_sloped_dslope(x: Array, slope: Array, offset: Array) -> Array:
    return el.where(_on_the_line(x, slope, offset), x, 0)


@derivative_of(hard_sigmoid_sloped, wrt="offset")
def _hard_sigmoid_sloped_doffset(x: Array, slope: Array, offset: Array) -> Array:
    return el.where(_on_the_line(x, slope, offset), 1, 0)


def _bounds(min_value: float, max_value: float) -> list[float]:
    return [min_value, max_value]


@activation(kinks=_bounds, integers="keep")
def hard_tanh(
    x: Array, min_value: Parameter = -1.0, max_value: Parameter = 1.0
) -> Array:
    """Piecewise linear tanh.

    hard_tanh(x, min_value, max_value) = min_value if x < min_value
        else x if x <= max_value else max_value

    Derivative: 1 from min_value to max_value, both included, 0 elsewhere; by
    `min_value`: 1 below it; by `max_value`: 1 above it.  PyTorch takes 0 at the ends,
    as `hard_tanh_open` does.

    Args:
        x: an array or number of real dtype; integer arrays keep their dtype.
        min_value: the least value, not more than `max_value`.
        max_value: the largest value.

    Returns:
        An array of the shape and dtype of `x + min_value + max_value`; integers keep
        their dtype with the default bounds.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.hard_tanh(jnp.array([-0.5, 2.0]))
        Array([-0.5,  1. ], dtype=float32)

    Reference:
        Collobert (2004), Large scale machine learning, PhD thesis
    """
    return _clipped(x, min_value, max_value, jnp.less)


def _clipped(
    x: Array,
    min_value: Parameter,
    max_value: Parameter,
    below: Callable[[Array, Parameter], Array],
) -> Array:
    if not (isinstance(min_value, Array) or isinstance(max_value, Array)):
        return el.clip(x, -1, 1)
    low = min_value if isinstance(min_value, Array) else -1  # whole, for integers
    high = max_value if isinstance(max_value, Array) else 1
    return el.where(below(x, low), low, el.minimum(x, high))


@derivative_of(hard_tanh)
def _hard_tanh_dx(x: Array, min_value: Array, max_value: Array) -> Array:
    # from x: an output of 1 comes from x = 1, of slope 1, and from all x above it
    if isinstance(min_value, Array) or isinstance(max_value, Array):
        return el.where((x < min_value) | (x > max_value), 0, 1)
    return el.where(jnp.abs(x) <= 1, 1, 0)


@derivative_of(hard_tanh, order=2)
def _hard_tanh_dx2() -> float:
    return 0.0


@derivative_of(hard_tanh, wrt="min_value")
def _hard_tanh_dmin_value(x: Array, min_value: Array) -> Array:
    return el.where(x < min_value, 1, 0)


@derivative_of(hard_tanh, wrt="max_value")
def _hard_tanh_dmax_value(x: Array, min_value: Array, max_value: Array) -> Array:
    return el.where((x > max_value) & (x >= min_value), 1, 0)


@activation(kinks=_bounds, integers="keep")
def hard_tanh_open(
    x: Array, min_value: Parameter = -1.0, max_value: Parameter = 1.0
) -> Array:
    """`hard_tanh` with slope 0 at its ends, so that the output tells the slope.

    hard_tanh_open(x, min_value, max_value) = min_value if x <= min_value
        else x if x < max_value else max_value

    Derivative: 1 between min_value and max_value, 0 elsewhere, at both ends too, as in
    PyTorch and MLX; by `min_value`: 1 up to it; by `max_value`: 1 from it on.

    Args:
        x: an array or number of real dtype; integer arrays keep their dtype.
        min_value: the least value, not more than `max_value`.
        max_value: the largest value.

    Returns:
        An array of the shape and dtype of `x + min_value + max_value`; integers keep
        their dtype with the default bounds.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.hard_tanh_open(jnp.array([-0.5, 2.0]))
        Array([-0.5,  1. ], dtype=float32)
    """
    return _clipped(x, min_value, max_value, jnp.less_equal)


@derivative_of(hard_tanh_open)
def _hard_tanh_open_dx(x: Array, y: Array, min_value: Array, max_value: Array) -> Array:
    # a bound that is given may have been rounded in the output
    given = isinstance(min_value, Array) or isinstance(max_value, Array)
    told = x if given else y
    return el.where((told <= min_value) | (told >= max_value), 0, 1)


@derivative_of(hard_tanh_open, wrt="min_value")
def _hard_tanh_open_dmin_value(x: Array, min_value: Array) -> Array:
    return el.where(x <= min_value, 1, 0)


@derivative_of(hard_tanh_open, wrt="max_value")
def _hard_tanh_open_dmax_value(x: Array, min_value: Array, max_value: Array) -> Array:
    return el.where((x >= max_value) & (x > min_value), 1, 0)


@activation(kinks=(-1.0, 1.0), integers="weak")
def sparse_sigmoid(x: Array) -> Array:
    """Piecewise linear sigmoid from -1 to 1, the derivative of `sparse_plus`.

    sparse_sigmoid(x) = min(max((x + 1) / 2, 0), 1)

    Derivative: 1/2 for |x| < 1, 0 for |x| > 1, and 1/4 at -1 and 1, as in jax.nn.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.sparse_sigmoid(jnp.array([-0.5, 2.0]))
        Array([0.25, 1.  ], dtype=float32)

    Reference:
        Blondel, Martins, Niculae (2019), arXiv:1901.02324
    """
    return (el.clip(x, -1, 1) + 1) / 2


@derivative_of(sparse_sigmoid)
def _sparse_sigmoid_dx(x: Array) -> Array:
    return (1 + num.sign(1 - jnp.abs(x))) / 4


@derivative_of(sparse_sigmoid, order=2)
def _sparse_sigmoid_dx2() -> float:
    return 0.0
