"""The input times a gate that is a function of a function: x * tanh(softplus(x)).

Relatives of mish.  They are made of their parts, whose rules are their derivatives.
"""

import jax.numpy as jnp
from jax import Array

from .. import _numerics as num
from .. import _parts as parts
from .._core import activation
from .self_gated import gelu_exact
from .sigmoids import sigmoid, tanh


@activation
def golu(x: Array) -> Array:
    """Gompertz linear unit: the input times the Gumbel distribution function.

    golu(x) = x * exp(-exp(-x))

    Derivative: exp(-exp(-x)) * (1 + x * exp(-x)).  The tail below 0 is doubly
    exponential: float32 knows nothing of it from x = -4.5 on.  0 at -inf.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Raises:
        TypeError: `x` is no array or number of real dtype.

    Reference:
        Das et al. (2025), arXiv:2502.03654
    """
    gate = jnp.exp(-jnp.exp(jnp.minimum(-x, 7)))  # 0 beyond
    return num.opened(x, gate)


@activation
def tanhexp(x: Array) -> Array:
    """The input times the tanh of its exponential, also called TeLU.

    tanhexp(x) = x * tanh(exp(x))

    Derivative: t + x * e * (1 - t**2) with e = exp(x), t = tanh(e).  0 at -inf.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Raises:
        TypeError: `x` is no array or number of real dtype.

    Reference:
        Liu, Di (2020), arXiv:2003.09855; Fernandez, Mali (2024), arXiv:2412.20269
    """
    # of what is larger tanh is 1, and its slope 0
    return num.opened(x, parts.tanh_of(*parts.exp_of(jnp.minimum(x, 6))))


telu = tanhexp


@activation
def serf(x: Array) -> Array:
    """The input times the error function of its softplus.

    serf(x) = x * erf(log(1 + exp(x)))

    Derivative: erf(p) + x * 2 / sqrt(pi) * exp(-p**2) * sigmoid(x) with
    p = softplus(x).  0 at -inf.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Raises:
        TypeError: `x` is no array or number of real dtype.

    Reference:
        Nag, Bhattacharyya (2021), arXiv:2108.09598
    """
    return num.opened(x, parts.erf_of(*parts.softplus_of(x)))


@activation
def erfact(x: Array, alpha: float | Array = 0.75, beta: float | Array = 0.75) -> Array:
    """ErfAct: the input times the error function of an exponential.

    erfact(x, alpha, beta) = x * erf(alpha * exp(beta * x))

    Derivative: erf(u) + x * beta * u * b with u = alpha * exp(beta * x),
    b = 2 / sqrt(pi) * exp(-u**2); by alpha: x * exp(beta * x) * b; by beta:
    x**2 * u * b.  0 at -inf for positive beta.

    Args:
        x: an array or number of real dtype; integers count as float32.
        alpha: the factor of the exponential, a number or an array that broadcasts.
        beta: the factor in the exponent, a number or an array that broadcasts.

    Raises:
        TypeError: an argument is no array or number of real dtype.

    Reference:
        Biswas et al. (2021), arXiv:2109.04386
    """
    u, rest = parts.product(beta, x)
    u = jnp.minimum(u, 80)  # of a finite exponential
    return num.opened(x, parts.erf_of(*parts.exp_of(u, rest, alpha)))


@activation
def pserf(x: Array, gamma: float | Array = 1.25, delta: float | Array = 0.85) -> Array:
    """Parametric serf: the input times the error function of a scaled softplus.

    pserf(x, gamma, delta) = x * erf(gamma * log(1 + exp(delta * x)))

    Derivative: erf(u) + x * gamma * delta * sigmoid(delta * x) * b with
    u = gamma * softplus(delta * x), b = 2 / sqrt(pi) * exp(-u**2); by gamma:
    x * softplus(delta * x) * b; by delta: x**2 * gamma * sigmoid(delta * x) * b.

    Args:
        x: an array or number of real dtype; integers count as float32.
        gamma: the scale of the softplus, a number or an array that broadcasts.
        delta: the scale of its argument, a number or an array that broadcasts.

    Raises:
        TypeError: an argument is no array or number of real dtype.

    Reference:
        Biswas et al. (2021), arXiv:2109.04386
    """
    u = parts.softplus_of(*parts.product(delta, x))
    return num.opened(x, parts.erf_of(*parts.product(gamma, *u)))


@activation
def logish(x: Array) -> Array:
    """The input times the logarithm of 1 + sigmoid.

    logish(x) = x * log(1 + 1 / (1 + exp(-x)))

    Derivative: log(1 + s) + x * s' / (1 + s) with s = sigmoid(x).  x * log(2) far
    above 0, and 0 at -inf.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Raises:
        TypeError: `x` is no array or number of real dtype.

    Reference:
        Zhu et al. (2021), Logish: a new nonlinear nonmonotonic activation function for
        convolutional neural network, Neurocomputing 458
    """
    return num.opened(x, jnp.log1p(sigmoid(x)))


@activation
def smish(x: Array) -> Array:
    """The input times the tanh of the logarithm of 1 + sigmoid.

    smish(x) = x * tanh(log(1 + 1 / (1 + exp(-x))))

    Derivative: t + x * (1 - t**2) * s' / (1 + s) with s = sigmoid(x),
    t = tanh(log(1 + s)).  3 / 5 of x far above 0, and 0 at -inf.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Raises:
        TypeError: `x` is no array or number of real dtype.

    Reference:
        Wang, Ren, Wang (2022), Smish: a novel activation function for deep learning
        methods, Electronics 11
    """
    s = sigmoid(x)
    w = s * (2 + s)  # (1 + s)**2 - 1
    inverse = 1 / (2 + w)
    return num.opened(x, jnp.where(x > 0, 1 - 2 * inverse, w * inverse))


@activation
def phish(x: Array) -> Array:
    """The input times the tanh of its GELU.

    phish(x) = x * tanh(x * erfc(-x / sqrt(2)) / 2)

    Derivative: t + x * (1 - t**2) * gelu'(x) with t = tanh(gelu_exact(x)).  0 at -inf.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Raises:
        TypeError: `x` is no array or number of real dtype.

    Reference:
        Naveen (2022), Phish: a novel activation function that could bring a
        significant improvement to deep learning, TechRxiv
    """
    return num.opened(x, tanh(gelu_exact(x)))


@activation
def mila(x: Array, beta: float | Array = -0.25) -> Array:
    """Mish with its gate shifted.

    mila(x, beta) = x * tanh(log(1 + exp(beta + x)))

    Derivative: t + x * w with t = tanh(softplus(beta + x)),
    w = (1 - t**2) * sigmoid(beta + x); by beta: x * w.  beta = 0 is `mish`.

    Args:
        x: an array or number of real dtype; integers count as float32.
        beta: the shift of the gate, a number or an array that broadcasts with x.

    Raises:
        TypeError: an argument is no array or number of real dtype.

    Reference:
        Misra (2019), Mila, a package of its author
    """
    u = parts.softplus_of(*parts.total(beta, x))
    return num.opened(x, parts.tanh_of(*u))
