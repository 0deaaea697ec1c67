"""Slopes that are chosen at kinks: kernels of an activation, changed at these points.

A convention, or a mean of the slopes on both sides, as 0.5 of `relu` at 0.
"""

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from .._formula import Formula
from .definition import describe, read_by
from .values import value_of

Slopes = Mapping[float, float]
Kernel = Callable[..., Any]


def checked_slopes(name: str, kinks: Mapping[Any, Any]) -> dict[float, float]:
    """The slopes by kink, as floats."""
    for value in (*kinks, *kinks.values()):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not (number and math.isfinite(value)):
            raise TypeError(
                f"activation: {name}: kinks must be points, or a dict of points and "
                f"slopes, all finite numbers; got {describe(value)}"
            )
    return {float(point): float(slope) for point, slope in kinks.items()}


def require_kinks(
    formula: Formula,
    slopes: Slopes,
    signature: inspect.Signature,
    examples: Mapping[str, Any],
) -> None:
    """Refuse a point where the slope of the formula does not jump."""
    values = {}
    for n in formula.reads:
        default = signature.parameters[n].default
        value = examples.get(n, 0.75) if default is inspect.Parameter.empty else default
        if not isinstance(value, (int, float)):
            return  # it has no number to try
        values[n] = float(value)
    for point in slopes:
        near, far = (_jump(formula, point, 2.0**-n, values) for n in (20, 14))
        # the jump of a smooth function falls as fast as the step
        if near <= far / 8:
            raise ValueError(
                f"activation: {formula.name}: the slope of its formula does not jump "
                f"at {point!r}; kinks={{{point!r}: ...}} sets the slope at a kink"
            )


def _jump(
    formula: Formula, point: float, step: float, values: Mapping[str, float]
) -> float:
    """The difference of the slopes on both sides, without rounding; inf for NaN."""
    step *= max(1.0, abs(point))
    with jax.enable_x64(True):
        x = jnp.asarray([point - step, point, point + step], jnp.float64)
        given = {n: jnp.float64(v) for n, v in values.items()}
        y = np.broadcast_to(np.asarray(formula.as_jnp()(x, **given)), x.shape)
    before, at, after = y.tolist()
    jump = abs((after - at) - (at - before)) / step
    if not math.isfinite(jump):
        return math.inf
    return jump if jump > 2.0**-50 * max(map(abs, y.tolist())) / step else 0.0


def value_with_slopes(kernel: Kernel, slopes: Slopes) -> Kernel:
    """The kernel of a value, whose derivatives JAX may take."""
    if not slopes:
        return kernel

    @functools.wraps(kernel)
    def chosen(x: Array, **arguments: Any) -> Any:
        value = kernel(x=x, **arguments)
        if not isinstance(value, Array):
            return value
        still, at = lax.stop_gradient(x), _at(x, slopes)
        slope = _with_slopes(jnp.zeros_like(x), x, slopes)
        straight = kernel(x=still, **arguments) + slope * (x - still)
        # not at the kink, where the slope of the kernel may be infinite
        other = kernel(x=jnp.where(at, still + 1, x), **arguments)
        return value_of(value, jnp.where(at, straight, other))

    return chosen


def derivative_with_slopes(kernel: Kernel, slopes: Slopes, order: int) -> Kernel:
    """The kernel of a derivative by x: from the second on 0 at these points."""
    if not slopes:
        return kernel
    reads = read_by(kernel)
    signature = inspect.signature(kernel)

    @functools.wraps(kernel)
    def chosen(**arguments: Any) -> Any:
        x = arguments["x"]
        given = kernel(**{n: arguments[n] for n in reads})
        points = slopes if order == 1 else dict.fromkeys(slopes, 0.0)
        return _with_slopes(given, x, points)

    if "x" not in reads:
        more = inspect.Parameter("x", inspect.Parameter.KEYWORD_ONLY)
        parameters = (*signature.parameters.values(), more)
        signature = signature.replace(parameters=parameters)
    chosen.__signature__ = signature  # type: ignore[attr-defined]
    return chosen


def _at(x: Array, slopes: Slopes) -> Array:
    """Where x is one of the points."""
    return functools.reduce(jnp.logical_or, (x == point for point in slopes))


def _with_slopes(given: Any, x: Array, slopes: Slopes) -> Array:
    for point, slope in slopes.items():
        given = jnp.where(x == point, slope, given)
    return given
