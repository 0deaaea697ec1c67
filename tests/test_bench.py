"""The bench command as a user runs it, and what it measures without a clock."""

import functools
import math
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reports import read
from typer.testing import CliRunner

import jaxact
from jaxact import catalogue
from jaxact._cli import (
    _bench,
    _overhead,
    _timing as timing,
    _workloads as workloads,
    app,
)
from jaxact._cli._functions import both, counterpart, functions, rival
from jaxact._cli._plain import PLAIN
from jaxact.combinators import compose
from jaxact.testing._measure import given

pytestmark = pytest.mark.slow  # says nothing new with another JAX

MINE = """
import jax


def square(x):
    return x * x


def broken(x):
    raise ValueError("boom")


def pairs(x):
    return x[:-1] * x[1:]
"""

# Of the value, and of value and pullback: one for every output.  The two outputs of
# these share a root or a quotient, which XLA stores rather than take it twice.
KERNELS = {
    **dict.fromkeys("squareplus gelu_clipped gelu_exact geglu_exact".split(), (1, 3)),
    **dict.fromkeys("isru isrlu asinh b_silu".split(), (1, 3)),
    "sqrt_softplus": (1, 4),
    "smish": (2, 5),
}
# what is composed has as many as the plain formula, which stores its quotients too
COMPOSED = (1, 5)

# jax.nn.gelu needs 422 MiB up to jax 0.11 and 358 MiB in 0.12; ours 166 MiB in both
SHARE_OF_MEMORY = 0.45 if jax.__version_info__ < (0, 12) else 0.47
SHARE_OF_GLU = 0.65  # 252 of 425 MiB in float32, 267 of 459 in bfloat16


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "mine_bench.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def bench(*args: str, command: str = "bench"):
    return CliRunner().invoke(app, [command, "--rounds", "1", *args])


def report(home, *args: str, command: str = "bench"):
    done = bench(*args, "--json", "rows.json", command=command)
    assert done.exit_code == 0, done.output
    assert max(map(len, done.stdout.splitlines())) <= 80
    head, rows = read(home / "rows.json")
    means = rows.pop()["means"] if "means" in rows[-1] else []
    return {**head, "rows": rows, "means": means}, done.stdout


def test_speed(home):
    found, table = report(
        home, "relu", "gelu_tanh", "--full", "--dtype", "bfloat16",
        "--dtype", "float16", "--size", "1e3", "--size", "10000", "--save", "bars.png",
    )  # fmt: skip
    assert set(found["versions"]) == {"jaxact", "jax", "python"}
    assert found["backend"] == "cpu" and found["cpus"] >= 1 and found["device"]
    keys = {(r["function"], r["dtype"], r["size"], r["mode"]) for r in found["rows"]}
    assert len(found["rows"]) == len(keys) == 2 * 2 * 2 * 4
    assert ("gelu_tanh", "float16", 1000, "second") in keys
    for row in found["rows"]:
        for what in ("ns", "floor_ns", "rival_ns", "to_floor", "to_rival"):
            assert row[what] > 0
        assert row["rival"] == "jax.nn" and row["to_torch"] is None
        assert row["to_floor"] == pytest.approx(row["ns"] / row["floor_ns"])
    assert len(found["means"]) == 2 * 2 * 4
    mean = found["means"][0]
    pair = [r["to_rival"] for r in found["rows"] if _key(r) == _key(mean)]
    assert len(pair) == 2 and mean["to_rival"] == pytest.approx(
        math.sqrt(math.prod(pair))
    )
    assert table.count("geometric mean") == 2 * 2 * 4
    assert "bfloat16, 1,000 elements" in table
    assert (home / "bars.png").read_bytes().startswith(b"\x89PNG")


def _key(row):
    return row["dtype"], row["size"], row["mode"]


def test_one_mode_of_a_function_of_ones_own(home):
    found, table = report(home, "mine_bench:square", "--mode", "jvp", "--size", "100")
    assert found["rows"][0]["rival"] == ""
    assert [(r["dtype"], r["mode"]) for r in found["rows"]] == [
        ("float32", "jvp"),
        ("bfloat16", "jvp"),
    ]
    assert found["rows"][0]["ns"] > 0 and found["rows"][0]["to_rival"] is None
    assert "mine_bench:square" in table


