"""Whether a function is elementwise, as its jaxpr tells.

For every value we note along which axes of x its own axes run.  A reduction along one
of them, or a sum in which two of them meet, mixes elements.  After a primitive that is
not known here the axes are lost, and nothing is said about the values that follow.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

# for each axis of a value the axis of x, or None; None if it does not depend on x
Axes = tuple[int | None, ...] | None
_LOST: Any = "lost"

_ALONG = {
    **dict.fromkeys(("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"), "axis"),
    "sort": "dimension",
    "rev": "dimensions",
    "concatenate": "dimension",
}
_LOOPS = ("scan", "while", "cond")


class Mixes(Exception):
    """The primitive that mixes elements, by its name."""


def require_elementwise(f: Callable[[Any], Any], x: Any, name: str) -> None:
    """Refuse a function that does not map each element of x to the one in its place.

    Raises:
        TypeError: it mixes elements, moves them, or does not return a single array.
    """
    problem = f"derivative: {name} is not elementwise: "
    closed, out = jax.make_jaxpr(f, return_shape=True)(x)
    shape, got = np.shape(x), getattr(out, "shape", None)
    if got is None:
        raise TypeError(f"{problem}of shape {shape} it gives {type(out).__name__}")
    if not _broadcasts(shape, got):
        raise TypeError(f"{problem}of shape {shape} it gives shape {got}")
    start = tuple(k if n != 1 else None for k, n in enumerate(shape))
    try:
        (axes,) = _flow(closed.jaxpr, [start])
    except Mixes as mixes:
        raise TypeError(f"{problem}{mixes} mixes elements of x") from None
    placed = (None,) * (len(got) - len(shape)) + start
    if axes is not None and axes is not _LOST and axes != placed:
        raise TypeError(f"{problem}it moves elements of x")


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


def _flow(jaxpr: Any, inputs: Sequence[Axes]) -> list[Axes]:
    """The axes of the outputs."""
    known: dict[Any, Axes] = dict(zip(jaxpr.invars, inputs, strict=True))

    def read(v: Any) -> Axes:
        return None if hasattr(v, "val") else known.get(v)  # of a literal

    for eqn in jaxpr.eqns:
        axes = [read(v) for v in eqn.invars]
        if all(a is None for a in axes):
            continue
        found = _after(eqn, axes)
        known |= dict(zip(eqn.outvars, found, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _after(eqn: Any, axes: list[Axes]) -> Sequence[Axes]:
    name, params, count = eqn.primitive.name, eqn.params, len(eqn.outvars)
    inner = params.get("jaxpr", params.get("call_jaxpr"))
    if inner is not None and name not in _LOOPS:
        inner = getattr(inner, "jaxpr", inner)
        if len(inner.invars) == len(axes):
            return _flow(inner, axes)
    if any(a is _LOST for a in axes) or name in _LOOPS:
        return [_LOST] * count
    one = axes[0]
    if name.startswith(("reduce_", "arg")) and "axes" in params:
        deep = [a for a in axes if a is not None]
        return [_reduced(name, deep[0], params["axes"])] * count
    if name in _ALONG:
        along = params[_ALONG[name]]
        for a in filter(None, axes):
            _reduced(name, a, along if isinstance(along, tuple) else (along,))
    if name == "dot_general":
        return [_product(axes, params["dimension_numbers"], eqn)]
    if name == "transpose" and one is not None:
        return [tuple(one[k] for k in params["permutation"])]
    if name == "broadcast_in_dim" and one is not None:
        moved = dict(zip(params["broadcast_dimensions"], one, strict=True))
        return [tuple(moved.get(k) for k in range(len(params["shape"])))]
    if name == "squeeze" and one is not None:
        gone = params["dimensions"]
        return [tuple(a for k, a in enumerate(one) if k not in gone)]
    if name == "reshape" and one is not None:
        return [_reshaped(one, eqn.invars[0].aval.shape, params["new_sizes"])]
    if name == "slice" and one is not None:
        return [_sliced(one, eqn.invars[0].aval.shape, eqn.outvars[0].aval.shape)]
    return _elementwise(name, axes, eqn)


def _reduced(name: str, axes: Any, along: Sequence[int]) -> Axes:
    if any(axes[k] is not None for k in along):
        raise Mixes(name)
    return tuple(a for k, a in enumerate(axes) if k not in along)


def _product(axes: list[Axes], numbers: Any, eqn: Any) -> Axes:
    contracting, batch = numbers
    full = []
    for a, v in zip(axes, eqn.invars, strict=True):
        full.append((None,) * len(v.aval.shape) if a is None else a)
    for a, along in zip(full, contracting, strict=True):
        if any(a[k] is not None for k in along):
            raise Mixes("dot_general")
    shared = [_met("dot_general", [full[0][i], full[1][j]]) for i, j in zip(*batch,
              strict=True)]  # fmt: skip
    free = [
        a[k]
        for a, along, both in zip(full, contracting, batch, strict=True)
        for k in range(len(a))
        if k not in along and k not in both
    ]
    return (*shared, *free)


def _reshaped(axes: Any, old: Sequence[int], new: Sequence[int]) -> Axes:
    """The axes where only axes of length 1 come and go; lost otherwise."""
    kept = [(n, a) for n, a in zip(old, axes, strict=True) if n != 1]
    if [n for n, _ in kept] != [n for n in new if n != 1]:
        return _LOST
    rest = iter(kept)
    return tuple(next(rest)[1] if n != 1 else None for n in new)


def _sliced(axes: Any, old: Sequence[int], new: Sequence[int]) -> Axes:
    cut = [a is not None and m != n for a, m, n in zip(axes, old, new, strict=True)]
    if any(cut):
        raise Mixes("slice")
    return axes


def _elementwise(name: str, axes: list[Axes], eqn: Any) -> Sequence[Axes]:
    """For a primitive whose operands are scalars or have the shape of its outputs."""
    shapes = {v.aval.shape for v in (*eqn.invars, *eqn.outvars)} - {()}
    if len(shapes) > 1 or name == "fft":
        return [_LOST] * len(eqn.outvars)
    rank = max(map(len, shapes), default=0)
    wide = [(None,) * rank, *filter(None, axes)]
    met = tuple(_met(name, column) for column in zip(*wide, strict=True))
    return [met if v.aval.shape else () for v in eqn.outvars]


def _met(name: str, axes: Sequence[int | None]) -> int | None:
    found = {a for a in axes if a is not None}
    if len(found) > 1:
        raise Mixes(name)
    return found.pop() if found else None
