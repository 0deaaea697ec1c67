"""The names of other frameworks: value and gradient as they give them."""

import inspect
import itertools
import math
import re
from dataclasses import replace
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import record_frameworks as record

import jaxact
from jaxact import catalogue, frameworks, get
from jaxact._cli._agreement import agreement, cases, recording
from jaxact.catalogue import Bound

pytestmark = pytest.mark.slow  # says nothing new with another JAX

TABLE = frameworks.TABLE
CASES = list(cases())
INFINITE = (-math.inf, math.inf)

# Of functions that are 0 or 1 far out, others make inf * 0, inf - inf or inf / inf:
# framework, names, whether the value is NaN at -inf, and where the gradient is.
NOT_A_NUMBER = [
    ("jax.nn", "gelu mish silu swish", (-math.inf,), INFINITE),
    ("jax.nn", "hard_silu hard_swish", (-math.inf,), ()),
    ("jax.nn", "soft_sign", INFINITE, INFINITE),
    ("jax.nn", "sparse_plus", (), INFINITE),
    ("jax.nn", "squareplus", (-math.inf,), INFINITE),
    ("torch", "gelu mish silu", (-math.inf,), INFINITE),
    ("torch", "hardswish", (-math.inf,), ()),
    ("torch", "softsign", INFINITE, INFINITE),
    ("keras", "gelu mish silu swish", (-math.inf,), INFINITE),
    ("keras", "hard_silu hard_swish", (-math.inf,), ()),
    ("keras", "softsign", INFINITE, INFINITE),
    ("keras", "sparse_plus", (), INFINITE),
    ("keras", "squareplus", (-math.inf,), INFINITE),
    ("keras", "PReLU", (-math.inf,), ()),
    ("tensorflow", "gelu", (-math.inf,), INFINITE),
    ("tensorflow", "silu swish", (-math.inf,), INFINITE),
    ("tensorflow", "softsign", INFINITE, ()),
    ("onnx", "Gelu HardSwish Mish Swish", (-math.inf,), None),
    ("onnx", "Softsign", INFINITE, None),
    ("huggingface", "gelu gelu_accurate gelu_fast gelu_new gelu_python", (-math.inf,),
     INFINITE),
    ("huggingface", "gelu_pytorch_tanh gelu_python_tanh mish quick_gelu silu swish",
     (-math.inf,), INFINITE),
    ("huggingface", "gelu_10", (-math.inf,), INFINITE),
    ("huggingface", "hardswish", (-math.inf,), ()),
    ("huggingface", "sqrtsoftplus", (), (-math.inf,)),
    ("huggingface", "xielu", (-math.inf,), (-math.inf,)),
    ("ggml", "XIELU", (-math.inf,), None),
    ("ggml", "GELU GELU_ERF GELU_QUICK HARDSWISH SILU", (-math.inf,), None),
    ("flax", "gelu silu swish", (-math.inf,), INFINITE),
    ("flax", "hard_silu hard_swish", (-math.inf,), ()),
    ("flax", "soft_sign", INFINITE, INFINITE),
]  # fmt: skip

# where they round more than float64 does: framework, names, how much
ROUNDED = [
    ("torch", "hardsigmoid", 1e-8),
    ("keras", "tanh", 5e-7),
    ("tensorflow", "gelu leaky_relu", 2e-8),
    ("onnx", "Gelu HardSigmoid HardSwish LeakyRelu Selu", 1e-7),
    ("huggingface", "gelu_fast", 2e-12),
    ("huggingface", "sqrtsoftplus", 1e-9),
]
EXACT = 1e-14

# where a kink is taken otherwise: the case, the point
KINKS = [
    ("keras relu(negative_slope=0.25)", 0.0),
    ("keras relu(negative_slope=0.25, max_value=2.0, threshold=1.0)", 1.0),
    ("keras relu(negative_slope=0.25, max_value=2.0, threshold=1.0)", 2.0),
    ("tensorflow selu()", 0.0),
    ("ggml STEP()", 0.0),
]
# projections on the simplex that are wrong, as their sums show
WRONG = ["keras sparsemax()", "keras sparsemax(axis=0)"]


