"""Functions along an axis: values, masks, limits, derivatives and kept arrays."""

import functools

import chex
import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import jaxact
from jaxact import catalogue
from jaxact.testing import ulp

INF, NAN = float("inf"), float("nan")
WEIGHTS = ("softmax", "softmin", "softmax_with_sink", "sparsemax", "entmax15")
LOG_SUMS = ("logsumexp", "logmeanexp")
MASKED = (*WEIGHTS, "log_softmax", *LOG_SUMS, "hardmax")
SMOOTH = (*WEIGHTS, "log_softmax", *LOG_SUMS, "squash", "poly_norm")
NAMES = (*SMOOTH, "hardmax")
X, C = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)


def close(a, b, rtol=1e-5, atol=1e-6):
    chex.assert_trees_all_close(a, b, rtol=rtol, atol=atol)


def loss(f, **options):
    """A scalar made from all results of f."""

    def scalar(x, *args):
        y = f(x, *args, **options)
        return jnp.sum(jnp.sin(y) * jnp.resize(C, y.shape))

    return scalar


def row(*numbers, dtype="float32"):
    return jnp.asarray(numbers, dtype)


# --- values and derivatives against the definitions ---------------------------------


@pytest.mark.parametrize("axis", [-1, 0, (0, -1), None])
@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradient_are_those_of_the_definition(name, axis):
    f, plain = catalogue.get(name), catalogue.info(name).reference
    assert plain is not None

    @functools.partial(jax.jit, static_argnums=0)
    def orders(g, x):
        scalar = loss(g, axis=axis)
        return g(x, axis=axis), jax.grad(scalar)(x), jax.jvp(scalar, (x,), (C,))[1]

    *got, push = orders(f, X)
    *wanted, wanted_push = orders(plain, X)
    close(got, wanted)
    close(push, wanted_push, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMOOTH)
def test_second_and_third_derivatives(name):
    f, plain = catalogue.get(name), catalogue.info(name).reference
    assert plain is not None
    x, t = jnp.asarray(X[0, 0], np.float32), jnp.asarray(C[0, 0], np.float32)

    @functools.partial(jax.jit, static_argnums=0)
    def orders(g, x):
        hessian = jax.jacfwd(jax.grad(loss(g)))(x)
        again = jax.jacrev(jax.grad(loss(g)))(x)
        third = jax.jvp(lambda x: jax.jacfwd(jax.grad(loss(g)))(x) @ t, (x,), (t,))[1]
        return hessian, again, third

    close(orders(f, x), orders(plain, x), rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        *((n, "temperature", 0.7) for n in (*WEIGHTS[:3], "log_softmax")),
        ("softmax_with_sink", "sink", 0.3),
        ("poly_norm", "weights", [0.2, -0.5, 0.9]),
        ("poly_norm", "bias", 0.4),
        ("poly_norm", "epsilon", 0.1),
    ],
)
def test_derivatives_by_parameters(name, parameter, value):
    f, plain = catalogue.get(name), catalogue.info(name).reference
    assert plain is not None
    x, value = jnp.asarray(X[0, 0]), jnp.asarray(value, jnp.float32)

    @functools.partial(jax.jit, static_argnums=0)
    def orders(g):
        named = lambda x, p: loss(functools.partial(g, **{parameter: p}))(x)  # noqa: E731
        first = jax.grad(named, (0, 1))(x, value)
        return first, jax.jacfwd(jax.grad(named, (0, 1)), (0, 1))(x, value)

    close(orders(f), orders(plain), rtol=2e-4, atol=2e-5)


@pytest.mark.slow
def test_parameters_of_each_row():
    x = jnp.asarray(X[0])
    many = jnp.asarray([[0.5], [1.0], [2.0], [4.0]])
    for f in (jaxact.softmax, jaxact.log_softmax, jaxact.softmin):
        rows = jnp.stack([f(r, temperature=t[0]) for r, t in zip(x, many, strict=True)])
        close(f(x, temperature=many), rows)
        slope = jax.grad(lambda t, f=f: jnp.sum(f(x, temperature=t) * C[0]))(many)
        assert slope.shape == many.shape
    sinks = jax.grad(lambda s: jnp.sum(jaxact.softmax_with_sink(x, s) * C[0]))(many)
    wanted = jnp.stack([
        jax.grad(lambda s, i=i: jnp.sum(jaxact.softmax_with_sink(x[i], s) * C[0, i]))(
            many[i, 0]
        )
        for i in range(4)
    ])  # fmt: skip
    close(sinks[:, 0], wanted)
    along = jnp.ones((4, 5))
    with pytest.raises(ValueError, match="temperature must have one entry along axis"):
        jaxact.softmax(x, temperature=along)
    with pytest.raises(ValueError, match="sink must have one entry along axis"):
        jaxact.softmax_with_sink(x, along)


