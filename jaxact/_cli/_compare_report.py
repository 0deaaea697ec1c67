"""The tables and the picture of the compare command."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ._report import Column, Listing, Number, say, three

_SHOWN = 8  # layers in a table of 80 columns
# Okabe and Ito: told apart by all eyes
_COLOURS = "#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9 #000000".split()
_LINES = "solid", "dashed", "dashdot", "dotted"


@dataclass
class Compared:
    """A model trained with an activation.

    `accuracy`, `loss` and each row of `losses` have an entry for each seed; `dead`,
    `saturated` and `gradient` are means of the seeds, a row for each probe, in which
    there is an entry for each layer.
    """

    function: str
    accuracy: list[float]
    loss: list[float]
    step_ms: float
    temp_bytes: int | None
    layers: list[str]
    probes: list[int]
    dead: list[list[float]]
    saturated: list[list[float]]
    gradient: list[list[float]]
    losses: list[list[float]]
    findings: list[str]


# --- tables --------------------------------------------------------------------------

_COLUMNS = [
    Column("function", 18, number=False),
    *(Column("accuracy\n%", 8), Column("spread\n+-", 6), Column("loss", 7)),
    *(Column("dead\n%", 5), Column("satu-\nrated %", 7)),
    Column("gradient\nfirst/last", 10),
    *(Column("ms a\nstep", 5), Column("MiB", 5)),
]


def report(rows: Sequence[Compared], steps: int, seeds: int) -> None:
    """Print the tables, and the findings below them."""
    if not rows:
        return
    say(f"after {steps} steps, mean of {seeds} seeds; time and memory of all seeds")
    table = Listing(_COLUMNS)
    for row in rows:
        table.row(_cells(row))
    layers = max(len(row.layers) for row in rows)
    if not layers:
        return say("no activation was seen in the model")
    _by_layer(rows, "dead units at the end, %, layer by layer", _dead, layers)
    _by_layer(rows, "saturated samples at the end, %", _saturated, layers)
    _by_layer(rows, "norm of the gradient at the start", _gradient, layers)
    say("")
    for row in rows:
        say(row.function)
        for line in row.findings or ["nothing is found to be wrong"]:
            say(line, indent=2)
    say("")


def _cells(row: Compared) -> list[str]:
    spread = np.std(row.accuracy, ddof=1) if len(row.accuracy) > 1 else None
    first = row.gradient[0]
    ratio = first[0] / first[-1] if first and first[-1] else None
    return [
        row.function,
        f"{100 * np.mean(row.accuracy):.1f}",
        "" if spread is None else f"{100 * spread:.1f}",
        _three_digits(float(np.mean(row.loss))),
        *(_percent(_mean(v[-1])) for v in (row.dead, row.saturated)),
        _three_digits(ratio),
        three(row.step_ms),
        three(row.temp_bytes and row.temp_bytes / 2**20),
    ]


def _mean(values: Sequence[float]) -> Number:
    return float(np.mean(values)) if values else None


def _percent(value: Number) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _three_digits(value: Number) -> str:
    return "" if value is None else f"{value:.2g}"


def _dead(row: Compared, n: int) -> str:
    return f"{100 * row.dead[-1][n]:.0f}"


def _saturated(row: Compared, n: int) -> str:
    return f"{100 * row.saturated[-1][n]:.0f}"


def _gradient(row: Compared, n: int) -> str:
    return f"{row.gradient[0][n]:.0e}"


def _by_layer(
    rows: Sequence[Compared],
    title: str,
    cell: Callable[[Compared, int], str],
    layers: int,
) -> None:
    """A table with a column for every layer, or for some from the first to the last."""
    shown = np.unique(np.linspace(0, layers - 1, min(layers, _SHOWN)).astype(int))
    say("")
    say(title)
    named = [Column("function", 18, number=False)]
    table = Listing([*named, *(Column(str(n + 1), 6) for n in shown)])
    for row in rows:
        known = len(row.layers)
        table.row([row.function, *(cell(row, n) if n < known else "" for n in shown)])


# --- picture -------------------------------------------------------------------------


def picture(rows: Sequence[Compared], file: Path) -> None:
    """The loss of all, and for each the share of dead units by layer and step."""
    from matplotlib.figure import Figure

    columns = min(len(rows), 4)
    lines = -(-len(rows) // columns)
    figure = Figure(
        figsize=(max(3 * columns, 7), 3.4 + 2.6 * lines), layout="constrained"
    )
    drawing: Any = figure  # its subfigures have no types
    upper, lower = drawing.subfigures(2, 1, height_ratios=[3.4, 2.6 * lines])
    _curves(upper.subplots(), rows)
    lower.suptitle("dead units, by layer and step", fontsize=10)
    grid = lower.subplots(lines, columns, squeeze=False)
    drawn = None
    for n, axes in enumerate(grid.flat):
        if n < len(rows):
            drawn = _heat_map(axes, rows[n]) or drawn
        axes.set_visible(n < len(rows))
    for axes in grid[:, 0]:
        axes.set_ylabel("layer", fontsize=8)
    if drawn is not None:
        bar = lower.colorbar(drawn, ax=grid, label="share of the units")
        bar.outline.set_visible(False)
    figure.savefig(file, format="png", dpi=130)


def _curves(axes: Any, rows: Sequence[Compared]) -> None:
    for n, row in enumerate(rows):
        smooth = np.array([_smoothed(v) for v in np.transpose(row.losses)])
        steps = np.arange(1, smooth.shape[1] + 1)
        style = _LINES[n // len(_COLOURS) % len(_LINES) if len(rows) > 7 else n % 4]
        colour = _COLOURS[n % len(_COLOURS)]
        accuracy = f"{row.function}, {100 * np.mean(row.accuracy):.1f} %"
        mean, low, high = (f(smooth, axis=0) for f in (np.mean, np.min, np.max))
        axes.plot(steps, mean, color=colour, linestyle=style, label=accuracy)
        axes.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    seeds = len(rows[0].accuracy)
    title = f"loss, mean and range of {seeds} seeds; accuracy at the end"
    axes.set_title(title, fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _smoothed(losses: np.ndarray) -> np.ndarray:
    """The mean of each step and of those before it, up to 20."""
    sums = np.cumsum(np.concatenate([[0.0], losses]))
    ends = np.arange(1, len(losses) + 1)
    begins = np.maximum(ends - 20, 0)
    return (sums[ends] - sums[begins]) / (ends - begins)


def _heat_map(axes: Any, row: Compared) -> Any:
    axes.set_title(row.function, fontsize=10)
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=8)
    if not row.layers:
        return None
    layers = np.arange(len(row.layers) + 1) + 0.5
    middles = np.convolve(row.probes, [0.5, 0.5], "valid")
    ends = [row.probes[0], *middles, row.probes[-1]]
    shares = np.transpose(row.dead)
    drawn = axes.pcolormesh(ends, layers, shares, cmap="cividis", vmin=0, vmax=1)
    axes.invert_yaxis()
    axes.yaxis.get_major_locator().set_params(integer=True)
    return drawn
