"""`jaxact.observe`: what the activations inside a function have seen."""

import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array, lax

import jaxact
from jaxact import Observations, observe, observe_value_and_grad, tap
from jaxact.transforms._sites import JAX_NN
from jaxact.transforms._statistics import STAGE

KEY = jax.random.key(0)
ROWS, UNITS = 24, 8
X = jax.random.normal(KEY, (ROWS, UNITS))
W = jax.random.normal(jax.random.key(1), (UNITS, UNITS)) / 3
ROOT = Path(__file__).parent.parent


def same(a: Any, b: Any) -> None:
    """Equal to the bit."""
    a, b = jax.tree.leaves(a), jax.tree.leaves(b)
    for v, w in zip(a, b, strict=True):
        assert v.dtype == w.dtype
        np.testing.assert_array_equal(np.asarray(v), np.asarray(w))


def alike(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """The same arrays to some roundings, whatever trees hold them."""
    a, b = jax.tree.leaves(a), jax.tree.leaves(b)
    chex.assert_trees_all_close(a, b, rtol=rtol, atol=atol)


def expected(x: Any, y: Any, slope: Any, unit_axis: int = -1) -> dict[str, Any]:
    """The statistics by NumPy in float64, units ahead of samples."""
    rows = [
        np.moveaxis(np.asarray(v, np.float64), unit_axis, 0).reshape(
            np.shape(v)[unit_axis], -1
        )
        for v in (x, y, slope)
    ]
    fine = np.isfinite(rows[0]) & np.isfinite(rows[1])
    out: dict[str, Any] = {"count": fine.shape[1], "nonfinite": (~fine).sum(1)}
    out["zeros"] = (fine & (rows[1] == 0)).sum(1)
    out["live"] = (fine & (rows[2] != 0)).sum(1)
    out["low"] = np.where(fine, rows[0], np.inf).min(1)
    out["high"] = np.where(fine, rows[0], -np.inf).max(1)
    for name, v in zip(("x", "y", "slope"), rows, strict=True):
        mean = v.mean(1, where=fine)
        out[f"{name}_mean"] = mean
        out[f"{name}_m2"] = ((v - mean[:, None]) ** 2).sum(1, where=fine)
    return out


def check(site: Any, wanted: dict[str, Any], rtol: float = 1e-5) -> None:
    for name, value in wanted.items():
        got = getattr(site, name)
        np.testing.assert_allclose(got, value, rtol, 1e-5, err_msg=name)


def seen_by(f: Any, *args: Any, **settings: Any) -> Observations:
    """What a function sees, compiled in one piece, for that is cheaper."""
    return jax.jit(observe(f, **settings))(*args)[1]


def relu_statistics(x: Any, **settings: Any) -> dict[str, Any]:
    return expected(x, np.maximum(x, 0), np.asarray(x) > 0, **settings)


# --- which calls are sites ------------------------------------------------------------


def test_named_functions_of_jax_nn_are_sites_as_ours_are():
    def run(module: Any) -> list[Array]:
        return [getattr(module, name)(X) for name in sorted(JAX_NN)]

    theirs, ours = (seen_by(lambda m=m: run(m)) for m in (jax.nn, jaxact))
    assert theirs.names == ours.names == tuple(sorted(JAX_NN))
    assert not theirs.unseen
    ones = jnp.ones_like(X)
    slopes = jax.jit(lambda: jax.jvp(lambda x: [getattr(jax.nn, n)(x) for n in theirs],
                                     (X,), (ones,))[1])()  # fmt: skip
    for (name, site), slope in zip(theirs.items(), slopes, strict=True):
        assert site.activation == name
        check(site, {"slope_mean": slope.mean(0), "count": ROWS})
        alike(site.rows, ours[name].rows, 1e-4, 1e-4)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_gelu_and_primitives_are_sites_as_ours_are(dtype):
    def run(gelu: Any, tanh: Any, sigmoid: Any, x: Array) -> Any:
        exact = jax.vmap(lambda v: gelu(v, approximate=False))(x)
        return gelu(x), exact, tanh(x), sigmoid(x)

    x = X.astype(dtype)
    theirs = seen_by(lambda x: run(jax.nn.gelu, jnp.tanh, jax.nn.sigmoid, x), x)
    ours = seen_by(lambda x: run(jaxact.gelu, jaxact.tanh, jaxact.sigmoid, x), x)
    assert theirs.names == ("gelu_exact", "gelu_tanh", "tanh", "sigmoid")
    assert ours.names == theirs.names
    for name, site in ours.items():
        assert site.x_mean.dtype == jnp.float32
        alike(
            site.rows, theirs[name].rows, 1e-2, 0.05 if dtype != jnp.float32 else 1e-4
        )


def test_only_the_equations_of_gelu_are_gelu():
    def other(x: Array) -> Array:
        inside = np.float32(0.79) * (x + np.float32(0.0447) * x**3)
        return x * (np.float32(0.5) * (1 + jnp.tanh(inside)))

    assert observe(other)(X)[1].names == ("tanh",)


@jaxact.activation
def ramp(x: Array, height: float = 1.0) -> Array:
    """A user's own.

    ramp(x, height) = height * x if x > 0 else 0
    """
    return jnp.where(x > 0, height * x, 0)


def test_what_is_made_of_the_core_is_a_site_and_its_inside_is_not():
    twice: Any = jaxact.combinators.compose(jaxact.tanh, jaxact.softplus)

    def run(x: Array, slopes: Array) -> list[Array]:
        y = jaxact.prelu(x, slopes) + ramp(x, height=2.0) + jaxact.mish(x)
        return [twice(y), jaxact.swiglu(x, y), jaxact.get("elu", alpha=0.5)(x)]

    slopes = jnp.linspace(0.1, 0.8, UNITS)
    seen = seen_by(run, X, slopes)
    made = twice.__name__
    assert seen.names == ("prelu", "ramp", "mish", made, "swiglu", "elu")
    check(seen["prelu"], expected(X, jaxact.prelu(X, slopes),
                                  np.where(X > 0, 1, slopes)))  # fmt: skip
    check(seen["ramp"], expected(X, ramp(X, 2.0), np.where(X > 0, 2.0, 0)))


def test_the_operand_is_told_from_parameters_of_its_shape():
    def acon(x: Array) -> Array:  # p1 is an array, p2 a number: jit sorts them
        return jaxact.acon_c(x, p1=X[::-1], p2=0.25)

    y, slope = jax.jvp(acon, (X,), (jnp.ones_like(X),))
    check(seen_by(acon, X)["acon_c"], expected(X, y, slope), 1e-4)


@jaxact.activation
def shares(x: Array) -> Array:
    """Not elementwise."""
    return jaxact.relu(x) / jnp.sum(x)


@jaxact.pushforward_of(shares)
def _(x: Array, t: Array) -> Array:
    return jax.jvp(lambda v: jaxact.relu(v) / jnp.sum(v), (x,), (t,))[1]


def test_what_has_no_slope_of_its_own_or_only_the_name_is_no_site():
    @jax.jit
    def step(x: Array) -> Array:  # as a training step may be called
        y = jaxact.softmax(x) + jax.nn.softmax(x) + jaxact.logsumexp(x)
        return shares(y)

    out, seen = observe(step)(X[0])
    assert not seen and len(seen) == 0
    same(out, step(X[0]))


def test_tap_marks_what_is_written_by_hand():
    def run(x: Array) -> Array:
        return tap("hinge", lambda v, low: jnp.maximum(v, low))(x, 0.0)

    out, seen = observe(run)(X)
    same(out, jnp.maximum(X, 0.0))
    assert seen.names == ("hinge",)
    check(seen["hinge"], relu_statistics(X))
    assert seen["hinge"].source.startswith(f"{__file__}:")


# --- names ----------------------------------------------------------------------------


def test_names_are_scopes_and_numbers_in_order():
    @jax.jit
    def block(x: Array) -> Array:
        with jax.named_scope("block"):
            return jaxact.relu(jaxact.relu(x) + jnp.tanh(x))

    def run(x: Array) -> Array:
        with jax.named_scope("net"):
            return jaxact.relu(block(jax.vmap(block)(x)))

    seen = jax.eval_shape(observe(run), X)[1]
    inside = ("relu", "tanh", "relu_1", "relu_2", "tanh_1", "relu_3")
    assert seen.names == (*(f"net/block/{n}" for n in inside), "net/relu")
    step = jax.jit(jax.value_and_grad(lambda x: jnp.sum(run(x))))
    of_step = jax.eval_shape(observe(step), X)[1]
    assert of_step.names == seen.names  # of its forward pass
    for site in seen.values():
        assert re.match(re.escape(__file__) + r":\d+", site.source)


def test_keep_chooses_by_pattern_or_function():
    def run(x: Array) -> Array:
        return jnp.tanh(jaxact.relu(x)) + jaxact.relu(x)

    seen = seen_by(run, X)
    kept = seen_by(run, X, keep=lambda name: name == "relu_1")
    assert kept.names == ("relu_1",)
    assert seen_by(run, X, keep="relu*").names == ("relu", "relu_1")
    alike(seen.filter("relu_1").stats, kept.stats)
    assert seen.filter(lambda name: "tanh" in name).names == ("tanh",)
    none = jax.make_jaxpr(observe(run, keep="no*"))(X)
    assert str(none) == str(jax.make_jaxpr(lambda x: (run(x), Observations((), ())))(X))


# --- statistics -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "unit_axis"),
    [
        ((5,), -1),
        ((1, 3), -1),
        ((STAGE + 61, 2), -1),  # a prime, or what is divided badly
        ((4 * STAGE, 3), 1),
        ((3, 2, 2 * STAGE, 3), -1),
        ((6, 5, 50, 10), 1),
        ((6, 40, 50, 3), -4),
        ((0, 3), -1),
    ],
)
def test_statistics_are_those_of_numpy(shape, unit_axis):
    x = np.random.default_rng(0).normal(3, 2, shape).astype(np.float32)
    _, seen = jax.jit(observe(jaxact.relu, unit_axis=unit_axis))(x)
    if x.size == 0:
        assert int(seen["relu"].count) == 0 and not np.any(seen["relu"].dead)
        return
    wanted = relu_statistics(x, unit_axis=unit_axis)
    check(seen["relu"], wanted)
    check(seen["relu"].variance("x"), {})
    np.testing.assert_allclose(
        seen["relu"].mean_square("x"),
        wanted["x_m2"] / wanted["count"] + wanted["x_mean"] ** 2,
        rtol=1e-5,
    )


