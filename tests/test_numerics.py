"""The pieces of kernels: against extended precision, operation by operation and fused.

Eagerly every operation is rounded by itself; compiled, the backend may fuse a multiply
with an add.  The bounds hold for both.
"""

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import minimax
import mpmath as mp
import numpy as np
import pytest

from jaxact._numerics import (
    elementary as el,
    pairs as _pairs,
    pieces as num,
    polynomials as _polynomials,
)
from jaxact._numerics.pairs import Pair
from jaxact._numerics.precision import in_half, rounded_to

pytestmark = pytest.mark.slow  # says nothing new with another JAX

Long: Any = np.longdouble
FORMATS = ("float32", "float64")
# how good the operations of pairs are: some eight bits more than one float
BITS = {"float32": 32, "float64": 60}

if np.finfo(Long).nmant < 63:
    pytest.skip("the reference needs an 80-bit long double", allow_module_level=True)


@pytest.fixture(params=FORMATS)
def dtype(request):
    with jax.enable_x64(request.param == "float64"):
        yield request.param


@pytest.fixture(params=["operation by operation", "compiled"])
def run(request):
    """A function that runs another on arrays, pairs as tuples, in numpy."""

    def unpack(out: Any) -> Any:
        if isinstance(out, Pair):
            return out.head, out.rest
        return tuple(map(unpack, out)) if isinstance(out, tuple) else out

    def run(f: Callable[..., Any], *args: Any) -> Any:
        def plain(*args: Any) -> Any:
            return unpack(f(*args))

        if request.param == "compiled":
            return jax.tree.map(np.asarray, jax.jit(plain)(*args))
        with jax.disable_jit():
            return jax.tree.map(np.asarray, plain(*args))

    return run


def smallest(dtype):
    return float(jnp.finfo(dtype).smallest_normal)


def exact(pair):
    head, rest = pair
    return Long(head) + Long(rest)


def ulps(got, want):
    """The error in units in the last place of what is wanted, where that is normal."""
    want = np.asarray(want, Long)
    info = np.finfo(got.dtype)
    normal = np.abs(want) >= Long(info.smallest_normal)
    assert normal.sum() > 0.2 * want.size
    _, exponent = np.frexp(want[normal])
    unit = np.ldexp(Long(1), exponent - 1 - info.nmant)
    return float(np.max(np.abs(Long(got[normal]) - want[normal]) / unit))


def relative(got, want, floor=0.0):
    """The largest relative error where what is wanted is not below `floor`."""
    keep = np.abs(want) > floor
    assert keep.sum() > 0.2 * want.size
    return float(np.max(np.abs(got[keep] - want[keep]) / np.abs(want[keep])))


def negative(dtype, lowest):
    """Points from `lowest` to 0, dense and at every magnitude, and 0."""
    tiny = np.log10(smallest(dtype))
    magnitudes = np.logspace(tiny, np.log10(-lowest), 6_000)
    return np.concatenate(
        [np.linspace(lowest, 0, 20_000), -magnitudes[:-1], [-1e-7, -0.0]]
    ).astype(dtype)


def unit_interval(dtype, top=1.0):
    return np.abs(negative(dtype, -top))


# --- polynomials ---------------------------------------------------------------------


@pytest.mark.slow
def test_polynomials_are_those_that_the_script_prints(capsys):
    minimax.main()
    with open(_polynomials.__file__) as file:
        assert capsys.readouterr().out == file.read()


@pytest.mark.parametrize("name", minimax.TABLES)
def test_printed_errors_hold_between_the_points_of_the_fit(name):
    f, ends, *_ = minimax.TABLES[name]
    source = inspect.getsource(_polynomials).partition(f"\n{name} = {{")[2]
    printed = re.findall(r"# error (2\^-[\d.]+)", source)
    tops = (ends[1], ends[1], ends[-1])
    for (kind, dtype), end, error in zip(
        minimax.formats(name).items(), tops, printed, strict=False
    ):
        coefficients = np.asarray(getattr(_polynomials, name)[kind], dtype)
        exactly = [mp.mpf(float(c)) for c in coefficients[::-1]]
        low, high = mp.mpf(ends[0]), mp.mpf(end)
        points = [low + (high - low) * i / 97 for i in range(98)]
        errors = [abs(mp.polyval(exactly, x) / f(x) - 1) for x in points]
        worst = float(mp.log(max(errors), 2))
        # no better than printed by much, either: the worst is seen on any fine grid
        assert -1.5 < worst + float(error.removeprefix("2^-")) < 0.1


