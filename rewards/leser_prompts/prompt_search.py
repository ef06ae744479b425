"""The search for a prompt, by the library gepa (arXiv 2507.19457): LESER's engine and rewards stand behind its adapter.

A prompt is changed by a model that reads what the engine found with its keywords on a few train queries. The new one is kept
where it does better on those, and is then tried on all dev queries; parents are drawn from the Pareto front of dev.

What failed is not a score. NaN stands for it: the library compares sums of scores, and here only what both prompts were marked
for is compared; on the Pareto front of dev NaN is never the best.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, TypeVar

from gepa.api import optimize
from gepa.core.adapter import EvaluationBatch, GEPAAdapter, ProposalFn
from gepa.core.result import GEPAResult
from gepa.core.state import GEPAState
from gepa.proposer.base import CandidateProposal
from gepa.strategies.instruction_proposal import InstructionProposalSignature

from leser.backend import SearchError
from leser.task import Query, Split
from leser_prompts.teacher import Marked, quoted
from leser_prompts.writers import Written

log = logging.getLogger(__name__)
PART = "instruction"
"""What the library calls the one text that it searches for."""
_FAILED = 3
"""Proposals in a row that failed, after which the search ends with what it has."""
Mark = Callable[[str, Split, Sequence[Query]], list[Marked]]
Row = tuple[Split, Query]
Called = TypeVar("Called")


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """How long a search goes on: most keyword lists, most proposals, train queries of one, characters of a prompt."""

    budget: int
    proposals: int
    examples: int
    chars: int


@dataclass(frozen=True, slots=True)
class TriedPrompt:
    """A prompt that was tried on dev, with what each query earned there; NaN where something failed."""

    prompt: str
    rewards: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean reward of the queries that were marked."""
        known = [reward for reward in self.rewards if not math.isnan(reward)]
        return fmean(known) if known else math.nan


class EngineAdapter(GEPAAdapter[Row, Marked, str]):
    """What the library asks: marks for a prompt's keywords, lines to reflect on, and new prompts.

    The library swallows what is raised while it reflects, so that is kept here and raised where it asks whether to stop.
    """

    def __init__(
        self,
        mark: Mark,
        feedback: Callable[[Sequence[Marked]], list[str]],
        ask: Callable[[str, int], Written],
        limits: SearchLimits,
    ) -> None:
        self._mark, self._feedback, self._ask, self._limits = mark, feedback, ask, limits
        self._seen: set[str] = set()
        self._asked = self._failed = 0
        self._raised: Exception | None = None
        self.propose_new_texts: ProposalFn | None = self._propose
        self.ended = ""
        """Why the search ended before its limits; empty where it did not."""

    def evaluate(
        self, batch: list[Row], candidate: dict[str, str], capture_traces: bool = False
    ) -> EvaluationBatch[Marked, str]:
        """Keywords under a prompt for train's or dev's queries, and what they earn."""
        self._seen.add(candidate[PART])
        marked = self._mark(candidate[PART], batch[0][0], [query for _, query in batch])
        if not any(isinstance(one.text, str) for one in marked):
            self.ended = next(one.text.message for one in marked if isinstance(one.text, SearchError))
        return EvaluationBatch(
            outputs=[one.text if isinstance(one.text, str) else "" for one in marked],
            scores=[one.reward for one in marked],
            trajectories=marked if capture_traces else None,
        )

    def make_reflective_dataset(
        self,
        candidate: dict[str, str],  # noqa: ARG002
        eval_batch: EvaluationBatch[Marked, str],
        components_to_update: list[str],  # noqa: ARG002
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """What is shown of each query to who proposes; queries on which something failed are left out."""
        return self._kept(lambda: {PART: self._records(eval_batch.trajectories or ())})

    def stops(self, gepa_state: GEPAState[str, int]) -> bool:
        """Whether the search is over; raises what the library swallowed."""
        if self._raised is not None:
            raise self._raised
        return bool(self.ended) or gepa_state.i + 1 >= self._limits.proposals

    def _propose(
        self,
        candidate: dict[str, str],
        reflective_dataset: Mapping[str, Sequence[Mapping[str, Any]]],
        components_to_update: list[str],  # noqa: ARG002
    ) -> dict[str, str]:
        """A new prompt, one line of limited length; none where the model failed, or said what was tried already."""
        return self._kept(lambda: self._proposed(candidate[PART], reflective_dataset[PART]))

    def _records(self, marked: Sequence[Marked]) -> list[dict[str, Any]]:
        known = list({one.query.id: one for one in marked if one.known}.values())
        return [
            {
                "Inputs": {"Query": quoted(one.query.text, 200)},
                "Generated Outputs": quoted(str(one.text), 400),
                "Feedback": said,
            }
            for one, said in zip(known, self._feedback(known) if known else (), strict=True)
        ]

    def _proposed(self, parent: str, records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        if not records:
            return {}
        asked = InstructionProposalSignature.prompt_renderer(
            {"current_instruction_doc": parent, "dataset_with_feedback": records, "prompt_template": None}
        )
        said = self._ask(str(asked), self._asked)
        self._asked += 1
        if isinstance(said, SearchError):
            self._failed += 1
            if self._failed >= _FAILED:
                self.ended = said.message
            return {}
        self._failed = 0
        text = quoted(
            InstructionProposalSignature.output_extractor(said.strip())["new_instruction"], self._limits.chars
        )
        return {} if not text or text in self._seen else {PART: text}

    def _kept(self, call: Callable[[], Called]) -> Called:
        if self._raised is not None:
            raise self._raised
        try:
            return call()
        except Exception as error:
            self._raised = error
            raise


class _BetterWhereKnown:
    """A new prompt is kept where it earns more than its parent, on the queries for which both are marked."""

    def should_accept(
        self,
        proposal: CandidateProposal[int],
        state: GEPAState[str, int],  # noqa: ARG002
    ) -> bool:
        """Whether the sum of its gains is above 0."""
        pairs = zip(proposal.subsample_scores_before or (), proposal.subsample_scores_after or (), strict=True)
        gains = [after - before for before, after in pairs if not math.isnan(after - before)]
        return sum(gains) > 0


class _Log:
    """The library's lines, for who wants to see them."""

    def log(self, message: str) -> None:
        """One line."""
        log.debug("%s", message)


def search_prompts(
    first: str, train: Sequence[Row], dev: Sequence[Row], adapter: EngineAdapter, limits: SearchLimits, seed: int
) -> list[TriedPrompt]:
    """The prompts that were tried on dev, the first one first; each was better on a few train queries than its parent.

    At most `limits.budget` keyword lists are written: no new prompt is begun that might take more. Raises what marking and
    reflecting raise.
    """
    examples = min(limits.examples, len(train))
    most_of_one = 2 * examples + len(dev)
    result: GEPAResult[str, int] = optimize(
        seed_candidate={PART: first},
        trainset=list(train),
        valset=list(dev),
        adapter=adapter,
        reflection_minibatch_size=examples,
        skip_perfect_score=False,  # rewards have no common best
        max_metric_calls=limits.budget - most_of_one + 1,
        stop_callbacks=[adapter.stops],
        acceptance_criterion=_BetterWhereKnown(),
        logger=_Log(),
        track_best_outputs=False,
        seed=seed,
    )
    rows = zip(result.candidates, result.val_subscores, strict=True)
    return [TriedPrompt(texts[PART], tuple(rewards[n] for n in range(len(dev)))) for texts, rewards in rows]