def said_of(case, excuses, otherwise):
    found = [
        e for e in excuses if e[0] == case.framework and case.names[0] in e[1].split()
    ]
    return found[0][2:] if found else otherwise


def resolves(case):
    try:
        case.ours()
    except (TypeError, ValueError):
        return False
    return True


def called(case):
    given = ", ".join(f"{n}={v}" for n, v in case.parameters.items())
    return f"{case.framework} {case.names[0]}({given})"


RESOLVED = [case for case in CASES if resolves(case)]


# --- against their recorded results -------------------------------------------------


def without_kink(case):
    """The case less the point that is excused."""
    points = [p for of, p in KINKS if of == called(case)]
    if not points:
        return case
    rest = ~np.isin(case.x, points)
    gradient = None if case.gradient is None else case.gradient[rest]
    fields = {"x": case.x[rest], "value": case.value[rest], "gradient": gradient}
    return replace(case, weights=case.weights[rest], **fields)


@pytest.mark.parametrize(
    "case", [c for c in RESOLVED if called(c) not in WRONG], ids=called
)
def test_value_and_gradient_are_theirs(case):
    value, gradient = agreement(without_kink(case))
    allowed, *_ = said_of(case, ROUNDED, [EXACT])
    at_value, at_gradient = said_of(case, NOT_A_NUMBER, [(), ()])
    assert value.furthest <= allowed, value
    assert value.no_numbers == at_value
    if case.gradient is None:
        assert gradient is None
    else:
        assert gradient is not None
        assert gradient.furthest <= allowed, gradient
        assert gradient.no_numbers == at_gradient


def test_no_excuse_without_need():
    off: dict[tuple[str, str], float] = {}
    for case in RESOLVED:
        key = case.framework, case.names[0]
        found = [a.furthest for a in agreement(case) if a is not None]
        off[key] = max(*found, off.get(key, 0.0))
        if called(case) in (*WRONG, *(of for of, _ in KINKS)):
            assert max(found) > 0.1, f"{called(case)} needs no excuse"
    assert {*WRONG, *(of for of, _ in KINKS)} <= {called(case) for case in CASES}
    for framework, names, allowed in ROUNDED:
        for name in names.split():
            needed = off.get((framework, name), allowed)
            assert EXACT < needed <= allowed < 200 * needed, (framework, name, needed)
    listed = {(f, n) for f, names, *_ in NOT_A_NUMBER for n in names.split()}
    assert listed <= {(c.framework, c.names[0]) for c in CASES}


def test_every_excuse_has_a_reason():
    cases = {called(c): c for c in CASES}
    excused = {(f, n) for f, names, _ in ROUNDED for n in names.split()}
    for of in (*WRONG, *(of for of, _ in KINKS)):
        excused.add((cases[of].framework, cases[of].names[0]))
    first = {(c.framework, n): c.names[0] for c in CASES for n in c.names}
    reasons = {
        (f, first[f, n])
        for f, why in frameworks.DIFFERENCES.items()
        for names in why
        for n in names.split()
    }
    assert reasons == excused


@pytest.mark.parametrize("case", [c for c in CASES if called(c) in WRONG], ids=called)
def test_where_their_projection_is_one_it_is_ours(case):
    axis = case.parameters.get("axis", -1)
    right = np.isclose(case.value.sum(axis), 1)
    assert 0 < right.sum() < right.size
    if resolves(case):
        with jax.enable_x64(True):
            ours = np.asarray(case.ours()(jnp.asarray(case.x)))
        np.testing.assert_allclose(ours.sum(axis), 1)
        apart = np.abs(ours - case.value).max(axis)
        assert (apart[right] < EXACT).all() and (apart[~right] > 0.1).all()


