"""The distance of an activation from the exact result, on this machine."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._core import lookup
from ..transforms import derivative
from ._bounds import by_size
from ._exact import Exact, Question
from ._oracle import exact_orders, question
from ._points import points as sample
from ._roots import roots
from ._ulp import as_float64, format_of, unit_error

# for what runs once, of which no last digit is looked at: to compile it takes longest
QUICKLY: Any = {"xla_backend_optimization_level": 0}


@dataclass(frozen=True)
class Measurement:
    """The findings of `measure`.

    Attributes:
        max_ulp: the largest error over `count` points, without those that are wrong, in
            units in the last place; for results below 1e-6 the units are larger, see
            `assert_accurate`.
        worst_at: the point of the largest error, of several the nearest to 0.
        got: the result there.
        wanted: the exact result there, correctly rounded.
        share_051: the share of results within 0.51 ULP: as good as correctly rounded.
        share_1: the share within 1 ULP.
        share_4: the share within 4 ULP.
        wrong: how many are NaN where a number is right, a number where NaN is right,
            miss an infinite limit, or have the wrong sign where the exact result is
            below 1e-30.
        wrong_at: the first point that is wrong; NaN if none is, or NaN itself.
        count: the number of points.
    """

    max_ulp: float
    worst_at: float
    got: float
    wanted: float
    share_051: float
    share_1: float
    share_4: float
    wrong: int
    wrong_at: float
    count: int


def measure(
    f: Callable[..., Any],
    dtype: Any,
    order: int = 0,
    *,
    wrt: str = "x",
    formula: str | None = None,
    points: np.ndarray | None = None,
    around: Iterable[float] = (),
    **parameters: float,
) -> Measurement:
    """Measure an activation against the oracle on this machine's default backend.

    Args:
        f: an activation with a formula line, or any elementwise function.
        dtype: the dtype to compute in.
        order: 0 for the value, 1, 2, ... for a derivative.
        wrt: the variable of the derivative.
        formula: the formula in `x` and the parameters, for a function without one.
        points: where, an array of the dtype; `jaxact.testing.points` by default, with
            the kinks of `f` and the roots of its derivatives among them.
        around: more points whose neighbourhoods to measure: thresholds of a kernel.
        parameters: values of the parameters of `f`.

    Returns:
        A `Measurement`: the largest error, where it is, and what is wrong.

    Raises:
        RuntimeError: float64 without `jax_enable_x64`.
        ValueError: there is no formula.

    Example:
        >>> some = jnp.array([-1.0, 2.0])
        >>> jaxact.testing.measure(jaxact.elu, "float32", points=some).wrong
        0
    """
    require_x64(dtype)
    parameters = given(f, parameters)
    asked = question(f, formula, parameters, dtype)
    if points is None:
        points = sample(dtype, [*landmarks(f, asked, dtype, **parameters), *around])
    both = with_flushed(points, dtype)
    (exact,) = exact_orders(asked, both, (order,), dtype, wrt)
    found = compare(f, dtype, order, wrt, points, exact, parameters)
    return confirm(found, asked, dtype, order, wrt)


def given(f: Callable[..., Any], parameters: Mapping[str, float]) -> dict[str, Any]:
    """The parameters to call f with; an example where there is no default."""
    definition = lookup(f)
    if definition is None:
        return dict(parameters)
    return {**{n: definition.example(n) for n in definition.required}, **parameters}


def kinks(f: Callable[..., Any], **parameters: float) -> tuple[float, ...]:
    """The kinks that an activation declares; none for other functions."""
    definition = lookup(f)
    return () if definition is None else definition.kinks_at(**parameters)


def landmarks(
    f: Callable[..., Any], asked: Question, dtype: Any, **parameters: float
) -> tuple[float, ...]:
    """Points to look at closely: the kinks of f, its roots and those of derivatives."""
    if jnp.dtype(dtype).itemsize <= 2:
        return ()  # every pattern is measured anyway
    return (*kinks(f, **parameters), *roots(asked, dtype))


def require_x64(dtype: Any) -> None:
    """Refuse float64 where JAX would quietly compute in float32."""
    format_of(dtype)
    if jnp.dtype(dtype) == np.float64 and not jax.config.read("jax_enable_x64"):
        raise RuntimeError("float64 needs jax.config.update('jax_enable_x64', True)")


def with_flushed(points: np.ndarray, dtype: Any) -> np.ndarray:
    """The points in rows: as given and, where that differs, as they may be flushed."""
    form = format_of(dtype)
    wide = as_float64(points)
    faint = np.abs(wide) < float(jnp.finfo(form.wide).smallest_normal)
    if not (faint & (wide != 0)).any():
        return wide[None]
    return np.stack([wide, np.where(faint, 0.0, wide)])


def evaluate(
    f: Callable[..., Any],
    order: int,
    wrt: str,
    points: np.ndarray,
    parameters: dict[str, float],
) -> np.ndarray:
    """The value or a derivative of f at points, as JAX compiles it here."""
    try:
        hash(f)
        compiled = _compiled(f, order, wrt, tuple(parameters.items()))
    except TypeError:  # a callable, or a value, that cannot be hashed
        compiled = _compiled.__wrapped__(f, order, wrt, tuple(parameters.items()))
    return np.asarray(compiled(jnp.asarray(points)))


@lru_cache(maxsize=64)
def _compiled(
    f: Callable[..., Any], order: int, wrt: str, parameters: tuple[Any, ...]
) -> Callable[..., Any]:
    g = f if order == 0 else derivative(f, order, wrt)
    return jax.jit(partial(g, **dict(parameters)))


def compare(
    f: Callable[..., Any],
    dtype: Any,
    order: int,
    wrt: str,
    points: np.ndarray,
    exact: Exact,
    parameters: dict[str, float],
    asked: Question | None = None,
) -> Measurement:
    """Measure f against exact values at `with_flushed(points)`.

    If it is known what was asked, an error of an order above 2 is counted `by_size`.
    """
    got = evaluate(f, order, wrt, points, parameters)
    name = getattr(f, "__name__", "f")
    if got.shape != points.shape:
        raise TypeError(f"{name}: not elementwise: {points.shape} gave {got.shape}")
    if got.dtype != jnp.dtype(dtype):
        raise TypeError(
            f"{name}: {jnp.dtype(dtype).name} in, {got.dtype.name} out (order {order})"
        )
    error = _errors(got, exact, order)
    if asked is not None and order > 2:
        counted = by_size(got, exact, asked, points, order, f)
        error = np.where(np.isfinite(counted), counted, error)
    at = as_float64(points)
    if order:  # a constant slope need not be NaN where the value is NaN
        error = np.where(np.isnan(at), 0, error)
    number = np.isfinite(error)
    largest = np.max(error, where=number, initial=0.0)
    equals = np.flatnonzero((error == largest) & ~np.isnan(at))
    worst = equals[np.argmin(np.abs(at[equals]))] if len(equals) else 0
    return Measurement(
        max_ulp=float(largest),
        worst_at=float(at[worst]),
        got=float(got[worst]),
        wanted=float(exact.rounded[0, worst]),
        share_051=float(np.mean(error <= 0.51)),
        share_1=float(np.mean(error <= 1)),
        share_4=float(np.mean(error <= 4)),
        wrong=int(np.sum(~number)),
        wrong_at=math.nan if number.all() else float(at[np.argmin(number)]),
        count=error.size,
    )


def _errors(got: np.ndarray, exact: Exact, order: int) -> np.ndarray:
    """The errors against exact values at `with_flushed` points."""
    error = np.min([unit_error(got, exact[row]) for row in range(len(exact.high))], 0)
    if order > 1:  # where it has underflowed, the sign may be lost too
        faint = (np.abs(exact.high[0]) < 1e-30) & (np.abs(as_float64(got)) < 1e-30)
        error = np.where(faint & np.isinf(error), 0, error)
    return error


def confirm(
    found: Measurement, asked: Question, dtype: Any, order: int, wrt: str
) -> Measurement:
    """The same, but its largest error is measured again, against the oracle itself."""
    at = np.asarray([found.worst_at]).astype(jnp.dtype(dtype))
    got = np.asarray([found.got]).astype(jnp.dtype(dtype))
    if not np.isfinite(as_float64(at)).all():
        return found
    where = asked, with_flushed(at, dtype), (order,), dtype, wrt
    (exact,) = exact_orders(*where, quick=False)
    error = float(_errors(got, exact, order)[0])
    return replace(found, max_ulp=error, wanted=float(exact.rounded[0, 0]))


def merge(a: Measurement, b: Measurement) -> Measurement:
    """The findings at the points of both."""
    larger = max(a, b, key=lambda m: (m.max_ulp, -abs(m.worst_at)))
    count = a.count + b.count

    def share(name: str) -> float:
        within = [round(getattr(m, name) * m.count) for m in (a, b)]
        return sum(within) / count

    return replace(
        larger,
        share_051=share("share_051"),
        share_1=share("share_1"),
        share_4=share("share_4"),
        wrong=a.wrong + b.wrong,
        wrong_at=a.wrong_at if a.wrong else b.wrong_at,
        count=count,
    )


def residual_bytes(
    f: Callable[..., Any], dtype: Any = "float32", **parameters: float
) -> float:
    """Bytes per element that JAX keeps of f between forward and backward pass.

    Plain scalars do not count.

    Returns:
        A float: the bytes of all arrays that are kept, over the elements of x.

    Example:
        >>> jaxact.testing.residual_bytes(jaxact.gelu)
        4.0
    """
    x = jax.ShapeDtypeStruct((1024,), jnp.dtype(dtype))
    pull = jax.eval_shape(lambda x: jax.vjp(partial(f, **parameters), x)[1], x)
    kept = [leaf for leaf in jax.tree.leaves(pull) if leaf.size > 1]
    return sum(leaf.size * leaf.dtype.itemsize for leaf in kept) / x.size
