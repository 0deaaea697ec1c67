"""Users' own activations: what the decorators make of them, and what they refuse."""

import inspect
import pickle
import re
from typing import Any, Literal, Optional, Union

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

import jaxact
from jaxact import _core
from jaxact.catalogue import names
from jaxact.testing import assert_derivatives

HALVES = ("bfloat16", "float16", "float8_e4m3fn", "float8_e5m2")
X = np.linspace(-3, 3, 12, dtype=np.float32)


@jaxact.activation
def bump(x: Any):
    """A bump, without a formula and without a derivative."""
    return jnp.exp(-x * x)


@jaxact.activation(kinks=(0.0,), domain={"alpha": (0.0, 2.0)})
def bent(x: Any, alpha: Any = 0.5):
    """A line bent at 0.

    bent(x, alpha) = x if x > 0 else alpha * x
    """
    return jnp.where(x > 0, x, alpha * x)


@jaxact.derivative_of(bent)
def _bent_dx(x: Any, alpha: Any):
    return jnp.where(x > 0, 1, alpha)


@jaxact.derivative_of(bent, wrt="alpha")
def _bent_dalpha(x: Any):
    return jnp.minimum(x, 0)


@jaxact.activation
def damped(x: Any, alpha: Any = 0.5):
    """A damped sine with every derivative of order 1, and order 2 by x.

    damped(x, alpha) = sin(x) * exp(-alpha * x * x)
    """
    return jnp.sin(x) * jnp.exp(-alpha * x * x)


@jaxact.derivative_of(damped)
def _damped_dx(x: Any, alpha: Any):
    return (jnp.cos(x) - 2 * alpha * x * jnp.sin(x)) * jnp.exp(-alpha * x * x)


@jaxact.derivative_of(damped, order=2)
def _damped_dx2(x: Any, alpha: Any):
    factor = (4 * alpha**2 * x * x - 2 * alpha - 1) * jnp.sin(x)
    return (factor - 4 * alpha * x * jnp.cos(x)) * jnp.exp(-alpha * x * x)


@jaxact.derivative_of(damped, wrt="alpha")
def _damped_dalpha(x: Any, alpha: Any):
    return -x * x * jnp.sin(x) * jnp.exp(-alpha * x * x)


@jaxact.activation
def squash(x: Any):
    """A tanh whose slope is told from the output."""
    return jnp.tanh(x)


@jaxact.derivative_of(squash)
def _squash_dx(y: Any):
    return 1 - y * y


@jaxact.activation
def softmax(x: Any, axis: int = -1):
    """Not elementwise."""
    e = jnp.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


@jaxact.pushforward_of(softmax)
def _softmax_push(t: Any, y: Any, axis: int):
    return y * (t - (y * t).sum(axis, keepdims=True))


@jaxact.activation
def powered(x: Any, n: int = 2, odd: bool = False, name: str = "abs"):
    """A power with static options."""
    y = getattr(jnp, name)(x) ** n
    return jnp.copysign(y, x) if odd else y


@jaxact.derivative_of(powered)
def _powered_dx(x: Any, n: int, odd: bool):
    slope = n * jnp.abs(x) ** (n - 1)
    return slope if odd else jnp.copysign(slope, x)


@jaxact.activation
def scaled(x: Any, scale: Any = None):
    """A sine, of the frequency given if one is."""
    return jnp.sin(x) if scale is None else jnp.sin(scale * x)


@jaxact.derivative_of(scaled)
def _scaled_dx(x: Any, scale: Any):
    return jnp.cos(x) if scale is None else scale * jnp.cos(scale * x)


@jaxact.activation(holomorphic=True)
def cube(x: Any):
    """A power series, which complex numbers have too."""
    return x * x * x


@jaxact.derivative_of(cube)
def _cube_dx(x: Any):
    return 3 * x * x


PLAIN = (bump, bent, damped, squash, softmax, powered, scaled, cube)


def plain_damped(x, alpha: Any = 0.5):
    return jnp.sin(x) * jnp.exp(-alpha * x * x)


def close(a: Any, b: Any, rtol: float = 2e-5) -> None:
    chex.assert_trees_all_close(a, b, rtol=rtol, atol=1e-6)


def kept(f, *args):
    """The arrays that the backward pass of f keeps, scalars aside."""
    _, pull = jax.jit(lambda *args: jax.vjp(f, *args))(*args)
    return [leaf for leaf in jax.tree.leaves(pull) if jnp.size(leaf) > 1]


def assert_keeps(f, args, wanted):
    found = kept(f, *args)
    assert len(found) == len(wanted)
    for one in wanted:
        assert any(jnp.array_equal(one, leaf) for leaf in found)


# --- plain functions to their readers -----------------------------------------------


@pytest.mark.parametrize("f", PLAIN)
def test_is_a_plain_function(f):
    assert inspect.isfunction(f)
    assert f.__module__ == __name__ and f.__qualname__ == f.__name__
    assert pickle.loads(pickle.dumps(f)) is f
    assert f"def {f.__name__}(x: Any" in inspect.getsource(f)
    kernel = inspect.unwrap(f)
    assert kernel is not f
    assert f.__doc__ == kernel.__doc__ and f.__doc__
    assert next(iter(inspect.signature(f).parameters)) == "x"
    assert inspect.signature(f) == inspect.signature(kernel)


def test_signature_and_doc_are_the_kernels():
    assert inspect.signature(bent).parameters["alpha"].default == 0.5
    assert "A line bent at 0." in (inspect.getdoc(bent) or "")


