"""``jaxact bench``: how fast activations are here, against what they replace."""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from .._core import lookup
from ..testing._measure import given, in_frameworks, residual_bytes
from . import _workloads as workloads
from ._bench_report import Model, Overhead, Speed, picture, print_all, to_json
from ._functions import dtype_name, functions, refuse, rival
from ._timing import (
    MODES,
    Function,
    Times,
    batch,
    compile_times,
    instructions,
    interleaved,
    keep_freed_memory,
    kernels,
    median,
    ratio,
    value_and_pullback,
)
from ._torch import require_torch, torch_call

_SIZE, _SIZES = 1_000_000, [1_000, 100_000, 10_000_000]
_COMPILES = 3  # a compilation takes too long for as many rounds as a call

Mode = StrEnum("Mode", list(MODES))


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME | MODULE:ATTRIBUTE]...",
            help="Activations; if none is given the whole catalogue (minutes), or "
            "gelu_tanh for --mlp.",
            show_default=False,
        ),
    ] = None,
    mode: Annotated[
        list[Mode] | None,
        typer.Option(
            help="forward and vjp by default.  vjp is the value and the pullback of "
            "ones, jvp the value and the pushforward of ones, second the second "
            "derivative.  Repeatable."
        ),
    ] = None,
    dtype: Annotated[
        list[str] | None,
        typer.Option(
            help="float32 and bfloat16 by default, float32 for --eager.  Repeatable."
        ),
    ] = None,
    size: Annotated[
        list[float] | None,
        typer.Option(help="Elements, such as 1e5; 1e6 by default.  Repeatable."),
    ] = None,
    catalogue: Annotated[
        bool,
        typer.Option(
            "--catalogue",
            help="Print all rows.  Without names, those of the functions that other "
            "frameworks have are printed, and the means over the whole catalogue.",
        ),
    ] = False,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="All modes, float16 too, and sizes 1e3, 1e5 and 1e7, where not "
            "selected otherwise.  An hour for the whole catalogue.",
        ),
    ] = False,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, help="Timings of each; 9 by default, 5 for --mlp."),
    ] = None,
    eager: Annotated[
        bool,
        typer.Option(
            "--eager",
            help="Instead: the eager call on 8 elements against a bare jax.jit "
            "function, and against the rival trace and compile time of value_and_grad, "
            "HLO operations and kernels, and bytes kept for the backward pass.",
        ),
    ] = False,
    mlp: Annotated[
        bool,
        typer.Option(
            "--mlp",
            help="Instead: time and memory of a training step of a scanned MLP and of "
            "SwiGLU, and compile time of an MLP with its layers written out.",
        ),
    ] = False,
    torch: Annotated[
        bool, typer.Option("--torch", help="Beside torch on the CPU, if installed.")
    ] = False,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", dir_okay=False, help="Write the rows to a file."),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write a picture of the ratios, as PNG."),
    ] = None,
) -> None:
    """Time activations against what they replace, on this machine's backend.

    The rival of each is jax.nn's function of the same name, or else the formula
    as it is written in jnp, or a plain form where a user would write another; the
    table says which.  All are run in turn, in one process; the ratio is the median
    over the rounds, below 1 where ours is faster, red above 1.1.  x + 1 reads and
    writes the same array once: the floor.
    Exits with 1 if a function cannot be run, with 2 for unusable arguments.
    """
    rounds_of_mlp, rounds = rounds or 5, rounds or 9
    speed = not (eager or mlp)
    if speed:  # fresh pages for the memory of a model are part of its time
        keep_freed_memory()
    if not speed:
        only = {"--mode": mode, "--size": size, "--full": full, "--torch": torch}
        for option, given in {**only, "--save": save}.items():
            if given:
                refuse(f"{option} does not go with --eager or --mlp")
    modes = [m.value for m in mode] if mode else list(MODES)[: 4 if full else 2]
    halves = ["bfloat16", "float16"] if full else ["bfloat16"]
    dtypes = [_dtype(d) for d in dtype] if dtype else ["float32", *halves]
    sizes = [_size(s) for s in size] if size else _SIZES if full else [_SIZE]
    for option, file in {"--json": json_file, "--save": save}.items():
        if file and not file.parent.is_dir():
            refuse(f"{option} {file}: there is no directory {file.parent}")
    if save and save.suffix.lower() != ".png":
        refuse(f"--save {save}: the picture is a PNG; name it {save.stem}.png")
    if torch and jax.default_backend() != "cpu":
        refuse(f"--torch compares on the CPU; JAX runs on {jax.default_backend()}")
    chosen = functions(names or ())
    if save and not any(rival(*item)[1] for item in chosen.items()):
        refuse("--save: nothing to draw; there is nothing to compare these with")
    library = require_torch() if torch else None

    speeds: list[Speed] = []
    overheads: list[Overhead] = []
    models: list[Model] = []
    if speed:
        work = [
            (name, f, d, n, m)
            for d in dtypes
            for n in sizes
            for name, f in chosen.items()
            for m in modes
            if m != "second" or _is_elementwise(f)
        ]
        speeds += _rows(partial(_speed, rounds=rounds, torch=library), work)
    if eager:
        work = [
            (*item, d)
            for d in (dtypes if dtype else ["float32"])
            for item in chosen.items()
        ]
        overheads += _rows(partial(_overhead, rounds=rounds), work)
    if mlp:
        layers = chosen if names else functions(["gelu_tanh"])
        kinds = [("MLP", *item) for item in layers.items()]
        kinds += [("SwiGLU", *item) for item in functions(["swiglu"]).items()]
        work = [(*kind, d) for d in dtypes for kind in kinds]
        models += _rows(partial(_model, rounds=rounds_of_mlp), work)

    every = bool(names) or catalogue
    printed = [name for name in chosen if every or _is_known(name)]
    mean = "geometric mean" if names else "geometric mean, catalogue"
    print_all(speeds, overheads, models, printed, mean)
    if json_file:
        versions = {"torch": library.__version__} if library else {}
        json_file.write_text(to_json(versions, speeds, overheads, models, mean))
    if save:
        picture(speeds, printed, mean, save)
    if any(row.note for row in (*speeds, *overheads, *models)):
        raise typer.Exit(1)


