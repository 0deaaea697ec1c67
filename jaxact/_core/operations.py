"""Kernels traced once, for numbers, and written out again for arrays of any shape.

A kernel is dozens of operations of jnp, and each looks at its arguments anew.  All that
is of use of an elementwise kernel is the list of operations of lax that it comes to,
and to go through that list takes a fifth of the time.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend import core

Program = Callable[[Mapping[str, Array]], Array]

# the operations that are elementwise, under the names of their primitives; lax has a
# function of each
_KNOWN = frozenset(
    """
    abs acos acosh add and asin asinh atan atan2 atanh bitcast_convert_type cbrt ceil
    clamp convert_element_type cos cosh div eq erf erfc exp exp2 expm1 floor ge gt
    integer_pow is_finite le log log1p logistic lt max min mul ne neg nextafter not or
    pow reduce_precision rem round rsqrt select_n shift_left shift_right_arithmetic
    shift_right_logical sign sin sinh sqrt square stop_gradient sub tan tanh xor
    """.split()
)
_NAMES = {n: f"bitwise_{n}" for n in ("and", "or", "xor", "not")}
# parameters that tell more than what the operands are
_ARGUMENTS = ("new_dtype", "y", "exponent_bits", "mantissa_bits", "rounding_method")


class _Step(NamedTuple):
    """An operation on earlier results, by their numbers."""

    call: Callable[..., Array]
    operands: Sequence[int]
    of_one_shape: bool  # whether numbers among them have to be arrays


def program_of(f: Callable[..., Array], arrays: Mapping[str, Array]) -> Program | None:
    """The operations that an elementwise function of arrays, by name, comes to.

    None if there is one among them that is not known to be elementwise.
    """
    names = tuple(arrays)
    numbers = [jax.ShapeDtypeStruct((), v.dtype) for v in arrays.values()]
    closed = jax.make_jaxpr(lambda *v: f(dict(zip(names, v, strict=True))))(*numbers)
    start: list[Any] = [None] * len(names)  # the arguments, and constants
    steps: list[_Step] = []
    try:
        outs = _write(closed, range(len(names)), start, steps)
    except NotImplementedError:
        return None
    # results are numbered from behind the constants, known now, on
    first = len(start)
    places = [[n if n >= 0 else first - 1 - n for n in s.operands] for s in steps]
    out = outs[0] if outs[0] >= 0 else first - 1 - outs[0]

    def run(arrays: Mapping[str, Array]) -> Array:
        given = [arrays[n] for n in names]
        shapes = {v.shape for v in given}
        shape = lax.broadcast_shapes(*shapes)
        like = next((v for v in given if v.shape == shape), None)
        values = [*given, *start[len(names) :]]
        for step, at in zip(steps, places, strict=True):
            if step.of_one_shape and shape:
                for i in at:
                    if not values[i].ndim:
                        values[i] = _spread(values[i], shape, like)
            operands = [values[i] for i in at]
            if len(shapes) > 1:
                operands = _alike(operands)
            values.append(step.call(*operands))
        return jnp.asarray(values[out])

    return run


def _write(
    closed: core.ClosedJaxpr,
    arguments: Sequence[int],
    start: list[Any],
    steps: list[_Step],
) -> list[int]:
    """Add what a jaxpr does, calls in it written out; the numbers of its results.

    A number from 0 on is one of an argument or constant, -1, -2, ... those of steps.
    """
    jaxpr = closed.jaxpr
    numbers = dict(zip(jaxpr.invars, arguments, strict=True))

    def constant(value: Any, aval: Any) -> int:
        if np.ndim(value):
            raise NotImplementedError
        start.append(np.asarray(value, aval.dtype)[()])
        return len(start) - 1

    def number(v: Any) -> int:
        if isinstance(v, core.Literal):
            return constant(v.val, v.aval)
        return numbers[v]

    for v, value in zip(jaxpr.constvars, closed.consts, strict=True):
        numbers[v] = constant(value, v.aval)
    for equation in jaxpr.eqns:
        name, operands = equation.primitive.name, [*map(number, equation.invars)]
        if name in ("jit", "pjit"):
            inner = _write(equation.params["jaxpr"], operands, start, steps)
            numbers |= zip(equation.outvars, inner, strict=True)
            continue
        call = _call(name, equation.params)
        steps.append(_Step(call, operands, name in ("select_n", "clamp")))
        numbers[equation.outvars[0]] = -len(steps)
    return [*map(number, jaxpr.outvars)]


def _call(name: str, params: Mapping[str, Any]) -> Callable[..., Array]:
    """The function of lax that an operation is."""
    if name not in _KNOWN:
        raise NotImplementedError
    call = getattr(lax, _NAMES.get(name, name))
    given = [params[n] for n in _ARGUMENTS if n in params]
    return (lambda *operands: call(*operands, *given)) if given else call


def _spread(number: Any, shape: tuple[int, ...], like: Array | None) -> Array:
    """An array of a number, sharded as the array that it is like."""
    if like is None:
        return jnp.broadcast_to(number, shape)
    return lax.full_like(like, number, number.dtype)


def _alike(values: list[Any]) -> list[Any]:
    """Operands of one shape, but for numbers."""
    shapes = {v.shape for v in values} - {()}
    if len(shapes) < 2:
        return values
    shape = lax.broadcast_shapes(*shapes)
    return [jnp.broadcast_to(v, shape) if v.ndim else v for v in values]