def test_the_other_decorators_give_the_kernel_back():
    def kernel(x):
        return jnp.cos(x)

    @jaxact.activation
    def wave(x):
        return jnp.sin(x)

    assert jaxact.derivative_of(wave)(kernel) is kernel
    assert jaxact.definition_of(wave)(kernel) is kernel
    assert inspect.isfunction(_softmax_push)


@pytest.mark.parametrize("f", PLAIN)
def test_the_call_has_its_name_in_the_jaxpr(f):
    x = jnp.ones((2, 3))
    (call,) = jax.make_jaxpr(f)(x).eqns
    assert call.params["name"] == f"jaxact.{f.__name__}"
    inside = str(call.params["jaxpr"])  # and so has the rule
    assert f"name={f.__name__}" in inside and "name=value" not in inside
    assert f"name=jaxact.{f.__name__}" in str(
        jax.make_jaxpr(jax.grad(lambda x: f(x).sum()))(x)
    )


def test_what_the_decorators_saw():
    definition = _core.lookup(bent)
    assert definition is not None and definition in _core.definitions()
    assert (definition.name, definition.family) == ("bent", __name__.rpartition(".")[2])
    assert (definition.parameters, definition.options) == (("alpha",), ())
    assert definition.kinks_at() == (0.0,)
    assert definition.domain == {"alpha": (0.0, 2.0)}
    assert definition.formula is not None and definition.reference is not None
    assert set(definition.kernels) == {(), ("x",), ("alpha",)}
    options = _core.lookup(powered)
    assert options is not None and options.options == ("n", "odd", "name")
    assert options.formula is None and options.reference is None
    assert bent.__name__ not in names()
    assert _core.lookup(jnp.tanh) is None
    unhashable: Any = []
    assert _core.lookup(unhashable) is None


def test_kinks_may_follow_a_parameter():
    @jaxact.activation(kinks=lambda width: (-width, width))
    def clipped(x, width=2.0):
        return jnp.clip(x, -width, width)

    definition = _core.lookup(clipped)
    assert definition is not None
    assert definition.kinks_at() == (-2, 2)
    assert definition.kinks_at(width=0.5) == (-0.5, 0.5)


# --- values and derivatives -----------------------------------------------------------


def test_without_formula_and_derivative():
    close(bump(X), np.exp(-X * X))
    close(jax.vmap(jax.grad(bump))(X), -2 * X * np.exp(-X * X))
    close(jax.vmap(jax.grad(jax.grad(bump)))(X), (4 * X * X - 2) * np.exp(-X * X))


def test_trainable_parameter_broadcasts():
    x, alpha = jnp.asarray(X.reshape(3, 4)), jnp.asarray([0.1, 0.5, 1.0, 1.5])
    with jax.numpy_rank_promotion("allow"):
        close(damped(x, alpha), plain_damped(x, alpha))
        loss = lambda f: lambda x, a: (f(x, a) * (x + 1)).sum()  # noqa: E731
        want = jax.grad(loss(plain_damped), (0, 1))(x, alpha)
    got = jax.grad(loss(damped), (0, 1))(x, alpha)
    chex.assert_trees_all_equal_shapes(got, (x, alpha))
    close(got, want)
    by_row = alpha[:3, None]
    assert jax.grad(lambda a: damped(x, a).sum())(by_row).shape == (3, 1)
    close(damped(x[0, 0], alpha), plain_damped(x[0, 0], alpha))


@pytest.mark.parametrize("argnums", [0, 1, (0, 1)])
@pytest.mark.parametrize("outer", [0, 1])
def test_second_and_mixed_partials(outer, argnums):
    alpha = jnp.float32(0.3)
    for x in map(jnp.float32, (-1.7, 0.0, 0.4, 2.2)):
        got = jax.grad(jax.grad(damped, outer), argnums)(x, alpha)
        close(got, jax.grad(jax.grad(plain_damped, outer), argnums)(x, alpha))


def test_hessian_of_value_and_parameter():
    x, alpha = jnp.float32(1.3), jnp.float32(0.3)
    got = jax.hessian(damped, (0, 1))(x, alpha)
    close(got, jax.hessian(plain_damped, (0, 1))(x, alpha))
    close(got[0][1], got[1][0])


def test_static_options():
    close(powered(X), X * X)
    close(powered(X, 3, odd=True), X**3)
    close(jax.vmap(jax.grad(lambda x: powered(x, n=3, odd=True)))(X), 3 * X * X)
    close(jax.jit(powered, static_argnames="name")(X, name="sin"), np.sin(X) ** 2)
    close(jax.vmap(lambda x: powered(x, 4))(X), X**4)


def test_options_are_told_by_annotation_or_default():
    def f(
        x,
        a: bool,
        b: str,
        c: int,
        d: int | None,
        e: int | tuple[int, ...],
        f: "int",
        g: float,
        h: Array | None,
        i,
        j=True,
        k="k",
        m=1,
        n: Optional[int] = 1,  # noqa: UP045
        o: Literal["a", "b"] = "a",
        p: Union[int, float] = 1,  # noqa: UP007
        q: "Unknown" = 1,  # noqa: F821  # pyright: ignore
        r: "Literal['a'] | None" = None,
        s: None = None,
    ):
        return x

    found = {p.name for p in _core.signature_of(f).parameters.values()
             if _core.is_option(p)}  # fmt: skip
    assert found == set("abcdefjknor")


def test_parameter_default_none():
    close(scaled(X), np.sin(X))
    close(scaled(X, None), np.sin(X))
    close(scaled(X, 2.0), np.sin(2 * X))
    close(jax.vmap(jax.grad(scaled))(X), np.cos(X))
    close(jax.grad(scaled, 1)(0.5, 2.0), 0.5 * np.cos(1.0))
    close(jax.jit(scaled)(X, scale=None), np.sin(X))


