"""Tangents that are computed late: only what they read is kept.

A tangent is a function of the arrays that move, in which it is linear, and of arrays
that are kept.  By itself JAX would compute its factors in the forward pass and keep
these for the backward pass.  Here a tangent is a primitive of its own.  It stays one
equation until it is transposed, so JAX keeps the arrays that it reads, and only those
that it needs for what moves.  `jax.checkpoint` does the same, but not inside a rule
under `jax_remat3`, and not inside a Pallas kernel for a TPU; such a kernel finds here,
after a transpose, nothing but a `jax.custom_jvp`.
"""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import SymbolicZero
from jax.dtypes import float0
from jax.extend.core import ClosedJaxpr, Primitive, jaxpr_as_fun
from jax.interpreters import ad, batching, mlir
from jax.interpreters.partial_eval import custom_partial_eval_rules, dce_jaxpr

Flat = Callable[..., Sequence[Array]]


def late(tangent: Flat, moving: Sequence[Array], kept: Sequence[Array]) -> list[Array]:
    """`tangent(*moving, *kept)`; for the backward pass only what it reads is kept."""
    operands = (*moving, *kept)
    jaxpr, read = _lean(tangent, operands)
    given = [v for v, r in zip(operands, read, strict=True) if r]
    return _late_p.bind(*given, jaxpr=jaxpr, moving=sum(read[: len(moving)]))


def _lean(f: Flat, operands: Sequence[Any]) -> tuple[ClosedJaxpr, list[bool]]:
    """A function without what its result does not need, and which operands it reads."""
    closed = jax.make_jaxpr(f)(*operands)
    jaxpr, read = dce_jaxpr(closed.jaxpr, [True] * len(closed.out_avals))
    return ClosedJaxpr(jaxpr, closed.consts), read


def _inline(*args: Array, jaxpr: ClosedJaxpr, moving: int) -> Sequence[Array]:
    return jaxpr_as_fun(jaxpr)(*args)


def _batched(
    axis: Any, args: Sequence[Array], dims: Sequence[Any], **params: Any
) -> tuple[Sequence[Array], Sequence[Any]]:
    jaxpr, moving = params["jaxpr"], params["moving"]
    count = len(jaxpr.out_avals)
    if all(d is None for d in dims):
        return _late_p.bind(*args, **params), [None] * count
    names = {"axis_name": axis.name, "spmd_axis_name": axis.spmd_name}
    f = jaxpr_as_fun(jaxpr)
    over = partial(jax.vmap, in_axes=dims, axis_size=axis.size, **names)
    # a sum over a named axis is the same along it, and has to be told to be
    ends = [0] * count
    if type(axis.name) is not object:
        ends = [_end(over, f, i, args) for i in range(count)]
    mapped = over(f, out_axes=ends)
    return late(mapped, args[:moving], args[moving:]), ends


def _end(over: Any, f: Flat, index: int, args: Sequence[Array]) -> int | None:
    """The batched axis of an output, None if it has none."""
    try:
        jax.eval_shape(over(lambda *v: f(*v)[index], out_axes=None), *args)
    except ValueError:
        return 0
    return None


def _partly_known(
    trace: Any, *tracers: Any, jaxpr: ClosedJaxpr, moving: int
) -> list[Any]:
    """Partial evaluation: a known tangent is 0 and is not kept, for all is linear."""
    moves = [not t.is_known() for t in tracers[:moving]]
    if not all(moves) and any(moves):
        unknown = [t for t, m in zip(tracers, moves, strict=False) if m]
        kept = tracers[moving:]

        def rest(*args: Array) -> Sequence[Array]:
            steps, at = args[: len(unknown)], args[len(unknown) :]
            both = (*map(jnp.zeros_like, tracers[:moving]), *at)
            free = [*moves, *[False] * len(at)]
            part = _with_others_fixed(jaxpr_as_fun(jaxpr), both, free)
            return jax.jvp(part, tuple(map(jnp.zeros_like, steps)), steps)[1]

        jaxpr, read = _lean(rest, [jax.typeof(t) for t in (*unknown, *kept)])
        given = zip((*unknown, *kept), read, strict=True)
        tracers = tuple(t for t, r in given if r)
        moving = sum(read[: len(unknown)])
    params = {"jaxpr": jaxpr, "moving": moving}
    return trace.default_process_primitive(_late_p, tracers, params)


def _differentiated(
    primals: Sequence[Array], tangents: Sequence[Any], **params: Any
) -> tuple[Sequence[Array], Sequence[Array]]:
    out = _late_p.bind(*primals, **params)
    return out, _along(jaxpr_as_fun(params["jaxpr"]), primals, tangents)


