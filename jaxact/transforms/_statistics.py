"""Statistics of the samples that a site has seen: rows of figures, one for each unit.

Rows are a dict of arrays, all of them ``[units]`` but for `count`, a single number.
Half precisions are accumulated in float32.  Rows of different samples are merged by
Chan's rule (Chan, Golub, LeVeque, 1983), which is exact but for rounding.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

Rows = dict[str, Array]

STAGE = 128  # samples: counts of 8 bits hold it, and no digits of squares are lost
COUNTS = ("count", "nonfinite", "zeros", "live", "saturated")


class Extreme(NamedTuple):
    """How the extremes of two rows are merged, along an axis too, and of nothing."""

    pair: Callable[[Array, Array], Array]
    along: Callable[..., Array]
    nothing: float


LOW = Extreme(jnp.minimum, jnp.min, math.inf)
HIGH = Extreme(jnp.maximum, jnp.max, -math.inf)
EXTREMES = {"low": LOW, "high": HIGH, "largest": Extreme(jnp.maximum, jnp.max, 0.0)}


class Settings(NamedTuple):
    """What is counted, and how."""

    unit_axis: int = -1
    dead: float = 0.0
    saturated: float = 0.05
    moments: bool = True


# --- of the samples of one call -------------------------------------------------------


@partial(jax.jit, static_argnums=(3, 4), inline=True)
def of_activation(
    x: Array, y: Array, slope: Array, steepest: float, settings: Settings
) -> Rows:
    """Those of operand, output and slope; the slopes' scale is the steepest of all."""
    wide = wide_dtype(y.dtype)
    x, y, slope = (
        jnp.atleast_1d(jnp.broadcast_to(v, y.shape).astype(wide)) for v in (x, y, slope)
    )
    fine, size = jnp.isfinite(x) & jnp.isfinite(y), jnp.abs(slope)
    marks = {
        "nonfinite": ~fine,
        "zeros": fine & (y == 0),
        "live": fine & (size > settings.dead),
        "saturated": fine & (size <= settings.saturated * steepest),
    }
    if not settings.moments:
        return _reduced(fine, marks, {}, {}, settings.unit_axis)
    moments = {"x_": x, "y_": y, "slope_": slope}
    return _reduced(fine, marks, moments, {"low": x, "high": x}, settings.unit_axis)


@partial(jax.jit, static_argnums=1, inline=True)
def of_cotangent(g: Array, settings: Settings) -> Rows:
    """Those of a cotangent, all of one dtype: they travel as a cotangent themselves."""
    g = jnp.atleast_1d(g.astype(wide_dtype(g.dtype)))
    fine = jnp.isfinite(g)
    marks = {"nonfinite": ~fine, "zeros": g == 0}
    moments, extremes = (
        ({"": g}, {"largest": jnp.abs(g)}) if settings.moments else ({}, {})
    )
    rows = _reduced(fine, marks, moments, extremes, settings.unit_axis)
    return {k: v.astype(g.dtype) for k, v in rows.items()}


def of_cotangent_names(settings: Settings) -> tuple[str, ...]:
    """The names of these statistics."""
    counts = ("count", "nonfinite", "zeros")
    return (*counts, "mean", "m2", "largest") if settings.moments else counts


def wide_dtype(dtype: Any) -> Any:
    """The dtype that samples are accumulated in."""
    return jnp.float32 if jnp.dtype(dtype).itemsize < 4 else dtype


def _reduced(
    fine: Array,
    marks: Mapping[str, Array],
    moments: Mapping[str, Array],
    extremes: Mapping[str, Array],
    unit_axis: int,
) -> Rows:
    """One reduce, which reads everything once; of many samples, one of each stage.

    Its combiner is Chan's rule: a sum for each figure would be a loop for each.
    """
    arrays = {"marks": _packed(marks)}
    for k, v in moments.items():
        arrays |= {"n": fine.astype(v.dtype), f"{k}mean": jnp.where(fine, v, 0)}
        arrays |= {f"{k}m2": jnp.zeros_like(v)}
    for k, v in extremes.items():
        arrays[k] = jnp.where(fine, v, EXTREMES[k].nothing)
    unit = unit_axis if -fine.ndim <= unit_axis < fine.ndim else -1
    rows = _in_stages(arrays, unit % fine.ndim, tuple(moments))
    packed = rows.pop("marks")
    rows.pop("n", None)
    rows |= {
        k: ((packed >> 8 * i) & 255).astype(jnp.int32) for i, k in enumerate(marks)
    }
    return along_axis(rows) if len(packed) > 1 else {k: v[0] for k, v in rows.items()}


def _packed(marks: Mapping[str, Array]) -> Array:
    """Counts of a stage have 8 bits each: one operand, for each costs as much."""
    shifted = (m.astype(jnp.uint32) << 8 * i for i, m in enumerate(marks.values()))
    return reduce(jnp.bitwise_or, shifted)


