"""Records what other frameworks give for their activations, into frameworks.json.

    python -m venv VENV
    VENV/bin/pip install torch==2.13.0 keras==3.15.1 jax==0.10.2 flax==0.12.8 \
        onnx==1.23.2 transformers==5.23.0 tensorflow-cpu==2.21.0
    JAX_PLATFORMS=cpu VENV/bin/python tests/tools/record_frameworks.py

Everything is computed in float64 on a CPU.  Keras runs on its JAX backend, whose slopes
at kinks are meant where backends disagree.  ONNX is its reference evaluator, which has
no derivatives, and whose attributes are float32.  Of ggml there is no package: its
values are its formulas, as in ggml/src/ggml-cpu, written down below.

The file holds values and gradients at the points of `LINE`, of functions along an axis
at `CUBE`, there as the product of the Jacobian with `WEIGHTS`, and of functions of a
gate and a value at the halves of `CUBE`.  It holds the signatures too: what can be
told of each function after its operands.
"""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

import functools
import importlib.metadata
import inspect
import json
import math
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

OUTPUT = Path(__file__).parents[2] / "jaxact" / "_cli" / "frameworks.json"

_SIZES = (0.125, 0.5, 0.75, 1, 1.75, 2, 2.5, 3, 5.25, 6, 7.5, 20.5, 40, 100, math.inf)
LINE = np.array([*(-s for s in reversed(_SIZES)), 0.0, *_SIZES])
_RANDOM = np.random.default_rng(0)
CUBE = np.round(_RANDOM.normal(0, 3, (2, 6, 4)) * 8) / 8
CUBE[0, 0], CUBE[1, 0] = 1.0, [2, -9, 2, -9]  # ties
WEIGHTS = np.round(_RANDOM.normal(0, 1, CUBE.shape) * 8) / 8

Parameters = dict[str, Any]
Function = Callable[[Any], Any]

ALONG_AN_AXIS = set(
    "glu GLU logmeanexp logsumexp log_softmax LogSoftmax softmax Softmax Softmax2d "
    "SOFT_MAX softmin Softmin sparsemax Hardmax".split()
)
OF_TWO = set(  # gate and value: the halves of the cube
    "SwiGLU SWIGLU SWIGLU_CLAMP SWIGLU_OAI GEGLU GEGLU_ERF GEGLU_QUICK REGLU".split()
)
# random; not defined below 0; of another shape than x
NOT_RECORDED = {"gumbel_softmax", "log1mexp", "crelu"}

