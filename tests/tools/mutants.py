"""Break the package in one place at a time, and see whether the checks notice.

    python tests/tools/mutants.py [NAME]... [--sample N] [--jobs N] [--json FILE]

A mutant is the package with one change: a kernel with the wrong sign, off by a
thousandth, with the branches of a selection exchanged, without a term, with a kink on
the other side; or one of `CORE`, in what all activations share.  What CI runs on that
function is run on each: `jaxact check`, and, where that finds nothing, the tests that
have the function's name.  A mutant that passes all of it is a survivor.
"""

import argparse
import ast
import concurrent.futures
import copy
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "jaxact"

# file, what stands there, what shall, and tests that are about it
_CATALOGUE, _CORE, _ROWS = "test_catalogue", "test_core", "test_normalizers"
CORE = [
    # the rule: dtypes and rounding
    ("_core/rule.py", "jnp.float32 if jnp.dtype(self.dtype).itemsize < 4",
     "jnp.float32 if jnp.dtype(self.dtype).itemsize < 2", _CATALOGUE),
    ("_core/rule.py", "return self.run(kernel, arrays).astype(self.dtype)",
     "return self.run(kernel, arrays).astype(jnp.bfloat16).astype(self.dtype)",
     _CATALOGUE),
    ("_core/rule.py", "self.tangent((), self.widen(steps), self.widen(kept))",
     "self.tangent((), dict(steps), self.widen(kept))", _CATALOGUE),
    ("_core/rule.py", "y.shape).astype(self.dtype)]",
     "y.shape).astype(jnp.bfloat16).astype(self.dtype)]", _CATALOGUE),
    ("_core/rule.py", "with rounded_to(self.dtype):", "with rounded_to(jnp.bfloat16):",
     _CATALOGUE),
    ("_core/rule.py", "key = (kernel, jnp.dtype(self.dtype), wide, dtypes, *fixed)",
     "key = (kernel, wide, dtypes, *fixed)", _CATALOGUE),
    ("_core/operations.py", "return lax.full_like(like, number, number.dtype)",
     "return jnp.broadcast_to(number, shape)", "test_rows_in_programs"),
    ("_core/operations.py", "operands = _alike(operands)", "pass", "test_axis"),
    # the rule: what is kept
    ("_core/rule.py",
     "(tangent,) = late(push, list(moving.values()), (*primals, y))",
     "(tangent,) = push(*moving.values(), *primals, y)", _CATALOGUE),
    ("_core/tangents.py",
     "given = [v for v, r in zip(operands, read, strict=True) if r]\n"
     "    return _late_p.bind(*given, jaxpr=jaxpr, moving=sum(read[: len(moving)]))",
     "return _late_p.bind(*operands, jaxpr=jax.make_jaxpr(tangent)(*operands), "
     "moving=len(moving))", _CATALOGUE),
    ("_core/tangents.py", "    return late(tangent, moving, primals)",
     "    return list(tangent(*moving, *primals))", _CATALOGUE),
    ("_core/tangents.py", "found = iter(_kept_call(pulled)(*given, *known))",
     "found = iter(pulled(*given, *known))", _CATALOGUE),
    # the rule: which derivative
    ("_core/rule.py", "deeper = (*path, n)", "deeper = (n, *path)", _CORE),
    ("_core/rule.py", "return product(t, self.slope(deeper, arrays))",
     "return product(t, self.run(kernels[deeper], arrays))", _CORE),
    ("_core/rule.py", "tangent = self.tangent(path, _moving(names, tangents), arrays)",
     "tangent = self.tangent((), _moving(names, tangents), arrays)", _CORE),
    ("_core/rule.py", "return functools.reduce(jnp.add, terms)",
     "return next(iter(terms))", _CORE),
    ("_core/rule.py", "product = times if len(moving) > 1 else jnp.multiply",
     "product = jnp.multiply", _CORE),
    ("_core/rule.py",
     "symbolic_zeros=self.may_be_constant(names))\n        return value(",
     "symbolic_zeros=False)\n        return value(", _CORE),
    ("_core/rule.py",
     "symbolic_zeros=self.may_be_constant(names))\n        return value(",
     "symbolic_zeros=True)\n        return value(", "test_programs"),
    ("_core/rule.py",
     "return product(t, jax.jvp(along, (at,), (jnp.ones_like(at),))[1])",
     "return product(t, -jax.jvp(along, (at,), (jnp.ones_like(at),))[1])", _CORE),
    ("_core/rule.py", "return jax.jvp(along, (at,), (t,))[1]",
     "return 2 * jax.jvp(along, (at,), (t,))[1]", _CORE),
    ("_core/rule.py", "{n: t for n, t in pairs if not is_zero(t)}",
     "{n: t for n, t in pairs if n == 'x'}", _CORE),
    ("_core/tangents.py", "return jnp.where(t == 0, t, t * slope)", "return t * slope",
     _CORE),
    ("_core/tangents.py", "[_times_p.bind(dt, slope)]", "[_times_p.bind(-dt, slope)]",
     _CORE),
    ("_core/tangents.py", "lambda c, t, slope: [c * slope, None]",
     "lambda c, t, slope: [c, None]", _CORE),
    # the rule: types and shapes
    ("_core/rule.py", 'weak = weak or definition.integers == "weak"', "weak = weak",
     _CATALOGUE),
    ("_core/rule.py", "if weak and dtype == jnp.result_type(float):", "if False:",
     _CORE),
    ("_core/rule.py", 'if definition.integers == "keep":', "if False:", _CORE),
    ("_core/rule.py", "if out.dtype != self.wide and not is_weak(out):", "if False:",
     _CORE),
    ("_core/rule.py", "if out.shape not in (shape, read) and not constant:",
     "if False:", _CORE),
    ("_core/rule.py", "if tangent.shape != shape:", "if False:", _CORE),
    ("_core/rule.py", "if definition.elementwise and 0 < a.ndim < rank:", "if False:",
     _CORE),
    ("_core/call.py", "return (*shape, *[1] * (rank - 1 - range(rank)[axis]))",
     "return shape", "test_axis"),
    ("_core/call.py", "hash(value)", "value", _CORE),
    ("_core/call.py", 'if n == "x" or not is_mask(v)', "if True", _CORE),
    ("_core/declare.py",
     "definition.kernels[path] = chosen\n        definition.forget",
     "definition.kernels[path] = chosen\n        ~definition.forget", _CORE),
    ("_core/declare.py", 'if "y" in read_by(definition.kernels[before]):', "if False:",
     _CORE),
    ("_core/declare.py", "if not _redefines(kernel, old):", "if False:", _CORE),
    ("_core/kinks.py", "slopes if order == 1 else dict.fromkeys(slopes, 0.0)", "slopes",
     "test_kinks"),
    ("_core/kinks.py", "jnp.where(at, still + 1, x)", "x", "test_kinks"),
    ("_core/kinks.py", "kernel(x=still, **arguments) + slope", "slope", "test_kinks"),
    # a formula as a kernel
    ("_stable.py", "jnp.where(u <= 0, below, -below * e)", "below * jnp.sign(-u)",
     "test_formula_alone"),
    ("_stable.py", "(plain != plain) & known", "False", "test_formula_alone"),
    # the pieces that kernels share
    ("_numerics/precision.py", "return _kept.get() <= 11", "return _kept.get() <= 24",
     "test_numerics"),
    ("_numerics/pieces.py", "    return s * (r + bend) + s\n",
     "    return s * r + s\n", "test_numerics"),
    ("_numerics/pieces.py", "    return s * (r + bend) + (s - 1)\n",
     "    return s * (r + bend) + s - 1\n", "test_numerics"),
    ("_numerics/rows.py", "return el.where(x >= base, 0, x - base)", "return x - base",
     "test_rows_in_programs"),
    ("_numerics/rows.py", "return el.where(whole < 1.5 * one, rest, whole - one) / one",
     "return (whole - one) / one", _ROWS),
    ("_numerics/rows.py", "return t if where is None else el.where(y == 0, 0, t)",
     "return t", _ROWS),
    ("_numerics/rows.py", "t = (t - leading(t, y, axis)) * y", "t = t * y", _ROWS),
    ("_numerics/rows.py", "large = jnp.abs(base - 12) > 28", "large = base > 1e9",
     _ROWS),
    ("_numerics/rows.py", "return e / el.where(whole == 0, 1, whole)",
     "return e / whole", _ROWS),
    ("_functions/_weights.py", "return -y * of_sink / temperature",
     "return y * of_sink / temperature", _ROWS),
]  # fmt: skip
# changes that are not faults: the kernel, what is put there, why
EQUIVALENT = {
    ("_pelu_dx", "x > 0"): "alpha / beta is the slope from both sides",
    ("_fatreglu_dx", "x >= threshold"): "the threshold itself was asked for before",
    ("_gelu_clipped_dx", "y <= low"): "no y is as low",
    ("_hard_elish_dx", "x > 0"): "1/2 is the slope from both sides",
    ("_celu_dx", "x >= 0"): "1 is the slope from both sides",
    ("_hardmax_push", "-(jnp.zeros_like(t))"): "it is 0",
}
SHOWN = ("silu", "elu", "relu", "hard_tanh", "softmax", "swiglu")  # for the core
_COMPENSATION = re.compile(r"rest|left|low|tail|back|lost|bend|head|off|near|small")
_SECONDS = 600  # that a mutant may take: one that does not end is noticed


