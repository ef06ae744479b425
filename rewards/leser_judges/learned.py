"""learned@k: how relevant the top of a ranking is to expect, by a model learned from the train judgments or clicks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from random import Random
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator, Field

from leser.backend import Ranking
from leser.errors import LeserError
from leser.expansion_store import query_key
from leser.lesson import Lesson
from leser.options import Options
from leser.reward import Outcome, Reward, RewardSpec
from leser.similarity import discounted_mean
from leser.task import Query, Split
from leser.text import content_stems
from leser_judges.documents import text_of
from leser_judges.options import one_or_more
from leser_judges.word_pairs import WordPairs, WorthExample

LEAST_QUERIES = 50
"""Train queries with a relevant document below which there is too little to learn from."""
_HITS = 50
_SEARCHED_AT_ONCE = 256
"""Queries between two lines of progress."""
_MOST_SEEN, _MOST_QUERIES = 200_000, 4_000


class LearnedParameters(Options):
    """What of a document is read, and which documents are learned from."""

    fields: Annotated[tuple[str, ...], BeforeValidator(one_or_more)] = Field(
        ("title", "text"), min_length=1, description="document fields that are read, joined in this order"
    )
    words: int = Field(100, ge=1, description="words of a document that are read, function words not counted")
    examples: int = Field(
        40, ge=1, description="relevant documents of a query that are learned from, at most; and others"
    )
    contrast: int = Field(
        20,
        ge=1,
        description="hits of a query that are not relevant and learned from, at least: judged ones, else such as nobody judged; "
        "and as many documents drawn from other queries'",
    )


class Learned(Reward):
    """Discounted mean worth to expect of the top k, by a model learned from the train judgments (learned@k).

    The model weighs pairs of a query's and a document's words (leser_judges.word_pairs): what most queries that share a word say
    outvotes what is wrong or missing of one. So it speaks of documents that nobody judged or was shown, and knows less of wrong
    judgments and chance clicks than they themselves teach. Worth is a grade over the best grade, 0 to 1; a rank without a
    document counts 0. Test and dev judgments are never read. Its words become candidates of verified search.

    Use when: train judgments come from clicks (the reader `ubi`), are partly wrong, or know only what an old engine showed, and
    there are some hundred queries that share words.
    Beware of: it knows the words of train alone and no order of words; rare words, names and numbers it takes as they stand.
    """

    name = "learned"
    range = (0.0, 1.0)
    Options = LearnedParameters
    options: LearnedParameters

    def __init__(self, spec: RewardSpec) -> None:
        super().__init__(spec)
        self.fields = self.options.fields
        self.lesson: Lesson | None = None
        self._model: WordPairs | None = None
        self._met: frozenset[str] = frozenset()
        self._stems: dict[str, tuple[str, ...]] = {}
        self._worths: dict[str, dict[str, float]] = {}

    def learn(self, lesson: Lesson) -> None:
        """Take the lesson; the model is fitted by `prepare`, or at the first outcome.

        Raises LeserError where too few queries are judged.
        """
        judged = _judged(lesson.train)
        if len(judged) < LEAST_QUERIES:
            raise LeserError(
                f"'{self.spec.text}' has too little to learn from: {len(judged)} train queries have a relevant document, "
                f"{LEAST_QUERIES} are needed. Take encoder@10, or judge more."
            )
        self._model = None
        self.lesson, self._met = lesson, frozenset(query_key(query.text) for query in judged)

    def met(self, query: Query) -> bool:
        """Whether this query, spelled with whatever capitals and blanks, is one of those that it learned from."""
        return query_key(query.text) in self._met

    @property
    def prepared(self) -> bool:
        """Whether the model is fitted."""
        return self._model is not None

    def prepare(self, tell: Callable[[int, int], None]) -> None:
        """Search the judged train queries as they stand, those that were not yet, and fit the model."""
        if self.lesson is None:
            raise LeserError(f"'{self.spec.text}' has not learned yet: it is a reward of a task with train judgments.")
        self._model = fitted(self.lesson, self.options, tell)

    @property
    def model(self) -> WordPairs:
        """The fitted model."""
        if self._model is None:
            self.prepare(_silent)
        assert self._model is not None
        return self._model

    def suggested(self, query: Query, count: int) -> list[str]:
        """The words whose presence in a document is worth most for a query, best first."""
        return self.model.suggested(query.text, count)

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """The expected worth of each ranking."""
        if len(self._worths) > _MOST_QUERIES or len(self._stems) > _MOST_SEEN:
            self._worths.clear()
            self._stems.clear()
        tops = [tuple(islice(dict.fromkeys(o.expanded.ids if o.expanded else ()), self.depth)) for o in outcomes]
        new: dict[str, dict[str, tuple[str, ...]]] = {}
        for outcome, top in zip(outcomes, tops, strict=True):
            known = self._worths.setdefault(outcome.query.text, {})
            wanted = new.setdefault(outcome.query.text, {})
            for id in top:
                if id not in known and id not in wanted:
                    wanted[id] = self._read(outcome, id)
        for text, wanted in new.items():
            if wanted:
                found = self.model.worths(text, list(wanted.values())).tolist()
                self._worths[text].update(zip(wanted, found, strict=True))
        return [
            min(float(discounted_mean(np.array([self._worths[o.query.text][id] for id in top]), self.depth)), 1.0)
            for o, top in zip(outcomes, tops, strict=True)
        ]

    def _read(self, outcome: Outcome, id: str) -> tuple[str, ...]:
        if id not in self._stems:
            document = outcome.documents.get(id)
            text = text_of(document, self.fields) if document is not None else ""
            self._stems[id] = content_stems(text, self.options.words)
        return self._stems[id]


def _silent(_done: int, _total: int) -> None:
    """Nobody looks on."""


def fitted(lesson: Lesson, options: LearnedParameters, tell: Callable[[int, int], None] = _silent) -> WordPairs:
    """The model of a lesson: each judged query's relevant documents against others."""
    train, draw = lesson.train, Random(f"{lesson.seed} learned")
    judged = _judged(train)
    best = max(grade for q in judged for grade in train.qrels[q.id].values())
    originals: dict[str, Ranking] = {}
    for first in range(0, len(judged), _SEARCHED_AT_ONCE):
        originals.update(lesson.originals(judged[first : first + _SEARCHED_AT_ONCE]))
        tell(len(originals), len(judged))
    chosen: list[dict[str, float]] = []
    for query in judged:
        grades = {id: grade for id, grade in sorted(train.qrels[query.id].items()) if grade >= 0}
        relevant = _some([id for id, grade in grades.items() if grade > 0], options.examples, draw)
        others = _some([id for id, grade in grades.items() if grade == 0], options.examples, draw)
        hits = dict.fromkeys(originals[query.id].ids[:_HITS])
        judged_hits = sum(grades.get(id) == 0 for id in hits)
        # what looks like the query and is not it: without such hits, one that was judged relevant by mistake would stand for all
        others += [id for id in hits if id not in grades][: max(0, options.contrast - judged_hits)]
        chosen.append({id: grades.get(id, 0) / best for id in (*relevant, *others)})
    every = sorted({id for row in chosen for id in row})
    for query, row in zip(judged, chosen, strict=True):
        known = train.qrels[query.id].keys() | row.keys()
        row.update({id: 0.0 for id in _some(every, options.contrast, draw) if id not in known})
    documents = lesson.fetch(every, options.fields)
    number = {id: place for place, id in enumerate(id for id in every if id in documents)}
    examples = [
        WorthExample(place, number[id], worth)
        for place, row in enumerate(chosen)
        for id, worth in row.items()
        if id in number
    ]
    if len({example.query for example in examples}) < LEAST_QUERIES:
        raise LeserError(
            f"learned@k has too little to learn from: the engine holds {len(number)} of {len(every)} documents that were "
            "judged for train queries or found by them. Build the index from the documents that were judged."
        )
    texts = [text_of(documents[id], options.fields) for id in number]
    return WordPairs(examples, [query.text for query in judged], texts, lesson.seed, options.words)


def _judged(train: Split) -> list[Query]:
    """The train queries with a relevant document."""
    return [q for q in train.queries if any(grade > 0 for grade in train.qrels.get(q.id, {}).values())]


def _some(ids: Sequence[str], most: int, draw: Random) -> list[str]:
    """At most so many of these, drawn."""
    return list(ids) if len(ids) <= most else draw.sample(list(ids), most)
