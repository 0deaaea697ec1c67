"""Models to measure an activation in: what surrounds it decides what it costs.

Needs nothing but JAX and NumPy.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

Activation = Callable[[Array], Array]
Weights = tuple[Array, ...]  # one array per matrix of a layer, the layers stacked

BATCH, WIDTH, HIDDEN = 2048, 256, 1024
SCANNED, UNROLLED = 8, 12  # layers


def mlp_step(act: Activation) -> Any:
    """Value and gradient of a scanned MLP, compiled: a function of weights and x."""
    return _step(_scan(_layer(act)))


def glu_step(unit: Callable[[Array, Array], Array]) -> Any:
    """The same of gated layers, the unit a function of gate and value."""
    return _step(_scan(lambda h, gate, up, down: unit(h @ gate, h @ up) @ down))


def plain_swiglu(gate: Array, up: Array) -> Array:
    """The gated unit as it is written with jax.nn."""
    return jax.nn.silu(gate) * up


def unrolled_step(act: Activation) -> Any:
    """The same of an MLP whose layers are written out."""

    def model(weights: Weights, x: Array) -> Array:
        for n in range(UNROLLED):
            x = _layer(act)(x, *(w[n] for w in weights))
        return x

    return _step(model)


def shapes(dtype: Any, matrices: int = 2, layers: int | None = None) -> Any:
    """The shapes of the weights and of a batch, enough to compile."""
    ways = [(WIDTH, HIDDEN)] * (matrices - 1) + [(HIDDEN, WIDTH)]
    weights = tuple(
        jax.ShapeDtypeStruct((layers or SCANNED, *way), dtype) for way in ways
    )
    return weights, jax.ShapeDtypeStruct((BATCH, WIDTH), dtype)


def inputs(dtype: Any, matrices: int = 2) -> Any:
    """Weights and a batch for a scanned step: random, of unit scale everywhere."""
    random = np.random.default_rng(0)

    def fill(shape: Any, scale: float) -> Array:
        return jnp.asarray(scale * random.standard_normal(shape.shape), dtype)

    weights, x = shapes(dtype, matrices)
    return tuple(fill(w, w.shape[1] ** -0.5) for w in weights), fill(x, 1)


def temp_bytes(compiled: Any) -> int | None:
    """The memory of intermediate results, or None where the backend does not say."""
    found = compiled.memory_analysis()
    return None if found is None else found.temp_size_in_bytes


def mlp_temp_bytes(act: Activation, dtype: Any = "float32") -> int | None:
    """Compile the scanned MLP with an activation: the memory its step needs."""
    return temp_bytes(mlp_step(act).lower(*shapes(dtype)).compile())


def glu_temp_bytes(
    unit: Callable[[Array, Array], Array], dtype: Any = "float32"
) -> int | None:
    """The same of the scanned gated layers."""
    return temp_bytes(glu_step(unit).lower(*shapes(dtype, 3)).compile())


def _layer(act: Activation) -> Callable[..., Array]:
    return lambda h, up, down: act(h @ up) @ down


def _scan(layer: Callable[..., Array]) -> Callable[[Weights, Array], Array]:
    def model(weights: Weights, x: Array) -> Array:
        return lax.scan(lambda h, w: (layer(h, *w), None), x, weights)[0]

    return model


def _step(model: Callable[[Weights, Array], Array]) -> Any:
    def loss(weights: Weights, x: Array) -> Array:
        return jnp.mean(jnp.square(model(weights, x)))

    return jax.jit(jax.value_and_grad(loss))
