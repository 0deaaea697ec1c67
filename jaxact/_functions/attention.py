"""Normalizers made for attention."""

from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from .._core import Parameter, activation, definition_of, derivative_of, pushforward_of
from .._numerics.rows import Axis, beside_sink
from ._weights import beside_dsink, beside_dtemperature, beside_push


@activation
def softmax_with_sink(
    x: Array,
    sink: Parameter = 0.0,
    axis: Axis = -1,
    where: Parameter | None = None,
    temperature: Parameter = 1.0,
) -> Array:
    """Softmax beside a sink, a score that takes weight and passes none on.

    y_i = exp(x_i / T) / (exp(sink / T) + sum_j exp(x_j / T)), T being the temperature.

    So a row may attend to nothing.  With sink = 0 it is the softmax that adds one to
    its denominator ("softmax plus one", "quiet attention"); the trained sinks of
    gpt-oss are one per head.

    Derivative: y_i (t_i - sum_j y_j t_j) / T along t; by the sink: -y_i s / T, s being
    the sink's weight 1 - sum_j y_j; by T: along t = (sink - x) / T.  The backward pass
    keeps x (and `where`): from y alone, 1 - y would be lost in the rounding of a y near
    1.

    Args:
        x: an array of real dtype; integers count as float32.
        sink: a number, or an array with one entry along `axis`.
        axis: the axis or axes that are weighed; None for all.
        where: a mask that broadcasts with x; what is False is left out.
        temperature: positive; a number, or an array with one entry along `axis`; of
            inf all weights are equal, the sink's too.

    Returns:
        An array of the shape of x and the dtype of `(x - sink) / temperature`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.
        ValueError: x has no such axis, or the sink or temperature differs along it.

    Example:
        >>> jaxact.softmax_with_sink(jnp.array([1.0, 2.0, 3.0]))
        Array([0.08714432, 0.23688282, 0.6439143 ], dtype=float32)
    """
    return beside_sink(x, sink, axis, where, temperature)[0]


@definition_of(softmax_with_sink)
def _softmax_with_sink_plain(
    x: Any,
    sink: Any = 0.0,
    axis: Any = -1,
    where: Any = None,
    temperature: Any = 1.0,
) -> Array:
    x, sink = x / temperature, sink / temperature
    x = x if where is None else jnp.where(where, x, -jnp.inf)
    base = jnp.maximum(jnp.max(x, axis, keepdims=True), sink)
    base = lax.stop_gradient(base)
    e = jnp.exp(x - base)
    return e / (jnp.exp(sink - base) + jnp.sum(e, axis, keepdims=True))


pushforward_of(softmax_with_sink)(beside_push)
derivative_of(softmax_with_sink, wrt="sink")(beside_dsink)
derivative_of(softmax_with_sink, wrt="temperature")(beside_dtemperature)
