"""guard@k: how much of what an expansion shows anew is bad, as judged or as an encoder predicts."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from leser.reward import Outcome, Reward, RewardSpec
from leser_judges.documents import text_of
from leser_judges.options import EncoderOptions, check_model
from leser_judges.similarity import FAILED, open_vectors


class GuardParameters(EncoderOptions):
    """What is bad, and which encoder predicts it of unjudged documents."""

    rel: int = Field(1, ge=1, description="a judged document of a lower grade is bad")
    least: float = Field(
        0.2, ge=-1, le=1, description="an unjudged document whose cosine with the query is lower is predicted bad"
    )
    predict: bool = Field(
        True, description="predict unjudged documents; without, they are not bad, and no model is loaded"
    )
    max: float | None = Field(None, ge=0, lt=1, description="greatest share that is allowed; makes this reward a gate")


class Guard(Reward):
    """Share of the new documents in the top k that are judged bad, or predicted bad (guard@k; guard(max=0.3)@k is a gate).

    New is what the original's top k does not hold. A judged one is bad below grade `rel`, an unjudged one where its cosine
    with the query under the encoder is below `least`, or where it has no text. 0 where nothing is new. Give it a negative weight:
    guard@10=-0.3. With `max` it is a gate: 1 where the share is at most that, else 0. Where the model fails on a text, all of
    the query's completions get None.

    Use when: expansions may find new products but must not fill the first page with wrong ones.
    Beware of: it says nothing of what was lost (`kept` does), and a policy that finds nothing new passes it best.
    """

    name = "guard"
    Options = GuardParameters
    options: GuardParameters

    def __init__(self, spec: RewardSpec) -> None:
        super().__init__(spec)
        self.gate = self.options.max is not None
        if self.options.predict:
            check_model(self.options)
            self.fields = self.options.fields

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """The share of each completion, or with `max` whether it is allowed."""
        new = [self._new(outcome) for outcome in outcomes]
        poor = self._predicted(outcomes, new) if self.options.predict else {}
        values: list[float | None] = []
        failed = {
            _group(o)
            for o, ids in zip(outcomes, new, strict=True)
            if any(poor.get((o.query.text, i), 0) is None for i in ids)
        }
        for outcome, ids in zip(outcomes, new, strict=True):
            if _group(outcome) in failed:
                values.append(None)
                continue
            share = sum(self._bad(outcome, id, poor) for id in ids) / len(ids) if ids else 0.0
            values.append(share if self.options.max is None else float(share <= self.options.max))
        return values

    def _new(self, outcome: Outcome) -> list[str]:
        before = set(outcome.original.top(self.depth))
        top = outcome.expanded.top(self.depth) if outcome.expanded else ()
        return [id for id in top if id not in before]

    def _bad(self, outcome: Outcome, id: str, poor: dict[tuple[str, str], bool | None]) -> bool:
        if id in outcome.grades:
            return outcome.grades[id] < self.options.rel
        return bool(poor.get((outcome.query.text, id), False))

    def _predicted(
        self, outcomes: Sequence[Outcome], new: Sequence[Sequence[str]]
    ) -> dict[tuple[str, str], bool | None]:
        """Query text and document id to whether it is predicted bad; None where the model failed."""
        texts: dict[tuple[str, str], str] = {}
        for outcome, ids in zip(outcomes, new, strict=True):
            for id in ids:
                if id not in outcome.grades:
                    document = outcome.documents.get(id)
                    texts[outcome.query.text, id] = text_of(document, self.fields) if document else ""
        pairs = [pair for pair, text in texts.items() if text]
        found: dict[tuple[str, str], bool | None] = dict.fromkeys(texts, True)  # without text nothing says it is good
        if not pairs:
            return found
        vectors = open_vectors(
            EncoderOptions(**{name: getattr(self.options, name) for name in EncoderOptions.model_fields})
        )
        asked = vectors.rows([query for query, _ in pairs], query=True)
        held = vectors.rows([texts[pair] for pair in pairs])
        there = (asked != FAILED) & (held != FAILED)
        cosines = iter((vectors.read(asked[there]) * vectors.read(held[there])).sum(axis=1).tolist())
        for pair, known in zip(pairs, there.tolist(), strict=True):
            found[pair] = next(cosines) < self.options.least if known else None
        return found


def _group(outcome: Outcome) -> tuple[str, int]:
    return outcome.query.id, outcome.group
