"""The activations of other frameworks, with their names, defaults and kinks, in ours.

`TABLE[framework][name]` says which activation of jaxact computes what that framework
computes under that name, with its defaults and its slope at kinks, and what each of its
keywords means here; `ALIASES` and `MODULES` say how a framework and its modules are
written; `DIFFERENCES` says where a result is not quite the same.  Data alone: it is
read by `jaxact.get(name, framework=...)` and `python -m jaxact list`, and compared with
what the frameworks themselves gave (`python -m jaxact frameworks`).
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

__all__ = [  # noqa: RUF022 (in the order of the file)
    "Framework",
    "ALIASES",
    "Module",
    "MODULES",
    "Keyword",
    "Unused",
    "Needed",
    "Same",
    "Choice",
    "theirs",
    "TABLE",
    "DIFFERENCES",
]


def __dir__() -> list[str]:
    return __all__


Framework = Literal[
    "jax.nn", "torch", "keras", "tensorflow", "onnx", "huggingface", "ggml", "flax",
    "jax", "pytorch", "tf", "transformers", "hf",
]  # fmt: skip

# other names of frameworks
ALIASES = {
    "jax": "jax.nn",
    "pytorch": "torch",
    "tf": "tensorflow",
    "transformers": "huggingface",
    "hf": "huggingface",
}


class Module(NamedTuple):
    """A module of a framework that has activations.

    Attributes:
        framework: its name in `TABLE`.
        kind: `"layers"`, whose names have a capital, `"functions"`, or both.
    """

    framework: str
    kind: Literal["layers", "functions", "both"] = "both"


_LAYERS = Module("keras", "layers")
_FUNCTIONS = Module("keras", "functions")
_TORCH_LAYERS = Module("torch", "layers")
_TORCH_FUNCTIONS = Module("torch", "functions")

# the modules that may stand before the last dot of a name
MODULES: dict[str, tuple[Module, ...]] = {
    "jax.nn": (Module("jax.nn"),),
    "torch": (_TORCH_FUNCTIONS,),
    "torch.nn": (_TORCH_LAYERS,),
    "torch.nn.functional": (_TORCH_FUNCTIONS,),
    "nn.functional": (_TORCH_FUNCTIONS,),
    "F": (_TORCH_FUNCTIONS,),
    "nn": (_TORCH_LAYERS, Module("jax.nn"), Module("flax")),
    "keras.activations": (_FUNCTIONS,),
    "keras.layers": (_LAYERS,),
    "tf.keras.activations": (_FUNCTIONS,),
    "tf.keras.layers": (_LAYERS,),
    "tensorflow.keras.activations": (_FUNCTIONS,),
    "tensorflow.keras.layers": (_LAYERS,),
    "tf.nn": (Module("tensorflow"),),
    "tensorflow.nn": (Module("tensorflow"),),
    "transformers.activations": (Module("huggingface"),),
    "onnx": (Module("onnx"),),
    "ggml": (Module("ggml"),),
    "flax.linen": (Module("flax"),),
    "flax.nnx": (Module("flax"),),
    "linen": (Module("flax"),),
    "nnx": (Module("flax"),),
}


class Unused(NamedTuple):
    """A keyword of theirs that sets nothing here.

    Attributes:
        why: why it does not, or what to do instead.
        only: the values that are accepted; None if all are.
    """

    why: str
    only: tuple[Any, ...] | None = None


class Needed(NamedTuple):
    """A keyword of theirs that must be given here.

    Attributes:
        ours: the parameter that it sets.
        why: why it must be.
    """

    ours: str
    why: str


Keyword = str | Unused | Needed


class Same(NamedTuple):
    """An activation of jaxact that is the same as another framework's.

    Attributes:
        name: its name here.
        fixed: parameters that differ from our defaults, by our names.
        keywords: their keywords, each with our name of it, or why it has none; `"**"`
            stands for any other.
        general: the activation with parameters, where that is another one.
    """

    name: str
    fixed: Mapping[str, Any] = {}
    keywords: Mapping[str, Keyword] = {}
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
    """The names of an activation in a framework, with the parameter that chooses it.

    Returns:
        A dict from their name to the parameter and the value that choose it; an empty
        dict where nothing has to be chosen.

    Example:
        >>> jaxact.frameworks.theirs("torch", "gelu_exact")
        {'gelu': {'approximate': 'none'}, 'GELU': {'approximate': 'none'}}
    """
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


def _ours(
    name: str,
    /,
    *same: str,
    fixed: Mapping[str, Any] | None = None,
    general: str = "",
    **others: Any,
) -> Same:
    """A row: `same` are keywords that are called so here too, `others` the rest."""
    return Same(name, fixed or {}, {**{n: n for n in same}, **others}, general)


def _by_name(rows: Mapping[str, Same | Choice | str]) -> dict[str, Same | Choice]:
    """The rows, one for each of the names that a key lists."""
    return {
        name: Same(row) if isinstance(row, str) else row
        for names, row in rows.items()
        for name in names.split()
    }


def _gelu(exact: Any, tanh: Any, **others: Any) -> Choice:
    """The two forms by the values of `approximate`, the exact one first."""
    named = {exact: "gelu_exact", tanh: "gelu_tanh"}
    return Choice("approximate", {v: _ours(n, **others) for v, n in named.items()})


_INPLACE: dict[str, Any] = {"inplace": Unused("arrays are never changed in place")}
_DTYPE = Unused("the result has the dtype of x: convert x before", (None,))
_OF_SLOPES = Unused("slopes of one's own are given at the call")
_STORED = Unused("nothing is stored here: the dtype is that of x")
_NAME: dict[str, Any] = {"name": Unused("nothing is named here")}
# the axis that torch takes otherwise is 0 for arrays of 0, 1 and 3 dimensions, else 1
_DIM = Needed(
    "axis", "torch would choose it by the number of dimensions; say dim=-1 for the last"
)
_CAST: dict[str, Any] = {
    "dtype": _DTYPE,
    "_stacklevel": Unused("it is for a warning of torch"),
}
_PRELU: dict[str, Any] = {
    "num_parameters": _OF_SLOPES,
    "init": "negative_slope",
    "device": Unused("JAX places arrays"),
    "dtype": _STORED,
}
# of every layer of Keras
_LAYER: dict[str, Any] = {
    **_NAME,
    "trainable": Unused("nothing is stored here"),
    "dtype": _STORED,
    "autocast": _STORED,
    "activity_regularizer": Unused("add the penalty to the loss", (None,)),
}
_ZEROS = {
    "module": "keras.initializers",
    "class_name": "Zeros",
    "config": {},
    "registered_name": None,
}
_SAME_FORM = Unused("it changes how it is computed, and not the function")
_OTHER_SELU = "selu has this one; others are scale(get('elu', alpha=...), output=gamma)"
_GATES = {"alpha": 1.702, "limit": 7.0}  # of gpt-oss

_JAX = _by_name({
    **{name: name for name in (
        "hard_sigmoid", "hard_tanh", "identity", "log1mexp", "log_sigmoid", "mish",
        "relu", "relu6", "selu", "sigmoid", "soft_sign", "softplus", "sparse_plus",
        "sparse_sigmoid", "tanh",
    )},
    "celu": _ours("celu", "alpha"),
    "elu": _ours("elu", "alpha"),
    "gelu": Choice(
        "approximate", {True: Same("gelu_tanh"), False: Same("gelu_exact")}
    ),
    "glu": _ours("glu", "axis"),
    "hard_silu hard_swish": "hard_silu",
    "leaky_relu": _ours("leaky_relu", "negative_slope"),
    "log_softmax": _ours("log_softmax", "axis", "where"),
    "logmeanexp": _ours("logmeanexp", "axis", "where", "keepdims"),
    "logsumexp": _ours("logsumexp", "axis", "b", "keepdims", "return_sign", "where"),
    "silu swish": "silu",
    "softmax": _ours("softmax", "axis", "where"),
    "squareplus": _ours("squareplus", "b"),
})  # fmt: skip

TABLE: dict[str, dict[str, Same | Choice]] = {
    # the functions that those of the same name here replace
    "jax.nn": _JAX,
    # torch.nn.functional and torch.nn: at the kinks the slope below, 0 at a clip
    "torch": _by_name({
        "celu CELU": _ours("celu", "alpha", **_INPLACE),
        "elu ELU": _ours("elu", "alpha", **_INPLACE),
        "gelu GELU": _gelu("none", "tanh"),
        "glu GLU": _ours("glu", dim="axis"),
        "gumbel_softmax": _ours(
            "gumbel_softmax", "hard", tau="temperature", dim="axis",
            eps=Unused("torch does not use it any more"),
        ),
        "hardshrink Hardshrink": _ours("hard_shrink", "lambd"),
        "hardsigmoid Hardsigmoid": _ours("hard_sigmoid", **_INPLACE),
        "hardswish Hardswish": _ours("hard_silu", **_INPLACE),
        "hardtanh": _ours(
            "hard_tanh_open", min_val="min_value", max_val="max_value", **_INPLACE
        ),
        "Hardtanh": _ours(
            "hard_tanh_open", "min_value", "max_value", min_val="min_value",
            max_val="max_value", **_INPLACE,
        ),
        "Identity": Same("identity", {}, {"**": Unused("torch does not use it")}),
        "leaky_relu LeakyReLU": _ours("leaky_relu_left", "negative_slope", **_INPLACE),
        "log_softmax": _ours("log_softmax", dim=_DIM, **_CAST),
        "LogSoftmax": _ours("log_softmax", dim=_DIM),
        "logsigmoid LogSigmoid": "log_sigmoid",
        "mish Mish": _ours("mish", **_INPLACE),
        "prelu": _ours(
            "leaky_relu_left", fixed={"negative_slope": 0.25}, weight="negative_slope"
        ),
        "PReLU": _ours("leaky_relu_left", fixed={"negative_slope": 0.25}, **_PRELU),
        "relu ReLU": _ours("relu", **_INPLACE),
        "relu6 ReLU6": _ours("relu6", **_INPLACE),
        "rrelu": _ours(
            "rrelu", "lower", "upper", **_INPLACE,
            training=Unused("a key, given at the call, means training", (False,)),
        ),
        "RReLU": _ours("rrelu", "lower", "upper", **_INPLACE),
        "selu SELU": _ours("selu", **_INPLACE),
        "sigmoid Sigmoid": "sigmoid",
        "silu SiLU": _ours("silu", **_INPLACE),
        "softmax": _ours("softmax", dim=_DIM, **_CAST),
        "Softmax": _ours("softmax", dim=_DIM),
        "Softmax2d": _ours("softmax", fixed={"axis": -3}),
        "softmin": _ours("softmin", dim=_DIM, **_CAST),
        "Softmin": _ours("softmin", dim=_DIM),
        "softplus Softplus": _ours("softplus_thresholded", "beta", "threshold"),
        "softshrink Softshrink": _ours("soft_shrink", "lambd"),
        "softsign Softsign": "soft_sign",
        "tanh Tanh": "tanh",
        "tanhshrink Tanhshrink": "tanh_shrink",
        "threshold Threshold": _ours("threshold", "threshold", "value", **_INPLACE),
    }),
    # keras.activations, on its JAX backend where backends disagree at kinks, and
    # keras.layers
    "keras": _by_name({
        "celu": _ours("celu", "alpha"),
        "elu": _ours("elu", "alpha"),
        "ELU": _ours("elu", "alpha", **_LAYER),
        "exponential": "exponential",
        "gelu": _gelu(False, True),
        "glu": _ours("glu", "axis"),
        "hard_shrink": _ours("hard_shrink", threshold="lambd"),
        "hard_sigmoid": "hard_sigmoid",
        "hard_silu hard_swish": "hard_silu",
        "hard_tanh": "hard_tanh",
        "leaky_relu": _ours(
            "leaky_relu", "negative_slope", fixed={"negative_slope": 0.2}
        ),
        "LeakyReLU": _ours(  # alpha is its name in Keras 2
            "leaky_relu", "negative_slope", fixed={"negative_slope": 0.3},
            alpha="negative_slope", **_LAYER,
        ),
        "linear": "identity",
        "log_sigmoid": "log_sigmoid",
        "log_softmax": _ours("log_softmax", "axis"),
        "mish": "mish",
        "PReLU": _ours(  # with slopes of 0 its slope at 0 is that below
            "leaky_relu_left", fixed={"negative_slope": 0.0}, shared_axes=_OF_SLOPES,
            alpha_initializer=Unused(
                "other slopes are given at the call", ("zeros", "Zeros", _ZEROS)
            ),
            alpha_regularizer=Unused("add the penalty to the loss", (None,)),
            alpha_constraint=Unused("constrain the slopes where they are", (None,)),
            **_LAYER,
        ),
        "relu": _ours(
            "relu", "negative_slope", "max_value", "threshold", general="general_relu"
        ),
        "ReLU": _ours(
            "relu", "negative_slope", "max_value", "threshold", general="general_relu",
            **_LAYER,
        ),
        "relu6": "relu6",
        "selu": "selu",
        "sigmoid": "sigmoid",
        "silu swish": "silu",
        "soft_shrink": _ours("soft_shrink", threshold="lambd"),
        "softmax": _ours("softmax", "axis"),
        "Softmax": _ours("softmax", "axis", **_LAYER),
        "softplus": "softplus",
        "softsign": "soft_sign",
        "sparse_plus": "sparse_plus",
        "sparse_sigmoid": "sparse_sigmoid",
        "sparsemax": _ours("sparsemax", "axis"),
        "squareplus": _ours("squareplus", "b"),
        "tanh": "tanh",
        "tanh_shrink": "tanh_shrink",
        "threshold": _ours("threshold", "threshold", default_value="value"),
    }),
    # tensorflow.nn: at the kinks the slope below
    "tensorflow": _by_name({
        "crelu": _ours("crelu", "axis", **_NAME),
        "elu": _ours("elu", **_NAME),
        "gelu": _gelu(False, True, **_NAME),
        "leaky_relu": _ours(
            "leaky_relu_left", fixed={"negative_slope": 0.2}, alpha="negative_slope",
            **_NAME,
        ),
        "log_softmax": _ours("log_softmax", "axis", **_NAME),
        "relu": _ours("relu", **_NAME),
        "relu6": _ours("relu6", **_NAME),
        "selu": _ours("selu", **_NAME),
        "sigmoid": _ours("sigmoid", **_NAME),
        "silu swish": _ours("silu", "beta"),
        "softmax": _ours("softmax", "axis", **_NAME),
        "softplus": _ours("softplus", **_NAME),
        "softsign": _ours("soft_sign", **_NAME),
        "tanh": _ours("tanh", **_NAME),
    }),
    # operators of ONNX, which says nothing of derivatives
    "onnx": _by_name({
        "Celu": _ours("celu", "alpha"),
        "Elu": _ours("elu", "alpha"),
        "Gelu": _gelu("none", "tanh"),
        "HardSigmoid": _ours("hard_sigmoid_sloped", alpha="slope", beta="offset"),
        "HardSwish": "hard_silu",
        "Hardmax": _ours("hardmax", "axis"),
        "Identity": "identity",
        "LeakyRelu": _ours("leaky_relu", alpha="negative_slope"),
        "LogSoftmax": _ours("log_softmax", "axis"),
        "Mish": "mish",
        "PRelu": _ours("prelu", slope="negative_slope"),
        "Relu": "relu",
        "Selu": _ours(
            "selu",
            alpha=Unused(_OTHER_SELU, (1.67326319217681884765625, 1.6732631921768188)),
            gamma=Unused(_OTHER_SELU, (1.05070102214813232421875, 1.0507010221481323)),
        ),
        "Shrink": _ours("shrink", "lambd", "bias"),
        "Sigmoid": "sigmoid",
        "Softmax": _ours("softmax", "axis"),
        "Softplus": "softplus",
        "Softsign": "soft_sign",
        "SwiGLU": _ours("swiglu", alpha="beta"),
        "Swish": _ours("silu", alpha="beta"),
        "Tanh": "tanh",
        "ThresholdedRelu": _ours("thresholded_relu", alpha="threshold"),
    }),
    # the keys of transformers.activations.ACT2FN; kinks as in PyTorch
    "huggingface": _by_name({
        "gelu gelu_python": _ours("gelu_exact", use_gelu_python=_SAME_FORM),
        "gelu_10": _ours("gelu_clipped", min="low", max="high"),
        "gelu_accurate gelu_fast gelu_new": "gelu_tanh",
        "gelu_python_tanh gelu_pytorch_tanh": _ours(
            "gelu_tanh", use_gelu_tanh_python=_SAME_FORM
        ),
        "hardswish": _ours("hard_silu", **_INPLACE),
        "laplace": _ours("laplace", "mu", "sigma"),
        "leaky_relu": _ours("leaky_relu_left", "negative_slope", **_INPLACE),
        "linear": "identity",
        "mish": "mish",
        "prelu": _ours("leaky_relu_left", fixed={"negative_slope": 0.25}, **_PRELU),
        "quick_gelu": "quick_gelu",
        "relu": _ours("relu", **_INPLACE),
        "relu2": "relu_squared",
        "relu6": _ours("relu6", **_INPLACE),
        "sigmoid": "sigmoid",
        "silu": "silu",
        "sqrtsoftplus": "sqrt_softplus",
        "swish": _ours("silu", **_INPLACE),
        "tanh": "tanh",
        "xielu": _ours(
            "xielu", "beta", alpha_p_init="alpha_p", alpha_n_init="alpha_n",
            eps="epsilon", dtype=_STORED, with_vector_loads=_SAME_FORM,
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
        "LEAKY_RELU": _ours("leaky_relu", "negative_slope"),
        "REGLU": "reglu",
        "RELU": "relu",
        "SIGMOID": "sigmoid",
        "SILU": "silu",
        "SOFT_MAX": _ours(
            "softmax",
            scale=Unused("give temperature=1 / scale at the call", (1.0,)),
            max_bias=Unused("add the bias to x before", (0.0,)),
        ),
        "SOFTPLUS": "softplus_thresholded",
        "STEP": "step",
        "SWIGLU": "swiglu",
        "SWIGLU_CLAMP": _ours("swiglu_clamped", "limit"),
        "SWIGLU_OAI": _ours("swiglu_oai", "alpha", "limit", fixed=_GATES),
        "TANH": "tanh",
        "XIELU": _ours("xielu", "alpha_n", "alpha_p", "beta", eps="epsilon"),
    }),
    # flax.linen and flax.nnx: what jax.nn has, and a layer
    "flax": {
        **{name: _JAX[name] for name in (
            "celu", "elu", "gelu", "glu", "hard_sigmoid", "hard_silu", "hard_swish",
            "hard_tanh", "identity", "leaky_relu", "log_sigmoid", "log_softmax", "relu",
            "relu6", "selu", "sigmoid", "silu", "soft_sign", "softmax", "softplus",
            "swish", "tanh",
        )},
        "PReLU": _ours(
            "prelu", fixed={"negative_slope": 0.01},
            negative_slope_init="negative_slope",
            negative_slope_metadata=Unused("nothing is stored here"),
            param_dtype=_STORED, dtype=_DTYPE,
            promote_dtype=Unused("convert x before", ()),
            parent=Unused("it belongs to no module"), **_NAME,
        ),
    },
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
    "tensorflow": {
        "gelu leaky_relu": "its constants are float32",
        "selu": "its slope at 0 is that above, ours that below",
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
