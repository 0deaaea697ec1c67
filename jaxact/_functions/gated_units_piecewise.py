"""Gated linear units whose gate is piecewise linear or quadratic: no exponential.

`x` is the gate before its activation, `value` what it lets through, as in
`gated_units`.
"""

import jax.numpy as jnp
from jax import Array

from .._core import Parameter, activation, derivative_of
from .._numerics import elementary as el, pieces as num


@activation
def bilinear(x: Array, value: Parameter) -> Array:
    """Bilinear unit: a gate without activation.

    bilinear(x, value) = x * value

    Derivative: value; by `value`: x.

    Args:
        x: an array or number of real dtype, the gate; integers count as float32.
        value: what it lets through, an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x * value`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> gate, value = jnp.array([-1.0, 2.0]), jnp.array([0.5, 3.0])
        >>> jaxact.bilinear(gate, value)
        Array([-0.5,  6. ], dtype=float32)

    Reference:
        Shazeer (2020), GLU variants improve transformer, arXiv:2002.05202
    """
    return _finite_for(value, x) * value


def _finite_for(value: Array, x: Array) -> Array:
    """x, a finite one where the value is 0: 0 * inf is NaN, and the limit is 0."""
    return num.unless(value == 0, x)


@derivative_of(bilinear)
def _bilinear_dx(value: Array) -> Array:
    return value


@derivative_of(bilinear, order=2)
def _bilinear_dx2() -> float:
    return 0.0


@derivative_of(bilinear, wrt="value")
def _bilinear_dvalue(x: Array) -> Array:
    return x


@activation(kinks=(0.0,))
def reglu(x: Array, value: Parameter) -> Array:
    """Gated linear unit with `relu`.

    reglu(x, value) = value * x if x > 0 else 0 * value

    Derivative: value for x > 0, 0 for x <= 0; by `value`: relu(x).

    Args:
        x: an array or number of real dtype, the gate; integers count as float32.
        value: what it lets through, an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x * value`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> gate, value = jnp.array([-1.0, 2.0]), jnp.array([0.5, 3.0])
        >>> jaxact.reglu(gate, value)
        Array([0., 6.], dtype=float32)

    Reference:
        Shazeer (2020), GLU variants improve transformer, arXiv:2002.05202
    """
    return _finite_for(value, el.maximum(x, 0)) * value


@derivative_of(reglu)
def _reglu_dx(x: Array, value: Array) -> Array:
    return num.sign(el.maximum(x, 0)) * value


@derivative_of(reglu, order=2)
def _reglu_dx2() -> float:
    return 0.0


@derivative_of(reglu, wrt="value")
def _reglu_dvalue(x: Array) -> Array:
    return el.maximum(x, 0)


@derivative_of(reglu, wrt=("value", "x"))
def _reglu_dvalue_dx(x: Array) -> Array:
    return num.sign(el.maximum(x, 0))


@activation(kinks=(0.0,))
def sreglu(x: Array, value: Parameter) -> Array:
    """Gated linear unit with the square of `relu`.

    sreglu(x, value) = value * x**2 if x > 0 else 0 * value

    Derivative: 2 value max(x, 0); second: 2 value for x > 0, 0 for x <= 0; by `value`:
    max(x, 0)**2.

    Args:
        x: an array or number of real dtype, the gate; integers count as float32.
        value: what it lets through, an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x * value`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> gate, value = jnp.array([-1.0, 2.0]), jnp.array([0.5, 3.0])
        >>> jaxact.sreglu(gate, value)
        Array([ 0., 12.], dtype=float32)

    Reference:
        Shazeer (2020), arXiv:2002.05202; So et al. (2021), Primer, arXiv:2109.08668
    """
    gate = _finite_for(value, el.maximum(x, 0))
    return gate * value * gate


@derivative_of(sreglu)
def _sreglu_dx(x: Array, value: Array) -> Array:
    return _finite_for(value, el.maximum(x, 0)) * value * 2


@derivative_of(sreglu, order=2)
def _sreglu_dx2(x: Array, value: Array) -> Array:
    return num.sign(el.maximum(x, 0)) * value * 2


@derivative_of(sreglu, wrt="value")
def _sreglu_dvalue(x: Array) -> Array:
    return jnp.square(el.maximum(x, 0))


@derivative_of(sreglu, wrt=("value", "x"))
def _sreglu_dvalue_dx(x: Array) -> Array:
    return 2 * el.maximum(x, 0)


@activation(kinks=lambda threshold: (threshold,))
def fatreglu(x: Array, value: Parameter, threshold: Parameter = 0.0) -> Array:
    """Gated linear unit with a rectifier that jumps: FATReLU, for sparse activity.

    fatreglu(x, value, threshold) = value * x if x > threshold else 0 * value

    Derivative: value for x > threshold, else 0; by `threshold`: 0; by `value`: x or 0.

    Args:
        x: an array or number of real dtype, the gate; integers count as float32.
        value: what it lets through, an array that broadcasts with x.
        threshold: where the gate opens, a number or an array that broadcasts with x.

    Returns:
        An array of the shape and dtype of `x * value * threshold`.

    Raises:
        TypeError: an argument is not an array or number of real dtype.

    Example:
        >>> gate, value = jnp.array([-1.0, 2.0]), jnp.array([0.5, 3.0])
        >>> jaxact.fatreglu(gate, value)
        Array([0., 6.], dtype=float32)

    Reference:
        Kurtz et al. (2020), Inducing and exploiting activation sparsity for fast neural
        network inference, ICML
    """
    return _finite_for(value, el.where(x <= threshold, 0, x)) * value


@derivative_of(fatreglu)
def _fatreglu_dx(x: Array, value: Array, threshold: Array) -> Array:
    return el.where(x <= threshold, 0, el.where(x > threshold, 1, x)) * value


@derivative_of(fatreglu, order=2)
def _fatreglu_dx2() -> float:
    return 0.0


@derivative_of(fatreglu, wrt="value")
def _fatreglu_dvalue(x: Array, threshold: Array) -> Array:
    return el.where(x <= threshold, 0, x)


@derivative_of(fatreglu, wrt="threshold")
def _fatreglu_dthreshold() -> float:
    return 0.0
