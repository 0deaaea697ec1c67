"""``jaxact compare``: the same model trained with each activation, and looked into."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import typer

from .._core import lookup
from ..diagnose import Finding
from ..transforms.observe import tap
from ._compare_report import Compared, picture, report
from ._functions import (
    JsonFile,
    benched_dtype,
    close,
    examples,
    functions,
    imported,
    refuse,
    writable,
)
from ._report import JsonLines, Progress, show_failures

if TYPE_CHECKING:  # it needs optax, which the other commands do not
    from ._training import Training

DEFAULTS = ["relu", "leaky_relu", "gelu_tanh", "sigmoid"]
INITIALIZERS = [
    *("he_normal", "he_uniform", "lecun_normal", "lecun_uniform"),
    *("glorot_normal", "glorot_uniform", "orthogonal"),
]
Build = Callable[[Any], Any]


def compare(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME | MODULE:ATTRIBUTE]...",
            help=f"Activations; {', '.join(DEFAULTS)} if none is given.",
            show_default=False,
        ),
    ] = None,
    depth: Annotated[
        int | None, typer.Option(min=1, help="Hidden layers of the MLP; 8 by default.")
    ] = None,
    width: Annotated[
        int | None, typer.Option(min=1, help="Units of each of them; 64 by default.")
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="NAME | MODULE:ATTRIBUTE",
            help="What the weights begin with: an initializer of jax.nn.initializers, "
            "or a function of key, shape and dtype; he_normal by default.",
        ),
    ] = None,
    bias: Annotated[
        float | None, typer.Option(help="What the biases begin with; 0 by default.")
    ] = None,
    dtype: Annotated[
        str, typer.Option(help="Of activations; weights are in float32 at least.")
    ] = "float32",
    steps: Annotated[int, typer.Option(min=1, help="Steps of Adam.")] = 600,
    rate: Annotated[float, typer.Option(help="The learning rate.")] = 1e-3,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each.")] = 3,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:ATTRIBUTE",
            help="A model of yours in place of the MLP: a function of an activation "
            "that gives init(key, x) and apply(params, x), which gives scores.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:ATTRIBUTE",
            help="Data of yours in place of the digits: a function that gives samples "
            "and the numbers of their classes.",
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            callback=writable,
            help="Draw a PNG: the loss, and the dead units of each layer.",
        ),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Train the same model with each activation, and say what goes wrong in it.

    An MLP on scikit-learn's handwritten digits, the seeds side by side: accuracy, time
    and memory of a step, dead and saturated units, the gradient by depth, and the
    findings of jaxact.diagnose.
    Exits with 1 if an activation cannot be trained, with 2 for unusable arguments.
    """
    _require(data, save)
    if save and save.suffix.lower() != ".png":
        refuse(f"--save {save}: the picture is a PNG; name it {save.stem}.png")
    mine = {"--depth": depth, "--width": width, "--init": init, "--bias": bias}
    unused = [option for option, value in mine.items() if value is not None]
    if model and unused:
        refuse(f"{', '.join(unused)}: of the MLP, but there is --model {model}")
    if not 0 < rate < np.inf:
        refuse(f"--rate {rate:g}: it has to be positive")
    dtype = benched_dtype(dtype)
    chosen = _activations(names or DEFAULTS, dtype, 16 if model else width or 64)
    from . import _training as training  # once it is known that optax is there

    x, y = _samples(data) if data else training.digits()
    arrays = training.prepared(x, y, dtype)
    if model:
        build = partial(_built, model, imported(model))
    else:
        arrays = arrays.flat()
        start = _initializer(init or "he_normal"), bias or 0.0
        shape = training.Shape(depth or 8, width or 64, int(np.max(y)) + 1, *start)
        build = partial(training.mlp, shape)
    begin = {
        name: partial(_begun, build, f, arrays, seeds, rate)
        for name, f in chosen.items()
    }
    trained, failures = _trained(begin, training.parts(steps))
    rows = [_row(name, one) for name, one in trained.items()]
    options = {n.strip("-"): v for n, v in mine.items() if v is not None}
    told = dict(
        dtype=dtype, steps=steps, rate=rate, seeds=seeds, model=model, data=data
    )
    lines = JsonLines(json_file, training.versions(), **options, **told)
    for row in rows:
        lines.row(row)
    report(rows, steps, seeds)
    if save and rows:
        picture(rows, save)
    show_failures(failures)
    if failures:
        raise typer.Exit(1)


def _require(data: str | None, save: Path | None) -> None:
    needed = {"optax": "optax"}
    needed |= {} if data else {"sklearn": "scikit-learn"}
    needed |= {"matplotlib": "matplotlib"} if save else {}
    missing = [p for m, p in needed.items() if importlib.util.find_spec(m) is None]
    if missing:
        refuse(
            f"compare needs {', '.join(missing)}; "
            'install it with: pip install "jaxact[compare]"'
        )


