"""Subject: an engine that answers, what is known of it, and the ways in which it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leser.backend import Backend, ExpandedQuery, Filter, Ranking, Term
from leser.config.tables import RunConfig
from leser.doctor.asking import DEEP, Broken, EngineAnswer
from leser.doctor.finding import of_failure
from leser.doctor.sample import TriedQuery
from leser.engine import SearchClient
from leser.expansion import Expansion, ExpansionOptions


@dataclass(frozen=True, slots=True)
class Subject:
    """An engine and its sample; `client` searches as a run does, but without a cache."""

    config: RunConfig
    backend: Backend
    client: SearchClient
    sample: TriedQuery

    @property
    def expansion(self) -> ExpansionOptions:
        """How expansions are applied: as configured, except that an engine without term weights gets mode fuse."""
        if self.can("term_weights"):
            return self.config.expansion
        return self.config.expansion.model_copy(update={"mode": "fuse"})

    @property
    def widens(self) -> bool:
        """Whether terms find documents by themselves."""
        return self.can("term_weights") and self.backend.options.match == "widen"

    def can(self, *capabilities: str) -> bool:
        """Whether the backend declares all of these."""
        return self.backend.capabilities.issuperset(capabilities)

    def search(self, *queries: tuple[str, tuple[Term, ...]], k: int = DEEP) -> list[EngineAnswer]:
        """Search texts, each with its terms."""
        batch = [ExpandedQuery(str(n), text, terms) for n, (text, terms) in enumerate(queries)]
        return self.client.search(batch, k)

    def expanded(self, text: str, phrases: Sequence[str]) -> list[EngineAnswer]:
        """Search one text with each of the phrases alone as its expansion, in the configured mode."""
        requests = [(ExpandedQuery(str(n), text), (Expansion(phrase),)) for n, phrase in enumerate(phrases)]
        return [found.ranking for found in self.client.search_expansions(requests, DEEP, options=self.expansion)]

    def ranking(self, text: str, *terms: Term, filters: tuple[Filter, ...] = (), k: int = DEEP) -> Ranking:
        """What one query finds; raises Broken where the search fails."""
        (answer,) = self.client.search([ExpandedQuery("0", text, terms, filters)], k)
        if failure := of_failure("", [answer]):
            raise Broken(failure.seen, failure.advice, failure.state)
        assert isinstance(answer, Ranking)
        return answer

    def all_of(self, text: str, *terms: Term) -> frozenset[str] | None:
        """Ids of everything a query finds, or None where that may be more than was looked at."""
        found = self.ranking(text, *terms)
        return frozenset(found.ids) if len(found.hits) < DEEP else None

    def scores(self, text: str, *terms: Term) -> dict[str, float]:
        """The score of each document that a query finds."""
        return {hit.id: hit.score for hit in self.ranking(text, *terms).hits}