@pytest.mark.parametrize("kind", ["half", "float32"])
@pytest.mark.parametrize("name", minimax.RATIOS)
def test_ratios_are_as_good_as_printed(name, kind):
    f, weight, ends, _ = minimax.RATIOS[name]
    top, bottom = ([mp.mpf(c) for c in cs] for cs in getattr(_polynomials, name)[kind])
    low, high = map(mp.mpf, ends)
    points = [low + (high - low) * (i / mp.mpf(331)) ** 2 for i in range(332)]
    errors = [
        weight(s) * (mp.polyval(top[::-1], s) / mp.polyval(bottom[::-1], s) / f(s) - 1)
        for s in points
    ]
    worst = float(max(map(abs, errors)))
    source = inspect.getsource(_polynomials).partition(f"\n{name} = {{")[2]
    printed = source.partition(f'"{kind}": (  # error 2^-')[2].partition("\n")[0]
    # coefficients are rounded after the fit
    assert worst < 2 ** (0.1 - float(printed)) + 2.0**-24


# --- exponents ------------------------------------------------------------------------


def test_powers_of_two(dtype, run):
    bias = jnp.finfo(dtype).maxexp - 1
    k = np.arange(1 - bias, bias + 1)

    def f(k):
        return num.power_of_two(k, jnp.zeros((), dtype))

    integers = k.astype(_pairs.integer_like(np.zeros((), dtype)))
    assert np.array_equal(run(f, integers), np.ldexp(np.ones((), dtype), k))
    assert run(f, integers[:1] - 1) == 0
    powers = np.exp2(k[:-1].astype(dtype))
    assert np.array_equal(run(num.inverse_power, powers), 1 / powers)


def test_nearest(dtype, run):
    x = np.linspace(-1100, 1100, 20_001).astype(dtype)
    assert np.array_equal(run(num.nearest, x), np.round(x))


# --- exponentials --------------------------------------------------------------------


def test_exp(dtype, run):
    # below 1e-30 in float32 a product is subnormal, and flushed where it is not fused
    x = negative(dtype, -69.0 if dtype == "float32" else -670.0)
    assert ulps(run(num.exp_below_0, x), np.exp(Long(x))) < 1.0
    far = run(num.exp_below_0, np.linspace(-800, x[0], 999).astype(dtype))
    assert far[0] == 0 and (np.diff(far) >= 0).all()


def test_exp_of_the_far_tail(dtype, run):
    x = np.asarray([-89.0, -745.5, -1e4, -np.finfo(dtype).max, -np.inf], dtype)
    got = run(num.exp_below_0, x[(x < -700) | (dtype == "float32")])
    assert np.all(got <= smallest(dtype)) and got[-1] == 0
    assert np.isnan(run(num.exp_below_0, np.asarray([np.nan], dtype)))


def test_expm1(dtype, run):
    x = negative(dtype, -87.0)
    assert ulps(run(num.expm1_below_0, x), np.expm1(Long(x))) < 1.6
    far = np.asarray([-np.inf, -1e4], dtype)
    assert run(num.expm1_below_0, far).tolist() == [
        -1,
        -1,
    ]


@pytest.mark.parametrize("extra_bits", [0, 4, 7])
def test_exp_as_a_pair(dtype, run, extra_bits):
    # with a rest of the argument that one float has no room for
    x = np.linspace(-80, 0, 20_000).astype(dtype)
    rest = (x * np.finfo(dtype).eps * 0.3).astype(dtype)

    def f(x, rest):
        return num.exp_split(x, rest, extra_bits)

    k, mantissa = run(f, x, rest)
    got = exact(mantissa) * np.exp2(Long(k))
    wanted = np.exp(Long(x) + Long(rest))
    # the largest error; the usual one is two or three bits smaller
    bits = np.finfo(dtype).nmant + {0: 1.4, 4: 3.0, 7: 4.9}[extra_bits]
    error = relative(got, wanted)
    assert error < 2.0**-bits
    assert extra_bits or error > 2.0 ** -(bits + 1)
    k, mantissa = run(lambda x: f(x, 0.0), x)  # so the rest counts
    assert relative(exact(mantissa) * np.exp2(Long(k)), wanted) > 2.0**-bits


def test_exp_factor_where_the_exponential_alone_underflows(dtype, run):
    least = -87.0 if dtype == "float32" else -708.0
    x = np.linspace(1.08 * least, least, 20_000).astype(dtype)
    factor = np.linspace(2000.0, 1e5, x.size).astype(dtype)
    wanted = Long(factor) * np.exp(Long(x))
    got = run(lambda x, f: num.exp_factor(x).times(f), x, factor)
    assert np.all(np.exp(x[:1000]).astype(dtype) < smallest(dtype))
    assert ulps(got, wanted) < 2.0


