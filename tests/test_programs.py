"""Activations in other people's programs: Pallas kernels, new remat, export, checks."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import chex
import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import checkify, pallas as pl
from jax.experimental.pallas import triton

import jaxact
from jaxact import catalogue
from jaxact.testing._measure import residual_bytes

NAMES = [n for n in catalogue.defined() if catalogue.info(n).elementwise]
ALL = catalogue.defined()
# a sum of polynomials whose coefficients are arrays, which a kernel wants as inputs
TAKES_ARRAYS = tuple(n for n in ALL if catalogue.info(n).examples)
IN_KERNELS = [n for n in NAMES if n not in TAKES_ARRAYS]
CONFIG: Any = jax.config  # type checkers do not know its flags
X = np.linspace(-3, 3, 32, dtype=np.float32).reshape(4, 8)


def call_of(name: str) -> tuple[Any, int]:
    """The function of arrays alone, and how many it takes."""
    definition = catalogue.info(name)
    if fixed := definition.examples:
        fixed = {n: np.asarray(v, np.float32) for n, v in fixed.items()}
        return functools.partial(definition.function, **fixed), 1
    return definition.function, 1 + len(definition.required)


# --- in a kernel --------------------------------------------------------------------


@contextlib.contextmanager
def device(platform: str) -> Iterator[None]:
    """As if a device of the platform were there: newer versions ask for its kind."""
    if not hasattr(jax.sharding, "AbstractDevice"):
        yield
        return
    kind = {"tpu": ("TPU v5e", 1, "tpu"), "cuda": ("NVIDIA H100 80GB HBM3", 1, "gpu")}
    here = jax.sharding.AbstractDevice(*kind[platform])
    mesh = jax.sharding.AbstractMesh((), (), abstract_device=here)
    with jax.sharding.use_abstract_mesh(mesh):
        yield


def lower(f: Any, count: int, platform: str, dtype: Any, backward: bool) -> None:
    """Lower a kernel that holds f, or its value and pullback, for a platform."""

    def kernel(*refs: Any) -> None:
        *inputs, out = refs
        values = [ref[...] for ref in inputs]
        if backward:
            y, pull = jax.vjp(f, *values)
            out[...] = y + sum(pull(y))
        else:
            out[...] = f(*values)

    shape = jax.ShapeDtypeStruct((8, 128), dtype)
    options: Any = {}
    if platform == "cuda":
        options["compiler_params"] = triton.CompilerParams()
    call = pl.pallas_call(kernel, out_shape=shape, **options)
    with device(platform):
        jax.jit(call).trace(*[shape] * count).lower(lowering_platforms=(platform,))


def not_there(platform: str, name: str) -> str | None:
    """The reason why a function has no lowering, or None if it has one."""
    if (platform, name) == ("tpu", "arctan"):
        return "Unimplemented primitive.*: atan"
    return None


@pytest.mark.filterwarnings("ignore:The Pallas Triton backend:DeprecationWarning")
@pytest.mark.slow
@pytest.mark.parametrize("platform", ["tpu", "cuda"])
@pytest.mark.parametrize("name", IN_KERNELS)
def test_lowers_inside_a_pallas_kernel(name, platform):
    f, count = call_of(name)
    if problem := not_there(platform, name):
        with pytest.raises(Exception, match=problem):
            lower(f, count, platform, jnp.float32, False)
        return
    for backward in (False, True):
        lower(f, count, platform, jnp.float32, backward)


@jaxact.activation(kinks={-1.0: 0.5})
def written(x: Any) -> Any:
    """Of its formula alone, with a slope chosen at the kink.

    written(x) = x * tanh(log(1 + exp(x))) if x > -1 else expm1(x) * erf(x)
    """
    ...


@pytest.mark.filterwarnings("ignore:The Pallas Triton backend:DeprecationWarning")
@pytest.mark.parametrize("platform", ["tpu", "cuda"])
def test_a_formula_alone_lowers_inside_a_pallas_kernel(platform):
    for backward in (False, True):
        lower(written, 1, platform, jnp.float32, backward)


@pytest.mark.parametrize("name", ["relu", "elu", "silu", "gelu_exact", "swiglu"])
def test_half_precisions_and_numbers_in_a_pallas_kernel(name):
    f, count = call_of(name)
    for backward in (False, True):
        lower(f, count, "tpu", jnp.bfloat16, backward)
        if name == "elu":
            given = functools.partial(f, alpha=0.5)
            lower(given, count, "tpu", jnp.float32, backward)
            lower(lambda x: jaxact.leaky_relu(x, 0.2), 1, "tpu", jnp.float32, backward)


def test_a_kernel_computes_the_same_as_the_function():
    def kernel(x, y, dx):
        value, pull = jax.vjp(jaxact.gelu_tanh, x[...])
        y[...] = value
        (dx[...],) = pull(jnp.ones_like(value))

    shape = jax.ShapeDtypeStruct(X.shape, jnp.float32)
    call = pl.pallas_call(kernel, out_shape=[shape, shape], interpret=True)
    got = call(jnp.asarray(X))
    wanted = jaxact.value_and_derivative(jaxact.gelu_tanh)(X)
    chex.assert_trees_all_close(tuple(got), wanted, rtol=1e-6)


def test_a_number_counts_in_a_program_as_it_does_outside():
    inputs: Any = (X, X.astype(jnp.bfloat16), np.arange(-3, 3, dtype=np.int32), 0.5)
    for a in (2, 2.0, -0.0, 0.0):
        for x in inputs:
            for f in (jaxact.leaky_relu, jaxact.elu, jaxact.hard_tanh):
                with jax.numpy_dtype_promotion("standard"):
                    outside, inside = f(x, a), jax.jit(lambda x, f=f, a=a: f(x, a))(x)
                    assert inside.dtype == outside.dtype
                    assert inside.weak_type == outside.weak_type
                    chex.assert_trees_all_equal(inside, outside)
    zeros = [jax.jit(lambda x, a=a: jaxact.leaky_relu(x, a))(-1.0) for a in (0.0, -0.0)]
    assert [np.signbit(z) for z in zeros] == [True, False]


# --- what is kept, by either way to rematerialize ------------------------------------


@pytest.fixture(params=[False, True], ids=["remat", "remat3"])
def remat3(request):
    before = CONFIG.jax_remat3
    jax.config.update("jax_remat3", request.param)
    yield request.param
    jax.config.update("jax_remat3", before)


def test_keeps_one_array_and_has_the_same_gradients(remat3):
    for name in ("relu", "elu", "gelu_tanh", "mish", "softmax", "b_silu"):
        f = catalogue.get(name)
        assert residual_bytes(f) == 4, name
        assert residual_bytes(f, "bfloat16") == 2, name

        def loss(x, f=f):
            y = jax.checkpoint(lambda v: f(jnp.sin(v)))(x)
            return jnp.sum(jnp.cos(y))

        forward = jax.jit(jax.jacfwd(loss))(X)
        chex.assert_trees_all_close(jax.jit(jax.grad(loss))(X), forward, atol=2e-6)
        row = X[1]
        chex.assert_trees_all_close(
            jax.jit(jax.hessian(loss))(row), jax.jit(jax.jacrev(jax.grad(loss)))(row),
            atol=1e-5,
        )  # fmt: skip


@pytest.mark.slow
def test_every_function_has_a_gradient_under_remat3():
    """In reverse mode: what cannot be transposed fails when it is traced."""
    before = CONFIG.jax_remat3
    jax.config.update("jax_remat3", True)
    try:
        for name in NAMES:
            f, count = call_of(name)
            loss = lambda *a, f=f: jnp.sum(jnp.sin(f(*a)))  # noqa: E731
            jax.jit(jax.grad(loss)).trace(*[jnp.asarray(X)] * count)
    finally:
        jax.config.update("jax_remat3", before)


def test_a_constant_operand_is_not_kept_in_a_scan():
    def scanned(x, value):
        layer = lambda c, _: (jaxact.swiglu(c, value), None)  # noqa: E731
        return jax.lax.scan(layer, x, None, length=3)[0]

    def sloped(x):
        layer = lambda c, _: (jaxact.leaky_relu(c, 0.2), None)  # noqa: E731
        return jax.lax.scan(layer, x, None, length=3)[0]

    def kept(f, x):
        leaves = jax.tree.leaves(jax.vjp(f, x)[1])
        return sorted(leaf.shape for leaf in leaves if leaf.ndim > 1)

    x = jnp.asarray(X)
    constant = jnp.asarray(X + 1)
    # the gate of every layer and the constant itself, but not its tangent, which is 0
    assert kept(lambda x: scanned(x, constant), x) == [(3, 4, 8), (4, 8)]
    assert kept(sloped, x) == [(3, 4, 8)]


def test_forward_mode_of_a_constant_operand_whose_slope_overflows():
    x = jnp.asarray([1e30, 2.0], jnp.float32)
    value = jnp.asarray([0.0, 3.0], jnp.float32)
    _, along = jax.jvp(lambda x: jaxact.sreglu(x, value), (x,), (jnp.ones(2),))
    chex.assert_trees_all_close(along, jnp.asarray([0.0, 12.0]))
    many = jax.vmap(lambda v: jax.jvp(lambda x: jaxact.sreglu(x, v), (x,), (x,))[1])
    assert jnp.isfinite(many(value[:1])[0]).all()


# --- exported, checked ----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_exports_with_symbolic_sizes(name):
    f, count = call_of(name)
    shape = jax.export.symbolic_shape("b, n")
    like = jax.ShapeDtypeStruct(shape, jnp.float32)
    exported = jax.export.export(jax.jit(f))(*[like] * count)
    if name in ("gelu_tanh", "swiglu", "b_spline", "rational"):
        args = [jnp.asarray(X)] * count
        chex.assert_trees_all_close(exported.call(*args), f(*args), rtol=1e-6)
        y, pull = jax.vjp(f, *args)
        slopes = exported.vjp().call(*args, y)
        chex.assert_trees_all_close(slopes, tuple(pull(y)), rtol=1e-5)


def test_checkify_finds_nothing():
    checked = checkify.checkify(jax.grad(jaxact.gelu_tanh), checkify.float_checks)
    error, slope = jax.jit(checked)(-2.0)
    error.throw()
    chex.assert_trees_all_close(slope, jax.grad(jaxact.gelu_tanh)(-2.0), rtol=1e-6)


def test_forward_mode_twice_batches_arrays_that_do_not_move():
    x = jnp.asarray(X[0])
    for name in ("gelu_tanh", "lecun_tanh", "b_silu", "softmax"):
        f = catalogue.get(name)
        ahead = jax.jacfwd(jax.jacfwd(f))(x)
        chex.assert_trees_all_close(ahead, jax.jacrev(jax.jacrev(f))(x), atol=1e-6)
