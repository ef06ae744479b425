"""Promotion: whether a new store or policy may take the place of the old one, by judgments that neither has seen.

Both systems' expansions, and the original queries, are searched with on one engine. The new system is promoted where the
lower end of the difference's 95 % interval (paired bootstrap over queries) is not below -tolerance, and no guard fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from leser.backend import SearchError
from leser.environment import Attempt, Environment
from leser.errors import LeserError
from leser.evaluation.measures import Measurer
from leser.evaluation.statistics import Paired, paired
from leser.evaluation.systems import SystemRun
from leser.expansion import Code, Expansion
from leser.offline.options import PromoteOptions
from leser.reward import Outcome, Reward
from leser.task import Query, Split
from leser.verified.anchor import kept_share

Expand = Callable[[Sequence[Query]], Sequence[Sequence[Expansion]]]
"""Queries to expansions with the weights that an engine is asked with, one list per query."""


@dataclass(frozen=True, slots=True)
class SystemFacts:
    """What one system did on the split: the measure's mean, and its behaviour as counts of queries."""

    measure: float
    expanded: int
    zero_results: int
    violations: int
    errors: int
    overlap: float


@dataclass(frozen=True, slots=True)
class Promotion:
    """The verdict: `reasons` say in words why not (empty: promoted), and the figures behind it.

    `generation` is that of the old store which the new one's entries became, None where none was written.
    """

    queries: int
    measure: str
    original: float
    old: SystemFacts
    new: SystemFacts
    difference: Paired
    hurt: float
    reasons: tuple[str, ...]
    generation: int | None = None

    @property
    def promoted(self) -> bool:
        """Whether the new system may take the old one's place."""
        return not self.reasons

    def row(self) -> dict[str, Any]:
        """All of it as plain values."""
        systems = {
            name: {
                "value": facts.measure, "expanded": facts.expanded, "zero_results": facts.zero_results,
                "violations": facts.violations, "errors": facts.errors, "overlap": facts.overlap,
            }
            for name, facts in (("old", self.old), ("new", self.new))
        }  # fmt: skip
        difference = self.difference
        return {
            "promoted": self.promoted, "reasons": list(self.reasons), "queries": self.queries, "measure": self.measure,
            "original": self.original, **systems,
            "difference": {
                "delta": difference.delta, "ci95": list(difference.ci95), "p": difference.p,
                "wins": difference.wins, "ties": difference.ties, "losses": difference.losses,
            },
            "hurt": self.hurt, "generation": self.generation,
        }  # fmt: skip

    def __str__(self) -> str:
        low, high = self.difference.ci95
        counts = f"{self.difference.wins} better, {self.difference.ties} equal, {self.difference.losses} worse"
        lines = [
            f"{self.measure} on {self.queries} held-out queries: original {self.original:.4f}, old {self.old.measure:.4f}, "
            f"new {self.new.measure:.4f}.",
            f"New minus old: {self.difference.delta:+.4f} [{low:+.4f}, {high:+.4f}] ({counts}).",
            f"New: {self.new.expanded} queries expanded, {self.new.zero_results} without a result, overlap with the original's "
            f"top {self.new.overlap:.2f}, hurt {self.hurt:.1%}.",
        ]
        lines += ["Promoted."] if self.promoted else ["Not promoted:", *(f"- {reason}" for reason in self.reasons)]
        if self.generation is not None:
            lines.append(f"The new store's entries are generation {self.generation} of the old one now.")
        return "\n".join(lines)


