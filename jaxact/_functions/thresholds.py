"""Thresholds: everything below becomes one value, everything above stays as it is.

Where the output tells on which side of the threshold its input was, the backward pass
keeps the output, as with the rectifiers.
"""

from jax import Array

from .._core import Parameter, activation, derivative_of
from .._numerics import elementary as el


def _at_threshold(threshold: float) -> list[float]:
    return [threshold]


@activation(kinks=_at_threshold)
def thresholded_relu(x: Array, threshold: Parameter = 1.0) -> Array:
    """Rectifier that begins at a threshold, with a jump there.

    thresholded_relu(x, threshold) = x if x > threshold else 0

    Derivative: 1 for x > threshold, 0 for x <= threshold; 0 by `threshold`, which is
    therefore chosen, not learnt.  ONNX calls it alpha, older Keras theta.

    Args:
        x: an array or number of real dtype; integers count as float32.
        threshold: up to here the result is 0.

    Returns:
        An array of the shape and dtype of `x + threshold`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.thresholded_relu(jnp.array([0.5, 2.0]))
        Array([0., 2.], dtype=float32)

    Reference:
        Konda, Memisevic, Krueger (2015), arXiv:1402.3337
    """
    return el.where(x <= threshold, 0, x)


@derivative_of(thresholded_relu)
def _thresholded_relu_dx(x: Array, y: Array, threshold: Array) -> Array:
    # above a threshold that is not negative the output is above it too
    told = x if isinstance(threshold, Array) else y
    return el.where(told <= threshold, 0, 1)


@activation(kinks=_at_threshold)
def threshold(x: Array, threshold: Parameter, value: Parameter) -> Array:
    """Threshold: a value of your choice for every x that is not above it.

    threshold(x, threshold, value) = x if x > threshold else value

    Derivative: 1 for x > threshold, 0 for x <= threshold, as in PyTorch and Keras; by
    `value`: 1 for x <= threshold, 0 above; by `threshold`: 0.

    Args:
        x: an array or number of real dtype; integers count as float32.
        threshold: up to here the result is `value`.
        value: the result there.

    Returns:
        An array of the shape and dtype of `x + threshold + value`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.threshold(jnp.array([-1.0, 2.0]), 0.5, -1.0)
        Array([-1.,  2.], dtype=float32)
    """
    return el.where(x <= threshold, value, x)


@derivative_of(threshold)
def _threshold_dx(x: Array, threshold: Array) -> Array:
    return el.where(x <= threshold, 0, 1)


@derivative_of(threshold, order=2)
@derivative_of(threshold, wrt="threshold")
@derivative_of(thresholded_relu, wrt="threshold")
def _zero() -> float:
    return 0.0


@derivative_of(threshold, wrt="value")
def _threshold_dvalue(x: Array, threshold: Array) -> Array:
    return el.where(x <= threshold, 1, 0)


@activation(kinks=lambda tau: [tau])
def tlu(x: Array, tau: Parameter = 0.0, axis: int | None = None) -> Array:
    """Thresholded linear unit: the larger of x and a threshold that is learnt.

    tlu(x, tau) = x if x > tau else tau

    Derivative: 1 for x > tau, 0 for x <= tau; by `tau` the other way round.  With tau
    at 0 it is `relu`.

    Args:
        x: an array or number of real dtype; integers count as float32.
        tau: the least value, a number or an array that broadcasts with x, such as one
            for each channel.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + tau`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.tlu(jnp.array([-1.0, 2.0]))
        Array([0., 2.], dtype=float32)

    Reference:
        Singh, Krishnan (2019), arXiv:1911.09737
    """
    return el.maximum(x, tau)


@derivative_of(tlu)
def _tlu_dx(x: Array, y: Array, tau: Array) -> Array:
    # a tau that is given may have been rounded in the output
    told = x if isinstance(tau, Array) else y
    return el.where(told <= tau, 0, 1)


@derivative_of(tlu, wrt="tau")
def _tlu_dtau(x: Array, tau: Array) -> Array:
    return el.where(x <= tau, 1, 0)


@activation(kinks=_at_threshold)
def step(x: Array, threshold: Parameter = 0.0) -> Array:
    """Heaviside step: whether x has reached a threshold, as a number.

    step(x, threshold) = 1 if x >= threshold else 0

    Derivative: 0 everywhere, at the jump as well, by `threshold` too: nothing trains
    through it without a surrogate.  The value at the threshold is 1.

    Args:
        x: an array or number of real dtype; integers count as float32.
        threshold: from here on the result is 1.

    Returns:
        An array of the shape and dtype of `x + threshold`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.step(jnp.array([-1.0, 2.0]))
        Array([0., 1.], dtype=float32)

    Reference:
        McCulloch, Pitts (1943), A logical calculus of the ideas immanent in nervous
        activity
    """
    return el.where(x >= threshold, 1, el.where(x < threshold, 0, x))


derivative_of(step)(_zero)
derivative_of(step, order=2)(_zero)
derivative_of(step, wrt="threshold")(_zero)
