"""Activations that are composed of others, and special properties of some of them."""

import ast

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxact
from jaxact import catalogue, derivative
from jaxact._formula import fits
from jaxact.testing import assert_accurate, oracle
from jaxact.testing._oracle import exact_orders, question

X = np.concatenate(
    [np.linspace(-20, 20, 401), np.geomspace(1e-30, 1, 60), -np.geomspace(1e-30, 1, 60)]
).astype(np.float32)


@pytest.mark.parametrize(
    ("pattern", "text", "u"),
    [
        ("log(1 + exp(u))", "log(1 + exp(beta * x))", "beta * x"),
        ("log(1 + u)", "log(1 + exp(x))", "exp(x)"),
        ("exp(u) - 1 - u", "exp(x / 2) - 1 - x / 2", "x / 2"),
        ("exp(u) - 1 - u", "exp(x / 2) - 1 - x / 3", None),
        ("1 + tanh(u)", "1 + tanh(-x)", "-x"),
        ("1 + tanh(u)", "2 + tanh(x)", None),
        ("1 + tanh(u)", "1 - tanh(x)", None),
        ("1 + tanh(u)", "1 + tan(x)", None),
        ("tanh(u) - u * (1 - tanh(u)**2)", "tanh(x) - x * (1 - tanh(x)**2)", "x"),
    ],
)
def test_a_pattern_says_what_u_is(pattern, text, u):
    found = fits(pattern, ast.parse(text, mode="eval").body)
    assert (found and tuple(map(ast.unparse, found))) == (u and (u,))


def test_near_a_root_a_derivative_by_a_parameter_is_allowed_the_rounding_of_its_terms():
    f, root = jaxact.acon_c, np.float32(-1.2784645)
    near = root + np.float32(1e-4) * np.arange(1, 5, dtype=np.float32)
    asked = question(f)
    (exact,) = exact_orders(asked, near, (1,), np.float32, "p1")
    wide = near.astype(np.float64)
    slope = np.abs(wide * np.gradient(exact.high, wide))
    np.testing.assert_allclose(exact.root_scale, slope, rtol=1e-3)
    (far,) = exact_orders(asked, np.array([-9, 1], np.float32), (1,), np.float32, "p1")
    assert np.isnan(far.root_scale).all()


def test_the_oracle_knows_the_root_of_a_softplus_that_no_bits_can_hold():
    exact = oracle(jaxact.sqrt_softplus, np.array([-3.4e38, -200, -np.inf], np.float32))
    np.testing.assert_array_equal(exact.high[[0, 2]], 0)
    np.testing.assert_allclose(exact.high[1], np.exp(-100), rtol=1e-15)


EQUAL = {
    "acon_c is silu": (jaxact.acon_c, jaxact.silu, {}),
    "acon_c is a mean": (jaxact.acon_c, lambda x: 0.75 * x, {"beta": 0.0, "p2": 0.5}),
    "aptx is half of silu": (jaxact.aptx, lambda x: jaxact.silu(2 * x) / 2, {}),
    "b_silu": (
        jaxact.b_silu,
        lambda x: (x + 1.67) * jaxact.sigmoid(x) - 0.835,
        {},
    ),
    "mila is mish": (jaxact.mila, jaxact.mish, {"beta": 0.0}),
    "pelu is elu": (jaxact.pelu, jaxact.elu, {}),
    "smu is gelu": (jaxact.smu, jaxact.gelu_exact, {"alpha": 0.0, "mu": 0.5**0.5}),
    "smu is leaky_relu": (
        jaxact.smu,
        lambda x: jaxact.leaky_relu(x, 0.25),
        {"alpha": 0.25},
    ),
    "soft_modulus_t is lisht": (jaxact.soft_modulus_t, jaxact.lisht, {"a": 1.0}),
    "stan is tanh": (jaxact.stan, jaxact.tanh, {"beta": 0.0}),
    "x_gelu is gelu": (jaxact.x_gelu, jaxact.gelu_exact, {}),
    "x_silu is silu": (jaxact.x_silu, jaxact.silu, {}),
    "softplus of beta 1": (jaxact.softplus, jaxact.softplus, {"beta": 1.0}),
}


@pytest.mark.parametrize("case", EQUAL)
def test_special_cases(case):
    f, other, parameters = EQUAL[case]
    wanted = np.asarray(other(jnp.asarray(X)))
    chex.assert_trees_all_close(f(X, **parameters), wanted, rtol=1e-6, atol=3e-7)


