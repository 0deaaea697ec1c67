"""Activations by name, with parameters set."""

import copy
import functools
import inspect
import pickle
import re
from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from reports import read
from typer.testing import CliRunner

import jaxact
from jaxact import catalogue, get
from jaxact._cli import app
from jaxact.testing import measure, points
from jaxact.testing._assertions import disagreement

pytestmark = pytest.mark.slow  # says nothing new with another JAX

X: Any = np.linspace(-3, 3, 7, dtype=np.float32)
LEAKY = get("leaky_relu", negative_slope=0.2)


def same(a: Any, b: Any) -> None:
    a, b = jnp.asarray(a), jnp.asarray(b)
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


# --- names --------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*jaxact.names(), *catalogue.aliases()])
def test_a_name_alone_is_the_public_function(name):
    assert get(name) is getattr(jaxact, name)


def test_names_are_those_of_the_catalogue_and_of_choosers():
    assert jaxact.names is catalogue.names and jaxact.get is catalogue.get
    assert len(jaxact.names()) == len(set(jaxact.names()))
    chosen = set(jaxact.names()) - set(catalogue.defined())
    assert {"gelu", "geglu", "glu", "rrelu", "gumbel_softmax"} < chosen
    assert catalogue.choices("gelu") == ("gelu_tanh", "gelu_exact")
    assert catalogue.choices("swish") == ("silu",)
    assert catalogue.info("gelu") is catalogue.info("gelu_tanh")
    assert "gelu" in jaxact.names("gelus")
    assert "gelu" not in jaxact.names("rectifiers")
    assert "swish" not in jaxact.names()
    by_family = [n for f in catalogue.families() for n in jaxact.names(f)]
    assert sorted(by_family) == sorted(jaxact.names())
    with pytest.raises(ValueError, match="no family 'wavy'"):
        jaxact.names("wavy")


def test_no_public_function_of_the_families_is_without_name():
    home = "jaxact._functions."
    public = {
        n
        for n, f in vars(jaxact).items()
        if inspect.isfunction(f) and f.__module__.startswith(home)
    }
    fitting = {"rational_coefficients", "b_spline_coefficients"}  # parameters for one
    assert public - fitting == {*jaxact.names(), *catalogue.aliases()}


@pytest.mark.parametrize(
    ("arguments", "parameters", "error", "told"),
    [
        (["leaky"], {}, ValueError, "no activation 'leaky'; did you mean leaky_relu"),
        (["gelu_"], {}, ValueError, "did you mean gelu"),
        (["?"], {}, ValueError, "'?'; jaxact.names() lists them"),
        (["elu"], {"slope": 1.0}, TypeError, "elu(slope): there is no such parameter"),
        (["elu"], {"x": 1.0}, TypeError, "elu(x): there is no such parameter; it has "),
        (["tanh"], {"alpha": 1.0}, TypeError, "no such parameter; it has none"),
        (["gelu"], {"approx": True}, TypeError, "it has approximate"),
        (["elu"], {"alpha": "big"}, TypeError, "elu(alpha) must be a number; got str"),
        (["elu"], {"alpha": [1.0]}, TypeError, "elu(alpha) must be a number; got list"),
        (["elu"], {"alpha": None}, TypeError, "elu(alpha) must be a number; got None"),
        (["gelu"], {"approximate": [1]}, TypeError, "gelu(approximate) is an option;"),
        ([jaxact.relu], {}, TypeError, "get: expected a name; got function"),
    ],
)
def test_errors_say_which_names_there_are(arguments, parameters, error, told):
    with pytest.raises(error, match=re.escape(told)):
        get(*arguments, **parameters)


def test_a_traced_parameter_is_for_the_call():
    with pytest.raises(TypeError, match=r"elu\(alpha\) is traced; pass it when"):
        jax.jit(lambda a: get("elu", alpha=a)(X))(1.0)


# --- parameters set -----------------------------------------------------------------


def test_parameters_set_are_another_default():
    same(LEAKY(X), jaxact.leaky_relu(X, 0.2))
    same(LEAKY(X, negative_slope=0.5), jaxact.leaky_relu(X, 0.5))
    same(get("gelu", approximate=False)(X), jaxact.gelu_exact(X))
    signature = inspect.signature(LEAKY)
    assert list(signature.parameters) == ["x", "negative_slope"]
    assert signature.parameters["negative_slope"].default == 0.2
    assert LEAKY.__name__ == "leaky_relu"


