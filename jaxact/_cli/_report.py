"""What the reports of all commands have in common: tables, files, progress."""

import json
import math
import os
import platform
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

Number = float | None

# --- tables --------------------------------------------------------------------------


def console() -> Console:
    """Where tables go: the terminal, or a file of any width so that nothing is cut."""
    out = Console()
    return out if out.is_terminal else Console(width=1000)


def table(columns: Iterable[str], *, folded: Iterable[str], numbers: Iterable[str]):
    """An empty table for rows that are known; what is folded may have lines."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    numbers, folded = set(numbers), set(folded)
    for name in columns:
        made.add_column(
            name,
            justify="right" if name in numbers else "left",
            no_wrap=name not in folded,
            overflow="fold",
        )
    return made


class Column(NamedTuple):
    """A column: its title, how wide its cells are, and whether they are numbers."""

    title: str
    width: int
    number: bool = True


class Listing:
    """A table that is printed line by line: its widths are those it begins with.

    The columns of words stand on the left.  Where they are longer than their columns
    they have a line of their own, so that nothing is cut and the numbers stay in place.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns, self.lines = columns, 0
        titles = [c.title.split("\n") for c in columns]
        height = max(map(len, titles))
        for n in range(height):
            self._print([([""] * height + t)[-height:][n] for t in titles])
        self.rule()

    def rule(self) -> None:
        """A line across."""
        self._write("\u2500" * (sum(c.width + 1 for c in self.columns) - 1))

    def row(self, cells: Sequence[str], note: str = "", bad: bool = False) -> None:
        """A line, red if it is bad, and below it what there is to say of it."""
        self._print(cells, "red" if bad else "")
        if note:
            say(note, indent=4, style="red" if bad else "")

    def _print(self, cells: Sequence[str], style: str = "") -> None:
        head, numbers = "", ""
        wide = False
        for column, cell in zip(self.columns, cells, strict=True):
            if column.number:
                numbers += " " + cell.rjust(column.width)
            else:
                wide = wide or len(cell) > column.width
                head += (" " if head else "") + cell.ljust(column.width)
        if wide:
            self._write(head.rstrip(), style)
            head = ""
        width = sum(c.width + 1 for c in self.columns if not c.number) - 1
        self._write((head.ljust(width) + numbers).rstrip(), style)

    def _write(self, line: str, style: str = "") -> None:
        self.lines += 1
        console().print(Text(line, style), soft_wrap=True)
        sys.stdout.flush()


def say(text: str, indent: int = 0, style: str = "") -> None:
    """Print text in full, on a terminal in lines of its width."""
    out, margin = console(), " " * indent
    lines = [margin + text]
    if out.is_terminal:
        lines = textwrap.wrap(
            text, out.width, initial_indent=margin, subsequent_indent=margin
        )
    for line in lines:
        out.print(Text(line, style), soft_wrap=True)
    sys.stdout.flush()


def short(value: Number) -> str:
    """A number with two places."""
    if value is None:
        return ""
    if float(value).is_integer():
        return f"{value:g}"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def three(value: Number) -> str:
    """A number with three digits, or those before its point."""
    if value is None:
        return ""
    if float(value).is_integer() or value >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def mean(values: Iterable[Number]) -> Number:
    """The geometric mean of those that are there."""
    logs = [math.log(value) for value in values if value is not None]
    return math.exp(sum(logs) / len(logs)) if logs else None


def machine() -> str:
    """On what it was measured."""
    return (
        f"{jax.default_backend()} ({jax.devices()[0].device_kind}, "
        f"{os.cpu_count()} CPUs), jax {jax.__version__}"
    )


# --- files ---------------------------------------------------------------------------


class JsonLines:
    """A file of JSON, a line for each row as it is found, if there is a file.

    The first line says with what it was measured.
    """

    def __init__(
        self,
        file: Path | None,
        versions: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        self.file = file
        if file is None:
            return
        file.write_text("")
        found = {
            "jaxact": version("jaxact"),
            "jax": jax.__version__,
            "python": platform.python_version(),
        }
        self.add(
            versions={**found, **(versions or {})},
            backend=jax.default_backend(),
            device=jax.devices()[0].device_kind,
            cpus=os.cpu_count(),
            **more,
        )

    def row(self, row: Any) -> None:
        """Add a row."""
        self.add(**asdict(row))

    def add(self, **more: Any) -> None:
        """Add a line."""
        if self.file is not None:
            with self.file.open("a") as lines:
                lines.write(json.dumps(_finite(more)) + "\n")


def _finite(value: Any) -> Any:
    """The same for JSON, which has no infinities."""
    if isinstance(value, Mapping):
        return {n: _finite(v) for n, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    number = float(value)
    return number if math.isfinite(number) else str(number)


# --- progress ------------------------------------------------------------------------

_SPARSELY = 30.0  # seconds between lines where they cannot be overwritten


class Progress:
    """How far a command is, on stderr: a line that changes, or one now and then."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.begun = total, 0, -1
        self.started = self.told = time.monotonic()
        self.terminal = sys.stderr.isatty()

    def show(self, what: str = "", done: int | None = None) -> None:
        """Say how much is done, and what comes now."""
        if done is not None:
            self.done = done
        if self.begun < 0:
            self.begun = self.done  # what was done before took no time of this run
        now = time.monotonic()
        if not self.terminal and now - self.told < _SPARSELY:
            return
        self.told, line = now, self._line(what, now - self.started)
        if self.terminal:
            width = Console(stderr=True).width
            sys.stderr.write(f"\r\x1b[K{line[: width - 1]}")
        else:
            sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away, before something else is printed."""
        if self.terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _line(self, what: str, seconds: float) -> str:
        parts = [f"{self.done:,} of {self.total:,} done", _duration(seconds)]
        # what comes first is not like the rest: it says nothing about it
        new, left = self.done - self.begun, self.total - self.done
        if seconds > 5 and new >= (self.total - self.begun) / 10 and left:
            left = seconds / new * left
            parts.append(f"about {_duration(left)} left")
        return ", ".join(parts) + (f": {what}" if what else "")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def each(measure: Callable[..., Any], work: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    """Measure one thing after another; Ctrl-C ends the command, with status 130."""
    work = list(work)
    progress = Progress(len(work))
    try:
        for done, item in enumerate(work):
            words = [str(part) for part in item if not callable(part)]
            progress.show(" ".join(words), done)
            found = measure(*item)
            progress.clear()
            yield found
    except KeyboardInterrupt:
        progress.clear()
        raise typer.Exit(130) from None


def show_failures(failures: Iterable[str]) -> None:
    """What could not be run, and where the rest was measured."""
    for failure in failures:
        say(failure, style="red")
    console().print(escape(machine()), highlight=False)
