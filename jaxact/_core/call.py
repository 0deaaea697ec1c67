"""The arguments of a call, as the rule takes them, or what is wrong with them."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from .definition import Definition, describe, is_number, usage


def under_jit() -> bool:
    """Whether a program is being traced, to which a number in a call is a constant."""
    return _asked()()


@functools.cache
def _asked() -> Callable[[], bool]:
    from jax.extend import core  # takes as long to import as all of jaxact

    return getattr(core, "unsafe_am_i_under_a_jit_DO_NOT_USE", bool)


def plain_arguments(
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


def complaint_about(
    definition: Definition, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> str | None:
    """The problem with the arguments of a call, or None if they are fine."""
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
    along = "" if axis is None else f", parameters along axis {axis} of x"
    try:
        if definition.elementwise:
            rank = max(map(np.ndim, arrays.values()))
            laid = (laid_shape(n, v, rank, axis) for n, v in arrays.items())
            lax.broadcast_shapes(*laid)
    except ValueError:
        return f"{name}: the shapes do not broadcast: {shapes}{along}"
    except IndexError:
        return f"{name}: there is no axis {axis}: {shapes}"
    except TypeError:
        return f"{name}: axis must be an integer or None; got {describe(axis)}"
    try:
        jnp.result_type(*typed(arrays))
    except ValueError as error:  # under strict promotion
        return f"{name}: {error}"
    return None


@dataclass(frozen=True)
class Constant:
    """A number given in a program that is being traced: it stays a number there.

    1, 1.0 and -0.0 are told apart.
    """

    value: float = field(compare=False)
    text: str


def with_constants(
    definition: Definition,
    traced: Callable[..., Array],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Array:
    """The call inside a program, where a number need not be an argument.

    A number that is not an argument has no tangent, and Pallas kernels do not see it.
    """
    given = definition.signature.bind(*args, **kwargs).arguments
    numbers = {
        n: Constant(v, repr(v))
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


def typed(arrays: Mapping[str, Any]) -> list[Any]:
    """The arguments that count in the dtype of the result: a mask does not."""
    return [v for n, v in arrays.items() if n == "x" or not is_mask(v)]


def is_mask(value: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(value), jnp.bool_)


def is_weak(value: Any) -> bool:
    return getattr(value, "weak_type", type(value) in (bool, int, float, complex))


def laid_shape(name: str, value: Any, rank: int, axis: int | None) -> tuple[int, ...]:
    """The shape in which an argument broadcasts: a row of parameters along `axis`."""
    shape = np.shape(value)
    if axis is None or name == "x" or len(shape) != 1:
        return shape
    return (*shape, *[1] * (rank - 1 - range(rank)[axis]))
