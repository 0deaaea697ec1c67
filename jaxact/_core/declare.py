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

from jax import Array

from .._formula import Formula, find_formula
from .call import complaint_about, plain_arguments, under_jit, with_constants
from .definition import (
    MARK,
    Definition,
    Integers,
    Path,
    is_option,
    kernel_of_formula,
    lookup,
    read_by,
    registry,
    signature_of,
    usage,
)
from .kinks import (
    checked_slopes,
    derivative_with_slopes,
    require_kinks,
    value_with_slopes,
)
from .types import Activation, Kernel, P, R

_HOME = f"{__name__.partition('.')[0]}."
F = TypeVar("F", bound=Callable[..., Any])
Kinks = Sequence[float] | Mapping[float, float] | Callable[..., Sequence[float]]


@overload
def activation(function: Kernel[P, R], /) -> Activation[P, R]: ...
@overload
def activation(
    *,
    kinks: Kinks = ...,
    domain: Mapping[str, tuple[float, float]] | None = ...,
    integers: Integers = ...,
    holomorphic: bool = ...,
    examples: Mapping[str, Any] | None = ...,
) -> Callable[[Kernel[P, R]], Activation[P, R]]: ...
def activation(
    function: Any = None,
    /,
    *,
    kinks: Kinks = (),
    domain: Mapping[str, tuple[float, float]] | None = None,
    integers: Integers = "float",
    holomorphic: bool = False,
    examples: Mapping[str, Any] | None = None,
) -> Any:
    """Make a kernel a public activation: `@activation` alone, or with facts about it.

    The kernel takes `x` and its parameters in float32 or float64, all of one dtype,
    and returns that dtype.  Parameters annotated `int`, `bool` or `str` are options,
    static under jit; all others are arrays that broadcast and can be trained.  An
    elementwise activation with an option `axis` has its parameters of one dimension
    lie along that axis of `x`.

    If the docstring has a line ``name(x, alpha) = ...`` it is the formula: the
    reference of the gradient tests and of the exact oracle.  It may call `abs`, `atan`,
    `cos`, `erf`, `erfc`, `exp`, `expm1`, `log`, `log1p`, `max`, `min`, `sigmoid`,
    `sign`, `sin`, `softplus`, `sqrt` and `tanh`; a power is ``x**2``, a condition
    ``x if x > 0 else 0``.

    With ``...`` as its body the activation is its formula, which is computed as it is
    written, by functions that keep their digits.  So are `1 / (1 + exp(-u))`,
    `log(1 + exp(u))`, `exp(u) - 1`, `1 + erf(u / sqrt(2))` and `exp(-u**2)`; any other
    difference may cancel.  Its derivatives are those that JAX derives from these
    functions, until `derivative_of` declares another.

    Args:
        function: the kernel; left out when facts are given.
        kinks: the points where a derivative of order 0 to 2 jumps, or a function of
            the parameters that returns them.  A dict sets the slope at each:
            `{0.0: 0.5}` makes it 0.5 at 0, whatever the kernels and the formula say,
            and the higher derivatives 0 there.
        domain: the open interval of a parameter, and of `x` if not the whole line.
        integers: what an integer array gives: `"float"` (float32), `"weak"` (weakly
            typed float32), or `"keep"` (the kernel is exact on integers).
        holomorphic: whether the kernel is meaningful for complex arrays.
        examples: values to measure with of parameters without a default; 3/4 of others.

    Returns:
        The activation: a function with the signature of the kernel.  Elementwise, its
        result has the shape to which the arguments broadcast and the dtype to which
        they promote.

    Raises:
        TypeError: the signature does not start with `x`, has arguments without a name,
            or calls one `y` or `t`; a fact names an unknown parameter; a slope at a
            kink is not a number.
        ValueError: the formula line does not parse, names something unknown, or is that
            of another function; there is neither a body nor a formula line; or a slope
            is set where that of the formula does not jump.

    Example:
        >>> @jaxact.activation
        ... def swish(x, beta=1.0):
        ...     "swish(x, beta) = x * sigmoid(beta * x)"
        ...     ...
        >>> print(f"{swish(-20.0):.4e}, {jaxact.derivative(swish)(-20.0):.4e}")
        -4.1223e-08, -3.9162e-08
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
    slopes: dict[float, float] = {}
    if isinstance(kinks, Mapping):
        slopes = checked_slopes(name, kinks)
        kinks = tuple(slopes)
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
        from .rule import apply  # imports jax.extend, which takes long

        return apply(definition, args, kwargs)

    traced.__name__ = traced.__qualname__ = MARK + name  # in jaxprs and profiles
    traced.__signature__ = signature  # type: ignore[attr-defined]
    derived: dict[Any, Any] = {}

    @functools.wraps(function)
    def public(*args: Any, **kwargs: Any) -> Array:
        try:
            if (kwargs or len(args) > 1) and under_jit():
                return with_constants(definition, traced, args, kwargs)
            return (derived.get("call") or definition.compiled)(*args, **kwargs)
        except (TypeError, ValueError):
            plain = plain_arguments(definition, args, kwargs)
            complaint = None if plain else complaint_about(definition, args, kwargs)
            if not plain and complaint is None:
                raise
        if plain:
            return public(**plain)
        raise TypeError(complaint)

    kernel = _kernel(function, ("x", *after_x))

    @functools.cache
    def line() -> Formula | None:
        formula = _formula(function, ("x", *after_x))
        return formula and formula.with_slopes(slopes)

    if not str(function.__module__).startswith(_HOME):
        line()  # to refuse a bad one; those of the package itself are tested
    if slopes and (plain := _formula(function, ("x", *after_x))) is not None:
        require_kinks(plain, slopes, signature, examples or {})
    definition = Definition(
        name=name,
        function=public,
        signature=signature,
        parameters=parameters,
        options=options,
        kinks=kinks,
        slopes=slopes,
        domain=dict(domain or {}),
        integers=integers,
        holomorphic=holomorphic,
        examples=dict(examples or {}),
        line=line,
        traced=traced,
        kernels={(): value_with_slopes(kernel, slopes)},
        derived=derived,
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

    Returns:
        A decorator, which returns the kernel as it is.

    Raises:
        TypeError: `function` is not an activation, or the kernel reads something else.
        ValueError: `wrt` is not a parameter, `order` does not follow on, or there is a
            rule already.

    Example:
        >>> @jaxact.activation
        ... def cube(x):
        ...     return x * x * x
        >>> @jaxact.derivative_of(cube)
        ... def slope(x):
        ...     return 3 * x * x
        >>> jaxact.derivative(cube)(jnp.array([-1.0, 2.0]))
        Array([ 3., 12.], dtype=float32)
    """
    definition = _require(function, "derivative_of")
    name = definition.name
    known = ("x", *definition.parameters)
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise ValueError(f"derivative_of({name}): order={order!r} must be 1, 2, ...")
    path = ((wrt,) if isinstance(wrt, str) else wrt) * order
    if not path or not set(path) <= set(known):
        raise ValueError(
            f"derivative_of({name}): wrt={wrt!r} is not a variable of {name}; "
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
        slopes = definition.slopes if set(path) == {"x"} else {}
        chosen = derivative_with_slopes(kernel, slopes, order)
        definition.kernels[path] = chosen
        definition.forget_compiled()
        return kernel

    return decorate


def pushforward_of(function: Callable[..., Any], /) -> Callable[[F], F]:
    """Declare the tangent map of an activation that is not elementwise.

    The kernel takes `t`, the tangent of `x`, beside any of `x`, `y`, the parameters and
    the options, and returns the tangent of the output; it must be linear in `t`.

    Returns:
        A decorator, which returns the kernel as it is.

    Raises:
        TypeError: `function` is not an activation, or the kernel reads something else.
        ValueError: a derivative of it is declared already.

    Example:
        >>> @jaxact.activation
        ... def centred(x):
        ...     return x - x.mean()
        >>> @jaxact.pushforward_of(centred)
        ... def push(t):
        ...     return t - t.mean()
        >>> jax.grad(lambda x: centred(x)[0])(jnp.array([-1.0, 2.0]))
        Array([ 0.5, -0.5], dtype=float32)
    """
    definition = _require(function, "pushforward_of")
    if definition.slopes:
        raise ValueError(
            f"pushforward_of({definition.name}): slopes at kinks are for elementwise "
            "activations; give kinks without slopes"
        )

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

    Returns:
        A decorator, which returns the function as it is.

    Raises:
        TypeError: `function` is not an activation, or the signatures differ.
        ValueError: the activation has a formula or a definition already.

    Example:
        >>> @jaxact.activation
        ... def doubled(x):
        ...     return x + x
        >>> @jaxact.definition_of(doubled)
        ... def plain(x):
        ...     return 2 * x
        >>> jaxact.testing.assert_derivatives(doubled, dtypes=["float32"])
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
        TypeError: `function` is not an activation.
    """
    definition = _require(function, "spelled")

    def decorate(public: F) -> F:
        del registry[function]
        registry[public] = replace(definition, function=public)
        return public

    return decorate


def _formula_alone() -> None:
    """It has a docstring and no body."""
    ...


def _formula(function: Callable[..., Any], variables: Path) -> Formula | None:
    doc = inspect.getdoc(function) or ""
    return find_formula(function.__name__, doc, variables)


def _kernel(function: F, variables: Path) -> F:
    """The function, or its formula if that is all it has."""
    code = getattr(function, "__code__", None)
    if code is None or code.co_code != _formula_alone.__code__.co_code:
        return function
    formula = _formula(function, variables)
    if formula is None:
        name, taken = function.__name__, ", ".join(variables)
        raise ValueError(
            f"activation: {name} has no body, and no formula line "
            f"'{name}({taken}) = ...' in its docstring"
        )
    return kernel_of_formula(formula, function)


def _require(function: Callable[..., Any], verb: str) -> Definition:
    definition = lookup(function)
    if definition is None or definition.function is not function:
        name = getattr(function, "__name__", function)
        raise TypeError(
            f"{verb}: {name!r} is not an activation; write @{verb}(f), where f is "
            "decorated with @activation"
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
        problem = "*args, **kwargs and positional-only arguments have no names"
    elif "y" in names:
        problem = "'y' is what a derivative calls the output"
    elif "t" in names:
        problem = "'t' is what a derivative calls the tangent"
    else:
        return signature
    raise TypeError(f"activation: {usage(name, signature)}: {problem}")
