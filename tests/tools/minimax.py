"""Prints `jaxact/_polynomials.py`, which a test compares.

Each is the Remez polynomial of smallest relative error on its interval.  Where that is
better, its coefficients are rounded one after the other, lowest first, and the rest
fitted again, so that rounding costs less.
`python tests/tools/minimax.py > jaxact/_numerics/polynomials.py` writes it anew.
"""

import textwrap
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np

mp.mp.dps = 80
Number = Any  # an mpf, of a library without types


def _expm1_tail(r: Number) -> Number:
    """(exp(r) - 1 - r) / r**2."""
    return mp.nsum(lambda n: r**n / mp.factorial(n + 2), [0, 30])


def _log1p_ratio(e: Number) -> Number:
    """log(1 + e) / e."""
    return mp.log1p(e) / e if e else mp.mpf(1)


def _normal(x: Number) -> Number:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def _density(x: Number) -> Number:
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def _gelu_tail(u: Number) -> Number:
    """-gelu(-a) * exp(a * a / 2), in u = (a - 25/16) / (a + 2)."""
    a = (mp.mpf(25) / 16 + 2 * u) / (1 - u)
    return a * _normal(-a) * mp.exp(a * a / 2)


def _gelu_dx_tail(u: Number) -> Number:
    """-gelu'(-a) / a * exp(a * a / 2), in u = (a - 2) / (a + 2)."""
    a = 2 * (1 + u) / (1 - u)
    return (_density(a) - _normal(-a) / a) * mp.exp(a * a / 2)


def _within_tail(d: Number) -> Number:
    """The a >= 0 with a / (1 + a / 4) = d + 25/16."""
    w = d + mp.mpf(25) / 16
    return w / (1 - w / 4)


def _normal_fall(d: Number) -> Number:
    """(1 + a / 4) * Phi(-a) * exp(a * a / 2), in d = a / (1 + a / 4) - 25/16."""
    a = _within_tail(d)
    return (1 + a / 4) * _normal(-a) * mp.exp(a * a / 2)


def _gelu_dx_fall(d: Number) -> Number:
    """gelu'(-a) * exp(a * a / 2) / (root - a), the root being 0.7518, likewise."""
    a = _within_tail(d)
    return _gelu_dx_ratio(a) * mp.exp(a * a / 2)


def _gelu_middle(t: Number) -> Number:
    """(-gelu(-a) / a - Phi(-1/2)) / t, in t = a - 1/2."""
    half = mp.mpf("0.5")
    if abs(t) < 1e-30:
        return -_density(half)
    return (_normal(-t - half) - _normal(-half)) / t


def _over_root(
    f: Callable[[Number], Number], near: float
) -> Callable[[Number], Number]:
    """f(a) / (root - a)."""
    root = mp.findroot(f, near)

    def ratio(a: Number) -> Number:
        return -mp.diff(f, root) if abs(a - root) < 1e-30 else f(a) / (root - a)

    return ratio


_gelu_dx_ratio = _over_root(lambda a: _normal(-a) - a * _density(a), 0.75)


def _gelu_dx_middle(t: Number) -> Number:
    """gelu'(-a) / (root - a), the root being 0.7518, in t = a - 1."""
    return _gelu_dx_ratio(t + 1)


def _gated_dx(a: Number, v: Number, dv: Number) -> Number:
    """The derivative of x / (1 + exp(-v(x))), v odd, at -a."""
    e = mp.exp(-v)
    return e * (1 + e - a * dv) / (1 + e) ** 2


def _v(a: Number) -> Number:
    """The argument of the gate of gelu_tanh."""
    return mp.sqrt(8 / mp.pi) * (a + mp.mpf("0.044715") * a**3)


def _gelu_tanh_dx(a: Number) -> Number:
    return _gated_dx(a, _v(a), mp.diff(_v, a))


_gelu_tanh_dx_ratio = _over_root(_gelu_tanh_dx, 0.75)


