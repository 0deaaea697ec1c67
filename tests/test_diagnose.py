"""`jaxact.diagnose` on networks whose truth is known."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array, lax

import jaxact
from jaxact import diagnose, observe, observe_value_and_grad

WIDTH, ROWS = 64, 128
X = jax.random.normal(jax.random.key(0), (ROWS, WIDTH))


def weights(depth: int, gain: float) -> Array:
    """Normal weights of variance gain**2 / width."""
    shape = (depth, WIDTH, WIDTH)
    return gain * jax.random.normal(jax.random.key(1), shape) / np.sqrt(WIDTH)


def deep(activation: Any) -> Any:
    """The mean of a scan of layers, and the gradient by its input."""

    def loss(x: Array, w: Array) -> Array:
        def layer(h: Array, w: Array) -> tuple[Array, None]:
            return activation(h @ w), None

        return jnp.mean(lax.scan(layer, x, w)[0] * jnp.asarray(X, x.dtype))

    return loss


def kinds(findings: list[jaxact.Finding]) -> list[str]:
    return [f.kind for f in findings]


def only(findings: list[jaxact.Finding], kind: str) -> jaxact.Finding:
    (found,) = (f for f in findings if f.kind == kind)
    return found


def both(activation: Any, depth: int, gain: float) -> tuple[Any, Any, float]:
    """What is found without cotangents and with them, and the gradient's true ratio."""
    loss, w = deep(activation), weights(depth, gain)
    _, seen = jax.jit(observe(loss))(X, w)
    (_, _), measured = jax.jit(observe_value_and_grad(loss))(X, w)
    (site,) = measured.stats
    size = np.sqrt(np.mean(site.mean_square("g"), axis=-1))
    return diagnose(seen), diagnose(measured), float(size[0] / size[-1])


# --- healthy --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "gain"),
    [(jaxact.relu, np.sqrt(2)), (jnp.tanh, 1.0), (jax.nn.gelu, 1.5)],
)
def test_healthy_networks_have_no_findings(activation, gain):
    estimated, measured, ratio = both(activation, 4, float(gain))
    assert estimated == measured == []
    assert 0.03 < ratio < 30


# --- one layer ------------------------------------------------------------------------


@pytest.mark.parametrize("gone", [0, 5, 64])
def test_exactly_so_many_units_are_dead(gone):
    bias = jnp.where(jnp.arange(WIDTH) < gone, -1e3, 0.0)
    _, seen = observe(lambda x: jaxact.relu(x + bias[None]))(X)
    found = diagnose(seen, dead=0.05)
    if gone == 0:
        assert found == []
        return
    assert kinds(found) == ["dead units"]
    assert found[0].site == "relu"
    assert found[0].evidence == {"dead": gone, "units": WIDTH}
    assert re.search(
        rf"{gone} of 64 units had no slope .* Try leaky_relu", str(found[0])
    )
    assert diagnose(seen, dead=0.05, samples=ROWS + 1) == []
    if gone == 5:
        assert diagnose(seen) == []  # below the share that is asked for


def test_saturation_is_found_where_the_operands_are_large():
    _, seen = observe(jnp.tanh)(30 * X)
    found = only(diagnose(seen), "saturation")
    share = np.mean(np.asarray(1 - jnp.tanh(30 * X) ** 2) <= 0.05)
    assert found.evidence["saturated"] == pytest.approx(float(share))
    assert diagnose(seen, saturated=float(share) + 1e-6) == []


def test_a_sigmoid_in_bfloat16_loses_its_gradient_to_rounding():
    x = jnp.where(jnp.arange(WIDTH)[None] < 20, X - 9, X).astype(jnp.bfloat16)
    _, seen = observe(jaxact.sigmoid)(x)
    found = only(diagnose(seen), "gradient lost to rounding")
    assert found.evidence["lost"] == 20 and found.evidence["units"] == WIDTH
    assert found.evidence["half an ULP"] == 2.0**-8
    assert 0 < found.evidence["largest slope"] < 2.0**-8
    _, wide = observe(jaxact.sigmoid)(x.astype(jnp.float32))
    assert "gradient lost to rounding" not in kinds(diagnose(wide))


