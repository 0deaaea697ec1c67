"""The plan of an observed program: a static walk over its jaxpr.

A jaxpr becomes steps: runs of equations that are left alone, sites, and equations that
have sites inside.
"""

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jax.extend import core, source_info_util

from ._sites import Call, find, program, steepest
from ._statistics import varies

# the source of a site is the line that calls the activation
_PACKAGE = os.path.dirname(os.path.dirname(__file__))
source_info_util.register_exclusion(os.path.join(_PACKAGE, ""))

SCOPE = "jaxact.observe"  # of the equations that observing adds


@dataclass
class Site:
    """A place in a program where an activation is called."""

    name: str
    call: Call
    y: Any
    source: str
    steepest: float
    axes: tuple[str, ...] = ()  # along which calls of it are stacked, outermost first

    @property
    def reads(self) -> list[Any]:
        """The variables that its statistics are of."""
        return [*self.call.operands, self.y]


@dataclass(frozen=True)
class Plain:
    """A run of equations in which nothing is seen."""

    reads: Sequence[Any]
    writes: Sequence[Any]
    run: Callable[..., list[Any]]


@dataclass(frozen=True)
class Nested:
    """An equation with sites inside."""

    equation: Any
    plans: list["Plan"]

    @property
    def sites(self) -> list[Site]:
        """The sites inside that are seen, those of all its jaxprs."""
        return [s for plan in self.plans for s in plan.sites]

    @property
    def reads(self) -> list[Any]:
        """Its operands."""
        return self.equation.invars


@dataclass(frozen=True)
class Plan:
    """A jaxpr as steps, and all its sites, those of nested plans too."""

    jaxpr: Any
    consts: Sequence[Any]
    steps: Sequence[Plain | Site | Nested]
    sites: list[Site]


def make_plan(
    closed: Any, keep: Callable[[str], bool], known: Collection[str]
) -> tuple[Plan, list[str]]:
    """The plan of a program, and the sites in it that cannot be seen.

    Args:
        closed: the program.
        keep: which sites are wanted, by name.
        known: the primitives that can be seen into.
    """
    walk = _Walk(keep, known)
    return walk.plan(closed, ()), walk.unseen


class _Walk:
    def __init__(self, keep: Callable[[str], bool], known: Collection[str]):
        self.keep, self.known = keep, known
        self.taken: dict[str, int] = {}
        self.unseen: list[str] = []

    def plan(self, closed: Any, path: Sequence[str]) -> Plan:
        jaxpr = getattr(closed, "jaxpr", closed)
        found = find(jaxpr, _is_added_or_backward)
        steps: list[Any] = []
        run: list[Any] = []  # of equations that are left alone
        sites: list[Site] = []

        def step(*new: Any) -> None:
            steps.extend([list(run), *new])
            run.clear()

        for eqn in jaxpr.eqns:
            here = [*path, *_scopes(eqn)]
            if id(eqn) in found.lost:
                name = self.name(here, found.lost[id(eqn)])
                self.miss(name, "JAX has taken its rule apart")
            if id(eqn) in found.calls:
                run.append(eqn)
                call = found.calls[id(eqn)]
                name = self.name(here, call.activation)
                if self.keep(name):
                    sites.append(_site(name, call, eqn))
                    step(sites[-1])
                continue
            closed_off = id(eqn) in found.lost or id(eqn) in found.parts
            nested = None
            if not closed_off and not _is_added_or_backward(eqn):
                nested = self.nested(eqn, here)
            if nested is not None:
                sites += nested.sites
                step(nested)
            else:
                run.append(eqn)
        step()
        consts = getattr(closed, "consts", ())
        return Plan(jaxpr, consts, _with_programs(steps, jaxpr.outvars), sites)

    def name(self, here: Sequence[str], activation: str) -> str:
        base = name = "/".join([*here, activation])
        while name in self.taken:
            self.taken[base] += 1
            name = f"{base}_{self.taken[base]}"
        self.taken[name] = 0
        return name

    def nested(self, eqn: Any, here: Sequence[str]) -> Nested | None:
        """The equation as one with sites inside, or None if nothing is seen in it."""
        kind, params = eqn.primitive.name, eqn.params
        if kind == "while":
            inside = [params["cond_jaxpr"], params["body_jaxpr"]]
        else:
            inside = list(core.jaxprs_in_params(params))
        plans = []
        for k, inner in enumerate(inside):
            branch = [f"branch{k}"] if kind == "cond" else []
            plans.append(self.plan(inner, [*here, *branch]))
        nested = Nested(eqn, plans)
        if kind == "while":
            condition, body = plans
            for site in condition.sites:
                self.miss(site.name, "in the condition of a while loop")
            condition.sites.clear()
            if not body.sites:
                return None
        if kind not in self.known:
            for site in nested.sites:
                self.miss(site.name, f"inside {kind}")
            return None
        for site in nested.sites:
            site.axes = (*_stacked(eqn, site), *site.axes)
        return nested if nested.sites else None

    def miss(self, name: str, why: str) -> None:
        if self.keep(name):
            self.unseen.append(f"{name} ({why})")


def _site(name: str, call: Call, eqn: Any) -> Site:
    source = source_info_util.summarize(eqn.source_info)
    return Site(name, call, eqn.outvars[0], source, steepest(call.activation))


def _with_programs(steps: list[Any], outvars: Sequence[Any]) -> list[Any]:
    """The steps, runs of equations being programs that return what is read later."""
    later = set(_variables(outvars))
    new = []
    for step in reversed(steps):
        if isinstance(step, list):
            made = dict.fromkeys(v for e in step for v in e.outvars)
            read = dict.fromkeys(v for e in step for v in _variables(e.invars))
            reads = [v for v in read if v not in made]
            writes = [v for v in made if v in later]
            step = Plain(reads, writes, program(step, reads, writes))
        later |= set(_variables(step.reads))
        new.append(step)
    return new[::-1]


def _variables(atoms: Iterable[Any]) -> Iterator[Any]:
    return (v for v in atoms if isinstance(v, core.Var))


def _is_added_or_backward(eqn: Any) -> bool:
    """Whether an equation is of a transposed pass, or of observing."""
    stack = str(eqn.source_info.name_stack)
    differentiated = eqn.params.get("differentiated", False)
    return "transpose(" in stack or SCOPE in stack or differentiated


def _scopes(eqn: Any) -> list[str]:
    """The named scopes of an equation: jvp(MLP)/vmap(Dense_0) are MLP and Dense_0."""
    stack = str(eqn.source_info.name_stack)
    while (bare := re.sub(r"\b\w+\(([^()]*)\)", r"\1", stack)) != stack:
        stack = bare
    return [part for part in stack.split("/") if part]


def _stacked(eqn: Any, site: Site) -> tuple[str, ...]:
    """The axes along which an equation stacks what a site in it has seen."""
    match eqn.primitive.name:
        case "scan":
            return (f"scan[{eqn.params['length']}]",)
        case "shard_map":
            axes = manual_axes(eqn, site)
            return (f"shards{list(axes)}",) if axes else ()
        case _:
            return ()


def manual_axes(eqn: Any, site: Site) -> tuple[str, ...]:
    """The mesh axes of a `shard_map` over which a site sees different samples."""
    mesh, params = eqn.params["mesh"], eqn.params
    manual = params["newly_manual_axes"]
    own = varies(site.y.aval) if params["check_vma"] else manual
    return tuple(a for a in mesh.axis_names if a in manual and a in own)
