"""Normalizers made for attention."""

from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from .._core import activation, definition_of, derivative_of, pushforward_of
from .normalizers import (
    Axis,
    Temperature,
    base_of,
    by_rows,
    constant_along,
    exponentials,
    masked,
    softmax_dtemperature,
    total,
    weights,
)


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
    x: Array, sink: Array, axis: Axis, where: Any, temperature: Temperature
) -> Array:
    def rows(x: Array, sink: Array) -> Array:
        y = weights(jnp.append(x, sink, -1), -1, None, temperature)
        return -y[..., :-1] * y[..., -1:]

    return _beside(rows, x, sink, axis, where) / temperature


@derivative_of(softmax_with_sink, wrt="temperature")
def _softmax_with_sink_dtemperature(
    x: Array, sink: Array, axis: Axis, where: Any, temperature: Temperature
) -> Array:
    def rows(x: Array, sink: Array) -> Array:
        whole = jnp.append(x, sink, -1)
        return softmax_dtemperature(whole, -1, None, temperature)[..., :-1]

    return _beside(rows, x, sink, axis, where)


def _beside(f: Any, x: Array, sink: Array, axis: Axis, where: Any) -> Array:
    """A function of rows and their sinks, of what is derived from the weights of both.

    1 less the sum of the output would be the sink's, without its digits near 0.
    """
    x = masked(x, where)
    shape = jnp.max(x, axis, keepdims=True, initial=0).shape
    return by_rows(f, x, axis, jnp.broadcast_to(sink, shape))
