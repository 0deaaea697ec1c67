"""A program run as its plan says: its outputs, and what its sites have seen."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.extend.core import Literal, jaxpr_as_fun
from jax.sharding import PartitionSpec, Sharding

from ._custom import tapped, with_jvp_of, with_vjp_of
from ._plan import SCOPE, Nested, Plain, Plan, Site, manual_axes
from ._sites import alone
from ._statistics import Rows, Settings, nothing, of_activation, pair

Seen = dict[str, Rows]  # by the name of a site
Outputs = tuple[list[Any], Seen]


def replay(
    plan: Plan, args: Sequence[Any], into: Mapping[str, Any], settings: Settings
) -> Outputs:
    """The outputs of a program and the rows of its sites.

    Args:
        plan: the program.
        args: its arguments.
        into: for sites by name, what the statistics of their cotangents are to be the
            cotangents of.
        settings: what is counted.
    """
    jaxpr = plan.jaxpr
    known = dict(zip(jaxpr.constvars, plan.consts, strict=True))
    known |= dict(zip(jaxpr.invars, args, strict=True))

    def read(v: Any) -> Any:
        return v.val if isinstance(v, Literal) else known[v]

    seen: Seen = {}
    for step in plan.steps:
        if isinstance(step, Plain):
            outs = step.run(*map(read, step.reads))
            known |= dict(zip(step.writes, outs, strict=True))
        elif isinstance(step, Site):
            with jax.named_scope(SCOPE):
                seen[step.name] = _watch(step, list(map(read, step.reads)), settings)
            if step.name in into:
                known[step.y] = tapped(known[step.y], into[step.name], settings)
        else:
            mine = {s.name: into[s.name] for s in step.sites if s.name in into}
            handler = HANDLERS[step.equation.primitive.name]
            again = _Again(step, mine, settings)
            outs, inside = handler(again, *map(read, step.reads))
            known |= dict(zip(step.equation.outvars, outs, strict=True))
            seen |= inside
    return list(map(read, jaxpr.outvars)), seen


def _watch(site: Site, values: Sequence[Any], settings: Settings) -> Rows:
    *operands, y = (lax.stop_gradient(jnp.asarray(v)) for v in values)
    place = site.call.place

    def along(x: Array) -> Array:
        return site.call.function(*operands[:place], x, *operands[place + 1 :])

    x = operands[place]
    slope = jax.jvp(along, (x,), (jnp.ones_like(x),))[1]
    return of_activation(x, y, slope, site.steepest, settings)


class _Again:
    """An equation with sites inside, to be built anew from observed programs."""

    def __init__(self, step: Nested, into: Mapping[str, Any], settings: Settings):
        self.equation, self.params = step.equation, step.equation.params
        self.plans, self.sites = step.plans, step.sites
        self.into, self.settings = into, settings

    def program(self, plan: Plan) -> Callable[..., Outputs]:
        """A program inside, as a function of what takes cotangents, and arguments."""
        return lambda into, *args: replay(plan, args, into, self.settings)

    @property
    def only(self) -> Callable[..., Outputs]:
        """The one program inside."""
        (plan,) = self.plans
        return self.program(plan)

    def original(self) -> Callable[..., Any]:
        """The equation as it is, as a function of its operands."""
        return alone(self.equation)

    def without_cotangents(self, *args: Any) -> Outputs:
        """The one program inside, whose sites have no cotangents."""
        return self.only({}, *args)


def _jit(again: _Again, *args: Any) -> Outputs:
    params, run = again.params, again.only

    def f(into: Any, *args: Any) -> Outputs:
        return run(into, *args)

    f.__name__ = f.__qualname__ = params["name"]
    donated = tuple(i for i, d in enumerate(params["donated_invars"], 1) if d)
    options = dict(params.get("compiler_options_kvs", ()))
    compiled = jax.jit(
        f,
        donate_argnums=donated,
        inline=params["inline"],
        compiler_options=options or None,
    )
    args = tuple(map(_sharded, args, params["in_shardings"]))
    outs, seen = compiled(again.into, *args)
    return list(map(_sharded, outs, params["out_shardings"])), seen


def _sharded(value: Any, sharding: Any) -> Any:
    if not isinstance(sharding, Sharding):  # not specified
        return value
    return lax.with_sharding_constraint(value, sharding)


def _scan(again: _Again, *args: Any) -> Outputs:
    """Rows are stacked along the scan."""
    equation, params, run = again.equation, again.params, again.only
    inner = again.plans[0].jaxpr
    # what is scanned has a rank more outside; the counts are called otherwise in
    # every version of JAX
    carries = _of_same_rank(equation.outvars, inner.outvars)
    consts = _of_same_rank(equation.invars, inner.invars) - carries
    fixed, start, along = (
        args[:consts],
        list(map(jnp.asarray, args[consts : consts + carries])),
        args[consts + carries :],
    )

    def step(carry: Any, now: Any) -> Any:
        into, xs = now
        outs, seen = run(into, *fixed, *carry, *xs)
        return outs[:carries], (outs[carries:], seen)

    names = ("length", "reverse", "unroll", "_split_transpose")
    options = {k: params[k] for k in names if k in params}
    end, (ys, seen) = lax.scan(step, start, (again.into, along), **options)
    return [*end, *ys], seen


def _of_same_rank(outside: Sequence[Any], inside: Sequence[Any]) -> int:
    pairs = zip(outside, inside, strict=True)
    return sum(v.aval.ndim == w.aval.ndim for v, w in pairs)


def _while(again: _Again, *args: Any) -> Outputs:
    """Rows are merged from turn to turn; a loop of unknown length has no cotangents."""
    params, run = again.params, again.program(again.plans[1])
    first, second = params["cond_nconsts"], params["body_nconsts"]
    for_test, fixed = args[:first], args[first : first + second]
    start = list(map(jnp.asarray, args[first + second :]))
    test = jaxpr_as_fun(params["cond_jaxpr"])
    like = jax.eval_shape(lambda s: run({}, *fixed, *s)[1], start)

    def step(state: Any) -> Any:
        outs, seen = run({}, *fixed, *state[0])
        return outs, {n: pair(rows, seen[n]) for n, rows in state[1].items()}

    none = {n: nothing(rows) for n, rows in like.items()}
    return lax.while_loop(lambda s: test(*for_test, *s[0])[0], step, (start, none))


def _cond(again: _Again, index: Any, *args: Any) -> Outputs:
    """A branch that is not taken has seen nothing."""
    programs = [again.program(plan) for plan in again.plans]
    like: dict[str, Any] = {}
    for program in programs:
        like |= jax.eval_shape(program, again.into, *args)[1]

    def padded(program: Callable[..., Outputs]) -> Callable[..., Outputs]:
        def branch(into: Any, *args: Any) -> Outputs:
            outs, seen = program(into, *args)
            return outs, {n: seen.get(n) or nothing(v) for n, v in like.items()}

        return branch

    index = jnp.asarray(index, jnp.int32)
    return lax.switch(index, list(map(padded, programs)), again.into, *args)


def _remat(again: _Again, *args: Any) -> Outputs:
    params = again.params
    options = {k: params[k] for k in ("policy", "prevent_cse")}
    return jax.checkpoint(again.only, **options)(again.into, *args)


def _custom_jvp(again: _Again, *args: Any) -> Outputs:
    return with_jvp_of(again.original(), again.without_cotangents, args)


def _custom_vjp(again: _Again, *args: Any) -> Outputs:
    return with_vjp_of(again.original(), again.without_cotangents, args)


def _shard_map(again: _Again, *args: Any) -> Outputs:
    """Every shard has its rows, stacked: there is no communication."""
    params, run = again.params, again.only
    spread = {s.name: manual_axes(again.equation, s) for s in again.sites}

    def each(f: Callable[[Array], Array], rows: Mapping[str, Any]) -> dict[str, Any]:
        return {n: jax.tree.map(f, v) if spread[n] else v for n, v in rows.items()}

    def f(into: Any, *args: Any) -> Outputs:
        outs, seen = run(each(lambda v: v[0], into), *args)
        return outs, each(lambda v: v[None], seen)

    specs = {n: PartitionSpec(a) if a else PartitionSpec() for n, a in spread.items()}
    mapped = jax.shard_map(
        f,
        mesh=params["mesh"],
        in_specs=({n: specs[n] for n in again.into}, *params["in_specs"]),
        out_specs=(list(params["out_specs"]), specs),
        axis_names=set(params["newly_manual_axes"]),
        check_vma=params["check_vma"],
    )
    return mapped(again.into, *args)


HANDLERS: dict[str, Callable[..., Outputs]] = {
    "jit": _jit,
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "remat2": _remat,
    "custom_jvp_call": _custom_jvp,
    "custom_vjp_call": _custom_vjp,
    "shard_map": _shard_map,
}
