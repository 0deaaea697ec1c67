"""``jaxact bench``: how fast activations are here, against what they replace."""

from dataclasses import asdict
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import typer

from .._core import lookup
from ..testing._bounds import in_frameworks
from ._bench_report import Speed, SpeedTable, means, picture
from ._functions import (
    JsonFile,
    benched_dtype,
    both,
    functions,
    refuse,
    rival,
    works,
    writable,
)
from ._report import JsonLines, each, show_failures
from ._timing import (
    MODES,
    Function,
    batch,
    interleaved,
    keep_freed_memory,
    median,
    ratio,
)
from ._torch import require_torch, torch_call

_SIZE, _SIZES = 1_000_000, [1_000, 100_000, 10_000_000]

Mode = StrEnum("Mode", list(MODES))


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME | MODULE:ATTRIBUTE]...",
            help="Activations; if none is given the whole catalogue, in minutes.",
            show_default=False,
        ),
    ] = None,
    mode: Annotated[
        list[Mode] | None,
        typer.Option(
            help="forward and vjp by default.  vjp is the value and the pullback of "
            "ones, jvp the value and the pushforward of ones, second the second "
            "derivative.  Repeatable."
        ),
    ] = None,
    dtype: Annotated[
        list[str] | None,
        typer.Option(help="float32 and bfloat16 by default.  Repeatable."),
    ] = None,
    size: Annotated[
        list[float] | None,
        typer.Option(help="Elements, such as 1e5; 1e6 by default.  Repeatable."),
    ] = None,
    catalogue: Annotated[
        bool,
        typer.Option(
            "--catalogue",
            help="Print all rows.  Without names, those of the functions that other "
            "frameworks have are printed, and the means over the whole catalogue.",
        ),
    ] = False,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="All modes, float16 too, and sizes 1e3, 1e5 and 1e7, where not "
            "selected otherwise.  An hour for the whole catalogue.",
        ),
    ] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Timings of each.")] = 9,
    torch: Annotated[
        bool, typer.Option("--torch", help="Beside torch on the CPU, if installed.")
    ] = False,
    json_file: JsonFile = None,
    save: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            callback=writable,
            help="Write a picture of the ratios, as PNG.",
        ),
    ] = None,
) -> None:
    """Time activations against what they replace, on this machine's backend.

    The rival of each is jax.nn's function of the same name, or else the formula
    as it is written in jnp, or a plain form where a user would write another; the
    table says which.  All are run in turn, in one process; the ratio is the median
    over the rounds, below 1 where ours is faster, red above 1.1.  x + 1 reads and
    writes the same array once: the floor.
    Exits with 1 if a function cannot be run, with 2 for unusable arguments.
    """
    keep_freed_memory()  # fresh pages would be part of the time
    modes = [m.value for m in mode] if mode else list(MODES)[: 4 if full else 2]
    halves = ["bfloat16", "float16"] if full else ["bfloat16"]
    dtypes = [benched_dtype(d) for d in dtype] if dtype else ["float32", *halves]
    sizes = [_size(s) for s in size] if size else _SIZES if full else [_SIZE]
    if save and save.suffix.lower() != ".png":
        refuse(f"--save {save}: the picture is a PNG; name it {save.stem}.png")
    if torch and jax.default_backend() != "cpu":
        refuse(f"--torch compares on the CPU; JAX runs on {jax.default_backend()}")
    chosen = functions(names or ())
    if save and not any(rival(*item)[1] for item in chosen.items()):
        refuse("--save: nothing to draw; there is nothing to compare these with")
    library = require_torch() if torch else None

    work = [
        (name, f, d, n, m)
        for d in dtypes
        for n in sizes
        for name, f in chosen.items()
        for m in modes
        if m != "second" or _is_elementwise(f)
    ]
    measure = partial(_speed, rounds=rounds, torch=library)
    every = bool(names) or catalogue
    printed = [name for name in chosen if every or name in in_frameworks()]
    label = "geometric mean" if names else "geometric mean, catalogue"
    versions = {"torch": library.__version__} if library else {}
    lines = JsonLines(json_file, versions)
    table = SpeedTable(printed, label, with_torch=torch)
    rows: list[Speed] = []
    for row in each(measure, work):
        rows.append(row)
        lines.row(row)
        table.add(row)
    table.end()
    lines.add(means=[asdict(row) for row in means(rows, label)])
    if save:
        picture(rows, printed, label, save)
    failures = [f"{r.function} {r.dtype}: {r.note}" for r in rows if r.note]
    show_failures(failures)
    if failures:
        raise typer.Exit(1)


def _size(size: float) -> int:
    if not 1 <= size <= 1e11:
        refuse(f"--size {size:g}: a number of elements, such as 1e5")
    return int(size)


def _is_elementwise(f: Function) -> bool:
    definition = lookup(f)
    return definition is None or definition.pushforward is None


def _speed(
    name: str,
    f: Function,
    dtype: str,
    size: int,
    mode: str,
    *,
    rounds: int,
    torch: Any,
) -> Speed:
    """Ours, the rival, torch's and the floor, in one mode on one array."""
    row = Speed(name, dtype, size, mode)
    run, arrays = MODES[mode]
    x = batch(f, size, dtype)
    row.rival, ours, other = both(name, f, dtype)
    calls = {"ours": partial(jax.jit(run(ours)), x)}
    try:
        jax.block_until_ready(calls["ours"]())
    except Exception as error:  # whatever a user's function raises is the finding
        row.note = f"{type(error).__name__}: {error}"
        return row
    others: dict[str, Any] = {"floor": partial(_plus_one, x)}
    if other is not None:
        others["rival"] = partial(jax.jit(run(other)), x)
    if torch is not None:
        others["torch"] = torch_call(torch, name, mode, x)
    calls |= {n: call for n, call in others.items() if works(call)}
    times = interleaved(calls, rounds)
    row.ns = median(times, "ours", 1e-9 * size)
    row.floor_ns = median(times, "floor", 1e-9 * size)
    row.rival_ns = median(times, "rival", 1e-9 * size)
    row.torch_ns = median(times, "torch", 1e-9 * size)
    row.to_floor = ratio(times, "ours", "floor")
    row.to_rival = ratio(times, "ours", "rival")
    row.to_torch = ratio(times, "ours", "torch")
    if row.ns and row.to_floor:
        row.gb_per_s = arrays * x.dtype.itemsize / row.ns
        row.of_copy = arrays / 2 / row.to_floor
    return row


@jax.jit
def _plus_one(x: jax.Array) -> jax.Array:
    return x + 1
