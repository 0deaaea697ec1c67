"""`jaxact.observe` on models of four libraries, none of them changed for it."""

from typing import Any

import chex
import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

import jaxact
from jaxact import observe, observe_value_and_grad

FEATURES, HIDDEN, ROWS = 5, 16, 64
KEY = jax.random.key(0)
X = jax.random.normal(KEY, (ROWS, FEATURES))


def same(a: Any, b: Any) -> None:
    """Equal to the bit."""
    for v, w in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(np.asarray(v), np.asarray(w))


def check_relu_after(site: Any, weights: Any, bias: Any) -> None:
    """That a site has seen the output of a linear layer, and is relu."""
    x = np.asarray(X) @ np.asarray(weights) + np.asarray(bias)
    assert site.activation == "relu" and site.count == len(x)
    assert site.live.tolist() == (x > 0).sum(axis=0).tolist()
    np.testing.assert_allclose(site.x_mean, x.mean(axis=0), rtol=1e-4, atol=1e-5)


# --- Flax Linen: names are the paths of modules ---------------------------------------


class LinenBlock(nn.Module):
    @nn.compact
    def __call__(self, x: Array) -> Array:
        return jax.nn.gelu(nn.Dense(HIDDEN)(x))


class LinenMlp(nn.Module):
    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = jax.nn.relu(nn.Dense(HIDDEN)(x))
        return nn.Dense(1)(LinenBlock(name="block")(x))


def test_linen():
    model = LinenMlp()
    params = model.init(KEY, X)
    out, seen = observe(model.apply)(params, X)
    same(out, model.apply(params, X))
    assert seen.names == ("LinenMlp/relu", "LinenMlp/block/gelu_tanh")
    layer: Any = params["params"]["Dense_0"]
    assert jaxact.diagnose(seen) == []
    check_relu_after(seen["LinenMlp/relu"], layer["kernel"], layer["bias"])

    def loss(params: Any, x: Array) -> Array:
        out = model.apply(params, x)
        assert isinstance(out, Array)
        return jnp.mean(out**2)

    (value, grads), with_grads = observe_value_and_grad(loss)(params, X)
    chex.assert_trees_all_close(
        (value, grads), jax.value_and_grad(loss)(params, X), atol=1e-6
    )
    assert with_grads.names == seen.names
    assert jnp.any(with_grads["LinenMlp/relu"].g_mean != 0)


# --- Haiku: likewise ------------------------------------------------------------------


class HaikuMlp(hk.Module):
    def __call__(self, x: Array) -> Array:
        x = jax.nn.relu(hk.Linear(HIDDEN)(x))
        return hk.nets.MLP([HIDDEN, 1], activation=jaxact.silu, name="head")(x)


def test_haiku():
    model = hk.without_apply_rng(hk.transform(lambda x: HaikuMlp()(x)))
    params = model.init(KEY, X)
    out, seen = observe(model.apply)(params, X)
    same(out, model.apply(params, X))
    assert seen.names == ("haiku_mlp/relu", "haiku_mlp/head/silu")
    layer = params["haiku_mlp/linear"]
    assert jaxact.diagnose(seen) == []
    check_relu_after(seen["haiku_mlp/relu"], layer["w"], layer["b"])


# --- Equinox: its own layers have names -----------------------------------------------


class EquinoxMlp(eqx.Module):
    inner: eqx.nn.Linear
    rest: eqx.nn.MLP

    def __call__(self, x: Array) -> Array:
        return self.rest(jax.nn.relu(self.inner(x)))


def test_equinox():
    model = EquinoxMlp(
        eqx.nn.Linear(FEATURES, HIDDEN, key=KEY),
        eqx.nn.MLP(HIDDEN, 1, HIDDEN, 1, activation=jaxact.gelu, key=KEY),
    )
    batched = jax.vmap(model)
    out, seen = observe(batched)(X)
    same(out, batched(X))
    assert seen.names == ("relu", "eqx.nn.MLP/gelu_tanh")
    assert jaxact.diagnose(seen) == []
    check_relu_after(seen["relu"], model.inner.weight.T, model.inner.bias)
    # the model itself, and the model as an argument, compiled
    _, of_one = observe(model)(X[0])
    assert of_one.names == seen.names

    @eqx.filter_jit
    def run(model: EquinoxMlp, x: Array) -> Any:
        return observe(lambda model, x: jax.vmap(model)(x))(model, x)

    chex.assert_trees_all_close(run(model, X)[1].stats, seen.stats, atol=1e-5)


# --- Flax NNX: it names no modules, and its modules hold state ------------------------