def _gelu_tanh_dx_middle(t: Number) -> Number:
    """gelu_tanh'(-a) / (root - a), the root being 0.7524, in t = a - 1."""
    return _gelu_tanh_dx_ratio(t + 1)


def _inverse_square(e: Number) -> Number:
    """(1 - 1 / (1 + e)**2) / e."""
    return (2 + e) / (1 + e) ** 2


def _mish_inverse_square(e: Number) -> Number:
    """(1 - 1 / (1 + e + e**2 / 2)**2) / e."""
    d = 1 + e + e**2 / 2
    return (1 + e / 2) * (1 + d) / d**2


def _mish_dx(x: Number) -> Number:
    e = mp.exp(x)
    t = mp.tanh(mp.log1p(e))
    return t + x * (1 - t * t) * e / (1 + e)


_mish_dx_ratio = _over_root(lambda a: _mish_dx(-a), 1.19)


def _mish_dx_middle(t: Number) -> Number:
    """mish'(-a) / (root - a), the root being 1.1925, in t = a - 1/2."""
    return _mish_dx_ratio(t + mp.mpf("0.5"))


def _sinh_tail(s: Number) -> Number:
    """((2 * sinh(x / 2))**2 - s) / s**2, in s = x * x."""
    return mp.nsum(lambda n: 2 * s**n / mp.factorial(2 * n + 4), [0, 40])


def _mish_middle(x: Number) -> Number:
    """(mish(x) / x - 3/5) / x"""
    if abs(x) < 1e-40:
        return mp.mpf(8) / 25
    return (mp.tanh(mp.log1p(mp.exp(x))) - mp.mpf(3) / 5) / x


def _celu_tail(t: Number) -> Number:
    """(exp(z) - 1 - z * exp(z)) / (-z * z), in t = z + 3/4."""
    z = t - mp.mpf("0.75")
    return mp.nsum(lambda n: (n + 1) * z**n / mp.factorial(n + 2), [0, 40])


def _tanh_shrink(s: Number) -> Number:
    """(x - tanh(x)) / x**3, in s = x * x."""
    x = mp.sqrt(s)
    return (x - mp.tanh(x)) / x**3 if x > 1e-12 else mp.mpf(1) / 3


def _sin_tail(s: Number) -> Number:
    """(sin(r) - r) / r**3, in s = r * r."""
    return mp.nsum(lambda n: (-1) ** (n + 1) * s**n / mp.factorial(2 * n + 3), [0, 30])


def _cos_tail(s: Number) -> Number:
    """(cos(r) - 1 + r**2 / 2) / r**4, in s = r * r."""
    return mp.nsum(lambda n: (-1) ** n * s**n / mp.factorial(2 * n + 4), [0, 30])


def _erf_ratio(s: Number) -> Number:
    """erf(x) / x, in s = x * x."""
    slope = 2 / mp.sqrt(mp.pi)
    return mp.nsum(lambda n: slope * (-s) ** n / mp.factorial(n) / (2 * n + 1), [0, 60])


def _tanh_ratio(s: Number) -> Number:
    """2 * tanh(x / 2) / x, in s = x * x."""
    x = mp.sqrt(s)
    return 2 * mp.tanh(x / 2) / x if s else mp.mpf(1)


def _tanh_weight(s: Number) -> Number:
    """How much a relative error of t = tanh(x / 2) counts in 2 * t / (1 + t * t)."""
    t = mp.tanh(mp.sqrt(s) / 2)
    return (1 - t * t) / (1 + t * t) + mp.mpf(2) ** -12


def _sinc_dx(s: Number) -> Number:
    """sinc'(x) / x, in s = x * x."""
    return _sinc_series(s, lambda n: 2 * n + 2)


def _sinc_dx2(s: Number) -> Number:
    """sinc''(x), in s = x * x."""
    return _sinc_series(s, lambda n: (2 * n + 2) * (2 * n + 1))