def test_slope_that_reads_the_output():
    close(jax.vmap(jax.grad(squash))(X), 1 - np.tanh(X) ** 2)
    second = -2 * np.tanh(X) * (1 - np.tanh(X) ** 2)
    close(jax.vmap(jax.grad(jax.grad(squash)))(X), second)
    close(jax.vmap(jax.hessian(squash))(X), second)


def nth(f, order):
    for _ in range(order):
        f = jax.grad(f)
    return f


def test_each_declared_order_is_the_rule_of_the_one_before():
    @jaxact.activation
    def sentinel(x):
        return jnp.sin(x)

    @jaxact.derivative_of(sentinel)
    def first(x):
        return 10 * jnp.cos(x)

    @jaxact.derivative_of(sentinel, order=2)
    def second(x):
        return 100 * jnp.cos(x)

    @jaxact.derivative_of(sentinel, order=3)
    def third(x):
        return 1000 * jnp.cos(x)

    x = jnp.float32(0.7)
    for order, kernel in enumerate((sentinel, first, second, third)):
        chex.assert_trees_all_equal(nth(sentinel, order)(x), kernel(x))
        chex.assert_trees_all_equal(jax.jit(nth(sentinel, order))(x), kernel(x))
    chex.assert_trees_all_equal(jax.hessian(sentinel)(x), second(x))
    chex.assert_trees_all_equal(jax.jacrev(jax.jacfwd(sentinel))(x), second(x))
    # past the declared orders JAX differentiates the last kernel
    close(nth(sentinel, 4)(x), -1000 * jnp.sin(x))


def test_the_second_kernel_is_what_the_compiled_second_derivative_runs():
    @jaxact.activation
    def marked(x):
        return jnp.sin(x)

    jaxact.derivative_of(marked)(lambda x: jnp.atan(x))
    jaxact.derivative_of(marked, order=2)(lambda x: jnp.cbrt(x))
    text = jax.jit(nth(marked, 2)).lower(jnp.float32(1)).compile().as_text()
    assert text is not None
    assert "cbrt" in text and "atan" not in text and "cosine" not in text
    assert "cbrt" in str(jax.make_jaxpr(nth(marked, 2))(1.0))
    assert "cbrt" not in str(jax.make_jaxpr(nth(marked, 1))(1.0))


def test_order_two_by_a_parameter():
    @jaxact.activation
    def f(x, alpha: Any = 1.0):
        return jnp.sin(alpha) * x

    jaxact.derivative_of(f, wrt="alpha")(lambda x, alpha: jnp.cos(alpha) * x)
    jaxact.derivative_of(f, wrt="alpha", order=2)(lambda x: 0 * x + 42)
    x, alpha = jnp.float32(0.5), jnp.float32(0.3)
    close(jax.grad(jax.grad(f, 1), 1)(x, alpha), jnp.float32(42))
    close(jax.grad(jax.grad(f, 1), 0)(x, alpha), jnp.cos(alpha))


def test_constant_kernels():
    @jaxact.activation
    def ramp(x, slope=2.0):
        return slope * x

    jaxact.derivative_of(ramp)(lambda slope: slope)
    jaxact.derivative_of(ramp, order=2)(lambda: 0.0)
    x = jnp.asarray(X)
    close(jax.grad(lambda x: ramp(x).sum())(x), jnp.full_like(x, 2))
    close(jax.vmap(nth(ramp, 2))(x), jnp.zeros_like(x))
    assert jnp.all(jax.vmap(nth(ramp, 3))(x) == 0)


def test_a_rule_declared_after_the_first_calls_is_seen():
    @jaxact.activation
    def late(x):
        return jnp.sin(x)

    def slopes(x):
        return (
            jax.grad(late)(x),
            jax.jit(lambda x: jax.grad(late)(x))(x),
            jaxact.derivative(late)(x),
        )

    x = jnp.float32(0.5)
    close(slopes(x), (jnp.cos(x),) * 3)
    jaxact.derivative_of(late)(lambda x: 0 * x + 7)
    close(slopes(x), (jnp.float32(7),) * 3)


# --- not elementwise --------------------------------------------------------------


def test_a_mixed_derivative_may_have_a_rule_of_its_own():
    @jaxact.activation
    def saddle(x: Any, c: Any = 2.0):
        """saddle(x, c) = x * x * c"""
        return x * x * c

    jaxact.derivative_of(saddle)(lambda x, c: 2 * x * c)
    jaxact.derivative_of(saddle, wrt="c")(lambda x: x * x)
    asked = []

    @jaxact.derivative_of(saddle, wrt=("c", "x"))
    def _saddle_dc_dx(x: Any):
        asked.append(x.shape)
        return 2 * x

    x, c = jnp.asarray(X), jnp.float32(3)
    by_c = jax.grad(saddle, 1)
    np.testing.assert_allclose(jax.vmap(jax.grad(by_c), (0, None))(x, c), 2 * X)
    assert asked
    by_x = jax.vmap(jax.grad(jax.grad(saddle), 1), (0, None))  # that one is JAX's
    np.testing.assert_allclose(by_x(x, c), 2 * X)
    with pytest.raises(ValueError, match=r"by \('c', 'x'\) is declared already"):
        jaxact.derivative_of(saddle, wrt=("c", "x"))(lambda x: 2 * x)
    with pytest.raises(
        ValueError, match=r"wrt=\('c', 'd'\) is not a variable of saddle"
    ):
        jaxact.derivative_of(saddle, wrt=("c", "d"))(lambda x: 2 * x)


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_pushforward(axis):
    x = jnp.sin(jnp.arange(12.0)).reshape(3, 4)
    t = jnp.cos(jnp.arange(12.0)).reshape(3, 4)
    ours = lambda x: softmax(x, axis=axis)  # noqa: E731
    theirs = lambda x: jax.nn.softmax(x, axis=axis)  # noqa: E731
    close(ours(x), theirs(x))
    close(jax.jvp(ours, (x,), (t,)), jax.jvp(theirs, (x,), (t,)))
    close(jax.grad(lambda x: (t * ours(x)).sum())(x),
          jax.grad(lambda x: (t * theirs(x)).sum())(x))  # fmt: skip
    batch = jnp.stack([x, t, x * t])
    close(jax.vmap(ours)(batch), jax.vmap(theirs)(batch))
    jacobian = lambda f: jax.jit(jax.vmap(jax.jacrev(f)))  # noqa: E731
    close(jacobian(ours)(batch), jacobian(theirs)(batch))
    close(jax.jit(jax.hessian(ours))(x), jax.jit(jax.hessian(theirs))(x))