class NnxMlp(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.inner = nnx.Linear(FEATURES, HIDDEN, rngs=rngs)
        self.norm = nnx.BatchNorm(HIDDEN, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.outer = nnx.Linear(HIDDEN, 1, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        x = jax.nn.relu(self.inner(x))
        with jax.named_scope("outer"):
            return self.outer(jax.nn.gelu(self.drop(self.norm(x))))


def state(model: NnxMlp) -> Any:
    """The mutable state of a model, which is not differentiated."""

    def plain(v: Array) -> Array:
        return (
            jax.random.key_data(v)
            if jnp.issubdtype(v.dtype, jax.dtypes.prng_key)
            else v
        )

    return jax.tree.map(plain, nnx.to_pure_dict(nnx.state(model)))


def test_nnx_whose_state_changes_as_it_does_unobserved():
    model, plain = (NnxMlp(nnx.Rngs(1)) for _ in range(2))
    start, seen = state(model), None
    for _ in range(2):  # dropout differs from call to call
        out, seen = observe(model)(X)
        same(out, plain(X))
        same(state(model), state(plain))
    assert any(
        np.any(np.asarray(a) != np.asarray(b))
        for a, b in zip(
            jax.tree.leaves(start), jax.tree.leaves(state(model)), strict=True
        )
    )
    assert seen is not None and seen.names == ("relu", "outer/gelu_tanh")
    layer = nnx.to_pure_dict(nnx.state(model.inner))
    assert jaxact.diagnose(seen) == []
    check_relu_after(seen["relu"], layer["kernel"], layer["bias"])


def test_nnx_compiled_and_differentiated():
    model, plain = (NnxMlp(nnx.Rngs(1)) for _ in range(2))

    @nnx.jit
    def observed(model: NnxMlp, x: Array) -> Any:
        return observe(lambda model, x: model(x))(model, x)

    @nnx.jit
    def run(model: NnxMlp, x: Array) -> Array:
        return model(x)

    out, seen = observed(model, X)
    chex.assert_trees_all_close(out, run(plain, X), atol=1e-6)
    chex.assert_trees_all_close(state(model), state(plain), atol=1e-6)
    assert seen.names == ("relu", "outer/gelu_tanh")
    graph, params, rest = nnx.split(model, nnx.Param, ...)

    def loss(params: Any, x: Array) -> Array:
        return jnp.mean(nnx.merge(graph, params, rest, copy=True)(x) ** 2)

    (value, grads), seen = observe_value_and_grad(loss)(params, X)
    chex.assert_trees_all_close(
        (value, grads), jax.value_and_grad(loss)(params, X), atol=1e-6
    )
    assert seen["relu"].g_count == ROWS


# --- a scanned transformer in bfloat16 ------------------------------------------------


class Block(nn.Module):
    @nn.compact
    def __call__(self, x: Array, _: None) -> tuple[Array, None]:
        kind = {"dtype": jnp.bfloat16, "param_dtype": jnp.bfloat16}
        x = x + nn.MultiHeadDotProductAttention(2, **kind)(x)
        h = nn.gelu(nn.Dense(4 * FEATURES, **kind)(nn.LayerNorm(**kind)(x)))
        return x + nn.Dense(x.shape[-1], **kind)(h), None


class Transformer(nn.Module):
    @nn.compact
    def __call__(self, x: Array) -> Array:
        layers = nn.scan(
            nn.remat(Block), {"params": 0}, split_rngs={"params": True}, length=3
        )
        return layers(name="layers")(x, None)[0]


def test_a_scanned_transformer_in_bfloat16():
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        model = Transformer()
        x = jax.random.normal(KEY, (2, 6, 8), jnp.bfloat16)
        params = jax.jit(model.init)(KEY, x)

        def loss(params: Any, x: Array) -> Array:
            out = model.apply(params, x)
            assert isinstance(out, Array) and out.dtype == jnp.bfloat16
            return jnp.mean(out.astype(jnp.float32) ** 2)

        (_, grads), seen = jax.jit(observe_value_and_grad(loss))(params, x)
    assert all(jnp.any(leaf != 0) for leaf in jax.tree.leaves(grads))
    assert seen.unseen == ()
    (name,) = seen.names
    assert name.startswith("Transformer/layers/") and name.endswith("/gelu_tanh")
    site = seen[name]
    assert site.axes == ("scan[3]",) and site.live.shape == (3, 4 * FEATURES)
    assert site.count.tolist() == site.g_count.tolist() == [12, 12, 12]
    assert site.x_m2.dtype == jnp.float32
    assert len({float(v) for v in site.g_largest.max(-1)}) == 3
