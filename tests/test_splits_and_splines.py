"""Activations with shapes of their own, against plain references."""

import functools
import re
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxact
from jaxact import catalogue

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.uniform(-2.5, 2.5, (5, 6)), jnp.float32)


def array(*shape):
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


TOP, BOTTOM = array(6) / 2, array(4) / 2
CASES: list[tuple[str, Any, dict[str, Any]]] = [
    ("crelu", X, {}),
    ("crelu", X, {"axis": 0}),
    ("maxout", X, {}),
    ("maxout", X, {"pieces": 3}),
    ("maxout", X, {"pieces": 5, "axis": 0}),
    ("maxout", jnp.round(X), {"pieces": 6}),  # with ties
    ("apl", X, {"slopes": array(3), "hinges": array(3)}),
    ("apl", X, {"slopes": array(6, 2), "hinges": array(2)}),
    ("rational", X, {"numerator": TOP, "denominator": BOTTOM}),
    ("rational", 9 * X, {"numerator": TOP, "denominator": BOTTOM}),
    ("rational", X, {"numerator": array(3), "denominator": array(3)}),
    ("rational", X, {"numerator": array(4), "denominator": array(0)}),
    ("rational", X, {"numerator": array(3, 3), "denominator": array(5, 1, 2)}),
    ("rational", X, {"numerator": array(1, 3), "denominator": array(5, 2), "axis": 0}),
    *(
        ("b_spline", X, {"coefficients": array(5), "grid": (-2.0, 1.5),
                         "degree": degree})
        for degree in (0, 1, 2, 3)
    ),
    ("b_spline", X, {"coefficients": array(3, 4), "extrapolation": "clamped"}),
    # the edges of a network
    ("b_spline", X[..., None], {"coefficients": array(6, 2, 3), "degree": 1}),
]  # fmt: skip

# of a value, a tangent, a gradient, and that of a slope
TOLERANCES = (2e-5, 2e-4, 2e-4, 2e-3)


def parts(name, arguments):
    """The activation and its reference, of x and the coefficients."""
    definition = catalogue.info(name)
    options = {n: v for n, v in arguments.items() if n in definition.options}
    arrays = {n: v for n, v in arguments.items() if n in definition.parameters}

    def bind(f):
        return lambda x, arrays: f(x, **arrays, **options)

    assert definition.reference is not None
    with jax.numpy_rank_promotion("allow"):
        return bind(definition.function), bind(definition.reference), arrays


@pytest.mark.parametrize(("name", "x", "arguments"), CASES)
def test_values_and_derivatives_are_those_of_the_reference(name, x, arguments):
    f, reference, arrays = parts(name, arguments)
    tangents = (array(*x.shape), {n: array(*a.shape) for n, a in arrays.items()})
    with jax.numpy_rank_promotion("allow"):
        weights = array(*jax.eval_shape(reference, x, arrays).shape)

    @functools.partial(jax.jit, static_argnums=0)
    def along(g, x, arrays):
        def loss(x, arrays):
            return jnp.sum(weights * g(x, arrays))

        def bend(x, arrays):  # how the slope along x changes along everything
            one = jnp.ones_like(x)
            slope = jax.jvp(lambda x: g(x, arrays), (x,), (one,))[1]
            return jnp.sum(weights * slope)

        pushed = jax.jvp(g, (x, arrays), tangents)
        return *pushed, *(jax.grad(h, (0, 1))(x, arrays) for h in (loss, bend))

    with jax.numpy_rank_promotion("allow"):
        wanted = along(reference, x, arrays)
    for got, exact, digits in zip(along(f, x, arrays), wanted, TOLERANCES, strict=True):
        chex.assert_trees_all_close(got, exact, rtol=digits, atol=digits)