# with what to call a function, where not with its defaults alone
_ALPHA = [{}, {"alpha": 0.5}]
_DIM = [{"dim": -1}, {"dim": 0}]
_AXIS = [{}, {"axis": 0}]
_SHAPED = [{}, {"approximate": "tanh"}]
SETTINGS: dict[str, dict[str, list[Parameters]]] = {
    "jax.nn": {
        "celu elu": _ALPHA,
        "gelu": [{}, {"approximate": False}],
        "glu": [{}, {"axis": 1}],
        "leaky_relu": [{}, {"negative_slope": 0.25}],
        "log_softmax softmax": _AXIS,
        "logmeanexp logsumexp": [{"axis": -1, "keepdims": True}],
        "squareplus": [{}, {"b": 0.25}],
    },
    "torch": {
        "celu CELU elu ELU": _ALPHA,
        "gelu GELU": _SHAPED,
        "glu GLU": [{}, {"dim": 1}],
        "hardshrink Hardshrink softshrink Softshrink": [{}, {"lambd": 1.75}],
        "hardtanh Hardtanh": [{}, {"min_val": -2.0, "max_val": 0.5}],
        "leaky_relu LeakyReLU": [{}, {"negative_slope": 0.25}],
        "log_softmax LogSoftmax softmax Softmax softmin Softmin": _DIM,
        "prelu": [{"weight": 0.25}, {"weight": -0.5}],
        "PReLU": [{}, {"init": -0.5}],
        "rrelu RReLU": [{}, {"lower": 0.25, "upper": 0.75}],
        "softplus Softplus": [{}, {"beta": 2.0}, {"beta": 0.5, "threshold": 2.0}],
        "threshold Threshold": [{"threshold": 0.5, "value": -1.0}],
    },
    "keras": {
        "celu elu ELU": _ALPHA,
        "gelu": [{}, {"approximate": True}],
        "glu": [{}, {"axis": 1}],
        "hard_shrink soft_shrink": [{}, {"threshold": 1.75}],
        "leaky_relu LeakyReLU": [{}, {"negative_slope": 0.5}],
        "log_softmax softmax Softmax sparsemax": _AXIS,
        "relu ReLU": [
            {},
            {"max_value": 6.0},
            {"negative_slope": 0.25},
            {"negative_slope": 0.25, "max_value": 2.0, "threshold": 1.0},
        ],
        "squareplus": [{}, {"b": 0.25}],
        "threshold": [{"threshold": 0.5, "default_value": -1.0}],
    },
    "tensorflow": {
        "gelu": [{}, {"approximate": True}],
        "leaky_relu": [{}, {"alpha": 0.5}],
        "log_softmax softmax": _AXIS,
        "silu swish": [{}, {"beta": 0.5}],
    },
    "onnx": {
        "Celu Elu LeakyRelu Swish ThresholdedRelu": _ALPHA,
        "Gelu": _SHAPED,
        "HardSigmoid": [{}, {"alpha": 0.25, "beta": 0.75}],
        "Hardmax LogSoftmax Softmax": _AXIS,
        "PRelu": [{"slope": 0.25}],
        "Shrink": [{}, {"lambd": 1.0, "bias": 1.0}, {"lambd": 0.5, "bias": 0.25}],
        "SwiGLU": _ALPHA,
    },
    "huggingface": {
        "xielu": [{}, {"alpha_p_init": 0.5, "alpha_n_init": 0.75, "eps": -0.25}],
    },
    "ggml": {
        "LEAKY_RELU": [{"negative_slope": 0.25}],
        "SWIGLU_CLAMP": [{"limit": 7.0}],
        "SWIGLU_OAI": [{"alpha": 1.702, "limit": 7.0}],
        "XIELU": [{"alpha_n": 0.75, "alpha_p": 0.5, "beta": 0.5, "eps": -1e-6}],
    },
    "flax": {
        "celu elu": _ALPHA,
        "gelu": [{}, {"approximate": False}],
        "glu": [{}, {"axis": 1}],
        "leaky_relu": [{}, {"negative_slope": 0.25}],
        "log_softmax softmax": _AXIS,
        "PReLU": [{}, {"negative_slope_init": 0.25}],
    },
}


def settings(framework: str, name: str) -> list[Parameters]:
    """The parameters to record a function with, one set after the other."""
    for names, given in SETTINGS.get(framework, {}).items():
        if name in names.split():
            return given
    return [{}]


def points(name: str) -> tuple[str, np.ndarray]:
    """Where a function is recorded."""
    if name in OF_TWO:
        return "halves", CUBE
    return ("cube", CUBE) if name in ALONG_AN_AXIS else ("line", LINE)


# --- the frameworks -----------------------------------------------------------------


def torch_function(name: str, given: Parameters) -> Function:
    """torch.nn.functional.<name>, or the layer torch.nn.<name>."""
    import torch

    if not hasattr(torch.nn.functional, name):
        return getattr(torch.nn, name)(**given).double().eval()
    if name == "prelu":
        given = {"weight": torch.tensor([given["weight"]], dtype=torch.float64)}
    return functools.partial(getattr(torch.nn.functional, name), **given)


