"""Distribution functions, and other sigmoids with tails of their own.

The slope of a distribution function is a density, which has all its digits where the
function itself has rounded to 0 or 1.  Inverse tangent, inverse hyperbolic sine and
logarithm rise ever more slowly; the latter two have no bound.
"""

import math

import jax.numpy as jnp
from jax import Array

from .._core import Parameter, activation, derivative_of
from .._numerics import elementary as el, pieces as num, polynomials as poly
from .._numerics.pairs import Pair, constant, pair, shared

_DENSITY = 1 / math.sqrt(2 * math.pi)  # of the normal distribution at 0


@activation
def normal_cdf(x: Array) -> Array:
    """Distribution function of the normal distribution: the gate of `gelu_exact`.

    normal_cdf(x) = erfc(-x / sqrt(2)) / 2

    Derivative: phi(x) = exp(-x**2 / 2) / sqrt(2 * pi), the density; second:
    -x * phi(x).

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.normal_cdf(jnp.array([-1.0, 2.0]))
        Array([0.15865526, 0.97724986], dtype=float32)
    """
    return num.normal(x)


@derivative_of(normal_cdf)
def _normal_cdf_dx(x: Array) -> Array:
    return _DENSITY * num.bell(x, halved=True)


@derivative_of(normal_cdf, order=2)
def _normal_cdf_dx2(x: Array) -> Array:
    return -_DENSITY * num.modest(x) * num.bell(x, halved=True)


@activation
def erf(x: Array) -> Array:
    """Error function: the normal distribution function from -1 to 1.

    erf(x) = erf(x)

    Derivative: 2 / sqrt(pi) * exp(-x**2); second: -2 * x times it.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.erf(jnp.array([-1.0, 2.0]))
        Array([-0.84270084,  0.9953222 ], dtype=float32)
    """
    if num.single(x):
        return num.erf(x)
    low = el.clip(x, -1, 1)
    near = low * num.polynomial(poly.ERF, low * low)
    end = num.gauss_limit(x) / math.sqrt(2)
    a = el.clip(jnp.abs(x), 1, end) * math.sqrt(2)
    far = 1 - num.gauss(a).times(shared(2 * num.normal_tail(a) / a))
    return el.where(x > 1, far, el.where(x < -1, -far, near))


@derivative_of(erf)
def _erf_dx(x: Array) -> Array:
    return (2 / math.sqrt(math.pi)) * num.bell(x)


@derivative_of(erf, order=2)
def _erf_dx2(x: Array) -> Array:
    return (-4 / math.sqrt(math.pi)) * num.modest(x) * num.bell(x)


@activation(domain={"sigma": (0.0, float("inf"))})
def laplace(x: Array, mu: Parameter = 0.707107, sigma: Parameter = 0.282095) -> Array:
    """Normal distribution function that approximates a squared ReLU, from MEGA.

    laplace(x, mu, sigma) = erfc((mu - x) / (sigma * sqrt(2))) / 2

    Derivative: the density phi(z) / sigma with z = (x - mu) / sigma; second:
    -z * phi(z) / sigma**2; by mu: -phi(z) / sigma; by sigma: -z * phi(z) / sigma.
    The default sigma is 1 / sqrt(4 * pi), and mu sqrt(1 / 2).

    Args:
        x: an array or number of real dtype; integers count as float32.
        mu: the mean, a number or an array that broadcasts with x.
        sigma: the deviation, positive, a number or an array likewise.

    Returns:
        An array of the shape and dtype of `x + mu + sigma`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> jaxact.laplace(jnp.array([0.5, 1.0]))
        Array([0.23142113, 0.85042965], dtype=float32)

    Reference:
        Ma et al. (2022), arXiv:2209.10655
    """
    return num.normal(*_deviations(x, mu, sigma))


def _deviations(x: Array, mu: Parameter, sigma: Parameter) -> tuple[Array, Array]:
    """(x - mu) / sigma up to where the density is 0, and its rounding error."""
    end, inverse = num.gauss_limit(x), 1 / sigma
    x = num.finite(x)
    d = x - mu
    moved = d - x
    left = (x - (d - moved)) - (mu + moved)  # the rounding error of the difference
    z = d * inverse
    near = el.clip(z, -end, end)
    rest = ((d - near * sigma) + left) * inverse
    return near, el.where(near == z, rest, 0)


def _density(x: Array, mu: Array, sigma: Array) -> tuple[Array, Array]:
    """The density phi(z) / sigma, and z."""
    z, rest = _deviations(x, mu, sigma)
    return num.bell(z, rest, halved=True) * (_DENSITY / sigma), z


@derivative_of(laplace)
def _laplace_dx(x: Array, mu: Array, sigma: Array) -> Array:
    return _density(x, mu, sigma)[0]


@derivative_of(laplace, order=2)
def _laplace_dx2(x: Array, mu: Array, sigma: Array) -> Array:
    density, z = _density(x, mu, sigma)
    return -density * z / sigma


@derivative_of(laplace, wrt="mu")
def _laplace_dmu(x: Array, mu: Array, sigma: Array) -> Array:
    return -_density(x, mu, sigma)[0]


@derivative_of(laplace, wrt="sigma")
def _laplace_dsigma(x: Array, mu: Array, sigma: Array) -> Array:
    density, z = _density(x, mu, sigma)
    return -density * z