def _sinc_series(s: Number, factor: Callable[[Number], Number]) -> Number:
    return mp.nsum(lambda n: -factor(n) * (-s) ** n / mp.factorial(2 * n + 3), [0, 40])


HALF_LN2 = 0.3468  # log(2) / 2 and a little
# name: function, interval (in float64 up to its last number), the degrees for results
# that are rounded to half precision, to float32 and to float64
Degrees = tuple[int | None, int | None, int | None]
TABLES: dict[str, tuple[Callable[[Number], Number], tuple, Degrees]] = {
    "EXPM1_TAIL": (_expm1_tail, (f"-{HALF_LN2}", f"{HALF_LN2}"), (3, 5, 11)),
    "LOG1P": (_log1p_ratio, ("0", "1"), (6, 10, 23)),
    "LOG1M": (_log1p_ratio, ("-0.5", "0"), (6, 10, 27)),
    "GELU_TAIL": (_gelu_tail, ("-0.1875", "0.914"), (None, None, 30)),
    "GELU_DX_TAIL": (_gelu_dx_tail, ("-0.112", "0.903"), (None, None, 30)),
    "NORMAL_FALL": (_normal_fall, ("-1.5625", "1.5727"), (6, 9, None)),
    "GELU_DX_FALL": (_gelu_dx_fall, ("-1.5625", "1.5727"), (6, 8, None)),
    "GELU_MIDDLE": (_gelu_middle, ("-0.5", "0.5"), (None, None, 15)),
    "GELU_DX_MIDDLE": (_gelu_dx_middle, ("-1", "0.6"), (None, None, 21)),
    "GELU_TANH_DX_MIDDLE": (_gelu_tanh_dx_middle, ("-1", "0.4"), (None, None, 21)),
    "MISH_DX_MIDDLE": (_mish_dx_middle, ("-1.25", "1.25"), (10, 13, 28)),
    "MISH_MIDDLE": (_mish_middle, ("-0.7", "0.7"), (6, 8, 19)),
    "INVERSE_SQUARE": (_inverse_square, ("0", "0.1354"), (None, None, 14)),
    "MISH_INVERSE_SQUARE": (_mish_inverse_square, ("0", "0.174"), (4, 6, 14)),
    "SINH_TAIL": (_sinh_tail, ("0", "1"), (1, 3, 7)),
    "TANH_SHRINK": (_tanh_shrink, ("0", "1"), (5, 7, 16)),
    "SIN_TAIL": (_sin_tail, ("0", "0.617"), (2, 3, 6)),
    "COS_TAIL": (_cos_tail, ("0", "0.617"), (2, 3, 6)),
    "ERF": (_erf_ratio, ("0", "1"), (None, None, 13)),
    "SINC_DX": (_sinc_dx, ("0", "2"), (3, 5, 9)),
    "SINC_DX2": (_sinc_dx2, ("0", "1.2"), (4, 5, 9)),
    "CELU_TAIL": (_celu_tail, ("-0.75", "0.75"), (5, 8, 17)),
}
# name: function, weight of its error, interval, the degrees of numerator and
# denominator for results that are rounded to half precision, and to float32
Ratio = tuple[Any, Any, tuple[str, str], tuple[tuple[int, int], tuple[int, int]]]
RATIOS: dict[str, Ratio] = {
    "ERF_RATIO": (_erf_ratio, lambda s: 1, ("0", "15.37"), ((3, 4), (5, 5))),
    "TANH_SHRINK_RATIO": (_tanh_shrink, lambda s: 1, ("0", "81"), ((2, 3), (3, 4))),
    "TANH_RATIO": (_tanh_ratio, _tanh_weight, ("0", "110.25"), ((2, 2), (3, 3))),
}
# where the rounding of the coefficients is most of the error
ROUNDING_SHOWS = ("GELU_DX_TAIL",)
FORMATS: dict[str, type] = {
    "half": np.float32,
    "float32": np.float32,
    "float64": np.float64,
}


