"""Special properties of sines, bells and wavelets, and the pieces made for them."""

from typing import Any

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxact
from jaxact._numerics import pieces as num
from jaxact.testing import oracle

X = np.linspace(-20, 20, 401, dtype=np.float32)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_every_derivative_of_a_sine_is_a_sine(order):
    w0 = 30.0
    got = jaxact.derivative(jaxact.sine, order)(X)
    wanted = w0**order * np.sin(w0 * X.astype(np.float64) + order * np.pi / 2)
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=w0**order * 1e-6)


def test_mixed_partial_of_a_sine():
    slope = jax.grad(jax.grad(jaxact.sine, 0), 1)
    x, w0 = 0.7, 30.0
    wanted = np.cos(w0 * np.float32(x)) - w0 * x * np.sin(w0 * np.float32(x))
    np.testing.assert_allclose(slope(x, w0), wanted, rtol=1e-5)


def test_where_jax_is_wrong_by_radians():
    x = jnp.float32(1e6 + 0.0625)
    exact = np.sin(30 * np.float64(x))
    assert abs(jaxact.sine(x) - exact) < 1e-7
    assert abs(jnp.sin(30 * x) - exact) > 0.1


@pytest.mark.parametrize("name", ["sine", "cosine", "finer", "gcu"])
def test_no_limit_at_infinity(name):
    f = getattr(jaxact, name)
    ends = np.asarray([-np.inf, np.inf], np.float32)
    for order in (0, 1, 2):
        got = f(ends) if order == 0 else jaxact.derivative(f, order)(ends)
        assert np.isnan(got).all()
        assert np.isnan(oracle(f, ends, order).high).all()


@pytest.mark.parametrize(
    "name",
    ["sine", "finer", "gcu", "erf", "arctan", "asinh", "symlog", "snake", "gabor_sine"],
)
def test_odd_functions_and_the_sign_of_zero(name):
    f = getattr(jaxact, name)
    if name != "snake":
        np.testing.assert_array_equal(f(-X), -f(X))
    for zero in (0.0, -0.0):
        assert np.signbit(f(zero)) == np.signbit(zero) or name == "snake"


def test_snake_of_alpha_0_is_the_identity():
    slopes = jaxact.derivative(jaxact.snake), jaxact.derivative(jaxact.snake, 2)
    np.testing.assert_array_equal(jaxact.snake(jnp.asarray(X), 0.0), X)
    np.testing.assert_array_equal(slopes[0](X, alpha=0.0), np.ones_like(X))
    np.testing.assert_array_equal(slopes[1](X, alpha=0.0), np.zeros_like(X))
    by_alpha = jaxact.derivative(jaxact.snake, wrt="alpha")(X, alpha=0.0)
    np.testing.assert_allclose(by_alpha, X * X, rtol=1e-6)


def test_snake_is_monotonic_to_the_last_bit():
    slope = jaxact.derivative(jaxact.snake)
    at = (np.arange(-40, 40) * np.pi - np.pi / 4).astype(np.float32)
    touching = np.asarray(slope(at))
    exact = oracle(jaxact.snake, at, 1).high
    assert (touching >= 0).all() and touching.max() < 1e-10
    np.testing.assert_allclose(touching, exact, rtol=4e-7)


@pytest.mark.parametrize("alpha", [0.3, 1.0, 2.5])
def test_snake_beta_of_equal_parameters_is_snake(alpha):
    x = jnp.asarray(X)
    for order in (0, 1, 2):
        got, wanted = (
            f(x, **p) if order == 0 else jaxact.derivative(f, order)(x, **p)
            for f, p in (
                (jaxact.snake_beta, {"alpha": alpha, "beta": alpha}),
                (jaxact.snake, {"alpha": alpha}),
            )
        )
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-12)


