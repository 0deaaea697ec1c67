"""What an activation is, and the rule JAX sees.

An activation is a plain function of ``x`` and its parameters: the *kernel*, how a
machine computes the value.  `activation` turns it into the public function,
`derivative_of` adds a derivative (a kernel too), `pushforward_of` a tangent map where
the function is not elementwise, `definition_of` a plain reference where there is no
short formula.  This file and `_tangents` alone name `jax.custom_jvp`.
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend import core as jax_core
from jax.extend.core.primitives import convert_element_type_p

from ._formula import Formula, find_formula
from ._precision import rounded_to
from ._tangents import is_zero, late, times

# whether a program is being traced, to which a number given to a call is a constant
_under_jit: Any = getattr(jax_core, "unsafe_am_i_under_a_jit_DO_NOT_USE", bool)

F = TypeVar("F", bound=Callable[..., Any])
Integers = Literal["float", "weak", "keep"]
Arrays = Mapping[str, Array]
Binary = Callable[[Array, Array], Array]
Path = tuple[str, ...]  # the variables of a derivative in turn: ("x", "x") is order 2

# annotations of static options, as the sets of words between the bars
_OPTIONS = (
    *({"bool"}, {"str"}, {"int"}, {"tuple"}),
    *({"int", "tuple"}, {"int", "None"}, {"int", "tuple", "None"}),
    {"int", "str", "tuple", "None"},  # an axis that may have a name
)
# jnp makes arrays or dtypes of some of these; an activation does not
_NOT_ARRAYS = (str, bytes, list, tuple, dict, type, np.dtype, type(None))


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
    compiled: Any  # by jax.jit, behind `function`
    kernels: dict[Path, Callable[..., Array]]
    extras: dict[str, Callable[..., Any]] = field(default_factory=dict)
    derived: dict[Any, Callable[..., Any]] = field(default_factory=dict)  # compiled

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

    @property
    def required(self) -> tuple[str, ...]:
        """The parameters without a default."""
        empty = inspect.Parameter.empty
        return tuple(n for n in self.parameters if self.default(n) is empty)

    @property
    def elementwise(self) -> bool:
        """Whether parameters broadcast with `x`, and the result has that shape."""
        return self.pushforward is None

    def forget_compiled(self) -> None:
        """Compile anew: calls so far had no such rule."""
        self.compiled.clear_cache()
        self.derived.clear()

    def kinks_at(self, **parameters: float) -> tuple[float, ...]:
        """The points where a derivative jumps, for the parameters given."""
        if not callable(self.kinks):
            return tuple(self.kinks)
        wanted = inspect.signature(self.kinks).parameters
        return tuple(
            self.kinks(**{n: parameters.get(n, self.default(n)) for n in wanted})
        )


_definitions: dict[Callable[..., Any], Definition] = {}


class Defined:
    """The base of objects that are activations, each with its definition.

    Not any object with such an attribute is one: `functools.wraps` copies attributes.
    """

    definition: Definition | None


def lookup(function: Callable[..., Any]) -> Definition | None:
    """The definition of an activation, or None for any other function.

    One whose parameters are set (`jaxact.get`) has these as defaults.
    """
    if isinstance(function, Defined):
        return function.definition
    try:
        return _definitions.get(function)
    except TypeError:  # a callable that cannot be hashed is not an activation
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
    static under jit; all others are arrays that broadcast and can be trained.  An
    elementwise activation with an option `axis` has its parameters of one dimension
    lie along that axis of `x`.

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
        TypeError: the signature does not start with `x`, has arguments without a name,
            or calls one `y` or `t`; a fact names an unknown parameter.
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
    signature = _checked_signature(function)
    name = function.__name__
    after_x = tuple(signature.parameters)[1:]
    options = tuple(n for n in after_x if is_option(signature.parameters[n]))
    parameters = tuple(n for n in after_x if n not in options)
    facts = {"domain": set(domain or {}) - {"x"}}
    if callable(kinks):
        facts["kinks"] = set(inspect.signature(kinks).parameters)
    for fact, named in facts.items():
        if unknown := named - set(parameters):
            raise TypeError(f"activation: {name}: {fact} of unknown {sorted(unknown)}")

    def traced(*args: Any, **kwargs: Any) -> Array:
        return _apply(definition, args, kwargs)

    traced.__name__ = traced.__qualname__ = name  # the name in jaxprs and profiles
    traced.__signature__ = signature  # type: ignore[attr-defined]
    compiled = jax.jit(traced, static_argnames=options)

    @functools.wraps(function)
    def public(*args: Any, **kwargs: Any) -> Array:
        try:
            if (kwargs or len(args) > 1) and _under_jit():
                return _with_constants(definition, traced, args, kwargs)
            return compiled(*args, **kwargs)
        except (TypeError, ValueError):
            plain = _plain(definition, args, kwargs)
            complaint = None if plain else _complaint(definition, args, kwargs)
            if not plain and complaint is None:
                raise
        if plain:
            return public(**plain)
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
        compiled=compiled,
        kernels={(): function},
    )
    _definitions[public] = definition
    return public


def derivative_of(
    function: Callable[..., Any], /, wrt: str | Path = "x", order: int = 1
) -> Callable[[F], F]:
    """Declare the kernel of a derivative of an activation.

    Its arguments name what it reads, and so what the backward pass keeps: `x`, `y`
    (the output, free since the next layer keeps it) or parameters of the activation.
    Read `y` only in a first derivative, and only where the slope can be told from the
    output without loss; JAX differentiates it further through `y`.

    Args:
        function: the activation.
        wrt: the variable, `"x"` or a parameter; or the variables of a mixed derivative
            in turn, such as `("value", "x")` for the derivative by x of that by value.
        order: the order; order n needs order n - 1 declared before.

    Raises:
        TypeError: `function` is no activation, or the kernel reads something else.
        ValueError: `wrt` is no parameter, or `order` does not follow on; there is a
            rule already.
    """
    definition = _require(function, "derivative_of")
    name = definition.name
    known = ("x", *definition.parameters)
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise ValueError(f"derivative_of({name}): order={order!r} must be 1, 2, ...")
    path = ((wrt,) if isinstance(wrt, str) else wrt) * order
    if not path or not set(path) <= set(known):
        raise ValueError(
            f"derivative_of({name}): wrt={wrt!r} is no variable of {name}; "
            f"it has {', '.join(known)}"
        )
    order, before = len(path), path[:-1]
    if before not in definition.kernels:
        raise ValueError(
            f"derivative_of({name}): order {order} needs order {order - 1} first"
        )
    if path in definition.kernels:
        raise ValueError(
            f"derivative_of({name}): order {order} by {wrt} is declared already, by "
            f"{definition.kernels[path].__name__}"
        )
    if path[0] == "x" and definition.pushforward is not None:
        raise ValueError(f"derivative_of({name}): it has a pushforward already")
    if "y" in _reads(definition.kernels[before]):
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
        definition.forget_compiled()
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
        definition.forget_compiled()
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


def spelled(function: Callable[..., Any], /) -> Callable[[F], F]:
    """Declare a function that stands for an activation, under its name.

    It calls the activation and may have another signature, as where another library
    calls the first argument otherwise.  Declare it last, after the rules.

    Raises:
        TypeError: `function` is no activation.
    """
    definition = _require(function, "spelled")

    def decorate(public: F) -> F:
        del _definitions[function]
        _definitions[public] = replace(definition, function=public)
        return public

    return decorate


def _require(function: Callable[..., Any], verb: str) -> Definition:
    definition = lookup(function)
    if definition is None or definition.function is not function:
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


def _checked_signature(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of a kernel that can be made an activation."""
    name = getattr(function, "__name__", None)
    if name is None or not callable(function):
        raise TypeError(f"activation: expected a function, got {function!r}")
    signature = inspect.signature(function)
    names = list(signature.parameters)
    kinds = inspect.Parameter
    nameless = (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD, kinds.POSITIONAL_ONLY)
    if names[:1] != ["x"]:
        problem = "the first argument must be x"
    elif any(p.kind in nameless for p in signature.parameters.values()):
        problem = "*args, **kwargs and positional-only arguments are no names"
    elif "y" in names:
        problem = "'y' is what a derivative calls the output"
    elif "t" in names:
        problem = "'t' is what a derivative calls the tangent"
    else:
        return signature
    raise TypeError(f"activation: {usage(name, signature)}: {problem}")