def test_exp_times_any_factor(dtype):
    """A factor from the smallest to the largest, and a product that is normal."""
    top = np.log(float(np.finfo(dtype).max))
    x = np.linspace(-1.9 * top, 0, 20_000).astype(dtype)
    log_factor = np.clip(-Long(x) - 0.5 * top, -0.9 * top, 0.95 * top)
    factor = np.exp(log_factor).astype(dtype)
    wanted = Long(factor) * np.exp(Long(x))
    compiled = jax.jit(num.exp_times)  # a factor that is traced may be any number
    assert ulps(np.asarray(compiled(x, factor)), wanted) < 2.0
    assert ulps(np.asarray(jax.jit(num.exp_times)(x, -factor)), -wanted) < 2.0
    largest = np.finfo(dtype).max
    assert compiled(np.asarray(-np.inf, dtype), largest) == 0
    assert compiled(np.asarray(-0.0, dtype), largest) == largest


def test_gauss(dtype, run):
    a = np.linspace(0, 13 if dtype == "float32" else 37, 20_000).astype(dtype)
    wanted = np.exp(-Long(a) * Long(a) / 2)
    got = run(lambda a: num.gauss(num.gauss_clip(a)).value(), a)
    assert ulps(got, wanted) < 1.6


# --- logarithms ----------------------------------------------------------------------


@pytest.mark.parametrize(("log", "top"), [(num.log1p, 1.0), (num.log1m, 0.5)])
def test_logarithms(dtype, run, log, top):
    e = unit_interval(dtype, top)

    def f(e):
        mantissa = Pair(jnp.zeros_like(e), e)
        return log(num.Exp(mantissa, jnp.ones_like(e), 1.0))

    assert ulps(run(f, e), np.log1p(Long(e) if log is num.log1p else -Long(e))) < 1.8


# --- pairs ---------------------------------------------------------------------------


def random_pairs(dtype, n=20_000, low=-6, high=6):
    """Heads of both signs at several magnitudes, rests up to the last bit of a head."""
    rng = np.random.default_rng(n)
    size = np.exp2(rng.uniform(low, high, (2, n))) * rng.choice([-1, 1], (2, n))
    half = (np.finfo(dtype).nmant + 1) // 2
    rest = size * rng.uniform(-1, 1, (2, n)) * 2.0**-half
    heads = np.asarray(_pairs.upper_half(jnp.asarray(size, dtype)))
    rests = rest.astype(dtype)
    return (heads[0], rests[0]), (heads[1], rests[1])


def binary(op):
    return lambda a, b: op(Pair(*a), Pair(*b))


