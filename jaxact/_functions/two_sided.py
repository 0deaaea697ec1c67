"""One formula below 0 and another above, of which neither is a straight line alone.

Their kernels are made of the formula line; its comparison decides at the seam.
"""

from jax import Array

from .._computed import by_formula


@by_formula(kinks=(0.0,))
def elish(x: Array) -> Array:
    """Exponential linear sigmoid squashing: silu above 0, a gated elu below.

    elish(x) = x / (1 + exp(-x)) if x >= 0 else (exp(x) - 1) / (1 + exp(-x))

    Derivative: s + x * s' for x >= 0, exp(x) * s + (exp(x) - 1) * s' below, with
    s = sigmoid(x), s' = s * (1 - s); 1/2 at 0 from both sides, where the second jumps
    from 1 to 1/2.  0 at -inf.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Raises:
        TypeError: `x` is no array or number of real dtype.

    Reference:
        Basirat, Roth (2018), arXiv:1808.00783
    """
    ...


@by_formula(kinks=(-1.0, 0.0, 1.0))
def hard_elish(x: Array) -> Array:
    """Piecewise elish: with a piecewise linear gate that opens from -1 to 1.

    hard_elish(x) = 0 if x <= -1 else (exp(x) - 1) * (x + 1) / 2 if x < 0 else
        x * (x + 1) / 2 if x < 1 else x

    Derivative: 0 for x <= -1, (exp(x) * (x + 2) - 1) / 2 for -1 < x < 0, x + 1/2 for
    0 <= x < 1, 1 for x >= 1.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Raises:
        TypeError: `x` is no array or number of real dtype.

    Reference:
        Basirat, Roth (2018), arXiv:1808.00783
    """
    ...


@by_formula(kinks=(0.0,))
def delu(x: Array, n: float | Array = 1.0) -> Array:
    """Silu below 0, a straight line and an exponential above.

    delu(x, n) = x / (1 + exp(-x)) if x <= 0 else (n + 0.5) * x + (1 - exp(-x))

    Derivative: silu'(x) for x <= 0, so 1/2 at 0, and n + 1/2 + exp(-x) for x > 0; by n:
    x for x > 0, else 0.

    Args:
        x: an array or number of real dtype; integers count as float32.
        n: the slope far above 0 less 1/2, a number or an array that broadcasts.

    Raises:
        TypeError: an argument is no array or number of real dtype.

    Reference:
        Pishchik (2023), Trainable activations for image classification, Preprints
    """
    ...


@by_formula(kinks=(0.0,))
def nelu(x: Array, alpha: float | Array = 0.2) -> Array:
    """Negative slope linear unit: the identity above 0, a falling tail below.

    nelu(x, alpha) = x if x > 0 else -alpha / (1 + x**2)

    Derivative: 1 for x > 0, 2 * alpha * x / (1 + x**2)**2 for x <= 0, so 0 at 0; by
    alpha: -1 / (1 + x**2) for x <= 0.  Meant for its derivative, as the backward pass
    of a relu: the value jumps at 0, from -alpha.

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha: the depth below 0, a number or an array that broadcasts with x.

    Raises:
        TypeError: an argument is no array or number of real dtype.

    Reference:
        Horuz et al. (2025), arXiv:2505.22074
    """
    ...