def remez(grid: list, values: list, degree: int, fixed: list) -> list:
    """The coefficients after the `fixed` ones, for smallest relative error."""
    free = degree + 1 - len(fixed)
    last = len(grid) - 1
    nodes = [round(last * (i + 0.5) / (free + 1)) for i in range(free + 1)]
    coefficients: list = []
    for _ in range(10):
        rows, right = mp.matrix(free + 1, free + 1), mp.matrix(free + 1, 1)
        for i, node in enumerate(nodes):
            x, y = grid[node], values[node]
            for j in range(free):
                rows[i, j] = x ** (len(fixed) + j) / y
            rows[i, free] = (-1) ** i
            right[i] = 1 - mp.polyval(fixed[::-1] or [0], x) / y
        coefficients = list(mp.lu_solve(rows, right))[:free]
        errors = _errors(grid, values, fixed + coefficients)
        found: list[int] = []  # the extremum of every run of one sign
        for i, e in enumerate(errors):
            if found and (errors[found[-1]] > 0) == (e > 0):
                if abs(e) > abs(errors[found[-1]]):
                    found[-1] = i
            else:
                found.append(i)
        if len(found) < free + 1:
            break
        while len(found) > free + 1:
            found.pop(0 if abs(errors[found[0]]) < abs(errors[found[-1]]) else -1)
        nodes = found
    return coefficients


def settle(grid: list, values: list, coefficients: list) -> list:
    """Coefficients rounded to float64, the later ones moved to make up for the earlier.

    By least squares of the errors, in units of 2^-56, and of the moves, of 2^-44: large
    ones would make terms that cancel.
    """
    n = len(coefficients)
    powers = [[x**k / y for k in range(n)] for x, y in zip(grid, values, strict=True)]
    products = mp.matrix(n, n)
    for i in range(n):
        for j in range(n):
            products[i, j] = mp.fsum(p[i] * p[j] for p in powers)
        products[i, i] += len(grid) * mp.mpf(2) ** (2 * (44 - 56))
    settled: list = []
    errors = [mp.mpf(0)] * len(grid)
    for k, coefficient in enumerate(coefficients):
        columns = [
            -mp.fsum(p[i] * e for p, e in zip(powers, errors, strict=True))
            for i in range(k, n)
        ]
        move = mp.lu_solve(products[k:, k:], mp.matrix(columns))[0]
        settled.append(mp.mpf(float(coefficient + move)))
        moved = settled[k] - coefficient
        errors = [e + moved * p[k] for p, e in zip(powers, errors, strict=True)]
    return settled


def _errors(grid: list, values: list, coefficients: list) -> list:
    pairs = zip(grid, values, strict=True)
    return [mp.polyval(coefficients[::-1], x) / y - 1 for x, y in pairs]


def table(name: str, format: str) -> tuple[list[float], float]:
    """The rounded coefficients, constant first, and their relative error."""
    f, ends, degrees = TABLES[name]
    dtype = FORMATS[format]
    degree = degrees[list(FORMATS).index(format)]
    assert degree is not None, name
    low, high = mp.mpf(ends[0]), mp.mpf(ends[-1 if dtype is np.float64 else 1])
    grid = [low + (high - low) * (1 - mp.cos(mp.pi * i / 300)) / 2 for i in range(301)]
    values = [f(x) for x in grid]
    free = remez(grid, values, degree, [])
    once = [mp.mpf(float(dtype(c))) for c in free]
    stepwise: list = []
    while format == "float32" and len(stepwise) <= degree:
        first = remez(grid, values, degree, stepwise)[0]
        stepwise.append(mp.mpf(float(dtype(first))))
    if format == "float64" and name in ROUNDING_SHOWS:
        stepwise = settle(grid, values, free)

    def worst(coefficients: list) -> float:
        return float(max(abs(e) for e in _errors(grid, values, coefficients)))

    best = min((c for c in (once, stepwise) if c), key=worst)
    return [float(c) for c in best], worst(best)


