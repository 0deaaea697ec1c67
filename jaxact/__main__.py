"""The command line: ``python -m jaxact``."""

import importlib.util
import sys


def main() -> None:
    """Run the command line, or say what it needs."""
    needed = {"typer": "typer", "rich": "rich", "flint": "python-flint"}
    missing = [p for m, p in needed.items() if importlib.util.find_spec(m) is None]
    if missing:
        print(
            f"jaxact: the command line needs {', '.join(missing)}; "
            'install it with: pip install "jaxact[cli]"',
            file=sys.stderr,
        )
        raise SystemExit(2)
    try:
        from ._cli import app

        app(prog_name="jaxact")
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
