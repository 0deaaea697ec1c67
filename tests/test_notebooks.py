"""The notebooks run from start to end, and what is stored of them is clean."""

import re
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# a folder below the root or a home, or a drive of Windows; not the / of a formula
MACHINE_PATH = re.compile(
    r"(?<![\w.:/])(/(home|root|Users|tmp|usr|opt|work|var|mnt)/|~/)|\b[A-Z]:\\\\?\w"
)

pytestmark = pytest.mark.slow


class ThisInterpreter(AsyncKernelManager):
    """Runs every kernel in the Python of the tests: none needs to be installed."""

    @property
    def kernel_spec(self) -> KernelSpec:
        launcher = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=[sys.executable, *launcher])


def outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [o for cell in notebook.cells for o in cell.get("outputs", [])]


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    client = NotebookClient(
        notebook,
        kernel_manager_class=ThisInterpreter,
        timeout=300,
        resources={"metadata": {"path": FOLDER}},
    )
    client.execute()  # an error in a cell is raised here
    assert outputs(notebook)
    assert not [o for o in outputs(notebook) if o.get("name") == "stderr"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_stored_is_clean(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    stored = outputs(notebook)
    assert stored, "stored without outputs"
    for output in stored:
        assert output.output_type != "error"
        assert output.get("name") != "stderr"
        data = output.get("data", {})
        texts = [
            output.get("text", ""),
            *(str(data[m]) for m in data if "png" not in m),
        ]
        assert not any(MACHINE_PATH.search(text) for text in texts), texts
    for cell in notebook.cells:
        assert not MACHINE_PATH.search(cell.source), cell.source


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('File "/home/me/project/a.py"', True),
        ("/usr/lib/python3/site-packages", True),
        (r"C:\Users\me", True),
        ("~/project", True),
        ("exp(-z)/(1 + exp(-z))", False),
        ("https://example.org/home/page", False),
    ],
)
def test_a_path_is_told_from_a_formula(text, found):
    assert bool(MACHINE_PATH.search(text)) is found