@dataclass
class Mutant:
    """A change of one file, and the check that caught it."""

    kind: str
    file: str
    line: int
    functions: tuple[str, ...]
    what: str
    source: str
    tests: str = ""  # a file of tests that is about it
    caught_by: str = ""  # "" of a survivor
    seconds: float = 0.0


# --- the mutants --------------------------------------------------------------------


def all_mutants() -> list[Mutant]:
    """Those of the kernels and of the core."""
    found = list(_of_core())
    for path in sorted((PACKAGE / "_functions").glob("[a-z]*.py")):
        found += _of_family(path)
    return [m for m in found if tuple(m.what.split(": ", 1)) not in EQUIVALENT]


def _of_core() -> Iterator[Mutant]:
    for file, old, new, tests in CORE:
        text = (PACKAGE / file).read_text()
        if text.count(old) != 1:
            raise SystemExit(f"mutants: {file} has {text.count(old)} times {old!r}")
        line = text[: text.index(old)].count("\n") + 1
        what = f"{old.strip().splitlines()[-1]} -> {new.strip().splitlines()[0]}"
        changed = text.replace(old, new)
        yield Mutant("core", file, line, SHOWN, what, changed, f"tests/{tests}.py")


def _of_family(path: Path) -> Iterator[Mutant]:
    """Of every kernel of a file each kind that fits, those of one kind in turn."""
    text = path.read_text()
    tree = ast.parse(text)
    file = str(path.relative_to(PACKAGE))
    kinked = {
        n.name
        for n in tree.body
        if isinstance(n, ast.FunctionDef)
        and any("kinks" in ast.unparse(d) for d in n.decorator_list)
    }
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        name, order = _kernel_of(node)
        if not name:
            continue
        # the value is the same from both sides of most, its slope is not
        kinks = name in kinked and order == "slope"
        for kind, place, changed in _changes(node, kinks):
            lines = text.splitlines(keepends=True)
            first, last = _span(node)
            lines[first:last] = ast.unparse(changed).splitlines(keepends=True)
            lines.insert(first + len(ast.unparse(changed).splitlines()), "\n\n")
            what = f"{node.name}: {place}"
            yield Mutant(kind, file, node.lineno, (name,), what, "".join(lines))


