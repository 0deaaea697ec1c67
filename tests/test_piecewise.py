"""Conventions at the kinks, relations between functions, keys, axes and errors."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxact
from jaxact import derivative

X = jnp.linspace(-4, 4, 65)


def slopes(f, *points, **parameters):
    return [float(derivative(f)(float(x), **parameters)) for x in points]


@pytest.mark.parametrize(
    ("name", "points", "parameters", "wanted"),
    [
        ("prelu", (-1, 0, 1), {}, [0.25, 1, 1]),
        ("leaky_relu_left", (-1, 0, 1), {"negative_slope": 0.25}, [0.25, 0.25, 1]),
        ("leaky_relu", (-1, 0, 1), {"negative_slope": 0.25}, [0.25, 1, 1]),
        ("general_relu", (-1, 0, 1), {}, [0, 0, 1]),
        ("general_relu", (0, 1, 2, 6), {"threshold": 1, "max_value": 6}, [0, 0, 1, 0]),
        ("general_relu", (-1, 0), {"negative_slope": 0.5}, [0.5, 0.5]),
        ("relu_squared", (-1, 0, 1), {}, [0, 0, 2]),
        ("star_relu", (0, 1), {"scale": 0.5}, [0, 1]),
        ("thresholded_relu", (0.5, 1, 1.5), {}, [0, 0, 1]),
        ("threshold", (1, 2, 3), {"threshold": 2, "value": -1}, [0, 0, 1]),
        ("tlu", (-1, 0, 1), {}, [0, 0, 1]),
        ("tlu", (1, 2, 3), {"tau": 2}, [0, 0, 1]),
        ("step", (-1, 0, 1), {}, [0, 0, 0]),
        ("hard_shrink", (-1, -0.5, 0, 0.5, 1), {}, [1, 0, 0, 0, 1]),
        ("soft_shrink", (-1, -0.5, 0, 0.5, 1), {}, [1, 0, 0, 0, 1]),
        ("shrink", (-1, -0.5, 0, 0.5, 1), {}, [1, 0, 0, 0, 1]),
        ("hard_tanh", (-2, -1, 0, 1, 2), {}, [0, 1, 1, 1, 0]),
        ("hard_tanh_open", (-2, -1, 0, 1, 2), {}, [0, 0, 1, 0, 0]),
        ("hard_tanh_open", (0, 1, 2), {"min_value": 0, "max_value": 2}, [0, 1, 0]),
        ("hard_sigmoid_sloped", (-2, 0, 2), {"slope": 0.25}, [0, 0.25, 0]),
        ("hard_mish", (-3, -2, -1, 0), {}, [0, 0, 0, 1]),
        ("smelu", (-2, 0, 2), {"beta": 2}, [0, 0.5, 1]),
        ("srelu", (-1, 0, 0.5, 1), {"a_right": 3}, [np.float32(0.2)] * 2 + [1, 3]),
        ("isrlu", (0,), {}, [1]),
    ],
)
def test_slopes_at_the_kinks(name, points, parameters, wanted):
    assert slopes(getattr(jaxact, name), *points, **parameters) == wanted


def test_values_where_branches_meet():
    zero, one, two = (jnp.asarray(v) for v in (0.0, 1.0, 2.0))
    assert jaxact.step(zero) == 1 and jaxact.step(-zero) == 1
    assert jaxact.threshold(two, 2.0, -1.0) == -1
    assert jaxact.thresholded_relu(one) == 0
    assert jaxact.general_relu(one, threshold=1.0) == 0
    assert jaxact.general_relu(one / 0) == jnp.inf
    assert slopes(jaxact.general_relu, np.inf) == [1]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (jaxact.general_relu, jaxact.relu),
        (lambda x: jaxact.general_relu(x, max_value=6.0), jaxact.relu6),
        (
            lambda x: jaxact.general_relu(x, 0.3),
            lambda x: jaxact.leaky_relu_left(x, 0.3),
        ),
        (jaxact.tlu, jaxact.relu),
        (jaxact.smelu, jaxact.sparse_plus),
        (jaxact.shrink, jaxact.hard_shrink),
        (lambda x: jaxact.shrink(x, 1.5, 1.5), lambda x: jaxact.soft_shrink(x, 1.5)),
        (lambda x: jaxact.threshold(x, 1.0, 0.0), jaxact.thresholded_relu),
        (lambda x: jaxact.star_relu(x, 1.0, 0.0), jaxact.relu_squared),
        (lambda x: jaxact.srelu(x, a_left=0.01), jaxact.leaky_relu),
    ],
)
def test_one_function_in_two_ways(ours, theirs):
    chex.assert_trees_all_close(ours(X), theirs(X), rtol=1e-6)
    x = X[X != 0]
    chex.assert_trees_all_close(derivative(ours)(x), derivative(theirs)(x), rtol=1e-6)


@pytest.mark.parametrize(
    "name",
    "prelu leaky_relu_left tlu thresholded_relu hard_shrink soft_shrink "
    "hard_tanh_open".split(),
)
def test_keeps_nothing_beyond_the_output(name):
    f = getattr(jaxact, name)
    y, pull = jax.vjp(f, X)
    (kept,) = jax.tree.leaves(pull)
    chex.assert_trees_all_equal(kept, y)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("tlu", {"tau": 0.3}),
        ("hard_tanh_open", {"min_value": -0.3, "max_value": 0.3}),
        ("soft_shrink", {"lambd": 0.3}),
        ("thresholded_relu", {"threshold": -0.3}),
    ],
)
def test_a_slope_told_from_the_output_is_not_lost_to_rounding(name, parameters, dtype):
    f = getattr(jaxact, name)
    x = jnp.asarray([-0.3, 0.0, 0.3], dtype)
    x = jnp.stack([jnp.nextafter(x, x - 1), x, jnp.nextafter(x, x + 1)])
    got = jax.grad(lambda x: f(x, **parameters).astype(jnp.float32).sum())(x)
    exact = {n: float(np.float32(v)) for n, v in parameters.items()}
    with jax.enable_x64(True):
        wanted = derivative(f)(np.asarray(x, np.float64), **exact)
    chex.assert_trees_all_equal(np.asarray(got, np.float64), np.asarray(wanted))


def test_integers_stay_whole():
    x = jnp.asarray([-3, 0, 3], jnp.int32)
    for f in (jaxact.hard_tanh, jaxact.hard_tanh_open):
        chex.assert_trees_all_equal(f(x), jnp.asarray([-1, 0, 1], jnp.int32))
        y = f(x, jnp.int32(-2), jnp.int32(2))
        chex.assert_trees_all_equal(y, jnp.asarray([-2, 0, 2], jnp.int32))


def test_rrelu_without_a_key_has_the_mean_slope():
    wanted = jaxact.leaky_relu(X, (1 / 8 + 1 / 3) / 2)
    chex.assert_trees_all_equal(jaxact.rrelu(X), wanted)
    chex.assert_trees_all_equal(jax.jit(jaxact.rrelu)(X), wanted)
    traced = jax.jit(lambda x, a, b: jaxact.rrelu(x, None, a, b))(X, 0.2, 0.4)
    chex.assert_trees_all_close(traced, jaxact.leaky_relu(X, 0.3), rtol=1e-6)
    chex.assert_trees_all_equal(
        jaxact.rrelu(X, None, 0.2, 0.4), jaxact.leaky_relu(X, 0.3)
    )
    for key in (None, jax.random.key(0)):
        slope = jax.grad(lambda x, key=key: jaxact.rrelu(x, key, 0.25, 0.25))(0.0)
        assert slope == 0.25


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_rrelu_draws_a_slope_for_each_element(dtype):
    x = jnp.full((10_000,), -1, dtype)
    y, pull = jax.vjp(lambda x: jaxact.rrelu(x, jax.random.key(0)), x)
    assert y.dtype == dtype
    slope = -np.asarray(y, np.float64)
    assert 1 / 8 <= slope.min() < 0.13 and 0.325 < slope.max() < 0.335
    assert abs(slope.mean() - (1 / 8 + 1 / 3) / 2) < 2e-3
    chex.assert_trees_all_equal(pull(jnp.ones_like(y))[0], -y)  # the same slopes
    again, other = (jaxact.rrelu(x, jax.random.key(n)) for n in (0, 1))
    chex.assert_trees_all_equal(again, y)
    assert not jnp.array_equal(other, y)
    positive = jnp.abs(X)
    chex.assert_trees_all_equal(jaxact.rrelu(positive, jax.random.key(0)), positive)


def test_rrelu_is_compiled_and_takes_integers():
    f = jax.jit(lambda x, key, low: jaxact.rrelu(x, key, low, 0.5))
    y = f(-jnp.ones(3), jax.random.key(0), 0.25)
    assert ((y <= -0.25) & (y > -0.5)).all()
    y = jaxact.rrelu(jnp.asarray([-2, 3]), jax.random.key(0))
    assert y.dtype == jnp.float32 and y[1] == 3 and -2 / 3 < y[0] <= -1 / 4


def test_errors_of_rrelu():
    with pytest.raises(ValueError, match=r"^rrelu: lower=0.5 is larger than upper=0.2"):
        jaxact.rrelu(X, None, 0.5, 0.2)
    with pytest.raises(ValueError, match=r"^rrelu: lower"):
        jaxact.rrelu(X, jax.random.key(0), jnp.asarray([0.1, 0.5]), 0.2)


def test_parameters_without_default_broadcast_and_train():
    x = jnp.asarray([[-1.0, 2.0], [0.5, 0.5]])
    value = jnp.asarray([10.0, 20.0])
    y = jaxact.threshold(x, 1.0, value)
    chex.assert_trees_all_equal(y, jnp.asarray([[10.0, 2.0], [10.0, 20.0]]))
    got = jax.grad(lambda v: jaxact.threshold(x, 1.0, v).sum())(value)
    chex.assert_trees_all_equal(got, jnp.asarray([2.0, 1.0]))
    with pytest.raises(TypeError, match=r"^threshold: missing a required argument"):
        jaxact.threshold(x, 1.0)  # type: ignore[call-arg]


@pytest.mark.parametrize("scale", [1e-36, 1e-20, 1.0, 1e20, 1e36])
def test_isru_at_every_magnitude_of_x_and_alpha(scale):
    alpha = float(np.float32(1 / scale**2) if 1e-19 < scale < 1e19 else 1.0)
    x = jnp.asarray([-3.0, -0.5, 0.25, 2.0]) * scale
    for order, f in enumerate((jaxact.isru, derivative(jaxact.isru))):
        got = np.asarray(f(x, alpha), np.float64)
        wide = np.asarray(x, np.float64)
        root = np.sqrt(1 + alpha * wide**2)
        wanted = (wide / root, root**-3)[order]
        wanted = np.where(np.abs(wanted) < 1.2e-38, 0, wanted)
        np.testing.assert_allclose(got, wanted, rtol=4e-7)
    for alpha in (1e-30, 1e30):
        x = jnp.asarray([-3.0, -0.5, 0.25, 2.0]) / np.float32(np.sqrt(alpha))
        wide = np.asarray(x, np.float64) * np.sqrt(float(np.float32(alpha)))
        wanted = wide / np.sqrt(1 + wide**2) / np.sqrt(float(np.float32(alpha)))
        np.testing.assert_allclose(jaxact.isru(x, alpha), wanted, rtol=4e-7)


def test_tanh_shrink_does_not_cancel():
    x = jnp.asarray([1e-10, 1e-3, 0.1])
    exact = np.asarray([3.3333333333e-31, 3.3333320000005e-10, 3.32005417844e-4])
    got = np.asarray(jaxact.tanh_shrink(x), np.float64)
    np.testing.assert_allclose(got, exact, rtol=3e-7)
