"""Where the relative paths of a configuration start: a run is opened and resumed from any folder.

    paths_from = "../.."           # seen from this file: the folder that its relative paths start from

Without it they start from where the command is run. A run folder's config.toml has it, written as the way from the run folder
to the folder that the run was made in: runs and data that are moved together still find each other. Where a run folder was
moved alone, a path that is not found that way starts from where the command is run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from leser.config.layers import Written
from leser.errors import LeserError

PATHS_FROM = "paths_from"
"""Key at the top of a configuration file."""


class Recorded(Written):
    """A text of a file that says where its paths start."""

    @property
    def path(self) -> str:
        """The text read as a path, from where the file says or else from where the command is run."""
        meant = Path(super().path)
        return str(self) if not meant.exists() and Path(self).exists() else str(meant)


def anchored(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The values of a file in `folder`, whose paths start where it says; as they are where it says nothing.

    Raises LeserError for a `paths_from` that is not a text.
    """
    start = take_start(values, folder)
    return values if start is None else texts_from(values, Path(os.path.relpath(start)))


def take_start(values: dict[str, Any], folder: Path) -> Path | None:
    """Take out of the values of a file in `folder` where its paths start, from the root; None where it says nothing."""
    start = values.pop(PATHS_FROM, None)
    if start is not None and not isinstance(start, str):
        raise LeserError(f'{PATHS_FROM} in a configuration names a folder, e.g. "../..", found {start!r}.')
    return None if start is None else Path(os.path.realpath(folder / Path(start).expanduser()))


def texts_from(values: Mapping[str, Any], start: Path) -> dict[str, Any]:
    """The values with every text noted as written for this folder, for those that turn out to be paths."""
    return {name: _noted(value, start) for name, value in values.items()}


def anchor(folder: Path) -> str:
    """The line for a file in `folder` that says: paths start from the working directory."""
    return tomli_w.dumps({PATHS_FROM: os.path.relpath(Path.cwd(), os.path.realpath(folder))})


def _noted(value: Any, start: Path) -> Any:
    if isinstance(value, str):
        return Recorded.of(value, start)
    if isinstance(value, list):
        return [_noted(item, start) for item in value]
    return texts_from(value, start) if isinstance(value, dict) else value
