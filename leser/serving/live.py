"""What runs in the processes: a run's policy that expands batches of queries, and its engine that searches them.

The service names this module in words and never imports it: torch is loaded in the processes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from leser.backend import Ranking, SearchError
from leser.errors import LeserError
from leser.expansion import Expansion
from leser.expansion_store import query_key
from leser.inspect.lookup import typed
from leser.inspect.opening import configured, open_folder, open_sampler
from leser.rules import ServingFilter
from leser.serving.answers import Found, LiveAnswer, Wanted
from leser.serving.options import ServingOptions
from leser.session import Session, open_session
from leser.task import Query

REMEMBERED = 5_000
DEEP = 100
"""How deep both lists are searched, so that a hit's place in the other list is known."""


class LivePolicy:
    """A run's policy, its rules and its engine, for batches of queries."""

    def __init__(self, run: Path, options: ServingOptions) -> None:
        import torch

        torch.set_num_threads(1)
        folder = open_folder(run)
        self._session = _session(run)
        self._sampler = open_sampler(folder, self._session)
        self._filter = ServingFilter(self._session.environment.rules)
        self._options = options

    def __call__(self, questions: Sequence[tuple[str, str]]) -> list[LiveAnswer]:
        """An answer for each query (with its platform); where the engine is sure of one, the policy is not asked."""
        asked = [typed(text) for text, _ in questions]
        answers: dict[str, LiveAnswer] = {}
        seen = self._sampler.observations(asked)
        firsts = self._titles([o.original for o in seen])
        for query, observation in zip(asked, seen, strict=True):
            if self._session.environment.refusal(query):
                answers[query.id] = LiveAnswer((), "engine_error")
            elif self._sure(query.text, observation.original, firsts):
                answers[query.id] = LiveAnswer((), "sure")
        left = [query for query in dict.fromkeys(asked) if query.id not in answers]
        answers.update(zip((query.id for query in left), self._written(left), strict=True))
        self._sampler.forget(REMEMBERED)
        return [answers[query.id] for query in asked]

    def _written(self, queries: list[Query]) -> list[LiveAnswer]:
        if not queries:
            return []
        weight = self._session.environment.expansion.weight
        answers = []
        for query, row in zip(queries, self._sampler.sample(queries, 1, seed=0, step=0, temperature=0.0), strict=True):
            text = self._sampler.policy.decode(row[0].tokens)
            kept = self._filter.completion(query.text, text, finished=row[0].finished)
            expansions = tuple(Expansion(e.text, e.weight * weight) for e in kept.expansions)
            answers.append(LiveAnswer(expansions, "" if expansions else "unread" if kept.error else "nothing_to_add"))
        return answers

    def _titles(self, rankings: Sequence[Ranking]) -> dict[str, str]:
        """Titles of first hits."""
        firsts = list(dict.fromkeys(r.ids[0] for r in rankings if r.ids))
        if not firsts or not self._options.sure_title:
            return {}
        field = self._session.task.title_field
        found = self._session.client.fetch(firsts, (field,), resumable=False)
        return {id_: document.fields.get(field, "") for id_, document in found.items()}

    def _sure(self, query: str, ranking: Ranking, titles: dict[str, str]) -> bool:
        """Whether the engine knows what is meant: its first hit's title is the query, or its score stands far above."""
        if not ranking.hits:
            return False
        title, margin = titles.get(ranking.ids[0], ""), self._options.sure_margin
        if title and query_key(title) == query_key(query):
            return True
        scores = [hit.score for hit in ranking.hits[:2]]
        return bool(margin) and len(scores) == 2 and scores[0] >= (1 + margin) * scores[1] > 0


class LiveEngine:
    """A run's engine, for searches with given expansions."""

    def __init__(self, run: Path) -> None:
        self._session = _session(run)
        self._options = self._session.environment.expansion.model_copy(update={"weight": 1.0})

    def __call__(self, wanted: Sequence[Wanted]) -> list[Found]:
        """The lists of each search."""
        return [self._found(one) for one in wanted]

    def _found(self, wanted: Wanted) -> Found:
        query = self._session.environment.ask(typed(wanted.query))
        requests = [(query, wanted.expansions), *([(query, ())] if wanted.both else [])]
        try:
            results = self._session.client.search_expansions(
                requests, max(DEEP, wanted.hits) if wanted.both else wanted.hits, options=self._options
            )
        except LeserError as error:
            return Found(error=str(error))
        lists = [result.ranking for result in results]
        for ranking in lists:
            if isinstance(ranking, SearchError):
                return Found(error=ranking.message)
        rankings = [ranking for ranking in lists if isinstance(ranking, Ranking)]
        after, before = rankings[0], rankings[1] if wanted.both else None
        titles = self._titles([*after.ids[: wanted.hits], *(before.ids[: wanted.hits] if before else ())])
        return Found(
            _rows(after, before, titles, wanted.hits),
            _rows(before, after, titles, wanted.hits) if before is not None else None,
        )

    def _titles(self, ids: Sequence[str]) -> dict[str, str]:
        field, wanted = self._session.task.title_field, list(dict.fromkeys(ids))
        found = self._session.client.fetch(wanted, (field,), resumable=False) if wanted else {}
        return {id_: document.fields.get(field, "") for id_, document in found.items()}


def _rows(ranking: Ranking, other: Ranking | None, titles: dict[str, str], hits: int) -> tuple[dict[str, Any], ...]:
    ranks = {id_: rank for rank, id_ in enumerate(other.ids, start=1)} if other else {}
    rows = []
    for rank, hit in enumerate(ranking.hits[:hits], start=1):
        row = {"id": hit.id, "title": titles.get(hit.id, ""), "score": hit.score, "rank": rank}
        rows.append({**row, "other_rank": ranks.get(hit.id)} if other else row)
    return tuple(rows)


def _session(run: Path) -> Session:
    return open_session(*configured(open_folder(run)))
