"""The package as a whole: its needs, its files, its text."""

import ast
import importlib
import importlib.metadata
import inspect
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import jaxact

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "jaxact"
SOURCES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = ("jaxact", "tests", "notebooks", ".ci")
TEXTS = [
    path
    for path in (*ROOT.glob("*"), *(p for f in FOLDERS for p in (ROOT / f).rglob("*")))
    if path.is_file() and path.suffix not in (".pyc", ".png")
]
NEEDED = {"jax", "jaxlib", "numpy"}


def python(code, *args):
    """Run code in a new interpreter."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *args] if code is None else [sys.executable, "-c", code]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=120
    )


# refuses to import modules that are not jax's own, Python's own, or needed
ALONE = """
import sys
import importlib.abc
import importlib.metadata

{before}

class Alone(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ImportError(f"refused: {{name}}", name=name)

sys.meta_path.insert(0, Alone())
import jaxact
x = jaxact.derivative(jaxact.gelu)(jaxact.elu(1.0))
loaded = {{n.partition(".")[0] for n in sys.modules}} & refused
assert not loaded, loaded
print(jaxact.__file__)
"""
# every top-level module installed here that jax alone does not load
OTHERS = """
import jax, jax.numpy, jax.extend
own = {n.partition(".")[0] for n in sys.modules} | {"jaxact"}
refused = set(importlib.metadata.packages_distributions()) - own
assert {"flax", "chex", "rich", "typer", "flint"} <= refused, refused
"""


def test_import_needs_jax_and_numpy_alone():
    done = python(ALONE.format(before=OTHERS))
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == PACKAGE / "__init__.py"


def test_the_refusal_above_works():
    done = python(ALONE.format(before="refused = {'numpy'}"))
    assert done.returncode == 1 and "refused: numpy" in done.stderr


def test_import_leaves_the_command_line_and_the_oracle_alone():
    done = python(
        "import sys, jaxact; print([n for n in sys.modules if n.startswith('jaxact')])"
    )
    assert done.returncode == 0, done.stderr
    loaded = ast.literal_eval(done.stdout)
    assert "jaxact._core" in loaded and "jaxact.catalogue" in loaded
    assert not [n for n in loaded if n.startswith(("jaxact._cli", "jaxact.testing"))]


def test_import_does_little():
    code = """
import sys
import jax, jax.numpy

before = set(sys.modules)
import jaxact
from jaxact._core import definitions

# jax.extend takes as long to import as all of jaxact; a program that calls needs it
assert not {n for n in set(sys.modules) - before if n.startswith("jax.extend")}
assert not any(d.derived for d in definitions()), "something is compiled"
print(len(definitions()), jaxact.gelu(0.0))
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1] == "0.0" and int(done.stdout.split()[0]) > 100


def test_command_without_its_libraries_says_what_to_install():
    code = """
import importlib.util, runpy
find = importlib.util.find_spec
hidden = ("typer", "flint")
importlib.util.find_spec = lambda n, *a: None if n in hidden else find(n, *a)
runpy.run_module("jaxact", run_name="__main__")
"""
    done = python(code)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "jaxact: the command line needs typer, python-flint; "
        'install it with: pip install "jaxact[cli]"'
    )
    assert done.stdout == ""


def test_command_with_its_libraries_lists_its_commands():
    done = python(None, "-m", "jaxact", "--help")
    assert done.returncode == 0, done.stderr
    assert "check" in done.stdout and "bench" in done.stdout


def test_typed_and_versioned():
    assert (PACKAGE / "py.typed").is_file()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert importlib.metadata.version("jaxact") == jaxact.__version__
    assert set(project["dependencies"]) == NEEDED
    assert re.fullmatch(r"\d+\.\d+\.\d+", jaxact.__version__)


def test_public_names_have_docstrings():
    public = {n: v for n, v in vars(jaxact).items() if not n.startswith("_")}
    assert {"relu", "derivative", "activation", "catalogue"} <= set(public)
    assert inspect.getdoc(jaxact)
    for name, thing in public.items():
        assert (inspect.getdoc(thing) or "").strip(), f"{name} has no docstring"


def test_the_table_of_contents_defines_nothing():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    docstring, *imports = tree.body
    assert isinstance(docstring, ast.Expr)
    for node in imports:
        assert isinstance(node, ast.ImportFrom)
        for name in node.names:  # `as` says that it is public
            assert name.asname == name.name


PUBLIC = [
    ".".join(["jaxact", *path.relative_to(PACKAGE).with_suffix("").parts])
    for path in SOURCES
    if not any(re.match("_(?!_init__)", p) for p in path.relative_to(PACKAGE).parts)
]