def _in_stages(arrays: Rows, unit: int, moments: tuple[str, ...]) -> Rows:
    """The rows of every stage, one below the other."""
    shape = arrays["marks"].shape
    axes, cut, room = _stage(shape, unit)
    if cut is not None:
        n = shape[cut]
        part = max(d for d in range(1, room + 1) if n % d == 0)
        if 2 * part <= room:  # as of a prime number: there is a rest
            ends = (0, n // room * room), (n // room * room, n)
            pieces = [
                {k: lax.slice_in_dim(v, *e, axis=cut) for k, v in arrays.items()}
                for e in ends
            ]
            head, rest = (_in_stages(piece, unit, moments) for piece in pieces)
            return {k: jnp.concatenate([head[k], rest[k]]) for k in head}
        shape = (*shape[:cut], n // part, part, *shape[cut + 1 :])
        axes = (cut + 1, *(a + (a > cut) for a in axes))
        unit += unit > cut
    operands = tuple(v.reshape(shape) for v in arrays.values())
    combined = partial(_combined, tuple(arrays), moments)
    initial = tuple(
        np.asarray(EXTREMES[k].nothing if k in EXTREMES else 0, v.dtype)
        for k, v in arrays.items()
    )
    out = lax.reduce(operands, initial, combined, axes) if axes else operands
    place = unit - sum(a < unit for a in axes)
    left = [jnp.moveaxis(v, place, -1).reshape(-1, shape[unit]) for v in out]
    rows = dict(zip(arrays, left, strict=True))
    size = math.prod(shape[a] for a in axes)
    rows["count"] = alike(jnp.full(len(left[0]), size, jnp.int32), rows["marks"])
    return rows


def _stage(
    shape: tuple[int, ...], unit: int
) -> tuple[tuple[int, ...], int | None, int]:
    """The axes to reduce whole, one to cut, and how much of that fits in a stage."""
    axes: list[int] = []
    room = STAGE
    for axis in reversed(range(len(shape))):
        if axis == unit:
            continue
        if shape[axis] > room:
            return tuple(axes), axis if room > 1 else None, room
        axes.append(axis)
        room //= max(shape[axis], 1)
    return tuple(axes), None, room


def _combined(names: Sequence[str], moments: Sequence[str], a: Any, b: Any) -> Any:
    """The rows of two sets of samples as one."""
    both = {k: (v, w) for k, v, w in zip(names, a, b, strict=True)}
    out = {
        k: EXTREMES[k].pair(*v) if k in EXTREMES else v[0] + v[1]
        for k, v in both.items()
    }
    for k in moments:
        (n, more), (mean, other) = both["n"], both[f"{k}mean"]
        gap, part = other - mean, more / jnp.maximum(out["n"], 1)
        out[f"{k}mean"] = mean + gap * part
        out[f"{k}m2"] += gap * gap * (n * part)
    return tuple(out.values())


# --- of samples that were seen apart --------------------------------------------------


def merged(
    rows: Rows,
    total: Callable[[Array], Array],
    least: Callable[[Array], Array],
    most: Callable[[Array], Array],
    middle: Callable[[Array], Array],
) -> Rows:
    """Rows merged by what sums over them: along an axis, or over devices.

    Those of the cotangent, which begin with `g_`, have a count of their own.
    """
    out: Rows = {}
    for group in ("", "g_"):
        mine = {k: v for k, v in rows.items() if k.startswith("g_") == bool(group)}
        if not mine:
            continue
        n = _samples(mine[f"{group}count"], mine[f"{group}nonfinite"])
        for k, v in mine.items():
            bare = k.removeprefix("g_")
            if bare in COUNTS:
                out[k] = total(v)
            elif bare in EXTREMES:
                out[k] = (least if bare == "low" else most)(v)
            elif k.endswith("mean"):
                weight, base = n.astype(v.dtype), middle(v)
                share = weight / jnp.maximum(total(weight), 1)
                out[k] = mean = base + total(share * (v - base))
                m2 = f"{k.removesuffix('mean')}m2"
                out[m2] = total(mine[m2] + weight * (v - mean) ** 2)
    return out


@partial(jax.jit, static_argnums=1, inline=True)
def along_axis(rows: Rows, axis: int = 0) -> Rows:
    """The rows that lie along an axis, merged."""
    ahead = {k: jnp.moveaxis(v, axis, 0) for k, v in rows.items()}

    def total(v: Array) -> Array:
        return jnp.sum(v, axis=0, keepdims=True, dtype=v.dtype)

    def middle(v: Array) -> Array:
        return total(v) / max(len(v), 1)

    least, most = (
        partial(e.along, axis=0, keepdims=True, initial=e.nothing) for e in (LOW, HIGH)
    )
    out = merged(ahead, total, least, most, middle)
    return {k: jnp.squeeze(v, 0) for k, v in out.items()}


def pair(a: Rows, b: Rows) -> Rows:
    """Two rows merged."""
    return along_axis({k: jnp.stack([a[k], b[k]]) for k in a})


def over_devices(rows: Rows, axis_name: Any) -> Rows:
    """The rows of all devices along a named axis, merged."""
    sums = (lax.psum, lax.pmin, lax.pmax, lax.pmean)
    return merged(rows, *(partial(f, axis_name=axis_name) for f in sums))


def nothing(like: Mapping[str, Any]) -> Rows:
    """Rows of no samples, which a merge leaves as they are."""
    return {
        k: alike(jnp.full(v.shape, _initial(k), v.dtype), v) for k, v in like.items()
    }


def _initial(name: str) -> float:
    extreme = EXTREMES.get(name.removeprefix("g_"))
    return extreme.nothing if extreme else 0


def samples(rows: Mapping[str, Any]) -> Array:
    """How many finite samples each unit has seen."""
    return _samples(rows["count"], rows["nonfinite"])


def _samples(count: Array, nonfinite: Array) -> Array:
    return count.reshape(count.shape + (1,) * (nonfinite.ndim - count.ndim)) - nonfinite


# --- inside shard_map -----------------------------------------------------------------


def alike(value: Array, other: Any) -> Array:
    """A constant that varies over the mesh axes that another value varies over."""
    axes = tuple(varies(getattr(other, "aval", other)))
    return lax.pcast(value, axes, to="varying") if axes else value


def varies(aval: Any) -> frozenset[Any]:
    """The manual mesh axes that a value varies over."""
    kind = getattr(aval, "manual_axis_type", None)
    return frozenset(getattr(aval, "vma", None) or getattr(kind, "varying", ()) or ())
