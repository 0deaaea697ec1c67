"""The rows of ``jaxact bench``, as tables, as JSON and as a picture."""

import json
import math
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import jax
from rich import box
from rich.markup import escape
from rich.table import Table

from ._report import console, provenance

Number = float | None


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


@dataclass
class Overhead:
    """What a call costs beside the arithmetic, and what the compiler made of it."""

    function: str
    dtype: str
    rival: str = ""
    eager_us: Number = None
    bare_us: Number = None
    rival_eager_us: Number = None
    eager_to_bare: Number = None
    compile_ms: Number = None
    rival_compile_ms: Number = None
    ops: Number = None
    rival_ops: Number = None
    vjp_ops: Number = None
    rival_vjp_ops: Number = None
    kernels: Number = None
    rival_kernels: Number = None
    vjp_kernels: Number = None
    rival_vjp_kernels: Number = None
    residual_bytes: Number = None
    rival_residual_bytes: Number = None
    note: str = ""


@dataclass
class Model:
    """A training step: time, memory of intermediate results, compile time unrolled."""

    model: str
    dtype: str
    rival: str = ""
    step_ms: Number = None
    rival_step_ms: Number = None
    to_rival: Number = None
    temp_bytes: Number = None
    rival_temp_bytes: Number = None
    compile_s: Number = None
    rival_compile_s: Number = None
    compile_to_rival: Number = None
    note: str = ""


def means(rows: Sequence[Speed], label: str) -> list[Speed]:
    """The geometric mean over the functions, for every dtype, size and mode."""
    found = []
    for key in dict.fromkeys(map(_group, rows)):
        mean = Speed(label, *key)
        here = [row for row in rows if _group(row) == key]
        for what in ("ns", "to_floor", "to_rival", "to_torch"):
            setattr(mean, what, _mean(getattr(row, what) for row in here))
        found.append(mean)
    return found


def print_all(
    speeds: Sequence[Speed],
    overheads: Sequence[Overhead],
    models: Sequence[Model],
    printed: Collection[str],
    mean: str,
) -> None:
    """The tables, what could not be run, and where it was measured.

    Functions that are not `printed` count in the means alone, which are called `mean`.
    """
    out = console()
    rows = [r for r in speeds if r.function in printed]
    rows += means(speeds, mean)
    for dtype, size in dict.fromkeys((r.dtype, r.size) for r in speeds):
        here = [r for r in rows if (r.dtype, r.size) == (dtype, size)]
        out.print(_speed_table(f"{dtype}, {size:,} elements", here, mean))
    if overheads:
        out.print(_overhead_table(overheads, printed, mean))
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
    mean: str,
) -> str:
    """The rows and what they were measured with."""
    report = {
        **provenance(**versions),
        "cpus": os.cpu_count(),
        "rows": [asdict(row) for row in speeds],
        "means": [asdict(row) for row in means(speeds, mean)],
        "eager": [asdict(row) for row in overheads],
        "mlp": [asdict(row) for row in models],
    }
    return json.dumps(report, indent=1) + "\n"


def picture(
    speeds: Sequence[Speed], printed: Collection[str], mean: str, file: Path
) -> None:
    """Bars of ours against the rivals: a column for every mode, 1 in the middle."""
    from matplotlib.figure import Figure

    averages = {_group(a): a.to_rival for a in means(speeds, mean)}
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
            axes.set_title(f"{mode}\n{mean} {averages[key]:.2f}", fontsize=9)
        line[0].set_ylabel(f"{dtype}\n{size:,} elements", fontsize=9)
    figure.suptitle(
        f"time of jaxact / time of jax.nn or of a plain form in jnp, "
        f"{jax.default_backend()}, jax {jax.__version__}",
        fontsize=10,
    )
    figure.savefig(file, format="png", dpi=130)


def _group(row: Speed) -> tuple[str, int, str]:
    return row.dtype, row.size, row.mode


def _mean(values: Iterable[Number]) -> Number:
    logs = [math.log(value) for value in values if value is not None]
    return math.exp(sum(logs) / len(logs)) if logs else None


