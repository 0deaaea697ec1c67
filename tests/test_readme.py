"""The code in the README runs, and its example is caught as it says."""

import pathlib
import re
import subprocess
import sys

import pytest

README = (pathlib.Path(__file__).parents[1] / "README.md").read_text()
SNIPPETS = re.findall(r"(<!-- file: (\S+) -->\n)?```python\n(.*?)```", README, re.S)
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
    command = re.search(r"`python (-m jaxact check mymodule:.*?)`", README, re.S)
    assert command is not None
    mine = tmp_path / "mymodule.py"
    mine.write_text(FILES["mymodule.py"])
    caught = run(*command[1].split(), cwd=tmp_path)
    assert caught.returncode == 1, caught.stderr
    shown = re.search(r"```text\n(.*?)\n\n1 of 2", README, re.S)
    assert shown is not None
    got = [line.rstrip() for line in caught.stdout.splitlines() if line.strip()]
    assert got[: len(shown[1].splitlines())] == shown[1].splitlines()

    wrong, right = re.findall(r"return (.*?)  # wrong: (.*)", mine.read_text())[0]
    mine.write_text(mine.read_text().replace(wrong, right))
    passed = run(*command[1].split(), cwd=tmp_path)
    assert passed.returncode == 0, passed.stdout
    assert "2 of 2 rows" in passed.stdout


def test_every_function_is_listed():
    from jaxact import catalogue

    for name in [*catalogue.defined(), *catalogue.aliases()]:
        assert f"`{name}`" in README