def torch_names() -> set[str]:
    """The activations of torch.nn, and functions that have no layer."""
    import torch

    layers = set(torch.nn.modules.activation.__all__) - {"MultiheadAttention"}
    wanted = {n.lower() for n in layers}
    listed = [
        n for n in dir(torch.nn.functional) if not n.startswith("_") and n[-1] != "_"
    ]
    same = {n for n in listed if n.replace("_", "").lower() in wanted}
    return {*layers, *same, "Identity", "gumbel_softmax"}


def with_torch(f: Function, x: np.ndarray, weights: np.ndarray) -> tuple[Any, Any]:
    """Value and gradient by automatic differentiation in torch."""
    import torch

    v = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    y = f(v)
    seed = torch.tensor(_fitting(weights, y))
    (gradient,) = torch.autograd.grad(y, v, seed)
    return y.detach().numpy(), gradient.numpy()


def with_jax(f: Function, x: np.ndarray, weights: np.ndarray) -> tuple[Any, Any]:
    """Value and gradient by automatic differentiation in JAX."""
    import jax
    import jax.numpy as jnp

    y, pull = jax.vjp(f, jnp.asarray(x))
    (gradient,) = pull(jnp.asarray(_fitting(weights, y), y.dtype))
    return np.asarray(y), np.asarray(gradient)


def _fitting(weights: Any, y: Any) -> Any:
    """As many of the weights as there are outputs."""
    return weights[tuple(slice(n) for n in y.shape)]


KERAS_LAYERS = {"ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax"}


def keras_function(name: str, given: Parameters) -> Function:
    """keras.activations.<name>, or the layer keras.layers.<name>."""
    import keras

    if name in KERAS_LAYERS:
        return getattr(keras.layers, name)(dtype="float64", **given)
    return functools.partial(keras.activations.get(name), **given)


def keras_names() -> set[str]:
    """The names that keras.activations.get takes, and layers that are an activation."""
    from keras.src.activations import ALL_OBJECTS_DICT

    return {*ALL_OBJECTS_DICT, *KERAS_LAYERS}


def tensorflow_function(name: str, given: Parameters) -> Function:
    """tf.nn.<name>."""
    import tensorflow as tf

    return functools.partial(getattr(tf.nn, name), **given)


def tensorflow_names() -> set[str]:
    """The activations of tf.nn, which has no list of them."""
    return set(
        "crelu elu gelu leaky_relu log_softmax relu relu6 selu sigmoid silu softmax "
        "softplus softsign swish tanh".split()
    )


