"""Activations from activations, with derivatives as good as those of the parts.

What a combinator returns is an activation like any other: a function of `x` and of the
parameters of its parts, with a formula line, rules for its derivatives, and one array
kept for the backward pass however deep it is.  It is computed as it is written, and its
derivative is the chain rule through those of the parts; two of the same construction
are equal, and hash, pickle and print as such.

    mish = multiply(identity, compose(tanh, softplus))

A parameter keeps its name unless two have the same; then they are numbered in order, as
in `alpha_1`, `alpha_2`.  As in the parts, parameters of one dimension lie along `axis`.
"""

import itertools
from collections.abc import Mapping, Sequence

from ._combination import (
    Activation,
    Combination as Combination,
    combined,
    dead_intervals,
    part,
)

__all__ = [  # noqa: RUF022 (in the order of the file)
    "Combination",
    "compose",
    "add",
    "multiply",
    "scale",
    "shift",
    "mix",
    "gated",
    "clip",
    "piecewise",
    "reflect",
    "surrogate",
    "leaky",
    "standardized",
    "rebuilt",
]


def __dir__() -> list[str]:
    return __all__


def compose(*fs: Activation) -> Combination:
    """The last function first.

    compose(f, g)(x) = f(g(x))

    Args:
        fs: activations, one or more.

    Raises:
        TypeError: one is not an elementwise activation.
    """
    return combined("compose", fs)


def add(*fs: Activation) -> Combination:
    """The sum.

    add(f, g)(x) = f(x) + g(x)

    Args:
        fs: activations, one or more.

    Raises:
        TypeError: one is not an elementwise activation.
    """
    return combined("add", fs)


def multiply(*fs: Activation) -> Combination:
    """The product.

    multiply(f, g)(x) = f(x) * g(x)

    Args:
        fs: activations, one or more.

    Raises:
        TypeError: one is not an elementwise activation.
    """
    return combined("multiply", fs)


def scale(f: Activation, *, output: float = 1.0, input: float = 1.0) -> Combination:
    """The axes stretched.

    scale(f, output=a, input=b)(x) = a * f(b * x)

    Args:
        f: an activation.
        output: the default of the parameter `output`.
        input: the default of the parameter `input`; -1 mirrors f.

    Raises:
        TypeError: `f` is not an elementwise activation, or a setting is not a number.
    """
    return combined("scale", (f,), output=output, input=input)


def shift(f: Activation, *, output: float = 0.0, input: float = 0.0) -> Combination:
    """The axes moved.

    shift(f, output=a, input=b)(x) = f(x + b) + a

    Args:
        f: an activation.
        output: the default of the parameter `output`.
        input: the default of the parameter `input`.

    Raises:
        TypeError: `f` is not an elementwise activation, or a setting is not a number.
    """
    return combined("shift", (f,), output=output, input=input)


def mix(fs: Sequence[Activation], weights: Sequence[float]) -> Combination:
    """A weighted sum.

    mix((f, g), (a, b))(x) = a * f(x) + b * g(x)

    Args:
        fs: activations.
        weights: the defaults of the parameters `weight_1`, `weight_2`, ..., which can
            be trained.

    Raises:
        TypeError: one of `fs` is not an elementwise activation, or a weight is not a
            number.
        ValueError: there are not as many weights as functions.
    """
    if len(fs) != len(weights):
        raise ValueError(
            f"mix: {len(fs)} functions and {len(weights)} weights; expected as many"
        )
    named = {f"weight_{n}": w for n, w in enumerate(weights, 1)}
    return combined("mix", tuple(fs), **named)


def gated(f: Activation) -> Combination:
    """A gated unit.

    gated(f)(x, value) = f(x) * value

    Args:
        f: an activation, which becomes the gate.

    Raises:
        TypeError: `f` is not an elementwise activation.
    """
    return combined("gated", (f,))


def clip(f: Activation, low: float, high: float) -> Combination:
    """f between `low` and `high`, with the slope 0 beyond.

    Args:
        f: an activation.
        low: the default of the parameter `low`.
        high: the default of the parameter `high`.

    Raises:
        TypeError: `f` is not an elementwise activation, or a bound is not a number.
        ValueError: `low` is more than `high`.
    """
    clipped = combined("clip", (f,), low=low, high=high)  # refuses arrays
    if low > high:
        raise ValueError(f"clip: low={low!r} is more than high={high!r}")
    return clipped


