"""What differs between a run's configuration and the one it is to go on with; a newer version's defaults are no difference."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leser.config.anchor import take_start, texts_from
from leser.config.build import complete
from leser.config.given import NOT_GIVEN
from leser.config.load import config_of
from leser.errors import LeserError

if TYPE_CHECKING:
    from leser.config.tables import RunConfig
    from leser.plugins import Registry

Key = tuple[str, ...]
Known = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Nested values to the same with every default filled in; raises LeserError for what this version does not know."""
UNCOMPARED = {("out",), ("resume",), ("policy", "shard")}
"""Where a run writes, how it was resumed, and how its processes share the weights."""
PLUGINS = ("task", "backend", "rollout")
_ABSENT = object()


def differences(
    before: str, now: str, known: Known | None = None, folder: Path | None = None
) -> tuple[list[str], list[str]]:
    """Dotted keys of two TOML texts whose values differ, and those of the first that this version has no option for.

    What only the second holds is no difference where `known` fills in just that value; two names of one file are none
    either, whatever folder they start from: the first text's is a file in `folder`. A rule that only one of them has is named
    as a whole, with options or without.
    """
    here, first, second = Path.cwd(), tomllib.loads(before), tomllib.loads(now)
    first = texts_from(first, take_start(first, folder or here) or here)
    second = texts_from(second, here)
    was, now_is = _read(first, known), _read(second, known)
    different = {k for k in was.keys() | now_is.keys() if was.get(k, _ABSENT) != now_is.get(k, _ABSENT)} - UNCOMPARED
    rules = {k for k in different if len(k) == 2 and k[0] == "rules"}
    different = {k for k in different if k[:2] not in rules or k in rules}
    if known is None:
        return _told(different), []
    added = {k for k in different if k not in was}
    filled = _flat(_or_nothing(known, _without(second, added)))
    different -= {k for k in added if filled.get(k, _ABSENT) == now_is[k]}
    exchanged = {table for table in PLUGINS if (table, "name") in different}  # their options are another plugin's
    old = {k for k in different if k not in now_is and k[0] not in exchanged}
    gone = {k for k in old if not _or_nothing(known, _with(second, k, was[k]))}
    return _told(different), _told(gone)


def _read(values: Mapping[str, Any], known: Known | None) -> dict[Key, Any]:
    """Values by key as this version reads them, paths from the root; as they are written where it cannot."""
    read = _flat(_or_nothing(known, values)) if known else {}
    return {key: read.get(key, value) for key, value in _flat(values).items() if key[-1] != NOT_GIVEN}


def known_to(registry: Registry) -> Known:
    """Fills in the defaults of this version and of the plugins that are there."""

    def known(values: Mapping[str, Any]) -> Mapping[str, Any]:
        config: RunConfig = complete(config_of(values), registry)
        return tomllib.loads(config.resolved())

    return known


def _flat(table: Mapping[str, Any], at: Key = ()) -> dict[Key, Any]:
    """Values by key; an empty table counts as one, and so does each rule beside its options."""
    found: dict[Key, Any] = {}
    for name, value in table.items():
        key = (*at, name)
        if not isinstance(value, dict):
            found[key] = value
            continue
        if not value or at == ("rules",):
            found[key] = "a table"
        found |= _flat(value, key)
    return found


def _without(values: Mapping[str, Any], keys: set[Key]) -> dict[str, Any]:
    left: dict[str, Any] = deepcopy(dict(values))
    for *tables, last in keys:
        table = left
        for name in tables:
            table = table.get(name, {})
        table.pop(last, None)
    return left


def _with(values: Mapping[str, Any], key: Key, value: Any) -> dict[str, Any]:
    whole: dict[str, Any] = deepcopy(dict(values))
    *tables, last = key
    table = whole
    for name in tables:
        table = table.setdefault(name, {})
    table[last] = {} if value == "a table" else value
    return whole


def _or_nothing(known: Known, values: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return known(values)
    except LeserError:
        return {}


def _told(keys: set[Key]) -> list[str]:
    return sorted(".".join(key) for key in keys)
