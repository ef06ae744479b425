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
from typing import Any

from leser.config.layers import NAMED, Key, _renames, _written
from leser.errors import LeserError
from leser.textfile import read_text

EXTENDS = "extends"


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
        raise LeserError(f"The platform profile {path} is not valid TOML: {error}.") from None


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
