"""Statistics of the activation calls inside any JAX function.

The function is traced, its jaxpr walked once to a static plan (`_plan`, with the help
of `_sites`), and run as the plan says (`_replay`): every equation as it was, and beside
each call of an activation the statistics of its samples (`_statistics`).
"""

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ._observations import (
    Keep,
    Observations as Observations,
    Statistics,
    merge as merge,
    merged_along,
    predicate,
)
from ._state import changed_state, is_array, modules_in, update
from ._statistics import COUNTS, Rows, Settings, of_cotangent_names, wide_dtype

__all__ = [  # noqa: RUF022 (in the order of the file)
    "Which",
    "Scans",
    "observe",
    "observe_value_and_grad",
    "tap",
    "merge",
    "Observations",
]


def __dir__() -> list[str]:
    return __all__


Which = Literal["all", "counts"]
Scans = Literal["stack", "merge"]


def observe(
    fn: Callable[..., Any],
    *,
    keep: Keep = None,
    unit_axis: int = -1,
    dead: float = 0.0,
    saturated: float = 0.05,
    scans: Scans = "stack",
    statistics: Which = "all",
) -> Callable[..., tuple[Any, Observations]]:
    """The function, which also returns what its activations have seen.

    out, seen = observe(fn)(*args, **kwargs)

    `fn` is not changed: the activation calls in it are found in what JAX traces.  Seen
    are the functions of jaxact and your own activations, those of `jax.nn` that are
    activations (written out in a formula of your own they are not known: see `tap`),
    `jnp.tanh` and `jax.nn.sigmoid`; through jit, scan, while, cond, remat, custom rules
    and shard_map; and in a training step those of its forward pass.  What is not seen
    is listed in `seen.unseen`, with a warning.

    A site has the name of its scopes and of its activation, "MLP/Dense_0/relu", and a
    number if there are more of that name.  Flax Linen and Haiku name the scopes by
    their modules, Equinox its own layers; Flax NNX names none, nor do functions:
    `jax.named_scope` does.

    `out` is what `fn` returns, to the bit when it is not compiled.  Under `jax.jit`
    the compiler may fuse the program in another way, and a result differ by a rounding.
    Compile it, `jax.jit(observe(fn))`, or it is traced and compiled at every call.
    Of a training step observe the loss, inside: some versions of JAX take rules apart
    when they differentiate a scan, and then there are sites that cannot be seen.

    The counts alone cost a small part of the forward pass.  Everything may take as long
    as the forward pass again on a CPU, and longer where layers are narrow.

    Args:
        fn: any JAX function, such as a model; what is not an array in its arguments
            and in what it returns stays as it is.
        keep: which sites: a pattern as of file names, such as "*/relu*", or a function
            of a name; all if None.
        unit_axis: the axis of the output along which the units lie; a site with fewer
            axes has them along its last.  All other axes are samples, those that
            `jax.vmap` adds too.
        dead: a slope of at most this size is dead.
        saturated: a slope of at most this part of the steepest is saturated; the
            steepest is that of the activation, 1/4 of a sigmoid, and at most 1.
        scans: "stack" keeps the turns of a scan apart, "merge" takes them as one.
        statistics: "all", or "counts" alone (samples, not finite, zero, live,
            saturated), which cost less.

    Returns:
        A function with the arguments of `fn`, which returns its result and
        `Observations`: arrays with an entry for every unit.

    Raises:
        TypeError: `fn` is not callable, or `keep` neither pattern nor function.
        ValueError: an option has another value.

    Example:
        >>> x = jnp.array([[-1.0, 2.0], [-3.0, 4.0]])  # two samples of two units
        >>> out, seen = jaxact.observe(jaxact.relu)(x)
        >>> seen["relu"].dead
        Array([ True, False], dtype=bool)
    """
    options = _options("observe", fn, keep, scans, statistics)
    settings = Settings(unit_axis, dead, saturated, options.moments)

    def observed(*args: Any, **kwargs: Any) -> tuple[Any, Observations]:
        called = fn, args, kwargs
        traced = _Traced(called, options)
        out, states, seen = traced.run(called, {}, settings)
        update(modules_in(called), states)
        return out, traced.observations(seen)

    return _named_like(fn, observed)