def with_tensorflow(f: Function, x: np.ndarray, weights: np.ndarray) -> tuple[Any, Any]:
    """Value and gradient by automatic differentiation in TensorFlow."""
    import tensorflow as tf

    v = tf.constant(x, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(v)
        y = f(v)
    seed = tf.constant(_fitting(weights, y), tf.float64)
    gradient: Any = tape.gradient(y, v, [seed])
    return y.numpy(), gradient.numpy()


def jax_function(name: str, given: Parameters) -> Function:
    """jax.nn.<name>."""
    import jax

    return functools.partial(getattr(jax.nn, name), **given)


def jax_names() -> set[str]:
    """The functions of jax.nn that are activations."""
    import jax

    others = "dot_product_attention get_scaled_dot_general_config initializers one_hot "
    others += "scaled_dot_general scaled_matmul standardize"
    return {n for n in dir(jax.nn) if not n.startswith("_")} - set(others.split())


def flax_function(name: str, given: Parameters) -> Function:
    """flax.linen.<name>; a layer with the parameter it starts with."""
    import flax.linen as nn
    import jax
    from flax import nnx

    f = getattr(nn, name, None) or getattr(nnx, name)
    if name != "PReLU":
        return functools.partial(f, **given)
    layer = f(param_dtype=np.float64, **given)
    return lambda x: layer.apply(layer.init(jax.random.key(0), x), x)


def flax_names() -> set[str]:
    """The functions of jax.nn in flax.nnx, and layers."""
    import jax
    from flax import nnx

    others = "dot_product_attention initializers logsumexp one_hot standardize"
    shared = {n for n in dir(jax.nn) if not n.startswith("_") and hasattr(nnx, n)}
    return (shared | {"PReLU", "identity"}) - set(others.split())


def huggingface_function(name: str, given: Parameters) -> Function:
    """ACT2FN[name]; xielu with its parameters in float64, not bfloat16."""
    import torch
    from transformers.activations import ACT2FN, XIELUActivation

    if name == "xielu":
        return XIELUActivation(dtype=torch.float64, **given)
    return ACT2FN[name].double()


def huggingface_names() -> set[str]:
    """The keys of ACT2FN."""
    from transformers.activations import ACT2CLS

    return set(ACT2CLS)


def onnx_function(name: str, given: Parameters) -> Function:
    """The operator of ONNX, by the reference evaluator."""
    from onnx import TensorProto, defs, helper, numpy_helper
    from onnx.reference import ReferenceEvaluator

    schema = defs.get_schema(name)
    inputs = [i.name for i in schema.inputs]
    arrays = [
        numpy_helper.from_array(np.array([value], np.float64), n)
        for n, value in given.items()
        if n in inputs
    ]
    attributes = {n: v for n, v in given.items() if n not in inputs}
    node = helper.make_node(name, inputs, ["y"], **attributes)
    fed = [n for n in inputs if n not in given]
    double = TensorProto.DOUBLE
    tensors = [helper.make_tensor_value_info(n, double, None) for n in fed]
    out = [helper.make_tensor_value_info("y", double, None)]
    graph = helper.make_graph([node], name, tensors, out, arrays)
    opset = helper.make_opsetid("", defs.onnx_opset_version())
    evaluator = ReferenceEvaluator(helper.make_model(graph, opset_imports=[opset]))

    def run(x: np.ndarray) -> np.ndarray:
        parts = np.split(x, len(fed), -1)  # SwiGLU takes gate and value apart
        return evaluator.run(None, dict(zip(fed, parts, strict=True)))[0]

    return run


def onnx_names() -> set[str]:
    """The operators of ONNX that are activations; ONNX has no list of them."""
    return set(
        "Celu Elu Gelu HardSigmoid HardSwish Hardmax Identity LeakyRelu LogSoftmax "
        "Mish PRelu Relu Selu Shrink Sigmoid Softmax Softplus Softsign SwiGLU Swish "
        "Tanh ThresholdedRelu".split()
    )


_erf = np.vectorize(math.erf, otypes=[float])


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _gelu(x: Any) -> Any:
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * x * (1 + 0.044715 * x * x)))


def _gelu_erf(x: Any) -> Any:
    return x / 2 * (1 + _erf(x / math.sqrt(2)))


def _gelu_quick(x: Any) -> Any:
    return x * _sigmoid(1.702 * x)


def _silu(x: Any) -> Any:
    return x / (1 + np.exp(-x))


def _relu(x: Any) -> Any:
    return np.where(x > 0, x, 0)


def _hard_sigmoid(x: Any) -> Any:
    return np.minimum(1, np.maximum(0, (x + 3) / 6))


def _gated(f: Function) -> Function:
    def gated(x: Any) -> Any:
        gate, up = np.split(x, 2, -1)
        return f(gate) * up

    return gated


def _swiglu_clamp(x: Any, limit: float) -> Any:
    gate, up = np.split(x, 2, -1)
    return _silu(np.minimum(gate, limit)) * np.clip(up, -limit, limit)


def _swiglu_oai(x: Any, alpha: float, limit: float) -> Any:
    gate, up = np.split(x, 2, -1)
    gate = np.minimum(gate, limit)
    return gate * _sigmoid(alpha * gate) * (np.clip(up, -limit, limit) + 1)


def _xielu(x: Any, alpha_n: float, alpha_p: float, beta: float, eps: float) -> Any:
    below = (np.expm1(np.minimum(x, eps)) - x) * alpha_n + beta * x
    return np.where(x > 0, alpha_p * x * x + beta * x, below)


