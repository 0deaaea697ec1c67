"""Rows inside of larger programs: compiled behind a product, exported, mapped, sharded.

And called as `jax.nn` is called.
"""

import functools
import os
import pickle
import re
import subprocess
import sys
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import jaxact
from jaxact import catalogue
from jaxact.testing._rows import measure_rows

INF, NAN = float("inf"), float("nan")
SOFT = ("softmax", "softmin", "log_softmax", "softmax_with_sink")
WEIGHTS = ("softmax", "softmin", "softmax_with_sink", "sparsemax", "entmax15")
LOG_SUMS = ("logsumexp", "logmeanexp")
ROWS = (*WEIGHTS, "log_softmax", *LOG_SUMS, "hardmax", "squash", "poly_norm")
X = np.random.default_rng(2).standard_normal((64, 16)).astype(np.float32)
C = np.random.default_rng(3).standard_normal((64, 16)).astype(np.float32)


def close(a, b, rtol=1e-5, atol=1e-6):
    chex.assert_trees_all_close(a, b, rtol=rtol, atol=atol)


# --- behind a producer that XLA fuses with the row ------------------------------------


def product(x):
    return x * 1.37


def exponential(x):
    k = jax.lax.stop_gradient(jnp.max(jnp.abs(x)))
    return jnp.exp(x / k) * k


@functools.cache
def compiled(produced, options):
    """Every function of rows of `produced(x)`, with its pullback, as one program."""

    def program(x, mask):
        z, found = produced(x), {}
        for name in ROWS[:-2]:
            given = {"where": mask} if options == "mask" else {}
            if options == "temperature" and name in SOFT:
                given["temperature"] = jnp.asarray(2.5, x.dtype)
            f = functools.partial(catalogue.get(name), axis=-1, **given)
            y, pull = jax.vjp(lambda x, f=f: f(produced(x)), x)
            found[name] = y, pull(jnp.resize(jnp.asarray(C, x.dtype), y.shape))[0]
        return z, found

    return jax.jit(program)


@pytest.mark.parametrize(
    ("produced", "dtype", "options"),
    [
        *((product, "float32", o) for o in ("plain", "mask", "temperature")),
        (product, "bfloat16", "temperature"),
        (product, "float16", "mask"),
        (exponential, "float32", "plain"),
        (exponential, "bfloat16", "plain"),
    ],
)
def test_behind_a_producer(produced, dtype, options):
    """Nothing is above 1, or its logarithm above 0, and nothing finite becomes NaN."""
    mask = np.arange(16) % 3 != 1
    eps = float(jnp.finfo(dtype).eps)
    for scale in (10, 1e4) if dtype == "float16" else (10, 1e4, 1e8, 1e10):
        x = jnp.asarray(scale * X, dtype)
        z, found = compiled(produced, options)(x, jnp.asarray(mask))
        z = np.asarray(z, np.float64)
        for name, (y, slope) in found.items():
            y, slope = np.asarray(y, np.float64), np.asarray(slope, np.float64)
            assert not np.isnan(y).any() and np.isfinite(slope).all(), name
            if name == "log_softmax":
                assert y.max() <= 0
                assert (y[:, mask] if options == "mask" else y).max(-1).min() > -3
            elif name in LOG_SUMS:
                kept = z[:, mask] if options == "mask" else z
                top = kept.max(-1)
                assert (np.abs(y - top) <= 3 + 2 * eps * np.abs(top)).all(), name
            else:
                assert 0 <= y.min() and y.max() <= 1, name
                if name != "softmax_with_sink":
                    np.testing.assert_allclose(y.sum(-1), 1, atol=4e-6 + 16 * eps)


@pytest.mark.parametrize("options", ["plain", "mask", "temperature"])
def test_behind_a_product_as_without_it(options):
    x, mask = jnp.asarray(10 * X), jnp.asarray(np.arange(16) % 3 != 1)
    z, behind = compiled(product, options)(x, mask)
    _, alone = compiled(lambda x: x, options)(z, mask)
    for name, (y, slope) in behind.items():
        # a rounding of an x of 40 is left out
        close(y, alone[name][0], rtol=2e-5, atol=4e-6)
        close(slope, 1.37 * alone[name][1], rtol=2e-5, atol=4e-5)


