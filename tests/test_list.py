"""The list command, as a user runs it."""

import re
import subprocess
import sys

import jax
import pytest
from reports import read
from typer.testing import CliRunner

import jaxact
from jaxact import catalogue, frameworks
from jaxact._cli import _frameworks, app

pytestmark = pytest.mark.slow  # says nothing new with another JAX


def run(*args, command="list"):
    return CliRunner().invoke(app, [command, *args])


def line(output, name):
    """The row of a printed table that begins with a name."""
    return next(row for row in output.splitlines() if row.startswith(f" {name} "))


def rows(tmp_path, *args, command="list"):
    file = tmp_path / "rows.json"
    done = run(*args, "--json", str(file), command=command)
    assert done.exit_code == 0, done.output
    return read(file)[1]


def test_everything_is_listed(tmp_path):
    found = {row["name"]: row for row in rows(tmp_path)}
    assert set(found) == set(jaxact.names())
    elu = found["elu"]
    assert elu["family"] == "exponential_units" and elu["parameters"] == {"alpha": 1.0}
    assert elu["source"] == (
        "Clevert, Unterthiner, Hochreiter (2015), arXiv:1511.07289"
    )
    assert elu["formula"] == "x if x > 0 else alpha * (exp(x) - 1)"
    assert elu["frameworks"]["jax.nn"] == ["elu"]
    assert elu["frameworks"]["torch"] == ["elu", "ELU"]
    assert "huggingface" not in elu["frameworks"]
    assert found["silu"]["aliases"] == ["swish"]
    assert found["silu"]["frameworks"]["jax.nn"] == ["silu", "swish"]
    assert found["gelu_exact"]["frameworks"]["torch"] == ["gelu", "GELU"]
    assert found["gelu_exact"]["frameworks"]["jax.nn"] == ["gelu"]
    assert found["gelu"]["parameters"] == {"approximate": True}
    assert found["identity"]["parameters"] == {} and found["identity"]["source"] == ""
    # a reference of several lines is one
    assert found["relu"]["source"].endswith("On relu'(0): Bertoin et al. (2021), "
                                            "arXiv:2106.12915")  # fmt: skip


def test_who_has_it_is_what_resolves(tmp_path):
    for row in rows(tmp_path):
        for framework, names in row["frameworks"].items():
            for name in names:
                same = frameworks.TABLE[framework][name]
                ours = (row["name"], *catalogue.choices(row["name"]))
                assert any(n in repr(same) for n in ours)
        for name in dir(jax.nn):
            if name in (row["name"], *row["aliases"]):
                assert name in row["frameworks"]["jax.nn"]


def test_the_printed_table():
    done = run("--family", "rectifiers")
    assert done.exit_code == 0
    inside = done.output.split("\u2500")[-1].split("rows")[0].split("\n")
    named = [row.split()[0] for row in inside if row.strip()]
    assert named == [*jaxact.names("rectifiers"), str(len(named) - 1)]
    leaky = line(done.output, "leaky_relu")
    assert "negative_slope=0.01" in leaky and "keras" in leaky and "Maas" in leaky
    assert "x if x >= 0" not in done.output
    assert "x if x >= 0" in run("--family", "rectifiers", "--formula").output


def test_filters(tmp_path):
    def names(*args):
        return [row["name"] for row in rows(tmp_path, *args)]

    assert names("--family", "exponential_units") == list(
        jaxact.names("exponential_units")
    )
    onnx = names("--framework", "onnx")
    assert {"elu", "gelu_exact"} <= set(onnx) and "sparse_plus" not in onnx
    assert "squareplus" in names("--framework", "jax.nn")
    assert set(names("swish")) == {"e_swish", "silu", "hard_silu"}  # by aliases too
    assert names("1908.08681") == ["mish"]  # by its source
    assert names("ERFC", "--framework", "torch") == ["gelu_exact"]  # by its formula
    assert "relu6" in names("low precision")  # by what it says of itself
    assert "thresholded_relu" not in names("relu", "--framework", "flax")


def test_of_one_framework_its_names_are_shown():
    output = run("--framework", "torch").output
    assert run("--framework", "pytorch").output == output
    assert "in torch" in output
    row = line(output, "hard_silu")
    assert "hardswish Hardswish" in row and "keras" not in row


