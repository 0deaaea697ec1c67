"""The formula line of an activation: found, parsed, and executable in three worlds.

A docstring line such as ``elu(x, alpha) = x if x > 0 else alpha * (exp(x) - 1)`` is
parsed once, its literals read as written decimals, and then evaluated

- on jnp arrays: the plain reference whose `jax.grad` the tests compare with;
- on power series of balls (`jaxact.testing`): derivatives of every order, proven;
- on SymPy symbols: for derivations and LaTeX.

`max` and `min` split ties evenly in all three, as `jnp.maximum` does.  `_stable` has a
fourth, where a formula that stands for a kernel keeps its digits.
"""

import ast
import functools
import itertools
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Env = dict[str, Any]
Thunk = Callable[[Env], Any]
Idiom = tuple[Callable[..., Any], tuple[ast.expr, ...]]

_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARE: dict[type, str] = {ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<="}
_CONSTANTS = ("pi",)
_FUNCTIONS = (
    "abs atan cos erf erfc exp log max min sign sin sqrt tanh "  # known in every world
    "surrogate"  # surrogate(f, g): the value of f, the derivatives of g
).split()
_SHORT = {  # what stands for an expression of these
    "expm1": "exp(u) - 1",
    "log1p": "log(1 + u)",
    "sigmoid": "1 / (1 + exp(-u))",
    "softplus": "log(1 + exp(u))",
}
_CALLED = sorted((*_FUNCTIONS, *_SHORT))
# what jnp calls them
_MEANT = {"absolute": "abs", "arctan": "atan", "maximum": "max", "minimum": "min"}


@dataclass(frozen=True, eq=False)
class Formula:
    """A parsed formula line."""

    name: str
    variables: tuple[str, ...]
    text: str
    tree: ast.expr

    @property
    def reads(self) -> tuple[str, ...]:
        """The parameters that occur in it, in order of the signature."""
        found = {n.id for n in ast.walk(self.tree) if isinstance(n, ast.Name)}
        return tuple(v for v in self.variables if v in found and v != "x")

    def with_names(self, names: Mapping[str, str]) -> str:
        """The text, with expressions in the place of variables."""
        found = [n for n in ast.walk(self.tree) if isinstance(n, ast.Name)]
        text = self.text
        for node in sorted(found, key=lambda n: n.col_offset, reverse=True):
            end = node.col_offset + len(node.id)
            text = text[: node.col_offset] + names.get(node.id, node.id) + text[end:]
        return text

    def with_slopes(self, slopes: Mapping[float, float]) -> "Formula":
        """The same, but that at a point of `slopes` it goes on straight, with a slope.

        The value is the same, and so are the derivatives by parameters.
        """
        text = self.text
        for point, slope in slopes.items():
            at = self.with_names({"x": f"({point!r})"})
            line = f"({at}) + ({slope!r}) * (x - ({point!r}))"
            text = f"({line}) if {point!r} <= x <= {point!r} else ({text})"
        return parse_formula(text, self.variables, self.name) if slopes else self

    @functools.cache  # noqa: B019 (formulas live as long as their activation)
    def as_jnp(self, *, plain: bool = False) -> Callable[..., Any]:
        """The formula on jnp arrays, as a function of its variables.

        Plain, as a user would write it: a condition is a bare `jnp.where`, whose
        gradient may be NaN where the branch not taken overflows.
        """
        return self.in_world(_PlainWorld() if plain else JnpWorld())

    def as_sympy(self) -> Any:
        """The formula as a SymPy expression in real symbols."""
        import sympy

        symbols = {n: sympy.Symbol(n, real=True) for n in self.variables}
        return self.in_world(_SympyWorld())(**symbols)

    def in_world(self, world: "World") -> Callable[..., Any]:
        thunk = _build(self.tree, self.text, world)
        variables = self.variables

        def evaluate(*args: Any, **kwargs: Any) -> Any:
            return thunk(dict(zip(variables, args, strict=False), **kwargs))

        evaluate.__name__ = evaluate.__qualname__ = self.name
        return evaluate


def find_formula(name: str, doc: str, variables: Iterable[str]) -> Formula | None:
    """The formula in the first docstring line that starts ``name(...) =``, if any.

    Raises:
        ValueError: it does not parse, takes or names something unknown; or a line like
            it, with arguments of the function, is of another name.
    """
    lines = [line.strip() for line in doc.splitlines()]
    known = tuple(variables)
    for i, line in enumerate(lines):
        match = _LINE.match(line, len(name)) if line.startswith(name) else None
        if match is None:
            continue
        named = _split(match[1])
        if unknown := [v for v in named if v not in known]:
            raise ValueError(
                f"{name}: the formula line {line!r} takes {', '.join(unknown)}; "
                f"the function takes {', '.join(known)}"
            )
        # a long formula goes on until a blank line
        more = itertools.takewhile(bool, lines[i + 1 :])
        return parse_formula(" ".join([match[2], *more]), named, name)
    for line in lines:
        match = _ANY_LINE.match(line)
        named = _split(match[2]) if match else ()
        if match and named[:1] == ("x",) and set(named) <= set(known):
            raise ValueError(
                f"{name}: the formula line {line!r} names {match[1]!r}; write "
                f"'{name}({match[2]}) = {match[3]}', or begin the line with a word if "
                f"it is not the formula of {name}"
            )
    return None


_LINE = re.compile(r"\(([^()=]*)\)\s*=(?!=)\s*(.+)")  # after the name
_ANY_LINE = re.compile(r"(\w+)" + _LINE.pattern)


def _split(arguments: str) -> tuple[str, ...]:
    return tuple(v.strip() for v in arguments.split(","))


def parse_formula(text: str, variables: Iterable[str], name: str = "f") -> Formula:
    """Parse the right side of a formula line.

    Raises:
        ValueError: it does not parse, or names something unknown.
    """
    known = tuple(variables)
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        complaint = f"{name}: the formula {text!r} does not parse: {error.msg}"
        raise ValueError(complaint) from None
    for node in ast.walk(tree):
        problem = _problem(node, known)
        if problem:
            raise ValueError(f"{name}: the formula {text!r} {problem}")
    return Formula(name, known, text, tree)


def _problem(node: ast.AST, variables: tuple[str, ...]) -> str | None:
    match node:
        case ast.Name(id=n):
            if n not in (*variables, *_CONSTANTS, *_CALLED):
                return (
                    f"names {n!r}; it may name {', '.join((*variables, *_CONSTANTS))} "
                    f"and the functions {', '.join(_CALLED)}"
                )
        case ast.Call(func=ast.Name(id=n), args=args, keywords=[]):
            wanted = 2 if n in ("max", "min", "surrogate") else 1
            if n not in _CALLED:
                return f"calls {n!r}; {_instead(n, args)}"
            if len(args) != wanted:
                return f"calls {n} with {len(args)} arguments, not {wanted}"
        case ast.Call(func=ast.Attribute(attr=n) as function, args=args):
            return f"calls {ast.unparse(function)}; {_instead(n, args)}"
        case ast.Constant(value=v):
            if isinstance(v, bool) or not isinstance(v, (int, float)):
                return f"has the literal {v!r}, which is not a number"
        case ast.BinOp(op=ast.Pow(), right=right):
            if not (isinstance(right, ast.Constant) and isinstance(right.value, int)):
                return "has a power whose exponent is not a whole number"
        case ast.BinOp(op=ast.BitXor()):
            return "has the operator ^; write `**` for a power"
        case ast.BinOp(op=op):
            if type(op) not in _BINARY:
                return f"has an unknown operator {type(op).__name__}"
        case ast.Compare(ops=ops):
            if any(type(op) not in _COMPARE for op in ops):
                return "compares by something else than < <= > >="
        case ast.UnaryOp(op=op):
            if not isinstance(op, (ast.USub, ast.UAdd)):
                return f"has an unknown operator {type(op).__name__}"
        case ast.IfExp(test=test):
            if not isinstance(test, ast.Compare):
                return "has a condition that is not a comparison"
        case ast.expr_context() | ast.operator() | ast.unaryop() | ast.cmpop():
            pass
        case _:
            return f"has a {type(node).__name__}, which a formula may not have"
    return None


def _instead(name: str, args: list[ast.expr]) -> str:
    """What to write for a call of a function that is not known."""
    name = _MEANT.get(name, name)
    if name in _CALLED:
        return f"write {name}({', '.join(map(ast.unparse, args))})"
    if name == "where" and len(args) == 3:
        test, yes, no = map(ast.unparse, args)
        return f"write {yes} if {test} else {no}"
    return f"it may call {', '.join(_CALLED)}"


class World:
    """The meaning of the numbers, functions and conditions of a formula."""

    functions: Mapping[str, Callable[..., Any]]
    constants: Mapping[str, Any]

    def number(self, literal: str) -> Any:
        raise NotImplementedError

    def compare(self, op: str, a: Any, b: Any) -> Any:
        return {
            ">": operator.gt,
            ">=": operator.ge,
            "<": operator.lt,
            "<=": operator.le,
        }[op](a, b)

    def both(self, a: Any, b: Any) -> Any:
        return a & b

    def select(self, test: Any, yes: Thunk, no: Thunk, pivot: Any, env: Env) -> Any:
        raise NotImplementedError

    def idiom(self, node: ast.expr) -> Idiom | None:
        """A function for a whole expression and its arguments, if the world has one."""
        return None


def fits(pattern: str, node: ast.expr) -> tuple[ast.expr, ...] | None:
    """The parts of an expression at the letters a, b, u of a pattern; None if no fit.

    In alphabetical order.
    """
    found: dict[str, ast.expr] = {}

    def same(p: Any, n: Any) -> bool:
        if isinstance(p, ast.Name) and p.id in ("a", "b", "u"):
            return ast.dump(found.setdefault(p.id, n)) == ast.dump(n)
        if isinstance(p, list):
            return len(p) == len(n) and all(map(same, p, n))
        if not isinstance(p, ast.AST):
            return p == n
        return type(p) is type(n) and all(
            same(getattr(p, field), getattr(n, field)) for field in p._fields
        )

    if not same(_parsed(pattern), node):
        return None
    return tuple(found[name] for name in sorted(found))


@functools.cache
def _parsed(pattern: str) -> ast.expr:
    return ast.parse(pattern, mode="eval").body


def _build(node: ast.expr, text: str, world: World) -> Thunk:
    """A closure that evaluates the tree in a world."""

    def build(child: ast.expr) -> Thunk:
        return _build(child, text, world)

    if found := world.idiom(node):
        whole, arguments = found[0], [build(a) for a in found[1]]
        return lambda env: whole(*(a(env) for a in arguments))
    match node:
        case ast.Constant():
            value = world.number(ast.get_source_segment(text, node) or "")
            return lambda env: value
        case ast.Name(id=n) if n in _CONSTANTS:
            constant = world.constants[n]
            return lambda env: constant
        case ast.Name(id=n):
            return lambda env: env[n]
        case ast.UnaryOp(op=op, operand=operand):
            inner = build(operand)
            return (lambda env: -inner(env)) if isinstance(op, ast.USub) else inner
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=n)):
            base = build(left)
            return lambda env: base(env) ** n
        case ast.BinOp(left=left, op=op, right=right):
            a, b, apply = build(left), build(right), _BINARY[type(op)]
            return lambda env: apply(a(env), b(env))
        case ast.Call(func=ast.Name(id=n), args=[arg]) if n in _SHORT:
            long = _build(_parsed(_SHORT[n]), _SHORT[n], world)
            inner = build(arg)
            return lambda env: long({"u": inner(env)})
        case ast.Call(func=ast.Name(id=n), args=args):
            function, parts = world.functions[n], [build(a) for a in args]
            return lambda env: function(*(p(env) for p in parts))
        case ast.Compare(left=left, ops=ops, comparators=rest):
            parts = [build(a) for a in (left, *rest)]
            signs = [_COMPARE[type(op)] for op in ops]

            def compare(env: Env) -> Any:
                values = [p(env) for p in parts]
                tests = [
                    world.compare(s, a, b)
                    for s, a, b in zip(signs, values, values[1:], strict=False)
                ]
                return functools.reduce(world.both, tests)

            return compare
        case ast.IfExp(test=ast.Compare() as test, body=body, orelse=orelse):
            condition, yes, no = build(test), build(body), build(orelse)
            fixed = [
                a
                for a in (test.left, *test.comparators)
                if "x" not in {n.id for n in ast.walk(a) if isinstance(n, ast.Name)}
            ]
            pivot = build(fixed[0]) if fixed else (lambda env: None)
            if len(fixed) == 2 and ast.dump(fixed[0]) == ast.dump(fixed[1]):
                # one point alone, where the other branch may have a pole
                point = build(fixed[0])
                pivot = lambda env: point(env) + 1  # noqa: E731
            return lambda env: world.select(condition(env), yes, no, pivot(env), env)
    raise AssertionError(ast.dump(node))  # parse_formula let something through


