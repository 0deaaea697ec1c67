"""Sine and cosine of an exact product, against multiple precision."""

import functools

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from jaxact._numerics import angles as angles
from jaxact._numerics.precision import rounded_to
from jaxact.testing import points

pytestmark = pytest.mark.slow  # says nothing new with another JAX

FACTORS = (30.0, 1.0, 0.3, 7.7e-9, 3e20)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    with jax.enable_x64(request.param == "float64"):
        yield request.param


def sample(dtype, factor):
    """Every exponent, and the floats nearest to multiples of pi / 2."""
    x = points(dtype, count=1500)[:: 5 if dtype == "float32" else 43]
    roots = np.arange(1, 40) * np.pi / 2 / factor
    x = np.concatenate([x, roots.astype(dtype), -roots.astype(dtype)])
    normal = np.abs(x) >= np.finfo(dtype).smallest_normal
    return x[np.isfinite(x) & normal]


def ulps(got, wanted, dtype):
    """The largest error, roots and all: nothing is forgiven."""
    info, worst = np.finfo(dtype), 0.0
    for g, w in zip(got.tolist(), wanted, strict=True):
        if abs(w) >= float(info.smallest_normal):
            unit = mp.ldexp(1, int(mp.frexp(w)[1]) - 1 - info.nmant)
            worst = max(worst, float(abs(g - w) / unit))
    return worst


def exact_angles(dtype, *factors):
    """The products, to so many digits that their sines have some."""
    wide = [np.asarray(f, dtype).astype(np.float64).tolist() for f in factors]
    columns = [f if isinstance(f, list) else [f] * len(wide[0]) for f in wide]
    return [functools.reduce(mp.fmul, row) for row in zip(*columns, strict=True)]


def with_digits(dtype, factors):
    return mp.workprec((150 if dtype == "float32" else 1100) * (factors + 1))


@pytest.mark.parametrize("factor", FACTORS)
def test_sine_and_cosine_of_a_product(dtype, factor):
    x = sample(dtype, factor)

    @functools.partial(jax.jit, static_argnums=1)
    def f(x, eighths):
        both = angles.sin_cos(angles.product(x, jnp.asarray(factor, dtype)), eighths)
        return [p.value() for p in both]

    with with_digits(dtype, 2):
        exact = exact_angles(dtype, x, factor)
        for eighths in (0, 1, 2, -1):
            sine, cosine = map(np.asarray, f(x, eighths))
            turned = [a + eighths * mp.pi / 4 for a in exact]
            assert ulps(sine, map(mp.sin, turned), dtype) < 1.5, eighths
            assert ulps(cosine, map(mp.cos, turned), dtype) < 1.5, eighths


def test_product_of_three_and_sum(dtype):
    x = sample(dtype, 1.0)
    third = jnp.asarray(0.7, dtype)

    @jax.jit
    def f(x):
        a = angles.product(x, jnp.abs(x), third)
        return angles.sin(a).value(), angles.sin(a + angles.product(x, third)).value()

    one, both = map(np.asarray, f(x))
    with with_digits(dtype, 3):
        first = exact_angles(dtype, x, np.abs(x), 0.7)
        second = exact_angles(dtype, x, 0.7)
        sums = [a + b for a, b in zip(first, second, strict=True)]
        assert ulps(one, map(mp.sin, first), dtype) < 2
        assert ulps(both, map(mp.sin, sums), dtype) < 2


def test_in_half():
    x = points("bfloat16")[::31].astype(np.float32)
    x = x[np.isfinite(x) & (np.abs(x) > 1e-37)]
    with rounded_to("bfloat16"):
        angle = angles.product(jnp.asarray(x), jnp.float32(30))
        got = np.asarray(angles.sin(angle).value())
    with with_digits("float32", 2):
        wanted = map(mp.sin, exact_angles("float32", x, 30.0))
        assert ulps(got, wanted, "float32") < 2**6  # 2^-17, of 2^-9 that are kept


def test_what_is_not_finite_has_no_sine():
    for a, b in ((np.inf, 1), (-np.inf, 1), (np.nan, 1), (1, np.inf), (0, np.inf)):
        angle = angles.product(jnp.float32(a), jnp.float32(b))
        assert all(np.isnan(p.value()) for p in angles.sin_cos(angle))


def test_zeros_keep_their_sign():
    for a, b in ((0.0, 1.0), (-0.0, 1.0), (0.0, -2.0), (-0.0, -2.0)):
        got = angles.sin(angles.product(jnp.float32(a), jnp.float32(b))).value()
        assert got == 0 and np.signbit(got) == np.signbit(np.float32(a * b))


def test_derivatives_are_seen_through_the_integers():
    def f(x, w):
        return angles.sin(angles.product(x, w)).value()

    x, w = jnp.float32(5.3), jnp.float32(7.0)
    u = 7.0 * float(x)
    nested, waves = f, (np.cos(u), -np.sin(u), -np.cos(u), np.sin(u))
    for order, wave in enumerate(waves, 1):
        nested = jax.grad(nested)
        np.testing.assert_allclose(nested(x, w), 7.0**order * wave, rtol=1e-5)
    mixed = jax.grad(jax.grad(f, 0), 1)(x, w)
    np.testing.assert_allclose(mixed, np.cos(u) - u * np.sin(u), rtol=1e-5)


@pytest.mark.parametrize("size", [32, 64])
def test_digits_of_two_over_pi(size):
    words = angles._two_over_pi(size, 3)
    assert words[:3] == [0, 0, 0] and len({w.dtype for w in words}) == 1
    digits = functools.reduce(lambda n, w: (n << size) | int(w), words, 0)
    bits = size * (len(words) - 3)
    with mp.workprec(bits + 100):
        assert digits == int(mp.floor(2 / mp.pi * mp.mpf(2) ** bits))
