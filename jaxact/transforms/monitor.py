"""A training step that is observed now and then: plain figures for a log."""

from collections.abc import Callable
from functools import partial
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

import jax
from jax import Array
from jax.core import Tracer

from ._figures import figures
from ._state import is_array
from .observe import Keep, Observations, Scans, merge, observe

__all__ = ["Monitored", "monitor"]


def __dir__() -> list[str]:
    return __all__


_P = ParamSpec("_P")
_R = TypeVar("_R")


def monitor(
    step: Callable[_P, _R],
    every: int = 100,
    *,
    keep: Keep = None,
    unit_axis: int = -1,
    dead: float = 0.0,
    saturated: float = 0.05,
    scans: Scans = "stack",
) -> "Monitored[_P, _R]":
    """A training step that is observed at its first call and at every so many more.

    step = jaxact.monitor(step, every=100)
    for n, batch in enumerate(batches):
        params, state, loss = step(params, state, batch)
        if n % 1000 == 0:
            log({"loss": float(loss), **step.scalars()}, n)

    Every call is a call of `step` itself, with its arguments, its result and its
    compiled code.  Ahead of one that is observed, a second program runs on the same
    arguments.  It is compiled at the first call, and has what the statistics need: of a
    training step the forward pass.  Effects in it, such as prints, happen twice then.
    Nothing waits for it before `scalars` is called.

    Args:
        step: any JAX function, such as a training step; compiled or not.  Numbers and
            other arguments that are not arrays should stay the same: the second program
            is compiled for each.
        every: how many calls there are from one that is observed to the next.
        keep: which sites, as for `observe`; so the others.
        unit_axis: the axis of the units.
        dead: a slope of at most this size is dead.
        saturated: a slope of at most this part of the steepest is saturated.
        scans: "stack" has figures for every turn of a scan, "merge" for all as one.

    Returns:
        A `Monitored`, which is called as `step` is, and has `scalars`.

    Raises:
        TypeError: `step` is not callable, or `every` not an integer; when called, the
            arguments are traced: compile the step, and monitor what is compiled.
        ValueError: `every` is less than 1, or an option has another value; when called,
            a call has other activations than those it is merged with.

    Example:
        >>> x = jnp.array([[-1.0, 2.0], [-3.0, 4.0]])  # two samples of two units
        >>> step = jaxact.monitor(jax.jit(jaxact.relu))
        >>> y = step(x)
        >>> step.scalars()["relu/dead"]
        0.5
    """
    if isinstance(every, bool) or not isinstance(every, int):
        raise TypeError(f"monitor: every must be an integer, got {every!r:.60}")
    if every < 1:
        raise ValueError(f"monitor: every={every}; expected 1 or more")
    observed = observe(
        step,
        keep=keep,
        unit_axis=unit_axis,
        dead=dead,
        saturated=saturated,
        scans=scans,
    )
    return Monitored(step, every, observed)


class Monitored(Generic[_P, _R]):
    """A step that is observed now and then.

    Attributes:
        step: the step itself.
        every: how many calls there are from one that is observed to the next.
        calls: how often it was called.
        seen: the `Observations` that `scalars` is about, as for `jaxact.diagnose`; None
            before the first call.
    """

    def __init__(self, step: Callable[_P, _R], every: int, observed: Any) -> None:
        self.step, self.every, self.calls = step, every, 0
        self.seen: Observations | None = None
        self._told = False
        self._statistics = jax.jit(partial(_statistics, observed), static_argnums=0)

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """The result of the step."""
        if self.calls % self.every == 0:
            self._observe((args, kwargs))
        self.calls += 1
        return self.step(*args, **kwargs)

    def scalars(self) -> dict[str, float]:
        """The figures of each activation, of the calls observed since it was asked.

        `dead`, the share of units without a slope at any sample; of all samples
        `non_finite`, the share that are infinite or NaN; of the finite ones
        `saturated`, the share with hardly a slope, and `mean_slope`.  The names are
        such as "layer0/relu/dead", and of a scan "layers/relu[2]/dead".  Asked again
        before the next observed call, it gives the same; before the first, nothing.
        """
        self._told = True
        if self.seen is None:
            return {}
        return {
            f"{layer}/{name}": value
            for layer, found in figures(self.seen).items()
            for name, value in found.items()
        }

    def _observe(self, called: Any) -> None:
        leaves, tree = jax.tree.flatten(called)
        if any(isinstance(v, Tracer) for v in leaves):
            raise TypeError(
                "monitor: the arguments are traced; compile the step, and monitor what "
                "is compiled: jaxact.monitor(jax.jit(step))"
            )
        rest = tuple(_HERE if is_array(v) else v for v in leaves)
        seen = self._statistics(_Rest(tree, rest), *filter(is_array, leaves))
        anew = self._told or self.seen is None
        self.seen, self._told = seen if anew else _merge(self.seen, seen), False


_HERE = object()  # the place of an array
_merge = jax.jit(merge)


class _Rest(NamedTuple):
    """What there is in a call beside arrays."""

    tree: Any
    leaves: tuple[Any, ...]


def _statistics(observed: Any, rest: _Rest, *arrays: Array) -> Observations:
    given = iter(arrays)
    leaves = [next(given) if v is _HERE else v for v in rest.leaves]
    args, kwargs = jax.tree.unflatten(rest.tree, leaves)
    return observed(*args, **kwargs)[1]
