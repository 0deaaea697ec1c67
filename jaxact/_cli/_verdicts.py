"""The rows of ``check``: what was found, and whether it is good enough."""

from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

from .._core import lookup
from ..testing._assertions import disagreement
from ..testing._bounds import allowed_ulp
from ..testing._measure import Measurement, residual_bytes
from ..testing._rows import bound
from ._functions import counterpart
from ._jobs import Job, Work, attempt, measure_job


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
    against_at: float | None = None
    against_got: float | None = None
    against_wanted: float | None = None
    against_wrong: int | None = None
    against_bytes: float | None = None

    @property
    def failed(self) -> bool:
        """Whether a bound is broken, or a derivative is not that of the formula."""
        return self.verdict == "FAIL"


def measured(work: Work) -> list[Row]:
    """Measure a function, and judge it: what one process does at a time."""
    rows = []
    for job in work.jobs():
        measure_job(job, work.against)
        rows += rows_of(job, work.against)
    return rows


def rows_of(job: Job, against: str | None) -> list[Row]:
    """The lines of the table for one job."""
    other = counterpart(job.function, against) if against else None
    rows = []
    for order in job.orders:
        row = Row(job.function, job.dtype, order, job.wrt, job.parameters)
        row.note = job.note
        rows.append(row)
        proven = job.asked is not None or (job.in_rows and not job.note)
        if order == 0 or not proven:
            row.residual_bytes = attempt(residual_bytes, job.f, job.dtype)
            row.against_bytes = attempt(residual_bytes, other, job.dtype)
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
            row.against_at, row.against_got = theirs.worst_at, theirs.got
            row.against_wanted = theirs.wanted
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
        at = digits(found.wrong_at, row.dtype)
        notes.append(
            f"NaN, limit or sign wrong at {found.wrong} of {found.count} points, "
            f"first at x = {at}"
        )
    if order > 0 and not in_rows and job.compared:
        problem = disagreement(
            job.f, job.dtype, order, job.wrt, parameters=job.parameters
        )
        row.formula_grad = "differs" if problem else "ok"
        if problem:
            short = "not that of jax.grad of the formula"
            notes.append(short if notes else " ".join(problem.split()))
    row.verdict = "FAIL" if notes else "ok"
    ruled = definition is not None and (job.wrt,) * order in definition.kernels
    if not (ruled or (in_rows and job.wrt == "x")):
        notes.append("derivative by JAX")
    row.note = "; ".join(notes)


def _place(row: Row) -> str:
    """Where the error is largest, what was found there, and what is right."""
    at, got, wanted = (digits(v, row.dtype) for v in (row.at, row.got, row.wanted))
    return f"x = {at}: got {got}, exact {wanted}"


def digits(value: Any, dtype: str) -> str:
    """The digits that tell a number of a dtype from its neighbours."""
    return "" if value is None else str(np.asarray(value, jnp.dtype(dtype)))
