"""A dictionary counted on train: for each query word the one term whose addition raised the reward most."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from math import log
from typing import Any

import numpy as np
from pydantic import Field

from leser.backend import Term
from leser.baseline import Baseline, BaselineContext
from leser.evaluation.grid import best_setting
from leser.task import Query, drawn
from leser.text import STOP_WORDS, stem, words


class Dictionary(Baseline):
    """Best expansion of each query word, counted by searching the train queries.

    Candidates for a word are terms of documents relevant to train queries with that word, most telling first (shared
    queries times inverse document frequency). Each is searched beside the queries it could help; the one with the
    highest mean gain in reward becomes the word's entry, if that gain is above 0. One weight for all is tuned on dev.
    `entries` holds the result.
    """

    name = "dictionary"
    tuned = True

    class Options(Baseline.Options):
        """How much is searched."""

        candidates: int = Field(10, ge=1, description="terms tried for a word")
        queries: int = Field(12, ge=1, description="train queries a term is tried on, at most")
        documents: int = Field(5, ge=1, description="relevant documents read for a query, best graded first")
        weight: float = Field(0.5, gt=0, description="weight while entries are counted")
        weights: tuple[float, ...] = Field(
            (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0), description="weights tried on dev"
        )
        most_searches: int = Field(40_000, ge=1, description="searches on train; frequent words come first")
        dev_queries: int = Field(
            300, ge=1, description="dev queries that judge a weight, at most; of more, a seeded sample"
        )

    options: Dictionary.Options

    def fit(self, context: BaselineContext) -> None:
        """Count entries on train, then choose the weight on dev."""
        train = context.task.train
        self.weight = self.options.weight
        trials = self._trials(train.queries, self._relevant_words(context))
        queries = [query for _, _, query in trials]
        clauses = [(Term(term, self.options.weight),) for _, term, _ in trials]
        gained = np.array(context.reward(train, queries, clauses)) if trials else np.zeros(0)
        alone = dict(zip((q.id for q in train.queries), self._alone(context), strict=True))
        gains: dict[tuple[str, str], list[float]] = defaultdict(list)
        for (word, term, query), value in zip(trials, gained, strict=True):
            if not np.isnan(value - alone[query.id]):
                gains[word, term].append(value - alone[query.id])
        self.entries: dict[str, str] = {}
        best: dict[str, float] = {}
        for (word, term), values in sorted(gains.items()):
            mean = float(np.mean(values))
            if mean > best.get(word, 0.0):
                best[word], self.entries[word] = mean, term
        self._tune(context)

    def terms(self, queries: Sequence[Query]) -> list[tuple[Term, ...]]:
        """Each query's words looked up; terms the query already holds are left out."""
        return [self._look_up(query, self.weight) for query in queries]

    def state(self) -> dict[str, Any]:
        """The weight, and the entry of each word."""
        return {"weight": self.weight, "entries": self.entries}

    def restore(self, state: Mapping[str, Any], context: BaselineContext) -> None:  # noqa: ARG002 - nothing is searched
        """Take weight and entries."""
        self.weight = float(state["weight"])
        self.entries = {str(word): str(term) for word, term in state["entries"].items()}

    def _look_up(self, query: Query, weight: float) -> tuple[Term, ...]:
        held = {stem(word) for word in words(query.text)}
        found = dict.fromkeys(self.entries[word] for word in words(query.text) if word in self.entries)
        return tuple(Term(term, weight) for term in found if stem(term) not in held)

    def _alone(self, context: BaselineContext) -> list[float]:
        train = context.task.train
        return context.reward(train, train.queries, [()] * len(train.queries))

    def _relevant_words(self, context: BaselineContext) -> dict[str, Counter[str]]:
        """For each train query the terms of its relevant documents, the rarer the heavier."""
        relevant: dict[str, list[str]] = {}
        for query in context.task.train.queries:
            grades = context.task.train.qrels.get(query.id, {})
            ranked = sorted((doc for doc in grades if grades[doc] > 0), key=lambda doc: (-grades[doc], doc))
            relevant[query.id] = ranked[: self.options.documents]
        texts = context.texts([doc for docs in relevant.values() for doc in docs])
        held = {doc: _terms_of(text) for doc, text in texts.items()}
        frequency = Counter(term for terms in held.values() for term in terms)
        rarity = {term: log(1 + len(held) / count) for term, count in frequency.items()}
        found: dict[str, Counter[str]] = {}
        for query_id, docs in relevant.items():
            present = Counter(term for doc in docs for term in held.get(doc, ()))
            found[query_id] = Counter({t: n / max(len(docs), 1) * rarity[t] for t, n in present.items()})
        return found

    def _trials(self, queries: Sequence[Query], found: Mapping[str, Counter[str]]) -> list[tuple[str, str, Query]]:
        """What to search: (word, candidate term, query), frequent words first, up to the budget."""
        holding: dict[str, list[Query]] = defaultdict(list)
        for query in queries:
            for word in dict.fromkeys(words(query.text)):
                if word not in STOP_WORDS:
                    holding[word].append(query)
        trials: list[tuple[str, str, Query]] = []
        for word, own in sorted(holding.items(), key=lambda item: (-len(item[1]), item[0])):
            totals: Counter[str] = Counter()
            for query in own:
                totals.update(found[query.id])
            ranked = sorted(totals, key=lambda term: (-totals[term], term))
            for term in [t for t in ranked if stem(t) != stem(word)][: self.options.candidates]:
                spread = own[:: max(1, len(own) // self.options.queries)][: self.options.queries]
                trials += [(word, term, query) for query in spread if stem(term) not in map(stem, words(query.text))]
            if len(trials) >= self.options.most_searches:
                break
        return trials[: self.options.most_searches]

    def _tune(self, context: BaselineContext) -> None:
        dev = context.task.dev
        queries = drawn(dev.queries, self.options.dev_queries, context.seed)
        if not queries:
            return
        self.weight, _ = best_setting(
            self.name,
            context,
            dev,
            queries,
            self.options.weights,
            lambda w: [self._look_up(query, w) for query in queries],
        )


def _terms_of(text: str) -> tuple[str, ...]:
    """Different words of a text that could be a term, in order."""
    return tuple(dict.fromkeys(word for word in words(text) if len(word) > 1 and word not in STOP_WORDS))
