"""`derivative` and `value_and_derivative`, of activations and of plain functions."""

import functools
import gc
import inspect
import pickle
import re
import weakref
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxact
from jaxact import derivative, value_and_derivative

X = np.linspace(-3, 3, 6, dtype=np.float32)


def wave(z, width: Any = 1.0, *, shift: Any = 0.0):
    """A plain function whose first argument is not called x."""
    return jnp.sin(z * width + shift)


def choose(x, *, cosine: bool = False, kind="a"):
    return jnp.cos(x) if cosine else jnp.sin(x) if kind == "a" else jnp.tanh(x)


def power(x, n: int = 3):
    y = x
    for _ in range(n - 1):
        y = y * x
    return y


@jaxact.activation
def ours(x, alpha: Any = 1.0, n: int = 3):
    return alpha * power(x, n)


@jaxact.derivative_of(ours)
def _ours_dx(x, alpha, n):
    return 100 * alpha * n * power(x, n - 1)  # not the true slope: a test can tell


def close(a: Any, b: Any, rtol: float = 2e-5) -> None:
    chex.assert_trees_all_close(a, b, rtol=rtol, atol=1e-5)


@jaxact.activation
def scaled(x, scale: Any = None):
    return jnp.sin(x) if scale is None else jnp.sin(scale * x)


# --- of which functions -------------------------------------------------------------


def test_of_an_activation_it_is_the_declared_kernel():
    close(derivative(ours)(X), 300 * X * X)
    close(derivative(ours)(X, 2.0), 600 * X * X)
    close(derivative(ours)(X, alpha=2.0, n=2), 400 * X)
    close(derivative(ours, 2)(X, n=2), np.full_like(X, 200))
    close(derivative(ours, wrt="alpha")(X), X**3)
    close(value_and_derivative(ours)(X, n=2), (X * X, 200 * X))


# name: the function, and its derivatives
PLAIN = {
    "jnp": (jnp.sin, [np.cos(X), -np.sin(X), -np.cos(X), np.sin(X)]),
    "lambda": (lambda x: x**5, [5 * X**4, 20 * X**3, 60 * X**2, 120 * X]),
    "jit": (jax.jit(lambda z: jnp.exp(2 * z)), [2**n * np.exp(2 * X) for n in
                                                (1, 2, 3, 4)]),
    "partial": (functools.partial(wave, width=2.0), [
        2 * np.cos(2 * X), -4 * np.sin(2 * X), -8 * np.cos(2 * X), 16 * np.sin(2 * X)]),
    "constant": (lambda x: jnp.full_like(x, 3), [0 * X] * 4),
}  # fmt: skip


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("name", PLAIN)
def test_of_a_plain_function(name, order):
    f, wanted = PLAIN[name]
    close(derivative(f, order)(X), wanted[order - 1])
    if order == 1:
        close(value_and_derivative(f)(X), (f(X), wanted[0]))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_orders_of_an_activation(order):
    def plain(x):
        return x / (1 + jnp.exp(-x))

    close(derivative(jaxact.silu, order)(X), derivative(plain, order)(X), rtol=2e-4)


def test_arguments():
    close(derivative(wave)(X, 2.0, shift=0.5), 2 * np.cos(2 * X + 0.5))
    close(derivative(wave)(z=X, shift=0.5), np.cos(X + 0.5))
    close(derivative(wave, wrt="shift")(X, 2.0), np.cos(2 * X))
    close(derivative(wave, wrt="z")(X, 2.0), 2 * np.cos(2 * X))
    close(derivative(wave, wrt="width")(X), X * np.cos(X))
    close(derivative(wave, 2, "width")(X, shift=0.5), -X * X * np.sin(X + 0.5))
    close(derivative(lambda a, x: a * x * x)(2.0, X), 4 * X)
    close(derivative(jnp.maximum)(X, 0.5), (X > 0.5).astype(np.float32))