def is_option(parameter: inspect.Parameter) -> bool:
    """Whether an argument is static: by its annotation, else by its default."""
    note = parameter.annotation
    if note is inspect.Parameter.empty:
        return isinstance(parameter.default, (bool, str))
    text = note if isinstance(note, str) else getattr(note, "__name__", str(note))
    words = {part.strip() for part in re.sub(r"\[[^]]*\]", "", text).split("|")}
    return words in _OPTIONS


def is_number(value: Any, holomorphic: bool = False) -> bool:
    """Whether a value is an array or number that an activation takes."""
    if isinstance(value, _NOT_ARRAYS):
        return False
    try:
        dtype = jnp.result_type(value)
    except (TypeError, ValueError):
        return False
    kinds = (jnp.floating, jnp.integer, jnp.bool_)
    if holomorphic:
        kinds += (jnp.complexfloating,)
    return any(jnp.issubdtype(dtype, kind) for kind in kinds)


def describe(value: Any) -> str:
    """What a value is, for an error message."""
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return f"{type(value).__name__} {value!r:.60}"
    return f"an array of dtype {dtype}"


def usage(name: str, signature: inspect.Signature) -> str:
    """How a function is called: its signature without types."""
    empty = inspect.Parameter.empty
    parameters = [p.replace(annotation=empty) for p in signature.parameters.values()]
    bare = signature.replace(parameters=parameters, return_annotation=empty)
    return f"{name}{bare}"


