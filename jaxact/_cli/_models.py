"""``jaxact models``: time and memory of training steps."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import typer

from . import _workloads as workloads
from ._functions import JsonFile, benched_dtype, both, functions
from ._report import Column, JsonLines, Listing, Number, each, say, show_failures, three
from ._timing import Function, compile_times, interleaved, median, ratio


@dataclass
class Model:
    """A training step: time, memory of intermediate results, compile time unrolled."""

    model: str
    dtype: str
    rival: str = ""
    step_ms: Number = None
    rival_step_ms: Number = None
    to_rival: Number = None
    temp_bytes: Number = None
    rival_temp_bytes: Number = None
    compile_s: Number = None
    rival_compile_s: Number = None
    compile_to_rival: Number = None
    note: str = ""


def models(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME | MODULE:ATTRIBUTE]...",
            help="Activations of the MLP; gelu_tanh if none is given.",
            show_default=False,
        ),
    ] = None,
    dtype: Annotated[
        list[str] | None,
        typer.Option(help="float32 and bfloat16 by default.  Repeatable."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Timings of each step.")] = 5,
    json_file: JsonFile = None,
) -> None:
    """Time training steps: a scanned MLP, and SwiGLU, beside what they replace.

    And the memory of their intermediate results, and the time to compile the MLP with
    its layers written out.
    Exits with 1 if a function cannot be run, with 2 for unusable arguments.
    """
    dtypes = [benched_dtype(d) for d in dtype or ["float32", "bfloat16"]]
    kinds = [("MLP", *item) for item in functions(names or ["gelu_tanh"]).items()]
    kinds += [("SwiGLU", *item) for item in functions(["swiglu"]).items()]
    work = [(*kind, d) for d in dtypes for kind in kinds]
    say("training step of a scanned model, compile time of one written out")
    table, lines, failures = Listing(_COLUMNS), JsonLines(json_file), []
    for row in each(partial(_model, rounds=rounds), work):
        lines.row(row)
        table.row(_cells(row))
        failures += [f"{row.model} {row.dtype}: {row.note}"] if row.note else []
    show_failures(failures)
    if failures:
        raise typer.Exit(1)


def _model(kind: str, name: str, f: Function, dtype: str, *, rounds: int) -> Model:
    """A training step with ours and with the rival: time and memory."""
    row = Model(kind if kind == "SwiGLU" else f"{kind} {name}", dtype)
    if kind == "MLP":
        step, matrices = workloads.mlp_step, 2
        row.rival, f, other = both(name, f, dtype)
    else:
        step, matrices = workloads.glu_step, 3
        row.rival, other = "jax.nn", workloads.plain_swiglu
    pair = {"ours": f, "rival": other}
    arrays = workloads.inputs(dtype, matrices)
    steps: dict[str, Any] = {}
    for who, act in pair.items():
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
        jobs = {who: partial(_compile_unrolled, pair[who], shapes) for who in steps}
        compiled = compile_times(jobs)
        row.compile_s = median(compiled, "ours", 1)
        row.rival_compile_s = median(compiled, "rival", 1)
        row.compile_to_rival = ratio(compiled, "ours", "rival")
    return row


def _compile_unrolled(act: Any, shapes: Any) -> None:
    workloads.unrolled_step(act).lower(*shapes).compile()


_COLUMNS = [
    Column("model", 13, number=False),
    Column("rival", 7, number=False),
    Column("dtype", 8, number=False),
    *(Column("ours\nms", 4), Column("rival\nms", 5), Column("ra-\ntio", 4)),
    *(Column("ours\nMiB", 5), Column("rival\nMiB", 5), Column("ra-\ntio", 4)),
    *(Column("com-\npile", 4), Column("rival\ns", 5), Column("ra-\ntio", 4)),
]


def _cells(row: Model) -> list[str]:
    ours, theirs = row.temp_bytes, row.rival_temp_bytes
    numbers = [
        *(row.step_ms, row.rival_step_ms, row.to_rival),
        *(ours and ours / 2**20, theirs and theirs / 2**20),
        ours / theirs if ours and theirs else None,
        *(row.compile_s, row.rival_compile_s, row.compile_to_rival),
    ]
    return [row.model, row.rival, row.dtype, *map(three, numbers)]