def test_a_check_compiles_behind_a_product():
    """A log_softmax that trusts the difference is wrong there, and only there."""

    def trusting(x):
        base = jnp.max(x, -1, keepdims=True)
        d = x - base
        more = jnp.sum(jnp.where(x == base, 0, jnp.exp(d)), -1, keepdims=True)
        return d - jnp.log1p(more)

    definition = catalogue.info("log_softmax")
    assert measure_rows(definition, "float32", 0).max_ulp <= 4
    found = measure_rows(definition, "float32", 0, f=trusting)
    assert found.max_ulp > 100 or found.wrong


# --- a weight beside a sink -----------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_weight_near_one_beside_a_sink_is_not_dead(dtype):
    """Its slopes are those of the softmax of the row with the sink at its end."""

    @jax.jit
    def slopes(x, sink):
        f = jaxact.softmax_with_sink
        return jax.jacrev(f, (0, 1))(x, sink), jax.jacfwd(f, (0, 1))(x, sink)

    eps = float(jnp.finfo(dtype).eps)
    tiny = float(jnp.finfo(dtype).smallest_normal)
    for row, sink in (
        ([20, 0], 0),
        ([15, 0], 0),
        ([10, 0], 0),
        ([40, 0], -3),
        ([3, 0], 20),
        ([7, 6.5], 7),
        ([0, 0], 0),
    ):
        z = np.exp(np.asarray([*row, sink], np.float64) - max(*row, sink))
        p = z / z.sum()
        exact = np.diag(p) - np.outer(p, p)
        np.fill_diagonal(exact, [q * (p[:i].sum() + p[i + 1 :].sum())
                                 for i, q in enumerate(p)])  # fmt: skip
        wanted = exact[:-1, :-1], exact[:-1, -1]
        for got in slopes(jnp.asarray(row, dtype), jnp.asarray(sink, dtype)):
            for a, b in zip(got, wanted, strict=True):
                np.testing.assert_allclose(
                    np.asarray(a, np.float64), b, rtol=4 * eps, atol=tiny
                )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_second_derivatives_beside_a_sink(dtype):
    x, p = jnp.asarray([1.0, -0.5, 0.25], dtype), jnp.asarray([0.5, 1.5], dtype)

    def of(f):
        def scalar(x, p):
            y = f(x, p[0], temperature=p[1])
            return jnp.sum(y * y * jnp.asarray([1, 2, 3], dtype))

        return jax.jit(jax.hessian(scalar, (0, 1)))

    plain = catalogue.info("softmax_with_sink").reference
    tolerance = 2e-5 if dtype == "float32" else 0.1
    close(of(jaxact.softmax_with_sink)(x, p), of(plain)(x, p), tolerance, tolerance / 2)


# --- sizes that are not known yet -----------------------------------------------------


@pytest.mark.parametrize("axis", [-1, 0, None])
def test_symbolic_sizes(axis):
    names = [n for n in (*ROWS, "crelu", "maxout") if axis is not None or n in ROWS]

    def program(x):
        found = {}
        for name in names:
            f = functools.partial(catalogue.get(name), axis=axis)
            y, pull = jax.vjp(f, x)
            found[name] = y, pull(jnp.cos(y))[0]
        return found

    shape = export.symbolic_shape("2*b, 2*n")
    exported = export.export(jax.jit(program))(jax.ShapeDtypeStruct(shape, "float32"))
    x = jnp.asarray(X[:4, :6])
    close(exported.call(x), jax.jit(program)(x))


# --- axes with a name -----------------------------------------------------------------

NAMED = tuple(n for n in ROWS if n not in ("sparsemax", "entmax15", "hardmax"))


