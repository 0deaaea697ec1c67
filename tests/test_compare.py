"""The compare command as a user runs it: training on real data, and what it tells."""

import functools
import importlib.util
import json
import re
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.figure
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import jaxact
from jaxact._cli import _compare, _compare_report as _report, _training, app
from jaxact._cli._compare_report import Compared

INIT = "--init", "he_uniform"  # compiled in less time than he_normal
MINE = """
import jax
import jax.numpy as jnp
import numpy as np


def ramp(x):
    return jnp.maximum(x, 0)


def broken(x):
    if x.shape[0] > 2:
        raise ValueError("boom")
    return x


def build(activation):
    def init(key, x):
        n = x.shape[-1]
        shapes = (3, n, n), (n, 2)
        every = [jnp.arange(np.prod(s), dtype=x.dtype) for s in shapes]
        return [jnp.cos(v).reshape(s) for v, s in zip(every, shapes)]

    def apply(params, x):
        layers, last = params
        x, _ = jax.lax.scan(lambda h, w: (activation(h @ w), None), x, layers)
        return x @ last

    return init, apply


def load():
    x = np.random.default_rng(0).standard_normal((200, 4))
    return x, (x[:, 0] > 0).astype(int)


def floats():
    return np.zeros((9, 2)), np.zeros(9)


def lengths():
    return np.zeros((9, 2)), np.zeros(8, int)


def nothing(activation):
    return activation
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A user's module in the working directory, of a name of its own."""
    name = f"mine_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def run(*args: object) -> Any:
    return CliRunner().invoke(app, ["compare", *map(str, args)])


def rows_of(file: Any) -> tuple[Any, dict[str, Any]]:
    head, *rows = map(json.loads, file.read_text().splitlines())
    return head, {row["function"]: row for row in rows}


def of_kind(row: Any, kind: str) -> list[str]:
    return [line for line in row["findings"] if f": {kind} (" in line]


# --- on real data ---------------------------------------------------------------------


@pytest.mark.slow  # for its length alone
def test_from_a_bad_start_relu_dies_and_leaky_relu_learns(tmp_path):
    rows, picture = tmp_path / "rows.json", tmp_path / "out.png"
    small = "--depth", 6, "--width", 32, "--steps", 300, "--seeds", 2, *INIT
    files = "--json", rows, "--save", picture
    done = run("relu", "leaky_relu", "--bias", -0.6, *small, *files)
    assert done.exit_code == 0, done.output
    head, found = rows_of(rows)
    assert head["depth"] == 6 and head["bias"] == -0.6 and "optax" in head["versions"]
    relu, leaky = found["relu"], found["leaky_relu"]
    assert max(relu["accuracy"]) < 0.2 and min(leaky["accuracy"]) > 0.85
    assert relu["layers"] == [f"layer{n}/relu" for n in range(1, 7)]
    assert relu["dead"][-1][-1] == 1.0 and not np.any(leaky["dead"])
    assert relu["gradient"][-1][0] == 0.0 < leaky["gradient"][-1][0]
    (finding,) = of_kind(relu, "dead units")
    assert finding.startswith("at the end, in 2 of 2 seeds and 5 layers: layer6/relu")
    assert "dead 32, units 32" in finding and "Try leaky_relu" in finding
    assert not of_kind(leaky, "dead units")
    # what is told is told on the screen too
    accuracy = f"{100 * np.mean(relu['accuracy']):.1f}"
    assert finding in done.stdout
    assert re.search(rf"^relu +{accuracy} ", done.stdout, re.MULTILINE)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert len(relu["losses"]) == 300 and relu["probes"][-1] == 300
    assert np.shape(relu["dead"]) == np.shape(leaky["gradient"]) == (13, 6)


