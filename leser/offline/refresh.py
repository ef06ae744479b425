"""Refreshing a store: stale queries are expanded and guarded in blocks, then a whole generation is swapped in.

What stays as it is: entries of other platforms, those that a person approved or withdrew, and fresh ones, also of queries
that the list does not name any more. A stale entry whose query is not named goes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from leser.expansion import Expansion
from leser.expansion_store import DECIDED, EntryState, Generation, Store, StoredEntry, now
from leser.offline.blocks import BlockJournal
from leser.offline.frequent import FrequentQuery
from leser.offline.guards import GuardedAnswer, Guards
from leser.offline.proposers import SEARCH, Proposer
from leser.offline.recipe import Recipe, digest
from leser.progress import Reporter
from leser.task import Query


@dataclass(frozen=True, slots=True)
class PrecomputeJob:
    """One job: who proposes, the guards, what entries will say they were made with, and which platform they are for.

    `ids` give queries of a task, by their key, the ids that their judgments stand under.
    """

    proposers: Sequence[Proposer]
    guards: Guards
    recipe: Recipe
    platform: str = ""
    ids: Mapping[str, str] = field(default_factory=dict)

    def expand(self, queries: Sequence[FrequentQuery]) -> list[dict[str, Any]]:
        """One journal row per query, in order."""
        asked = [Query(self.ids.get(q.key, f"typed: {q.text}"), q.text) for q in queries]
        proposed = [proposer.propose(asked, self.guards.chosen_on) for proposer in self.proposers]
        answers = self.guards.weigh(asked, list(zip(*proposed, strict=True)))
        self.guards.environment.forget(0)
        return [self._row(query, answer) for query, answer in zip(queries, answers, strict=True)]

    def _row(self, query: FrequentQuery, answer: GuardedAnswer) -> dict[str, Any]:
        """An entry as plain values, beside why it holds no expansions."""
        reason = str(answer.reason) if answer.reason else ""
        if answer.state is None:
            return {"key": query.key, "reason": reason}  # nothing is stored, and the next refresh tries again
        weight = self.guards.environment.expansion.weight
        scores = {**answer.scores, "count": float(query.count)}
        if len(self.proposers) > 1 and answer.expansions:
            scores["by_search"] = float(answer.by == SEARCH)
        entry = StoredEntry(
            query=query.text,
            expansions=tuple(Expansion(e.text, float(f"{e.weight * weight:.6g}")) for e in answer.expansions),
            platform=self.platform,
            state=answer.state,
            policy=self.recipe.policy,
            profile=self.recipe.profile,
            engine=self.recipe.engine,
            judge=self.recipe.judge,
            scores=scores,
            time=now(),
        )
        return {"key": query.key, "reason": reason, "entry": entry.row()}


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
    job: PrecomputeJob,
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
    todo, stale, fresh, decided = _plan(job, store, wanted)
    if not todo:
        journal.done()
        return Refreshed(Counter(), stale, fresh, decided, None, time.monotonic() - start)
    size = job.guards.options.queries_at_once
    settings = {
        "policy": job.recipe.policy, "rules and options": job.recipe.profile, "catalogue": job.recipe.engine,
        "judge": job.recipe.judge, "platform": job.platform, "queries at once": size,
        "queries": digest(*(f"{q.count} {q.text}" for q in wanted)),
    }  # fmt: skip
    rows = {row["key"]: row for row in journal.begin(settings, resume=resume)}
    left = [query for query in todo if query.key not in rows]
    with reporter or Reporter() as shown:
        shown.phase("expanding", len(todo), len(todo) - len(left))
        for first in range(0, len(left), size):
            block = job.expand(left[first : first + size])
            journal.append(block)
            rows |= {row["key"]: row for row in block}
            shown.step(len(todo) - len(left) + first + len(block), {"queries": len(block)})
    made = [rows[query.key] for query in todo]
    generation = store.write(list(_entries(job, store, made)), note=f"precompute {job.recipe.policy}")
    journal.done()
    outcomes = Counter(_outcome(row) for row in made)
    return Refreshed(outcomes, stale, fresh, decided, generation, time.monotonic() - start)


def _plan(
    job: PrecomputeJob, store: Store, wanted: Sequence[FrequentQuery]
) -> tuple[list[FrequentQuery], Counter[str], int, int]:
    """The queries to work on, why entries are stale, and how many are fresh and decided."""
    todo: list[FrequentQuery] = []
    stale: Counter[str] = Counter()
    fresh = decided = 0
    for query in wanted:
        entry = store.get(query.text, job.platform)
        if entry is None:
            todo.append(query)
        elif entry.state in DECIDED:
            decided += 1
        elif changed := job.recipe.stale(entry):
            stale.update(changed)
            todo.append(query)
        else:
            fresh += 1
    return todo, stale, fresh, decided


def _entries(job: PrecomputeJob, store: Store, made: Sequence[Mapping[str, Any]]) -> Iterator[StoredEntry]:
    """The new generation: what stays, then what was made."""
    worked = {(job.platform, row["key"]) for row in made}
    for entry in store.entries() if store.current() else ():
        stays = entry.platform != job.platform or entry.state in DECIDED or not job.recipe.stale(entry)
        if stays and entry.key not in worked:
            yield entry
    for row in made:
        if "entry" in row:
            yield StoredEntry.of(row["entry"], "a row of the journal")


def _outcome(row: Mapping[str, Any]) -> str:
    """An outcome in one word: expanded, proposed, or why not."""
    if "entry" not in row or not row["entry"]["expansions"]:
        return str(row["reason"])
    return "proposed" if row["entry"]["state"] == EntryState.PROPOSED else "expanded"
