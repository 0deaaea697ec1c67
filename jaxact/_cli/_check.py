"""``jaxact check``: proofs on this machine that activations are right."""

import json
import math
import os
import platform
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from .._core import lookup
from ..testing._assertions import disagreement, trainable
from ..testing._exact import Exact
from ..testing._measure import compare, kinks, residual_bytes, with_flushed
from ..testing._oracle import Question, answer, question
from ..testing._points import points
from ._functions import counterpart, dtype_name, functions, refuse

_HALF, _SINGLE, _DOUBLE = 0.51, (2.0, 3.0), 4.0  # ULP; float32: value, derivatives


@dataclass
class Row:
    """One line of the table: a function, a dtype, an order."""

    function: str
    dtype: str
    order: int
    wrt: str = "x"
    max_ulp: float | None = None
    at: float | None = None
    got: float | None = None
    wanted: float | None = None
    within_051: float | None = None
    within_1: float | None = None
    within_4: float | None = None
    wrong: int | None = None
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
    dtype: str
    wrt: str
    orders: tuple[int, ...]
    points: np.ndarray
    asked: Question | None
    note: str = ""


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
    against: Annotated[
        str | None,
        typer.Option(help="A module to measure beside, such as jax.nn."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the rows to a file.")
    ] = None,
    x64: Annotated[bool, typer.Option("--x64", help="float64 as well.")] = False,
) -> None:
    """Measure activations against the exact result, on this machine's backend.

    bfloat16 and float16 at all 65,536 bit patterns, float32 and float64 at a sample of
    every magnitude.  Exits with 1 if a bound is broken, with 2 for unusable arguments.
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
    jobs = [
        job
        for name, f in functions(names or ()).items()
        for d in dtypes
        for job in _jobs(name, f, d, orders)
    ]
    rows: list[Row] = []
    log = Console(stderr=True)
    with Progress(console=log, transient=True, disable=not log.is_terminal) as progress:
        task = progress.add_task("", total=len(jobs))
        for job, exact in zip(jobs, _answers(jobs), strict=True):
            progress.update(task, description=f"{job.function} {job.dtype}")
            rows += _rows(job, exact, against)
            progress.advance(task)
    _print(rows, against, time.perf_counter() - started)
    if json_file:
        json_file.write_text(_json(rows, against))
    if any(row.failed for row in rows):
        raise typer.Exit(1)


def _jobs(
    name: str, f: Callable[..., Any], dtype: str, orders: tuple[int, ...]
) -> Iterator[Job]:
    """What to ask the oracle about one function in one dtype."""
    definition = lookup(f)
    at = points(dtype, around=kinks(f))
    if definition is not None and definition.pushforward is not None:
        note = "not elementwise: nothing measured"
        yield Job(name, f, dtype, "x", orders, at, None, note)
        return
    try:
        asked = question(f, dtype=dtype)
    except ValueError:
        note = "no formula: nothing proven"
        yield Job(name, f, dtype, "x", orders, at, None, note)
        return
    yield Job(name, f, dtype, "x", orders, at, asked)
    if 1 in orders:
        for parameter in trainable(f):
            yield Job(name, f, dtype, parameter, (1,), at, asked)


def _answers(jobs: list[Job]) -> Iterator[tuple[Exact, ...] | str]:
    """The oracle's answers, in order, computed beside the measuring."""
    asked = [
        (j.asked, with_flushed(j.points, j.dtype), j.orders, j.dtype, j.wrt)
        for j in jobs
    ]
    workers = min(os.cpu_count() or 1, len(jobs))
    if len(jobs) < 3 or workers < 2:
        for one in asked:
            yield answer(*one)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        ahead: deque[Future[tuple[Exact, ...] | str]] = deque()
        try:
            for one in asked:
                ahead.append(pool.submit(answer, *one))
                if len(ahead) > 3 * workers:  # answers are large: not all at once
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _rows(job: Job, exact: tuple[Exact, ...] | str, against: str | None) -> list[Row]:
    """The lines of the table for one job."""
    other = counterpart(job.function, against) if against else None
    rows = []
    for n, order in enumerate(job.orders):
        row = Row(job.function, job.dtype, order, job.wrt, note=job.note)
        rows.append(row)
        if order == 0 or job.asked is None:
            row.residual_bytes = _attempt(residual_bytes, job.f, job.dtype)
            row.against_bytes = _attempt(residual_bytes, other, job.dtype)
        if job.asked is None:
            row.order, row.verdict = job.orders[0], "not proven"
            return rows
        if isinstance(exact, str):
            row.verdict, row.note = "FAIL", exact
            return rows
        try:
            _measure(row, job, exact[n])
        except Exception as error:  # whatever a user's function raises is the finding
            row.verdict, row.note = "FAIL", f"{type(error).__name__}: {error}"
            continue
        if other is not None:
            arguments = (other, job.dtype, order, job.wrt, job.points, exact[n], {})
            found = _attempt(compare, *arguments)
            if found is not None:
                row.against_max_ulp, row.against_wrong = found.max_ulp, found.wrong
    return rows