def _kernel_of(node: ast.FunctionDef) -> tuple[str, str]:
    """The activation that a function is a kernel of, and of what; "" for none."""
    for decorator in node.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        verb = ast.unparse(call.func if call else decorator)
        if verb == "activation" and not node.name.startswith("_"):
            return node.name, "value"
        if verb in ("derivative_of", "pushforward_of") and call:
            name = ast.unparse(call.args[0])
            slope = len(call.args) == 1 and not call.keywords
            what = "slope" if slope else "derivative"
            return ("", "") if name.startswith("_") else (name, what)
    return "", ""


def _span(node: ast.FunctionDef) -> tuple[int, int]:
    first = min(d.lineno for d in node.decorator_list) - 1
    return first, node.end_lineno or node.lineno


def _changes(
    node: ast.FunctionDef, kinks: bool
) -> Iterator[tuple[str, str, ast.FunctionDef]]:
    """The places that can be broken: the kind, the place, the function changed."""
    returned = [n for n in ast.walk(node) if isinstance(n, ast.Return) and n.value]
    last = returned[-1] if returned else None
    numbers = [n for n, part in enumerate(ast.walk(node)) if part is last]
    if last is not None and "complex" not in ast.unparse(last):
        for kind, template in (
            ("sign", "-({})"),
            ("factor 1.001", "1.001 * ({})"),
        ):
            if ast.unparse(last.value or last) in ("0", "jnp.zeros_like(x)", "0.0"):
                continue  # a derivative that is 0
            text = template.format(ast.unparse(last.value))  # type: ignore[arg-type]
            yield kind, text, _with(node, numbers[0], text)
    for number, part in enumerate(ast.walk(node)):
        if isinstance(part, ast.Call) and ast.unparse(part.func) == "el.where":
            test, yes, no = part.args
            if "inf" in ast.unparse(part):
                continue
            swapped = ast.Call(part.func, [test, no, yes], [])
            text = ast.unparse(swapped)
            yield "swapped branches", text, _replaced(node, number, swapped)
        if kinks and isinstance(part, ast.Compare) and len(part.ops) == 1:
            other = {ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Lt: ast.LtE, ast.LtE: ast.Lt}
            side = other.get(type(part.ops[0]))
            if side is not None:
                new = ast.Compare(part.left, [side()], part.comparators)
                yield "kink's side", ast.unparse(new), _replaced(node, number, new)
        if isinstance(part, ast.BinOp) and isinstance(part.op, (ast.Add, ast.Sub)):
            terms = f"{ast.unparse(part.left)} {ast.unparse(part.right)}"
            whole = ast.unparse(node)
            if _COMPENSATION.search(terms) or "pair(" in whole or "num." in terms:
                continue  # that is for the last bits, and may be within the bound
            text = f"{ast.unparse(part)} -> {ast.unparse(part.left)}"
            yield "missing term", text, _replaced(node, number, part.left)


