"""What follows from a platform: its rules' locale, which of its names are paths, and what another platform replaces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leser.config.anchor import Recorded
from leser.config.layers import NAMED, Written, lay

LEARNED = ("policy", "warmup", "training", "grpo", "seed", "out", "plugins")
"""What a finished run keeps of its own when its policy is taken to another platform."""

OWN = ("platform", "rules", "constraints")
"""Tables that are nobody's but a site's: a run's are never mixed with another platform's."""


def sited(values: dict[str, Any]) -> dict[str, Any]:
    """The values with the platform's locale given to its rules, and names in its file read as paths where they are."""
    platform, rules = values.get("platform", {}), values.get("rules", {})
    if isinstance(platform, Mapping) and platform.get("locale") and isinstance(rules, Mapping):
        values["rules"] = {"locale": str(platform["locale"]), **rules}
    for table in (*NAMED, "policy"):
        given = values.get(table)
        if isinstance(given, Mapping) and isinstance(given.get("name"), Written) and table != "backend":
            values[table] = {**given, "name": _placed_name(given["name"], hub=table == "policy")}
    return values


def move(values: dict[str, Any], site: Mapping[str, Any]) -> None:
    """Take a finished run's values to another platform: how it was learned stays, what the site decides is replaced.

    Task and engine are the site's where it names them; rules, constraints and the prompt's words always are.
    """
    for table in NAMED:
        if table in site:
            values.pop(table, None)
    for table in OWN:
        values.pop(table, None)
    if isinstance(prompt := values.get("prompt"), dict):
        prompt.pop("platform", None)
    lay(values, {name: table for name, table in site.items() if name not in LEARNED})
    files = [file.path if isinstance(file, Written) else file for file in site.get("plugins", [])]
    if files:
        values["plugins"] = [*values.get("plugins", []), *files]


def _placed_name(name: Written, *, hub: bool) -> str:
    """A task's or policy's name as a path, where it is one: a hub id has a slash too, and is none."""
    said = name.startswith((".", "/", "~")) if hub else "/" in name
    path = name.path
    if isinstance(name, Recorded) and path == name:  # a run's, opened from where it was made: read as it was then
        return str(name)
    if not said and not Path(path).exists():
        return str(name)
    # "policy" alone would be a built-in's or a reader's name, "runs/policy" a hub id
    return f"./{path}" if path.count("/") <= hub and not path.startswith(("/", "..")) else path
