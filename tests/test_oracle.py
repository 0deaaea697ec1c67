"""The oracle, the ULP measure and the points, against independent arithmetic."""

import math
from typing import Any

import jax.numpy as jnp
import ml_dtypes
import mpmath
import numpy as np
import pytest

from jaxact import hard_mish, testing
from jaxact._core import activation
from jaxact.testing._oracle import exact_orders, question
from jaxact.testing._panels import bulk
from jaxact.testing._roots import roots
from jaxact.testing._ulp import round_to, unit_error

pytestmark = pytest.mark.slow  # says nothing new with another JAX

SMALL = ("bfloat16", "float16", "float8_e4m3fn", "float8_e5m2")
SIGMOID = "1 / (1 + exp(-x))"
SILU = "x / (1 + exp(-x))"


def single(*values):
    return np.array(values, np.float32)


def plain(x):
    return x


def with_slope(x, negative_slope=0.01):
    return x


@activation(kinks=(0.0,))
def elu(x, alpha=1.0):
    """Exponential linear unit.

    elu(x, alpha) = x if x > 0 else alpha * (exp(x) - 1)
    """
    return jnp.where(x > 0, x, alpha * jnp.expm1(jnp.minimum(x, 0)))


@activation(domain={"x": (0.0, math.inf)})
def log1mexp(x):
    """The logarithm of 1 - exp(-x).

    log1mexp(x) = log(1 - exp(-x))
    """
    return jnp.log(-jnp.expm1(-x))


def all_patterns(dtype):
    dtype = jnp.dtype(dtype)
    bits = np.arange(2 ** (8 * dtype.itemsize), dtype=f"uint{8 * dtype.itemsize}")
    return bits.view(dtype)


def neighbours(dtype):
    """The finite values of a small format in order, and the value beyond each end."""
    with np.errstate(invalid="ignore"):
        finite = all_patterns(dtype).astype(np.float64)
    finite = np.unique(finite[np.isfinite(finite)])
    last = finite[-1] + (finite[-1] - finite[-2])
    return np.concatenate([[-last], finite, [last]])


@pytest.mark.parametrize("dtype", SMALL)
def test_rounding_is_to_nearest_even_by_brute_force(dtype):
    grid = neighbours(dtype)
    a, b = grid[:-1], grid[1:]
    middle = (a + b) / 2  # exact in float64
    for shift in (-1e-30, 0.0, 1e-30):
        low = shift * np.maximum(np.abs(middle), 1e-30)
        got = round_to(middle, low, dtype).astype(np.float64)
        if shift == 0:
            even = ((b - a) > 0) & (
                np.arange(len(a)) % 2 == np.argmin(np.abs(grid)) % 2
            )
            wanted = np.where(even, a, b)
        else:
            wanted = a if shift < 0 else b
        beyond = np.asarray(np.inf).astype(jnp.dtype(dtype)).astype(np.float64)
        wanted = np.where(
            np.abs(wanted) == grid[-1], np.copysign(beyond, wanted), wanted
        )
        np.testing.assert_array_equal(got, wanted)


def test_rounding_agrees_with_a_direct_cast():
    rng = np.random.default_rng(0)
    values = rng.normal(size=20_000) * 10.0 ** rng.uniform(-50, 50, 20_000)
    none = np.zeros_like(values)
    with np.errstate(over="ignore"):
        for dtype in (np.float16, np.float32):
            np.testing.assert_array_equal(
                round_to(values, none, dtype), values.astype(dtype)
            )
    # the cast by way of float32 rounds twice: 1 + 2^-8 + 2^-40 is above the tie
    once = round_to(np.array([1 + 2.0**-8]), np.array([2.0**-60]), "bfloat16")
    assert float(once[0]) == 1 + 2.0**-7
    assert float(np.float64(1 + 2.0**-8).astype(ml_dtypes.bfloat16)) == 1.0


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("text", [SILU, "erf(x)", "atan(x) * cos(x)", "tanh(x)"])
def test_values_agree_with_mpmath(text, order):
    functions = {n: getattr(mpmath, n) for n in ("exp", "erf", "atan", "cos", "tanh")}
    x = single(-20, -3.5, -1.25, -1e-3, 1e-20, 0.5, 2, 7.75)
    exact = testing.oracle(plain, x, order, dtype="float64", formula=text)
    with mpmath.workdps(80):
        for i, z in enumerate(x):
            f = eval("lambda x: " + text, functions)
            wanted = mpmath.diff(f, float(z), order)
            got = mpmath.mpf(float(exact.high[i])) + mpmath.mpf(float(exact.low[i]))
            assert mpmath.almosteq(got, wanted, rel_eps=1e-28, abs_eps=1e-40)


