"""Assertions for the tests of an activation, ours or a user's."""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._core import lookup
from .._formula import parse_formula
from ._measure import (
    QUICKLY,
    compare,
    given,
    kinks,
    landmarks,
    require_x64,
    with_flushed,
)
from ._oracle import exact_orders, question
from ._points import points as sample
from ._ulp import as_float64, round_to


def assert_accurate(
    f: Callable[..., Any],
    max_ulp: float | Mapping[str, float] | Sequence[float],
    dtypes: Iterable[str] = ("bfloat16", "float16", "float32"),
    orders: Iterable[int] = (0, 1, 2),
    *,
    formula: str | None = None,
    around: Iterable[float] = (),
    count: int = 2**15,
    **parameters: float,
) -> None:
    """Assert that values and derivatives are within an error of the exact ones.

    bfloat16 and float16 are measured at all of their 65,536 bit patterns, float32 and
    float64 at a sample of every magnitude, on JAX's default backend.

    The unit of an error is the last place of the exact result r, in the dtype, for |r|
    >= 1e-6.  In float32 and float64 a smaller r has a unit of at least 2^-19 of its
    size: 8 units are a relative error of 2^-16.  For |r| < 1e-30 every result that has
    the sign of r or is 0, and is at most 1e-30 in size, counts as exact, and a wrong
    sign as wrong.  Near a root of a derivative the unit is the rounding error of the
    terms that cancel, |x| times the next derivative times the epsilon of the dtype;
    half precisions are computed in float32, and 8 such units of float32 are forgiven.

    Args:
        f: an activation with a formula line, or any elementwise function.
        max_ulp: the error allowed in these units; a number for all, one by dtype, or
            one for each of the orders.  0.51 is as good as correctly rounded.
        dtypes: the dtypes to compute in.
        orders: 0 for the value, 1, 2, ... for the derivatives by x.
        formula: the formula in `x` and the parameters, for a function without one.
        around: points whose neighbourhoods to measure as well: thresholds of a kernel.
            Those of kinks and of the roots of the derivatives always are.
        count: the size of the sample in float32 and float64.
        parameters: values of the parameters of `f`.

    Returns:
        None, if all errors are small enough.

    Raises:
        AssertionError: an error is larger, or NaN or a limit is wrong.
        ValueError: there is no formula, or not one `max_ulp` for each order.
        RuntimeError: float64 without `jax_enable_x64`.

    Example:
        >>> jaxact.testing.assert_accurate(jaxact.relu, 0.51, ["float16"], orders=[0])
    """
    orders, around, parameters = tuple(orders), tuple(around), given(f, parameters)
    for dtype in dtypes:
        dtype = jnp.dtype(dtype).name
        one = max_ulp[dtype] if isinstance(max_ulp, Mapping) else max_ulp
        bounds = one if isinstance(one, Sequence) else [one] * len(orders)
        require_x64(dtype)
        asked = question(f, formula, parameters, dtype)
        near = (*landmarks(f, asked, dtype, **parameters), *around)
        at = sample(dtype, near, count)
        exact = exact_orders(asked, with_flushed(at, dtype), orders, dtype, "x")
        if len(bounds) != len(orders):
            raise ValueError(
                f"assert_accurate: max_ulp has {len(bounds)} numbers; expected one for "
                f"each of the orders {orders}"
            )
        for order, expected, bound in zip(orders, exact, bounds, strict=True):
            found = compare(f, dtype, order, "x", at, expected, parameters)
            if found.wrong or found.max_ulp > bound:
                wrong = ""
                if found.wrong:
                    wrong = (
                        f"\n  NaN, a limit or a sign is wrong at {found.wrong} points, "
                        f"the first is x = {found.wrong_at!r}"
                    )
                raise AssertionError(
                    f"{_call(f, parameters)}: {_ordinal(order)} in {dtype}\n"
                    f"  at x   {found.worst_at!r}\n"
                    f"  got    {found.got!r}\n"
                    f"  wanted {found.wanted!r}\n"
                    f"  error  {found.max_ulp:.6g} ULP, {bound:.6g} allowed; "
                    f"{found.share_051:.2%} of {found.count} points are within 0.51 ULP"
                    + wrong
                )