def test_static_arguments():
    f = derivative(choose)
    close(f(X), np.cos(X))
    close(f(X, cosine=True), -np.sin(X))
    close(f(X, kind="b"), 1 / np.cosh(X) ** 2)
    for approximate in (True, False):
        slopes = jax.vmap(jax.grad(lambda x, a=approximate: jax.nn.gelu(x, a)))(X)
        close(derivative(jax.nn.gelu)(X, approximate=approximate), slopes)
        close(derivative(jax.nn.gelu)(X, approximate), slopes)
        close(derivative(jaxact.gelu)(X, approximate=approximate), slopes)
        bound = functools.partial(jax.nn.gelu, approximate=approximate)
        close(derivative(bound)(X), slopes)
    close(derivative(power)(X, 5), 5 * X**4)
    close(derivative(lambda x, **options: choose(x, **options))(X, cosine=True),
          -np.sin(X))  # fmt: skip


def test_array_parameters():
    width = jnp.linspace(0.5, 2, X.size)
    close(derivative(wave)(X, width), width * jnp.cos(X * width))
    close(derivative(jaxact.elu, wrt="alpha")(-1.0, width), width * 0 + np.expm1(-1))
    column = jnp.asarray([[0.5], [2.0]])
    with jax.numpy_rank_promotion("allow"):
        wanted = column * jnp.cos(X * column)
        close(derivative(wave)(X, column), wanted)
    close(derivative(jaxact.leaky_relu)(-X * X - 1, column),
          jnp.broadcast_to(column, (2, X.size)))  # fmt: skip


# --- shapes and dtypes ----------------------------------------------------------------


@pytest.mark.parametrize("f", [jnp.tanh, jaxact.tanh])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (2, 0, 1)])
def test_shapes(f, shape):
    x = jnp.linspace(-1, 2, max(1, int(np.prod(shape))))[: int(np.prod(shape))]
    x = x.reshape(shape)
    slope = 1 - jnp.tanh(x) ** 2
    for got in (derivative(f)(x), value_and_derivative(f)(x)[1]):
        chex.assert_shape(got, shape)
        close(got, slope)


@pytest.mark.parametrize("f", [jnp.tanh, jaxact.tanh])
def test_numbers_and_integers_count_as_floats(f):
    for x in (1, 1.0, True, np.float64(1), np.int64(1), jnp.int8(1), jnp.arange(1, 2)):
        for got in (derivative(f)(x), *value_and_derivative(f)(x)):
            assert got.dtype == jnp.float32
        close(jnp.squeeze(derivative(f)(x)), jnp.float32(1 - np.tanh(1) ** 2))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float8_e4m3fn"])
def test_dtype_is_that_of_the_value(dtype):
    x = jnp.asarray(X, dtype)
    wide = x.astype(jnp.float32)
    for order in (1, 2):
        wanted = derivative(ours, order)(wide, 0.125).astype(dtype)
        chex.assert_trees_all_equal(derivative(ours, order)(x, 0.125), wanted)
    wanted = jax.tree.map(
        lambda v: v.astype(dtype), value_and_derivative(ours)(wide, 0.125)
    )
    chex.assert_trees_all_equal(value_and_derivative(ours)(x, 0.125), wanted)


def test_numbers_beside_a_half_precision_array():
    got = derivative(wave)(jnp.asarray(X, jnp.bfloat16), 0.5)
    assert got.dtype == jnp.bfloat16
    wanted = np.float32(0.5) * np.cos(np.float32(0.5) * X)
    chex.assert_trees_all_close(got.astype(jnp.float32), wanted, atol=1e-2)


def test_float64():
    with jax.enable_x64(True):
        x = jnp.linspace(-1, 1, 5, dtype=jnp.float64)
        chex.assert_trees_all_close(derivative(jnp.sin)(x), jnp.cos(x), rtol=1e-15)
        assert derivative(jaxact.tanh)(1).dtype == jnp.float64
        assert derivative(jaxact.tanh)(jnp.float32(1)).dtype == jnp.float32


