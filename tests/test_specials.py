"""Limits and specials: signed zeros, infinities, NaN, the ends of every format."""

import contextlib

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxact
from jaxact import catalogue
from jaxact.testing._bounds import allowed_ulp
from jaxact.testing._measure import evaluate, given, with_flushed
from jaxact.testing._oracle import exact_orders, question
from jaxact.testing._ulp import as_float64, unit_error

pytestmark = pytest.mark.slow

NAMES = [n for n in catalogue.defined() if catalogue.info(n).elementwise]
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


EXTREME = (0.0, 0.3, 2.5, 7.0, 15.0, 88.0, 1e18, 1e30, 1e-30, 1e-42)
# where a square on the way overflows beyond, and to prevent it would cost time
ROOM = {"soft_sign": 1e19, "finer": 1e19, "squareplus": 1e19, "nelu": 1e18}


@pytest.mark.parametrize("name", NAMES)
def test_debugging_finds_no_infinity_or_nan_on_the_way_to_a_finite_result(name):
    f, low = catalogue.get(name), catalogue.info(name).domain.get("x", (-np.inf,))[0]
    sizes = [v for v in EXTREME if v < ROOM.get(name, np.inf)]
    x = np.array([s * v for v in sizes for s in (1, -1) if s * v > low], np.float32)
    x = x[np.isfinite(f(x, **given(f, {})))]
    values = {n: jnp.full_like(x, v) for n, v in given(f, {}).items()}
    with jax.debug_infs(True), jax.debug_nans(True), jax.disable_jit():
        y, pull = jax.vjp(lambda x, values: f(x, **values), jnp.asarray(x), values)
        slope, _ = pull(jnp.ones_like(y))
    assert np.isfinite(y).all() and np.isfinite(slope).all()


# a value is not a parameter but the other factor, and 0 times an infinite one is NaN
BY_HAND = [
    (name, parameter)
    for name in NAMES
    for parameter in catalogue.info(name).parameters
    if parameter != "value" or catalogue.info(name).family == "gated_units_piecewise"
]


# by a parameter whose 0 makes a gate constant the slope at an infinite x is infinite
NOT_YET = """
    derf-alpha erfact-alpha erfact-beta pserf-gamma pserf-delta
    acon_c-beta smu-mu adaptive_tanh-alpha adaptive_tanh-n dyt-alpha
""".split()


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        pytest.param(n, p, marks=[pytest.mark.xfail] * (f"{n}-{p}" in NOT_YET))
        for n, p in BY_HAND
    ],
)
def test_limits_for_an_array_of_parameters_some_negative_some_0(name, parameter):
    f, info = catalogue.get(name), catalogue.info(name)
    low, high = info.domain.get(parameter, (-np.inf, np.inf))
    values = np.array([v for v in (-0.7, 0.0, 1e-6, 3.0) if low < v < high], np.float32)
    x = np.array([-np.inf, np.inf], np.float32)
    fixed = {n: v for n, v in given(f, {}).items() if n != parameter}

    def at(x, p):
        return f(x, **fixed, **{parameter: p})

    @jax.jit
    def all_three(x, p):
        x, p = (jnp.broadcast_to(v, (2, len(values))) for v in (x[:, None], p[None]))
        one = jnp.ones_like(x)
        y, slope = jax.jvp(lambda x: at(x, p), (x,), (one,))
        return y, slope, jax.jvp(lambda p: at(x, p), (p,), (one,))[1]

    got = np.stack(all_three(x, values))
    for i, value in enumerate(values):
        chosen = {**fixed, parameter: float(value)}
        if name in ("snake", "softplus") and value == 0:
            continue  # the formula divides by 0
        asked = question(f, None, chosen, "float32")
        y, slope = exact_orders(asked, x, (0, 1), "float32", "x")
        (by_parameter,) = exact_orders(asked, x, (1,), "float32", parameter)
        for j, exact in enumerate((y, slope, by_parameter)):
            error = unit_error(got[j, :, i], exact)
            assert (error <= 8).all(), (float(value), j, got[j, :, i], exact.rounded)


def test_a_spline_of_lines_has_its_limit_at_minus_infinity():
    x, hinges = jnp.float32(-np.inf), jnp.float32([0.0, 1.0])
    for slopes, limit in (([0.2, -0.1], np.inf), ([0.1, -0.2], -np.inf)):
        slopes = jnp.float32(slopes)
        y, pull = jax.vjp(jaxact.apl, x, slopes, hinges)
        slope, by_slopes, by_hinges = pull(jnp.ones_like(y))
        assert y == limit
        chex.assert_trees_all_close(slope, -jnp.sum(slopes))
        assert (by_slopes == np.inf).all()
        chex.assert_trees_all_equal(by_hinges, slopes)
    assert jaxact.apl(x, jnp.float32([0.2, -0.2]), hinges) == jnp.float32(-0.2)


@pytest.mark.parametrize("name", ["gaussian", "laplace"])
def test_far_from_a_narrow_bell_every_slope_is_0(name):
    f, at = catalogue.get(name), jnp.float32([-50.0, 50.0, -np.inf])
    for order in (1, 2):
        assert (jaxact.derivative(f, order)(at, sigma=1e-8) == 0).all()
    assert (jaxact.derivative(f, 1, "sigma")(at, sigma=1e-8) == 0).all()


@pytest.mark.parametrize("name", ["elu", "celu", "selu"])
def test_at_its_kink_an_exponential_goes_on_from_the_left_at_every_order(name):
    f = catalogue.get(name)
    second, third = jaxact.derivative(f, 2)(0.0), jaxact.derivative(f, 3)(0.0)
    chex.assert_trees_all_equal(second, third)
    assert second > 0.9