def formats(name: str) -> dict[str, type]:
    """The formats that a polynomial is wanted for."""
    degrees = TABLES[name][2]
    return {k: FORMATS[k] for k, d in zip(FORMATS, degrees, strict=True) if d}


def ratio(name: str, format: str) -> tuple[list[float], list[float], float]:
    """Rounded coefficients of top and bottom, constant first, and the weighed error.

    By least squares, weighed anew by the errors, which evens them out.  The constant of
    the bottom is 1, and that of the top too where the function is 1 at 0.
    """
    f, weight, ends, degrees = RATIOS[name]
    top, bottom = degrees[list(FORMATS).index(format)]
    low, high = map(mp.mpf, ends)
    start = int(f(low) == 1)
    grid = [low + (high - low) * (1 - mp.cos(mp.pi * i / 119)) / 2 for i in range(120)]
    counts, values = [weight(x) for x in grid], [f(x) for x in grid]
    weights, below = [mp.mpf(1)] * len(grid), [mp.mpf(1)] * len(grid)
    best: tuple = (mp.inf, [], [])
    for _ in range(60):
        unknown = top + 1 - start
        rows, right = mp.matrix(len(grid), unknown + bottom), mp.matrix(len(grid), 1)
        for i, (x, y) in enumerate(zip(grid, values, strict=True)):
            scale = mp.sqrt(weights[i]) * counts[i] / (y * below[i])
            for k in range(start, top + 1):
                rows[i, k - start] = scale * x**k
            for k in range(1, bottom + 1):
                rows[i, unknown + k - 1] = -scale * y * x**k
            right[i] = scale * (y - start)
        found = list(mp.lu_solve(rows.T * rows, rows.T * right))
        p, q = [1] * start + found[:unknown], [1, *found[unknown:]]
        below = [mp.polyval(q[::-1], x) for x in grid]
        errors = [
            count * abs(mp.polyval(p[::-1], x) / b / y - 1)
            for x, b, y, count in zip(grid, below, values, counts, strict=True)
        ]
        worst = max(errors)
        best = min(best, (worst, p, q))
        weights = [
            w * (e / worst + mp.mpf("0.02"))
            for w, e in zip(weights, errors, strict=True)
        ]
        total = mp.fsum(weights)
        weights = [w / total for w in weights]
    p, q = ([float(np.float32(float(c))) for c in cs] for cs in best[1:])
    return p, q, float(best[0])


def main() -> None:
    """Print the module."""
    print('"""Minimax polynomials, constant first, of tests/tools/minimax.py."""')
    for name, (function, ends, _) in TABLES.items():
        print(f"\n{_comment(function, ends)}\n{name} = {{")
        for format, dtype in formats(name).items():
            coefficients, error = table(name, format)
            print(f'    "{format}": (  # error 2^{np.log2(error):.1f}')
            for c in coefficients:
                print(f"        {dtype(c)!s},")
            print("    ),")
        print("}")
    for name, (function, _, ends, _) in RATIOS.items():
        print(f"\n{_comment(function, ends)}\n{name} = {{")
        for format in list(FORMATS)[:2]:
            *parts, error = ratio(name, format)
            print(f'    "{format}": (  # error 2^{np.log2(error):.1f}')
            for coefficients in parts:
                print("        (")
                for c in coefficients:
                    print(f"            {np.float32(c)!s},")
                print("        ),")
            print("    ),")
        print("}")


def _comment(function: Callable[..., Any], ends: tuple[str, ...]) -> str:
    what = (function.__doc__ or "").rstrip(".")
    return textwrap.fill(
        f"{what}, on [{', '.join(ends[:2])}]",
        88,
        initial_indent="# ",
        subsequent_indent="# ",
    )


if __name__ == "__main__":
    main()
