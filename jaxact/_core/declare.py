"""The decorators that make activations.

An activation is a plain function of ``x`` and its parameters: the *kernel*, how a
machine computes the value.  `activation` turns it into the public function,
`derivative_of` adds a derivative (a kernel too), `pushforward_of` a tangent map where
the function is not elementwise, `definition_of` a plain reference where there is no
short formula.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, overload

import jax
from jax import Array

from .._formula import find_formula
from .call import complaint_about, plain_arguments, under_jit, with_constants
from .definition import (
    MARK,
    Definition,
    Integers,
    Path,
    is_option,
    lookup,
    read_by,
    registry,
    signature_of,
    usage,
)
from .rule import apply

F = TypeVar("F", bound=Callable[..., Any])


@overload
def activation(function: F, /) -> F: ...
@overload
def activation(
    *,
    kinks: Sequence[float] | Callable[..., Sequence[float]] = ...,
    domain: Mapping[str, tuple[float, float]] | None = ...,
    integers: Integers = ...,
    holomorphic: bool = ...,
    examples: Mapping[str, Any] | None = ...,
) -> Callable[[F], F]: ...
def activation(
    function: Any = None,
    /,
    *,
    kinks: Sequence[float] | Callable[..., Sequence[float]] = (),
    domain: Mapping[str, tuple[float, float]] | None = None,
    integers: Integers = "float",
    holomorphic: bool = False,
    examples: Mapping[str, Any] | None = None,
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
        examples: values to measure with of parameters without a default; 3/4 of others.

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
            examples=examples,
        )
    signature = _checked_signature(function)
    name = function.__name__
    after_x = tuple(signature.parameters)[1:]
    options = tuple(n for n in after_x if is_option(signature.parameters[n]))
    parameters = tuple(n for n in after_x if n not in options)
    facts = {"domain": set(domain or {}) - {"x"}, "examples": set(examples or {})}
    if callable(kinks):
        facts["kinks"] = set(inspect.signature(kinks).parameters)
    for fact, named in facts.items():
        if unknown := named - set(parameters):
            raise TypeError(f"activation: {name}: {fact} of unknown {sorted(unknown)}")

    def traced(*args: Any, **kwargs: Any) -> Array:
        return apply(definition, args, kwargs)

    traced.__name__ = traced.__qualname__ = MARK + name  # in jaxprs and profiles
    traced.__signature__ = signature  # type: ignore[attr-defined]
    compiled = jax.jit(traced, static_argnames=options)

    @functools.wraps(function)
    def public(*args: Any, **kwargs: Any) -> Array:
        try:
            if (kwargs or len(args) > 1) and under_jit():
                return with_constants(definition, traced, args, kwargs)
            return compiled(*args, **kwargs)
        except (TypeError, ValueError):
            plain = plain_arguments(definition, args, kwargs)
            complaint = None if plain else complaint_about(definition, args, kwargs)
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
        examples=dict(examples or {}),
        formula=find_formula(name, inspect.getdoc(function) or "", ("x", *after_x)),
        compiled=compiled,
        kernels={(): function},
    )
    registry[public] = definition
    return public


def derivative_of(
    function: Callable[..., Any], /, wrt: str | Path = "x", order: int = 1
) -> Callable[[F], F]:
    """Declare the kernel of a derivative of an activation.

    Its arguments name what it reads, and so what the backward pass keeps: `x`, `y`
    (the output, free since the next layer keeps it) or parameters of the activation.
    Read `y` only in a first derivative, and only where the slope can be told from the
    output without loss; JAX differentiates it further through `y`.

    In a notebook a cell can be run again: a kernel of the same name takes the place of
    the old one and of the derivatives declared of it.

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
    if path[0] == "x" and definition.pushforward is not None:
        raise ValueError(f"derivative_of({name}): it has a pushforward already")
    if "y" in read_by(definition.kernels[before]):
        raise ValueError(
            f"derivative_of({name}): order {order - 1} by {wrt} reads y, so JAX "
            "differentiates it through y; there is nothing to declare"
        )

    def decorate(kernel: F) -> F:
        readable = {"x", *definition.parameters, *definition.options}
        if order == 1:
            readable.add("y")
        _check_reads(kernel, readable, f"derivative_of({name}, order={order})")
        old = definition.kernels.get(path)
        if old is not None:
            if not _redefines(kernel, old):
                raise ValueError(
                    f"derivative_of({name}): order {order} by {wrt} is declared "
                    f"already, by {old.__name__}"
                )
            for deeper in [p for p in definition.kernels if p[:order] == path]:
                del definition.kernels[deeper]  # they are derivatives of the old one
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

    def decorate(kernel: F) -> F:
        old = definition.pushforward
        known = old is not None and not _redefines(kernel, old)
        if known or ("x",) in definition.kernels:
            raise ValueError(
                f"pushforward_of({definition.name}): it has a rule already"
            )
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

    def decorate(reference: F) -> F:
        old = definition.reference
        if old is not None and not _redefines(reference, old):
            raise ValueError(f"definition_of({definition.name}): it is defined already")
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
        del registry[function]
        registry[public] = replace(definition, function=public)
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


def _redefines(new: Callable[..., Any], old: Callable[..., Any]) -> bool:
    """Whether a function is another one again: a cell of a notebook, run once more."""

    def place(f: Callable[..., Any]) -> tuple[str, str]:
        return getattr(f, "__module__", ""), getattr(f, "__qualname__", "")

    return place(new) == place(old) and new.__module__ == "__main__"


def _check_reads(kernel: Callable[..., Any], readable: set[str], verb: str) -> Path:
    reads = read_by(kernel)
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
    signature = signature_of(function)
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
