"""Prints `jaxact/_polynomials.py`, which a test compares.

Each is the Remez polynomial of smallest relative error on its interval, where the
interval allows it with the coefficients rounded one after the other, lowest first, and
the rest fitted again, so that rounding costs nothing.  Run `python tests/minimax.py > jaxact/_polynomials.py` to write it anew.
"""

from collections.abc import Callable

import mpmath as mp
import numpy as np

mp.mp.dps = 50


def _expm1_tail(r: mp.mpf) -> mp.mpf:
    """(exp(r) - 1 - r) / r**2."""
    return mp.nsum(lambda n: r**n / mp.factorial(n + 2), [0, 30])


def _log1p_ratio(e: mp.mpf) -> mp.mpf:
    """log(1 + e) / e."""
    return mp.log1p(e) / e if e else mp.mpf(1)


def _tail_of_normal(u: mp.mpf) -> mp.mpf:
    """(1 + a) * Phi(-a) * exp(a * a / 2), in u = (a - 4) / (a + 4)."""
    a = 4 * (1 + u) / (1 - u)
    return (1 + a) * mp.erfc(a / mp.sqrt(2)) * mp.exp(a * a / 2) / 2


def _celu_tail(z: mp.mpf) -> mp.mpf:
    """(exp(z) - 1 - z * exp(z)) / (-z * z)."""
    return mp.nsum(lambda n: (n + 1) * z**n / mp.factorial(n + 2), [0, 40])


HALF_LN2 = mp.log(2) / 2 + mp.mpf(2) ** -12
# name: function, interval, degree in float32, degree in float64
TABLES: dict[str, tuple[Callable[[mp.mpf], mp.mpf], tuple, int, int]] = {
    "EXPM1_TAIL": (_expm1_tail, (-HALF_LN2, HALF_LN2), 5, 11),
    "LOG1P": (_log1p_ratio, (mp.mpf(0), mp.mpf(1)), 10, 23),
    "LOG1M": (_log1p_ratio, (mp.mpf(-0.5), mp.mpf(0)), 10, 27),
    "NORMAL_TAIL": (_tail_of_normal, (mp.mpf(-1), mp.mpf("0.813")), 13, 30),
    "CELU_TAIL": (_celu_tail, (mp.mpf(-1), mp.mpf(0)), 8, 16),
}


def remez(grid: list, values: list, degree: int, fixed: list) -> list:
    """The coefficients after the `fixed` ones, for smallest relative error."""
    free = degree + 1 - len(fixed)
    last = len(grid) - 1
    nodes = [
        round(last * (1 - np.cos(np.pi * (i + 0.5) / (free + 1))) / 2)
        for i in range(free + 1)
    ]
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


def _errors(grid: list, values: list, coefficients: list) -> list:
    pairs = zip(grid, values, strict=True)
    return [mp.polyval(coefficients[::-1], x) / y - 1 for x, y in pairs]


def table(name: str, dtype: type) -> tuple[list[float], float]:
    """The rounded coefficients, constant first, and their relative error."""
    f, (low, high), *degrees = TABLES[name]
    degree = degrees[dtype is np.float64]
    grid = [low + (high - low) * (1 - mp.cos(mp.pi * i / 300)) / 2 for i in range(301)]
    values = [f(x) for x in grid]
    fixed: list = []
    # in float64 rounding is no loss; powers that vanish inside cannot be fitted again
    if dtype is np.float64 or low < 0 < high:
        fixed = [mp.mpf(float(dtype(c))) for c in remez(grid, values, degree, [])]
    while len(fixed) <= degree:
        first = remez(grid, values, degree, fixed)[0]
        fixed.append(mp.mpf(float(dtype(first))))
    error = max(abs(e) for e in _errors(grid, values, fixed))
    return [float(c) for c in fixed], float(error)


def main() -> None:
    """Print the module."""
    print('"""Minimax polynomials, constant first: `python tests/minimax.py` prints this."""')
    for name, (function, (low, high), single, double) in TABLES.items():
        what = (function.__doc__ or "").rstrip(".")
        print(f"\n# {what}, on [{float(low):.4g}, {float(high):.4g}]\n{name} = {{")
        for dtype, degree in ((np.float32, single), (np.float64, double)):
            if degree:
                coefficients, error = table(name, dtype)
                print(f'    "{dtype.__name__}": (  # relative error 2^{np.log2(error):.1f}')
                for c in coefficients:
                    print(f"        {np.format_float_scientific(dtype(c), unique=True)},")
                print("    ),")
        print("}")


if __name__ == "__main__":
    main()
