"""The names and keywords of other frameworks in those of jaxact."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from .frameworks import ALIASES, MODULES, TABLE, Choice, Module, Needed, Same, Unused


class Meant(NamedTuple):
    """The meaning of a name of a framework, and of its keywords.

    Attributes:
        name: that of an activation of jaxact.
        parameters: its parameters, by our names.
        written: the framework's keyword for each of them.
    """

    name: str
    parameters: dict[str, Any]
    written: Mapping[str, str]


def translated(framework: str, name: str, given: Mapping[str, Any]) -> Meant:
    """The meaning of a name that is in the table of a framework.

    Raises:
        TypeError: there is no such keyword, one is missing, or it has no value here.
        ValueError: a keyword has a value that the framework does not know.
    """
    row, given = TABLE[framework][name], dict(given)
    choosing = (row.parameter,) if isinstance(row, Choice) else ()
    same = _chosen(framework, name, row, given) if isinstance(row, Choice) else row
    values: dict[str, Any] = {}
    written: dict[str, str] = {}
    for keyword, value in given.items():
        means = same.keywords.get(keyword, same.keywords.get("**"))
        where = f"get: {name}({keyword})"
        if means is None:
            has = ", ".join([*choosing, *same.keywords]) or "none"
            raise TypeError(f"{where}: {framework} has no such parameter; it has {has}")
        if isinstance(means, Unused):
            _require_unused(where, means, value)
            continue
        ours = means.ours if isinstance(means, Needed) else means
        if ours in written:
            raise TypeError(f"{where} and {name}({written[ours]}) are one parameter")
        written[ours] = keyword
        if value is not None:  # for which we have a default
            values[ours] = value
    for keyword, means in same.keywords.items():
        if isinstance(means, Needed) and means.ours not in values:
            raise TypeError(f"get: {name}({keyword}) must be given: {means.why}")
    activation = same.general if values and same.general else same.name
    return Meant(activation, {**same.fixed, **values}, written)


def _chosen(framework: str, name: str, row: Choice, given: dict[str, Any]) -> Same:
    """The row that a keyword chooses, which is taken out of those given."""
    value = given.pop(row.parameter, next(iter(row.among)))
    for known, same in row.among.items():
        if type(value) is type(known) and value == known:
            return same
    values = " or ".join(map(repr, row.among))
    raise ValueError(
        f"get: {name}({row.parameter}) must be {values} in {framework}; got {value!r}"
    )


def _require_unused(where: str, means: Unused, value: Any) -> None:
    """Refuse a value that would mean something."""
    if means.only is None:
        return
    is_array = isinstance(value, (np.ndarray, jax.Array))
    if is_array or value not in means.only:
        raise TypeError(f"{where} cannot be {value!r:.60} here: {means.why}")


# --- names --------------------------------------------------------------------------


def framework_of(name: str, framework: str | None) -> tuple[str, str]:
    """The framework of a name, and the name without its module.

    Args:
        name: with its module, such as `torch.nn.GELU`, or bare.
        framework: its framework, for a bare name; else "" is returned.

    Raises:
        ValueError: there is no such framework, module or name, or several.
    """
    module, dot, last = name.rpartition(".")
    if framework is None and not dot:
        return "", name
    modules = MODULES.get(module, ())
    if framework is not None:
        framework = _known(framework)
        if not dot:
            modules = (Module(framework),)
        elif framework not in (m.framework for m in modules):
            raise ValueError(f"get: {name!r} is not a name of {framework}")
    found = [m for m in modules if framework in (None, m.framework) and _has(m, last)]
    if not found and framework is not None and not dot:
        table = TABLE[framework]
        hint = near(name, table) or f"it has {', '.join(table)}"
        raise ValueError(f"get: {framework} has no activation {name!r}; {hint}")
    if not found:
        hint = _elsewhere(name) or f"modules are {', '.join(MODULES)}"
        raise ValueError(f"get: no activation {name!r}; {hint}")
    rows = [TABLE[m.framework][last] for m in found]
    if any(row != rows[0] for row in rows):
        several = " or ".join(
            f"get({last!r}, framework={m.framework!r})" for m in found
        )
        raise ValueError(f"get: {name!r} may mean {several}, which differ")
    return found[0].framework, last


def _known(framework: str) -> str:
    """The name that a framework has in the table."""
    found = ALIASES.get(framework, framework)
    if found not in TABLE:
        known = [*TABLE, *ALIASES]
        hint = near(framework, known) or f"there are {', '.join(known)}"
        raise ValueError(f"get: no framework {framework!r}; {hint}")
    return found


def full_names() -> list[str]:
    """The names of the table with the modules that have them."""
    return [
        f"{module}.{name}"
        for module, several in MODULES.items()
        for m in several
        for name in TABLE[m.framework]
        if _has(m, name)
    ]


def _elsewhere(name: str) -> str:
    """A hint at full names that end alike, else at those that are close."""
    first, ending = name.split(".")[0], _plain(name.rpartition(".")[2])
    alike = [n for n in full_names() if _plain(n.rpartition(".")[2]) == ending]
    related = [n for n in alike if n.split(".")[0] == first]
    close = difflib.get_close_matches(name, related or alike, cutoff=0)
    return f"did you mean {' or '.join(close)}?" if close else near(name, full_names())


def _has(module: Module, name: str) -> bool:
    if name not in TABLE[module.framework]:
        return False
    layer = name != name.lower()
    return module.kind == "both" or (module.kind == "layers") == layer


def having(name: str) -> str:
    """A hint at the frameworks that have a bare name; "" if none has."""
    found = [f"framework={f!r}" for f in TABLE if name in TABLE[f]]
    return f"with {' or '.join(found)} there is one" if found else ""


def near(name: str, known: Iterable[str]) -> str:
    """A hint at names that are close, also but for case and `_`; "" if none is."""
    known = list(dict.fromkeys(known))
    close = difflib.get_close_matches(name, known)
    if not close:
        plain = {k: _plain(k) for k in known}
        several = difflib.get_close_matches(_plain(name), set(plain.values()))
        close = [k for p in several for k in known if plain[k] == p][:3]
    return f"did you mean {' or '.join(close)}?" if close else ""


def _plain(name: str) -> str:
    return name.replace("_", "").casefold()