def test_every_name_is_recorded_or_random():
    recorded = {(c.framework, n) for c in CASES for n in c.names}
    table = {(f, n) for f in TABLE for n in TABLE[f]}
    missing = {
        ("torch", "gumbel_softmax"),
        ("jax.nn", "log1mexp"),
        ("tensorflow", "crelu"),
    }
    assert table - recorded == missing
    assert {n for _, n in missing} == record.NOT_RECORDED
    assert recorded <= table


def test_the_points_have_the_kinks():
    line = next(c for c in CASES if c.x.ndim == 1).x
    assert {0.0, 0.5, -0.5, 1, -1, 3, -3, 6, 20.5, -20.5, *INFINITE} <= set(line)
    assert all(float(np.float32(v)) == v for v in line)


def test_the_versions_it_was_recorded_with():
    recorded = recording()["frameworks"]
    assert set(recorded) == set(TABLE) == set(record.RECORDED)
    versions = {p: v for r in recorded.values() for p, v in r["versions"].items()}
    assert all(re.match(r"\d+\.\d+", v) for v in versions.values())
    packages = "torch keras tensorflow-cpu onnx transformers flax jax"
    assert set(packages.split()) == set(versions)


def unresolved():
    """The functions of a framework that jaxact lacks, by the names they should have."""
    missing = set()
    for rows in TABLE.values():
        for row in rows.values():
            same = row.among.values() if isinstance(row, frameworks.Choice) else [row]
            missing |= {n for one in same for n in (one.name, one.general) if n}
    return missing - set(jaxact.names())


def test_what_is_missing():
    assert unresolved() == set()


def test_what_is_called_otherwise():
    """Parameters that jaxact lacks in functions that it has: none may be left."""
    missing = unresolved()
    tables = ((f, n, TABLE[f][n]) for f in TABLE for n in TABLE[f])
    there = {
        (f, n)
        for f, n, row in tables
        if isinstance(row, frameworks.Same) and not {row.name, row.general} & missing
    }
    assert {called(c) for c in CASES if (c.framework, c.names[0]) in there} - {
        called(c) for c in RESOLVED
    } == set()


# --- names, defaults and parameters -------------------------------------------------


@pytest.mark.parametrize(("framework", "name", "parameters", "function", "given"), [
    ("torch", "ReLU", {}, "relu", None),
    ("torch", "GELU", {}, "gelu_exact", None),
    ("torch", "gelu", {"approximate": "tanh"}, "gelu_tanh", None),
    ("torch", "Hardswish", {}, "hard_silu", None),
    ("keras", "gelu", {}, "gelu_exact", None),
    ("keras", "gelu", {"approximate": True}, "gelu_tanh", None),
    ("keras", "linear", {}, "identity", None),
    ("keras", "relu", {}, "relu", None),
    ("keras", "relu", {"max_value": None}, "relu", None),
    ("keras", "leaky_relu", {}, "leaky_relu", {"negative_slope": 0.2}),
    ("keras", "leaky_relu", {"negative_slope": 0.5}, "leaky_relu",
     {"negative_slope": 0.5}),
    ("onnx", "Elu", {"alpha": 0.5}, "elu", {"alpha": 0.5}),
    ("onnx", "LeakyRelu", {"alpha": 0.5}, "leaky_relu", {"negative_slope": 0.5}),
    ("huggingface", "gelu_new", {}, "gelu_tanh", None),
    ("huggingface", "gelu", {}, "gelu_exact", None),
    ("ggml", "GELU", {}, "gelu_tanh", None),
    ("flax", "gelu", {}, "gelu_tanh", None),
    ("tensorflow", "gelu", {}, "gelu_exact", None),
    ("keras", "LeakyReLU", {}, "leaky_relu", {"negative_slope": 0.3}),
    ("flax", "swish", {}, "silu", None),
])  # fmt: skip
def test_what_a_name_stands_for(framework, name, parameters, function, given):
    f = get(name, framework, **parameters)
    if given is None:
        assert f is getattr(jaxact, function)
    else:
        assert f == get(function, **given)


