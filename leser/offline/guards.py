"""Guards: what expansions must hold, by the rules and by the engine, before a store keeps them.

Every proposal of a query is searched with and judged on the first half of the query's judgments (all rewards that need no
judgments see the same rankings), the best that holds is kept, and the second half, where it has a relevant document, must
not speak against it. An engine's failure is no verdict: such a query is left for the next refresh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from leser.environment import Attempt, Environment
from leser.evaluation.measures import Measurer
from leser.evaluation.systems import SystemRun
from leser.expansion import Code, Expansion
from leser.expansion_store import EntryState
from leser.lesson import learned_from
from leser.offline.options import PrecomputeOptions
from leser.reward import Outcome
from leser.rules import ServingFilter
from leser.task import Query, Split
from leser.verified.anchor import kept_share
from leser.verified.halves import deep_enough, halve

SLACK = 1e-9
"""Differences of a measure below this are rounding."""


class GuardReason(StrEnum):
    """Why a query is left alone, or has no answer yet."""

    NONE = "none"  # nothing was proposed
    RULES = "rules"
    NOTHING_FOUND = "nothing_found"
    OVERLAP = "overlap"
    JUDGE = "judge"
    JUDGMENTS = "judgments"
    ENGINE = "engine"  # a search failed, or what writes the expansions: there is no answer
    UNJUDGED = "unjudged"  # no reward speaks of the query, so verified search has no answer


@dataclass(frozen=True, slots=True)
class ProposedExpansions:
    """Expansions with a completion's weights, and who proposes them; `lacking` says why there is no answer at all.

    `unread` says that something was written which could not be read or checked, so that nothing of it is proposed; `failure`
    what the failed part said.
    """

    by: str
    expansions: tuple[Expansion, ...]
    lacking: GuardReason | None = None
    unread: bool = False
    failure: str = ""


@dataclass(frozen=True, slots=True)
class GuardedAnswer:
    """What may be stored for a query. No expansions: it is best left alone, for the reason given.

    `state` is None where a failed search leaves the question open. `scores` are what was measured.
    """

    query: Query
    state: EntryState | None
    by: str = ""
    expansions: tuple[Expansion, ...] = ()
    reason: GuardReason | None = None
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Weighed:
    """One proposal after its search: the refusal or None, the judge's gain or None, and whether enough speaks for it."""

    proposal: ProposedExpansions
    refusal: GuardReason | None
    gain: float | None
    proven: bool
    scores: dict[str, float]


