"""``jaxact overhead``: what a call costs beside the arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import typer
from rich.table import Table

from ..testing._measure import in_frameworks, residual_bytes
from ._functions import (
    JsonFile,
    benched_dtype,
    both,
    functions,
    works,
)
from ._report import Number, each, mean, short, show, table, write_json
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
    work = [(*item, d) for d in dtypes for item in chosen.items()]
    rows: list[Overhead] = list(each(partial(_overhead, rounds=rounds), work))
    label = "geometric mean" if names else "geometric mean, catalogue"
    printed = [n for n in chosen if names or n in in_frameworks()]
    show(
        [_table([r for r in rows if r.function in printed], rows, label)],
        [f"{r.function} {r.dtype}: {r.note}" for r in rows if r.note],
    )
    write_json(json_file, rows)
    if any(row.note for row in rows):
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


def _table(rows: Sequence[Overhead], every: Sequence[Overhead], label: str) -> Table:
    columns = {
        "eager\nµs": ("eager_us", "rival_eager_us"),
        "bare jit\nµs": ("bare_us",),
        "ours\n/bare": ("eager_to_bare",),
        "compile\nms": ("compile_ms", "rival_compile_ms"),
        "HLO ops\nforward": ("ops", "rival_ops"),
        "HLO ops\nvjp": ("vjp_ops", "rival_vjp_ops"),
        "kernels\nforward": ("kernels", "rival_kernels"),
        "kernels\nvjp": ("vjp_kernels", "rival_vjp_kernels"),
        "bytes kept\nper elem": ("residual_bytes", "rival_residual_bytes"),
    }
    made = table(
        ["function", "rival", "dtype", *columns],
        numbers=columns,
        title="eager call on 8 elements, and what is compiled",
    )
    made.caption = "two numbers: ours, the rival's; their ratio in the mean"
    pairs = columns.values()
    for row in rows:
        cells = [
            ", ".join(short(getattr(row, n)) or "-" for n in pair) for pair in pairs
        ]
        made.add_row(row.function, row.rival, row.dtype, *cells)
    made.add_section()
    for dtype in dict.fromkeys(row.dtype for row in every):
        here = [row for row in every if row.dtype == dtype]
        ratios = [mean(_quotient(row, *names) for row in here) for names in pairs]
        made.add_row(label, "", dtype, *map(short, ratios))
    return made


def _quotient(row: Overhead, ours: str, theirs: str = "") -> Number:
    """A number, or that of ours over the rival's."""
    one, other = getattr(row, ours), getattr(row, theirs) if theirs else 1
    return one / other if one and other else None
