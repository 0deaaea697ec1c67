"""Activations by name, with parameters set, and as plain data."""

import copy
import inspect
import json
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
from typer.testing import CliRunner

import jaxact
from jaxact import catalogue, from_config, get, to_config
from jaxact._cli import app
from jaxact.combinators import (
    clip,
    compose,
    leaky,
    mix,
    multiply,
    piecewise,
    scale,
    standardized,
    surrogate,
)
from jaxact.testing import measure, points
from jaxact.testing._assertions import disagreement

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


def test_names_are_those_of_the_catalogue_and_of_what_chooses():
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
    fitting = {"rational_coefficients"}  # no activation: parameters for one
    assert public - fitting == {*jaxact.names(), *catalogue.aliases()}


@pytest.mark.parametrize(
    ("arguments", "parameters", "error", "told"),
    [
        (["leaky"], {}, ValueError, "no activation 'leaky'; did you mean leaky_relu"),
        (["gelu_"], {}, ValueError, "did you mean gelu"),
        (["?"], {}, ValueError, "'?'; jaxact.names() lists them"),
        (["elu"], {"slope": 1.0}, TypeError, "no parameter 'slope'; it has alpha"),
        (["elu"], {"x": 1.0}, TypeError, "no parameter 'x'; it has alpha"),
        (["tanh"], {"alpha": 1.0}, TypeError, "no parameter 'alpha'; it has none"),
        (["gelu"], {"approx": True}, TypeError, "it has approximate"),
        (["elu"], {"alpha": "big"}, TypeError, "alpha must be a number or an array"),
        (["elu"], {"alpha": [1.0]}, TypeError, "alpha must be a number or an array"),
        (["elu"], {"alpha": None}, TypeError, "alpha must be a number or an array"),
        (["gelu"], {"approximate": [1]}, TypeError, "approximate is an option; got"),
        (["elu", "jax"], {}, ValueError, "no framework 'jax'; there are jax.nn, torch"),
        (["leakyReLU", "torch"], {}, ValueError, "did you mean LeakyReLU"),
        (["gelu", "torch"], {"approximate": True}, ValueError, "'none' or 'tanh'"),
        (["LeakyRelu", "onnx"], {"beta": 1}, TypeError, "'beta'; it has alpha"),
    ],
)
def test_errors_say_what_there_is(arguments, parameters, error, told):
    with pytest.raises(error, match=re.escape(told)):
        get(*arguments, **parameters)


def test_a_traced_parameter_is_for_the_call():
    with pytest.raises(TypeError, match="alpha is traced; pass it when"):
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
    both = np.array([[0.5], [1.0]], np.float32)
    told = "squareplus(b=array([[0.5], [1. ]], dtype=float32))"
    assert repr(get("squareplus", b=both)) == told


