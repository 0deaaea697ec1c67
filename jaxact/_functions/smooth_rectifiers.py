"""Rectifiers without a corner: zero far below 0, the identity far above.

Each is the integral of a sigmoid of `sigmoids`, which is therefore its derivative.
"""

import jax.numpy as jnp
from jax import Array

from .._core import Parameter, activation, derivative_of
from .._numerics import elementary as el, pieces as num, polynomials as poly
from .._numerics.pairs import number, shared


@activation(holomorphic=True)
def softplus(x: Array, beta: Parameter = 1.0) -> Array:
    """Softplus, the integral of `sigmoid`.

    softplus(x, beta) = log(1 + exp(beta * x)) / beta

    Derivative: sigmoid(beta * x); second: beta * sigmoid'(beta * x); by beta:
    (u * sigmoid(u) - softplus(u)) / beta**2 with u = beta * x.  exp(x) far below 0, x
    far above, with no threshold between them (see `softplus_thresholded`).

    Args:
        x: an array or number of real or complex dtype; integers count as float32.
        beta: the sharpness of the bend, a number or an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x + beta`.

    Raises:
        TypeError: an argument is not an array or number.

    Example:
        >>> jaxact.softplus(jnp.array([-1.0, 2.0]))
        Array([0.3132617, 2.126928 ], dtype=float32)

    Reference:
        Dugas, Bengio, Belisle, Nadeau, Garcia (2000), Incorporating second-order
        functional knowledge for better option pricing, NIPS
    """
    if jnp.iscomplexobj(x):
        return jnp.logaddexp(beta * x, jnp.zeros_like(x)) / beta
    return _softplus(x, beta)


def _softplus(x: Array, beta: Parameter) -> Array:
    if isinstance(beta, Array):
        tail, _, below = _scaled(x, beta, 1 / beta)
        return el.where(below, 0, x) + num.log1p(tail)
    return el.maximum(x, 0) + num.log1p(num.exp_pair(-jnp.abs(x)))


@derivative_of(softplus)
def _softplus_dx(x: Array, beta: Array) -> Array:
    if isinstance(beta, Array):
        tail, _, below = _scaled(x, beta)
        e = tail.value()
        return el.where(below, e, 1) / (1 + e)
    return num.logistic(x)


@derivative_of(softplus, order=2)
def _softplus_dx2(x: Array, beta: Array) -> Array:
    if isinstance(beta, Array):
        tail, _, _ = _scaled(x, beta, beta)
        return tail.times(1.0) / num.square(num.one_plus(tail.pair()))
    return num.logistic_dx(x)


@derivative_of(softplus, wrt="beta")
def _softplus_dbeta(x: Array, beta: Array) -> Array:
    # u * sigmoid(u) - softplus(u), u = beta * x: it cancels above 0, but it is even
    tail, u, _ = _scaled(x, beta, 1 / beta)
    e = tail.value()
    near = (num.log1p(tail) + tail.times(u) / (1 + e)) / beta
    # half of a large 1 / beta before the last power of two, which may underflow
    root = jnp.sqrt(jnp.abs(beta))
    far = tail.times((num.polynomial(poly.LOG1P, e) + u / (1 + e)) / root)
    return -el.where(u > 64, far / el.where(beta < 0, -root, root), near)


def _scaled(
    x: Array, beta: Array, factor: Parameter | None = None
) -> tuple[num.Exp, Array, Array]:
    """exp(-|u|) of u = beta * x, with a factor; |u|; and where u < 0."""
    u, below = num.angle(x, beta)
    return num.exp_factor(-u.head, -u.tail(), factor=factor), u.value(), below


@activation(domain={"beta": (0.0, float("inf"))})
def softplus_thresholded(
    x: Array, beta: Parameter = 1.0, threshold: Parameter = 20.0
) -> Array:
    """Softplus as in PyTorch: the identity where beta * x is above a threshold.

    softplus_thresholded(x, beta, threshold) = x if beta * x > threshold else
        log(1 + exp(beta * x)) / beta

    Derivative: that of `softplus`, and 1 above the threshold; second: 0 there; by beta:
    0 there; by threshold: 0.  With the defaults it jumps by 2e-9 at the threshold, less
    than float32 can show; `softplus` needs no threshold.

    Args:
        x: an array or number of real dtype; integers count as float32.
        beta: the sharpness of the bend, positive, a number or an array.
        threshold: where softplus ends, in units of x * beta, a number or an array.

    Returns:
        An array of the shape and dtype of `x + beta + threshold`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.softplus_thresholded(jnp.array([-1.0, 25.0]))
        Array([ 0.3132617, 25.       ], dtype=float32)

    Reference:
        The documentation of torch.nn.Softplus
    """
    return el.where(beta * x > threshold, x, _softplus(x, beta))