def test_an_activation_that_works_as_linear_is_found():
    assert kinds(diagnose(observe(jnp.tanh)(X / 100)[1])) == ["works as linear"]
    assert kinds(diagnose(observe(jaxact.relu)(X + 9)[1])) == ["works as linear"]
    assert diagnose(observe(jaxact.identity)(X)[1]) == []


# --- all layers -----------------------------------------------------------------------


def test_fifty_layers_of_tanh_at_half_the_gain_vanish():
    estimated, measured, ratio = both(jnp.tanh, 50, 0.5)
    assert ratio < 1e-12
    for found in (estimated, measured):
        worst = found[0]
        assert worst.kind == "vanishing gradient" and worst.site == "tanh[0]"
        assert "exploding gradient" not in kinds(found)
    guess = estimated[0].evidence["ratio"]
    assert abs(np.log10(guess / ratio)) < 1.5
    assert "is estimated" in estimated[0].reason and "measured" in measured[0].reason


def test_fifty_layers_of_tanh_at_twice_the_gain_explode():
    estimated, measured, ratio = both(jnp.tanh, 50, 2.0)
    assert ratio > 1e3
    assert measured[0].kind == "exploding gradient"
    sizes = measured[0].evidence
    assert sizes["first"] / sizes["last"] == pytest.approx(ratio, rel=1e-3)
    assert estimated[0].kind == "exploding gradient"


def test_ten_layers_of_sigmoids_vanish():
    estimated, measured, ratio = both(jax.nn.sigmoid, 10, 1.0)
    assert ratio < 1e-4
    assert "vanishing gradient" in kinds(estimated)
    found = only(measured, "vanishing gradient")
    assert found.severity == max(f.severity for f in measured)


def test_means_that_grow_with_depth_are_found():
    _, seen = jax.jit(observe(deep(jaxact.softplus)))(X, weights(10, 1.0))
    found = only(diagnose(seen), "mean shift")
    assert found.evidence["last"] >= 5 > 2 * found.evidence["first"]


def test_one_nan_is_found_where_it_appears_first():
    def run(x: Array, hole: Array) -> Array:
        w = weights(4, 1.4)
        for k in range(4):
            with jax.named_scope(f"layer{k}"):
                x = jaxact.relu(x @ w[k] + (hole if k == 2 else 0.0))
        return jnp.sum(x)

    hole = jnp.zeros_like(X).at[7, 3].set(jnp.nan)
    _, seen = jax.jit(observe(run))(X, hole)
    first = diagnose(seen)[0]
    assert (first.kind, first.site) == ("non-finite values", "layer2/relu")
    assert first.evidence == {"samples": 1, "sites": 2} and first.severity == 1


def test_a_gradient_that_is_not_finite_comes_from_the_end():
    def run(x: Array) -> Array:
        return jnp.sum(jnp.sqrt(jaxact.relu(jnp.tanh(x))))  # an infinite slope at 0

    (_, _), seen = observe_value_and_grad(run)(X)
    first = diagnose(seen)[0]
    assert (first.kind, first.site) == ("non-finite values", "relu")
    assert first.evidence["cotangents"] == int(np.sum(np.asarray(X) <= 0))


def test_findings_are_ranked():
    found = diagnose(observe(jaxact.sigmoid)(jnp.where(X > 2, jnp.nan, 40 * X))[1])
    assert len(found) > 1 and found[0].kind == "non-finite values"
    assert [f.severity for f in found] == sorted(f.severity for f in found)[::-1]
    assert all(0 < f.severity <= 1 and f.advice for f in found)


def test_errors_say_what_is_accepted():
    call: Any = diagnose
    with pytest.raises(TypeError, match="diagnose: expected Observations, got tuple"):
        call(observe(jaxact.relu)(X))
    with pytest.raises(TypeError, match="diagnose: the observations are traced"):
        jax.jit(lambda x: diagnose(observe(jaxact.relu)(x)[1]))(X)
