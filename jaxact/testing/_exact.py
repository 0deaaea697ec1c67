"""The questions to the oracle, and its answers."""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from .._formula import Formula


class Question(NamedTuple):
    """A formula with everything fixed but the points; small enough to send around."""

    formula: Formula
    parameters: dict[str, float]
    domain: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Exact:
    """Exact values of an activation or a derivative.

    Attributes:
        rounded: the values correctly rounded to the output dtype, ties to even.
        high: the nearest float64; inf and NaN as limits have it.
        low: the rest: `high + low` is the exact value to about 100 bits.
        root_scale: near a root away from 0, |x| times the next derivative, the scale
            on which the terms cancel; NaN elsewhere.
    """

    rounded: np.ndarray
    high: np.ndarray
    low: np.ndarray
    root_scale: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Exact":
        """Float64 numbers taken as exact."""
        none = np.full(values.shape, np.nan)
        return cls(values, values, np.zeros_like(values), none)

    def __getitem__(self, index: object) -> "Exact":
        """The same at some of the points."""
        return Exact(*(getattr(self, f.name)[index] for f in fields(self)))
