"""``jaxact check``: proofs on this machine that activations are right."""

import inspect
import itertools
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from .._core import lookup
from ..testing._assertions import disagreement, trainable
from ..testing._exact import Exact, Question
from ..testing._exhaustive import PATTERNS, State, StateError, exhaust
from ..testing._measure import (
    Measurement,
    allowed_ulp,
    compare,
    confirm,
    given,
    landmarks,
    merge,
    residual_bytes,
    with_flushed,
)
from ..testing._oracle import answer, question
from ..testing._points import points
from ..testing._rows import Unmeasurable, bound, measure_rows, variables
from ._functions import JsonFile, counterpart, dtype_name, functions, refuse
from ._report import console, table, write_json

_PIECE = 2**18  # points at a time: what bounds the memory


@dataclass
class Row:
    """One line of the table: a function, a dtype, an order."""

    function: str
    dtype: str
    order: int
    wrt: str = "x"
    parameters: dict[str, float] = field(default_factory=dict)
    max_ulp: float | None = None
    at: float | None = None
    got: float | None = None
    wanted: float | None = None
    within_051: float | None = None
    within_1: float | None = None
    within_4: float | None = None
    wrong: int | None = None
    count: int | None = None
    residual_bytes: float | None = None
    formula_grad: str = ""
    bound: float | None = None
    verdict: str = ""
    note: str = ""
    against_max_ulp: float | None = None
    against_wrong: int | None = None
    against_bytes: float | None = None

    @property
    def failed(self) -> bool:
        """Whether a bound is broken, or a derivative is not that of the formula."""
        return self.verdict == "FAIL"


@dataclass
class Job:
    """A function, a dtype and a variable: the orders that one series answers."""

    function: str
    f: Callable[..., Any]
    parameters: dict[str, float]
    dtype: str
    wrt: str
    orders: tuple[int, ...]
    points: np.ndarray
    asked: Question | None
    note: str = ""
    compared: bool = True  # whether with jax.grad of the formula
    in_rows: bool = False  # not elementwise: there is a definition to compare with
    found: dict[int, Measurement | Exception] = field(default_factory=dict)
    theirs: dict[int, Measurement | None] = field(default_factory=dict)

    def pieces(self) -> list[np.ndarray]:
        """The points, in parts of about one size."""
        return np.array_split(self.points, math.ceil(len(self.points) / _PIECE))


def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME | MODULE:ATTRIBUTE]...",
            help="Activations; the whole catalogue if none is given.",
            show_default=False,
        ),
    ] = None,
    dtype: Annotated[
        list[str] | None,
        typer.Option(help="bfloat16, float16 and float32 by default.  Repeatable."),
    ] = None,
    order: Annotated[
        list[int] | None,
        typer.Option(help="0 (value), 1 and 2 by default.  Repeatable."),
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
            help="Keep what --exhaustive has done in a file, and go on there."
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="A module to measure beside, such as jax.nn; the functions that it "
            "has if none is named."
        ),
    ] = None,
    json_file: JsonFile = None,
    x64: Annotated[bool, typer.Option("--x64", help="float64 as well.")] = False,
) -> None:
    """Measure activations against the exact result, on this machine's backend.

    bfloat16 and float16 at all 65,536 bit patterns, derivatives by parameters at every
    seventh; float32 and float64 at a sample of every magnitude.  Exits with 1 if a
    bound is broken, with 2 for unusable arguments.
    """
    started = time.perf_counter()
    if x64:
        jax.config.update("jax_enable_x64", True)
    default = ["bfloat16", "float16", "float32", *(["float64"] if x64 else [])]
    dtypes = [dtype_name(d) for d in dtype or default]
    if "float64" in dtypes and not x64:
        refuse("float64 needs --x64")
    orders = tuple(sorted(set(order or (0, 1, 2))))
    if orders[0] < 0:
        refuse(f"--order {orders[0]}: orders are 0, 1, 2, ...")
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
    if against and not names:
        chosen = {n: f for n, f in chosen.items() if counterpart(n, against)}
    if exhaustive:
        _exhaust(chosen, parameter or (), orders, state, json_file)
        return
    jobs = [
        job
        for name, values in _settings(chosen, parameter or ())
        for d in dtypes
        for job in _jobs(name, chosen[name], values, d, orders, samples, around or ())
    ]
    # with jax.grad of the formula once: the other dtypes are rounded from this one
    widest = max(dtypes, key=lambda d: jnp.dtype(d).itemsize)
    for job in jobs:
        job.compared = job.dtype == widest
    rows: list[Row] = []
    pieces = [(job, piece) for job in jobs for piece in job.pieces()]
    log = Console(stderr=True)
    with Progress(console=log, transient=True, disable=not log.is_terminal) as progress:
        task = progress.add_task("", total=len(pieces))
        answers = enumerate(zip(pieces, _answers(pieces), strict=True), 1)
        for count, ((job, piece), exact) in answers:
            progress.update(task, description=f"{job.function} {job.dtype}")
            if job.in_rows:
                _measure_rows(job, against)
            elif isinstance(exact, str) or job.asked is None:
                job.note = job.note or str(exact)
            else:
                _measure(job, piece, exact, against)
            progress.advance(task)
            if count == len(pieces) or pieces[count][0] is not job:
                rows += _rows(job, against)
    _report(rows, against, started, json_file)


