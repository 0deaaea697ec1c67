"""The activations of jaxact, read off what the decorators saw."""

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from ._core import Definition, definitions, lookup

_HOME = f"{__package__}._functions."


def _ours() -> dict[str, Definition]:
    here = (d for d in definitions() if d.function.__module__.startswith(_HOME))
    return {d.name: d for d in here if not d.name.startswith("_")}


def names(family: str | None = None) -> tuple[str, ...]:
    """The names of the activations, of one family or of all, in order of definition.

    Raises:
        ValueError: there is no such family.
    """
    if family is not None and family not in families():
        raise ValueError(
            f"catalogue.names: no family {family!r}; there are {', '.join(families())}"
        )
    return tuple(n for n, d in _ours().items() if family in (None, d.family))


def families() -> tuple[str, ...]:
    """The families, one per file of `jaxact/_functions`."""
    return tuple(dict.fromkeys(d.family for d in _ours().values()))


def aliases() -> dict[str, str]:
    """The other names of activations, each with the name it stands for."""
    import jaxact

    found = ((n, lookup(f)) for n, f in vars(jaxact).items())
    return {n: d.name for n, d in found if d is not None and d.name != n}


def choosers() -> dict[str, Callable[..., Any]]:
    """The public functions that choose among activations, such as `gelu`, by name."""
    import jaxact

    return {
        n: f
        for n, f in vars(jaxact).items()
        if inspect.isfunction(f) and f.__module__.startswith(_HOME) and not lookup(f)
        if next(iter(inspect.signature(f).parameters), "") == "x"
    }


def get(name: str) -> Callable[..., Any]:
    """The activation of a name or alias, as in `jaxact.<name>`; see also `jaxact.get`.

    Raises:
        ValueError: there is none; the message suggests names that are close.
    """
    return info(name).function


def info(name: str) -> Definition:
    """What is known of an activation: formula, parameters, kinks, kernels.

    Raises:
        ValueError: there is no activation of that name or alias.
    """
    ours = _ours()
    name = aliases().get(name, name)
    if name not in ours:
        close = get_close_matches(name, [*ours, *aliases()])
        hint = f"did you mean {' or '.join(close)}?" if close else f"{', '.join(ours)}"
        raise ValueError(f"catalogue: no activation {name!r}; {hint}")
    return ours[name]