def _soft_max(x: Any) -> Any:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


GGML: dict[str, Callable[..., Any]] = {
    "ELU": lambda x: np.where(x > 0, x, np.expm1(x)),
    "EXP": np.exp,
    "GEGLU": _gated(_gelu),
    "GEGLU_ERF": _gated(_gelu_erf),
    "GEGLU_QUICK": _gated(_gelu_quick),
    "GELU": _gelu,
    "GELU_ERF": _gelu_erf,
    "GELU_QUICK": _gelu_quick,
    "HARDSIGMOID": _hard_sigmoid,
    "HARDSWISH": lambda x: x * _hard_sigmoid(x),
    "LEAKY_RELU": lambda x, negative_slope: _relu(x) - negative_slope * _relu(-x),
    "REGLU": _gated(_relu),
    "RELU": _relu,
    "SIGMOID": _sigmoid,
    "SILU": _silu,
    "SOFT_MAX": _soft_max,
    "SOFTPLUS": lambda x: np.where(x > 20, x, np.log(1 + np.exp(x))),
    "STEP": lambda x: np.where(x > 0, 1, 0),
    "SWIGLU": _gated(_silu),
    "SWIGLU_CLAMP": _swiglu_clamp,
    "SWIGLU_OAI": _swiglu_oai,
    "TANH": np.tanh,
    "XIELU": _xielu,
}


def ggml_function(name: str, given: Parameters) -> Function:
    """The formula of an operation of ggml."""
    return functools.partial(GGML[name], **given)


def without_derivative(f: Function, x: np.ndarray, _: Any) -> tuple[Any, None]:
    """Value alone."""
    with np.errstate(all="ignore"):
        return np.asarray(f(x), np.float64), None


# --- signatures ---------------------------------------------------------------------


def signature(framework: str, name: str) -> list[str]:
    """The parameters of a function or of a layer, after the operands."""
    if framework == "onnx":
        from onnx import defs

        schema = defs.get_schema(name)
        operands = 2 if name in OF_TWO else 1
        return [*(i.name for i in schema.inputs[operands:]), *sorted(schema.attributes)]
    found: dict[str, None] = {}
    for f in _spelled(framework, name):
        if not isinstance(f, type):
            found |= dict.fromkeys(_parameters(f)[1:])
        elif "__init__" in vars(f):  # the base of all layers takes nothing itself
            found |= dict.fromkeys(_parameters(f.__init__))
    if framework == "keras":
        found.pop("**", None)  # the base of all layers refuses what it does not know
    return list(found)


def _spelled(framework: str, name: str) -> list[Any]:
    """The functions and layers of that name."""
    match framework:
        case "jax.nn":
            import jax

            return [getattr(jax.nn, name)]
        case "torch":
            from torch import nn

            homes = (nn.functional, nn)
            return [f for f in (getattr(m, name, None) for m in homes) if callable(f)]
        case "keras":
            import keras

            if name in KERAS_LAYERS:  # which hand on what any layer takes
                return [getattr(keras.layers, name), keras.layers.Layer]
            return [keras.activations.get(name)]
        case "tensorflow":
            import tensorflow as tf

            return [getattr(tf.nn, name)]
        case "huggingface":
            from transformers.activations import ACT2CLS

            found = ACT2CLS[name]
            return [found[0] if isinstance(found, tuple) else found]
        case "ggml":
            return [f for f in (GGML[name],) if inspect.isfunction(f)]
        case _:
            import flax.linen as nn
            from flax import nnx

            return [f for f in (getattr(m, name, None) for m in (nn, nnx)) if f]


