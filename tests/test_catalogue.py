"""Every check over every activation: a new one is tested by being defined."""

import functools
import inspect
import pathlib
import pickle
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxact
from jaxact import catalogue, frameworks
from jaxact._functions._parts import SecondDerivative
from jaxact.testing import assert_accurate, assert_derivatives, residual_bytes
from jaxact.testing._bounds import allowed_ulp
from jaxact.testing._measure import compare, with_flushed
from jaxact.testing._oracle import exact_orders, question

ELEMENTWISE = [n for n in catalogue.defined() if catalogue.info(n).elementwise]
NAMES = [n for n in ELEMENTWISE if not catalogue.info(n).required]
PARAMETERS = [(n, p) for n in NAMES for p in catalogue.info(n).parameters]
SMOOTH = [n for n in NAMES if not catalogue.info(n).kinks]
JAX_NN = {
    n: functools.partial(f, **given) if given else f
    for n in NAMES
    for theirs, given in frameworks.theirs("jax.nn", n).items()
    for f in [getattr(jax.nn, theirs)]
    if theirs not in catalogue.aliases()
}
# What jax.nn has, and one of each kind of rule beyond, is tested to the last; of the
# others what does not depend on the function is taken from these.
KINDS = ("serf", "xielu", "prelu", "sine", "general_relu", "quick_gelu", "normal_cdf")
THOROUGH = [n for n in NAMES if n in JAX_NN or n in KINDS]


def beyond(names):
    """The names as parameters, slow if jax.nn does not have them."""
    return [
        pytest.param(n, marks=() if n in JAX_NN else pytest.mark.slow) for n in names
    ]


def bounds(f, dtype):
    """The errors that the value and two derivatives may have."""
    return [allowed_ulp(f, dtype, order) for order in (0, 1, 2)]


def inside(name, *points):
    """Points moved into the domain of x."""
    positive = "x" in catalogue.info(name).domain
    return jnp.asarray([abs(p) if positive else p for p in points], jnp.float32)


# `jaxact check --all` measures all in the other half precisions and in float32
@pytest.mark.slow
@pytest.mark.parametrize("name", THOROUGH)
@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2"])
def test_accurate_in_float8(name, dtype):
    assert_accurate(catalogue.get(name), 0.51, [dtype])


