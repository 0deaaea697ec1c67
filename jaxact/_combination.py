"""Combinations of activations: their rules, formulas, kinks and definitions."""

import functools
import inspect
import itertools
import math
import operator
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from ._core import Defined, Definition, activation, lookup
from ._core.values import value_of
from ._formula import parse_formula
from ._stable import product
from .transforms import derivative

Activation = Callable[..., Array]
Unary = Callable[[Any], Any]
_REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True, repr=False)
class Combination(Defined):
    """An activation made of others.

    Attributes:
        how: the name of the combinator.
        parts: the activations that it was given.
        settings: the numbers that it was given, by name.
    """

    how: str
    parts: tuple[Activation, ...]
    settings: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        """Make it an activation."""
        definition = _define(self.how, self.parts, self.settings)
        attributes = {
            "__doc__": inspect.getdoc(definition.function),
            "__signature__": definition.signature,
            "definition": definition,  # by which `lookup` knows it
        }
        for name, value in attributes.items():
            object.__setattr__(self, name, value)

    def __call__(
        self, x: ArrayLike, *args: ArrayLike, **kwargs: ArrayLike | None
    ) -> Array:
        """The activation at x, and at values of its parameters."""
        return self.definition.function(x, *args, **kwargs)  # type: ignore[attr-defined]

    @property
    def __name__(self) -> str:
        return repr(self)

    def __repr__(self) -> str:
        return _label(self.how, self.parts, self.settings)

    @property
    def construction(self) -> tuple[str, tuple[Activation, ...], dict[str, float]]:
        """The combinator, its parts and its numbers: what `to_config` writes."""
        return self.how, self.parts, dict(self.settings)

    def __reduce__(self) -> Any:
        return type(self), (self.how, self.parts, self.settings)


def combined(how: str, fs: Sequence[Activation], **settings: float) -> Combination:
    """A combination, after a check of its parts and numbers."""
    if not fs:
        raise TypeError(f"{how}: expected an activation or more, got none")
    for f in fs:
        part(how, f)
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(
                f"{how}: {name} must be a number, got {value!r:.60}; arrays are given "
                "when it is called"
            )
    numbers = tuple((n, float(v)) for n, v in settings.items())
    return Combination(how, tuple(fs), numbers)


def part(how: str, f: Activation) -> Definition:
    """The definition of a part."""
    definition = lookup(f)
    if isinstance(f, functools.partial) and definition is None:
        raise TypeError(
            f"{how}: functools.partial hides what {_name(f.func)} is; pass parameters "
            "when the combination is called, or set numbers with jaxact.get"
        )
    if definition is None:
        raise TypeError(
            f"{how}: {_name(f)} is not an activation; decorate it with @activation "
            "first"
        )
    if not definition.elementwise or set(definition.options) - {"axis"}:
        raise TypeError(f"{how}: {definition.name} is not elementwise")
    if "axis" in definition.options and definition.default("axis") is not None:
        raise TypeError(
            f"{how}: {f!r} has an axis set; give axis= when the combination is called"
        )
    return definition


def _name(f: Any) -> str:
    """How it is written: the parameters that are set tell it from others."""
    return repr(f) if isinstance(f, Defined) else getattr(f, "__name__", repr(f))


def _label(
    how: str, parts: Sequence[Activation], settings: Sequence[tuple[str, float]]
) -> str:
    """The text of a combination."""
    names = ", ".join(map(_name, parts))
    values = [v for _, v in settings]
    several = f"({', '.join(map(repr, values))}{',' * (len(values) == 1)})"
    functions = f"({names}{',' * (len(parts) == 1)})"
    match how:
        case "mix":
            return f"mix({functions}, {several})"
        case "piecewise":
            return f"piecewise({several}, {functions})"
        case _:
            return f"{how}({', '.join([names, *(f'{n}={v!r}' for n, v in settings)])})"


class _Rule(NamedTuple):
    """The meaning of a combinator.

    Each field is a function of the parts, of x, and of the numbers by name: on arrays,
    or on the texts of formulas.
    """

    kernel: Callable[..., Array]
    text: Callable[..., str]
    # the arguments of the parts, if they are not x; more places where a kink may be, as
    # pairs of a text and the level that it crosses
    inside: Callable[..., list[str]] = lambda fs, x, **_: [x] * len(fs)
    levels: Callable[..., list[tuple[str, str]]] = lambda fs, x, **_: []
    fixed: bool = False  # whether the numbers are constants, not parameters


def _chain(fs: Sequence[Unary], x: Any) -> Any:
    return functools.reduce(lambda v, f: f(v), reversed(fs), x)


def _total(fs: Sequence[Unary], x: Array) -> Array:
    return functools.reduce(operator.add, (f(x) for f in fs))


