"""What the reports of all commands have in common: tables, files, progress."""

import json
import math
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

Number = float | None


def console() -> Console:
    """Where tables go: the terminal, or a file of any width so that nothing is cut."""
    out = Console()
    return out if out.is_terminal else Console(width=1000)


def table(
    columns: Iterable[str],
    *,
    numbers: Iterable[str] = (),
    folded: Iterable[str] = (),
    title: str | None = None,
) -> Table:
    """An empty table; numbers stand to the right, what is folded may have lines."""
    made = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False)
    numbers, folded = set(numbers), set(folded)
    for name in columns:
        made.add_column(
            name,
            justify="right" if name in numbers else "left",
            no_wrap=name not in folded,
            overflow="fold",
        )
    return made


def short(value: Number, bad: float | None = None) -> str:
    """A number with two places, red if it is above what is bad."""
    if value is None:
        return ""
    if float(value).is_integer():
        return f"{value:g}"
    text = f"{value:.2f}" if value < 100 else f"{value:.0f}"
    return f"[red]{text}[/red]" if bad is not None and value > bad else text


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


def show(tables: Iterable[Table], failures: Iterable[str]) -> None:
    """The tables, what could not be run, and where it was measured."""
    out = console()
    for made in tables:
        out.print(made)
    for failure in failures:
        out.print(f"[red]{escape(failure)}[/red]")
    out.print(machine(), highlight=False)


def write_json(
    file: Path | None,
    rows: Sequence[Any],
    versions: Mapping[str, str] | None = None,
    **more: Any,
) -> None:
    """Write rows to a file, if there is one, and with what they were measured."""
    if file is None:
        return
    report = {
        "versions": {
            "jaxact": version("jaxact"),
            "jax": jax.__version__,
            "python": platform.python_version(),
            **(versions or {}),
        },
        "backend": jax.default_backend(),
        "device": jax.devices()[0].device_kind,
        "cpus": os.cpu_count(),
        **more,
        "rows": [asdict(row) for row in rows],
    }
    file.write_text(json.dumps(_finite(report), indent=1) + "\n")


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


def each(measure: Callable[..., Any], work: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    """Measure one thing after another, with a progress bar."""
    work = list(work)
    log = Console(stderr=True)
    # drawn between the measurements: a thread of its own would disturb them
    with Progress(
        console=log, transient=True, auto_refresh=False, disable=not log.is_terminal
    ) as progress:
        task = progress.add_task("", total=len(work))
        for item in work:
            words = [str(part) for part in item if not callable(part)]
            progress.update(task, description=" ".join(words), refresh=True)
            yield measure(*item)
            progress.advance(task)
