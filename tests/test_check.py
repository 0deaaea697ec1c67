"""The check command, as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jaxact._cli import app

MINE = '''
import jax
import jax.numpy as jnp
from jaxact._core import activation, derivative_of


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
def breaks(x):
    """breaks(x) = 2 * x"""
    raise ValueError("boom")


number = 3
'''


@pytest.fixture
def home(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


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
    assert "…" not in done.stdout
    report = json.loads((home / "rows.json").read_text())
    assert report["backend"] == "cpu"
    assert set(report["versions"]) == {"jaxact", "jax", "python"}
    rows = {(r["dtype"], r["order"], r["wrt"]): r for r in report["rows"]}
    assert len(rows) == 12
    assert rows["bfloat16", 0, "x"]["residual_bytes"] <= 2
    assert rows["float32", 1, "x"]["formula_grad"] == "ok"
    assert rows["float32", 2, "x"]["note"] == "derivative by JAX"
    assert rows["float32", 1, "slope"]["max_ulp"] == 0
    assert all(r["within_051"] == 1 for r in report["rows"])


def test_a_wrong_derivative_is_caught_and_placed(home):
    done = jaxact("check", "mine:wrong", "--dtype", "bfloat16", cwd=home)
    assert done.returncode == 1, done.stdout + done.stderr
    lines = [line.split() for line in done.stdout.splitlines() if "mine:wrong" in line]
    value, first, second = lines
    assert "ok" in value and "FAIL" in first and "FAIL" in second
    assert "differs" in first and "exact" in first
    assert "2 not" in done.stdout


def test_what_has_no_formula_is_not_proven_and_no_failure(home):
    done = jaxact("check", "mine:unproven", "--dtype", "float32", cwd=home)
    assert done.returncode == 0
    assert "no formula: nothing proven" in done.stdout
    assert "1 not proven" in done.stdout


def test_against_another_library(home):
    (home / "theirs.py").write_text("def ramp(x, slope=0.25):\n    return 0 * x\n")
    (home / "mine.py").write_text(MINE + "\nimport theirs\n")
    done = jaxact("check", "mine:ramp", "--dtype", "bfloat16", "--order", "0",
                  "--against", "theirs", "--json", "rows.json", cwd=home)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "theirs ULP" in done.stdout
    (row,) = json.loads((home / "rows.json").read_text())["rows"]
    assert row["max_ulp"] <= 0.51 and row["against_max_ulp"] > 100
    assert row["against_wrong"] > 0 and row["against_bytes"] == 0


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["mine:rmp"], "mine:rmp: no attribute 'rmp'; did you mean ramp?"),
        (["mine:number"], "mine:number is no function"),
        (["nowhere:ramp"], "cannot import 'nowhere'"),
        (["no_such_activation"], "no activation 'no_such_activation'"),
        (["mine:ramp", "--dtype", "bfloat61"], "did you mean bfloat16"),
        (["mine:ramp", "--dtype", "int32"], "'int32' is no floating dtype"),
        (["mine:ramp", "--dtype", "float64"], "float64 needs --x64"),
        (["mine:ramp", "--order", "-1"], "orders are 0, 1, 2"),
        (["mine:ramp", "--against", "jax.nnn"], "--against jax.nnn"),
    ],
)
def test_unusable_arguments(home, monkeypatch, args, complaint):
    monkeypatch.chdir(home)
    monkeypatch.syspath_prepend(str(home))
    done = CliRunner().invoke(app, ["check", *args])
    assert done.exit_code == 2
    assert complaint in done.stderr


def test_what_raises_is_a_failure_of_its_own(home, monkeypatch):
    monkeypatch.chdir(home)
    monkeypatch.syspath_prepend(str(home))
    arguments = ["check", "mine:breaks", "--dtype", "bfloat16", "--order", "0"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "ValueError: boom" in done.stdout


def test_float64(home):
    done = jaxact(
        "check", "mine:ramp", "--x64", "--dtype", "float64", "--order", "1", cwd=home
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 rows" in done.stdout
