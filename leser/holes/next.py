"""What to judge next: the unjudged documents whose label would settle most whether the policy is better; out and back again.

A label's leverage: by how much it could move the mean difference of two systems, from the lowest grade to the highest one
the judgments hold; times how open it is, sqrt(p (1 - p)) with p the share of the highest grade that a judge expects (where
there is a judge). A document that both systems show at the same rank settles nothing, however unknown it is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path

from leser.backend import Ranking
from leser.errors import LeserError
from leser.expansion import Code
from leser.files import write_atomically
from leser.formats.quepid import Quepid
from leser.holes.expected import ExpectedGrades
from leser.reward import Outcome, Reward
from leser.reward_calls import ask_reward
from leser.task import Query, Split, Task, has_relevant

FILE = "judge-next.csv"
COUNT = 20


@dataclass(frozen=True, slots=True)
class ToJudge:
    """An unjudged document of a query, and how much its label could move the mean difference, as described above."""

    query: Query
    document: str
    leverage: float


def judge_next(
    split: Split,
    before: Mapping[str, Ranking | None],
    after: Mapping[str, Ranking | None],
    measure: Reward,
    depth: int,
    expected: ExpectedGrades | None = None,
    count: int = COUNT,
) -> list[ToJudge]:
    """The `count` documents in either top `depth` whose labels matter most to `after` against `before`.

    `measure` counts an unjudged document as not relevant, so that a label changes its value.
    """
    highest = max((grade for given in split.qrels.values() for grade in given.values()), default=1)
    asked: list[tuple[Query, str]] = []
    outcomes: list[Outcome] = []
    for query in split.queries:
        grades = split.qrels.get(query.id, {})
        pair = [rankings.get(query.id) or Ranking(()) for rankings in (before, after)]
        for id in dict.fromkeys(id for ranking in pair for id in _top(ranking, depth)):
            if id in grades:
                continue
            for grade in (0, highest):
                outcomes += [_outcome(query, len(outcomes), ranking, {**grades, id: grade}) for ranking in pair]
            asked.append((query, id))
    values = [value if value == value else 0.0 for value in ask_reward(measure, outcomes)]
    found = []
    for number, (query, id) in enumerate(asked):
        low_before, low_after, high_before, high_after = values[4 * number : 4 * number + 4]
        swing = abs((high_after - high_before) - (low_after - low_before)) / len(split.queries)
        found.append(ToJudge(query, id, swing))
    if expected is not None and found:
        found = _opened(found, expected, highest)
    ordered = sorted(
        (row for row in found if row.leverage > 0), key=lambda row: (-row.leverage, row.query.id, row.document)
    )
    return ordered[:count]


def write_next(path: Path, rows: Iterable[ToJudge]) -> None:
    """Write them as a case of Quepid, query,docid,rating, the rating left to people."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("query", "docid", "rating"))
    writer.writerows((row.query.text, row.document, "") for row in rows)
    write_atomically(path, text.getvalue())


def with_ratings(task: Task, path: Path) -> Task:
    """The task with the ratings of such a file, or of any of Quepid's; queries are found by their text.

    Raises LeserError where there is no such file, for a query that the task does not have, and for a document that it has with
    another grade.
    """
    if not path.is_file():
        raise LeserError(f"There is no file of ratings at {path}. Check the path given to --judged.")
    given = Quepid(Quepid.Options(path=path)).rated()
    known = {_key(q.text) for split in task.splits for q in (*split.queries, *split.no_result)}
    strange = next((text for text in given if _key(text) not in known), None)
    if strange is not None:
        raise LeserError(f"{path} rates the query '{strange}', which the task {task.name} does not have. Take it out.")
    rated = {_key(text): grades for text, grades in given.items()}
    train, dev, test = (_rated(split, rated, path) for split in task.splits)
    return replace(task, train=train, dev=dev, test=test)


def _rated(split: Split, rated: Mapping[str, Mapping[str, int]], path: Path) -> Split:
    qrels = {id: dict(grades) for id, grades in split.qrels.items()}
    asked = (*split.queries, *split.no_result)
    for query in asked:
        for document, grade in rated.get(_key(query.text), {}).items():
            old = qrels.setdefault(query.id, {}).setdefault(document, grade)
            if old != grade:
                raise LeserError(
                    f"{path} rates document {document} for the query '{query.text}' {grade}, and the task has grade {old}. "
                    "Keep one of them."
                )
    relevant = {query.id for query in asked if has_relevant(qrels, query)}
    # a query moves where it became answerable; the others keep their order
    kept, left = (tuple(q for q in asked if (q.id in relevant) is wanted) for wanted in (True, False))
    return replace(split, queries=kept, qrels=qrels, no_result=left)


def _opened(rows: Sequence[ToJudge], expected: ExpectedGrades, highest: int) -> list[ToJudge]:
    """The same with each leverage times how open the label is; a judge's failure leaves it wide open."""
    expected.read((row.query, row.document) for row in rows)
    opened = []
    for row in rows:
        (worth,) = expected.worths(row.query, [row.document], float)
        share = min(max(worth / highest, 0.0), 1.0) if worth == worth else 0.5
        opened.append(replace(row, leverage=row.leverage * sqrt(share * (1 - share))))
    return opened


def _top(ranking: Ranking, depth: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ranking.ids))[:depth]


def _outcome(query: Query, group: int, ranking: Ranking, grades: Mapping[str, int]) -> Outcome:
    return Outcome(query, group, "", (), Ranking(()), ranking, grades, Code.OK)


def _key(text: str) -> str:
    return " ".join(text.split()).casefold()