def test_a_scalar_and_fewer_axes_than_asked_for():
    seen = seen_by(lambda x: (jaxact.relu(x[0, 0]), jaxact.relu(x)), X, unit_axis=-4)
    assert seen["relu"].live.shape == (1,)
    check(seen["relu_1"], relu_statistics(X))


def test_dead_saturated_and_not_finite_units_are_counted_apart():
    x = np.array(X)
    x[:, 0] = -1  # dead
    x[:, 1] = np.where(np.arange(ROWS) < 5, 9, -9)
    x[3, 2], x[4, 2], x[5, 3] = np.nan, np.inf, -np.inf
    seen = jax.jit(observe(lambda x: (jaxact.relu(x), jax.nn.sigmoid(x))))(x)[1]
    relu, sigmoid = seen["relu"], seen["sigmoid"]
    assert relu.dead.tolist() == [True, *[False] * (UNITS - 1)]
    assert float(relu.dead_share) == 1 / UNITS
    assert relu.live[1] == 5 and relu.zeros[1] == ROWS - 5
    assert relu.nonfinite.tolist() == [0, 0, 2, 1, 0, 0, 0, 0]
    check(relu, relu_statistics(x))
    assert relu.n[2] == ROWS - 2 and relu.count == ROWS
    # a twentieth of the steepest slope, 1/4
    slope = jax.vmap(jax.vmap(jax.grad(jax.nn.sigmoid)))(x)
    fine = np.isfinite(x)
    wanted = (fine & (np.abs(slope) <= 0.05 / 4)).sum(0)
    assert sigmoid.saturated.tolist() == wanted.tolist() and wanted[1] == ROWS
    assert sigmoid.saturated_share[1] == 1 and sigmoid.zero_share[1] == 0
    strict = seen_by(jax.nn.sigmoid, x, dead=0.1, saturated=0.5)["sigmoid"]
    assert strict.live.tolist() == (fine & (slope > 0.1)).sum(0).tolist()
    assert strict.saturated.tolist() == (fine & (slope <= 0.5 / 4)).sum(0).tolist()


