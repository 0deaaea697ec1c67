"""How far jaxact is from what other frameworks gave, as recorded in frameworks.json."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..catalogue import get
from ..frameworks import Framework


@dataclass(frozen=True)
class Case:
    """What a framework gave for a function.

    Attributes:
        framework: its name.
        names: the names it has there.
        parameters: those it was called with, by their names.
        x: where.
        halves: whether it is called with the two halves of `x`, gate and value.
        weights: what the gradient is the product of the Jacobian with.
        value: what it gave.
        gradient: likewise, or None where the framework has none.
    """

    framework: Framework
    names: tuple[str, ...]
    parameters: dict[str, Any]
    x: np.ndarray
    halves: bool
    weights: np.ndarray
    value: np.ndarray
    gradient: np.ndarray | None

    def ours(self) -> Callable[..., Any]:
        """The activation of jaxact.

        Raises:
            TypeError: it has no such parameter.
            ValueError: there is none.
        """
        return get(self.names[0], self.framework, **self.parameters)


@dataclass(frozen=True)
class Agreement:
    """How far two results are apart.

    Attributes:
        furthest: the largest difference, of numbers above 1 relative to them.
        at: the point of the largest difference, None for functions along an axis.
        no_numbers: the points where theirs is NaN or infinite and ours is not that.
    """

    furthest: float
    at: float | None
    no_numbers: tuple[float, ...]


@cache
def recording() -> dict[str, Any]:
    """The file, with the versions and the origin of what is in it."""
    return json.loads((Path(__file__).parent / "frameworks.json").read_text())


def cases(framework: str | None = None) -> Iterator[Case]:
    """What was recorded, of one framework or of all."""
    places = recording()["points"]
    line, cube, weights = (_array(places[n]) for n in ("line", "cube", "weights"))
    for name, recorded in recording()["frameworks"].items():
        for case in recorded["cases"] if framework in (None, name) else ():
            value, gradient = _array(case["value"]), case["gradient"]
            on_line = case["points"] == "line"
            seeds = np.ones_like(line) if on_line else weights
            yield Case(
                framework=name,
                names=tuple(case["names"]),
                parameters=case["parameters"],
                x=line if on_line else cube,
                halves=case["points"] == "halves",
                weights=seeds[tuple(map(slice, value.shape))],
                value=value,
                gradient=None if gradient is None else _array(gradient),
            )


def agreement(case: Case) -> tuple[Agreement, Agreement | None]:
    """Value and gradient of jaxact in float64, against those recorded.

    Raises:
        TypeError: the activation has no such parameter.
        ValueError: there is no such activation.
    """
    ours = case.ours()

    def f(x: jax.Array) -> jax.Array:
        return ours(*jnp.split(x, 2, -1)) if case.halves else ours(x)

    with jax.enable_x64(True):
        value, pull = jax.vjp(f, jnp.asarray(case.x))
        (gradient,) = pull(jnp.asarray(case.weights, value.dtype))
    of_value = _apart(np.asarray(value), case.value, case.x)
    if case.gradient is None:
        return of_value, None
    return of_value, _apart(np.asarray(gradient), case.gradient, case.x)


def _apart(ours: np.ndarray, theirs: np.ndarray, x: np.ndarray) -> Agreement:
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    odd, far = ~np.isfinite(theirs) & ~same, np.zeros(theirs.shape)
    np.subtract(ours, theirs, out=far, where=np.isfinite(theirs))
    far = np.abs(far) / np.where(odd, 1, np.maximum(np.abs(theirs), 1))
    if x.ndim > 1:
        return Agreement(float(far.max()), None, tuple(theirs[odd].tolist()))
    worst = int(far.argmax())
    return Agreement(float(far[worst]), float(x[worst]), tuple(x[odd].tolist()))


def _array(cells: Any) -> np.ndarray:
    """Nested lists, in which infinities and NaN are words."""
    return np.array(cells, np.float64)
