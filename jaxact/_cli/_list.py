"""``jaxact list``: which activations there are, and who else has them."""

import inspect
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import catalogue
from .._core import lookup
from ..catalogue import get, names
from ..frameworks import TABLE, theirs
from ._functions import JsonFile, writable
from ._report import JsonLines
from ._rows import known_framework, matches, nothing, show_rows, unknown


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
            help=f"Only what this framework has: {', '.join(TABLE)}.",
            show_default=False,
        ),
    ] = None,
    aliases: Annotated[
        bool, typer.Option("--aliases", help="Show other names.")
    ] = False,
    formula: Annotated[
        bool, typer.Option("--formula", help="Show the formulas.")
    ] = False,
    markdown: Annotated[
        Path | None,
        typer.Option(callback=writable, help="Write the table to a file, in Markdown."),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """List the activations: parameters, who else has them, where they come from.

    Exits with 2 if nothing is found.
    """
    framework = known_framework(framework)
    if family is not None and family not in catalogue.families():
        unknown("family", family, catalogue.families())
    word = (word or "").removeprefix("jaxact.").removeprefix("jaxact:")
    rows = [_entry(n) for n in names(family)]
    rows = [r for r in rows if framework is None or framework in r.frameworks]
    rows = [r for r in rows if matches(word, _words(r))]
    if not rows:
        nothing(word, (*names(), *catalogue.aliases()))
    show_rows(*_table_of_entries(rows, framework, aliases, formula), markdown)
    lines = JsonLines(json_file)
    for row in rows:
        lines.row(row)


def _words(row: Entry) -> tuple[str, ...]:
    return row.name, *row.aliases, row.formula, row.summary, row.source


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