def test_the_variance_far_from_zero_keeps_its_digits():
    x = (1000 + np.random.default_rng(0).normal(size=(1 << 18, 1))).astype(np.float32)
    site = jax.jit(observe(jaxact.identity))(x)[1]["identity"]
    wanted = np.var(np.asarray(x, np.float64))
    np.testing.assert_allclose(site.variance("x"), [wanted], rtol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precisions_are_accumulated_in_float32(dtype):
    x = (np.random.default_rng(0).normal(size=(2048, 2)) + 4).astype(dtype)
    (_, grads), seen = jax.jit(
        observe_value_and_grad(lambda x: jnp.sum(jaxact.relu(x)).astype(jnp.float32))
    )(x)
    assert grads.dtype == dtype
    site = seen["relu"]
    assert {v.dtype for v in site.rows.values()} == {np.dtype("f4"), np.dtype("i4")}
    check(site, relu_statistics(x))
    assert site.g_count == 2048 and site.g_mean.tolist() == [1, 1]


def test_float64_stays():
    with jax.enable_x64(True):
        x = np.asarray(X, np.float64)
        both = jax.jit(observe_value_and_grad(lambda x: jnp.sum(jaxact.gelu(x))))
        (_, _), seen = both(x)
        assert seen["gelu_tanh"].x_m2.dtype == seen["gelu_tanh"].g_m2.dtype == x.dtype
        assert seen["gelu_tanh"].count.dtype == jnp.int32
        check(seen["gelu_tanh"], {"x_mean": x.mean(0)}, rtol=1e-12)
        merged = jax.eval_shape(jaxact.merge, seen, seen)
        assert merged["gelu_tanh"].count.dtype == jnp.int32


def test_statistics_are_one_reduce_that_reads_its_operand_once():
    x = jax.ShapeDtypeStruct((STAGE, 128), jnp.float32)
    compiled = jax.jit(lambda x: observe(jaxact.gelu)(x)[1]).lower(x).compile()
    text = compiled.as_text()
    assert text is not None
    entry = text[text.index("ENTRY") :]
    (operand,) = re.findall(r"(%?\S+) = \S+ parameter\(0\)", entry)
    reads = [
        line for line in entry.splitlines()
        if re.search(rf"{re.escape(operand)}\b", line.partition("(")[2])
    ]  # fmt: skip
    assert len(reads) == 1, entry
    assert len(re.findall(r"\breduce\(", text)) == 1


def test_counts_alone():
    everything = seen_by(jaxact.gelu, X)["gelu_tanh"]
    both = observe_value_and_grad(
        lambda x: jnp.sum(jaxact.gelu(x)), statistics="counts"
    )
    (_, _), seen = jax.jit(both)(X)
    site = seen["gelu_tanh"]
    counts = {"count", "nonfinite", "zeros", "live", "saturated"}
    assert set(site.rows) == counts | {"g_count", "g_nonfinite", "g_zeros"}
    for name in counts:
        same(getattr(site, name), getattr(everything, name))
    with pytest.raises(ValueError, match='the moments of x need statistics="all"'):
        site.variance("x")


# --- through what a program is made of ------------------------------------------------


@jax.custom_jvp
def with_jvp(x: Array) -> Array:
    with jax.named_scope("jvp"):
        return 2 * jaxact.relu(x)


with_jvp.defjvp(lambda primals, tangents: (with_jvp(*primals), 7 * tangents[0]))


@jax.custom_vjp
def with_vjp(x: Array) -> Array:
    with jax.named_scope("vjp"):
        return 2 * jaxact.relu(x)


with_vjp.defvjp(lambda x: (with_vjp(x), None), lambda _, g: (5 * g,))


def scanned(w: Array, x: Array) -> Array:
    def layer(h: Array, scale: Array) -> tuple[Array, Array]:
        with jax.named_scope("layer"):
            y = jax.checkpoint(jaxact.gelu)(scale * (h @ w))
            return y, jnp.mean(jaxact.relu(h))

    return lax.scan(layer, x, jnp.arange(1.0, 4.0))[0]


def branched(w: Array, x: Array) -> Array:
    def yes(h: Array) -> Array:
        return jax.nn.relu(h @ w)

    return lax.cond(jnp.sum(x) > 1e9, lambda h: jnp.tanh(h), yes, x)


def network(w: Array, x: Array) -> Array:
    """Of everything that a program can be made of, and can be differentiated."""
    x = jax.jit(lambda v: jaxact.relu(v @ w), inline=False)(x)
    x = branched(w, scanned(w, x))
    x = jax.checkpoint(lambda v: jnp.tanh(jaxact.silu(v @ w)))(x)
    return jax.vmap(lambda row: with_vjp(with_jvp(jax.nn.gelu(row @ w))))(x)


NAMES = (
    "relu", "layer/gelu_tanh", "layer/relu", "branch0/relu", "branch1/tanh",
    "silu", "tanh", "gelu_tanh", "jvp/relu", "vjp/relu",
)  # fmt: skip


def loss(w: Array, x: Array) -> Array:
    return jnp.mean(network(w, x) ** 2)


@pytest.fixture(scope="module")
def forward():
    return observe(network)(W, X)


def test_a_program_is_seen_through(forward):
    out, seen = forward
    assert seen.names == NAMES and seen.unseen == ()
    same(out, network(W, X))
    assert seen["layer/relu"].axes == ("scan[3]",)
    first = X @ W
    check(seen["relu"], relu_statistics(first))
    h, inputs, preactivations = jaxact.relu(first), [], []
    for k in range(1, 4):
        inputs.append(h)
        preactivations.append(k * (h @ W))
        h = jaxact.gelu(preactivations[-1])
    layers = seen["layer/relu"]
    assert layers.x_mean.shape == (3, UNITS) and layers.count.tolist() == [ROWS] * 3
    for k, x in enumerate(inputs):
        check(jax.tree.map(lambda v, k=k: v[k], layers), relu_statistics(x), 1e-4)
    check(
        seen.merged()["layer/gelu_tanh"],
        {"x_mean": np.concatenate(preactivations).mean(0), "count": 3 * ROWS},
        rtol=1e-4,
    )
    untaken = seen["branch1/tanh"]
    assert untaken.count == 0 and not untaken.dead.any()
    assert untaken.low[0] == np.inf and untaken.x_mean.tolist() == [0] * UNITS
    check(seen["branch0/relu"], relu_statistics(h @ W), 1e-4)


def test_scans_can_be_merged(forward):
    _, seen = forward
    _, merged = jax.jit(observe(network, scans="merge"))(W, X)
    assert merged.names == NAMES
    assert all(site.axes == () for site in merged.values())
    alike(merged, seen.merged(), 1e-4, 1e-5)


def test_derivatives_are_those_of_the_program(forward):
    wanted = jax.jit(jax.value_and_grad(loss, (0, 1)))(W, X)
    both = observe_value_and_grad(loss, (0, 1))
    got, seen = jax.jit(both)(W, X)
    alike(got, wanted, 1e-5)
    assert seen.names == NAMES
    alike(
        [{k: v for k, v in s.rows.items() if k[:2] != "g_"} for s in seen.stats],
        [s.rows for s in forward[1].stats],
        1e-4,
        1e-4,
    )
    outside = jax.grad(lambda w: observe(loss)(w, X), has_aux=True)
    grads, aux = jax.jit(outside)(W)
    alike(grads, wanted[1][0])
    assert aux.names == NAMES
    # neither on the way to the loss, nor inside rules of the user's own
    without = ("layer/relu", "branch1/tanh", "jvp/relu", "vjp/relu")
    for name in NAMES:
        count = np.max(seen[name].g_count)
        assert count == (0 if name in without else ROWS)


def test_cotangents_are_those_that_jax_computes():
    def run(shifts: Any, x: Array) -> Array:
        def layer(h: Array, shift: Array) -> tuple[Array, None]:
            return jaxact.relu(h @ W) + shift, None

        h = lax.scan(layer, x, shifts[0])[0]
        return jnp.sum(jnp.sin(jnp.tanh(h) + shifts[1]))

    shifts = (jnp.zeros((2, ROWS, UNITS)), jnp.zeros((ROWS, UNITS)))
    (in_layers, last), wanted = jax.jit(jax.grad(run, (0, 1)))(shifts, X)
    (_, grads), seen = jax.jit(observe_value_and_grad(run, 1))(shifts, X)
    alike(grads, wanted)
    tanh, layers = seen["tanh"], seen["relu"]
    check(tanh, {"g_mean": last.mean(0), "g_count": ROWS, "g_nonfinite": [0] * UNITS})
    check(tanh, {"g_largest": jnp.abs(last).max(0)})
    alike(tanh.mean_square("g"), jnp.mean(last**2, axis=0))
    # of layer 1 it is that of the shift; the other's is the same, one turn earlier
    check(layers, {"g_mean": in_layers.mean(1), "g_zeros": (in_layers == 0).sum(1)})
    merged = seen.merged()["relu"]
    assert merged.g_count == 2 * ROWS
    check(merged, {"g_mean": in_layers.mean((0, 1))})
    apart = jax.jit(observe_value_and_grad(run, 1, scans="merge"))(shifts, X)[1]
    alike(apart["relu"].rows, merged.rows)


def test_a_while_loop_is_merged_and_its_condition_not_seen():
    def run(x: Array) -> Array:
        def going(state: Any) -> Array:
            return (state[0] < 3) & jnp.all(jaxact.sigmoid(state[1]) >= 0)

        return lax.while_loop(
            going, lambda s: (s[0] + 1, jaxact.relu(s[1] @ W)), (jnp.int32(0), x)
        )[1]

    told = r"not seen: sigmoid \(in the condition of a while loop\)"
    with pytest.warns(UserWarning, match=told):
        out, seen = jax.jit(observe(run))(X)
    assert seen.names == ("relu",)
    assert seen.unseen == ("sigmoid (in the condition of a while loop)",)
    same(out, run(X))
    xs = [X @ W]
    for _ in range(2):
        xs.append(jaxact.relu(xs[-1]) @ W)
    check(seen["relu"], relu_statistics(np.concatenate(xs)), 1e-4)
    with warnings.catch_warnings():  # what is not wanted is not missed
        warnings.simplefilter("error")
        assert jax.eval_shape(observe(run, keep="relu"), X)[1].unseen == ()


def test_what_cannot_be_seen_into_is_listed():
    def run(x: Array) -> Array:
        def solve(matvec: Any, b: Array) -> Array:
            return jaxact.relu(b)

        return lax.custom_linear_solve(lambda v: v, x, solve, symmetric=True)

    with pytest.warns(UserWarning, match=r"relu \(inside custom_linear_solve\)"):
        out, seen = observe(run)(X)
    assert seen.names == () and seen.unseen
    same(out, run(X))


def test_a_training_step_is_seen_from_outside(forward):
    step = jax.jit(jax.value_and_grad(loss))
    with warnings.catch_warnings(record=True):  # some may be lost: see the docstring
        warnings.simplefilter("always")
        out, seen = observe(step)(W, X)
    same(out, step(W, X))
    assert set(seen.names) | {u.partition(" (")[0] for u in seen.unseen} <= set(NAMES)
    assert {"relu", "silu", "tanh", "gelu_tanh", "layer/gelu_tanh"} <= set(seen.names)
    for name, site in seen.items():
        alike(site.rows, forward[1][name].rows, 1e-4, 1e-4)


def test_derivatives_of_composed_kernels_are_no_sites():
    both = jaxact.combinators.multiply(jaxact.tanh, jaxact.softplus)

    def run(x: Array) -> Array:
        return jnp.sum(jaxact.phish(x) + both(x) + jaxact.serf(x))

    twice = jax.grad(lambda x: jnp.sum(jax.grad(run)(x)))
    for f in (run, jax.grad(run), twice, lambda x: jax.jvp(run, (x,), (x,))):
        seen = jax.eval_shape(observe(f), X)[1]
        assert len(seen) == 3 and seen.unseen == ()


def test_what_jax_has_taken_apart_is_listed():
    """Some versions leave no rule in a scan that is differentiated."""

    def run(w: Array, slopes: Array) -> Array:
        def layer(h: Array, slope: Array) -> tuple[Array, None]:
            return jaxact.mish(jaxact.prelu(h @ w, slope)), None

        return jnp.sum(lax.scan(layer, X, slopes)[0])

    slopes = jnp.full((3, UNITS), 0.1)
    step = jax.grad(run)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        out, seen = jax.jit(observe(step))(W, slopes)
    alike(out, jax.jit(step)(W, slopes))
    prelu = "prelu (JAX has taken its rule apart)"
    if seen.unseen:
        assert seen.names == ("mish",) and seen.unseen == (prelu,)
        assert prelu in str(told[0].message)
    else:
        assert seen.names == ("prelu", "mish") and not told
    inside = seen_by(run, W, slopes)
    alike(seen["mish"].rows, inside["mish"].rows)


def test_vmap_outside_adds_an_axis_that_merges(forward):
    xs = jnp.stack([X, X[::-1] / 2, X + 1])
    _, seen = jax.jit(jax.vmap(observe(scanned), (None, 0)))(W, xs)
    site = seen["layer/relu"]
    assert site.live.shape == (3, 3, UNITS) and site.count.shape == (3, 3)
    alike(seen.merged(0).merged(), seen.merged(1).merged(0), 1e-4, 1e-5)
    once = jax.jit(observe(scanned))
    parts = [once(W, x)[1].merged() for x in xs]
    alike(seen.merged(0).merged(), jaxact.merge(*parts), 1e-4, 1e-4)


def test_observing_twice_counts_once():
    def run(x: Array) -> Any:
        return observe(lambda v: jaxact.relu(v))(x)

    (out, inner), outer = observe(run)(X)
    assert inner.names == outer.names == ("relu",)
    same(out, jaxact.relu(X))
    alike(inner.stats, outer.stats)


# --- what passes through --------------------------------------------------------------


def test_arguments_of_every_kind_and_what_is_no_array_pass(capfd):
    @jax.jit
    def logged(x: Array) -> Array:
        jax.debug.print("mean {}", jnp.round(jnp.mean(x)), ordered=True)
        return jaxact.relu(x)

    def run(x: Array, scale: float, *, mode: str, f: Any = None) -> Any:
        return {"y": logged(x) * scale, "mode": mode, "f": f, "none": None}

    out, seen = observe(run)(X, 2.0, mode="fast", f=len)
    jax.effects_barrier()
    assert capfd.readouterr().out.count("mean") == 1
    assert out["mode"] == "fast" and out["f"] is len and out["none"] is None
    same(out["y"], jaxact.relu(X) * 2)
    assert seen.names == ("relu",)
    assert observe(run).__name__ == "run"


def test_donated_arguments_are_donated():
    def run(x: Array) -> Array:
        return jaxact.relu(x) + 1

    donor = jax.jit(run, donate_argnums=0)
    x = jnp.array(X)
    out, _ = observe(donor)(x)
    assert x.is_deleted()
    same(out, run(X))


def test_numbers_and_more_than_a_scalar_are_differentiated():
    def run(a: float, x: Array, b: dict[str, float]) -> Any:
        return jnp.sum(jaxact.elu(x) * a * b["b"]), {"aux": x, "word": "w"}

    given: Any = (2.0, X, {"b": 3.0})
    wanted = jax.value_and_grad(lambda *v: run(*v)[0], (0, 2))(*given)
    got, seen = observe_value_and_grad(run, (0, -1), has_aux=True)(*given)
    alike((got[0][0], got[1]), wanted)
    assert got[0][1]["word"] == "w" and seen.names == ("elu",)
    assert isinstance(got[1], tuple)


# --- observations ---------------------------------------------------------------------


def test_merging_is_exact_and_streams():
    xs = np.random.default_rng(0).normal(2, 3, (5, 40, 3)).astype(np.float32)
    xs[1, 7, 2] = np.nan
    xs[:, :, 1] = -np.abs(xs[:, :, 1])
    once = jax.jit(observe(jaxact.relu))
    parts = [once(x)[1] for x in xs]
    whole = once(xs.reshape(-1, 3))[1]
    merged = jaxact.merge(*parts)
    check(merged["relu"], relu_statistics(xs.reshape(-1, 3)))
    alike(merged, whole)
    assert merged["relu"].dead.tolist() == [False, True, False]
    alike(jaxact.merge(*parts[::-1]), merged)

    def body(total: Observations, x: Array) -> Any:
        return jaxact.merge(total, observe(jaxact.relu)(x)[1]), None

    streamed, _ = jax.jit(lambda xs: lax.scan(body, parts[0].empty(), xs))(xs)
    alike(streamed, merged)
    over_devices = jax.jit(
        jax.vmap(lambda x: observe(jaxact.relu)(x)[1].psum("data"), axis_name="data")
    )(xs)
    for k in (0, 4):
        alike(jax.tree.map(lambda v, k=k: v[k], over_devices), merged, 1e-5, 1e-4)


def test_observations_are_a_pytree_and_a_mapping(forward):
    _, seen = forward
    again = jax.tree.map(lambda v: v, seen)
    assert isinstance(again, Observations) and again.names == seen.names
    assert again["layer/relu"].axes == ("scan[3]",)
    assert list(seen) == list(NAMES) and "relu" in seen and "gelu" not in seen
    with pytest.raises(KeyError, match="no site 'layer/gelu'; there is layer/relu"):
        seen["layer/gelu"]


def test_observations_are_written_out(forward):
    _, seen = forward
    data = json.loads(seen.to_json())
    assert data == seen.to_dict() and list(data["sites"]) == list(NAMES)
    site = data["sites"]["layer/relu"]
    assert site["activation"] == "relu" and site["axes"] == ["scan[3]"]
    assert site["live"] == seen["layer/relu"].live.tolist()
    assert data["sites"]["branch1/tanh"]["low"] == [None] * UNITS
    long = jax.named_scope("a" * 70)(lambda x: jnp.sum(jaxact.relu(x)))
    (_, _), with_grads = jax.jit(observe_value_and_grad(long))(
        np.where(np.arange(UNITS)[None] < 3, -1.0, X)
    )
    for told in (seen, with_grads):
        lines = repr(told).splitlines()
        assert len(lines) == 1 + len(told)
        assert all(len(line) <= 80 for line in lines)
    assert re.search(r"a/relu +3/8 ", repr(with_grads))
    assert "|grad|" in repr(with_grads) and "|grad|" not in repr(seen)

    def traced(x: Array) -> Array:
        assert "1 sites, traced: relu" in repr(observe(jaxact.relu)(x)[1])
        return x

    jax.jit(traced)(X)


CALLS: Any = jaxact  # not checked for types


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda: CALLS.observe(X), TypeError, "observe: expected a function"),
        (lambda: CALLS.observe(len, scans="sum"), ValueError,
         "observe: scans='sum'; expected 'stack' or 'merge'"),
        (lambda: CALLS.observe(len, statistics="few"), ValueError,
         "observe: statistics='few'; expected 'all' or 'counts'"),
        (lambda: CALLS.observe(len, keep=3), TypeError,
         "observe: keep must be a pattern such as 'MLP/*' or a function of a name"),
        (lambda: CALLS.observe_value_and_grad(len, 1)(X), ValueError,
         "observe_value_and_grad: argnums=1, but there are 1 positional arguments"),
        (lambda: CALLS.tap(len, "f"), TypeError, "tap: expected the name of a site"),
        (lambda: CALLS.tap("f", 3), TypeError, "tap: f: expected a function, got int"),
        (lambda: CALLS.merge(X), TypeError, "merge: expected Observations, got Array"),
        (lambda: jaxact.merge(*(observe(f)(X)[1] for f in (jaxact.relu, jaxact.elu))),
         ValueError, "merge: the sites differ: elu, relu"),
        (lambda: jaxact.merge(*(observe(jaxact.relu)(x)[1] for x in (X, X[:, :2]))),
         ValueError, "merge: the statistics of relu differ in shape: live has (8,)"),
        (lambda: observe(jaxact.relu)(X)[1]["relu"].variance("z"), ValueError,
         "Statistics: got 'z', expected x, y, slope or g"),
    ],
)  # fmt: skip
def test_errors_say_what_is_accepted(call, error, told):
    with pytest.raises(error, match=re.escape(told)):
        call()


