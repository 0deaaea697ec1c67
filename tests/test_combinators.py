"""Activations from activations: their names, facts and results."""

import functools
import math
import pickle
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxact
from jaxact import elu, identity, leaky_relu, relu, sigmoid, silu, softplus, tanh
from jaxact.combinators import (
    add,
    clip,
    compose,
    gated,
    leaky,
    mix,
    multiply,
    piecewise,
    reflect,
    scale,
    shift,
    standardized,
    surrogate,
)
from jaxact.testing import assert_accurate, assert_derivatives, measure, residual_bytes
from jaxact.testing._bounds import allowed_ulp

MISH = multiply(identity, compose(tanh, softplus))


@jaxact.activation
def bump(x: jax.Array, width: float | jax.Array = 2.0) -> jax.Array:
    """A function of the tests' own with a parameter.

    bump(x, width) = exp(-width * x * x)
    """
    return jnp.exp(-width * jnp.square(jnp.clip(x, -16, 16)))  # 0 beyond


@jaxact.activation
def cube(x: jax.Array) -> jax.Array:
    """A function of the tests' own with a kernel alone.

    cube(x) = x * x * x
    """
    return x * x * x


EVERY = [
    MISH,
    compose(elu, elu),
    compose(jaxact.squareplus, tanh),
    compose(cube, sigmoid),
    add(silu, jaxact.log_sigmoid, bump),
    scale(tanh, output=1.7159, input=2 / 3),
    shift(softplus, input=-1.0, output=0.25),
    mix((relu, tanh), (0.75, 0.25)),
    # between two floats: a rounding of gelu does not move it across
    clip(jaxact.gelu_exact, -0.11, 6.0),
    piecewise((-1.0, 1.0), (elu, identity, tanh)),
    reflect(softplus),
    surrogate(relu, silu),
    leaky(jaxact.hard_sigmoid, 0.1),
    standardized(silu),
]
X = np.asarray([-6.5, -2.25, -1.0, -0.3, 0.0, 0.4, 1.0, 1.75, 5.0], np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("f", EVERY, ids=repr)
def test_derivatives_are_those_of_the_formula(f):
    assert_derivatives(f, dtypes=["float32"])


@pytest.mark.slow
@pytest.mark.parametrize("f", EVERY, ids=repr)
def test_accurate(f):
    assert_accurate(f, 0.51, ["bfloat16"])
    cancels = f == EVERY[4]  # silu and the bump are larger than their sum
    bounds = [allowed_ulp(f, "float32", n) * (3 if cancels else 1) for n in (0, 1, 2)]
    assert_accurate(f, bounds, ["float32"], count=2**12)


def some(value: Any) -> Any:
    """A call that no type checker would accept."""
    return value


def known(f):
    definition = jaxact.catalogue.lookup(f)
    assert definition is not None
    return definition


def test_mish_from_its_parts_is_mish():
    assert_accurate(MISH, {"float32": 16, "float16": 0.51}, ["float32", "float16"],
                    count=2**11)  # fmt: skip
    x = jnp.asarray(X)
    for order in (0, 1, 2):
        ours = MISH if order == 0 else jaxact.derivative(MISH, order)
        theirs = jaxact.mish if order == 0 else jaxact.derivative(jaxact.mish, order)
        chex.assert_trees_all_close(ours(x), theirs(x), rtol=3e-7, atol=1e-7)


def test_the_combinators_do_what_they_say():
    x = jnp.asarray(X)
    for f, wanted in (
        (compose(tanh, elu), jnp.tanh(jax.nn.elu(x))),
        (compose(tanh, elu, tanh), jnp.tanh(jax.nn.elu(jnp.tanh(x)))),
        (add(tanh, elu), jnp.tanh(x) + jax.nn.elu(x)),
        (multiply(tanh, elu), jnp.tanh(x) * jax.nn.elu(x)),
        (scale(tanh, output=2.0, input=0.5), 2 * jnp.tanh(x / 2)),
        (shift(tanh, output=2.0, input=0.5), jnp.tanh(x + 0.5) + 2),
        (mix((tanh, elu), (2.0, -1.0)), 2 * jnp.tanh(x) - jax.nn.elu(x)),
        (clip(elu, -0.5, 1.5), jnp.clip(jax.nn.elu(x), -0.5, 1.5)),
        (reflect(elu), -jax.nn.elu(-x)),
        (surrogate(relu, tanh), jax.nn.relu(x)),
        (leaky(relu, 0.1), jax.nn.leaky_relu(x, 0.1)),
        (piecewise((0.0,), (tanh, elu)), jnp.where(x < 0, jnp.tanh(x), x)),
    ):
        chex.assert_trees_all_close(f(x), wanted, rtol=1e-6, atol=1e-7)


def test_surrogate_has_the_slope_of_the_other():
    f = surrogate(jaxact.relu, jaxact.silu)
    chex.assert_trees_all_close(
        jax.vmap(jax.grad(f))(X), jaxact.derivative(silu)(X), rtol=1e-6
    )
    # also inside another combination
    g = compose(tanh, f)
    wanted = (1 - jnp.tanh(jax.nn.relu(X)) ** 2) * jaxact.derivative(silu)(X)
    chex.assert_trees_all_close(jaxact.derivative(g)(X), wanted, rtol=1e-5, atol=1e-7)


def test_leaky_gives_a_slope_wherever_a_function_is_dead():
    slope = jaxact.derivative(leaky(jaxact.relu6, 0.1))
    x = jnp.asarray([-30.0, -1.0, 1.0, 5.0, 7.0, 30.0])
    chex.assert_trees_all_close(slope(x), jnp.asarray([0.1, 0.1, 1, 1, 0.1, 0.1]))
    y = leaky(jaxact.relu6, 0.1)(jnp.asarray([-10.0, 16.0]))
    chex.assert_trees_all_close(y, jnp.asarray([-1.0, 7.0]), rtol=1e-6)
    with pytest.raises(ValueError, match=r"leaky: tanh is nowhere dead"):
        leaky(tanh)


@pytest.mark.parametrize("f", [relu, jaxact.gelu_exact, tanh, sigmoid, leaky_relu])
def test_standardized_has_mean_0_and_variance_1(f):
    g = standardized(f)
    # Simpson's rule on a grid that has the kink at 0 among its points
    z = np.linspace(-12, 12, 48_001)
    y = np.asarray(g(z.astype(np.float32)), np.float64)
    weights = np.where(np.arange(len(z)) % 2, 4.0, 2.0) * (z[1] - z[0]) / 3
    weights *= np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    assert abs(np.sum(weights * y)) < 1e-6
    assert abs(np.sum(weights * y * y) - 1) < 1e-6


def test_standardized_refuses_a_function_without_a_variance():
    constant = mix((identity,), (0.0,))
    with pytest.raises(ValueError, match=r"standardized: .* has the variance 0"):
        standardized(constant)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("f", EVERY, ids=repr)
def test_keeps_one_array_whatever_the_depth(f, dtype):
    size = jnp.dtype(dtype).itemsize
    assert residual_bytes(f, dtype) <= size
    deep = compose(*[f] * 4)
    assert residual_bytes(deep, dtype) <= size


def test_trained_weights_keep_the_input_alone():
    f = mix((tanh, elu), (0.5, 0.5))
    x = jnp.linspace(-3, 3, 64)
    _, pull = jax.vjp(lambda a, b: f(x, a, b), jnp.float32(0.5), jnp.float32(0.5))
    (kept,) = (leaf for leaf in jax.tree.leaves(pull) if jnp.size(leaf) > 1)
    chex.assert_trees_all_equal(kept, x)
    got = pull(jnp.ones_like(x))
    wanted = jnp.sum(jnp.tanh(x)), jnp.sum(jax.nn.elu(x))
    chex.assert_trees_all_close(got, wanted, rtol=1e-5, atol=1e-5)


def test_gated_keeps_its_two_operands():
    f = gated(silu)
    x, value = jnp.linspace(-3, 3, 64), jnp.linspace(1, 2, 64)
    y, pull = jax.vjp(f, x, value)
    chex.assert_trees_all_close(y, jax.nn.silu(x) * value, rtol=1e-6)
    kept = [leaf for leaf in jax.tree.leaves(pull) if jnp.size(leaf) > 1]
    assert len(kept) == 2
    wanted = jax.vjp(lambda x, v: jax.nn.silu(x) * v, x, value)[1](jnp.ones_like(x))
    chex.assert_trees_all_close(pull(jnp.ones_like(x)), wanted, rtol=1e-5, atol=1e-6)


def test_second_derivatives_by_nested_grad():
    for f in (MISH, compose(cube, sigmoid), reflect(softplus)):
        definition = known(f)
        usual = {p: definition.default(p) for p in definition.parameters}
        assert definition.reference is not None
        reference = functools.partial(definition.reference, **usual)
        got = jax.vmap(jax.grad(jax.grad(f)))(X)
        wanted = jax.vmap(jax.grad(jax.grad(reference)))(X)
        chex.assert_trees_all_close(got, wanted, rtol=1e-4, atol=1e-6)


def test_parameters_keep_their_names_or_are_numbered():
    def names(f):
        return list(known(f).parameters)

    assert names(MISH) == ["beta"]
    assert names(multiply(identity, tanh)) == []
    assert names(compose(tanh, leaky_relu)) == ["negative_slope"]
    assert names(compose(elu, elu)) == ["alpha_1", "alpha_2"]
    assert names(scale(scale(tanh))) == ["output_1", "input_1", "output_2", "input_2"]
    assert names(gated(elu)) == ["value", "alpha"]
    f = compose(elu, leaky_relu)
    x = jnp.asarray(X)
    wanted = jax.nn.elu(jax.nn.leaky_relu(x, 0.3), 2.0)
    chex.assert_trees_all_close(f(x, alpha=2.0, negative_slope=0.3), wanted, rtol=1e-6)
    with pytest.raises(TypeError, match=r"it is called as compose\(elu, leaky_relu\)"):
        f(x, beta=1.0)


def test_equal_when_built_equally():
    again = multiply(identity, compose(tanh, softplus))
    assert again == MISH and hash(again) == hash(MISH) and again is not MISH
    assert again != multiply(compose(tanh, softplus), identity)
    assert scale(tanh, input=2.0) != scale(tanh, input=3.0)
    assert pickle.loads(pickle.dumps(MISH)) == MISH
    assert repr(MISH) == "multiply(identity, compose(tanh, softplus))"
    everything = {n: getattr(jaxact, n) for n in jaxact.catalogue.defined()}
    everything |= vars(jaxact.combinators)
    for f in EVERY:
        if f in (EVERY[3], EVERY[4]):
            continue  # of functions that the tests define
        assert eval(repr(f), dict(everything)) == f


def test_the_name_tells_the_parameters_of_the_parts():
    leaky, steep = (jaxact.get("leaky_relu", negative_slope=s) for s in (0.2, 0.5))
    f, g = add(leaky, tanh), add(steep, tanh)
    assert repr(f) == "add(leaky_relu(negative_slope=0.2), tanh)" == known(f).name
    assert repr(g) == "add(leaky_relu(negative_slope=0.5), tanh)" != repr(f)
    deep = compose(tanh, scale(f, input=2.0))
    assert repr(deep) == f"compose(tanh, scale({f!r}, output=1.0, input=2.0))"
    again = add(jaxact.get("leaky_relu", negative_slope=0.2), tanh)
    assert f == again and hash(f) == hash(again) and f != g
    assert pickle.loads(pickle.dumps(f)) == f
    assert jaxact.from_config(jaxact.to_config(f)) == f
    plain, ours = known(add(leaky_relu, tanh)).formula, known(f).formula
    assert plain is not None and ours is not None and plain.text == ours.text


def test_is_an_activation_like_any_other():
    x = jnp.asarray(X)
    run = functools.partial(jax.jit, static_argnums=0)(lambda f, x: f(x))
    chex.assert_trees_all_equal(run(MISH, x), MISH(x))
    chex.assert_trees_all_close(jax.vmap(MISH)(x), MISH(x), rtol=1e-6)
    assert "multiply(identity, compose(tanh, softplus))" in str(jax.make_jaxpr(MISH)(x))
    assert MISH(jnp.bfloat16(1.0)).dtype == jnp.bfloat16
    assert MISH(2).dtype == jnp.float32
    definition = known(MISH)
    assert definition.formula is not None and "exp" in definition.formula.text
    assert definition.name == repr(MISH) and repr(MISH) in (MISH.__doc__ or "")
    assert measure(MISH, "bfloat16").max_ulp <= 0.51


def test_kinks_are_found_through_the_parts():
    def kinks(f, **parameters):
        return known(f).kinks_at(**parameters)

    assert kinks(compose(tanh, relu)) == (0.0,)
    assert kinks(shift(relu, input=2.0)) == (-2.0,)
    assert kinks(shift(relu), input=0.5) == (-0.5,)
    assert kinks(scale(relu, input=4.0)) == (0.0,)
    assert kinks(compose(jaxact.relu6, elu)) == (0.0, 6.0)
    assert kinks(piecewise((-1.0, 2.0), (elu, identity, tanh))) == (-1.0, 0.0, 2.0)
    assert kinks(reflect(shift(relu, input=1.0))) == (1.0,)
    assert np.allclose(
        kinks(clip(tanh, -0.5, 0.5)), (-math.atanh(0.5), math.atanh(0.5))
    )


@pytest.mark.parametrize(
    ("make", "error", "told"),
    [
        (lambda: compose(), TypeError, "compose: expected an activation or more"),
        (lambda: compose(tanh, jnp.sin), TypeError, "sin is not an activation"),
        (lambda: scale(tanh, output=some("2")), TypeError, "output must be a number"),
        (
            lambda: scale(tanh, input=some(jnp.ones(2))),
            TypeError,
            "arrays are given when",
        ),
        (
            lambda: clip(tanh, some(np.ones(2)), some(np.ones(2))),
            TypeError,
            "clip: low must be a number, got array",
        ),
        (
            lambda: piecewise(some(np.ones((2, 3))), (tanh,) * 3),
            TypeError,
            "piecewise: breakpoint_1 must be a number, got array",
        ),
        (
            lambda: mix((tanh, relu), some(jnp.ones(2))),
            TypeError,
            "mix: weight_1 must be a number, got Array",
        ),
        (
            lambda: compose(tanh, functools.partial(leaky_relu, negative_slope=0.5)),
            TypeError,
            "compose: functools.partial hides what leaky_relu is; pass parameters when",
        ),
        (lambda: mix((tanh,), (1.0, 2.0)), ValueError, "1 functions and 2 weights"),
        (lambda: clip(tanh, 1.0, -1.0), ValueError, "low=1.0 is more than high=-1.0"),
        (lambda: piecewise((1.0,), (tanh,)), ValueError, "one function more"),
        (lambda: piecewise((1.0, 0.0), (tanh,) * 3), ValueError, "do not increase"),
    ],
)
def test_errors(make, error, told):
    with pytest.raises(error, match=told):
        make()


def test_what_wraps_a_combination_is_not_one():
    c = compose(tanh, softplus)

    @functools.wraps(c)
    def other(x):
        return 2 * x

    for f in (jax.grad(c), jaxact.derivative(c), other, jax.jit(c)):
        assert jaxact.catalogue.lookup(f) is None
        with pytest.raises(TypeError, match=r"compose: .* is not an activation"):
            compose(identity, f)
        with pytest.raises(ValueError, match="no formula"):
            measure(f, "bfloat16")
