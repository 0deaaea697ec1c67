"""Functions from functions."""

from ._derivative import derivative as derivative
from ._derivative import value_and_derivative as value_and_derivative