@pytest.mark.parametrize("name", JAX_NN)  # with every jax that the tests are run with
def test_accurate_in_float32(name):
    f = catalogue.get(name)
    assert_accurate(f, bounds(f, "float32"), ["float32"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_accurate_in_float64(name):
    with jax.enable_x64(True):
        count = 2**13 if name in JAX_NN else 2**9
        f = catalogue.get(name)
        assert_accurate(f, bounds(f, "float64"), ["float64"], count=count)


# of the others `jaxact check` compares them
@pytest.mark.parametrize("name", JAX_NN)
def test_derivatives_are_those_of_the_formula(name):
    assert_derivatives(catalogue.get(name))


@pytest.mark.parametrize("name", beyond(THOROUGH))
def test_derivatives_agree_with_grad_of_the_reference(name):
    f, reference = catalogue.get(name), catalogue.info(name).reference
    assert reference is not None
    parameters = {
        n: jnp.float32(catalogue.info(name).default(n))
        for n in catalogue.info(name).parameters
    }
    x = inside(name, -7.5, -2.9, -1.3, -0.4, 0.3, 0.9, 2.1, 5.5, 8.25)
    for argnums in range(1 + len(parameters)):
        slope = jax.grad(f, argnums)
        wanted = jax.grad(reference, argnums)
        for order in (1, 2):
            axes = (0, *[None] * len(parameters))
            got = jax.vmap(slope, axes)(x, *parameters.values())
            want = jax.vmap(wanted, axes)(x, *parameters.values())
            chex.assert_trees_all_close(got, want, rtol=2e-4, atol=2e-6 * order)
            slope, wanted = jax.grad(slope, argnums), jax.grad(wanted, argnums)


@pytest.mark.parametrize(
    ("name", "order"),
    [
        pytest.param(n, order, marks=() if n in JAX_NN else pytest.mark.slow)
        for n in SMOOTH
        for order in ((3, 4) if n in THOROUGH else (3,))
    ],
)
def test_third_and_fourth_derivative(name, order):
    f = catalogue.get(name)
    x = inside(name, *np.linspace(-12, 12, 97), *np.logspace(-3, 0, 12))
    x = np.asarray(x[x != 0] if "x" in catalogue.info(name).domain else x)
    asked = question(f)
    (exact,) = exact_orders(
        asked, with_flushed(x, "float32"), (order,), "float32", "x", quick=False
    )
    found = compare(f, "float32", order, "x", x, exact, {}, asked)
    assert found.wrong == 0
    assert found.max_ulp <= allowed_ulp(f, "float32", order), found


@pytest.mark.parametrize("name", beyond(THOROUGH))
def test_transformations(name):
    f = catalogue.get(name)
    x = inside(name, -3.5, -1.25, 0.75, 4.0)
    y, slope, second = f(x), jaxact.derivative(f)(x), jaxact.derivative(f, 2)(x)
    diagonal = jax.vmap(jnp.diag)
    close = functools.partial(chex.assert_trees_all_close, rtol=1e-6, atol=1e-7)

    close(jax.jit(f)(x), y)
    close(jax.vmap(f)(x), y)
    close(jax.vmap(jax.grad(f))(x), slope)
    close(jax.grad(lambda x: f(x).sum())(x), slope)
    close(jax.jacfwd(f)(x), jnp.diag(slope))
    close(jax.jacrev(f)(x), jnp.diag(slope))
    close(diagonal(jax.hessian(f)(x)), jnp.diag(second))
    close(diagonal(jax.jacrev(jax.jacrev(f))(x)), jnp.diag(second))
    close(diagonal(jax.jacfwd(jax.jacfwd(f))(x)), jnp.diag(second))
    value, push = jax.linearize(f, x)
    close((value, push(jnp.ones_like(x))), (y, slope))
    close(jax.jvp(f, (x,), (2 * jnp.ones_like(x),))[1], 2 * slope)
    close(jax.grad(lambda x: jax.checkpoint(f)(x).sum())(x), slope)

    def scanned(x):
        return jax.lax.scan(lambda c, _: (f(c) + x, f(c)), x, None, length=3)[0].sum()

    def unrolled(x):
        c = x
        for _ in range(3):
            c = f(c) + x
        return c.sum()

    close(jax.grad(scanned)(x), jax.grad(unrolled)(x))


@pytest.mark.parametrize("name", beyond(THOROUGH))
def test_derivative_is_nested_grad(name):
    f = catalogue.get(name)
    x = inside(name, *np.linspace(-20, 20, 101))
    nested = f
    for order in (1, 2):
        nested = jax.grad(nested)
        got, wanted = jaxact.derivative(f, order)(x), jax.jit(jax.vmap(nested))(x)
        if ("x",) in catalogue.info(name).kernels:
            chex.assert_trees_all_equal(got, wanted)
        else:  # XLA may contract the products of parts in another way
            chex.assert_trees_all_close(got, wanted, rtol=1e-5, atol=1e-7)
    value, slope = jaxact.value_and_derivative(f)(x)
    chex.assert_trees_all_equal((value, slope), (f(x), jaxact.derivative(f)(x)))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", NAMES)
def test_keeps_no_more_than_the_input(name, dtype):
    size = jnp.dtype(dtype).itemsize
    assert residual_bytes(catalogue.get(name), dtype) <= size


@pytest.mark.parametrize("name", ["tanh", "gelu_exact", "erf", "sigmoid"])
def test_float32_keeps_its_digits_after_a_half_precision(name):
    """The operations of a kernel are remembered, and are fewer in a half precision."""
    f, x = catalogue.get(name), jnp.linspace(-4, 4, 101)

    def both():
        return f(x), jaxact.derivative(f)(x)

    catalogue.info(name).forget_compiled()
    half = x.astype(jnp.bfloat16)
    f(half), jaxact.derivative(f)(half)
    after = both()
    catalogue.info(name).forget_compiled()
    chex.assert_trees_all_equal(after, both())


def forward(f):
    return lambda x: jax.jvp(f, (x,), (jnp.ones_like(x),))[1]


def backward(f):
    return lambda x: jax.vjp(f, x)[1](jnp.ones_like(x))[0]


@pytest.mark.parametrize("mode", [forward, backward])
@pytest.mark.parametrize("name", ["silu", "tanh", "serf", "elu", "softplus"])
def test_a_derivative_keeps_one_array_for_every_order(name, mode):
    f = catalogue.get(name)
    for order in range(4):
        assert residual_bytes(f) <= 4 * (order + 1)
        f = mode(f)


@pytest.mark.parametrize("name", ["identity", "relu", "leaky_relu", "relu6"])
def test_rectifiers_keep_nothing_beyond_the_output(name):
    f = catalogue.get(name)
    x = jnp.linspace(-8, 8, 64)
    y, pull = jax.jit(lambda x: jax.vjp(f, x))(x)
    for kept in jax.tree.leaves(pull):
        chex.assert_trees_all_equal(kept, y)
    assert not jnp.array_equal(x, y) or name == "identity"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "parameter"), PARAMETERS)