def test_agree_with_jax_nn():
    mask = jnp.asarray(C > -0.5)
    for name in ("softmax", "log_softmax", "logsumexp", "logmeanexp"):
        ours, theirs = catalogue.get(name), getattr(jax.nn, name)
        for options in ({}, {"axis": 0}, {"axis": (1, 2)}, {"axis": None}):
            for extra in ({}, {"where": mask}):
                got, wanted = (f(X, **options, **extra) for f in (ours, theirs))
                close(got, wanted, rtol=1e-5, atol=2e-6)
    for name in LOG_SUMS:
        ours, theirs = catalogue.get(name), getattr(jax.nn, name)
        kept = ours(X, (0, 2), keepdims=True)
        assert kept.shape == (1, 4, 1)
        close(kept, theirs(X, (0, 2), keepdims=True))


def test_known_vectors():
    close(jaxact.sparsemax(row(0.1, 1.1, 0.2, 0.3)), row(0, 0.9, 0, 0.1))
    close(jaxact.sparsemax(row(0.5, 0.5, 0.5)), row(1, 1, 1) / 3)
    close(jaxact.sparsemax(row(2.0, 1.0, 0.0)), row(1, 0, 0))  # at the threshold
    close(jaxact.entmax15(row(0.0, 0.0)), row(0.5, 0.5))
    # 2 tau^2 + 2 tau - 1/4 ... : for (1, 0) the roots differ by 1/2, squares add to 1
    p = (0.5 + np.sqrt(2 - 0.25)) / 2
    close(jaxact.entmax15(row(1.0, 0.0)), row(p**2, (p - 0.5) ** 2))
    close(jaxact.entmax15(row(5.0, 0.0, 0.0)), row(1, 0, 0))
    close(jaxact.hardmax(row(1, 3, 3, 2)), row(0, 1, 0, 0))
    close(jaxact.softmax_with_sink(row(0.0, 0.0)), row(1, 1) / 3)
    close(jaxact.squash(row(3.0, 4.0)), row(0.6, 0.8) * 25 / 26)
    y = jaxact.poly_norm(row(1.0, -2.0), row(1.0, 0.0, 0.0), 0.5, epsilon=0.0)
    close(y, row(1, -2) / np.sqrt(2.5) + 0.5)


def test_ties_share_their_gradient():
    for f in (jaxact.softmax, jaxact.sparsemax, jaxact.entmax15):
        y, pull = jax.vjp(f, row(2, 2, 2, 2))
        close(y, row(0.25, 0.25, 0.25, 0.25))
        (g,) = pull(row(1, 0, 0, 0))
        close(g[1:], jnp.full(3, g[1]))
        close(jnp.sum(g), row(0)[0])


# --- accuracy -------------------------------------------------------------------------


def exact_softmax(x):
    with mpmath.workdps(40):
        e = [mpmath.exp(mpmath.mpf(float(v))) for v in x]
        return [v / mpmath.fsum(e) for v in e]


def off(got, exact, dtype):
    """The largest error in ULP; below 1e-6 the bound of 4 is 2^-16, below 1e-30 none.

    Results below the normal numbers may be flushed.
    """
    tiny = max(1e-30, float(jnp.finfo(dtype).smallest_normal))
    faint = 1e-6 if dtype == "float32" else 0.0
    errors = [
        float(abs(mpmath.mpf(float(g)) - e))
        / (float(ulp(float(e), dtype)) if abs(e) >= faint else float(abs(e)) * 2**-18)
        for g, e in zip(got, exact, strict=True)
        if abs(e) > tiny
    ]
    return max(errors, default=0.0)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("scale", [0.01, 1.0, 10.0, 60.0])
