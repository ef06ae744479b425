"""What runs in the processes: a run's policy that expands batches of queries, and its engine that searches them.

The service names this module in words and never imports it: torch is loaded in the processes alone.
"""

from __future__ import annotations

import logging
import time
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

log = logging.getLogger("leser.serving")
REMEMBERED = 5_000
REOPEN_S = 5.0
"""Seconds for which an engine that failed is not asked."""
DEEP = 100
"""How deep both lists are searched, so that a hit's place in the other list is known."""


class _OpenRun:
    """A run's session, and what a subclass builds on it in `_build`.

    It is opened again some seconds after its engine failed: a client that gave an engine up has done so for good. A search
    is given up in half of the time after which the process would be taken for hung.
    """

    def __init__(self, run: Path, options: ServingOptions) -> None:
        self._run, self._options = run, options
        self._session: Session | None = None
        self._again = 0.0
        self._open()

    def _build(self, session: Session) -> None:
        """Build what answers need besides the session."""

    def _open(self) -> Session:
        """The session, opened where it is not; raises LeserError where the engine does not answer."""
        if self._session is None:
            if time.monotonic() < self._again:
                raise LeserError("The engine failed a moment ago.")
            config, registry = configured(open_folder(self._run))
            deadline = min(config.search.deadline, self._options.hung_s / 2)
            search = config.search.model_copy(update={"deadline": deadline})
            session = open_session(config.model_copy(update={"search": search}), registry)
            self._build(session)
            self._session = session
        return self._session

    def _titles(self, session: Session, ids: Sequence[str]) -> dict[str, str]:
        """Titles of documents."""
        field, wanted = session.task.title_field, list(dict.fromkeys(ids))
        found = session.client.fetch(wanted, (field,), resumable=False) if wanted else {}
        return {id_: document.fields.get(field, "") for id_, document in found.items()}

    def _failed(self, error: LeserError) -> None:
        """Close the session of an engine that failed."""
        if time.monotonic() >= self._again:
            log.warning("The engine does not answer: %s", error)
            self._again = time.monotonic() + REOPEN_S
        if self._session is not None:
            self._session.client.close()
            self._session = None


class LivePolicy(_OpenRun):
    """A run's policy, its rules and its engine, for batches of queries."""

    def __init__(self, run: Path, options: ServingOptions) -> None:
        import torch

        torch.set_num_threads(1)
        super().__init__(run, options)

    def _build(self, session: Session) -> None:
        self._sampler = open_sampler(open_folder(self._run), session)
        session.environment.prepare(session.config.prompt)
        self._filter = ServingFilter(session.environment.rules)

    def __call__(self, questions: Sequence[tuple[str, str]]) -> list[LiveAnswer]:
        """An answer for each query (with its platform); where the engine is sure of one, the policy is not asked."""
        try:
            return self._answers(self._open(), [typed(text) for text, _ in questions])
        except LeserError as error:
            self._failed(error)
            return [LiveAnswer((), "engine_error") for _ in questions]

    def _answers(self, session: Session, asked: list[Query]) -> list[LiveAnswer]:
        answers: dict[str, LiveAnswer] = {}
        seen = self._sampler.observations(asked)
        firsts = [o.original.ids[0] for o in seen if o.original.ids]
        titles = self._titles(session, firsts) if self._options.sure_title else {}
        for query, observation in zip(asked, seen, strict=True):
            if session.environment.refusal(query):
                answers[query.id] = LiveAnswer((), "engine_error")
            elif self._sure(query.text, observation.original, titles):
                answers[query.id] = LiveAnswer((), "sure")
        left = [query for query in dict.fromkeys(asked) if query.id not in answers]
        answers.update(zip((query.id for query in left), self._written(session, left), strict=True))
        self._sampler.forget(REMEMBERED)
        return [answers[query.id] for query in asked]

    def _written(self, session: Session, queries: list[Query]) -> list[LiveAnswer]:
        if not queries:
            return []
        weight = session.environment.expansion.weight
        answers = []
        for query, row in zip(queries, self._sampler.sample(queries, 1, seed=0, step=0, temperature=0.0), strict=True):
            text = self._sampler.policy.decode(row[0].tokens)
            kept = self._filter.completion(query.text, text, finished=row[0].finished)
            expansions = tuple(Expansion(e.text, e.weight * weight) for e in kept.expansions)
            answers.append(LiveAnswer(expansions, "" if expansions else "unread" if kept.error else "nothing_to_add"))
        return answers

    def _sure(self, query: str, ranking: Ranking, titles: dict[str, str]) -> bool:
        """Whether the engine knows what is meant: its first hit's title is the query, or its score stands far above."""
        if not ranking.hits:
            return False
        title, margin = titles.get(ranking.ids[0], ""), self._options.sure_margin
        if title and query_key(title) == query_key(query):
            return True
        scores = [hit.score for hit in ranking.hits[:2]]
        return bool(margin) and len(scores) == 2 and scores[0] >= (1 + margin) * scores[1] > 0


class LiveEngine(_OpenRun):
    """A run's engine, for searches with given expansions."""

    def __call__(self, wanted: Sequence[Wanted]) -> list[Found]:
        """The lists of each search."""
        found = []
        for one in wanted:
            try:
                found.append(self._found(self._open(), one))
            except LeserError as error:
                self._failed(error)
                found.append(Found(error=str(error)))
        return found

    def _found(self, session: Session, wanted: Wanted) -> Found:
        query = session.environment.ask(typed(wanted.query))
        requests = [(query, wanted.expansions), *([(query, ())] if wanted.both else [])]
        options = session.environment.expansion.model_copy(update={"weight": 1.0})
        results = session.client.search_expansions(
            requests, max(DEEP, wanted.hits) if wanted.both else wanted.hits, options=options
        )
        lists = [result.ranking for result in results]
        for ranking in lists:
            if isinstance(ranking, SearchError):
                return Found(error=ranking.message, refused=ranking.kind == "query")
        rankings = [ranking for ranking in lists if isinstance(ranking, Ranking)]
        after, before = rankings[0], rankings[1] if wanted.both else None
        titles = self._titles(session, [*after.ids[: wanted.hits], *(before.ids[: wanted.hits] if before else ())])
        return Found(
            _rows(after, before, titles, wanted.hits),
            _rows(before, after, titles, wanted.hits) if before is not None else None,
        )


def _rows(ranking: Ranking, other: Ranking | None, titles: dict[str, str], hits: int) -> tuple[dict[str, Any], ...]:
    ranks = {id_: rank for rank, id_ in enumerate(other.ids, start=1)} if other else {}
    rows = []
    for rank, hit in enumerate(ranking.hits[:hits], start=1):
        row = {"id": hit.id, "title": titles.get(hit.id, ""), "score": hit.score, "rank": rank}
        rows.append({**row, "other_rank": ranks.get(hit.id)} if other else row)
    return tuple(rows)
