"""What runs in the processes: who proposes expansions of a run for batches of queries, and its engine that searches them.

The service names this module in words and never imports it: torch is loaded in the processes alone.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from leser.backend import Ranking, SearchError
from leser.engine.checked import CheckedBackend
from leser.errors import EngineDown, LeserError
from leser.expansion import Expansion
from leser.expansion_store import query_key
from leser.inspect.lookup import typed
from leser.inspect.serving import REMEMBERED, open_proposer, open_to_serve
from leser.offline.guards import ProposedExpansions
from leser.rules import ServingFilter
from leser.serving.answers import Found, LiveAnswer, Wanted
from leser.serving.options import ServingOptions
from leser.session import Session
from leser.similarity import EncodingFailed
from leser.store.fitted import POLICY
from leser.task import Query, Split

log = logging.getLogger("leser.serving")
REOPEN_S = 5.0
"""Seconds for which an engine that failed is not asked."""
DEEP = 100
"""How deep both lists are searched, so that a hit's place in the other list is known."""
FIRST = "a"
"""The query that a process answers before it says that it is ready."""
UNJUDGED = Split("typed", (), {})


class _OpenRun:
    """A run's session, and what a subclass builds on it in `_build`.

    It is opened again some seconds after its engine failed: a client that gave an engine up has done so for good. A search
    is given up in half of the time after which the process would be taken for hung.
    """

    def __init__(self, run: Path, options: ServingOptions, by: str = POLICY) -> None:
        self._run, self._options, self._by = run, options, by
        self._session: Session | None = None
        self._again = 0.0
        session = self._open()
        # not by the client: what an engine in process makes for its first search may take longer than a user's search may
        CheckedBackend(session.client.backend).search_one(session.environment.ask(typed(FIRST)), 1)
        self._warm_up()

    def _warm_up(self) -> None:
        """Answer a first question: what is made then, an index in memory for one, is no user's wait, nor taken for a hang."""

    def _build(self, session: Session) -> None:
        """Build what answers need besides the session."""

    def _open(self) -> Session:
        """The session, opened where it is not; raises LeserError where the engine does not answer."""
        if self._session is None:
            if time.monotonic() < self._again:
                raise LeserError("The engine failed a moment ago.")
            session = open_to_serve(self._run, self._by, self._options.hung_s / 2)
            try:
                self._build(session)
            except BaseException:
                session.client.close()
                raise
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


class LiveProposer(_OpenRun):
    """A run's policy, or a baseline that it keeps, with the run's rules and its engine, for batches of queries."""

    def __init__(self, run: Path, options: ServingOptions, by: str = POLICY) -> None:
        self._said = 0.0
        super().__init__(run, options, by)

    def _build(self, session: Session) -> None:
        self._proposer = open_proposer(self._run, self._by, session, log.warning)
        self._filter = ServingFilter(session.environment.rules)
        if "torch" in sys.modules:  # of a policy or an encoder; others would pay half a gigabyte for it
            import torch

            torch.set_num_threads(1)

    def _warm_up(self) -> None:
        self([(FIRST, "")])

    def __call__(self, questions: Sequence[tuple[str, str]]) -> list[LiveAnswer]:
        """An answer for each query (with its platform); where the engine is sure of one, nobody else is asked."""
        try:
            return self._answers(self._open(), [typed(text) for text, _ in questions])
        except LeserError as error:
            self._failed(error)
            return [LiveAnswer((), "engine_error") for _ in questions]

    def _answers(self, session: Session, asked: list[Query]) -> list[LiveAnswer]:
        answers: dict[str, LiveAnswer] = {}
        originals = session.environment.originals(asked)
        firsts = [ranking.ids[0] for ranking in originals.values() if ranking.ids]
        titles = self._titles(session, firsts) if self._options.sure_title else {}
        for query in asked:
            if session.environment.refusal(query):
                answers[query.id] = LiveAnswer((), "engine_error")
            elif self._sure(query.text, originals[query.id], titles):
                answers[query.id] = LiveAnswer((), "sure")
        left = [query for query in dict.fromkeys(asked) if query.id not in answers]
        answers |= self._proposed(session, left) if left else {}
        session.environment.forget(REMEMBERED)
        return [answers[query.id] for query in asked]

    def _proposed(self, session: Session, queries: Sequence[Query]) -> dict[str, LiveAnswer]:
        """An answer for each query by its id. What fails for one of a batch, and not for the engine, is that one's alone.

        Raises LeserError where the engine fails.
        """
        try:
            found = self._proposer.propose(queries, UNJUDGED)
        except EngineDown:
            raise
        except LeserError as error:
            if len(queries) > 1:
                return {id: one for query in queries for id, one in self._proposed(session, [query]).items()}
            self._say_failed(error)
            return {queries[0].id: LiveAnswer((), "encoder_failed" if isinstance(error, EncodingFailed) else "failed")}
        weight = session.environment.expansion.weight
        return {q.id: self._answer(q.text, one, weight) for q, one in zip(queries, found, strict=True)}

    def _answer(self, query: str, proposed: ProposedExpansions, weight: float) -> LiveAnswer:
        if proposed.failure:
            self._say_failed(LeserError(proposed.failure))
            return LiveAnswer((), "failed")
        kept = self._filter(query, proposed.expansions)
        expansions = tuple(Expansion(e.text, e.weight * weight) for e in kept.expansions)
        unread = proposed.unread or bool(kept.error)
        return LiveAnswer(expansions, "" if expansions else "unread" if unread else "nothing_to_add")

    def _say_failed(self, error: LeserError) -> None:
        """A line in the log, from time to time; the message may hold the query, which the log does not unless wanted."""
        if time.monotonic() < self._said:
            return
        self._said = time.monotonic() + REOPEN_S
        said = f": {error}" if self._options.log_queries else ", --log-queries shows the message"
        log.warning("A query is left as typed, %s failed on it (%s%s).", self._by, type(error).__name__, said)

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

    def _warm_up(self) -> None:
        self([Wanted(FIRST, (), 1, both=False)])

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