@pytest.mark.parametrize(("name", "x", "arguments"), CASES)
def test_keeps_only_its_inputs(name, x, arguments):
    f, _, arrays = parts(name, arguments)
    y, pull = jax.vjp(lambda x: f(x, arrays), x)
    allowed = [y] if name == "crelu" else [x, *arrays.values()]
    for kept in jax.tree.leaves(pull):
        if jnp.size(kept) > 1:
            assert any(np.array_equal(kept, a) for a in allowed), kept
    if arrays:
        _, pull = jax.vjp(f, x, arrays)
        kept = [a for a in jax.tree.leaves(pull) if jnp.size(a) > 1]
        for a in kept:
            assert any(np.array_equal(a, b) for b in allowed), a


@pytest.mark.parametrize(("name", "x", "arguments"), CASES)
def test_a_half_is_computed_in_float32_and_rounded_once(name, x, arguments):
    f, _, arrays = parts(name, arguments)
    halves = jax.tree.map(lambda a: a.astype(jnp.bfloat16), (x, arrays))
    wide = jax.tree.map(lambda a: a.astype(jnp.float32), halves)
    got, wanted = f(*halves), f(*wide)
    assert got.dtype == jnp.bfloat16
    chex.assert_trees_all_equal(got, wanted.astype(jnp.bfloat16))


def test_transformations():
    coefficients = array(7)

    def f(x):
        return jaxact.b_spline(x, coefficients)

    one_by_one = jnp.stack([f(row) for row in X])
    chex.assert_trees_all_close(jax.vmap(f)(X), one_by_one, rtol=1e-6)
    chex.assert_trees_all_close(jax.jit(f)(X), f(X), rtol=1e-6)
    slopes = jax.vmap(jax.vmap(jax.grad(f)))(X)
    got = jax.grad(lambda x: jnp.sum(f(x)))(X)
    chex.assert_trees_all_close(got, slopes, rtol=1e-5, atol=1e-6)


def test_maxout_pools_neighbours_and_shares_ties():
    x = jnp.asarray([1.0, 4.0, 2.0, 2.0, 5.0, -1.0])
    chex.assert_trees_all_equal(jaxact.maxout(x), jnp.asarray([4.0, 2.0, 5.0]))
    slope = jax.grad(lambda x: jnp.sum(jaxact.maxout(x)))(x)
    chex.assert_trees_all_equal(slope, jnp.asarray([0, 1, 0.5, 0.5, 1, 0]))


def test_crelu_keeps_the_sign_of_its_input_apart():
    x = jnp.asarray([-2.0, 0.0, 3.0])
    wanted = jnp.asarray([0.0, 0.0, 3.0, 2.0, 0.0, 0.0])
    chex.assert_trees_all_equal(jaxact.crelu(x), wanted)
    slope = jax.grad(lambda x: jnp.sum(jaxact.crelu(x)))(x)
    chex.assert_trees_all_equal(slope, jnp.asarray([-1.0, 0.0, 1.0]))


def test_a_spline_of_greville_points_is_the_identity():
    degree, count = 3, 9
    width = 2 / (count - degree)
    at = -1 + width * (np.arange(count) - (degree - 1) / 2)
    coefficients = jnp.asarray(at, jnp.float32)
    x = jnp.linspace(-1, 1, 41)
    chex.assert_trees_all_close(jaxact.b_spline(x, coefficients), x, atol=1e-6)
    far = jnp.asarray([-np.inf, -7.0, 5.0, np.inf])
    clamped = jaxact.b_spline(far, coefficients, extrapolation="clamped")
    chex.assert_trees_all_close(clamped, jnp.asarray([-1.0, -1, 1, 1]), rtol=1e-6)
    linear = jaxact.b_spline(far, coefficients)
    chex.assert_trees_all_close(linear, far, rtol=1e-6)
    slopes = jax.vmap(jax.grad(lambda x: jaxact.b_spline(x, coefficients)))(far)
    chex.assert_trees_all_close(slopes, jnp.ones(4), rtol=1e-6)
    flat = jaxact.b_spline(far, 0 * coefficients)
    chex.assert_trees_all_equal(flat, jnp.zeros(4))
    assert jnp.isnan(jaxact.b_spline(jnp.asarray(jnp.nan), coefficients))


