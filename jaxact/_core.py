"""What an activation is, and the rule JAX sees.

An activation is a plain function of ``x`` and its parameters: the *kernel*, how a
machine computes the value.  `activation` turns it into the public function,
`derivative_of` adds a derivative (a kernel too), `pushforward_of` a tangent map where
the function is not elementwise, `definition_of` a plain reference where there is no
short formula.  This is the only file that names `jax.custom_jvp`.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero
from jax.extend.core.primitives import convert_element_type_p

from ._formula import Formula, find_formula

F = TypeVar("F", bound=Callable[..., Any])
Integers = Literal["float", "weak", "keep"]
Path = tuple[str, ...]  # the variables of a derivative in turn: ("x", "x") is order 2

_STATIC = ({"bool"}, {"str"}, {"int"}, {"int", "tuple"}, {"int", "None"})
_NOT_ARRAYS = (str, bytes, list, tuple, dict, type, type(None))


@dataclass(frozen=True, eq=False)
class Definition:
    """What the decorators saw of one activation.

    `kernels` maps a path to the kernel of that derivative: `()` is the value,
    `("x", "x")` the second derivative by x, `("alpha",)` the first by alpha.
    """

    name: str
    function: Callable[..., Array]
    signature: inspect.Signature
    parameters: tuple[str, ...]
    options: tuple[str, ...]
    kinks: Sequence[float] | Callable[..., Sequence[float]]
    domain: Mapping[str, tuple[float, float]]
    integers: Integers
    holomorphic: bool
    formula: Formula | None
    kernels: dict[Path, Callable[..., Array]]
    extras: dict[str, Callable[..., Array]] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """The module it is defined in, by its last name."""
        return self.function.__module__.rpartition(".")[2]

    @property
    def pushforward(self) -> Callable[..., Array] | None:
        """The tangent map of a function that is not elementwise."""
        return self.extras.get("pushforward")

    @property
    def reference(self) -> Callable[..., Array] | None:
        """The plain jnp function whose `jax.grad` is the truth to compare with."""
        if "reference" in self.extras:
            return self.extras["reference"]
        return self.formula and self.formula.as_jnp()

    def default(self, name: str) -> Any:
        """The default of a parameter or option."""
        return self.signature.parameters[name].default

    def kinks_at(self, **parameters: float) -> tuple[float, ...]:
        """The points where a derivative jumps, for the parameters given."""
        if not callable(self.kinks):
            return tuple(self.kinks)
        wanted = inspect.signature(self.kinks).parameters
        return tuple(
            self.kinks(**{n: parameters.get(n, self.default(n)) for n in wanted})
        )


_definitions: dict[Callable[..., Any], Definition] = {}


def lookup(function: Callable[..., Any]) -> Definition | None:
    """The definition of an activation, or None for any other function."""
    try:
        return _definitions.get(function)
    except TypeError:  # a callable that cannot be hashed is no activation
        return None


def definitions() -> tuple[Definition, ...]:
    """Every definition made so far, in order."""
    return tuple(_definitions.values())


@overload
def activation(function: F, /) -> F: ...
@overload
def activation(
    *,
    kinks: Sequence[float] | Callable[..., Sequence[float]] = ...,
    domain: Mapping[str, tuple[float, float]] | None = ...,
    integers: Integers = ...,
    holomorphic: bool = ...,
) -> Callable[[F], F]: ...
def activation(
    function: Any = None,
    /,
    *,
    kinks: Sequence[float] | Callable[..., Sequence[float]] = (),
    domain: Mapping[str, tuple[float, float]] | None = None,
    integers: Integers = "float",
    holomorphic: bool = False,
) -> Any:
    """Make a kernel a public activation; bare, or with the facts code cannot compute.

    The kernel takes `x` and its parameters in float32 or float64, all of one dtype,
    and returns that dtype.  Parameters annotated `int`, `bool` or `str` are options,
    static under jit; all others are arrays that broadcast and can be trained.

    If the docstring has a line ``name(x, alpha) = ...`` it is the formula: the
    reference of the gradient tests and of the exact oracle.

    Args:
        function: the kernel; left out when facts are given.
        kinks: the points where a derivative of order 0 to 2 jumps, or a function of
            the parameters that returns them.
        domain: the open interval of a parameter, and of `x` if not the whole line.
        integers: what an integer array gives: `"float"` (float32), `"weak"` (weakly
            typed float32), or `"keep"` (the kernel is exact on integers).
        holomorphic: whether the kernel is meaningful for complex arrays.

    Raises:
        TypeError: the signature does not start with `x`.
        ValueError: the formula line does not parse or names something unknown.
    """
    if function is None:
        return functools.partial(
            activation,
            kinks=kinks,
            domain=domain,
            integers=integers,
            holomorphic=holomorphic,
        )
    if not callable(function):
        raise TypeError(f"activation: expected a function, got {function!r}")
    name = function.__name__
    signature = inspect.signature(function)
    kinds = [p.kind for p in signature.parameters.values()]
    if next(iter(signature.parameters), None) != "x":
        raise TypeError(f"activation: {name}{signature}: the first argument must be x")
    if (
        inspect.Parameter.VAR_POSITIONAL in kinds
        or inspect.Parameter.VAR_KEYWORD in kinds
    ):
        raise TypeError(
            f"activation: {name}{signature}: *args and **kwargs are no names"
        )
    after_x = list(signature.parameters)[1:]
    for reserved in {"y", "t"} & set(after_x):
        raise TypeError(
            f"activation: {name}{signature}: {reserved!r} is what a derivative calls "
            + ("the output" if reserved == "y" else "the tangent")
        )
    options = tuple(n for n in after_x if _is_option(signature.parameters[n]))
    parameters = tuple(n for n in after_x if n not in options)
    if unknown := set(domain or {}) - {"x", *parameters}:
        raise TypeError(f"activation: {name}: domain of unknown {sorted(unknown)}")

    kernels: dict[Path, Callable[..., Array]] = {(): function}

    def traced(*args: Any, **kwargs: Any) -> Array:
        return _apply(definition, args, kwargs)

    traced.__name__ = traced.__qualname__ = name  # the name in jaxprs and profiles
    traced.__signature__ = signature  # type: ignore[attr-defined]
    compiled = jax.jit(traced, static_argnames=options)

    @functools.wraps(function)
    def public(*args: Any, **kwargs: Any) -> Array:
        try:
            return compiled(*args, **kwargs)
        except (TypeError, ValueError):
            complaint = _complaint(definition, args, kwargs)
            if complaint is None:
                raise
        raise TypeError(complaint)

    definition = Definition(
        name=name,
        function=public,
        signature=signature,
        parameters=parameters,
        options=options,
        kinks=kinks,
        domain=dict(domain or {}),
        integers=integers,
        holomorphic=holomorphic,
        formula=find_formula(name, inspect.getdoc(function) or "", ("x", *after_x)),
        kernels=kernels,
    )
    _definitions[public] = definition
    return public


def derivative_of(
    function: Callable[..., Any], /, wrt: str = "x", order: int = 1
) -> Callable[[F], F]:
    """Declare the kernel of a derivative of an activation.

    Its arguments name what it reads, and so what the backward pass keeps: `x`, `y`
    (the output, free since the next layer keeps it) or parameters of the activation.
    Read `y` only in a first derivative, and only where the slope can be told from the
    output without loss; JAX differentiates it further through `y`.

    Args:
        function: the activation.
        wrt: the variable, `"x"` or a parameter.
        order: the order; order n needs order n - 1 declared before.

    Raises:
        TypeError: `function` is no activation, or the kernel reads something else.
        ValueError: `wrt` is no parameter, or `order` does not follow on.
    """
    definition = _require(function, "derivative_of")
    name = definition.name
    known = ("x", *definition.parameters)
    if wrt not in known:
        raise ValueError(
            f"derivative_of({name}): wrt={wrt!r} is no variable of {name}; "
            f"it has {', '.join(known)}"
        )
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"derivative_of({name}): order={order!r} must be 1, 2, ...")
    path = (wrt,) * order
    if path[1:] not in definition.kernels:
        raise ValueError(
            f"derivative_of({name}): order {order} needs order {order - 1} first"
        )
    if path in definition.kernels:
        raise ValueError(
            f"derivative_of({name}): order {order} by {wrt} is declared already, by "
            f"{definition.kernels[path].__name__}"
        )

    if "y" in _reads(definition.kernels[path[1:]]):
        raise ValueError(
            f"derivative_of({name}): order {order - 1} by {wrt} reads y, so JAX "
            "differentiates it through y; there is nothing to declare"
        )

    def decorate(kernel: F) -> F:
        readable = {"x", *definition.parameters, *definition.options}
        if order == 1:
            readable.add("y")
        _check_reads(kernel, readable, f"derivative_of({name}, order={order})")
        definition.kernels[path] = kernel
        return kernel

    return decorate


def pushforward_of(function: Callable[..., Any], /) -> Callable[[F], F]:
    """Declare the tangent map of an activation that is not elementwise.

    The kernel takes `t`, the tangent of `x`, beside any of `x`, `y`, the parameters and
    the options, and returns the tangent of the output; it must be linear in `t`.

    Raises:
        TypeError: `function` is no activation, or the kernel reads something else.
        ValueError: a derivative of it is declared already.
    """
    definition = _require(function, "pushforward_of")
    if ("x",) in definition.kernels or definition.pushforward:
        raise ValueError(f"pushforward_of({definition.name}): it has a rule already")

    def decorate(kernel: F) -> F:
        readable = {"t", "x", "y", *definition.parameters, *definition.options}
        reads = _check_reads(kernel, readable, f"pushforward_of({definition.name})")
        if "t" not in reads:
            raise TypeError(
                f"pushforward_of({definition.name}): {kernel.__name__} must take "
                "t, the tangent of x"
            )
        definition.extras["pushforward"] = kernel
        return kernel

    return decorate


def definition_of(function: Callable[..., Any], /) -> Callable[[F], F]:
    """Declare a plain jnp function that defines an activation without a formula line.

    Raises:
        TypeError: `function` is no activation, or the signatures differ.
        ValueError: the activation has a formula or a definition already.
    """
    definition = _require(function, "definition_of")
    if definition.reference is not None:
        raise ValueError(f"definition_of({definition.name}): it is defined already")

    def decorate(reference: F) -> F:
        wanted = list(definition.signature.parameters)
        if list(inspect.signature(reference).parameters) != wanted:
            raise TypeError(
                f"definition_of({definition.name}): {reference.__name__} must take "
                f"{', '.join(wanted)}"
            )
        definition.extras["reference"] = reference
        return reference

    return decorate


def _require(function: Callable[..., Any], verb: str) -> Definition:
    definition = lookup(function)
    if definition is None:
        raise TypeError(
            f"{verb}: {getattr(function, '__name__', function)!r} is no activation; "
            "decorate it with @activation first"
        )
    return definition


def _check_reads(kernel: Callable[..., Any], readable: set[str], verb: str) -> Path:
    reads = _reads(kernel)
    for name in reads:
        if name not in readable:
            raise TypeError(
                f"{verb}: {kernel.__name__} reads {name!r}; a kernel may read "
                f"{', '.join(sorted(readable))}"
            )
    return reads


def _is_option(parameter: inspect.Parameter) -> bool:
    note = parameter.annotation
    if note is inspect.Parameter.empty:
        return isinstance(parameter.default, (bool, str))
    text = note if isinstance(note, str) else getattr(note, "__name__", str(note))
    words = {part.split("[")[0].strip() for part in text.split("|")}
    return words in _STATIC


def _describe(value: Any) -> str:
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return f"{type(value).__name__} {value!r:.60}"
    return f"an array of dtype {dtype}"


def _complaint(
    definition: Definition, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> str | None:
    """What is wrong with the arguments of a call, or None if they are fine."""
    name, signature = definition.name, definition.signature
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        return f"{name}: {error}; it is called as {name}{signature}"
    numbers = "an array or a number of " + (
        "real or complex dtype" if definition.holomorphic else "real dtype"
    )
    for argument, value in bound.arguments.items():
        if argument in definition.options:
            try:
                hash(value)
            except TypeError:
                return (
                    f"{name}: {argument} is an option, fixed when compiled; "
                    f"got {_describe(value)}, expected a plain Python value"
                )
            continue
        try:
            dtype = jnp.result_type(value)
        except (TypeError, ValueError):
            dtype = None
        if value is None and signature.parameters[argument].default is None:
            continue
        if dtype is None or isinstance(value, _NOT_ARRAYS):
            return f"{name}: {argument} must be {numbers}; got {_describe(value)}"
        complex_ok = definition.holomorphic
        if not (
            jnp.issubdtype(dtype, jnp.floating)
            or jnp.issubdtype(dtype, jnp.integer)
            or dtype == jnp.bool_
            or (complex_ok and jnp.issubdtype(dtype, jnp.complexfloating))
        ):
            return f"{name}: {argument} must be {numbers}; got {_describe(value)}"
    arrays = {n: v for n, v in bound.arguments.items() if n not in definition.options}
    try:
        jnp.broadcast_shapes(*(jnp.shape(v) for v in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{n} {jnp.shape(v)}" for n, v in arrays.items())
        return f"{name}: the shapes do not broadcast: {shapes}"
    return None


def _wide(dtype: Any) -> Any:
    """The dtype kernels compute in: halves and float8 are rounded from float32."""
    return jnp.float32 if jnp.dtype(dtype).itemsize < 4 else dtype


def _is_weak(value: Any) -> bool:
    return getattr(value, "weak_type", isinstance(value, (bool, int, float, complex)))


def _apply(
    definition: Definition, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Array:
    """The traced body of the public function: promotion, then the rule."""
    complaint = _complaint(definition, args, kwargs)
    if complaint is not None:
        raise TypeError(complaint)
    given = definition.signature.bind(*args, **kwargs).arguments
    arrays = {
        n: v for n, v in given.items() if n not in definition.options and v is not None
    }
    constants = {
        n: given.get(n, definition.default(n))
        for n in (*definition.parameters, *definition.options)
        if n not in arrays
    }
    dtype = jnp.result_type(*arrays.values())
    weak = all(map(_is_weak, arrays.values()))
    arrays = {n: jnp.asarray(v) for n, v in arrays.items()}
    if not jnp.issubdtype(dtype, jnp.inexact):
        if definition.integers == "keep":
            return definition.kernels[()](**arrays, **constants)
        dtype = jnp.result_type(dtype, float)
        weak = weak or definition.integers == "weak"
    if jnp.issubdtype(dtype, jnp.complexfloating):
        # the derivatives are kernels for the real line: JAX differentiates this one
        arrays = {n: a.astype(dtype) for n, a in arrays.items()}
        return definition.kernels[()](**arrays, **constants)
    rank = max(a.ndim for a in arrays.values())
    for n, a in arrays.items():
        if not jnp.issubdtype(a.dtype, jnp.floating):
            a = a.astype(dtype)
        if 0 < a.ndim < rank:  # an explicit rank: jnp may be set to refuse promotion
            a = lax.expand_dims(a, range(rank - a.ndim))
        arrays[n] = a
    y = _value(definition, tuple(arrays), constants, dtype)(*arrays.values())
    if weak and dtype == jnp.result_type(float):
        # no public function makes an array weakly typed
        y = convert_element_type_p.bind(
            y, new_dtype=dtype, weak_type=True, sharding=None
        )
    return y


def _value(
    definition: Definition, names: Path, constants: Mapping[str, Any], dtype: Any
) -> Callable[..., Array]:
    """The activation as a function of the arrays `names`, with its rule.

    The tangent is a checkpoint: between forward and backward pass JAX keeps what the
    derivative kernels read, not what they compute.
    """
    wide = _wide(dtype)
    name = definition.name
    elementwise = definition.pushforward is None

    def run(kernel: Callable[..., Any], arrays: Mapping[str, Any]) -> Array:
        reads = _reads(kernel)
        known = dict(arrays)
        for n in definition.parameters:
            if n in constants and n in reads and constants[n] is not None:
                known[n] = np.asarray(constants[n], wide)
        for n in definition.options:
            known[n] = constants[n]
        out = jnp.asarray(kernel(**{n: known[n] for n in reads}))
        if out.dtype != wide and not _is_weak(out):
            raise TypeError(
                f"{name}: {kernel.__name__} returned dtype {out.dtype}; expected "
                f"{jnp.dtype(wide).name}, that of its arguments"
            )
        shape = jnp.broadcast_shapes(*(jnp.shape(a) for a in arrays.values()))
        if elementwise and out.shape not in ((), shape):
            shapes = {jnp.shape(known[n]) for n in reads if n not in definition.options}
            if out.shape != jnp.broadcast_shapes(*shapes):
                raise TypeError(
                    f"{name}: {kernel.__name__} returned shape {out.shape}; expected "
                    f"{shape}, that of its arguments (an activation that is not "
                    "elementwise declares @pushforward_of)"
                )
        return out.astype(wide)

    def term(path: Path, n: str, t: Array, arrays: dict[str, Array]) -> Array:
        """The part of a tangent that comes from the variable `n`."""
        deeper = (*path, n)
        if deeper in definition.kernels:
            kernel = definition.kernels[deeper]
            if "y" in _reads(kernel):  # JAX differentiates it through y
                return t * run(kernel, arrays)
            return t * node(deeper, arrays)
        if path == () and n == "x" and definition.pushforward is not None:
            return run(definition.pushforward, {**arrays, "t": t})
        kernel = definition.kernels[path]
        return jax.jvp(lambda v: run(kernel, {**arrays, n: v}), (arrays[n],), (t,))[1]

    def total(
        path: Path, moving: Mapping[str, Array], arrays: dict[str, Array]
    ) -> Array:
        # a sum from its first term: a zero to start from would be a stored array
        terms = [term(path, n, t, arrays) for n, t in moving.items()]
        return functools.reduce(jnp.add, terms)

    def node(path: Path, arrays: Mapping[str, Array]) -> Array:
        """A derivative at `arrays`; its own derivatives are its rule."""
        needed = {
            n
            for p, k in definition.kernels.items()
            if p[: len(path)] == path
            for n in _reads(k)
        }
        names = tuple(n for n in arrays if n in needed)

        @jax.custom_jvp
        def slope(*primals: Array) -> Array:
            out = run(definition.kernels[path], dict(zip(names, primals, strict=True)))
            return jnp.broadcast_to(
                out, jnp.broadcast_shapes(*(p.shape for p in primals))
            )

        def rule(primals: Any, tangents: Any) -> tuple[Array, Array]:
            out = slope(*primals)
            moving = _moving(names, tangents)
            if not moving:
                return out, jnp.zeros_like(out)
            tangent = total(path, moving, dict(zip(names, primals, strict=True)))
            return out, jnp.broadcast_to(tangent, out.shape)

        slope.defjvp(rule, symbolic_zeros=True)
        return slope(*(arrays[n] for n in names))

    @jax.custom_jvp
    def value(*primals: Array) -> Array:
        arrays = {n: p.astype(wide) for n, p in zip(names, primals, strict=True)}
        out = run(definition.kernels[()], arrays)
        if elementwise:
            out = jnp.broadcast_to(
                out, jnp.broadcast_shapes(*(p.shape for p in primals))
            )
        return out.astype(dtype)

    def rule(primals: Any, tangents: Any) -> tuple[Array, Array]:
        y = value(*primals)
        moving = _moving(names, tangents)
        if not moving:
            return y, jnp.zeros_like(y)

        def push(kept: Any, moving: dict[str, Array]) -> Array:
            arrays = {
                n: v.astype(wide) for n, v in zip((*names, "y"), kept, strict=True)
            }
            moving = {n: t.astype(wide) for n, t in moving.items()}
            return jnp.broadcast_to(total((), moving, arrays), y.shape).astype(dtype)

        return y, jax.checkpoint(push, prevent_cse=False)((*primals, y), moving)

    value.defjvp(rule, symbolic_zeros=True)
    return value


def _moving(names: Path, tangents: Sequence[Any]) -> dict[str, Array]:
    """The tangents that are not symbolically zero, by variable."""
    pairs = zip(names, tangents, strict=True)
    return {n: t for n, t in pairs if not isinstance(t, SymbolicZero)}


def _reads(kernel: Callable[..., Any]) -> Path:
    return tuple(inspect.signature(kernel).parameters)
