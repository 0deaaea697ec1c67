"""``jaxact check``: proofs on this machine that activations are right."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, wait
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import typer

from .._core import lookup
from ..testing._processes import processes
from ._check_table import CheckTable
from ._exhaust import exhaust_all
from ._functions import (
    JsonFile,
    counterpart,
    dtype_name,
    functions,
    refuse,
    writable,
)
from ._jobs import Work, label, parameters_of, settings
from ._report import JsonLines, Progress
from ._verdicts import Row, measured

_FIRST_LOOK = "jax.nn"  # what to measure beside if nothing is named


def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME | MODULE:ATTRIBUTE]...",
            help="Activations; if none is given those of jax.nn, beside jax.nn itself, "
            "in bfloat16 and float32, value and slope by x: in a minute.",
            show_default=False,
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="The whole catalogue: many minutes.")
    ] = False,
    dtype: Annotated[
        list[str] | None,
        typer.Option(help="bfloat16, float16 and float32 by default.  Repeatable."),
    ] = None,
    order: Annotated[
        list[int] | None,
        typer.Option(
            help="0 (value), 1 and 2 by default.  Repeatable.  Above 2 the bound is "
            "absolute: an error of 1e-5 in float32, 2e-5 where JAX makes the "
            "derivative of parts, of the derivative's size around the point."
        ),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Measure with this value of a parameter.  Repeatable, also by name.",
        ),
    ] = None,
    samples: Annotated[
        int,
        typer.Option(
            min=1,
            help="Points in float32 and float64.  Where many lie close together, "
            "proven polynomials answer for float32, at about a million points a "
            "second and core; elsewhere it is some 50,000.",
        ),
    ] = 2**15,
    around: Annotated[
        list[float] | None,
        typer.Option(
            help="A point whose neighbours to measure too, as those of kinks and "
            "roots are.  Repeatable."
        ),
    ] = None,
    exhaustive: Annotated[
        bool,
        typer.Option(
            "--exhaustive",
            help="All 2^32 numbers of float32 instead of a sample, for the functions "
            "named: some 20 minutes each for three orders on two cores, by polynomials "
            "with proven remainders, to 2^-18 ULP.",
        ),
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option(
            callback=writable,
            help="Keep what --exhaustive has done in a file, and go on there.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="A module to measure beside, such as jax.nn; the functions that it "
            "has if none is named."
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes that measure; by default one for each CPU, and one alone "
            "on a device that processes cannot share.",
            show_default=False,
        ),
    ] = None,
    json_file: JsonFile = None,
    x64: Annotated[bool, typer.Option("--x64", help="float64 as well.")] = False,
) -> None:
    """Measure activations against the exact result, on this machine's backend.

    bfloat16 and float16 at all 65,536 bit patterns, derivatives by parameters at every
    seventh; float32 and float64 at a sample of every magnitude, by parameters at every
    third point of it.  Rows appear as they are found.  Exits with 1 if a bound of ours
    is broken, with 2 for unusable arguments, with 130 after Ctrl-C.
    """
    started = time.perf_counter()
    # two processes may share a device if neither takes all of its memory
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if x64:
        jax.config.update("jax_enable_x64", True)
    first_look = not (names or everything or exhaustive or against)
    default = ["bfloat16", *([] if first_look else ["float16"]), "float32"]
    dtypes = [dtype_name(d) for d in dtype or default + ["float64"] * x64]
    if "float64" in dtypes and not x64:
        refuse("float64 needs --x64")
    orders = tuple(sorted(set(order or ((0, 1) if first_look else (0, 1, 2)))))
    if orders[0] < 0:
        refuse(f"--order {orders[0]}: orders are 0, 1, 2, ...")
    if everything and names:
        refuse("--all is the whole catalogue; leave it or the names out")
    if first_look:
        against = _FIRST_LOOK
    if against:
        try:
            counterpart("", against)
        except ImportError as error:
            refuse(f"--against {against}: {error}")
    if state and not exhaustive:
        refuse("--state is for --exhaustive")
    if exhaustive and not names:
        refuse("--exhaustive needs the names of functions: each takes minutes")
    if exhaustive and (against or x64 or around or set(dtype or ()) - {"float32"}):
        refuse("--exhaustive is about float32 alone, at every point")
    chosen = functions(names or ())
    if against and not names and not everything:
        chosen = {n: f for n, f in chosen.items() if counterpart(n, against)}
    if exhaustive:
        exhaust_all(chosen, parameter or (), orders, state, json_file)
        return

    # with jax.grad of the formula once: the other dtypes are rounded from this one
    widest = max(dtypes, key=lambda d: jnp.dtype(d).itemsize)
    near = tuple(around or ())
    work = [
        Work(name, values, some, orders, samples, near, against, first_look, widest)
        for name, values in settings(chosen, parameter or ())
        for some in _shares(chosen[name], dtypes)
    ]
    names_shown = [label(one.name, one.parameters) for one in work]
    variables = [v for f in chosen.values() for v in parameters_of(f)]
    table = CheckTable(names_shown, orders, against, variables)
    lines, progress = JsonLines(json_file, against=against), Progress(len(work))
    try:
        for rows in _measured(work, jobs or _processes_here(), x64, progress):
            progress.clear()
            for row in rows:
                lines.row(row)
                table.add(row)
    except KeyboardInterrupt:
        progress.clear()
        table.end(time.perf_counter() - started)
        raise typer.Exit(130) from None
    except BrokenExecutor:
        progress.clear()
        typer.echo(
            "jaxact: a process that measured was killed, for memory perhaps; "
            "--jobs 1 needs the least",
            err=True,
        )
        raise typer.Exit(1) from None
    table.end(time.perf_counter() - started)
    if any(row.failed for row in table.rows):
        raise typer.Exit(1)


def _shares(f: Callable[..., Any], dtypes: list[str]) -> list[tuple[str, ...]]:
    """The dtypes that one process takes.

    A function of rows is measured in all at once, against one compiled definition.
    """
    definition = lookup(f)
    in_rows = definition is not None and not definition.elementwise
    return [tuple(dtypes)] if in_rows else [(d,) for d in dtypes]


def _processes_here() -> int:
    """How many processes to measure in, on this machine's backend."""
    cpus, backend = os.cpu_count() or 1, jax.default_backend()
    return {"cpu": cpus, "gpu": min(cpus, 4)}.get(backend, 1)


def _measured(
    work: list[Work], count: int, x64: bool, progress: Progress
) -> Iterator[list[Row]]:
    """The rows of each piece of work, in order, once those before it are there.

    On Ctrl-C those of all that is done.
    """
    if count == 1 or len(work) < 3:
        for done, one in enumerate(work):
            progress.show(f"{one.name} {' '.join(one.dtypes)}", done)
            yield measured(one)
        return
    with processes(min(count, len(work)), _begin, x64) as pool:
        ahead = deque(pool.submit(measured, one) for one in work)
        try:
            while ahead:
                while ahead and ahead[0].done():
                    yield ahead.popleft().result()
                at_work = [future for future in ahead if not future.done()]
                at = work[-len(ahead)].name if ahead else ""
                progress.show(at, len(work) - len(at_work))
                wait(at_work, timeout=1, return_when=FIRST_COMPLETED)
        except KeyboardInterrupt:
            yield from (future.result() for future in ahead if future.done())
            raise


def _begin(x64: bool) -> None:
    """Set up a process that measures."""
    jax.config.update("jax_enable_x64", x64)
