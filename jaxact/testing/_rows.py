"""The error of an activation that is not elementwise, against its definition.

It is measured over rows of random numbers, of several lengths and scales, one row in
each call.  The definition is evaluated in float64.  Where terms cancel, the unit of an
error is taken at the sum of the sizes of the terms.  In a derivative these are slope
times tangent.  In every result they are slope times argument too: so far one rounding
of every argument in float32 moves it.

Rows are measured as they are, and also as the rounded results of a product that is
compiled with the function.  XLA may compute such a product twice, rounded for one use
and not for the other, and a function must bear that.
"""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial, reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._core import Definition
from ._bounds import allowed_ulp
from ._measure import QUICKLY, Measurement, given, merge
from ._ulp import as_float64, format_of, ulp

ROWS, LENGTHS, SCALES = 32, (2, 3, 16, 48), (1 / 64, 1.0, 8.0)
FACTOR, FAR = 1.37, 2.0**13  # the factor of the product; the scale of far rows


class Unmeasurable(Exception):
    """There is nothing to compare with, or no arguments to call the function with."""


class _Exact(NamedTuple):
    """The results of the definition for rows, in float64."""

    y: np.ndarray  # by row and output
    slope: np.ndarray  # by row, output and variable
    size: np.ndarray  # of the terms of y
    terms: np.ndarray  # the size of those of the slope
    smooth: np.ndarray  # by row, whether the slope does not jump there
    told: np.ndarray  # by row and output, whether a rule by the output can be exact


def measure_rows(
    definition: Definition,
    dtype: Any,
    order: int,
    wrt: str = "x",
    parameters: Mapping[str, float] | None = None,
    lengths: tuple[int, ...] = LENGTHS,
    f: Callable[..., Any] | None = None,
) -> Measurement:
    """Measure the value, or the derivative along random tangents, in both modes.

    Args:
        definition: of the activation.
        dtype: the dtype to compute in, of less than 64 bits.
        order: 0 or 1.
        wrt: the variable of the derivative.
        parameters: values of parameters, in place of those of `given` and the defaults.
        lengths: of the rows.
        f: the function to measure; the activation itself by default.

    Raises:
        Unmeasurable: there is no definition, or the function takes no row.
    """
    if definition.reference is None:
        raise Unmeasurable("no definition: nothing proven")
    if jnp.dtype(dtype).itemsize > 4:
        raise Unmeasurable("the definition is evaluated in float64 itself")
    arguments = _arguments(definition, dtype, wrt, parameters or {})
    call = _call(f or definition.function, arguments, wrt)
    parts: list[Measurement] = []
    moved = None if wrt == "x" else arguments[wrt]
    compiled = _values_behind(call) if order == 0 else _slopes_behind(call, moved)
    for x in _rows(definition, dtype, arguments, lengths):
        for w, factor in _products(x, order, definition.name == "hardmax"):
            x = (w * np.asarray(factor, w.dtype)).astype(w.dtype)
            exact = _exactly(definition, x, arguments, wrt)
            if order == 0:
                parts.append(_value(compiled[factor], w, factor, x, exact))
            else:
                parts += _derivatives(
                    definition, compiled[factor], w, factor, x, wrt, arguments, exact
                )
    return reduce(merge, parts)


def _values_behind(call: Callable[..., Any]) -> dict[float, Callable[..., Any]]:
    """The values of rows, compiled as they are and behind a product."""
    return {c: jax.jit(jax.vmap(lambda w, c=c: call(w * c))) for c in (1.0, FACTOR)}


def _slopes_behind(
    call: Callable[..., Any], p: np.ndarray | None
) -> dict[float, Callable[..., Any]]:
    """The same of `_both`."""
    both = partial(_both, call, p)
    return {
        c: jax.jit(jax.vmap(lambda w, *v, c=c: both(w * c, *v))) for c in (1.0, FACTOR)
    }


def _products(
    x: np.ndarray, order: int, jumps: bool
) -> Iterator[tuple[np.ndarray, float]]:
    """The rows and factors whose products are measured: for x, and for the others.

    In a half precision a whole rounding may be lost.  That is too much for a slope, for
    values far away, and where a value jumps from one entry to another.
    """
    yield x, 1.0
    if (order == 0 and not jumps) or x.dtype.itemsize >= 4:
        yield x, FACTOR
    if order == 0 and x.dtype.itemsize >= 4:
        yield x * np.asarray(FAR, x.dtype), FACTOR


def variables(definition: Definition) -> tuple[str, ...]:
    """The variables that an activation may be differentiated by; a mask is not one."""
    given = (n for n in definition.parameters if definition.default(n) is not None)
    return ("x", *given)


