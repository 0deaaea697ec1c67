"""The rows of ``jaxact bench``, as tables, as JSON and as a picture."""

import json
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import jax
from rich import box
from rich.markup import escape
from rich.table import Table

from ._report import console, provenance

Number = float | None

MEAN = "geometric mean"


@dataclass
class Speed:
    """A function in one mode on one array: ns per element, and ratios of times."""

    function: str
    dtype: str
    size: int
    mode: str
    ns: Number = None
    floor_ns: Number = None
    jax_nn_ns: Number = None
    torch_ns: Number = None
    to_floor: Number = None
    to_jax_nn: Number = None
    to_torch: Number = None
    gb_per_s: Number = None
    of_copy: Number = None  # share of the bandwidth of the floor
    note: str = ""


@dataclass
class Overhead:
    """What a call costs beside the arithmetic, and what the compiler made of it."""

    function: str
    dtype: str
    eager_us: Number = None
    bare_us: Number = None
    jax_nn_eager_us: Number = None
    eager_to_bare: Number = None
    compile_ms: Number = None
    jax_nn_compile_ms: Number = None
    ops: Number = None
    jax_nn_ops: Number = None
    vjp_ops: Number = None
    jax_nn_vjp_ops: Number = None
    kernels: Number = None
    jax_nn_kernels: Number = None
    vjp_kernels: Number = None
    jax_nn_vjp_kernels: Number = None
    residual_bytes: Number = None
    jax_nn_residual_bytes: Number = None
    note: str = ""


@dataclass
class Model:
    """A training step: time, memory of intermediate results, compile time unrolled."""

    model: str
    dtype: str
    step_ms: Number = None
    jax_nn_step_ms: Number = None
    to_jax_nn: Number = None
    temp_bytes: Number = None
    jax_nn_temp_bytes: Number = None
    compile_s: Number = None
    jax_nn_compile_s: Number = None
    compile_to_jax_nn: Number = None
    note: str = ""


def means(rows: Sequence[Speed]) -> list[Speed]:
    """The geometric mean over the functions, for every dtype, size and mode."""
    found = []
    for key in dict.fromkeys(map(_group, rows)):
        mean = Speed(MEAN, *key)
        here = [row for row in rows if _group(row) == key]
        for what in ("ns", "to_floor", "to_jax_nn", "to_torch"):
            setattr(mean, what, _mean(getattr(row, what) for row in here))
        found.append(mean)
    return found


def print_all(
    speeds: Sequence[Speed], overheads: Sequence[Overhead], models: Sequence[Model]
) -> None:
    """The tables, what could not be run, and where it was measured."""
    out = console()
    rows = [*speeds, *means(speeds)]
    for dtype, size in dict.fromkeys((r.dtype, r.size) for r in speeds):
        here = [r for r in rows if (r.dtype, r.size) == (dtype, size)]
        out.print(_speed_table(f"{dtype}, {size:,} elements", here))
    if overheads:
        out.print(_overhead_table(overheads))
    if models:
        out.print(_model_table(models))
    for row in (*speeds, *overheads, *models):
        if row.note:
            what = row.model if isinstance(row, Model) else row.function
            out.print(f"[red]{escape(f'{what} {row.dtype}: {row.note}')}[/red]")
    out.print(
        f"{jax.default_backend()} ({jax.devices()[0].device_kind}, "
        f"{os.cpu_count()} CPUs), "
        f"jax {jax.__version__}",
        highlight=False,
    )


def to_json(
    versions: dict[str, str],
    speeds: Sequence[Speed],
    overheads: Sequence[Overhead],
    models: Sequence[Model],
) -> str:
    """The rows and what they were measured with."""
    report = {
        **provenance(**versions),
        "cpus": os.cpu_count(),
        "rows": [asdict(row) for row in speeds],
        "means": [asdict(row) for row in means(speeds)],
        "eager": [asdict(row) for row in overheads],
        "mlp": [asdict(row) for row in models],
    }
    return json.dumps(report, indent=1) + "\n"


def picture(rows: Sequence[Speed], averages: Sequence[Speed], file: Path) -> None:
    """Bars of ours against jax.nn: a column for every mode, 1 in the middle."""
    from matplotlib.figure import Figure

    rows = [row for row in rows if row.to_jax_nn is not None]
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
            here = {r.function: r.to_jax_nn or 1.0 for r in rows if _group(r) == key}
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
            (mean,) = (a.to_jax_nn for a in averages if _group(a) == key)
            axes.set_title(f"{mode}, mean {mean:.2f}", fontsize=9)
        line[0].set_ylabel(f"{dtype}\n{size:,} elements", fontsize=9)
    figure.suptitle(
        f"time of jaxact / time of jax.nn, {jax.default_backend()}, "
        f"jax {jax.__version__}",
        fontsize=10,
    )
    figure.savefig(file, format="png", dpi=130)