def piecewise(breakpoints: Sequence[float], fs: Sequence[Activation]) -> Combination:
    """One function after the other: the next begins at each breakpoint.

    piecewise((a, b), (f, g, h))(x) = f(x) if x < a else g(x) if x < b else h(x)

    Args:
        breakpoints: numbers, increasing.
        fs: activations, one more than there are breakpoints.

    Raises:
        TypeError: one of `fs` is not an elementwise activation, or a breakpoint is not
            a number.
        ValueError: the breakpoints do not increase, or are not one fewer than `fs`.
    """
    if len(fs) != len(breakpoints) + 1:
        raise ValueError(
            f"piecewise: {len(breakpoints)} breakpoints and {len(fs)} functions; "
            "expected one function more"
        )
    named = {f"breakpoint_{n}": b for n, b in enumerate(breakpoints, 1)}
    made = combined("piecewise", tuple(fs), **named)  # refuses arrays
    if any(a >= b for a, b in itertools.pairwise(breakpoints)):
        raise ValueError(f"piecewise: breakpoints {tuple(breakpoints)} do not increase")
    return made


def reflect(f: Activation) -> Combination:
    """f turned about the origin.

    reflect(f)(x) = -f(-x)

    Args:
        f: an activation.

    Raises:
        TypeError: `f` is not an elementwise activation.
    """
    return combined("reflect", (f,))


def surrogate(forward: Activation, slope: Activation) -> Combination:
    """The value of one function and the derivatives of another.

    Straight through: `surrogate(step, identity)`; a spiking neuron: `surrogate(step,
    scale(sigmoid, input=4.0))`; SUGAR (Horuz et al., arXiv:2505.22074), which keeps a
    gradient in dead units: `surrogate(relu, silu)`.

    Args:
        forward: the activation that gives the value.
        slope: the activation whose derivatives count.

    Raises:
        TypeError: one is not an elementwise activation.
    """
    return combined("surrogate", (forward, slope))


def leaky(f: Activation, slope: float = 0.01) -> Combination:
    """f with a slope wherever it is dead, as `leaky_relu` is to `relu`.

    To f is added `slope` times the way that x has gone, from 0 on, through the
    intervals between kinks where f is constant; f stays as continuous as it was.

    Args:
        f: an activation that is constant between some of its kinks.
        slope: the default of the parameter `slope`.

    Raises:
        TypeError: `f` is not an elementwise activation, or `slope` is not a number.
        ValueError: f is not constant between any of its kinks.
    """
    if not dead_intervals(part("leaky", f)):
        raise ValueError(f"leaky: {f.__name__} is nowhere dead: it is never constant")
    return combined("leaky", (f,), slope=slope)


def standardized(f: Activation) -> Combination:
    """f scaled and moved so that E f(z) = 0 and Var f(z) = 1 for a standard normal z.

    With the defaults of the parameters of f; the two numbers are fixed when it is made.

    Args:
        f: an activation.

    Raises:
        TypeError: `f` is not an elementwise activation.
        ValueError: f has no variance: it is constant, or grows too fast.
    """
    return combined("standardized", (f,))


_MAKERS = {
    "mix": lambda *fs, **weights: mix(fs, tuple(weights.values())),
    "piecewise": lambda *fs, **points: piecewise(tuple(points.values()), fs),
    **{f.__name__: f for f in (compose, add, multiply, scale, shift, gated, clip)},
    **{f.__name__: f for f in (reflect, surrogate, leaky, standardized)},
}


def rebuilt(
    how: str, parts: Sequence[Activation], settings: Mapping[str, float]
) -> Combination:
    """The combination of a `construction`.

    Raises:
        TypeError: a part is not an elementwise activation, or a setting is not a
            number.
        ValueError: there is no such combinator, or it has other settings.
    """
    if how not in _MAKERS:
        raise ValueError(f"{how!r} is not a combinator; there are {', '.join(_MAKERS)}")
    made = _MAKERS[how](*parts, **settings)
    if unknown := set(settings) - set(made.construction[2]):
        raise ValueError(f"{how}: {min(unknown)!r} is not a setting of {made!r}")
    return made
