"""Normalizers made for attention."""

from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from .._core import activation, definition_of, derivative_of, pushforward_of
from .log_sums import logsumexp
from .normalizers import (
    Axis,
    Temperature,
    base_of,
    constant_along,
    exponentials,
    masked,
    total,
)
from .sigmoids import sigmoid


@activation
def softmax_with_sink(
    x: Array,
    sink: float | Array = 0.0,
    axis: int | tuple[int, ...] | None = -1,
    where: Array | None = None,
    temperature: float | Array = 1.0,
) -> Array:
    """Softmax beside a sink, a score that takes weight and passes none on.

    y_i = exp(x_i / T) / (exp(sink / T) + sum_j exp(x_j / T)), T being the temperature.

    A row may so attend to nothing.  With sink = 0 it is the softmax that adds one to
    its denominator ("softmax plus one", "quiet attention"); the trained sinks of
    gpt-oss are one per head.

    Derivative: y_i (t_i - sum_j y_j t_j) / T along t, from the output y alone; by the
    sink: -y_i s / T, s being the sink's weight 1 - sum_j y_j; by T: along
    t = (sink - x) / T.

    Args:
        x: an array of real dtype; integers count as float32.
        sink: a number, or an array with one entry along `axis`.
        axis: the axis or axes that are weighed; None for all.
        where: a mask that broadcasts with x; what is False is left out.
        temperature: positive; a number, or an array with one entry along `axis`.

    Raises:
        TypeError: an argument is no array or number of real dtype.
        ValueError: x has no such axis, or the sink or temperature differs along it.
    """
    constant_along(axis, x, temperature=temperature, sink=sink)
    x = masked(x, where)
    sink = jnp.asarray(sink, x.dtype)
    base = base_of(x, axis, sink)
    e, of_sink = (exponentials(v, base, temperature) for v in (x, sink))
    return e / jnp.maximum(total(e, axis) + of_sink, 1)


@definition_of(softmax_with_sink)
def _softmax_with_sink_plain(
    x: Any,
    sink: Any = 0.0,
    axis: Axis = -1,
    where: Any = None,
    temperature: Any = 1.0,
) -> Array:
    x, sink = x / temperature, sink / temperature
    x = x if where is None else jnp.where(where, x, -jnp.inf)
    base = jnp.maximum(jnp.max(x, axis, keepdims=True), sink)
    base = lax.stop_gradient(base)
    e = jnp.exp(x - base)
    return e / (jnp.exp(sink - base) + jnp.sum(e, axis, keepdims=True))


@pushforward_of(softmax_with_sink)
def _softmax_with_sink_push(
    t: Array, y: Array, axis: Axis, temperature: Temperature
) -> Array:
    left_out = y == 0
    t = jnp.where(left_out, 0, t)
    t = t - jnp.sum(y * t, axis, keepdims=True)
    return jnp.where(left_out, 0, y * t) / temperature


@derivative_of(softmax_with_sink, wrt="sink")
def _softmax_with_sink_dsink(
    x: Array,
    y: Array,
    sink: Array,
    axis: Axis,
    where: Any,
    temperature: Temperature,
) -> Array:
    others = logsumexp((x - sink) / temperature, axis, where, keepdims=True)
    return -y * sigmoid(-others) / temperature  # 1 less the sum of y, or 0


@derivative_of(softmax_with_sink, wrt="temperature")
def _softmax_with_sink_dtemperature(
    x: Array,
    y: Array,
    sink: Array,
    axis: Axis,
    where: Any,
    temperature: Temperature,
) -> Array:
    t = jnp.where(jnp.isfinite(masked(x, where)), (sink - x) / temperature, 0)
    return _softmax_with_sink_push(t, y, axis, temperature)
