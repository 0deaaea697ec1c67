"""Piecewise polynomials: straight far out, a parabola or a bend between.

They cost no exponential, and are exactly 0 or exactly linear outside the bend.
"""

import jax.numpy as jnp
from jax import Array

from .._core import Parameter, activation, derivative_of
from .._numerics import elementary as el, pieces as num


@activation(kinks=(0.0,))
def relu_squared(x: Array) -> Array:
    """Square of the rectified linear unit.

    relu_squared(x) = x**2 if x > 0 else 0

    Derivative: 2 x for x > 0, 0 for x <= 0, continuous; second: 2 for x > 0, 0 for
    x <= 0, 0 included.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.relu_squared(jnp.array([-1.0, 2.0]))
        Array([0., 4.], dtype=float32)

    Reference:
        So et al. (2021), Primer, arXiv:2109.08668
    """
    return jnp.square(el.maximum(x, 0))


squared_relu = relu_squared
relu2 = relu_squared


@derivative_of(relu_squared)
def _relu_squared_dx(x: Array) -> Array:
    return 2 * el.maximum(x, 0)


@derivative_of(relu_squared, order=2)
def _relu_squared_dx2(x: Array) -> Array:
    return el.where(x > 0, 2, 0)


@activation(kinks=(0.0,))
def star_relu(
    x: Array,
    scale: Parameter = 0.8944,
    bias: Parameter = -0.4472,
    axis: int | None = None,
) -> Array:
    """Squared rectifier, scaled and shifted to mean 0 and variance 1.

    star_relu(x, scale, bias) = scale * x**2 + bias if x > 0 else bias

    Derivative: 2 scale x for x > 0, 0 for x <= 0; second: 2 scale, 0 at and below 0; by
    `scale`: max(x, 0)**2; by `bias`: 1.  The defaults are for x of mean 0 and variance
    1; the paper learns both.

    Args:
        x: an array or number of real dtype; integers count as float32.
        scale: the factor of the square, a number or an array that broadcasts with x.
        bias: the value up to 0, a number or an array that broadcasts with x.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + scale + bias`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.star_relu(jnp.array([-1.0, 2.0]))
        Array([-0.4472,  3.1304], dtype=float32)

    Reference:
        Yu et al. (2022), MetaFormer baselines for vision, arXiv:2210.13452
    """
    x = num.unless(scale == 0, el.maximum(x, 0))
    return x * (x * scale) + bias  # x * x may overflow where this does not


@derivative_of(star_relu)
def _star_relu_dx(x: Array, scale: Array) -> Array:
    return 2 * scale * num.unless(scale == 0, el.maximum(x, 0))


@derivative_of(star_relu, order=2)
def _star_relu_dx2(x: Array, scale: Array) -> Array:
    return el.where(x > 0, 2 * scale, 0)


@derivative_of(star_relu, wrt="scale")
def _star_relu_dscale(x: Array) -> Array:
    return jnp.square(el.maximum(x, 0))


@derivative_of(star_relu, wrt="bias")
def _star_relu_dbias() -> float:
    return 1.0


@activation(kinks=(-1.0, 1.0))
def soft_modulus_q(x: Array) -> Array:
    """Quadratic soft modulus: |x| without its corner.

    soft_modulus_q(x) = x**2 * (2 - abs(x)) if abs(x) <= 1 else abs(x)

    Derivative: 4 x - 3 x |x| for |x| <= 1, sign(x) beyond; second: 4 - 6 |x| for
    |x| <= 1, 0 beyond.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.soft_modulus_q(jnp.array([-0.5, 2.0]))
        Array([0.375, 2.   ], dtype=float32)

    Reference:
        Vallés-Pérez et al. (2023), arXiv:2301.05993
    """
    a = jnp.abs(x)
    low = el.minimum(a, 1)
    return el.where(a <= 1, low * (low * (2 - low)), a)


@derivative_of(soft_modulus_q)
def _soft_modulus_q_dx(x: Array) -> Array:
    x = el.clip(x, -1, 1)
    return x * (4 - 3 * num.magnitude(x))


@derivative_of(soft_modulus_q, order=2)
def _soft_modulus_q_dx2(x: Array) -> Array:
    a = num.magnitude(x)
    return el.where(a <= 1, 4 - 6 * a, 0)


@activation(kinks=(-2.0, 0.0))
def hard_mish(x: Array) -> Array:
    """Piecewise quadratic mish.

    hard_mish(x) = 0 if x <= -2 else x if x >= 0 else x * (x + 2) / 2

    Derivative: 0 for x <= -2, 1 for x >= 0, x + 1 between, so a jump from 0 to -1 at
    -2; second: 1 for -2 < x < 0, 0 elsewhere.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.hard_mish(jnp.array([-1.0, 2.0]))
        Array([-0.5,  2. ], dtype=float32)
    """
    return el.maximum(x, -2) * ((el.clip(x, -2, 0) + 2) / 2)


@derivative_of(hard_mish)
def _hard_mish_dx(x: Array) -> Array:
    return el.where(x <= -2, 0, el.minimum(x, 0) + 1)


@derivative_of(hard_mish, order=2)
def _hard_mish_dx2(x: Array) -> Array:
    return el.where((x > -2) & (x < 0), 1, 0)


