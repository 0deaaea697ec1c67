"""Names and keywords of other frameworks: what they mean, and what errors say."""

import re
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jaxact
from jaxact import frameworks, get
from jaxact._translation import full_names

pytestmark = pytest.mark.slow  # says nothing new with another JAX

TABLE = frameworks.TABLE
LEFT = "leaky_relu_left"

# --- names --------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "wanted"), [
    ("torch.nn.GELU", jaxact.gelu_exact),
    ("nn.GELU", jaxact.gelu_exact),
    ("F.gelu", jaxact.gelu_exact),
    ("torch.nn.functional.gelu", jaxact.gelu_exact),
    ("nn.functional.gelu", jaxact.gelu_exact),
    ("torch.relu", jaxact.relu),
    ("nn.LeakyReLU", get(LEFT)),
    ("F.leaky_relu", get(LEFT)),
    ("tf.nn.gelu", jaxact.gelu_exact),
    ("tensorflow.nn.leaky_relu", get(LEFT, negative_slope=0.2)),
    ("tf.keras.layers.LeakyReLU", get("leaky_relu", negative_slope=0.3)),
    ("keras.activations.gelu", jaxact.gelu_exact),
    ("keras.activations.leaky_relu", get("leaky_relu", negative_slope=0.2)),
    ("keras.layers.LeakyReLU", get("leaky_relu", negative_slope=0.3)),
    ("jax.nn.gelu", jaxact.gelu_tanh),
    ("jax.nn.leaky_relu", jaxact.leaky_relu),
    ("flax.linen.gelu", jaxact.gelu_tanh),
    ("nnx.swish", jaxact.silu),
    ("nn.gelu", jaxact.gelu_tanh),  # jax.nn and flax.linen agree; torch.nn has layers
    ("nn.leaky_relu", jaxact.leaky_relu),
    ("transformers.activations.gelu_new", jaxact.gelu_tanh),
    ("onnx.Gelu", jaxact.gelu_exact),
    ("ggml.GELU", jaxact.gelu_tanh),
])  # fmt: skip
def test_a_name_with_its_module(name, wanted):
    assert get(name) == wanted


@pytest.mark.parametrize(("other", "framework"), [*frameworks.ALIASES.items()])
def test_other_names_of_frameworks(other, framework):
    needed: Any = {"dim": -1} if framework == "torch" else {}
    for name in TABLE[framework]:
        given = needed if needs_dim(name) else {}
        assert get(name, other, **given) == get(name, framework, **given)


def needs_dim(name: str) -> bool:
    row: Any = TABLE["torch"].get(name)
    keywords = getattr(row, "keywords", {})
    return isinstance(keywords.get("dim"), frameworks.Needed)


def test_every_full_name_is_that_of_its_framework():
    several = {"nn.PReLU"}
    for full in full_names():
        module, _, name = full.rpartition(".")
        given: Any = {}
        if needs_dim(name) and "torch" in of(module, name):
            given = {"dim": 1}
        if full in several:
            continue
        for framework in of(module, name):
            assert get(full, **given) == get(name, framework, **given), full
            assert get(full, framework, **given) == get(name, framework, **given)
    with pytest.raises(ValueError, match="may mean"):
        get("nn.PReLU")


def of(module: str, name: str) -> list[Any]:
    """The frameworks that have a name in that module."""
    layer = name != name.lower()
    return [
        m.framework
        for m in frameworks.MODULES[module]
        if name in TABLE[m.framework]
        and (m.kind == "both" or (m.kind == "layers") == layer)
    ]


def test_a_framework_says_which_of_several():
    assert get("nn.PReLU", "torch") == get(LEFT, negative_slope=0.25)
    assert get("nn.PReLU", "flax") == get("prelu", negative_slope=0.01)


