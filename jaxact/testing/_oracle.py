"""The oracle: an activation's formula in ball arithmetic, to proven bounds.

The formula, evaluated on the power series ``z + t`` whose coefficients are balls
(python-flint's `arb_series`), gives the value and the derivatives of every order with a
bound of its own rounding error.  If the bound is too wide, the point is tried again
with more bits.
"""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from .._core import lookup
from .._formula import parse_formula
from ._balls import UndefinedError, UnresolvedError, on_balls
from ._exact import Exact, Question
from ._panels import bulk
from ._ulp import as_float64, format_of, round_to

# stand-ins for a limit; at so many points no oscillating function grows at all of them
_INFINITIES = tuple(1.37 * 2.0**n for n in range(800, 1001, 20))


class _Rigour(NamedTuple):
    """The numbers of bits to try, how many must be right, and the size of zero."""

    precisions: tuple[int, ...]
    enough: int
    tiny: float  # as a power of 2


_NARROW = _Rigour((160, 400, 1600, 6000), 70, -200)
_DOUBLE = _Rigour((220, 1400, 5000, 12000), 120, -1100)


def question(
    f: Callable[..., Any],
    formula: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    dtype: Any = "float32",
) -> Question:
    """The question to the oracle about a function.

    Raises:
        TypeError: a parameter is unknown, missing or not a number.
        ValueError: there is no formula, or it does not parse.
    """
    definition = lookup(f)
    name = getattr(f, "__name__", getattr(getattr(f, "func", f), "__name__", "f"))
    given = dict(parameters or {})
    try:
        signature = inspect.signature(f).parameters
    except (TypeError, ValueError):
        signature = {}
    after_x = tuple(signature)[1:]
    if formula is not None:
        parsed = parse_formula(formula, ("x", *after_x), name)
    elif definition is not None and definition.formula is not None:
        parsed = definition.formula
    else:
        raise ValueError(
            f"{name}: it has no formula: give formula=..., or write the line "
            f"'{name}(x) = ...' in the docstring of the activation"
        )
    if unknown := set(given) - set(after_x):
        raise TypeError(f"{name}: no parameter {', '.join(sorted(unknown))}")
    wide = format_of(dtype).wide
    values = {}
    for n in parsed.reads:
        value = given.get(n, signature[n].default)
        try:
            values[n] = float(np.asarray(value, np.float64).astype(wide))
        except (TypeError, ValueError):
            raise TypeError(
                f"{name}: the oracle needs a number for {n}; got {value!r}"
            ) from None
    domain = (-math.inf, math.inf)
    if definition is not None:
        domain = definition.domain.get("x", domain)
    return Question(parsed, values, (float(domain[0]), float(domain[1])))


def oracle(
    f: Callable[..., Any],
    points: Any,
    order: int = 0,
    *,
    wrt: str = "x",
    dtype: Any = None,
    formula: str | None = None,
    **parameters: float,
) -> Exact:
    """The exact value of an activation or a derivative, with proven bounds.

    The points are taken as they stand in their dtype, parameters as rounded to the
    dtype that kernels compute in.  At +-inf the answer is the limit, or NaN if there is
    none; at a kink it is that of the branch that the formula takes there.

    Args:
        f: an activation with a formula line, or any function with `formula` given.
        points: an array of any floating dtype.
        order: 0 for the value, 1, 2, ... for a derivative.
        wrt: the variable of the derivative, `"x"` or a parameter.
        dtype: the dtype of the results; that of the points by default.
        formula: the formula in `x` and the parameters, for a function without one.
        parameters: values of the parameters; the defaults of `f` otherwise.

    Returns:
        An `Exact`: NumPy arrays of the shape of the points, with the exact values
        rounded to `dtype`, and to about 100 bits.

    Raises:
        ArithmeticError: the value at a point cannot be bounded.
        ValueError: there is no formula.
        TypeError: a parameter is unknown, missing or not a number.

    Example:
        >>> jaxact.testing.oracle(jaxact.elu, jnp.array([-1.0, 2.0])).rounded
        array([-0.63212055,  2.        ], dtype=float32)
    """
    points = np.asarray(points)
    if not jnp.issubdtype(points.dtype, jnp.floating):
        points = points.astype(np.float64)
    dtype = points.dtype if dtype is None else jnp.dtype(dtype)
    asked = question(f, formula, parameters, dtype)
    if wrt != "x" and wrt not in asked.parameters:
        raise ValueError(f"{asked.formula.name}: its formula has no variable {wrt!r}")
    return exact_orders(asked, points, (order,), dtype, wrt, quick=False)[0]


