"""The functions in models: four libraries, scanned layers, and training on digits."""

import functools
import pickle
from collections.abc import Callable
from typing import Any

import chex
import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax import Array
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import jaxact
from jaxact import catalogue

# a network puts any number into its activation: not for one that is given x > 0 alone
NAMES = [
    n
    for n in catalogue.defined()  # not those that oscillate or grow with depth
    if hasattr(jax.nn, n) or n in ("gelu_tanh", "gelu_exact")
    if catalogue.info(n).elementwise and "x" not in catalogue.info(n).domain
]
FEW = ("relu", "leaky_relu", "gelu")
FEATURES, HIDDEN, OUT = 5, 16, 3
X = jax.random.normal(jax.random.key(0), (32, FEATURES))
KEY = jax.random.key(1)

Activation = Callable[[Array], Array]


def close(a: Any, b: Any, atol: float = 1e-6) -> None:
    """Equal to some roundings of float32, whatever trees a library makes."""
    a, b = jax.tree.leaves(a), jax.tree.leaves(b)
    chex.assert_trees_all_close(a, b, rtol=1e-5, atol=atol)


# --- the activation as a field of the model ---------------------------------------


class NnxMlp(nnx.Module):
    def __init__(self, activation: Activation, rngs: nnx.Rngs):
        self.inner = nnx.Linear(FEATURES, HIDDEN, rngs=rngs)
        self.outer = nnx.Linear(HIDDEN, OUT, rngs=rngs)
        self.activation = activation

    def __call__(self, x: Array) -> Array:
        return self.outer(self.activation(self.inner(x)))


class LinenMlp(nn.Module):
    activation: Activation

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return nn.Dense(OUT)(self.activation(nn.Dense(HIDDEN)(x)))


class HaikuMlp(hk.Module):
    def __init__(self, activation: Activation):
        super().__init__()
        self.activation = activation

    def __call__(self, x: Array) -> Array:
        return hk.Linear(OUT)(self.activation(hk.Linear(HIDDEN)(x)))


class EquinoxMlp(eqx.Module):
    inner: eqx.nn.Linear
    outer: eqx.nn.Linear
    activation: Activation

    def __init__(self, activation: Activation, key: Array):
        inner, outer = jax.random.split(key)
        self.inner = eqx.nn.Linear(FEATURES, HIDDEN, key=inner)
        self.outer = eqx.nn.Linear(HIDDEN, OUT, key=outer)
        self.activation = activation

    def __call__(self, x: Array) -> Array:
        return self.outer(self.activation(self.inner(x)))


def run_nnx(activation: Activation) -> tuple[Array, Any]:
    model = NnxMlp(activation, nnx.Rngs(1))

    @nnx.jit
    def step(model: NnxMlp, x: Array) -> tuple[Array, Any]:
        return model(x), nnx.grad(lambda m: jnp.mean(m(x) ** 2))(model)

    y, grads = step(model, X)
    return y, nnx.to_pure_dict(grads)


def run_pure(model: Any) -> tuple[Array, Any]:
    """A model of Linen or Haiku: a pair of pure functions, init and apply."""

    @jax.jit
    def step(params: Any, x: Array) -> tuple[Array, Any]:
        def apply(params: Any) -> Any:
            return model.apply(params, x)

        return apply(params), jax.grad(lambda p: jnp.mean(apply(p) ** 2))(params)

    return step(model.init(KEY, X), X)


def run_linen(activation: Activation) -> tuple[Array, Any]:
    model = LinenMlp(activation)
    return run_pure(model)


def run_haiku(activation: Activation) -> tuple[Array, Any]:
    model = hk.without_apply_rng(hk.transform(lambda x: HaikuMlp(activation)(x)))
    return run_pure(model)


def run_equinox(activation: Activation) -> tuple[Array, Any]:
    model = EquinoxMlp(activation, KEY)

    @eqx.filter_jit
    def step(model: EquinoxMlp, x: Array) -> tuple[Array, Any]:
        def loss(m: EquinoxMlp) -> Array:
            return jnp.mean(jax.vmap(m)(x) ** 2)

        return jax.vmap(model)(x), eqx.filter_grad(loss)(model)

    y, grads = step(model, X)
    return y, eqx.filter(grads, eqx.is_array)


