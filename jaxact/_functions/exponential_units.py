"""Linear above 0, exponential below: a negative output that saturates smoothly.

The slope below 0 is computed from the exponential itself, never from the output:
`y + alpha` cancels, and reports live units dead from x = -17 in float32.
"""

import jax.numpy as jnp
from jax import Array

from .._core import Parameter, activation, derivative_of
from .._numerics import elementary as el, pieces as num, polynomials as poly


def _below(x: Array) -> Array:
    """The smaller of x and 0, of slope 1 at 0; that of a minimum is 1/2 there."""
    return el.where(x > 0, 0, x)


@activation(kinks=(0.0,), integers="weak")
def elu(x: Array, alpha: Parameter = 1.0) -> Array:
    """Exponential linear unit.

    elu(x, alpha) = x if x > 0 else alpha * (exp(x) - 1)

    Derivative: 1 for x > 0, alpha * exp(x) for x <= 0; by alpha: exp(x) - 1 for x <= 0.
    The slope at 0 is alpha.  Tends to -alpha at -inf, with slope 0.

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha: the scale below 0, a number or an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x + alpha`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.elu(jnp.array([-1.0, 2.0]))
        Array([-0.63212055,  2.        ], dtype=float32)

    Reference:
        Clevert, Unterthiner, Hochreiter (2015), arXiv:1511.07289
    """
    return el.where(x > 0, x, alpha * num.expm1_below_0(_below(x)))


@derivative_of(elu)
def _elu_dx(x: Array, alpha: Array) -> Array:
    return el.where(x > 0, 1, num.exp_times(_below(x), alpha))


@derivative_of(elu, order=2)
def _elu_dx2(x: Array, alpha: Array) -> Array:
    return el.where(x > 0, 0, num.exp_times(_below(x), alpha))


@derivative_of(elu, wrt="alpha")
def _elu_dalpha(x: Array) -> Array:
    return num.expm1_below_0(_below(x))


@activation(kinks=(0.0,), domain={"alpha": (0.0, float("inf"))}, integers="weak")
def celu(x: Array, alpha: Parameter = 1.0) -> Array:
    """Continuously differentiable exponential linear unit.

    celu(x, alpha) = x if x > 0 else alpha * (exp(x / alpha) - 1)

    Derivative: 1 for x > 0, exp(x / alpha) for x <= 0, so 1 at 0 for every alpha; by
    alpha: exp(z) - 1 - z * exp(z) with z = x / alpha, for x <= 0.

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha: the scale below 0, positive, a number or an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x + alpha`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.celu(jnp.array([-1.0, 2.0]))
        Array([-0.63212055,  2.        ], dtype=float32)

    Reference:
        Barron (2017), arXiv:1704.07483
    """
    below = _below(x)
    z, rest = _ratio(below, alpha)
    near = below * (1 + z / 2)  # z may underflow where x does not
    far = alpha * num.expm1_below_0(z, rest)
    return el.where(x > 0, x, el.where(z > -(2.0**-30), near, far))


def _ratio(x: Array, alpha: Parameter) -> tuple[Array, Parameter]:
    """x / alpha of x <= 0, and its rounding error."""
    return num.ratio(x, alpha, -num.lowest_argument(x))


@derivative_of(celu)
def _celu_dx(x: Array, alpha: Array) -> Array:
    z, rest = _ratio(_below(x), alpha)
    return el.where(x > 0, 1, num.exp_times(z, 1.0, rest))


@derivative_of(celu, order=2)
def _celu_dx2(x: Array, alpha: Array) -> Array:
    z, rest = _ratio(_below(x), alpha)
    return el.where(x > 0, 0, num.exp_times(z, 1 / alpha, rest))


@derivative_of(celu, wrt="alpha")
def _celu_dalpha(x: Array, alpha: Array) -> Array:
    z, rest = _ratio(_below(x), alpha)
    near = num.polynomial(poly.CELU_TAIL, el.maximum(z, -1.5) + 0.75)
    near = -z * (z + 2 * rest) * near
    far = num.expm1_below_0(z, rest) - num.exp_times(z, 1.0, rest) * z
    return el.where(z > -1.5, near, far)


_SCALE, _ALPHA = 1.0507009873554805, 1.6732632423543772