@activation
def complementary_log_log(x: Array) -> Array:
    """Complementary log-log: the distribution function of extreme values.

    complementary_log_log(x) = 1 - exp(-exp(x))

    Derivative: exp(x - exp(x)); second: (1 - exp(x)) times it.  It nears 0 like exp(x)
    and 1 much faster: it is the inverse of log(-log(1 - p)), cloglog for short.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.complementary_log_log(jnp.array([-1.0, 2.0]))
        Array([0.3077994, 0.999382 ], dtype=float32)
    """
    s, q = num.grown(el.clip(x, num.lowest(x), 5))  # 1 - exp(-148) is 1
    return -num.expm1_below_0(-(s * q + s))


@derivative_of(complementary_log_log)
def _complementary_log_log_dx(x: Array) -> Array:
    return num.gumbel(x)


@derivative_of(complementary_log_log, order=2)
def _complementary_log_log_dx2(x: Array) -> Array:
    # times 1 - exp(x)
    x = el.clip(x, num.lowest(x), 7.5)
    return num.gumbel(x) * -jnp.expm1(x)


@activation
def arctan(x: Array) -> Array:
    """Inverse tangent: a sigmoid from -pi / 2 to pi / 2 with algebraic tails.

    arctan(x) = atan(x)

    Derivative: 1 / (1 + x**2); second: -2 * x / (1 + x**2)**2.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.arctan(jnp.array([-1.0, 2.0]))
        Array([-0.7853981,  1.1071489], dtype=float32)
    """
    return jnp.arctan(x)


def _one_plus_square(x: Array) -> tuple[Pair, Array, Array]:
    """1 + x**2; 1 / x where the 1 is too small to count, else 1; and where that is."""
    limit = 2.0 ** (jnp.finfo(x.dtype).nmant // 2 + 2)
    far = jnp.abs(x) > limit
    low = pair(el.clip(x, -limit, limit))
    inverse = 1 / el.where(far, x, 1)
    return constant(1.0, like=x) + low * low, inverse, far


@derivative_of(arctan)
def _arctan_dx(x: Array) -> Array:
    d, inverse, far = _one_plus_square(x)
    return el.where(far, inverse * inverse, 1 / d.value())


@derivative_of(arctan, order=2)
def _arctan_dx2(x: Array) -> Array:
    d, inverse, far = _one_plus_square(x)
    near = -2 * x * (constant(1.0, like=x) / d / d).value()
    return el.where(far, inverse * inverse * (-2 * inverse), near)


@activation
def asinh(x: Array) -> Array:
    """Inverse hyperbolic sine: the identity near 0, a logarithm far from it.

    asinh(x) = log(x + sqrt(x**2 + 1))

    Derivative: 1 / sqrt(1 + x**2); second: -x / (1 + x**2)**(3/2).  Smooth at 0, where
    `symlog` has a kink in its slope.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.asinh(jnp.array([-1.0, 2.0]))
        Array([-0.8813736,  1.4436355], dtype=float32)
    """
    c, h = _leg(x)
    a, far = jnp.abs(x), num.infinite(x)
    part = el.where(far, 0, a) / 8
    y = num.log1p_eightfold(part + part * (c / (1 + h)))
    return num.sign(x) * el.where(far, a, y)


def _leg(x: Array) -> tuple[Array, Array]:
    """|x|, up to where its square nearly overflows, and sqrt(1 + x**2)."""
    a, end = num.magnitude(x), 2.0 ** (jnp.finfo(x.dtype).maxexp // 2 - 4)
    c = el.minimum(a, end)
    return c, shared(jnp.sqrt(1 + c * c))


@derivative_of(asinh)
def _asinh_dx(x: Array) -> Array:
    return 1 / el.maximum(_leg(x)[1], num.magnitude(x))


@derivative_of(asinh, order=2)
def _asinh_dx2(x: Array) -> Array:
    c, h = _leg(x)
    size = el.where(num.magnitude(x) > c, 0, shared(c / h) / (1 + c * c))
    return el.where(x < 0, size, -size)


@activation(kinks=(0.0,))
def symlog(x: Array) -> Array:
    """Symmetric logarithm: squashes large values of either sign.

    symlog(x) = log(1 + x) if x >= 0 else -log(1 - x)

    Derivative: 1 / (1 + |x|); second: -sign(x) / (1 + |x|)**2, -1 at 0.

    Args:
        x: an array or number of real dtype; integers count as float32.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: `x` is not an array or number of real dtype.

    Example:
        >>> jaxact.symlog(jnp.array([-1.0, 2.0]))
        Array([-0.6931472,  1.0986123], dtype=float32)

    Reference:
        Webber (2012), A bi-symmetric log transformation for wide-range data; Hafner,
        Pasukonis, Ba, Lillicrap (2023), Mastering diverse domains through world models
    """
    return num.sign(x) * jnp.log1p(jnp.abs(x))


@derivative_of(symlog)
def _symlog_dx(x: Array) -> Array:
    return 1 / (1 + num.magnitude(x))


@derivative_of(symlog, order=2)
def _symlog_dx2(x: Array) -> Array:
    size = 1 / num.square(num.one_plus_magnitude(x))
    return el.where(x < 0, size, -size)
