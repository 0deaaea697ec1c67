"""One formula below 0 and another above, neither of them just a straight line.

At the seam the comparison in the formula decides.  The branch that is not chosen is
evaluated at a number from its own side, so that its slopes are finite.
"""

import jax.numpy as jnp
from jax import Array

from .._core import Parameter, activation, derivative_of
from .._numerics import elementary as el, pieces as num
from .._numerics.pairs import shared
from .exponential_units import elu
from .sigmoids import sigmoid


@activation(kinks=(0.0,))
def elish(x: Array) -> Array:
    """Exponential linear sigmoid squashing: silu above 0, a gated elu below.

    elish(x) = x / (1 + exp(-x)) if x >= 0 else (exp(x) - 1) / (1 + exp(-x))

    Derivative: s + x * s' for x >= 0, exp(x) * s + (exp(x) - 1) * s' below, with
    s = sigmoid(x), s' = s * (1 - s); 1/2 at 0 from both sides, where the second jumps
    from 1 to 1/2.  0 at -inf.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.elish(jnp.array([-1.0, 2.0]))
        Array([-0.1700034,  1.761594 ], dtype=float32)

    Reference:
        Basirat, Roth (2018), arXiv:1808.00783
    """
    rising = el.where(x >= 0, x, elu(el.where(x < 0, x, 0)))
    return num.opened(rising, sigmoid(x))


@activation(kinks=(-1.0, 0.0, 1.0))
def hard_elish(x: Array) -> Array:
    """Piecewise elish: with a piecewise linear gate that opens from -1 to 1.

    hard_elish(x) = 0 if x <= -1 else (exp(x) - 1) * (x + 1) / 2 if x < 0 else
        x * (x + 1) / 2 if x < 1 else x

    Derivative: 0 for x <= -1, (exp(x) * (x + 2) - 1) / 2 for -1 < x < 0, x + 1/2 for
    0 <= x < 1, 1 for x >= 1.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.hard_elish(jnp.array([-0.5, 2.0]))
        Array([-0.09836733,  2.        ], dtype=float32)

    Reference:
        Basirat, Roth (2018), arXiv:1808.00783
    """
    near = el.clip(x, -1, 1)
    rising = el.where(x >= 0, near, num.expm1_below_0(el.where(x > 0, 0, near)))
    between = rising * ((near + 1) / 2)
    return el.where(x >= 1, x, el.where(x <= -1, 0, between))


@derivative_of(hard_elish)
def _hard_elish_dx(x: Array) -> Array:
    near = el.clip(x, -1, 0)
    below = (num.exp_below_0(near) * (near + 2) - 1) / 2
    above = el.where(x >= 1, 1, x + 0.5)
    return el.where(x >= 0, above, el.where(x <= -1, 0, below))


@derivative_of(hard_elish, order=2)
def _hard_elish_dx2(x: Array) -> Array:
    near = el.clip(x, -1, 0)
    below = el.where(x <= -1, 0, num.exp_below_0(near) * (near + 3) / 2)
    return el.where(x >= 0, el.where(x >= 1, 0, 1), below)


@activation(kinks=(0.0,))
def delu(x: Array, n: Parameter = 1.0) -> Array:
    """Silu below 0, a straight line and an exponential above.

    delu(x, n) = x / (1 + exp(-x)) if x <= 0 else (n + 0.5) * x + (1 - exp(-x))

    Derivative: silu'(x) for x <= 0, so 1/2 at 0, and n + 1/2 + exp(-x) for x > 0; by n:
    x for x > 0, else 0.

    Args:
        x: an array or number of real dtype; integers count as float32.
        n: the slope far above 0 less 1/2, a number or an array that broadcasts.

    Returns:
        An array of the shape and dtype of `x + n`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.delu(jnp.array([-1.0, 2.0]))
        Array([-0.26894143,  3.8646648 ], dtype=float32)

    Reference:
        Pishchik (2023), Trainable activations for image classification, Preprints
    """
    s, r, bend = num.falling(-jnp.abs(x))
    q = s * (r + bend)
    above = (n + 0.5) * el.where(x > 0, x, 0) + ((1 - s) - q)
    return el.where(x > 0, above, num.modest(x) * ((q + s) / (1 + (q + s))))


@derivative_of(delu)
def _delu_dx(x: Array, n: Array) -> Array:
    a = num.modest(num.magnitude(x))
    e = num.exp_below_0(-a)
    # silu'(-a), of which the second factor has a root
    below = e / ((1 + e) * (1 + e)) * ((1 - a) + e)
    return el.where(x > 0, (n + 0.5) + e, below)


@derivative_of(delu, order=2)
def _delu_dx2(x: Array) -> Array:
    a = num.modest(num.magnitude(x))
    e = num.exp_below_0(-a)
    inverse = 1 / (1 + e)
    # silu''(-a)
    below = e * inverse * inverse * inverse * ((2 - a) + e * (2 + a))
    return el.where(x > 0, -e, below)


@derivative_of(delu, wrt="n")
def _delu_dn(x: Array) -> Array:
    return el.maximum(x, 0)


@activation(kinks=(0.0,))
def nelu(x: Array, alpha: Parameter = 0.2) -> Array:
    """Negative slope linear unit: the identity above 0, a falling tail below.

    nelu(x, alpha) = x if x > 0 else -alpha / (1 + x**2)

    Derivative: 1 for x > 0, 2 * alpha * x / (1 + x**2)**2 for x <= 0, so 0 at 0; by
    alpha: -1 / (1 + x**2) for x <= 0.  Meant for its derivative, as the backward pass
    of a relu: the value jumps at 0, from -alpha.

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha: the depth below 0, a number or an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x + alpha`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.nelu(jnp.array([-1.0, 2.0]))
        Array([-0.1,  2. ], dtype=float32)

    Reference:
        Horuz et al. (2025), arXiv:2505.22074
    """
    return el.where(x > 0, x, -alpha / _square_plus(x)[0])


def _square_plus(x: Array) -> tuple[Array, Array]:
    """1 + x**2 of x <= 0, and an x whose square may overflow, but not 2 * x."""
    most = -num.overflowing(x)
    below = el.clip(x, most, 0)
    return 1 + below * below, below


def _inverse(x: Array) -> tuple[Array, Array]:
    """1 / (1 + x**2) of x <= 0, and x likewise."""
    d, below = _square_plus(x)
    return shared(1 / d), below


@derivative_of(nelu)  # JAX would square the denominator, which overflows
def _nelu_dx(x: Array, alpha: Array) -> Array:
    inverse, below = _inverse(x)
    return el.where(x > 0, 1, 2 * alpha * below * inverse * inverse)


@derivative_of(nelu, order=2)  # likewise
def _nelu_dx2(x: Array, alpha: Array) -> Array:
    inverse, below = _inverse(x)
    # (1 - 3 * x**2) * inverse, in which nothing overflows
    near = el.maximum(below, -1)
    turn = el.where(x < -1, 4 * inverse - 3, (1 - 3 * near * near) * inverse)
    return el.where(x > 0, 0, 2 * alpha * inverse * inverse * turn)


@derivative_of(nelu, wrt="alpha")
def _nelu_dalpha(x: Array) -> Array:
    return el.where(x > 0, 0, -_inverse(x)[0])