def _product(fs: Sequence[Unary], x: Array, *factors: Array) -> Array:
    """The product, in which a factor that vanishes wins over an infinite one."""
    return product(*(f(x) for f in fs), *factors, known=x == x)


def _mixed(fs: Sequence[Unary], x: Array, **weights: Array) -> Array:
    pairs = zip(fs, weights.values(), strict=True)
    return functools.reduce(operator.add, (w * f(x) for f, w in pairs))


def _clipped(fs: Sequence[Unary], x: Array, low: Array, high: Array) -> Array:
    y = fs[0](x)
    return jnp.where(y < low, low, jnp.where(y > high, high, y))


def _pieces(fs: Sequence[Unary], x: Array, **breakpoints: float) -> Array:
    y = fs[-1](x)
    for f, b in zip(reversed(fs[:-1]), reversed(breakpoints.values()), strict=True):
        y = jnp.where(x < b, f(x), y)
    return y


def _pieces_text(fs: Sequence[Unary], x: str, **breakpoints: float) -> str:
    text = fs[-1](x)
    for f, b in zip(reversed(fs[:-1]), reversed(breakpoints.values()), strict=True):
        text = f"({f(x)} if {x} < {b!r} else {text})"
    return text


def _leaky_rule(f: Activation) -> _Rule:
    dead = dead_intervals(part("", f))

    def kernel(fs: Sequence[Unary], x: Array, slope: Array) -> Array:
        ways = (_way(x, low, high) for low, high in dead)
        return fs[0](x) + slope * functools.reduce(operator.add, ways)

    def text(fs: Sequence[Unary], x: str, slope: str) -> str:
        ways = " + ".join(_way_text(x, low, high) for low, high in dead)
        return f"({fs[0](x)} + {slope} * ({ways}))"

    return _Rule(kernel, text)


def _way(x: Array, low: float, high: float) -> Array:
    """The length of the way from 0 to x that lies inside an interval, with its sign."""
    start = min(max(0.0, low), high)
    y = x - start if start else x
    for end, beyond in ((low, x < low), (high, x > high)):
        if math.isfinite(end):
            y = jnp.where(beyond, end - start, y)
    return y


def _way_text(x: str, low: float, high: float) -> str:
    start = min(max(0.0, low), high)
    text = f"({x} - ({start!r}))"
    if math.isfinite(low):
        text = f"({low - start!r} if {x} < {low!r} else {text})"
    if math.isfinite(high):
        text = f"({high - start!r} if {x} > {high!r} else {text})"
    return text


def _standardized_rule(f: Activation) -> _Rule:
    gain, offset = _standard(f)
    return _Rule(
        lambda fs, x: gain * fs[0](x) + offset,
        lambda fs, x: f"({gain!r} * {fs[0](x)} + ({offset!r}))",
    )


_RULES: dict[str, _Rule | Callable[[Activation], _Rule]] = {
    "compose": _Rule(
        _chain,
        _chain,
        inside=lambda fs, x: [_chain(fs[n + 1 :], x) for n in range(len(fs))],
    ),
    "add": _Rule(_total, lambda fs, x: " + ".join(f(x) for f in fs)),
    "multiply": _Rule(_product, lambda fs, x: " * ".join(f(x) for f in fs)),
    "scale": _Rule(
        lambda fs, x, output, input: output * fs[0](input * x),
        lambda fs, x, output, input: f"{output} * {fs[0](f'({input} * {x})')}",
        inside=lambda fs, x, output, input: [f"({input} * {x})"],
    ),
    "shift": _Rule(
        lambda fs, x, output, input: fs[0](x + input) + output,
        lambda fs, x, output, input: f"{fs[0](f'({x} + {input})')} + {output}",
        inside=lambda fs, x, output, input: [f"({x} + {input})"],
    ),
    "mix": _Rule(
        _mixed,
        lambda fs, x, **weights: " + ".join(
            f"{w} * {f(x)}" for f, w in zip(fs, weights.values(), strict=True)
        ),
    ),
    "gated": _Rule(
        lambda fs, x, value: _product(fs, x, value),
        lambda fs, x, value: f"{fs[0](x)} * {value}",
    ),
    "clip": _Rule(
        _clipped,
        lambda fs, x, low, high: (
            f"({low} if {fs[0](x)} < {low} else {high} if {fs[0](x)} > {high} "
            f"else {fs[0](x)})"
        ),
        levels=lambda fs, x, low, high: [(fs[0](x), low), (fs[0](x), high)],
    ),
    "piecewise": _Rule(
        _pieces,
        _pieces_text,
        levels=lambda fs, x, **breakpoints: [
            (x, repr(b)) for b in breakpoints.values()
        ],
        fixed=True,
    ),
    "reflect": _Rule(
        lambda fs, x: -fs[0](-x),
        lambda fs, x: f"(-{fs[0](f'(-{x})')})",
        inside=lambda fs, x: [f"(-{x})"],
    ),
    "surrogate": _Rule(
        lambda fs, x: value_of(fs[0](x), fs[1](x)),
        lambda fs, x: f"surrogate({fs[0](x)}, {fs[1](x)})",
    ),
    "leaky": _leaky_rule,
    "standardized": _standardized_rule,
}