def test_every_activation_can_be_timed():
    for name, f in functions(()).items():
        x = timing.batch(f, 2000, "bfloat16")
        rows = not catalogue.info(name).elementwise
        assert x.shape == ((2, 1000) if rows else (2000,))
        which, f, rival = both(name, f, "bfloat16")
        assert rival is not None
        written = "plain" if name in PLAIN else "formula"
        assert which == ("jax.nn" if counterpart(name, "jax.nn") else written)
        ours, theirs = (
            jax.eval_shape(timing.value_and_pullback(g), x) for g in (f, rival)
        )
        assert ours == theirs
        assert ours[0].dtype == ours[1].dtype == jnp.bfloat16


def test_the_rival_has_our_defaults_and_what_is_required():
    x = jnp.float32(2)
    for f, wanted in (
        (jaxact.isru, 2 / math.sqrt(5)),
        (jaxact.get("isru", alpha=2.0), 2 / 3),
        (jaxact.reglu, 1.5),
        (compose(jaxact.isru, jaxact.relu), 2 / math.sqrt(5)),
    ):
        which, _, rival = both("mine", f, "float32")
        assert which == "formula" and rival is not None
        assert rival(x) == pytest.approx(wanted)
    assert both("mine:relu", jaxact.relu, "float32")[::2] == ("jax.nn", jax.nn.relu)


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_form_is_the_activation(name):
    definition = catalogue.info(name)
    f = definition.function
    which, plain = rival(name, f)
    assert which == "plain" and plain is not None
    numbers = [n for n in definition.parameters if np.ndim(definition.default(n)) == 0]
    numbers = [n for n in numbers if definition.default(n) is not None]
    x = 4 * timing.batch(f, 4000, "float32")
    for some in (
        given(f, {}),
        {name: 0.6 + 0.1 * i for i, name in enumerate(numbers)},
    ):
        (y, pull), (z, plain_pull) = (
            jax.vjp(functools.partial(g, **some), x) for g in (f, plain)
        )
        t = jnp.cos(jnp.arange(z.size, dtype=z.dtype)).reshape(z.shape)
        for ours, theirs in ((y, z), (pull(t)[0], plain_pull(t)[0])):
            np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-4)


def test_of_the_catalogue_what_others_have_is_printed(home, monkeypatch):
    few = dict.fromkeys(["serf", "mish", "log1mexp"])
    monkeypatch.setattr(_bench, "functions", lambda names: functions(names or few))
    how = ["--mode", "forward", "--dtype", "float32", "--size", "100"]
    found, table = report(home, *how, "--save", "bars.png")
    assert [r["function"] for r in found["rows"]] == list(few)
    assert [r["rival"] for r in found["rows"]] == ["formula", "jax.nn", "jax.nn"]
    assert "mish" in table and "log1mexp" in table and "serf" not in table
    (mean,) = found["means"]
    product = math.prod(r["to_rival"] for r in found["rows"])
    assert mean["to_rival"] == pytest.approx(product ** (1 / 3))
    assert mean["function"] == "geometric mean, catalogue" and mean["function"] in table
    _, table = report(home, *how, "--catalogue")
    assert "serf" in table and "geometric mean, catalogue" in table
    _, table = report(home, "serf", *how)
    assert "serf" in table and "catalogue" not in table
    monkeypatch.setattr(_overhead, "functions", lambda names: functions(names or few))
    found, table = report(home, command="overhead")
    assert len(found["rows"]) == 3 and "serf" not in table


