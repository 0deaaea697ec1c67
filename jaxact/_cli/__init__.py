"""The commands of ``python -m jaxact``, one module each."""

import typer

from ._bench import bench
from ._check import check
from ._frameworks import frameworks
from ._list import list_
from ._models import models
from ._overhead import overhead

app = typer.Typer(
    name="jaxact",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.command()(check)
app.command()(bench)
app.command()(overhead)
app.command()(models)
app.command("list")(list_)
app.command()(frameworks)


@app.callback()
def _jaxact() -> None:
    """Activation functions for JAX: check them on this machine."""