def exact_orders(
    asked: Question,
    points: np.ndarray,
    orders: Iterable[int],
    dtype: Any,
    wrt: str,
    quick: bool = True,
) -> tuple[Exact, ...]:
    """The exact values of several orders, from one series at each point.

    `quick`, for derivatives by x in formats of up to 32 bits: values come from proven
    polynomials where points lie close together, within 2^-18 ULP of float32.
    """
    orders = tuple(orders)
    top = max(orders)
    quick = quick and wrt == "x" and jnp.dtype(dtype).itemsize <= 4
    # the series of a surrogate is not that of its value
    quick = quick and "surrogate(" not in asked.formula.text
    unique, back = np.unique(as_float64(points), return_inverse=True)
    back = back.reshape(points.shape)
    rigour = _DOUBLE if jnp.dtype(dtype).itemsize > 4 else _NARROW
    low_end, high_end = asked.domain

    high = np.full((top + 2, len(unique)), np.nan)
    low = np.zeros_like(high)
    inside = np.isfinite(unique) & (unique > low_end) & (unique < high_end)
    outside = ~inside
    if quick:
        high[:, inside], proven = bulk(asked, unique[inside], tuple(range(top + 1)))
        inside[inside] = ~proven
    high[:, inside], low[:, inside] = _coefficients(
        asked, unique[inside], range(top + 1), wrt, rigour
    )
    roots = _root_scales(asked, unique, high, wrt, quick, rigour)
    for i in np.flatnonzero(outside & ~np.isnan(unique)):
        if math.isinf(unique[i]) and low_end <= unique[i] <= high_end:
            high[:-1, i], low[:-1, i] = _limit(asked, unique[i], top, wrt)
        elif unique[i] in asked.domain:
            high[:, i], low[:, i] = _end_point(asked, unique[i], top, wrt)
    return tuple(
        Exact(
            round_to(high[n], low[n], dtype)[back],
            high[n][back],
            low[n][back],
            roots[n][back],
        )
        for n in orders
    )


def answer(
    asked: Question | None,
    points: np.ndarray,
    orders: Iterable[int],
    dtype: Any,
    wrt: str,
) -> tuple[Exact, ...] | str:
    """`exact_orders`, or the complaint: for a process of its own."""
    if asked is None:
        return "nothing asked"
    try:
        return exact_orders(asked, points, orders, dtype, wrt)
    except ArithmeticError as error:
        return str(error)