@activation(kinks=(0.0,), integers="weak")
def selu(x: Array) -> Array:
    """Scaled exponential linear unit: keeps mean 0 and variance 1 through layers.

    selu(x) = 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * (exp(x) - 1))

    Derivative: 1.0507 for x > 0, 1.0507 * 1.6733 * exp(x) for x <= 0; so 1.7581 at 0.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.selu(jnp.array([-1.0, 2.0]))
        Array([-1.1113307,  2.101402 ], dtype=float32)

    Reference:
        Klambauer, Unterthiner, Mayr, Hochreiter (2017), arXiv:1706.02515
    """
    below = _SCALE * _ALPHA * num.expm1_below_0(_below(x))
    return el.where(x > 0, _SCALE * x, below)


@derivative_of(selu)
def _selu_dx(x: Array) -> Array:
    below = num.exp_times(_below(x), _SCALE * _ALPHA)
    return el.where(x > 0, _SCALE, below)


@derivative_of(selu, order=2)
def _selu_dx2(x: Array) -> Array:
    below = num.exp_times(_below(x), _SCALE * _ALPHA)
    return el.where(x > 0, 0, below)


@activation(kinks=(0.0,), domain={"a": (0.0, float("inf")), "b": (0.0, float("inf"))})
def pelu(
    x: Array, a: Parameter = 1.0, b: Parameter = 1.0, axis: int | None = None
) -> Array:
    """Parametric exponential linear unit, of slope a / b at 0 from both sides.

    pelu(x, a, b) = a * x / b if x >= 0 else a * (exp(x / b) - 1)

    Derivative: a / b for x >= 0, a / b * exp(x / b) below; by a: x / b, exp(x / b) - 1
    below; by b: -a * x / b**2, times exp(x / b) below.  -a at -inf.

    Args:
        x: an array or number of real dtype; integers count as float32.
        a: the depth below 0, positive, a number or an array that broadcasts with x.
        b: the width of the decay, positive, a number or an array that broadcasts.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + a + b`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.pelu(jnp.array([-1.0, 2.0]))
        Array([-0.63212055,  2.        ], dtype=float32)

    Reference:
        Trottier, Giguère, Chaib-draa (2016), arXiv:1605.09332
    """
    below = a * num.expm1_below_0(_over(x, b))
    return el.where(x >= 0, a * (el.where(x >= 0, x, 0) / b), below)


def _over(x: Array, b: Parameter) -> Array:
    """x / b of x <= 0."""
    return _below(x) / b


def _exp_over(x: Array, b: Parameter) -> Array:
    """exp(x / b) of x <= 0, with the rounding error of x / b."""
    z = _over(x, b)
    e = num.exp_below_0(z)
    if not isinstance(b, Array):  # it is 1
        return e
    z = el.maximum(z, num.lowest(x))
    return e + e * el.where(z > num.lowest(x), (_below(x) - z * b) / b, 0)


@derivative_of(pelu)
def _pelu_dx(x: Array, a: Array, b: Array) -> Array:
    return el.where(x >= 0, 1, _exp_over(x, b)) * (a / b)


@derivative_of(pelu, order=2)
def _pelu_dx2(x: Array, a: Array, b: Array) -> Array:
    return el.where(x >= 0, 0, _exp_over(x, b)) * (a / b / b)


@derivative_of(pelu, wrt="a")
def _pelu_da(x: Array, b: Array) -> Array:
    return el.where(x >= 0, x / b, num.expm1_below_0(_over(x, b)))


@derivative_of(pelu, wrt="b")
def _pelu_db(x: Array, a: Array, b: Array) -> Array:
    size = el.where(x >= 0, x, num.modest(_over(x, b)) * b) / b
    return -a * size * el.where(x >= 0, 1, _exp_over(x, b)) / b


def _xielu_kinks(epsilon: float) -> tuple[float, ...]:
    return (epsilon, 0.0) if epsilon < 0 else (0.0,)