def assert_derivatives(
    f: Callable[..., Any],
    *,
    formula: str | None = None,
    orders: Iterable[int] | None = None,
    dtypes: Iterable[str] = ("float32", "bfloat16", "float16"),
    **parameters: float,
) -> None:
    """Assert that the derivatives of `f` are those that JAX derives from its formula.

    The derivatives by x and by every parameter, in forward mode (`jax.jvp`) and in
    reverse mode (`jax.grad`), against `jax.grad` of the formula in float64, at moderate
    points and at the kinks themselves, where the branch of the formula decides.

    Args:
        f: an activation with a formula line or a definition, or any elementwise
            function.
        formula: the formula in `x` and the parameters, for a function without one.
        orders: 1, 2, ...; by default 1 and 2, and those by x that `f` declares beyond.
        dtypes: the dtypes to compute in.
        parameters: values of the parameters of `f`.

    Returns:
        None, if all derivatives agree.

    Raises:
        AssertionError: a derivative differs.
        ValueError: there is nothing to compare with.
        RuntimeError: float64 without `jax_enable_x64`.

    Example:
        >>> jaxact.testing.assert_derivatives(jaxact.relu, dtypes=["float32"])
    """
    variables = ("x", *trainable(f, formula))
    definition = lookup(f)
    declared = () if definition is None else definition.kernels
    beyond = {len(path) for path in declared if set(path) == {"x"}} - {1, 2}
    known = (1, 2) if orders is None else tuple(orders)
    pairs = [(order, wrt) for order in known for wrt in variables]
    if orders is None:
        pairs += [(order, "x") for order in sorted(beyond)]
    for dtype in dtypes:
        for order, wrt in pairs:
            problem = disagreement(f, dtype, order, wrt, formula, parameters)
            if problem:
                raise AssertionError(problem)


def disagreement(
    f: Callable[..., Any],
    dtype: Any,
    order: int,
    wrt: str = "x",
    formula: str | None = None,
    parameters: Mapping[str, float] | None = None,
) -> str | None:
    """The difference of a derivative from that of the formula, in words, or None."""
    require_x64(dtype)
    parameters = given(f, parameters or {})
    reference, names = _reference(f, formula)
    signature = inspect.signature(f).parameters
    chosen: dict[str, Any] = {n: parameters.get(n, signature[n].default) for n in names}
    variables = {n: float(v) for n, v in chosen.items() if type(v) in (int, float)}
    if options := {n: v for n, v in parameters.items() if n not in variables}:
        reference = functools.partial(reference, **options)
    at = _moderate(f, dtype, parameters)
    wanted = _overflow(_expect(reference, order, wrt, at, variables), dtype)
    got = _differentiate(f, order, wrt, at, variables, parameters)
    for mode, values in zip(("jax.jvp", "jax.grad"), got, strict=True):
        bad = _differing(values, wanted)
        if bad.any():
            i = int(np.argmax(np.where(bad, _distance(values, wanted), -1)))
            return (
                f"{_call(f, parameters)}: {_ordinal(order)} by {wrt} in "
                f"{at.dtype.name}, by {mode}, is not that of the formula at "
                f"{int(bad.sum())} of {len(at)} points\n"
                f"  at x   {float(at[i])!r}\n"
                f"  got    {float(values[i])!r}\n"
                f"  wanted {float(wanted[i])!r}"
            )
    return None


def trainable(f: Callable[..., Any], formula: str | None = None) -> tuple[str, ...]:
    """The parameters of f that its formula or definition reads, if numbers."""
    _, names = _reference(f, formula)
    signature = inspect.signature(f).parameters
    numbers = {n for n, p in signature.items() if type(p.default) in (int, float)}
    return tuple(n for n in names if n in numbers or n in given(f, {}))


def _reference(
    f: Callable[..., Any], formula: str | None
) -> tuple[Callable[..., Any], tuple[str, ...]]:
    """The plain jnp function to compare with, and its parameters."""
    name = getattr(f, "__name__", "f")
    definition = lookup(f)
    if formula is not None:
        after_x = tuple(inspect.signature(f).parameters)[1:]
        parsed = _parsed(formula, ("x", *after_x), name)
        return parsed.as_jnp(), parsed.reads
    if definition is None or definition.reference is None:
        raise ValueError(
            f"{name}: nothing to compare with: it has neither a formula line nor "
            "@definition_of; give formula=..."
        )
    if definition.formula is None:
        return definition.reference, definition.parameters
    return definition.reference, definition.formula.reads


_parsed = functools.cache(parse_formula)  # one object, and one compilation, for a text


