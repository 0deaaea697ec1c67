"""What a call holds: arrays, and Flax NNX modules.

A traced function changes the state of modules in copies of them.
"""

import sys
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np


def is_array(v: Any) -> bool:
    """Whether a leaf of a call is traced; all else stays as it is."""
    return isinstance(v, (jax.Array, np.ndarray, np.generic))


def modules_in(tree: Any) -> list[Any]:
    """The NNX modules in a pytree, outermost; none if NNX is not in use."""
    nnx = sys.modules.get("flax.nnx")
    if nnx is None:
        return []

    def is_module(v: Any) -> bool:
        return isinstance(v, nnx.Module)

    return [v for v in jax.tree.leaves(tree, is_leaf=is_module) if is_module(v)]


def changed_state(copies: Sequence[Any], before: Sequence[Any]) -> list[Any]:
    """The state of the copies, or none if its arrays are still those of before."""
    after = jax.tree.leaves(copies)
    if len(after) == len(before) and all(map(_is_same, after, before)):
        return []
    return [sys.modules["flax.nnx"].state(m) for m in copies]


def _is_same(a: Any, b: Any) -> bool:
    return a is b


def update(modules: Sequence[Any], states: Sequence[Any]) -> None:
    """Give the modules themselves what their copies have become."""
    for module, state in zip(modules, states, strict=False):  # there may be no states
        sys.modules["flax.nnx"].update(module, state)