def _speed_table(title: str, rows: Sequence[Speed], mean: str) -> Table:
    """A line for every function, the modes side by side."""
    columns = {
        "ours\n/rival": "to_rival",
        "ours\n/x+1": "to_floor",
        "ns per\nelem": "ns",
    }
    if any(row.to_torch for row in rows):
        columns["ours\n/torch"] = "to_torch"
    if jax.default_backend() != "cpu":
        columns |= {"GB/s": "gb_per_s", "of\ncopy": "of_copy"}
    modes = list(dict.fromkeys(row.mode for row in rows))
    table = _table(title, ["function", "rival"])
    for mode in modes:
        for header in columns:
            table.add_column(f"{mode}\n{header}", justify="right", no_wrap=True)
    cells = {(row.function, row.mode): row for row in rows}
    rivals = {row.function: row.rival for row in rows}
    for name in dict.fromkeys(row.function for row in rows):
        if name == mean:
            table.add_section()
        line = []
        for mode in modes:
            row = cells.get((name, mode))
            for column in columns.values():
                value = None if row is None else getattr(row, column)
                line.append(_short(value, bad=1.1 if column == "to_rival" else None))
        table.add_row(name, rivals[name], *line)
    return table


def _overhead_table(
    rows: Sequence[Overhead], printed: Collection[str], mean: str
) -> Table:
    columns = {
        "eager\nµs": ("eager_us", "rival_eager_us"),
        "bare jit\nµs": ("bare_us",),
        "ours\n/bare": ("eager_to_bare",),
        "compile\nms": ("compile_ms", "rival_compile_ms"),
        "HLO ops\nforward": ("ops", "rival_ops"),
        "HLO ops\nvjp": ("vjp_ops", "rival_vjp_ops"),
        "kernels\nforward": ("kernels", "rival_kernels"),
        "kernels\nvjp": ("vjp_kernels", "rival_vjp_kernels"),
        "bytes kept\nper elem": ("residual_bytes", "rival_residual_bytes"),
    }
    table = _table(
        "eager call on 8 elements, and what is compiled",
        ["function", "rival", "dtype"],
    )
    table.caption = "two numbers: ours, the rival's; their ratio in the mean"
    for header in columns:
        table.add_column(header, justify="right", no_wrap=True)
    pairs = columns.values()
    for row in rows:
        cells = [
            ", ".join(_short(getattr(row, n)) or "-" for n in pair) for pair in pairs
        ]
        if row.function in printed:
            table.add_row(row.function, row.rival, row.dtype, *cells)
    table.add_section()
    for dtype in dict.fromkeys(row.dtype for row in rows):
        here = [row for row in rows if row.dtype == dtype]
        ratios = [_mean(_quotient(row, *names) for row in here) for names in pairs]
        table.add_row(mean, "", dtype, *map(_short, ratios))
    return table


def _quotient(row: Overhead, ours: str, theirs: str = "") -> Number:
    """A number, or that of ours over the rival's."""
    one, other = getattr(row, ours), getattr(row, theirs) if theirs else 1
    return one / other if one and other else None


def _model_table(rows: Sequence[Model]) -> Table:
    table = _table(
        "training step of a scanned model, compile time of one written out",
        ["model", "rival", "dtype"],
    )
    for header in (
        "ours\nms", "rival\nms", "ratio", "ours\nMiB", "rival\nMiB", "ratio",
        "ours\ncompile s", "rival\ncompile s", "ratio",
    ):  # fmt: skip
        table.add_column(header, justify="right", no_wrap=True)
    for row in rows:
        ours, theirs = row.temp_bytes, row.rival_temp_bytes
        numbers = [
            *(row.step_ms, row.rival_step_ms, row.to_rival),
            *(ours and ours / 2**20, theirs and theirs / 2**20),
            ours / theirs if ours and theirs else None,
            *(row.compile_s, row.rival_compile_s, row.compile_to_rival),
        ]
        table.add_row(row.model, row.rival, row.dtype, *map(_short, numbers))
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