def observe_value_and_grad(
    fn: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    keep: Keep = None,
    unit_axis: int = -1,
    dead: float = 0.0,
    saturated: float = 0.05,
    scans: Scans = "stack",
    statistics: Which = "all",
) -> Callable[..., tuple[Any, Observations]]:
    """`jax.value_and_grad`, which also returns what the activations have seen.

    (value, grads), seen = jaxact.observe_value_and_grad(loss)(params, batch)

    To the statistics of `observe` it adds those of the cotangent of every output,
    `g_...`, in the one backward pass.  A loop of unknown length has none, and what
    has a custom rule has none inside: there `g_count` is 0.

    Args:
        fn: a function that gives a scalar, or a scalar and more if `has_aux`.
        argnums: which arguments to differentiate by, as for `jax.value_and_grad`.
        has_aux: whether it gives more, as for `jax.value_and_grad`.
        keep: which sites, as for `observe`; so the others.
        unit_axis: the axis of the units.
        dead: a slope of at most this size is dead.
        saturated: a slope of at most this part of the steepest is saturated.
        scans: "stack" or "merge".
        statistics: "all" or "counts".

    Returns:
        A function with the arguments of `fn`, which returns the value and the
        gradients, as `jax.value_and_grad` does, and `Observations`.

    Raises:
        TypeError: as `observe`; the result is not a scalar.
        ValueError: an option has another value, or there is no such argument.

    Example:
        >>> x = jnp.array([[-1.0, 2.0], [-3.0, 4.0]])  # two samples of two units
        >>> loss = lambda x: jaxact.relu(x).sum()
        >>> (value, grads), seen = jaxact.observe_value_and_grad(loss)(x)
        >>> seen["relu"].g_zeros
        Array([0, 0], dtype=int32)
    """
    name = "observe_value_and_grad"
    options = _options(name, fn, keep, scans, statistics)
    settings = Settings(unit_axis, dead, saturated, options.moments)
    several = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def observed(*args: Any, **kwargs: Any) -> tuple[Any, Observations]:
        if not all(-len(args) <= i < len(args) for i in several):
            raise ValueError(
                f"{name}: argnums={argnums!r}, but there are {len(args)} positional "
                "arguments"
            )
        places = [i % len(args) for i in several]

        def with_chosen(values: Sequence[Any]) -> _Called:
            given = dict(zip(places, values, strict=True))
            return fn, tuple(given.get(i, v) for i, v in enumerate(args)), kwargs

        chosen = [jax.tree.map(_number_as_array, args[i]) for i in places]
        called = with_chosen(chosen)
        traced = _Traced(called, options)

        def f(values: Sequence[Any], into: Any) -> tuple[Any, Any]:
            out, states, seen = traced.run(with_chosen(values), into, settings)
            value, aux = out if has_aux else (out, None)
            return value, (aux, states, seen)

        both = jax.value_and_grad(f, (0, 1), has_aux=True)
        into = traced.for_cotangents(called, settings)
        (value, (aux, states, seen)), (grads, cotangents) = both(chosen, into)
        update(modules_in((fn, args, kwargs)), states)
        for site, rows in cotangents.items():
            seen[site] |= {f"g_{k}": _as_count(k, v) for k, v in rows.items()}
        grads = grads[0] if isinstance(argnums, int) else tuple(grads)
        value = (value, aux) if has_aux else value
        return (value, grads), traced.observations(seen)

    return _named_like(fn, observed)


def tap(name: str, f: Callable[..., Array]) -> Callable[..., Array]:
    """A function whose calls are sites of that name, for `observe`.

    tap(name, f)(x, ...) = f(x, ...)

    For activations written out by hand, such as ``jnp.maximum(x, 0)``.  It is compiled,
    as by `jax.jit`; its slope is that by its first argument that has the shape of its
    output, as JAX differentiates it.

    Args:
        name: the name of the site.
        f: an elementwise function of arrays.

    Returns:
        A function with the arguments and the result of `f`.

    Raises:
        TypeError: `name` is not a string, or `f` not callable.

    Example:
        >>> ramp = jaxact.tap("ramp", lambda x: jnp.maximum(x, 0))
        >>> out, seen = jaxact.observe(ramp)(jnp.array([-1.0, 2.0]))
        >>> seen["ramp"].zeros
        Array([1, 0], dtype=int32)
    """
    if not isinstance(name, str) or not name:
        raise TypeError(f"tap: expected the name of a site first, got {name!r:.60}")
    if not callable(f):
        raise TypeError(f"tap: {name}: expected a function, got {type(f).__name__}")

    def tapped(*args: Any, **kwargs: Any) -> Array:
        return f(*args, **kwargs)

    from ._sites import TAP

    tapped.__name__ = tapped.__qualname__ = f"{TAP}{name}"  # what jit calls it
    return jax.jit(tapped)


