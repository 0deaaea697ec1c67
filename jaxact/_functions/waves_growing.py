"""Waves of the input: one that grows with it, one that is added to it behind a gate."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from .._core import Parameter, activation, derivative_of
from .._numerics import angles as angles, elementary as el, pieces as num
from .._numerics.pairs import Pair, constant, number, pair, where
from .._numerics.precision import cancelling


@activation
def gcu(x: Array) -> Array:
    """Growing cosine unit.

    gcu(x) = x * cos(x)

    Derivative: cos(x) - x * sin(x); second: -2 * sin(x) - x * cos(x).

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.gcu(jnp.array([-1.0, 2.0]))
        Array([-0.54030234, -0.8322937 ], dtype=float32)

    Reference:
        Noel, Muthiah-Nakarajan, Kundu, Mishra (2021), arXiv:2108.12943
    """
    return x * angles.cos(angles.product(x)).value()


@derivative_of(gcu)
@cancelling()
def _gcu_dx(x: Array) -> Array:
    s, c = angles.sin_cos(angles.product(x))
    return c.value() - x * s.value()


@derivative_of(gcu, order=2)
@cancelling()
def _gcu_dx2(x: Array) -> Array:
    s, c = angles.sin_cos(angles.product(x))
    return -2 * s.value() - x * c.value()


@activation
def sinlu(
    x: Array, a: Parameter = 1.0, b: Parameter = 1.0, axis: int | None = None
) -> Array:
    """Sinusoidal-sigmoidal linear unit: a silu with a wave on its input.

    sinlu(x, a, b) = (x + a * sin(b * x)) / (1 + exp(-x))

    Derivative: (1 + a b cos(b x)) s + (x + a sin(b x)) s (1 - s), s being sigmoid(x);
    by a: sin(b x) s; by b: a x cos(b x) s.  0 at -inf; `silu` for a = 0.

    Args:
        x: an array or number of real dtype; integers count as float32.
        a: the amplitude of the wave, a number or an array that broadcasts with x.
        b: the frequency of the wave, a number or an array that broadcasts with x.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + a + b`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.sinlu(jnp.array([-1.0, 2.0]))
        Array([-0.49524784,  2.5625005 ], dtype=float32)

    Reference:
        Paul, Bandyopadhyay, Yoon, Geem, Sarkar (2022), SinLU: sinu-sigmoidal linear
        unit, Mathematics 10(3):337
    """
    up, down = num.raised(_seen(x))
    s = angles.sin(angles.product(num.finite(up), b))
    return num.logistic_times(up, _wavy(up, a, s)) * down


def _seen(x: Array) -> Array:
    """x as far below 0 as the gate lets anything through."""
    return el.maximum(x, num.lowest_argument(x))


def _wavy(x: Array, a: Parameter, s: Pair) -> Array:
    """x + a s."""
    wave = pair(number(a, x)) * s
    far = (x + wave.head) + wave.tail()
    return el.where(jnp.abs(x) < 2.0**-60, x + a * s.value(), far)  # tails are 0 there


class _Parts(NamedTuple):
    """The parts of the derivatives of sinlu, g being 1 - sigmoid(x)."""

    sine: Pair
    wavy: Pair  # x + a sin(b x)
    slope: Pair  # of it
    g: Pair
    steep: Pair  # 2 g - 1


def _parts(x: Array, a: Array, b: Array) -> _Parts:
    # without a wave there are limits
    x = num.unless((a == 0) | (b == 0), x)
    s, c = angles.sin_cos(angles.product(x, b))
    one, below = constant(1, like=x), x < 0
    e = num.pair_of(num.exp_below_0(-num.magnitude(x)))
    steep = (one - e) / (one + e)
    return _Parts(
        s,
        pair(x) + pair(number(a, x)) * s,
        one + pair(a * b) * c,
        where(below, one, e) / (one + e),
        where(below, steep, -steep),
    )


@derivative_of(sinlu)
@cancelling()
def _sinlu_dx(x: Array, a: Array, b: Array) -> Array:
    # the gate times 1 + a b cos + g (x + a sin)
    x, ab = _seen(x), a * b
    _, wavy, slope, g, _ = _parts(x, a, b)
    rest = g * wavy
    # far above 0 it touches 0 if a b is 1: from 2 cos(b x / 2)**2, which does not
    half = angles.cos(angles.product(num.finite(x), 0.5 * b))
    touching = (1 - ab) + ab * (2 * num.square(half.halved())) + rest.value()
    far = (x > 0) & (ab > 0) & (ab <= 1)
    return num.logistic_times(x, el.where(far, touching, (slope + rest).value()))


@derivative_of(sinlu, order=2)
@cancelling()
def _sinlu_dx2(x: Array, a: Array, b: Array) -> Array:
    # the gate times 2 g (1 + a b cos) + g (2 g - 1) (x + a sin) - a b**2 sin
    x = _seen(x)
    s, wavy, slope, g, steep = _parts(x, a, b)
    bend = g * (steep * wavy + slope.times(2))
    return num.logistic_times(x, (bend - pair(a * b * b) * s).value())


@derivative_of(sinlu, wrt="a")
def _sinlu_da(x: Array, b: Array) -> Array:
    x = num.unless(b == 0, x)
    x = _seen(x)
    return num.logistic_times(x, angles.sin(angles.product(x, b)).value())


@derivative_of(sinlu, wrt="b")
def _sinlu_db(x: Array, a: Array, b: Array) -> Array:
    x = _seen(num.unless(a == 0, x))
    near = num.unless(b == 0, x)
    cosine = angles.cos(angles.product(near, b)).value()
    return num.logistic_times(x, a * (x * cosine))