def test_frameworks_disagree_where_they_do():
    x = jnp.array([-5.25, -1, 0.5])
    assert jnp.array_equal(get("gelu", "torch")(x), jaxact.gelu_exact(x))
    assert jnp.array_equal(get("gelu", "flax")(x), jaxact.gelu_tanh(x))
    assert float(get("leaky_relu", "keras")(-1.0)) == np.float32(-0.2)
    assert float(get("LeakyRelu", "onnx")(-1.0)) == np.float32(-0.01)


def test_the_table_is_data():
    for framework, rows in TABLE.items():
        for name, row in rows.items():
            same = row.among.values() if isinstance(row, frameworks.Choice) else [row]
            for one in same:
                assert isinstance(one, frameworks.Same), (framework, name)
                assert all(type(v) in (int, float) for v in one.fixed.values())
                assert one.name not in catalogue.aliases(), "primary names alone"


SIGNATURES = {
    (framework, name): told
    for framework, recorded in recording()["frameworks"].items()
    for name, told in recorded["signatures"].items()
}
# names of Keras 2; arguments of the call; arguments of a function in C
BEYOND = {
    ("keras", "LeakyReLU"): {"alpha"},
    ("huggingface", "laplace"): {"mu", "sigma"},
    ("ggml", "SOFT_MAX"): {"scale", "max_bias"},
}


def rows_of(framework, name):
    row = TABLE[framework][name]
    return list(row.among.values()) if isinstance(row, frameworks.Choice) else [row]


def test_every_keyword_of_theirs_means_something():
    assert set(SIGNATURES) == {(f, n) for f in TABLE for n in TABLE[f]}
    for (framework, name), told in SIGNATURES.items():
        row = TABLE[framework][name]
        chosen = {row.parameter} if isinstance(row, frameworks.Choice) else set()
        for same in rows_of(framework, name):
            known = {*told, *BEYOND.get((framework, name), ())}
            assert {*same.keywords, *chosen} == known, (framework, name)


def test_what_a_keyword_sets_is_a_parameter_here():
    for framework, name in SIGNATURES:
        for same in rows_of(framework, name):
            ours = {
                k if isinstance(k, str) else k.ours
                for k in same.keywords.values()
                if not isinstance(k, frameworks.Unused)
            }
            signature = inspect.signature(getattr(jaxact, same.general or same.name))
            assert {*ours, *same.fixed} <= set(signature.parameters), (framework, name)


def test_frameworks_are_typed():
    assert set(get_args(frameworks.Framework)) == {*TABLE, *frameworks.ALIASES}
    assert set(frameworks.ALIASES.values()) <= set(TABLE)
    known = {m.framework for several in frameworks.MODULES.values() for m in several}
    assert known == set(TABLE)


@pytest.mark.parametrize("case", RESOLVED, ids=called)
def test_what_stands_for_a_name_is_an_activation_like_others(case):
    f = case.ours()
    assert jaxact.from_config(jaxact.to_config(f)) == f
    assert isinstance(f, Bound) or f is getattr(jaxact, f.__name__)
    for name in case.names:
        assert get(name, case.framework, **case.parameters) == f


# --- the comparison itself ----------------------------------------------------------


@pytest.mark.parametrize("planted", [
    lambda x: jnp.where(x == 0, 1e-9, jaxact.tanh(x)),
    lambda x: jaxact.tanh(x) + jax.lax.stop_gradient(1e-9 * x),
    lambda x: jaxact.tanh(x) * (1 + 1e-9 * (x - jax.lax.stop_gradient(x))),
    lambda x: jnp.where(x == jnp.inf, jnp.nan, jaxact.tanh(x)),
])  # fmt: skip
def test_a_fault_shows(planted, monkeypatch):
    case = next(c for c in CASES if c.names[0] == "tanh" and c.framework == "torch")
    test_value_and_gradient_are_theirs(case)
    monkeypatch.setattr(type(case), "ours", lambda _: planted)
    with pytest.raises(AssertionError):
        test_value_and_gradient_are_theirs(case)


