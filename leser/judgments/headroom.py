"""What expansions could gain on a task before any training: systems that need none, on a sample of the train queries.

Test is left alone. RM3 is tuned on dev; the dictionary is counted on the train queries outside the sample, or where there are
few, on one half of the sample's queries and asked about the other; verified search is proven by a judge that reads no label,
so that the labels are a fair examination of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from leser.backend import Term
from leser.environment import Environment
from leser.errors import EngineDown, LeserError
from leser.evaluation.builtin import Original
from leser.evaluation.calls import fit_baseline, terms_of
from leser.evaluation.dictionary import Dictionary
from leser.evaluation.evaluate import ORIGINAL, Evaluation, evaluate
from leser.evaluation.rm3 import RM3
from leser.evaluation.systems import SystemRun, run_of_terms
from leser.formats.split import divide, near_duplicates
from leser.scoring import RewardSet
from leser.task import Split, drawn
from leser.verified.search import search_expansions
from leser.verified.sources import DocumentWords

if TYPE_CHECKING:
    from leser.baseline import BaselineContext
    from leser.reward import Reward
    from leser.task import Query
    from leser.verified.options import VerifiedOptions

NO_POLICY = ""
"""No system of the table is a policy: all are compared with the original."""
RM3_GRID = RM3.Options(fb_docs=(5, 10), fb_terms=(10, 20), original_weight=(0.3, 0.5, 0.7, 0.9), dev_queries=100)
"""A sixth of what a run tunes RM3 with, on fewer queries: the check is to take minutes."""
_COUNTED_QUERIES, _COUNTED_SEARCHES = 2_000, 16_000
"""What a dictionary is counted on at most: enough for the words of a catalogue, half a minute of an engine's time."""
_Z = 1.959964 + 0.841621
"""Normal quantiles of a two-sided test at 5 % that finds what is there four times in five."""


@dataclass(frozen=True, slots=True)
class HeadRoomGain:
    """What a system gains over the original in one measure, and the queries that would show a gain of that size.

    `needed` is for a paired two-sided test at 5 % and a power of 80 %, from the spread of the queries' differences; None where
    nothing differs.
    """

    system: str
    measure: str
    delta: float
    ci95: tuple[float, float]
    wins: int
    losses: int
    needed: int | None

    @property
    def shows(self) -> bool:
        """Whether the interval lies above 0."""
        return self.ci95[0] > 0


@dataclass(frozen=True, slots=True)
class HeadRoom:
    """Systems by measures on `queries` queries, the gains over the original, and what could not be tried."""

    queries: int
    systems: dict[str, dict[str, float]]
    gains: tuple[HeadRoomGain, ...]
    left_out: tuple[str, ...]


def sample_of(split: Split, most: int, seed: int) -> Split:
    """At most so many of a split's queries, drawn by the seed, in the split's order."""
    drawn = set(Random(f"{seed} head-room").sample(range(len(split.queries)), min(most, len(split.queries))))
    return replace(split, queries=tuple(q for n, q in enumerate(split.queries) if n in drawn), no_result=())


def systems_of(
    context: BaselineContext,
    environment: Environment,
    sample: Split,
    judge: Reward | None,
    verified: VerifiedOptions,
    tell: Callable[[str], None],
    seed: int,
) -> tuple[list[SystemRun], list[str]]:
    """The runs of the systems that need no training, and why any is left out. Raises EngineDown."""
    runs: list[SystemRun] = []
    left_out: list[str] = []
    originals = Original()

    def found(name: str, terms: Callable[[], Sequence[Sequence[Term]]]) -> None:
        tell(f"Searching: {name} ...")
        try:
            given = terms()
            runs.append(run_of_terms(name, sample.queries, given, context.search(sample.queries, given)))
        except EngineDown:
            raise
        except LeserError as error:
            left_out.append(f"{name}: {error}")

    found(ORIGINAL, lambda: originals.terms(sample.queries))
    found(RM3.name, lambda: _fitted(RM3(RM3_GRID), context, sample.queries))
    found(Dictionary.name, lambda: crossed(context, sample, seed))
    if judge is None:
        left_out.append("verified search: no judge that reads documents is named. Set -o evaluation.judge=encoder.")
    else:
        found("verified search", lambda: _verified(environment, sample, judge, verified, seed))
    return runs, left_out