def test_sinlu_without_a_wave_is_silu():
    x = jnp.asarray(X)
    pair: Any = ((jaxact.sinlu, {"a": 0.0, "b": 0.0}), (jaxact.silu, {}))
    for order in (0, 1, 2):
        got, wanted = (
            f(x, **p) if order == 0 else jaxact.derivative(f, order)(x, **p)
            for f, p in pair
        )
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-7)
    ends = jnp.asarray([-np.inf, np.inf])
    np.testing.assert_array_equal(jaxact.sinlu(ends), [0, np.inf])
    slope = jaxact.derivative(jaxact.sinlu)(ends)
    np.testing.assert_array_equal(slope, [0, np.nan])  # far above 0 it swings


def test_sinc_is_not_normalised():
    x = jnp.asarray([*X, 0, np.inf])
    np.testing.assert_allclose(jaxact.sinc(x[:-1]), np.sinc(x[:-1] / np.pi), atol=1e-7)
    assert jaxact.sinc(x[-2]) == 1 and jaxact.sinc(x[-1]) == 0


def test_gabor_complex_on_and_off_the_real_line():
    def exact(x, w0, s0):
        return np.exp(1j * w0 * x - np.abs(s0 * x) ** 2)

    x = np.linspace(-1, 1, 41)
    got = jaxact.gabor_complex(jnp.asarray(x, jnp.float32), 7.0, 3.0)
    assert got.dtype == jnp.complex64
    np.testing.assert_allclose(got, exact(x, 7.0, 3.0), atol=2e-6)
    z = (x[:, None] + 0.3j * x).astype(np.complex64)
    got = jaxact.gabor_complex(jnp.asarray(z), 7.0, 3.0)
    assert got.dtype == jnp.complex64
    np.testing.assert_allclose(got, exact(z, 7.0, 3.0), rtol=1e-4, atol=1e-5)
    assert jaxact.gabor_complex(jnp.bfloat16(0.5)).dtype == jnp.complex64
    assert jaxact.gabor_complex(jnp.int32(1)).dtype == jnp.complex64


def test_exponential_reaches_to_the_largest_number():
    top = jnp.float32(88.72283)
    assert np.isfinite(jaxact.exponential(top)) and jaxact.exponential(top) > 3.4e38
    assert np.isinf(jaxact.exponential(jnp.nextafter(top, jnp.float32(100))))
    assert jaxact.exponential(jnp.float32(-np.inf)) == 0


def test_laplace_is_the_normal_distribution():
    x = jnp.arange(-384, 512, dtype=jnp.float32) / 128
    got = jaxact.laplace(x, mu=0.5, sigma=0.25)
    np.testing.assert_allclose(got, jaxact.normal_cdf((x - 0.5) / 0.25), rtol=1e-6)
    np.testing.assert_allclose(jaxact.laplace(x, 0.0, 1.0), jaxact.normal_cdf(x), 1e-6)


def test_an_exact_product_and_ratio_have_a_rest():
    rng = np.random.default_rng(0)
    x, a = (rng.uniform(0.5, 8, 2000).astype(np.float32) for _ in range(2))
    product = jax.jit(lambda x, a: num.exact_product(x, a).tail())(x, a)
    wide = x.astype(np.float64) * a
    np.testing.assert_array_equal(wide - (x * a), np.asarray(product, np.float64))
    z, rest = jax.jit(lambda x, a: num.ratio(x, a, 100.0))(x, a)
    error = np.float64(z) + np.float64(rest) - np.float64(x) / a
    assert np.abs(error).max() < 2.0**-40
    z, rest = num.ratio(jnp.float32(1e30), jnp.float32(1e-3), 14.5)
    assert (z, rest) == (14.5, 0)


def test_the_normal_distribution_reads_the_rest():
    x = np.linspace(-8, 8, 2001, dtype=np.float32)
    rest = (x * 2.0**-25).astype(np.float32)
    got = np.asarray(jax.jit(num.normal)(x, rest), np.float64)
    wanted = [float(mp.ncdf(mp.mpf(float(a)) + float(b))) for a, b in zip(x, rest)]  # noqa: B905
    np.testing.assert_allclose(got, wanted, rtol=2.5e-7)
    without = np.asarray(jax.jit(num.normal)(x), np.float64)
    assert np.max(np.abs(without / wanted - 1)) > 1e-6