@activation(kinks=_xielu_kinks)
def xielu(
    x: Array,
    alpha_p: Parameter = 0.8,
    alpha_n: Parameter = 0.8,
    beta: Parameter = 0.5,
    epsilon: Parameter = -1e-6,
    axis: int | None = None,
) -> Array:
    """Expanded integral of the exponential linear unit, the activation of Apertus.

    xielu(x, alpha_p, alpha_n, beta, epsilon) = alpha_p * x**2 + beta * x if x > 0 else
        alpha_n * (exp(x) - 1 - x) + beta * x if x <= epsilon else
        alpha_n * ((exp(epsilon) - 1 - epsilon) + (epsilon - x)) + beta * x

    Derivative: 2 * alpha_p * x + beta for x > 0, alpha_n * (exp(x) - 1) + beta for
    x <= epsilon, beta - alpha_n between; by alpha_p: x**2 for x > 0; by alpha_n:
    exp(min(x, epsilon)) - 1 - x for x <= 0; by beta: x; by epsilon:
    alpha_n * exp(epsilon) for epsilon < x <= 0.

    The coefficients are those of the formula.  The paper, Hugging Face and vLLM keep
    them positive: they train p and n with alpha_p = softplus(p) and alpha_n = beta +
    softplus(n), and start where both are 0.8.  They too have the strip above a negative
    epsilon: there the slope is beta - alpha_n, and the value at 0 is alpha_n * epsilon.
    epsilon = 0 is the function of the paper, of slope beta at 0.

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha_p: the curvature above 0, a number or an array that broadcasts with x.
        alpha_n: the scale below 0, a number or an array that broadcasts with x.
        beta: the slope at 0, a number or an array that broadcasts with x.
        epsilon: where the exponential ends, a number or an array.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + alpha_p + alpha_n + beta + epsilon`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.xielu(jnp.array([-1.0, 2.0]))
        Array([-0.20569643,  4.2       ], dtype=float32)

    Reference:
        Huang, Schlag (2024), arXiv:2411.13010
    """
    above = el.where(x > 0, x, 0)
    bend = alpha_p * num.unless(alpha_p == 0, above)
    risen, bowl, near = _bowl(x, epsilon)
    far = alpha_n * risen + (beta - alpha_n) * num.unless(beta == alpha_n, x)
    below = el.where(near, alpha_n * bowl + beta * x, far)
    return el.where(x > 0, (bend + beta) * above, below)


def _bowl(x: Array, epsilon: Parameter) -> tuple[Array, Array, Array]:
    """exp(v) - 1 and exp(v) - 1 - x of v = min(x, epsilon), and where v is near 0.

    Near 0 the second does not cancel.
    """
    v = el.where(x > epsilon, epsilon, x)
    s, r, bend = num.falling(v)
    return s * (r + bend) + (s - 1), s * bend + (s * r + ((s - 1) - x)), v > -1


@derivative_of(xielu)
def _xielu_dx(
    x: Array, alpha_p: Array, alpha_n: Array, beta: Array, epsilon: Array
) -> Array:
    s, r, bend = num.falling(el.where(x > 0, 0, x))
    grown, least = s * (r + bend), beta - alpha_n
    # near 0, where least may be -alpha_n, and far from it, where it may be 0
    below = el.where(s == 1, alpha_n * grown + beta, alpha_n * (grown + s) + least)
    above = 2 * alpha_p * num.unless(alpha_p == 0, x) + beta
    return el.where(x > 0, above, el.where(x > epsilon, least, below))


@derivative_of(xielu, order=2)
def _xielu_dx2(x: Array, alpha_p: Array, alpha_n: Array, epsilon: Array) -> Array:
    below = el.where(x > epsilon, 0, num.exp_below_0(el.where(x > 0, 0, x)))
    return el.where(x > 0, 2 * alpha_p, alpha_n * below)


@derivative_of(xielu, wrt="alpha_p")
def _xielu_dalpha_p(x: Array) -> Array:
    return jnp.square(el.maximum(x, 0))


@derivative_of(xielu, wrt="alpha_n")
def _xielu_dalpha_n(x: Array, epsilon: Array) -> Array:
    return el.where(x > 0, 0, _bowl(x, epsilon)[1])


@derivative_of(xielu, wrt="beta")
def _xielu_dbeta(x: Array) -> Array:
    return x


@derivative_of(xielu, wrt="epsilon")
def _xielu_depsilon(x: Array, alpha_n: Array, epsilon: Array) -> Array:
    strip = (x > epsilon) & (x <= 0)
    return el.where(strip, alpha_n * jnp.exp(epsilon), 0)