def _arguments(
    definition: Definition, dtype: Any, wrt: str, parameters: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """The parameters to give, in the dtype."""
    chosen = given(definition.function, parameters)
    if wrt != "x":
        chosen.setdefault(wrt, definition.default(wrt))
    return {n: np.asarray(v).astype(jnp.dtype(dtype)) for n, v in chosen.items()}


def bound(definition: Definition, dtype: Any, order: int) -> float:
    """The error that an activation that is not elementwise may have."""
    if jnp.dtype(dtype).itemsize >= 4:
        return allowed_ulp(definition.function, dtype, order)
    return 2.0 if order and _by_output(definition) else 0.51  # which is rounded


def _by_output(definition: Definition) -> bool:
    """Whether the rule by x, or by a parameter, reads the output."""
    rules = [k for path, k in definition.kernels.items() if path]
    rules += [definition.pushforward] if definition.pushforward else []
    return any("y" in inspect.signature(rule).parameters for rule in rules)


def _rows(
    definition: Definition,
    dtype: Any,
    parameters: dict[str, np.ndarray],
    lengths: tuple[int, ...],
) -> Iterator[np.ndarray]:
    """Random rows, of the lengths that the function takes.

    A half precision is computed in float32: it has every second of them.
    """
    random, dtype = np.random.default_rng(0), jnp.dtype(dtype)
    taken, problem = [], None
    for length in lengths:
        row = jax.ShapeDtypeStruct((length,), dtype)
        try:
            jax.eval_shape(_call(definition.function, parameters), row)
        except (TypeError, ValueError, IndexError) as error:
            problem = error  # some split a row in parts of one length
            continue
        taken.append(length)
    if not taken:
        line = str(problem).splitlines()[0]
        raise Unmeasurable(f"needs arguments, see jaxact.testing._measure: {line}")
    some = taken
    if dtype.itemsize < 4:
        some = taken[int(dtype.name == "float16") :: 2] or taken
    for length in taken:
        x = random.uniform(-1, 1, (len(SCALES), ROWS, length))
        x = np.asarray(SCALES)[:, None, None] * x
        if length in some:
            yield x.reshape(-1, length).astype(dtype)


def _call(
    f: Callable[..., Any], parameters: Mapping[str, Any], wrt: str = "x"
) -> Callable[..., Any]:
    """f of x, or of x and the parameter `wrt`, with a flat result."""

    def call(x: Any, *p: Any) -> Any:
        moved = dict(zip([wrt], p, strict=False))
        return jnp.ravel(f(x, **{**parameters, **moved}))

    return call


def _exactly(
    definition: Definition, x: np.ndarray, parameters: dict[str, np.ndarray], wrt: str
) -> _Exact:
    """Values, slopes, and the sizes of the terms that they are sums of."""
    with jax.enable_x64(True):
        wide = {n: as_float64(v) for n, v in parameters.items()}
        found = _reference(definition, wrt)(as_float64(x), wide)
    y, slope, size, terms, smooth = (np.array(part) for part in found)
    if wrt == "x" and _by_output(definition) and y.shape == x.shape:
        # rounding of an output far from 0 moves more than that of the slope
        terms = terms * np.maximum(1, np.abs(y))[:, None, :]
        i = np.arange(y.shape[1])
        terms[:, i, i] = np.maximum(terms[:, i, i], np.abs(y))
        told = (y == 0) | (np.abs(y) >= float(jnp.finfo(x.dtype).smallest_normal))
    else:
        told = np.ones(1, bool)
    return _Exact(y, slope, size, terms, smooth, told)


@cache
def _reference(definition: Definition, wrt: str) -> Callable[..., Any]:
    """The definition over rows, with slopes and sizes: the first fields of `_Exact`."""
    assert definition.reference is not None
    reference = definition.reference

    def row(x: Any, parameters: dict[str, Any]) -> tuple[Any, ...]:
        f = _call(reference, parameters, wrt)
        p = () if wrt == "x" else (parameters[wrt],)

        def value(x: Any) -> Any:
            return f(x, *p)

        def slope(x: Any) -> Any:
            found = jax.jacfwd(f, len(p))(x, *p)
            return found.reshape(found.shape[0], -1)

        here = slope(x)
        terms = jnp.abs(here)
        if p:  # one term, in which others may have cancelled
            terms = jnp.maximum(terms, _conditioned(slope, x))
        aside = 2.0**-40 * jnp.where(jnp.arange(x.size) % 2, 1, -0.7)
        jump = jnp.abs(slope(x * (1 + aside)) - slope(x * (1 - aside)))
        smooth = jnp.max(jump) <= 1e-6 * jnp.max(terms)
        sizes = _conditioned(lambda x, p: _call(reference, p)(x), x, parameters)
        return value(x), here, sizes, terms, smooth

    return jax.jit(jax.vmap(row, (0, None)), compiler_options=QUICKLY)


def _conditioned(f: Callable[..., Any], *args: Any) -> Any:
    """The sizes of the terms of f, slope times argument, summed for each output."""
    slopes = jax.jacfwd(f, tuple(range(len(args))))(*args)
    pairs = zip(jax.tree.leaves(slopes), jax.tree.leaves(args), strict=True)
    return sum(jnp.tensordot(jnp.abs(j), jnp.abs(v), jnp.ndim(v)) for j, v in pairs)


def _value(
    compiled: Callable[..., Any],
    w: np.ndarray,
    factor: float,
    x: np.ndarray,
    exact: _Exact,
) -> Measurement:
    """The errors of the value at the rows x, the products of w and the factor."""
    got = compiled(w)
    unit = np.maximum(ulp(exact.y, x.dtype), _rounding(x.dtype) * exact.size)
    unit = unit + _unrounded(x.dtype, factor) * exact.size + _TOLD
    return _compared(np.asarray(got), exact.y, unit, x)


_TOLD = 2.0**-50  # a definition in float64 tells no more


def _unrounded(dtype: Any, factor: float) -> float:
    """Twice the rounding error of a product that is not rounded."""
    return 0.0 if factor == 1 else float(jnp.finfo(dtype).eps)


def _rounding(dtype: np.dtype) -> float:
    """The unit of the terms, so that the bound allows four roundings in float32."""
    wide = float(jnp.finfo(format_of(dtype).wide).eps)
    return 8 * wide if dtype.itemsize < 4 else wide


def _derivatives(
    definition: Definition,
    compiled: Callable[..., Any],
    w: np.ndarray,
    factor: float,
    x: np.ndarray,
    wrt: str,
    parameters: dict[str, np.ndarray],
    exact: _Exact,
) -> Iterator[Measurement]:
    """The errors in forward and in reverse mode at w * factor, along random t and c."""
    random = np.random.default_rng(1)
    t, c = (
        random.uniform(-1, 1, (len(x), n)).astype(x.dtype)
        for n in (exact.slope.shape[2], exact.slope.shape[1])
    )
    got = compiled(w, t, c)
    with jax.enable_x64(True):
        wide = {n: as_float64(v) for n, v in parameters.items()}
        swings = _swings(definition, wrt)(*map(as_float64, (x, t, c)), wide)
    for value, v, axis, swing in zip(got, (t, c), (2, 1), swings, strict=True):
        moved = np.expand_dims(as_float64(v), 3 - axis)
        wanted = (exact.slope * moved).sum(axis)
        terms = np.abs(exact.terms * moved).sum(axis)
        unit = ulp(np.maximum(np.abs(wanted), terms), x.dtype)
        unit = np.maximum(unit, _rounding(x.dtype) * np.asarray(swing))
        unit = unit + _unrounded(x.dtype, factor) * np.asarray(swing)
        unit = np.where(exact.told, unit, np.inf)
        rows = (a[exact.smooth] for a in (np.asarray(value), wanted, unit, x))
        yield _compared(*rows)


def _both(call: Callable[..., Any], p: Any, x: Any, t: Any, c: Any) -> tuple[Any, Any]:
    """The derivative by x, or by p if given, along t, and the pullback of c."""
    along, at = (call, x) if p is None else (partial(call, x), jnp.asarray(p))
    _, forward = jax.jvp(along, (at,), (t.reshape(at.shape),))
    return forward, jnp.ravel(jax.vjp(along, at)[1](c)[0])


@cache
def _swings(definition: Definition, wrt: str) -> Callable[..., Any]:
    """The sizes of the terms in the change of `_both` with each of its arguments."""
    assert definition.reference is not None
    reference = definition.reference

    def row(x: Any, t: Any, c: Any, parameters: dict[str, Any]) -> tuple[Any, Any]:
        def one(i: int, x: Any, parameters: dict[str, Any]) -> Any:
            p = None if wrt == "x" else parameters[wrt]
            return _both(_call(reference, parameters, wrt), p, x, t, c)[i]

        forward, back = (_conditioned(partial(one, i), x, parameters) for i in (0, 1))
        return forward, back

    return jax.jit(jax.vmap(row, (0, 0, 0, None)), compiler_options=QUICKLY)


def _compared(
    got: np.ndarray, wanted: np.ndarray, unit: np.ndarray, x: np.ndarray
) -> Measurement:
    """The errors, in units."""
    with np.errstate(invalid="ignore"):
        error = np.abs(as_float64(got) - wanted) / unit
    form = format_of(x.dtype)
    flushed = (as_float64(got) == 0) & (np.abs(wanted) < 2.0**form.lowest)
    overflowed = (as_float64(got) == np.copysign(np.inf, wanted)) & (
        np.abs(wanted) > float(jnp.finfo(x.dtype).max)
    )
    error = np.where(flushed | overflowed, 0.0, error)
    number = np.isfinite(error)
    worst = np.unravel_index(np.argmax(np.where(number, error, -1)), error.shape)
    at = as_float64(x[worst[0]])[worst[1] % x.shape[1]]
    return Measurement(
        max_ulp=float(np.max(error, where=number, initial=0.0)),
        worst_at=float(at),
        got=float(as_float64(got)[worst]),
        wanted=float(wanted[worst]),
        share_051=float(np.mean(error <= 0.51)),
        share_1=float(np.mean(error <= 1)),
        share_4=float(np.mean(error <= 4)),
        wrong=int(np.sum(~number)),
        wrong_at=math.nan if number.all() else float(at),
        count=error.size,
    )