class Guards:
    """Weighs proposals in whole batches; `labels` are the judgments that may be read (none: an empty split)."""

    def __init__(self, environment: Environment, options: PrecomputeOptions, labels: Split, seed: int = 0) -> None:
        self.environment, self.options = environment, options
        self.chosen_on, self.confirmed_on = halve(labels, seed)
        self._filter = ServingFilter(environment.rules)
        depth = max(environment.depth, options.top)
        self._depth = max(deep_enough(half, depth) for half in (self.chosen_on, self.confirmed_on))

    def weigh(self, queries: Sequence[Query], proposals: Sequence[Sequence[ProposedExpansions]]) -> list[GuardedAnswer]:
        """One answer per query, in order; `proposals` are each query's. Raises EngineDown once the engine stops answering."""
        self._analyse(queries, proposals)
        allowed = [self._allowed(query, given) for query, given in zip(queries, proposals, strict=True)]
        say = self.environment.say
        attempts = [
            Attempt(query, number, say(expansions))
            for number, (query, given) in enumerate(zip(queries, allowed, strict=True))
            for expansions in ((), *(p.expansions for p in given))
        ]
        part = self.chosen_on.part(queries)
        outcomes = self.environment.judge(attempts, part, self._depth)
        judged, blind = self._scores(outcomes), self._scores([o.unlabelled() for o in outcomes])
        answers, first = [], 0
        seconds = self._seconds(queries, allowed, outcomes)
        for query, given, proposed in zip(queries, allowed, proposals, strict=True):
            rows = range(first, first + 1 + len(given))
            first = rows.stop
            weighed = [
                self._weighed(proposal, outcomes, judged, blind, seconds, rows.start, row)
                for proposal, row in zip(given, rows[1:], strict=True)
            ]
            answers.append(self._answer(query, outcomes[rows.start], weighed, proposed))
        return answers

    def _analyse(self, queries: Sequence[Query], proposals: Sequence[Sequence[ProposedExpansions]]) -> None:
        """Have all words analysed in one request, before the rules are asked query by query."""
        book = self.environment.rules
        texts: dict[str, None] = {}
        for query, given in zip(queries, proposals, strict=True):
            for proposal in given:
                if proposal.expansions:
                    texts |= dict.fromkeys(book.texts(query.text, proposal.expansions))
        if texts:
            self.environment.analyze(list(texts))

    def _allowed(self, query: Query, given: Sequence[ProposedExpansions]) -> list[ProposedExpansions]:
        """What the rules leave of the proposals, each set once."""
        kept: dict[tuple[Expansion, ...], ProposedExpansions] = {}
        for proposal in given:
            if left := self._filter(query.text, proposal.expansions).expansions:
                kept.setdefault(left, ProposedExpansions(proposal.by, left))
        return list(kept.values())

    def _scores(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        scores = self.environment.score(outcomes)
        out = scores.excluded | scores.gated
        return [None if gone else float(total) for total, gone in zip(scores.total, out, strict=True)]

    def _seconds(
        self, queries: Sequence[Query], allowed: Sequence[Sequence[ProposedExpansions]], outcomes: Sequence[Outcome]
    ) -> dict[int, float]:
        """The measure on the second half of the judgments, by the outcome's number, where that half has a relevant one."""
        part = self.confirmed_on.part(queries)
        if not part.qrels:
            return {}
        measure = self.options.measure
        measurer = Measurer(part, [measure])
        numbers, first = {}, 0
        for query, given in zip(queries, allowed, strict=True):
            numbers[query.id] = range(first, first + 1 + len(given))
            first += 1 + len(given)
        found: dict[int, float] = {}
        for place in range(max((len(rows) for rows in numbers.values()), default=0)):
            rows = {query: own[place] for query, own in numbers.items() if len(own) > place}
            rankings = {q: expanded for q, row in rows.items() if (expanded := outcomes[row].expanded) is not None}
            values = measurer(SystemRun(str(place), rankings))[measure]
            found |= {row: values[query] for query, row in rows.items() if query in values}
        return found

    def _weighed(
        self,
        proposal: ProposedExpansions,
        outcomes: Sequence[Outcome],
        judged: Sequence[float | None],
        blind: Sequence[float | None],
        seconds: Mapping[int, float],
        original: int,
        row: int,
    ) -> _Weighed:
        outcome, options = outcomes[row], self.options
        scores: dict[str, float] = {}
        if outcome.expanded is None or outcome.code is Code.NOTHING_FOUND:
            kind = {Code.ENGINE_ERROR: GuardReason.ENGINE, Code.NOTHING_FOUND: GuardReason.NOTHING_FOUND}
            return _Weighed(proposal, kind.get(outcome.code, GuardReason.RULES), None, False, scores)
        overlap = kept_share(outcome.original, outcome.expanded, options.top, options.top)
        scores[f"overlap@{options.top}"] = overlap
        gain = _rise(judged, original, row)
        unseen = _rise(blind, original, row)
        if gain is not None:
            scores["gain"] = gain
        confirmed = _rise({k: v for k, v in seconds.items() if k in (original, row)}, original, row)
        if confirmed is not None:
            scores[f"{options.measure} confirmed"] = confirmed
        refusal = None
        if overlap < options.overlap:
            refusal = GuardReason.OVERLAP
        elif gain is not None and gain < options.margin - SLACK:
            refusal = GuardReason.JUDGE
        elif confirmed is not None and confirmed < -SLACK:
            refusal = GuardReason.JUDGMENTS
        # labels that a set was chosen on do not prove it: the other half does, or a judge that never saw them
        stranger = not learned_from(self.environment.rewards.rewards, outcome.query)
        proven = (confirmed is not None and confirmed > SLACK) or (
            stranger and unseen is not None and unseen >= options.margin - SLACK
        )
        return _Weighed(proposal, refusal, gain, proven and gain is not None, scores)

    @staticmethod
    def _answer(
        query: Query, original: Outcome, weighed: Sequence[_Weighed], proposed: Sequence[ProposedExpansions]
    ) -> GuardedAnswer:
        if original.code is Code.ENGINE_ERROR:
            return GuardedAnswer(query, None, reason=GuardReason.ENGINE)
        ranked = sorted(weighed, key=lambda w: -1.0 if w.gain is None else w.gain, reverse=True)
        best = next((w for w in ranked if w.refusal is None), None)
        if best is not None:
            state = EntryState.LIVE if best.proven else EntryState.PROPOSED
            return GuardedAnswer(query, state, best.proposal.by, best.proposal.expansions, None, best.scores)
        if any(w.refusal is GuardReason.ENGINE for w in weighed):
            return GuardedAnswer(query, None, reason=GuardReason.ENGINE)
        if ranked:
            return GuardedAnswer(query, EntryState.LIVE, reason=ranked[0].refusal, scores=ranked[0].scores)
        if any(p.expansions for p in proposed):
            return GuardedAnswer(query, EntryState.LIVE, reason=GuardReason.RULES)
        lacking = [p.lacking for p in proposed if p.lacking is not None]
        if lacking and len(lacking) == len(proposed):
            return GuardedAnswer(query, None, reason=lacking[0])
        return GuardedAnswer(query, EntryState.LIVE, reason=GuardReason.NONE)


def _rise(values: Sequence[float | None] | Mapping[int, float], before: int, after: int) -> float | None:
    if isinstance(values, Mapping):
        first, second = values.get(before), values.get(after)
    else:
        first, second = values[before], values[after]
    return None if first is None or second is None else second - first