EQUAL = [
    ("elu", {"alpha": 0.5}, {"alpha": 0.5}),
    ("elu", {"alpha": np.float32(0.5)}, {"alpha": jnp.float32(0.5)}),
    ("elu", {"alpha": np.ones(2)}, {"alpha": np.ones(2)}),
    ("elu", {"alpha": float("nan")}, {"alpha": float("nan")}),
]
OTHERS = [
    ("elu", {"alpha": 0.5}, {"alpha": 0.25}),
    ("elu", {"alpha": 1}, {"alpha": 1.0}),
    ("elu", {"alpha": 0.0}, {"alpha": -0.0}),
    ("elu", {"alpha": np.float32(0.5)}, {"alpha": 0.5}),
    ("elu", {"alpha": np.ones(2)}, {"alpha": np.ones((2, 1))}),
    ("elu", {"alpha": np.ones(2, "int32")}, {"alpha": np.ones(2, "float32")}),
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


def test_an_array_is_copied():
    alpha = np.array([0.5, 1.0], np.float32)
    f: Any = get("elu", alpha=alpha)
    x = np.array([-1.0, -1.0], "float32")
    before, key = f(x), hash(f)
    alpha[:] = 7
    same(f(x), before)
    assert hash(f) == key
    with pytest.raises(ValueError, match="read-only"):
        f.keywords["alpha"][0] = 7


@pytest.mark.parametrize("copied", [
    copy.copy, copy.deepcopy, lambda f: pickle.loads(pickle.dumps(f))
])  # fmt: skip
@pytest.mark.parametrize(
    "value", [np.float32(0.5), np.ones(7, np.float32), jnp.bfloat16(0.5)]
)
def test_pickles_and_copies(copied, value):
    f = get("elu", alpha=value)
    again = copied(f)
    assert again == f and repr(again) == repr(f)
    x = X.astype(jnp.asarray(value).dtype)
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
    assert repr(found) == repr(wanted)  # NaN for what there is not
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
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert {row["wrt"] for row in rows} == {"x", "negative_slope"}
    assert [row["got"] for row in rows if row["wrt"] == "x"] == [
        float(jnp.bfloat16(0.2))
    ]


def test_no_rule_can_be_declared_through_it():
    with pytest.raises(TypeError, match="is no activation"):
        jaxact.derivative_of(LEAKY, wrt="negative_slope")


# --- as plain data ------------------------------------------------------------------


def through_json(f: Any) -> Any:
    return from_config(json.loads(json.dumps(to_config(f), allow_nan=False)))


@pytest.mark.parametrize("name", jaxact.names())
def test_plain_activations_round_trip(name):
    assert to_config(get(name)) == {"name": name}
    assert through_json(get(name)) is get(name)


@pytest.mark.parametrize(("name", "parameters"), [
    ("leaky_relu", {"negative_slope": 0.2}),
    ("elu", {"alpha": 2}),
    ("elu", {"alpha": 0.1}),
    ("elu", {"alpha": np.inf}),
    ("elu", {"alpha": -np.inf}),
    ("elu", {"alpha": np.nan}),
    ("elu", {"alpha": np.array([[0.1, -0.0], [np.inf, np.nan]], "float32")}),
    ("elu", {"alpha": jnp.bfloat16(0.1)}),
    ("elu", {"alpha": jnp.arange(3, dtype=jnp.bfloat16)}),
    ("elu", {"alpha": np.float64(0.1)}),
    ("elu", {"alpha": np.array([2**31 - 1], "int32")}),
    ("elu", {"alpha": np.array([True, False])}),
    ("gelu", {"approximate": False}),
])  # fmt: skip
def test_parameters_round_trip(name, parameters):
    f = get(name, **parameters)
    assert through_json(f) == f and repr(through_json(f)) == repr(f)


def test_what_a_config_looks_like():
    parameters = {"negative_slope": 0.2}
    assert to_config(LEAKY) == {"name": "leaky_relu", "parameters": parameters}
    array = get("elu", alpha=np.array([[0.5], [np.inf]], "float32"))
    cells = {"array": [[0.5], ["inf"]], "dtype": "float32"}
    assert to_config(array) == {"name": "elu", "parameters": {"alpha": cells}}
    assert to_config(jaxact.swish) == {"name": "silu"}
    assert from_config({"name": "swish"}) is jaxact.silu
    assert from_config({"name": "elu", "parameters": {}}) is jaxact.elu
    assert to_config(get("leaky_relu", "keras")) == to_config(LEAKY)


@pytest.mark.parametrize(("config", "error", "told"), [
    ("elu", TypeError, "expected a dict, got 'elu'"),
    ({}, ValueError, "no key 'name'"),
    ({"parameters": {}}, ValueError, "no key 'name'"),
    ({"name": "elu", "alpha": 1.0}, ValueError, "unknown key 'alpha'; keys are name"),
    ({"name": "eluu"}, ValueError, "no activation 'eluu'; did you mean elu"),
    ({"name": "os.system"}, ValueError, "no activation 'os.system'"),
    ({"name": 3}, TypeError, "expected the name as a string"),
    ({"name": "elu", "parameters": [1.0]}, TypeError, "the parameters as a dict"),
    ({"name": "elu", "parameters": {"a": 1.0}}, TypeError, "no parameter 'a'"),
    ({"name": "elu", "parameters": {"alpha": "1"}}, TypeError, "alpha must be"),
    ({"name": "elu", "parameters": {"alpha": [1.0]}}, TypeError, "alpha must be"),
    ({"name": "elu", "parameters": {"framework": "torch"}}, ValueError, "'framework'"),
    ({"name": "elu", "parameters": {"alpha": {"float": "1e9"}}}, ValueError, "inf, "),
    ({"name": "elu", "parameters": {"alpha": {"array": [1]}}}, ValueError, "no key"),
    ({"name": "elu", "parameters": {"alpha": {"array": ["a"], "dtype": "float32"}}},
     ValueError, "could not convert string"),
    ({"name": "elu", "parameters": {"alpha": {"array": [1], "dtype": "object"}}},
     TypeError, "object"),
    ({"combine": "exec", "of": []}, ValueError, "no combinator 'exec'"),
    ({"combine": "compose", "of": []}, TypeError, "expected an activation or more"),
    ({"combine": "scale", "of": [{"name": "tanh"}], "with": {"power": 2.0}}, TypeError,
     "unexpected keyword argument 'power'"),
    ({"combine": "mix", "of": [{"name": "tanh"}], "with": {"w": 2.0}}, ValueError,
     "mix: no setting 'w'"),
    ({"combine": ["a"], "of": []}, TypeError, "expected 'combine' as a string"),
    ({"combine": "compose", "of": {}}, TypeError, "'of' as a list"),
    ({"combine": "compose"}, ValueError, "no key 'of'"),
    ({"combine": "compose", "of": [], "name": "elu"}, ValueError, "unknown key 'name'"),
])  # fmt: skip
def test_a_config_that_says_something_else_is_refused(config, error, told):
    with pytest.raises(error, match=re.escape(told)):
        from_config(config)


@pytest.mark.parametrize("f", [jnp.tanh, lambda x: x, jax.nn.relu, 3, "relu"])
def test_other_functions_have_no_config(f):
    with pytest.raises(TypeError, match="is no activation of jaxact"):
        to_config(f)


def test_an_activation_of_a_user_has_no_config():
    @jaxact.activation
    def relu(x):  # of that name, but another
        return x

    with pytest.raises(TypeError, match="is no activation of jaxact"):
        to_config(relu)


def test_combinations_round_trip():
    mish = multiply(jaxact.identity, compose(jaxact.tanh, jaxact.softplus))
    outer = mix((LEAKY, mish, scale(jaxact.elu, input=2.0)), (0.5, 0.25, 0.25))
    config = to_config(outer)
    assert config["combine"] == "mix"
    assert config["with"] == {"weight_1": 0.5, "weight_2": 0.25, "weight_3": 0.25}
    assert config["of"][0] == {"name": "leaky_relu",
                               "parameters": {"negative_slope": 0.2}}  # fmt: skip
    assert config["of"][1] == {
        "combine": "multiply",
        "of": [
            {"name": "identity"},
            {"combine": "compose", "of": [{"name": "tanh"}, {"name": "softplus"}]},
        ],
    }
    assert through_json(outer) == outer
    for f in (
        piecewise((-1.0, 2.0), (jaxact.elu, jaxact.identity, jaxact.tanh)),
        leaky(jaxact.relu, 0.2),
        clip(jaxact.gelu_exact, -1.0, 6.0),
        standardized(jaxact.silu),
        surrogate(jaxact.relu, jaxact.silu),
    ):
        assert through_json(f) == f


def test_a_part_with_a_parameter_set_has_it_as_default():
    f = compose(jaxact.tanh, LEAKY)
    x = jnp.asarray([-2.0, 3.0])
    same(f(x), compose(jaxact.tanh, jaxact.leaky_relu)(x, negative_slope=0.2))


def test_parts_that_are_no_data_are_refused():
    @jaxact.activation
    def ours(x):
        """One of a user's own."""
        return x

    with pytest.raises(TypeError, match="is no activation of jaxact"):
        to_config(compose(jaxact.tanh, ours))
