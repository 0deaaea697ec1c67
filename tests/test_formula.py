"""The formula line: found, parsed, and one meaning in three worlds."""

import math
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from flint import arb, arb_series, ctx

from jaxact._core import activation
from jaxact._formula import find_formula, parse_formula
from jaxact.testing._balls import UndefinedError, UnresolvedError, on_balls

pytestmark = pytest.mark.slow  # says nothing new with another JAX

TEXTS = (
    "x",
    "-x + 3",
    "+x - 2.5e-1 * x**3",
    "1 / (1 + exp(-x))",
    "x if x > 0 else a * (exp(x) - 1)",
    "x if x >= 1 else 0 if x <= -1 else (x + 1)**2 / 4",
    "x * x if -1 < x < 1 else a",
    "max(x, 0) + min(a * x, 0)",
    "max(-1, min(x, 1))",
    "abs(x) / (1 + abs(x))",
    "tanh(x) + erf(x) * erfc(x)",
    "atan(x) * sin(pi * x) - cos(x)",
    "log(1 + exp(x)) * sqrt(x**2 + a)",
    "sign(x) * log(1 + abs(x))",
)
POINTS = (-30.0, -2.0, -1.0, -0.75, 0.0, 0.5, 1.0, 3.25, 20.0)
A = 1.375


@pytest.mark.parametrize("text", TEXTS)
def test_the_three_worlds_agree_on_value_and_slope(text):
    formula = parse_formula(text, ("x", "a"))
    reference, balls = formula.as_jnp(), on_balls(formula)
    expression = formula.as_sympy()
    x, a = sympy.symbols("x a", real=True)
    smooth = not any(word in text for word in ("max", "min", "abs", "if", "sign"))
    with jax.enable_x64(True):
        for z in POINTS:
            value, slope = jax.value_and_grad(reference)(jnp.float64(z), A)
            series = balls(arb_series([z, 1]), arb(A))
            series = series if isinstance(series, arb_series) else arb_series([series])
            assert float(value) == pytest.approx(float(series[0]), rel=1e-9, abs=1e-12)
            assert float(slope) == pytest.approx(float(series[1]), rel=1e-9, abs=1e-9)
            exact = expression.subs({x: sympy.Rational(z), a: sympy.Rational(A)})
            assert float(exact.evalf(30)) == pytest.approx(float(value), rel=1e-9,
                                                           abs=1e-12)  # fmt: skip
            if smooth:
                derived = sympy.diff(expression, x).subs({x: z, a: A})
                assert float(derived.evalf(60)) == pytest.approx(
                    float(slope), rel=1e-9, abs=1e-9
                )


@pytest.mark.parametrize(
    ("text", "slope"),
    [
        ("x if x > 0 else 0", 0),
        ("x if x >= 0 else 0", 1),
        ("0 if x < 0 else x", 1),
        ("max(x, 0)", 0.5),
        ("min(0, x)", 0.5),
        ("abs(x)", 0),
        ("sign(x)", 0),
        ("exp(x) if x > 0 else sqrt(-x) if x < 0 else x", 1),
    ],
)
def test_kinks_are_decided_alike(text, slope):
    formula = parse_formula(text, ("x",))
    assert float(jax.grad(formula.as_jnp())(0.0)) == slope
    series = on_balls(formula)(arb_series([0, 1]))
    assert (float(series[1]) if isinstance(series, arb_series) else 0) == slope


def test_the_branch_not_taken_leaves_no_nan_in_the_gradient():
    formula = parse_formula("exp(x) if x < 1 else 3 + log(x)", ("x",))
    slopes = jax.vmap(jax.grad(formula.as_jnp()))(jnp.array([-1e3, 1e3, 0.0]))
    np.testing.assert_allclose(slopes, [0, 1e-3, 1], rtol=1e-6)


def test_a_plain_condition_is_a_bare_where():
    formula = parse_formula("exp(abs(x)) if x < 1 else 3 + x", ("x",))
    plain = formula.as_jnp(plain=True)
    traced = jax.make_jaxpr(plain)(1.0)
    assert str(traced).count("select_n") == 1 and "max" not in str(traced)
    assert [float(plain(z)) for z in (0.0, 2.0)] == [1, 5]


def test_literals_count_as_written():
    formula = parse_formula("0.1 * x", ("x",))
    old = ctx.prec
    try:
        ctx.prec = 200
        product = on_balls(formula)(arb(10))
        assert abs(product - 1) < arb(2) ** -190  # float 0.1 would be off by 2^-54
    finally:
        ctx.prec = old
    assert formula.as_sympy() == sympy.Rational(1, 10) * sympy.Symbol("x", real=True)


def test_balls_that_overlap_are_not_compared():
    formula = parse_formula("1 if x > pi else 0", ("x",))
    with pytest.raises(UnresolvedError):
        on_balls(formula)(arb(math.pi, 1e-3))
    assert on_balls(formula)(arb(3.2, 1e-3)) == 1


@pytest.mark.parametrize("text", ["log(x)", "sqrt(x)"])
def test_no_real_value_is_told_from_too_few_bits(text):
    evaluate = on_balls(parse_formula(text, ("x",)))
    with pytest.raises(UndefinedError):
        evaluate(arb_series([-1, 1]))
    at_zero = evaluate(arb_series([0, 1]))
    assert at_zero[0] == (arb.neg_inf() if text == "log(x)" else 0)
    assert math.isnan(float(at_zero[1]))