def head_room(
    sample: Split, runs: Sequence[SystemRun], measures: Sequence[str], left_out: Sequence[str], **given: Any
) -> HeadRoom:
    """Measure the runs; `given` goes to `evaluate`."""
    result = evaluate(sample, runs, measures, policy=NO_POLICY, **given)
    systems = {name: {m: figures[m] for m in measures if m in figures} for name, figures in result.systems.items()}
    gains = tuple(
        HeadRoomGain(
            row["system"],
            row["measure"],
            row["delta"],
            tuple(row["ci95"]),
            row["wins"],
            row["losses"],
            needed_queries(_differences(result, row["system"], row["measure"])),
        )
        for row in result.comparisons
    )
    return HeadRoom(result.queries, systems, gains, tuple(left_out))


def needed_queries(differences: Sequence[float]) -> int | None:
    """How many queries a paired test would need to show a mean difference of this size, with this spread of queries."""
    values = np.array(differences)
    mean = abs(float(values.mean())) if len(values) else 0.0
    if len(values) < 2 or mean == 0:
        return None
    return max(2, ceil((_Z * float(values.std(ddof=1)) / mean) ** 2))


def _differences(result: Evaluation, system: str, measure: str) -> list[float]:
    ours, theirs = result.per_query[system][measure], result.per_query[ORIGINAL][measure]
    return [ours[query] - theirs[query] for query in ours if query in theirs]


def _fitted(baseline: RM3, context: BaselineContext, queries: Sequence[Query]) -> Sequence[Sequence[Term]]:
    fit_baseline(baseline, context)
    return terms_of(baseline, queries)


def crossed(context: BaselineContext, sample: Split, seed: int) -> Sequence[Sequence[Term]]:
    """Terms out of a dictionary that never saw the query it is asked about, nor a near-duplicate of it.

    It is counted on the train queries outside the sample. Where these are fewer than the sample, each half's terms come out of a
    dictionary that was counted on the other half.
    """
    outside = _outside(context.task.train, sample, seed)
    if len(outside) >= len(sample.queries):
        dictionary = _counted(context, replace(context.task.train, queries=outside))
        return terms_of(dictionary, sample.queries)
    found: dict[str, Sequence[Term]] = {}
    parts = divide(sample.queries, sample.qrels, {"first": 0.5, "second": 0.5}, seed)
    for half in parts.values():
        counted = tuple(query for query in sample.queries if query.id in half)
        asked = tuple(query for query in sample.queries if query.id not in half)
        if not counted or not asked:
            continue
        dictionary = _counted(context, replace(sample, queries=counted))
        found |= {q.id: terms for q, terms in zip(asked, terms_of(dictionary, asked), strict=True)}
    return [found.get(query.id, ()) for query in sample.queries]


def _outside(train: Split, sample: Split, seed: int) -> tuple[Query, ...]:
    """Train queries that are neither in the sample nor near-duplicates of one of it; of many, those drawn by the seed."""
    inside = {query.id for query in sample.queries}
    groups = near_duplicates([*sample.queries, *(query for query in train.queries if query.id not in inside)])
    alike = {query.id for group in groups if any(query.id in inside for query in group) for query in group}
    return tuple(drawn([query for query in train.queries if query.id not in alike], _COUNTED_QUERIES, seed))


def _counted(context: BaselineContext, split: Split) -> Dictionary:
    dictionary = Dictionary(Dictionary.Options(most_searches=_COUNTED_SEARCHES, dev_queries=100))
    fit_baseline(dictionary, replace(context, task=replace(context.task, train=split)))
    return dictionary


def _verified(
    environment: Environment, sample: Split, judge: Reward, options: VerifiedOptions, seed: int
) -> Sequence[Sequence[Term]]:
    """What the judge, which reads no label, proves on the engine."""
    e = environment
    blind = Environment(e.client, RewardSet([judge], [1.0]), e.expansion, e.title_field, e.rules, e.platform, e.ask)
    unlabelled = Split(sample.name, sample.queries, {})
    found = search_expansions(
        blind, sample.queries, options, [DocumentWords(blind, options)], split=unlabelled, seed=seed
    )
    return [
        tuple(Term(expansion.text, weight) for expansion, weight in zip(row.expansions, row.weights, strict=True))
        for row in found
    ]
