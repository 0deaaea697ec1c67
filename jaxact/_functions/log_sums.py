"""Logarithms of sums of exponentials along an axis: smooth maxima.

The sums are those that `normalizers` divide by; the same entries are left out.
"""

import math
from typing import Any, Literal, overload

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from .._core import (
    Parameter,
    activation,
    definition_of,
    derivative_of,
    plain_axis,
    pushforward_of,
    spelled,
)
from .._numerics import elementary as el
from .._numerics.rows import (
    Axis,
    axes_of,
    excess,
    exponentials,
    largest,
    masked,
    smallest,
    softmax_push,
    total,
    with_base,
)
from ._weights import no_slope, weights


def _kernel(
    x: Array,
    axis: Axis = None,
    b: Parameter | None = None,
    keepdims: bool = False,
    where: Parameter | None = None,
) -> Array:
    """The activation behind `logsumexp`, which has another name for x."""
    if jnp.iscomplexobj(x):
        return _complex(jax.nn.logsumexp, x, axis, where, b=b, keepdims=keepdims)
    if b is not None:
        x, _, whole = _weighed(x, b, axis, where)
        y = _logsumexp(x, axis, keepdims=True)
        y = y + jnp.log(el.where(whole < 0, jnp.nan, whole))
    else:
        given = masked(x, where)
        x, base = with_base(given, axis)
        y = base + jnp.log1p(excess(x, base, axis, 1))
        y = el.where(largest(given, axis) == -jnp.inf, -jnp.inf, y)
    return y if keepdims else _squeezed(y, axis)


def _complex(f: Any, x: Array, axis: Any, where: Any, **more: Any) -> Array:
    """A function of jax.nn, for complex numbers, none of which is the largest."""
    return f(x, axis, where=where if where is None else where != 0, **more)


_kernel.__name__ = "logsumexp"  # its name in errors and profiles
_logsumexp = activation(holomorphic=True)(_kernel)


def _weighed(x: Array, b: Array, axis: Any, where: Any) -> tuple[Array, Array, Array]:
    """The entries that count, their softmax times b, and the sum of that.

    With the rule of the softmax all of it can be differentiated further.
    """
    shapes = [v.shape for v in (x, b, where) if v is not None]
    shape = jnp.broadcast_shapes(*shapes)
    x, b = jnp.broadcast_to(x, shape), jnp.broadcast_to(b, shape)
    left_out = b == 0 if where is None else (b == 0) | (where == 0)
    x = el.where(left_out, -jnp.inf, x)
    p = el.where(left_out, 0, b * weights(x, axis, None))
    # inf less inf is NaN
    ends = el.where(x == jnp.inf, b * jnp.inf, 0)
    ends = lax.stop_gradient(total(ends, axis))
    return x, p, el.where(ends == 0, total(p, axis), ends)


def _squeezed(y: Array, axis: Any) -> Array:
    """A sum with keepdims as one without."""
    return jnp.squeeze(y, axes_of(axis, y))


@definition_of(_logsumexp)
def _logsumexp_plain(
    x: Any, axis: Any = None, b: Any = None, keepdims: bool = False, where: Any = None
) -> Array:
    x = x if where is None else jnp.where(where, x, -jnp.inf)
    base = lax.stop_gradient(jnp.max(x, axis, keepdims=True))
    e = jnp.exp(x - base) if b is None else b * jnp.exp(x - base)
    y = base + jnp.log(total(e, axis))
    return y if keepdims else _squeezed(y, axis)


@pushforward_of(_logsumexp)
def _logsumexp_push(
    t: Array, x: Array, axis: Any, b: Any, keepdims: bool, where: Any
) -> Array:
    if b is None:
        p = weights(x, axis, where)
    else:
        x, p, whole = _weighed(x, b, axis, where)
        p = p / whole
    return jnp.sum(el.where(p == 0, 0, p * t), axis, keepdims=keepdims)


@overload
def logsumexp(
    a: ArrayLike,
    axis: Axis = ...,
    b: ArrayLike | None = ...,
    keepdims: bool = ...,
    return_sign: Literal[False] = ...,
    where: ArrayLike | None = ...,
) -> Array: ...
@overload
def logsumexp(
    a: ArrayLike,
    axis: Axis = ...,
    b: ArrayLike | None = ...,
    keepdims: bool = ...,
    *,
    return_sign: Literal[True],
    where: ArrayLike | None = ...,
) -> tuple[Array, Array]: ...
@spelled(_logsumexp)
def logsumexp(
    a: Any,
    axis: Axis = None,
    b: Any = None,
    keepdims: bool = False,
    return_sign: bool = False,
    where: Any = None,
) -> Any:
    """Logarithm of a sum of exponentials, a smooth maximum.

    y = log(sum_j b_j exp(a_j)), b being 1 if left out

    Derivative: sum_j p_j t_j along t, p being the softmax, times b over its weighed
    sum.  The backward pass keeps a (and `b` and `where`).  The result is -inf if
    nothing is left, NaN if the sum is below 0.  Arguments and results are those of
    `jax.nn.logsumexp`.

    Args:
        a: an array or number; integers count as float32, complex numbers go to jax.nn.
        axis: the axis or axes to sum over; None for all.
        b: factors of the exponentials, of any sign, that broadcast with a; an entry
            with the factor 0 is left out.
        keepdims: whether the axes stay, of length 1.
        return_sign: whether to return a pair, the logarithm of the sum's size and the
            sign of the sum.
        where: a mask that broadcasts with a; what is False is left out.

    Returns:
        An array of the shape of `a * b` without the axis and of the dtype of `a * b`;
        if `return_sign`, two such arrays.

    Raises:
        TypeError: an argument is not an array or number.
        ValueError: a has no such axis.

    Example:
        >>> jaxact.logsumexp(jnp.array([1.0, 2.0, 3.0]))
        Array(3.407606, dtype=float32)
    """
    y = _logsumexp(a, axis, b, keepdims, where)
    if y.weak_type:  # a Python number gives a float32 as any other does
        y = lax.convert_element_type(y, y.dtype)
    if not return_sign:
        return y
    along: Any = plain_axis(axis)
    if jnp.iscomplexobj(y):
        return jax.nn.logsumexp(a, along, b, keepdims, return_sign=True, where=where)
    if b is None:
        sign = el.where(jnp.isnan(y), y, el.where(y == -jnp.inf, 0, 1))
        return y, lax.stop_gradient(sign).astype(y.dtype)
    # the logarithm of a sum times its sign, which is constant but for jumps
    wide = jnp.promote_types(y.dtype, jnp.float32)
    x, factor = (jnp.asarray(v).astype(wide) for v in (a, b))
    *_, whole = _weighed(x, factor, along, where)
    sign = lax.stop_gradient(jnp.sign(whole)).astype(y.dtype)
    factor = jnp.asarray(b).astype(y.dtype)
    shape = jnp.broadcast_shapes(factor.shape, sign.shape)
    factor, many = (jnp.broadcast_to(v, shape) for v in (factor, sign))
    y = _logsumexp(a, axis, factor * many, keepdims, where)
    return y, sign if keepdims else _squeezed(sign, along)


