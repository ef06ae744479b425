"""Two halves of a query's judgments: terms are chosen on one and confirmed on the other.

With labels in hand an engine proves model numbers and fillers too. A term that was chosen because it lifts the documents
of one half has no reason to lift those of the other, unless it says something about the query.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from leser.environment import Attempt, Environment
from leser.errors import LeserError
from leser.task import Qrels, Query, Split, has_relevant

_ASKED = 8


def halve(split: Split, seed: int) -> tuple[Split, Split]:
    """The split with one half of each query's judgments, and with the other.

    Relevant documents (a grade above 0) and the others are dealt out alternately, each in an order drawn from (seed,
    query id, document id), so that two relevant documents never fall into one half. A query with a single relevant
    document has it in the first half alone. Each half withholds the documents of the other.
    """
    first: dict[str, dict[str, int]] = {}
    second: dict[str, dict[str, int]] = {}
    for query, grades in split.qrels.items():
        first[query], second[query] = {}, {}
        for relevant in (True, False):
            for place, document in enumerate(_drawn(query, grades, relevant, seed)):
                (second if place % 2 else first)[query][document] = grades[document]
    return _half(split, first, second), _half(split, second, first)


def check_confirming(environment: Environment, queries: Sequence[Query], split: Split) -> None:
    """Raise LeserError where no reward reads judgments: both halves would say the same, and nothing be confirmed.

    The queries' own rankings are scored with the judgments of `split` and without, few at a time, until something differs.
    """
    scored = False
    judged = [query for query in queries if has_relevant(split.qrels, query)]
    for first in range(0, len(judged), _ASKED):
        part = judged[first : first + _ASKED]
        attempts = [Attempt(query, number, environment.say()) for number, query in enumerate(part)]
        outcomes = environment.judge(attempts, split.part(part))
        scores = environment.score(outcomes)
        if environment.rewards.reads_labels(outcomes, scores):
            return
        scored = scored or not scores.excluded.all()
    if not scored:
        return  # each search failed, or no reward applies: nothing will be chosen, either
    raise LeserError(
        f"verified.confirm has nothing to confirm by: of the rewards {', '.join(environment.rewards.names)} none reads a query's "
        "own judgments, so that both halves say the same. Leave it out, or add one that does, such as nDCG@10."
    )


def _half(split: Split, own: Qrels, other: Qrels) -> Split:
    withheld = {query: split.withheld.get(query, frozenset()).union(grades) for query, grades in other.items()}
    return Split(split.name, split.queries, own, split.no_result, withheld)


def deep_enough(split: Split, depth: int) -> int:
    """How deep a ranking must reach, so that `depth` documents are left of it without those withheld; 100 more at most."""
    return depth + min(100, max(map(len, split.withheld.values()), default=0))


def _drawn(query: str, grades: Mapping[str, int], relevant: bool, seed: int) -> list[str]:
    def key(document: str) -> bytes:
        return hashlib.blake2b(
            repr((seed, query, document)).encode("utf-8", "backslashreplace"), digest_size=8
        ).digest()

    return sorted((d for d, grade in grades.items() if (grade > 0) is relevant), key=key)