def _both(name: str, f: Function, dtype: str) -> tuple[str, Function, Function | None]:
    """A function and its rival as functions of x alone, and which rival that is.

    Parameters without a default are set.
    """
    set_here = {
        name: jnp.asarray(value, dtype) if np.ndim(value) else value
        for name, value in given(f, {}).items()
    }
    which, other = rival(name, f)
    if set_here:
        f, other = partial(f, **set_here), other and partial(other, **set_here)
    return which, f, other


def _dtype(name: str) -> str:
    name = dtype_name(name)
    if name == "float64" and not jax.config.read("jax_enable_x64"):
        refuse("float64 needs JAX_ENABLE_X64=1 in the environment")
    return name


def _size(size: float) -> int:
    if not 1 <= size <= 1e11:
        refuse(f"--size {size:g}: a number of elements, such as 1e5")
    return int(size)


def _is_known(name: str) -> bool:
    """Whether a reader looks for it: another framework has it, or jax.nn."""
    return name in in_frameworks()


def _is_elementwise(f: Function) -> bool:
    definition = lookup(f)
    return definition is None or definition.pushforward is None


def _rows(
    measure: Callable[..., Any], work: Iterable[tuple[Any, ...]]
) -> Iterator[Any]:
    """Measure one thing after another, with a progress bar."""
    work = list(work)
    log = Console(stderr=True)
    # drawn between the measurements: a thread of its own would disturb them
    with Progress(
        console=log, transient=True, auto_refresh=False, disable=not log.is_terminal
    ) as progress:
        task = progress.add_task("", total=len(work))
        for item in work:
            words = [str(part) for part in item if not callable(part)]
            progress.update(task, description=" ".join(words), refresh=True)
            yield measure(*item)
            progress.advance(task)


def _speed(
    name: str,
    f: Function,
    dtype: str,
    size: int,
    mode: str,
    *,
    rounds: int,
    torch: Any,
) -> Speed:
    """Ours, the rival, torch's and the floor, in one mode on one array."""
    row = Speed(name, dtype, size, mode)
    run, arrays = MODES[mode]
    x = batch(f, size, dtype)
    row.rival, ours, other = _both(name, f, dtype)
    calls = {"ours": partial(jax.jit(run(ours)), x)}
    try:
        jax.block_until_ready(calls["ours"]())
    except Exception as error:  # whatever a user's function raises is the finding
        row.note = f"{type(error).__name__}: {error}"
        return row
    others: dict[str, Any] = {"floor": partial(_plus_one, x)}
    if other is not None:
        others["rival"] = partial(jax.jit(run(other)), x)
    if torch is not None:
        others["torch"] = torch_call(torch, name, mode, x)
    calls |= {n: call for n, call in others.items() if _works(call)}
    times = interleaved(calls, rounds)
    row.ns = median(times, "ours", 1e-9 * size)
    row.floor_ns = median(times, "floor", 1e-9 * size)
    row.rival_ns = median(times, "rival", 1e-9 * size)
    row.torch_ns = median(times, "torch", 1e-9 * size)
    row.to_floor = ratio(times, "ours", "floor")
    row.to_rival = ratio(times, "ours", "rival")
    row.to_torch = ratio(times, "ours", "torch")
    if row.ns and row.to_floor:
        row.gb_per_s = arrays * x.dtype.itemsize / row.ns
        row.of_copy = arrays / 2 / row.to_floor
    return row


