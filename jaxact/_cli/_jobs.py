"""What ``check`` measures: functions, dtypes, variables, orders, points."""

import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from .._core import lookup
from ..testing._assertions import trainable
from ..testing._exact import Question
from ..testing._measure import (
    Measurement,
    compare,
    confirm,
    given,
    landmarks,
    merge,
    with_flushed,
)
from ..testing._oracle import exact_orders, question
from ..testing._points import points
from ..testing._rows import LENGTHS, Unmeasurable, measure_rows, variables
from ._functions import counterpart, functions, refuse

_PIECE = 2**18  # points at a time: what bounds the memory


@dataclass(frozen=True)
class Work:
    """What one process measures at a time: a function, in one dtype or several."""

    name: str
    parameters: dict[str, float]
    dtypes: tuple[str, ...]
    orders: tuple[int, ...]
    samples: int
    around: tuple[float, ...]
    against: str | None
    first_look: bool  # by x alone, rows of one length, and not beside jax.grad
    compared_in: str  # the dtype in which jax.grad of the formula is compared with

    def jobs(self) -> Iterator["Job"]:
        """The dtypes and variables, one after another."""
        f = functions([self.name])[self.name]
        for dtype in self.dtypes:
            for job in _jobs(self, f, dtype):
                job.compared = dtype == self.compared_in and not self.first_look
                if job.wrt == "x" or not self.first_look:
                    yield job


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
    lengths: tuple[int, ...] = ()  # of rows, of what is not elementwise
    compared: bool = True  # whether with jax.grad of the formula
    found: dict[int, Measurement | Exception] = field(default_factory=dict)
    theirs: dict[int, Measurement | None] = field(default_factory=dict)

    @property
    def in_rows(self) -> bool:
        """Whether there is a definition to compare rows with, in place of a formula."""
        return bool(self.lengths)


def label(name: str, parameters: dict[str, float]) -> str:
    """A name, with the parameters that are set."""
    values = ", ".join(f"{n}={v:g}" for n, v in parameters.items())
    return f"{name}({values})" if values else name


def settings(
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
    own = {n: parameters_of(f) for n, f in chosen.items()}
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


def parameters_of(f: Callable[..., Any]) -> tuple[str, ...]:
    """The arguments after x that take numbers."""
    definition = lookup(f)
    if definition is not None:
        return definition.parameters
    return tuple(inspect.signature(f).parameters)[1:]


def _jobs(work: Work, f: Callable[..., Any], dtype: str) -> Iterator[Job]:
    """What to ask the oracle about a function in one dtype."""
    name, chosen, orders = work.name, work.parameters, work.orders
    definition, parameters = lookup(f), given(f, chosen)
    none = np.zeros(1, jnp.dtype(dtype))
    if definition is not None and definition.pushforward is not None:
        for wrt in variables(definition):
            mine = tuple(n for n in (0, 1) if n in orders and (n or wrt == "x"))
            if mine:
                lengths = (16,) if work.first_look else LENGTHS
                yield Job(name, f, chosen, dtype, wrt, mine, none, None, "", lengths)
        return
    try:
        asked = question(f, parameters=parameters, dtype=dtype)
    except ValueError:
        note = "no formula: nothing proven"
        yield Job(name, f, parameters, dtype, "x", orders, none, None, note)
        return
    near = (*landmarks(f, asked, dtype, **parameters), *work.around)
    at = points(dtype, near, work.samples)
    yield Job(name, f, parameters, dtype, "x", orders, at, asked)
    if 1 in orders and not work.first_look:
        # odd, so every last bit of a half precision; and every exponent
        at = at[::7] if at.dtype.itemsize <= 2 else at[::3]
        for parameter in trainable(f):
            job = Job(name, f, parameters, dtype, parameter, (1,), at, asked)
            value = asked.parameters[parameter]
            largest = float(jnp.finfo(dtype).max)
            if largest < abs(value) < math.inf:  # it is given in the dtype
                job.asked = None
                job.note = f"{parameter} = {value:g} is infinite there: nothing proven"
            yield job


def measure_job(job: Job, against: str | None) -> None:
    """Find how far a function is from the exact results, and that of `against`."""
    if job.in_rows:
        _measure_rows(job, against)
    elif job.asked is not None:
        for piece in np.array_split(job.points, math.ceil(len(job.points) / _PIECE)):
            _measure(job, job.asked, piece, against)


def _measure(job: Job, asked: Question, piece: np.ndarray, against: str | None) -> None:
    """Add what one part of the points shows to what is known of a job."""
    other = counterpart(job.function, against) if against else None
    rows = with_flushed(piece, job.dtype)
    try:
        answers = exact_orders(asked, rows, job.orders, job.dtype, job.wrt)
    except ArithmeticError as error:
        job.note = job.note or str(error)
        return
    for order, exact in zip(job.orders, answers, strict=True):
        where = (job.dtype, order, job.wrt, piece, exact, job.parameters, asked)
        before = job.found.get(order)
        if not isinstance(before, Exception):
            try:
                found = compare(job.f, *where)
                if order <= 2:
                    found = confirm(found, asked, job.dtype, order, job.wrt)
                job.found[order] = merge(before, found) if before else found
            except Exception as error:  # whatever a function raises is the finding
                job.found[order] = error
        theirs = attempt(compare, other, *where)
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
        where = (job.dtype, order, job.wrt, job.parameters, job.lengths)
        try:
            job.found[order] = measure_rows(definition, *where)
        except Unmeasurable as problem:
            job.note = str(problem)
            return
        except Exception as error:  # whatever a function raises is the finding
            job.found[order] = error
        theirs = partial(measure_rows, definition, *where)
        job.theirs[order] = attempt(lambda f, theirs=theirs: theirs(f=f), other)


def attempt(function: Callable[..., Any], f: Any, *args: Any) -> Any:
    """What a measurement gives, or None where it cannot be made."""
    try:
        return None if f is None else function(f, *args)
    except Exception:  # another library's function may fail in ways of its own
        return None