def _with(node: ast.FunctionDef, number: int, text: str) -> ast.FunctionDef:
    """The function with another returned value."""
    value = ast.parse(text, mode="eval").body
    return _replaced(node, number, ast.Return(value))


def _replaced(node: ast.FunctionDef, number: int, new: ast.AST) -> ast.FunctionDef:
    """A copy in which one part, by its number, is another."""
    changed = copy.deepcopy(node)
    old = next(p for n, p in enumerate(ast.walk(changed)) if n == number)
    for parent in ast.walk(changed):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list) and any(v is old for v in value):
                value[[v is old for v in value].index(True)] = new
    return ast.fix_missing_locations(changed)


# --- what CI runs on one ------------------------------------------------------------

# the mutated source takes the place of the file when it is imported
_RUN = """
import importlib.abc, importlib.machinery, importlib.util, sys
sys.path.insert(0, {root!r})
source = open({source!r}).read()

class Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname):
        return compile(source, self.path, "exec")

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != {module!r}:
            return None
        file = {file!r}
        return importlib.util.spec_from_file_location(name, file,
                                                      loader=Loader(name, file))

sys.meta_path.insert(0, Finder())
if {what!r} == "check":
    sys.argv = ["jaxact", "check", *{arguments!r}]
    from jaxact.__main__ import main
    main()
import pytest
sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist",
                      *{arguments!r}]))
"""


def run(mutant: Mutant, nodes: dict[str, list[str]]) -> Mutant:
    """See which check notices it."""
    started = time.monotonic()
    with tempfile.NamedTemporaryFile("w", suffix=".py", delete=False) as file:
        file.write(mutant.source)
    try:
        for what, arguments in _steps(mutant, nodes):
            if arguments and not _passes(mutant, file.name, what, arguments):
                mutant.caught_by = what
                break
    finally:
        os.unlink(file.name)
    mutant.seconds = time.monotonic() - started
    return mutant