@activation(kinks=lambda beta: [-beta, beta], domain={"beta": (0.0, float("inf"))})
def smelu(x: Array, beta: Parameter = 1.0) -> Array:
    """Smooth rectifier: a parabola from -beta to beta joins its two halves.

    smelu(x, beta) = 0 if x <= -beta else x if x >= beta else (x + beta)**2 / (4 * beta)

    Derivative: 0 for x <= -beta, 1 for x >= beta, (x + beta) / (2 beta) between;
    second: 1 / (2 beta) between, 0 elsewhere; by `beta`: (beta**2 - x**2) /
    (4 beta**2) between, 0 elsewhere.  `sparse_plus` is smelu with beta = 1.

    Args:
        x: an array or number of real dtype; integers count as float32.
        beta: half the width of the bend, positive, a number or an array that broadcasts
            with x.

    Returns:
        An array of the shape and dtype of `x + beta`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.smelu(jnp.array([-0.5, 2.0]))
        Array([0.0625, 2.    ], dtype=float32)

    Reference:
        Shamir, Lin (2022), Real world large scale recommendation systems
        reproducibility and smooth activations, arXiv:2202.06499
    """
    rise = el.clip(x, -beta, beta) + beta
    return el.where(x >= beta, x, rise * (rise / beta) / 4)


@derivative_of(smelu)
def _smelu_dx(x: Array, beta: Array) -> Array:
    return (el.clip(x, -beta, beta) + beta) / beta / 2


@derivative_of(smelu, order=2)
def _smelu_dx2(x: Array, beta: Array) -> Array:
    return el.where(num.magnitude(x) < beta, 0.5 / beta, 0)


@derivative_of(smelu, wrt="beta")
def _smelu_dbeta(x: Array, beta: Array) -> Array:
    bent = num.magnitude(x) < beta
    x = el.where(bent, x, 0)
    return el.where(bent, (beta + x) / beta * ((beta - x) / beta) / 4, 0)


def _bends(t_left: float, a_left: float, t_right: float, a_right: float) -> list[float]:
    ends = [(t_left, a_left), (t_right, a_right)]
    return [t for t, a in ends if a != 1]  # a slope of 1 goes straight on


@activation(kinks=_bends)
def srelu(
    x: Array,
    t_left: Parameter = 0.0,
    a_left: Parameter = 0.2,
    t_right: Parameter = 1.0,
    a_right: Parameter = 1.0,
    axis: int | None = None,
) -> Array:
    """S-shaped rectifier: three straight lines, the outer two of them learnt.

    srelu(x, t_left, a_left, t_right, a_right) = t_right + a_right * (x - t_right)
        if x >= t_right else x if x > t_left else t_left + a_left * (x - t_left)

    Derivative: a_right for x >= t_right, 1 between, a_left for x <= t_left; by
    `t_right`: 1 - a_right, by `a_right`: x - t_right, both for x >= t_right; the same
    on the left.  With the default slopes it is a leaky ReLU, whatever `t_right` is; the
    paper sets `t_right` to a large input seen in training.

    Args:
        x: an array or number of real dtype; integers count as float32.
        t_left: where the left line ends, less than `t_right`.
        a_left: its slope.
        t_right: where the right line begins.
        a_right: its slope.
        axis: where parameters of one dimension lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of `x + t_left + a_left + t_right + a_right`.

    Raises:
        TypeError: an argument is not a real array or number, or x has no such axis.

    Example:
        >>> jaxact.srelu(jnp.array([-1.0, 2.0]))
        Array([-0.2,  2. ], dtype=float32)

    Reference:
        Jin et al. (2015), arXiv:1512.07030
    """
    left, right = _line(x, t_left, a_left), _line(x, t_right, a_right)
    return el.where(x >= t_right, right, el.where(x > t_left, x, left))


def _line(x: Array, t: Parameter, a: Parameter) -> Array:
    """t + a * (x - t), exact where a is 1."""
    return a * num.unless(a == 0, x) + t * (1 - a)


@derivative_of(srelu)
def _srelu_dx(
    x: Array, t_left: Array, a_left: Array, t_right: Array, a_right: Array
) -> Array:
    inner = el.where(x > t_left, 1, a_left)
    return el.where(x >= t_right, a_right, inner)


@derivative_of(srelu, order=2)
def _srelu_dx2() -> float:
    return 0.0


@derivative_of(srelu, wrt="t_left")
def _srelu_dt_left(x: Array, t_left: Array, a_left: Array, t_right: Array) -> Array:
    return el.where((x <= t_left) & (x < t_right), 1 - a_left, 0)


@derivative_of(srelu, wrt="a_left")
def _srelu_da_left(x: Array, t_left: Array, t_right: Array) -> Array:
    return el.where(x < t_right, el.minimum(x - t_left, 0), 0)


@derivative_of(srelu, wrt="t_right")
def _srelu_dt_right(x: Array, t_right: Array, a_right: Array) -> Array:
    return el.where(x >= t_right, 1 - a_right, 0)


@derivative_of(srelu, wrt="a_right")
def _srelu_da_right(x: Array, t_right: Array) -> Array:
    return el.maximum(x - t_right, 0)