def test_pushforward_keeps_the_output_alone():
    x = jnp.sin(jnp.arange(12.0)).reshape(3, 4)
    assert_keeps(softmax, (x,), [softmax(x)])


def test_a_mask_does_not_count_in_the_dtype_and_is_kept_as_a_mask():
    @jaxact.activation
    def masked(x: Any, where: Any = None):
        assert where is None or where.dtype == x.dtype
        return jnp.exp(x) if where is None else jnp.exp(x) * where

    @jaxact.pushforward_of(masked)
    def _masked_push(t: Any, y: Any, where: Any):
        return t * y if where is None else t * y * where

    mask = jnp.arange(12).reshape(3, 4) % 2 == 0
    for dtype in ("bfloat16", "float32"):
        x = jnp.ones((3, 4), dtype)
        y, pull = jax.vjp(lambda x: masked(x, mask), x)
        assert y.dtype == dtype and pull(y)[0].dtype == dtype
        kept = [leaf.dtype for leaf in jax.tree.leaves(pull) if leaf.size > 1]
        assert sorted(map(str, kept)) == sorted(["bool", dtype])
        rounded = np.where(mask, y, 0)
        chex.assert_trees_all_equal(pull(jnp.ones_like(y))[0], rounded)
    # x itself is a number, also where it is a bool
    assert masked(mask).dtype == jnp.float32


def test_pushforward_rounds_once():
    x = jnp.sin(jnp.arange(12.0)).reshape(3, 4).astype(jnp.bfloat16)
    t = jnp.cos(jnp.arange(12.0)).reshape(3, 4).astype(jnp.bfloat16)
    y, tangent = jax.jvp(softmax, (x,), (t,))
    wide = softmax(x.astype(jnp.float32))
    chex.assert_trees_all_equal(y, wide.astype(jnp.bfloat16))
    wanted = _softmax_push(t.astype(jnp.float32), y.astype(jnp.float32), -1)
    chex.assert_trees_all_equal(tangent, wanted.astype(jnp.bfloat16))


def test_not_elementwise_with_another_shape_and_a_trained_parameter():
    @jaxact.activation
    def gate(x, alpha: Any = 1.0):
        a, b = jnp.split(x, 2, -1)
        return a * jnp.tanh(alpha * b)

    @jaxact.pushforward_of(gate)
    def _push(t, x, alpha):
        (a, b), (u, v) = jnp.split(x, 2, -1), jnp.split(t, 2, -1)
        th = jnp.tanh(alpha * b)
        return u * th + a * (1 - th * th) * alpha * v

    @jaxact.derivative_of(gate, wrt="alpha")
    def _dalpha(x, alpha):
        a, b = jnp.split(x, 2, -1)
        return a * b * (1 - jnp.tanh(alpha * b) ** 2)

    def plain(x, alpha):
        a, b = jnp.split(x, 2, -1)
        return a * jnp.tanh(alpha * b)

    x, alpha = jnp.sin(jnp.arange(8.0)).reshape(2, 4), jnp.float32(0.7)
    assert gate(x).shape == (2, 2)
    loss = lambda f: lambda x, a: jnp.sin(f(x, a)).sum()  # noqa: E731
    close(jax.grad(loss(gate), (0, 1))(x, alpha),
          jax.grad(loss(plain), (0, 1))(x, alpha))  # fmt: skip
    close(jax.hessian(loss(gate), (0, 1))(x, alpha),
          jax.hessian(loss(plain), (0, 1))(x, alpha), rtol=1e-4)  # fmt: skip


def test_definition_instead_of_a_formula():
    def make(factor):
        @jaxact.activation
        def f(x, alpha: Any = 1.0):
            return jnp.atan(alpha * x)

        @jaxact.definition_of(f)
        def plain(x, alpha):
            return jnp.atan(alpha * x) * factor

        definition = _core.lookup(f)
        assert definition is not None and definition.reference is plain
        return f

    assert_derivatives(make(1), orders=[1], dtypes=["float32"])
    with pytest.raises(AssertionError, match=r"^f\(x\): derivative 1 by x in float32"):
        assert_derivatives(make(1.01), orders=[1], dtypes=["float32"])


