"""What the reports of all commands have in common."""

import platform
from importlib.metadata import version
from typing import Any

import jax
from rich.console import Console


def console() -> Console:
    """Where tables go: the terminal, or a file of any width so that nothing is cut."""
    out = Console()
    return out if out.is_terminal else Console(width=1000)


def provenance(**versions: str) -> dict[str, Any]:
    """With what, and on what, a report was measured."""
    return {
        "versions": {
            "jaxact": version("jaxact"),
            "jax": jax.__version__,
            "python": platform.python_version(),
            **versions,
        },
        "backend": jax.default_backend(),
        "device": jax.devices()[0].device_kind,
    }
