"""Slopes that are chosen at kinks."""

from pathlib import Path
from typing import Any

import chex
import jax
import jax.numpy as jnp
import pytest

import jaxact
from jaxact.catalogue import lookup
from jaxact.combinators import compose
from jaxact.testing import assert_accurate, assert_derivatives, residual_bytes
from jaxact.testing._exhaustive import version_of
from jaxact.testing._oracle import question


@jaxact.activation(kinks={0.0: 0.5})
def bare(x: Any):
    """Of a kernel alone.

    bare(x) = x if x > 0 else 0
    """
    return jnp.maximum(x, 0)


@jaxact.activation(kinks={0.0: 0.5})
def ruled(x: Any):
    """With a slope that reads the output.

    ruled(x) = x if x > 0 else 0
    """
    return jnp.maximum(x, 0)


@jaxact.derivative_of(ruled)
def _ruled_dx(y: Any):
    return jnp.where(y > 0, 1, 0)


@jaxact.activation(kinks={-1.0: 0.25, 1: 3.0})
def written(x: Any, a: Any = 1.0, b: Any = 0.0):
    """Of its formula alone, with two kinks and parameters.

    written(x, a, b) = a * min(max(x, -1), 1) + b
    """
    ...


@jaxact.activation(kinks={0.0: 0.0})
def pointed(x: Any):
    """A formula without a slope at the kink.

    pointed(x) = sqrt(x * x)
    """
    ...


@jaxact.activation(kinks={0.0: 1.0})
def curved(x: Any):
    """With a second derivative that is not 0 at the kink.

    curved(x) = 2 * x + x * x if x > 0 else x * x
    """
    return jnp.where(x > 0, 2 * x + x * x, x * x)


@jaxact.derivative_of(curved)
def _curved_dx(x: Any):
    return jnp.where(x > 0, 2 + 2 * x, 2 * x)


@jaxact.derivative_of(curved, order=2)
def _curved_dx2(x: Any):
    return jnp.full_like(x, 2)


X = jnp.asarray([-2.0, -1.0, -0.0, 0.0, 1.0, 2.0])
SLOPES = {
    bare: [0, 0, 0.5, 0.5, 1, 1],
    ruled: [0, 0, 0.5, 0.5, 1, 1],
    written: [0, 0.25, 1, 1, 3, 0],
    pointed: [-1, -1, 0, 0, 1, 1],
    curved: [-4, -2, 1, 1, 4, 6],
}
EVERY = pytest.mark.parametrize("f", SLOPES, ids=lambda f: f.__name__)


@EVERY
def test_the_slope_is_that_in_every_transform(f):
    wanted = jnp.asarray(SLOPES[f], jnp.float32)
    second = jnp.asarray([2, 2, 0, 0, 2, 2] if f is curved else [0] * 6, jnp.float32)
    first = jax.grad(f)
    chex.assert_trees_all_equal(jax.vmap(first)(X), wanted)
    chex.assert_trees_all_equal(jax.jvp(f, (X,), (jnp.ones_like(X),))[1], wanted)
    chex.assert_trees_all_equal(jaxact.derivative(f)(X), wanted)
    chex.assert_trees_all_equal(jaxact.derivative(f, 2)(X), second)
    chex.assert_trees_all_equal(jax.vmap(jax.grad(first))(X), second)
    half = X.astype(jnp.bfloat16)
    chex.assert_trees_all_equal(
        jax.vmap(first)(half), jnp.asarray(SLOPES[f], jnp.bfloat16)
    )


@EVERY
def test_the_formula_and_the_oracle_agree(f):
    assert_derivatives(f, dtypes=["float32"], orders=(1,) if f is pointed else (1, 2))
    if f is not pointed:  # whose square overflows
        assert_accurate(f, 0.51, ["bfloat16"])


def test_what_is_kept():
    for f in (bare, written, curved):
        assert residual_bytes(f) == 4
    assert residual_bytes(ruled) == 8  # the output alone does not tell where x was 0


