"""Reading a platform profile: a file, the files it extends, and where each of their relative paths starts.

    extends = "base.toml"          # beside this file; its tables are laid under this one's

    [platform]
    name = "us"
    locale = "en-US"

The rest are the tables of a configuration. Tables merge key by key, a value replaces; a [task] or [backend] that names
another reader or engine starts anew, since options of the old one mean nothing to it. `NAME = false` in [rules] takes a rule
out that an extended file switches on.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import BaseModel

from leser.errors import LeserError
from leser.textfile import read_text

EXTENDS = "extends"
NAMED = ("task", "backend")
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


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile with everything it extends laid under it.

    `files` begin with the profile itself; `origins` are the files by the key they set last. Texts are `Written`.
    """

    files: tuple[Path, ...]
    values: dict[str, Any]
    origins: Mapping[Key, Path]

    @property
    def path(self) -> Path:
        """The profile's own file."""
        return self.files[0]

    def file_of(self, key: Key) -> Path:
        """The file that set a key, or else the table around it."""
        return next((self.origins[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self.origins), self.path)


def read_profile(path: Path) -> Profile:
    """Read a profile and what it extends; raises LeserError for files that are missing, malformed or extend in a circle."""
    layers = _layers(path, ())
    values: dict[str, Any] = {}
    origins: dict[Key, Path] = {}
    for file, table in reversed(layers):
        _lay(values, origins, table, file)
    return Profile(tuple(file for file, _ in layers), values, origins)


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


def _layers(path: Path, trail: Sequence[Path]) -> list[tuple[Path, dict[str, Any]]]:
    """The file and those it extends, each with its content, the most general last."""
    circle = [file.resolve() for file in trail]
    if path.resolve() in circle:
        around = " -> ".join(file.name for file in [*trail[circle.index(path.resolve()) :], path])
        raise LeserError(f"Platform profiles extend each other in a circle: {around}. Take one `{EXTENDS}` out.")
    table = _read(path, trail[-1] if trail else None)
    below = table.pop(EXTENDS, None)
    if below is None:
        return [(path, table)]
    if not isinstance(below, str) or not below.strip():
        raise LeserError(f'{path}, {EXTENDS}: expected the name of a file, e.g. "base.toml", found {below!r}.')
    base = Path(os.path.normpath(path.parent / Path(below).expanduser()))
    return [(path, table), *_layers(base, (*trail, path))]


def _read(path: Path, by: Path | None) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(path))
    except (FileNotFoundError, NotADirectoryError):
        beside = sorted(file.name for file in path.parent.glob("*.toml")) if path.parent.is_dir() else []
        close = get_close_matches(path.name, beside, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        if by is None:
            raise LeserError(f"No platform profile at {path}: there is no such file.{hint}") from None
        raise LeserError(f"{by}, {EXTENDS}: there is no file {path}.{hint} It is looked for beside {by}.") from None
    except OSError as error:
        raise LeserError(f"The platform profile {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LeserError(f"The platform profile {path} is no TOML: {error}.") from None


def _lay(values: dict[str, Any], origins: dict[Key, Path], above: Mapping[str, Any], file: Path, at: Key = ()) -> None:
    """`lay`, noting which file set what."""
    for key, value in above.items():
        here = (*at, key)
        if at == ("rules",) and value is False and key != "locale":
            _take_out(values, key, file)
            continue
        if not isinstance(value, dict):
            _forget(origins, here)
            values[key] = _written(value, file.parent)
        else:
            known = values.get(key)
            if not isinstance(known, dict) or (not at and key in NAMED and _renames(key, known, value)):
                _forget(origins, here)
                values[key] = {}
            _lay(values[key], origins, value, file, here)
        origins[here] = file


def _take_out(rules: dict[str, Any], name: str, file: Path) -> None:
    if name not in rules:
        there = ", ".join(key for key in rules if key != "locale") or "none"
        raise LeserError(f"{file}, rules.{name}: there is no such rule below to take out. Below: {there}.")
    del rules[name]


def _forget(origins: dict[Key, Path], at: Key) -> None:
    for key in [key for key in origins if key[: len(at)] == at]:
        del origins[key]


def _renames(kind: str, known: Any, table: Mapping[str, Any]) -> bool:
    from leser.config import default_name

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
