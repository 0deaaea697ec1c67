"""Activations that are written as a formula alone: their kernels are computed."""

import ast
import functools
import inspect
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, TypeVar, overload

import jax
import jax.numpy as jnp
from jax import Array

from . import _taylor as tay
from ._core import Path, activation, derivative_of, lookup
from ._formula import Env, Formula, Idiom, Thunk, World, fits, parse_formula
from ._precision import in_half, rounded_to
from ._taylor import Taylor, constant_like

F = TypeVar("F", bound=Callable[..., Any])
ORDERS = (1, 2, 3, 4)
_PI = Fraction("3.14159265358979323846264338327950288")


@overload
def by_formula(function: F, /) -> F: ...
@overload
def by_formula(*, by_hand: Sequence[Path] = ..., **facts: Any) -> Callable[[F], F]: ...
def by_formula(
    function: Any = None, /, *, by_hand: Sequence[Path] = (), **facts: Any
) -> Any:
    """Make a function that has a formula line, and no body, an activation.

    Its value, its derivatives by x to the fourth and the first by every parameter are
    what Taylor arithmetic makes of the formula.

    Args:
        function: the function; left out when facts are given.
        by_hand: the derivatives for which the formula is no good: `derivative_of`
            declares them.
        facts: what `activation` takes: kinks, domain, integers.
    """
    if function is None:
        return functools.partial(by_formula, by_hand=by_hand, **facts)

    @functools.wraps(function)
    def value(**arrays: Any) -> Array:
        return evaluate(formula, (), arrays)

    public = activation(**facts)(value)
    definition = lookup(public)
    assert definition is not None
    if definition.formula is None:
        raise ValueError(f"by_formula: {function.__name__} has no formula line")
    formula = definition.formula
    for path in (*(("x",) * n for n in ORDERS), *((n,) for n in definition.parameters)):
        if path not in by_hand:
            definition.kernels[path] = kernel(formula, path)
    return public


def derivative_by_formula(function: Callable[..., Any], wrt: str, text: str) -> None:
    """Declare a derivative by a parameter, as a formula that does not cancel.

    Args:
        function: an activation, which left this derivative to be declared by hand.
        wrt: the parameter.
        text: the formula, in the variables of the activation.
    """
    definition = lookup(function)
    assert definition is not None
    formula = parse_formula(text, ("x", *definition.parameters), definition.name)
    derivative_of(function, wrt)(kernel(formula, name=f"_{definition.name}_d{wrt}"))


def kernel(
    formula: Formula, path: Path = (), name: str | None = None
) -> Callable[..., Array]:
    """The kernel of a formula or of a derivative of it."""

    def derivative(**arrays: Any) -> Array:
        # near its roots a slope cancels more than even a half precision allows
        with rounded_to(arrays["x"].dtype):
            return evaluate(formula, path, arrays)

    kind = inspect.Parameter.KEYWORD_ONLY
    reads = ("x", *formula.reads)
    signature = inspect.Signature([inspect.Parameter(n, kind) for n in reads])
    derivative.__signature__ = signature  # type: ignore[attr-defined]
    derivative.__name__ = name or f"_{formula.name}_d{''.join(path)}"
    return derivative


def evaluate(formula: Formula, path: Path, arrays: dict[str, Any]) -> Array:
    """A derivative of a formula at arrays, numbers being constants."""
    numbers = {n: float(v) for n, v in arrays.items() if not isinstance(v, Array)}
    arrays = {n: v for n, v in arrays.items() if n not in numbers}
    return _program(formula, path, tuple(numbers.items()), in_half())(arrays)


@functools.cache
def _program(
    formula: Formula, path: Path, numbers: tuple[tuple[str, float], ...], half: bool
) -> Callable[[dict[str, Array]], Array]:
    """`evaluate`, of which JAX remembers the trace: that of a series is long."""

    @jax.jit
    def program(arrays: dict[str, Array]) -> Array:
        assert half == in_half()
        nothing = [None for _ in path]
        like = Taylor(tay.wide(arrays["x"]), *nothing)
        firsts = {n: tay.wide(v) for n, v in arrays.items()}
        firsts |= {n: constant_like(v, like).first for n, v in numbers}
        env = {}
        for name, first in firsts.items():
            one = constant_like(1, like).first if name in path else None
            env[name] = Taylor(first, *[one, *nothing][: len(path)])
        result = formula.in_world(_TaylorWorld(like))(**env).derivative(len(path))
        shape = jnp.broadcast_shapes(*map(jnp.shape, arrays.values()))
        return jnp.broadcast_to(result, shape)

    return program


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
            "tanh": tay.tanh,
        }

    def number(self, literal: str) -> Taylor:
        return constant_like(Fraction(literal), self.like)

    def compare(self, op: str, a: Taylor, b: Taylor) -> Array:
        return super().compare(op, (a.first - b.first).pair.value(), 0)

    def select(self, test: Any, yes: Thunk, no: Thunk, pivot: Any, env: Env) -> Any:
        return tay.where(test, yes(env), no(env))

    def idiom(self, node: ast.expr) -> Idiom | None:
        for pattern, function in _IDIOMS.items():
            if arguments := fits(pattern, node):
                return function, arguments
        return None


# sums that lose digits unless they are read as what they mean; the first that fits
_IDIOMS: dict[str, Callable[..., Taylor]] = {
    "log(1 + exp(u))": tay.softplus,
    "log(1 + u)": tay.log1p,
    "exp(u) - 1 - u": tay.exp_bend,
    "exp(u) - 1": tay.expm1,
    "1 - exp(u)": tay.one_minus_exp,
    "1 / (1 + exp(u))": tay.falling_sigmoid,
    "1 + tanh(u)": tay.one_plus_tanh,
    "a * tanh(u) + b": tay.tanh_plus,
    "a * erf(u) + b": tay.erf_plus,
    "tanh(u) - u * (1 - tanh(u)**2)": tay.tanh_lag,
}
