"""Judgments out of clicks: how often a document was clicked, against how often its rank alone would have been.

People click what stands high. Two estimators take that out: COEC (clicks over expected clicks, Zhang and Jones, WWW 2007)
divides by the click-through rate of the ranks; inverse propensity weighting (Joachims et al., WSDM 2017) divides each click
by the chance that its rank was looked at, which the position-based model estimates by expectation maximisation (Chuklin,
Markov and de Rijke, Click Models for Web Search, 2015, section 4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from leser.options import Options

Pair = tuple[str, str]
"""Query and document."""
_ROUNDS = 2000
_STANDS_STILL = 1e-6
"""The change of a chance in one round below which it no longer moves: rounds are many and steps small at the end."""
_TINY = 1e-12
_LEAST = 1e-3
"""The least chance that a rank is looked at: one click there never counts as more than a thousand."""


class ClickOptions(Options):
    """How clicks become judgments."""

    model: Literal["coec", "ips", "ctr"] = Field(
        "coec",
        description="coec: clicks over those that the ranks lead one to expect; ips: inverse propensity, position bias estimated "
        "from the log; ctr: plain click-through rate, with the bias left in",
    )
    min_impressions: int = Field(
        10, ge=1, description="times a document was shown for a query, below which it is unjudged"
    )
    min_confidence: float = Field(0.0, ge=0, le=1, description="confidence below which a document is unjudged")
    prior: float = Field(10.0, gt=0, description="looks at a document at which its confidence is one half")
    max_rank: int = Field(100, ge=1, description="ranks of the log that are read, counted from its first")


@dataclass(slots=True)
class Shown:
    """How often a document was shown at a rank for a query, and in how many of these searches it was clicked."""

    impressions: int = 0
    clicks: int = 0


Counts = Mapping[Pair, Mapping[int, Shown]]
"""Query and document to rank (0 is the first) to counts."""


@dataclass(frozen=True, slots=True)
class ClickJudgment:
    """What clicks say of a document for a query.

    `lift` is its worth relative to the log's average, 1 for an average document. `confidence` is looks / (looks + prior): the
    share of what is known about it that comes from its own looks, 0 to 1; a look is an impression times the chance that its
    rank was looked at, relative to the first.
    """

    lift: float
    confidence: float
    impressions: int
    clicks: int


def judge_clicks(counts: Counts, options: ClickOptions) -> dict[Pair, ClickJudgment]:
    """The documents with enough support, each with its judgment."""
    kept = {pair: {r: shown for r, shown in ranks.items() if r < options.max_rank} for pair, ranks in counts.items()}
    rates, looked = click_rates(kept), position_bias(kept)
    average, plain = _average(kept, looked), _plain_rate(kept)
    found = {}
    for pair, ranks in kept.items():
        shown, clicks = sum(s.impressions for s in ranks.values()), sum(s.clicks for s in ranks.values())
        looks = sum(s.impressions * looked[r] for r, s in ranks.items())
        confidence = looks / (looks + options.prior)
        if shown < options.min_impressions or confidence < options.min_confidence:
            continue
        if options.model == "coec":
            expected = sum(s.impressions * rates[r] for r, s in ranks.items())
            lift = clicks / expected if expected else 0.0
        elif options.model == "ips":
            lift = sum(s.clicks / looked[r] for r, s in ranks.items()) / shown / average if average else 0.0
        else:
            lift = clicks / shown / plain if plain else 0.0
        found[pair] = ClickJudgment(lift, confidence, shown, clicks)
    return found


def _plain_rate(counts: Counts) -> float:
    """Clicks per impression of the whole log."""
    cells = [shown for ranks in counts.values() for shown in ranks.values()]
    return sum(s.clicks for s in cells) / max(sum(s.impressions for s in cells), 1)


def click_rates(counts: Counts) -> dict[int, float]:
    """Clicks per impression of each rank, over all queries."""
    shown, clicks = defaultdict[int, int](int), defaultdict[int, int](int)
    for ranks in counts.values():
        for rank, seen in ranks.items():
            shown[rank] += seen.impressions
            clicks[rank] += seen.clicks
    return {rank: clicks[rank] / shown[rank] for rank in shown if shown[rank]}


def told_apart(counts: Counts) -> bool:
    """Whether the log can tell bias from relevance at all: whether a document was shown for one query at two ranks."""
    return any(len(ranks) > 1 for ranks in counts.values())


def position_bias(counts: Counts) -> dict[int, float]:
    """The chance that each rank is looked at, the highest rank in the log being 1.

    Where no document changed its rank the two cannot be told apart, and the ranks' click-through rates are taken.
    """
    rates = click_rates(counts)
    if not rates:
        return {}
    first = rates[min(rates)] or max(rates.values()) or 1.0
    looked = {rank: min(max(rate / first, _LEAST), 1.0) for rank, rate in rates.items()}
    if not told_apart(counts):
        return looked
    # of a pair seen at one rank, or never clicked, any bias is as likely: it would only slow the others down
    telling = [seen for seen in counts.values() if len(seen) > 1 and any(shown.clicks for shown in seen.values())]
    looked |= _fitted(telling, looked) if telling else {}
    top = looked[min(looked)] or 1.0
    return {rank: min(max(chance / top, _LEAST), 1.0) for rank, chance in looked.items()}


def _fitted(pairs: Sequence[Mapping[int, Shown]], start: Mapping[int, float]) -> dict[int, float]:
    """The chances of the position-based model, P(click) = looked x appeal, by expectation maximisation until it stands still."""
    ranks = sorted({rank for seen in pairs for rank in seen})
    place = {rank: number for number, rank in enumerate(ranks)}
    cells = [(p, place[rank], s.impressions, s.clicks) for p, seen in enumerate(pairs) for rank, s in seen.items()]
    pair, rank, shown, clicks = np.array(cells, dtype=np.int64).T  # a cell is a pair at one rank
    skipped, per_pair, per_rank = shown - clicks, np.bincount(pair, shown), np.bincount(rank, shown)
    looked, appeal = np.array([start[rank] for rank in ranks]), np.full(len(pairs), 0.5)
    for _ in range(_ROUNDS):
        chance, liking = looked[rank], appeal[pair]
        missed = np.maximum(1.0 - chance * liking, _TINY)
        before = looked
        looked = np.bincount(rank, clicks + skipped * chance * (1.0 - liking) / missed) / per_rank
        appeal = np.bincount(pair, clicks + skipped * liking * (1.0 - chance) / missed) / per_pair
        if np.abs(looked - before).max() < _STANDS_STILL:
            break
    return dict(zip(ranks, looked.tolist(), strict=True))


def _average(counts: Counts, looked: Mapping[int, float]) -> float:
    """The log's mean of clicks weighted by inverse propensity, per impression."""
    worth = sum(s.clicks / looked[r] for ranks in counts.values() for r, s in ranks.items())
    shown = sum(s.impressions for ranks in counts.values() for s in ranks.values())
    return worth / shown if shown else 0.0
