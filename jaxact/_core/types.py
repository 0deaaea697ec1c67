"""The types of activations for type checkers: they take any array or number.

A kernel sees arrays, so it says `x: Array` and `alpha: Parameter`; the public function
takes `ArrayLike` for both.
"""

from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from jax import Array
from jax.typing import ArrayLike

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Kernel(Protocol[P, R_co]):
    """A function of an array that it calls `x`, and of anything else."""

    def __call__(self, x: Array, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


class Activation(Protocol[P, R_co]):
    """A kernel made public: `x`, and the other arguments by the names in the kernel."""

    @property
    def __name__(self) -> str: ...

    def __call__(self, x: ArrayLike, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


if TYPE_CHECKING:

    class _Number(Any, Protocol):
        """An array to a kernel, and any array or number to its caller.

        Not text, lists or None, which have no conjugate.  The base Any lets a
        kernel compute with it, which it could not with a union that has complex in it.
        """

        def conjugate(self) -> Any: ...

    Parameter = Array | _Number
else:
    Parameter = float | Array