def test_softmax_and_its_logarithm_to_the_last_bits(dtype, scale):
    bound, random = 4 if dtype == "float32" else 0.51, np.random.default_rng(1)
    for n in (1, 2, 3, 33, 700):
        x = jnp.asarray(scale * random.standard_normal(n), dtype)
        with mpmath.workdps(40):
            p = exact_softmax(x)
            logs = [mpmath.log(v) if v < 0.9 else mpmath.log1p(
                -mpmath.fsum(q for j, q in enumerate(p) if j != i))
                for i, v in enumerate(p)]  # fmt: skip
            assert off(jaxact.softmax(x), p, dtype) <= bound
            assert off(jaxact.log_softmax(x), logs, dtype) <= bound
            whole = mpmath.fsum(mpmath.exp(mpmath.mpf(float(v))) for v in x)
            error = abs(mpmath.mpf(float(jaxact.logsumexp(x))) - mpmath.log(whole))
            size = max(abs(float(mpmath.log(whole))), float(jnp.max(jnp.abs(x))))
            assert float(error) <= bound * float(ulp(size, dtype))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_weight_near_one_is_not_dead(dtype):
    """1 - y is lost in the rounding of y, but not in the derivative."""
    x = row(20.0, 0.0, 1.0, dtype=dtype)
    small = np.exp([-20.0, -19.0])
    jacobian = np.asarray(jax.jacrev(jaxact.softmax)(x), np.float64)
    eps = float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(jacobian[0], [small.sum(), *-small], rtol=2 * eps)
    forward = np.asarray(jax.jacfwd(jaxact.softmax)(x), np.float64)
    np.testing.assert_allclose(forward[0], [small.sum(), *-small], rtol=2 * eps)
    assert jax.nn.softmax(x)[0] == 1
    log_slope = np.asarray(jax.jacrev(jaxact.log_softmax)(x), np.float64)[0]
    np.testing.assert_allclose(log_slope, [small.sum(), *-small], rtol=20 * eps)


def test_long_rows_in_float16():
    n = 2**17
    x = jnp.asarray(np.random.default_rng(2).standard_normal(n), jnp.float16)
    wide = np.asarray(x, np.float64)
    total = np.log(np.sum(np.exp(wide)))
    y, pull = jax.vjp(jaxact.log_softmax, x)
    chex.assert_trees_all_equal(y, (wide - total).astype(np.float16))
    (g,) = pull(jnp.zeros_like(x).at[5].set(1))
    assert jnp.isfinite(g).all() and g[5] == 1
    assert jaxact.logsumexp(x) == np.float16(total)
    p, exact = np.asarray(jaxact.softmax(x), np.float64), np.exp(wide - total)
    assert np.max(np.abs(p - exact) / ulp(exact, "float16")) <= 0.51
    assert jnp.isfinite(jax.grad(jaxact.logsumexp)(x)).all()


# --- masks and limits -----------------------------------------------------------------

MASK = [[True, False, True, False], [False] * 4, [True, True, True, True]]
RUBBISH = (NAN, INF, -INF, 3e38, -3e38)


@pytest.mark.parametrize("rubbish", RUBBISH)
@pytest.mark.parametrize("name", MASKED)
def test_masked_entries_have_no_influence(name, rubbish):
    f, mask = catalogue.get(name), jnp.asarray(MASK)
    x = jnp.asarray(X[:, 0, :4])
    dirty = jnp.where(mask, x, rubbish)
    options = {"axis": -1, "where": mask}
    if name == "hardmax":
        options["straight_through"] = True

    def scalar(x):
        y = f(x, **options)
        return jnp.sum(jnp.where(jnp.isfinite(y), jnp.sin(y), 0))

    value = f(x, **options)
    chex.assert_trees_all_equal(f(dirty, **options), value)
    left_out = {"log_softmax": -INF, "logsumexp": -INF, "logmeanexp": NAN}
    np.testing.assert_array_equal(value[1], left_out.get(name, 0))
    if name in WEIGHTS and name != "softmax_with_sink":
        close(jnp.sum(value, -1), row(1, 0, 1))

    def second(x, t):
        return jax.jvp(jax.grad(scalar), (x,), (t,))[1]

    t = jnp.asarray(C[:, 0, :4])
    dirty_t = jnp.where(mask, t, rubbish)
    for got, wanted in (
        (jax.grad(scalar)(dirty), jax.grad(scalar)(x)),
        (jax.jvp(scalar, (dirty,), (dirty_t,))[1], jax.jvp(scalar, (x,), (t,))[1]),
        (second(dirty, t), second(x, t)),
        (second(dirty, dirty_t), second(x, t)),
    ):
        assert jnp.all(jnp.isfinite(got))
        close(got, wanted)
    assert jnp.all(jnp.where(mask, 0, jax.grad(scalar)(dirty)) == 0)