def promotion(
    environment: Environment,
    split: Split,
    old: Expand,
    new: Expand,
    options: PromoteOptions,
    rewards: Mapping[str, type[Reward]],
    seed: int = 0,
) -> Promotion:
    """Compare two systems on a split's judgments; `rewards` are the families that `promote.measure` may name.

    Raises LeserError for a measure that has no value on these queries, EngineDown once the engine stops answering.
    """
    measurer = Measurer(split, [options.measure], rewards, environment.client.fetch)
    depth = max(measurer.depth, options.top, 10)
    plain = _outcomes(environment, split, lambda queries: [()] * len(queries), depth)
    first, second = (_outcomes(environment, split, system, depth) for system in (old, new))
    before = _run("original", plain)
    values = [measurer(run, before)[options.measure] for run in (before, _run("old", first), _run("new", second))]
    judged = [q.id for q in split.queries if all(q.id in column for column in values)]
    if not judged:
        raise LeserError(
            f"{options.measure} has no value on the {split.name} queries: none is judged. Choose another split or measure."
        )
    original, olds, news = (np.array([column[query] for query in judged]) for column in values)
    difference = paired((news - olds)[:, None], resamples=options.resamples, seed=seed)[0]
    facts = [
        _facts(outcomes, float(column.mean()), options.top) for outcomes, column in ((first, olds), (second, news))
    ]
    hurt = float((olds - news > options.hurt_by).mean())
    reasons = _reasons(facts[0], facts[1], difference, hurt, options)
    return Promotion(
        len(judged), options.measure, float(original.mean()), facts[0], facts[1], difference, hurt, tuple(reasons)
    )


def _outcomes(environment: Environment, split: Split, expand: Expand, depth: int) -> list[Outcome]:
    weight = environment.expansion.weight
    attempts = [
        Attempt(query, number, environment.say([Expansion(e.text, float(f"{e.weight / weight:.6g}")) for e in given]))
        for number, (query, given) in enumerate(zip(split.queries, expand(split.queries), strict=True))
    ]
    # no judgment is needed here: the measure reads them
    return environment.judge(attempts, Split(split.name, split.queries, {}), depth)


def _run(name: str, outcomes: Sequence[Outcome]) -> SystemRun:
    """A system's run. What may not be searched with is served as the original query, as everywhere."""
    refused = (Code.PARSE_ERROR, Code.RULE_VIOLATION)
    rankings = {
        o.query.id: o.original if o.code in refused else o.expanded or SearchError(o.reason or "the search failed")
        for o in outcomes
    }
    return SystemRun(name, rankings, {o.query.id: o.expansions for o in outcomes})


def _facts(outcomes: Sequence[Outcome], measure: float, top: int) -> SystemFacts:
    codes = [o.code for o in outcomes]
    kept = [kept_share(o.original, o.expanded, top, top) for o in outcomes if o.expanded is not None]
    return SystemFacts(
        measure=measure,
        expanded=sum(bool(o.expansions) for o in outcomes),
        zero_results=codes.count(Code.NOTHING_FOUND),
        violations=codes.count(Code.RULE_VIOLATION) + codes.count(Code.PARSE_ERROR),
        errors=codes.count(Code.ENGINE_ERROR),
        overlap=float(np.mean(kept)) if kept else 1.0,
    )


def _reasons(old: SystemFacts, new: SystemFacts, difference: Paired, hurt: float, options: PromoteOptions) -> list[str]:
    """Every reason against the new system, in words."""
    reasons = []
    if not old.expanded and not new.expanded:
        reasons.append(
            "Neither expands any of the held-out queries, so nothing was compared. Put these queries into the list that is "
            "precomputed, or judge some that are in it."
        )
    low, high = difference.ci95
    if low < -options.tolerance:
        reasons.append(
            f"{options.measure} may have fallen: the difference is {difference.delta:+.4f} [{low:+.4f}, {high:+.4f}], and the "
            f"interval's lower end must be {-options.tolerance:g} or more (promote.tolerance)."
        )
    if hurt > options.hurt:
        reasons.append(
            f"{hurt:.1%} of the queries lose more than {options.hurt_by:g} (promote.hurt_by), at most {options.hurt:.1%} may "
            "(promote.hurt)."
        )
    if new.zero_results > old.zero_results:
        reasons.append(f"{new.zero_results} queries find nothing, with the old one {old.zero_results}.")
    if new.violations:
        reasons.append(f"{new.violations} queries' expansions break a rule or cannot be written.")
    if new.errors or old.errors:
        reasons.append(f"{new.errors + old.errors} searches failed: this comparison says nothing. Run it again.")
    if new.overlap < options.overlap:
        reasons.append(
            f"Only {new.overlap:.2f} of the original's top {options.top} hits are still shown, at least {options.overlap:g} "
            "must be (promote.overlap)."
        )
    return reasons