@derivative_of(softplus_thresholded)
def _softplus_thresholded_dx(x: Array, beta: Array, threshold: Array) -> Array:
    return el.where(beta * x > threshold, 1, _softplus_dx(x, beta))


@derivative_of(softplus_thresholded, order=2)
def _softplus_thresholded_dx2(x: Array, beta: Array, threshold: Array) -> Array:
    return el.where(beta * x > threshold, 0, _softplus_dx2(x, beta))


@derivative_of(softplus_thresholded, wrt="beta")
def _softplus_thresholded_dbeta(x: Array, beta: Array, threshold: Array) -> Array:
    return el.where(beta * x > threshold, 0, _softplus_dbeta(x, beta))


@derivative_of(softplus_thresholded, wrt="threshold")
def _softplus_thresholded_dthreshold() -> float:
    return 0.0


@activation
def shifted_softplus(x: Array) -> Array:
    """Softplus less log(2), so that it is 0 at 0.

    shifted_softplus(x) = log(1 + exp(x)) - log(2)

    Derivative: sigmoid(x); second: sigmoid'(x).  -log(2) at -inf.  It is used for
    potential energies, whose gradient is a force.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.shifted_softplus(jnp.array([-1.0, 2.0]))
        Array([-0.3798855,  1.4337808], dtype=float32)

    Reference:
        Schütt et al. (2017), SchNet, arXiv:1706.08566
    """
    # (1 + exp(-|x|)) / 2 is 1 - q
    q = -num.expm1_below_0(-jnp.abs(x)) / 2
    y = el.maximum(x, 0) - q * num.polynomial(poly.LOG1M, -q)
    return el.where(jnp.abs(x) < 2.0**-60, x / 2, y)  # where q may underflow


@derivative_of(shifted_softplus)
def _shifted_softplus_dx(x: Array) -> Array:
    return num.logistic(x)


@derivative_of(shifted_softplus, order=2)
def _shifted_softplus_dx2(x: Array) -> Array:
    return num.logistic_dx(x)


@derivative_of(shifted_softplus, order=3)
def _shifted_softplus_dx3(x: Array) -> Array:
    return num.logistic_dx2(x)


@activation
def sqrt_softplus(x: Array) -> Array:
    """Square root of softplus, for the scores of experts in DeepSeek V4.

    sqrt_softplus(x) = sqrt(log(1 + exp(x)))

    Derivative: sigmoid(x) / (2 * sqrt(softplus(x))).  exp(x / 2) far below 0, sqrt(x)
    far above.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.sqrt_softplus(jnp.array([-1.0, 2.0]))
        Array([0.55969787, 1.4583992 ], dtype=float32)

    Reference:
        The code of DeepSeek V4 in Hugging Face transformers
    """
    tail, _, root = _sqrt_parts(x)
    return tail * root


def _sqrt_parts(x: Array, further: bool = False) -> tuple[Array, Array, Array]:
    """exp(x / 2) below 0, else 1; exp(-|x|); the value over the first.

    With `further`, for what JAX differentiates, the logarithm is one that has
    derivatives.
    """
    half = shared(jnp.exp(-num.magnitude(x) / 2))  # of which the square may underflow
    e, below = half * half, x < 0
    if further:
        ratio = el.where(e < 2.0**-60, 1, jnp.log1p(e) / el.maximum(e, 2.0**-60))
    else:
        ratio = num.polynomial(poly.LOG1P, e)
    root = jnp.sqrt(el.where(below, ratio, x + e * ratio))
    root = el.maximum(root, 0)  # as by `shared`, which an infinite x forbids
    return el.where(below, half, 1), e, root


@derivative_of(sqrt_softplus)
def _sqrt_softplus_dx(x: Array) -> Array:
    tail, e, root = _sqrt_parts(x)
    return tail * 0.5 / ((1 + e) * root)


