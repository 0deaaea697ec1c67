"""Times taken in turn, and what the compiler made of a function."""

import ctypes
import math
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._core import lookup
from ..transforms import derivative

Function = Callable[..., Any]
Times = dict[str, np.ndarray]  # seconds per call, one for each round

_LEAST = 4e-3  # seconds that one timing takes at least
FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast"}
_INSTRUCTION = re.compile(
    r"^\s+(?:ROOT )?%?[\w.-]+ = (?:\(.*?\)|\S+) ([a-z][\w-]*)\(", re.MULTILINE
)


def value_and_pullback(f: Function) -> Function:
    """The value of f and the pullback of ones."""

    def vjp(*arrays: Any) -> Any:
        y, pull = jax.vjp(f, *arrays)
        return y, *pull(jnp.ones_like(y))

    return vjp


def value_and_pushforward(f: Function) -> Function:
    """The value of f and the pushforward of ones."""
    return lambda x: jax.jvp(f, (x,), (jnp.ones_like(x),))


# by mode: what to compile, and the arrays that it reads and writes at the least
MODES: dict[str, tuple[Callable[[Function], Function], int]] = {
    "forward": (lambda f: f, 2),
    "vjp": (value_and_pullback, 3),
    "jvp": (value_and_pushforward, 3),
    "second": (partial(derivative, order=2), 2),
}

_ROW = 1000  # entries, of a function of rows


def batch(f: Function, size: int, dtype: str) -> jax.Array:
    """Random numbers of either sign, or positive where f is not defined below 0.

    For a function of rows they are rows of 1,000, if that divides the size.
    """
    numbers = np.random.default_rng(0).standard_normal(100_000, np.float32)
    x = np.resize(2 * numbers, size)
    definition = lookup(f)
    if definition is not None and definition.domain.get("x", (-math.inf,))[0] >= 0:
        x = np.abs(x)
    if definition is not None and not definition.elementwise and size % _ROW == 0:
        x = x.reshape(-1, _ROW)
    return jnp.asarray(x, dtype)


def keep_freed_memory() -> None:
    """Have the C library hand freed memory out again, where it knows how to.

    Else it may give the array of a result back to the system, and the next call waits
    for fresh pages: longer than for the arithmetic.  To be called before JAX starts its
    threads, which take memory of their own otherwise.
    """
    trim_threshold, map_at_most, arenas_at_most = -1, -4, -8
    try:
        library = ctypes.CDLL(None)
        library.mallopt(map_at_most, 0)
        library.mallopt(trim_threshold, 2**31 - 1)
        library.mallopt(arenas_at_most, 1)
    except (AttributeError, OSError, TypeError):  # not the GNU C library
        return


def interleaved(
    calls: Mapping[str, Callable[[], Any]], rounds: int, *, eager: bool = False
) -> Times:
    """Time calls in turn, so that a change of the machine's pace meets them all.

    Short calls are repeated within a timing.  A CPU runs calls that were not waited
    for side by side, so each is waited for; but not eager calls of tiny arrays, where
    the waiting would be much of the time.
    """
    each = jax.default_backend() == "cpu" and not eager
    repeats = {}
    for name, call in calls.items():
        _seconds(call, 1, each)  # compiles
        once = min(_seconds(call, 1, each) for _ in range(2))
        repeats[name] = math.ceil(_LEAST / once)
    times = {name: np.empty(rounds) for name in calls}
    for n in range(rounds):
        for name, call in calls.items():
            times[name][n] = _seconds(call, repeats[name], each)
    return times


def ratio(times: Times, one: str, other: str) -> float | None:
    """The median over the rounds of the ratio of two times."""
    if one not in times or other not in times:
        return None
    return float(np.median(times[one] / times[other]))


def median(times: Times, name: str, unit: float) -> float | None:
    """The median time in a unit."""
    return float(np.median(times[name])) / unit if name in times else None


def compile_times(jobs: Mapping[str, Callable[[], Any]]) -> Times:
    """Time, in turn, jobs that trace and compile, each with empty caches."""
    rounds = 3  # they take too long for as many as a call
    times = {name: np.empty(rounds) for name in jobs}
    for n in range(rounds):
        for name, job in jobs.items():
            jax.clear_caches()
            started = time.perf_counter()
            job()
            times[name][n] = time.perf_counter() - started
    return times


def operations(compiled: Any) -> list[str]:
    """The HLO instructions of a compiled function by name, in all computations."""
    return _INSTRUCTION.findall(compiled.as_text())


def instructions(compiled: Any) -> int:
    """How many HLO instructions a compiled function has."""
    return len(operations(compiled))


def kernels(compiled: Any) -> int:
    """How many passes over memory it makes: fusions, copies and single operations."""
    _, _, entry = compiled.as_text().partition("\nENTRY ")
    return sum(op not in FREE for op in _INSTRUCTION.findall(entry))


def _seconds(call: Callable[[], Any], repeats: int, each: bool) -> float:
    """The time of one call of several."""
    result = None
    started = time.perf_counter()
    for _ in range(repeats):
        result = call()
        if each:
            jax.block_until_ready(result)
    jax.block_until_ready(result)
    return (time.perf_counter() - started) / repeats
