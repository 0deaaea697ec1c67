"""`jaxact.monitor`: a training step that is observed now and then."""

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax import Array, lax

import jaxact
from jaxact import monitor
from jaxact.transforms.monitor import _HERE, _Rest

KEY = jax.random.key(0)
X = jax.random.normal(KEY, (32, 8))
Y = jnp.sin(X[:, :1])
FIGURES = ("dead", "saturated", "mean_slope", "non_finite")


class Counted:
    """A function that counts its calls; under jit, how often it is traced."""

    def __init__(self, f: Any) -> None:
        self.f, self.calls = f, 0

    def __call__(self, *args: Any) -> Any:
        self.calls += 1
        return self.f(*args)


# --- figures --------------------------------------------------------------------------

# four units: never on, on at half of the samples, always on, and one NaN in a quarter
CONSTRUCTED = jnp.array(
    [
        [-1.0, -1.0, 1.0, jnp.nan],
        [-2.0, 1.0, 1.0, 1.0],
        [-1.0, -3.0, 2.0, 2.0],
        [-1.0, 3.0, 2.0, 3.0],
    ]
)


def two_relus(x: Array) -> Array:
    return jaxact.relu(jaxact.relu(x) + 1)


def test_figures_of_a_constructed_network():
    step = monitor(jax.jit(two_relus))
    assert step.scalars() == {} and step.seen is None
    step(CONSTRUCTED)
    assert step.scalars() == {
        "relu/dead": 0.25,
        "relu/saturated": pytest.approx(6 / 15, abs=0),
        "relu/mean_slope": pytest.approx(9 / 15, rel=1e-6),
        "relu/non_finite": 1 / 16,
        "relu_1/dead": 0.0,
        "relu_1/saturated": 0.0,
        "relu_1/mean_slope": 1.0,
        "relu_1/non_finite": 1 / 16,
    }
    assert all(type(v) is float for v in step.scalars().values())


def test_figures_are_merged_over_the_observed_calls_since_they_were_asked():
    on, off = jnp.ones((2, 4)), jnp.full((6, 4), -1.0)
    half = jnp.array([[1.0, 1.0, -1.0, -1.0]] * 2)
    step = monitor(jaxact.relu, every=2)
    for x in (half, on, off, on):  # the second and the fourth are not observed
        step(x)
    scalars = step.scalars()
    assert scalars["relu/dead"] == 0.5  # the units that are on in neither
    assert scalars["relu/saturated"] == (4 + 24) / 32
    assert step.scalars() == scalars
    step(on)  # from here on anew
    assert step.scalars()["relu/saturated"] == 0.0
    assert step.seen is not None and int(step.seen["relu"].count) == 2


def test_every_turn_of_a_scan_has_figures():
    biases = jnp.array([[1e3], [-1e6], [1e3]])

    def run(x: Array) -> Array:
        with jax.named_scope("layers"):
            return lax.scan(lambda h, b: (jaxact.relu(h + b), None), x, biases)[0]

    step = monitor(run)
    step(X[0])
    dead = [step.scalars()[f"layers/relu[{k}]/dead"] for k in range(3)]
    assert dead == [0, 1, 0]
    merged = monitor(run, scans="merge")
    merged(X[0])
    assert {*merged.scalars()} == {f"layers/relu/{f}" for f in FIGURES}


def test_options_are_those_of_observe():
    step = monitor(two_relus, keep="*_1", unit_axis=0, dead=2.0)
    step(X)
    assert {*step.scalars()} == {f"relu_1/{f}" for f in FIGURES}
    assert step.scalars()["relu_1/dead"] == 1.0
    assert step.seen is not None and step.seen["relu_1"].live.shape == (32,)


# --- in a training loop ---------------------------------------------------------------


def training(counted: bool = False) -> tuple[Any, Any]:
    """A step of optax with donated arguments, and what it begins with."""
    optimizer = optax.sgd(1e-2, momentum=0.9)
    keys = jax.random.split(KEY, 2)
    params = {
        "in": jax.random.normal(keys[0], (8, 16)) / 3,
        "out": jax.random.normal(keys[1], (16, 1)) / 4,
    }

    def loss(params: Any, x: Array, y: Array) -> Array:
        hidden = jaxact.gelu(x @ params["in"])
        return jnp.mean((jnp.tanh(hidden @ params["out"]) - y) ** 2)

    def update(params: Any, state: Any, batch: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params, *batch)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state, value

    traced = Counted(update)
    step = jax.jit(traced, donate_argnums=(0, 1))
    return (step, traced) if counted else step, (params, optimizer.init(params))


