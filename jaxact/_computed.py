"""Activations that are written as a formula alone: their kernels are computed."""

import ast
import functools
import inspect
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, TypeVar, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from . import _taylor as tay
from ._core import Definition, Path, activation, derivative_of, lookup
from ._formula import Env, Formula, Idiom, Thunk, World, fits, parse_formula
from ._precision import cancelling, in_half, rounded_to
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
        return evaluate(series_of(formula), (), arrays)

    public = activation(**facts)(value)
    definition = lookup(public)
    assert definition is not None
    if definition.formula is None:
        raise ValueError(f"by_formula: {function.__name__} has no formula line")
    formula = definition.formula
    compute(definition, series_of(formula), by_hand)
    return public


def compute(
    definition: Definition,
    series: Callable[..., Taylor],
    by_hand: Sequence[Path] = (),
) -> None:
    """Let series of the arguments give the derivatives of an activation."""
    definition.extras["series"] = series
    names = ("x", *definition.parameters)
    for path in (*(("x",) * n for n in ORDERS), *((n,) for n in definition.parameters)):
        if path not in by_hand:
            definition.kernels[path] = _kernel(definition.name, names, series, path)


def derivative_by_formula(function: Callable[..., Any], wrt: str, text: str) -> None:
    """Declare a derivative by a parameter, as a formula that does not cancel.

    Args:
        function: an activation, which left this derivative to be declared by hand.
        wrt: the parameter.
        text: the formula, in the variables of the activation.
    """
    definition = lookup(function)
    assert definition is not None
    name = f"{definition.name}, by {wrt}"
    formula = parse_formula(text, ("x", *definition.parameters), name)
    derivative_of(function, wrt)(kernel(formula))


def kernel(formula: Formula, path: Path = ()) -> Callable[..., Array]:
    """The kernel of a formula, or of a derivative of it."""
    return _kernel(formula.name, ("x", *formula.reads), series_of(formula), path)


def _kernel(
    name: str, reads: Path, series: Callable[..., Taylor], path: Path
) -> Callable[..., Array]:
    def derived(**arrays: Any) -> Array:
        # near its roots a slope cancels more than even a half precision allows
        with rounded_to(arrays["x"].dtype):
            return evaluate(series, path, arrays)

    kind = inspect.Parameter.KEYWORD_ONLY
    signature = inspect.Signature([inspect.Parameter(n, kind) for n in reads])
    derived.__signature__ = signature  # type: ignore[attr-defined]
    derived.__name__ = ", by ".join((name, *path))
    return derived


def evaluate(
    series: Callable[..., Taylor], path: Path, arrays: dict[str, Any]
) -> Array:
    """A derivative at arrays, numbers being constants, of what is given by series."""
    numbers = {
        n: float(v)
        for n, v in arrays.items()
        if not isinstance(v, Array) and np.ndim(v) == 0
    }
    given = {n: jnp.asarray(v) for n, v in arrays.items() if n not in numbers}
    with cancelling():  # as formulas may
        return _program(series, path, tuple(numbers.items()), in_half())(given)


@functools.cache
def _program(
    series: Callable[..., Taylor],
    path: Path,
    numbers: tuple[tuple[str, float], ...],
    half: bool,
) -> Callable[[dict[str, Array]], Array]:
    """`evaluate`, of which JAX remembers the trace: that of a series is long."""

    @jax.jit
    def program(arrays: dict[str, Array]) -> Array:
        assert half == in_half()
        x, nothing = arrays["x"], [None for _ in path]
        like = Taylor(tay.wide(x), *nothing)
        firsts = {n: tay.wide(v) for n, v in arrays.items()}
        firsts |= {n: constant_like(v, like).first for n, v in numbers}
        env = {}
        for name, first in firsts.items():
            one = constant_like(1, like).first if name in path else None
            env[name] = Taylor(first, *[one, *nothing][: len(path)])
        result = series(**env).derivative(len(path))
        shape = jnp.broadcast_shapes(*map(jnp.shape, arrays.values()))
        return jnp.broadcast_to(jnp.where(jnp.isnan(x), x, result), shape)

    return program


@functools.cache
def series_of(formula: Formula) -> Callable[..., Taylor]:
    """A formula as a function of series."""

    def at(**variables: Taylor) -> Taylor:
        return formula.in_world(_TaylorWorld(variables["x"]))(**variables)

    return at


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