@activation(holomorphic=True)
def logmeanexp(
    x: Array,
    axis: Axis = None,
    where: Parameter | None = None,
    keepdims: bool = False,
) -> Array:
    """Logarithm of a mean of exponentials.

    y = log(mean_j exp(x_j))

    Derivative: sum_j p_j t_j along t, p being the softmax, as in `logsumexp`.  If
    nothing is left the result is NaN, as in `jax.nn.logmeanexp`, with derivative 0.

    Args:
        x: an array or number; integers count as float32, complex numbers go to jax.nn.
        axis: the axis or axes to average over; None for all.
        where: a mask that broadcasts with x; what is False is left out.
        keepdims: whether the axes stay, of length 1.

    Returns:
        An array of the dtype of x and of its shape without the axis.

    Raises:
        TypeError: an argument is not an array or number.
        ValueError: x has no such axis.

    Example:
        >>> jaxact.logmeanexp(jnp.array([1.0, 2.0, 3.0]))
        Array(2.3089938, dtype=float32)
    """
    if jnp.iscomplexobj(x):
        return _complex(jax.nn.logmeanexp, x, axis, where, keepdims=keepdims)
    x, base, near = _with_base(x, axis, where)
    e = _e_or_expm1(x, base, near)
    mean = total(e, axis) / _count(x, axis, where)
    one = exponentials(base, base, 1)
    y = el.where(near > 0, jnp.log1p(mean), base + jnp.log(mean / one))
    return y if keepdims else _squeezed(y, axis)


def _with_base(x: Array, axis: Any, where: Any) -> tuple[Array, Array, Array]:
    """x, the base of a row, and 1 if no entry is small, else 0.

    The logarithm of the mean may be near 0 there.
    """
    least = smallest(masked(x, where, jnp.inf), axis)
    x, base = with_base(masked(x, where), axis)
    return x, base, el.where((base < 28) & (least > -0.7), 1, 0).astype(x.dtype)


def _e_or_expm1(x: Array, base: Array, near: Array) -> Array:
    """The exponentials of a row, less 1 where none is small."""
    e = exponentials(x, base, 1, near)
    # a selection at the end: on a CPU, XLA would take a product apart for every sum
    return el.where(x == -jnp.inf, 0, e)


def _count(x: Array, axis: Any, where: Any) -> Array:
    """The number of entries of a row that count."""
    if where is not None:
        return total(jnp.broadcast_to(where != 0, x.shape).astype(x.dtype), axis)
    sizes = [jnp.asarray(x.shape[a], x.dtype) for a in axes_of(axis, x)]
    given = axis if isinstance(axis, tuple) else (axis,)
    names = [a for a in given if isinstance(a, str)]
    return lax.psum(math.prod(sizes, start=jnp.ones((), x.dtype)), names)


@activation
def _weights_of_mean(
    x: Array,
    base: Parameter,
    near: Array,
    axis: Axis = None,
    where: Parameter | None = None,
) -> Array:
    """The softmax, of what `logmeanexp` computes anyway."""
    e = _e_or_expm1(x, base, near)
    whole = total(e, axis) + near * _count(x, axis, where)
    e = el.where(x == -jnp.inf, 0, e + near)
    return e / el.where(whole == 0, 1, whole)


@pushforward_of(_weights_of_mean)
def _weights_of_mean_push(t: Array, y: Array, axis: Any, where: Any) -> Array:
    return softmax_push(t, y, axis, where, 1)


derivative_of(_weights_of_mean, wrt="base")(no_slope)
derivative_of(_weights_of_mean, wrt="near")(no_slope)


@definition_of(logmeanexp)
def _logmeanexp_plain(
    x: Any, axis: Any = None, where: Any = None, keepdims: bool = False
) -> Array:
    base = lax.stop_gradient(
        jnp.max(x, axis, keepdims=True, where=where, initial=-1e38)
    )
    y = base + jnp.log(jnp.mean(jnp.exp(x - base), axis, keepdims=True, where=where))
    return y if keepdims else _squeezed(y, axis)


@pushforward_of(logmeanexp)
def _logmeanexp_push(
    t: Array, x: Array, axis: Any, where: Any, keepdims: bool
) -> Array:
    p = _weights_of_mean(*_with_base(x, axis, where), axis, where)
    return jnp.sum(el.where(p == 0, 0, p * t), axis, keepdims=keepdims)