class _Parts(NamedTuple):
    """The parts of a combination, the names of their parameters in it, its own."""

    parts: tuple[Activation, ...]
    names: tuple[Mapping[str, str], ...]
    own: Mapping[str, str]
    parameters: Mapping[str, Any]  # the defaults of all, by their names in it


def _parts(parts: tuple[Activation, ...], own: Mapping[str, Any]) -> _Parts:
    infos = [part("", f) for f in parts]
    every = [*own, *(p for d in infos for p in d.parameters)]
    count, used = Counter(every), Counter[str]()

    def fresh(name: str) -> str:
        used[name] += 1
        return name if count[name] == 1 else f"{name}_{used[name]}"

    mine = {n: fresh(n) for n in own}
    names = tuple({p: fresh(p) for p in d.parameters} for d in infos)
    defaults = {mine[n]: v for n, v in own.items()}
    for d, renamed in zip(infos, names, strict=True):
        defaults |= {renamed[p]: d.default(p) for p in d.parameters}
    return _Parts(parts, names, mine, defaults)


@functools.cache
def _define(
    how: str, parts: tuple[Activation, ...], settings: tuple[tuple[str, float], ...]
) -> Definition:
    """The activation of a combination; equal ones share it."""
    found = _RULES[how]
    rule = found if isinstance(found, _Rule) else found(parts[0])
    numbers = {"value": _REQUIRED} if how == "gated" else dict(settings)
    layout = _parts(parts, {} if rule.fixed else numbers)
    given = {} if not rule.fixed else numbers
    name = _label(how, parts, settings)

    def value(x: Array, axis: int | None = None, **arrays: Any) -> Array:
        # the core has laid the parameters along the axis
        fs = [
            functools.partial(
                f, **_given(f, {p: arrays[n] for p, n in renamed.items()})
            )
            for f, renamed in zip(parts, layout.names, strict=True)
        ]
        own = {p: arrays[n] for p, n in layout.own.items()}
        return rule.kernel(fs, x, **own, **given)

    value.__signature__ = _signature(layout.parameters)  # type: ignore[attr-defined]
    value.__name__ = value.__qualname__ = name
    texts = [_text(f, renamed) for f, renamed in zip(parts, layout.names, strict=True)]
    kinks: Any = ()
    if all(text is not None for text in texts):
        own = {**layout.own, **given}
        formula = rule.text(texts, "x", **own)
        usual = ", ".join(("x", *layout.parameters))
        value.__doc__ = f"{name}.\n\n{name}({usual}) = {formula}\n"
        kinks = _kinks(rule, layout, texts, own)
    public = activation(kinks=kinks, domain=_domain(how, layout))(value)
    definition = lookup(public)
    assert definition is not None
    return definition