def test_on_an_accelerator_the_bandwidth_is_reported(home, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    found, table = report(home, "relu", "--size", "1e4", "--dtype", "bfloat16")
    forward, vjp = found["rows"]
    assert forward["gb_per_s"] == pytest.approx(2 * 2 / forward["ns"])
    assert forward["of_copy"] == pytest.approx(1 / forward["to_floor"])
    assert vjp["of_copy"] == pytest.approx(1.5 / vjp["to_floor"])
    assert "GB/s" in table and "gpu (cpu" in table
    done = bench("relu", "--torch")
    assert done.exit_code == 2
    assert "--torch compares on the CPU; JAX runs on gpu" in done.stderr


def test_overhead(home):
    found, table = report(home, "relu", "mine_bench:square", command="overhead")
    relu, square = found["rows"]
    assert relu["dtype"] == "float32" and relu["residual_bytes"] == 4
    assert relu["rival_residual_bytes"] == 5
    assert (relu["kernels"], relu["vjp_kernels"]) == (1, 2)
    assert 1 < relu["ops"] < relu["vjp_ops"]
    timed = [k for k in relu if "_us" in k or "_ms" in k or "_to_" in k]
    assert len(timed) == 6 and all(relu[k] > 0 for k in timed)
    assert square["eager_us"] > 0 and square["rival_ops"] is None
    assert "eager calls on 8 elements" in table


@pytest.fixture
def small(monkeypatch):
    for name, size in dict(BATCH=8, WIDTH=8, HIDDEN=8, SCANNED=3, UNROLLED=2).items():
        monkeypatch.setattr(workloads, name, size)


@pytest.mark.usefixtures("small")
def test_models(home):
    found, table = report(home, "--dtype", "float32", command="models")
    mlp, glu = found["rows"]
    assert mlp["model"] == "MLP gelu_tanh" and glu["model"] == "SwiGLU"
    for row in (mlp, glu):
        assert row["step_ms"] > 0 and row["to_rival"] > 0
        assert 0 < row["temp_bytes"] < row["rival_temp_bytes"]
    assert mlp["compile_s"] > 0 and glu["compile_s"] is None
    assert "training step" in table
    found, _ = report(
        home, "mine_bench:square", "relu", "--dtype", "bfloat16", command="models"
    )
    names = ["MLP mine_bench:square", "MLP relu", "SwiGLU"]
    assert [r["model"] for r in found["rows"]] == names
    assert found["rows"][0]["to_rival"] is None


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("command", ["bench", "overhead", "models"])
def test_what_cannot_be_run_is_said(home, command):
    done = bench("mine_bench:broken", "--dtype", "float32", command=command)
    assert done.exit_code == 1, done.output
    assert "mine_bench:broken float32: ValueError: boom" in done.stdout


def test_what_has_no_such_derivative_is_said(home):
    done = bench("mine_bench:pairs", "--mode", "second", "--size", "10")
    assert done.exit_code == 1
    assert "mine_bench:pairs float32: TypeError: derivative: pairs" in done.stdout


@pytest.mark.filterwarnings("ignore::FutureWarning:torch")
def test_torch(home):
    pytest.importorskip("torch")
    found, table = report(
        home, "silu", "squareplus", "--torch", "--full", "--size", "100",
        "--dtype", "bfloat16",
    )  # fmt: skip
    assert "torch" in found["versions"] and "/torch" in table
    silu, squareplus = found["rows"][:4], found["rows"][4:]
    assert all(r["to_torch"] > 0 for r in silu)
    assert all(r["to_torch"] is None for r in squareplus)


def test_without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    done = bench("relu", "--torch")
    assert done.exit_code == 2
    assert "pip install torch" in done.stderr


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["rleu"], "did you mean"),
        (["mine_bench:sqare"], "did you mean square?"),
        (["relu", "--dtype", "int32"], "'int32' is not a floating dtype"),
        (["relu", "--dtype", "float64"], "float64 needs JAX_ENABLE_X64=1"),
        (["relu", "--size", "0.5"], "--size 0.5: a number of elements"),
        (["relu", "--size", "nan"], "--size nan: a number of elements"),
        (["relu", "--size", "many"], "'--size'"),
        (["relu", "--mode", "third"], "'--mode'"),
        (["relu", "--rounds", "0"], "'--rounds'"),
        (["relu", "--json", "no/where.json"], "there is no directory no"),
        (["relu", "--save", "bars.svg"], "name it bars.png"),
        (["mine_bench:square", "--save", "bars.png"], "nothing to draw"),
    ],
)
def test_unusable_arguments(home, args, complaint):
    done = bench(*args)
    assert done.exit_code == 2
    assert complaint in done.stderr