def _activations(names: Sequence[str], dtype: str, width: int) -> dict[str, Any]:
    """The activations as functions of x alone, all of them to be seen by `observe`."""
    found: dict[str, Any] = {}
    x = jax.ShapeDtypeStruct((2, width), dtype)
    for name, f in functions(names).items():
        definition = lookup(f)
        if definition is None:
            f = tap(name, f)
        elif definition.family.startswith("gated_units"):
            refuse(f"{name} is a function of two arrays, a gate and a value")
        if set_here := examples(f, dtype):
            f = partial(f, **set_here)
        try:
            y = jax.eval_shape(f, x)
        except Exception as error:  # whatever a user's function raises
            refuse(f"{name} is not a function of one array: {error!s:.200}")
        if getattr(y, "shape", None) != x.shape:
            refuse(f"{name} does not keep the shape of its operand")
        found[name] = f
    return found


def _initializer(name: str) -> Any:
    if ":" in name:
        return imported(name)
    if name not in INITIALIZERS:
        refuse(f"--init: no initializer {name!r}{close(name, INITIALIZERS)}")
    return getattr(jax.nn.initializers, name)()


def _samples(spec: str) -> tuple[Any, Any]:
    """What a user's function gives, if it is samples and classes."""
    try:
        x, y = map(np.asarray, imported(spec)())
    except Exception as error:  # whatever a user's function raises
        refuse(f"--data {spec}: {type(error).__name__}: {error}")
    wanted = "expected samples [n, ...] and classes [n] from 0, n 5 at least"
    numbers = jnp.issubdtype(x.dtype, jnp.number) or x.dtype == bool
    if not numbers or x.ndim < 2 or y.shape != x.shape[:1] or len(x) < 5:
        refuse(f"--data {spec}: got {_kind(x)} and {_kind(y)}; {wanted}")
    if not jnp.issubdtype(y.dtype, jnp.integer) or np.min(y) < 0:
        refuse(f"--data {spec}: the classes are {_kind(y)}; {wanted}")
    return x, y


def _kind(v: np.ndarray) -> str:
    return f"{v.dtype}{list(v.shape)}"


def _built(spec: str, build: Build, activation: Any) -> Any:
    """A user's model, if it is one."""
    model = build(activation)
    if not (isinstance(model, tuple) and len(model) == 2 and all(map(callable, model))):
        refuse(f"--model {spec}: expected it to give (init, apply), got {model!r:.60}")
    return model


def _begun(build: Build, f: Any, arrays: Any, seeds: int, rate: float) -> "Training":
    from ._training import Training

    return Training(build(f), arrays, seeds, rate)


def _trained(
    begin: Mapping[str, Callable[[], "Training"]], parts: Sequence[int]
) -> tuple[dict[str, "Training"], list[str]]:
    """All of them, some steps of each in turn: a change of pace meets them all."""
    progress = Progress(len(begin) * (len(parts) + 1))
    training: dict[str, Training] = {}
    failures = []
    try:
        for name, start in begin.items():
            progress.show(f"compiling {name}")
            try:
                training[name] = start()
            except typer.Exit:
                raise
            except Exception as error:  # whatever a user's function raises
                failures.append(f"{name}: {type(error).__name__}: {error}")
            progress.done += 1
        for steps in parts:
            for name, one in training.items():
                progress.show(f"training {name}")
                one.take(steps)
                progress.done += 1
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    finally:
        progress.clear()
    return training, failures


def _row(name: str, trained: "Training") -> Compared:
    probes, last = trained.probes, min(20, len(trained.losses))
    losses = np.asarray(trained.losses, np.float64)
    layers = list(probes[0].figures[0])

    def by_layer(figure: str) -> list[list[float]]:
        return [
            [float(np.mean([seed[n][figure] for seed in p.figures])) for n in layers]
            for p in probes
        ]

    ended = _told(probes[-1].findings)
    begun = {k: v for k, v in _told(probes[0].findings).items() if k not in ended}
    return Compared(
        function=name,
        accuracy=trained.accuracy().tolist(),
        loss=np.mean(losses[-last:], axis=0).tolist(),
        step_ms=1e3 * float(np.median(trained.seconds)),
        temp_bytes=trained.temp_bytes,
        layers=layers,
        probes=[p.step for p in probes],
        dead=by_layer("dead"),
        saturated=by_layer("saturated"),
        gradient=by_layer("gradient"),
        losses=losses.round(6).tolist(),
        findings=[
            f"{when}, {line}"
            for when, lines in (("at the end", ended), ("at the start", begun))
            for line in lines.values()
        ],
    )


def _told(findings: Sequence[Sequence[Finding]]) -> dict[str, str]:
    """A line for each kind of finding: the worst of it, and how often there is it."""
    found = [(k, f) for k, some in enumerate(findings) for f in some]
    found.sort(key=lambda pair: -pair[1].severity)
    lines = {}
    for kind in dict.fromkeys(f.kind for _, f in found):
        these = [(k, f) for k, f in found if f.kind == kind]
        often, sites = len({k for k, _ in these}), len({f.site for _, f in these})
        where = f" and {sites} layers" if sites > 1 else ""
        lines[kind] = f"in {often} of {len(findings)} seeds{where}: {these[0][1]}"
    return lines
