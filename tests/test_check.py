"""The check command, as a user runs it."""

import importlib
import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from reports import read
from typer.testing import CliRunner

from jaxact import gelu_tanh
from jaxact._cli import _check, app
from jaxact._cli._functions import functions
from jaxact._core import lookup
from jaxact.testing._exhaustive import examine, version_of
from jaxact.testing._oracle import question

pytestmark = pytest.mark.slow  # says nothing new with another JAX

MINE = '''
import jax
import jax.numpy as jnp
from jaxact._core import activation, derivative_of, lookup


@activation(kinks=(0.0,))
def ramp(x, slope=0.25):
    """A ramp.

    ramp(x, slope) = x if x > 0 else slope * x
    """
    return jnp.where(x > 0, x, slope * x)


@derivative_of(ramp)
def _ramp_dx(x, slope):
    return jnp.where(x > 0, 1, slope)


@activation
def wrong(x):
    """A square, its derivative without the factor 2.

    wrong(x) = x**2
    """
    return x * x


@derivative_of(wrong)
def _wrong_dx(x):
    return x


@activation
def unproven(x):
    return x * jax.nn.sigmoid(x)


@activation
def quartic(x):
    """quartic(x) = x**4"""
    return x**4


@derivative_of(quartic)
def _quartic_dx(x):
    return 4 * x**3


@derivative_of(quartic, order=2)
def _quartic_dx2(x):
    return 12.01 * x**2


@activation
def breaks(x):
    """breaks(x) = 2 * x"""
    raise ValueError("boom")


number = 3
'''


# what runs in the background of a shell would not hear of an interrupt
PROGRAM = [
    sys.executable,
    "-c",
    "import signal; from jaxact.__main__ import main; "
    "signal.signal(signal.SIGINT, signal.default_int_handler); main()",
]