def test_complex():
    z = jnp.complex64(0.5 + 0.25j)
    close(derivative(jnp.sin)(z), jnp.cos(z))
    close(derivative(jaxact.identity)(z), jnp.ones_like(z))


# --- its result is a function like any other ----------------------------------------


@pytest.mark.parametrize("f", [jnp.sin, jaxact.gelu, ours])
def test_the_result_can_be_transformed(f):
    x = jnp.asarray(X)
    slope, second = derivative(f), derivative(f, 2)
    close(jax.jit(slope)(x), slope(x))
    close(jax.vmap(slope)(x), slope(x))
    close(jax.vmap(jax.grad(slope))(x), second(x))
    close(jax.jvp(slope, (x,), (2 * x,))[1], 2 * x * second(x))
    close(jax.grad(lambda x: slope(x).sum())(x), second(x))
    close(derivative(slope)(x), second(x))
    close(jax.vmap(jax.grad(lambda x: value_and_derivative(f)(x)[1]))(x), second(x))
    close(jax.lax.scan(lambda c, x: (c, slope(x)), 0, x)[1], slope(x))


def test_differentiable_in_the_other_arguments():
    got = jax.grad(lambda w: derivative(wave)(0.5, w))(2.0)
    close(got, np.cos(1.0) - np.sin(1.0))
    got = jax.grad(lambda a: derivative(jaxact.elu)(-1.0, a))(0.7)
    close(got, np.exp(-1.0))


def test_equal_if_made_alike():
    f = lambda x: x * x  # noqa: E731
    for g in (f, jnp.sin, jaxact.relu):
        assert derivative(g) == derivative(g, 1) == derivative(g, order=1, wrt="x")
        assert hash(derivative(g)) == hash(derivative(g, 1))
        assert derivative(g, 2) == derivative(derivative(g)) != derivative(g)
        assert value_and_derivative(g) == value_and_derivative(g) != derivative(g)
    assert derivative(jaxact.elu, wrt="alpha") != derivative(jaxact.elu)


def test_an_activation_is_compiled_once():
    traces = []

    @jaxact.activation
    def counted(x):
        traces.append(x)
        return jnp.sin(x)

    derivative(counted)(X)
    count = len(traces)
    derivative(counted)(2 * X)
    assert count and len(traces) == count
    derivative(counted)(X[:2])
    assert len(traces) > count


# --- of a function that reads what may change -----------------------------------------


class Wave:
    """A model that is updated in place."""

    def __init__(self):
        self.width = 1.0

    def __call__(self, x):
        return jnp.sin(self.width * x)

    def method(self, x):
        return self(x)


def changing(kind):
    """A function of a width that may be changed, and what changes it."""
    if kind == "object":
        wave = Wave()
        return wave, lambda w: setattr(wave, "width", w)
    if kind == "method":
        wave = Wave()
        return wave.method, lambda w: setattr(wave, "width", w)
    if kind == "array":
        widths = np.ones(1, np.float32)
        return lambda x: jnp.sin(widths[0] * x), lambda w: widths.fill(w)
    width = 1.0

    def f(x):
        return jnp.sin(width * x)

    def change(w):
        nonlocal width
        width = w

    return f, change


@pytest.mark.parametrize("kind", ["closure", "object", "method", "array"])
@pytest.mark.parametrize("make", [derivative, value_and_derivative])
def test_sees_changes_since_the_last_call(make, kind):
    f, change = changing(kind)
    g = make(f)
    for width in (1.0, 2.0, 0.5):
        change(width)
        for made in (g, make(f)):
            wanted = width * np.cos(width * X)
            close(jax.tree.leaves(made(X))[-1], wanted)


