"""The test of the tests: planted faults, each caught by the assertion meant for it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxact._core import activation, definition_of, derivative_of
from jaxact.testing import assert_accurate, assert_derivatives, measure
from jaxact.testing._assertions import _overflow

pytestmark = pytest.mark.slow  # says nothing new with another JAX

HALVES = ("bfloat16", "float16")
BOUNDS = {"bfloat16": 0.51, "float16": 0.51, "float32": 4}


def make(
    *,
    value=lambda x, alpha: jnp.where(x > 0, x, alpha * jnp.expm1(jnp.minimum(x, 0))),
    first=lambda x, alpha: jnp.where(x > 0, 1, alpha * jnp.exp(jnp.minimum(x, 0))),
    second=lambda x, alpha: jnp.where(x > 0, 0, alpha * jnp.exp(jnp.minimum(x, 0))),
    partial=lambda x: jnp.expm1(jnp.minimum(x, 0)),
):
    """A sound elu, less what is planted."""

    @activation(kinks=(0.0,))
    def elu(x, alpha=1.0):
        """elu(x, alpha) = x if x > 0 else alpha * (exp(x) - 1)"""
        return value(x, alpha)

    derivative_of(elu)(first)
    derivative_of(elu, order=2)(second)
    derivative_of(elu, wrt="alpha")(partial)
    return elu


def sound_first(x, alpha):
    return jnp.where(x > 0, 1, alpha * jnp.exp(jnp.minimum(x, 0)))


def test_a_sound_activation_passes():
    elu = make()
    assert_accurate(elu, BOUNDS)
    assert_derivatives(elu)
    assert_derivatives(elu, alpha=0.3, dtypes=["float32"])
    assert_accurate(elu, 4, dtypes=["float32"], alpha=0.3)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_slope_wrong_by_a_thousandth(dtype):
    faulty = make(first=lambda x, alpha: 1.001 * sound_first(x, alpha))
    with pytest.raises(AssertionError, match=f"derivative 1 in {dtype}"):
        assert_accurate(faulty, BOUNDS, dtypes=[dtype])
    if dtype == "float32":  # in the halves a thousandth is less than the last bit
        with pytest.raises(AssertionError, match="derivative 1 by x in float32"):
            assert_derivatives(faulty, dtypes=[dtype])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_wrong_branch_at_the_kink(dtype):
    faulty = make(second=lambda x, alpha: jnp.where(x >= 0, 0, alpha * jnp.exp(x)))
    with pytest.raises(AssertionError, match=r"derivative 2[^\n]*\n  at x   -?0\.0"):
        assert_derivatives(faulty, dtypes=[dtype])
    with pytest.raises(AssertionError, match=f"derivative 2 in {dtype}\n  at x   -?0"):
        assert_accurate(faulty, BOUNDS, dtypes=[dtype])


def test_a_wrong_far_tail_is_seen_by_the_oracle_alone():
    def through_the_output(y, x, alpha):
        return jnp.where(x > 0, 1, y + alpha)  # what jax.nn.elu does

    @activation(kinks=(0.0,))
    def elu(x, alpha=1.0):
        """elu(x, alpha) = x if x > 0 else alpha * (exp(x) - 1)"""
        return jnp.where(x > 0, x, alpha * jnp.expm1(jnp.minimum(x, 0)))

    derivative_of(elu)(through_the_output)
    assert_derivatives(elu, orders=[1], dtypes=["float32"])
    found = measure(elu, "float32", 1)
    assert found.worst_at < -16 and found.got == 0 < found.wanted
    for dtype in BOUNDS:
        with pytest.raises(AssertionError, match=f"derivative 1 in {dtype}"):
            assert_accurate(elu, BOUNDS, dtypes=[dtype], orders=[1])


def test_a_missing_partial():
    faulty = make(partial=lambda x: jnp.zeros_like(x))
    with pytest.raises(AssertionError, match="derivative 1 by alpha in float32"):
        assert_derivatives(faulty)
    assert measure(faulty, "bfloat16", 1, wrt="alpha").max_ulp > 100


def test_a_wrong_second_derivative():
    for planted in (
        lambda x, alpha: -jnp.where(x > 0, 0, alpha * jnp.exp(jnp.minimum(x, 0))),
        lambda x, alpha: jnp.where(
            x > 0, 0, alpha * jnp.exp(jnp.minimum(x, 0)) * 1.001
        ),
        lambda x, alpha: jnp.zeros_like(x),
    ):
        faulty = make(second=planted)
        assert_derivatives(faulty, orders=[1], dtypes=["float32"])
        assert_accurate(faulty, BOUNDS, dtypes=["float32"], orders=[0, 1])
        with pytest.raises(AssertionError, match="derivative 2 by x in float32"):
            assert_derivatives(faulty, dtypes=["float32"])
        with pytest.raises(AssertionError, match="derivative 2 in float32"):
            assert_accurate(faulty, BOUNDS, dtypes=["float32"])


def test_a_value_off_by_three_ulp():
    @activation(kinks=(0.0,))
    def relu(x):
        """relu(x) = x if x > 0 else 0"""
        off = jax.lax.bitcast_convert_type(
            jax.lax.bitcast_convert_type(x, jnp.int32) + 3, x.dtype
        )
        return jnp.where((x > 0) & (x < 1e30), off, jnp.maximum(x, 0))

    assert measure(relu, "float32").max_ulp == 3
    assert_accurate(relu, 3, dtypes=["float32"], orders=[0])
    with pytest.raises(AssertionError, match=r"relu\(x\): the value in float32"):
        assert_accurate(relu, 2, dtypes=["float32"], orders=[0])


def test_nan_at_infinity():
    def silu(x):
        return x * jax.nn.sigmoid(x)

    text = "x / (1 + exp(-x))"
    assert_derivatives(silu, formula=text, orders=[1], dtypes=["float32"])
    with pytest.raises(AssertionError, match=r"silu\(x\): .*the first is x = -inf"):
        # (?s) is spelled out: the message has several lines
        try:
            assert_accurate(silu, 1e9, formula=text, orders=[0])
        except AssertionError as error:
            raise AssertionError(str(error).replace("\n", " ")) from None


def test_a_fault_next_to_a_root_alone():
    @activation
    def hump(x):
        """hump(x) = x**3 - 2 * x"""
        return x * x * x - 2 * x

    @derivative_of(hump)
    def _hump_dx(x):
        fault = jnp.where(jnp.abs(jnp.abs(x) - 0.81649658) < 4e-7, 1e-4, 0)
        return (3 * x * x - 2) + fault

    with pytest.raises(
        AssertionError, match=r"derivative 1[^\n]*\n  at x   -?0\.81649"
    ):
        assert_accurate(hump, 50, dtypes=["float32"], orders=[1])


def test_a_fault_at_a_threshold_that_is_named():
    @activation
    def double(x):
        """double(x) = 2 * x"""
        return 2 * x + jnp.where(jnp.abs(x - 7.123) < 2e-6, 1e-3, 0)

    assert_accurate(double, 1, dtypes=["float32"], orders=[0])
    with pytest.raises(AssertionError, match=r"at x   7\.12"):
        assert_accurate(double, 1, dtypes=["float32"], orders=[0], around=[7.123])


def test_a_declared_third_derivative_is_compared():
    def make(factor):
        @activation
        def cube(x):
            """cube(x) = x**3"""
            return x * x * x

        derivative_of(cube)(lambda x: 3 * x * x)
        derivative_of(cube, order=2)(lambda x: 6 * x)
        derivative_of(cube, order=3)(lambda x: factor * jnp.ones_like(x))
        return cube

    assert_derivatives(make(6), dtypes=["float32"])
    with pytest.raises(AssertionError, match="derivative 3 by x"):
        assert_derivatives(make(6.1), dtypes=["float32"])


def test_a_number_that_rounds_to_the_largest_is_not_an_overflow():
    at = np.array([455.0, 464.0, 465.0, -465.0])
    np.testing.assert_array_equal(
        _overflow(at, "float8_e4m3fn"), [455, 464, np.nan, np.nan]
    )
    at = np.array([65519.9, 65520.0, -65520.0])
    np.testing.assert_array_equal(_overflow(at, "float16"), [65519.9, np.inf, -np.inf])


def test_the_message_names_all_there_is_to_know():
    faulty = make(first=lambda x, alpha: 2 * sound_first(x, alpha))
    with pytest.raises(AssertionError) as caught:
        assert_accurate(faulty, 0.51, dtypes=["bfloat16"], orders=[1], alpha=0.5)
    text = str(caught.value)
    for word in ("elu(x, alpha=0.5)", "derivative 1", "bfloat16", "at x", "got",
                 "wanted", "ULP, 0.51 allowed"):  # fmt: skip
        assert word in text


def test_nothing_to_compare_with():
    @activation
    def mystery(x):
        return jnp.sin(x)

    with pytest.raises(ValueError, match="mystery: nothing to compare with"):
        assert_derivatives(mystery)
    with pytest.raises(ValueError, match="mystery: it has no formula"):
        assert_accurate(mystery, 1)

    @definition_of(mystery)
    def _mystery(x):
        return jnp.sin(x)

    assert_derivatives(mystery)


def test_a_definition_catches_faults_too():
    @activation
    def mystery(x, b=2.0):
        return jnp.sin(b * x)

    @derivative_of(mystery)
    def _mystery_dx(x, b):
        return b * jnp.cos(b * x) * 1.001

    definition_of(mystery)(lambda x, b=2.0: jnp.sin(b * x))
    with pytest.raises(AssertionError, match="derivative 1 by x"):
        assert_derivatives(mystery, dtypes=["float32"])


def test_a_plain_function_with_a_formula_beside_it():
    def square(x, scale=2.0):
        return scale * x * x

    def wrong_sign(x, scale=2.0):
        return -scale * x * x

    text = "scale * x ** 2"
    assert_derivatives(square, formula=text, dtypes=["float32"])
    assert_derivatives(square, formula=text, dtypes=["float32"], scale=3.0)
    assert_accurate(square, 3, formula=text, dtypes=["float32"], orders=[0, 1])
    with pytest.raises(AssertionError, match="wrong_sign"):
        assert_derivatives(wrong_sign, formula=text)
