"""Limits and specials: signed zeros, infinities, NaN, the ends of every format."""

import contextlib

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxact
from jaxact import catalogue
from jaxact.testing._measure import allowed_ulp, evaluate, given, with_flushed
from jaxact.testing._oracle import exact_orders, question
from jaxact.testing._ulp import as_float64, unit_error

pytestmark = pytest.mark.slow

NAMES = [n for n in catalogue.names() if catalogue.info(n).elementwise]
SPECIALS = {
    "0": lambda info: 0.0,
    "inf": lambda info: np.inf,
    "nan": lambda info: np.nan,
    "smallest subnormal": lambda info: info.smallest_subnormal,
    "smallest normal": lambda info: info.smallest_normal,
    "largest": lambda info: info.max,
}


def specials(dtype):
    """The points, with a word for each; NaN has no sign."""
    named = {n: float(point(jnp.finfo(dtype))) for n, point in SPECIALS.items()}
    words = [s + n for n in named for s in "+-"]
    values = [s * v for v in named.values() for s in (1, -1)]
    return words, np.asarray(values).astype(jnp.dtype(dtype))


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        (n, d)
        for n in NAMES
        for d in ("bfloat16", "float16", "float32", "float64")
        if hasattr(jax.nn, n) or d == "float32"
    ],
)
def test_specials(name, dtype):
    f = catalogue.get(name)
    chosen = given(f, {})
    words, at = specials(dtype)
    with jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext():
        asked = question(f, None, chosen, dtype)
        answers = exact_orders(asked, with_flushed(at, dtype), (0, 1, 2), dtype, "x")
        wrong = []
        for order, exact in enumerate(answers):
            got = evaluate(f, order, "x", at, chosen)
            assert got.dtype == at.dtype
            rows = [exact[i] for i in range(len(exact.high))]
            errors = np.stack([unit_error(got, row) for row in rows])
            best = np.argmin(errors, axis=0)  # of the point, or of what it flushes to
            for i, word in enumerate(words):
                if order and "nan" in word:
                    continue  # a constant slope need not be NaN
                error, row = errors[best[i], i], rows[best[i]]
                signs = np.signbit(as_float64(got[i])), np.signbit(row.high[i])
                if not error <= allowed_ulp(f, dtype, order):
                    fault = f"{error:.4g} ULP"
                elif got[i] != 0 and not np.isnan(got[i]) and signs[0] != signs[1]:
                    fault = "the sign"
                else:
                    continue
                wrong.append(
                    f"order {order} at {word}: got {got[i]!s}, "
                    f"wanted {row.rounded[i]!s} ({fault})"
                )
    assert not wrong, f"{name} in {dtype}\n" + "\n".join(wrong)


ODD = (
    *("identity", "tanh", "soft_sign", "hard_tanh", "hard_tanh_open", "tanh_shrink"),
    *("sine", "finer", "gcu", "gabor_sine", "erf", "arctan", "asinh", "symlog", "isru"),
)
ZEROS = [
    (name, word)
    for name in NAMES
    if not catalogue.info(name).required
    for word in ("+0", "-0")
    if word == "+0" or name in ODD
]


@pytest.mark.parametrize(("name", "word"), ZEROS)
def test_no_zero_turns_negative_and_odd_functions_keep_its_sign(name, word):
    f = catalogue.get(name)
    for dtype in ("bfloat16", "float16", "float32"):
        y = np.asarray(f(jnp.asarray(float(word), dtype)))
        if y == 0:
            assert np.signbit(y) == (word == "-0"), dtype


@pytest.mark.parametrize("name", ["elu", "celu", "selu"])
def test_at_its_kink_an_exponential_goes_on_from_the_left_at_every_order(name):
    f = catalogue.get(name)
    second, third = jaxact.derivative(f, 2)(0.0), jaxact.derivative(f, 3)(0.0)
    chex.assert_trees_all_equal(second, third)
    assert second > 0.9