@pytest.mark.parametrize("name", ["dyt", "derf"])
def test_a_shift_costs_no_more_than_the_rounding_of_its_terms(name):
    f = catalogue.get(name)
    x = np.linspace(-60, 60, 1001, dtype=np.float32)
    for beta in (1.0, -1.0, 0.0):
        exact = oracle(f, x, beta=beta).high
        np.testing.assert_allclose(f(x, beta=beta), exact, rtol=0, atol=4 * 2.0**-23)


def test_softplus_takes_the_short_way_without_beta():
    short, long = (
        str(jax.make_jaxpr(f)(X))
        for f in (jaxact.softplus, lambda x: jaxact.softplus(x, 1.0))
    )
    assert 1.5 * len(short) < len(long)


def test_thresholded_softplus_is_the_identity_above():
    x = jnp.asarray([0.5, 19.0, 20.0, 20.5, 1e30])
    f = jaxact.softplus_thresholded
    above = np.asarray([False, False, False, True, True])
    np.testing.assert_array_equal(np.asarray(derivative(f, 2)(x) == 0), above)
    chex.assert_trees_all_equal(f(x)[3:], x[3:])
    chex.assert_trees_all_equal(derivative(f)(x)[3:], jnp.ones(2))
    chex.assert_trees_all_equal(f(x, 2.0, 1.0)[1:], x[1:])
    assert f(x, 2.0, 1.0)[0] == jaxact.softplus(x, 2.0)[0]
    slope = derivative(f, wrt="beta")
    chex.assert_trees_all_equal(slope(x, beta=2.0, threshold=1.0)[1:], jnp.zeros(4))
    assert slope(x, beta=2.0, threshold=1.0)[0] < 0


def test_shifted_softplus_is_accurate_at_its_root():
    f = jaxact.shifted_softplus
    assert f(jnp.zeros(())) == 0
    assert_accurate(f, 2, ["float32"], [0], count=2**10, around=[0.0, 1e-10, -1e-4])


def xielu_of_the_models(x, alpha_p, alpha_n, beta, epsilon):
    """As Hugging Face transformers has it, in float64."""
    x = np.asarray(x, np.float64)
    below = (np.expm1(np.minimum(x, epsilon)) - x) * alpha_n + beta * x
    return np.where(x > 0, alpha_p * x * x + beta * x, below)


@pytest.mark.parametrize("epsilon", [-1e-6, 0.0, -0.25])
def test_xielu_is_that_of_the_models(epsilon):
    given = {"alpha_p": 0.75, "alpha_n": 1.25, "beta": 0.5, "epsilon": epsilon}
    wanted = xielu_of_the_models(X, **given)
    got = np.asarray(jaxact.xielu(jnp.asarray(X), **given), np.float64)
    terms = np.minimum(np.abs(X), 1)  # they cancel at a root near -1.9
    assert (np.abs(got - wanted) <= 1e-6 * np.abs(wanted) + 3e-8 * terms).all()
    slope = derivative(jaxact.xielu)(jnp.zeros(1), **given)
    assert slope == (0.5 if epsilon == 0 else 0.5 - 1.25)


def test_xielu_has_its_kinks_where_its_parameters_put_them():
    kinks = catalogue.info("xielu").kinks_at
    assert kinks() == (-1e-6, 0.0)
    assert kinks(epsilon=-0.5) == (-0.5, 0.0)
    assert kinks(epsilon=0.0) == (0.0,)
    slope = derivative(jaxact.xielu)(np.array([-0.5, -0.49], np.float32), epsilon=-0.5)
    np.testing.assert_allclose(slope, [0.5 + 0.8 * np.expm1(-0.5), -0.3], rtol=1e-6)


def test_values_and_slopes_at_the_seams():
    at = {
        "elish": (0.0, 0.0, 0.5),
        "hard_elish": (-1.0, 0.0, 0.0),
        "delu": (0.0, 0.0, 0.5),
        "nelu": (0.0, -0.2, 0.0),
        "pelu": (0.0, 0.0, 1.0),
    }
    for name, (x, value, slope) in at.items():
        f = catalogue.get(name)
        got = f(np.float32(x)), derivative(f)(np.float32(x))
        np.testing.assert_allclose(got, (value, slope), rtol=1e-6)
    slope = derivative(jaxact.hard_elish)(np.array([0, 1], np.float32))
    np.testing.assert_allclose(slope, [0.5, 1])
    assert derivative(jaxact.delu)(1e-9) == 2.5
