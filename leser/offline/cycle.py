"""The life cycle of entries: a CSV file that a merchandiser edits, and single decisions.

    query,platform,expansions,state,gain,count,policy,time,reason
    couch,,sofa ^0.5; loveseat ^0.25,proposed,0.082,311,search,2026-11-27T10:00:00+00:00,
    lamp,,none,live,,205,search,2026-11-27T10:00:00+00:00,overlap

Weights are those that the engine is asked with, beside the original query's 1. Only `expansions` and `state` are read back; a
person who changes expansions has approved them.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from leser.errors import LeserError
from leser.expansion import Expansion, ExpansionOptions, ParseError, parse, render
from leser.expansion_store import EntryState, Store, StoredEntry, now
from leser.files import write_atomically
from leser.formats.files import bad_line, open_text

COLUMNS = ("query", "platform", "expansions", "state", "gain", "count", "policy", "time", "reason", "by")
_FORMULA = ("=", "+", "-", "@")
_FORM = ExpansionOptions(max_expansions=100, max_words=100, weight=1.0, max_weight=1e6)
"""A person's expansions need only be readable here; the rules are asked beside (leser/inspect/importing.py)."""


def selected(store: Store, state: EntryState | None = None, platform: str | None = None) -> list[StoredEntry]:
    """Entries of a state and platform (None: all), the most frequent first."""
    found = [e for e in store.entries() if state in (None, e.state) and platform in (None, e.platform)]
    return sorted(found, key=lambda e: (-e.scores.get("count", 0.0), e.key))


def write_entries(path: Path, entries: Iterable[StoredEntry]) -> int:
    """Write the CSV file; how many entries it has. A cell that a spreadsheet would take for a formula begins with a blank."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    count = 0
    for entry in entries:
        shown = {name: f"{value:g}" for name, value in entry.scores.items()}
        if not entry.expansions:
            shown.pop("gain", None)  # that of expansions which a guard refused
        cells = (
            entry.query,
            entry.platform,
            render(entry.expansions),
            str(entry.state),
            shown.get("gain", ""),
            shown.get("count", ""),
            entry.policy,
            entry.time,
            entry.reason,
            entry.by,
        )
        table.writerow([f" {cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
        count += 1
    write_atomically(path, text.getvalue())
    return count


def read_entries(path: Path, store: Store) -> list[StoredEntry]:
    """The entries that the file changes, as they are to be put into the store; raises LeserError naming file and line."""
    changed: dict[tuple[str, str], StoredEntry] = {}
    for line, row in _rows(path):
        before = store.get(row["query"].strip(), row["platform"].strip())
        entry = _edited(before, row, path, line)
        if before is None or (entry.expansions, entry.state) != (before.expansions, before.state):
            if entry.key in changed:
                raise bad_line(path, line, f"the query {entry.query[:60]!r} is changed twice. Leave one line")
            changed[entry.key] = entry
    return list(changed.values())


def _edited(before: StoredEntry | None, row: dict[str, str], path: Path, line: int) -> StoredEntry:
    try:
        state = EntryState(row["state"].strip().casefold())
    except ValueError:
        raise bad_line(
            path, line, f"the state {row['state'][:30]!r} is not valid. Write one of {', '.join(EntryState)}"
        ) from None
    read = parse(row["expansions"].strip() or "none", _FORM)
    if isinstance(read, ParseError):
        raise bad_line(path, line, f"the expansions cannot be read: {read.reason}. Write: sofa ^0.5; loveseat")
    if before is None:
        return StoredEntry(
            row["query"].strip(), read.expansions, row["platform"].strip(), state, policy="person", time=now()
        )
    same = _same(read.expansions, before.expansions)
    if not same and state is before.state and state is not EntryState.WITHDRAWN:
        state = EntryState.APPROVED
    if same and state is before.state:
        return before
    expansions = before.expansions if same else read.expansions
    made = before if same else replace(before, policy="person", reason="", by="")
    return replace(made, expansions=expansions, state=state, time=now())


def _same(first: Sequence[Expansion], second: Sequence[Expansion]) -> bool:
    """Whether these are the same phrases with the same weights, to the digits that are written."""
    return len(first) == len(second) and all(
        a.text == b.text and math.isclose(a.weight, b.weight, rel_tol=1e-5) for a, b in zip(first, second, strict=True)
    )


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    with open_text(path) as file:
        rows = csv.DictReader(file, strict=True)
        try:
            missing = [name for name in COLUMNS[:4] if name not in (rows.fieldnames or ())]
            if missing:
                raise bad_line(
                    path, 1, f"the columns {', '.join(missing)} are missing. Edit a file of `leser entries export`"
                )
            for row in rows:
                cells = {name: row[name] or "" for name in COLUMNS[:4]}
                if cells["query"].strip():
                    yield rows.line_num, cells
        except (csv.Error, UnicodeDecodeError) as error:
            raise bad_line(path, rows.line_num, f"not readable as a table: {error}") from None


def decide(store: Store, queries: Iterable[str], state: EntryState, platform: str = "") -> list[StoredEntry]:
    """Approve or withdraw single entries, and put them into the store; raises LeserError where there is none.

    A query without an entry may be withdrawn: nothing is searched beside it, whatever a policy would write.
    """
    changed = []
    for query in queries:
        entry = store.get(query, platform)
        if entry is None and state is not EntryState.WITHDRAWN:
            where = f" on the platform '{platform}'" if platform else ""
            raise LeserError(f"The store has no entry for '{query[:80]}'{where}. `leser entries list` shows them.")
        changed.append(entry.in_state(state) if entry else StoredEntry(query, (), platform, state, policy="person"))
    store.put(changed)
    return changed
