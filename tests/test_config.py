"""Activations as plain data, and those of one's own."""

import json
import re
import sys
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxact
from jaxact import from_config, get, to_config
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

pytestmark = pytest.mark.slow  # says nothing new with another JAX

LEAKY = get("leaky_relu", negative_slope=0.2)
BFLOAT16 = jnp.dtype("bfloat16").type


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
    ("elu", {"alpha": np.float32(-0.0)}),
    ("elu", {"alpha": np.float32(np.inf)}),
    ("elu", {"alpha": BFLOAT16(0.1)}),
    ("elu", {"alpha": np.float16(0.1)}),
    ("elu", {"alpha": np.float64(0.1)}),
    ("elu", {"alpha": np.int32(2**31 - 1)}),
    ("elu", {"alpha": np.bool_(True)}),
    ("softmax", {"axis": (0, 1)}),
    ("gelu", {"approximate": False}),
])  # fmt: skip
def test_parameters_round_trip(name, parameters):
    f = get(name, **parameters)
    assert through_json(f) == f and repr(through_json(f)) == repr(f)


def test_what_a_config_looks_like():
    parameters = {"negative_slope": 0.2}
    assert to_config(LEAKY) == {"name": "leaky_relu", "parameters": parameters}
    half = {"number": 0.5, "dtype": "float32"}
    config = {"name": "elu", "parameters": {"alpha": half}}
    assert to_config(get("elu", alpha=np.float32(0.5))) == config
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
    ({"name": "elu", "parameters": {"a": 1.0}}, TypeError, "elu(a): there is no"),
    ({"name": "elu", "parameters": {"alpha": "1"}}, TypeError, "elu(alpha) must"),
    ({"name": "elu", "parameters": {"alpha": [1.0]}}, TypeError, "elu(alpha) mu"),
    ({"name": "elu", "parameters": {"framework": "torch"}}, ValueError, "'framework'"),
    ({"name": "elu", "parameters": {"alpha": {"float": "1e9"}}}, ValueError, "inf, "),
    ({"name": "elu", "parameters": {"alpha": {"number": 1}}}, ValueError, "no key"),
    ({"name": "elu", "parameters": {"alpha": {"number": "a", "dtype": "float32"}}},
     TypeError, "'dtype': 'float32'} is not a number of a dtype"),
    ({"name": "elu", "parameters": {"alpha": {"number": [1.0], "dtype": "float32"}}},
     TypeError, "'dtype': 'float32'} is not a number of a dtype"),
    ({"name": "elu", "parameters": {"alpha": {"number": 1, "dtype": "object"}}},
     TypeError, "'dtype': 'object'} is not a number of a dtype"),
    ({"class_name": "ReLU"}, ValueError, "no key 'config'"),
    ({"class_name": "ReLU", "config": {}, "module": "mine"}, ValueError,
     "mine.ReLU is not a layer of Keras"),
    ({"class_name": "Dense", "config": {}}, ValueError, "'keras.layers.Dense'"),
    ({"class_name": "Activation", "config": {}}, TypeError, "expected an activation"),
    ({"class_name": "ReLU", "config": {"slope": 1.0}}, TypeError, "ReLU(slope): keras"),
    ({"combine": "exec", "of": []}, ValueError, "'exec' is not a combinator"),
    ({"combine": "compose", "of": []}, TypeError, "expected an activation or more"),
    ({"combine": "scale", "of": [{"name": "tanh"}], "with": {"power": 2.0}}, TypeError,
     "unexpected keyword argument 'power'"),
    ({"combine": "mix", "of": [{"name": "tanh"}], "with": {"w": 2.0}}, ValueError,
     "mix: 'w' is not a setting of "),
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
    with pytest.raises(TypeError, match="is not an activation"):
        to_config(f)


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
    wanted = compose(jaxact.tanh, jaxact.leaky_relu)(x, negative_slope=0.2)
    np.testing.assert_array_equal(f(x), wanted)


# --- of other frameworks ------------------------------------------------------------


@pytest.mark.parametrize(("name", "parameters", "wanted"), [
    ("torch.nn.LeakyReLU", {"negative_slope": 0.2, "inplace": True},
     get("leaky_relu_left", negative_slope=0.2)),
    ("torch.nn.GELU", {"approximate": "tanh"}, jaxact.gelu_tanh),
    ("tf.nn.gelu", {}, jaxact.gelu_exact),
    ("keras.layers.Softmax", {"axis": [0, 1]}, get("softmax", axis=(0, 1))),
])  # fmt: skip
def test_names_with_a_module(name, parameters, wanted):
    assert from_config({"name": name, "parameters": parameters}) == wanted


def of_keras(layer, **config):
    """The config of a layer by keras.layers.serialize, in Keras 3.15."""
    dtype = {"module": "keras", "class_name": "DTypePolicy",
             "config": {"name": "float32"}, "registered_name": None}  # fmt: skip
    common = {"name": "layer_1", "trainable": True, "dtype": dtype}
    return {"module": "keras.layers", "class_name": layer,
            "config": {**common, **config}, "registered_name": None}  # fmt: skip


