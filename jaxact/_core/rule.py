"""The rule that JAX sees: a `jax.custom_jvp` around the kernels of one call."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend.core.primitives import convert_element_type_p

from .._numerics.precision import rounded_to
from .call import Constant, complaint_about, is_mask, is_weak, laid_shape, typed
from .definition import Arrays, Definition, Path, describe, is_number, read_by
from .operations import program_of
from .tangents import is_zero, late, times

# whose kernels are known not to look at shapes; those of users may
_OURS = f"{__name__.partition('.')[0]}._functions."

Binary = Callable[[Array, Array], Array]


def apply(
    definition: Definition, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Array:
    """The traced body of the public function: promotion, then the rule."""
    bound = definition.signature.bind(*args, **kwargs)
    constants = {n: v for n, v in bound.arguments.items() if isinstance(v, Constant)}
    bound.arguments.update({n: c.value for n, c in constants.items()})
    complaint = complaint_about(definition, bound.args, bound.kwargs)
    if complaint is not None:
        raise TypeError(complaint)
    given = bound.arguments
    arrays = {
        n: v for n, v in given.items() if n not in definition.options and v is not None
    }
    counted = typed(arrays)
    dtype, weak = jnp.result_type(*counted), all(map(is_weak, counted))
    arrays = {n: jnp.asarray(v) for n, v in arrays.items() if n not in constants}
    constants |= {
        n: given.get(n, definition.default(n))
        for n in (*definition.parameters, *definition.options)
        if n not in arrays and n not in constants
    }
    plain: dict[str, Any] = {
        n: jnp.asarray(c.value) if isinstance(c, Constant) else c
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
        kept = n != "x" and is_mask(a)  # the kernels see it widened
        if not (kept or jnp.issubdtype(a.dtype, jnp.floating)):
            a = a.astype(dtype)
        if definition.elementwise and 0 < a.ndim < rank:
            # an explicit rank: jnp may be set to refuse promotion
            shape = laid_shape(n, a, rank, plain.get("axis"))
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

        @self.ruled(())
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

    def ruled(self, path: Path) -> Callable[[Any], Any]:
        """Let a function have a rule, in jaxprs under the name of the derivative."""

        def decorate(f: Any) -> Any:
            f.__name__ = "_".join((self.definition.name, *(f"d{n}" for n in path)))
            return jax.custom_jvp(f)

        return decorate

    def may_be_constant(self, names: Path) -> bool:
        """Whether a parameter is given that is often not trained.

        With such a rule JAX tells which parameters move; Pallas does not take such a
        rule.
        """
        return not set(names) <= {"x", *self.definition.required}

    def slope(self, path: Path, arrays: Arrays) -> Array:
        """A derivative at `arrays`; the derivatives declared of it are its rule."""
        kernels = self.definition.kernels
        beyond = [k for p, k in kernels.items() if p[: len(path)] == path]
        read = {n for kernel in beyond for n in read_by(kernel)}
        names = tuple(n for n in arrays if n in read)

        @self.ruled(path)
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
        # from its first term: a zero to start from would be a stored array.
        # Where there are several tangents, some may be zeros, of constants.
        product = times if len(moving) > 1 else jnp.multiply
        terms = (self.term(path, n, t, arrays, product) for n, t in moving.items())
        return functools.reduce(jnp.add, terms)

    def term(
        self, path: Path, n: str, t: Array, arrays: Arrays, product: Binary
    ) -> Array:
        """The part of a tangent that comes from the variable `n`."""
        kernels, pushforward = self.definition.kernels, self.definition.pushforward
        deeper = (*path, n)
        if deeper in kernels and "y" in read_by(kernels[deeper]):
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
        """A kernel at `arrays`; one of ours by its list of operations."""
        read = read_by(kernel)
        given = {n: arrays[n] for n in read if n in arrays}
        home = getattr(kernel, "__module__", None) or ""
        ours = self.definition.elementwise and home.startswith(_OURS)
        if not given or not ours:
            return self.checked(kernel, given, arrays)
        fixed = [(n, c := self.constants[n], str(c)) for n in read if n not in arrays]
        dtypes = tuple((n, v.dtype) for n, v in given.items())
        wide = jnp.result_type(float)  # with 64 bits other numbers are taken
        key = (kernel, jnp.dtype(self.dtype), wide, dtypes, *fixed)
        programs = self.definition.programs
        if key not in programs:
            programs[key] = program_of(lambda v: self.checked(kernel, v, v), given)
        program = programs[key]
        if program is None:
            return self.checked(kernel, given, arrays)
        return jnp.broadcast_to(program(given), _broadcast(arrays.values()))

    def checked(
        self, kernel: Callable[..., Any], given: Arrays, arrays: Arrays
    ) -> Array:
        """A kernel, of what it reads of `arrays`, its dtype and shape checked."""
        arguments = {n: self.argument(n, given) for n in read_by(kernel)}
        with rounded_to(self.dtype):  # few bits may be had in a shorter way
            result = kernel(**arguments)
        if not is_number(result, holomorphic=True):
            raise self.bad(kernel, describe(result), "an array")
        out = jnp.asarray(result)
        if out.dtype != self.wide and not is_weak(out):
            wanted = f"{jnp.dtype(self.wide).name}, that of its arguments"
            raise self.bad(kernel, f"dtype {out.dtype}", wanted)
        out = out.astype(self.wide)
        if not self.definition.elementwise:
            return out
        shape = _broadcast(arrays.values())
        read = _broadcast(v for v in arguments.values() if is_number(v))
        constant = out.shape == () and not isinstance(result, Array)
        if out.shape not in (shape, read) and not constant:
            raise self.bad(
                kernel,
                f"shape {out.shape}",
                f"{shape}, that of its arguments (an activation that is not "
                "elementwise declares @pushforward_of)",
            )
        return jnp.broadcast_to(out, shape)

    def argument(self, name: str, arrays: Arrays) -> Any:
        """The value that a kernel is given for an argument."""
        if name in arrays:
            return arrays[name]
        constant = self.constants[name]
        if isinstance(constant, Constant):
            # an array: a kernel may tell from that that it is not the default
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


def _broadcast(arrays: Iterable[Any]) -> tuple[int, ...]:
    return lax.broadcast_shapes((), *map(np.shape, arrays))


def _moving(names: Path, tangents: Sequence[Any]) -> dict[str, Array]:
    """The tangents that are not zero by construction, by variable."""
    pairs = zip(names, tangents, strict=True)
    return {n: t for n, t in pairs if not is_zero(t)}