# --- over devices ---------------------------------------------------------------------

OVER_DEVICES = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
import jaxact

mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
x = np.random.default_rng(0).normal(size=(64, 6)).astype(np.float32)
w = np.eye(6, dtype=np.float32) * 2

def loss(w, x):
    def layer(h, _):
        return jaxact.gelu(h @ w), None
    h = jax.lax.scan(layer, x, length=2)[0]
    return jnp.mean(jnp.tanh(h) ** 2)

both = jaxact.observe_value_and_grad(loss)
wanted, alone = jax.jit(both)(w, x)

def close(a, b):
    for v, w in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(v, w, 1e-4, 1e-5)

# a sharded batch
put = jax.device_put(x, NamedSharding(mesh, P("data")))
got, seen = jax.jit(both)(w, put)
close((got, seen), (wanted, alone))

# the jit's own shardings stay
sharded = NamedSharding(mesh, P("data"))
out, _ = jaxact.observe(jax.jit(jaxact.relu, out_shardings=sharded))(put)
assert out.sharding.is_equivalent_to(sharded, 2), out.sharding

# shard_map inside: a row for every shard
for check in (True, False):
    mapped = jax.shard_map(
        lambda w, x: jax.lax.pmean(loss(w, x), "data"),
        mesh=mesh, in_specs=(P(), P("data")), out_specs=P(), check_vma=check,
    )
    out, seen = jax.jit(jaxact.observe(mapped))(w, x)
    close(out, wanted[0])
    assert seen.names == ("gelu_tanh", "tanh")
    assert seen["tanh"].axes == ("shards['data']",), seen["tanh"].axes
    assert seen["gelu_tanh"].axes == ("shards['data']", "scan[2]")
    assert seen["gelu_tanh"].count.shape == (8, 2)
    forward = {n: {k: v for k, v in s.rows.items() if k[:2] != "g_"}
               for n, s in alone.merged().items()}
    close([s.rows for s in seen.merged().stats], list(forward.values()))
    if check:
        got, seen = jax.jit(jaxact.observe_value_and_grad(mapped))(w, x)
        close(got, wanted)
        assert seen["tanh"].g_count.tolist() == [8] * 8

# shard_map outside: merged over devices
def here(w, x):
    return jaxact.observe(loss)(w, x)[1].psum("data")

seen = jax.jit(jax.shard_map(
    here, mesh=mesh, in_specs=(P(), P("data")), out_specs=P()))(w, x)
close([s.rows for s in seen.stats],
      [{k: v for k, v in s.rows.items() if k[:2] != "g_"} for s in alone.stats])

# where shardings are part of types
explicit = jax.make_mesh((4, 2), ("data", "model"), axis_types=(AxisType.Explicit,) * 2)
square = jaxact.observe_value_and_grad(lambda x: jnp.sum(jaxact.gelu(x) ** 2))
wanted = jax.jit(square)(x)
with jax.set_mesh(explicit):
    put = jax.device_put(x, NamedSharding(explicit, P("data", "model")))
    got = jax.jit(square)(put)
close(got, wanted)
print("done")
"""


def test_eight_devices_see_what_one_sees():
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    path = {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", OVER_DEVICES],
        capture_output=True, text=True, timeout=300,
        env={**os.environ, **flags, **path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"
