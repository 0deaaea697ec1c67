"""Parameters of one dimension along an axis of x: one for each channel."""

import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxact
from jaxact import catalogue, derivative
from jaxact.combinators import compose, gated, mix

LEARNED = (
    "isru isrlu pelu xielu star_relu srelu prelu silu tlu adaptive_tanh dyt derf stan "
    "erfact pserf aptx acon_c smu b_silu x_silu x_gelu sinlu snake snake_beta"
).split()
LAID = [
    name
    for name in catalogue.defined()
    if catalogue.info(name).elementwise and "axis" in catalogue.info(name).options
]
# as many channels, on axis 1, as there are places: laid along another axis the
# parameters would broadcast, to something else
X = jnp.asarray(np.random.default_rng(0).normal(size=(2, 2, 2)), jnp.float32)


def test_which_take_an_axis():
    assert sorted(LAID) == sorted(LEARNED)


def channels(f, parameters):
    """An activation made of one call for each channel, with numbers as parameters."""
    each = [{n: v[i] for n, v in parameters.items()} for i in range(X.shape[1])]
    return jnp.stack([f(X[:, i], **each[i]) for i in range(len(each))], 1)


@pytest.mark.parametrize("name", LAID)
def test_each_channel_has_its_parameters(name):
    f, definition = catalogue.get(name), catalogue.info(name)
    parameters = {
        n: definition.default(n) + jnp.linspace(0.1, 0.5, X.shape[1])
        for n in definition.parameters
    }
    by_first = derivative(f, wrt=definition.parameters[0])
    weights = jnp.cos(jnp.arange(X.size, dtype=X.dtype)).reshape(X.shape)

    def along(parameters):
        return f(X, **parameters, axis=1)

    def apart(parameters):
        return channels(f, parameters)

    def slopes(g):
        return jax.grad(lambda parameters: jnp.sum(weights * g(parameters)))(parameters)

    @jax.jit
    def both():
        in_rows = jax.vmap(lambda x: f(x, **parameters, axis=0))(X)
        slope = by_first(X, **parameters, axis=1)
        got = along(parameters), in_rows, slopes(along), slope
        value = apart(parameters)
        return got, (value, value, slopes(apart), channels(by_first, parameters))

    got, wanted = both()
    chex.assert_trees_all_close(got, wanted, rtol=2e-5, atol=2e-6)
    chex.assert_trees_all_close(along(parameters), got[0], rtol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, np.int64(1), jnp.asarray(1)])
def test_any_axis(axis):
    x = jnp.arange(-12.0, 12).reshape(2, 3, 4)
    slope = jnp.linspace(0.1, 0.9, x.shape[axis])
    wanted = jnp.moveaxis(jaxact.prelu(jnp.moveaxis(x, axis, -1), slope), -1, axis)
    chex.assert_trees_all_equal(jaxact.prelu(x, slope, axis=axis), wanted)


def test_combined_activations_lay_all_their_parameters():
    weights = {f"weight_{i}": jnp.linspace(0.5, i, 2) for i in (1, 2)}
    own = {"scale": jnp.linspace(0.5, 2, 2), "negative_slope": jnp.linspace(0.1, 1, 2)}
    deep = compose(jaxact.star_relu, jaxact.prelu)
    for f, parameters in (
        (mix((deep, jaxact.tanh), (0.5, 0.5)), own | weights),
        (gated(jaxact.tlu), {"value": jnp.linspace(1, 2, 2)}),
    ):
        got, wanted = f(X, **parameters, axis=1), channels(f, parameters)
        chex.assert_trees_all_close(got, wanted, rtol=1e-5)
        slope = jax.grad(lambda p, f=f: jnp.sum(f(X, **p, axis=1)))(parameters)
        assert {n: v.shape for n, v in slope.items()} == dict.fromkeys(parameters, (2,))
    with pytest.raises(
        TypeError, match=r"^add: snake\(axis=1\) has an axis set; give "
    ):
        jaxact.combinators.add(jaxact.get("snake", axis=1))


def test_errors():
    x, alpha = jnp.ones((2, 3)), jnp.ones(3)
    message = (
        "snake: the shapes do not broadcast: x (2, 3), alpha (3,), parameters along "
        "axis 0 of x"
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        jaxact.snake(x, alpha, axis=0)
    with pytest.raises(TypeError, match=r"^snake: there is no axis 2: x \(2, 3\), alp"):
        jaxact.snake(x, alpha, axis=2)
    with pytest.raises(TypeError, match=r"^snake: axis must be an integer or None; go"):
        jaxact.snake(x, alpha, axis="0")  # pyright: ignore[reportArgumentType]
    chex.assert_trees_all_equal(jaxact.prelu(x, 0.5, axis=7), x)  # one slope for all
