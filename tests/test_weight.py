"""No activation is heavier than the function it replaces: operations are counted.

Counted is what is left when calls are inlined, in the jaxpr and in the optimised HLO of
the forward pass, and of value and pullback, against the rival of ``jaxact bench``.  The
counts tell price without a clock.

    python tests/test_weight.py [NAME]...

prints the ratios, and `EXCEPTIONS` and `NESTED` as they would have to be.
"""

import math
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax.extend import core

import jaxact
from jaxact import catalogue
from jaxact._cli._functions import both, rival
from jaxact._cli._timing import FREE, operations, value_and_pullback
from jaxact._core import MARK, definitions
from jaxact.combinators import (
    add,
    clip,
    compose,
    gated,
    leaky,
    mix,
    multiply,
    piecewise,
    reflect,
    scale,
    shift,
)

pytestmark = pytest.mark.slow  # says nothing new with another JAX

MOST = 1.6  # times the operations of the rival
LEAST = 16  # operations: with fewer, a function waits for memory

# A function that the compiler writes out counts as the instructions that XLA makes of
# it on a CPU with jax 0.10.2; the sine and its kind are calls of the C library there,
# and take longer.
WEIGHTS = {
    **{"exp": 32, "expm1": 76, "log": 52, "log1p": 88, "erf": 32, "erfc": 96},
    **{"tanh": 32, "logistic": 36, "sin": 300, "cos": 300, "atan": 300, "asinh": 200},
    **{"exponential": 32, "exponential-minus-one": 76, "log-plus-one": 88},
    **{"sine": 300, "cosine": 300, "atan2": 300},
}
# operations that are not arithmetic, in HLO and in jaxprs
NOTHING = FREE | {
    *("broadcast", "fusion", "call", "copy", "convert"),
    *("broadcast_in_dim", "convert_element_type", "stop_gradient", "reshape"),
}

# the activations that are heavier: by how much they may be, and why
AGAIN = "x alone is kept, so the pullback computes the exponential again"
REDUCED = "the argument is reduced without losing digits"
LEADS = "the entry that leads keeps its digits"
EXCEPTIONS: dict[str, tuple[float, str]] = {
    "bent_identity": (2.1, "limited before the square overflows"),
    "softmax_with_sink": (3.3, LEADS),
    "exponential": (
        2.4,
        "its power of two is in two halves, or the largest results overflow",
    ),
    "gaussian": (2.5, AGAIN),
    "swiglu_oai": (2.7, AGAIN),
    "swiglu_clamped": (2.7, AGAIN),
    "swiglu_clamped_after": (3.3, AGAIN),
    "laplace": (2.7, "the left tail, and what the difference loses"),
    "complementary_log_log": (1.8, AGAIN),
    "sigmoid": (1.9, AGAIN),
    "tanh": (1.9, AGAIN),
    "squareplus": (5.1, "no square overflows and nothing cancels below 0"),
    "silu": (2.1, AGAIN),
    "quick_gelu": (2.2, AGAIN),
    "gelu_tanh": (2.4, AGAIN),
    "golu": (2.2, AGAIN),
    "tanhexp": (3.1, AGAIN),
    "mila": (2.1, AGAIN),
    "serf": (2.0, AGAIN),
    "erfact": (2.7, AGAIN),
    "pserf": (2.3, AGAIN),
    "sigmoid_glu": (2.6, AGAIN),
    "swiglu": (2.8, AGAIN),
    "geglu_tanh": (3.2, AGAIN),
    "qgeglu": (3.0, AGAIN),
    "hard_sigmoid_sloped": (2.9, "arithmetic of its parameters, which are numbers"),
    "e_swish": (3.3, AGAIN),
    "aptx": (2.1, AGAIN),
    "acon_c": (3.9, AGAIN),
    "b_silu": (2.9, AGAIN),
    "x_silu": (2.9, AGAIN),
    "squash": (6.0, LEADS),
    "poly_norm": (3.7, LEADS),
    "log_softmax": (2.7, LEADS),
    "logsumexp": (2.3, LEADS),
    "logmeanexp": (2.6, LEADS),
    "finer": (2.5, REDUCED),
    "snake_beta": (1.9, REDUCED),
    "softcap": (2.5, AGAIN),
    "lecun_tanh": (2.4, AGAIN),
    "adaptive_tanh": (2.3, AGAIN),
    "dyt": (2.2, AGAIN),
    "stan": (2.8, AGAIN),
    "lisht": (1.9, AGAIN),
    "soft_modulus_t": (2.1, AGAIN),
    "tanh_shrink": (2.5, "x - tanh(x) cancels near 0"),
    "entmax15": (2.1, "a threshold without cancellation"),
    "apl": (1.8, "a limit at -inf"),
    "elish": (3.2, AGAIN),
    "b_spline": (3.7, "its bumps are written out; compiled they are fewer operations"),
    "sinlu": (2.1, REDUCED),
    "scaled tanh": (1.9, AGAIN),
    "relu + gelu_tanh": (2.3, AGAIN),
    "gated silu": (3.1, AGAIN),
    "clipped x * sigmoid(2 x)": (3.2, AGAIN),
}

