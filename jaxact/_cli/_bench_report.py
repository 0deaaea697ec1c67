"""The rows of ``jaxact bench``, as tables and as a picture."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax

from ._report import Column, Listing, Number, mean, say, short


@dataclass
class Speed:
    """A function in one mode on one array: ns per element, and ratios of times."""

    function: str
    dtype: str
    size: int
    mode: str
    rival: str = ""  # "jax.nn" or "formula": what it is compared with
    ns: Number = None
    floor_ns: Number = None
    rival_ns: Number = None
    torch_ns: Number = None
    to_floor: Number = None
    to_rival: Number = None
    to_torch: Number = None
    gb_per_s: Number = None
    of_copy: Number = None  # share of the bandwidth of the floor
    note: str = ""


def means(rows: Sequence[Speed], label: str) -> list[Speed]:
    """The geometric mean over the functions, for every dtype, size and mode."""
    found = []
    for key in dict.fromkeys(map(_group, rows)):
        average = Speed(label, *key)
        here = [row for row in rows if _group(row) == key]
        for what in ("ns", "to_floor", "to_rival", "to_torch"):
            setattr(average, what, mean(getattr(row, what) for row in here))
        found.append(average)
    return found


class SpeedTable:
    """A table for every dtype and size, printed line by line.

    Functions that are not `printed` count in the means alone, which are called `label`.
    """

    def __init__(
        self, printed: Collection[str], label: str, *, with_torch: bool
    ) -> None:
        self.printed, self.label = printed, label
        self.columns = {
            "ours\n/rival": ("to_rival", 6),
            "ours\n/x+1": ("to_floor", 6),
            "ns per\nelement": ("ns", 7),
        }
        if with_torch:
            self.columns["ours\n/torch"] = ("to_torch", 6)
        if jax.default_backend() != "cpu":
            self.columns |= {"GB/s": ("gb_per_s", 5), "of\ncopy": ("of_copy", 5)}
        self.rows: list[Speed] = []  # of the table that is being printed
        self.listing: Listing | None = None

    def add(self, row: Speed) -> None:
        """Print a row."""
        if self.rows and _array(self.rows[0]) != _array(row):
            self.end()
        self.rows.append(row)
        if self.listing is None:
            say(f"{row.dtype}, {row.size:,} elements")
            self.listing = Listing(
                [
                    Column("function", 21, number=False),
                    Column("mode", 7, number=False),
                    Column("rival", 7, number=False),
                    *(Column(t, width) for t, (_, width) in self.columns.items()),
                ]
            )
        if row.function in self.printed:
            self._print(row)

    def end(self) -> None:
        """Print the means, and end this table."""
        if self.listing is not None:
            self.listing.rule()
            for row in means(self.rows, self.label):
                self._print(row)
            say("")
        self.rows, self.listing = [], None

    def _print(self, row: Speed) -> None:
        assert self.listing is not None
        cells = [short(getattr(row, name)) for name, _ in self.columns.values()]
        slow = row.to_rival is not None and row.to_rival > 1.1
        self.listing.row([row.function, row.mode, row.rival, *cells], bad=slow)


def picture(
    speeds: Sequence[Speed], printed: Collection[str], label: str, file: Path
) -> None:
    """Bars of ours against the rivals: a column for every mode, 1 in the middle."""
    from matplotlib.figure import Figure

    averages = {_group(a): a.to_rival for a in means(speeds, label)}
    compared = [row for row in speeds if row.to_rival is not None]
    rows = [row for row in compared if row.function in printed]
    names = list(dict.fromkeys(row.function for row in rows))[::-1]
    modes = list(dict.fromkeys(row.mode for row in rows))
    arrays = list(dict.fromkeys((row.dtype, row.size) for row in rows))
    figure = Figure(
        figsize=(2 + 3 * max(len(modes), 1), (1 + 0.22 * len(names)) * len(arrays) + 1),
        layout="constrained",
    )
    grid = figure.subplots(
        max(len(arrays), 1), max(len(modes), 1), sharex=True, sharey=True, squeeze=False
    )
    for line, (dtype, size) in zip(grid, arrays, strict=False):
        for axes, mode in zip(line, modes, strict=False):
            key = (dtype, size, mode)
            here = {r.function: r.to_rival or 1.0 for r in rows if _group(r) == key}
            if not here:
                continue
            at = [names.index(name) for name in here]
            bars = axes.barh(
                at,
                [value - 1 for value in here.values()],
                left=1,
                color=["C0" if value <= 1 else "C3" for value in here.values()],
            )
            axes.bar_label(
                bars, [f"{v:.2f}" for v in here.values()], padding=2, fontsize=7
            )
            axes.axvline(1, color="black", linewidth=0.8)
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}")
            axes.margins(x=0.2, y=0.01)
            axes.set_yticks(range(len(names)), names, fontsize=8)
            axes.set_title(f"{mode}\n{label} {averages[key]:.2f}", fontsize=9)
        line[0].set_ylabel(f"{dtype}\n{size:,} elements", fontsize=9)
    figure.suptitle(
        f"time of jaxact / time of jax.nn or of a plain form in jnp, "
        f"{jax.default_backend()}, jax {jax.__version__}",
        fontsize=10,
    )
    figure.savefig(file, format="png", dpi=130)


def _group(row: Speed) -> tuple[str, int, str]:
    return row.dtype, row.size, row.mode


def _array(row: Speed) -> tuple[str, int]:
    return row.dtype, row.size