@pytest.mark.parametrize("name", WEIGHTS[:3])
def test_a_temperature_does_not_see_masked_entries(name):
    f, mask = catalogue.get(name), jnp.asarray(MASK)
    x = jnp.asarray(X[:, 0, :4])
    slopes = [
        jax.grad(lambda t, x=x: jnp.sum(f(x, where=mask, temperature=t) ** 2))(0.7)
        for x in (x, *(jnp.where(mask, x, r) for r in RUBBISH))
    ]
    chex.assert_trees_all_close(slopes, len(slopes) * slopes[:1])


def test_a_cotangent_under_the_mask_has_no_influence():
    x, mask = row(1, 2, 3, 4), jnp.asarray([True, True, False, True])
    for name in (*WEIGHTS, "log_softmax"):
        f = functools.partial(catalogue.get(name), where=mask)
        _, pull = jax.vjp(f, x)
        clean, dirty = (pull(row(1, -2, r, 0.5))[0] for r in (0, NAN))
        chex.assert_trees_all_equal(clean, dirty)


@pytest.mark.parametrize("name", MASKED)
def test_infinities_and_nan(name):
    f = functools.partial(catalogue.get(name), axis=-1)
    sign = -1 if name == "softmin" else 1
    top, left_out = sign * row(1, INF, 2, INF), sign * row(1, -INF, 2, -INF)
    assert jnp.all(jnp.isnan(f(row(1, NAN, 2))))
    if name in WEIGHTS:
        close(f(top), row(0, 0.5, 0, 0.5))
        close(f(left_out)[jnp.asarray([0, 2])], f(sign * row(1, 2)))
        assert f(left_out)[1] == 0
    if name == "log_softmax":
        close(f(top), row(-INF, np.log(0.5), -INF, np.log(0.5)))
    if name in LOG_SUMS:
        assert f(top) == INF
    nothing = f(sign * row(-INF, -INF))
    assert jnp.all(nothing == (0 if name in (*WEIGHTS, "hardmax") else -INF))
    for x in (top, left_out, sign * row(-INF, -INF)):
        assert jnp.all(jnp.isfinite(jax.vjp(f, x)[1](jnp.ones_like(f(x)))[0]))


@pytest.mark.slow
def test_the_largest_numbers():
    big = float(jnp.finfo(jnp.float32).max)
    for name in (*WEIGHTS, "log_softmax", *LOG_SUMS):
        f = catalogue.get(name)
        for x in (row(big, -big, 0), row(-big, -big, -big), row(big, big, 1)):
            assert not jnp.any(jnp.isnan(f(x)))
            assert jnp.all(jnp.isfinite(jax.vjp(f, x)[1](jnp.ones_like(f(x)))[0]))
    for x in (row(big, -big), row(1e30, 1e-30), row(1e-30, 0), row(0, 0)):
        for f in (jaxact.squash, jaxact.poly_norm):
            assert jnp.all(jnp.isfinite(f(x)))
            assert jnp.all(jnp.isfinite(jax.jacrev(f)(x)))
            assert jnp.all(jnp.isfinite(jax.hessian(f)(x)))
    close(jaxact.squash(row(INF, 1, -INF)), row(1, 0, -1) / np.sqrt(2))
    close(jaxact.poly_norm(row(INF, 1), row(1.0, 0, 0)), row(np.sqrt(2), 0))
    close(jaxact.squash(row(3e30, 4e30)), row(0.6, 0.8))
    assert jnp.all(jnp.isnan(jaxact.squash(row(NAN, 1))))


# --- what the backward pass keeps -----------------------------------------------------


@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax", *WEIGHTS[3:]])
@pytest.mark.parametrize("masked", [False, True])
def test_the_output_alone_is_kept(name, masked):
    f, options = catalogue.get(name), {}
    if masked:
        options["where"] = jnp.asarray(C[0] > -0.5)
    y, pull = jax.vjp(lambda x: f(x, **options), jnp.asarray(X[0]))
    kept = [leaf for leaf in jax.tree.leaves(pull) if leaf.size > 1]
    assert len(kept) == 1
    assert kept[0] is y or kept[0].unsafe_buffer_pointer() == y.unsafe_buffer_pointer()


