"""Functions with the derivatives of others, and rows beside what they compute."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import NamedSharding, PartitionSpec, reshard

from ._statistics import Settings, of_cotangent

Flat = Callable[..., Any]


def with_jvp_of(original: Flat, observed: Flat, args: Sequence[Any]) -> Any:
    """`observed(*args)`: outputs with the tangents of the original, and rows."""
    f = jax.custom_jvp(observed)

    @f.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        outs, moved = jax.jvp(original, primals, tangents)
        rows = f(*primals)[1]
        return (outs, rows), (moved, jax.tree.map(_still, rows))

    return f(*args)


def _still(v: Array) -> Any:
    """The tangent of what does not move."""
    if jnp.issubdtype(v.dtype, jnp.inexact):
        return jnp.zeros_like(v)
    return np.zeros(v.shape, jax.dtypes.float0)


def with_vjp_of(original: Flat, observed: Flat, args: Sequence[Any]) -> Any:
    """The same of a function that has cotangents alone."""
    f = jax.custom_vjp(observed)

    def forward(*args: Any) -> Any:
        outs, back = jax.vjp(original, *args)
        return (outs, observed(*args)[1]), back

    f.defvjp(forward, lambda back, g: back(g[0]))
    return f(*args)


def tapped(y: Array, into: Any, settings: Settings) -> Array:
    """y, the statistics of whose cotangent are the cotangent of `into`."""

    @jax.custom_vjp
    def tap(y: Array, into: Any) -> Array:
        return y

    def back(_: None, g: Array) -> tuple[Array, Any]:
        return g, jax.tree.map(_replicated, of_cotangent(g, settings))

    tap.defvjp(lambda y, into: (y, None), back)
    return tap(y, into)


def _replicated(v: Array) -> Array:
    """Where shardings are part of types: the type of what it is the cotangent of."""
    sharding = jax.typeof(v).sharding
    if all(axis is None for axis in sharding.spec):
        return v
    return reshard(v, NamedSharding(sharding.mesh, PartitionSpec()))
