"""Activation functions for JAX with analytic derivatives, correct to the last bits."""

from . import catalogue as catalogue
from ._core import activation as activation
from ._core import definition_of as definition_of
from ._core import derivative_of as derivative_of
from ._core import pushforward_of as pushforward_of
from ._functions.bells import exponential as exponential
from ._functions.bells import gabor as gabor
from ._functions.bells import gabor_complex as gabor_complex
from ._functions.bells import gabor_sine as gabor_sine
from ._functions.bells import gaussian as gaussian
from ._functions.distribution_functions import arctan as arctan
from ._functions.distribution_functions import asinh as asinh
from ._functions.distribution_functions import (
    complementary_log_log as complementary_log_log,
)
from ._functions.distribution_functions import erf as erf
from ._functions.distribution_functions import laplace as laplace
from ._functions.distribution_functions import normal_cdf as normal_cdf
from ._functions.distribution_functions import symlog as symlog
from ._functions.exponential import celu as celu
from ._functions.exponential import elu as elu
from ._functions.exponential import selu as selu
from ._functions.log_probabilities import log1mexp as log1mexp
from ._functions.log_probabilities import log_sigmoid as log_sigmoid
from ._functions.periodic import cosine as cosine
from ._functions.periodic import finer as finer
from ._functions.periodic import gcu as gcu
from ._functions.periodic import sinc as sinc
from ._functions.periodic import sine as sine
from ._functions.periodic import snake as snake
from ._functions.periodic import snake_beta as snake_beta
from ._functions.rectifiers import identity as identity
from ._functions.rectifiers import leaky_relu as leaky_relu
from ._functions.rectifiers import relu as relu
from ._functions.rectifiers import relu6 as relu6
from ._functions.self_gated import gelu as gelu
from ._functions.self_gated import gelu_exact as gelu_exact
from ._functions.self_gated import gelu_tanh as gelu_tanh
from ._functions.self_gated import hard_silu as hard_silu
from ._functions.self_gated import hard_swish as hard_swish
from ._functions.self_gated import mish as mish
from ._functions.self_gated import silu as silu
from ._functions.self_gated import swish as swish
from ._functions.sigmoids import hard_sigmoid as hard_sigmoid
from ._functions.sigmoids import hard_tanh as hard_tanh
from ._functions.sigmoids import sigmoid as sigmoid
from ._functions.sigmoids import soft_sign as soft_sign
from ._functions.sigmoids import sparse_sigmoid as sparse_sigmoid
from ._functions.sigmoids import tanh as tanh
from ._functions.smooth_rectifiers import softplus as softplus
from ._functions.smooth_rectifiers import sparse_plus as sparse_plus
from ._functions.smooth_rectifiers import squareplus as squareplus
from .transforms import derivative as derivative
from .transforms import value_and_derivative as value_and_derivative
