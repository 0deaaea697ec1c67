"""Exact values in bulk: polynomials with proven remainders in place of points.

A ball that covers an interval bounds the last coefficient of the Taylor series on all
of it; the series at the middle, with that bound for its remainder, then answers for
every point of the interval at once, in float64.  Where the bound is not good enough the
interval is cut; in the end, single points are left to the oracle.

The balls keep exponentials apart, as factor * exp(exponent): far out, an interval
cannot be divided by the exponential of itself.
"""

import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from ._balls import BallWorld, UndefinedError, UnresolvedError
from ._exact import Question

_BITS = (160, 480)  # to try in turn
_LENGTH = 18  # coefficients of a series; the last bounds the remainder
_FEW = 12  # points: a panel costs as much
_RELATIVE = 2.0**-42  # of the value: 2^-18 ULP of float32
_FAINT = 2.0**-167  # 2^-18 of the smallest float32
# of the coefficients, of the variable, and of every step of Horner's rule
_ROUNDING = (3 * _LENGTH + 4) * 2.0**-53


class Bulk(NamedTuple):
    """Values at many points, row n being the derivative of order n.

    Where `proven` is set, the rows asked for are within 2^-42 of their size or within
    2^-167.  The last row is within 2^-10 of its size, or NaN.
    """

    values: np.ndarray
    proven: np.ndarray


class _Panel(NamedTuple):
    """The result for one interval, and the number of pieces to cut it into for more."""

    values: np.ndarray
    proven: np.ndarray
    pieces: float


def bulk(asked: Question, points: np.ndarray, orders: tuple[int, ...]) -> Bulk:
    """Derivatives by x at increasing, finite points inside the domain."""
    values = np.full((max(orders) + 2, len(points)), np.nan)
    proven = np.zeros(len(points), bool)
    panels = _Panels(asked, orders)
    turns = np.diff(np.frexp(points)[1]) != 0
    turns |= np.diff(np.sign(points)) != 0
    cuts = [0, *(np.flatnonzero(turns) + 1).tolist(), len(points)]
    todo = list(itertools.pairwise(cuts))
    while todo:
        start, stop = todo.pop()
        if stop - start < _FEW:
            continue
        part = points[start:stop]
        values[:, start:stop], proven[start:stop], pieces = panels.at(part)
        rest = np.flatnonzero(~proven[start:stop])
        if len(rest) < _FEW * pieces:
            continue
        ends = rest[0] == 0 and rest[-1] == len(part) - 1
        if ends or 2 * len(rest) > len(part):
            edges = np.linspace(part[0], part[-1], min(int(pieces), 16) + 1)[1:-1]
            cuts = [start, *(start + np.searchsorted(part, edges)).tolist(), stop]
            todo += itertools.pairwise(cuts)
        else:
            todo.append((start + int(rest[0]), start + int(rest[-1]) + 1))
    return Bulk(values, proven)


class _Panels:
    """One formula, its parameters fixed, ready for intervals."""

    def __init__(self, asked: Question, orders: tuple[int, ...]) -> None:
        self.asked, self.orders, self.rows = asked, orders, max(orders) + 2
        self.evaluators = {}
        for bits in _BITS:
            with _precision(bits):
                self.evaluators[bits] = asked.formula.in_world(_ScaledWorld())

    def at(self, points: np.ndarray) -> _Panel:
        """Values on an interval."""
        first, last = float(points[0]), float(points[-1])
        middle = (first + last) / 2
        radius = max(last - middle, middle - first)
        t = (points - middle) / radius
        found = self._nothing(t)
        for bits in _BITS:
            with _precision(bits):
                series = self._series(middle, radius, bits)
                if series is not None:
                    found = self._values(t, radius, *series)
            if found.proven.any():
                break
        return found

    def _nothing(self, t: np.ndarray, pieces: float = 2) -> _Panel:
        values = np.full((self.rows, len(t)), np.nan)
        return _Panel(values, np.zeros(len(t), bool), pieces)

    def _series(self, middle: float, radius: float, bits: int) -> Any:
        """The series at the middle, and the last coefficient on all of the ball."""
        from flint import arb, arb_series

        environment = {n: arb(v) for n, v in self.asked.parameters.items()}
        found = []
        for x in (arb(middle, radius), arb(middle)):
            try:
                series = self.evaluators[bits](**environment, x=arb_series([x, 1]))
            except (UndefinedError, UnresolvedError, ValueError, ZeroDivisionError):
                return None
            found.append(_series(_plain(series)))
        return found[1], found[0][_LENGTH - 1]

    def _values(self, t: np.ndarray, radius: float, series: Any, last: Any) -> _Panel:
        """The polynomials at t in [-1, 1]."""
        from flint import arb

        values = np.empty((self.rows, len(t)))
        proven = np.ones(len(t), bool)
        power = [arb(radius) ** k for k in range(_LENGTH)]
        pieces = 2.0
        for n in range(self.rows):
            degree = _LENGTH - 2 - n
            terms = [
                series[n + k] * math.perm(n + k, n) * power[k]
                for k in range(degree + 1)
            ]
            numbers = [float(a.mid()) for a in terms]
            slack = abs(last) * math.perm(_LENGTH - 1, n) * power[degree + 1]
            for a in terms:
                slack += a.rad()
            bound = float(slack.upper()) + _ROUNDING * sum(map(abs, numbers)) + 1e-300
            if n in self.orders and not math.isfinite(bound):
                return self._nothing(t)
            y = np.full_like(t, numbers[-1])
            for a in numbers[-2::-1]:
                y *= t
                y += a
            values[n] = y
            if n not in self.orders:
                values[n, np.abs(y) < 2.0**10 * bound] = np.nan
            elif bound > _FAINT:
                size = np.abs(y)
                proven &= size * _RELATIVE >= bound
                excess = bound / max(float(size.max()) * _RELATIVE, _FAINT)
                pieces = max(pieces, excess ** (1 / (degree + 1)))
        return _Panel(values, proven, pieces)


