"""Proofs that an activation is right: an exact oracle, errors in ULP, assertions.

Needs python-flint (`pip install "jaxact[cli]"`).
"""

from ._assertions import (
    assert_accurate as assert_accurate,
    assert_derivatives as assert_derivatives,
)
from ._exact import Exact as Exact
from ._measure import (
    Measurement as Measurement,
    measure as measure,
    residual_bytes as residual_bytes,
)
from ._oracle import oracle as oracle
from ._points import points as points
from ._ulp import ulp as ulp, ulp_error as ulp_error