@pytest.mark.parametrize("axis", ["i", ("i", -1)])
def test_named_axes(axis):
    x = jnp.asarray(X[:3, :4])
    numbers = 0 if axis == "i" else (0, 1)

    @jax.jit
    def program(x):
        found = {}
        for name in NAMED:
            f = catalogue.get(name)

            def named(x, f=f):
                return jax.vmap(lambda v: f(v, axis=axis), axis_name="i")(x)

            like = jax.eval_shape(named, x)
            weights = jnp.resize(C, like.shape)

            def plain(x, f=f, like=like):
                return jnp.broadcast_to(f(x, axis=numbers), like.shape)

            found[name] = [(g(x), jax.vjp(g, x)[1](weights)[0]) for g in (named, plain)]
        return found

    for got, wanted in program(x).values():
        close(got, wanted)


@pytest.mark.parametrize("name", ["sparsemax", "entmax15", "hardmax"])
def test_a_named_axis_that_cannot_be_sorted(name):
    f = functools.partial(catalogue.get(name), axis="i")
    with pytest.raises(ValueError, match="named axis 'i'"):
        jax.vmap(f, axis_name="i")(X)


# --- sharded explicitly ---------------------------------------------------------------

SHARDED = """
import jax, jax.numpy as jnp, numpy as np, jaxact
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P

mesh = jax.make_mesh((2, 2), ("a", "b"), axis_types=(AxisType.Explicit,) * 2)
jax.set_mesh(mesh)
X = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)
C = np.random.default_rng(1).standard_normal(8).astype(np.float32)

def program(x, c):
    found = {}
    for name in %r:
        y, pull = jax.vjp(lambda x: getattr(jaxact, name)(x, axis=-1), x)
        found[name] = y, pull(jnp.cos(y))
    for name in ("elu", "erf", "xielu", "srelu"):  # a choice is among arrays
        y, pull = jax.vjp(getattr(jaxact, name), x)
        found[name] = y, pull(jnp.cos(y))
    y, pull = jax.vjp(jaxact.b_spline, x, c)
    found["b_spline"] = y, pull(jnp.cos(y))
    return found

def at(spec):
    x, c = (jax.device_put(v, NamedSharding(mesh, s)) for v, s in ((X, spec), (C, P())))
    return jax.tree.map(np.asarray, jax.jit(program)(x, c))

wanted = at(P(None, None))
for spec in (P("a", None), P("a", "b")):
    for name, got in at(spec).items():
        pairs = zip(jax.tree.leaves(got), jax.tree.leaves(wanted[name]), strict=True)
        for g, w in pairs:
            np.testing.assert_allclose(g, w, rtol=1e-5, atol=1e-6, err_msg=name)
print("same")
"""


def test_explicit_sharding():
    """With axes along the batch, and along the rows."""
    flags = "--xla_force_host_platform_device_count=4"
    done = subprocess.run(
        [sys.executable, "-c", SHARDED % (ROWS,)],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "same\n", done.stderr


# --- as jax.nn ------------------------------------------------------------------------

FACTORS = {
    "positive": np.abs(C[:4, :6]),
    "of any sign": C[:4, :6],
    "some 0": np.where(C[:4, :6] > 0, C[:4, :6], 0),
    "all 0": np.zeros((4, 6), np.float32),
    "a row": C[0, :6],
    "integers": np.arange(24).reshape(4, 6) % 3 - 1,
    "none": None,
}
ROW = np.arange(6)
ENTRIES = {
    "finite": X[:4, :6],
    "inf": np.where(ROW == 2, INF, X[:4, :6]),
    "two inf": np.where(ROW % 3 == 2, INF, X[:4, :6]),
    "-inf": np.where(ROW == 2, -INF, X[:4, :6]),
    "nothing": np.full((4, 6), -INF, np.float32),
    "nan": np.where(ROW == 2, NAN, X[:4, :6]),
    "far": 1e3 * X[:4, :6],
    "integers": np.arange(24).reshape(4, 6),
}


MIXED = functools.partial(jax.numpy_dtype_promotion, "standard")


def alike(got, wanted):
    """Values, dtypes and shapes."""
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert (a.dtype, a.shape, a.weak_type) == (b.dtype, b.shape, b.weak_type)
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=3e-6)


