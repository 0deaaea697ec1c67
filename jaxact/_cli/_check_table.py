"""The table of ``check``, row by row, and the line that says whether all is well."""

import math
import textwrap
from collections.abc import Sequence

import jax
from rich.markup import escape

from ._jobs import label
from ._report import Column, Listing, console, say
from ._verdicts import Row, digits

_WIDEST, _BESIDE_IT = 22, 15  # names; longer ones have a line of their own

_ALONE = (
    "max ULP: the largest error in units in the last place; bound: what is allowed; "
    "at x: where it is; \u2264 0.51: per cent of results as good as rounded exactly; "
    "kept: bytes per element that the backward pass keeps; ok *: derivative by JAX."
)
_BESIDE = (
    "The largest errors, in units in the last place; 0.500 is exact rounding.  Then "
    "where {them} is worst, what it gives there, and what is exact.  *: NaN, or a "
    "limit or sign wrong, at other x."
)
_HIGH = (
    "  Above order 2 the unit is a rounding, 2^-23 in float32, of the derivative's "
    "size around x: at x, x \u00b1 x/4 and x \u00b1 0.25."
)


class CheckTable:
    """Rows as they are found, of one library or of two side by side."""

    def __init__(
        self,
        labels: Sequence[str],
        orders: Sequence[int],
        against: str | None,
        variables: Sequence[str] = (),
    ) -> None:
        self.against, self.rows = against, []
        most = _BESIDE_IT if against else _WIDEST
        width = min(max(map(len, labels), default=0), most)
        columns = [
            Column("function", max(width, 8), number=False),
            Column("dtype", 8, number=False),
            Column("order", self._room(width, variables), number=False),
        ]
        if against:
            them = against if len(against) <= 7 else "theirs"
            told = _BESIDE.format(them=them)
            columns += [Column("jaxact", 6), Column(them, 7), Column("at x", 9)]
            columns += [Column("gives", 9), Column("exact", 9)]
        else:
            told = _ALONE
            columns += [Column("max ULP", 7), Column("bound", 5), Column("at x", 10)]
            columns += [Column("\u2264 0.51", 6), Column("kept", 4)]
        told += _HIGH if max(orders) > 2 else ""
        for line in textwrap.wrap(told, 80):
            say(line, style="dim")
        self.columns = [*columns, Column("", 4)]
        self.listing = Listing(self.columns)

    def _room(self, name: int, variables: Sequence[str]) -> int:
        """How wide the column of orders is: all of them, if 80 columns have room."""
        longest = max((len(f"1 by {v}") for v in variables), default=0)
        return 5 if self.against else max(5, min(longest, _WIDEST + 5 - max(name, 8)))

    def add(self, row: Row) -> None:
        """Print a row."""
        self.rows.append(row)
        cells = [label(row.function, row.parameters), row.dtype, _order(row)]
        cells += self._beside(row) if self.against else self._alone(row)
        note = "" if row.verdict == "ok" else f"{row.verdict}: {row.note}"
        self.listing.row([*cells, _verdict(row)], note, bad=row.failed)

    def _alone(self, row: Row) -> list[str]:
        return [
            _ulps(row.max_ulp),
            "" if row.bound is None else f"{row.bound:.3g}",
            "\u2013" if row.max_ulp == 0 else _fitting(row.at, row.dtype, 10),
            _percent(row.within_051),
            "" if row.residual_bytes is None else f"{row.residual_bytes:.3g}",
        ]

    def _beside(self, row: Row) -> list[str]:
        theirs, bound = row.against_max_ulp, row.bound
        cells = [_ulps(row.max_ulp), _ulps(theirs) + "*" * bool(row.against_wrong)]
        if theirs is None or bound is None or theirs <= bound:
            return [*cells, "", "", ""]
        numbers = row.against_at, row.against_got, row.against_wanted
        return [*cells, *(_fitting(v, row.dtype, 9) for v in numbers)]

    def end(self, seconds: float) -> None:
        """What is not within its bounds once more, if it is out of sight, and a sum."""
        out, rows = console(), self.rows
        if self.listing.lines > out.height:
            for row in rows:
                if row.verdict != "ok":
                    where = label(row.function, row.parameters), row.dtype, _order(row)
                    words = " ".join(filter(None, where))
                    say(f"{words}: {row.verdict}: {row.note}")
        failed = sum(row.failed for row in rows)
        open_ones = sum(row.verdict == "not proven" for row in rows)
        good = len(rows) - failed - open_ones
        parts = [f"{good} of {len(rows)} rows within their bounds"]
        if failed:
            parts.append(f"[red]{failed} not[/red]")
        if open_ones:
            parts.append(f"{open_ones} not proven")
        if self.against:
            known = [r for r in rows if r.against_max_ulp is not None]
            fine = sum(map(_theirs_good, known))
            parts.append(f"{escape(self.against)} {fine} of {len(known)}")
        out.print(
            f"{', '.join(parts)}; {seconds:.0f} s on {jax.default_backend()}, "
            f"jax {jax.__version__}",
            highlight=False,
        )


def _theirs_good(row: Row) -> bool:
    assert row.against_max_ulp is not None and row.bound is not None
    return row.against_max_ulp <= row.bound and not row.against_wrong


def _order(row: Row) -> str:
    if row.verdict == "not proven":
        return ""
    return str(row.order) if row.wrt == "x" else f"{row.order} by {row.wrt}"


def _verdict(row: Row) -> str:
    if row.verdict == "not proven":
        return "open"
    return f"{row.verdict} *" if row.note and row.verdict == "ok" else row.verdict


def _ulps(value: float | None) -> str:
    if value is None:
        return ""
    if value < 1e4:
        return f"{value:.3f}" if value < 100 else f"{value:.0f}"
    return f"{value:.0e}"


def _fitting(value: float | None, dtype: str, width: int) -> str:
    """All digits that tell a number from its neighbours, or as many as there is room.

    What is lost stands in the file, and in the note of a row that fails.
    """
    told = digits(value, dtype)
    for places in range(width, 0, -1):
        if len(told) > width and value is not None:
            told = f"{value:.{places}g}"
    return told


def _percent(share: float | None) -> str:
    if share is None:
        return ""
    # never "100" for a share that is less
    return "100" if share == 1 else f"{math.floor(share * 1e4) / 1e2:.2f}"