def test_trained_parameter_keeps_only_the_input(name, parameter):
    f = catalogue.get(name)
    x = jnp.linspace(-3, 3, 64)
    _, pull = jax.vjp(lambda p: f(x, **{parameter: p}), jnp.float32(0.7))
    kept = [leaf for leaf in jax.tree.leaves(pull) if jnp.size(leaf) > 1]
    kernel = catalogue.info(name).kernels.get((parameter,))
    if kernel is None:  # JAX makes it of the parts
        assert len(kept) <= 1
    else:
        reads_x = "x" in inspect.signature(kernel).parameters
        assert len(kept) == reads_x
    chex.assert_trees_all_equal(kept, [x] * len(kept))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "parameter"), PARAMETERS)
def test_parameter_broadcasts_and_trains(name, parameter):
    f = catalogue.get(name)
    x = jnp.linspace(-3, 3, 12).reshape(3, 4)
    p = jnp.asarray([0.2, 0.5, 1.5, 2.0])
    with jax.numpy_rank_promotion("allow"):
        y = f(x, **{parameter: p})
        loss = lambda p: jnp.sum(f(x, **{parameter: p}))  # noqa: E731
        got = jax.grad(loss)(p)
    columns = [f(x[:, i], **{parameter: p[i]}) for i in range(4)]
    chex.assert_trees_all_close(y, jnp.stack(columns, 1), rtol=1e-6)
    wanted = [
        jnp.sum(jaxact.derivative(f, wrt=parameter)(x[:, i], **{parameter: p[i]}))
        for i in range(4)
    ]
    chex.assert_trees_all_close(got, jnp.stack(wanted), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name", [n for n in ELEMENTWISE if catalogue.info(n).holomorphic]
)
def test_complex_values_are_those_of_the_formula(name):
    definition = catalogue.info(name)
    z = jnp.asarray([0.3 + 0.4j, -1.2 + 0.7j, 2.5 - 0.3j], jnp.complex64)
    needed = {n: definition.example(n) for n in definition.required}
    rest = set(definition.parameters) - set(needed)
    usual = {n: definition.default(n) for n in rest}
    with jax.numpy_dtype_promotion("standard"):
        assert definition.reference is not None
        wanted = definition.reference(z, **usual, **needed)
        got = definition.function(z, **needed)
    chex.assert_trees_all_close(got, wanted, rtol=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_each_listed_kink_is_one(name):
    definition = catalogue.info(name)
    for kink in definition.kinks_at():
        sides = np.asarray([kink - 1e-5, kink + 1e-5], np.float32)
        f = definition.function
        orders = f, jaxact.derivative(f), jaxact.derivative(f, 2)
        jumps = [np.ptp(np.asarray(g(sides))) for g in orders]
        assert max(jumps) > 1e-3, f"{name} has no kink at {kink}"


@pytest.mark.parametrize("name", [n for n in NAMES if n in JAX_NN])
def test_dtypes_are_those_of_jax_nn(name):
    theirs = JAX_NN[name]
    ours = catalogue.get(name)
    if name.startswith("gelu"):
        ours = functools.partial(jaxact.gelu, **theirs.keywords)
    inputs = [
        0.5,
        2,
        jnp.float32(0.5),
        jnp.bfloat16(0.5),
        jnp.float16(0.5),
        jnp.asarray(0.5),
        jnp.arange(1, 3, dtype=jnp.int32),
        jnp.arange(1, 3, dtype=jnp.int8),
        np.linspace(1, 2, 3, dtype=np.float32),
    ]
    for x in inputs:
        with jax.numpy_dtype_promotion("standard"):
            try:
                wanted = theirs(x)
            except TypeError:
                continue  # sigmoid and silu refuse integers; here they count as floats
            got = ours(x)
        assert (got.dtype, got.weak_type) == (wanted.dtype, wanted.weak_type), repr(x)
        chex.assert_trees_all_close(
            np.asarray(got, np.float64), np.asarray(wanted, np.float64), rtol=1e-2
        )


OF_JAX_NN = [n for n in dir(jax.nn) if n[0] != "_" and callable(getattr(jax.nn, n))]
NOT_HERE = {
    "dot_product_attention": "a layer with projections already made",
    "get_scaled_dot_general_config": "settings of a matrix product",
    "one_hot": "an encoding of integers",
    "scaled_dot_general": "a matrix product",
    "scaled_matmul": "a matrix product",
    "standardize": "a normalization by mean and variance, which layers have",
}


def test_every_activation_of_jax_nn_is_here():
    missing = {n for n in OF_JAX_NN if not hasattr(jaxact, n)}
    assert missing == set(NOT_HERE)


@pytest.mark.parametrize("name", sorted({*OF_JAX_NN} - {*NOT_HERE}))
def test_signature_is_that_of_jax_nn(name):
    ours = inspect.signature(getattr(jaxact, name))
    theirs = inspect.signature(getattr(jax.nn, name))
    # more parameters may follow, if they can be left out: beta, temperature, bounds
    shared = list(theirs.parameters)
    assert list(ours.parameters)[: len(shared)] == shared
    for n, parameter in list(ours.parameters.items())[len(shared) :]:
        assert parameter.default is not inspect.Parameter.empty, n
    for n in shared:
        assert ours.parameters[n].default == theirs.parameters[n].default


@pytest.mark.parametrize("name", NAMES)
def test_reads_as_a_plain_function(name):
    f = catalogue.get(name)
    assert pickle.loads(pickle.dumps(f)) is f
    assert inspect.isfunction(f) and f.__name__ == name
    assert f"def {name}(" in inspect.getsource(f)
    assert f"name=jaxact.{name}" in str(jax.make_jaxpr(f)(1.0))


@pytest.mark.parametrize("name", NAMES)
def test_docstring(name):
    doc = inspect.getdoc(catalogue.get(name)) or ""
    for wanted in ("Args:", "Raises:"):
        assert wanted in doc
    assert re.search("[Dd]eriva|g'", doc)
    for parameter in catalogue.info(name).parameters:
        assert f"{parameter}:" in doc


def test_the_formula_is_everywhere():
    everything = {n: catalogue.info(n) for n in catalogue.defined()}
    assert all(d.reference is not None for d in everything.values())
    without = {n for n, d in everything.items() if d.formula is None}
    assert without == {n for n, d in everything.items() if not d.elementwise}


def test_every_order_is_declared_or_left_to_the_parts():
    for name in NAMES:
        kernels = catalogue.info(name).kernels
        if ("x",) not in kernels:
            continue
        first = inspect.signature(kernels["x",]).parameters
        assert ("x", "x") in kernels or "y" in first  # JAX goes on through y, exactly
        if isinstance(kernels.get(("x", "x")), SecondDerivative):
            continue  # a composition, whose slope by x alone is written out
        for parameter in catalogue.info(name).parameters:
            assert (parameter,) in kernels


def figures(name, pattern):
    """The numbers that a docstring gives, as it prints them; none if it gives none."""
    doc = " ".join((inspect.getdoc(catalogue.get(name)) or "").split())
    found = re.search(pattern, doc)
    return found.groups() if found else ()


def exactly(name, x):
    """The formula in float64."""
    definition = catalogue.info(name)
    usual = {p: definition.default(p) for p in definition.parameters}
    assert definition.reference is not None
    with jax.enable_x64(True):
        return np.asarray(definition.reference(jnp.asarray(x), **usual))


def test_figures_of_the_docstrings():
    least = r"least value is (\S+), at x = (\S+)\. "
    assert {n for n in NAMES if figures(n, least)} == {"silu", "gelu_exact", "mish"}
    x = np.linspace(-3, 0, 300_001)
    for name in ("silu", "gelu_exact", "mish"):
        y = exactly(name, x)
        at = np.argmin(y)
        assert (f"{y[at]:.3f}", f"{x[at]:.3f}") == figures(name, least), name

    x = np.linspace(-6, 6, 100_001)
    for name in ("gelu_tanh", "quick_gelu"):
        (within,) = map(float, figures(name, r"Within (\S+) of `gelu_exact`"))
        apart = np.max(np.abs(exactly(name, x) - exactly("gelu_exact", x)))
        assert 0.9 * within < apart < within

    told = figures("selu", r"Derivative: (\S+) for x > 0.* so (\S+) at 0\.")
    slope = jaxact.derivative(jaxact.selu)
    assert told == (f"{slope(1.0):.4f}", f"{slope(0.0):.4f}")


def test_catalogue_reads():
    home = pathlib.Path(inspect.getfile(jaxact)).parent / "_functions"
    files = {f.stem for f in home.glob("[a-z]*.py")} - {"packed"}
    assert set(catalogue.families()) == files
    assert "relu" in catalogue.names("rectifiers")
    assert catalogue.aliases() == {
        "hard_swish": "hard_silu",
        "relu2": "relu_squared",
        "squared_relu": "relu_squared",
        "swish": "silu",
        "telu": "tanhexp",
    }
    assert catalogue.get("swish") is jaxact.silu
    for name in NAMES:
        assert getattr(jaxact, name) is catalogue.get(name)
    with pytest.raises(ValueError, match=r"did you mean .*relu"):
        catalogue.get("rellu")
    with pytest.raises(ValueError, match="no family 'x'"):
        catalogue.names("x")
