"""Every public function says what it returns, and shows it by an example that runs."""

import doctest
import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxact
import jaxact.frameworks
import jaxact.testing
import jaxact.transforms

pytestmark = pytest.mark.slow  # says nothing new with another JAX

WHOLE = (jaxact, jaxact.testing, jaxact.transforms)  # what they import is public
MODULES = (jaxact.catalogue, jaxact.combinators, jaxact.frameworks)
PUBLIC = {
    thing: f"{module.__name__}.{name}"
    for module in (*MODULES, *reversed(WHOLE))
    for name, thing in vars(module).items()
    if (inspect.isfunction(thing) or inspect.isclass(thing))
    and (module in WHOLE or thing.__module__ == module.__name__)
    and re.match("[a-z]", thing.__name__)  # a class with such a name is called as one
    and not name.startswith("_")
}
SECTIONS = ("Args:", "Attributes:", "Returns:", "Raises:", "Example:", "Reference:")
NUMBER = r"-?\d+\.\d*(?:e[-+]\d+)?"


class Nearly(doctest.OutputChecker):
    """Numbers may differ as they do between CPUs, and in how they are padded."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        words = ["".join(re.sub(NUMBER, "#", text).split()) for text in (want, got)]
        numbers = [np.array(re.findall(NUMBER, text), float) for text in (want, got)]
        return words[0] == words[1] and np.allclose(*numbers, rtol=1e-5, atol=1e-7)


def run_examples(doc: str, name: str) -> None:
    known = {"__name__": "__main__", "jax": jax, "jaxact": jaxact, "jnp": jnp}
    examples = doctest.DocTestParser().get_doctest(doc, known, name, None, 0)
    assert examples.examples
    told: list[str] = []
    failed, _ = doctest.DocTestRunner(Nearly()).run(examples, out=told.append)
    assert not failed, "".join(told)


@pytest.mark.parametrize("thing", PUBLIC, ids=PUBLIC.get)
def test_says_what_it_returns_and_shows_it(thing):
    doc = inspect.getdoc(thing) or ""
    order = [line for line in doc.splitlines() if re.fullmatch("[A-Z][a-z]+:", line)]
    assert order == [s for s in SECTIONS if s in order]
    assert {"Returns:", "Example:"} <= {*order}
    run_examples(doc, PUBLIC[thing])


def test_help_introduces_the_package():
    doc = inspect.getdoc(jaxact) or ""
    run_examples(doc, "jaxact")
    listed = re.findall(r"^- (\w+): ", doc, re.M)
    assert {*listed} == {*jaxact.catalogue.families(), "packed"}
    verbs = {n for n, v in vars(jaxact).items() if callable(v) and n[0].islower()}
    verbs -= {*jaxact.names(), *jaxact.catalogue.aliases()}
    assert verbs <= {*re.findall(r"`(\w+)`", doc)}
