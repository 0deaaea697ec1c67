"""Gated units of one array that holds both operands side by side."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from .._core import describe, is_number

Layout = Literal["gate first", "gate last", "interleaved"]


@dataclass(frozen=True, repr=False)
class packed:
    """A gated unit of one array, in which gate and value lie side by side.

    packed(swiglu, "gate first") is the function g(x, axis=-1, **parameters) =
    swiglu(gate, value, **parameters).  The layout has no default, because frameworks
    disagree:

    - `"gate first"`: the first half opens, the second is let through.  Llama, Phi-3,
      vLLM's SiluAndMul, timm's SwiGLUPacked, ggml.
    - `"gate last"`: the other way round.  `jax.nn.glu`, `torch.nn.GLU`, timm's GluMlp,
      diffusers, vLLM's MulAndSilu.
    - `"interleaved"`: the gate at even places, the value at odd ones.  gpt-oss.

    Two that are made alike are equal and hash alike, so that JAX compiles them once;
    they can be pickled if `function` can.  The backward pass keeps what that of
    `function` keeps: of a gated unit of this package the two operands, as many bytes as
    `x` has.

    Attributes:
        function: a gated unit of this package, or any function of gate, value and
            parameters by name.
        layout: where the gate lies.

    Returns:
        A function of one array, which returns what `function` gives for its two halves.

    Raises:
        TypeError: `function` is not a function; in a call, `x` is not an array.
        ValueError: `layout` is not one of the three; in a call, `x` has no such axis,
            or one of odd size.

    Example:
        >>> unit = jaxact.packed(jaxact.swiglu, "gate first")
        >>> unit(jnp.array([-1.0, 2.0, 0.5, 3.0]))
        Array([-0.13447072,  5.2847824 ], dtype=float32)
    """

    function: Callable[..., Array]
    layout: Layout

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"packed: expected a function, got {self.function!r}")
        if self.layout not in get_args(Layout):
            layouts = ", ".join(map(repr, get_args(Layout)))
            raise ValueError(f"packed: layout {self.layout!r} is not one of {layouts}")

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", repr(self.function))
        return f"packed({name}, {self.layout!r})"

    def __call__(self, x: ArrayLike, axis: int = -1, **parameters: Any) -> Array:
        gate, value = split(x, axis, self.layout, repr(self))
        return self.function(gate, value, **parameters)


def split(x: ArrayLike, axis: int, layout: Layout, name: str) -> tuple[Array, Array]:
    """Gate and value of an array; `name` is for the messages."""
    if hasattr(x, "__jax_array__"):  # an object that only knows how to become one
        x = jnp.asarray(x)
    if not is_number(x, holomorphic=True):
        raise TypeError(f"{name}: x must be an array; got {describe(x)}")
    shape, axis = jnp.shape(x), operator.index(axis)
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"{name}: x of shape {shape} has no axis {axis}")
    if shape[axis] % 2:
        raise ValueError(
            f"{name}: the size of axis {axis} of x, of shape {shape}, is odd; it holds "
            "as many gates as values"
        )
    first, second = _parts(x, axis % len(shape), layout == "interleaved")
    return (second, first) if layout == "gate last" else (first, second)


@partial(jax.jit, static_argnums=(1, 2))
def _parts(x: ArrayLike, axis: int, interleaved: bool) -> list[Array]:
    if not interleaved:
        return jnp.split(x, 2, axis)
    x = jnp.asarray(x)
    return [lax.slice_in_dim(x, i, None, stride=2, axis=axis) for i in (0, 1)]
