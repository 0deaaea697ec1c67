"""What a type checker accepts and refuses; pyright reads this file, pytest runs it."""

# pyright: reportUnnecessaryTypeIgnoreComment=true
# so that a call that is refused fails the check once it is accepted

from collections.abc import Callable
from functools import partial
from typing import assert_type

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from jax.typing import ArrayLike

import jaxact
from jaxact import combinators, derivative, value_and_derivative

NUMPY = np.ones(3, np.float32)
JAX = jnp.ones(3)


def test_any_array_or_number_is_taken_and_an_array_returned():
    for x in (NUMPY, JAX, np.float32(1), np.int8(1), 1, 1.0):
        assert_type(jaxact.gelu(x), Array)
        assert_type(jaxact.tanh(x), Array)
        assert_type(jaxact.elu(x, x), Array)
        assert_type(jaxact.elu(x=x, alpha=x), Array)
        assert_type(jaxact.swiglu(x, x, beta=x), Array)
        assert_type(jaxact.geglu(x, x), Array)
    assert_type(jaxact.tanh(True), Array)
    assert_type(jaxact.softmax(NUMPY, axis=-1, where=NUMPY > 0), Array)
    assert_type(jaxact.apl(NUMPY, NUMPY, NUMPY), Array)
    assert_type(jaxact.b_spline(NUMPY, np.ones(5), degree=2), Array)
    assert_type(jaxact.logsumexp(NUMPY), Array)
    assert_type(jaxact.logsumexp(JAX, return_sign=True), tuple[Array, Array])
    assert_type(jaxact.packed(jaxact.swiglu, "gate last")(np.ones(4)), Array)
    assert_type(jaxact.rrelu(NUMPY, upper=np.float32(0.5)), Array)


def test_what_may_be_any_of_them_is_taken():
    def scaled(x: ArrayLike, alpha: ArrayLike) -> Array:
        return jaxact.elu(x, alpha) + jaxact.prelu(x, negative_slope=alpha, axis=0)

    assert_type(scaled(NUMPY, 0.5), Array)


def test_arguments_of_another_type_are_refused():
    with pytest.raises(TypeError):
        jaxact.gelu("1")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError):
        jaxact.tanh([1.0])  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError):
        jaxact.tanh(None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError):
        jaxact.elu(x="1")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError):
        jaxact.elu(JAX, "1")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError):
        jaxact.elu(JAX, alpha=[1.0])  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError):
        jaxact.elu(JAX, beta=1.0)  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError):
        jaxact.elu()  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError):
        jaxact.swiglu(JAX)  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError):
        jaxact.swiglu(JAX, None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError):
        jaxact.prelu(JAX, JAX, axis=0.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError):
        jaxact.packed(jaxact.swiglu, "last")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError):
        combinators.add(jaxact.tanh, "relu")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError):
        derivative(jaxact.elu)(JAX, "1")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError):
        derivative("elu")  # pyright: ignore[reportCallIssue, reportArgumentType]
    with pytest.raises(ValueError):
        jaxact.get("elu", "theano")  # pyright: ignore[reportArgumentType]


def test_derivatives_are_called_as_their_functions_are():
    slope = derivative(jaxact.elu)
    assert_type(slope(NUMPY, alpha=NUMPY), Array)
    assert_type(slope(x=1.0), Array)
    assert_type(derivative(slope)(2), Array)
    assert_type(derivative(jaxact.swiglu, wrt="value")(NUMPY, NUMPY), Array)
    assert_type(value_and_derivative(jaxact.elu)(NUMPY, 0.5), tuple[Array, Array])

    def cube(x: Array, factor: float) -> Array:
        return factor * x**3

    assert_type(derivative(cube, 2)(np.float32(1), factor=2.0), Array)

    def wave(z: ArrayLike, shift: float = 0.0) -> Array:
        return jnp.sin(jnp.asarray(z) + shift)

    assert_type(derivative(wave)(z=1.0, shift=0.5), Array)

    def network(weights: dict[str, Array], x: Array) -> Array:
        return jnp.tanh(weights["w"] * x)

    assert_type(derivative(network, wrt="x")({"w": JAX[0]}, JAX), Array)


def test_combinations_and_activations_by_name_are_activations():
    silu = combinators.multiply(jaxact.identity, jaxact.sigmoid)
    assert_type(silu(NUMPY), Array)
    both = combinators.mix((silu, jaxact.tanh), (0.5, 0.5))
    assert_type(both(1.0, weight_1=NUMPY), Array)
    assert_type(derivative(both)(NUMPY, weight_2=0.5), Array)
    assert_type(jaxact.get("elu", alpha=0.5)(NUMPY), Array)
    again = jaxact.from_config(jaxact.to_config(both))
    assert_type(again(NUMPY), Array)


def test_activations_go_where_functions_go():
    functions: list[Callable[[Array], Array]] = [jaxact.relu, jaxact.elu, jaxact.gelu]
    functions.append(partial(jaxact.elu, alpha=NUMPY))
    functions.append(jax.vmap(jaxact.tanh))
    assert all(f(JAX).shape == (3,) for f in functions)
    assert_type(jaxact.elu.__name__, str)


@jaxact.activation(kinks=(0.0,))
def twice(x: Array, slope: float | Array = 2.0, sign: bool = True) -> Array:
    """An activation of the user's."""
    return slope * x if sign else -slope * x


def test_an_activation_of_ones_own_is_typed_as_it_says():
    assert_type(twice(NUMPY), Array)
    assert_type(twice(2, slope=JAX, sign=False), Array)
    with pytest.raises(TypeError):
        twice(JAX, slope=None)  # pyright: ignore[reportArgumentType]