# functions of jnp that add a call to a kernel where one of lax would not, by name: the
# activations that do so
NESTED: dict[str, str] = {
    "_flip": ("sparsemax entmax15 "),
    "_quarter_turns": (
        "sine cosine finer snake snake_beta sinc gabor gabor_sine gcu sinlu "
    ),
    "_where": (
        "bent_identity softmax_with_sink squareplus xielu hard_sigmoid_sloped "
        "hard_tanh hard_tanh_open e_swish aptx squash poly_norm softmax softmin "
        "log_softmax logsumexp logmeanexp sine cosine finer snake snake_beta "
        "star_relu srelu rational relu leaky_relu prelu leaky_relu_left general_relu "
        "hard_shrink soft_shrink shrink hardmax apl b_spline thresholded_relu "
        "threshold tlu sinc gabor gabor_sine gcu sinlu "
    ),
    "cumsum": ("sparsemax entmax15 "),
    "diff": ("b_spline "),
    "isinf": ("squash poly_norm "),
    "nan_to_num": ("b_spline "),
    "signbit": (
        "sine cosine finer snake snake_beta leaky_relu prelu sinc gabor gabor_sine "
        "gcu sinlu "
    ),
    "sort": ("sparsemax entmax15 "),
}

relu, tanh, elu, silu = jaxact.relu, jaxact.tanh, jaxact.elu, jaxact.silu
# each with the code that a user would write with jax.nn
COMBINATIONS: dict[str, tuple[Any, Callable[..., Any]]] = {
    "identity * tanh(softplus)": (
        multiply(jaxact.identity, compose(tanh, jaxact.softplus)),
        lambda x: x * jnp.tanh(jax.nn.softplus(x)),
    ),
    "scaled tanh": (
        scale(tanh, output=1.7159, input=2 / 3),
        lambda x: 1.7159 * jnp.tanh(2 / 3 * x),
    ),
    "mix of relu, tanh and elu": (
        mix((relu, tanh, elu), (0.5, 0.25, 0.25)),
        lambda x: 0.5 * jax.nn.relu(x) + 0.25 * jnp.tanh(x) + 0.25 * jax.nn.elu(x),
    ),
    "leaky relu": (leaky(relu), jax.nn.leaky_relu),
    "relu + gelu_tanh": (
        add(relu, jaxact.gelu_tanh),
        lambda x: jax.nn.relu(x) + jax.nn.gelu(x),
    ),
    "gated silu": (gated(silu), lambda x, value: jax.nn.silu(x) * value),
    "silu(tanh(softplus))": (
        compose(silu, tanh, jaxact.softplus),
        lambda x: jax.nn.silu(jnp.tanh(jax.nn.softplus(x))),
    ),
    "clipped x * sigmoid(2 x)": (
        clip(multiply(jaxact.identity, scale(jaxact.sigmoid, input=2.0)), -1.0, 6.0),
        lambda x: jnp.clip(x * jax.nn.sigmoid(2 * x), -1, 6),
    ),
    "-elu(-silu(x))": (
        compose(reflect(elu), silu),
        lambda x: -jax.nn.elu(-jax.nn.silu(x)),
    ),
    "elu, then relu + tanh": (
        piecewise((0.0,), (elu, add(relu, tanh))),
        lambda x: jnp.where(x < 0, jax.nn.elu(x), jax.nn.relu(x) + jnp.tanh(x)),
    ),
    "mix of shifted softplus and silu(silu)": (
        mix(
            (shift(jaxact.softplus, output=-0.7, input=0.5), compose(silu, silu)),
            (0.5, 0.5),
        ),
        lambda x: (
            0.5 * (jax.nn.softplus(x + 0.5) - 0.7) + 0.5 * jax.nn.silu(jax.nn.silu(x))
        ),
    ),
}