# --- dtypes -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", HALVES)
def test_value_and_tangent_are_rounded_once(dtype):
    x = jnp.asarray(np.linspace(-3, 3, 257), dtype)
    t = jnp.asarray(np.linspace(0.3, 1.7, 257), dtype)
    wide, wide_t = x.astype(jnp.float32), t.astype(jnp.float32)
    y, tangent = jax.jit(lambda x, t: jax.jvp(damped, (x,), (t,)))(x, t)
    wide_y, wanted = jax.jit(lambda x, t: jax.jvp(damped, (x,), (t,)))(wide, wide_t)
    chex.assert_trees_all_equal((y, tangent), jax.tree.map(
        lambda v: v.astype(dtype), (wide_y, wanted)))  # fmt: skip
    pulled = jax.vjp(damped, x)[1](t)[0]
    chex.assert_trees_all_equal(pulled, wanted.astype(dtype))
    # one rounding and two are not the same here, so that the test can tell
    slope = jax.vmap(jax.grad(damped))(wide).astype(dtype)
    twice = (slope.astype(jnp.float32) * wide_t).astype(dtype)
    assert jnp.any(twice != wanted.astype(dtype))


@pytest.mark.parametrize("dtype", HALVES)
def test_parameters_in_half_are_rounded_once(dtype):
    x = jnp.asarray(np.linspace(-3, 3, 64), dtype)
    alpha = jnp.asarray(0.7, dtype)
    value, slope = jax.value_and_grad(lambda a: damped(x, a)[7])(alpha)
    wide, wide_alpha = x.astype(jnp.float32), alpha.astype(jnp.float32)
    assert value.dtype == slope.dtype == jnp.dtype(dtype)
    chex.assert_trees_all_equal(value, damped(wide, wide_alpha)[7].astype(dtype))
    wanted = _damped_dalpha(wide, wide_alpha)[7].astype(dtype)
    close(slope.astype(jnp.float32), wanted.astype(jnp.float32), rtol=2e-2)
    # the default is not rounded to the dtype of x
    chex.assert_trees_all_equal(damped(x), damped(wide).astype(dtype))


def test_float64_stays():
    with jax.enable_x64(True):
        x = jnp.linspace(-3, 3, 7, dtype=jnp.float64)
        for y in (damped(x), jax.vmap(jax.grad(damped))(x), bump(x)):
            assert y.dtype == jnp.float64
        wanted = np.sin(np.asarray(x)) * np.exp(-0.5 * np.asarray(x) ** 2)
        chex.assert_trees_all_close(damped(x), wanted, rtol=1e-14)
        assert damped(jnp.float32(1)).dtype == jnp.float32


def test_other_dtypes():
    @jaxact.activation(integers="keep")
    def doubled(x):
        return x + x

    @jaxact.activation(integers="weak")
    def weakly(x):
        return jnp.sin(x)

    i = jnp.arange(3)
    assert bump(i).dtype == jnp.float32 and not bump(i).weak_type
    assert weakly(i).dtype == jnp.float32 and weakly(i).weak_type
    assert doubled(i).dtype == i.dtype
    assert bump(2).weak_type and bump(0.5).weak_type
    assert not bump(np.float32(0.5)).weak_type
    assert not bump(np.float64(0.5)).weak_type
    assert bump(True).dtype == jnp.float32
    assert damped(jnp.bfloat16(1), 0.5).dtype == jnp.bfloat16
    with jax.numpy_dtype_promotion("standard"):
        assert damped(jnp.bfloat16(1), jnp.float32(0.5)).dtype == jnp.float32
        grads = jax.grad(damped, (0, 1))(jnp.bfloat16(1), jnp.float32(0.5))
    assert [g.dtype for g in grads] == [jnp.bfloat16, jnp.float32]


def test_complex_where_it_has_a_meaning():
    z = jnp.complex64(0.5 + 0.25j)
    close(cube(z), z**3)
    close(jax.grad(cube, holomorphic=True)(z), 3 * z * z)
    close(cube(0.5 + 0.25j), z**3)
    with pytest.raises(TypeError, match=r"^damped: x must be .* of real dtype; got"):
        damped(z)
    with pytest.raises(TypeError, match=r"^damped: alpha .* dtype complex64"):
        damped(1.0, z)
    with pytest.raises(TypeError, match=r"^damped: x must be .*complex64"):
        jax.grad(damped, holomorphic=True)(z)
    with pytest.raises(TypeError, match=r"^cube: x must be .*real or complex dtype"):
        cube("1")  # pyright: ignore[reportArgumentType]


# --- what the backward pass keeps ---------------------------------------------------


def test_keeps_what_the_kernels_read():
    x, alpha = jnp.asarray(X), jnp.linspace(0.2, 1.0, X.size)
    assert_keeps(bump, (x,), [x])
    assert_keeps(damped, (x,), [x])
    assert_keeps(squash, (x,), [squash(x)])
    assert_keeps(lambda x: damped(x, alpha), (x,), [x, alpha])
    assert_keeps(damped, (x, alpha), [x, alpha])
    assert_keeps(lambda a: damped(x, a), (alpha,), [x, alpha])
    # the slope by x reads x and alpha, that by alpha only x
    assert_keeps(lambda a: bent(x, a), (alpha,), [x])
    assert_keeps(bent, (x, alpha), [x, alpha])


def test_a_parameter_that_is_not_trained_costs_nothing():
    @jaxact.activation
    def shifted(x, shift: Any = 0.0):
        return jnp.sin(x) + shift

    calls = []

    @jaxact.derivative_of(shifted)
    def _dx(x):
        return jnp.cos(x)

    @jaxact.derivative_of(shifted, wrt="shift")
    def _dshift():
        calls.append(1)
        return 1.0

    x, shift = jnp.asarray(X), jnp.linspace(0.0, 1.0, X.size)
    assert_keeps(lambda x: shifted(x, shift), (x,), [x])
    jax.grad(lambda x: shifted(x, shift).sum())(x)
    assert not calls
    assert_keeps(lambda s: shifted(x, s), (shift,), [])
    assert calls