OPERATIONS = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_arithmetic_of_pairs(dtype, run, name):
    a, b = random_pairs(dtype)
    op = OPERATIONS[name]
    got, wanted = run(binary(op), a, b), op(exact(a), exact(b))
    size = np.abs(exact(a)) + np.abs(exact(b))
    apart = np.abs(wanted) > size / 8 if name in ("add", "subtract") else size > 0
    error = np.abs(exact(got) - wanted)[apart] / np.abs(wanted[apart])
    assert apart.sum() > 0.5 * size.size
    assert float(error.max()) < 2.0 ** -BITS[dtype]
    # where terms cancel, the error is at most that of the larger term
    assert np.all(np.abs(exact(got) - wanted) <= np.maximum(size, np.abs(wanted))
                  * 2.0 ** -BITS[dtype])  # fmt: skip
    # the head is a half, so that products with it are exact
    head = got[0]
    assert np.array_equal(head, np.asarray(_pairs.upper_half(jnp.asarray(head))))
    assert np.all(np.abs(got[1]) <= np.abs(head) * 2.0 ** (1 - BITS[dtype] // 3))


def test_square_root_of_pairs(dtype, run):
    a, _ = random_pairs(dtype)
    positive = (np.abs(a[0]), a[1])
    got = run(lambda p: Pair(*p).sqrt(), positive)
    assert relative(exact(got), np.sqrt(exact(positive))) < 2.0 ** -BITS[dtype]
    zero = np.zeros(3, dtype)
    assert np.all(exact(run(lambda p: Pair(*p).sqrt(), (zero, zero))) == 0)


def test_powers_of_two_signs_and_selections_are_exact(dtype, run):
    a, b = random_pairs(dtype)
    assert np.array_equal(exact(run(lambda p: -Pair(*p), a)), -exact(a))
    assert np.array_equal(exact(run(lambda p: Pair(*p).times(0.125), a)), exact(a) / 8)
    first = a[0] > 0
    chosen = run(lambda c, a, b: _pairs.where(c, Pair(*a), Pair(*b)), first, a, b)
    assert np.array_equal(exact(chosen), np.where(first, exact(a), exact(b)))
    assert np.array_equal(run(lambda p: Pair(*p).value(), a), a[0] + a[1])


def test_a_float_and_a_constant_as_a_pair(dtype, run):
    x = np.concatenate([negative(dtype, -87.0), -negative(dtype, -87.0)])
    x = x[(np.abs(x) > smallest(dtype) * 2.0**60) | (x == 0)]
    head, rest = run(_pairs.pair, x)
    assert np.array_equal(exact((head, rest)), Long(x))
    # products of heads are exact
    head = head[(np.abs(head) > 1e-15) | (head == 0)]
    assert np.array_equal(Long(head * head), Long(head) * Long(head))
    third = run(lambda x: _pairs.constant(1 / 3, 2.0**-54 / 3, like=x), x)
    error = np.max(np.abs(exact(third) * 3 - 1))
    assert error < 2.0 ** -BITS[dtype]


def test_one_plus_is_exact(dtype, run):
    e = unit_interval(dtype)
    e = e[(e > 1e-12) | (e == 0)]  # so that a long double holds 1 + e
    for p in ((e, np.zeros_like(e)), run(_pairs.pair, e)):
        got = run(lambda p: num.one_plus(Pair(*p)), p)
        e_long = Long(e) if dtype == "float32" else Long(e[e > 2.0**-10])
        got = exact(got) if dtype == "float32" else exact(got)[e > 2.0**-10]
        assert np.array_equal(got, 1 + e_long)


def test_one_minus(dtype, run):
    e = unit_interval(dtype)
    got = exact(run(lambda e: num.one_minus(_pairs.pair(e)), e))
    error = np.abs(got - (1 - Long(e)))
    large = e >= 2.0 ** -(np.finfo(dtype).nmant // 2)
    assert error[large].max() <= 2.0 ** -BITS[dtype]
    assert error.max() <= 0.26 * float(np.finfo(dtype).eps)
    assert np.array_equal(got[e >= 0.5], 1 - Long(e[e >= 0.5]))


def test_one_plus_magnitude(dtype, run):
    x = np.concatenate([negative(dtype, -1e6), -negative(dtype, -1e6)])
    got = run(num.one_plus_magnitude, x)
    assert relative(exact(got), 1 + np.abs(Long(x))) < 2.0 ** -BITS[dtype]
    head, rest = run(num.one_plus_magnitude, np.asarray([np.inf, 1e38], dtype))
    with np.errstate(over="ignore"):
        assert np.all(np.isfinite(head)) and np.all(1 / (head + rest) ** 2 < 1e-37)


def test_squares(dtype, run):
    a, _ = random_pairs(dtype)
    assert ulps(run(lambda p: num.square(Pair(*p)), a), exact(a) ** 2) < 0.75
    x = np.linspace(-20, 20, 20_001).astype(dtype)
    head, rest = run(num.half_square, x)
    assert relative(exact((head, rest)), Long(x) ** 2 / 2) < 2.0 ** -BITS[dtype]


def test_odd_cubic(dtype, run):
    a = unit_interval(dtype, 16.0)
    a = a[a > smallest(dtype) * 2.0**60]
    c1, c3 = 1.5957691216057308, 0.07135481627260025

    def f(a):
        first, third = (_pairs.constant(c, like=a) for c in (c1, c3))
        return num.odd_cubic(a, first, third)

    wanted = Long(c1) * Long(a) + Long(c3) * Long(a) ** 3
    assert relative(exact(run(f, a)), wanted) < 2.0 ** -BITS[dtype]


# --- exponentials that grow, and what is made of them --------------------------------


@pytest.mark.parametrize("times", [1.0, -1.0, 1.702, -0.85])
def test_an_exponential_of_a_product(dtype, times):
    x = np.linspace(0, 80 / max(times, 1), 20_001).astype(dtype)
    got = np.asarray(jax.jit(lambda x: num.exp_in_range(x, times))(x))
    # the product is fused: rounded, up to 80, it would cost 30 ULP
    assert ulps(got, np.exp(Long(np.asarray(times, dtype)) * Long(x))) < 1.5
    rest = np.float64(1e-5).astype(dtype)
    got = np.asarray(jax.jit(lambda x: num.exp_in_range(x, times, x * 0 + rest))(x))
    assert ulps(got, np.exp(Long(np.asarray(times, dtype)) * Long(x) + rest)) < 1.7


@pytest.mark.parametrize("halved", [False, True])
def test_the_bell(dtype, halved):
    x = np.linspace(-8, 8, 20_001).astype(dtype)
    got = np.asarray(jax.jit(lambda x: num.bell(x, halved=halved))(x))
    assert ulps(got, np.exp(-(Long(x) ** 2) / (1 + halved))) < 1.5
    ends = num.bell(jnp.asarray([np.inf, np.nan], dtype), halved=halved)
    assert ends[0] == 0 and np.isnan(ends[1])


def test_saturating_ratios_do_not_exceed_1():
    x = jnp.linspace(-12, 12, 2_000_001)
    for f in (num.tanh, num.erf):
        for format in ("float32", "bfloat16"):
            with rounded_to(format):
                y = jax.jit(lambda x, f=f: f(x))(x)
            # a half precision is rounded once more
            assert jnp.abs(y).max() <= (1 if format == "float32" else 1 + 2.0**-12)
            assert y[0] == pytest.approx(-1, rel=1e-4)


def test_the_slope_beside_tanh(dtype):
    x = np.linspace(-30, 30, 20_001).astype(dtype)
    t, slope = jax.jit(num.tanh_and_slope)(x)
    wanted = 1 - np.tanh(Long(x)) ** 2
    size = float(jnp.finfo(dtype).eps)
    assert ulps(np.asarray(t), np.tanh(Long(x))) < 4
    error = np.abs(np.asarray(slope) - wanted)
    assert error.max() < 4 * size
    beside = np.abs(Long(x)) < num.tanh_end(jnp.asarray(x))
    assert (error * np.abs(x))[beside].max() < 4 * size  # in t + x * slope


def test_functions_of_jnp_that_go_straight_to_lax():
    x = jnp.asarray([-2.0, -0.0, 3.0, jnp.nan])
    row = jnp.ones((2, 1))
    for ours, theirs in (
        (el.where(x > 0, x, 1), jnp.where(x > 0, x, 1)),
        (el.where(x > 0, 0, x), jnp.where(x > 0, 0, x)),
        (el.where(x > 0, 1, -1), jnp.where(x > 0, 1, -1)),
        (el.where(True, x, 1), x),
        (el.where(False, x, 2.0), jnp.full_like(x, 2)),
        (el.where(x, 1.0, 2.0), jnp.where(x, 1.0, 2.0)),
        (el.where(row > 0, x[None], 0), jnp.where(row > 0, x[None], 0)),
        (el.maximum(x, 0), jnp.maximum(x, 0)),
        (el.minimum(row, x[None]), jnp.minimum(row, x[None])),
        (el.clip(x, -1, 1), jnp.clip(x, -1, 1)),
    ):
        chex.assert_trees_all_equal(ours, theirs)
        chex.assert_trees_all_equal_shapes_and_dtypes(ours, theirs)


@pytest.mark.slow
def test_without_fused_products():
    # another backend need not fuse as this one does: some digits of the tails go
    names = "silu sigmoid tanh gelu_tanh gelu_exact erf quick_gelu normal_cdf softcap"
    flags = {"XLA_FLAGS": "--xla_cpu_max_isa=AVX", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT, *names.split()],
        env={**os.environ, **flags},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


_WITHOUT = """
import sys
import jaxact
from jaxact.testing import assert_accurate
for name in sys.argv[1:]:
    assert_accurate(getattr(jaxact, name), 16, ["float32"], (0, 1), count=2**12)
"""


# --- half precisions ------------------------------------------------------------------


def test_half_precisions_take_one_float(run):
    assert not in_half()
    with rounded_to("bfloat16"):
        assert in_half()
        pairs = [_pairs.pair(jnp.float32(0.3)), num.exp_factor(jnp.float32(-1)).pair()]
        for p in pairs:
            assert p.rest is None and p.tail() == 0.0
            for op in OPERATIONS.values():
                assert op(p, p).rest is None
    with rounded_to("float32"):
        assert not in_half()
    x = negative("float32", -80.0)
    with rounded_to("float16"):
        got = run(lambda x: num.exp_factor(x).times(3.0), x)
        dx = run(num.logistic_dx, x)
    chex.assert_trees_all_close(got, 3 * np.exp(x), rtol=2**-17)
    chex.assert_trees_all_close(dx, np.exp(x) / (1 + np.exp(x)) ** 2, rtol=2**-17)