def test_readable():
    assert repr(LEAKY) == "leaky_relu(negative_slope=0.2)"
    assert repr(get("gelu", approximate=True)) == "gelu(approximate=True)"
    half = np.float32(0.5)
    assert repr(get("squareplus", b=half)) == f"squareplus(b={half!r})"


EQUAL = [
    ("elu", {"alpha": 0.5}, {"alpha": 0.5}),
    ("elu", {"alpha": np.float32(0.5)}, {"alpha": np.float32(0.5)}),
    ("elu", {"alpha": float("nan")}, {"alpha": float("nan")}),
]
OTHERS = [
    ("elu", {"alpha": 0.5}, {"alpha": 0.25}),
    ("elu", {"alpha": 1}, {"alpha": 1.0}),
    ("elu", {"alpha": 0.0}, {"alpha": -0.0}),
    ("elu", {"alpha": np.float32(0.5)}, {"alpha": 0.5}),
    ("elu", {"alpha": np.int32(1)}, {"alpha": np.float32(1)}),
    ("gelu", {"approximate": True}, {"approximate": False}),
]


@pytest.mark.parametrize(("name", "one", "other"), EQUAL)
def test_equal_if_built_alike(name, one, other):
    a, b = get(name, **one), get(name, **other)
    assert a == b and hash(a) == hash(b) and len({a, b}) == 1


@pytest.mark.parametrize(("name", "one", "other"), OTHERS)
def test_not_equal_else(name, one, other):
    assert get(name, **one) != get(name, **other)


def test_not_equal_to_other_functions():
    assert get("elu", alpha=0.5) != get("celu", alpha=0.5)
    assert get("elu", alpha=1.0) != jaxact.elu


@pytest.mark.parametrize(
    ("arguments", "keyword", "ours"),
    [
        (["prelu"], "negative_slope", "negative_slope"),
        (["rational"], "numerator", "numerator"),
        (["softmax"], "where", "where"),
        (["PReLU", "torch"], "init", "negative_slope"),
        (["F.prelu"], "weight", "negative_slope"),
    ],
)
@pytest.mark.parametrize("array", [np.ones(8), np.ones(()), jnp.ones(8), jnp.ones(())])
def test_an_array_is_for_the_call(arguments, keyword, ours, array):
    # in a function it would be a constant, which no library trains
    name = arguments[0].rpartition(".")[2]
    told = f"get: {name}({keyword}) is an array, which would be a constant here"
    with pytest.raises(TypeError, match=re.escape(told)) as error:
        get(*arguments, **{keyword: array})
    assert f"f(x, {ours}=array)" in str(error.value)
    assert f"functools.partial(f, {ours}=array)" in str(error.value)


def test_the_advice_in_the_error_about_an_array():
    f, slopes = get("PReLU", "torch"), jnp.float32([0.5, 0.25])
    x = jnp.float32([[-1, -1], [1, 1]])
    same(f(x, negative_slope=slopes), [[-0.5, -0.25], [1, 1]])
    same(functools.partial(f, negative_slope=slopes)(x), [[-0.5, -0.25], [1, 1]])
    slope = jax.grad(lambda a: f(x, negative_slope=a).sum())(slopes)
    same(slope, jnp.float32([-1, -1]))


@pytest.mark.parametrize("copied", [
    copy.copy, copy.deepcopy, lambda f: pickle.loads(pickle.dumps(f))
])  # fmt: skip
@pytest.mark.parametrize(
    "value", [np.float32(0.5), 0.5, jnp.dtype("bfloat16").type(0.5)]
)
def test_pickles_and_copies(copied, value):
    f = get("elu", alpha=value)
    again = copied(f)
    assert again == f and repr(again) == repr(f)
    x = X.astype(getattr(value, "dtype", "float32"))
    same(again(x), f(x))


# --- with JAX and the libraries on it -----------------------------------------------