def test_rational_far_out_neither_overflows_nor_loses_its_slope():
    top, bottom = jaxact.rational_coefficients(jaxact.gelu_exact)
    x = jnp.asarray([-np.inf, -3e38, -1e12, 1e12, 3e38, np.inf])
    y = jaxact.rational(x, top, bottom)
    ratio = float(top[-1] / jnp.abs(bottom[-1]))
    chex.assert_trees_all_close(y[1:5] / x[1:5], jnp.full(4, ratio), rtol=1e-5)
    assert np.isinf(y[0]) and np.isinf(y[5]) and np.sign(y[5]) == np.sign(ratio)
    slope = jax.vmap(jax.grad(lambda x: jaxact.rational(x, top, bottom)))(x)
    chex.assert_trees_all_close(slope, jnp.full(6, ratio), rtol=1e-5)


@pytest.mark.parametrize(
    ("function", "within"),
    [
        (jaxact.gelu_exact, 0.005),
        (jaxact.tanh, 0.005),
        (jaxact.relu, 0.05),
        (jnp.sin, 0.005),
    ],
)
def test_rational_coefficients_are_close_to_the_function(function, within):
    top, bottom = jaxact.rational_coefficients(function)
    assert (top.shape, bottom.shape, top.dtype) == ((6,), (4,), jnp.float32)
    x = jnp.linspace(-3, 3, 501)
    apart = jnp.max(jnp.abs(jaxact.rational(x, top, bottom) - function(x)))
    assert apart < within


def test_rational_coefficients_of_other_degrees_and_intervals():
    top, bottom = jaxact.rational_coefficients(jaxact.silu, (-1.0, 2.0), (3, 2))
    assert (top.shape, bottom.shape) == ((4,), (2,))
    x = jnp.linspace(-1, 2, 101)
    error = jnp.abs(jaxact.rational(x, top, bottom) - jaxact.silu(x))
    assert jnp.max(error) < 1e-2


