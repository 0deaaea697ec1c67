"""The facts about an activation, and how to find them."""

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .._formula import Formula, World

MARK = "jaxact."  # begins the name that the call of an activation has in a jaxpr

F = TypeVar("F", bound=Callable[..., Any])
Integers = Literal["float", "weak", "keep"]
Arrays = Mapping[str, Array]
_SEVERAL = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
Path = tuple[str, ...]  # the variables of a derivative in turn: ("x", "x") is order 2

# the annotations of static options, alone or with None
_OPTIONS = {bool, int, str, tuple, Literal}
# jnp makes arrays or dtypes of some of these; an activation does not
_NOT_ARRAYS = (str, bytes, list, tuple, dict, type, np.dtype, type(None))


@dataclass(frozen=True, eq=False)
class Definition:
    """All that the decorators saw of one activation.

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
    examples: Mapping[str, Any]
    line: Callable[[], Formula | None]  # of the docstring, with `slopes`
    traced: Callable[..., Array]  # what `compiled` compiles
    kernels: dict[Path, Callable[..., Array]]
    slopes: Mapping[float, float]  # chosen, at kinks
    extras: dict[str, Callable[..., Any]] = field(default_factory=dict)
    derived: dict[Any, Any] = field(default_factory=dict)  # compiled
    programs: dict[Any, Any] = field(default_factory=dict)  # of kernels, see rule.py

    @property
    def formula(self) -> Formula | None:
        """The formula line, parsed when it is first asked for."""
        return self.line()

    @property
    def compiled(self) -> Any:
        """What `function` calls, by `jax.jit`."""
        if "call" not in self.derived:
            compiled = jax.jit(self.traced, static_argnames=self.options)
            self.derived["call"] = compiled
        return self.derived["call"]

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

    def example(self, name: str) -> Any:
        """A value of a parameter without a default, to measure with."""
        return self.examples.get(name, 0.75)

    def forget_compiled(self) -> None:
        """Compile again: earlier calls did not have the new rule."""
        for compiled in self.derived.values():
            compiled.clear_cache()
        self.derived.clear()
        self.programs.clear()

    def kinks_at(self, **parameters: float) -> tuple[float, ...]:
        """The points where a derivative jumps, for the parameters given."""
        if not callable(self.kinks):
            return tuple(self.kinks)
        wanted = inspect.signature(self.kinks).parameters
        found = self.kinks(**{n: parameters.get(n, self.default(n)) for n in wanted})
        if isinstance(found, Mapping):
            raise TypeError(
                f"{self.name}: a slope can be chosen at a fixed kink alone, as in "
                "kinks={0.0: 0.5}; a function of parameters gives the kinks without "
                "slopes"
            )
        return tuple(found)


registry: dict[Callable[..., Any], Definition] = {}
choosers: dict[Callable[..., Any], tuple[Callable[..., Any], ...]] = {}


_worlds: list[type[World]] = []


def formula_world(world: type[World]) -> type[World]:
    """Declare the world in which a formula is computed that stands for its kernel.

    It is made of activations, which the core does not know.
    """
    _worlds.append(world)
    return world


def kernel_of_formula(formula: Formula, function: F) -> F:
    """A formula as the kernel of a function that has nothing else."""

    @functools.wraps(function)
    def kernel(**arguments: Any) -> Any:
        given = formula.in_world(_worlds[-1]())(**arguments)
        if not isinstance(given, Array):
            return given
        shape = np.broadcast_shapes(*map(np.shape, arguments.values()))
        return jnp.broadcast_to(given, shape)

    return typing.cast(F, kernel)


class Defined:
    """The base of objects that are activations, each with its definition.

    An attribute alone would not tell them: `functools.wraps` copies attributes.
    """

    definition: Definition | None


def lookup(function: Callable[..., Any]) -> Definition | None:
    """The definition of an activation, or None for any other function.

    If its parameters are set (`jaxact.get`) these are the defaults.
    """
    if isinstance(function, Defined):
        return function.definition
    try:
        return registry.get(function)
    except TypeError:  # a callable that cannot be hashed is not an activation
        return None


def kernel_of(function: Callable[..., Array], wrt: str) -> Callable[..., Array]:
    """The kernel of a first derivative of an activation, for kernels made of it."""
    return registry[function].kernels[wrt,]


def kernels_of(function: Callable[..., Array]) -> tuple[Callable[..., Array], ...]:
    """The kernels of the value and of two derivatives by x, likewise."""
    kernels = registry[function].kernels
    return kernels[()], kernels["x",], kernels["x", "x"]


def chooses(*among: Callable[..., Any]) -> Callable[[F], F]:
    """Declare a public function that calls one of some activations, the default first.

    It has no rule of its own: questions about it are answered by these.
    """

    def decorate(function: F) -> F:
        choosers[function] = among
        return function

    return decorate


def definitions() -> tuple[Definition, ...]:
    """Every definition made so far, in order."""
    return tuple(registry.values())


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """The signature; annotations that are text are replaced by what they name."""
    signature = inspect.signature(function)
    parameters = signature.parameters.values()
    if not any(isinstance(p.annotation, str) for p in parameters):
        return signature
    scope = getattr(inspect.unwrap(function), "__globals__", {})
    resolved = [
        p.replace(annotation=_resolved(p.annotation, scope)) for p in parameters
    ]
    return signature.replace(parameters=resolved)


def _resolved(note: Any, scope: dict[str, Any]) -> Any:
    while isinstance(note, str):
        try:
            note = eval(note, scope)
        except Exception:  # a name for type checkers alone: that of an array
            return Array
    return note


def is_option(parameter: inspect.Parameter) -> bool:
    """Whether an argument is static: by its annotation, else by its default."""
    note = parameter.annotation
    if note is inspect.Parameter.empty:
        return isinstance(parameter.default, (bool, str))
    several = typing.get_origin(note) in (typing.Union, types.UnionType)
    kinds = typing.get_args(note) if several else (note,)
    kinds = tuple(typing.get_origin(kind) or kind for kind in kinds)
    return bool(set(kinds) & _OPTIONS) and set(kinds) <= {*_OPTIONS, type(None)}


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
    """A value in words, for an error message."""
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


@functools.cache
def read_by(kernel: Callable[..., Any]) -> Path:
    """The names of the arguments of a kernel."""
    code = getattr(kernel, "__code__", None)
    if code and not (vars(kernel) or code.co_flags & _SEVERAL):  # as fast as can be
        return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return tuple(inspect.signature(kernel).parameters)
