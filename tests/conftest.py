"""Strict settings for every test."""

import gc

import jax
import pytest

# the caches of JAX are millions of objects, and looking for unused ones takes long
gc.set_threshold(50_000, 20, 100)


@pytest.fixture(autouse=True)
def _strict():
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield
