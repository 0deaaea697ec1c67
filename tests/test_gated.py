"""Gated linear units: two operands, packed in one array, and as models publish them."""

import functools
import inspect
import math
import pickle
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxact as package
from jaxact import catalogue
from jaxact._cli._timing import instructions
from jaxact.testing import assert_accurate, assert_derivatives, oracle, points
from jaxact.testing._bounds import allowed_ulp
from jaxact.testing._measure import with_flushed
from jaxact.testing._ulp import as_float64, ulp_error, unit_error

jaxact: Any = package  # numbers count as arrays
packed = jaxact.packed

GATES = {  # each unit, with the activation of its gate where it is one of ours
    "bilinear": "identity",
    "reglu": "relu",
    "sreglu": None,
    "fatreglu": None,
    "sigmoid_glu": "sigmoid",
    "swiglu": "silu",
    "geglu_tanh": "gelu_tanh",
    "geglu_exact": "gelu_exact",
    "qgeglu": "quick_gelu",
    "swiglu_oai": None,
    "swiglu_clamped": None,
    "swiglu_clamped_after": None,
}
CLAMPED = [n for n in GATES if "limit" in catalogue.info(n).parameters]
LAYOUTS = ("gate first", "gate last", "interleaved")
X = jnp.asarray([-8.5, -7.0, -3.0, -0.6, 0.0, 0.4, 1.5, 6.75, 7.0, 7.005, 7.5, 20])
VALUE = jnp.asarray([0.3, -2.5, 8.0, -9.0, 7.0, -7.0, 1.0, -1.0, 0.0, 5.0, -3.0, 2.0])


def test_all_gated_units_are_here():
    families = ("gated_units", "gated_units_piecewise", "gated_units_clamped")
    assert sorted(GATES) == sorted(n for f in families for n in catalogue.defined(f))


# --- accuracy ---------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        *((v, d) for v in (0.3, -2.5, 1e3) for d in ("float32", "float64")),
        *((-2.5, d) for d in ("bfloat16", "float16")),  # all their numbers
    ],
)
@pytest.mark.parametrize("name", GATES)
def test_accurate_for_any_value(name, value, dtype):
    f = getattr(jaxact, name)
    with jax.enable_x64(dtype == "float64"):
        assert_accurate(f, allowed_ulp(f, dtype, 0), [dtype], count=2**12, value=value)


@pytest.mark.parametrize("name", ["swiglu", "sigmoid_glu", "geglu_tanh", "geglu_exact"])
@pytest.mark.parametrize("value", [1e-30, -1e30])
def test_a_faint_gate_times_a_huge_value_is_a_number(name, value):
    f = getattr(jaxact, name)
    at = jnp.linspace(-150, 5, 400)
    for order in (0, 1, 2):
        g = jaxact.derivative(f, order) if order else f
        exact = oracle(f, at, order, value=value)
        usual = np.abs(exact.high / value) > 1e-37  # smaller ones count as 0
        assert 30 < usual.sum() < 300
        got = np.asarray(g(at, value))
        assert unit_error(got, exact)[usual].max() <= 4
        assert (np.abs(got[~usual]) <= np.abs(value) * 1e-37).all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", GATES)
def test_nothing_finite_gives_nan(name, dtype):
    f = getattr(jaxact, name)
    at = points(dtype, count=2**10)
    at = jnp.asarray(at[np.isfinite(as_float64(at))][::5])
    first = jax.jit(jax.vmap(jax.value_and_grad(f, (0, 1)), (0, None)))
    by_x, by_value = (jaxact.derivative(f, 2, wrt) for wrt in ("x", "value"))
    tiny, large = jnp.finfo(dtype).smallest_normal, jnp.finfo(dtype).max
    for value in (0.0, 1.0, -3e4, tiny, large):
        value = jnp.asarray(value, dtype)
        second = by_x(at, value), by_value(at, value)
        for leaf in jax.tree.leaves((first(at, value), second)):
            assert not jnp.isnan(leaf).any(), float(value)


def test_nothing_overflows_on_the_way():
    largest = jnp.finfo(jnp.float32).max
    y = jaxact.swiglu(jnp.asarray([1.1, 0.5, -1.0, -30.0]), largest)
    assert jnp.isfinite(y).all()
    assert jnp.isfinite(jaxact.geglu_exact(1.1, 3.2e38))
    exact = oracle(
        jaxact.swiglu, np.array([1.1, -30], np.float32), value=float(largest)
    )
    assert ulp_error(np.asarray(y[jnp.asarray([0, 3])]), exact).max() <= 4
    # and a value of the smallest normal numbers does not vanish
    least = 1.5 * float(jnp.finfo(jnp.float32).smallest_normal)
    assert jaxact.swiglu(5.0, least) == pytest.approx(5 * least / (1 + np.exp(-5)))
    assert jaxact.swiglu(least, 1e3) == pytest.approx(500 * least)


def test_infinities_are_those_of_a_product():
    inf = jnp.inf
    for f in (jaxact.swiglu, jaxact.geglu, jaxact.sigmoid_glu):
        assert f(3.0, inf) == inf and f(3.0, -inf) == -inf
        assert f(-inf, 2.0) == 0 and jnp.isnan(f(-inf, inf))
        assert jnp.isnan(f(jnp.nan, 2.0)) and jnp.isnan(f(-9.0, jnp.nan))
    assert jaxact.swiglu(inf, -2.0) == -inf and jnp.isnan(jaxact.swiglu(0.0, inf))
    assert jaxact.derivative(jaxact.swiglu)(5.0, inf) == inf


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", [n for n, gate in GATES.items() if gate])
def test_mixed_derivatives_are_the_slope_of_the_gate(name, dtype):
    f, gate = getattr(jaxact, name), getattr(jaxact, GATES[name])
    at = points(dtype, count=2**11)
    rows = with_flushed(at, dtype)
    value = jnp.asarray(0.75, dtype)
    for one, other in ((0, 1), (1, 0)):
        mixed = jax.jit(jax.vmap(jax.grad(jax.grad(f, one), other), (0, None)))
        got = np.asarray(mixed(jnp.asarray(at), value))
        exact = oracle(gate, rows, 1, dtype=dtype)
        error = np.min([ulp_error(got, exact[i]) for i in range(len(rows))], 0)
        assert error[~np.isnan(as_float64(at))].max() <= allowed_ulp(f, dtype, 1)


@pytest.mark.parametrize("name", [n for n, gate in GATES.items() if not gate])
def test_mixed_derivatives_are_those_of_the_formula(name):
    f, definition = getattr(jaxact, name), catalogue.info(name)
    usual = {n: definition.default(n) for n in definition.parameters if n != "value"}
    assert definition.reference is not None
    plain = functools.partial(definition.reference, **usual)
    x, value = X[:6] + 0.01, VALUE[6:] / 2  # of either side of the kinks
    for one, other in ((0, 1), (1, 0)):
        got, wanted = (
            jax.vmap(jax.grad(jax.grad(g, one), other))(x, value) for g in (f, plain)
        )
        assert jnp.any(wanted != 0)
        chex.assert_trees_all_close(got, wanted, rtol=1e-5, atol=1e-6)


# --- derivatives and kept arrays ----------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("value", [-9.0, 8.0])
@pytest.mark.parametrize("name", CLAMPED)
def test_derivatives_beyond_the_clamp_of_the_value(name, value):
    assert_derivatives(getattr(jaxact, name), value=value)


@pytest.mark.parametrize("name", CLAMPED)
def test_at_a_limit_the_slope_is_that_from_inside(name):
    f = getattr(jaxact, name)
    dx, dvalue = jaxact.derivative(f), jaxact.derivative(f, wrt="value")
    by_x = dx(jnp.asarray([7.0, np.nextafter(np.float32(7), 8), 7.5]), 2.0)
    if name == "swiglu_clamped_after":  # silu(7) is below 7
        assert by_x[0] > 2 and by_x[1] > 2 and by_x[2] == 0
        # silu(7.006328) < 7 < silu(7.0063286), by the formula
        root = np.array([7.006328, 7.0063286], np.float32)
        told = np.asarray(root, np.float64) / (1 + np.exp(-np.float64(root))) <= 7
        chex.assert_trees_all_equal(dx(root, 2.0) > 0, told)
    else:
        assert by_x[0] > 2 and by_x[1] == 0 and by_x[2] == 0
    by_value = dvalue(2.0, jnp.asarray([-7.1, -7.0, 0.0, 7.0, 7.1]))
    chex.assert_trees_all_equal(by_value != 0, jnp.asarray([0, 1, 1, 1, 0], bool))


def test_slopes_at_the_kinks_of_the_rectified():
    for f in (jaxact.reglu, jaxact.sreglu, jaxact.fatreglu):
        assert jaxact.derivative(f)(0.0, 3.0) == 0
        assert jaxact.derivative(f, 2)(0.0, 3.0) == 0
    assert jaxact.derivative(jaxact.sreglu, 2)(1.0, 3.0) == 6
    assert jaxact.fatreglu(0.5, 3.0, 0.5) == 0 and jaxact.fatreglu(0.6, 3.0, 0.5) > 1
    assert jaxact.fatreglu(-0.5, 3.0, -1.0) == -1.5
    assert jax.grad(jaxact.reglu, 1)(0.0, 2.0) == 0
    assert jax.grad(jax.grad(jaxact.reglu, 1), 0)(0.0, 2.0) == 0


def kept(f, *operands):
    """The arrays that the pullback holds."""
    leaves = jax.tree.leaves(jax.vjp(f, *operands)[1])
    return [leaf for leaf in leaves if jnp.size(leaf) > 1]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", GATES)
def test_keeps_its_operands_and_nothing_else(name, dtype):
    f = getattr(jaxact, name)
    x = jnp.linspace(-3, 3, 24).astype(dtype).reshape(4, 6)
    value = jnp.linspace(2, -1, 24).astype(dtype).reshape(4, 6)
    both = kept(f, x, value)
    assert len(both) == 2
    assert {leaf.unsafe_buffer_pointer() for leaf in both} == {
        x.unsafe_buffer_pointer(),
        value.unsafe_buffer_pointer(),
    }
    reads_x = name != "bilinear"
    of_x = kept(lambda x: f(x, value), x)
    wanted = [x, value] if reads_x else [value]
    assert len(of_x) == len(wanted)
    of_value = kept(lambda value: f(x, value), value)
    if name in CLAMPED:  # whether it is clamped counts too
        assert len(of_value) == 2
    else:
        (leaf,) = of_value
        chex.assert_trees_all_equal(leaf, x)


def test_operands_broadcast_and_train():
    x, value = jnp.linspace(-2, 2, 12).reshape(3, 4), jnp.asarray([1.0, -2, 3, 0.5])
    beta = jnp.asarray([0.5, 1, 2, 4])
    with jax.numpy_rank_promotion("allow"):
        got = jax.grad(lambda *a: jaxact.swiglu(*a).sum(), (0, 1, 2))(x, value, beta)
        plain = lambda x, v, b: (v * x / (1 + jnp.exp(-b * x))).sum()  # noqa: E731
        wanted = jax.grad(plain, (0, 1, 2))(x, value, beta)
    chex.assert_trees_all_close(got, wanted, rtol=1e-5)


def test_a_scanned_block_has_the_gradients_of_the_formula():
    key = jax.random.key(0)
    weights = 0.3 * jax.random.normal(key, (3, 3, 8, 8))

    def step(unit):
        def layer(h, w):
            return h + unit(h @ w[0], h @ w[1]) @ w[2], None

        def loss(weights, h):
            return jnp.mean(jax.lax.scan(layer, h, weights)[0] ** 2)

        return jax.jit(jax.value_and_grad(loss, (0, 1)))(weights, jnp.ones((4, 8)))

    plain = step(lambda gate, up: jax.nn.silu(gate) * up)
    chex.assert_trees_all_close(step(jaxact.swiglu), plain, rtol=1e-5, atol=1e-6)
    checkpointed = step(jax.checkpoint(jaxact.swiglu))
    chex.assert_trees_all_close(checkpointed, plain, rtol=1e-5, atol=1e-6)


# --- as models publish them, in plain numpy ---------------------------------------


def np_sigmoid(x):
    return 1 / (1 + np.exp(-x))


def np_silu(x):
    return x * np_sigmoid(x)


def np_gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def np_erf(x):
    return np.vectorize(math.erf)(x)


def gpt_oss(x):
    # openai/gpt-oss, torch/model.py, swiglu(x, alpha=1.702, limit=7.0)
    x_glu, x_linear = x[..., ::2], x[..., 1::2]
    x_glu = np.clip(x_glu, None, 7.0)
    x_linear = np.clip(x_linear, -7.0, 7.0)
    out_glu = x_glu * np_sigmoid(1.702 * x_glu)
    return out_glu * (x_linear + 1)


def deepseek_v4(x):
    # transformers, DeepSeek-V4 experts (as GLM and HY-V4): the clamps, then silu
    gate, up = np.split(x, 2, -1)
    gate = np.clip(gate, None, 7.0)
    up = np.clip(up, -7.0, 7.0)
    return np_silu(gate) * up


def step_3_5(x):
    # vLLM, swiglustep_and_mul of Step-3.5: silu, then the clamps
    gate, up = np.split(x, 2, -1)
    return np.minimum(np_silu(gate), 7.0) * np.clip(up, -7.0, 7.0)


def llama(x):
    # transformers, LlamaMLP: act_fn(gate_proj(x)) * up_proj(x); vLLM's SiluAndMul on
    # gate_up_proj; Phi-3 chunks its gate_up_proj alike
    gate, up = np.split(x, 2, -1)
    return np_silu(gate) * up


def timm_glu_mlp(x):
    # timm, GluMlp(act_layer=nn.Sigmoid, gate_last=True): x1 * act(x2)
    x1, x2 = np.split(x, 2, -1)
    return x1 * np_sigmoid(x2)


def gemma(x):
    # transformers, GemmaMLP: gelu_pytorch_tanh(gate_proj(x)) * up_proj(x)
    gate, up = np.split(x, 2, -1)
    return np_gelu_tanh(gate) * up


def t5_v1_1(x):
    # transformers, T5DenseGatedActDense: gelu_new(wi_0(x)) * wi_1(x)
    gate, linear = np.split(x, 2, -1)
    inner = np.sqrt(2.0 / np.pi) * (gate + 0.044715 * gate**3)
    return 0.5 * gate * (1.0 + np.tanh(inner)) * linear


def diffusers_geglu(x):
    # diffusers, GEGLU: hidden_states, gate = proj(x).chunk(2); hidden_states * gelu
    hidden, gate = np.split(x, 2, -1)
    return hidden * gate * 0.5 * (1 + np_erf(gate / np.sqrt(2)))


def ggml_geglu_quick(x):
    # ggml, GGML_GLU_OP_GEGLU_QUICK: x * (1 / (1 + exp(-1.702 x))) * g
    gate, up = np.split(x, 2, -1)
    return gate * np_sigmoid(1.702 * gate) * up


def minicpm_s(x):
    # vLLM, FatreluAndMul(threshold): F.threshold(x1, threshold, 0.0) * x2
    x1, x2 = np.split(x, 2, -1)
    return np.where(x1 > 0.01, x1, 0.0) * x2


def te_srelu(x):
    # TransformerEngine, ("squared_relu", "linear"): the gate is the first
    gate, linear = np.split(x, 2, -1)
    return np.maximum(gate, 0) ** 2 * linear


PUBLISHED = {
    gpt_oss: packed(jaxact.swiglu_oai, "interleaved"),
    deepseek_v4: packed(jaxact.swiglu_clamped, "gate first"),
    step_3_5: packed(jaxact.swiglu_clamped_after, "gate first"),
    llama: packed(jaxact.swiglu, "gate first"),
    timm_glu_mlp: jaxact.glu,
    gemma: packed(jaxact.geglu, "gate first"),
    t5_v1_1: packed(jaxact.geglu_tanh, "gate first"),
    diffusers_geglu: packed(
        functools.partial(jaxact.geglu, approximate=False), "gate last"
    ),
    ggml_geglu_quick: packed(jaxact.qgeglu, "gate first"),
    minicpm_s: functools.partial(packed(jaxact.fatreglu, "gate first"), threshold=0.01),
    te_srelu: packed(jaxact.sreglu, "gate first"),
}
BATCH = np.float32(np.random.default_rng(0).normal(0, 4, (64, 16)))


@pytest.mark.parametrize("theirs", PUBLISHED, ids=lambda f: f.__name__)
def test_the_forward_of_a_model(theirs):
    ours = PUBLISHED[theirs]
    assert np.any(np.abs(BATCH) > 7)
    got = np.asarray(ours(jnp.asarray(BATCH)), np.float64)
    wanted = theirs(np.float64(BATCH))
    np.testing.assert_allclose(got, wanted, rtol=4e-7, atol=1e-12)
    half = jnp.asarray(BATCH, jnp.bfloat16)
    got, wanted = ours(half), theirs(np.asarray(half, np.float64))
    assert got.dtype == jnp.bfloat16
    got = np.asarray(got, np.float64)
    np.testing.assert_allclose(got, wanted, rtol=0.51 * 2**-7, atol=1e-12)


@pytest.mark.parametrize("theirs", PUBLISHED, ids=lambda f: f.__name__)
def test_the_gradient_of_a_model(theirs):
    ours = PUBLISHED[theirs]
    # the published forward with jnp for np, differentiated by JAX itself
    functions = (np_sigmoid, np_silu, np_gelu_tanh)
    sources = [inspect.getsource(f) for f in (*functions, theirs)]
    names = {"np": jnp, "np_erf": jax.lax.erf}
    exec("\n".join(sources), names)
    plain = names[theirs.__name__]
    cotangent = jnp.asarray(np.random.default_rng(1).normal(0, 1, (64, 8)), jnp.float32)
    got = jax.vjp(ours, jnp.asarray(BATCH))[1](cotangent)[0]
    with jax.enable_x64(True):
        exact = jax.vjp(plain, jnp.asarray(BATCH, jnp.float64))[1]
        wanted = exact(jnp.asarray(cotangent, jnp.float64))[0]
    np.testing.assert_allclose(
        np.asarray(got), np.asarray(wanted), rtol=2e-6, atol=2e-6
    )


def test_modes_of_geglu():
    chex.assert_trees_all_equal(jaxact.geglu(X, VALUE), jaxact.geglu_tanh(X, VALUE))
    exact = jaxact.geglu(X, VALUE, approximate=False)
    chex.assert_trees_all_equal(exact, jaxact.geglu_exact(X, VALUE))
    assert not jnp.array_equal(exact, jaxact.geglu(X, VALUE))


# --- packed -----------------------------------------------------------------------


def halves(x, layout, axis):
    """Gate and value as numpy slices them."""
    x = np.moveaxis(np.asarray(x), axis, -1)
    n = x.shape[-1] // 2
    parts = {
        "gate first": (x[..., :n], x[..., n:]),
        "gate last": (x[..., n:], x[..., :n]),
        "interleaved": (x[..., ::2], x[..., 1::2]),
    }[layout]
    return [jnp.asarray(np.moveaxis(part, -1, axis)) for part in parts]


@pytest.mark.parametrize("axis", [-1, 0, 1, -2])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_packed_is_the_unit_of_its_parts(layout, axis):
    x = jax.random.normal(jax.random.key(2), (4, 6, 8))
    f = packed(jaxact.swiglu, layout)
    gate, value = halves(x, layout, axis)
    wanted = jaxact.swiglu(gate, value, 1.5)
    chex.assert_trees_all_equal(f(x, axis, beta=1.5), wanted)
    chex.assert_trees_all_equal(f(x, axis=axis, beta=jnp.float32(1.5)), wanted)
    got = jax.grad(lambda x: jnp.sum(jnp.sin(f(x, axis))))(x)
    dgate, dvalue = jax.grad(lambda *p: jnp.sum(jnp.sin(jaxact.swiglu(*p))), (0, 1))(
        gate, value
    )
    chex.assert_trees_all_close(halves(got, layout, axis), [dgate, dvalue], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_packed_keeps_the_operands_and_nothing_else(layout, dtype):
    x = jnp.linspace(-4, 4, 48).astype(dtype).reshape(4, 12)
    found = kept(packed(jaxact.swiglu, layout), x)
    assert sum(leaf.nbytes for leaf in found) == x.nbytes
    gate, value = halves(x, layout, -1)
    order = found if jnp.array_equal(found[0], gate) else found[::-1]
    chex.assert_trees_all_equal(order, [gate, value])


def test_packed_transforms():
    f = packed(jaxact.swiglu, "gate first")
    x = jax.random.normal(jax.random.key(3), (5, 8))
    close = functools.partial(chex.assert_trees_all_close, rtol=1e-6)
    close(jax.vmap(f)(x), f(x))
    close(jax.jit(f)(x), f(x))
    close(jax.jit(f, static_argnums=1)(x, 1), f(x))
    hessian = jax.jacfwd(jax.jacrev(f))(x[0])
    plain = jax.jacrev(jax.jacfwd(lambda x: jax.nn.silu(x[:4]) * x[4:]))(x[0])
    chex.assert_trees_all_close(hessian, plain, rtol=1e-4, atol=1e-6)
    y, pull = jax.vjp(f, x)
    pushed = jax.jvp(f, (x,), (jnp.ones_like(x),))[1]
    close(jnp.vdot(pushed, y), jnp.vdot(pull(y)[0], jnp.ones_like(x)))


def test_packed_is_a_value():
    f, again = packed(jaxact.swiglu, "gate first"), packed(jaxact.swiglu, "gate first")
    assert f == again and hash(f) == hash(again) and f is not again
    assert f != packed(jaxact.swiglu, "gate last") != packed(jaxact.geglu, "gate last")
    assert repr(f) == "packed(swiglu, 'gate first')"
    assert eval(repr(f), {"packed": packed, "swiglu": jaxact.swiglu}) == f
    loaded = pickle.loads(pickle.dumps(f))
    assert loaded == f and loaded.function is jaxact.swiglu
    with pytest.raises(AttributeError):
        f.layout = "gate last"
    traces = []

    @functools.partial(jax.jit, static_argnums=0)
    def apply(act, x):
        traces.append(act)
        return act(x)

    for act in (f, again, loaded):
        apply(act, jnp.ones(4))
    assert len(traces) == 1


def test_packed_takes_any_function():
    f = packed(lambda gate, value, scale=1: (gate - value) * scale, "interleaved")
    chex.assert_trees_all_equal(f(jnp.arange(6.0), scale=2), jnp.full(3, -2.0))


@pytest.mark.parametrize(
    ("call", "error", "complaint"),
    [
        (lambda: packed(jaxact.swiglu), TypeError, "layout"),
        (
            lambda: packed(jaxact.swiglu, "gate_first"),
            ValueError,
            "layout 'gate_first' is not one of 'gate first', 'gate last', 'inter",
        ),
        (lambda: packed("swiglu", "gate first"), TypeError, "expected a function"),
        (
            lambda: packed(jaxact.swiglu, "gate first")(jnp.ones((2, 5))),
            ValueError,
            r"packed\(swiglu, 'gate first'\): the size of axis -1 of x, of shape "
            r"\(2, 5\), is odd",
        ),
        (
            lambda: packed(jaxact.swiglu, "gate last")(jnp.ones((2, 4)), 2),
            ValueError,
            r"x of shape \(2, 4\) has no axis 2",
        ),
        (
            lambda: packed(jaxact.swiglu, "gate last")(1.0),
            ValueError,
            r"x of shape \(\) has no axis -1",
        ),
        (
            lambda: packed(jaxact.swiglu, "gate last")([1.0, 2.0]),
            TypeError,
            "x must be an array; got list",
        ),
        (
            lambda: packed(jaxact.swiglu, "gate last")(jnp.ones(4), gamma=2.0),
            TypeError,
            "swiglu: got an unexpected keyword argument 'gamma'",
        ),
        (lambda: jaxact.glu(jnp.ones(3)), ValueError, r"\(3,\), is odd"),
        (lambda: jaxact.swiglu(jnp.ones(3)), TypeError, "argument: 'value'"),
        (
            lambda: jaxact.swiglu(jnp.ones(3), jnp.ones(2)),
            TypeError,
            r"do not broadcast: x \(3,\), value \(2,\)",
        ),
    ],
)
def test_errors(call, error, complaint):
    with pytest.raises(error, match=complaint):
        call()


# --- in the place of jax.nn -------------------------------------------------------


def test_glu_is_that_of_jax_nn():
    assert str(inspect.signature(jaxact.glu)) == str(inspect.signature(jax.nn.glu)) or (
        list(inspect.signature(jaxact.glu).parameters) == ["x", "axis"]
        and inspect.signature(jaxact.glu).parameters["axis"].default == -1
    )
    x = jax.random.normal(jax.random.key(4), (4, 6))
    for axis in (-1, 0, 1):
        chex.assert_trees_all_close(jaxact.glu(x, axis), jax.nn.glu(x, axis), rtol=1e-6)
        got = jax.grad(lambda x, a=axis: jaxact.glu(x, axis=a).sum())(x)
        wanted = jax.grad(lambda x, a=axis: jax.nn.glu(x, axis=a).sum())(x)
        chex.assert_trees_all_close(got, wanted, rtol=1e-5, atol=1e-7)
    for dtype in ("bfloat16", "float16", "complex64"):
        got, wanted = jaxact.glu(x.astype(dtype)), jax.nn.glu(x.astype(dtype))
        assert got.dtype == wanted.dtype
        chex.assert_trees_all_close(
            np.asarray(got, complex), np.asarray(wanted, complex), rtol=1e-2
        )
    assert jaxact.glu(jnp.arange(4)).dtype == jnp.float32


# --- silu with beta, and its relatives ----------------------------------------------


def test_silu_without_beta_is_as_light_as_before():
    x = jax.ShapeDtypeStruct((1024,), jnp.float32)
    default = jax.jit(jaxact.silu).lower(x).compile()
    given = jax.jit(lambda x: jaxact.silu(x, 1.5)).lower(x).compile()
    assert instructions(default) < instructions(given)
    (operand,) = jax.make_jaxpr(jaxact.silu)(1.0).jaxpr.invars
    assert operand.aval.shape == ()


def test_silu_of_beta():
    x = jnp.linspace(-30, 30, 301)
    for beta in (0.3, 1.0, 7.5, -0.3):
        wanted = jaxact.silu(beta * x) / beta
        chex.assert_trees_all_close(jaxact.silu(x, beta), wanted, rtol=1e-5)
        traced = jax.jit(jaxact.silu)(x, beta)
        chex.assert_trees_all_equal(traced, jaxact.silu(x, beta))
    chex.assert_trees_all_equal(jaxact.silu(x, 0.0), x / 2)
    assert jaxact.silu(-jnp.inf, 0.0) == -jnp.inf
    assert jaxact.silu(-1e30, 1e-37) == pytest.approx(-5e29, rel=1e-5)
    assert jaxact.swish is jaxact.silu
    z = jnp.asarray([0.5 + 1j, -2 - 0.25j])
    chex.assert_trees_all_close(jaxact.silu(z, 2.0), z / (1 + jnp.exp(-2 * z)))
    learnt = jax.grad(lambda b: jaxact.swish(x, b).sum())(jnp.float32(0.7))
    s = np_sigmoid(0.7 * np.float64(x))
    assert learnt == pytest.approx(np.sum(np.float64(x) ** 2 * s * (1 - s)), rel=1e-5)


def test_quick_gelu_is_silu_of_1702():
    x = jnp.linspace(-30, 30, 301)
    wanted = jaxact.silu(x, 1.702)
    chex.assert_trees_all_close(jaxact.quick_gelu(x), wanted, rtol=1e-5)


def test_gelu_clipped_is_gelu_10():
    # transformers, ClippedGELUActivation(-10, 10)
    x = jnp.asarray([-20, -3, -0.7, 0, 2, 9.5, 10, 10.5, 200])
    wanted = jnp.clip(jaxact.gelu_exact(x), -10, 10)
    chex.assert_trees_all_equal(jaxact.gelu_clipped(x), wanted)
    slope = jaxact.derivative(jaxact.gelu_clipped)(x)
    usual = jaxact.derivative(jaxact.gelu_exact)(x)
    chex.assert_trees_all_close(slope[:-2], usual[:-2], rtol=1e-6)
    assert slope[-3] == 1 and not slope[-2:].any()
    assert jaxact.gelu_clipped(5.0, high=2) == 2
    assert jaxact.derivative(jaxact.gelu_clipped)(5.0, high=2) == 0


def test_an_object_that_only_turns_into_an_array_counts_as_one():
    class Wrapped:
        def __jax_array__(self):
            return X

    for f in (jaxact.glu, packed(jaxact.swiglu, "interleaved"), jaxact.rrelu):
        chex.assert_trees_all_equal(f(Wrapped()), f(X))