def test_the_far_tail_and_huge_arguments():
    x = single(-80, -200, -3e38, 3e38)
    high = testing.oracle(plain, x, 0, formula="log(1 + exp(x))").high
    np.testing.assert_allclose(
        high, [math.exp(-80), math.exp(-200), 0, x[3]], rtol=1e-15
    )
    gelu = "x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x**3))) / 2"
    wide = np.array([-1e300, -10.0, 1e300])
    for order, last in ((0, 1e300), (1, 1.0), (2, 0.0)):
        high = testing.oracle(plain, wide, order, formula=gelu).high
        assert high[0] == 0 and high[2] == last
        assert order or -1e-20 < high[1] < 0


def test_limits_at_infinity():
    infinities = single(-np.inf, np.inf)
    for text, wanted in {
        SILU: [(0, np.inf), (0, 1), (0, 0)],
        "x / (1 + abs(x))": [(-1, 1), (0, 0), (0, 0)],
        "(x + sqrt(x**2 + 4)) / 2": [(0, np.inf), (0, 1), (0, 0)],
        "log(1 + abs(x))": [(np.inf, np.inf), (0, 0), (0, 0)],
        "sin(x)": [(np.nan, np.nan)] * 3,
        "x + sin(x) ** 2": [(-np.inf, np.inf), (np.nan, np.nan), (np.nan, np.nan)],
    }.items():
        for order, limits in enumerate(wanted):
            exact = testing.oracle(plain, infinities, order, formula=text)
            np.testing.assert_array_equal(exact.high, limits, err_msg=f"{text} {order}")


def test_nan_gives_nan_and_negative_zero_counts_as_zero():
    exact = testing.oracle(plain, single(np.nan, -0.0), 0, formula="exp(x)")
    np.testing.assert_array_equal(exact.high, [np.nan, 1])


def test_the_branch_of_the_formula_decides_at_a_kink():
    at = single(0)
    for text, slope in {
        "x if x > 0 else 0": 0,
        "x if x >= 0 else 0": 1,
        "max(x, 0)": 0.5,
        "min(x, 0)": 0.5,
        "abs(x)": 0,
    }.items():
        assert testing.oracle(plain, at, 1, formula=text).high[0] == slope, text


def test_parameters_count_as_rounded_to_the_dtype_of_the_kernel():
    text = "x if x > 0 else negative_slope * x"
    for dtype, wide in {"bfloat16": np.float32, "float64": np.float64}.items():
        x = np.array([-1.0]).astype(jnp.dtype(dtype))
        exact = testing.oracle(with_slope, x, 0, formula=text)
        assert exact.high[0] == -float(wide(0.01)) and exact.low[0] == 0
    by = testing.oracle(with_slope, single(-3, 2), 1, wrt="negative_slope",
                        formula=text)  # fmt: skip
    np.testing.assert_array_equal(by.rounded, single(-3, 0))


def test_an_activation_brings_its_formula_and_defaults():
    x = single(-1, 1)
    np.testing.assert_allclose(
        testing.oracle(elu, x, 1, alpha=2.0).high, [2 * math.exp(-1), 1], rtol=1e-15
    )
    assert testing.oracle(elu, x).rounded.dtype == np.float32
    assert testing.oracle(elu, x, dtype="bfloat16").rounded.dtype == ml_dtypes.bfloat16
    assert testing.oracle(elu, [-1, 1]).rounded.dtype == np.float64


def test_the_ends_of_a_domain_are_seen_from_inside():
    x = single(-1, 0, np.inf, -np.inf)
    for order, wanted in enumerate([[-np.inf, 0], [np.inf, 0], [-np.inf, 0]]):
        high = testing.oracle(log1mexp, x, order).high
        np.testing.assert_array_equal(high, [np.nan, *wanted, np.nan])