def test_keeps_as_little_through_a_scanned_stack():
    x = jnp.asarray(X)

    def stack(x):
        return jax.lax.scan(lambda c, _: (damped(c), None), x, None, length=5)[0]

    found = kept(stack, x)
    assert [leaf.shape for leaf in found] == [(5, *x.shape)]


# --- transformations ------------------------------------------------------------------


def test_transformations():
    x, alpha = jnp.asarray(X), jnp.linspace(0.2, 1.0, X.size)
    y, want = damped(x, alpha), jax.vmap(jax.grad(plain_damped))(x, alpha)
    by_alpha = jax.vmap(jax.grad(plain_damped, 1))(x, alpha)
    close(jax.vmap(damped)(x, alpha), y)
    close(jax.vmap(jax.grad(damped, (0, 1)))(x, alpha), (want, by_alpha))
    close(jax.jit(jax.vmap(jax.value_and_grad(damped)))(x, alpha), (y, want))
    value, push = jax.linearize(damped, x, alpha)
    zero, one = jnp.zeros_like(x), jnp.ones_like(x)
    close((value, push(one, zero), push(zero, one)), (y, want, by_alpha))
    remat = jax.checkpoint(damped)
    close(jax.vmap(jax.grad(remat, (0, 1)))(x, alpha), (want, by_alpha))

    def carried(f):
        def loss(x, a):
            step = lambda c, _: (f(c, a) + x, c)  # noqa: E731
            return jax.lax.scan(step, x, None, length=3)[0].sum()

        return jax.grad(loss, (0, 1))(x, alpha)

    close(carried(damped), carried(plain_damped), rtol=1e-4)


def test_batches_of_parameters():
    x, alpha = jnp.asarray(X), jnp.asarray([0.2, 0.7])
    models = jax.vmap(jax.grad(lambda a, x: damped(x, a).sum()), (0, None))
    wanted = jax.vmap(jax.grad(lambda a, x: plain_damped(x, a).sum()), (0, None))
    close(models(alpha, x), wanted(alpha, x))
    close(jax.jit(jax.vmap(damped, (None, 0)))(x, alpha),
          jnp.stack([plain_damped(x, a) for a in alpha]))  # fmt: skip
    # a batch of x with one parameter, trained
    loss = lambda a: jax.vmap(lambda x: damped(x, a))(x).sum()  # noqa: E731
    close(jax.grad(loss)(alpha[0]), wanted(alpha, x)[0])


# --- errors: every one with the name of the function ----------------------------------


class Thing:
    def __repr__(self) -> str:
        return "a thing"


CALLS = {
    "a string": (("a",), {}, "damped: x must be an array or a number of real dtype; "
                 "got str 'a'"),
    "None": ((None,), {}, "damped: x must be .*; got NoneType None"),
    "None for a number": ((1.0, None), {}, "damped: alpha must be .*; got NoneType"),
    "a list": (([1.0],), {}, r"damped: x must be .*; got list \[1.0\]"),
    "a tuple": ((1.0, (1.0,)), {}, r"damped: alpha must be .*; got tuple \(1.0,\)"),
    "a dtype": ((np.dtype("float32"),), {}, "damped: x must be .*; got Float32DType"),
    "a type": ((jnp.float32,), {}, "damped: x must be .*; got"),
    "an object": ((Thing(),), {}, "damped: x must be .*; got Thing a thing"),
    "strings": ((np.array(["a"]),), {}, "damped: x .*; got an array of dtype <U1"),
    "objects": ((np.array([None]),), {}, "damped: x .* an array of dtype object"),
    "times": ((np.array(["2020-01-01"], "M8[D]"),), {}, "damped: x .* dtype datetime"),
    "a key": ((jax.random.key(0),), {}, "damped: x .* an array of dtype key"),
    "complex": ((1j,), {}, "damped: x must be .* real dtype; got complex 1j"),
    "complexes": ((np.ones(2, "complex64"),), {}, "damped: x .* dtype complex64"),
    "missing": ((), {}, r"damped: missing a required argument: 'x'; it is called as "
                r"damped\(x, alpha=0.5\)(\n|$)"),
    "unknown": ((1.0,), {"beta": 2}, r"damped: got an unexpected keyword argument "
                r"'beta'; it is called as damped\(x, alpha=0.5\)(\n|$)"),
    "too many": ((1.0, 2.0, 3.0), {}, "damped: too many positional arguments; it is"),
    "twice": ((1.0,), {"x": 2.0}, "damped: multiple values for argument 'x'; it is"),
    "shapes": ((np.ones(3), np.ones(4)), {}, "damped: the shapes do not broadcast: "
               r"x \(3,\), alpha \(4,\)(\n|$)"),
    "dtypes": ((jnp.float32(1), jnp.bfloat16(1)), {}, "damped: Input dtypes .*bfloat"),
}  # fmt: skip


@pytest.mark.parametrize("case", CALLS)
def test_errors_of_a_call(case):
    args, kwargs, message = CALLS[case]
    with pytest.raises(TypeError, match=r"^" + message):
        damped(*args, **kwargs)


TRACED = ["complexes", "missing", "unknown", "too many", "shapes", "dtypes"]


@pytest.mark.parametrize("case", TRACED)
@pytest.mark.parametrize("transform", ["jit", "grad", "vmap"])
def test_errors_under_a_transformation(case, transform):
    args, kwargs, message = CALLS[case]

    def inner(v):
        return jnp.sum(damped(*(v * jnp.asarray(a) for a in args), **kwargs).real)

    def outer(v):
        return jnp.sum(damped(*args, **kwargs).real) * v

    through = {"jit": jax.jit, "grad": jax.grad, "vmap": jax.vmap}[transform]
    one = jnp.ones((1,) if transform == "vmap" else ())
    with (
        jax.numpy_dtype_promotion("strict" if case == "dtypes" else "standard"),
        pytest.raises(TypeError, match=r"^" + message),
    ):
        through(outer)(one)
    if case == "dtypes":
        return
    with (
        jax.numpy_dtype_promotion("standard"),
        pytest.raises(TypeError, match=r"^" + message),
    ):
        through(inner)(one)


