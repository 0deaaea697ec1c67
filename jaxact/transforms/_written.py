"""Observations written out: as plain data, and as a table."""

import math
import textwrap
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from ._statistics import samples


def plain(site: Any) -> dict[str, Any]:
    told = {n: getattr(site, n) for n in ("activation", "dtype", "source")}
    told["axes"] = list(site.axes)
    return told | {n: _numbers(np.asarray(v).tolist()) for n, v in site.rows.items()}


def _numbers(value: Any) -> Any:
    if isinstance(value, list):
        return [_numbers(v) for v in value]
    return value if math.isfinite(value) else None


def table(seen: Any) -> str:
    """One line a site, in 80 columns."""
    if any(isinstance(v, Tracer) for v in jax.tree.leaves(seen)):
        return _wrapped(f"{len(seen)} sites, traced", ", ".join(seen.names))
    grads = any(s.g_mean is not None for s in seen.stats)
    heads = ["dead", "saturated", "zero", "slope", "bad"] + ["|grad|"] * grads
    widths = [13, 9, 7, 7, 8] + [9] * grads
    width = max([20, *map(len, seen.names)])
    width = min(width, 79 - sum(widths) - len(widths))
    lines = [_line("site", heads, width, widths)]
    for name, site in seen.items():
        lines.append(_line(name, _cells(site, grads), width, widths))
    lines += [_wrapped("not seen", text) for text in seen.unseen]
    return "\n".join(lines)


def _wrapped(label: str, text: str) -> str:
    return textwrap.fill(f"{label}: {text}", 79, subsequent_indent="  ")


def _line(name: str, cells: list[str], width: int, widths: list[int]) -> str:
    if len(name) > width:
        name = f"…{name[1 - width :]}"
    right = (f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))
    return " ".join([f"{name:<{width}}", *right]).rstrip()


def _cells(site: Any, grads: bool) -> list[str]:
    """Of all units and stacked calls together."""
    s: Any = jax.tree.map(lambda v: np.asarray(v, np.float64), site)
    n = np.sum(s.n)
    slope = "" if s.slope_mean is None else _ratio(np.sum(s.slope_mean * s.n), n)
    cells = [
        f"{int(np.sum(s.dead))}/{s.live.size}",
        _ratio(np.sum(s.saturated), n, ".1%"),
        _ratio(np.sum(s.zeros), n, ".1%"),
        slope,
        f"{int(np.sum(s.nonfinite))}",
    ]
    if grads:
        n = samples({"count": s.g_count, "nonfinite": s.g_nonfinite})
        square = np.sum(s.g_m2 + n * s.g_mean**2) / max(np.sum(n), 1)
        cells.append(_ratio(math.sqrt(square), float(np.any(n > 0))))
    return cells


def _ratio(part: float, whole: float, form: str = ".3g") -> str:
    return format(part / whole, form) if whole else ""