def _report(
    rows: list[Row], against: str | None, started: float, json_file: Path | None
) -> None:
    """Show and write the rows; status 1 if a bound is broken."""
    _print(rows, against, time.perf_counter() - started)
    write_json(json_file, rows, against=against)
    if any(row.failed for row in rows):
        raise typer.Exit(1)


def _exhaust(
    chosen: dict[str, Callable[..., Any]],
    options: Iterable[str],
    orders: tuple[int, ...],
    path: Path | None,
    json_file: Path | None,
) -> None:
    """All numbers of float32; on Ctrl-C, what has been done so far."""
    started = time.perf_counter()
    none = np.zeros(1, np.float32)
    jobs = []
    for name, values in _settings(chosen, options):
        try:
            asked = question(chosen[name], parameters=given(chosen[name], values))
        except ValueError as error:
            refuse(f"--exhaustive: {error}")
        jobs.append(
            Job(name, chosen[name], values, "float32", "x", orders, none, asked)
        )
    log = Console(stderr=True)
    with Progress(console=log, transient=True, disable=not log.is_terminal) as progress:
        bars = [progress.add_task(_label(j), total=PATTERNS) for j in jobs]
        done = 0
        try:
            kept = State(path)
            for job, bar in zip(jobs, bars, strict=True):
                assert job.asked is not None  # of what has no formula nothing is asked
                run = exhaust(
                    _label(job), job.f, job.asked, orders, job.parameters, kept
                )
                for done, found in run:
                    job.found |= found
                    progress.update(bar, completed=done)
        except StateError as error:
            refuse(f"--state: {error}")
        except ArithmeticError as error:
            refuse(f"--exhaustive: {error}")
        except KeyboardInterrupt:
            rows = [row for job in jobs if job.found for row in _rows(job, None)]
            _print(rows, None, time.perf_counter() - started)
            again = f"; the same with --state {path} goes on there" if path else ""
            log.print(
                f"stopped after {done:,} of {PATTERNS:,} numbers{again}", soft_wrap=True
            )
            raise typer.Exit(130) from None
    _report([row for job in jobs for row in _rows(job, None)], None, started, json_file)


def _label(job: Job | Row) -> str:
    """The name, with the parameters that are set."""
    values = ", ".join(f"{n}={v:g}" for n, v in job.parameters.items())
    return f"{job.function}({values})" if values else job.function


def _settings(
    chosen: dict[str, Callable[..., Any]], options: Iterable[str]
) -> Iterator[tuple[str, dict[str, float]]]:
    """The functions by name, each with every combination of values for what it has."""
    values: dict[str, list[float]] = {}
    for option in options:
        name, _, number = option.partition("=")
        try:
            values.setdefault(name, []).append(float(number))
        except ValueError:
            refuse(f"--parameter {option}: expected NAME=NUMBER")
    own = {n: _parameters(f) for n, f in chosen.items()}
    if unknown := set(values) - {p for ps in own.values() for p in ps}:
        known = ", ".join(dict.fromkeys(p for ps in own.values() for p in ps))
        refuse(
            f"--parameter {min(unknown)}: there is no such parameter; "
            f"there is {known or 'none'}"
        )
    for name in chosen:
        mine = [p for p in own[name] if p in values]
        for row in itertools.product(*(values[p] for p in mine)):
            yield name, dict(zip(mine, row, strict=True))


def _parameters(f: Callable[..., Any]) -> tuple[str, ...]:
    """The arguments after x that take numbers."""
    definition = lookup(f)
    if definition is not None:
        return definition.parameters
    return tuple(inspect.signature(f).parameters)[1:]