def test_as_a_module(home):
    command = "bench silu --size 1e3 --rounds 1 --mode forward --dtype float32"
    done = subprocess.run(
        [sys.executable, "-m", "jaxact", *command.split()],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "silu" in done.stdout and "cpu (cpu" in done.stdout


def test_calls_are_timed_in_turn():
    log = []

    def call(name):
        log.append(name)
        time.sleep(timing._LEAST)

    times = timing.interleaved({n: lambda n=n: call(n) for n in "abc"}, 4)
    assert "".join(log[-12:]) == "abc" * 4
    assert all(len(seconds) == 4 for seconds in times.values())


def test_ratios_are_medians_over_the_rounds():
    times = {"one": np.array([2.0, 2, 90]), "other": np.array([1.0, 1, 30])}
    assert timing.ratio(times, "one", "other") == 2
    assert timing.ratio(times, "one", "none") is None
    assert timing.median(times, "one", 0.5) == 4


def test_hlo_is_counted():
    text = """HloModule jit_f, is_scheduled=true

FileNames
1 "f.py"

%fused (p: f32[8]) -> f32[8] {
  %p = f32[8]{0} parameter(0)
  ROOT %tanh.1 = f32[8]{0:T(256)} tanh(%p), metadata={op_name="jit(f)/a = b(c)"}
}

ENTRY %main.4 (x.1: f32[8]) -> (f32[8], f32[8]) {
  %x.1 = f32[8]{0} parameter(0), metadata={op_name="x"}
  %wide = (f32[8]{0:T(256)}, /*index=1*/f32[8]{0}) fusion(%x.1), calls=%fused
  %copy.2 = f32[8]{0} copy(%x.1)
  %part = f32[8]{0} get-tuple-element(%wide), index=0
  ROOT %tuple.1 = (f32[8]{0}, f32[8]{0}) tuple(%part, %copy.2)
}
"""

    class Compiled:
        def as_text(self):
            return text

    assert timing.instructions(Compiled()) == 7
    assert timing.kernels(Compiled()) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [n for n in catalogue.defined() if catalogue.info(n).elementwise]
)
def test_one_kernel_for_every_output(name):
    f = functools.partial(catalogue.get(name), **given(catalogue.get(name), {}))
    x = jax.ShapeDtypeStruct((1_000_000,), jnp.float32)
    by_hand = ("x",) in catalogue.info(name).kernels
    most_of = KERNELS.get(name, (1, 2) if by_hand else COMPOSED)
    for g, most in zip((f, timing.value_and_pullback(f)), most_of, strict=True):
        assert timing.kernels(jax.jit(g).lower(x).compile()) <= most


def test_memory_of_the_scanned_mlp():
    ours = workloads.mlp_temp_bytes(jaxact.gelu)
    theirs = workloads.mlp_temp_bytes(jax.nn.gelu)
    assert ours is not None and theirs is not None
    assert ours <= SHARE_OF_MEMORY * theirs


@pytest.mark.parametrize("name", "gelu silu gelu_exact tanh sigmoid mish".split())
def test_no_constant_of_an_activation_is_kept_beside_a_scan(name):
    ours = workloads.mlp_temp_bytes(getattr(jaxact, name))
    least = workloads.mlp_temp_bytes(jax.checkpoint(jax.nn.silu))  # keeps x alone
    assert ours is not None and least is not None
    assert ours <= least


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_memory_of_the_scanned_swiglu(dtype):
    ours = workloads.glu_temp_bytes(jaxact.swiglu, dtype)
    theirs = workloads.glu_temp_bytes(workloads.plain_swiglu, dtype)
    assert ours is not None and theirs is not None
    assert ours <= SHARE_OF_GLU * theirs
