"""``check --exhaustive``: every number of float32."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import typer

from ..testing._exhaustive import PATTERNS, State, StateError, exhaust
from ..testing._measure import given
from ..testing._oracle import question
from ._check_table import CheckTable
from ._functions import refuse
from ._jobs import Job, label, settings
from ._report import JsonLines, Progress
from ._verdicts import rows_of


def exhaust_all(
    chosen: dict[str, Callable[..., Any]],
    options: Iterable[str],
    orders: tuple[int, ...],
    path: Path | None,
    json_file: Path | None,
) -> None:
    """Check all numbers of float32; on Ctrl-C say what has been found so far."""
    started = time.perf_counter()
    jobs = [
        _job(name, chosen[name], v, orders) for name, v in settings(chosen, options)
    ]
    table = CheckTable([label(j.function, j.parameters) for j in jobs], orders, None)
    lines = JsonLines(json_file, against=None)
    progress = Progress(PATTERNS * len(jobs))

    def show(job: Job) -> None:
        progress.clear()
        for row in rows_of(job, None):
            lines.row(row)
            table.add(row)

    job, done = jobs[0], 0
    try:
        kept = State(path)
        for before, job in enumerate(jobs):
            assert job.asked is not None  # of what has no formula nothing is asked
            name = label(job.function, job.parameters)
            run = exhaust(name, job.f, job.asked, orders, job.parameters, kept)
            for done, found in run:
                job.found |= found
                progress.show(name, PATTERNS * before + done)
            show(job)
    except StateError as error:
        refuse(f"--state: {error}")
    except ArithmeticError as error:
        refuse(f"--exhaustive: {error}")
    except KeyboardInterrupt:
        if job.found and done < PATTERNS:
            show(job)
        table.end(time.perf_counter() - started)
        again = f"; the same with --state {path} goes on there" if path else ""
        typer.echo(f"stopped after {done:,} of {PATTERNS:,} numbers{again}", err=True)
        raise typer.Exit(130) from None
    table.end(time.perf_counter() - started)
    if any(row.failed for row in table.rows):
        raise typer.Exit(1)


def _job(
    name: str,
    f: Callable[..., Any],
    values: dict[str, float],
    orders: tuple[int, ...],
) -> Job:
    try:
        asked = question(f, parameters=given(f, values))
    except ValueError as error:
        refuse(f"--exhaustive: {error}")
    none = np.zeros(1, np.float32)
    return Job(name, f, values, "float32", "x", orders, none, asked)