def test_aliases_are_shown_when_asked_for():
    plain = run("--family", "self_gated").output.replace("hard_swish", "")
    assert "swish" not in plain.replace("e_swish", "").replace("E-swish", "")
    shown = run("--family", "self_gated", "--aliases").output
    assert line(shown, "silu").split()[:2] == ["silu", "swish"] and " also " in shown


@pytest.mark.parametrize(("args", "told"), [
    (["--family", "sigmoid"], "no family 'sigmoid'; did you mean sigmoids"),
    (["--family", "?"], "no family '?'; "),
    (["--framework", "tourch"], "no framework 'tourch'; did you mean torch"),
    (["--framework", "mxnet"], "no framework 'mxnet'; jax.nn, torch, keras, tensor"),
    (["--markdown", "."], "--markdown . is a directory"),
    (["leakyrelu"], "nothing has 'leakyrelu'; did you mean leaky_relu"),
    (["?"], "nothing has '?'"),
    (["--framework", "ggml", "--family", "log_probabilities"], "nothing is of that"),
])  # fmt: skip
def test_what_there_is_not(args, told):
    done = run(*args)
    assert done.exit_code == 2
    assert told in done.stderr and done.stdout == ""


def test_markdown(tmp_path):
    file = tmp_path / "table.md"
    assert run("--family", "sigmoids", "--markdown", str(file)).exit_code == 0
    head, rule, *body = file.read_text().splitlines()
    assert head == "| name | family | parameters | in | source |"
    assert rule == "| --- | --- | --- | --- | --- |"
    assert [row.split(" | ")[0] for row in body] == [
        f"| {n}" for n in jaxact.names("sigmoids")
    ]


def test_the_frameworks(tmp_path):
    file = tmp_path / "table.md"
    args = ["--framework", "torch", "gelu", "--markdown", str(file)]
    found = rows(tmp_path, *args, command="frameworks")
    exact, tanh = found
    assert exact["names"] == ["gelu", "GELU"] and exact["ours"] == "gelu_exact"
    assert tanh["parameters"] == {"approximate": "tanh"} and tanh["ours"] == "gelu_tanh"
    for row in found:
        assert 0 < row["value"] < 1e-14 and 0 < row["gradient"] < 1e-14
        assert row["note"] == (
            "value: theirs is NaN or infinite at -inf; "
            "gradient: theirs is NaN or infinite at -inf inf"
        )
    head = file.read_text().splitlines()[0]
    assert head == (
        "| framework | name | parameters | jaxact | value | gradient | note |"
    )


def test_the_frameworks_say_with_what_they_were_made():
    done = run("elu", "--framework", "onnx", command="frameworks")
    assert "onnx: onnx.reference" in done.output and "torch" not in done.output
    assert re.search(r"\(onnx \d+\.\d+", done.output)
    assert "jaxact: float64 on cpu" in done.output
    rows = [f"{r} " for r in done.output.splitlines() if r.startswith(" onnx ")]
    assert rows and all(" \u2013 " in r for r in rows)  # no derivatives


def test_what_is_random_or_not_there_is_listed_too(monkeypatch):
    (row,) = _frameworks._rows("torch", "gumbel")
    assert row.names == ["gumbel_softmax"] and row.note == "not compared"
    assert row.value is None and row.ours == "gumbel_softmax"
    kinked = frameworks.Same("hard_tanh")  # 1 at its kinks, where relu6 has 0
    monkeypatch.setitem(frameworks.TABLE["torch"], "relu6", kinked)
    (row,) = _frameworks._rows("torch", "relu6")
    assert row.note == "value: furthest at -inf; gradient: furthest at -1"
    (row,) = _frameworks._rows("torch", "hardsigmoid")
    assert row.note == "gradient: furthest at -2.5; its slope 1/6 is a float32"
    missing = frameworks.Same("no_such_activation")
    monkeypatch.setitem(frameworks.TABLE["torch"], "sigmoid", missing)
    row = next(r for r in _frameworks._rows("torch", "sigmoid") if "sigmoid" in r.names)
    assert (row.ours, row.note, row.value) == ("", "not in jaxact", None)


@pytest.mark.slow
def test_every_name_of_every_framework_is_in_the_table():
    listed = {(r.framework, n) for r in _frameworks._rows(None, "") for n in r.names}
    assert listed == {(f, n) for f, table in frameworks.TABLE.items() for n in table}


def test_as_a_command():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "jaxact", "list", "relu6"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "relu6" in done.stdout and "1704.04861" in done.stdout
