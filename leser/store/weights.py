"""weight.json of a run folder: the weights of an expansion that were chosen, by what each was chosen for."""

from __future__ import annotations

import json
from pathlib import Path

from leser.errors import LeserError
from leser.files import write_atomically

FILE = "weight.json"
SERVED = "leser"
"""The weight that the run's policy is served with."""


def kept_weights(folder: Path) -> dict[str, float]:
    """What was chosen so far; raises LeserError for a file that cannot be read."""
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): float(weight) for name, weight in content.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise LeserError(f"{path} cannot be read: {error}. Delete it and run again with --resume.") from error


def keep_weight(folder: Path, name: str, weight: float) -> None:
    """Add one weight to the file."""
    write_atomically(folder / FILE, json.dumps({**kept_weights(folder), name: weight}, indent=1) + "\n")