def _group(row: Speed) -> tuple[str, int, str]:
    return row.dtype, row.size, row.mode


def _mean(values: Iterable[Number]) -> Number:
    logs = [math.log(value) for value in values if value is not None]
    return math.exp(sum(logs) / len(logs)) if logs else None


def _speed_table(title: str, rows: Sequence[Speed]) -> Table:
    """A line for every function, the modes side by side."""
    columns = {
        "ours\n/jax.nn": "to_jax_nn",
        "ours\n/x+1": "to_floor",
        "ns per\nelem": "ns",
    }
    if any(row.to_torch for row in rows):
        columns["ours\n/torch"] = "to_torch"
    if jax.default_backend() != "cpu":
        columns |= {"GB/s": "gb_per_s", "of\ncopy": "of_copy"}
    modes = list(dict.fromkeys(row.mode for row in rows))
    table = _table(title, ["function"])
    for mode in modes:
        for header in columns:
            table.add_column(f"{mode}\n{header}", justify="right", no_wrap=True)
    cells = {(row.function, row.mode): row for row in rows}
    for name in dict.fromkeys(row.function for row in rows):
        if name == MEAN:
            table.add_section()
        line = []
        for mode in modes:
            row = cells.get((name, mode))
            for column in columns.values():
                value = None if row is None else getattr(row, column)
                line.append(_short(value, bad=1.05 if column == "to_jax_nn" else None))
        table.add_row(name, *line)
    return table


def _overhead_table(rows: Sequence[Overhead]) -> Table:
    columns = {
        "eager\nµs": ("eager_us", "jax_nn_eager_us"),
        "bare jit\nµs": ("bare_us",),
        "ours\n/bare": ("eager_to_bare",),
        "compile\nms": ("compile_ms", "jax_nn_compile_ms"),
        "HLO ops\nforward": ("ops", "jax_nn_ops"),
        "HLO ops\nvjp": ("vjp_ops", "jax_nn_vjp_ops"),
        "kernels\nforward": ("kernels", "jax_nn_kernels"),
        "kernels\nvjp": ("vjp_kernels", "jax_nn_vjp_kernels"),
        "bytes kept\nper elem": ("residual_bytes", "jax_nn_residual_bytes"),
    }
    table = _table(
        "eager call on 8 elements, and what is compiled", ["function", "dtype"]
    )
    table.caption = "two numbers: ours, jax.nn's"
    for header in columns:
        table.add_column(header, justify="right", no_wrap=True)
    for row in rows:
        cells = [
            ", ".join(_short(getattr(row, n)) or "-" for n in pair)
            for pair in columns.values()
        ]
        table.add_row(row.function, row.dtype, *cells)
    return table


def _model_table(rows: Sequence[Model]) -> Table:
    table = _table(
        "training step of a scanned model, compile time of one written out",
        ["model", "dtype"],
    )
    for header in (
        "ours\nms", "jax.nn\nms", "ratio", "ours\nMiB", "jax.nn\nMiB", "ratio",
        "ours\ncompile s", "jax.nn\ncompile s", "ratio",
    ):  # fmt: skip
        table.add_column(header, justify="right", no_wrap=True)
    for row in rows:
        ours, theirs = row.temp_bytes, row.jax_nn_temp_bytes
        numbers = [
            *(row.step_ms, row.jax_nn_step_ms, row.to_jax_nn),
            *(ours and ours / 2**20, theirs and theirs / 2**20),
            ours / theirs if ours and theirs else None,
            *(row.compile_s, row.jax_nn_compile_s, row.compile_to_jax_nn),
        ]
        table.add_row(row.model, row.dtype, *map(_short, numbers))
    return table


def _table(title: str, first: Iterable[str]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False)
    for header in first:
        table.add_column(header, no_wrap=True)
    return table


def _short(value: Number, bad: float | None = None) -> str:
    if value is None:
        return ""
    if float(value).is_integer():
        return f"{value:g}"
    text = f"{value:.2f}" if value < 100 else f"{value:.0f}"
    return f"[red]{text}[/red]" if bad is not None and value > bad else text