LIBRARIES = (run_nnx, run_linen, run_haiku, run_equinox)


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("run", LIBRARIES)
def test_a_model_gives_the_same_as_with_jax_nn(run, name):
    y, grads = run(getattr(jaxact, name))
    wanted, wanted_grads = run(getattr(jax.nn, name))
    assert y.shape == (len(X), OUT)
    close(y, wanted)
    close(grads, wanted_grads)
    leaves = jax.tree.leaves(grads)
    assert len(leaves) == 4 and all(jnp.any(leaf != 0) for leaf in leaves)


@pytest.mark.parametrize("run", LIBRARIES)
def test_a_parameter_is_fixed_by_partial(run):
    steep = functools.partial(jaxact.leaky_relu, negative_slope=0.3)
    close(run(steep), run(lambda x: jnp.where(x >= 0, x, 0.3 * x)))


# --- pickled with their activation ------------------------------------------------


def pickled(model: Any) -> Any:
    return pickle.loads(pickle.dumps(model))


def test_an_nnx_model_is_pickled():
    model = NnxMlp(jaxact.mish, nnx.Rngs(1))
    again = pickled(model)
    assert again.activation is jaxact.mish
    close(again(X), model(X))


def test_a_linen_model_is_pickled():
    model = LinenMlp(jaxact.mish)
    params = model.init(KEY, X)
    again = pickled(model)
    assert again.activation is jaxact.mish and again == model
    close(again.apply(params, X), model.apply(params, X))


def test_an_equinox_model_is_pickled():
    steep = functools.partial(jaxact.leaky_relu, negative_slope=0.3)
    for activation in (jaxact.mish, steep):
        model = EquinoxMlp(activation, KEY)
        close(jax.vmap(pickled(model))(X), jax.vmap(model)(X))


# --- in a scanned stack of layers -------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_scanned_layers_have_the_gradients_of_the_formula(name):
    info = catalogue.info(name)
    activation, reference = info.function, info.reference
    assert reference is not None
    defaults = {p: info.default(p) for p in info.parameters}
    weights = jax.random.normal(KEY, (4, FEATURES, FEATURES)) / 2

    def layer(x: Array, w: Array) -> tuple[Array, None]:
        return activation(x @ w) + x, None

    def plain(x: Array, w: Array) -> tuple[Array, None]:
        return reference(x @ w, **defaults) + x, None

    @functools.partial(jax.jit, static_argnums=0)
    def step(layer: Any, weights: Array) -> Any:
        def loss(weights: Array) -> Array:
            x = jnp.asarray(X, weights.dtype)
            return jnp.mean(jax.lax.scan(layer, x, weights)[0] ** 2)

        return jax.value_and_grad(loss)(weights)

    with jax.enable_x64(True):  # the formula itself loses digits in float32
        exact = step(plain, np.asarray(weights, np.float64))
    wanted = jax.tree.map(lambda v: np.asarray(v, np.float32), exact)
    close(step(layer, weights), wanted, atol=5e-6)
    close(step(jax.checkpoint(layer), weights), wanted, atol=5e-6)


@pytest.mark.parametrize("checkpoint", [False, True])
def test_scanned_layers_train_a_parameter_each(checkpoint):
    weights = jax.random.normal(KEY, (4, FEATURES, FEATURES)) / 2
    slopes = jnp.linspace(0, 0.5, 4 * FEATURES).reshape(4, FEATURES)

    def loss(activation: Callable[..., Array], layers: Any) -> Array:
        def layer(x: Array, part: Any) -> tuple[Array, None]:
            w, slope = part
            return activation(x @ w, slope), None

        layer = jax.checkpoint(layer) if checkpoint else layer
        return jnp.mean(jax.lax.scan(layer, X, layers)[0] ** 2)

    grad = jax.jit(jax.grad(loss, 1), static_argnums=0)
    got = grad(jaxact.leaky_relu, (weights, slopes))
    close(got, grad(leaky_relu_by_hand, (weights, slopes)))
    assert got[1].shape == slopes.shape and jnp.all(got[1] != 0)


# --- a parameter that is trained --------------------------------------------------


def leaky_relu_by_hand(x: Array, slope: Array) -> Array:
    return jnp.where(x >= 0, x, jnp.broadcast_to(slope, x.shape) * x)


def elu_by_hand(x: Array, alpha: Array) -> Array:
    return jnp.where(x > 0, x, alpha * jnp.expm1(jnp.minimum(x, 0)))


class NnxTrained(nnx.Module):
    def __init__(self, function: Callable[..., Array], shape: tuple[int, ...]):
        self.function = function
        self.parameter = nnx.Param(jnp.full(shape, 0.2))

    def __call__(self, x: Array) -> Array:
        return self.function(x, self.parameter[...])


