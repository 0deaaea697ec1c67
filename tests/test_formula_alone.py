"""Activations of which only the formula line is given."""

import doctest
import inspect
import pickle
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

import jaxact
from jaxact.catalogue import lookup
from jaxact.testing import assert_accurate, assert_derivatives, residual_bytes


@jaxact.activation
def gate(x: Array, beta: float | Array = 1.0) -> Array:
    """A gate with a parameter.

    gate(x, beta) = x * sigmoid(beta * x)
    """
    ...


@jaxact.activation
def smooth(x: Array) -> Array:
    """As one writes it without knowing which parts are stable.

    smooth(x) = x * tanh(log(1 + exp(x)))
    """
    ...


@jaxact.activation(kinks=(0.0,))
def bend(x: Array, alpha: float | Array = 0.5, width: float | Array = 2.0) -> Array:
    """Pieces, an exponential less one, and a bell.

    bend(x, alpha, width) = width * x * (1 + erf(x / sqrt(2))) / 2 if x > 0
        else alpha * (exp(x) - 1) * exp(-x**2)
    """
    ...


X = jnp.asarray([-30.0, -6.5, -1.0, -0.25, 0.0, 0.4, 1.75, 30.0], jnp.float32)
PLAIN = {
    gate: lambda x, beta: x / (1 + jnp.exp(-beta * x)),
    smooth: lambda x: x * jnp.tanh(jnp.logaddexp(x, 0.0)),
    bend: lambda x, alpha, width: jnp.where(
        x > 0,
        width * x * (1 + jax.lax.erf(x / jnp.sqrt(2.0))) / 2,
        alpha * jnp.expm1(x) * jnp.exp(-x * x),
    ),
}
PARAMETERS = {gate: (1.5,), smooth: (), bend: (0.75, 3.0)}