def _jobs(
    name: str,
    f: Callable[..., Any],
    parameters: dict[str, float],
    dtype: str,
    orders: tuple[int, ...],
    samples: int,
    around: Iterable[float],
) -> Iterator[Job]:
    """What to ask the oracle about one function in one dtype."""
    definition, chosen, parameters = lookup(f), parameters, given(f, parameters)
    none = np.zeros(1, jnp.dtype(dtype))
    if definition is not None and definition.pushforward is not None:
        for wrt in variables(definition):
            mine = tuple(n for n in (0, 1) if n in orders and (n or wrt == "x"))
            if mine:
                yield Job(name, f, chosen, dtype, wrt, mine, none, None, in_rows=True)
        return
    try:
        asked = question(f, parameters=parameters, dtype=dtype)
    except ValueError:
        note = "no formula: nothing proven"
        yield Job(name, f, parameters, dtype, "x", orders, none, None, note)
        return
    near = (*landmarks(f, asked, dtype, **parameters), *around)
    at = points(dtype, near, samples)
    yield Job(name, f, parameters, dtype, "x", orders, at, asked)
    if 1 in orders:
        if at.dtype.itemsize <= 2:
            at = at[::7]  # odd, so every last bit; and every exponent
        for parameter in trainable(f):
            job = Job(name, f, parameters, dtype, parameter, (1,), at, asked)
            value = asked.parameters[parameter]
            largest = float(jnp.finfo(dtype).max)
            if largest < abs(value) < math.inf:  # it is given in the dtype
                job.asked = None
                job.note = f"{parameter} = {value:g} is infinite there: nothing proven"
            yield job


def _answers(
    pieces: list[tuple[Job, np.ndarray]],
) -> Iterator[tuple[Exact, ...] | str]:
    """The oracle's answers, in order, computed beside the measuring."""

    def asked(job: Job, piece: np.ndarray) -> tuple[Any, ...]:
        rows = with_flushed(piece, job.dtype)
        return job.asked, rows, job.orders, job.dtype, job.wrt

    workers = min(os.cpu_count() or 1, len(pieces))
    if len(pieces) < 3 or workers < 2:
        for one in pieces:
            yield answer(*asked(*one))
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        ahead: deque[Future[tuple[Exact, ...] | str]] = deque()
        try:
            for one in pieces:
                ahead.append(pool.submit(answer, *asked(*one)))
                if len(ahead) > 16 * workers:  # some MiB each: not all at once
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _measure(
    job: Job, piece: np.ndarray, answers: tuple[Exact, ...], against: str | None
) -> None:
    """Add what one part of the points shows to what is known of a job."""
    other = counterpart(job.function, against) if against else None
    for order, exact in zip(job.orders, answers, strict=True):
        where = (job.dtype, order, job.wrt, piece, exact, job.parameters)
        before = job.found.get(order)
        if not isinstance(before, Exception):
            try:
                found = compare(job.f, *where)
                if job.asked is not None:
                    found = confirm(found, job.asked, job.dtype, order, job.wrt)
                job.found[order] = merge(before, found) if before else found
            except Exception as error:  # whatever a function raises is the finding
                job.found[order] = error
        theirs = _attempt(compare, other, *where)
        known = job.theirs.get(order, theirs)
        if order in job.theirs and known and theirs:
            theirs = merge(known, theirs)
        job.theirs[order] = theirs if known else None


def _measure_rows(job: Job, against: str | None) -> None:
    """Measure what is not elementwise."""
    definition = lookup(job.f)
    assert definition is not None
    other = counterpart(job.function, against) if against else None
    for order in job.orders:
        where = (job.dtype, order, job.wrt, job.parameters)
        try:
            job.found[order] = measure_rows(definition, *where)
        except Unmeasurable as problem:
            job.note = str(problem)
            return
        except Exception as error:  # whatever a function raises is the finding
            job.found[order] = error
        theirs = partial(measure_rows, definition, *where)
        job.theirs[order] = _attempt(lambda f, theirs=theirs: theirs(f=f), other)


def _rows(job: Job, against: str | None) -> list[Row]:
    """The lines of the table for one job."""
    other = counterpart(job.function, against) if against else None
    rows = []
    for order in job.orders:
        row = Row(job.function, job.dtype, order, job.wrt, job.parameters)
        row.note = job.note
        rows.append(row)
        proven = job.asked is not None or (job.in_rows and not job.note)
        if order == 0 or not proven:
            row.residual_bytes = _attempt(residual_bytes, job.f, job.dtype)
            row.against_bytes = _attempt(residual_bytes, other, job.dtype)
        if not proven:
            row.verdict = "not proven"
            return rows
        if job.note:
            row.verdict = "FAIL"
            return rows
        found = job.found[order]
        if isinstance(found, Exception):
            row.verdict, row.note = "FAIL", f"{type(found).__name__}: {found}"
            continue
        _judge(row, job, found)
        if theirs := job.theirs.get(order):
            row.against_max_ulp, row.against_wrong = theirs.max_ulp, theirs.wrong
    return rows