X = jax.ShapeDtypeStruct((8, 128), jnp.float32)


def functions(name: str) -> tuple[tuple[Callable[..., Any], ...], list[Any]]:
    """Ours and the rival, and the arrays they take: gate and value, if it is gated."""
    if name in COMBINATIONS:
        return COMBINATIONS[name], [X] * (2 if name.startswith("gated") else 1)
    definition = catalogue.info(name)
    if definition.required == ("value",):
        _, plain = rival(name, definition.function)
        assert plain is not None
        return (definition.function, lambda x, value: plain(x, value=value)), [X, X]
    _, ours, plain = both(name, definition.function, "float32")
    assert plain is not None
    return (ours, plain), [X]


def ratios(name: str) -> list[float]:
    """The ratios for jaxpr and HLO, of the forward pass, then of value and pullback."""
    pair, arrays = functions(name)
    found = []
    for run in (lambda f: f, value_and_pullback):
        traced = [jax.jit(run(f)).trace(*arrays) for f in pair]
        compiled = [t.lower().compile() for t in traced]
        for ours, plain in (
            [weight(equations(t.jaxpr.jaxpr)) for t in traced],
            [weight(operations(c)) for c in compiled],
        ):
            found.append(max(ours, LEAST) / max(plain, LEAST))
    return found


def weight(names: Iterable[str]) -> int:
    return sum(WEIGHTS.get(name, 1) for name in names if name not in NOTHING)


def equations(jaxpr: core.Jaxpr) -> Iterator[str]:
    """The primitives, calls being inlined."""
    for equation in jaxpr.eqns:
        inner = list(inside(equation))
        for deeper in inner:
            yield from equations(deeper)
        if not inner:
            yield equation.primitive.name


def calls(jaxpr: core.Jaxpr) -> Iterator[str]:
    """The names of the compiled functions that it calls."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("jit", "pjit"):
            yield equation.params["name"]
        for deeper in inside(equation):
            yield from calls(deeper)


def inside(equation: Any) -> Iterator[core.Jaxpr]:
    """The jaxprs of a call."""
    for leaf in jax.tree.leaves(
        list(equation.params.values()),
        is_leaf=lambda v: isinstance(v, (core.Jaxpr, core.ClosedJaxpr)),
    ):
        if isinstance(leaf, core.ClosedJaxpr):
            yield leaf.jaxpr
        elif isinstance(leaf, core.Jaxpr):
            yield leaf


def nested(name: str) -> set[str]:
    """The functions that a kernel calls and that are not activations."""
    (ours, _), arrays = functions(name)
    traced = jax.jit(value_and_pullback(ours)).trace(*arrays)
    return set(calls(traced.jaxpr.jaxpr)) - {MARK + d.name for d in definitions()}


@pytest.mark.parametrize("name", [*catalogue.defined(), *COMBINATIONS])
def test_no_heavier_than_the_function_it_replaces(name):
    most, _ = EXCEPTIONS.get(name, (MOST, ""))
    assert max(ratios(name)) <= most


@pytest.mark.parametrize("name", catalogue.defined())
def test_a_kernel_calls_activations_alone(name):
    known = {call for call, those in NESTED.items() if name in those.split()}
    assert nested(name) <= known


def main(names: list[str]) -> None:
    """Print the ratios, the exceptions and the calls that are needed now."""
    names = names or [*catalogue.defined(), *COMBINATIONS]
    found = {name: ratios(name) for name in names}
    print("# jaxpr and HLO of the forward pass, jaxpr and HLO of value and pullback")
    for name, four in found.items():
        print(f"# {name}:", *(f"{r:.2f}" for r in four))
    print("EXCEPTIONS: dict[str, tuple[float, str]] = {")
    for name, four in found.items():
        if max(four) > MOST:
            _, why = EXCEPTIONS.get(name, (0, "not made light yet"))
            most = math.ceil(11 * max(four)) / 10  # other versions of JAX have more
            print(f'    "{name}": ({most}, "{why}"),')
    print("}\nNESTED: dict[str, str] = {")
    by_name = {name: nested(name) for name in found if name not in COMBINATIONS}
    for call in sorted(set().union(*by_name.values())):
        text = " ".join(name for name, those in by_name.items() if call in those)
        lines = [f'"{line} "' for line in textwrap.wrap(text, 76)]
        print(f'    "{call}": (', *lines, "    ),", sep="\n        ")
    print("}")


if __name__ == "__main__":
    main(sys.argv[1:])
