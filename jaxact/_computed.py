"""Activations that are written as a formula alone: their kernels are computed."""

import ast
import functools
import inspect
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeVar

import jax.numpy as jnp
from jax import Array

from . import _taylor as tay
from ._core import Path, activation, lookup
from ._formula import Env, Formula, Thunk, World
from ._precision import rounded_to
from ._taylor import Taylor, constant_like

F = TypeVar("F", bound=Callable[..., Any])
_PI = Fraction("3.14159265358979323846264338327950288")


def by_formula(function: Any = None, /, **facts: Any) -> Any:
    """Make a function that has a formula line, and no body, an activation.

    Its value, its first two derivatives by x and the first by every parameter are what
    Taylor arithmetic makes of the formula.

    Args:
        function: the function; left out when facts are given.
        facts: what `activation` takes: kinks, domain, integers.
    """
    if function is None:
        return functools.partial(by_formula, **facts)

    @functools.wraps(function)
    def value(**arrays: Any) -> Array:
        return evaluate(formula, (), arrays)

    public = activation(**facts)(value)
    definition = lookup(public)
    assert definition is not None
    if definition.formula is None:
        raise ValueError(f"by_formula: {function.__name__} has no formula line")
    formula = definition.formula
    definition.extras["series"] = lambda x, **given: series(formula, {**given, "x": x})
    for path in (("x",), ("x", "x"), *((n,) for n in definition.parameters)):
        definition.kernels[path] = kernel(formula, path)
    return public


def kernel(formula: Formula, path: Path) -> Callable[..., Array]:
    """The kernel of a derivative of a formula."""

    def derivative(**arrays: Any) -> Array:
        # near its roots a slope cancels more than even a half precision allows
        with rounded_to(arrays["x"].dtype):
            return evaluate(formula, path, arrays)

    kind = inspect.Parameter.KEYWORD_ONLY
    reads = ("x", *formula.reads)
    signature = inspect.Signature([inspect.Parameter(n, kind) for n in reads])
    derivative.__signature__ = signature  # type: ignore[attr-defined]
    derivative.__name__ = f"_{formula.name}_d{path[0]}{'' if len(path) == 1 else 2}"
    return derivative


def evaluate(formula: Formula, path: Path, arrays: dict[str, Any]) -> Array:
    """A derivative of a formula at arrays, numbers being constants."""
    env = variables(arrays, path)
    result = series(formula, env).derivative(len(path))
    return jnp.broadcast_to(
        result, jnp.broadcast_shapes(*map(jnp.shape, arrays.values()))
    )


def variables(arrays: dict[str, Any], path: Path) -> dict[str, Taylor]:
    """Series for the arguments of a kernel: those of the path move."""
    like = Taylor(tay.wide(arrays["x"]), *(None for _ in path))
    one, env = constant_like(1, like).first, {}
    for name, given in arrays.items():
        moved = (one if name in path else None, None)[: len(path)]
        if isinstance(given, Array):
            env[name] = Taylor(tay.wide(given), *moved)
        else:
            env[name] = Taylor(constant_like(float(given), like).first, *moved)
    return env


def series(formula: Formula, variables: dict[str, Taylor]) -> Taylor:
    """A formula on series of its variables."""
    return formula.in_world(_TaylorWorld(variables["x"]))(**variables)


class _TaylorWorld(World):
    """Formulas on series; literals become constants beside `like`."""

    def __init__(self, like: Taylor) -> None:
        self.like = like
        self.constants = {"pi": constant_like(_PI, like)}
        self.functions = {
            "abs": tay.magnitude,
            "atan": tay.atan,
            "cos": tay.cos,
            "erf": tay.erf,
            "erfc": tay.erfc,
            "exp": tay.exp,
            "log": tay.log,
            "max": tay.larger,
            "min": lambda a, b: -tay.larger(-a, -b),
            "sign": tay.sign,
            "sin": tay.sin,
            "sqrt": tay.sqrt,
            "surrogate": tay.surrogate,
            "tanh": tay.tanh,
        }

    def number(self, literal: str) -> Taylor:
        return constant_like(Fraction(literal), self.like)

    def compare(self, op: str, a: Taylor, b: Taylor) -> Array:
        return super().compare(op, (a.first - b.first).pair.value(), 0)

    def select(self, test: Any, yes: Thunk, no: Thunk, pivot: Any, env: Env) -> Any:
        return tay.where(test, yes(env), no(env))

    def idiom(self, node: ast.expr) -> tuple[Callable[[Any], Any], ast.expr] | None:
        """Sums that lose digits unless they are read as what they mean."""
        match node:
            case ast.Call(func=ast.Name(id="log"), args=[inner]):
                match inner:
                    case ast.BinOp(
                        left=ast.Constant(value=1),
                        op=ast.Add(),
                        right=ast.Call(func=ast.Name(id="exp"), args=[u]),
                    ):
                        return tay.softplus, u
                    case ast.BinOp(left=ast.Constant(value=1), op=ast.Add(), right=u):
                        return tay.log1p, u
            case ast.BinOp(
                left=ast.Call(func=ast.Name(id="exp"), args=[u]),
                op=ast.Sub(),
                right=ast.Constant(value=1),
            ):
                return tay.expm1, u
            case ast.BinOp(
                left=ast.Constant(value=1),
                op=ast.Div(),
                right=ast.BinOp(
                    left=ast.Constant(value=1),
                    op=ast.Add(),
                    right=ast.Call(func=ast.Name(id="exp"), args=[u]),
                ),
            ):
                return tay.falling_sigmoid, u
            case ast.BinOp(
                left=ast.Constant(value=1),
                op=ast.Sub(),
                right=ast.Call(func=ast.Name(id="exp"), args=[u]),
            ):
                return tay.one_minus_exp, u
            case ast.BinOp(
                left=ast.Constant(value=1),
                op=ast.Add(),
                right=ast.Call(func=ast.Name(id="tanh"), args=[u]),
            ):
                return tay.one_plus_tanh, u
        return None
