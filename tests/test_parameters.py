"""Parameters from one extreme to the other, as numbers and as traced arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxact import aptx, catalogue, leaky_relu
from jaxact.testing import assert_derivatives, oracle, points, ulp_error
from jaxact.testing._bounds import allowed_ulp
from jaxact.testing._measure import compare, given, landmarks, with_flushed
from jaxact.testing._oracle import exact_orders, question
from jaxact.testing._ulp import as_float64

pytestmark = pytest.mark.slow

VALUES = (1e-30, 1e-3, 0.3, 1.0, 7.5, 1e3, 1e30)
SLOPES = (*VALUES, 0.0, -0.3)
USUAL = (0.3,)  # beside the default, of functions that jax.nn does not have


def values(name, parameter):
    if not hasattr(jax.nn, name):
        return USUAL
    return SLOPES if parameter == "negative_slope" else VALUES


CASES = [
    (name, parameter, value)
    for name in catalogue.defined()
    if catalogue.info(name).elementwise
    for parameter in catalogue.info(name).parameters
    for value in values(name, parameter)
] + [  # extremes that a kernel must take care of
    ("aptx", "alpha", 1e-3),
    ("aptx", "alpha", 0.0),
    ("snake_beta", "beta", 1e-3),
    ("gaussian", "sigma", 1e-3),
    ("laplace", "sigma", 1e-3),
    ("gabor", "s0", 1e3),
    ("srelu", "t_right", -0.7),
    ("srelu", "a_left", 1.0),
    ("star_relu", "scale", 0.0),
]


def test_a_small_alpha_does_not_cancel_with_tanh():
    at = np.array([-1e-3, 1e-3, -1.5e-3, 2e-3], np.float32)
    for alpha in (1e-3, -1e-3, 1e-6, 0.0):
        exact = oracle(aptx, at, alpha=alpha).high
        got = as_float64(aptx(jnp.asarray(at), alpha=alpha))
        assert (np.abs(got - exact) <= 2.0**-16 * np.abs(exact)).all(), alpha


# the slope by such a beta is 1e-22 far out, of an exponential that has underflowed
FAINT = ("softplus", "beta", 1e-30, "bfloat16")


@pytest.mark.parametrize(
    ("name", "parameter", "value", "dtype"),
    [
        pytest.param(*case, d, marks=[pytest.mark.xfail] * ((*case, d) == FAINT))
        for case in CASES
        for d in ("float32", "bfloat16")
        if hasattr(jax.nn, case[0]) or d == "float32"
    ],
)
def test_accurate(name, parameter, value, dtype):
    f = catalogue.get(name)
    chosen = given(f, {parameter: value})
    asked = question(f, None, chosen, dtype)
    if dtype == "float32":
        at = points(
            dtype,
            landmarks(f, asked, dtype, **chosen),
            count=2**12 if hasattr(jax.nn, name) else 2**10,
        )
    else:
        at = points(dtype)[::31]  # odd, so every last bit; and every exponent
    for wrt, orders in {"x": (0, 1, 2), parameter: (1,)}.items():
        answers = exact_orders(asked, with_flushed(at, dtype), orders, dtype, wrt)
        for order, exact in zip(orders, answers, strict=True):
            found = compare(f, dtype, order, wrt, at, exact, chosen)
            bound = allowed_ulp(f, dtype, order, chosen)
            told = f"{name}({parameter}={value}), order {order} by {wrt}: {found}"
            assert found.max_ulp <= bound and not found.wrong, told


def movable(name):
    """The parameters of an activation that have a number as default."""
    definition = catalogue.info(name)
    given = {n: definition.default(n) for n in definition.parameters}
    given = {n: v for n, v in given.items() if n not in definition.required}
    return {n: v for n, v in given.items() if v is not None and np.isfinite(v)}


SEVERAL = [
    name
    for name in catalogue.defined()
    if catalogue.info(name).elementwise and len(catalogue.info(name).parameters) > 1
]


@pytest.mark.parametrize("name", [n for n in SEVERAL if movable(n)])
def test_derivatives_where_no_parameter_is_its_default(name):
    moved = {n: value + 0.25 for n, value in movable(name).items()}
    f = catalogue.get(name)
    assert_derivatives(f, dtypes=["float32"], orders=[1], **moved)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("slope", SLOPES)
def test_a_slope_counts_the_same_as_a_number_and_traced(slope, dtype):
    x = points(dtype, count=2**10)
    size = np.abs(as_float64(x))  # subnormal numbers may count as 0
    usual = np.isfinite(size) & (size >= float(jnp.finfo(dtype).smallest_normal))
    x = jnp.asarray(x[usual][::3])

    def with_number(x):
        return leaky_relu(x, negative_slope=slope)

    def tangent(f, *args):
        ones = jnp.ones_like(x)
        return jax.jvp(lambda x: f(x, *args), (x,), (ones,))[1]

    def cotangent(f, *args):
        y, pull = jax.vjp(lambda x: f(x, *args), x)
        return pull(jnp.ones_like(y))[0]

    for order, derive in ((0, lambda f, *a: f(x, *a)), (1, tangent), (1, cotangent)):
        exact = oracle(leaky_relu, np.asarray(x), order, negative_slope=slope)
        fixed = jax.jit(lambda derive=derive: derive(with_number))()
        traced = jax.jit(lambda s, derive=derive: derive(leaky_relu, s))(slope)
        for got in (fixed, traced):
            assert got.dtype == x.dtype
            error = ulp_error(np.asarray(got), exact)
            worst = int(np.argmax(error))
            assert error[worst] <= 0.51, (order, float(x[worst]), float(got[worst]))
