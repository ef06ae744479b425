"""Who proposes expansions: a trained policy, or verified search. Baselines do, too: leser/offline/by_baseline.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from leser.environment import Environment
from leser.offline.guards import GuardReason, ProposedExpansions
from leser.rules import ServingFilter
from leser.task import Query, Split
from leser.verified.options import VerifiedOptions
from leser.verified.result import VerifiedAnswer
from leser.verified.search import search_expansions
from leser.verified.sources import CandidateSource

if TYPE_CHECKING:
    from leser.rollout import Sample
    from leser.sampler import Sampler

SEARCH = "search"
LACKING = {VerifiedAnswer.UNKNOWN: GuardReason.ENGINE, VerifiedAnswer.UNJUDGED: GuardReason.UNJUDGED}
"""What verified search says where it has no answer."""


class Proposer(Protocol):
    """Proposes for a block of queries at once; `split` holds the judgments that may be read.

    `name` changes with everything that decides its proposals and is not the engine's, the rules' or the rewards'; `by` is
    what entries call it.
    """

    name: str
    by: str

    def propose(self, queries: Sequence[Query], split: Split) -> list[ProposedExpansions]:
        """One proposal per query, in order; no expansions leaves the query alone."""
        ...


class PolicyProposer:
    """The policy's greedy completions; what the rules refuse of one is taken out.

    Prompts and hits of the `remembered` queries that came last are kept, none given: those of the block.
    """

    def __init__(self, sampler: Sampler, name: str, remembered: int = 0) -> None:
        self.name = self.by = name
        self._sampler, self._remembered = sampler, remembered
        self._filter = ServingFilter(sampler.environment.rules)

    def propose(self, queries: Sequence[Query], split: Split) -> list[ProposedExpansions]:  # noqa: ARG002
        """Prompts, generation and reading for the whole block."""
        sampler = self._sampler
        samples = [row[0] for row in sampler.sample(queries, 1, seed=0, step=0, temperature=0.0)]
        sampler.forget(max(self._remembered, len(queries)))
        return [self._proposed(q, s) for q, s in zip(queries, samples, strict=True)]

    def _proposed(self, query: Query, sample: Sample) -> ProposedExpansions:
        kept = self._filter.completion(query.text, self._sampler.policy.decode(sample.tokens), finished=sample.finished)
        return ProposedExpansions(self.name, kept.expansions, unread=bool(kept.error))


class SearchProposer:
    """Verified search: what the engine and the judge prove. Queries of a block lend each other support."""

    name = by = SEARCH

    def __init__(
        self, environment: Environment, options: VerifiedOptions, sources: Sequence[CandidateSource], seed: int = 0
    ) -> None:
        # the guards confirm on the second half themselves
        self._environment, self._options = environment, options.model_copy(update={"confirm": False})
        self._sources, self._seed = sources, seed

    def propose(self, queries: Sequence[Query], split: Split) -> list[ProposedExpansions]:
        """Verified search over the block."""
        found = search_expansions(
            self._environment, queries, self._options, self._sources, split=split.part(queries), seed=self._seed
        )
        return [ProposedExpansions(self.name, a.expansions, LACKING.get(a.answer)) for a in found]
