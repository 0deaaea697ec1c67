"""Activation functions for JAX with analytic derivatives, correct to the last bits.

An activation is a function:

    >>> import jax, jax.numpy as jnp, jaxact
    >>> jaxact.elu(jnp.array([-1.0, 2.0]), alpha=0.5)
    Array([-0.31606027,  2.        ], dtype=float32)
    >>> jax.grad(jaxact.gelu)(1.0).item()
    1.0829640626907349

The examples in other docstrings need the same imports, some also `jaxact.testing`.

Find and set:

- `get` finds an activation by its name here, or by that of another framework:
  `jaxact.get("torch.nn.LeakyReLU", negative_slope=0.2)`.
- `names` lists the names; `jaxact.catalogue` knows more about each.
- `to_config` and `from_config` turn an activation into plain data and back.
- `jaxact.frameworks` has the names of the other frameworks.

Differentiate:

- `derivative` and `value_and_derivative` make elementwise derivatives, of any order, of
  an activation or of any other elementwise function.

Observe:

- `observe` gives the statistics of every activation inside a JAX function, such as its
  dead units; `observe_value_and_grad` those of a training step, `merge` joins them, and
  `tap` names an activation that is written out by hand.
- `diagnose` lists what is wrong, the worst first.
- `monitor` observes a training step now and then, and gives plain figures for a log.
- `python -m jaxact compare` trains the same model with several activations, and tells
  what goes wrong in it.

Make your own:

- `activation` makes your kernel a public activation; `derivative_of` adds a
  derivative, `pushforward_of` a tangent map if it is not elementwise, and
  `definition_of` a plain reference if it has no short formula.
- `jaxact.combinators` makes activations from activations.
- `packed` makes a gated unit of one array out of a gated unit of two.
- `rational_coefficients` and `b_spline_coefficients` fit `rational` and `b_spline` to
  another function.

Check and measure:

- `jaxact.testing` has an exact oracle, errors in ULP, and assertions for your tests.
- `python -m jaxact` does this from the command line: `check`, `bench`, `list`.

The activations stand in `jaxact/_functions`, one file for each family; `help` of an
activation gives its formula, its derivatives and its source:

- rectifiers: the identity on one side of 0, little or nothing on the other: relu
- thresholds: everything below a threshold becomes one value: thresholded_relu, step
- shrinkage: small values become 0: soft_shrink
- piecewise: pieces of polynomials: relu_squared, smelu
- hard_sigmoids: straight in the middle, constant outside: hard_sigmoid, hard_tanh
- exponential_units: the identity above 0, an exponential below: elu, selu
- smooth_rectifiers: rectifiers without a corner: softplus, squareplus
- algebraic: bends made of square roots: bent_identity, isru
- sigmoids: S-shaped: sigmoid, tanh, soft_sign
- distributions: distribution functions, and S-shapes with other tails: erf, asinh
- scaled_tanh: tanh and erf with scales to be trained: softcap, dyt
- exponentials: they rise or fall like a power of e: exponential, gaussian
- log_probabilities: logarithms of probabilities: log_sigmoid
- two_sided: one formula below 0 and another above: elish
- self_gated: x times a sigmoid of x: silu, hard_silu
- gelus: x times the normal distribution function: gelu
- self_gated_composed: x times a function of a function: mish, smish
- self_gated_erf: x times the error function of a function: serf
- self_gated_learnable: x times a gate to be trained: acon_c, aptx
- gated_units: two operands, of which one opens a gate: swiglu, geglu
- gated_units_clamped: the same with limits: swiglu_clamped
- gated_units_piecewise: the same without an exponential: reglu, bilinear
- packed: gated units of one array that holds both operands
- waves_periodic: sines: sine, snake
- waves_growing: waves that grow with x: gcu
- waves_fading: waves that fade: sinc, gabor
- splines: pieces whose coefficients are learnt: b_spline, apl
- rationals: ratios of polynomials whose coefficients are learnt: rational
- splits: more channels of an axis, or fewer: maxout, crelu
- normalizers: weights that sum to one along an axis: softmax
- sparse_normalizers: the same, many of them exactly 0: sparsemax
- attention: the same, made for attention: softmax_with_sink
- log_sums: logarithms of sums of exponentials: logsumexp
- length_normalizers: vectors scaled by their length: squash
"""

