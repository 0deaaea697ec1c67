"""``jaxact overhead``: what a call costs beside the arithmetic."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import typer

from ..testing._bounds import in_frameworks
from ..testing._measure import residual_bytes
from ._functions import (
    JsonFile,
    benched_dtype,
    both,
    functions,
    works,
)
from ._report import (
    Column,
    JsonLines,
    Listing,
    Number,
    each,
    mean,
    say,
    show_failures,
    three,
)
from ._timing import (
    Function,
    Times,
    batch,
    compile_times,
    instructions,
    interleaved,
    kernels,
    median,
    ratio,
    value_and_pullback,
)

_LARGE = 1_000_000  # elements of an array that is compiled for


@dataclass
class Overhead:
    """What a call costs beside the arithmetic, and what the compiler made of it."""

    function: str
    dtype: str
    rival: str = ""
    eager_us: Number = None
    bare_us: Number = None
    rival_eager_us: Number = None
    eager_to_bare: Number = None
    compile_ms: Number = None
    rival_compile_ms: Number = None
    ops: Number = None
    rival_ops: Number = None
    vjp_ops: Number = None
    rival_vjp_ops: Number = None
    kernels: Number = None
    rival_kernels: Number = None
    vjp_kernels: Number = None
    rival_vjp_kernels: Number = None
    residual_bytes: Number = None
    rival_residual_bytes: Number = None
    note: str = ""


def overhead(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME | MODULE:ATTRIBUTE]...",
            help="Activations; the whole catalogue if none is given.",
            show_default=False,
        ),
    ] = None,
    dtype: Annotated[
        list[str] | None, typer.Option(help="float32 by default.  Repeatable.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Timings of each call.")] = 9,
    json_file: JsonFile = None,
) -> None:
    """What calls cost: eager, to compile, in operations and in bytes kept.

    The eager call on 8 elements against a bare jax.jit function; and against what the
    activation replaces the time to trace and compile value_and_grad, HLO operations
    and kernels, and the bytes kept for the backward pass.  Without names the functions
    that other frameworks have are printed, and the means over the whole catalogue.
    Exits with 1 if a function cannot be run, with 2 for unusable arguments.
    """
    dtypes = [benched_dtype(d) for d in dtype or ["float32"]]
    chosen = functions(names or ())
    label = "geometric mean" if names else "geometric mean, catalogue"
    printed = [n for n in chosen if names or n in in_frameworks()]
    lines, failures = JsonLines(json_file), []
    for one in dtypes:
        say(f"{one}: eager calls on 8 elements, and what is compiled")
        table, rows = Listing(_COLUMNS), []
        work = [(*item, one) for item in chosen.items()]
        for row in each(partial(_overhead, rounds=rounds), work):
            rows.append(row)
            lines.row(row)
            for cells in _cells(row) if row.function in printed else ():
                table.row(cells)
            failures += [f"{row.function} {one}: {row.note}"] if row.note else []
        table.rule()
        ratios = [mean(_quotient(row, *pair) for row in rows) for pair in _NUMBERS]
        table.row([label, "", *map(three, ratios)])
        say("ours, the rival's below it; in the mean the ratio of the two")
    show_failures(failures)
    if failures:
        raise typer.Exit(1)


def _overhead(name: str, f: Function, dtype: str, *, rounds: int) -> Overhead:
    """What a call costs beside the arithmetic, and what the compiler made of it."""
    row = Overhead(name, dtype)
    x = batch(f, 8, dtype)
    row.rival, f, other = both(name, f, dtype)
    try:
        jax.block_until_ready(f(x))
        compiled = _compile_times({"ours": f, "rival": other}, x)
        row.compile_ms = median(compiled, "ours", 1e-3)
        row.rival_compile_ms = median(compiled, "rival", 1e-3)
        large = jax.ShapeDtypeStruct((_LARGE,), x.dtype)
        row.ops, row.kernels = _compiled(f, large)
        row.vjp_ops, row.vjp_kernels = _compiled(value_and_pullback(f), large)
        row.residual_bytes = residual_bytes(f, dtype)
    except Exception as error:  # whatever a user's function raises is the finding
        row.note = f"{type(error).__name__}: {error}"
        return row
    calls = {"ours": partial(f, x), "bare": partial(_bare, x)}
    if other is not None and works(partial(other, x)):
        calls["rival"] = partial(other, x)
        row.rival_ops, row.rival_kernels = _compiled(other, large)
        pullback = value_and_pullback(other)
        row.rival_vjp_ops, row.rival_vjp_kernels = _compiled(pullback, large)
        row.rival_residual_bytes = residual_bytes(other, dtype)
    times = interleaved(calls, rounds, eager=True)
    row.eager_us = median(times, "ours", 1e-6)
    row.bare_us = median(times, "bare", 1e-6)
    row.rival_eager_us = median(times, "rival", 1e-6)
    row.eager_to_bare = ratio(times, "ours", "bare")
    return row


def _compile_times(both: dict[str, Function | None], x: jax.Array) -> Times:
    """The time to trace and compile value_and_grad of a sum."""

    def job(f: Function) -> None:
        step = jax.jit(jax.value_and_grad(lambda x: jnp.sum(f(x))))
        step.lower(x).compile()

    jobs = {n: partial(job, f) for n, f in both.items() if f and works(partial(f, x))}
    return compile_times(jobs)


def _compiled(f: Function, x: Any) -> tuple[int, int]:
    """The HLO operations and the kernels of f compiled."""
    compiled = jax.jit(f).lower(x).compile()
    return instructions(compiled), kernels(compiled)


@jax.jit
def _bare(x: jax.Array) -> jax.Array:
    return jnp.maximum(x, 0)


_NUMBERS = [
    ("eager_us", "rival_eager_us"),
    ("bare_us",),
    ("eager_to_bare",),
    ("compile_ms", "rival_compile_ms"),
    ("ops", "rival_ops"),
    ("vjp_ops", "rival_vjp_ops"),
    ("kernels", "rival_kernels"),
    ("vjp_kernels", "rival_vjp_kernels"),
    ("residual_bytes", "rival_residual_bytes"),
]
_COLUMNS = [
    Column("function", 21, number=False),
    Column("who", 7, number=False),
    *(Column("eager\n\u00b5s", 5), Column("bare\njit", 4), Column("ours\n/bare", 5)),
    Column("com-\npile\nms", 4),
    *(Column("HLO\nops", 4), Column("in\nvjp", 4)),
    *(Column("ker-\nnels", 4), Column("in\nvjp", 4)),
    Column("bytes\nkept", 5),
]


def _cells(row: Overhead) -> list[list[str]]:
    """Two lines, of ours and of the rival."""
    mine = [three(getattr(row, pair[0])) for pair in _NUMBERS]
    others = [three(getattr(row, p[1])) if len(p) > 1 else "" for p in _NUMBERS]
    lines = [[row.function, "jaxact", *mine], ["", row.rival, *others]]
    return lines if row.rival else lines[:1]


def _quotient(row: Overhead, ours: str, theirs: str = "") -> Number:
    """A number, or that of ours over the rival's."""
    one, other = getattr(row, ours), getattr(row, theirs) if theirs else 1
    return one / other if one and other else None
