"""What the commands write with `--json`."""

import json
from pathlib import Path
from typing import Any


def read(file: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The line that says with what it was measured, and the rows."""
    head, *rows = map(json.loads, Path(file).read_text().splitlines())
    return head, rows
