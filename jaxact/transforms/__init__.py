"""Functions from functions."""

from ._derivative import (
    derivative as derivative,
    value_and_derivative as value_and_derivative,
)
