"""What the commands have in common: names, files, tables, progress."""

import sys

import pytest
import typer
from typer.testing import CliRunner

import jaxact
from jaxact import catalogue
from jaxact._cli import _bench, _check, _list, _report, app
from jaxact._cli._report import Column, Listing, Progress

pytestmark = pytest.mark.slow  # says nothing new with another JAX

PUBLIC = {*catalogue.names(), *catalogue.aliases()}
OTHERS = {n for n in dir(jaxact) if not n.startswith("_")} - PUBLIC


def run(*args):
    return CliRunner().invoke(app, args)


@pytest.mark.parametrize("prefix", ["", "jaxact.", "jaxact:"])
def test_every_public_name_is_taken(monkeypatch, prefix):
    work = []
    monkeypatch.setattr(_check, "_measured", lambda todo, *_: work.append(todo) or ())
    monkeypatch.setattr(_bench, "each", lambda _, todo: work.append(todo) or ())
    names = [prefix + n for n in sorted(PUBLIC)]
    check = run("check", *names)
    bench = run("bench", *names, "--size", "1", "--mode", "forward")
    assert check.exit_code == bench.exit_code == 0, check.output + bench.output
    measured, timed = work
    assert {one.name for one in measured} == set(catalogue.defined())
    assert {name for name, *_ in timed} == set(catalogue.defined())


def test_list_has_every_public_name(monkeypatch):
    assert run("list", "jaxact.gelu").stdout == run("list", "jaxact:gelu").stdout
    # one reading of the catalogue for all words
    entries = {n: _list._entry(n) for n in catalogue.names()}
    monkeypatch.setattr(_list, "_entry", entries.get)
    for name in PUBLIC:
        done = run("list", name)
        shown = catalogue.aliases().get(name, name)
        assert done.exit_code == 0 and f" {shown} " in done.stdout


@pytest.mark.parametrize("command", ["check", "bench"])
def test_what_is_not_an_activation_is_refused(command):
    assert {"derivative", "packed", "catalogue", "get"} <= OTHERS
    for name in OTHERS:
        done = run(command, f"jaxact.{name}")
        assert done.exit_code == 2 and f"no activation '{name}'" in done.stderr


def test_version():
    done = run("--version")
    assert done.exit_code == 0 and done.stdout.startswith("jaxact 0.")


def test_a_table_that_nothing_is_cut_from(capsys):
    made = Listing([Column("function", 8, number=False), Column("max\nULP", 5)])
    made.row(["gelu", "0.5"])
    made.row(["a_name_too_long", "12.25"], "and why", bad=True)
    assert capsys.readouterr().out.splitlines() == [
        "           max",
        "function   ULP",
        "\u2500" * 14,
        "gelu       0.5",
        "a_name_too_long",
        "         12.25",
        "    and why",
    ]


def test_progress_is_sparse_and_says_only_what_can_be_known(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(_report.time, "monotonic", lambda: now[0])
    progress = Progress(40)
    for now[0], done in ((1, 1), (31, 2), (40, 9), (62, 10), (301, 30)):
        progress.show("gelu", done)
    progress.clear()
    assert capsys.readouterr().err.splitlines() == [
        "2 of 40 done, 31 s: gelu",
        "10 of 40 done, 62 s, about 3 min left: gelu",
        "30 of 40 done, 5 min, about 2 min left: gelu",
    ]


def test_what_was_done_before_does_not_count_for_the_time_left(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(_report.time, "monotonic", lambda: now[0])
    progress = Progress(100)
    for now[0], done in ((1, 50), (31, 54), (62, 75)):
        progress.show("", done)
    assert capsys.readouterr().err.splitlines() == [
        "54 of 100 done, 31 s",
        "75 of 100 done, 62 s, about 62 s left",
    ]


def test_an_interrupt_ends_what_is_timed_quietly(capsys):
    def measure(n):
        if n:
            raise KeyboardInterrupt
        return n

    found = _report.each(measure, [(0,), (1,), (2,)])
    assert next(found) == 0
    with pytest.raises(typer.Exit) as end:
        next(found)
    assert end.value.exit_code == 130 and capsys.readouterr().err == ""


def test_on_a_terminal_the_line_is_written_over(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = Progress(2)
    progress.show("x" * 200)
    progress.clear()
    shown, cleared = capsys.readouterr().err.split("\r\x1b[K")[1:]
    assert len(shown) < 80 and shown.startswith("0 of 2 done, 0 s: xxx")
    assert cleared == ""