@pytest.mark.parametrize("f", PLAIN, ids=lambda f: f.__name__)
def test_value_and_gradients_are_those_of_plain_jnp(f):
    with jax.enable_x64(True):  # the truth, and in float64 the formula as well
        wide = X.astype(jnp.float64)
        values = tuple(map(jnp.float64, PARAMETERS[f]))
        every = tuple(range(1 + len(values)))

        def at(f, x, values):
            slopes = jax.grad(f, every)
            return jax.vmap(lambda x: (f(x, *values), slopes(x, *values)))(x)

        wanted = at(PLAIN[f], wide, values)
        chex.assert_trees_all_close(at(f, wide, values), wanted, rtol=1e-9, atol=1e-12)
        values = tuple(map(jnp.float32, values))
        got = jax.tree.map(lambda v: v.astype(jnp.float64), at(f, X, values))
        chex.assert_trees_all_close(got, wanted, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("f", PLAIN, ids=lambda f: f.__name__)
def test_keeps_one_array(f):
    assert residual_bytes(f) == 4 and residual_bytes(f, "bfloat16") == 2


def test_no_digits_are_lost_in_the_tails():
    assert_accurate(smooth, 0.51, ["bfloat16"])
    assert_accurate(gate, 8, ["float32"], orders=[0, 1], count=2**8)
    assert_derivatives(bend, dtypes=["float32"])
    ends = jnp.asarray([-jnp.inf, jnp.inf], jnp.float32)
    for f, n in ((gate, 1), (smooth, 1), (bend, 2)):
        chex.assert_trees_all_equal(f(ends), jnp.asarray([0, jnp.inf], jnp.float32))
        slopes = jaxact.derivative(f)(ends)
        chex.assert_trees_all_equal(slopes, jnp.asarray([0, n], jnp.float32))


@pytest.mark.parametrize(
    ("text", "at", "wanted", "slope"),
    [
        # far out, where the expression as it stands has 0, 1 or infinity
        ("1 / (1 + exp(-x))", -80.0, 1.804851e-35, 1.804851e-35),
        ("1 / (exp(-x) + 1)", 20.0, 1.0, 2.061154e-09),
        ("exp(x) / (1 + exp(x))", 80.0, 1.0, 1.804851e-35),
        ("sigmoid(x)", 80.0, 1.0, 1.804851e-35),
        ("log(1 + exp(x))", 100.0, 100.0, 1.0),
        ("log(exp(x) + 1)", -50.0, 1.928750e-22, 1.928750e-22),
        ("softplus(x)", -50.0, 1.928750e-22, 1.928750e-22),
        ("log(1 + x)", 1e-10, 1e-10, 1.0),
        ("log1p(x)", 1e-10, 1e-10, 1.0),
        ("exp(x) - 1", 1e-10, 1e-10, 1.0),
        ("expm1(x)", -20.0, -1.0, 2.061154e-09),
        ("expm1(x)", 3.0, 19.085537, 20.085537),
        ("expm1(x)", -1e-10, -1e-10, 1.0),
        ("(exp(x) - exp(-x)) / (exp(x) + exp(-x))", 20.0, 1.0, 1.699342e-17),
        ("1 + tanh(x)", -20.0, 8.496709e-18, 1.699342e-17),
        ("1 - tanh(x)", 20.0, 8.496709e-18, -1.699342e-17),
        ("exp(-x**2)", 8.5, 4.190093e-32, -7.123158e-31),
        ("exp(-x * x)", 8.5, 4.190093e-32, -7.123158e-31),
        ("exp(-x**2 / 2)", 12.0, 5.380186e-32, -6.456223e-31),
        ("1 + erf(x / sqrt(2))", -12.0, 3.552965e-33, 4.292763e-32),
        ("erfc(-x / sqrt(2))", -12.0, 3.552965e-33, 4.292763e-32),
        ("erfc(x)", 3.0, 2.209050e-05, -1.392532e-04),
        ("atan(x)", 1e30, 1.570796, 0.0),
        ("max(x, 0) - sign(x) + abs(x)", -2.0, 3.0, -1.0),
        ("3", 1.0, 3.0, 0.0),
        ("beta", 1.0, 2.0, 0.0),
        ("sigmoid(beta)", 1.0, 0.880797, 0.0),
    ],
)
def test_known_expressions(text, at, wanted, slope):
    scope: dict[str, Any] = {}
    exec(f"def part(x, beta=2.0):\n    'part(x, beta) = {text}'\n    ...", scope)
    f = jaxact.activation(scope["part"])
    x = jnp.full((2, 1), at, jnp.float32)
    got = f(x), jaxact.derivative(f)(x)
    expected = tuple(jnp.full((2, 1), v, jnp.float32) for v in (wanted, slope))
    chex.assert_trees_all_close(got, expected, rtol=3e-6, atol=0)


def test_is_a_plain_function():
    assert inspect.isfunction(gate) and pickle.loads(pickle.dumps(gate)) is gate
    assert str(inspect.signature(gate)).startswith("(x: ")
    assert "x * sigmoid(beta * x)" in inspect.getsource(gate)
    assert (inspect.getdoc(gate) or "").startswith("A gate with a parameter.")
    assert jaxact.get(f"{__name__}:gate") is gate
    found = jaxact.get(f"{__name__}:gate", beta=2.0)
    chex.assert_trees_all_equal(found(X), gate(X, 2.0))
    definition = lookup(gate)
    assert definition is not None and definition.formula is not None
    assert definition.formula.text == "x * sigmoid(beta * x)"
    (call,) = jax.make_jaxpr(gate)(X).eqns
    assert call.params["name"] == "jaxact.gate"


def test_parameters_broadcast_and_other_dtypes_count_as_ever():
    beta = jnp.asarray([0.5, 2.0], jnp.float32)[:, None]
    by_hand = jnp.stack([gate(X, 0.5), gate(X, 2.0)])
    chex.assert_trees_all_close(gate(X[None], beta), by_hand, rtol=1e-6)
    assert jax.grad(lambda b: gate(X[None], b).sum())(beta).shape == (2, 1)
    two: Any = 2
    assert gate(two).dtype == jnp.float32
    assert gate(jnp.bfloat16(2)).dtype == jnp.bfloat16


def test_a_derivative_may_be_declared_later():
    @jaxact.activation
    def cubed(x: Any) -> Any:
        """cubed(x) = x**3"""
        ...

    chex.assert_trees_all_close(jaxact.derivative(cubed)(X), 3 * X * X)

    @jaxact.derivative_of(cubed)
    def _cubed_dx(x: Any):
        return 30 * x * x

    chex.assert_trees_all_close(jaxact.derivative(cubed)(X), 30 * X * X)


def test_the_example_of_the_docstring():
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(jaxact.activation, globs={"jaxact": jaxact})
    runner = doctest.DocTestRunner()
    runner.run(example)
    assert runner.summarize() == (0, 2)


def test_neither_body_nor_formula():
    def nothing(x, alpha=1.0):
        """Only words."""
        ...

    told = r"^activation: nothing has no body, and no formula line 'nothing\(x, alpha\)"
    with pytest.raises(ValueError, match=told):
        jaxact.activation(nothing)


def test_a_body_counts_though_there_is_a_formula():
    @jaxact.activation
    def other(x: Any):
        """other(x) = x + 1"""
        return x + 2

    assert np.asarray(other(1.0)) == 3