def test_outside_of_its_real_values_a_formula_is_nan():
    exact = testing.oracle(plain, single(-4, 4), 0, formula="sqrt(x)")
    np.testing.assert_array_equal(exact.high, [np.nan, 2])


def test_what_the_oracle_cannot_answer_it_says():
    big: Any = "big"
    with pytest.raises(ArithmeticError, match=r"plain: .* at x = 0.0.*domain"):
        testing.oracle(plain, single(1, 0), 0, formula="1 / x")
    with pytest.raises(ValueError, match="plain: it has no formula"):
        testing.oracle(plain, single(1))
    with pytest.raises(TypeError, match="elu: no parameter beta"):
        testing.oracle(elu, single(1), beta=1.0)
    with pytest.raises(TypeError, match="elu: the oracle needs a number for alpha"):
        testing.oracle(elu, single(1), alpha=big)
    with pytest.raises(ValueError, match="elu: its formula has no variable 'beta'"):
        testing.oracle(elu, single(1), 1, wrt="beta")


def test_a_root_of_a_derivative_sets_the_scale():
    root = -1.2784645427610738  # of silu'
    exact = testing.oracle(plain, single(root, -8, 3), 1, formula=SILU)
    slope = testing.oracle(plain, single(root), 2, formula=SILU).high[0]
    assert exact.root_scale[0] == pytest.approx(abs(root * slope), rel=1e-6)
    assert np.isnan(exact.root_scale[1:]).all()  # a tail is not a root
    got = exact.rounded[:1] + np.float32(1e-7)
    assert testing.ulp_error(got, exact[:1])[0] < 4
    assert testing.ulp_error(got, exact.high[:1])[0] > 1e4


@pytest.mark.parametrize("dtype", [*SMALL, "float32", "float64"])
def test_ulp_is_the_spacing(dtype):
    one = np.ones((), jnp.dtype(dtype))
    eps = float(jnp.finfo(dtype).eps)
    assert testing.ulp(1.0, dtype) == testing.ulp(1.99, dtype) == eps
    assert testing.ulp(0.99, dtype) == eps / 2
    assert testing.ulp(0, dtype) == float(jnp.finfo(dtype).smallest_subnormal)
    if dtype != "float64":  # whose fractions need the pair of an oracle
        assert testing.ulp_error(one, 1 + 0.3 * eps) == pytest.approx(0.3)
        assert testing.ulp_error(one, 1 - 0.3 * eps) == pytest.approx(0.6)


def test_errors_count_below_the_last_bit_of_float64():
    exact = testing.Exact(*np.array([[1.0], [1.0], [2.0**-54], [np.nan]]))
    assert testing.ulp_error(np.array([1.0]), exact)[0] == 0.25


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_overflow_is_the_next_value_and_limits_are_exact(dtype):
    largest = float(jnp.finfo(dtype).max)
    step = float(testing.ulp(largest, dtype))
    inf = np.array([np.inf]).astype(jnp.dtype(dtype))

    def error(got, exact):
        return testing.ulp_error(np.asarray(got, jnp.dtype(dtype)), np.array([exact]))[
            0
        ]

    assert error(inf, largest + step / 2) == 0.5
    assert error(inf, 2 * largest) == 0
    assert error([largest], 2 * largest) == 1
    assert error(-inf, 2 * largest) > 1e2
    assert error(inf, np.inf) == 0
    assert error([largest], np.inf) == np.inf
    assert error([np.nan], 1.0) == error([1.0], np.nan) == np.inf
    assert error([np.nan], np.nan) == 0


def test_a_format_without_infinity_overflows_to_nan():
    got = np.array([np.nan, 448, np.nan, np.nan], ml_dtypes.float8_e4m3fn)
    error = testing.ulp_error(got, np.array([1e3, 464, np.inf, 2.0]))
    np.testing.assert_array_equal(error, [0, 0.5, 0, np.inf])


