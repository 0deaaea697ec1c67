"""What ``list`` and ``frameworks`` have in common: to filter rows, and to show them."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from rich.markup import escape

from ..frameworks import ALIASES, TABLE
from ._functions import refuse
from ._report import console, table


def known_framework(name: str | None) -> str | None:
    """A framework by the name that the table has, if one is given."""
    framework = ALIASES.get(name or "", name)
    if framework is not None and framework not in TABLE:
        unknown("framework", framework, [*TABLE, *ALIASES])
    return framework


def unknown(what: str, name: str, known: Iterable[str]) -> None:
    """Refuse a name, and say what there is."""
    known = tuple(known)
    close = get_close_matches(name, known)
    hint = f"did you mean {' or '.join(close)}?" if close else ", ".join(known)
    refuse(f"no {what} {name!r}; {hint}")


def nothing(word: str | None, known: Iterable[str]) -> None:
    """Refuse a word that nothing has."""
    close = get_close_matches(word or "", set(known))
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    refuse(f"nothing has {word!r}{hint}" if word else "nothing is of that kind")


def matches(word: str, texts: Iterable[str]) -> bool:
    """Whether one of the texts has the word."""
    return any(word.casefold() in text.casefold() for text in texts)


def show_rows(titles: list[str], rows: list[list[str]], markdown: Path | None) -> None:
    """Print a table, and write it."""
    folded = set(titles) - {"name", "framework"}
    made = table(titles, folded=folded, numbers=("value", "gradient"))
    for row in rows:
        made.add_row(*map(escape, row))
    out = console()
    out.print(made)
    out.print(f"{len(rows)} row{'s' * (len(rows) != 1)}", highlight=False)
    if markdown:
        lines = [titles, ["---"] * len(titles), *rows]
        text = (" | ".join(c.replace("|", "\\|") for c in line) for line in lines)
        markdown.write_text("".join(f"| {line} |\n" for line in text))
