"""``jaxact frameworks``: what the activations of other frameworks are here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import typer

from ..catalogue import Bound
from ..frameworks import DIFFERENCES, TABLE, Choice, Same
from ._agreement import Agreement, Case, agreement, cases, recording
from ._functions import JsonFile, writable
from ._report import JsonLines, console
from ._rows import known_framework, matches, nothing, show_rows

_ROUNDING = 1e-14  # of float64, as far as it needs no reason


@dataclass
class Row:
    """One line of the other table: what a framework has, and how near ours is."""

    framework: str
    names: list[str]
    parameters: dict[str, Any]
    ours: str
    value: float | None = None
    gradient: float | None = None
    note: str = ""


def frameworks(
    word: Annotated[
        str | None,
        typer.Argument(help="Only what has this word in its name.", show_default=False),
    ] = None,
    framework: Annotated[
        str | None,
        typer.Option(
            help=f"Only this framework: {', '.join(TABLE)}.", show_default=False
        ),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(callback=writable, help="Write the table to a file, in Markdown."),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Every activation of other frameworks: what it is here, and how near.

    That is the largest difference of value and gradient, computed in float64 from
    recorded results.  Exits with 2 if nothing is found.
    """
    framework = known_framework(framework)
    rows = _rows(framework, word or "")
    if not rows:
        nothing(word, (n for fw in TABLE.values() for n in fw))
    show_rows(*_table_of_rows(rows), markdown)
    console().print(_origins({r.framework for r in rows}), highlight=False)
    lines = JsonLines(json_file)
    for row in rows:
        lines.row(row)


def _rows(framework: str | None, word: str) -> list[Row]:
    """What was recorded, and what of the table was not."""
    rows = [_row(case) for case in cases(framework) if matches(word, case.names)]
    for fw in TABLE if framework is None else (framework,):
        recorded = {n for case in cases(fw) for n in case.names}
        for name in TABLE[fw]:
            if name not in recorded and matches(word, [name]):
                ours = min(_named_by(TABLE[fw][name]))
                rows.append(Row(fw, [name], {}, ours, note="not compared"))
    return rows


def _row(case: Case) -> Row:
    row = Row(case.framework, list(case.names), case.parameters, "")
    try:
        f = case.ours()
    except (TypeError, ValueError):
        row.note = "not in jaxact"
        return row
    row.ours = repr(f) if isinstance(f, Bound) else f.__name__
    value, gradient = agreement(case)
    row.value = value.furthest
    row.gradient = None if gradient is None else gradient.furthest
    notes = []
    for what, found in (("value", value), ("gradient", gradient)):
        if found is not None and found.furthest > _ROUNDING and found.at is not None:
            notes.append(f"{what}: furthest at {found.at:g}")
        if found is not None and found.no_numbers:
            notes.append(f"{what}: theirs is NaN or infinite at {_points(found)}")
    if max(a.furthest for a in (value, gradient) if a is not None) > _ROUNDING:
        why = DIFFERENCES[case.framework].items()
        notes += [reason for of, reason in why if case.names[0] in of.split()]
    row.note = "; ".join(notes)
    return row


def _points(found: Agreement) -> str:
    return " ".join(f"{p:g}" for p in found.no_numbers)


def _table_of_rows(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    titles = ["framework", "name", "parameters", "jaxact", "value", "gradient", "note"]
    return titles, [
        [
            row.framework,
            " ".join(row.names),
            ", ".join(f"{n}={v!r}" for n, v in row.parameters.items()),
            row.ours,
            _difference(row.value),
            _difference(row.gradient),
            row.note,
        ]
        for row in rows
    ]


def _difference(value: float | None) -> str:
    return "\u2013" if value is None else "0" if value == 0 else f"{value:.0e}"


def _origins(shown: set[str]) -> str:
    """With what the results were made that ours are compared with."""
    lines = []
    for name, recorded in recording()["frameworks"].items():
        made_with = ", ".join(f"{p} {v}" for p, v in recorded["versions"].items())
        if name in shown:
            made_with = f" ({made_with})" if made_with else ""
            lines.append(f"{name}: {recorded['origin']}{made_with}")
    return "\n".join([*lines, f"jaxact: float64 on {jax.default_backend()}"])


def _named_by(row: Same | Choice) -> set[str]:
    same = row.among.values() if isinstance(row, Choice) else [row]
    return {n for one in same for n in (one.name, one.general) if n}