def _coefficients(
    asked: Question,
    points: Sequence[float] | np.ndarray,
    wanted: Sequence[int],
    wrt: str,
    rigour: _Rigour,
    nudge: int = 0,
    strict: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of orders 0 to max(wanted) + 1 at points, as pairs of float64.

    Only those `wanted` are sure to be accurate.  `nudge` = +-1 moves the points by
    2^-1100, to the inside of a domain.  If not `strict`, NaN where the bits are too
    few.
    """
    from flint import arb, arb_series, ctx

    rows = max(wanted) + 2
    high = np.zeros((rows, len(points)))
    low = np.zeros((rows, len(points)))
    factorial = [math.factorial(n) for n in range(rows)]
    tiny = arb(2) ** int(rigour.tiny)
    todo: Iterable[int] = range(len(points))
    old = ctx.prec, ctx.cap
    try:
        ctx.cap = rows
        for precision in rigour.precisions:
            ctx.prec = precision
            evaluate = on_balls(asked.formula)
            env: dict[str, Any] = {n: arb(v) for n, v in asked.parameters.items()}
            if wrt != "x":
                env[wrt] = arb_series([env[wrt], 1])
            again = []
            for i in todo:
                z = arb(float(points[i]))
                if nudge:
                    z += nudge * arb(2) ** -1100
                env["x"] = arb_series([z, 1]) if wrt == "x" else z
                try:
                    series = evaluate(**env)
                except UndefinedError:
                    high[:, i] = np.nan
                    continue
                except (UnresolvedError, ValueError, ZeroDivisionError):
                    again.append(i)
                    continue
                if not isinstance(series, arb_series):
                    series = arb_series([series])
                for n in range(rows):
                    c = series[n]
                    accuracy = c.rel_accuracy_bits()
                    if accuracy < rigour.enough:
                        if abs(c) < tiny:
                            high[n, i] = low[n, i] = 0
                            continue
                        if n in wanted:
                            again.append(i)
                            break
                        if accuracy < 20:
                            high[n, i] = np.nan
                            continue
                    if n > 1:
                        c = c * factorial[n]
                    middle = c.mid()
                    high[n, i] = h = float(middle)
                    low[n, i] = float(middle - h) if math.isfinite(h) else 0.0
            todo = again
            if not todo:
                break
    finally:
        ctx.prec, ctx.cap = old
    if not strict:
        high[:, list(todo)] = np.nan
    elif todo:
        i = next(iter(todo))
        raise ArithmeticError(
            f"{asked.formula.name}: the oracle cannot bound the formula at "
            f"x = {float(points[i])!r}, order {max(wanted)} by {wrt}; if the function "
            "is not defined there, declare @activation(domain={'x': (low, high)})"
        )
    return high, low


def _limit(
    asked: Question, x: float, top: int, wrt: str
) -> tuple[np.ndarray, np.ndarray]:
    """The limits at x = +-inf of orders 0 to top, NaN where there is none."""
    at = [math.copysign(v, x) for v in _INFINITIES]
    high, low = _coefficients(asked, at, range(top + 1), wrt, _DOUBLE)
    limits, rests = high[: top + 1, -1].copy(), low[: top + 1, -1].copy()
    for n, row in enumerate(high[: top + 1]):
        b, c = row[-2:]
        if b == c and math.isfinite(c):
            continue  # so far out, a converging function has converged
        rests[n] = 0
        outward = row * np.sign(c)
        if max(abs(b), abs(c)) < 2.0**-300:
            limits[n] = 0
        elif abs(c) > 100 and _grows(outward):
            limits[n] = math.copysign(math.inf, c)  # it grows, if slowly
        else:
            limits[n] = math.nan
    return limits, rests


def _grows(outward: np.ndarray) -> bool:
    return bool(np.all((outward[1:] > outward[:-1]) | (outward[1:] == math.inf)))


def _end_point(
    asked: Question, x: float, top: int, wrt: str
) -> tuple[np.ndarray, np.ndarray]:
    """Value and derivatives at a finite end of the domain, from inside."""
    inward = 1 if x == asked.domain[0] else -1
    high, low = _coefficients(asked, [x], range(top + 1), wrt, _DOUBLE, inward)
    value = _coefficients(asked, [x], [0], wrt, _DOUBLE)
    high[0], low[0] = value[0][0], value[1][0]
    return high[:, 0], low[:, 0]


def _root_scales(
    asked: Question,
    points: np.ndarray,
    high: np.ndarray,
    wrt: str,
    quick: bool,
    rigour: _Rigour,
) -> np.ndarray:
    """|x f'(x)| where f has a root near x, away from 0; NaN elsewhere."""
    rows = len(high) - 1
    scales = np.full((rows, len(points)), np.nan)
    faint = 2.0**-150 if rigour is _NARROW else 0.0  # what float32 has no number for
    settled = np.array([_settled(points, f, faint) for f in high[:rows]])
    slopes = high[1:]
    if wrt != "x":  # the slope by x is a difference
        slopes = np.full((rows, len(points)), np.nan)
        known = np.isfinite(high[0]) & (points != 0)
        at = np.flatnonzero(known & ~settled.all(axis=0))
        aside = points[at] * (1 - 2.0**-24)
        moved, _ = _coefficients(asked, aside, range(rows), wrt, rigour, strict=False)
        with np.errstate(all="ignore"):
            slopes[:, at] = (moved[:rows] - high[:rows, at]) / (aside - points[at])
    for n, (f, slope) in enumerate(zip(high, slopes, strict=False)):
        with np.errstate(all="ignore"):
            step = f / slope
            across = points - 2 * step
            beside = np.nextafter(points, np.where(step > 0, -np.inf, np.inf))
            across = np.where(across == points, beside, across)
            near = np.isfinite(slope) & (slope != 0) & ~settled[n]
            near &= np.abs(step) < np.abs(points) / 4
            near &= (across > asked.domain[0]) & (across < asked.domain[1])
        at = np.flatnonzero(near)
        if not len(at):
            continue
        sides = signs(asked, across[at], n, quick, wrt)
        at = at[(sides * np.sign(f[at]) < 0) | (f[at] == 0)]
        with np.errstate(over="ignore"):
            scales[n, at] = np.abs(points[at] * slope[at])
    return scales


def _settled(points: np.ndarray, f: np.ndarray, faint: float) -> np.ndarray:
    """Where f has no root within a quarter of x, as the points around x tell.

    They do if some lie up to half of x away on both sides, and have its sign, all of
    them that are not `faint`.  Where they are too few to tell, the answer is no.
    """
    told = ~(np.abs(f) <= faint)
    at = np.maximum.accumulate(np.where(told, np.arange(len(f)), 0))
    sign = np.sign(f)[at]
    turns = np.append(0, np.cumsum(sign[1:] != sign[:-1]))
    with np.errstate(invalid="ignore", over="ignore"):
        reach = np.abs(points) / 2
        first = np.searchsorted(points, points - reach)
        last = np.searchsorted(points, points + reach, "right") - 1
        before = np.searchsorted(points, points - reach / 2) > first
        after = np.searchsorted(points, points + reach / 2, "right") <= last
    last = np.clip(last, 0, len(points) - 1)
    first = np.clip(first, 0, len(points) - 1)
    return before & after & (f != 0) & (turns[first] == turns[last])


_A_SIGN = _Rigour((400,), 2, -(2**20))


def signs_of_all(asked: Question, points: np.ndarray, orders: int) -> np.ndarray:
    """The signs of the first derivatives by x, where 400 bits decide them all."""
    high, _ = _coefficients(asked, points, range(orders), "x", _A_SIGN, strict=False)
    return np.sign(np.nan_to_num(high[:orders]))


def signs(
    asked: Question,
    points: np.ndarray,
    order: int,
    quick: bool = False,
    wrt: str = "x",
) -> np.ndarray:
    """The sign of a derivative where 400 bits decide it, 0 elsewhere."""
    found = np.zeros(len(points))
    todo = np.ones(len(points), bool)
    if quick and len(points) > 2**17:  # fewer are far apart
        unique, back = np.unique(points, return_inverse=True)
        values, proven = bulk(asked, unique, (order,))
        told = (proven & (np.abs(values[order]) > 2.0**-160))[back]
        found[told], todo = np.sign(values[order][back][told]), ~told
    high, _ = _coefficients(asked, points[todo], [order], wrt, _A_SIGN, strict=False)
    found[todo] = np.sign(np.nan_to_num(high[order]))
    return found