@pytest.mark.parametrize("signed", [False, True])
def test_logsumexp_with_factors(signed):
    """By position, so that the order of the arguments is tried too."""
    x = {n: jnp.asarray(v, None if n == "integers" else "float32")
         for n, v in ENTRIES.items()}  # fmt: skip

    def every(f):
        return jax.jit(lambda x: {
            (n, m): f(v, -1, None if b is None else jnp.asarray(b), True, signed)
            for n, v in x.items() for m, b in FACTORS.items()
            if not m == n == "integers"
        })(x)  # fmt: skip

    with MIXED(), jax.numpy_rank_promotion("allow"):
        got, wanted = every(jaxact.logsumexp), every(jax.nn.logsumexp)
    for key, value in wanted.items():
        alike(got[key], value)


def test_logsumexp_as_it_is_called():
    a, b, mask = jnp.asarray(X[:4, :6]), jnp.asarray(C[:4, :6]), X[:4, :6] > -0.3
    positive = jnp.abs(b)

    def calls(f):
        signed = functools.partial(f, axis=-1, return_sign=True)
        yield f(a=a), f(a, (0, 1)), f(a, [0], None, True), f(2.0), f(2.0, b=3.0)
        yield f(jnp.bfloat16(2.0), b=3.0), f(a, -1, where=mask), f(a, b=positive)
        yield signed(a), signed(a, b=b, where=mask), signed(a, b=b, where=mask & False)
        yield signed(jnp.zeros((3, 0))), f(a[:1], -1, b), f(a, -1, positive[0])
        yield jax.grad(lambda a, b: jnp.sum(f(a, -1, b)), (0, 1))(a, positive)
        yield jax.grad(lambda a, b: jnp.sum(signed(a, b=b)[0]), (0, 1))(a, b)
        yield jax.hessian(lambda a, b: f(a, -1, b), (0, 1))(a[0], positive[0])
        yield jax.vmap(lambda a, b: f(a, b=b, return_sign=True))(a, b)

    with MIXED(), jax.numpy_rank_promotion("allow"):
        both = [list(calls(f)) for f in (jaxact.logsumexp, jax.nn.logsumexp)]
    for got, wanted in zip(*both, strict=True):
        alike(got, wanted)


def test_logsumexp_is_an_activation():
    f = jaxact.logsumexp
    assert catalogue.info("logsumexp").function is f is catalogue.get("logsumexp")
    assert pickle.loads(pickle.dumps(f)) is f
    assert "name=jaxact.logsumexp" in str(jax.make_jaxpr(f)(X))
    with pytest.raises(TypeError, match=r"^logsumexp: .* got str"):
        f("1")  # pyright: ignore[reportArgumentType]


def test_logmeanexp_as_it_is_called():
    x, mask = jnp.asarray(X[:4, :6]), X[:4, :6] > -0.3

    def calls(f):
        yield f(x, -1, mask), f(x, -1, mask, True), f(x, -1, mask & False)
        yield f(jnp.zeros((3, 0)), -1), f(jnp.full((2, 3), -INF, "float32"), -1)

    for got, wanted in zip(
        calls(jaxact.logmeanexp), calls(jax.nn.logmeanexp), strict=True
    ):
        alike(got, wanted)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", *LOG_SUMS])