def test_trains_parameters_that_it_closes_over():
    def loss(w):
        def f(x):
            return jnp.sin(w * x)

        return jnp.sum(derivative(f)(jnp.asarray(X)))

    step = jax.value_and_grad(loss)
    for w in (1.0, 2.0):  # of one closure after the other, as a training loop has it
        wanted = np.cos(w * X) - w * X * np.sin(w * X)
        close(step(w)[1], wanted.sum())
    wave = Wave()
    g = derivative(wave)

    @jax.jit
    def through_the_model(w):
        wave.width = w
        return jnp.sum(g(jnp.asarray(X)))

    for w in (1.0, 2.0):
        wanted = np.cos(w * X) - w * X * np.sin(w * X)
        close(jax.grad(through_the_model)(w), wanted.sum())


def test_keeps_nothing_that_it_was_given():
    dead = []
    for _ in range(3):
        big = np.ones(1000, np.float32)
        f = lambda x, big=big: jnp.sum(big) * x  # noqa: E731
        close(derivative(f)(2.0), 1000.0)
        dead.append(weakref.ref(f))
        del f, big
    gc.collect()
    assert [ref() for ref in dead] == [None] * 3


def test_leaks_no_tracer():
    with jax.checking_leaks():
        for f in (lambda v: 2.0 * jnp.sin(v), jaxact.relu):
            jax.jit(derivative(f))(jnp.asarray(X))


def test_pickles():
    for f in (
        derivative(jaxact.elu, 2),
        derivative(wave, wrt="width"),
        value_and_derivative(jaxact.get("leaky_relu", negative_slope=0.2)),
        derivative(jaxact.combinators.scale(jaxact.tanh, output=2.0)),
    ):
        again = pickle.loads(pickle.dumps(f))
        assert again == f and hash(again) == hash(f)
        chex.assert_trees_all_equal(again(X), f(X))


# --- other arguments of any kind ------------------------------------------------------


def network(params, x):
    h = jnp.tanh(x[..., None] * params["in"] + params["bias"])
    return h @ params["out"]


PARAMS = {
    "in": np.linspace(-1, 1, 6, dtype=np.float32),
    "bias": np.linspace(0, 1, 6, dtype=np.float32),
    "out": np.linspace(1, 2, 6, dtype=np.float32),
}


@jax.tree_util.register_pytree_node_class
class Parameters(dict):
    """A module, as libraries have them: a tree of their own."""

    def tree_flatten(self):
        return tuple(self.values()), tuple(self)

    @classmethod
    def tree_unflatten(cls, names, values):
        return cls(zip(names, values, strict=True))


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("params", [PARAMS, Parameters(PARAMS)], ids=["dict", "object"])
def test_arguments_that_are_trees(params, order):
    def first(x, params):
        return network(params, x)

    def listed(x, params):
        return network(dict(zip(PARAMS, params, strict=True)), x)

    wanted = functools.partial(network, PARAMS)
    for _ in range(order):
        wanted = jax.grad(wanted)
    wanted = jax.vmap(wanted)(X)
    with jax.numpy_rank_promotion("allow"):
        close(derivative(first, order)(X, params), wanted)
        close(derivative(network, order, wrt="x")(params, X), wanted)
        close(derivative(network, order)(params, x=X), wanted)
        close(derivative(listed, order)(X, list(PARAMS.values())), wanted)
        loss = lambda p: jnp.sum(derivative(first, order)(jnp.asarray(X), p))  # noqa: E731
        by_vmap = jax.vmap(derivative(first, order), (0, None))  # of a scalar x
        plain = lambda p: jnp.sum(by_vmap(jnp.asarray(X), p))  # noqa: E731
        close(jax.jit(jax.grad(loss))(params), jax.grad(plain)(params), rtol=2e-4)


