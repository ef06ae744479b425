"""What verified search says of a query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from leser.expansion import Expansion
from leser.task import Query


class VerifiedAnswer(StrEnum):
    """Four different things that "no expansion" could mean are kept apart."""

    EXPANSIONS = "expansions"
    NONE = "none"  # everything was searched, and nothing earned its place: the query is best left alone
    UNKNOWN = "unknown"  # nothing earned its place, but searches failed: that nothing was proven proves nothing
    UNJUDGED = "unjudged"  # no reward applies to this query


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another set of terms that earned its place, as a completion writes it, and by how much the judge's score rose."""

    expansions: tuple[Expansion, ...]
    gain: float


@dataclass(frozen=True, slots=True)
class VerifiedExpansions:
    """The expansions that verified search keeps for a query, none being a good answer, and what they are worth.

    `expansions` carry the weights of a completion, which [expansion] weight multiplies; `weights` are what the engine was
    asked with. `before` and `after` are the judge's score of the original and of the expanded query (None: not judged;
    under `confirm` the score on the confirming half). `kept` is the share of the original's top hits that is still
    found. `searches` counts those spent on this query, `failed` those that the engine did not answer. `others` are the
    best sets of other lengths, the worthiest first; none under `confirm`, which confirms one set alone.
    """

    query: Query
    answer: VerifiedAnswer
    expansions: tuple[Expansion, ...]
    weights: tuple[float, ...]
    before: float | None
    after: float | None
    kept: float
    searches: int
    failed: int
    others: tuple[Alternative, ...] = ()

    @property
    def gain(self) -> float | None:
        """By how much the judge's score rose; None where it is not known."""
        return None if self.before is None or self.after is None else self.after - self.before

    def row(self, say: Callable[[Sequence[Expansion]], str], keep_top: int) -> dict[str, Any]:
        """One JSON line; `say` writes expansions as a policy would have to."""
        pairs = zip(self.expansions, self.weights, strict=True)
        return {
            "query_id": self.query.id,
            "query": self.query.text,
            "answer": str(self.answer),
            "expansions": [{"text": e.text, "weight": weight} for e, weight in pairs],
            "completion": say(self.expansions),
            "before": self.before,
            "after": self.after,
            f"kept@{keep_top}": self.kept,
            "searches": self.searches,
            "failed": self.failed,
            "others": [{"completion": say(other.expansions), "gain": other.gain} for other in self.others],
        }