class JnpWorld(World):
    """jnp arrays: plain, but for the branch of a condition that is not taken."""

    def __init__(self) -> None:
        import math

        import jax.numpy as jnp
        from jax import lax

        self.jnp, self.lax = jnp, lax
        self.constants = {"pi": math.pi}
        self.functions = {
            "abs": lambda v: jnp.maximum(v, -v),  # slope 0 at 0; jnp.abs has 1
            "atan": jnp.arctan,
            "cos": jnp.cos,
            "erf": lax.erf,
            "erfc": lax.erfc,
            "exp": jnp.exp,
            "log": jnp.log,
            "max": jnp.maximum,
            "min": jnp.minimum,
            "sign": jnp.sign,
            "sin": jnp.sin,
            "sqrt": jnp.sqrt,
            "surrogate": lambda f, g: g + lax.stop_gradient(f - g),
            "tanh": jnp.tanh,
        }

    def number(self, literal: str) -> Any:
        return float(literal)

    def select(self, test: Any, yes: Thunk, no: Thunk, pivot: Any, env: Env) -> Any:
        where = self.jnp.where
        if pivot is None:
            return where(test, yes(env), no(env))
        # the branch not taken is evaluated at the threshold, where it is finite, so
        # that its infinity does not become 0 * inf in the gradient
        pivot = self.lax.stop_gradient(pivot)
        taken = {**env, "x": where(test, env["x"], pivot)}
        other = {**env, "x": where(test, pivot, env["x"])}
        return where(test, yes(taken), no(other))


class _PlainWorld(JnpWorld):
    def __init__(self) -> None:
        super().__init__()
        self.functions = {**self.functions, "abs": self.jnp.abs}

    def select(self, test: Any, yes: Thunk, no: Thunk, pivot: Any, env: Env) -> Any:
        return self.jnp.where(test, yes(env), no(env))


class _SympyWorld(World):
    def __init__(self) -> None:
        import sympy

        self.sympy = sympy
        self.constants = {"pi": sympy.pi}
        self.functions = {
            **{n: getattr(sympy, n) for n in _FUNCTIONS if hasattr(sympy, n)},
            "abs": sympy.Abs,
            "max": sympy.Max,
            "min": sympy.Min,
            "surrogate": lambda f, g: f,
        }

    def number(self, literal: str) -> Any:
        return self.sympy.Rational(literal)

    def both(self, a: Any, b: Any) -> Any:
        return self.sympy.And(a, b)

    def select(self, test: Any, yes: Thunk, no: Thunk, pivot: Any, env: Env) -> Any:
        return self.sympy.Piecewise((yes(env), test), (no(env), True))
