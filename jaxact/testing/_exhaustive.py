"""Every one of the 2^32 float32 numbers, resumable."""

import hashlib
import inspect
import itertools
import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .._core import lookup
from ._exact import Question
from ._measure import Measurement, compare, confirm, merge, with_flushed
from ._oracle import exact_orders
from ._processes import processes

PATTERNS = 2**32
CHUNK = 2**20  # patterns at a time


class StateError(Exception):
    """A state that cannot be continued; the message says why."""


class State:
    """The progress of every function, in a file that is complete at every moment."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.entries: dict[str, dict[str, Any]] = {}
        if path is None or not path.exists():
            return
        try:
            self.entries = json.loads(path.read_text())["jaxact exhaustive"]
        except (ValueError, KeyError, TypeError, UnicodeDecodeError):
            raise StateError(f"{path} is not a state of an exhaustive check") from None

    def begin(
        self, name: str, version: str, orders: tuple[int, ...]
    ) -> tuple[int, dict[int, Measurement]]:
        """The next pattern of a function, and what was found before it."""
        new = {"version": version, "orders": list(orders), "next": 0, "found": {}}
        entry = self.entries.setdefault(name, new)
        if entry["version"] != version:
            raise StateError(
                f"{self.path} is of another version of {name}: its source, JAX or the "
                "backend has changed since; delete the file to start again"
            )
        if entry["orders"] != list(orders):
            raise StateError(
                f"{self.path} holds orders {entry['orders']} of {name}, not "
                f"{list(orders)}; delete the file to start again"
            )
        found = {
            int(n): Measurement(**{k: _number(v) for k, v in m.items()})
            for n, m in entry["found"].items()
        }
        return entry["next"], found

    def advance(self, name: str, following: int, found: dict[int, Measurement]) -> None:
        """Note the progress; the file is replaced at once."""
        entry = self.entries[name]
        entry["next"] = following
        entry["found"] = {
            n: {k: str(v) if isinstance(v, float) else v for k, v in asdict(m).items()}
            for n, m in found.items()
        }
        if self.path is not None:
            new = self.path.with_name(self.path.name + ".new")
            new.write_text(json.dumps({"jaxact exhaustive": self.entries}, indent=1))
            os.replace(new, self.path)


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, str) else value


def version_of(f: Callable[..., Any], asked: Question) -> str:
    """A hash of everything that decides the results of f."""
    definition = lookup(f)
    kernel = f if definition is None else definition.kernels[()]
    own = inspect.getsourcefile(inspect.unwrap(kernel))
    home = Path(__file__).parent.parent
    files = {*home.rglob("*.py"), Path(own or __file__)}
    found = hashlib.sha256()
    for file in sorted(files):
        found.update(file.read_bytes())
    facts = asked.formula.text, asked.parameters, jax.__version__, jax.default_backend()
    found.update(repr(facts).encode())
    return found.hexdigest()


def examine(
    f: Callable[..., Any],
    asked: Question,
    orders: tuple[int, ...],
    parameters: dict[str, float],
    first: int,
    last: int,
) -> list[Measurement]:
    """Measure f at the bit patterns from `first` to `last` - 1."""
    bits = np.arange(first, last, dtype=np.int64).astype(np.uint32)
    at = bits.view(np.float32)
    rows = with_flushed(at, "float32")
    answers = exact_orders(asked, rows, orders, "float32", "x")
    found = []
    for order, exact in zip(orders, answers, strict=True):
        one = compare(f, "float32", order, "x", at, exact, parameters, asked)
        if order <= 2:
            one = confirm(one, asked, "float32", order, "x")
        found.append(one)
    return found


def exhaust(
    name: str,
    f: Callable[..., Any],
    asked: Question,
    orders: tuple[int, ...],
    parameters: dict[str, float],
    state: State,
) -> Iterator[tuple[int, dict[int, Measurement]]]:
    """Go through all patterns; give the number that are done and the findings so far.

    Raises:
        StateError: the state belongs to something else.
        ArithmeticError: the exact value at a point cannot be bounded.
    """
    following, found = state.begin(name, version_of(f, asked), orders)
    yield following, found
    if following == PATTERNS:
        return
    workers = os.cpu_count() or 1
    with processes(workers) as pool:
        ahead: deque[tuple[int, Future[list[Measurement]]]] = deque()
        starts = iter(range(following, PATTERNS, CHUNK))
        while True:
            for first in itertools.islice(starts, 2 * workers - len(ahead)):
                last = min(first + CHUNK, PATTERNS)
                work = (examine, f, asked, orders, parameters, first, last)
                ahead.append((last, pool.submit(*work)))
            if not ahead:
                return
            last, future = ahead.popleft()
            for order, one in zip(orders, future.result(), strict=True):
                found[order] = merge(found[order], one) if order in found else one
            state.advance(name, last, found)
            yield last, found
