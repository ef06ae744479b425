"""Configurations of trainings that bad input is given to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomli_w
from bad_input import tables


def configuration(folder: Path, **changes: Any) -> Path:
    path = folder / "run.toml"
    path.write_text(tomli_w.dumps(tables(folder, **changes)))
    return path
