"""agreement(engine=...)@k: how much of what a second engine shows for the query is in the expanded ranking."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from pydantic import Field

from leser.backend import Backend, ExpandedQuery, Ranking, SearchError
from leser.engine import SearchClient, SearchOptions
from leser.engine.checked import CheckedBackend
from leser.errors import EngineDown, LeserError
from leser.options import Options, validate_options
from leser.plugins import load_plugins
from leser.reward import Outcome, Reward, RewardSpec

log = logging.getLogger(__name__)


class AgreementParameters(Options):
    """Which engine, with which options."""

    engine: str = Field("", min_length=1, description="name of the second engine's backend")
    options: dict[str, Any] = Field(default_factory=dict, description="options of that backend")


class Agreement(Reward):
    """Share of a second engine's top k for the original query that the expanded top k holds (agreement(engine='solr')@k).

    The second engine is searched once for each query, as its user typed it. Does not apply where it found nothing, or where
    its search failed, which the log says.

    Use when: another engine (a vector search, the old search that people liked) is better but dearer, and the keyword engine
    should come close to it.
    Beware of: it teaches that engine's faults as well, and never anything that it does not show.
    """

    name = "agreement"
    Options = AgreementParameters
    options: AgreementParameters

    def __init__(self, spec: RewardSpec) -> None:
        super().__init__(spec)
        self._seen: dict[str, frozenset[str]] = {}
        backend = load_plugins().get("backend", self.options.engine)
        given = validate_options(backend.Options, self.options.options, f"the engine of the reward '{spec.text}'")
        if backend.takes_documents and getattr(given, "documents", None) is None:
            raise LeserError(
                f"The reward '{spec.text}' needs an engine that holds documents already, and '{backend.name}' is given them. "
                "Name another engine, or its documents in the reward's options."
            )
        self._open: Callable[[], Backend] = lambda: backend(given)

    @cached_property
    def client(self) -> SearchClient:
        """The second engine, opened and checked at the first outcome; raises LeserError where it cannot be used."""
        backend = self._open()
        CheckedBackend(backend).check()
        return SearchClient(backend, SearchOptions())

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """The share for each expanded ranking."""
        new = [text for text in dict.fromkeys(o.query.text for o in outcomes) if text not in self._seen]
        if new:
            self._ask(new)
        return [self._share(outcome, self._seen.get(outcome.query.text)) for outcome in outcomes]

    def _ask(self, texts: Sequence[str]) -> None:
        asked = [ExpandedQuery(text, text) for text in texts]
        try:
            answers: Sequence[Ranking | SearchError] = self.client.search(asked, self.depth)
        except EngineDown as error:  # a second opinion, which training does without
            answers = [SearchError(str(error))] * len(asked)
        failed = [answer for answer in answers if isinstance(answer, SearchError)]
        if failed:
            log.warning(
                "The second engine '%s' failed on %d of %d queries: %s. They have no agreement.",
                *(self.options.engine, len(failed), len(texts), failed[0].message),
            )
        for text, answer in zip(texts, answers, strict=True):
            if isinstance(answer, Ranking):
                self._seen[text] = frozenset(answer.top(self.depth))

    def _share(self, outcome: Outcome, wanted: frozenset[str] | None) -> float | None:
        if not wanted or outcome.expanded is None:
            return None
        return len(wanted.intersection(outcome.expanded.top(self.depth))) / len(wanted)