def public_names(path):
    """What a file defines without an underscore, or imports `as` the same."""
    for node in ast.parse(path.read_text()).body:
        match node:
            case ast.FunctionDef(name=n) | ast.ClassDef(name=n):
                yield n
            case ast.Assign(targets=[ast.Name(id=n)]):
                yield n
            case ast.AnnAssign(target=ast.Name(id=n)):
                yield n
            case ast.ImportFrom(names=found):
                yield from (a.name for a in found if a.asname == a.name)


@pytest.mark.parametrize("name", [n.removesuffix(".__init__") for n in PUBLIC])
def test_dir_shows_what_is_public_and_import_takes_it(name):
    module = importlib.import_module(name)
    file = Path(module.__file__ or "")
    wanted = {n for n in public_names(file) if n[0] != "_"}
    if file.name == "__init__.py":  # a module of it is there once it is imported
        below = (n.removeprefix(f"{name}.").partition(".")[0] for n in PUBLIC)
        wanted |= {n for n in below if hasattr(module, n) and n[0] != "_"}
    scope: dict[str, object] = {}
    exec(f"from {name} import *", scope)
    assert wanted == {n for n in dir(module) if n[0] != "_"}
    assert wanted == {n for n in scope if n[0] != "_"}


# the last for calls that have a rule already, in a function that is observed
MAKE_RULES = (
    "_core/rule.py",
    "_core/tangents.py",
    "_core/values.py",
    "transforms/_custom.py",
)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_source(path):
    text = path.read_text()
    tree = ast.parse(text)
    if str(path.relative_to(PACKAGE)) not in MAKE_RULES:
        named = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        named |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        named |= {a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)
                  for a in n.names}  # fmt: skip
        assert not named & {"custom_jvp", "custom_vjp", "defjvp", "defvjp"}
    if text.strip():
        assert ast.get_docstring(tree)


def test_these_make_rules():
    for name in MAKE_RULES:
        assert "jax.custom_jvp" in (PACKAGE / name).read_text()


@pytest.mark.parametrize("path", sorted((PACKAGE / "_functions").glob("*.py")),
                         ids=lambda p: p.name)  # fmt: skip
def test_families_are_short(path):
    text, told = path.read_text(), 0
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            if ast.get_docstring(node):  # as long as the reader needs
                told += (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
    assert len(text.splitlines()) - told <= 240


def imports(path):
    """The modules of jaxact that a file imports at any level, absolute."""
    here = ["jaxact", *path.relative_to(PACKAGE).with_suffix("").parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            for name in node.names:
                deeper = f"{module}.{name.name}"
                file = PACKAGE.joinpath(*deeper.split(".")[1:])
                is_module = file.with_suffix(".py").is_file() or file.is_dir()
                yield deeper if is_module else module


# each may import those above it, and within a folder its own
LAYERS = (
    {"_formula", "_version"},
    {"_numerics.elementary", "_numerics.polynomials", "_numerics.precision"},
    {"_numerics.pairs"},
    {"_numerics.pieces"},
    {"_numerics.angles", "_numerics.rows"},
    {"_core"},
    {"frameworks"},
    {"_translation"},
    {"_functions"},
    {"_stable"},
    {"transforms"},
    {"diagnose"},
    {"_combination"},
    {"combinators"},
    {"catalogue"},
    {"_config"},
    {"testing"},
    {"_cli"},
)


def layer(module):
    """The number of the layer of a module of the package."""
    parts = module.split(".")[1:]
    for number, names in enumerate(LAYERS):
        if parts and (parts[0] in names or ".".join(parts[:2]) in names):
            return number
    return None  # the package itself, and folders that hold no code


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    here = layer(".".join(["jaxact", *path.relative_to(PACKAGE).with_suffix("").parts]))
    if here is None:
        assert path.name in ("__init__.py", "__main__.py")
        return
    for module in imports(path):
        there = layer(module)
        assert there is None or there <= here, f"{path.name} imports {module}"
        if LAYERS[here] == {"_core"} and module.startswith("jaxact._numerics"):
            assert module == "jaxact._numerics.precision"  # it knows of no kernel
    assert "jaxact" not in set(imports(path))  # the table of contents is for users


TALKS = ("test_package.py", "test_notebooks.py")  # of such paths, to find them


def test_no_file_names_a_machine():
    pattern = re.compile(r"(/root/|/home/\w|/work/|/Users/\w|C:\\Users)")
    assert len(TEXTS) > 40
    found = {
        str(path.relative_to(ROOT)): match[0]
        for path in TEXTS
        if path.name not in TALKS
        and (match := pattern.search(path.read_text(errors="ignore")))
    }
    assert found == {}
