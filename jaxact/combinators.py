"""Activations from activations, with derivatives as good as those of the parts.

A combinator returns an activation like any other: a function of `x` and of the
parameters of its parts, with a formula line and with rules for its derivatives.  The
backward pass keeps one array, however many parts there are.  The value is computed as
it is written, the derivative by the chain rule from those of the parts.  Two that are
made alike are equal, hash alike, print alike, and can be pickled.

    mish = multiply(identity, compose(tanh, softplus))

A parameter keeps its name unless two parts have it; then they are numbered in order, as
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
    """One function of another, the last one first.

    compose(f, g)(x) = f(g(x))

    Args:
        fs: activations, one or more.

    Returns:
        An activation of x and of the parameters of its parts; its result has the shape
        and dtype that the parts give.

    Raises:
        TypeError: one of them is not an elementwise activation.

    Example:
        >>> f = jaxact.combinators.compose(jaxact.tanh, jaxact.softplus)
        >>> f(jnp.array([-1.0, 2.0]))
        Array([0.30340147, 0.9719795 ], dtype=float32)
    """
    return combined("compose", fs)


def add(*fs: Activation) -> Combination:
    """The sum of activations.

    add(f, g)(x) = f(x) + g(x)

    Args:
        fs: activations, one or more.

    Returns:
        An activation of x and of the parameters of its parts; its result has the shape
        and dtype that the parts give.

    Raises:
        TypeError: one of them is not an elementwise activation.

    Example:
        >>> f = jaxact.combinators.add(jaxact.relu, jaxact.tanh)
        >>> f(jnp.array([-1.0, 2.0]))
        Array([-0.7615942,  2.9640276], dtype=float32)
    """
    return combined("add", fs)


def multiply(*fs: Activation) -> Combination:
    """The product of activations.

    multiply(f, g)(x) = f(x) * g(x)

    Args:
        fs: activations, one or more.

    Returns:
        An activation of x and of the parameters of its parts; its result has the shape
        and dtype that the parts give.

    Raises:
        TypeError: one of them is not an elementwise activation.

    Example:
        >>> f = jaxact.combinators.multiply(jaxact.identity, jaxact.sigmoid)
        >>> f(jnp.array([-1.0, 2.0]))
        Array([-0.26894143,  1.761594  ], dtype=float32)
    """
    return combined("multiply", fs)


def scale(f: Activation, *, output: float = 1.0, input: float = 1.0) -> Combination:
    """An activation with its axes stretched.

    scale(f, output=a, input=b)(x) = a * f(b * x)

    Args:
        f: an activation.
        output: the default of the parameter `output`.
        input: the default of the parameter `input`; -1 mirrors f.

    Returns:
        An activation of x, of the parameters of its parts, and of `output` and `input`;
        its result has the shape and dtype that these give.

    Raises:
        TypeError: `f` is not an elementwise activation, or a setting is not a number.

    Example:
        >>> f = jaxact.combinators.scale(jaxact.tanh, output=2.0, input=0.5)
        >>> f(jnp.array([-1.0, 2.0]))
        Array([-0.9242343,  1.5231884], dtype=float32)
    """
    return combined("scale", (f,), output=output, input=input)


def shift(f: Activation, *, output: float = 0.0, input: float = 0.0) -> Combination:
    """An activation with its axes moved.

    shift(f, output=a, input=b)(x) = f(x + b) + a

    Args:
        f: an activation.
        output: the default of the parameter `output`.
        input: the default of the parameter `input`.

    Returns:
        An activation of x, of the parameters of its parts, and of `output` and `input`;
        its result has the shape and dtype that these give.

    Raises:
        TypeError: `f` is not an elementwise activation, or a setting is not a number.

    Example:
        >>> f = jaxact.combinators.shift(jaxact.relu, output=0.5, input=-1.0)
        >>> f(jnp.array([-1.0, 2.0]))
        Array([0.5, 1.5], dtype=float32)
    """
    return combined("shift", (f,), output=output, input=input)


def mix(fs: Sequence[Activation], weights: Sequence[float]) -> Combination:
    """A weighted sum of activations.

    mix((f, g), (a, b))(x) = a * f(x) + b * g(x)

    Args:
        fs: activations.
        weights: the defaults of the parameters `weight_1`, `weight_2`, ..., which can
            be trained.

    Returns:
        An activation of x, of the parameters of its parts, and of the weights; its
        result has the shape and dtype that these give.

    Raises:
        TypeError: one of `fs` is not an elementwise activation, or a weight is not a
            number.
        ValueError: there are not as many weights as functions.

    Example:
        >>> f = jaxact.combinators.mix([jaxact.relu, jaxact.tanh], [0.75, 0.25])
        >>> f(jnp.array([-1.0, 2.0]))
        Array([-0.19039854,  1.7410069 ], dtype=float32)
    """
    if len(fs) != len(weights):
        raise ValueError(
            f"mix: {len(fs)} functions and {len(weights)} weights; expected as many"
        )
    named = {f"weight_{n}": w for n, w in enumerate(weights, 1)}
    return combined("mix", tuple(fs), **named)


def gated(f: Activation) -> Combination:
    """A gated unit made from an activation.

    gated(f)(x, value) = f(x) * value

    Args:
        f: an activation, which becomes the gate.

    Returns:
        An activation of x, `value` and the parameters of `f`; its result has the shape
        and dtype of `f(x) * value`.

    Raises:
        TypeError: `f` is not an elementwise activation.

    Example:
        >>> unit = jaxact.combinators.gated(jaxact.sigmoid)
        >>> unit(jnp.array([-1.0, 2.0]), jnp.array([0.5, 3.0]))
        Array([0.13447072, 2.6423912 ], dtype=float32)
    """
    return combined("gated", (f,))


def clip(f: Activation, low: float, high: float) -> Combination:
    """f limited to at least `low` and at most `high`, with the slope 0 beyond.

    Args:
        f: an activation.
        low: the default of the parameter `low`.
        high: the default of the parameter `high`.

    Returns:
        An activation of x, of the parameters of its parts, and of `low` and `high`; its
        result has the shape and dtype that these give.

    Raises:
        TypeError: `f` is not an elementwise activation, or a bound is not a number.
        ValueError: `low` is more than `high`.

    Example:
        >>> f = jaxact.combinators.clip(jaxact.softplus, 0.5, 2.0)
        >>> f(jnp.array([-1.0, 2.0]))
        Array([0.5, 2. ], dtype=float32)
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

    Returns:
        An activation of x, of the parameters of its parts, and of the breakpoints; its
        result has the shape and dtype that these give.

    Raises:
        TypeError: one of `fs` is not an elementwise activation, or a breakpoint is not
            a number.
        ValueError: the breakpoints do not increase, or are not one fewer than `fs`.

    Example:
        >>> f = jaxact.combinators.piecewise([0.0], [jaxact.elu, jaxact.tanh])
        >>> f(jnp.array([-1.0, 2.0]))
        Array([-0.63212055,  0.96402764], dtype=float32)
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

    Returns:
        An activation of x and of the parameters of its parts; its result has the shape
        and dtype that the parts give.

    Raises:
        TypeError: `f` is not an elementwise activation.

    Example:
        >>> f = jaxact.combinators.reflect(jaxact.relu)
        >>> f(jnp.array([-1.0, 2.0]))
        Array([-1., -0.], dtype=float32)
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

    Returns:
        An activation of x and of the parameters of its parts; its result has the shape
        and dtype that the parts give.

    Raises:
        TypeError: one of them is not an elementwise activation.

    Example:
        >>> f = jaxact.combinators.surrogate(jaxact.step, jaxact.identity)
        >>> f(-1.0).item(), jax.grad(f)(-1.0).item()
        (0.0, 1.0)
    """
    return combined("surrogate", (forward, slope))


def leaky(f: Activation, slope: float = 0.01) -> Combination:
    """f with a slope wherever it is dead, as `leaky_relu` is to `relu`.

    f is flat on some of the intervals between its kinks.  On these it gets the slope
    `slope`; everywhere else it is moved up or down, so that it stays as continuous as
    it was.  f(0) stays.

    Args:
        f: an activation that is constant between some of its kinks.
        slope: the default of the parameter `slope`.

    Returns:
        An activation of x, of the parameters of its parts, and of `slope`; its result
        has the shape and dtype that these give.

    Raises:
        TypeError: `f` is not an elementwise activation, or `slope` is not a number.
        ValueError: f is not constant between any of its kinks.

    Example:
        >>> f = jaxact.combinators.leaky(jaxact.relu6, slope=0.1)
        >>> f(jnp.array([-1.0, 2.0]))
        Array([-0.1,  2. ], dtype=float32)
    """
    if not dead_intervals(part("leaky", f)):
        raise ValueError(f"leaky: {f.__name__} is nowhere dead: it is never constant")
    return combined("leaky", (f,), slope=slope)


def standardized(f: Activation) -> Combination:
    """f scaled and moved so that E f(z) = 0 and Var f(z) = 1 for a standard normal z.

    The scale and the shift are computed once, when it is made, with the defaults of the
    parameters of f.

    Args:
        f: an activation.

    Returns:
        An activation of x and of the parameters of its parts; its result has the shape
        and dtype that the parts give.

    Raises:
        TypeError: `f` is not an elementwise activation.
        ValueError: f has no variance: it is constant, or grows too fast.

    Example:
        >>> f = jaxact.combinators.standardized(jaxact.relu)
        >>> f(jnp.array([-1.0, 2.0]))
        Array([-0.68333167,  2.7423854 ], dtype=float32)
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

    Returns:
        The activation that the combinator makes.

    Raises:
        TypeError: a part is not an elementwise activation, or a setting is unknown or
            not a number.
        ValueError: there is no such combinator, or it has other settings.

    Example:
        >>> jaxact.combinators.rebuilt("compose", [jaxact.tanh, jaxact.softplus], {})
        compose(tanh, softplus)
    """
    if how not in _MAKERS:
        raise ValueError(f"{how!r} is not a combinator; there are {', '.join(_MAKERS)}")
    made = _MAKERS[how](*parts, **settings)
    if unknown := set(settings) - set(made.construction[2]):
        raise ValueError(f"{how}: {min(unknown)!r} is not a setting of {made!r}")
    return made
