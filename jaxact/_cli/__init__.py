"""The commands of ``python -m jaxact``, one module each."""

from importlib.metadata import version
from typing import Annotated

import typer

from ._bench import bench
from ._check import check
from ._compare import compare
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
app.command()(compare)
app.command("list")(list_)
app.command()(frameworks)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"jaxact {version('jaxact')}, jax {version('jax')}")
        raise typer.Exit


@app.callback()
def _jaxact(
    asked: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """Activation functions for JAX: check them on this machine."""