@pytest.mark.parametrize("transform", [jax.jit, jax.grad])
def test_errors_of_transformed_activations(transform):
    with pytest.raises(TypeError, match=r"^damped: the shapes do not broadcast"):
        transform(damped)(np.ones(3), np.ones(4))
    with pytest.raises(TypeError, match=r"^damped: got an unexpected keyword"):
        transform(damped)(1.0, beta=1.0)
    with pytest.raises(TypeError, match=r"^damped: x must be .* got list \["):
        transform(damped)([1.0])


def test_options_must_be_plain_values():
    two: Any = [2]
    array: Any = jnp.int32(2)
    message = r"^powered: n is an option, fixed when compiled; got {}, expected a plain"
    with pytest.raises(TypeError, match=message.format(r"list \[2\]")):
        powered(X, two)
    with pytest.raises(TypeError, match=message.format("an array of dtype int32")):
        powered(X, array)
    with pytest.raises(TypeError, match=message.format("an array of dtype int32")):
        jax.jit(powered)(X, 2)
    with pytest.raises(TypeError, match=message.format(r"list \[2\]")):
        jax.grad(lambda x: powered(x, two))(1.0)


def test_an_error_inside_a_kernel_is_its_own():
    @jaxact.activation
    def broken(x):
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine(\n|$)"):
        broken(1.0)


# the results of kernels


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (lambda x: jnp.sum(x), r"shape \(\); expected \(12,\), that of its arguments"),
        (lambda x: x[:3], r"shape \(3,\); expected \(12,\)"),
        (lambda x: jnp.stack([x, x]), r"shape \(2, 12\); expected \(12,\)"),
        (lambda x: np.ones(5, np.float32), r"shape \(5,\); expected \(12,\)"),
        (lambda x: x.astype(jnp.bfloat16), "dtype bfloat16; expected float32"),
        (lambda x: x > 0, "dtype bool; expected float32"),
        (lambda x: x.astype(jnp.int32), "dtype int32; expected float32"),
        (lambda x: x * jnp.complex64(1j), "dtype complex64; expected float32"),
        (lambda x: None, "NoneType None; expected an array"),
        (lambda x: [x], "list .*; expected an array"),
    ],
)
def test_errors_about_the_result_of_a_kernel(kernel, message):
    def make(*kernels):
        @jaxact.activation
        def f(x):
            return jnp.sin(x)

        for order, k in enumerate(kernels, 1):
            jaxact.derivative_of(f, order=order)(k)
        return f

    kernel.__name__ = "f_d"
    x = jnp.asarray(X)
    first, second = make(kernel), make(lambda x: jnp.cos(x), kernel)
    loss = lambda f: lambda x: jnp.sum(f(x))  # noqa: E731
    with jax.numpy_dtype_promotion("standard"):
        close(first(x), np.sin(X))
        for run in (lambda f: f, jax.jit):
            with pytest.raises(TypeError, match=r"^f: f_d returned " + message):
                run(jax.grad(loss(first)))(x)
        with pytest.raises(TypeError, match=r"^f: f_d returned " + message):
            jax.hessian(loss(second))(x)
        close(jax.grad(loss(second))(x), np.cos(X))
        kernel.__name__ = "value"
        with pytest.raises(TypeError, match=r"^value: value returned " + message):
            jaxact.activation(kernel)(x)


def test_errors_about_the_result_of_a_pushforward():
    @jaxact.activation
    def total(x):
        return x / jnp.sum(x)

    @jaxact.pushforward_of(total)
    def push(t):
        return jnp.sum(t)

    message = r"^total: push returned shape \(\); expected \(12,\), that of the output"
    with pytest.raises(TypeError, match=message):
        jax.jvp(total, (jnp.asarray(X),), (jnp.asarray(X),))


# at the definition


def error(message, kind: type[Exception] = TypeError):
    return pytest.raises(kind, match=r"^" + re.escape(message))


def test_errors_of_a_signature():
    def f(z, alpha: Any = 1.0):
        return z

    def none():
        return 1

    with error("activation: f(z, alpha=1.0): the first argument must be x"):
        jaxact.activation(f)  # pyright: ignore[reportArgumentType]
    with error("activation: none(): the first argument must be x"):
        jaxact.activation(none)  # pyright: ignore[reportArgumentType]
    for signature in ("x, *args", "x, **kwargs", "x, /"):
        scope: dict[str, Any] = {}
        exec(f"def f({signature}): return x", scope)
        with error(f"activation: f({signature}): *args, **kwargs and positional-only"):
            jaxact.activation(scope["f"])

    def reads_y(x, y=1.0):
        return x

    def reads_t(x, t=1.0):
        return x

    with error("activation: reads_y(x, y=1.0): 'y' is what a derivative calls the out"):
        jaxact.activation(reads_y)
    with error("activation: reads_t(x, t=1.0): 't' is what a derivative calls the tan"):
        jaxact.activation(reads_t)
    number: Any = 3
    with error("activation: expected a function, got 3"):
        jaxact.activation(number)


