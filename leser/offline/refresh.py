"""Refreshing a store: stale queries are expanded and guarded in blocks, then a whole generation is swapped in.

What stays as it is: entries of other platforms, those that a person approved or withdrew, and fresh ones, also of queries
that the list does not name any more. A stale entry whose query is not named goes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from leser.errors import LeserError
from leser.expansion_store import DECIDED, EntryState, Generation, Store, StoredEntry
from leser.offline.blocks import BlockJournal
from leser.offline.frequent import FrequentQuery
from leser.offline.job import BlockAnswerer, JobFacts
from leser.progress import Reporter


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh did: queries by outcome, why entries were stale, and the generation, None where nothing was stale."""

    outcomes: Counter[str]
    stale: Counter[str]
    fresh: int
    decided: int
    generation: Generation | None
    seconds: float

    @property
    def done(self) -> int:
        """Queries that were worked on."""
        return self.outcomes.total()


def refresh(
    job: BlockAnswerer,
    store: Store,
    wanted: Sequence[FrequentQuery],
    journal: BlockJournal,
    *,
    resume: bool = False,
    reporter: Reporter | None = None,
) -> Refreshed:
    """Bring the store up to date for the wanted queries; each key once.

    Raises EngineDown once the engine stops answering: what was done is in the journal, and `resume` goes on from there.
    """
    start = time.monotonic()
    facts = job.facts
    todo, stale, fresh, decided = _plan(facts, store, wanted)
    if not todo:
        journal.done()
        return Refreshed(Counter(), stale, fresh, decided, None, time.monotonic() - start)
    rows = {row["key"]: row for row in journal.begin(facts.settings(wanted), resume=resume)}
    # whole blocks are journalled, so what is left falls into the same blocks as it did before
    left = [query for query in todo if query.key not in rows]
    blocks = [left[first : first + facts.size] for first in range(0, len(left), facts.size)]
    done = len(todo) - len(left)
    with reporter or Reporter() as shown:
        try:
            job.prepare(shown)
            shown.phase("expanding", len(todo), done)
            for block in job.answers(blocks):
                journal.append(block)
                rows |= {row["key"]: row for row in block}
                done += len(block)
                shown.step(done, {"queries": len(block)})
        except LeserError:
            if not rows:
                journal.done()  # nothing is lost with it, and what was wrong may be corrected by other settings
            raise
    made = [rows[query.key] for query in todo]
    counts = {(facts.platform, query.key): float(query.count) for query in wanted}
    generation = store.write(list(_entries(facts, store, made, counts)), note=f"precompute {facts.recipe.policy}")
    journal.done()
    outcomes = Counter(_outcome(row) for row in made)
    return Refreshed(outcomes, stale, fresh, decided, generation, time.monotonic() - start)


def _plan(
    facts: JobFacts, store: Store, wanted: Sequence[FrequentQuery]
) -> tuple[list[FrequentQuery], Counter[str], int, int]:
    """The queries to work on, why entries are stale, and how many are fresh and decided."""
    todo: list[FrequentQuery] = []
    stale: Counter[str] = Counter()
    fresh = decided = 0
    for query in wanted:
        entry = store.get(query.text, facts.platform)
        if entry is None:
            todo.append(query)
        elif entry.state in DECIDED:
            decided += 1
        elif changed := facts.stale(entry):
            stale.update(changed)
            todo.append(query)
        else:
            fresh += 1
    return todo, stale, fresh, decided


def _entries(
    facts: JobFacts, store: Store, made: Sequence[Mapping[str, Any]], counts: Mapping[tuple[str, str], float]
) -> Iterator[StoredEntry]:
    """The new generation: what stays, then what was made; `counts` say how often the queries of the list are typed now."""
    worked = {(facts.platform, row["key"]) for row in made}
    for entry in store.entries() if store.current() else ():
        if entry.key in worked:
            continue
        if entry.platform != facts.platform or entry.state in DECIDED:
            yield entry
        elif not facts.stale(entry):
            yield _counted(entry, counts)
    for row in made:
        if "entry" in row:
            yield _counted(StoredEntry.of(row["entry"], "a row of the journal"), counts)


def _counted(entry: StoredEntry, counts: Mapping[tuple[str, str], float]) -> StoredEntry:
    count = counts.get(entry.key, entry.scores.get("count"))
    return entry if count is None else replace(entry, scores={**entry.scores, "count": count})


def _outcome(row: Mapping[str, Any]) -> str:
    """An outcome in one word: expanded, proposed, or why not."""
    if "entry" not in row or not row["entry"]["expansions"]:
        return str(row["reason"])
    return "proposed" if row["entry"]["state"] == EntryState.PROPOSED else "expanded"
