"""The number of bits of a kernel's result that are kept: few in a half precision.

Kernels compute in float32 for the half precisions too, and their result is rounded
once.  The core says here to how many bits, and the shared pieces of `_numerics` take
the shorter way where that is enough.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax.numpy as jnp

_kept: ContextVar[int] = ContextVar("bits kept of a kernel's result", default=53)


@contextmanager
def rounded_to(dtype: Any) -> Iterator[None]:
    """While a kernel is traced whose result is rounded to a dtype."""
    token = _kept.set(jnp.finfo(dtype).nmant + 1)
    try:
        yield
    finally:
        _kept.reset(token)


@contextmanager
def cancelling() -> Iterator[None]:
    """While a kernel is traced that cancels more than the 11 bits of float16 allow."""
    with rounded_to(jnp.float32 if _kept.get() > 8 else jnp.bfloat16):
        yield


def in_half() -> bool:
    """Whether the kernel that is being traced gives a half precision, or less."""
    return _kept.get() <= 11


def in_bfloat16() -> bool:
    """Whether the kernel that is being traced gives bfloat16."""
    return _kept.get() == 8
