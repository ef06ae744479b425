"""Originals: every query's own ranking, which all that is learned and measured is compared with; searched once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from leser.backend import Ranking, SearchError
from leser.engine import SearchClient
from leser.errors import EngineDown
from leser.printable import printable
from leser.task import Query

log = logging.getLogger(__name__)
SEARCHED_AT_ONCE = 2048
"""Queries of one batch: the client's deadline is for a batch."""


def keep_last(kept: dict[str, Any], most: int, used: Iterable[str] = ()) -> None:
    """Leave the `most` entries that were put in last; those `used` now count as put in now."""
    for key in dict.fromkeys(used):
        kept[key] = kept.pop(key)
    for key in list(kept)[: max(0, len(kept) - most)]:
        del kept[key]


class Originals:
    """Searches for queries as they stand, and keeps what came back."""

    def __init__(self, client: SearchClient, ask: Callable[[Query], Any]) -> None:
        self._client, self._ask = client, ask
        self._rankings: dict[str, Ranking] = {}
        self._refused: dict[str, SearchError] = {}

    def of(self, queries: Iterable[Query], depth: int) -> dict[str, Ranking]:
        """Each query's own ranking, searched once, retrying until `search.deadline`: nothing is learned without it.

        A query that the engine refuses as it stands has an empty one, and `refusal` says why: nothing is learned from it,
        and the others go on. Raises EngineDown when one fails for good.
        """
        queries = list(queries)
        missing = [q for q in queries if q.id not in self._rankings]
        refused: list[Query] = []
        counts = "total" in self._client.backend.capabilities
        for first in range(0, len(missing), SEARCHED_AT_ONCE):
            part = missing[first : first + SEARCHED_AT_ONCE]
            answers = self._client.search([self._ask(q) for q in part], depth, total=counts, until_deadline=True)
            for query, answer in zip(part, answers, strict=True):
                self._rankings[query.id] = self._original(query, answer)
            refused += [query for query in part if query.id in self._refused]
        if refused:
            self._warn(refused, len(missing))
        return {q.id: self._rankings[q.id] for q in queries}

    def forget(self, most: int) -> None:
        """Keep those of the `most` queries that were searched last; the others are searched again when asked for."""
        keep_last(self._rankings, most)
        keep_last(self._refused, most)

    def refusal(self, query: Query) -> SearchError | None:
        """Why the engine refuses a query as it stands, once it was asked for; None where it does not."""
        return self._refused.get(query.id)

    def _original(self, query: Query, answer: Ranking | SearchError) -> Ranking:
        if isinstance(answer, Ranking):
            return answer
        if answer.kind == "query":
            self._refused[query.id] = answer
            return Ranking(())
        raise EngineDown(
            f"The engine failed on the original query '{query.text[:80]}': {answer.message}. "
            "Check it with the engine's own tools, then run again with --resume."
        )

    def _warn(self, refused: list[Query], asked: int) -> None:
        example = refused[0]
        log.warning(
            "The engine refuses %d of %d original queries, such as '%s' (id %s): %s. They teach nothing, and count 0 "
            "for every system. Take them out of the task, or change the limits in [search].",
            *(len(refused), asked, printable(example.text, 80), example.id, self._refused[example.id].message),
        )
