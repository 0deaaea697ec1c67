"""Rows inside of larger programs: compiled behind a product, exported, mapped, sharded.

And called as `jax.nn` is called.
"""

import functools
import os
import pickle
import subprocess
import sys

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxact
from jaxact import catalogue
from jaxact.testing._rows import measure_rows

INF, NAN = float("inf"), float("nan")
SOFT = ("softmax", "softmin", "log_softmax", "softmax_with_sink")
WEIGHTS = ("softmax", "softmin", "softmax_with_sink", "sparsemax", "entmax15")
LOG_SUMS = ("logsumexp", "logmeanexp")
ROWS = (*WEIGHTS, "log_softmax", *LOG_SUMS, "hardmax", "squash", "poly_norm")
X = np.random.default_rng(2).standard_normal((64, 16)).astype(np.float32)
C = np.random.default_rng(3).standard_normal((64, 16)).astype(np.float32)


def close(a, b, rtol=1e-5, atol=1e-6):
    chex.assert_trees_all_close(a, b, rtol=rtol, atol=atol)


def value_and_pull(f):
    def both(x):
        y, pull = jax.vjp(f, x)
        return y, pull(jnp.cos(y))[0]

    return both


# --- behind a producer that XLA fuses with the row ------------------------------------


@functools.cache
def every(dtype, options, produced):
    """All functions of rows of x, values and pullbacks, as one compiled program."""

    def program(x, mask):
        found = {}
        for name in ROWS[:-2]:
            given = {"where": mask} if options == "mask" else {}
            if options == "temperature" and name in SOFT:
                given["temperature"] = jnp.asarray(2.5, dtype)
            f = functools.partial(catalogue.get(name), axis=-1, **given)
            of_x = lambda x, f=f: f(produced(x))  # noqa: E731
            y, pull = jax.vjp(of_x, x)
            found[name] = (
                y,
                pull(jnp.ones_like(y) * x.ravel()[: y.size].reshape(y.shape))[0],
            )
        return found

    return jax.jit(program)


def product(x):
    return x * 1.37


def exponential(x):
    k = jnp.max(jnp.abs(x))
    return jnp.exp(x / k) * k