def test_value_and_other_derivatives_are_as_they_were():
    chex.assert_trees_all_equal(bare(X), jnp.maximum(X, 0))
    x, a = jnp.float32(1), jnp.float32(2)
    got = jax.grad(written, (1, 2))(x, a, 0.5)
    chex.assert_trees_all_equal(got, (jnp.float32(1), jnp.float32(1)))
    assert written(x, a, 0.5) == 2.5


def test_what_is_made_of_it_has_the_slope_too():
    f = compose(jaxact.tanh, bare)
    assert jax.grad(f)(0.0) == 0.5
    assert_accurate(f, 0.51, ["bfloat16"], orders=[1])
    definition = lookup(f)
    assert definition is not None and definition.kinks_at() == (0.0,)


@pytest.mark.parametrize("f", [bare, written], ids=lambda f: f.__name__)
def test_a_state_of_all_numbers_is_of_the_file_of_the_kernel(f, monkeypatch):
    asked, read = question(f), Path.read_bytes
    version = version_of(f, asked)

    def changed(file):
        return read(file) + b"#" * (file.name == Path(__file__).name)

    monkeypatch.setattr(Path, "read_bytes", changed)
    assert version != version_of(f, asked)


def test_kinks_without_slopes_are_as_before():
    @jaxact.activation(kinks=(0.0,))
    def plain(x):
        """plain(x) = x if x > 0 else 0"""
        return jnp.maximum(x, 0)

    assert jax.grad(plain)(0.0) == 0.5  # as jnp.maximum has it
    definition = lookup(plain)
    assert definition is not None and definition.formula is not None
    assert definition.formula.text == "x if x > 0 else 0" and not definition.slopes


@pytest.mark.parametrize(
    ("kinks", "error", "told"),
    [
        (
            {1.0: 0.5},
            ValueError,
            "the slope of its formula does not jump at 1.0; kinks",
        ),
        ({0.0: 1.0, -3.0: 1.0}, ValueError, "does not jump at -3.0"),
        ({0.0: "1"}, TypeError, "all finite numbers; got str '1'"),
        ({0.0: float("nan")}, TypeError, "all finite numbers; got float nan"),
        ({"0": 1.0}, TypeError, "all finite numbers; got str '0'"),
    ],
)
def test_errors(kinks, error, told):
    def f(x, alpha=0.5):
        """f(x, alpha) = x + x * x if x > 0 else alpha * x"""
        return jnp.where(x > 0, x + x * x, alpha * x)

    with pytest.raises(error, match=rf"^activation: f: .*{told}"):
        jaxact.activation(kinks=kinks)(f)


@pytest.mark.parametrize(
    ("text", "kink"),
    [
        ("x * x", False),
        ("exp(-10000 * x * x)", False),
        ("x if x > 0 else exp(x) - 1", False),  # the second derivative jumps
        ("1000000 + 0.1 * x", False),
        ("max(x, 0.999 * x)", True),
        ("1 if x > 0 else 0", True),
        ("log(x) if x > 0 else x", True),
    ],
)
def test_a_kink_is_where_the_slope_jumps(text, kink):
    scope: dict[str, Any] = {}
    exec(f"def f(x):\n    'f(x) = {text}'\n    ...", scope)
    if kink:
        assert jax.grad(jaxact.activation(kinks={0: 7})(scope["f"]))(0.0) == 7
    else:
        with pytest.raises(ValueError, match="does not jump at 0"):
            jaxact.activation(kinks={0: 7})(scope["f"])


def test_slopes_are_for_fixed_kinks_of_what_is_elementwise():
    @jaxact.activation(kinks=lambda width: {width: 0.5})  # pyright: ignore
    def clipped(x, width=2.0):
        return jnp.minimum(x, width)

    definition = lookup(clipped)
    assert definition is not None
    with pytest.raises(TypeError, match=r"clipped: a slope can be chosen at a fixed k"):
        definition.kinks_at()

    @jaxact.activation(kinks={0.0: 0.5})
    def total(x):
        return x / jnp.sum(x)

    with pytest.raises(ValueError, match=r"pushforward_of\(total\): slopes at kinks"):
        jaxact.pushforward_of(total)