def _plain(
    definition: Definition, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The arguments of a call in the form `jax.jit` takes, or None if they are in it.

    An axis may be a list or an array, and an object may know how to become an array.
    """
    try:
        given = definition.signature.bind(*args, **kwargs).arguments
    except TypeError:
        return None
    plain = {}
    for name, value in given.items():
        if name == "axis":
            value = plain_axis(value)
        elif hasattr(value, "__jax_array__") and not hasattr(value, "dtype"):
            value = jnp.asarray(value)
        plain[name] = value
    changed = any(plain[name] is not value for name, value in given.items())
    return plain if changed else None


def plain_axis(axis: Any) -> Any:
    """An axis as an integer or a tuple, if it is a list or an array of integers."""
    if isinstance(axis, (np.ndarray, Array)) and jnp.issubdtype(axis.dtype, np.integer):
        axis = np.asarray(axis).tolist()
    return tuple(axis) if isinstance(axis, list) else axis


def _complaint(
    definition: Definition, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> str | None:
    """What is wrong with the arguments of a call, or None if they are fine."""
    name, signature = definition.name, definition.signature
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        return f"{name}: {error}; it is called as {usage(name, signature)}"
    arrays = {}
    for argument, value in given.items():
        if argument in definition.options:
            try:
                hash(value)
            except TypeError:
                return (
                    f"{name}: {argument} is an option, fixed when compiled; "
                    f"got {describe(value)}, expected a plain Python value"
                )
        elif is_number(value, definition.holomorphic):
            arrays[argument] = value
        elif value is not None or definition.default(argument) is not None:
            real = "real or complex" if definition.holomorphic else "real"
            return (
                f"{name}: {argument} must be an array or a number of {real} dtype; "
                f"got {describe(value)}"
            )
    shapes = ", ".join(f"{n} {np.shape(v)}" for n, v in arrays.items())
    axis = given.get("axis")
    try:
        if definition.elementwise:
            rank = max(map(np.ndim, arrays.values()))
            laid = (_laid(n, v, rank, axis) for n, v in arrays.items())
            lax.broadcast_shapes(*laid)
    except ValueError:
        return f"{name}: the shapes do not broadcast: {shapes}"
    except IndexError:
        return f"{name}: there is no axis {axis}: {shapes}"
    try:
        jnp.result_type(*_typed(arrays))
    except ValueError as error:  # under strict promotion
        return f"{name}: {error}"
    return None


@dataclass(frozen=True)
class _Constant:
    """A number given in a program that is being traced: it stays one there.

    1, 1.0 and -0.0 are told apart.
    """

    value: float = field(compare=False)
    text: str


def _with_constants(
    definition: Definition,
    traced: Callable[..., Array],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Array:
    """The call inside a program, where a number need not be an argument.

    What is not an argument has no tangent, and no Pallas kernel has to know of it.
    """
    given = definition.signature.bind(*args, **kwargs).arguments
    numbers = {
        n: _Constant(v, repr(v))
        for n, v in given.items()
        if n in definition.parameters and type(v) in (int, float)
    }
    if not numbers:
        return definition.compiled(*args, **kwargs)
    key = ("with constants", tuple(numbers))
    if key not in definition.derived:
        static = (*definition.options, *numbers)
        definition.derived[key] = jax.jit(traced, static_argnames=static)
    return definition.derived[key](**{**given, **numbers})


def _typed(arrays: Mapping[str, Any]) -> list[Any]:
    """The arguments that count in the dtype of the result: a mask does not."""
    return [v for n, v in arrays.items() if n == "x" or not _is_mask(v)]


def _is_mask(value: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(value), jnp.bool_)


def _is_weak(value: Any) -> bool:
    return getattr(value, "weak_type", type(value) in (bool, int, float, complex))


def _apply(
    definition: Definition, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Array:
    """The traced body of the public function: promotion, then the rule."""
    bound = definition.signature.bind(*args, **kwargs)
    constants = {n: v for n, v in bound.arguments.items() if isinstance(v, _Constant)}
    bound.arguments.update({n: c.value for n, c in constants.items()})
    complaint = _complaint(definition, bound.args, bound.kwargs)
    if complaint is not None:
        raise TypeError(complaint)
    given = bound.arguments
    arrays = {
        n: v for n, v in given.items() if n not in definition.options and v is not None
    }
    typed = _typed(arrays)
    dtype, weak = jnp.result_type(*typed), all(map(_is_weak, typed))
    arrays = {n: jnp.asarray(v) for n, v in arrays.items() if n not in constants}
    constants |= {
        n: given.get(n, definition.default(n))
        for n in (*definition.parameters, *definition.options)
        if n not in arrays and n not in constants
    }
    plain: dict[str, Any] = {
        n: jnp.asarray(c.value) if isinstance(c, _Constant) else c
        for n, c in constants.items()
    }
    if not jnp.issubdtype(dtype, jnp.inexact):
        if definition.integers == "keep":
            return definition.kernels[()](**arrays, **plain)
        dtype = jnp.result_type(float)
        weak = weak or definition.integers == "weak"
    if jnp.issubdtype(dtype, jnp.complexfloating):
        # the derivatives are kernels for the real line: JAX differentiates this one
        arrays = {n: a.astype(dtype) for n, a in arrays.items()}
        return definition.kernels[()](**arrays, **plain)
    rank = max(a.ndim for a in arrays.values())
    for n, a in arrays.items():
        kept = n != "x" and _is_mask(a)  # the kernels see it widened
        if not (kept or jnp.issubdtype(a.dtype, jnp.floating)):
            a = a.astype(dtype)
        if definition.elementwise and 0 < a.ndim < rank:
            # an explicit rank: jnp may be set to refuse promotion
            shape = _laid(n, a, rank, plain.get("axis"))
            a = a.reshape((1,) * (rank - len(shape)) + shape)
        arrays[n] = a
    y = _Call(definition, constants, dtype).value(arrays)
    if weak and dtype == jnp.result_type(float):
        # no public function makes an array weakly typed
        y = convert_element_type_p.bind(
            y, new_dtype=dtype, weak_type=True, sharding=None
        )
    return y


@dataclass(frozen=True)
class _Call:
    """The rule of one traced call, in which `constants` are what is not an array."""

    definition: Definition
    constants: Mapping[str, Any]
    dtype: Any

    @property
    def wide(self) -> Any:
        """The dtype kernels compute in: halves and float8 are rounded from float32."""
        return jnp.float32 if jnp.dtype(self.dtype).itemsize < 4 else self.dtype

    def value(self, arrays: Arrays) -> Array:
        """The activation at `arrays`.

        The tangent is computed late: between forward and backward pass JAX keeps what
        the derivative kernels read, not what they compute.
        """
        names, kernel = tuple(arrays), self.definition.kernels[()]

        @jax.custom_jvp
        def value(*primals: Array) -> Array:
            arrays = self.widen(zip(names, primals, strict=True))
            return self.run(kernel, arrays).astype(self.dtype)

        def rule(primals: Any, tangents: Any) -> tuple[Array, Array]:
            y = value(*primals)
            moving = _moving(names, tangents)

            def push(*operands: Array) -> list[Array]:
                steps = zip(moving, operands[: len(moving)], strict=True)
                kept = zip((*names, "y"), operands[len(moving) :], strict=True)
                tangent = self.tangent((), self.widen(steps), self.widen(kept))
                return [jnp.broadcast_to(tangent, y.shape).astype(self.dtype)]

            (tangent,) = late(push, list(moving.values()), (*primals, y))
            return y, tangent

        value.defjvp(rule, symbolic_zeros=self.may_be_constant(names))
        return value(*arrays.values())

    def may_be_constant(self, names: Path) -> bool:
        """Whether a parameter is given that is often not trained.

        JAX tells a rule then which are not, but a Pallas kernel takes no such rule.
        """
        return not set(names) <= {"x", *self.definition.required}

    def slope(self, path: Path, arrays: Arrays) -> Array:
        """A derivative at `arrays`; the derivatives declared of it are its rule."""
        kernels = self.definition.kernels
        beyond = [k for p, k in kernels.items() if p[: len(path)] == path]
        read = {n for kernel in beyond for n in _reads(kernel)}
        names = tuple(n for n in arrays if n in read)

        @jax.custom_jvp
        def slope(*primals: Array) -> Array:
            return self.run(kernels[path], dict(zip(names, primals, strict=True)))

        def rule(primals: Any, tangents: Any) -> tuple[Array, Array]:
            out = slope(*primals)
            arrays = dict(zip(names, primals, strict=True))
            tangent = self.tangent(path, _moving(names, tangents), arrays)
            return out, jnp.broadcast_to(tangent, out.shape)

        slope.defjvp(rule, symbolic_zeros=self.may_be_constant(names))
        return slope(*(arrays[n] for n in names))

    def tangent(self, path: Path, moving: Arrays, arrays: Arrays) -> Array:
        """The tangent of a derivative, a sum over the variables that move."""
        # from its first term: a zero to start from would be a stored array
        # of several tangents some may be the zeros of what is held constant
        product = times if len(moving) > 1 else jnp.multiply
        terms = (self.term(path, n, t, arrays, product) for n, t in moving.items())
        return functools.reduce(jnp.add, terms)

    def term(
        self, path: Path, n: str, t: Array, arrays: Arrays, product: Binary
    ) -> Array:
        """The part of a tangent that comes from the variable `n`."""
        kernels, pushforward = self.definition.kernels, self.definition.pushforward
        deeper = (*path, n)
        if deeper in kernels and "y" in _reads(kernels[deeper]):
            # JAX goes on through y
            return product(t, self.run(kernels[deeper], arrays))
        if deeper in kernels:
            return product(t, self.slope(deeper, arrays))
        if deeper == ("x",) and pushforward is not None:
            tangent, shape = (
                self.run(pushforward, {**arrays, "t": t}),
                arrays["y"].shape,
            )
            if tangent.shape != shape:
                wanted = f"{shape}, that of the output"
                raise self.bad(pushforward, f"shape {tangent.shape}", wanted)
            return tangent

        def along(v: Array) -> Array:
            return self.run(kernels[path], {**arrays, n: v})

        at = arrays[n]
        if product is jnp.multiply or not self.definition.elementwise:
            return jax.jvp(along, (at,), (t,))[1]
        return product(t, jax.jvp(along, (at,), (jnp.ones_like(at),))[1])

    def run(self, kernel: Callable[..., Any], arrays: Arrays) -> Array:
        """A kernel at `arrays`, its dtype and shape checked."""
        arguments = {n: self.argument(n, arrays) for n in _reads(kernel)}
        with rounded_to(self.dtype):  # few bits may be had in a shorter way
            given = kernel(**arguments)
        if not is_number(given, holomorphic=True):
            raise self.bad(kernel, describe(given), "an array")
        out = jnp.asarray(given)
        if out.dtype != self.wide and not _is_weak(out):
            wanted = f"{jnp.dtype(self.wide).name}, that of its arguments"
            raise self.bad(kernel, f"dtype {out.dtype}", wanted)
        out = out.astype(self.wide)
        if not self.definition.elementwise:
            return out
        shape = _broadcast(arrays.values())
        read = _broadcast(v for v in arguments.values() if is_number(v))
        constant = out.shape == () and not isinstance(given, Array)
        if out.shape not in (shape, read) and not constant:
            raise self.bad(
                kernel,
                f"shape {out.shape}",
                f"{shape}, that of its arguments (an activation that is not "
                "elementwise declares @pushforward_of)",
            )
        return jnp.broadcast_to(out, shape)

    def argument(self, name: str, arrays: Arrays) -> Any:
        """What a kernel is given for an argument."""
        if name in arrays:
            return arrays[name]
        constant = self.constants[name]
        if isinstance(constant, _Constant):
            # an array, for a kernel may know the default by its not being one
            return lax.full((), constant.value, self.wide)
        if constant is None or name in self.definition.options:
            return constant
        return np.asarray(constant, self.wide)

    def bad(self, kernel: Callable[..., Any], got: str, wanted: str) -> TypeError:
        """The error of a kernel that returned something else than it should."""
        return TypeError(
            f"{self.definition.name}: {kernel.__name__} returned {got}; "
            f"expected {wanted}"
        )

    def widen(self, arrays: Iterable[tuple[str, Array]]) -> dict[str, Array]:
        """Arrays in the dtype kernels compute in."""
        return {n: v.astype(self.wide) for n, v in arrays}


def _laid(name: str, value: Any, rank: int, axis: int | None) -> tuple[int, ...]:
    """The shape in which an argument broadcasts: a row of parameters along `axis`."""
    shape = np.shape(value)
    if axis is None or name == "x" or len(shape) != 1:
        return shape
    return (*shape, *[1] * (rank - 1 - range(rank)[axis]))


def _broadcast(arrays: Iterable[Any]) -> tuple[int, ...]:
    return lax.broadcast_shapes((), *map(np.shape, arrays))


def _moving(names: Path, tangents: Sequence[Any]) -> dict[str, Array]:
    """The tangents that are not zero by construction, by variable."""
    pairs = zip(names, tangents, strict=True)
    return {n: t for n, t in pairs if not is_zero(t)}


def _reads(kernel: Callable[..., Any]) -> Path:
    return tuple(inspect.signature(kernel).parameters)
