"""Splines: piecewise polynomials whose coefficients are learnt.

The coefficients have shapes of their own and are trained like weights.  The backward
pass keeps x and the coefficients; JAX derives the derivatives by the coefficients from
the kernel, those by x are written down.
"""

import math
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .._core import Parameter, activation, definition_of, pushforward_of
from .._numerics import elementary as el
from .._numerics.rows import gathering
from ._coefficients import in_rows, spread


@activation(examples={"slopes": [0.25, -0.5, 0.125], "hinges": [-1.5, 0.25, 2.0]})
def apl(
    x: Array, slopes: Parameter, hinges: Parameter, axis: int | None = None
) -> Array:
    """Adaptive piecewise linear unit: a rectifier with hinges that are learnt.

    apl(x) is relu(x) and the sum over i of slopes[i] * relu(hinges[i] - x).

    Derivative: 1 for x > 0, 0 for x <= 0, less slopes[i] for every hinge above x, not
    counting one at x.  At -inf the limit: infinite against the sign of the sum of
    slopes there, or the sum of slopes[i] * hinges[i] if that is 0.

    Args:
        x: an array or number of real dtype; integers count as float32.
        slopes: one for every hinge: of shape (n,) for all of x, (channels, n) for each
            channel, or (groups, n) for groups of neighbours; of more dimensions if all
            but the last broadcast with x.
        hinges: where the slope changes, likewise.
        axis: where channels lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: an argument is not an array or number of real dtype.
        ValueError: `slopes` and `hinges` differ in length, x has no such axis, or its
            length is not a multiple of the groups.

    Example:
        >>> jaxact.apl(jnp.array([-1.0, 2.0]), jnp.array([0.5]), jnp.array([0.0]))
        Array([0.5, 2. ], dtype=float32)

    Reference:
        Agostinelli, Hoffman, Sadowski, Baldi (2014), arXiv:1412.6830
    """
    total, terms = el.maximum(x, 0), _hinges(x, slopes, hinges, axis)
    largest = float(jnp.finfo(x.dtype).max)
    near = el.where(x < -largest, -largest, x)  # faster than a maximum
    for slope, hinge in terms:
        total += slope * el.where(near < hinge, hinge - near, 0)
    if not terms:
        return total
    # at -inf all lines are one: the sum of each, inf - inf, is NaN
    slope, start = sum(a for a, _ in terms), sum(a * b for a, b in terms)
    far = el.where(slope == 0, 0, x)
    return el.where(x < -largest, start - slope * far, total)


def _hinges(
    x: Array, slopes: Array, hinges: Array, axis: int | None
) -> list[tuple[Array, Array]]:
    slopes = in_rows(slopes, x, axis, "apl: slopes", least=0)
    hinges = in_rows(hinges, x, axis, "apl: hinges", least=0)
    if len(slopes) != len(hinges):
        raise ValueError(f"apl: {len(slopes)} slopes for {len(hinges)} hinges")
    return list(zip(slopes, hinges, strict=True))


@definition_of(apl)
def _apl(x: Array, slopes: Array, hinges: Array, axis: int | None = None) -> Array:
    slopes, hinges = (spread(c, x, axis, "", least=0) for c in (slopes, hinges))
    total = jnp.where(x > 0, x, 0)
    for i in range(slopes.shape[-1]):
        a, b = slopes[..., i], hinges[..., i]
        total = total + a * jnp.where(x < b, b - x, 0)
    return total


@pushforward_of(apl)
def _apl_push(
    t: Array, x: Array, slopes: Array, hinges: Array, axis: int | None
) -> Array:
    total = el.where(x > 0, 1, 0).astype(x.dtype)
    for slope, hinge in _hinges(x, slopes, hinges, axis):
        total -= el.where(x < hinge, slope, 0)
    return t * total