class LinenTrained(nn.Module):
    function: Callable[..., Array]
    shape: tuple[int, ...]

    @nn.compact
    def __call__(self, x: Array) -> Array:
        start = nn.initializers.constant(0.2)
        return self.function(x, self.param("parameter", start, self.shape))


def haiku_trained(function: Callable[..., Array], shape: tuple[int, ...]) -> Activation:
    start = hk.initializers.Constant(0.2)
    return lambda x: function(x, hk.get_parameter("parameter", shape, init=start))


class EquinoxTrained(eqx.Module):
    function: Callable[..., Array]
    parameter: Array

    def __init__(self, function: Callable[..., Array], shape: tuple[int, ...]):
        self.function = function
        self.parameter = jnp.full(shape, 0.2)

    def __call__(self, x: Array) -> Array:
        return self.function(x, self.parameter)


@pytest.mark.parametrize(
    ("function", "by_hand", "shape"),
    [
        (jaxact.leaky_relu, leaky_relu_by_hand, (HIDDEN,)),
        (jaxact.elu, elu_by_hand, ()),
    ],
)
@pytest.mark.parametrize(
    ("run", "trained"),
    [
        (run_nnx, NnxTrained),
        (run_linen, LinenTrained),
        (run_haiku, haiku_trained),
        (run_equinox, EquinoxTrained),
    ],
)
def test_a_trained_parameter_has_the_gradient_of_jnp(
    run, trained, function, by_hand, shape
):
    y, grads = run(trained(function, shape))
    close((y, grads), run(trained(by_hand, shape)))
    leaves = jax.tree.leaves(grads)
    assert len(leaves) == 5 and all(jnp.any(leaf != 0) for leaf in leaves)


def adam(rate: float) -> optax.GradientTransformation:
    """Adam, which needs the promotion of dtypes that the tests switch off."""
    init, update = optax.adam(rate)
    return optax.GradientTransformation(
        init, jax.numpy_dtype_promotion("standard")(update)
    )


@pytest.mark.parametrize(("name", "wanted"), [("leaky_relu", 0.3), ("elu", 1.7)])
def test_training_finds_the_parameter_the_data_came_from(name, wanted):
    activation = getattr(jaxact, name)
    y = activation(X, wanted)
    init, update = adam(0.05)

    def loss(parameter: Array) -> Array:
        return jnp.mean((activation(X, parameter) - y) ** 2)

    def step(carry: Any, _: None) -> tuple[Any, None]:
        parameter, state = carry
        updates, state = update(jax.grad(loss)(parameter), state)
        return (optax.apply_updates(parameter, updates), state), None

    start = jnp.float32(1)
    (found, _), _ = jax.jit(lambda carry: jax.lax.scan(step, carry, length=400))(
        (start, init(start))
    )
    assert float(found) == pytest.approx(wanted, abs=1e-3)


# --- trained on real data ---------------------------------------------------------


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_digits_are_learned(dtype):
    pixels, digits = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(
        np.float32(pixels / 16), digits, test_size=0.25, random_state=0, stratify=digits
    )
    model = eqx.nn.MLP(64, 10, 64, 2, activation=jaxact.gelu, key=KEY)
    params, static = eqx.partition(model, eqx.is_array)
    init, update = adam(3e-3)

    def logits(params: Any, x: Array) -> Array:
        params, x = jax.tree.map(lambda a: a.astype(dtype), (params, x))
        out = jax.vmap(eqx.combine(params, static))(x)
        assert out.dtype == dtype  # nothing on the way went back to float32
        return out.astype(jnp.float32)

    def loss(params: Any, x: Array, y: Array) -> Array:
        scores = logits(params, x)
        return optax.softmax_cross_entropy_with_integer_labels(scores, y).mean()

    def step(carry: Any, batch: Array) -> tuple[Any, None]:
        params, state = carry
        grads = jax.grad(loss)(params, jnp.asarray(x)[batch], jnp.asarray(y)[batch])
        updates, state = update(grads, state)
        return (optax.apply_updates(params, updates), state), None

    rng = np.random.default_rng(0)
    batches = np.concatenate(
        [
            rng.permutation(len(x))[: len(x) // 64 * 64].reshape(-1, 64)
            for _ in range(40)
        ]
    )
    train = jax.jit(lambda carry: jax.lax.scan(step, carry, jnp.asarray(batches))[0])
    params, _ = train((params, init(params)))
    right = jnp.argmax(logits(params, jnp.asarray(x_test)), axis=-1) == y_test
    accuracy = float(jnp.mean(right))
    assert accuracy > 0.95