def test_subnormal_results_may_flush():
    tiny = float(jnp.finfo("float32").smallest_normal)
    got = single(0, 0)
    np.testing.assert_array_equal(
        testing.ulp_error(got, np.array([tiny / 3, tiny])), [0, 2.0**23]
    )


@pytest.mark.parametrize("dtype", SMALL)
def test_points_of_small_formats_are_all_of_them(dtype):
    at = testing.points(dtype)
    assert at.dtype == jnp.dtype(dtype)
    bits = at.view(f"uint{8 * at.dtype.itemsize}")
    assert len(np.unique(bits)) == 2 ** (8 * at.dtype.itemsize)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_points_of_large_formats_cover_every_exponent(dtype):
    at = testing.points(dtype, around=(1.5, 0.0))
    info = np.finfo(dtype)
    finite = at[np.isfinite(at)]
    for side in (finite[finite > 0], -finite[finite < 0]):
        normal = side[side >= info.smallest_normal]
        exponents = np.unique(np.frexp(normal)[1])
        assert len(exponents) == info.maxexp - info.minexp
    assert np.isnan(at).sum() == 1 and np.isinf(at).sum() == 2
    assert (at == 0).sum() == 2 and info.max in at and info.smallest_subnormal in at
    assert ((at > -100) & (at < 100)).sum() > 10_000
    up = down = np.array(1.5, dtype)
    for _ in range(64):
        up, down = (
            np.nextafter(up, at.dtype.type(9)),
            np.nextafter(down, at.dtype.type(0)),
        )
        assert up in at and down in at
    np.testing.assert_array_equal(at, testing.points(dtype, around=(1.5, 0.0)))


def test_points_need_a_floating_dtype():
    with pytest.raises(TypeError, match="int32 is not a floating dtype"):
        testing.points("int32")


def test_measure_counts_wrong_results():
    def silu(x):
        return x / (1 + jnp.exp(-x))

    found = testing.measure(silu, "float32", 1, formula=SILU)
    assert found.wrong > 0 and found.wrong_at < -80  # inf / inf
    assert found.share_051 <= found.share_1 <= found.share_4 < 1
    half = testing.measure(elu, "bfloat16", 1, wrt="alpha")
    assert half.max_ulp <= 0.51 and half.wrong == 0 and half.count == 65536
    assert half.share_051 == 1 and math.isnan(half.wrong_at)


def test_measure_of_float64_needs_x64():
    with pytest.raises(RuntimeError, match="jax_enable_x64"):
        testing.measure(elu, "float64")


def test_subnormal_inputs_may_count_as_zero():
    def relu(x):
        return jnp.maximum(x, 0)

    found = testing.measure(relu, "float32", formula="max(x, 0)")
    assert found.max_ulp == 0 and found.wrong == 0


def test_residuals_are_counted_by_the_element():
    assert testing.residual_bytes(lambda x: 2 * x) == 0
    assert testing.residual_bytes(jnp.exp) == 4
    assert testing.residual_bytes(jnp.exp, "bfloat16") == 2
    assert testing.residual_bytes(elu, alpha=0.5) == 4


@pytest.mark.parametrize(
    "text",
    [
        SILU,
        "x * erfc(-x / sqrt(2)) / 2",
        "x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))",
        "x * tanh(log(1 + exp(x)))",
        "log(1 + exp(x))",
        "(exp(x) - exp(-x)) / (exp(x) + exp(-x))",
        "(x + sqrt(x**2 + 4)) / 2",
        "x / (1 + abs(x))",
        "x if x > 0.3 else sin(x) / 7",
        "min(max((x + 1) / 3, 0), 1)",
    ],
)
def test_polynomials_agree_with_points(text):
    asked = question(plain, text)
    at = testing.points("float32", around=(0.3, -1.0, 2.0), count=2**17)
    at = np.unique(at[np.isfinite(at)].astype(np.float64))
    found = bulk(asked, at, (0, 1, 2))
    assert found.proven.mean() > 0.3  # the rest is for the oracle
    near = np.abs(at[:, None] - [0.3, -1.0, 2.0]).min(axis=1) < 1e-5
    some = np.random.default_rng(0).random(len(at)) < 0.005
    told = np.flatnonzero(found.proven & (near | some))
    exact = exact_orders(asked, at[told], (0, 1, 2), "float32", "x", quick=False)
    for order, wanted in enumerate(exact):
        error = np.abs(found.values[order, told] - wanted.high)
        allowed = np.maximum(2.0**-42 * np.abs(wanted.high), 2.0**-167)
        assert (error <= allowed).all(), at[told][np.argmax(error / allowed)]