def test_a_scalar_may_go_through_any_function():
    def u(params, x, t):
        return jnp.sum(jnp.sin(params @ jnp.stack([x, t])))

    params = jnp.arange(6.0).reshape(3, 2)
    got = jax.vmap(derivative(u, wrt="t"), (None, 0, None))(params, X, 0.5)
    wanted = jax.vmap(jax.grad(u, 2), (None, 0, None))(params, X, 0.5)
    close(got, wanted)
    with error("<lambda>_dx: params must be an array or a number; got dict"):
        derivative(lambda params, t: params["a"] * t)({"a": 1.0}, 0.5)


def test_a_callable_that_cannot_be_hashed():
    class Scale:
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            return self is other

        def __call__(self, x):
            return 3 * x

    scale = Scale()
    close(derivative(scale)(X), np.full_like(X, 3))
    assert derivative(scale).__name__ == "Scale_dx"


def test_reads_as_a_function():
    f = derivative(jaxact.elu, 2)
    assert callable(f) and f.__name__ == repr(f) == "elu_dx2"
    assert inspect.getdoc(f) == inspect.getdoc(jaxact.elu)
    assert inspect.signature(f) == inspect.signature(jaxact.elu)
    assert derivative(jaxact.elu, wrt="alpha").__name__ == "elu_dalpha"
    assert value_and_derivative(jaxact.elu).__name__ == "elu_and_dx"
    assert "name=elu_dx2" in str(jax.make_jaxpr(f)(1.0))


# --- errors -------------------------------------------------------------------------


def error(message, kind: type[Exception] = TypeError):
    return pytest.raises(kind, match="^" + re.escape(message))


@jaxact.activation
def softmax(x):
    return jax.nn.softmax(x)


@jaxact.pushforward_of(softmax)
def _softmax_push(t, y):
    return y * (t - (y * t).sum(-1, keepdims=True))


def less_mean(v):
    return v - jnp.mean(v)


@pytest.mark.parametrize(
    ("f", "problem"),
    [
        (less_mean, "reduce_sum mixes elements of x"),
        (jax.checkpoint(less_mean), "reduce_sum mixes elements of x"),
        (lambda x: x - jnp.max(x), "reduce_max mixes elements of x"),
        (lambda x: x * (x @ x.T)[..., :1], "dot_general mixes elements of x"),
        (jax.nn.softmax, "reduce_max mixes elements of x"),
        (jnp.sum, "of shape (3, 3) it gives shape ()"),
        (lambda x: jnp.cumsum(x, 0), "cumsum mixes elements of x"),
        (jnp.sort, "sort mixes elements of x"),
        (jnp.flip, "rev mixes elements of x"),
        (lambda x: jnp.roll(x, 1, 0), "slice mixes elements of x"),
        (jnp.transpose, "it moves elements of x"),
        (lambda x: x + x.T, "add mixes elements of x"),
        (lambda x: x[0], "of shape (3, 3) it gives shape (3,)"),
        (lambda x: (x, x), "of shape (3, 3) it gives tuple"),
        (lambda x: None, "of shape (3, 3) it gives NoneType"),
    ],
)
def test_refuses_a_function_that_is_not_elementwise(f, problem):
    name = getattr(f, "__name__", type(f).__name__)
    for make in (derivative, value_and_derivative):
        for transform in (lambda g: g, jax.jit):
            with error(f"derivative: {name} is not elementwise: {problem}"):
                transform(make(f))(jnp.ones((3, 3)))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: jnp.interp(x, np.arange(3.0), np.arange(3.0) ** 2),
        lambda x: jnp.where(x > 0, jnp.polyval(np.ones(3), x), -x),
        lambda x: jnp.stack([x, x * x], -1) @ jnp.ones(2),
        lambda x: jnp.sin(x.ravel()).reshape(x.shape),
        lambda x: jnp.squeeze(jnp.tanh(x[None]), 0),
        lambda x: jnp.moveaxis(jnp.sin(jnp.moveaxis(x, 0, 1)), 0, 1),
        jnp.vectorize(lambda x: jnp.sum(jnp.sin(x * jnp.arange(3.0)))),
        lambda x: jax.lax.fori_loop(0, 3, lambda _, v: jnp.sin(v), x),
        lambda x: jax.lax.map(jnp.sin, x),
        lambda x: jnp.asarray([1.0, 2.0])[(x > 0).astype(int)] * x,
        jax.scipy.special.gammaln,
    ],
)
@pytest.mark.parametrize("shape", [(3, 3), (2, 1, 3)])
def test_takes_a_function_that_is_elementwise_by_any_means(f, shape):
    x = jnp.linspace(0.2, 1.9, int(np.prod(shape))).reshape(shape)
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        wanted = jax.vmap(jax.grad(lambda v: f(v.reshape(1, 1))[0, 0]))(x.ravel())
        close(derivative(f)(x).ravel(), wanted)


