"""One job: who proposes, the guards, and what entries will say they were made with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from leser.expansion import Expansion
from leser.expansion_store import StoredEntry, now
from leser.lesson import prepare
from leser.offline.blocks import QUERIES
from leser.offline.frequent import FrequentQuery
from leser.offline.guards import GuardedAnswer, Guards
from leser.offline.proposers import SEARCH, Proposer
from leser.offline.recipe import Recipe, digest
from leser.progress import Reporter
from leser.task import Query, Split

Row = dict[str, Any]
"""A query's line of the journal: its key, why it holds no expansions, and the entry, where there is an answer."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What decides a job's answers, as plain values: two processes with equal facts answer alike.

    `size` is the queries of a block; `judged` are digests of the judgments that may be read, by the query's key.
    """

    recipe: Recipe
    platform: str = ""
    size: int = 256
    judged: Mapping[str, str] = field(default_factory=dict)

    def stale(self, entry: StoredEntry) -> tuple[str, ...]:
        """What has changed since an entry of this platform was made; empty where it is fresh."""
        changed = self.recipe.stale(entry)
        return changed if self.judged.get(entry.key[1], "") == entry.judgments else (*changed, "judgments")

    def settings(self, wanted: Iterable[FrequentQuery]) -> dict[str, Any]:
        """What a resume must find unchanged."""
        return {
            "policy": self.recipe.policy, "rules and options": self.recipe.profile, "catalogue": self.recipe.engine,
            "judge": self.recipe.judge, "platform": self.platform, "queries at once": self.size,
            "judgments": digest(json.dumps(dict(self.judged), sort_keys=True)),
            QUERIES: digest(*(f"{q.count} {q.text}" for q in wanted)),
        }  # fmt: skip


class BlockAnswerer(Protocol):
    """Answers whole blocks of queries, in this process or elsewhere."""

    @property
    def facts(self) -> JobFacts:
        """What decides the answers."""
        ...

    def prepare(self, reporter: Reporter) -> None:
        """Do what must be done before the first block, with progress; it is done with the first block otherwise."""
        ...

    def answers(self, blocks: Sequence[Sequence[FrequentQuery]]) -> Iterator[list[Row]]:
        """The rows of each block once, as soon as it is done; in any order of blocks. Raises LeserError."""
        ...


@dataclass(frozen=True, slots=True)
class PrecomputeJob:
    """A job in this process, with its engine open.

    `ids` give queries of a task, by their key, the ids that their judgments stand under; `judged` as in JobFacts.
    """

    proposers: Sequence[Proposer]
    guards: Guards
    recipe: Recipe
    platform: str = ""
    ids: Mapping[str, str] = field(default_factory=dict)
    judged: Mapping[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> JobFacts:
        """What decides the answers."""
        return JobFacts(self.recipe, self.platform, self.guards.options.queries_at_once, self.judged)

    def prepare(self, reporter: Reporter) -> None:
        """Have rewards that learn do so."""
        prepare(self.guards.environment.rewards.rewards, reporter)

    def answers(self, blocks: Sequence[Sequence[FrequentQuery]]) -> Iterator[list[Row]]:
        """One block after the other, in order."""
        return map(self.expand, blocks)

    def expand(self, queries: Sequence[FrequentQuery]) -> list[Row]:
        """One row per query, in order; what else was in memory is forgotten."""
        asked = [Query(self.ids.get(q.key, f"typed: {q.text}"), q.text) for q in queries]
        proposed = [proposer.propose(asked, self.guards.chosen_on) for proposer in self.proposers]
        answers = self.guards.weigh(asked, list(zip(*proposed, strict=True)))
        self.guards.environment.forget(0)
        return [self._row(query, answer) for query, answer in zip(queries, answers, strict=True)]

    def _row(self, query: FrequentQuery, answer: GuardedAnswer) -> Row:
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
            judgments=self.judged.get(query.key, ""),
            reason=reason,
            scores=scores,
            time=now(),
            by=answer.by or "+".join(proposer.by for proposer in self.proposers),
        )
        return {"key": query.key, "reason": reason, "entry": entry.row()}


def judged_of(labels: Split, ids: Mapping[str, str]) -> dict[str, str]:
    """A digest of each query's judgments by its key; `ids` as in PrecomputeJob. Queries without judgments have none."""
    return {
        key: digest(json.dumps(dict(labels.qrels[query]), sort_keys=True))
        for key, query in ids.items()
        if labels.qrels.get(query)
    }
