"""clicks@k: nDCG with gains out of a UBI log instead of judgments."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field

from leser.errors import LeserError
from leser.formats.clicks import ClickJudgment, ClickOptions, judge_clicks
from leser.formats.ubi import log_files, normal_text, read_log
from leser.reward import Outcome, Reward, RewardSpec
from leser.similarity import discounts

_DEEP = 1000
"""How deep a ranking is read for the documents that the log knows."""


class ClickParameters(ClickOptions):
    """The log, and how its clicks become judgments."""

    log: Path | None = Field(None, description="UBI log: a file of JSON lines, or a folder with them")
    unseen: Literal["zero", "skip"] = Field(
        "zero",
        description="documents that the log does not know well enough for the query: zero: gain nothing; skip: left out of the "
        "ranking before the cutoff, so that a document which was never shown is no loss",
    )


class Clicks(Reward):
    """Discounted gain of the top k, gains from clicks, relative to the best order (clicks(log='logs/ubi.ndjson')@k).

    A document's gain is its lift (clicks over those that its ranks lead one to expect, or inverse propensity weighted clicks)
    times its confidence; documents shown fewer than `min_impressions` times for the query gain nothing, or are left out
    (`unseen`). Does not apply to a query that is not in the log, or of which nothing was clicked that was shown often enough.

    Use when: nobody judges, but many search: a head query needs some dozens of searches.
    Beware of: it only knows what the old engine showed. With unseen=zero everything new counts 0, and a policy learns to
    leave queries alone; with unseen=skip nothing is said of it: pair it with a judge that sees new documents, such as
    encoder@k. Clicks follow pictures and prices; bots click too.
    """

    name = "clicks"
    Options = ClickParameters
    options: ClickParameters

    def __init__(self, spec: RewardSpec) -> None:
        super().__init__(spec)
        if self.options.log is None:
            raise LeserError(f"The reward '{spec.text}' needs a log. Write clicks(log='PATH')@10.")
        self._files = log_files(self.options.log)
        self._discounts: list[float] = discounts(super().depth).tolist()

    @property
    def depth(self) -> int:
        """The cutoff; unseen=skip reads past it, to 1,000."""
        return max(super().depth, _DEEP) if self.options.unseen == "skip" else super().depth

    @cached_property
    def judgments(self) -> dict[str, dict[str, ClickJudgment]]:
        """Normal query text to document id to its judgment; read at the first outcome."""
        found: dict[str, dict[str, ClickJudgment]] = {}
        for (text, document), judgment in judge_clicks(read_log(self._files), self.options).items():
            found.setdefault(text, {})[document] = judgment
        return found

    @cached_property
    def _gains(self) -> dict[str, tuple[dict[str, float], float]]:
        gains = {}
        for text, judged in self.judgments.items():
            worth = {document: j.lift * j.confidence for document, j in judged.items()}
            best = sorted(worth.values(), reverse=True)[: len(self._discounts)]
            gains[text] = (worth, sum(w * g for w, g in zip(self._discounts, best, strict=False)))
        return gains

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """The measure of each expanded ranking."""
        return [self._value(outcome) for outcome in outcomes]

    def _value(self, outcome: Outcome) -> float | None:
        gains, best = self._gains.get(normal_text(outcome.query.text), ({}, 0.0))
        if not best or outcome.expanded is None:
            return None
        top = outcome.expanded.top(self.depth)
        if self.options.unseen == "skip":
            top = [document for document in top if document in gains][: len(self._discounts)]
        found = sum(w * gains.get(document, 0.0) for w, document in zip(self._discounts, top, strict=False))
        return min(found / best, 1.0)