@jax.jit
def _plus_one(x: jax.Array) -> jax.Array:
    return x + 1


@jax.jit
def _bare(x: jax.Array) -> jax.Array:
    return jnp.maximum(x, 0)


def _works(call: Callable[[], Any] | None) -> bool:
    """Whether there is such a call, and it can be made."""
    try:
        return call is not None and jax.block_until_ready(call()) is not None
    except Exception:  # another library's function may fail in ways of its own
        return False


def _overhead(name: str, f: Function, dtype: str, *, rounds: int) -> Overhead:
    """What a call costs beside the arithmetic, and what the compiler made of it."""
    row = Overhead(name, dtype)
    x = batch(f, 8, dtype)
    row.rival, f, other = _both(name, f, dtype)
    try:
        jax.block_until_ready(f(x))
        compiled = _compile_times({"ours": f, "rival": other}, x)
        row.compile_ms = median(compiled, "ours", 1e-3)
        row.rival_compile_ms = median(compiled, "rival", 1e-3)
        large = jax.ShapeDtypeStruct((_SIZE,), x.dtype)
        row.ops, row.kernels = _compiled(f, large)
        row.vjp_ops, row.vjp_kernels = _compiled(value_and_pullback(f), large)
        row.residual_bytes = residual_bytes(f, dtype)
    except Exception as error:  # whatever a user's function raises is the finding
        row.note = f"{type(error).__name__}: {error}"
        return row
    calls = {"ours": partial(f, x), "bare": partial(_bare, x)}
    if other is not None and _works(partial(other, x)):
        calls["rival"] = partial(other, x)
        row.rival_ops, row.rival_kernels = _compiled(other, large)
        pullback = value_and_pullback(other)
        row.rival_vjp_ops, row.rival_vjp_kernels = _compiled(pullback, large)
        row.rival_residual_bytes = residual_bytes(other, dtype)
    times = interleaved(calls, rounds, eager=True)
    row.eager_us = median(times, "ours", 1e-6)
    row.bare_us = median(times, "bare", 1e-6)
    row.rival_eager_us = median(times, "rival", 1e-6)
    row.eager_to_bare = ratio(times, "ours", "bare")
    return row


def _compile_times(both: dict[str, Function | None], x: jax.Array) -> Times:
    """The time to trace and compile value_and_grad of a sum."""

    def job(f: Function) -> None:
        step = jax.jit(jax.value_and_grad(lambda x: jnp.sum(f(x))))
        step.lower(x).compile()

    jobs = {n: partial(job, f) for n, f in both.items() if f and _works(partial(f, x))}
    return compile_times(jobs, _COMPILES)


def _compiled(f: Function, x: Any) -> tuple[int, int]:
    """The HLO operations and the kernels of f compiled."""
    compiled = jax.jit(f).lower(x).compile()
    return instructions(compiled), kernels(compiled)


def _model(kind: str, name: str, f: Function, dtype: str, *, rounds: int) -> Model:
    """A training step with ours and with the rival: time and memory."""
    row = Model(kind if kind == "SwiGLU" else f"{kind} {name}", dtype)
    if kind == "MLP":
        step, matrices = workloads.mlp_step, 2
        row.rival, f, other = _both(name, f, dtype)
    else:
        step, matrices = workloads.glu_step, 3
        row.rival, other = "jax.nn", workloads.plain_swiglu
    both = {"ours": f, "rival": other}
    arrays = workloads.inputs(dtype, matrices)
    steps: dict[str, Any] = {}
    for who, act in both.items():
        try:
            if act is not None:
                steps[who] = step(act).lower(*arrays).compile()
        except Exception as error:  # whatever a user's function raises is the finding
            if who == "ours":
                row.note = f"{type(error).__name__}: {error}"
                return row
    memory = {who: workloads.temp_bytes(compiled) for who, compiled in steps.items()}
    row.temp_bytes, row.rival_temp_bytes = memory["ours"], memory.get("rival")
    times = interleaved({w: partial(s, *arrays) for w, s in steps.items()}, rounds)
    row.step_ms = median(times, "ours", 1e-3)
    row.rival_step_ms = median(times, "rival", 1e-3)
    row.to_rival = ratio(times, "ours", "rival")
    if kind == "MLP":
        shapes = workloads.shapes(dtype, matrices, workloads.UNROLLED)
        jobs = {who: partial(_compile_unrolled, both[who], shapes) for who in steps}
        compiled = compile_times(jobs, _COMPILES)
        row.compile_s = median(compiled, "ours", 1)
        row.rival_compile_s = median(compiled, "rival", 1)
        row.compile_to_rival = ratio(compiled, "ours", "rival")
    return row


def _compile_unrolled(act: Any, shapes: Any) -> None:
    workloads.unrolled_step(act).lower(*shapes).compile()