def test_polynomials_come_to_an_end_where_both_ends_are_left():
    asked = question(hard_mish)
    at = testing.points("float16")
    at = np.unique(at[np.isfinite(at)].astype(np.float64))
    assert bulk(asked, at, (0, 1, 2)).proven.mean() > 0.9


def test_quick_answers_are_those_of_the_oracle():
    asked = question(plain, SILU)
    at = testing.points("float32", around=roots(asked, "float32"), count=2**14)
    slow = exact_orders(asked, at, (0, 1, 2), "float32", "x", quick=False)
    quick = exact_orders(asked, at, (0, 1, 2), "float32", "x")
    for order, (a, b) in enumerate(zip(slow, quick, strict=True)):
        np.testing.assert_allclose(a.high, b.high, rtol=2.0**-42, atol=2.0**-167)
        normal = np.abs(a.high) > 2.0**-126
        scales = a.root_scale[normal], b.root_scale[normal]
        assert np.isfinite(scales[0]).sum() >= 100 * min(order, 1)
        np.testing.assert_allclose(*scales, rtol=1e-6)


def test_roots_are_neighbours_of_the_exact_ones():
    at = roots(question(plain, SILU), "float32")
    signs = {
        n: np.sign(testing.oracle(plain, at, n, formula=SILU).high) for n in (1, 2)
    }
    assert 0 in at and len(at) == 6
    for order, root in ((1, -1.2784645427610738), (2, 2.3993572805154675)):
        nearest = min(at, key=lambda a, root=root: abs(a - root))
        assert abs(nearest - root) <= float(testing.ulp(root, "float32"))
        left = np.nextafter(np.float32(nearest), np.float32(-np.inf))
        before = testing.oracle(plain, single(left), order, formula=SILU).high[0]
        assert np.sign(before) == -signs[order][at.index(nearest)]
    assert roots(question(plain, "exp(x)"), "float32") == ()


def test_a_root_forgives_nothing_in_half_precision():
    exact = testing.Exact(*np.array([[2.0**-20], [2.0**-20], [0.0], [1.0]]))
    got = np.array([2.0**-20 + 2.0**-24])
    assert testing.ulp_error(got.astype(np.float16), exact)[0] == 1
    assert testing.ulp_error(got.astype(np.float32), exact)[0] == 0.5


def exactly(*values, scale=np.nan):
    high = np.array(values, np.float64)
    return testing.Exact(high, high, 0 * high, np.full(high.shape, scale))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_small_results_have_larger_units(dtype):
    r = np.array([2e-6, 2e-7, -2e-20, 2e-29])
    got = (r * (1 + 2.0**-19)).astype(dtype)
    error = unit_error(got, exactly(*r))
    assert error[0] == testing.ulp_error(got, exactly(*r))[0] > 7
    np.testing.assert_allclose(error[1:], 1, rtol=0.1)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_faint_results_need_a_sign_alone(dtype):
    got = np.array([0, -0.0, 1e-31, 9e-31, -1e-31, 2e-30, np.nan, np.inf])
    error = unit_error(got.astype(jnp.dtype(dtype)), exactly(*[5e-31] * 8))
    np.testing.assert_array_equal(error[:4], 0)
    assert error[4] == np.inf and error[5] > 100
    assert error[6] == np.inf and error[7] > 100
    assert unit_error(np.array([1e-31]), exactly(0.0)) > 100


def test_at_a_root_a_half_precision_is_forgiven_the_rounding_of_float32():
    exact = exactly(2.0**-20, scale=1.0)
    got = np.array([2.0**-20 + 2.0**-21 + 2.0**-24], np.float16)
    assert unit_error(got, exact) < testing.ulp_error(got, exact)
    far = np.array([2.0**-19 + 2.0**-20], np.float16)
    assert unit_error(far, exact) > 0.51