@activation(examples={"coefficients": [0.5, -0.25, 1.0, 0.75, -1.5, 0.125, 0.5, 1.25]})
def b_spline(
    x: Array,
    coefficients: Parameter,
    grid: tuple[float, float] = (-1.0, 1.0),
    degree: int = 3,
    extrapolation: Literal["linear", "clamped"] = "linear",
    axis: int | None = None,
) -> Array:
    """Spline on a uniform grid, as on the edges of a Kolmogorov-Arnold network.

    b_spline(x) is the sum over i of coefficients[i] * B_i(x), the B_i being the bumps
    of the degree given, each over degree + 1 of the n - degree equal parts of the grid
    and its continuation (Cox and de Boor), n being the number of coefficients.  Beyond
    the grid it goes on as a straight line: b_spline(e) + (x - e) * b_spline'(e), e
    being the end, so that no unit is dead there.

    Derivative: the spline of one degree less with the coefficients' differences over
    the width of a part; beyond the grid the slope at the end, or 0 where clamped.
    `b_spline_coefficients` gives coefficients to start from.

    Args:
        x: an array or number of real dtype; integers count as float32.
        coefficients: n of them, more than `degree`: of shape (n,) for all of x,
            (channels, n) for each channel, or (groups, n) for groups of neighbours; of
            more dimensions if all but the last broadcast with x.
        grid: where it begins and ends.
        degree: of the polynomials, 0 for steps, 1 for straight lines, 3 for a curve
            with two continuous derivatives.
        extrapolation: what comes beyond the grid: "linear" goes on with the slope at
            its end, "clamped" keeps the value there.
        axis: where channels lie in x; None for the last axis.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        TypeError: an argument is not an array or number of real dtype.
        ValueError: there are too few coefficients, the grid is empty, the degree is
            negative or the extrapolation unknown; x has no such axis, or its length is
            not a multiple of the groups.

    Example:
        >>> line = jnp.array([-1.0, 0.0, 1.0])  # through its knots
        >>> jaxact.b_spline(jnp.array([-0.5, 0.25]), line, degree=1)
        Array([-0.5 ,  0.25], dtype=float32)

    Reference:
        Liu et al. (2024), KAN: Kolmogorov-Arnold networks, arXiv:2404.19756
    """
    per_bump = in_rows(coefficients, x, axis, "b_spline: coefficients")
    _check_spline(len(per_bump), grid, degree, extrapolation)
    at = el.where(x < grid[0], grid[0], el.where(x > grid[1], grid[1], x))
    y = _spline(at, per_bump, grid, degree)
    if extrapolation == "clamped":
        return y
    slope = _spline_slope(at, per_bump, grid, degree)
    return y + el.where(slope == 0, 0, el.where(at == x, 0, x - at) * slope)


def _check_spline(
    count: int,
    grid: tuple[float, float],
    degree: int,
    extrapolation: str,
    caller: str = "b_spline",
) -> None:
    if extrapolation not in ("linear", "clamped"):
        problem = f"extrapolation={extrapolation!r}; expected 'linear' or 'clamped'"
    elif len(grid) != 2 or not grid[0] < grid[1]:
        problem = f"grid={grid!r}; expected (low, high) with low < high"
    elif degree < 0:
        problem = f"degree={degree}; expected 0, 1, 2, ..."
    elif count <= degree:
        problem = f"{count} coefficients; degree {degree} needs {degree + 1} or more"
    else:
        return
    raise ValueError(f"{caller}: {problem}")


def _spline(at: Array, rows: Array, grid: tuple[float, float], degree: int) -> Array:
    """The spline inside its grid."""
    parts = len(rows) - degree
    step = (grid[1] - grid[0]) / parts
    part = el.clip(jnp.floor((at - grid[0]) / step), 0, parts - 1)
    first = jnp.nan_to_num(part).astype(int)
    # from the knot before: a bump that begins there has all its digits.  The knot is a
    # multiple of a unit, which is exact, and a small rest
    unit = 2.0 ** (math.frexp(max(map(abs, grid)))[1] - 11)
    low, width = (round(v / unit) * unit for v in (grid[0], step))
    rest = (grid[0] - low) + part * (step - width)
    u = ((at - (low + part * width)) - rest) / step
    u = el.where(at == grid[1], 1, u)
    # without their denominators, which are a rounding each, times a power of two small
    # enough for them not to overflow
    size, small = math.factorial(degree), 2.0 ** -math.factorial(degree).bit_length()
    bumps = [jnp.full_like(u, small)]
    for d in range(1, degree + 1):  # of each degree from the one below
        rising = [(u + (d - r)) * b for r, b in enumerate(bumps, 1)]
        falling = [(1 + r - u) * b for r, b in enumerate(bumps)]
        inner = [a + b for a, b in zip(rising, falling[1:], strict=False)]
        bumps = [falling[0], *inner, rising[-1]]
    pick = _chosen if parts <= _FEW else _picked
    terms = (b * pick(rows, first, r, parts) for r, b in enumerate(bumps))
    return sum(terms, jnp.zeros_like(u)) / (size * small)


_FEW = 16  # parts of a grid: selections among so many take less time than a gather


def _chosen(rows: Array, first: Array, start: int, parts: int) -> Array:
    """rows[first + start] at every element, `first` being one of the parts."""
    at = rows[start]
    for part in range(1, parts):
        at = el.where(first >= part, rows[start + part], at)
    return at


