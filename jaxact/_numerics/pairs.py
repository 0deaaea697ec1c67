"""Arithmetic on unevaluated sums of two floats, for kernels that cancel.

The head of a pair has half of the mantissa's bits, so that the product of two heads is
exact; the rest holds the bits that follow.  Sums, products and quotients are good to
about ten bits more than one float, whether or not the backend fuses multiply and add.

In a half precision one float is plenty: a pair then has no rest, and the same kernel
does ordinary arithmetic.
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from . import elementary as el
from .precision import in_half


def integer_like(x: Any) -> Any:
    """The integer type of the size of a floating-point array's elements."""
    return np.dtype(f"int{8 * x.dtype.itemsize}").type


def _upper_mask(x: Any) -> Any:
    """The bits of the upper half of the mantissa, and all above."""
    return integer_like(x)(-(1 << ((jnp.finfo(x.dtype).nmant + 2) // 2)))


def upper_half(x: Any) -> Any:
    """x with the lower half of its mantissa cleared: its square is exact."""
    if not isinstance(x, Array):  # a constant stays one: Triton computes none
        x = np.asarray(x)
        return (x.view(integer_like(x)) & _upper_mask(x)).view(x.dtype)
    bits = lax.bitcast_convert_type(x, integer_like(x)) & _upper_mask(x)
    return lax.bitcast_convert_type(bits, x.dtype)


@dataclass(frozen=True)
class Pair:
    """head + rest."""

    head: Any  # an array or a constant
    rest: Any

    def value(self) -> Array:
        """The sum as one float, rounded once."""
        return self.head if self.rest is None else self.head + self.rest

    def tail(self) -> Array | float:
        """The rest, 0 if there is none."""
        return 0.0 if self.rest is None else self.rest

    def __add__(self, other: "Pair") -> "Pair":
        if self.rest is None or other.rest is None:
            return Pair(self.value() + other.value(), None)
        total = upper_half(self.value() + other.value())
        # the larger head less the total is exact, and so is adding the smaller
        first = jnp.abs(self.head) > jnp.abs(other.head)
        large = el.where(first, self.head, other.head)
        small = el.where(first, other.head, self.head)
        return _normal(total, ((large - total) + small) + (self.rest + other.rest))

    def __neg__(self) -> "Pair":
        return Pair(-self.head, None if self.rest is None else -self.rest)

    def __sub__(self, other: "Pair") -> "Pair":
        return self + -other

    def __mul__(self, other: "Pair") -> "Pair":
        if self.rest is None or other.rest is None:
            return Pair(self.value() * other.value(), None)
        rest = self.head * other.rest + self.rest * other.value()
        return _normal(self.head * other.head, rest)

    def __truediv__(self, other: "Pair") -> "Pair":
        bottom = other.value()
        if self.rest is None or other.rest is None:
            return Pair(shared(self.value() / bottom), None)
        head = upper_half(self.value() / bottom)
        left = (self.head - head * other.head) + (self.rest - head * other.rest)
        return Pair(head, shared(left / bottom))

    def sqrt(self) -> "Pair":
        """The square root, 0 at 0."""
        if self.rest is None:
            return Pair(shared(jnp.sqrt(self.head)), None)
        root = shared(jnp.sqrt(self.value()))
        head = upper_half(root)
        left = (self.head - head * head) + self.rest
        return Pair(head, shared(left / el.where(root > 0, head + root, 1)))

    def halved(self) -> "Pair":
        """The same with a head of half the bits, for a head that is a whole float."""
        return self if self.rest is None else _normal(self.head, self.rest)

    def times(self, power: Array | float) -> "Pair":
        """The pair times a power of two."""
        return Pair(self.head * power, None if self.rest is None else self.rest * power)


def shared(quotient: Array) -> Array:
    """A quotient that is used more than once.

    XLA on CPU splits its loop at a division with several users; a minimum with several
    users it fuses.
    """
    return el.minimum(quotient, float(jnp.finfo(quotient.dtype).max))


def _normal(total: Array, rest: Array) -> Pair:
    head = upper_half(total + rest)
    return Pair(head, (total - head) + rest)


def number(a: Any, like: Array) -> Any:
    """A parameter in the format of an array; a constant stays one."""
    return a if isinstance(a, Array) else np.asarray(a, like.dtype)


def pair(x: Any) -> Pair:
    """A float as a pair."""
    if in_half():
        return Pair(x, None)
    head = upper_half(x)
    return Pair(head, x - head)


def constant(value: float, rest: float = 0.0, *, like: Array) -> Pair:
    """value + rest as a pair of scalars in the format of an array.

    Scalars, because XLA moves arrays made of constants out of loops, and keeps them.
    """
    whole = np.asarray(value, like.dtype)
    if in_half():
        return Pair(whole, None)
    head = upper_half(whole)
    return Pair(head, np.asarray(value - float(head) + rest, like.dtype))


def where(condition: Array, a: Pair, b: Pair) -> Pair:
    """`jnp.where` of pairs."""
    if a.rest is None or b.rest is None:
        return Pair(el.where(condition, a.value(), b.value()), None)
    return Pair(
        el.where(condition, a.head, b.head), el.where(condition, a.rest, b.rest)
    )
