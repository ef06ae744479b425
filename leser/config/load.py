"""Reading a configuration: a TOML file, a profile under it, flags and assignments over it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from leser.config.anchor import anchored
from leser.config.given import set_apart
from leser.config.layers import Written, lay, place
from leser.config.problems import sound_profile
from leser.config.profile import EXTENDS
from leser.config.site import move, sited
from leser.config.tables import PLUGIN_TABLES, GatheringTable, RunConfig, default_name
from leser.errors import LeserError, unknown_name
from leser.grpo.presets import preset
from leser.options import Options, validate_options
from leser.recipes import recipe
from leser.textfile import read_text

FLAGS = {
    "task": "task.name",
    "backend": "backend.name",
    "preset": "preset",
    "recipe": "recipe",
    "rewards": "rewards.weights",
    "policy": "policy.name",
    "steps": "training.steps",
    "minutes": "training.minutes",
    "group_size": "grpo.group_size",
    "queries_per_step": "training.queries_per_step",
    "from_rollouts": "warmup.from_rollouts",
    "seed": "seed",
    "out": "out",
    "plugins": "plugins",
    "resume": "resume",
    "dry_run": "dry_run",
}
"""Where each flag of the command line, and each argument of `leser.train`, goes in the configuration."""


def load_config(
    path: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    assignments: Iterable[str] = (),
    platform: Path | None = None,
    moved_to: Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> RunConfig:
    """Read a TOML file, merge `flags` (dotted path to value), `options` and then `-o` assignments over it, and validate it.

    `options` are values by dotted path, what `assignments` are as text; without a table's name they are the backend's. The
    flag `plugins` adds to the files that are named already, `recipe` and over it `preset` lie under everything.
    `platform` is a profile that is laid under the file; `moved_to` one that a finished run's policy is taken to: its site
    replaces the file's. Raises LeserError naming the file, the table and the option that is wrong.
    """

    flags = dict(flags or {})
    named, published = flags.pop("recipe", None), flags.pop("preset", None)
    values: dict[str, Any] = {} if named is None else recipe(named)
    if published is not None:
        lay(values, preset(published))
    if platform:
        lay(values, sound_profile(platform).values)
    if path:
        lay(values, _read_run(path))
    if moved_to:
        move(values, sound_profile(moved_to).values)
    for dotted, value in flags.items():
        table, dot, key = dotted.partition(".")
        if dot and key == "name" and table in PLUGIN_TABLES and _names_another(values.get(table, {}), table, value):
            values[table] = {}  # the file's options are another plugin's
        _put(values, dotted.split("."), _with_files(values, value) if dotted == "plugins" else value)
    for key, value in (options or {}).items():
        _put(values, _target(key), deepcopy(value))  # what is laid over a table must not reach the caller's
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise LeserError(f"Invalid -o {assignment}. Expected KEY=VALUE, e.g. -o index=my-index or -o task.seed=3.")
        _put(values, _target(key.strip()), _value(text))
    return config_of(values)


def _names_another(table: Any, kind: str, name: Any) -> bool:
    """Whether a table's plugin is another than `name`; one that names none means the default."""
    return isinstance(table, Mapping) and table.get("name", default_name(kind)) != name


def _with_files(values: Mapping[str, Any], files: Iterable[Path]) -> list[Any]:
    """The plugin files of the configuration and those of flags, each once: a flag adds to what is needed anyway."""
    known = values.get("plugins", [])
    known = list(known) if isinstance(known, list | tuple) else [known]
    paths = {Path(file.path if isinstance(file, Written) else str(file)).resolve() for file in known}
    return [*known, *(str(file) for file in dict.fromkeys(files) if Path(file).resolve() not in paths)]


def config_of(values: Mapping[str, Any]) -> RunConfig:
    """Validate nested values; each table by itself, so that a message names it and knows its options."""
    for name, field in RunConfig.model_fields.items():
        model = field.annotation
        if name in values and isinstance(model, type) and issubclass(model, Options):
            if not isinstance(values[name], Mapping):
                raise LeserError(f"[{name}] must be a table, found {values[name]!r}.")
            if not issubclass(model, GatheringTable):
                validate_options(model, values[name], f"[{name}]")
    return validate_options(RunConfig, sited(place(RunConfig, values)), "the configuration")


def _read_run(path: Path) -> dict[str, Any]:
    """A file's values, paths where the file says they start from, and what it was filled with set apart."""
    values = anchored(_read_toml(path), path.parent)
    set_apart(values)
    return values


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(read_text(path))
    except OSError as error:
        raise LeserError(f"The configuration {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LeserError(f"The configuration {path} is not valid TOML: {error}.") from None
    if EXTENDS in values:
        raise LeserError(f"{path} extends another file, as platform profiles do. Give it with --platform.")
    return values


def _target(key: str) -> list[str]:
    """Where -o KEY goes: a dotted path whose first part is a table goes there, everything else is the backend's."""
    parts = key.split(".")
    if parts[0] in RunConfig.model_fields and len(parts) > 1:
        return parts
    kinds = {name: field.annotation for name, field in RunConfig.model_fields.items()}
    tables = [name for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Options)]
    if len(parts) > 1 and get_close_matches(parts[0], tables, n=1, cutoff=0.8):
        raise unknown_name("table", parts[0], tables)
    return ["backend", *parts]


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    *tables, last = path
    for name in tables:
        inner = values.setdefault(name, {})
        if not isinstance(inner, dict):
            raise LeserError(f"Cannot set {'.'.join(path)}: {name} is not a table.")
        values = inner
    values[last] = value


def _value(text: str) -> Any:
    """A command line's value: lists and tables as TOML writes them, everything else a string that pydantic coerces."""
    if text[:1] in {"[", "{"}:
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
    return text