def test_a_wrong_kink_shows(monkeypatch):
    case = next(c for c in CASES if c.framework == "torch" and c.names[0] == "relu6")
    monkeypatch.setattr(type(case), "ours", lambda _: lambda x: jnp.clip(x, 0, 6))
    assert agreement(case)[0].furthest == 0
    with pytest.raises(AssertionError):
        test_value_and_gradient_are_theirs(case)


# --- the frameworks themselves, where they are installed ----------------------------


def live(framework, evaluate, function):
    """They give here the recorded results too, under every name."""
    compared = 0
    for case in (c for c in CASES if c.framework == framework):
        for name in case.names:
            value, gradient = evaluate(
                function(name, case.parameters),
                case.x,
                record.WEIGHTS if case.x.ndim > 1 else np.ones_like(case.x),
            )
            told: Any = {"rtol": 1e-12, "atol": 1e-12, "err_msg": called(case)}
            np.testing.assert_allclose(value, case.value, **told)
            if case.gradient is not None:
                np.testing.assert_allclose(gradient, case.gradient, **told)
            compared += 1
    assert compared >= len(TABLE[framework]) - 1  # one may be random
    recorded = {n: told for (f, n), told in SIGNATURES.items() if f == framework}
    assert {n: record.signature(framework, n) for n in recorded} == recorded


@pytest.mark.slow
def test_torch_itself():
    pytest.importorskip("torch")
    assert record.torch_names() == set(TABLE["torch"])
    live("torch", record.with_torch, record.torch_function)


@pytest.fixture
def keras(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("KERAS_FLOATX", "float64")
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        with jax.numpy_rank_promotion("allow"):
            yield pytest.importorskip("keras")


@pytest.mark.slow
def test_keras_itself(keras):
    assert keras.config.backend() == "jax"
    assert record.keras_names() == set(TABLE["keras"])
    live("keras", record.with_jax, record.keras_function)


@pytest.mark.slow
def test_tensorflow_itself():
    pytest.importorskip("tensorflow")
    live("tensorflow", record.with_tensorflow, record.tensorflow_function)


@pytest.mark.slow
def test_jax_itself():
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        with jax.numpy_rank_promotion("allow"):
            assert record.jax_names() == set(TABLE["jax.nn"])
            live("jax.nn", record.with_jax, record.jax_function)


@pytest.mark.slow
def test_flax_itself():
    pytest.importorskip("flax")
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        with jax.numpy_rank_promotion("allow"):
            assert record.flax_names() == set(TABLE["flax"])
            live("flax", record.with_jax, record.flax_function)


def test_hugging_face_itself():
    pytest.importorskip("transformers")
    assert record.huggingface_names() == set(TABLE["huggingface"])
    live("huggingface", record.with_torch, record.huggingface_function)


def test_onnx_itself():
    pytest.importorskip("onnx")
    live("onnx", record.without_derivative, record.onnx_function)


def test_ggml_by_its_formulas():
    assert set(record.GGML) == set(TABLE["ggml"])
    for case in (c for c in CASES if c.framework == "ggml"):
        f = record.ggml_function(case.names[0], case.parameters)
        value, _ = record.without_derivative(f, case.x, None)
        np.testing.assert_allclose(value, case.value, rtol=1e-13, atol=1e-300)


def test_settings_are_of_names_there_are():
    for framework, rows in record.SETTINGS.items():
        for name in itertools.chain(*map(str.split, rows)):
            assert name in TABLE[framework], name