def test_errors_of_facts():
    def f(x, alpha: Any = 1.0, odd: bool = False):
        return x

    with error("activation: f: domain of unknown ['beta']"):
        jaxact.activation(domain={"x": (0.0, 1.0), "beta": (0.0, 1.0)})(f)
    with error("activation: f: domain of unknown ['odd']"):
        jaxact.activation(domain={"odd": (0.0, 1.0)})(f)
    with error("activation: f: kinks of unknown ['beta']"):
        jaxact.activation(kinks=lambda beta: (beta,))(f)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x +", "the formula 'x +' does not parse"),
        ("x if x > 0", "the formula 'x if x > 0' does not parse"),
        ("gamma * x", "the formula 'gamma * x' names 'gamma'; it may name x, alpha"),
        ("lgamma(x)", "the formula 'lgamma(x)' calls 'lgamma'; it may call abs"),
        ("x ** alpha", "the formula 'x ** alpha' has a power whose exponent"),
        ("'x'", "the formula \"'x'\" has the literal 'x', which is not a number"),
    ],
)
def test_errors_of_a_formula_line(line, message):
    def wrong(x, alpha: Any = 1.0):
        return x

    wrong.__doc__ = f"Wrong.\n\n    wrong(x, alpha) = {line}\n"
    with error(f"wrong: {message}", ValueError):
        jaxact.activation(wrong)


def test_errors_of_the_variables_of_a_formula_line():
    def wrong(x):
        """wrong(x, beta) = beta * x"""
        return x

    with error("wrong: the formula line 'wrong(x, beta) = beta * x' takes beta; the f",
               ValueError):  # fmt: skip
        jaxact.activation(wrong)


@pytest.fixture
def fresh():
    @jaxact.activation
    def fresh(x, alpha: Any = 1.0, odd: bool = False):
        return alpha * jnp.sin(x)

    return fresh


def test_errors_of_functions_that_are_not_activations():
    for verb in (jaxact.derivative_of, jaxact.pushforward_of, jaxact.definition_of):
        name = verb.__name__
        told = (
            f" is not an activation; write @{name}(f), where f is decorated with @act"
        )
        with error(f"{name}: 'tanh'{told}"):
            verb(jnp.tanh)
        with error(f"{name}: 'slope'{told}"):

            @verb
            def slope(x): ...


def test_errors_of_a_derivative(fresh):
    def cos(x):
        return jnp.cos(x)

    for wrt in ("beta", "odd", "y"):
        told = f"wrt={wrt!r} is not a variable of fresh; it has x, alpha"
        with error(f"derivative_of(fresh): {told}", ValueError):
            jaxact.derivative_of(fresh, wrt=wrt)
    orders: Any = (0, -1, True, 1.5, "1")
    for order in orders:
        with error(f"derivative_of(fresh): order={order!r} must be 1, 2, ", ValueError):
            jaxact.derivative_of(fresh, order=order)
    with error("derivative_of(fresh): order 2 needs order 1 first", ValueError):
        jaxact.derivative_of(fresh, order=2)
    with error("derivative_of(fresh): order 2 needs order 1 first", ValueError):
        jaxact.derivative_of(fresh, wrt="alpha", order=2)
    with error("derivative_of(fresh, order=1): <lambda> reads 'z'; a kernel may read "
               "alpha, odd, x, y"):  # fmt: skip
        jaxact.derivative_of(fresh)(lambda x, z: x)
    with error("derivative_of(fresh, order=1): <lambda> reads 't'; a kernel may read"):
        jaxact.derivative_of(fresh)(lambda x, t: x)
    jaxact.derivative_of(fresh)(cos)
    with error("derivative_of(fresh): order 1 by x is declared already, by cos",
               ValueError):  # fmt: skip
        jaxact.derivative_of(fresh)(cos)
    with error("derivative_of(fresh, order=2): <lambda> reads 'y'; a kernel may read "
               "alpha, odd, x"):  # fmt: skip
        jaxact.derivative_of(fresh, order=2)(lambda x, y: x)
    # a refused declaration leaves no trace
    jaxact.derivative_of(fresh, order=2)(lambda x: -jnp.sin(x))
    close(nth(fresh, 2)(0.5), -jnp.sin(0.5))


def test_errors_of_an_order_after_one_that_reads_the_output(fresh):
    jaxact.derivative_of(fresh)(lambda y: y)
    with error("derivative_of(fresh): order 1 by x reads y, so JAX differentiates it",
               ValueError):  # fmt: skip
        jaxact.derivative_of(fresh, order=2)


def test_errors_of_a_pushforward(fresh):
    with error("pushforward_of(fresh): <lambda> must take t, the tangent of x"):
        jaxact.pushforward_of(fresh)(lambda x: x)
    with error("pushforward_of(fresh): <lambda> reads 'z'; a kernel may read alpha, "
               "odd, t, x, y"):  # fmt: skip
        jaxact.pushforward_of(fresh)(lambda t, z: t)
    jaxact.pushforward_of(fresh)(lambda t, x: t * jnp.cos(x))
    with error("pushforward_of(fresh): it has a rule already", ValueError):
        jaxact.pushforward_of(fresh)(lambda t: t)
    with error("derivative_of(fresh): it has a pushforward already", ValueError):
        jaxact.derivative_of(fresh)
    with error("pushforward_of(bent): it has a rule already", ValueError):
        jaxact.pushforward_of(bent)(lambda t: t)


def test_errors_of_a_definition(fresh):
    with error("definition_of(fresh): <lambda> must take x, alpha, odd"):
        jaxact.definition_of(fresh)(lambda x, beta: x)
    jaxact.definition_of(fresh)(lambda x, alpha, odd: alpha * jnp.sin(x))
    with error("definition_of(fresh): it is defined already", ValueError):
        jaxact.definition_of(fresh)(lambda x, alpha, odd: x)
    with error("definition_of(bent): it is defined already", ValueError):
        jaxact.definition_of(bent)(lambda x: x)