def test_tanh_far_out_does_not_divide_by_infinity():
    evaluate = on_balls(parse_formula("tanh(x)", ("x",)))
    for sign in (1, -1):
        series = evaluate(arb_series([sign * arb(2) ** 3000, 1]))
        assert float(series[0]) == pytest.approx(sign) and float(series[1]) == 0


def test_the_line_is_found_in_a_docstring():
    doc = """Swish.

    As swish(x) is known; swish = silu.

    swish(x, beta) = x
        / (1 + exp(-beta * x))

    More text.
    """
    formula = find_formula("swish", doc, ("x", "beta", "approximate"))
    assert formula is not None
    assert formula.text == "x / (1 + exp(-beta * x))"
    assert formula.variables == ("x", "beta")
    assert formula.reads == ("beta",)
    assert float(formula.as_jnp()(2.0, beta=0.0)) == 1.0
    assert find_formula("silu", doc, ("x",)) is None
    assert find_formula("swish", "swish(x) == x", ("x",)) is None


def test_a_formula_can_be_sent_to_another_process():
    formula = pickle.loads(pickle.dumps(parse_formula("x**2", ("x",), "square")))
    assert formula.name == "square" and float(formula.as_jnp()(3.0)) == 9


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x +", "does not parse"),
        ("x * beta", "names 'beta'"),
        ("relu(x)", "calls 'relu'"),
        ("x.real", "Attribute"),
        ("jnp.exp(x)", r"calls jnp\.exp; write exp\(x\)"),
        ("np.maximum(x, -x)", r"calls np\.maximum; write max\(x, -x\)"),
        ("jax.nn.sigmoid(2 * x)", r"jax\.nn\.sigmoid; write sigmoid\(2 \* x\)"),
        ("jnp.where(x > 0, x, 0)", "write x if x > 0 else 0"),
        ("arctan(x)", r"calls 'arctan'; write atan\(x\)"),
        ("jnp.sinc(x)", r"calls jnp\.sinc; it may call abs, atan, "),
        ("x^2", r"has the operator \^; write `\*\*` for a power"),
        ("x @ x", "operator MatMult"),
        ("max(x)", "max with 1 arguments, not 2"),
        ("exp(x, 2)", "exp with 2 arguments, not 1"),
        ("x ** 0.5", "power whose exponent is not a whole number"),
        ("x ** x", "power whose exponent is not a whole number"),
        ("x % 2", "operator Mod"),
        ("x if x else 0", "condition that is not a comparison"),
        ("x if x == 0 else 1", "compares by something else"),
        ("not x", "operator Not"),
        ("'x'", "literal 'x'"),
        ("True", "literal True"),
        ("[x]", "List"),
        ("x and x", "BoolOp"),
    ],
)
def test_what_does_not_parse_is_refused_with_the_name(text, complaint):
    with pytest.raises(ValueError, match="^gadget: the formula .*" + complaint):
        parse_formula(text, ("x",), "gadget")


def test_the_decorator_refuses_a_bad_line():
    def gadget(x):
        """gadget(x) = foo(x)"""
        return x

    with pytest.raises(ValueError, match=r"gadget: .*'foo'"):
        activation(gadget)
    gadget.__doc__ = "gadget(x, z) = x * z"
    with pytest.raises(ValueError, match=r"gadget: .* takes z; the function takes x"):
        activation(gadget)


@pytest.mark.parametrize("line", ["gizmo(x) = x", "gizmo(x, a) = a * x", "f(x)=x"])
def test_a_line_of_another_name_is_refused(line):
    other = line.partition("(")[0]
    told = f"^gadget: the formula line .* names '{other}'; write 'gadget\\(x"
    with pytest.raises(ValueError, match=told):
        find_formula("gadget", f"A gadget.\n\n    {line}\n", ("x", "a"))
    # beside its own, or in a sentence, or of other arguments, it is a remark
    for doc in (
        f"{line}\n\ngadget(x) = x",
        f"As {line}",
        "gizmo(z) = z",
        "gizmo(x, b) = b",
        "g'(x) = 1",
        "gizmo(x) == x",
    ):
        found = find_formula("gadget", doc, ("x", "a"))
        assert (found is not None) == ("gadget" in doc)


def test_short_names_mean_what_they_stand_for():
    points = jnp.asarray([-3.0, -0.5, 0.0, 2.0])
    for text, wanted in (
        ("sigmoid(2 * x)", lambda x: 1 / (1 + jnp.exp(-2 * x))),
        ("softplus(-x)", lambda x: jnp.log(1 + jnp.exp(-x))),
        ("expm1(x)", lambda x: jnp.exp(x) - 1),
        ("log1p(x * x)", lambda x: jnp.log(1 + x * x)),
    ):
        formula = parse_formula(text, ("x",))
        assert formula.text == text
        got = formula.as_jnp()(points)
        np.testing.assert_allclose(got, wanted(points), rtol=1e-6)
        for z, y in zip(points.tolist(), got.tolist(), strict=True):
            exact = formula.as_sympy().subs(sympy.Symbol("x", real=True), z)
            assert float(exact) == pytest.approx(y, rel=1e-6)
            series = on_balls(formula)(arb_series([z, 1]))
            assert float(series[0]) == pytest.approx(y, rel=1e-6)


def test_no_formula_may_run_code():
    for text in ("__import__('os')", "(lambda: 0)()", "x.__class__", "exp(*[x])"):
        with pytest.raises(ValueError, match="gadget"):
            parse_formula(text, ("x",), "gadget")
