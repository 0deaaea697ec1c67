"""The formula line on power series of balls: derivatives of every order, proven."""

import ast
from collections.abc import Callable
from typing import Any

from .._formula import Env, Formula, Idiom, Thunk, World, fits


class UnresolvedError(ArithmeticError):
    """A comparison that the balls at this precision cannot decide."""


class UndefinedError(ArithmeticError):
    """A formula without a real value at a point: a root or logarithm of a negative."""


def on_balls(formula: Formula) -> Callable[..., Any]:
    """A formula on `arb_series`, its constants at flint's current precision."""
    return formula.in_world(BallWorld())


class BallWorld(World):
    def __init__(self) -> None:
        from flint import arb, arb_series

        def head(v: Any) -> Any:
            return v[0] if isinstance(v, arb_series) else arb(v)

        def series(v: Any) -> Any:
            return v if isinstance(v, arb_series) else arb_series([v])

        def tanh(v: Any) -> Any:
            # by the exponential that does not overflow: no ball can divide by infinity
            v = series(v)
            if v[0] > 0:
                small = (-2 * v).exp()
                return (1 - small) / (1 + small)
            small = (2 * v).exp()
            return (small - 1) / (small + 1)

        def at_zero(value: Any, v: Any) -> Any:
            """A value at the end of the domain, where the derivatives have poles."""
            return arb_series([value, *(arb.nan() for _ in range(v.length() - 1))])

        def log(v: Any) -> Any:
            v = series(v)
            if v[0] < 0:
                raise UndefinedError(f"log({v[0]})")
            return at_zero(arb.neg_inf(), v) if v[0] == 0 else v.log()

        def sqrt(v: Any) -> Any:
            v = series(v)
            if v[0] < 0:
                raise UndefinedError(f"sqrt({v[0]})")
            return at_zero(arb(0), v) if v[0] == 0 else v.sqrt()

        def softplus(v: Any) -> Any:
            # by its slope: far below 0 no number of bits can tell 1 + exp(v) from 1
            v = series(v)
            size = -v[0] if v[0] > 0 else v[0]
            value = size.exp().log1p() + (v[0] if v[0] > 0 else 0)
            slope = 1 / (1 + (-v).exp()) if v[0] > 0 else v.exp() / (1 + v.exp())
            return value + (slope * v.derivative()).integral()

        def maximum(a: Any, b: Any) -> Any:
            if head(a) == head(b):
                return (series(a) + series(b)) / 2
            return a if self.compare(">", a, b) else b

        def sign(v: Any) -> Any:
            return arb(0) if head(v) == 0 else arb(1 if self.compare(">", v, 0) else -1)

        def surrogate(f: Any, g: Any) -> Any:
            f, g = series(f), series(g)
            return arb_series([f[0], *(g[n] for n in range(1, g.length()))])

        self.head, self.arb, self.softplus = head, arb, softplus
        self.constants = {"pi": arb.pi()}
        self.functions = {
            "abs": lambda v: maximum(v, -v),
            "atan": lambda v: series(v).atan(),
            "cos": lambda v: series(v).cos(),
            "erf": lambda v: series(v).erf(),
            "erfc": lambda v: series(v).erfc(),
            "exp": lambda v: series(v).exp(),
            "log": log,
            "max": maximum,
            "min": lambda a, b: -maximum(-a, -b),
            "sign": sign,
            "sin": lambda v: series(v).sin(),
            "sqrt": sqrt,
            "surrogate": surrogate,
            "tanh": tanh,
        }

    def number(self, literal: str) -> Any:
        return self.arb(literal)

    def compare(self, op: str, a: Any, b: Any) -> bool:
        a, b = self.head(a), self.head(b)
        if super().compare(op, a, b):
            return True
        opposite = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}[op]
        if super().compare(opposite, a, b):
            return False
        raise UnresolvedError(f"{a} {op} {b}")

    def both(self, a: Any, b: Any) -> bool:
        return a and b

    def select(self, test: Any, yes: Thunk, no: Thunk, pivot: Any, env: Env) -> Any:
        return yes(env) if test else no(env)

    def idiom(self, node: ast.expr) -> Idiom | None:
        arguments = fits("log(1 + exp(u))", node)
        return (self.softplus, arguments) if arguments else None
