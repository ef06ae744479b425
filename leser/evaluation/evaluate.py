"""evaluate: systems side by side on one split; what evaluation.json holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from leser.errors import LeserError
from leser.evaluation.measures import DEFAULT_MEASURES, Fetch, Measurer, Values
from leser.evaluation.statistics import Paired, holm, paired
from leser.evaluation.systems import SystemRun, behaviour
from leser.holes.expected import REPLICATES, ExpectedGrades
from leser.reward import Reward
from leser.task import Query, Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Columns = NDArray[np.float64]

POLICY = "leser"
ORIGINAL = "original"
IDEAL = "ideal"
"""A reference row that reads the judgments: no rival, so it takes no part in corrections over rivals."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Means, comparisons and, per system and measure, every query's value.

    `systems` maps a system to its measures and figures of behaviour; `kinds` holds systems and comparisons again for
    each kind of query. A comparison is {"system", "baseline", "measure", "delta", "ci95", "p", "wins", "ties",
    "losses"}: p is Holm-adjusted over the policy's rivals in one measure, and apart over the other systems.
    """

    split: str
    queries: int
    systems: dict[str, dict[str, float]]
    comparisons: list[dict[str, Any]]
    kinds: dict[str, dict[str, Any]]
    per_query: dict[str, dict[str, Values]]

    def to_json(self) -> dict[str, Any]:
        """evaluation.json's content."""
        return {
            "split": self.split,
            "queries": self.queries,
            "systems": self.systems,
            "comparisons": self.comparisons,
            "kinds": self.kinds,
        }


def evaluate(
    split: Split,
    runs: Sequence[SystemRun],
    measures: Iterable[str] = DEFAULT_MEASURES,
    *,
    rewards: Mapping[str, type[Reward]] | None = None,
    fetch: Fetch | None = None,
    policy: str = POLICY,
    original: str = ORIGINAL,
    resamples: int = 10_000,
    seed: int = 0,
    platform: str | None = None,
    warn: Callable[[str], None] | None = None,
    expected: ExpectedGrades | None = None,
) -> Evaluation:
    """Measure every run on the split's queries and compare `policy` with all others, and all others with `original`.

    Measures are ir-measures' names, or rewards' (`coverage@10`) out of `rewards`; those are told the `platform`, and read the
    documents that `fetch` gives. Raises LeserError for an unknown measure, for two systems of one name, and for a measure that
    fails on a run; with `warn`, that is told of it and the measure is left out. `expected` fills holes for measures with
    holes=expected: their intervals hold the uncertainty of what was filled in too.
    """
    names = [run.name for run in runs]
    if len(set(names)) != len(names):
        raise LeserError(f"Two systems have one name among {', '.join(names)}. Rename one.")
    if not split.queries:
        raise LeserError(
            f"The split '{split.name}' has no query with a relevant document: there is nothing to measure."
        )
    measurer = Measurer(split, measures, rewards, fetch, platform, warn, expected)
    before = next((run for run in runs if run.name == original), None)
    values = {run.name: measurer(run, before) for run in runs}
    again = {run.name: measurer.replicates(run, before, REPLICATES) for run in runs}
    rivals = [name for name in names if name not in (policy, IDEAL)]
    families = [[(policy, name) for name in rivals], [(policy, IDEAL)] if IDEAL in names else []]
    if policy not in names:
        families = []
    if before:
        families.append([(name, original) for name in names if name not in (policy, original)])

    def table(queries: Sequence[Query], no_result: Sequence[Query] = ()) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        ids = [query.id for query in queries]
        systems = {run.name: means(values[run.name], ids) | behaviour(run, queries, no_result) for run in runs}
        comparisons = [
            row
            for family in families
            for row in _compare(values, family, measurer.names, ids, resamples, seed, again if measurer.filled else {})
        ]
        return systems, comparisons

    systems, comparisons = table(split.queries, split.no_result)
    kinds: dict[str, dict[str, Any]] = {}
    for kind in sorted({query.kind for query in split.queries if query.kind}):
        queries = [query for query in split.queries if query.kind == kind]
        part_systems, part_comparisons = table(queries)
        kinds[kind] = {"queries": len(queries), "systems": part_systems, "comparisons": part_comparisons}
    return Evaluation(split.name, len(split.queries), systems, comparisons, kinds, values)


def means(values: Mapping[str, Values], ids: Sequence[str]) -> dict[str, float]:
    """Each measure's mean over the queries it applies to; a measure that applies to none is left out."""
    found = {name: [per[query] for query in ids if query in per] for name, per in values.items()}
    return {name: float(np.mean(listed)) for name, listed in found.items() if listed}


def _compare(
    values: Mapping[str, Mapping[str, Values]],
    pairs: Sequence[tuple[str, str]],
    measures: Sequence[str],
    ids: Sequence[str],
    resamples: int,
    seed: int,
    again: Mapping[str, Sequence[Mapping[str, Values]]],
) -> list[dict[str, Any]]:
    """One family of comparisons, each measure on the queries it applies to for all systems in the family.

    `again` holds, by system, the replicates of the measures that are estimates themselves.
    """
    systems = sorted({name for pair in pairs for name in pair})
    # measures that share their queries share resamples
    alike: dict[tuple[tuple[str, ...], bool], list[str]] = {}
    estimated = {measure for found in again.values() for one in found for measure in one}
    for measure in measures:
        shared = tuple(query for query in ids if all(query in values[name][measure] for name in systems))
        if shared and pairs:
            alike.setdefault((shared, measure in estimated), []).append(measure)
    rows = []
    for (shared, estimate), together in alike.items():

        def gains(of: Mapping[str, Mapping[str, Values]], shared: tuple[str, ...], names: Sequence[str]) -> Columns:
            columns = {(s, m): np.array([of[s][m][query] for query in shared]) for s in systems for m in names}
            return np.stack([columns[a, m] - columns[b, m] for m in names for a, b in pairs], axis=1)

        count = min((len(again[name]) for name in systems), default=0) if estimate else 0
        replicates = [gains({s: again[s][n] for s in systems}, shared, together) for n in range(count)]
        results = paired(gains(values, shared, together), resamples=resamples, seed=seed, replicates=replicates)
        for number, measure in enumerate(together):
            rows += _rows(measure, pairs, results[number * len(pairs) : (number + 1) * len(pairs)])
    return sorted(rows, key=lambda row: measures.index(row["measure"]))


def _rows(measure: str, pairs: Sequence[tuple[str, str]], results: Sequence[Paired]) -> list[dict[str, Any]]:
    adjusted = holm([result.p for result in results])
    return [
        {
            "system": first,
            "baseline": second,
            "measure": measure,
            "delta": result.delta,
            "ci95": list(result.ci95),
            "p": p,
            "wins": result.wins,
            "ties": result.ties,
            "losses": result.losses,
        }
        for (first, second), result, p in zip(pairs, results, adjusted, strict=True)
    ]