@pytest.mark.parametrize(("arguments", "told"), [
    (["elu", "mxnet"], "no framework 'mxnet'; there are jax.nn, torch, keras, tensor"),
    (["elu", "pytorc"], "no framework 'pytorc'; did you mean pytorch"),
    (["nn.PReLU"], "'nn.PReLU' may mean get('PReLU', framework='torch') or "
     "get('PReLU', framework='flax'), which differ"),
    (["nn.GELU", "keras"], "'nn.GELU' is not a name of keras"),
    (["torch.nn.gelu"], "torch.gelu or torch.nn.functional.gelu or torch.nn.GELU"),
    (["torch.nn.LeakyRelu"], "did you mean torch.nn.LeakyReLU"),
    (["keras.ops.gelu"], "did you mean keras.activations.gelu"),
    (["torch.nn.LeakyReLU(0.2)"], "'torch.nn.LeakyReLU(0.2)' is a call; parameters are "
     "keywords of get: get('torch.nn.LeakyReLU', parameter=value)"),
    (["LeakyReLU(slope)", "torch"], "'LeakyReLU(slope)' is a call"),
    (["os.system"], "no activation 'os.system'; modules are jax.nn, torch, torch.nn, "),
    (["leakyReLU", "torch"], "torch has no activation 'leakyReLU'; did you mean Leaky"),
    (["LEAKYRELU", "torch"], "did you mean leaky_relu or LeakyReLU"),
    (["Dense", "keras"], "keras has no activation 'Dense'; it has celu, elu, ELU, "),
    (["LeakyReLU"], "no activation 'LeakyReLU'; with framework='torch' or "
     "framework='keras' there is one; did you mean leaky_relu"),
    (["Leaky_RELU"], "no activation 'Leaky_RELU'; did you mean leaky_relu"),
    (["Hardswish"], "with framework='torch' there is one; did you mean hard_swish"),
])  # fmt: skip
def test_errors_of_names(arguments, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        get(*arguments)


# --- keywords -----------------------------------------------------------------------


@pytest.mark.parametrize(("name", "framework", "parameters", "wanted"), [
    ("PReLU", "torch", {"num_parameters": 8, "device": "cpu", "dtype": "float32"},
     get(LEFT, negative_slope=0.25)),
    ("PReLU", "torch", {"num_parameters": 8, "init": 0.5},
     get(LEFT, negative_slope=0.5)),
    ("prelu", "torch", {"weight": 0.5}, get(LEFT, negative_slope=0.5)),
    ("ReLU", "torch", {"inplace": True}, jaxact.relu),
    ("LeakyReLU", "torch", {"negative_slope": 0.2, "inplace": True},
     get(LEFT, negative_slope=0.2)),
    ("Hardtanh", "torch", {"min_val": -2.0, "max_value": 2.0},
     get("hard_tanh_open", min_value=-2.0, max_value=2.0)),
    ("Softmax", "torch", {"dim": 1}, get("softmax", axis=1)),
    ("log_softmax", "torch", {"dim": 0, "dtype": None, "_stacklevel": 5},
     get("log_softmax", axis=0)),
    ("gumbel_softmax", "torch", {"tau": 0.5, "hard": True, "eps": 1e-10, "dim": 1},
     get("gumbel_softmax", temperature=0.5, hard=True, axis=1)),
    ("rrelu", "torch", {"lower": 0.1, "training": False}, get("rrelu", lower=0.1)),
    ("Softplus", "torch", {"beta": 2.0, "threshold": 5.0},
     get("softplus_thresholded", beta=2.0, threshold=5.0)),
    ("Softshrink", "torch", {"lambd": 1.0}, get("soft_shrink", lambd=1.0)),
    ("Identity", "torch", {"anything": 54}, jaxact.identity),
    ("LeakyReLU", "keras", {"negative_slope": 0.2, "name": "a", "dtype": "bfloat16"},
     get("leaky_relu", negative_slope=0.2)),
    ("LeakyReLU", "keras", {"alpha": 0.2}, get("leaky_relu", negative_slope=0.2)),
    ("ReLU", "keras", {"max_value": 6.0, "negative_slope": 0.1, "threshold": 0.5},
     get("general_relu", max_value=6.0, negative_slope=0.1, threshold=0.5)),
    ("ReLU", "keras", {"max_value": None, "trainable": False}, jaxact.relu),
    ("Softmax", "keras", {"axis": 1}, get("softmax", axis=1)),
    ("PReLU", "keras", {"alpha_initializer": "zeros", "shared_axes": (1, 2)},
     get(LEFT, negative_slope=0.0)),
    ("leaky_relu", "tensorflow", {"alpha": 0.1, "name": "a"},
     get(LEFT, negative_slope=0.1)),
    ("swish", "tensorflow", {"beta": 2.0}, get("silu", beta=2.0)),
    ("gelu", "tensorflow", {"approximate": True, "name": "a"}, jaxact.gelu_tanh),
    ("Selu", "onnx", {"alpha": float(np.float32(1.67326319217681884765625))},
     jaxact.selu),
    ("xielu", "huggingface", {"eps": -1e-5, "dtype": "bfloat16"},
     get("xielu", epsilon=-1e-5)),
    ("gelu_10", "huggingface", {"min": -1, "max": 1},
     get("gelu_clipped", low=-1, high=1)),
    ("SOFT_MAX", "ggml", {"scale": 1.0, "max_bias": 0.0}, jaxact.softmax),
    ("PReLU", "flax", {"negative_slope_init": 0.5, "param_dtype": jnp.bfloat16},
     get("prelu", negative_slope=0.5)),
])  # fmt: skip
def test_what_keywords_mean(name, framework, parameters, wanted):
    assert get(name, framework, **parameters) == wanted


@pytest.mark.parametrize(("name", "framework", "parameters", "told"), [
    ("LeakyReLU", "torch", {"slope": 0.1},
     "get: LeakyReLU(slope): torch has no such parameter; it has negative_slope, inpl"),
    ("torch.nn.LeakyReLU", None, {"slope": 0.1}, "LeakyReLU(slope): torch has no such"),
    ("LeakyReLU", "torch", {"slope": None}, "get: LeakyReLU(slope): torch has no such"),
    ("LeakyReLU", "torch", {"negative_slope": "a"},
     "get: LeakyReLU(negative_slope) must be a number; got str 'a'"),
    ("Hardtanh", "torch", {"min_val": [1.0]}, "Hardtanh(min_val) must be a number"),
    ("hard_shrink", "keras", {"lambd": 1.0}, "hard_shrink(lambd): keras has no such "
     "parameter; it has threshold"),
    ("Softmax", "torch", {"axis": 1}, "Softmax(axis): torch has no such parameter; it "
     "has dim"),
    ("tanh", "torch", {"inplace": True}, "tanh(inplace): torch has no such parameter; "
     "it has none"),
    ("GELU", "torch", {"approx": True}, "GELU(approx): torch has no such parameter; it "
     "has approximate"),
    ("Hardtanh", "torch", {"min_val": -1.0, "min_value": -2.0},
     "Hardtanh(min_value) and Hardtanh(min_val) are one parameter"),
    ("Softmax", "torch", {}, "Softmax(dim) must be given: torch would choose it by the "
     "number of dimensions; say dim=-1 for the last"),
    ("softmin", "torch", {"dim": None}, "softmin(dim) must be given"),
    ("softmax", "torch", {"dim": 1, "dtype": "float32"},
     "softmax(dtype) cannot be 'float32' here: the result has the dtype of x"),
    ("rrelu", "torch", {"training": True},
     "rrelu(training) cannot be True here: a key, given at the call, means training"),
    ("ReLU", "keras", {"activity_regularizer": "l2"}, "add the penalty to the loss"),
    ("PReLU", "keras", {"alpha_initializer": "ones"},
     "PReLU(alpha_initializer) cannot be 'ones' here: other slopes are given at the"),
    ("PReLU", "keras", {"alpha_initializer": np.ones(2)}, "PReLU(alpha_initializer) "),
    ("Selu", "onnx", {"alpha": 1.0}, "scale(get('elu', alpha=...), output=gamma)"),
    ("SOFT_MAX", "ggml", {"scale": 0.5}, "give temperature=1 / scale at the call"),
])  # fmt: skip
def test_errors_of_keywords_are_in_their_words(name, framework, parameters, told):
    with pytest.raises(TypeError, match=re.escape(told)) as error:
        get(name, framework, **parameters)
    assert LEFT not in str(error.value)


def test_a_value_that_chooses():
    told = "GELU(approximate) must be 'none' or 'tanh' in torch; got True"
    with pytest.raises(ValueError, match=re.escape(told)):
        get("GELU", "torch", approximate=True)
    told = "gelu(approximate) must be False or True in keras; got 'tanh'"
    with pytest.raises(ValueError, match=re.escape(told)):
        get("gelu", "keras", approximate="tanh")


def test_what_is_refused_can_be_had_as_the_error_says():
    x = jnp.float32([-2.0, -0.5, 0.0, 1.5])
    selu = jaxact.combinators.scale(get("elu", alpha=0.5), output=2.0)
    np.testing.assert_allclose(selu(x), jnp.where(x > 0, 2 * x, jnp.expm1(x)))
    half = get("SOFT_MAX", "ggml")(x, temperature=1 / 0.5)
    np.testing.assert_allclose(half, jaxact.softmax(0.5 * x), rtol=1e-6)


def test_crelu_is_that_of_tensorflow():
    # tf.nn.crelu([[-1., 2.]]), which is wider than x and so is not recorded
    wide = get("tf.nn.crelu")(jnp.float32([[-1, 2]]))
    np.testing.assert_array_equal(wide, [[0, 2, 1, 0]])