ZEROS = {"module": "keras.initializers", "class_name": "Zeros", "config": {},
         "registered_name": None}  # fmt: skip


@pytest.mark.parametrize(("config", "wanted"), [
    (of_keras("LeakyReLU", negative_slope=0.3), get("leaky_relu", negative_slope=0.3)),
    (of_keras("ReLU", max_value=6.0, negative_slope=0.0, threshold=0.0),
     get("general_relu", max_value=6.0, negative_slope=0.0, threshold=0.0)),
    (of_keras("ELU", alpha=0.5), get("elu", alpha=0.5)),
    (of_keras("Softmax", axis=[1, 2]), get("softmax", axis=(1, 2))),
    (of_keras("PReLU", alpha_initializer=ZEROS, alpha_regularizer=None,
              alpha_constraint=None, shared_axes=[1]),
     get("leaky_relu_left", negative_slope=0.0)),
    (of_keras("Activation", activation="gelu"), jaxact.gelu_exact),
    (of_keras("Activation", activation=of_keras("ELU", alpha=0.5)),
     get("elu", alpha=0.5)),
    # as Keras 2 wrote it
    ({"class_name": "LeakyReLU",
      "config": {"name": "l", "trainable": True, "dtype": "float32", "alpha": 0.1}},
     get("leaky_relu", negative_slope=0.1)),
])  # fmt: skip
def test_layers_of_keras(config, wanted):
    assert from_config(json.loads(json.dumps(config))) == wanted


def test_a_layer_of_keras_with_slopes_of_its_own():
    config = of_keras("PReLU", alpha_initializer={**ZEROS, "class_name": "Ones"})
    with pytest.raises(TypeError, match="other slopes are given at the call"):
        from_config(config)


# --- of one's own -------------------------------------------------------------------

MINE = '''
import jaxact

@jaxact.activation
def wavy(x, rate=2.0):
    """wavy(x, rate) = x + sin(rate * x)"""
    return x + jaxact.sine(rate * x)

def maker():
    @jaxact.activation
    def inner(x):
        return x
    return inner

inside = maker()
plain = len
'''


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A module of a user, which can be imported and is not yet."""
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "other.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    yield "mine"
    sys.modules.pop("mine", None)


def imported() -> Any:
    import mine  # pyright: ignore[reportMissingImports]

    return mine


def test_one_of_your_own_is_found_once_its_module_is_imported(mine):
    with pytest.raises(ValueError, match="'mine:wavy': the module 'mine' is not impo"):
        get("mine:wavy")
    assert "mine" not in sys.modules
    wavy = imported().wavy
    assert get("mine:wavy") is wavy
    slow = get("mine:wavy", rate=0.5)
    assert slow(1.0) == wavy(1.0, 0.5) and repr(slow) == "wavy(rate=0.5)"
    assert jaxact.catalogue.info("mine:wavy").parameters == ("rate",)
    assert "wavy" not in jaxact.names()


@pytest.mark.parametrize(("name", "told"), [
    ("wavy", "no activation 'wavy'; did you mean mine:wavy?"),
    ("mine:wawy", "mine has no activation 'wawy'; did you mean mine:wavy?"),
    ("mine:plain", "mine has no activation 'plain'"),
    ("mine:jaxact.gelu", "mine has no activation 'jaxact.gelu'"),
    ("mine:", "mine has no activation ''"),
])  # fmt: skip
def test_errors_of_your_own(mine, name, told):
    imported()
    with pytest.raises(ValueError, match=re.escape(told)):
        get(name)
    with pytest.raises(ValueError):
        from_config({"name": name}, allow=mine)


def test_of_a_framework_it_is_not(mine):
    imported()
    with pytest.raises(ValueError, match="torch has no activation 'mine:wavy'"):
        get("mine:wavy", "torch")
    with pytest.raises(TypeError, match=r"mine:wavy\(speed\): there is no such param"):
        get("mine:wavy", speed=1.0)


def test_one_of_your_own_as_data(mine):
    module = imported()
    slow = get("mine:wavy", rate=0.5)
    assert to_config(module.wavy) == {"name": "mine:wavy"}
    config = {"name": "mine:wavy", "parameters": {"rate": 0.5}}
    assert to_config(slow) == config
    both = mix((compose(jaxact.tanh, module.wavy), slow, jaxact.relu), (0.5, 0.25, 1.0))
    for f in (module.wavy, slow, both):
        config = json.loads(json.dumps(to_config(f), allow_nan=False))
        for allow in (mine, module, [mine], (m for m in [module])):
            assert from_config(config, allow=allow) == f
        for allow in ((), ["other"], "jaxact", ["mine.wavy", "min"]):
            with pytest.raises(ValueError, match=re.escape(
                "'mine:wavy' needs the module 'mine'; if you trust it, call "
                "from_config(config, allow=['mine'])"
            )):  # fmt: skip
                from_config(config, allow=allow)


def test_only_modules_that_the_caller_names_are_imported(mine):
    config = {"combine": "compose", "of": [{"name": "tanh"}, {"name": "mine:wavy"}]}
    with pytest.raises(ValueError, match="needs the module 'mine'"):
        from_config(config, allow=["other"])
    with pytest.raises(ValueError, match="needs the module 'other'"):
        from_config({"name": "other:f"}, allow="mine")
    assert "mine" not in sys.modules
    f = from_config(config, allow=["other", "mine"])  # other is not needed
    assert f == compose(jaxact.tanh, imported().wavy)
    with pytest.raises(TypeError, match="must be modules or their names; got int"):
        from_config(config, allow=[3])  # type: ignore[list-item]


def test_an_activation_that_cannot_be_found_again_has_no_config(mine):
    told = re.escape(
        "to_config: maker.<locals>.inner is not at the top of the module 'mine'"
    )
    inside = imported().inside
    for f in (inside, compose(jaxact.tanh, inside)):
        with pytest.raises(TypeError, match=told):
            to_config(f)

    @jaxact.activation
    def relu(x):  # of that name, but another
        return x

    with pytest.raises(TypeError, match=r"relu is not at the top of the module"):
        to_config(relu)


# --- in a notebook ------------------------------------------------------------------

CELL = '''
@jaxact.activation
def bent(x):
    """bent(x) = {factor} * x ** 2"""
    return {factor} * x * x
'''
SLOPES = (
    """