from . import (
    catalogue as catalogue,
    combinators as combinators,
)
from ._config import (
    from_config as from_config,
    to_config as to_config,
)
from ._core import (
    activation as activation,
    definition_of as definition_of,
    derivative_of as derivative_of,
    pushforward_of as pushforward_of,
)
from ._functions.algebraic import (
    bent_identity as bent_identity,
    isrlu as isrlu,
    isru as isru,
)
from ._functions.attention import softmax_with_sink as softmax_with_sink
from ._functions.distributions import (
    arctan as arctan,
    asinh as asinh,
    complementary_log_log as complementary_log_log,
    erf as erf,
    laplace as laplace,
    normal_cdf as normal_cdf,
    symlog as symlog,
)
from ._functions.exponential_units import (
    celu as celu,
    elu as elu,
    pelu as pelu,
    selu as selu,
    xielu as xielu,
)
from ._functions.exponentials import (
    exponential as exponential,
    gaussian as gaussian,
)
from ._functions.gated_units import (
    geglu as geglu,
    geglu_exact as geglu_exact,
    geglu_tanh as geglu_tanh,
    glu as glu,
    qgeglu as qgeglu,
    sigmoid_glu as sigmoid_glu,
    swiglu as swiglu,
)
from ._functions.gated_units_clamped import (
    swiglu_clamped as swiglu_clamped,
    swiglu_clamped_after as swiglu_clamped_after,
    swiglu_oai as swiglu_oai,
)
from ._functions.gated_units_piecewise import (
    bilinear as bilinear,
    fatreglu as fatreglu,
    reglu as reglu,
    sreglu as sreglu,
)
from ._functions.gelus import (
    gelu as gelu,
    gelu_clipped as gelu_clipped,
    gelu_exact as gelu_exact,
    gelu_tanh as gelu_tanh,
)
from ._functions.hard_sigmoids import (
    hard_sigmoid as hard_sigmoid,
    hard_sigmoid_sloped as hard_sigmoid_sloped,
    hard_tanh as hard_tanh,
    hard_tanh_open as hard_tanh_open,
    sparse_sigmoid as sparse_sigmoid,
)
from ._functions.length_normalizers import (
    poly_norm as poly_norm,
    squash as squash,
)
from ._functions.log_probabilities import (
    log1mexp as log1mexp,
    log_sigmoid as log_sigmoid,
)
from ._functions.log_sums import (
    logmeanexp as logmeanexp,
    logsumexp as logsumexp,
)
from ._functions.normalizers import (
    log_softmax as log_softmax,
    softmax as softmax,
    softmin as softmin,
)
from ._functions.packed import packed as packed
from ._functions.piecewise import (
    hard_mish as hard_mish,
    relu2 as relu2,
    relu_squared as relu_squared,
    smelu as smelu,
    soft_modulus_q as soft_modulus_q,
    squared_relu as squared_relu,
    srelu as srelu,
    star_relu as star_relu,
)
from ._functions.rationals import (
    rational as rational,
    rational_coefficients as rational_coefficients,
)
from ._functions.rectifiers import (
    general_relu as general_relu,
    identity as identity,
    leaky_relu as leaky_relu,
    leaky_relu_left as leaky_relu_left,
    prelu as prelu,
    relu as relu,
    relu6 as relu6,
    rrelu as rrelu,
)
from ._functions.scaled_tanh import (
    adaptive_tanh as adaptive_tanh,
    derf as derf,
    dyt as dyt,
    lecun_tanh as lecun_tanh,
    lisht as lisht,
    soft_modulus_t as soft_modulus_t,
    softcap as softcap,
    stan as stan,
)
from ._functions.self_gated import (
    e_swish as e_swish,
    hard_silu as hard_silu,
    hard_swish as hard_swish,
    quick_gelu as quick_gelu,
    silu as silu,
    swish as swish,
)
from ._functions.self_gated_composed import (
    golu as golu,
    logish as logish,
    mila as mila,
    mish as mish,
    phish as phish,
    smish as smish,
    tanhexp as tanhexp,
    telu as telu,
)
from ._functions.self_gated_erf import (
    erfact as erfact,
    pserf as pserf,
    serf as serf,
)
from ._functions.self_gated_learnable import (
    acon_c as acon_c,
    aptx as aptx,
    b_silu as b_silu,
    smu as smu,
    x_gelu as x_gelu,
    x_silu as x_silu,
)
from ._functions.shrinkage import (
    hard_shrink as hard_shrink,
    shrink as shrink,
    soft_shrink as soft_shrink,
    tanh_shrink as tanh_shrink,
)
from ._functions.sigmoids import (
    sigmoid as sigmoid,
    soft_sign as soft_sign,
    tanh as tanh,
)
from ._functions.smooth_rectifiers import (
    shifted_softplus as shifted_softplus,
    softplus as softplus,
    softplus_thresholded as softplus_thresholded,
    sparse_plus as sparse_plus,
    sqrt_softplus as sqrt_softplus,
    squareplus as squareplus,
)
from ._functions.sparse_normalizers import (
    entmax15 as entmax15,
    gumbel_softmax as gumbel_softmax,
    hardmax as hardmax,
    sparsemax as sparsemax,
)
from ._functions.splines import (
    apl as apl,
    b_spline as b_spline,
    b_spline_coefficients as b_spline_coefficients,
)
from ._functions.splits import (
    crelu as crelu,
    maxout as maxout,
)
from ._functions.thresholds import (
    step as step,
    threshold as threshold,
    thresholded_relu as thresholded_relu,
    tlu as tlu,
)
from ._functions.two_sided import (
    delu as delu,
    elish as elish,
    hard_elish as hard_elish,
    nelu as nelu,
)
from ._functions.waves_fading import (
    gabor as gabor,
    gabor_complex as gabor_complex,
    gabor_sine as gabor_sine,
    sinc as sinc,
)
from ._functions.waves_growing import (
    gcu as gcu,
    sinlu as sinlu,
)
from ._functions.waves_periodic import (
    cosine as cosine,
    finer as finer,
    sine as sine,
    snake as snake,
    snake_beta as snake_beta,
)
from ._version import __version__ as __version__
from .catalogue import (
    get as get,
    names as names,
)
from .diagnose import (
    Finding as Finding,
    diagnose as diagnose,
)
from .transforms import (
    derivative as derivative,
    value_and_derivative as value_and_derivative,
)
from .transforms.monitor import (
    Monitored as Monitored,
    monitor as monitor,
)
from .transforms.observe import (
    Observations as Observations,
    merge as merge,
    observe as observe,
    observe_value_and_grad as observe_value_and_grad,
    tap as tap,
)
