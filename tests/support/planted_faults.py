"""Backends with one fault each in what they answer: the first test of the kit that must fail, and what the doctor must say.

All of them are the memory backend otherwise. More are in planted_faults_clauses.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from leser_memory import MemoryBackend

from leser.backend import Backend, ExpandedQuery, Hit, Ranking


@dataclass(frozen=True)
class Plant:
    """A backend with a fault, the first test that fails for it, and topic and words of what the doctor finds, if it does."""

    backend: type[Backend]
    test: str
    doctor: tuple[str, str] | None


PLANTS: list[Plant] = []


def fault(test: str, topic: str = "", words: str = "") -> Callable[[type[Backend]], type[Backend]]:
    """List a class with the test and the finding it is to be seen by."""

    def listed(cls: type[Backend]) -> type[Backend]:
        cls.name, cls.__doc__ = cls.__name__.lower(), cls.__doc__ or "A fault."
        PLANTS.append(Plant(cls, test, (topic, words) if topic else None))
        return cls

    return listed


class Planted(MemoryBackend):
    """Searches for a changed query, and changes the answer."""

    def changed(self, query: ExpandedQuery) -> ExpandedQuery:
        return query

    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        return answer

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> Any:
        found = super().search([self.changed(query) for query in queries], k, total=total)
        return [self.answered(query, answer, k) for query, answer in zip(queries, found, strict=True)]


class Hits(Planted):
    """Changes the hits."""

    def hits(self, hits: tuple[Hit, ...], query: ExpandedQuery, k: int) -> Any:
        return hits

    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        return replace(answer, hits=self.hits(answer.hits, query, k)) if isinstance(answer, Ranking) else answer


ANSWERED = "test_a_search_is_answered"


@fault(ANSWERED, "answers", "tuple")
class AnswersInATuple(Planted):
    def search(self, *arguments: Any, **options: Any) -> Any:
        return tuple(super().search(*arguments, **options))


@fault(ANSWERED, "answers", "generator")
class AnswersInAGenerator(Planted):
    def search(self, *arguments: Any, **options: Any) -> Any:
        return (answer for answer in super().search(*arguments, **options))


@fault(ANSWERED, "answers", "None")
class NoAnswers(Planted):
    def search(self, *arguments: Any, **options: Any) -> Any:
        super().search(*arguments, **options)


@fault(ANSWERED, "answers", "expected a Ranking")
class PlainDictionaries(Planted):
    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        return {hit.id: hit.score for hit in answer.hits}


@fault(ANSWERED, "answers", "expected Hit")
class PlainTuples(Hits):
    def hits(self, hits: Any, query: ExpandedQuery, k: int) -> Any:
        return tuple((hit.id, hit.score) for hit in hits)


@fault(ANSWERED, "answers", "expected a tuple of Hit")
class HitsInAList(Hits):
    def hits(self, hits: Any, query: ExpandedQuery, k: int) -> Any:
        return list(hits)


@fault(ANSWERED, "answers", "id")
class IntegerIds(Hits):
    def hits(self, hits: Any, query: ExpandedQuery, k: int) -> Any:
        return tuple(Hit(int(hit.id[1:]), hit.score) for hit in hits)


@fault(ANSWERED, "documents", "can be fetched")
class NumbersOfTheIndex(Hits):
    def hits(self, hits: Any, query: ExpandedQuery, k: int) -> Any:
        return tuple(Hit(str(self._open()[0].ids.index(hit.id)), hit.score) for hit in hits)


@fault(ANSWERED, "answers", "score")
class ScoresAsText(Hits):
    def hits(self, hits: Any, query: ExpandedQuery, k: int) -> Any:
        return tuple(Hit(hit.id, str(hit.score)) for hit in hits)


@fault(ANSWERED, "answers", "score")
class ScoresThatAreNone(Hits):
    def hits(self, hits: Any, query: ExpandedQuery, k: int) -> Any:
        return tuple(Hit(hit.id, float("nan")) for hit in hits)


@fault("test_hits_are_well_formed", "answers", "twice")
class RepeatedIds(Hits):
    def hits(self, hits: Any, query: ExpandedQuery, k: int) -> Any:
        return (*hits[:1], *hits)[:k] if len(hits) > 1 else hits


@fault("test_hits_are_well_formed", "answers", "rise")
class WorstFirst(Hits):
    def hits(self, hits: Any, query: ExpandedQuery, k: int) -> Any:
        return hits[::-1]


@fault("test_hits_are_well_formed", "answers", "rise")
class DistancesAsScores(Hits):
    def hits(self, hits: Any, query: ExpandedQuery, k: int) -> Any:
        return tuple(Hit(hit.id, -hit.score) for hit in hits)


@fault("test_hits_are_well_formed")
class AllOfTheWords(Hits):
    def hits(self, hits: Any, query: ExpandedQuery, k: int) -> Any:
        words = set(query.text.split())
        text = {id: " ".join(d.fields.values()).lower() for id, d in self._open()[0].documents.items()}
        return tuple(hit for hit in hits if all(word in text[hit.id] for word in words))


@fault("test_answers_keep_the_order", "answers", "answers to")
class FewerAnswers(Planted):
    def search(self, queries: Any, k: int, *, total: bool = False) -> Any:
        return super().search(list({query.text: query for query in queries}.values()), k, total=total)


@fault("test_answers_keep_the_order", "answers", "place")
class AnswersByText(Planted):
    def search(self, queries: Any, k: int, *, total: bool = False) -> Any:
        return super().search(sorted(queries, key=lambda query: query.text), k, total=total)


@fault("test_empty_batch", "answers", "no queries")
class AnswersNobody(Planted):
    def search(self, queries: Any, k: int, *, total: bool = False) -> Any:
        return super().search(queries, k, total=total) or [Ranking(())]


@fault("test_closed_twice", "answers", "at most k")
class MoreThanK(Planted):
    def search(self, queries: Any, k: int, *, total: bool = False) -> Any:
        return [
            a if len(a.hits) < k else replace(a, hits=(*a.hits, Hit("d12", 0.0)))
            for a in super().search(queries, k, total=total)
        ]


@fault("test_hits_are_well_formed")
class TenAtMost(Planted):
    def search(self, queries: Any, k: int, *, total: bool = False) -> Any:
        return super().search(queries, min(k, 10), total=total)


@fault("test_at_most_k", "answers", "depend")
class OneOfEachShard(Planted):
    """The best of two halves, k of each, put one after the other."""

    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        (deep,) = MemoryBackend.search(self, [query], 100)
        if not isinstance(deep, Ranking):
            return deep
        even = [hit for hit in deep.hits if int(hit.id[1:]) % 2 == 0][:k]
        odd = [hit for hit in deep.hits if int(hit.id[1:]) % 2][:k]
        return replace(answer, hits=tuple(sorted((even + odd)[:k], key=lambda hit: -hit.score)))


@fault("test_at_most_k", "repeating", "order")
class TiesByChance(Hits):
    searches = count()

    def hits(self, hits: Any, query: ExpandedQuery, k: int) -> Any:
        (deep,) = MemoryBackend.search(self, [query], 100)
        start = next(self.searches) % len(deep.hits) if deep.hits else 0
        return tuple(sorted(deep.hits[start:] + deep.hits[:start], key=lambda hit: -hit.score)[:k])


@fault("test_ties_keep_their_order")
class TiesByInstance(Hits):
    opened = count()  # of two instances one after the other, one turns the order of ties round: never equal by chance

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.turned = next(TiesByInstance.opened) % 2

    def hits(self, hits: Any, query: ExpandedQuery, k: int) -> Any:
        (deep,) = MemoryBackend.search(self, [query], 100)
        hits = deep.hits[::-1] if self.turned else deep.hits
        return tuple(sorted(hits, key=lambda hit: -hit.score)[:k])


@fault("test_same_call_twice", "repeating", "scores")
class ScoresThatDrift(Hits):
    def hits(self, hits: Any, query: ExpandedQuery, k: int) -> Any:
        factor = random.uniform(1, 1.01)
        return tuple(Hit(hit.id, hit.score * factor) for hit in hits)
