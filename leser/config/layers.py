"""Layers of nested values: laying one over another, and texts that remember the folder of their file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import BaseModel

from leser.config.tables import default_name

NAMED = ("task", "backend", "rollout")
"""Tables whose `name` is a plugin that all their other keys belong to."""


Key = tuple[str, ...]


class Written(str):
    """A text as a profile holds it, with the folder that it starts from if it turns out to be a path."""

    folder: Path

    @classmethod
    def of(cls, text: str, folder: Path) -> Self:
        """The text, written in a file of this folder."""
        written = cls(text)
        written.folder = folder
        return written

    @property
    def path(self) -> str:
        """The text read as a path."""
        return os.path.normpath(self.folder / Path(self).expanduser())


def lay(values: dict[str, Any], above: Mapping[str, Any]) -> None:
    """Lay nested values over others: tables merge key by key, a value replaces, another plugin's table starts anew."""
    for key, value in above.items():
        if not isinstance(value, Mapping):
            values[key] = value
            continue
        if not isinstance(values.get(key), dict) or (key in NAMED and _renames(key, values[key], value)):
            values[key] = {}
        lay(values[key], value)


def place(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values for a model, with each path of a profile made to start where it was meant from."""
    placed: dict[str, Any] = {}
    for key, value in values.items():
        field = model.model_fields.get(key)
        inner = field.annotation if field else None
        if isinstance(inner, type) and issubclass(inner, BaseModel) and isinstance(value, Mapping):
            placed[key] = place(inner, value)
        else:
            placed[key] = _placed(value) if _holds_path(inner) else value
    return placed


def _renames(kind: str, known: Any, table: Mapping[str, Any]) -> bool:

    return "name" in table and table["name"] != known.get("name", default_name(kind))


def _written(value: Any, folder: Path) -> Any:
    if isinstance(value, str):
        return Written.of(value, folder)
    if isinstance(value, list):
        return [_written(item, folder) for item in value]
    if isinstance(value, dict):
        return {key: _written(item, folder) for key, item in value.items()}
    return value


def _placed(value: Any) -> Any:
    if isinstance(value, Written):
        return value.path
    if isinstance(value, list | tuple):
        return [_placed(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _placed(item) for key, item in value.items()}
    return value


def _holds_path(annotation: Any) -> bool:
    if isinstance(annotation, type) and not get_args(annotation):
        return issubclass(annotation, Path)
    return any(_holds_path(inner) for inner in get_args(annotation))
