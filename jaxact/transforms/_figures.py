"""Observations as plain figures: a few numbers for each layer."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from ._observations import Observations, Statistics, merged_along


def figures(seen: Observations) -> dict[str, dict[str, float]]:
    """The figures of every layer by its name, that of a turn of a scan "relu[2]"."""
    return {
        f"{name}{turn}": {k: float(v) for k, v in _figures(part).items()}
        for name, site in seen.items()
        for turn, part in turns(site)
    }


def turns(site: Statistics) -> Iterator[tuple[str, Any]]:
    """The turns of a scan by "[0]", "[1]", ...; what is in none, by "" alone."""
    site = jax.device_get(merged_along(site, "shards"))
    stacked = site.count.ndim
    flat = jax.tree.map(lambda v: np.reshape(v, (-1, *v.shape[stacked:])), site)
    for k in range(len(flat.count)):
        yield f"[{k}]" if stacked else "", jax.tree.map(lambda v, k=k: v[k], flat)


def _figures(site: Any) -> dict[str, Any]:
    n = np.asarray(site.n, np.float64)
    finite = max(np.sum(n), 1)
    found = {
        "dead": np.mean((site.live == 0) & (n > 0)),
        "saturated": np.sum(site.saturated, dtype=np.float64) / finite,
        "mean_slope": np.sum(site.slope_mean * n) / finite,
        "non_finite": 1 - np.sum(n) / max(site.count * n.size, 1),
    }
    if site.g_count is not None:  # the norm of the cotangent, of all finite samples
        n = np.asarray(site.g_count - site.g_nonfinite, np.float64)
        squares = np.asarray(site.g_m2, np.float64) + n * np.square(
            site.g_mean, dtype=float
        )
        found["gradient"] = np.sqrt(np.sum(squares))
    return found
