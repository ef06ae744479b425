"""What a report knows of each test query: answers.jsonl of a run folder, one line a query.

Every line holds the query, what each system earned with it in the first measure, and what the policy wrote. The queries
that gained and lost most hold their top hits too, before and after, with titles: enough to look at, little to store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from leser.characters import well_formed
from leser.errors import LeserError
from leser.evaluation.evaluate import ORIGINAL, POLICY
from leser.expansion import Code, Expansion

if TYPE_CHECKING:
    from pathlib import Path

    from leser.backend import Ranking
    from leser.evaluation.systems import SystemRun
    from leser.task import Query, Split

FILE = "answers.jsonl"
HITS = 10
"""Hits of a ranking that are shown."""
WITH_HITS = 50
"""Queries that gained most, and as many that lost most, whose hits are kept."""

Titles = Callable[[Sequence[str]], Mapping[str, str]]
"""The titles of documents by id; what has none is absent."""


@dataclass(frozen=True, slots=True)
class ShownHit:
    """A hit near the top: its document, its grade (None: not judged), and its rank in the other ranking (None: not there)."""

    id: str
    title: str
    grade: int | None
    other: int | None


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """One test query. `completion`, `expansions` and `code` are None where a run did not save them.

    `values` maps systems to the query's value in `measure`; `found` counts the original's hits, as deep as it was
    searched; `before` and `after` are the top hits without and with expansions, None where they were not kept.
    """

    id: str
    query: str
    kind: str | None
    measure: str
    values: Mapping[str, float]
    found: int | None = None
    completion: str | None = None
    expansions: tuple[Expansion, ...] | None = None
    code: str | None = None
    before: tuple[ShownHit, ...] | None = None
    after: tuple[ShownHit, ...] | None = None

    @property
    def change(self) -> float:
        """What the policy gained over the query as it stands; NaN where one of the two is unknown."""
        return self.values.get(POLICY, float("nan")) - self.values.get(ORIGINAL, float("nan"))

    def to_json(self) -> dict[str, Any]:
        """The line as a JSON object; what is unknown is left out."""
        return well_formed({key: value for key, value in asdict(self).items() if value is not None})

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> ShownAnswer:
        """The answer that `to_json` wrote; a key it does not know is passed over."""
        known = {key: value for key, value in row.items() if key in cls.__slots__}
        for key in ("before", "after"):
            if key in known:
                known[key] = tuple(ShownHit(**hit) for hit in known[key])
        if "expansions" in known:
            known["expansions"] = tuple(Expansion(**expansion) for expansion in known["expansions"])
        return cls(**{"kind": None, **known})


def answers_of(
    split: Split,
    runs: Sequence[SystemRun],
    per_query: Mapping[str, Mapping[str, Mapping[str, float]]],
    measure: str,
    titles: Titles,
) -> list[ShownAnswer]:
    """The answers to a split's queries, in its order; `per_query` maps system, measure and query id to values."""
    before, after = (next((run for run in runs if run.name == name), None) for name in (ORIGINAL, POLICY))
    values = {name: measures.get(measure, {}) for name, measures in per_query.items()}
    shown: dict[str, tuple[tuple[ShownHit, ...], tuple[ShownHit, ...]]] = {}
    if before is not None and after is not None:
        shown = _shown(_most_changed(split.queries, values), split, before, after, titles)
    return [_answer(query, values, measure, before, after, shown.get(query.id)) for query in split.queries]


def write_answers(path: Path, answers: Iterable[ShownAnswer]) -> None:
    """Write one line an answer."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for answer in answers:
            file.write(json.dumps(answer.to_json()) + "\n")


def read_answers(path: Path) -> list[ShownAnswer]:
    """The answers that `write_answers` wrote; raises LeserError naming the line that cannot be read."""
    answers = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                answers.append(ShownAnswer.from_json(json.loads(line)))
            except (ValueError, TypeError, AttributeError) as error:
                raise LeserError(
                    f"{path}, line {number}, cannot be read: {error}. Delete the file: the report then reads trec/."
                ) from error
    return answers


def _answer(
    query: Query,
    values: Mapping[str, Mapping[str, float]],
    measure: str,
    before: SystemRun | None,
    after: SystemRun | None,
    shown: tuple[tuple[ShownHit, ...], tuple[ShownHit, ...]] | None,
) -> ShownAnswer:
    original = before.ranking(query.id) if before else None
    code = after.codes.get(query.id) if after else None
    expansions = after.expansions.get(query.id) if after else None
    return ShownAnswer(
        id=query.id,
        query=query.text,
        kind=query.kind,
        measure=measure,
        values={name: per[query.id] for name, per in values.items() if query.id in per},
        found=len(original.hits) if original else None,
        completion=well_formed(after.completions.get(query.id)) if after else None,
        expansions=None if expansions is None else tuple(expansions),
        code=str(Code(code)) if code is not None else None,
        before=shown[0] if shown else None,
        after=shown[1] if shown else None,
    )


def _most_changed(queries: Sequence[Query], values: Mapping[str, Mapping[str, float]]) -> list[Query]:
    before, after = values.get(ORIGINAL, {}), values.get(POLICY, {})
    changes = {q.id: after[q.id] - before[q.id] for q in queries if q.id in before and q.id in after}
    ordered = sorted((q for q in queries if changes.get(q.id)), key=lambda q: -changes[q.id])
    return [
        *[q for q in ordered[:WITH_HITS] if changes[q.id] > 0],
        *[q for q in ordered[-WITH_HITS:] if changes[q.id] < 0],
    ]


def _shown(
    queries: Sequence[Query], split: Split, before: SystemRun, after: SystemRun, titles: Titles
) -> dict[str, tuple[tuple[ShownHit, ...], tuple[ShownHit, ...]]]:
    pairs = {q.id: (_ids(before.ranking(q.id)), _ids(after.ranking(q.id))) for q in queries}
    known = titles(list(dict.fromkeys(doc for pair in pairs.values() for ids in pair for doc in ids[:HITS])))
    found = {}
    for query, (old, new) in pairs.items():
        grades = split.qrels.get(query, {})
        found[query] = (_hits(old, new, grades, known), _hits(new, old, grades, known))
    return found


def _hits(
    ids: Sequence[str], other: Sequence[str], grades: Mapping[str, int], titles: Mapping[str, str]
) -> tuple[ShownHit, ...]:
    ranks = {doc: rank for rank, doc in enumerate(other, start=1)}
    return tuple(
        ShownHit(doc, well_formed(titles.get(doc, ""))[:200], grades.get(doc), ranks.get(doc)) for doc in ids[:HITS]
    )


def _ids(ranking: Ranking | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ranking.ids)) if ranking else ()