def _steps(
    mutant: Mutant, nodes: dict[str, list[str]]
) -> Iterator[tuple[str, list[str]]]:
    if mutant.tests:
        yield "tests", [str(ROOT / mutant.tests), "-m", "not slow"]
    yield "check", list(mutant.functions)
    if len(mutant.functions) == 1:
        yield "tests", nodes.get(mutant.functions[0], [])


def _passes(mutant: Mutant, source: str, what: str, arguments: list[str]) -> bool:
    """Whether a check passes."""
    file = PACKAGE / mutant.file
    module = ".".join(["jaxact", *Path(mutant.file).with_suffix("").parts])
    code = textwrap.dedent(_RUN).format(
        root=str(ROOT), source=source, module=module, file=str(file), what=what,
        arguments=arguments,
    )  # fmt: skip
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def tests_by_name() -> dict[str, list[str]]:
    """The tests whose parameters or text name an activation, by the activation."""
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:xdist",
         str(ROOT / "tests")],
        cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    ).stdout.splitlines()  # fmt: skip
    found: dict[str, list[str]] = {}
    for node in listed:
        if "[" in node and "test_mutants" not in node and "test_weight" not in node:
            for part in re.split(r"[-\[\] (),]", node.split("[", 1)[1]):
                found.setdefault(part, []).append(node)
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        text = path.read_text()
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                words = re.findall(r"\w+", ast.get_source_segment(text, node) or "")
                for word in set(words):
                    found.setdefault(word, []).append(f"tests/{path.name}::{node.name}")
    return found


def sample(mutants: list[Mutant], count: int, seed: int = 0) -> list[Mutant]:
    """Some of them, of every kind."""
    kinds: dict[str, list[Mutant]] = {}
    for mutant in random.Random(seed).sample(mutants, len(mutants)):
        kinds.setdefault(mutant.kind, []).append(mutant)
    queues, chosen = list(kinds.values()), []
    while len(chosen) < count and any(queues):
        for queue in queues:
            if queue and len(chosen) < count:
                chosen.append(queue.pop())
    return chosen


def main() -> None:
    """Run the mutants, and print which check caught each."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=
                                     argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("names", nargs="*", help="activations; 'core' for the core")
    parser.add_argument("--sample", type=int, help="that many of every kind in turn")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path)
    parser.add_argument("--list", action="store_true", help="only list them")
    given = parser.parse_args()
    mutants = all_mutants()
    if given.names:
        kept = set(given.names)
        mutants = [m for m in mutants if kept & {m.kind, *m.functions[:1]}]
    if given.sample:
        mutants = sample(mutants, given.sample)
    if given.list:
        for m in mutants:
            print(f"{m.kind:17} {m.file}:{m.line} {m.what:.90}")
        print(len(mutants))
        return
    nodes = tests_by_name()
    done: list[Mutant] = []
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for mutant in pool.map(lambda m: run(m, nodes), mutants):
            done.append(mutant)
            mark = mutant.caught_by or "SURVIVES"
            place = f"{mutant.kind:17} {mutant.file}:{mutant.line}"
            print(f"{mark:8} {mutant.seconds:5.0f} s  {place} {mutant.what:.100}")
            if given.json:
                rows = [{k: v for k, v in asdict(m).items() if k != "source"}
                        for m in done]  # fmt: skip
                given.json.write_text(json.dumps(rows, indent=1))
    print(f"\n{'kind':18}{'mutants':>8}{'caught':>8}{'by check':>10}{'by tests':>10}")
    for kind in [*dict.fromkeys(m.kind for m in done), ""]:
        those = [m for m in done if kind in ("", m.kind)]
        by = {w: sum(m.caught_by == w for m in those) for w in ("check", "tests")}
        print(f"{kind or 'all':18}{len(those):8}{sum(by.values()):8}"
              f"{by['check']:10}{by['tests']:10}")  # fmt: skip
    raise SystemExit(not all(m.caught_by for m in done))


if __name__ == "__main__":
    main()