@pytest.mark.parametrize(
    "name", ["softmax_with_sink", *LOG_SUMS, "squash", "poly_norm"]
)
def test_the_input_alone_is_kept(name):
    x = jnp.asarray(X[0])
    _, pull = jax.vjp(lambda x: catalogue.get(name)(x, axis=-1), x)
    kept = [leaf for leaf in jax.tree.leaves(pull) if leaf.size > 3]
    assert len(kept) == 1
    chex.assert_trees_all_equal(kept[0], x)


def test_a_mask_is_kept_as_one():
    x, mask = jnp.asarray(X[0]), jnp.asarray(C[0] > 0)
    _, pull = jax.vjp(lambda x: jaxact.logsumexp(x, where=mask), x)
    kept = [leaf.dtype.name for leaf in jax.tree.leaves(pull) if leaf.size > 1]
    assert sorted(kept) == ["bool", "float32"]


def test_hardmax_keeps_nothing():
    _, pull = jax.vjp(jaxact.hardmax, jnp.asarray(X[0]))
    assert not [leaf for leaf in jax.tree.leaves(pull) if leaf.size > 1]


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_memory_is_no_more_than_that_of_jax_nn(name, dtype):
    """For layers that mix x by the weights, as attention does."""
    x = jax.ShapeDtypeStruct((32, 256, 256), dtype)

    def temporary(f):
        def layer(c, x):
            y = f(x, axis=-1)
            return c + (y @ c if y.ndim == 2 else y[:, None]), None

        def mixed(x):
            start = jnp.ones((256, 8), dtype)
            return jnp.sum(jax.lax.scan(layer, start, x)[0] ** 2)

        compiled = jax.jit(jax.grad(mixed)).lower(x).compile()
        analysis = compiled.memory_analysis()
        assert analysis is not None
        return analysis.temp_size_in_bytes

    ours, theirs = temporary(catalogue.get(name)), temporary(getattr(jax.nn, name))
    assert ours <= theirs
    if name == "softmax":
        assert ours < 0.7 * theirs


# --- transformations, dtypes, errors --------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_transformations(name):
    f = functools.partial(catalogue.get(name), axis=-1)
    x = jnp.asarray(X[0])
    y, g = f(x), jax.grad(loss(f))(x)
    close(jax.jit(f)(x), y)
    close(jax.vmap(f)(x), y)
    close(jax.jit(jax.grad(loss(f)))(x), g)
    close(jax.grad(loss(jax.checkpoint(f)))(x), g)
    scanned = jax.lax.scan(lambda c, x: (c, f(x)), None, x)[1]
    close(scanned, y)
    mapped = jax.vmap(jax.grad(lambda x: jnp.sum(jnp.sin(f(x)))))(x)
    close(mapped, jax.grad(lambda x: jnp.sum(jnp.sin(f(x))))(x))


@pytest.mark.parametrize("name", NAMES)
def test_dtypes(name):
    f = functools.partial(catalogue.get(name), axis=-1)
    for dtype in ("float16", "bfloat16", "float32"):
        x = jnp.asarray(X[0], dtype)
        assert f(x).dtype == dtype
        assert jax.grad(lambda x: jnp.sum(f(x)))(x).dtype == dtype
        if name in MASKED:
            mask = jnp.asarray(C[0] > 0)
            assert f(x, where=mask).dtype == dtype
    assert f(jnp.arange(3)).dtype == jnp.float32
    assert f(jnp.asarray([True, False])).dtype == jnp.float32


def test_masks_broadcast():
    x, mask = jnp.asarray(X[0]), jnp.asarray(C[0] > 0)
    for name in MASKED:
        f = functools.partial(catalogue.get(name), axis=0)
        across = jnp.broadcast_to(mask[:, :1], x.shape)
        chex.assert_trees_all_equal(f(x, where=mask[:, :1]), f(x, where=across))


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "sparsemax", "squash"])
def test_errors(name):
    f = catalogue.get(name)
    with pytest.raises(ValueError, match="axis"):
        f(jnp.float32(1))
    with pytest.raises(ValueError, match="axis"):
        f(row(1, 2), axis=1)
    with pytest.raises(ValueError, match="axis"):
        f(jnp.asarray(X), axis=(0, 0))
    with pytest.raises(TypeError, match=f"^{name}: axis is an option"):
        f(row(1, 2), axis={0})
    with pytest.raises(TypeError, match=f"^{name}: x must be an array"):
        f("1")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", NAMES)