def test_complex_numbers(name):
    z = jnp.asarray(X[:4, :6] + 1j * C[:4, :6])

    def calls(f):
        yield f(z, axis=-1), f(z, axis=None), f(z, axis=(0, 1), where=X[:4, :6] > -0.3)

    def slope(f):
        return jax.grad(lambda z: jnp.sum(f(z) ** 2), holomorphic=True)(z)

    def plain(z):
        e = jnp.exp(z)
        whole = jnp.sum(e, -1, keepdims=True)
        of = {"softmax": e / whole, "log_softmax": z - jnp.log(whole)}
        return of.get(name, jnp.log(whole[:, 0] / (6 if name == "logmeanexp" else 1)))

    f = functools.partial(getattr(jaxact, name), axis=-1)
    close(slope(f), slope(plain), rtol=1e-4, atol=1e-5)
    for got, wanted in zip(
        calls(getattr(jaxact, name)), calls(getattr(jax.nn, name)), strict=True
    ):
        alike(got, wanted)


class Table:
    """Something that knows how to become an array, and nothing else."""

    def __jax_array__(self):
        return jnp.asarray(X[:4, :6])


@pytest.mark.parametrize("name", ROWS)
def test_axes_and_arrays_in_other_forms(name):
    f, x = catalogue.get(name), jnp.asarray(X[:4, :6])
    table: Any = Table()
    for axis, plain in (
        ([0, 1], (0, 1)),
        (np.asarray([1]), (1,)),
        (jnp.asarray(0), 0),
        (np.int64(1), 1),
    ):
        chex.assert_trees_all_equal(f(x, axis=axis), f(x, axis=plain))
    chex.assert_trees_all_equal(f(table, axis=-1), f(x, axis=-1))


# --- extremes -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", SOFT)
def test_an_infinite_temperature(name, dtype):
    """Entries that are not left out weigh the same, and no derivative is left."""
    sign, more = -1 if name == "softmin" else 1, name == "softmax_with_sink"
    hot = jnp.asarray(INF, dtype)

    @jax.jit
    def orders(x):
        def scalar(x, temperature):
            y = catalogue.get(name)(x, temperature=temperature)
            return jnp.sum(
                jnp.where(jnp.isfinite(y), y, 0) * jnp.arange(3).astype(dtype)
            )

        slopes = jax.grad(scalar, (0, 1))
        along = jnp.ones_like(x), jnp.ones_like(hot)
        y = catalogue.get(name)(x, temperature=hot)
        return y, slopes(x, hot), jax.jvp(slopes, (x, hot), along)[1]

    for entries, kept in (
        ([1, 2, 3], [1, 1, 1]),
        ([1, -INF, 3], [1, 0, 1]),
        ([3e38, -3e38, 0], [1, 1, 1]),
        ([-INF, -INF, -INF], [0, 0, 0]),
    ):
        y, *slopes = orders(sign * jnp.asarray(entries, dtype))
        wanted = np.asarray(kept) / max(sum(kept) + more, 1)
        if name == "log_softmax":
            y = jnp.exp(y)
        np.testing.assert_allclose(
            np.asarray(y, np.float32), wanted, rtol=4 * float(jnp.finfo(dtype).eps)
        )
        assert all(jnp.all(v == 0) for v in jax.tree.leaves(slopes))


def test_a_high_temperature_of_large_numbers():
    """Their difference overflows, but not over the temperature."""
    x = jnp.asarray([3e38, -3e38])
    p = np.asarray([1 / (1 + np.exp(-6)), 1 / (1 + np.exp(6))], np.float32)
    close(jaxact.log_softmax(x, temperature=1e38), np.log(p))
    close(jaxact.softmax(x, temperature=1e38), p)


def test_a_maximum_is_a_plain_reduction():
    """A maximum with a start is more than some converters know."""
    text = str(jax.make_jaxpr(jaxact.softmax)(X))
    assert "reduce_max" in text and "-inf" not in text


@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax", "logsumexp"])
def test_the_largest_entry_is_looked_for_in_bfloat16(name):
    f = functools.partial(catalogue.get(name), axis=-1)
    x = jnp.ones((2, 3), jnp.bfloat16)
    for traced in (f, lambda x: jax.vjp(f, x)[1](f(x))):
        found = re.findall(r":(\w+)\[2\] = reduce_(?:max|min)\[", str(
            jax.make_jaxpr(traced)(x)))  # fmt: skip
        assert found and set(found) == {"bf16"}, found