def _judge(row: Row, job: Job, found: Measurement) -> None:
    """Fill in what was found, and whether it is good enough."""
    order, definition = row.order, lookup(job.f)
    in_rows = definition is not None and not definition.elementwise
    row.bound = allowed_ulp(job.f, job.dtype, order, job.parameters)
    if definition is not None and in_rows:
        row.bound = bound(definition, job.dtype, order)
    row.max_ulp, row.wrong = found.max_ulp, found.wrong
    row.at, row.got, row.wanted = found.worst_at, found.got, found.wanted
    row.within_051, row.within_1 = found.share_051, found.share_1
    row.within_4, row.count = found.share_4, found.count
    notes = []
    if found.max_ulp > row.bound:
        notes.append(f"over {row.bound:g} ULP at {_place(row)}")
    if found.wrong:
        notes.append(
            f"NaN, limit or sign wrong at x = {_short(found.wrong_at, row.dtype)}"
        )
    if order > 0 and not in_rows and job.compared:
        problem = disagreement(
            job.f, job.dtype, order, job.wrt, parameters=job.parameters
        )
        row.formula_grad = "differs" if problem else "ok"
        if problem and not notes:
            notes.append(" ".join(problem.split()))
    row.verdict = "FAIL" if notes else "ok"
    ruled = definition is not None and (job.wrt,) * order in definition.kernels
    if not (ruled or (in_rows and job.wrt == "x")):
        notes.append("derivative by JAX")
    row.note = "; ".join(notes)


def _attempt(function: Callable[..., Any], f: Any, *args: Any) -> Any:
    """What a measurement gives, or None where it cannot be made."""
    try:
        return None if f is None else function(f, *args)
    except Exception:  # another library's function may fail in ways of its own
        return None


def _place(row: Row) -> str:
    """Where, and what came out."""
    at, got, wanted = (_short(v, row.dtype) for v in (row.at, row.got, row.wanted))
    return f"x = {at}: got {got}, exact {wanted}"


def _short(value: float | None, dtype: str) -> str:
    """The digits that tell a number of a dtype from its neighbours."""
    return "" if value is None else str(np.asarray(value, jnp.dtype(dtype)))


def _print(rows: list[Row], against: str | None, seconds: float) -> None:
    """The table, and a line that says whether all is well."""
    out = console()
    numbers = ["max ULP", "at x", "≤ 0.51", "≤ 1", "≤ 4", "wrong", "B/elem", "jax.grad"]
    if against:
        numbers += [f"{against} ULP", "wrong ", "B/elem "]
    columns = ["function", "dtype", "order", *numbers, "verdict", "note"]
    made = table(columns, numbers=numbers, folded=["note"])
    for row in rows:
        made.add_row(*_cells(row, against), style="red" if row.failed else None)
    out.print(made)
    if len(rows) > out.height:  # they have scrolled away
        for row in rows:
            if row.verdict != "ok":
                name, dtype, order, *_ = _cells(row, against)
                line = f"{name} {dtype} {order} {row.verdict}: {row.note}"
                out.print(" ".join(line.split()), markup=False, highlight=False)
    failed = sum(row.failed for row in rows)
    open_ones = sum(row.verdict == "not proven" for row in rows)
    good = len(rows) - failed - open_ones
    parts = [f"{good} of {len(rows)} rows within their bounds"]
    if failed:
        parts.append(f"[red]{failed} not[/red]")
    if open_ones:
        parts.append(f"{open_ones} not proven")
    out.print(
        f"{', '.join(parts)}; {seconds:.0f} s on {jax.default_backend()}, "
        f"jax {jax.__version__}",
        highlight=False,
    )


def _cells(row: Row, against: str | None) -> list[str]:
    """One line of the table."""
    order = str(row.order) if row.wrt == "x" else f"{row.order} by {row.wrt}"
    if row.verdict == "not proven":
        order = ""
    cells = [
        _label(row),
        row.dtype,
        order,
        _ulps(row.max_ulp),
        "\u2013" if row.max_ulp == 0 else _short(row.at, row.dtype),
        _percent(row.within_051),
        _percent(row.within_1),
        _percent(row.within_4),
        _whole(row.wrong),
        _whole(row.residual_bytes),
        row.formula_grad,
    ]
    if against:
        cells += [
            _ulps(row.against_max_ulp),
            _whole(row.against_wrong),
            _whole(row.against_bytes),
        ]
    return [*cells, row.verdict, escape(row.note)]


def _ulps(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if value < 100 else f"{value:.3g}"


def _percent(share: float | None) -> str:
    if share is None:
        return ""
    # never "100" for a share that is less
    return "100" if share == 1 else f"{math.floor(share * 1e4) / 1e2:.2f}"


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
