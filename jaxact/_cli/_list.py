"""``jaxact list``: which activations there are, and who else has them."""

import inspect
import json
import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import jax
import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from .. import catalogue
from .._core import lookup
from ..catalogue import Bound, get, names
from ..frameworks import DIFFERENCES, TABLE, Choice, Same, theirs
from ._agreement import Agreement, Case, agreement, cases, recording
from ._functions import refuse
from ._report import console, provenance

_FRAMEWORKS = tuple(TABLE)
_ROUNDING = 1e-14  # of float64, as far as it needs no reason


@dataclass
class Entry:
    """One line: an activation, and who has it under which names."""

    name: str
    family: str
    aliases: list[str]
    parameters: dict[str, Any]
    frameworks: dict[str, list[str]]
    source: str
    formula: str
    summary: str = field(repr=False)


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


def list_(
    word: Annotated[
        str | None,
        typer.Argument(
            help="Only what has this word in its name, aliases, formula, summary or "
            "source.",
            show_default=False,
        ),
    ] = None,
    family: Annotated[
        str | None, typer.Option(help="Only this family.", show_default=False)
    ] = None,
    framework: Annotated[
        str | None,
        typer.Option(
            help=f"Only what this framework has: {', '.join(_FRAMEWORKS)}.",
            show_default=False,
        ),
    ] = None,
    aliases: Annotated[
        bool, typer.Option("--aliases", help="Show other names.")
    ] = False,
    formula: Annotated[
        bool, typer.Option("--formula", help="Show the formulas.")
    ] = False,
    frameworks: Annotated[
        bool,
        typer.Option(
            "--frameworks",
            help="Instead, every activation of other frameworks: what it is here, and "
            "the largest difference of value and gradient, computed in float64 from "
            "recorded results.",
        ),
    ] = False,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the table to a file, in Markdown.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the rows to a file.")
    ] = None,
) -> None:
    """List the activations: parameters, who else has them, where they come from.

    Exits with 2 if nothing is found.
    """
    if framework is not None and framework not in _FRAMEWORKS:
        _unknown("framework", framework, _FRAMEWORKS)
    if frameworks:
        if family or aliases or formula:
            refuse("--frameworks goes with --framework, and a word, alone")
        rows = _rows(framework, word or "")
        if not rows:
            _nothing(word, (n for fw in TABLE.values() for n in fw))
        _show(*_table_of_rows(rows), markdown)
        console().print(_origins({r.framework for r in rows}), highlight=False)
    else:
        if family is not None and family not in catalogue.families():
            _unknown("family", family, catalogue.families())
        rows = [_entry(n) for n in names(family)]
        rows = [r for r in rows if framework is None or framework in r.frameworks]
        rows = [r for r in rows if _matches(word or "", _words(r))]
        if not rows:
            _nothing(word, (*names(), *catalogue.aliases()))
        _show(*_table_of_entries(rows, framework, aliases, formula), markdown)
    if json_file:
        json_file.write_text(_json(rows))


def _unknown(what: str, name: str, known: Iterable[str]) -> None:
    known = tuple(known)
    close = get_close_matches(name, known)
    hint = f"did you mean {' or '.join(close)}?" if close else ", ".join(known)
    refuse(f"no {what} {name!r}; {hint}")


def _nothing(word: str | None, known: Iterable[str]) -> None:
    close = get_close_matches(word or "", set(known))
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    refuse(f"nothing has {word!r}{hint}" if word else "nothing is of that kind")


def _matches(word: str, texts: Iterable[str]) -> bool:
    return any(word.casefold() in text.casefold() for text in texts)


def _words(row: Entry) -> tuple[str, ...]:
    return row.name, *row.aliases, row.formula, row.summary, row.source


# --- the activations ----------------------------------------------------------------


def _entry(name: str) -> Entry:
    """What there is to say of an activation."""
    f = get(name)
    also = [n for n, of in catalogue.aliases().items() if of == name]
    doc, definition = inspect.getdoc(f) or "", lookup(f)
    after_x = list(inspect.signature(f).parameters.values())[1:]
    names = {name, *catalogue.choices(name)}
    found = {fw: list({t: 0 for n in names for t in theirs(fw, n)}) for fw in TABLE}
    return Entry(
        name=name,
        family=f.__module__.rpartition(".")[2],
        aliases=also,
        parameters={
            p.name: "required" if p.default is p.empty else p.default for p in after_x
        },
        frameworks={fw: n for fw, n in found.items() if n},
        source=_reference(doc),
        formula=definition.formula.text if definition and definition.formula else "",
        summary=doc.partition("\n\n")[0],
    )


def _named_by(row: Same | Choice) -> set[str]:
    same = row.among.values() if isinstance(row, Choice) else [row]
    return {n for one in same for n in (one.name, one.general) if n}


def _reference(doc: str) -> str:
    """The section of a docstring that says where a function comes from."""
    found = re.search(r"^Reference:\n((?: +.*(?:\n|$)|\n)+)", doc, re.M)
    return " ".join(found[1].split()) if found else ""


def _table_of_entries(
    rows: list[Entry], framework: str | None, aliases: bool, formula: bool
) -> tuple[list[str], list[list[str]]]:
    titles = ["name", *(["also"] if aliases else []), "family", "parameters"]
    titles += [f"in {framework}" if framework else "in", "source"]
    titles += ["formula"] if formula else []
    cells = []
    for row in rows:
        given = ", ".join(
            n if v == "required" else f"{n}={v}" for n, v in row.parameters.items()
        )
        held = row.frameworks[framework] if framework else row.frameworks
        also = [" ".join(row.aliases)] if aliases else []
        line = [row.name, *also, row.family, given, " ".join(held)]
        cells.append([*line, row.source, *([row.formula] if formula else [])])
    return titles, cells


# --- the frameworks -----------------------------------------------------------------


def _rows(framework: str | None, word: str) -> list[Row]:
    """What was recorded, and what of the table was not."""
    rows = [_row(case) for case in cases(framework) if _matches(word, case.names)]
    for fw in TABLE if framework is None else (framework,):
        recorded = {n for case in cases(fw) for n in case.names}
        for name in TABLE[fw]:
            if name not in recorded and _matches(word, [name]):
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


# --- what is shown ------------------------------------------------------------------


def _show(titles: list[str], rows: list[list[str]], markdown: Path | None) -> None:
    """Print a table, and write it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        right = title in ("value", "gradient")
        table.add_column(
            title,
            justify="right" if right else "left",
            no_wrap=title in ("name", "framework"),
            overflow="fold",
        )
    for row in rows:
        table.add_row(*map(escape, row))
    out = console()
    out.print(table)
    out.print(f"{len(rows)} row{'s' * (len(rows) != 1)}", highlight=False)
    if markdown:
        lines = [titles, ["---"] * len(titles), *rows]
        text = (" | ".join(c.replace("|", "\\|") for c in line) for line in lines)
        markdown.write_text("".join(f"| {line} |\n" for line in text))


def _json(rows: list[Any]) -> str:
    """The rows and with what they were made, as the other commands write them."""
    report = {**provenance(), "rows": [asdict(row) for row in rows]}
    return json.dumps(_finite(report), indent=1) + "\n"


def _finite(value: Any) -> Any:
    """The same for JSON, which has no infinities."""
    if isinstance(value, dict):
        return {n: _finite(v) for n, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    number = float(value)
    return number if math.isfinite(number) else str(number)
