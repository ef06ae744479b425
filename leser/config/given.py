"""What a user gave, kept apart from what was filled in: an option that nobody gave is never taken for a given one.

A resolved configuration shows every option of a plugin, defaults too, so that a run keeps the values it was made with. The
list `not_given` of a table names those that are defaults. When a file is read they are set apart (`set_apart`), so that what
is laid over the file is told from what the file was filled with; a plugin's options are made of the given ones alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from pydantic import BaseModel

NOT_GIVEN = "not_given"
"""Key of a table: its options that nobody gave, by dotted name."""


def set_apart(values: dict[str, Any]) -> None:
    """Move the values that a file's tables name in `not_given` into that key, as dotted names with their values."""
    for table in values.values():
        if isinstance(table, dict) and isinstance(names := table.get(NOT_GIVEN), list):
            apart = {str(name): _take(table, str(name).split(".")) for name in names}
            table[NOT_GIVEN] = {name: value for name, value in apart.items() if value is not None}


def put_back(options: Mapping[str, Any], apart: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The options with those that were set apart, where nothing was laid over them; and the names of these."""
    whole: dict[str, Any] = deepcopy(dict(options))
    names = tuple(name for name, value in apart.items() if _put(whole, name.split("."), value))
    return whole, names


def without(options: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The options that were given: all but those of these dotted names."""
    given: dict[str, Any] = deepcopy(dict(options))
    for name in names:
        _take(given, name.split("."))
    return given


def unset(options: BaseModel) -> dict[str, Any]:
    """Options that their model filled in, by dotted name; those without a value (None) are left out."""
    whole = options.model_dump(mode="json", exclude_none=True)
    return _missing(whole, options.model_dump(mode="json", exclude_none=True, exclude_unset=True), options)


def at(options: Mapping[str, Any], name: str) -> Any:
    """The value of a dotted name, None where there is none."""
    found: Any = options
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _missing(whole: Mapping[str, Any], given: Mapping[str, Any], model: BaseModel) -> dict[str, Any]:
    missing: dict[str, Any] = {}
    for name, value in whole.items():
        inner = getattr(model, name, None)
        if name not in given:
            missing[name] = value
        elif isinstance(inner, BaseModel):
            missing |= {f"{name}.{key}": filled for key, filled in _missing(value, given[name], inner).items()}
    return missing


def _take(table: dict[str, Any], path: list[str]) -> Any:
    *above, last = path
    for part in above:
        inner = table.get(part)
        if not isinstance(inner, dict):
            return None
        table = inner
    return table.pop(last, None)


def _put(table: dict[str, Any], path: list[str], value: Any) -> bool:
    """Set a value where there is none and its tables are there or can be made; whether that was done."""
    *above, last = path
    for part in above:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            return False
        table = inner
    if last in table:
        return False
    table[last] = value
    return True