def _measure(row: Row, job: Job, exact: Exact) -> None:
    """Fill in what was found, and whether it is good enough."""
    order = row.order
    row.bound = _bound(job.dtype, order)
    found = compare(job.f, job.dtype, order, job.wrt, job.points, exact, {})
    row.max_ulp, row.wrong = found.max_ulp, found.wrong
    row.at, row.got, row.wanted = found.worst_at, found.got, found.wanted
    row.within_051, row.within_1 = found.share_051, found.share_1
    row.within_4 = found.share_4
    notes = []
    if found.max_ulp > row.bound:
        notes.append(f"over {row.bound:g} ULP at {_place(row)}")
    if found.wrong:
        notes.append(f"NaN or limit wrong at x = {_short(found.wrong_at, row.dtype)}")
    if order > 0:
        problem = disagreement(job.f, job.dtype, order, job.wrt)
        row.formula_grad = "differs" if problem else "ok"
        if problem and not notes:
            notes.append(" ".join(problem.split()))
    row.verdict = "FAIL" if notes else "ok"
    definition = lookup(job.f)
    if definition is None or (job.wrt,) * order not in definition.kernels:
        notes.append("derivative by JAX")
    row.note = "; ".join(notes)


def _attempt(function: Callable[..., Any], f: Any, *args: Any) -> Any:
    """What a measurement gives, or None where it cannot be made."""
    try:
        return None if f is None else function(f, *args)
    except Exception:  # another library's function may fail in ways of its own
        return None


def _bound(dtype: str, order: int) -> float:
    """The error allowed, in ULP."""
    size = jnp.dtype(dtype).itemsize
    if size == 8:
        return _DOUBLE
    return _HALF if size < 4 else _SINGLE[order > 0]


def _place(row: Row) -> str:
    """Where, and what came out."""
    at, got, wanted = (_short(v, row.dtype) for v in (row.at, row.got, row.wanted))
    return f"x = {at}: got {got}, exact {wanted}"


def _short(value: float | None, dtype: str) -> str:
    """The digits that tell a number of a dtype from its neighbours."""
    return "" if value is None else str(np.asarray(value, jnp.dtype(dtype)))


def _print(rows: list[Row], against: str | None, seconds: float) -> None:
    """The table, and a line that says whether all is well."""
    out = Console()
    if not out.is_terminal:
        out = Console(width=1000)  # nothing is cut; the table takes what it needs
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("function", "dtype", "order"):
        table.add_column(title, no_wrap=True)
    numbers = ["max ULP", "at x", "≤ 0.51", "≤ 1", "≤ 4", "wrong", "B/elem", "jax.grad"]
    if against:
        numbers += [f"{against} ULP", "wrong", "B/elem"]
    for title in numbers:
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("note", overflow="fold")
    for row in rows:
        table.add_row(*_cells(row, against), style="red" if row.failed else None)
    out.print(table)
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
        row.function,
        row.dtype,
        order,
        _ulps(row.max_ulp),
        _short(row.at, row.dtype),
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


def _json(rows: list[Row], against: str | None) -> str:
    """The rows and what they were measured with."""
    report = {
        "versions": {
            "jaxact": version("jaxact"),
            "jax": jax.__version__,
            "python": platform.python_version(),
        },
        "backend": jax.default_backend(),
        "device": jax.devices()[0].device_kind,
        "against": against,
        "rows": [
            {
                # JSON has no NaN and no infinity
                k: str(v) if isinstance(v, float) and not math.isfinite(v) else v
                for k, v in asdict(row).items()
            }
            for row in rows
        ],
    }
    return json.dumps(report, indent=1) + "\n"