@derivative_of(sqrt_softplus, order=2)
def _sqrt_softplus_dx2(x: Array) -> Array:
    # the slope times 1 - sigmoid(x), less the slope over the value
    tail, e, root = _sqrt_parts(x, further=True)
    turn = el.where(x < 0, 1, e) - 0.5 / (root * root)
    return tail * 0.5 / ((1 + e) * root) * (turn / (1 + e))


@activation(domain={"b": (0.0, float("inf"))})
def squareplus(x: Array, b: Parameter = 4.0) -> Array:
    """Squareplus, an algebraic softplus.

    squareplus(x, b) = (x + sqrt(x**2 + b)) / 2

    Derivative: (1 + x / sqrt(x**2 + b)) / 2; second: b / (2 * (x**2 + b)**(3/2)); by b:
    1 / (4 * sqrt(x**2 + b)).  The value at 0 is sqrt(b) / 2; b = 4 makes the curvature
    at 0 that of softplus.

    Args:
        x: an array or number of real dtype; integers count as float32.
        b: the width of the bend, positive, a number or an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x + b`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.squareplus(jnp.array([-1.0, 2.0]))
        Array([0.618034 , 2.4142137], dtype=float32)

    Reference:
        Barron (2021), arXiv:2112.11687
    """
    # below 0 the conjugate, in which nothing cancels
    a, (z, h, _, unit) = jnp.abs(x), _hypotenuse(x, b)
    y = (z + h) * (0.5 * unit)
    y = el.where(y < a, a, y)  # z is limited
    return el.where(x > 0, y, b * 0.25 / y)


def _hypotenuse(x: Array, b: Parameter) -> tuple[Array, ...]:
    """z, sqrt(z**2 + m), m and a power of two: |x| is z * 2**k, and b is m * 4**k.

    z is limited to where its square nearly overflows.
    """
    end = 1.5 * 2.0 ** (jnp.finfo(x.dtype).maxexp // 2 - 1)
    m, power = num.even_power(number(b, x))
    z = jnp.abs(x) * num.inverse_power(power)
    z = el.where(z > end, end, z)  # one instruction, unlike a minimum
    return z, shared(jnp.sqrt(z * z + m)), m, power


@derivative_of(squareplus)
def _squareplus_dx(x: Array, b: Array) -> Array:
    # (1 + x / h) / 2, which cancels far below 0
    z, h, m, _ = _hypotenuse(x, b)
    far = (x < 0) & (z > 1)
    top = el.where(far, m, el.where(x < 0, -z, z))
    bottom = el.where(far, h * z + (z * z + m), h)
    return 0.5 * top / bottom + el.where(far, 0.0, 0.5)


@derivative_of(squareplus, order=2)
def _squareplus_dx2(x: Array, b: Array) -> Array:
    z, h, m, unit = _hypotenuse(x, b)
    return 0.5 * m / unit * shared(1 / h) * shared(1 / (z * z + m))


@derivative_of(squareplus, wrt="b")
def _squareplus_db(x: Array, b: Array) -> Array:
    _, h, _, unit = _hypotenuse(x, b)
    return 0.25 / el.maximum(unit * h, jnp.abs(x))


@activation(kinks=(-1.0, 1.0), integers="weak")
def sparse_plus(x: Array) -> Array:
    """Sparse plus: the integral of `sparse_sigmoid`, exactly 0 below -1.

    sparse_plus(x) = 0 if x <= -1 else x if x >= 1 else (x + 1)**2 / 4

    Derivative: 0 for x <= -1, 1 for x >= 1, (x + 1) / 2 between.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.sparse_plus(jnp.array([-0.5, 2.0]))
        Array([0.0625, 2.    ], dtype=float32)

    Reference:
        Blondel, Martins, Niculae (2019), arXiv:1901.02324
    """
    between = jnp.square(el.clip(x, -1, 1) + 1) / 4
    return el.where(x >= 1, x, between)


@derivative_of(sparse_plus)
def _sparse_plus_dx(x: Array) -> Array:
    return (el.clip(x, -1, 1) + 1) / 2


@derivative_of(sparse_plus, order=2)
def _sparse_plus_dx2(x: Array) -> Array:
    return el.maximum(num.sign(1 - jnp.abs(x)), 0) / 2