@pytest.fixture
def home(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


@pytest.fixture
def here(home, monkeypatch):
    """The command in this process: what it says, and the rows it writes."""
    monkeypatch.chdir(home)
    monkeypatch.syspath_prepend(str(home))

    def check(*args):
        done = CliRunner().invoke(app, ["check", "--json", "rows.json", *args])
        written = home / "rows.json"
        return done, read(written)[1] if written.exists() else []

    return check


def jaxact(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jaxact", *args],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_sound_activation_is_proven(home):
    done = jaxact("check", "mine:ramp", "--json", "rows.json", cwd=home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 of 12 rows within their bounds" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    report, found = read(home / "rows.json")
    assert report["backend"] == "cpu"
    assert set(report["versions"]) == {"jaxact", "jax", "python"}
    rows = {(r["dtype"], r["order"], r["wrt"]): r for r in found}
    assert len(rows) == 12
    assert rows["bfloat16", 0, "x"]["residual_bytes"] <= 2
    assert rows["float32", 1, "x"]["formula_grad"] == "ok"
    assert rows["bfloat16", 1, "x"]["formula_grad"] == ""  # once is enough
    assert rows["float32", 2, "x"]["note"] == "derivative by JAX"
    assert rows["float32", 1, "slope"]["max_ulp"] == 0
    assert all(r["within_051"] == 1 for r in found)


def test_a_wrong_derivative_is_caught_and_placed(here):
    done, _ = here("mine:wrong", "--dtype", "bfloat16")
    assert done.exit_code == 1, done.output
    value, first, first_why, second, second_why, end = done.stdout.splitlines()[-6:]
    assert value.split()[:3] == ["mine:wrong", "bfloat16", "0"] and "ok" in value
    for line, why in ((first, first_why), (second, second_why)):
        assert line.split()[0] == "mine:wrong" and line.split()[-1] == "FAIL"
        assert why.startswith("    FAIL: over 0.51 ULP at x = ") and "exact" in why
        assert "; not that of jax.grad of the formula" in why
    assert end.startswith("1 of 3 rows within their bounds, 2 not; ")


def test_what_is_not_within_is_said_again_below_a_long_table(here, monkeypatch):
    names = ["mine:wrong", "mine:unproven"]
    options = ["--dtype", "bfloat16", "--jobs", "1"]
    short, _ = here(*names, *options)
    monkeypatch.setenv("LINES", "3")
    long, _ = here(*names, *options)
    assert short.stdout.count("over 0.51 ULP at x =") == 2
    assert long.stdout.count("over 0.51 ULP at x =") == 4
    first, second, unproven, end = long.stdout.splitlines()[-4:]
    assert first.startswith("mine:wrong bfloat16 1: FAIL: over 0.51 ULP at x =")
    assert second.startswith("mine:wrong bfloat16 2: FAIL: over 0.51 ULP at x =")
    assert unproven == "mine:unproven bfloat16: not proven: no formula: nothing proven"
    assert end.startswith("1 of 4 rows within their bounds")


def test_a_large_sample_in_pieces(here, monkeypatch):
    monkeypatch.setattr("jaxact._cli._jobs._PIECE", 2**14)
    done, rows = here("mine:wrong", "--dtype", "float32", "--samples", "50000")
    assert done.exit_code == 1
    value, slope, _ = rows
    assert value["max_ulp"] <= 0.5 and value["within_051"] == 1
    assert slope["max_ulp"] > 1e6 and slope["within_051"] < 0.2
    assert slope["verdict"] == "FAIL"


def test_parameters_by_value(here):
    done, rows = here("mine:ramp", "--dtype", "float32", "--parameter", "slope=0.5",
                      "--parameter", "slope=-3")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert [r["parameters"]["slope"] for r in rows] == 4 * [0.5] + 4 * [-3.0]
    lines = done.stdout.splitlines()
    names = [line.split()[0] for line in lines if "float32" in line]
    assert names == 4 * ["mine:ramp(slope=0.5)"] + 4 * ["mine:ramp(slope=-3)"]
    # what is longer than its column has a line of its own
    numbers = [lines[n + 1] for n, line in enumerate(lines) if line.endswith("slope")]
    assert len(numbers) == 2 and all("\u2013" in line for line in numbers)


@pytest.fixture
def few(home, monkeypatch):
    """An exhaustive check of the first 48 K numbers, in three parts."""
    monkeypatch.chdir(home)
    monkeypatch.syspath_prepend(str(home))
    for module in ("jaxact.testing._exhaustive", "jaxact._cli._exhaust"):
        monkeypatch.setattr(f"{module}.PATTERNS", 3 * 2**14)
    monkeypatch.setattr("jaxact.testing._exhaustive.CHUNK", 2**14)
    return home


def test_exhaustive_goes_on_where_it_was(few):
    arguments = ["check", "mine:wrong", "--exhaustive", "--order", "0", "--order", "1"]
    state, rows = few / "state.json", few / "rows.json"
    arguments += ["--state", str(state), "--json", str(rows)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1, done.output  # the slope of the last numbers is wrong
    whole = read(rows)[1]
    assert [r["count"] for r in whole] == 2 * [3 * 2**14]
    kept = json.loads(state.read_text())
    entry = kept["jaxact exhaustive"]["mine:wrong"]
    assert entry["next"] == 3 * 2**14

    # as if it had been stopped after the first part
    mine = importlib.import_module("mine")
    asked = question(mine.wrong)
    first = examine(mine.wrong, asked, (0, 1), {}, 0, 2**14)
    entry["next"] = 2**14
    for order, found in enumerate(first):
        entry["found"][str(order)] = {k: str(v) for k, v in asdict(found).items()}
        entry["found"][str(order)] |= {"wrong": found.wrong, "count": found.count}
    state.write_text(json.dumps(kept))
    assert CliRunner().invoke(app, arguments).exit_code == 1
    assert read(rows)[1] == whole

    entry["version"] = "0"
    state.write_text(json.dumps(kept))
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert "is of another version of mine:wrong" in done.stderr
    state.write_text("{}")
    assert "is not a state" in CliRunner().invoke(app, arguments).stderr


def test_a_state_is_of_one_version_of_all_that_computes(monkeypatch):
    asked = question(gelu_tanh)
    version = version_of(gelu_tanh, asked)
    assert version == version_of(gelu_tanh, asked)
    bytes_of = Path.read_bytes
    for name in ("polynomials.py", "rule.py", "gelus.py", "_derivative.py"):

        def changed(file, name=name):
            return bytes_of(file) + b"#" * (file.name == name)

        monkeypatch.setattr(Path, "read_bytes", changed)
        assert version != version_of(gelu_tanh, asked), name


def test_one_wrong_number_among_all():
    def double(x):
        return jnp.where(x == 1.5000001, 3.1, 2 * x)

    asked = question(double, "2 * x")
    first = int(np.float32(1.5).view(np.uint32))
    (found,) = examine(double, asked, (0,), {}, first - 2**17, first + 2**17)
    assert found.worst_at == float(np.float32(1.5000001))
    assert found.got == float(np.float32(3.1)) and found.count == 2**18
    assert found.share_051 == 1 - 2**-18


def test_an_interrupt_leaves_a_state_to_go_on_from(home):
    state = home / "state.json"
    command = [*PROGRAM, "check", "mine:ramp", "--exhaustive"]
    with subprocess.Popen(
        [*command, "--state", str(state)], cwd=home, stdout=-1, stderr=-1, text=True
    ) as running:
        try:
            wait_for(state.exists)
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=300)
        finally:
            running.kill()
    assert running.returncode == 130, err
    assert "goes on there" in err and "mine:ramp" in out
    (entry,) = json.loads(state.read_text())["jaxact exhaustive"].values()
    assert 0 < entry["next"] < 2**32
    assert {m["count"] for m in entry["found"].values()} == {entry["next"]}


def test_what_has_no_formula_is_not_proven_and_not_a_failure(here):
    done, _ = here("mine:unproven", "--dtype", "float32")
    assert done.exit_code == 0
    assert "    not proven: no formula: nothing proven" in done.stdout
    assert ", 1 not proven; " in done.stdout


def test_against_another_library(home, here):
    (home / "theirs.py").write_text("def ramp(x, slope=0.25):\n    return 0 * x\n")
    done, (row,) = here("mine:ramp", "--dtype", "bfloat16", "--order", "0",
                        "--against", "theirs")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert row["max_ulp"] <= 0.51 and row["against_max_ulp"] > 100
    assert row["against_wrong"] > 0 and row["against_bytes"] == 0
    assert row["against_got"] == 0 and row["against_wanted"] == row["against_at"] != 0
    head, _, line, end = done.stdout.splitlines()[-4:]
    assert head.split()[3:] == ["jaxact", "theirs", "at", "x", "gives", "exact"]
    assert line.split()[4].endswith("*") and line.split()[-1] == "ok"
    assert "1 of 1 rows within their bounds, theirs 0 of 1; " in end


def test_without_names_those_of_jax_nn_are_measured_beside_it(here, monkeypatch):
    few = ["relu", "serf", "sigmoid"]
    monkeypatch.setattr(_check, "functions", lambda names: functions(names or few))
    done, rows = here("--jobs", "1")
    assert done.exit_code == 0, done.output
    assert [(r["function"], r["dtype"], r["order"], r["wrt"]) for r in rows] == [
        (f, d, n, "x")
        for f in ("relu", "sigmoid")
        for d in ("bfloat16", "float32")
        for n in (0, 1)
    ]
    good = [r["against_max_ulp"] <= r["bound"] for r in rows]
    assert good == [True] * 4 + [False] * 2 + [True, False]
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "jax.nn 5 of 8" in done.stdout

    done, rows = here("--all", "--jobs", "1", "--dtype", "bfloat16", "--order", "0")
    assert [r["function"] for r in rows] == few
    assert rows[0]["against_max_ulp"] is None


def test_orders_above_2_are_measured_by_the_size_around(here):
    orders = ["--order", "3", "--order", "4", "--dtype", "float32"]
    done, rows = here("silu", "mine:quartic", "--samples", "2000", *orders)
    assert done.exit_code == 1, done.output
    assert "2^-23" in done.stdout
    verdicts = {(r["function"], r["order"]): r["verdict"] for r in rows}
    assert verdicts == {
        ("silu", 3): "ok",
        ("silu", 4): "ok",
        ("mine:quartic", 3): "FAIL",
        ("mine:quartic", 4): "FAIL",
    }
    assert {r["bound"] * 2**-23 for r in rows} == {1e-5}


STUCK = """
import time
from pathlib import Path
import jaxact


@jaxact.activation
def stuck(x):
    '''stuck(x) = x'''
    while True:
        Path("alive").write_text(str(time.time()))
        time.sleep(0.05)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_processes_end_with_the_command_and_what_is_done_is_kept(home, how):
    (home / "mine_stuck.py").write_text(STUCK)
    command = [*PROGRAM, "check", "mine:ramp", "mine_stuck:stuck", "mine:wrong"]
    options = ["--dtype", "bfloat16", "--order", "0", "--jobs", "2"]
    with subprocess.Popen(
        [*command, *options, "--json", "rows.json"],
        cwd=home, stdout=-1, stderr=-1, text=True,
    ) as running:  # fmt: skip
        try:
            assert running.stdout is not None
            shown = ""
            while not shown.startswith("mine:ramp"):
                shown = running.stdout.readline()
                assert shown, running.communicate()
            wait_for((home / "alive").exists)
            running.send_signal(how)
            out, err = running.communicate(timeout=300)
        finally:
            running.kill()
    # nobody writes any more
    wait_for(lambda: time.time() - float((home / "alive").read_text() or 0) > 2)
    rows = [r["function"] for r in read(home / "rows.json")[1]]
    assert rows[0] == "mine:ramp"
    if how == signal.SIGINT:
        assert running.returncode == 130 and err == ""
        assert f"{len(rows)} of {len(rows)} rows within their bounds" in out


def wait_for(condition):
    deadline = time.monotonic() + 300  # a busy machine takes its time
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_parameter_that_is_infinite_in_a_dtype_proves_nothing(here):
    done, rows = here("smu", "--dtype", "float16", "--order", "1")
    assert done.exit_code == 0
    found = {r["wrt"]: r for r in rows}
    assert found["mu"]["verdict"] == "not proven" and found["x"]["verdict"] == "ok"
    assert found["mu"]["note"] == "mu = 1e+06 is infinite there: nothing proven"


def test_a_parameter_that_is_infinite_in_itself_is_measured(here):
    done, rows = here("general_relu", "--dtype", "float16", "--order", "1")
    assert done.exit_code == 0
    found = {r["wrt"]: r for r in rows}
    assert found["max_value"]["verdict"] == "ok"


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["mine:rmp"], "mine:rmp: no attribute 'rmp'; did you mean ramp?"),
        (["mine:number"], "mine:number is not a function"),
        (["nowhere:ramp"], "cannot import 'nowhere'"),
        (["no_such_activation"], "no activation 'no_such_activation'"),
        (["mine:ramp", "--dtype", "bfloat61"], "did you mean bfloat16"),
        (["mine:ramp", "--dtype", "int32"], "'int32' is not a floating dtype"),
        (["mine:ramp", "--dtype", "float64"], "float64 needs --x64"),
        (["jaxact.gelu_"], "no activation 'gelu_'; did you mean gelu"),
        (["mine:ramp", "--parameter", "b=1"], "no such parameter; there is slope"),
        (["mine:ramp", "--parameter", "slope=x"], "expected NAME=NUMBER"),
        (["--exhaustive"], "--exhaustive needs the names"),
        (["mine:ramp", "--exhaustive", "--dtype", "float16"], "about float32 alone"),
        (["mine:unproven", "--exhaustive"], "it has no formula"),
        (["mine:ramp", "--state", "s"], "--state is for --exhaustive"),
        (["mine:ramp", "--order", "-1"], "orders are 0, 1, 2"),
        (["mine:ramp", "--against", "jax.nnn"], "--against jax.nnn"),
        (["mine:ramp", "--all"], "--all is the whole catalogue; leave it"),
        (["mine:ramp", "--json", "no/x"], "--json no/x: there is no directory no"),
        (["mine:ramp", "--json", "."], "--json . is a directory"),
        (["mine:ramp", "--exhaustive", "--state", "."], "--state . is a directory"),
    ],
)
def test_unusable_arguments(here, args, complaint):
    done, _ = here(*args)
    assert done.exit_code == 2 and done.stdout == ""
    assert complaint in done.stderr


def test_what_raises_is_a_failure_of_its_own(here):
    done, _ = here("mine:breaks", "--dtype", "bfloat16", "--order", "0")
    assert done.exit_code == 1
    assert "    FAIL: ValueError: boom" in done.stdout


ROWS = """
import jax.numpy as jnp
import jaxact


@jaxact.activation
def share(x, power=1.0):
    return x / (1 + jnp.sum(jnp.abs(x)))


@jaxact.definition_of(share)
def _share(x, power=1.0):
    return x / (1 + jnp.sum(jnp.abs(x)))


@jaxact.activation
def wrong_share(x):
    return x / (1 + jnp.sum(jnp.abs(x)))


@jaxact.definition_of(wrong_share)
def _wrong_share(x):
    return x / (1 + jnp.sum(jnp.abs(x)))


def push(t, x):
    total = 1 + jnp.sum(jnp.abs(x))
    return (t - x * jnp.sum(jnp.sign(x) * t) / total) / total


jaxact.pushforward_of(share)(push)
jaxact.pushforward_of(wrong_share)(lambda t, x: 1.001 * push(t, x))


@jaxact.activation
def undefined(x):
    return jnp.cumsum(x)


@jaxact.pushforward_of(undefined)
def _undefined_push(t):
    return jnp.cumsum(t)


@jaxact.activation
def mixed(x, matrix):
    return matrix @ x


@jaxact.definition_of(mixed)
def _mixed(x, matrix):
    return matrix @ x


@jaxact.pushforward_of(mixed)
def _mixed_push(t, matrix):
    return matrix @ t
"""


@pytest.fixture
def rows(tmp_path, monkeypatch):
    (tmp_path / "mine_rows.py").write_text(ROWS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("jaxact._cli._jobs.LENGTHS", (2, 5))

    def check(name, *args):
        arguments = ["check", f"mine_rows:{name}", "--dtype", "float32", *args]
        done = CliRunner().invoke(app, [*arguments, "--json", "rows.json"])
        found = read(tmp_path / "rows.json")[1]
        return done, found

    return check


# in float32: of three scales, as they are, behind a product and far from 0
MEASURED = 3 * 3 * 32


def test_what_is_not_elementwise_is_measured_in_rows(rows):
    done, found = rows("share", "--dtype", "bfloat16")
    assert done.exit_code == 0, done.output
    keys = [(r["dtype"], r["order"], r["wrt"]) for r in found]
    assert keys[:3] == [("float32", 0, "x"), ("float32", 1, "x"),
                        ("float32", 1, "power")]  # fmt: skip
    assert len(keys) == 6 and all(r["verdict"] == "ok" for r in found)
    assert found[0]["residual_bytes"] == 4 and found[0]["count"] == MEASURED * (2 + 5)
    assert {r["bound"] for r in found} == {8, 0.51}


def test_a_wrong_pushforward_is_caught(rows):
    done, (value, slope) = rows("wrong_share")
    assert done.exit_code == 1
    assert value["verdict"] == "ok" and slope["verdict"] == "FAIL"
    assert slope["max_ulp"] > 1000


def test_rows_that_cannot_be_measured_are_no_failure(rows, monkeypatch):
    done, (row,) = rows("undefined")
    assert done.exit_code == 0 and row["verdict"] == "not proven"
    assert row["note"] == "no definition: nothing proven"
    done, (row, _) = rows("mixed")
    assert done.exit_code == 0 and row["verdict"] == "not proven"
    assert "needs arguments" in row["note"]

    definition: Any = lookup(importlib.import_module("mine_rows").mixed)
    monkeypatch.setitem(definition.examples, "matrix", np.eye(5))  # rows of five
    done, found = rows("mixed")
    assert done.exit_code == 0, done.output
    assert found[0]["count"] == MEASURED * 5
    assert [r["wrt"] for r in found] == ["x", "x", "matrix"]


def test_float64(home):
    done = jaxact(
        "check", "mine:ramp", "--x64", "--dtype", "float64", "--order", "1", cwd=home
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 rows" in done.stdout