class _Options(NamedTuple):
    keep: Callable[[str], bool]
    merge_scans: bool
    moments: bool


def _options(caller: str, fn: Any, keep: Keep, scans: str, statistics: str) -> _Options:
    if not callable(fn):
        raise TypeError(f"{caller}: expected a function, got {type(fn).__name__}")
    for name, value, known in (
        ("scans", scans, ("stack", "merge")),
        ("statistics", statistics, ("all", "counts")),
    ):
        if value not in known:
            expected = " or ".join(map(repr, known))
            raise ValueError(f"{caller}: {name}={value!r}; expected {expected}")
    return _Options(predicate(caller, keep), scans == "merge", statistics == "all")


_Called = tuple[Any, tuple[Any, ...], dict[str, Any]]  # function and arguments


class _Traced:
    """A call as a program of its arrays; all else stays as it is, in and out."""

    def __init__(self, called: _Called, options: _Options):
        leaves, tree = jax.tree.flatten(called)
        self.options = options
        self.out: list[Any] = []  # what it returns, arrays apart
        self.out_tree: Any = None

        def program(*arrays: Any) -> list[Any]:
            given = iter(arrays)
            again = [next(given) if is_array(v) else v for v in leaves]
            fn, args, kwargs = called = jax.tree.unflatten(tree, again)
            modules = modules_in(called)
            before = jax.tree.leaves(modules)
            out = fn(*args, **kwargs), changed_state(modules, before)
            outs, self.out_tree = jax.tree.flatten(out)
            self.out = [_HERE if is_array(v) else v for v in outs]
            return [v for v in outs if is_array(v)]

        # loaded when something is observed, lest `import jaxact` wait for it
        from ._plan import make_plan
        from ._replay import HANDLERS, replay

        self.replay = replay
        closed = jax.make_jaxpr(program)(*filter(is_array, leaves))
        self.plan, unseen = make_plan(closed, options.keep, HANDLERS)
        self.unseen = tuple(unseen)
        if unseen:
            told = f"observe: not seen: {', '.join(unseen)}"
            warnings.warn(told, stacklevel=3)

    def run(
        self, called: _Called, into: Mapping[str, Any], settings: Settings
    ) -> tuple[Any, list[Any], dict[str, Rows]]:
        """What it returns, the state of modules that it has changed, what was seen."""
        arrays = filter(is_array, jax.tree.leaves(called))
        outs, seen = self.replay(self.plan, list(arrays), into, settings)
        given = iter(outs)
        leaves = [next(given) if v is _HERE else v for v in self.out]
        out, states = jax.tree.unflatten(self.out_tree, leaves)
        return out, states, seen

    def for_cotangents(self, called: _Called, settings: Settings) -> dict[str, Any]:
        """Zeros, whose cotangents are to be the statistics of the cotangents."""
        like = jax.eval_shape(lambda: self.run(called, {}, settings)[2])
        dtypes = {s.name: wide_dtype(s.y.aval.dtype) for s in self.plan.sites}
        return {
            name: {
                k: jnp.zeros(
                    rows["count" if k == "count" else "live"].shape, dtypes[name]
                )
                for k in of_cotangent_names(settings)
            }
            for name, rows in like.items()
        }

    def observations(self, seen: Mapping[str, Rows]) -> Observations:
        stats = []
        for site in self.plan.sites:
            name, dtype = site.call.activation, str(site.y.aval.dtype)
            rows = seen[site.name]
            told = Statistics(name, dtype, site.source, site.axes, **rows)
            merge_scans = self.options.merge_scans
            stats.append(merged_along(told, "scan") if merge_scans else told)
        names = tuple(site.name for site in self.plan.sites)
        return Observations(names, tuple(stats), self.unseen)


_HERE = object()  # the place of an array among what is returned


def _number_as_array(v: Any) -> Any:
    return jnp.asarray(v) if isinstance(v, (float, complex)) else v


def _as_count(name: str, v: Array) -> Array:
    return v.astype(jnp.int32) if name in COUNTS else v


def _named_like(fn: Callable[..., Any], observed: Any) -> Any:
    return functools.update_wrapper(observed, fn, updated=())
