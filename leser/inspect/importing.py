"""Entries that a person edited, checked against the rules of the site that will serve them."""

from __future__ import annotations

from collections.abc import Iterable

from leser.config.build import task_of
from leser.errors import LeserError
from leser.expansion import Expansion
from leser.expansion_store import EntryState, StoredEntry
from leser.inspect.precomputing import Source
from leser.printable import printable
from leser.rules import ServingFilter
from leser.session import open_environment

SHOWN = 5
"""Refused expansions that an error names."""


def to_check(entries: Iterable[StoredEntry]) -> list[StoredEntry]:
    """The entries with expansions that are served, or may be one day."""
    return [entry for entry in entries if entry.expansions and entry.state is not EntryState.WITHDRAWN]


def check_rules(entries: Iterable[StoredEntry], source: Source) -> None:
    """Ask the source's rules about entries of its platform; raises LeserError naming what breaks one, or cannot be asked about.

    Raises LeserError too for entries of another platform, whose rules are others.
    """
    wanted = to_check(entries)
    config, registry = source.read()
    name = config.platform.name or ""
    if elsewhere := sorted({entry.platform for entry in wanted} - {name}):
        raise LeserError(
            f"Changed entries are of the platform '{printable(elsewhere[0])}', and the rules that were named are those of "
            f"'{name}'. Import each platform's entries by themselves, with its profile (--platform F.toml)."
        )
    kind = registry.get("backend", config.backend.name)
    task = task_of(config, registry) if source.needs_task(kind, config.backend.options) else None
    environment, _ = open_environment(config, registry, task)
    with environment.client:
        allows, weight = ServingFilter(environment.rules), environment.expansion.weight
        broken = []
        for entry in wanted:
            written = [Expansion(e.text, float(f"{e.weight / weight:.6g}")) for e in entry.expansions]
            broken += [
                f"'{printable(entry.query, 60)}' -> '{printable(refused.expansion.text, 60)}': {refused.reason} ({refused.code})"
                for refused in allows(entry.query, written).refused
            ]
    if broken:
        more = f"\n  and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
        raise LeserError(
            "Rules do not allow all of the expansions, and nothing was imported. Correct these lines, or the rules:\n  "
            + "\n  ".join(broken[:SHOWN])
            + more
        )