def test_the_gradient_of_a_deep_sigmoid_network_vanishes(tmp_path):
    rows = tmp_path / "rows.json"
    small = "--depth", 10, "--width", 16, "--steps", 1, "--seeds", 1, *INIT
    done = run("sigmoid", *small, "--json", rows)
    assert done.exit_code == 0, done.output
    row = rows_of(rows)[1]["sigmoid"]
    gradient = np.array(row["gradient"][0])
    assert np.all(np.diff(gradient) > 0) and gradient[0] < 1e-4 * gradient[-1]
    (finding,) = of_kind(row, "vanishing gradient")
    assert finding.startswith("at the end, in 1 of 1 seeds: layer1/sigmoid")
    assert "was measured" in finding and finding in done.stdout


# --- a user's own ---------------------------------------------------------------------


def test_a_model_and_data_of_the_user(mine, tmp_path):
    rows = tmp_path / "rows.json"
    own = "--model", f"{mine}:build", "--data", f"{mine}:load"
    names = f"{mine}:ramp", "jaxact:tanh", f"{mine}:broken"
    done = run(
        *names, *own, "--steps", 40, "--rate", 0.01, "--seeds", 2, "--json", rows
    )
    assert done.exit_code == 1  # for the one that cannot be trained
    assert f"{mine}:broken: ValueError: boom" in done.stdout
    _, found = rows_of(rows)
    assert list(found) == [f"{mine}:ramp", "tanh"]
    for name, row in found.items():
        assert row["layers"] == [f"{name}[{k}]" for k in range(3)]
        losses = np.array(row["losses"])
        assert losses.shape == (40, 2)
        assert np.all(losses[-9:].mean(axis=0) < losses[:9].mean(axis=0))


