"""Weights along an axis for kernels that are differentiated further.

They are activations themselves, but not public ones: the base of the exponentials
comes from the kernel that was given x, which may have been of a half precision.
"""

from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from .._core import Parameter, activation, derivative_of, pushforward_of
from .._numerics import elementary as el, pieces as num
from .._numerics.rows import (
    Axis,
    Temperature,
    leading,
    masked,
    shares,
    shares_beside,
    softmax_push,
    told,
    total,
    with_base,
)


def no_slope(base: Array) -> Array:
    """The derivative by the base, which only keeps exponentials in range."""
    return jnp.zeros_like(base)


def weights(x: Array, axis: Any, where: Any, temperature: Temperature = 1) -> Array:
    """The softmax in a kernel that is differentiated further."""
    given = {"temperature": temperature} if isinstance(temperature, Array) else {}
    x, base = with_base(masked(x, where), axis)
    return _weights(x, base, axis, where, **given)


@activation
def _weights(
    x: Array,
    base: Parameter,
    axis: Axis = -1,
    where: Parameter | None = None,
    temperature: Parameter = 1.0,
) -> Array:
    """The softmax; the base comes from the kernel that was given x, maybe as halves."""
    return shares(x, base, axis, temperature)


derivative_of(_weights, wrt="base")(no_slope)


def softmax_dtemperature(
    x: Array, axis: Any, where: Any, temperature: Temperature
) -> Array:
    y = weights(x, axis, where, temperature)
    t = _by_temperature(x, y, axis, temperature)
    return softmax_push(t, y, axis, where, temperature)


def _by_temperature(x: Array, y: Array, axis: Any, temperature: Temperature) -> Array:
    """The direction that x moves in when the temperature grows, less its mean."""
    x = el.where((y == 0) | jnp.isinf(x), 0, x)
    mean = lax.stop_gradient(jnp.sum(y * x, axis, keepdims=True))
    return num.finite(mean - x) / temperature


@pushforward_of(_weights)
def _weights_push(
    t: Array, y: Array, axis: Any, where: Any, temperature: Temperature
) -> Array:
    return softmax_push(t, y, axis, where, temperature)


derivative_of(_weights, wrt="temperature")(softmax_dtemperature)


@activation
def weights_beside(
    x: Array,
    base: Parameter,
    sink: Parameter = 0.0,
    axis: Axis = -1,
    where: Parameter | None = None,
    temperature: Parameter = 1.0,
) -> Array:
    """Weights of a row beside a sink, for kernels that are differentiated further."""
    return shares_beside(x, base, sink, axis, temperature)[0]


@activation
def weight_of_sink(
    x: Array,
    base: Parameter,
    sink: Parameter = 0.0,
    axis: Axis = -1,
    where: Parameter | None = None,
    temperature: Parameter = 1.0,
) -> Array:
    """The weight of the sink beside a row, alike."""
    return shares_beside(x, base, sink, axis, temperature)[1]


def both_weights(
    x: Array, sink: Any, axis: Any, where: Any, temperature: Temperature
) -> tuple[Array, Array]:
    """The weights of a row and of its sink, for what is differentiated further."""
    given = {"temperature": temperature} if isinstance(temperature, Array) else {}
    given.update({"sink": sink} if isinstance(sink, Array) else {})
    given = {**given, "axis": axis, "where": where}
    x, base = with_base(masked(x, where), axis, jnp.asarray(sink, x.dtype))
    return weights_beside(x, base, **given), weight_of_sink(x, base, **given)


def _along(t: Array, y: Array, of_sink: Array, axis: Any, where: Any) -> Array:
    """y_i (t_i - sum_j y_j t_j), t being 0 for the sink, as in `softmax_push`."""
    t = told(t, y, where)
    ahead = leading(t, y, axis)  # 0 if the sink is
    t = (t - ahead) * y
    return told(t + y * (of_sink * ahead - total(t, axis)), y, where)


def beside_push(
    t: Array, x: Array, sink: Any, axis: Any, where: Any, temperature: Temperature
) -> Array:
    y, of_sink = both_weights(x, sink, axis, where, temperature)
    return _along(t, y, of_sink, axis, where) / temperature


def beside_dsink(
    x: Array, sink: Any, axis: Any, where: Any, temperature: Temperature
) -> Array:
    y, of_sink = both_weights(x, sink, axis, where, temperature)
    return -y * of_sink / temperature


def beside_dtemperature(
    x: Array, sink: Any, axis: Any, where: Any, temperature: Temperature
) -> Array:
    y, of_sink = both_weights(x, sink, axis, where, temperature)
    t = _above_sink(x, sink, y) / -temperature
    return _along(t, y, of_sink, axis, where) / temperature


def _above_sink(x: Array, sink: Any, y: Array) -> Array:
    """x less the sink, where both are finite and x has weight."""
    x = el.where((y == 0) | jnp.isinf(x), 0, x)
    return x - el.where(jnp.isinf(sink), 0, sink)


@pushforward_of(weight_of_sink)
def _weight_of_sink_push(
    t: Array, x: Array, sink: Any, axis: Any, where: Any, temperature: Temperature
) -> Array:
    y, of_sink = both_weights(x, sink, axis, where, temperature)
    return -of_sink * total(y * told(t, y, where), axis) / temperature


@derivative_of(weight_of_sink, wrt="sink")
def _weight_of_sink_dsink(
    x: Array, sink: Any, axis: Any, where: Any, temperature: Temperature
) -> Array:
    y, of_sink = both_weights(x, sink, axis, where, temperature)
    return of_sink * total(y, axis) / temperature


@derivative_of(weight_of_sink, wrt="temperature")
def _weight_of_sink_dtemperature(
    x: Array, sink: Any, axis: Any, where: Any, temperature: Temperature
) -> Array:
    y, of_sink = both_weights(x, sink, axis, where, temperature)
    mean = total(y * _above_sink(x, sink, y), axis)
    return of_sink * mean / temperature / temperature


derivative_of(weights_beside, wrt="base")(no_slope)
derivative_of(weight_of_sink, wrt="base")(no_slope)
pushforward_of(weights_beside)(beside_push)
derivative_of(weights_beside, wrt="sink")(beside_dsink)
derivative_of(weights_beside, wrt="temperature")(beside_dtemperature)
