"""The same model trained with an activation, all seeds at once, and observed.

Needs optax; the digits need scikit-learn.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from ..diagnose import Finding, diagnose
from ..transforms._figures import figures
from ..transforms._statistics import wide_dtype
from ..transforms.observe import observe_value_and_grad
from ._workloads import Activation, temp_bytes

Model = tuple[Callable[..., Any], Callable[..., Any]]  # init(key, x), apply(params, x)

BATCH = 128
PROBED = 512  # samples that are observed
PROBES = 12  # how often, beside the start


# --- data ----------------------------------------------------------------------------


class Data(NamedTuple):
    """What is learnt: samples and the numbers of their classes, of two parts."""

    x: Array
    y: Array
    test_x: Array
    test_y: Array

    def flat(self) -> "Data":
        """The same, each sample a row."""
        x, test_x = (v.reshape(len(v), -1) for v in (self.x, self.test_x))
        return self._replace(x=x, test_x=test_x)


def digits() -> tuple[Any, Any]:
    """1,797 handwritten digits of 8 by 8 pixels, and which they are."""
    from sklearn.datasets import load_digits

    found: Any = load_digits(return_X_y=True)
    return found


def prepared(x: Any, y: Any, dtype: Any) -> Data:
    """Samples shuffled and parted, four fifths to learn from, of mean 0, variance 1."""
    order = np.random.default_rng(0).permutation(len(x))
    x, y = np.asarray(x, np.float64)[order], np.asarray(y, np.int32)[order]
    cut = max(len(x) * 4 // 5, 1)
    x = (x - np.mean(x[:cut])) / (np.std(x[:cut]) or 1.0)
    wide = jnp.asarray(x, dtype)
    return Data(wide[:cut], jnp.asarray(y[:cut]), wide[cut:], jnp.asarray(y[cut:]))


# --- model ---------------------------------------------------------------------------


class Shape(NamedTuple):
    """An MLP: its hidden layers, and how its weights and biases begin."""

    depth: int
    width: int
    classes: int
    init: Callable[..., Array]
    bias: float


def mlp(shape: Shape, activation: Activation) -> Model:
    """The MLP, which works in the dtype of its operand."""

    def init(key: Array, x: Array) -> Any:
        sizes = [x.shape[-1], *[shape.width] * shape.depth, shape.classes]
        keys = jax.random.split(key, shape.depth + 1)
        pairs = zip(keys, sizes[:-1], sizes[1:], strict=True)
        wide = wide_dtype(x.dtype)
        weights = [shape.init(k, (n, m), wide) for k, n, m in pairs]
        return [(w, jnp.full((1, w.shape[1]), shape.bias, wide)) for w in weights]

    def apply(params: Any, x: Array) -> Array:
        *hidden, last = params
        for n, layer in enumerate(hidden, 1):
            with jax.named_scope(f"layer{n}"):
                x = activation(_affine(layer, x))
        return _affine(last, x)

    return init, apply


def _affine(layer: Any, x: Array) -> Array:
    weights, bias = (v.astype(x.dtype) for v in layer)
    return x @ weights + bias


# --- training ------------------------------------------------------------------------


class Probe(NamedTuple):
    """What was seen at a step, for each seed."""

    step: int
    figures: Sequence[Mapping[str, Mapping[str, float]]]  # by layer, by name
    findings: Sequence[Sequence[Finding]]


class Training:
    """A model in training, once for each seed, all of them side by side.

    Attributes:
        losses: of every step, an entry for each seed.
        probes: what was seen, from the start on.
        seconds: of a step, an entry for each time that some were taken.
        temp_bytes: the memory of the intermediate results of a step.
    """

    def __init__(self, model: Model, data: Data, seeds: int, rate: float) -> None:
        init, apply = model
        self.losses: list[Array] = []
        self.probes: list[Probe] = []
        self.seconds: list[float] = []
        optimizer = optax.adam(rate)
        # optax mixes dtypes, which JAX may be set to refuse
        update = jax.numpy_dtype_promotion("standard")(optimizer.update)

        def loss(params: Any, x: Array, y: Array) -> Array:
            scores = apply(params, x)
            scores = scores.astype(wide_dtype(scores.dtype))
            losses = optax.softmax_cross_entropy_with_integer_labels(scores, y)
            return jnp.mean(losses)

        def begin(key: Array) -> Any:
            params = init(key, data.x[:BATCH])
            return params, optimizer.init(params)

        def step(state: Any, rows: Array) -> tuple[Any, Array]:
            params, memory = state
            value, grads = jax.value_and_grad(loss)(params, data.x[rows], data.y[rows])
            updates, memory = update(grads, memory, params)
            return (optax.apply_updates(params, updates), memory), value

        def seen(params: Any) -> Any:
            sample = data.x[:PROBED], data.y[:PROBED]
            return observe_value_and_grad(loss)(params, *sample)[1]

        def accuracy(params: Any) -> Array:
            right = jnp.argmax(apply(params, data.test_x), axis=-1) == data.test_y
            return jnp.mean(right.astype(jnp.float32))

        self._samples, self._shape = len(data.x), (seeds, BATCH)
        self._random = np.random.default_rng(0)  # the same batches for each activation
        # compiled in one piece it takes long, and for every activation anew
        self._state = jax.vmap(begin)(jax.random.split(jax.random.key(0), seeds))
        stepped = jax.jit(jax.vmap(step), donate_argnums=0)
        self._step = stepped.lower(self._state, self._rows()).compile()
        self._seen = jax.jit(jax.vmap(seen))
        self._accuracy = jax.jit(jax.vmap(accuracy))
        self.temp_bytes = temp_bytes(self._step)
        self._probe()

    def take(self, steps: int) -> None:
        """Take so many steps, and look at where they lead."""
        batches = [self._rows() for _ in range(steps)]
        jax.block_until_ready(self._state)
        started = time.perf_counter()
        for rows in batches:
            self._state, value = self._step(self._state, rows)
            self.losses.append(value)
        jax.block_until_ready(self._state)
        self.seconds.append((time.perf_counter() - started) / steps)
        self._probe()

    def accuracy(self) -> np.ndarray:
        """The share of the test samples that is recognized, for each seed."""
        return np.asarray(self._accuracy(self._state[0]), np.float64)

    def _rows(self) -> Array:
        """Which samples a batch has, for each seed."""
        return jnp.asarray(
            self._random.integers(self._samples, size=self._shape), jnp.int32
        )

    def _probe(self) -> None:
        found = jax.device_get(self._seen(self._state[0]))
        seeds = len(jax.tree.leaves(self._state)[0])
        each = [jax.tree.map(lambda v, k=k: v[k], found) for k in range(seeds)]
        findings = [diagnose(one) for one in each]
        self.probes.append(Probe(len(self.losses), [*map(figures, each)], findings))


def parts(steps: int) -> list[int]:
    """How many steps to take before each look."""
    ends = np.unique(np.linspace(0, steps, PROBES + 1).astype(int))
    return np.diff(ends).tolist()


def versions() -> dict[str, str]:
    """Of the libraries that train."""
    return {"optax": optax.__version__}