@contextmanager
def _precision(bits: int) -> Iterator[None]:
    """Work with so many bits, and series of the length that panels need."""
    from flint import ctx

    old = ctx.prec, ctx.cap
    ctx.prec, ctx.cap = bits, _LENGTH
    try:
        yield
    finally:
        ctx.prec, ctx.cap = old


class _ScaledWorld(BallWorld):
    """Balls, an exponential being kept as its exponent."""

    def __init__(self) -> None:
        super().__init__()
        plain = dict(self.functions)

        def exp(v: Any) -> Any:
            return _Scaled(_series(1), _series(_plain(v)))

        def log(v: Any) -> Any:
            if isinstance(v, _Scaled):
                return plain["log"](v.factor) + v.exponent
            return plain["log"](v)

        def sqrt(v: Any) -> Any:
            if isinstance(v, _Scaled):
                return _Scaled(plain["sqrt"](v.factor), v.exponent / 2)
            return plain["sqrt"](v)

        self.functions = {
            n: (lambda *a, f=f: f(*map(_plain, a))) for n, f in plain.items()
        }
        self.functions |= {"exp": exp, "log": log, "sqrt": sqrt}
        softplus = self.softplus
        self.softplus = lambda v: softplus(_plain(v))

    def compare(self, op: str, a: Any, b: Any) -> bool:
        return super().compare(op, _plain(a), _plain(b))


def _plain(v: Any) -> Any:
    return v.plain() if isinstance(v, _Scaled) else v


def _series(v: Any) -> Any:
    from flint import arb_series

    return v if isinstance(v, arb_series) else arb_series([v])


def _scaled(v: Any) -> "_Scaled":
    return v if isinstance(v, _Scaled) else _Scaled(_series(v), _series(0))


class _Scaled(NamedTuple):
    """factor * exp(exponent), both series."""

    factor: Any
    exponent: Any

    def plain(self) -> Any:
        return self.factor * self.exponent.exp()

    def __add__(self, other: Any) -> "_Scaled":
        a, b = self, _scaled(other)
        if a.exponent[0].mid() < b.exponent[0].mid():
            a, b = b, a
        faint = b.factor * (b.exponent - a.exponent).exp()
        return _Scaled(a.factor + faint, a.exponent)

    __radd__ = __add__

    def __neg__(self) -> "_Scaled":
        return _Scaled(-self.factor, self.exponent)

    def __sub__(self, other: Any) -> "_Scaled":
        return self + (-_scaled(other))

    def __rsub__(self, other: Any) -> "_Scaled":
        return _scaled(other) + (-self)

    def __mul__(self, other: Any) -> "_Scaled":
        other = _scaled(other)
        return _Scaled(self.factor * other.factor, self.exponent + other.exponent)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "_Scaled":
        other = _scaled(other)
        return _Scaled(self.factor / other.factor, self.exponent - other.exponent)

    def __rtruediv__(self, other: Any) -> "_Scaled":
        return _scaled(other) / self

    def __pow__(self, n: int) -> "_Scaled":
        return _Scaled(self.factor**n, self.exponent * n)