def test_empty_rows(name):
    f = functools.partial(catalogue.get(name), axis=-1)
    assert f(jnp.zeros((0, 3))).size == 0
    y = f(jnp.zeros((3, 0)))
    if name in LOG_SUMS:
        np.testing.assert_array_equal(y, -INF if name == "logsumexp" else NAN)
    assert y.shape == ((3,) if name in LOG_SUMS else (3, 0))
    x = jnp.zeros((3, 0))
    assert jax.grad(lambda x: jnp.sum(jnp.exp(f(x))))(x).shape == x.shape


@pytest.mark.parametrize("name", ["squash", "poly_norm"])
def test_what_is_nearly_one_entry_has_the_slopes_of_the_others(name):
    f, plain, x = catalogue.get(name), catalogue.info(name).reference, [300.0, 0.25]
    assert plain is not None
    with jax.enable_x64(True):
        exact = np.asarray(jax.jacfwd(plain)(jnp.asarray(x, jnp.float64)))
    for jacobian in (jax.jacfwd, jax.jacrev):
        got = np.asarray(jacobian(f)(jnp.asarray(x, jnp.float32)))
        np.testing.assert_allclose(got, exact, rtol=2e-6)


def test_logsumexp_of_a_number():
    assert jaxact.logsumexp(jnp.float32(1.5)) == 1.5
    assert jaxact.logmeanexp(jnp.float32(2)) == 2


# --- choices --------------------------------------------------------------------------


def test_straight_through():
    x = jnp.asarray(X[0])
    hard = functools.partial(jaxact.hardmax, straight_through=True)
    chex.assert_trees_all_equal(hard(x), jaxact.hardmax(x))
    assert jnp.all(jax.grad(loss(jaxact.hardmax))(x) == 0)
    got = jax.vjp(hard, x)[1](jnp.asarray(C[0]))
    close(got, jax.vjp(jaxact.softmax, x)[1](jnp.asarray(C[0])))


def test_gumbel_softmax():
    x, key = jnp.asarray([0.0, 1.0, 2.0]), jax.random.key(0)
    y = jaxact.gumbel_softmax(x, key, 0.5)
    chex.assert_trees_all_equal(y, jaxact.gumbel_softmax(x, key, 0.5))
    close(jnp.sum(y), jnp.float32(1))
    z = x + jax.random.gumbel(key, (3,))
    close(y, jax.nn.softmax(z / 0.5))
    hard = jaxact.gumbel_softmax(x, key, 0.5, hard=True)
    assert sorted(hard.tolist()) == [0, 0, 1] and jnp.argmax(hard) == jnp.argmax(y)
    slopes = [
        jax.grad(lambda x, h=h: jaxact.gumbel_softmax(x, key, 0.5, hard=h)[1])(x)
        for h in (False, True)
    ]
    close(*slopes)
    by_heat = jax.grad(lambda t: jaxact.gumbel_softmax(x, key, t)[1])(0.5)
    close(by_heat, jax.grad(lambda t: jax.nn.softmax(z / t)[1])(0.5))
    assert jaxact.gumbel_softmax(x.astype(jnp.bfloat16), key).dtype == jnp.bfloat16
    keys = jax.random.split(key, 20_000)
    chosen = jax.vmap(lambda k: jaxact.gumbel_softmax(x, k, hard=True))(keys).mean(0)
    close(chosen, jax.nn.softmax(x), rtol=0.05, atol=0.01)
    assert jaxact.gumbel_softmax(jnp.asarray(X), key, axis=(0, 1)).shape == X.shape


def test_the_leading_entry_of_entmax_keeps_its_slope():
    x = row(0, -1.9999, -3)  # y is 1 but for 2.5e-9
    for jacobian in (jax.jacfwd, jax.jacrev):
        (own, other, _), *_ = jacobian(jaxact.entmax15)(x)
        assert 5.0e-5 < own < 5.001e-5  # of 1 - y no digit would be left
        np.testing.assert_allclose(own, -other, rtol=1e-6)