def _moderate(
    f: Callable[..., Any], dtype: Any, parameters: Mapping[str, float]
) -> np.ndarray:
    """Points of ordinary size in a dtype, and the kinks."""
    rng = np.random.default_rng(0)
    small = rng.uniform(-1, 1, 200) * 10.0 ** rng.uniform(-3, 0, 200)
    at = np.concatenate([np.linspace(-30, 30, 241), small, kinks(f, **parameters)])
    at = at.astype(jnp.dtype(dtype))
    definition = lookup(f)
    if definition is not None and "x" in definition.domain:
        low, high = definition.domain["x"]
        at = at[(at.astype(np.float64) > low) & (at.astype(np.float64) < high)]
    return at


def _differentiate(
    f: Callable[..., Any],
    order: int,
    wrt: str,
    at: np.ndarray,
    variables: Mapping[str, float],
    parameters: Mapping[str, float],
) -> tuple[np.ndarray, np.ndarray]:
    """A derivative of f at points, in forward and in reverse mode."""

    def along(v: Any, x: Any) -> Any:
        if wrt == "x":
            return f(v, **parameters)
        return f(x, **{**parameters, wrt: v})

    def forward(n: int, v: Any, x: Any) -> Any:
        if n == 0:
            return along(v, x)
        one = jnp.ones_like(v)
        return jax.jvp(lambda v: forward(n - 1, v, x), (v,), (one,))[1]

    def backward(n: int, v: Any, x: Any) -> Any:
        if n == 0:
            return along(v, x)
        return jax.grad(lambda v: jnp.sum(backward(n - 1, v, x)))(v)

    @functools.partial(jax.jit, compiler_options=QUICKLY)
    def both(x: Any) -> tuple[Any, Any]:
        if wrt == "x":
            v = x
        else:  # an array as x is, so that it counts in the dtype of the result
            v = jnp.full_like(x, variables[wrt])
        return forward(order, v, x), backward(order, v, x)

    ahead, back = both(jnp.asarray(at))
    return np.asarray(ahead), np.asarray(back)


def _expect(
    reference: Callable[..., Any],
    order: int,
    wrt: str,
    at: np.ndarray,
    variables: Mapping[str, float],
) -> np.ndarray:
    """`jax.grad` of the reference in float64."""
    wide = np.promote_types(at.dtype, np.float32)
    values = {
        n: np.asarray(v).astype(at.dtype if n == wrt else wide).astype(np.float64)
        for n, v in variables.items()
    }
    with jax.enable_x64(True):
        derived = _reference_derivative(reference, order, wrt)
        return np.asarray(derived(at.astype(np.float64), values))


@functools.lru_cache(maxsize=256)
def _reference_derivative(
    reference: Callable[..., Any], order: int, wrt: str
) -> Callable[..., Any]:
    def along(v: Any, x: Any, values: dict[str, Any]) -> Any:
        arguments = {**values, "x": x, wrt: v}
        return reference(**arguments)

    derived = along
    for _ in range(order):
        derived = jax.grad(derived)

    def at_all(at: Any, values: dict[str, Any]) -> Any:
        return jax.vmap(lambda x: derived(x if wrt == "x" else values[wrt], x, values))(
            at
        )

    return jax.jit(at_all, compiler_options=QUICKLY)


def _differing(got: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The places where `got` is not as close to `wanted` as its dtype allows."""
    info = jnp.finfo(got.dtype)
    relative = {4: 1e-5, 8: 1e-9}.get(got.dtype.itemsize, float(info.eps))
    finite = np.abs(wanted[np.isfinite(wanted)])
    # where terms cancel, an error is measured by their size, not by the result's
    absolute = min(relative, 1e-6) * np.max(finite, initial=0.0)
    absolute += float(info.smallest_normal)
    allowed = relative * np.nan_to_num(np.abs(wanted)) + absolute
    return _distance(got, wanted) > allowed


def _overflow(wanted: np.ndarray, dtype: Any) -> np.ndarray:
    """The numbers, but as the dtype has them where they overflow when rounded to it."""
    rounded = as_float64(round_to(wanted, np.zeros_like(wanted), dtype))
    return np.where(np.isfinite(rounded), wanted, rounded)


def _distance(got: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    got = got.astype(np.float64)
    same = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    with np.errstate(invalid="ignore"):
        return np.where(same, 0, np.nan_to_num(np.abs(got - wanted), nan=np.inf))


def _call(f: Callable[..., Any], parameters: Mapping[str, float]) -> str:
    name = getattr(f, "__name__", type(f).__name__)
    return f"{name}({', '.join(['x', *(f'{n}={v!r}' for n, v in parameters.items())])})"


def _ordinal(order: int) -> str:
    return {0: "the value", 1: "derivative 1"}.get(order, f"derivative {order}")