def test_under_jit_vmap_and_grad():
    same(jax.jit(LEAKY)(X), LEAKY(X))
    same(jax.vmap(LEAKY)(X), LEAKY(X))
    same(jax.grad(LEAKY)(-2.0), jnp.float32(0.2))
    by_name = jax.grad(lambda a: LEAKY(-2.0, negative_slope=a))
    same(by_name(0.1), jnp.float32(-2.0))


def test_a_static_argument_compiles_once_for_equal_ones():
    traces = []

    def call(f, x):
        traces.append(f)
        return f(x)

    compiled = jax.jit(call, static_argnums=0)
    for _ in range(2):
        same(compiled(get("leaky_relu", negative_slope=0.2), X), LEAKY(X))
    assert len(traces) == 1
    compiled(get("leaky_relu", negative_slope=0.3), X)
    assert len(traces) == 2


def test_an_argument_of_compiled_functions_without_being_static():
    same(jax.jit(lambda f, x: f(x))(LEAKY, X), LEAKY(X))
    assert jax.tree.leaves(LEAKY) == []


def test_a_field_of_modules():
    class Linen(nn.Module):
        act: Any

        @nn.compact
        def __call__(self, x):
            return self.act(nn.Dense(3)(x))

    class Nnx(nnx.Module):
        def __init__(self, act):
            self.act = act

        def __call__(self, x):
            return self.act(x)

    x = jnp.ones((2, 4))
    linen = Linen(LEAKY)
    weights = linen.init(jax.random.key(0), x)
    assert jax.jit(linen.apply)(weights, x).shape == (2, 3)
    assert linen == Linen(get("leaky_relu", negative_slope=0.2))
    same(nnx.jit(lambda m, x: m(x))(Nnx(LEAKY), X), LEAKY(X))
    key = jax.random.key(0)
    mlp = eqx.nn.MLP(4, 2, 3, 1, jax.nn.relu, LEAKY, key=key)
    with pytest.raises(TypeError, match=r"at path m\.activation"):
        jax.jit(lambda m, x: m(x))(mlp, x[0])  # functions are leaves of a module
    mlp = eqx.nn.MLP(4, 2, 3, 1, LEAKY, LEAKY, key=key)
    out = jax.jit(lambda m, x: m(x))(mlp, x[0])
    same(out, eqx.filter_jit(mlp)(x[0]))
    assert jax.tree.leaves(eqx.filter_grad(lambda m: m(x[0]).sum())(mlp))


def test_derivatives_of_it():
    slope = jaxact.derivative(LEAKY)
    same(slope(X), np.where(X < 0, np.float32(0.2), np.float32(1)))
    assert slope == jaxact.derivative(get("leaky_relu", negative_slope=0.2))
    by_slope = jaxact.derivative(LEAKY, wrt="negative_slope")
    same(by_slope(X), np.minimum(X, 0))


@pytest.mark.parametrize("order", [0, 1])
def test_measured_with_its_parameters(order):
    f, x = get("elu", alpha=0.3), points("bfloat16")[::31]
    found = measure(f, "bfloat16", order, points=x)
    wanted = measure(jaxact.elu, "bfloat16", order, points=x, alpha=0.3)
    assert repr(found) == repr(wanted)  # some are NaN
    assert found.max_ulp <= 0.51 and not found.wrong
    assert disagreement(f, "float32", 1) is None


def test_the_tools_take_it(tmp_path, monkeypatch):
    made = 'import jaxact\nleaky = jaxact.get("leaky_relu", negative_slope=0.2)\n'
    (tmp_path / "bound_here.py").write_text(made)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    args = ["check", "bound_here:leaky", "--dtype", "bfloat16", "--order", "1"]
    done = CliRunner().invoke(app, [*args, "--json", "rows.json"])
    assert done.exit_code == 0, done.output
    _, rows = read(tmp_path / "rows.json")
    assert {row["wrt"] for row in rows} == {"x", "negative_slope"}
    assert [row["got"] for row in rows if row["wrt"] == "x"] == [
        float(jnp.bfloat16(0.2))
    ]


def test_no_rule_can_be_declared_through_it():
    with pytest.raises(TypeError, match="is not an activation"):
        jaxact.derivative_of(LEAKY, wrt="negative_slope")