def test_half_precision_keeps_its_weights_wide():
    data = _training.prepared(np.eye(20), np.arange(20) % 2, "bfloat16")
    seen = []

    def activation(x: jax.Array) -> jax.Array:
        seen.append(x.dtype)
        return jaxact.relu(x)

    shape = _training.Shape(2, 4, 2, jax.nn.initializers.ones, 0.0)
    init, apply = _training.mlp(shape, activation)
    params = init(jax.random.key(0), data.x)
    assert {v.dtype for v in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    assert apply(params, data.x).dtype == jnp.bfloat16 and {*seen} == {data.x.dtype}


def test_data_are_parted_and_of_unit_variance():
    x, y = _training.digits()
    data = _training.prepared(x, y, "float32")
    assert len(data.x) == 1437 and len(data.test_x) == 360
    np.testing.assert_allclose([data.x.mean(), data.x.std()], [0, 1], atol=1e-4)
    both = np.concatenate([data.y, data.test_y])
    assert np.bincount(both).tolist() == np.bincount(y).tolist()


@pytest.mark.parametrize("steps", [1, 5, 12, 600])
def test_steps_are_parted_between_looks(steps):
    parts = _training.parts(steps)
    assert sum(parts) == steps and len(parts) == min(steps, 12) and min(parts) >= 1


# --- what is shown --------------------------------------------------------------------


def compared(name: str, layers: int) -> Compared:
    share = [[0.0] * layers, np.linspace(0, 1, layers).tolist()]
    return Compared(
        function=name,
        accuracy=[0.5, 0.75],
        loss=[1.0, 2.0],
        step_ms=123.4,
        temp_bytes=2**31,
        layers=[f"layer{n}/{name}" for n in range(layers)],
        probes=[0, 10],
        dead=share,
        saturated=share,
        gradient=[[1e-12, *[1.0] * (layers - 1)]] * 2 if layers else [[], []],
        losses=[[1.0, 2.0]] * 10,
        findings=["at the end, in 1 of 2 seeds: " + "x" * 200] if layers == 20 else [],
    )


def test_the_tables_have_80_columns(capsys):
    rows = [compared("relu", 20), compared("sqrt_softplus_long_name", 3)]
    _report.report(rows, 100000, 16)
    lines = capsys.readouterr().out.splitlines()
    told = [line for line in lines if "x" * 200 not in line]
    assert len(lines) == len(told) + 1 and max(map(len, told)) <= 80
    assert "nothing is found to be wrong" in lines[-2]
    assert sum(
        re.split(" +", v) == "function 1 3 6 9 11 14 17 20".split() for v in lines
    )
    (row,) = (v for v in lines if v.startswith("relu ") and "62.5" in v)
    assert row.split()[1:] == [
        "62.5",
        "17.7",
        "1.5",
        "50.0",
        "50.0",
        "1e-12",
        "123",
        "2048",
    ]


def test_the_picture_has_a_heat_map_of_dead_units_for_each(tmp_path, monkeypatch):
    drawn = []
    draw = matplotlib.figure.Figure.savefig
    monkeypatch.setattr(
        matplotlib.figure.Figure,
        "savefig",
        lambda self, *a, **k: (drawn.append(self), draw(self, *a, **k)),
    )
    rows = [compared(n, layers) for n, layers in (("relu", 5), ("elu", 5), ("none", 0))]
    _report.picture(rows, tmp_path / "out.png")
    (figure,) = drawn
    curves, *maps = (a for a in figure.axes if a.get_title())
    assert [m.get_title() for m in maps] == ["relu", "elu", "none"]
    shown = maps[0].collections[0]
    np.testing.assert_array_equal(shown.get_array(), np.transpose(rows[0].dead))
    assert shown.get_clim() == (0, 1) and not maps[2].collections
    assert len({(v.get_color(), v.get_linestyle()) for v in curves.lines}) == 3


# --- refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["reul"], "did you mean"),
        (["swiglu"], "swiglu is a function of two arrays"),
        (["logsumexp"], "logsumexp does not keep the shape of its operand"),
        (["{}:build"], "build is not a function of one array"),
        (["maxout"], "maxout does not keep the shape of its operand"),
        (["--init", "he_norml"], "no initializer 'he_norml'; did you mean he_normal"),
        (["--init", "nowhere:f"], "cannot import 'nowhere'"),
        (["--rate", "0"], "--rate 0: it has to be positive"),
        (["--depth", "0"], "--depth"),
        (["--dtype", "int8"], "not a floating dtype"),
        (["--save", "out.pdf"], "name it out.png"),
        (["--model", "{}:build", "--depth", "3"], "--depth: of the MLP, but there is"),
        (["relu", "--model", "{}:nothing"], "expected it to give (init, apply)"),
        (["relu", "--data", "{}:floats"], "the classes are float64[9]"),
        (["relu", "--data", "{}:lengths"], "got float64[9, 2] and int64[8]"),
        (["relu", "--data", "{}:ramp"], "TypeError"),
    ],
)
def test_unusable_arguments_are_refused(mine, args, told):
    done = run(*(a.format(mine) for a in args))
    assert done.exit_code == 2
    assert told in re.sub(r"\s+", " ", done.stderr.replace("\u2502", " "))


def test_what_it_needs_is_named(monkeypatch):
    find = importlib.util.find_spec
    hidden = ("optax", "sklearn")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n in hidden else find(n, *a)
    )
    done = run("relu")
    assert done.exit_code == 2 and done.stderr.strip() == (
        "jaxact: compare needs optax, scikit-learn; "
        'install it with: pip install "jaxact[compare]"'
    )


def test_an_interrupt_ends_it_quietly(capsys):
    def interrupted() -> Any:
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as end:
        _compare._trained({"relu": interrupted}, [1])
    assert end.value.exit_code == 130 and capsys.readouterr().err == ""


def test_all_names_are_taken():
    """Of a function of one array that keeps its shape; the rest is refused."""
    accepted = functools.partial(_compare._activations, dtype="float32", width=8)
    names = ["gelu", "prelu", "softcap", "jaxact.tanh", "softmax"]
    found = accepted(names)
    assert list(found) == [
        "gelu_tanh",
        "gelu_exact",
        "prelu",
        "softcap",
        "tanh",
        "softmax",
    ]