def test_refuses_an_activation_with_a_pushforward():
    for make in (derivative, value_and_derivative):
        with error("derivative: softmax is not elementwise"):
            make(softmax)


@pytest.mark.parametrize("order", [0, -1, True, 1.5, "1", None])
def test_refuses_orders(order):
    with error(f"derivative: order must be 1, 2, ...; got {order!r}", ValueError):
        derivative(jnp.sin, order)


def test_refuses_a_name_that_is_not_a_variable():
    with error("derivative: elu has no argument 'beta' to differentiate by; it has "
               "x, alpha", ValueError):  # fmt: skip
        derivative(jaxact.elu, wrt="beta")
    with error("derivative: ours has no argument 'n' to", ValueError):
        derivative(ours, wrt="n")
    with error("derivative: gelu has no argument 'approximate' to", ValueError):
        value_and_derivative(jaxact.gelu, wrt="approximate")
    with error("derivative: <lambda> has no argument 'x' to differentiate by; it has "
               "none", ValueError):  # fmt: skip
        derivative(lambda: jnp.ones(()))


def test_refuses_a_thing_that_is_not_a_function():
    for thing in (3, "relu", None, [jnp.sin]):
        anything: Any = thing
        with error(f"derivative: expected a function, got {thing!r}"):
            derivative(anything)
        with error(f"derivative: expected a function, got {thing!r}"):
            value_and_derivative(anything)


@pytest.mark.parametrize("transform", [lambda f: f, jax.jit, jax.grad])
def test_refuses_arguments(transform):
    f = derivative(jaxact.elu)

    def call(*args: Any, **kwargs: Any):
        return transform(lambda v: v * jnp.sum(f(*args, **kwargs)))(1.0)

    usage = "; it is called as elu(x, alpha=1.0)"
    with error(f"elu_dx: missing a required argument: 'x'{usage}"):
        call()
    with error(f"elu_dx: too many positional arguments{usage}"):
        call(1.0, 2.0, 3.0)
    with error(f"elu_dx: got an unexpected keyword argument 'beta'{usage}"):
        call(1.0, beta=2.0)
    for x in ([1.0], "a", None, (1.0,)):
        with error(f"elu_dx: x must be an array or a number; got {type(x).__name__}"):
            call(x)
    with error("elu_dx: x must be an array or a number; got an array of dtype <U1"):
        call(np.array(["a"]))
    with error("elu: alpha must be an array or a number of real dtype; got list"):
        call(1.0, [1.0])
    with error("elu: x must be an array or a number of real dtype; got complex 1j"):
        call(1j)
    with error("elu: the shapes do not broadcast: x (3,), alpha (4,)"):
        call(np.ones(3), np.ones(4))
    with error("scaled_dscale: scale must be an array or a number; got NoneType None"):
        derivative(scaled, wrt="scale")(1.0)


def test_a_parameter_of_default_none():
    close(derivative(scaled)(X), np.cos(X))
    close(derivative(scaled)(X, 2.0), 2 * np.cos(2 * X))
    close(derivative(scaled, wrt="scale")(X, 2.0), X * np.cos(2 * X))