@jaxact.derivative_of(bent)
def bent_dx(x):
    return {factor} * 2 * x
""",
    """
@jaxact.derivative_of(bent, order=2)
def bent_dx2():
    return {factor} * 2.0
""",
)


@pytest.fixture
def notebook(monkeypatch):
    """Runs a cell; what it defines is in `__main__`."""
    main: Any = ModuleType("__main__")
    main.jaxact = jaxact
    monkeypatch.setitem(sys.modules, "__main__", main)

    def run(cell: str, **values: Any) -> Any:
        exec(cell.format(**values), vars(main))
        return main

    return run


def slope(f: Any, order: int) -> float:
    return float(jaxact.derivative(f, order)(3.0))


def test_a_cell_run_once_more_replaces(notebook):
    for factor in (1.0, 5.0):  # all cells in turn
        main = notebook(CELL, factor=factor)
        for cell in SLOPES:
            notebook(cell, factor=factor)
        assert get("__main__:bent") is main.bent
        assert to_config(main.bent) == {"name": "__main__:bent"}
        assert from_config({"name": "__main__:bent"}, allow="__main__") is main.bent
        assert float(main.bent(3.0)) == 9 * factor
        assert [slope(main.bent, n) for n in (1, 2)] == [6 * factor, 2 * factor]


def test_the_cell_of_a_derivative_run_once_more_replaces_it(notebook):
    main = notebook(CELL, factor=1.0)
    notebook(SLOPES[0], factor=7.0)  # wrong
    notebook(SLOPES[1], factor=7.0)
    assert [slope(main.bent, n) for n in (1, 2)] == [42.0, 14.0]
    notebook(SLOPES[0], factor=1.0)
    # the second derivative was that of the wrong one: JAX differentiates the new one
    assert [slope(main.bent, n) for n in (1, 2)] == [6.0, 2.0]
    notebook(SLOPES[1], factor=1.0)
    notebook(SLOPES[1], factor=1.0)
    assert [slope(main.bent, n) for n in (1, 2)] == [6.0, 2.0]


def test_one_that_was_replaced_still_works(notebook):
    main = notebook(CELL, factor=1.0)
    old = main.bent
    f = compose(jaxact.tanh, old)
    notebook(CELL, factor=5.0)
    assert float(old(3.0)) == 9.0 and float(f(0.5)) == pytest.approx(np.tanh(0.25))
    with pytest.raises(TypeError, match="bent is not at the top of the module"):
        to_config(old)


def test_another_kernel_for_the_same_is_a_mistake(notebook):
    notebook(CELL + SLOPES[0], factor=1.0)
    with pytest.raises(ValueError, match="order 1 by x is declared already, by bent_d"):
        notebook(SLOPES[0].replace("bent_dx", "slope"), factor=1.0)


def test_the_cell_of_a_pushforward_or_a_definition_run_once_more(notebook):
    main = notebook("""
@jaxact.activation
def halved(x):
    return x / 2
""")
    for factor in (7.0, 0.5):
        notebook("""
@jaxact.pushforward_of(halved)
def halved_push(t):
    return {factor} * t

@jaxact.definition_of(halved)
def halved_plain(x):
    return {factor} * x
""", factor=factor)  # fmt: skip
        assert jax.grad(main.halved)(1.0) == factor
        reference = jaxact.catalogue.info("__main__:halved").reference
        assert reference is not None and reference(2.0) == 2 * factor


def test_a_slope_does_not_become_a_pushforward_beside_itself(notebook):
    notebook(CELL + SLOPES[0], factor=1.0)
    with pytest.raises(ValueError, match="it has a rule already"):
        notebook("""
@jaxact.pushforward_of(bent)
def bent_dx(t, x):
    return 2 * x * t
""")
