"""What other frameworks call activations: their names, defaults and kinks in ours.

`TABLE[framework][name]` says which activation of jaxact computes what that framework
computes under that name, with its defaults and its slope at kinks; `DIFFERENCES` says
where that is not quite the same.  Data alone: it is read by `jaxact.get(name,
framework=...)` and `python -m jaxact list`, and compared with what the frameworks
themselves gave (`python -m jaxact frameworks`).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Same(NamedTuple):
    """An activation of jaxact that is the same as another framework's.

    Attributes:
        name: its name here.
        fixed: parameters that differ from our defaults, by our names.
        renamed: what they call a parameter, and what we do, where that differs.
        general: the activation with parameters, where that is another one.
    """

    name: str
    fixed: Mapping[str, Any] = {}
    renamed: Mapping[str, str] = {}
    general: str = ""


class Choice(NamedTuple):
    """One name of theirs for several activations, chosen by a parameter.

    Attributes:
        parameter: theirs.
        among: the activation for each of its values, their default first.
    """

    parameter: str
    among: Mapping[Any, Same]


def theirs(framework: str, name: str) -> dict[str, Mapping[str, Any]]:
    """What a framework calls an activation, each with the parameter that chooses it."""
    found: dict[str, Mapping[str, Any]] = {}
    for other, row in TABLE[framework].items():
        if isinstance(row, Same):
            if name in (row.name, row.general):
                found[other] = {}
        else:
            for value, same in row.among.items():
                if same.name == name:
                    found[other] = {row.parameter: value}
    return found


def _ours(name: str, fixed: Mapping[str, Any] | None = None, **renamed: str) -> Same:
    return Same(name, fixed or {}, renamed)


def _by_name(rows: Mapping[str, Same | Choice | str]) -> dict[str, Same | Choice]:
    """The rows, one for each of the names that a key lists."""
    return {
        name: Same(row) if isinstance(row, str) else row
        for names, row in rows.items()
        for name in names.split()
    }


def _gelu(**how: Any) -> Choice:
    exact, tanh = how["approximate"]
    return Choice("approximate", {exact: Same("gelu_exact"), tanh: Same("gelu_tanh")})


_GATES = {"alpha": 1.702, "limit": 7.0}  # of gpt-oss

TABLE: dict[str, dict[str, Same | Choice]] = {
    # what the functions of the same name replace
    "jax.nn": _by_name({
        **{name: name for name in (
            "celu", "elu", "glu", "hard_sigmoid", "hard_tanh", "identity",
            "leaky_relu", "log1mexp", "log_sigmoid", "log_softmax", "logmeanexp",
            "logsumexp", "mish", "relu", "relu6", "selu", "sigmoid", "soft_sign",
            "softmax", "softplus", "sparse_plus", "sparse_sigmoid", "squareplus",
            "tanh",
        )},
        "gelu": Choice(
            "approximate", {True: Same("gelu_tanh"), False: Same("gelu_exact")}
        ),
        "hard_silu hard_swish": "hard_silu",
        "silu swish": "silu",
    }),
    # torch.nn.functional and torch.nn: at the kinks the slope below, 0 at a clip
    "torch": _by_name({
        "celu CELU": "celu",
        "elu ELU": "elu",
        "gelu GELU": _gelu(approximate=("none", "tanh")),
        "glu GLU": _ours("glu", dim="axis"),
        "gumbel_softmax": _ours("gumbel_softmax", dim="axis"),
        "hardshrink Hardshrink": "hard_shrink",
        "hardsigmoid Hardsigmoid": "hard_sigmoid",
        "hardswish Hardswish": "hard_silu",
        "hardtanh Hardtanh": _ours(
            "hard_tanh_open", min_val="min_value", max_val="max_value"
        ),
        "Identity": "identity",
        "leaky_relu LeakyReLU": "leaky_relu_left",
        "log_softmax LogSoftmax": _ours("log_softmax", dim="axis"),
        "logsigmoid LogSigmoid": "log_sigmoid",
        "mish Mish": "mish",
        "prelu PReLU": _ours(
            "leaky_relu_left", {"negative_slope": 0.25},
            weight="negative_slope", init="negative_slope",
        ),
        "relu ReLU": "relu",
        "relu6 ReLU6": "relu6",
        "rrelu RReLU": "rrelu",
        "selu SELU": "selu",
        "sigmoid Sigmoid": "sigmoid",
        "silu SiLU": "silu",
        "softmax Softmax": _ours("softmax", dim="axis"),
        "Softmax2d": _ours("softmax", {"axis": -3}),
        "softmin Softmin": _ours("softmin", dim="axis"),
        "softplus Softplus": "softplus_thresholded",
        "softshrink Softshrink": "soft_shrink",
        "softsign Softsign": "soft_sign",
        "tanh Tanh": "tanh",
        "tanhshrink Tanhshrink": "tanh_shrink",
        "threshold Threshold": "threshold",
    }),
    # keras.activations, on its JAX backend where backends disagree at kinks
    "keras": _by_name({
        "celu": "celu",
        "elu": "elu",
        "exponential": "exponential",
        "gelu": _gelu(approximate=(False, True)),
        "glu": "glu",
        "hard_shrink": _ours("hard_shrink", threshold="lambd"),
        "hard_sigmoid": "hard_sigmoid",
        "hard_silu hard_swish": "hard_silu",
        "hard_tanh": "hard_tanh",
        "leaky_relu": _ours("leaky_relu", {"negative_slope": 0.2}),
        "linear": "identity",
        "log_sigmoid": "log_sigmoid",
        "log_softmax": "log_softmax",
        "mish": "mish",
        "relu": Same("relu", general="general_relu"),
        "relu6": "relu6",
        "selu": "selu",
        "sigmoid": "sigmoid",
        "silu swish": "silu",
        "soft_shrink": _ours("soft_shrink", threshold="lambd"),
        "softmax": "softmax",
        "softplus": "softplus",
        "softsign": "soft_sign",
        "sparse_plus": "sparse_plus",
        "sparse_sigmoid": "sparse_sigmoid",
        "sparsemax": "sparsemax",
        "squareplus": "squareplus",
        "tanh": "tanh",
        "tanh_shrink": "tanh_shrink",
        "threshold": _ours("threshold", default_value="value"),
    }),
    # operators of ONNX, which says nothing of derivatives
    "onnx": _by_name({
        "Celu": "celu",
        "Elu": "elu",
        "Gelu": _gelu(approximate=("none", "tanh")),
        "HardSigmoid": _ours("hard_sigmoid_sloped", alpha="slope", beta="offset"),
        "HardSwish": "hard_silu",
        "Hardmax": "hardmax",
        "Identity": "identity",
        "LeakyRelu": _ours("leaky_relu", alpha="negative_slope"),
        "LogSoftmax": "log_softmax",
        "Mish": "mish",
        "PRelu": _ours("prelu", slope="negative_slope"),
        "Relu": "relu",
        "Selu": "selu",
        "Shrink": "shrink",
        "Sigmoid": "sigmoid",
        "Softmax": "softmax",
        "Softplus": "softplus",
        "Softsign": "soft_sign",
        "SwiGLU": _ours("swiglu", alpha="beta"),
        "Swish": _ours("silu", alpha="beta"),
        "Tanh": "tanh",
        "ThresholdedRelu": _ours("thresholded_relu", alpha="threshold"),
    }),
    # the keys of transformers.activations.ACT2FN; kinks as in PyTorch
    "huggingface": _by_name({
        "gelu gelu_python": "gelu_exact",
        "gelu_10": "gelu_clipped",
        "gelu_accurate gelu_fast gelu_new gelu_python_tanh gelu_pytorch_tanh":
            "gelu_tanh",
        "hardswish": "hard_silu",
        "laplace": "laplace",
        "leaky_relu": "leaky_relu_left",
        "linear": "identity",
        "mish": "mish",
        "prelu": _ours(
            "leaky_relu_left", {"negative_slope": 0.25}, init="negative_slope"
        ),
        "quick_gelu": "quick_gelu",
        "relu": "relu",
        "relu2": "relu_squared",
        "relu6": "relu6",
        "sigmoid": "sigmoid",
        "silu swish": "silu",
        "sqrtsoftplus": "sqrt_softplus",
        "tanh": "tanh",
        "xielu": _ours(
            "xielu", alpha_p_init="alpha_p", alpha_n_init="alpha_n", eps="epsilon"
        ),
    }),
    # the ends of GGML_UNARY_OP_..., GGML_GLU_OP_... and GGML_OP_...; inference alone
    "ggml": _by_name({
        "ELU": "elu",
        "EXP": "exponential",
        "GEGLU": "geglu_tanh",
        "GEGLU_ERF": "geglu_exact",
        "GEGLU_QUICK": "qgeglu",
        "GELU": "gelu_tanh",
        "GELU_ERF": "gelu_exact",
        "GELU_QUICK": "quick_gelu",
        "HARDSIGMOID": "hard_sigmoid",
        "HARDSWISH": "hard_silu",
        "LEAKY_RELU": "leaky_relu",
        "REGLU": "reglu",
        "RELU": "relu",
        "SIGMOID": "sigmoid",
        "SILU": "silu",
        "SOFT_MAX": "softmax",
        "SOFTPLUS": "softplus_thresholded",
        "STEP": "step",
        "SWIGLU": "swiglu",
        "SWIGLU_CLAMP": "swiglu_clamped",
        "SWIGLU_OAI": _ours("swiglu_oai", _GATES),
        "TANH": "tanh",
        "XIELU": _ours("xielu", eps="epsilon"),
    }),
    # flax.linen and flax.nnx: what jax.nn has, and a layer
    "flax": _by_name({
        **{name: name for name in (
            "celu", "elu", "gelu", "glu", "hard_sigmoid", "hard_tanh", "identity",
            "leaky_relu", "log_sigmoid", "log_softmax", "relu", "relu6", "selu",
            "sigmoid", "soft_sign", "softmax", "softplus", "tanh",
        )},
        "hard_silu hard_swish": "hard_silu",
        "silu swish": "silu",
        "PReLU": _ours(
            "prelu", {"negative_slope": 0.01}, negative_slope_init="negative_slope"
        ),
    }),
}  # fmt: skip

# why what a framework gives is not what the activation here gives, limits aside: at
# infinity others make NaN of inf * 0, inf - inf or inf / inf
DIFFERENCES: dict[str, dict[str, str]] = {
    "jax.nn": {},
    "torch": {
        "hardsigmoid Hardsigmoid": "its slope 1/6 is a float32",
    },
    "keras": {
        "relu": "with a slope, its derivative at 0 is 1 on JAX and the slope on other "
        "backends and here, at a threshold 0 and the slope here, at a cap 1/2, from a "
        "tie in jnp.clip, and 0 here",
        "sparsemax": "it is wrong where more than one entry is left: it adds up the "
        "cumulative sums of the support, whose last it needs",
        "tanh": "it computes in float32",
    },
    "onnx": {
        "Gelu HardSigmoid HardSwish LeakyRelu Selu": "its constants are float32",
    },
    "huggingface": {
        "gelu_fast": "it has sqrt(2 / pi) to ten digits",
        "sqrtsoftplus": "its softplus is x from 20 on",
    },
    "ggml": {"STEP": "it is 0 at 0, ours 1"},
    "flax": {},
}