def _given(f: Activation, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters to call a part with; those at their defaults are left out."""
    default = part("", f).default
    return {
        n: v if isinstance(v, Array) else float(v)
        for n, v in parameters.items()
        if isinstance(v, Array) or v != np.asarray(default(n), v.dtype)
    }


def _signature(parameters: Mapping[str, Any]) -> inspect.Signature:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    # parameters without a default come first, as Python requires
    ordered = sorted(parameters.items(), key=lambda item: item[1] is not _REQUIRED)
    note: Any = float | Array
    listed = [
        inspect.Parameter("x", kind, annotation=Array),
        *(inspect.Parameter(n, kind, default=v, annotation=note) for n, v in ordered),
    ]
    if parameters:  # which the core lays along it
        along: Any = int | None
        listed += [inspect.Parameter("axis", kind, default=None, annotation=along)]
    return inspect.Signature(listed, return_annotation=Array)


def _text(f: Activation, renamed: Mapping[str, str]) -> Callable[[str], str] | None:
    """The formula of a part, as a function of the text to put in the place of x."""
    formula = part("", f).formula
    if formula is None:
        return None
    return lambda x: f"({formula.with_names({**renamed, 'x': x})})"


def _domain(how: str, layout: _Parts) -> dict[str, tuple[float, float]]:
    """The intervals of the parameters, and of x where the parts are applied to it."""
    found = {}
    for f, renamed in zip(layout.parts, layout.names, strict=True):
        own = part("", f).domain
        found |= {renamed[p]: ends for p, ends in own.items() if p != "x"}
    direct = layout.parts[-1:] if how == "compose" else layout.parts
    if how not in ("scale", "shift", "reflect"):
        ends = [e for f in direct if (e := part("", f).domain.get("x"))]
        if ends:
            low, high = zip(*ends, strict=True)
            found["x"] = (max(low), min(high))
    return found


# --- facts that are found by numbers ------------------------------------------------


@functools.cache
def _grid() -> np.ndarray:
    far = np.geomspace(1e-6, 1e6, 400)
    return np.unique(np.concatenate([np.linspace(-20, 20, 4001), far, -far]))


def _exactly(text: str, parameters: Mapping[str, float]) -> Callable[[Any], np.ndarray]:
    """A formula in float64."""
    function = parse_formula(text, ("x", *parameters), "combination").as_jnp()

    def at(x: Any) -> np.ndarray:
        with jax.enable_x64(True):
            values = {n: jnp.float64(v) for n, v in parameters.items()}
            out = function(jnp.asarray(x, jnp.float64), **values)
            return np.broadcast_to(np.asarray(out), np.shape(x))

    return at


def _kinks(
    rule: _Rule, layout: _Parts, texts: Sequence[Any], own: Mapping[str, Any]
) -> Callable[..., tuple[float, ...]]:
    """The points where the argument of a part crosses a kink of that part."""

    def kinks(**parameters: float) -> tuple[float, ...]:
        usual = {n: 1.0 if v is _REQUIRED else v for n, v in layout.parameters.items()}
        values = {**usual, **parameters}
        crossed = [(text, level) for text, level in rule.levels(texts, "x", **own)]
        inside = rule.inside(texts, "x", **own)
        for f, renamed, text in zip(layout.parts, layout.names, inside, strict=True):
            mine = {p: values[n] for p, n in renamed.items()}
            crossed += [(text, repr(k)) for k in part("", f).kinks_at(**mine)]
        found = {
            point
            for text, level in crossed
            for point in _crossings(_exactly(f"{text} - ({level})", values))
        }
        return tuple(sorted(found))

    kinks.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY)
            for n, v in layout.parameters.items()
            if v is not _REQUIRED
        ]
    )
    return kinks


def _crossings(f: Callable[[Any], np.ndarray]) -> list[float]:
    """The points where the sign of f changes, also to or from 0."""
    grid = _grid()
    signs = np.sign(f(grid))
    found = [float(x) for x, s in zip(grid, signs, strict=True) if s == 0]
    if len(found) > 10:  # flat, not a point
        found = []
    (left,) = np.nonzero(
        (signs[:-1] != signs[1:]) & np.isfinite(signs[:-1]) & np.isfinite(signs[1:])
    )
    low, high, sign = grid[left], grid[left + 1], signs[left]
    for _ in range(70):
        middle = (low + high) / 2
        same = np.sign(f(middle)) == sign
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return sorted({*found, *(float(f"{round(x, 12):.12g}") for x in high)})


def dead_intervals(definition: Definition) -> list[tuple[float, float]]:
    """The intervals between kinks where an activation is constant."""
    slope = derivative(definition.function)
    edges = [-math.inf, *definition.kinks_at(), math.inf]
    found = []
    for low, high in itertools.pairwise(edges):
        start = low if math.isfinite(low) else high - 50
        stop = high if math.isfinite(high) else low + 50
        if not math.isfinite(start + stop):
            continue  # no kink at all
        inside = np.linspace(start, stop, 33)[1:-1].astype(np.float32)
        if not np.any(np.asarray(slope(inside))):
            found.append((low, high))
    return found


@functools.cache
def _standard(f: Activation) -> tuple[float, float]:
    """The gain and offset that make f standard, by Gauss's rule between its kinks."""
    definition = part("standardized", f)
    edges = np.unique([*np.arange(-16, 16.5, 0.5), *definition.kinks_at()])
    edges = edges[np.abs(edges) <= 16]
    nodes, weights = np.polynomial.legendre.leggauss(32)
    half = np.diff(edges)[:, None] / 2
    z = (edges[:-1, None] + half) + half * nodes
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi) * half * weights
    with jax.enable_x64(True):
        usual = {p: definition.default(p) for p in definition.parameters}
        reference = definition.reference or definition.function
        y = np.asarray(reference(jnp.asarray(z), **usual), np.float64)
    mean = float(np.sum(density * y))
    variance = float(np.sum(density * (y - mean) ** 2))
    if not 0 < variance < math.inf:
        raise ValueError(f"standardized: {definition.name} has the variance {variance}")
    gain = variance**-0.5
    return gain, -mean * gain
