"""The code in the README and its pages runs, and the example is caught as it says."""

import pathlib
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow  # says nothing new with another JAX

HOME = pathlib.Path(__file__).parents[1]
PAGES = [HOME / "README.md", *sorted((HOME / "notebooks").glob("*.md"))]
TEXT = "\n".join(page.read_text() for page in PAGES)
SNIPPETS = re.findall(r"(<!-- file: (\S+) -->\n)?```python\n(.*?)```", TEXT, re.S)
FILES = {name: code for _, name, code in SNIPPETS if name}


def run(*args, cwd):
    return subprocess.run(
        [sys.executable, "-W", "error", *args], cwd=cwd, capture_output=True, text=True
    )


@pytest.mark.parametrize("code", [code for _, name, code in SNIPPETS if not name])
def test_snippet(code, tmp_path):
    (tmp_path / "snippet.py").write_text(code)
    done = run("snippet.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for printed in re.findall(r"print\(.*\)  # ([-\d.e]+); jax.nn", code):
        assert printed in done.stdout


def test_the_mistake_is_caught_and_the_correction_passes(tmp_path):
    command = re.search(r"`python (-m jaxact check mymodule:.*?)`", TEXT, re.S)
    assert command is not None
    mine = tmp_path / "mymodule.py"
    mine.write_text(FILES["mymodule.py"])
    caught = run(*command[1].split(), cwd=tmp_path)
    assert caught.returncode == 1, caught.stderr
    shown = re.search(r"```text\n(.*?)\n```", TEXT, re.S)
    assert shown is not None
    got = "\n".join(line.rstrip() for line in caught.stdout.splitlines())
    assert shown[1] in got

    wrong, right = re.findall(r"return (.*?)  # wrong: (.*)", mine.read_text())[0]
    mine.write_text(mine.read_text().replace(wrong, right))
    passed = run(*command[1].split(), cwd=tmp_path)
    assert passed.returncode == 0, passed.stdout
    assert "2 of 2 rows" in passed.stdout


def test_a_formula_alone_is_proven(tmp_path):
    (tmp_path / "mine.py").write_text(FILES["mine.py"])
    command = "-m jaxact check mine:bump --dtype bfloat16 --order 0 --order 1"
    done = run(*command.split(), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_pages_that_are_named_are_there():
    for page in PAGES:
        for name in re.findall(r"\]\((?!http)([^)]*)\)", page.read_text()):
            assert (page.parent / name).exists(), name


def test_every_function_is_listed():
    from jaxact import catalogue

    for name in [*catalogue.defined(), *catalogue.aliases()]:
        assert f"`{name}`" in TEXT