def test_outputs_are_those_of_the_step_to_the_bit():
    plain, begin = training()
    step = monitor(plain, every=3)
    ours, theirs = (jax.tree.map(jnp.copy, begin) for _ in range(2))
    for n in range(7):
        batch = X * (n + 1), Y
        *ours, value = step(*ours, batch)
        *theirs, expected = plain(*theirs, batch)
        for a, b in zip(
            jax.tree.leaves((ours, value)),
            jax.tree.leaves((theirs, expected)),
            strict=True,
        ):
            np.testing.assert_array_equal(a, b)
    assert step.seen is not None and step.seen.names == ("gelu_tanh", "tanh")
    assert int(step.seen["tanh"].count) == 3 * len(X)  # the first, fourth and seventh
    assert all(np.isfinite(v) for v in step.scalars().values())


def test_the_steps_between_are_calls_of_the_step_and_nothing_else(monkeypatch):
    (compiled, traced), (params, state) = training(counted=True)
    plain = Counted(compiled)
    step = monitor(plain, every=4)
    looks = Counted(step._observe)
    monkeypatch.setattr(step, "_observe", looks)
    traces = 0
    for n in range(9):
        params, state, _ = step(params, state, (X, Y))
        traces = traces or traced.calls
        assert looks.calls == 1 + n // 4
        assert plain.calls == n + 2  # one of them to trace the second program
    assert traced.calls == traces  # nothing is traced but at the first call


def test_the_second_program_is_the_forward_pass():
    plain, begin = training()
    step = monitor(plain)
    leaves, tree = jax.tree.flatten(((*begin, (X, Y)), {}))
    rest = _Rest(tree, (_HERE,) * len(leaves))
    text = step._statistics.lower(rest, *leaves).compile().as_text() or ""
    whole = plain.lower(*begin, (X, Y)).compile().as_text()
    assert text.count(" dot(") == 2 < whole.count(" dot(")


def test_arguments_that_are_not_arrays():
    def step(x: Array, name: str, *, scale: float) -> Array:
        return getattr(jaxact, name)(x * scale)

    watched = monitor(jax.jit(step, static_argnums=1), every=1)
    chex.assert_trees_all_close(watched(X, "relu", scale=2.0), jaxact.relu(2 * X))
    assert "relu/dead" in watched.scalars()
    watched(X, "tanh", scale=2.0)  # the figures were read: others may follow
    assert "tanh/dead" in watched.scalars()
    watched(X, "tanh", scale=2.0)
    with pytest.raises(ValueError, match="merge: the sites differ: relu, tanh"):
        watched(X, "relu", scale=1.0)


def test_modules_that_change_themselves():
    """They are changed by the step alone, once."""

    class Model(nnx.Module):
        def __init__(self) -> None:
            self.linear = nnx.Linear(8, 4, rngs=nnx.Rngs(0))
            self.seen = nnx.Variable(jnp.zeros((), jnp.int32))

        def __call__(self, x: Array) -> Array:
            self.seen[...] += 1
            return jax.nn.relu(self.linear(x))

    model = Model()
    optimizer = nnx.Optimizer(model, optax.sgd(0.1), wrt=nnx.Param)

    @nnx.jit
    def train(model: Model, optimizer: Any, x: Array) -> Array:
        value, grads = nnx.value_and_grad(lambda m: jnp.mean(m(x) ** 2))(model)
        optimizer.update(model, grads)
        return value

    step = monitor(train)
    values = [float(step(model, optimizer, X)) for _ in range(3)]
    assert int(model.seen[...]) == 3 and values == sorted(values)[::-1]
    assert step.scalars()["relu/non_finite"] == 0


# --- refused --------------------------------------------------------------------------


def test_errors_say_what_is_accepted():
    call: Any = monitor
    with pytest.raises(TypeError, match=r"every must be an integer, got 1\.5"):
        call(jaxact.relu, every=1.5)
    with pytest.raises(ValueError, match="every=0; expected 1 or more"):
        call(jaxact.relu, every=0)
    with pytest.raises(TypeError, match="expected a function, got int"):
        call(3)
    with pytest.raises(ValueError, match="scans='apart'"):
        call(jaxact.relu, scans="apart")
    with pytest.raises(TypeError, match="monitor: the arguments are traced"):
        jax.jit(monitor(jaxact.relu))(X)
