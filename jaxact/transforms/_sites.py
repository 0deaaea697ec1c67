"""Where a program calls an activation: what a site is, and how one is told.

Most keep a name in the jaxpr: ours by the mark of the core, those of `jax.nn` that are
compiled calls, and what `tap` marks.  `jax.nn.gelu` is inlined, and found by its
equations; hyperbolic tangent and logistic function are primitives.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend import core

from .._core import MARK, definitions

TAP = f"{MARK}tap:"
JAX_NN = frozenset(
    "celu elu hard_sigmoid hard_silu hard_tanh leaky_relu log_sigmoid mish relu relu6 "
    "selu silu soft_sign softplus sparse_plus sparse_sigmoid squareplus".split()
)
PRIMITIVES = {"tanh": "tanh", "logistic": "sigmoid"}
TEMPLATES: dict[str, Callable[[Any], Array]] = {
    "gelu_tanh": functools.partial(jax.nn.gelu, approximate=True),
    "gelu_exact": functools.partial(jax.nn.gelu, approximate=False),
}
_WITHIN = {"tanh", "erfc"}  # primitives of which a template has one
# those of jax.nn with rules inside, which get lost when JAX differentiates a scan
_RULED = frozenset(
    "relu relu6 softplus log_sigmoid mish hard_sigmoid hard_silu".split()
)


class Call(NamedTuple):
    """A call of an activation: a function of some operands, one of which is x."""

    activation: str
    function: Callable[..., Array]
    operands: tuple[Any, ...]
    place: int  # of x


class Found(NamedTuple):
    """The calls of a jaxpr by their last equation, and equations that are part of one.

    Of what is lost, the slope is not to be had.  There are no calls inside of either.
    """

    calls: Mapping[int, Call]
    parts: frozenset[int]
    lost: Mapping[int, str]


def find(jaxpr: Any, ignored: Callable[[Any], bool]) -> Found:
    """The calls in a jaxpr, but for those of equations that are ignored."""
    equations = [e for e in jaxpr.eqns if e.outvars and not ignored(e)]
    calls, parts = _inlined(jaxpr.eqns, equations)
    lost: dict[int, str] = {}
    for eqn in equations:
        if id(eqn) in parts or not is_float(eqn.outvars[0]):
            continue
        call = _named(eqn)
        if isinstance(call, Call):
            calls[id(eqn)] = call
        elif call is not None:
            lost[id(eqn)] = call
        elif eqn.primitive.name == "jit" and eqn.params["name"].startswith(MARK):
            parts.add(id(eqn))  # ours, without a slope: nor is its inside a site
    return Found(calls, frozenset(parts), lost)


# --- by name --------------------------------------------------------------------------


def _named(eqn: Any) -> Call | str | None:
    """The call that an equation is; its name alone if the slope is not to be had."""
    kind, params = eqn.primitive.name, eqn.params
    if kind in PRIMITIVES:
        return Call(PRIMITIVES[kind], _first(eqn), tuple(eqn.invars), 0)
    if kind not in ("jit", "custom_jvp_call"):
        return None
    inner = params["jaxpr" if kind == "jit" else "call_jaxpr"].jaxpr
    shape = eqn.outvars[0].aval.shape
    fitting = [
        i for i, v in enumerate(eqn.invars) if is_float(v) and v.aval.shape == shape
    ]
    if not fitting:  # what JAX has hoisted out of a loop leaves such fragments
        return None
    if kind == "custom_jvp_call":  # jax.nn.relu and relu6: a rule around a jit
        name = inner.eqns[0].params.get("name") if len(inner.eqns) == 1 else None
        return _whole(eqn, name, 0) if name in JAX_NN else None
    name = params["name"]
    if name.startswith(TAP):
        return _whole(eqn, name.removeprefix(TAP), fitting[0])
    if name.startswith(MARK):
        return _ours(eqn, name.removeprefix(MARK), inner, fitting[0])
    if name not in JAX_NN:
        return None
    if name in _RULED and not _rule_of(inner):
        return Call(name, getattr(jax.nn, name), (eqn.invars[fitting[0]],), 0)
    return _whole(eqn, name, fitting[0])


def _whole(eqn: Any, name: str, place: int) -> Call:
    return Call(name, _first(eqn), tuple(eqn.invars), place)


def _ours(eqn: Any, name: str, inner: Any, first: int) -> Call | str | None:
    """A call of an activation of ours."""
    definition = next((d for d in definitions() if d.name == name), None)
    if definition is None or not definition.elementwise:
        return None
    if rule := _rule_of(inner):  # its arguments are those of the kernel, x first
        x = rule.invars[rule.params["num_consts"]]
        return _whole(eqn, name, inner.invars.index(x) if x in inner.invars else first)
    if definition.parameters:  # JAX has put the kernel in the place of the rule
        return name
    return Call(name, definition.function, (eqn.invars[first],), 0)


def _rule_of(jaxpr: Any) -> Any:
    found = (e for e in jaxpr.eqns if e.primitive.name == "custom_jvp_call")
    return next(found, None)


def alone(eqn: Any, count: int | None = None) -> Callable[..., list[Any]]:
    """An equation as a function of its operands: all its outputs, or the first few."""
    slots = {v: i for i, v in enumerate(eqn.invars) if isinstance(v, core.Var)}
    run = program([eqn], list(slots), list(eqn.outvars[:count]))
    return lambda *operands: run(*(operands[i] for i in slots.values()))


def _first(eqn: Any) -> Callable[..., Array]:
    run = alone(eqn, 1)
    return lambda *operands: run(*operands)[0]


def program(
    equations: Sequence[Any], reads: Sequence[Any], writes: Sequence[Any]
) -> Callable[..., list[Any]]:
    """Some equations as a function of the variables that they read."""
    info = core.DebugInfo("observe", "equations", None, None)  # type: ignore[arg-type]
    jaxpr = core.Jaxpr([], reads, writes, equations, core.no_effects, info)
    return core.jaxpr_as_fun(core.ClosedJaxpr(jaxpr, []))


def is_float(v: Any) -> bool:
    """Whether a variable is an array of floats."""
    return jnp.issubdtype(getattr(v.aval, "dtype", np.dtype(int)), jnp.floating)


# --- by their equations ---------------------------------------------------------------


def _inlined(
    all_equations: Sequence[Any], equations: Sequence[Any]
) -> tuple[dict[int, Call], set[int]]:
    """The calls whose equations are those of a template, and all these equations."""
    calls: dict[int, Call] = {}
    parts: set[int] = set()
    if _WITHIN.isdisjoint(e.primitive.name for e in equations):
        return calls, parts
    makers = {v: e for e in all_equations for v in e.outvars}
    for eqn in equations:
        y = eqn.outvars[0]
        if eqn.primitive.name != "mul" or not is_float(y):
            continue
        for name, function in TEMPLATES.items():
            same = _match(_template(name, y.aval.shape, y.aval.dtype), makers, y)
            if same:
                x, matched = same
                calls[id(eqn)] = Call(name, function, (x,), 0)
                parts |= {id(e) for e in matched}
    return calls, parts


@functools.cache
def _template(name: str, shape: tuple[int, ...], dtype: Any) -> Any:
    return jax.make_jaxpr(TEMPLATES[name])(jax.ShapeDtypeStruct(shape, dtype)).jaxpr


def _match(template: Any, makers: Mapping[Any, Any], y: Any) -> Any:
    """The operand and the equations, if y is computed as the template's output is."""
    wanted = {v: e for e in template.eqns for v in e.outvars}
    (operand,) = template.invars
    bound: dict[Any, Any] = {}
    matched: list[Any] = []

    def same(t: Any, v: Any) -> bool:
        if isinstance(t, core.Literal) or isinstance(v, core.Literal):
            return type(t) is type(v) and bool(np.array_equal(t.val, v.val))
        if t is operand:
            return bound.setdefault(t, v) is v
        want, got = wanted[t], makers.get(v)
        if got is None or got.primitive is not want.primitive:
            return False
        if str(got.params) != str(want.params):
            return False
        matched.append(got)
        return all(map(same, want.invars, got.invars))

    end = template.outvars[0]
    if wanted[end].primitive.name == "copy":  # it need not be there
        (end,) = wanted[end].invars
    return (bound[operand], matched) if same(end, y) else None


# --- how steep it is ------------------------------------------------------------------


def steepest(activation: str) -> float:
    """The largest slope of an activation, at most 1, by which saturation is measured.

    That of a sigmoid is 1/4.  It is taken as 1 where parameters have no default, and
    of what only its user knows.
    """
    definition = next((d for d in definitions() if d.name == activation), None)
    if definition is None or definition.required or not definition.elementwise:
        return 1.0
    return _steepest(definition.function)


@functools.cache
def _steepest(function: Callable[[Any], Array]) -> float:
    with jax.ensure_compile_time_eval():
        x = jnp.linspace(-8, 8, 257, dtype=jnp.float32)
        slope = jnp.abs(jax.jvp(function, (x,), (jnp.ones_like(x),))[1])
        return min(1.0, float(jnp.max(jnp.where(jnp.isfinite(slope), slope, 0))))