@pytest.mark.parametrize("name", ["apl", "rational", "b_spline"])
@pytest.mark.parametrize("groups", [1, 3, 6])
def test_coefficients_for_each_channel_or_group(name, groups):
    x = array(2, 6, 2)
    count = 20 if name == "b_spline" else 4  # more parts than are chosen one by one
    arrays = {n: array(groups, count) for n in catalogue.info(name).parameters}
    f, weights = catalogue.get(name), array(*x.shape)

    def apart(arrays):  # a call for each channel
        rows = [{n: c[i * groups // 6] for n, c in arrays.items()} for i in range(6)]
        return jnp.stack([f(x[:, i], **rows[i]) for i in range(6)], 1)

    def slopes(g):
        return jax.grad(lambda arrays: jnp.sum(weights * g(arrays)))(arrays)

    @jax.jit
    def both():
        ways = (lambda a: f(x, **a, axis=1)), (lambda a: f(x, **a, axis=-2)), apart
        last = jnp.moveaxis(f(jnp.moveaxis(x, 1, -1), **arrays), -1, 1)
        each = jax.vmap(lambda x: f(x, **arrays, axis=0))(x)
        return [(g(arrays), slopes(g)) for g in ways], (last, each)

    (got, alike, wanted), more = both()
    chex.assert_trees_all_close(got, wanted, rtol=1e-4, atol=1e-5)
    chex.assert_trees_all_equal_shapes(got[1], arrays)
    chex.assert_trees_all_close(alike, got)
    chex.assert_trees_all_close(more, (got[0], got[0]), rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "grid", "count", "within"),
    [
        (jaxact.silu, (-4.0, 4.0), 16, 2e-4),
        (jaxact.relu, (-1.0, 2.0), 32, 2e-2),
        (jnp.sin, (-3.0, 3.0), 12, 1e-3),
        (lambda x: x**3 - x, (-1.5, 1.0), 4, 2e-6),
    ],
)
def test_b_spline_coefficients_are_close_to_the_function(function, grid, count, within):
    coefficients = jaxact.b_spline_coefficients(function, grid, count=count)
    assert (coefficients.shape, coefficients.dtype) == ((count,), jnp.float32)
    x = jnp.linspace(grid[0], grid[1], 501)
    apart = jnp.abs(jaxact.b_spline(x, coefficients, grid) - function(x))
    assert jnp.max(apart) < within


def test_b_spline_coefficients_of_other_degrees_and_beyond_the_grid():
    steps = jaxact.b_spline_coefficients(jaxact.relu, (-2.0, 2.0), degree=1, count=5)
    x = jnp.asarray([-9.0, -1.0, 0.0, 1.5, 2.0, 9.0])
    got = jaxact.b_spline(x, steps, (-2.0, 2.0), degree=1)
    chex.assert_trees_all_close(got, jaxact.relu(x), atol=1e-5)


def complaint(message):
    return pytest.raises(ValueError, match="^" + re.escape(message))


def test_errors():
    with complaint("maxout: no groups of 4 in an axis of length 6"):
        jaxact.maxout(X, 4)
    with complaint("maxout: x of shape (5, 6) has no axis 2"):
        jaxact.maxout(X, axis=2)
    with complaint("apl: 2 slopes for 3 hinges"):
        jaxact.apl(X, array(2), array(3))
    with complaint("apl: slopes: shape () does not fit x of shape (5, 6); expected (n"):
        jaxact.apl(X, array(), array())
    with complaint(
        "rational: denominator: shape (4, 2) does not fit x of shape (5, 6); 6 "
        "channels on axis -1 are not 4 groups of one size"
    ):
        jaxact.rational(X, array(3), array(4, 2))
    with complaint(
        "rational: numerator: shape (0,) does not fit x of shape (5, 6); exp"
    ):
        jaxact.rational(X, array(0), array(3))
    with complaint(
        "b_spline: coefficients: shape (0, 4) does not fit x of shape (5, 6)"
    ):
        jaxact.b_spline(X, array(0, 4))
    with complaint(
        "b_spline: coefficients: shape (5, 4) does not fit x of shape (5, 6); x has no "
        "axis 2"
    ):
        jaxact.b_spline(X, array(5, 4), axis=2)
    with complaint(
        "apl: slopes: shape (5, 6, 4) does not fit x of shape (5, 6); coefficients "
        "along an axis have shape (groups, n)"
    ):
        jaxact.apl(X, array(5, 6, 4), array(4), axis=1)
    with complaint(
        "b_spline: coefficients: shape (4, 6, 4) does not fit x of shape (5, 6); all "
        "but the last axis must broadcast with x"
    ):
        jaxact.b_spline(X, array(4, 6, 4))
    with complaint("rational_coefficients: interval=(1.0, 1.0)"):
        jaxact.rational_coefficients(jaxact.relu, (1.0, 1.0))
    with complaint("b_spline_coefficients: grid=(1.0, 1.0); expected (low, high) with"):
        jaxact.b_spline_coefficients(jaxact.relu, (1.0, 1.0))
    with complaint("b_spline_coefficients: 3 coefficients; degree 3 needs 4 or more"):
        jaxact.b_spline_coefficients(jaxact.relu, count=3)
    with complaint("b_spline: extrapolation='zero'; expected 'linear' or 'clamped'"):
        jaxact.b_spline(X, array(5), extrapolation="zero")  # pyright: ignore[reportArgumentType]
    with complaint("b_spline: grid=(1.0, 0.0); expected (low, high) with low < high"):
        jaxact.b_spline(X, array(5), grid=(1.0, 0.0))
    with complaint("b_spline: 3 coefficients; degree 3 needs 4 or more"):
        jaxact.b_spline(X, array(3))
    with complaint("b_spline: degree=-1; expected 0, 1, 2, ..."):
        jaxact.b_spline(X, array(3), degree=-1)
