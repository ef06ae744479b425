"""What judgments hold, and where they contradict themselves; nothing is searched for here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from leser.formats.split import near_duplicates

if TYPE_CHECKING:
    from leser.task import Query, Task

EXAMPLES = 5
LEAST_PAIRS = 50
"""Pairs of one title, below which nothing is said of how many judgments may be wrong."""


@dataclass(frozen=True, slots=True)
class Depth:
    """How much was judged: quartiles (25, 50, 75 %) of documents per query, and of relevant ones where there are any."""

    queries: int
    without_relevant: int
    pairs: int
    judged: tuple[float, float, float]
    relevant: tuple[float, float, float]
    grades: dict[int, int]

    @property
    def one_sided(self) -> bool:
        """Whether every judgment says relevant: then nothing tells a bad document from one that nobody looked at."""
        return all(grade > 0 for grade in self.grades)


@dataclass(frozen=True, slots=True)
class Contradictions:
    """Pairs of judgments that cannot both be right, with a few examples in words.

    `same_title`: two documents of one title that one query grades differently. `same_query`: one document graded differently
    for two queries that differ in case, order, plural or punctuation alone. `of_titles` and `of_queries` are how
    many such pairs there are at all. Of one title's pairs `opposed` have one relevant and one not relevant document.
    """

    same_title: int
    of_titles: int
    same_query: int
    of_queries: int
    examples: tuple[str, ...] = field(default=())
    opposed: int = 0

    @property
    def as_if_wrong(self) -> float | None:
        """The share of judgments that, wrong at random, would oppose as many pairs; None where the pairs are too few.

        Of two judgments that should agree one alone is wrong with the chance 2 e (1 - e), where e is that share.
        """
        if self.of_titles < LEAST_PAIRS:
            return None
        return (1 - sqrt(max(1 - 2 * self.opposed / self.of_titles, 0))) / 2


def depth_of(task: Task) -> Depth:
    """How deep all splits together are judged."""
    given = [split.qrels.get(q.id, {}) for split in task.splits for q in (*split.queries, *split.no_result)]
    given = [grades for grades in given if grades]
    relevant = [count for grades in given if (count := sum(grade > 0 for grade in grades.values()))]
    return Depth(
        len(given),
        len(given) - len(relevant),
        sum(map(len, given)),
        _quartiles([len(grades) for grades in given]),
        _quartiles(relevant),
        dict(sorted(Counter(grade for grades in given for grade in grades.values()).items())),
    )


def contradictions_of(task: Task, titles: Mapping[str, str]) -> Contradictions:
    """Judgments that contradict each other; `titles` are the judged documents', by id."""
    queries = [q for split in task.splits for q in (*split.queries, *split.no_result)]
    qrels = {id: grades for split in task.splits for id, grades in split.qrels.items()}
    examples: list[str] = []
    same_title = of_titles = opposed = 0
    for query in queries:
        groups: dict[str, list[str]] = {}
        for id in qrels.get(query.id, {}):
            if title := " ".join(titles.get(id, "").split()).casefold():
                groups.setdefault(title, []).append(id)
        for ids in groups.values():
            grades = [qrels[query.id][id] for id in ids]
            unlike, pairs = _unlike(grades)
            of_titles, same_title = of_titles + pairs, same_title + unlike
            opposed += _unlike([grade > 0 for grade in grades])[0]
            if unlike and len(examples) < EXAMPLES:
                shown = ", ".join(f"{id} has grade {grade}" for id, grade in zip(ids, grades, strict=True))
                examples.append(f"'{query.text}': {shown}, and both are called '{titles[ids[0]][:60]}'")
    same_query, of_queries, told = _of_queries(near_duplicates(queries), qrels)
    return Contradictions(same_title, of_titles, same_query, of_queries, (*examples, *told[:EXAMPLES]), opposed)


def _of_queries(
    groups: Sequence[Sequence[Query]], qrels: Mapping[str, Mapping[str, int]]
) -> tuple[int, int, list[str]]:
    unlike_pairs = pairs = 0
    told = []
    for group in groups:
        documents = Counter(id for query in group for id in qrels.get(query.id, {}))
        for id in (id for id, count in documents.items() if count > 1):
            own = [(query, qrels[query.id][id]) for query in group if id in qrels.get(query.id, {})]
            unlike, count = _unlike([grade for _, grade in own])
            unlike_pairs, pairs = unlike_pairs + unlike, pairs + count
            if unlike:
                told.append(
                    f"{id} has " + " and ".join(f"grade {grade} for '{query.text}'" for query, grade in own[:3])
                )
    return unlike_pairs, pairs, told


def _unlike(grades: Sequence[int]) -> tuple[int, int]:
    """How many pairs of these grades differ, and how many pairs there are."""
    pairs = len(grades) * (len(grades) - 1) // 2
    alike = sum(count * (count - 1) // 2 for count in Counter(grades).values())
    return pairs - alike, pairs


def _quartiles(counts: Sequence[int]) -> tuple[float, float, float]:
    if not counts:
        return 0.0, 0.0, 0.0
    low, middle, high = np.percentile(counts, [25, 50, 75]).tolist()
    return low, middle, high
