"""A formula as a kernel, made of activations, which keep their digits.

It is computed as it is written, except for the expressions below, which are known.
Where other expressions cancel or overflow they do so here too.
"""

import ast
import functools
import operator
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array

from ._core import formula_world
from ._core.values import value_of
from ._formula import Idiom, JnpWorld, fits
from ._functions import _parts as parts
from ._functions.distributions import arctan, erf, normal_cdf
from ._functions.exponential_units import elu
from ._functions.exponentials import exponential, gaussian
from ._functions.sigmoids import sigmoid, tanh
from ._functions.smooth_rectifiers import softplus


def product(*factors: Any, known: Any = True) -> Any:
    """The product, in which 0 times an infinite factor is 0.

    That is so where `known`; elsewhere it is NaN.
    """
    plain = functools.reduce(operator.mul, factors)
    # 0 where NaN comes from no NaN; slopes would be NaN at other infinities too
    value = jnp.where((plain != plain) & known, 0, plain)
    largest = float(jnp.finfo(plain.dtype).max)
    finite = (value_of(jnp.clip(y, -largest, largest), y) for y in factors)
    return value_of(value, functools.reduce(operator.mul, finite))


def _times(a: Any, b: Any) -> Any:
    """A product of two expressions, whose numbers and parameters are finite."""
    if a is b or not (isinstance(a, Array) and isinstance(b, Array)):
        return a * b
    a, b = jnp.broadcast_arrays(a, b)
    return product(a, b, known=(a == a) & (b == b))


def _expm1(u: Any) -> Any:
    # that of XLA has the slope expm1(u) + 1, and no lowering in a kernel for a TPU
    e, below = exponential(u), elu(-jnp.abs(u))
    return value_of(jnp.where(u <= 0, below, -below * e), e)


def _bell(u: Any) -> Any:
    return parts.bell(u, jnp.zeros_like(u))


def _erfc(u: Any) -> Any:
    return 2 * parts.half_erfc_of(-u, jnp.zeros_like(u))


# the first that fits is taken
_IDIOMS: dict[str, Callable[..., Any]] = {
    "exp(u) / (1 + exp(u))": sigmoid,
    "a / (1 + exp(u))": lambda a, u: _times(a, sigmoid(-u)),
    "a / (exp(u) + 1)": lambda a, u: _times(a, sigmoid(-u)),
    "log(1 + exp(u))": softplus,
    "log(exp(u) + 1)": softplus,
    "log(1 + u)": jnp.log1p,
    "exp(u) - 1": _expm1,
    "(exp(u) - exp(-u)) / (exp(u) + exp(-u))": tanh,
    "1 + tanh(u)": lambda u: 2 * sigmoid(2 * u),
    "1 - tanh(u)": lambda u: 2 * sigmoid(-2 * u),
    "exp(-u**2)": _bell,
    "exp(-u * u)": _bell,
    "exp(-u**2 / 2)": gaussian,
    "1 + erf(a / sqrt(2))": lambda a: 2 * normal_cdf(a),
    "erfc(-a / sqrt(2))": lambda a: 2 * normal_cdf(a),
    "a * b": _times,
}


@formula_world
class StableWorld(JnpWorld):
    """Arrays, with functions that keep their digits, in their derivatives too."""

    def __init__(self) -> None:
        super().__init__()
        self.functions = {
            **self.functions,
            "atan": arctan,
            "erf": erf,
            "erfc": _erfc,
            "exp": exponential,
            "surrogate": value_of,
            "tanh": tanh,
        }

    def idiom(self, node: ast.expr) -> Idiom | None:
        """The function for a whole expression, if it is one of those above."""
        for pattern, function in _IDIOMS.items():
            arguments = fits(pattern, node)
            if arguments:
                return function, arguments
        return None