def _along(f: Flat, primals: Sequence[Array], tangents: Sequence[Any]) -> list[Array]:
    """The tangent of a function, along the tangents that are not zero."""
    moves = [not is_zero(t) for t in tangents]
    moving = [t for t, m in zip(tangents, moves, strict=True) if m]

    def tangent(*args: Array) -> Sequence[Array]:
        steps, at = args[: len(moving)], args[len(moving) :]
        part = _with_others_fixed(f, at, moves)
        start = tuple(v for v, m in zip(at, moves, strict=True) if m)
        return jax.jvp(part, start, steps)[1]

    return late(tangent, moving, primals)


def is_zero(tangent: Any) -> bool:
    """Whether a tangent is zero by construction."""
    return isinstance(tangent, (ad.Zero, SymbolicZero)) or tangent.dtype == float0


def _with_others_fixed(f: Flat, at: Sequence[Any], free: Sequence[bool]) -> Flat:
    """The function of the free arguments alone."""

    def part(*args: Array) -> Sequence[Array]:
        given = iter(args)
        both = zip(at, free, strict=True)
        return f(*(next(given) if is_free else v for v, is_free in both))

    return part


def _transposed(
    cotangents: Sequence[Any], *args: Any, jaxpr: ClosedJaxpr, moving: int
) -> list[Any]:
    wanted = [ad.is_undefined_primal(a) for a in args]
    avals = [a.aval for a in args if ad.is_undefined_primal(a)]
    known = [a for a in args if not ad.is_undefined_primal(a)]
    lives = [not is_zero(c) for c in cotangents]

    def pulled(*operands: Array) -> Sequence[Array]:
        live = sum(lives)
        rest = iter(operands[live:])
        at = [None if w else next(rest) for w in wanted]
        part = _with_others_fixed(jaxpr_as_fun(jaxpr), at, wanted)

        def living(*v: Array) -> list[Array]:
            return [y for y, is_live in zip(part(*v), lives, strict=True) if is_live]

        return jax.linear_transpose(living, *avals)(list(operands[:live]))

    given = [c for c, is_live in zip(cotangents, lives, strict=True) if is_live]
    found = iter(_kept_call(pulled)(*given, *known))
    return [next(found) if w else None for w in wanted]


def _kept_call(f: Flat) -> Flat:
    """A function whose derivatives, of every order, keep only what they read."""

    @jax.custom_jvp
    def call(*args: Array) -> list[Array]:
        return list(f(*args))

    @call.defjvp
    def rule(primals: Any, tangents: Any) -> tuple[Any, Any]:
        return call(*primals), _along(f, primals, tangents)

    return call


_late_p = Primitive("late")
_late_p.multiple_results = True
_late_p.def_impl(_inline)
_late_p.def_abstract_eval(lambda *_, jaxpr, moving: jaxpr.out_avals)
mlir.register_lowering(_late_p, mlir.lower_fun(_inline, multiple_results=True))
batching.fancy_primitive_batchers[_late_p] = _batched
custom_partial_eval_rules[_late_p] = _partly_known
ad.primitive_jvps[_late_p] = _differentiated
ad.primitive_transposes[_late_p] = _transposed


def times(t: Array, slope: Array) -> Array:
    """t * slope, 0 where t is 0: JAX gives the tangent 0 to a parameter held constant.

    An infinite slope times 0 would be NaN.  It is linear in t.
    """
    t, slope = jnp.broadcast_arrays(t, slope)
    return _times_p.bind(t, slope)


def _guarded(t: Array, slope: Array) -> Array:
    return jnp.where(t == 0, t, t * slope)


def _times_batched(
    axis: Any, args: Sequence[Array], dims: Sequence[Any]
) -> tuple[Array, int | None]:
    if all(d is None for d in dims):
        return _times_p.bind(*args), None
    at_front = [
        batching.bdim_at_front(v, d, axis.size, axis.explicit_mesh_axis)
        for v, d in zip(args, dims, strict=True)
    ]
    return _times_p.bind(*at_front), 0


def _times_differentiated(
    primals: Sequence[Array], tangents: Sequence[Any]
) -> tuple[Array, Any]:
    (t, slope), (dt, dslope) = primals, tangents
    terms = [] if is_zero(dt) else [_times_p.bind(dt, slope)]
    terms += [] if is_zero(dslope) else [jnp.where(t == 0, t, t * dslope)]
    return _times_p.bind(t, slope), reduce(jnp.add, terms)


_times_p = Primitive("times")
_times_p.def_impl(_guarded)
_times_p.def_abstract_eval(lambda t, slope: t)
mlir.register_lowering(_times_p, mlir.lower_fun(_guarded, multiple_results=False))
batching.fancy_primitive_batchers[_times_p] = _times_batched
ad.primitive_jvps[_times_p] = _times_differentiated
ad.primitive_transposes[_times_p] = lambda c, t, slope: [c * slope, None]