def _parameters(f: Any) -> list[str]:
    """The names of the parameters; `**` stands for any others."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except ValueError:  # built in: its first line of help says it
        (told,) = re.findall(r"^\s*\w+\((.*?)\) ->", f.__doc__, re.M)
        return [re.split(r"[ =:]", p)[0] for p in told.split(", ") if p != "*"]
    return [
        "**" if p.kind is p.VAR_KEYWORD else p.name
        for p in parameters
        if p.name not in ("self", "rngs") and p.kind is not p.VAR_POSITIONAL
    ]


# framework: its names, its functions, how to evaluate one, the packages, what it is
RECORDED: dict[str, tuple[Any, Any, Any, tuple[str, ...], str]] = {
    "jax.nn": (jax_names, jax_function, with_jax, ("jax",), "jax.nn"),
    "torch": (torch_names, torch_function, with_torch, ("torch",),
              "torch.nn.functional and torch.nn"),
    "keras": (keras_names, keras_function, with_jax, ("keras", "jax"),
              "keras.activations on the JAX backend"),
    "tensorflow": (tensorflow_names, tensorflow_function, with_tensorflow,
                   ("tensorflow-cpu",), "tensorflow.nn"),
    "onnx": (onnx_names, onnx_function, without_derivative, ("onnx",),
             "onnx.reference, opset 28; it has no derivatives"),
    "huggingface": (huggingface_names, huggingface_function, with_torch,
                    ("transformers", "torch"), "transformers.activations.ACT2FN"),
    "ggml": (lambda: set(GGML), ggml_function, without_derivative, (),
             "the formulas of ggml/src/ggml-cpu in float64; it has no package"),
    "flax": (flax_names, flax_function, with_jax, ("flax", "jax"),
             "flax.linen and flax.nnx"),
}  # fmt: skip


def cases(framework: str) -> Iterator[dict[str, Any]]:
    """The results of a framework; a function and its layer are one case."""
    names, function, evaluate, *_ = RECORDED[framework]
    found: list[dict[str, Any]] = []
    for name in sorted(names() - NOT_RECORDED, key=lambda n: (n.lower(), n.swapcase())):
        where, x = points(name)
        weights = np.ones_like(x) if where == "line" else WEIGHTS
        for given in settings(framework, name):
            value, gradient = evaluate(function(name, given), x, weights)
            case = {
                "parameters": given,
                "points": where,
                "value": _cells(value),
                "gradient": None if gradient is None else _cells(gradient),
            }
            for other in found:
                *_, last = names_of = other["names"]
                if _bare(last) == _bare(name) and other == {"names": names_of, **case}:
                    names_of.append(name)
                    break
            else:
                found.append({"names": [name], **case})
    yield from found


def _bare(name: str) -> str:
    return name.replace("_", "").lower()


def _cells(value: np.ndarray) -> Any:
    """Nested lists for JSON, which has no infinities and no NaN."""
    words = {math.inf: "inf", -math.inf: "-inf"}
    flat = [words.get(v, "nan" if v != v else v) for v in map(float, value.ravel())]
    if value.ndim < 2:
        return flat
    rows = np.array(flat, object).reshape(value.shape)
    return rows.tolist()


def main() -> None:
    """Write the file."""
    os.environ |= {"KERAS_BACKEND": "jax", "KERAS_FLOATX": "float64"}
    import jax

    jax.config.update("jax_enable_x64", True)
    recorded = {}
    for framework, (names, *_, packages, origin) in RECORDED.items():
        recorded[framework] = {
            "origin": origin,
            "versions": {p: importlib.metadata.version(p) for p in packages},
            "signatures": {n: signature(framework, n) for n in sorted(names())},
            "cases": list(cases(framework)),
        }
    head = {"line": _cells(LINE), "cube": _cells(CUBE), "weights": _cells(WEIGHTS)}
    text = json.dumps({"points": head, "frameworks": recorded}, allow_nan=False)
    # a line for each case, so that a difference can be read
    text = text.replace('{"names"', '\n{"names"').replace('"origin"', '\n"origin"')
    OUTPUT.write_text(text + "\n")


if __name__ == "__main__":
    main()