def _picked(rows: Array, first: Array, start: int, parts: int) -> Array:
    """The same, by a gather."""

    def picked(index: Array, rows: Array) -> Array:
        return jnp.take_along_axis(rows, index[None], 0, mode="clip")[0]

    if rows.ndim == 1:
        rows = rows.reshape(-1, *[1] * first.ndim)
    return gathering(picked, first + start, rows)


def _spline_slope(
    at: Array, rows: Array, grid: tuple[float, float], degree: int
) -> Array:
    if degree == 0:
        return jnp.zeros_like(at)
    per_part = (len(rows) - degree) / (grid[1] - grid[0])
    return _spline(at, jnp.diff(rows, axis=0) * per_part, grid, degree - 1)


@definition_of(b_spline)
def _b_spline(
    x: Array,
    coefficients: Array,
    grid: tuple[float, float] = (-1.0, 1.0),
    degree: int = 3,
    extrapolation: str = "linear",
    axis: int | None = None,
) -> Array:
    low, high = grid
    wide = spread(coefficients, x, axis, "coefficients")

    def inside(x: Array) -> Array:
        bumps = _bumps(x, wide.shape[-1], grid, degree)
        ranked = wide.reshape((1,) * (bumps.ndim - wide.ndim) + wide.shape)
        return (ranked * bumps).sum(-1)

    at = jnp.where(x < low, low, jnp.where(x > high, high, x))
    if extrapolation == "clamped":
        return inside(at)
    value, slope = jax.jvp(inside, (at,), (jnp.ones_like(at),))
    return value + slope * (x - at)


def _bumps(x: Any, count: int, grid: tuple[float, float], degree: int) -> Any:
    """The B_i at points of the grid, of jnp or NumPy (Cox and de Boor)."""
    (low, high), parts = grid, count - degree
    steps = np.arange(-degree, parts + degree + 1)
    knots = (low + (high - low) / parts * steps).astype(x.dtype)
    x = x[..., None]
    knots = knots.reshape((1,) * (x.ndim - 1) + (-1,))
    begins = np.where(steps == parts, np.inf, knots)  # the last part has its end
    after = (x >= begins.astype(x.dtype)).astype(x.dtype)
    bumps = after[..., :-1] - after[..., 1:]
    for d in range(1, degree + 1):
        widths = knots[..., d:] - knots[..., :-d]
        rising = (x - knots[..., : -d - 1]) / widths[..., :-1] * bumps[..., :-1]
        falling = (knots[..., d + 1 :] - x) / widths[..., 1:] * bumps[..., 1:]
        bumps = rising + falling
    return bumps


@pushforward_of(b_spline)
def _b_spline_push(
    t: Array,
    x: Array,
    coefficients: Array,
    grid: tuple[float, float],
    degree: int,
    extrapolation: str,
    axis: int | None,
) -> Array:
    per_bump = in_rows(coefficients, x, axis, "b_spline: coefficients")
    at = el.where(x < grid[0], grid[0], el.where(x > grid[1], grid[1], x))
    slope = _spline_slope(at, per_bump, grid, degree)
    return t * (slope if extrapolation == "linear" else el.where(at == x, slope, 0))


def b_spline_coefficients(
    function: Callable[[Array], Array],
    grid: tuple[float, float] = (-1.0, 1.0),
    degree: int = 3,
    count: int = 8,
) -> Array:
    """Coefficients with which `b_spline` is close to another function on its grid.

    They are the least-squares fit at many points, denser towards the ends, where the
    slope counts for what comes beyond.  A polynomial of no more than the degree is met
    exactly.

    Args:
        function: any elementwise function, such as an activation.
        grid: where to be close: the grid of the spline.
        degree: that of the spline.
        count: how many coefficients, more than `degree`.

    Returns:
        The coefficients that `b_spline` takes, of shape (count,), in float32.

    Raises:
        ValueError: the grid is empty, the degree negative or the count too small.

    Example:
        >>> line = jaxact.b_spline_coefficients(lambda x: 2 * x, (-1.0, 1.0), degree=1)
        >>> round(float(jaxact.b_spline(3.0, line, degree=1)), 4)
        6.0
    """
    _check_spline(count, grid, degree, "linear", "b_spline_coefficients")
    low, high = grid
    x = (low + high - (high - low) * np.cos(np.pi * np.linspace(0, 1, 1001))) / 2
    x = x.astype(np.float32)
    y = np.asarray(function(jnp.asarray(x)), np.float64)
    bumps = _bumps(x.astype(np.float64), count, grid, degree)
    return jnp.asarray(np.linalg.lstsq(bumps, y)[0], jnp.float32)
