"""What is returned: the statistics of every site of a program."""

import difflib
import fnmatch
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ._statistics import (
    Rows,
    along_axis,
    nothing as nothing_like,
    over_devices,
    pair,
    samples,
)
from ._written import plain, table

Keep = str | Callable[[str], bool] | None

_STATIC = ["activation", "dtype", "source", "axes"]
_ROWS = [
    *("count", "nonfinite", "zeros", "live", "saturated", "low", "high"),
    *("x_mean", "x_m2", "y_mean", "y_m2", "slope_mean", "slope_m2"),
    *("g_count", "g_nonfinite", "g_zeros", "g_largest", "g_mean", "g_m2"),
]


@partial(jax.tree_util.register_dataclass, data_fields=_ROWS, meta_fields=_STATIC)
@dataclass(frozen=True, eq=False)
class Statistics:
    """What one site has seen: of operand `x`, output `y`, and `slope` at every sample.

    Arrays are ``[units]``, with an axis ahead for every one of `axes`, and but for
    `count` and `g_count`, which are the same for all units.  What was not asked for is
    None: the moments under `statistics="counts"`, and `g_...`, which are of the
    cotangent of y, without `observe_value_and_grad`.

    Attributes:
        activation: its name.
        dtype: that of y.
        source: the file and line of the call.
        axes: along what its calls are stacked, outermost first, as ``scan[4]``.
        count: samples seen.  It is an int32: up to 2.1e9.
        nonfinite: of these, those where x or y is infinite or NaN; they count nowhere
            else.
        zeros: samples where y is 0.
        live: samples where the slope is larger than the tolerance `dead`.
        saturated: samples where it is at most `saturated` times the steepest slope.
        low: the least x.
        high: the largest x.
        x_mean: the mean of x; so `y_mean`, `slope_mean`, `g_mean`.
        x_m2: the sum of squared deviations from it; so `y_m2`, `slope_m2`, `g_m2`.
        g_count: cotangents seen.
        g_nonfinite: those infinite or NaN.
        g_zeros: those that are 0.
        g_largest: the largest magnitude.
    """

    activation: str
    dtype: str
    source: str
    axes: tuple[str, ...]
    count: Array
    nonfinite: Array
    zeros: Array
    live: Array
    saturated: Array
    low: Any = None
    high: Any = None
    x_mean: Any = None
    x_m2: Any = None
    y_mean: Any = None
    y_m2: Any = None
    slope_mean: Any = None
    slope_m2: Any = None
    g_count: Any = None
    g_nonfinite: Any = None
    g_zeros: Any = None
    g_largest: Any = None
    g_mean: Any = None
    g_m2: Any = None

    @property
    def rows(self) -> Rows:
        """The arrays by name, without those not asked for."""
        values = {n: getattr(self, n) for n in _ROWS}
        return {n: v for n, v in values.items() if v is not None}

    @property
    def n(self) -> Array:
        """Finite samples, per unit."""
        return samples(self.rows)

    @property
    def dead(self) -> Array:
        """Whether a unit has seen samples, and no slope at any: bool per unit."""
        return (self.live == 0) & (self.n > 0)

    @property
    def dead_share(self) -> Array:
        """The share of units that are dead."""
        return jnp.mean(self.dead, axis=-1)

    @property
    def zero_share(self) -> Array:
        """The share of samples where y is 0, per unit."""
        return self.zeros / self.n

    @property
    def saturated_share(self) -> Array:
        """The share of samples that are saturated, per unit."""
        return self.saturated / self.n

    def variance(self, of: str) -> Array:
        """The variance of `x`, `y`, `slope` or `g`, per unit."""
        squares = self._moment(of, "m2")
        return squares / self._finite(of).astype(squares.dtype)

    def mean_square(self, of: str) -> Array:
        """The second moment of `x`, `y`, `slope` or `g`, per unit."""
        return self.variance(of) + self._moment(of, "mean") ** 2

    def _finite(self, of: str) -> Array:
        if of != "g":
            return self.n
        return samples({"count": self.g_count, "nonfinite": self.g_nonfinite})

    def _moment(self, of: str, which: str) -> Array:
        if of not in ("x", "y", "slope", "g"):
            raise ValueError(f"Statistics: got {of!r}, expected x, y, slope or g")
        value = getattr(self, f"{of}_{which}")
        if value is None:
            how = "observe_value_and_grad" if of == "g" else 'statistics="all"'
            raise ValueError(f"Statistics: the moments of {of} need {how}")
        return value


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["stats"],
    meta_fields=["names", "unseen"],
)
@dataclass(frozen=True, eq=False, repr=False)
class Observations(Mapping[str, Statistics]):
    """The statistics of the sites of a program by their names, in its order.

    A pytree: it passes through `jax.jit`, `jax.lax.scan`, `jax.tree.map`.

    Attributes:
        names: the names of the sites.
        stats: the statistics of each.
        unseen: the sites that could not be seen, each with the reason.
    """

    names: tuple[str, ...]
    stats: tuple[Statistics, ...]
    unseen: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Statistics:
        """The statistics of a site."""
        if name in self.names:
            return self.stats[self.names.index(name)]
        close = difflib.get_close_matches(str(name), self.names, 3, 0.3)
        hint = ", ".join(close or self.names[:3]) or "none"
        raise KeyError(f"Observations: no site {name!r}; there is {hint}")

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def filter(self, keep: Keep) -> "Observations":
        """The sites whose names match: a pattern as of file names, or a function."""
        chosen = predicate("filter", keep)
        pairs = [(n, s) for n, s in self.items() if chosen(n)]
        return replace(
            self, names=tuple(n for n, _ in pairs), stats=tuple(s for _, s in pairs)
        )

    def merged(self, axis: int | None = None) -> "Observations":
        """The samples of all calls of a site as one.

        Args:
            axis: one leading axis to merge along, as of `jax.vmap` or of a scan around
                the observed function; if None, all axes that the program stacks.
        """
        if axis is not None:
            return self._each(lambda s: _with_rows(s, along_axis(s.rows, axis)))
        return self._each(partial(merged_along, prefix=""))

    def psum(self, axis_name: Any) -> "Observations":
        """Merged over a named axis of devices, inside `jax.shard_map` or `jax.pmap`."""
        return self._each(lambda s: _with_rows(s, over_devices(s.rows, axis_name)))

    def empty(self) -> "Observations":
        """The same sites that have seen nothing: the start of a merge in a loop."""
        return self._each(lambda s: _with_rows(s, nothing_like(s.rows)))

    def _each(self, f: Callable[[Statistics], Statistics]) -> "Observations":
        return replace(self, stats=tuple(map(f, self.stats)))

    def to_dict(self) -> dict[str, Any]:
        """Plain data: numbers, lists and strings; None where there is no number."""
        return {
            "sites": {n: plain(s) for n, s in self.items()},
            "unseen": list(self.unseen),
        }

    def to_json(self) -> str:
        """`to_dict` as JSON."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def __repr__(self) -> str:
        return table(self)


def merge(first: Observations, *others: Observations) -> Observations:
    """Observations of different samples of the same program as one.

    Counts and extremes are exact; means and moments are merged by Chan's rule, so that
    the order does not matter but for rounding.

    Returns:
        `Observations` of the same sites, with the samples of all.

    Raises:
        TypeError: an argument is not Observations.
        ValueError: they are not of the same sites, or not of the same shapes.

    Example:
        >>> watched = jaxact.observe(jaxact.relu)
        >>> first, second = (watched(jnp.array([[v, 2.0]]))[1] for v in (-1.0, 1.0))
        >>> jaxact.merge(first, second)["relu"].live
        Array([1, 2], dtype=int32)
    """
    for other in (first, *others):
        if not isinstance(other, Observations):
            raise TypeError(
                f"merge: expected Observations, got {type(other).__name__}; "
                "jaxact.observe returns them second: out, seen = ..."
            )
    return reduce(_merge_two, others, first)


def _merge_two(a: Observations, b: Observations) -> Observations:
    if a.names != b.names:
        apart = sorted(set(a.names) ^ set(b.names)) or ["their order"]
        raise ValueError(f"merge: the sites differ: {', '.join(apart)}")
    stats = []
    for name, s, t in zip(a.names, a.stats, b.stats, strict=True):
        shapes = [{n: jnp.shape(v) for n, v in x.rows.items()} for x in (s, t)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"merge: the statistics of {name} differ in shape: live has "
                f"{s.live.shape} and {t.live.shape}"
            )
        stats.append(_with_rows(s, pair(s.rows, t.rows)))
    unseen = tuple(dict.fromkeys([*a.unseen, *b.unseen]))
    return Observations(a.names, tuple(stats), unseen)


def merged_along(site: Statistics, prefix: str) -> Statistics:
    """A site, merged along those of its axes whose labels begin so."""
    rows = site.rows
    for place, label in reversed(list(enumerate(site.axes))):
        if label.startswith(prefix):
            rows = along_axis(rows, place)
    axes = tuple(a for a in site.axes if not a.startswith(prefix))
    return replace(_with_rows(site, rows), axes=axes)


def _with_rows(site: Statistics, rows: Rows) -> Statistics:
    return replace(site, **rows)


def predicate(caller: str, keep: Keep) -> Callable[[str], bool]:
    """What chooses sites by name."""
    if keep is None:
        return lambda name: True
    if isinstance(keep, str):
        return partial(fnmatch.fnmatchcase, pat=keep)
    if callable(keep):
        return keep
    raise TypeError(
        f"{caller}: keep must be a pattern such as 'MLP/*' or a function of a name; "
        f"got {type(keep).__name__}"
    )
