"""What a relevance model reaches without any training: the engine's hits reranked, the nearest documents, and their words.

All use the encoder of the run's reward encoder@k, where it has one, so that the table says what LESER must reach at the
cost of a keyword search; else `minilm` on the task's titles. Options given by hand come before either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import nan
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from leser.backend import Hit, Ranking, SearchError, Term
from leser.baseline import Baseline, BaselineContext
from leser.composition import leaves
from leser.engine.words import EngineWords
from leser.errors import LeserError
from leser.evaluation.grid import best_setting
from leser.prompt import PromptOptions
from leser.shown_words import ShownWords
from leser.similarity import EncodingFailed
from leser.task import Query, drawn
from leser.verified.anchor import BESIDE_A_JUDGE, agreement
from leser_judges.documents import DocumentIndex, text_of
from leser_judges.options import EncoderOptions
from leser_judges.similarity import EncoderSimilarity, open_vectors
from leser_judges.vectors import Vectors

QUERIES_AT_ONCE = 512
"""Queries whose nearest documents' texts are in memory at once."""
TOP = 10
"""Hits that the engine's own scores are asked about."""
_WORDS = {"fields": ("text",), "nearest": 30}
"""Where words are read from, unless said otherwise."""
_NO_TEXT = -1.0
"""Cosine of a document without text: behind all others."""


class _EncoderBaseline(Baseline):
    """What both share: which encoder they use, and that they add no clauses."""

    class Options(Baseline.Options):
        """Options of a baseline that ranks with an encoder."""

        encoder: EncoderOptions | None = Field(
            None, description="the encoder; none: that of the run's reward encoder@k, else minilm on the task's titles"
        )

    options: _EncoderBaseline.Options

    def fit(self, context: BaselineContext) -> None:
        """Open the encoder; nothing is learned."""
        self._open(context)

    def _open(self, context: BaselineContext) -> None:
        judges = [r.options.encoder for r in leaves(context.rewards.rewards) if isinstance(r, EncoderSimilarity)]
        usual = EncoderOptions(fields=(context.task.title_field,))
        self.encoder = self.options.encoder or next(iter(judges), usual)
        self.vectors: Vectors = open_vectors(self.encoder)
        self._context = context

    def terms(self, queries: Sequence[Query]) -> list[tuple[Term, ...]]:
        """None for anyone: it ranks by itself."""
        return [()] * len(queries)


class EncoderRerank(_EncoderBaseline):
    """The engine's top 100 in the order of their similarity to the query (a vector reranker).

    Use when: a sentence encoder reranking your hits is what you would otherwise deploy.
    Beware of: it finds nothing that the engine did not, and on judgments with holes it loses by what it shows anew.
    """

    name = "encoder-rerank"

    class Options(_EncoderBaseline.Options):
        """The encoder, and how many hits it reads."""

        depth: int = Field(100, ge=1, description="hits of the engine that are reranked")

    options: EncoderRerank.Options

    def rankings(self, queries: Sequence[Query], k: int) -> list[Ranking | SearchError]:
        """Each query's own hits, most similar first; equal ones in the engine's order, those without text last."""
        answers = self._context.originals(queries)
        tops = [a.ids[: self.options.depth] if isinstance(a, Ranking) else () for a in answers]
        documents = self._context.client.fetch(
            list(dict.fromkeys(id for top in tops for id in top)), self.encoder.fields
        )
        texts = {id: text for id, document in documents.items() if (text := text_of(document, self.encoder.fields))}
        rows = dict(zip(texts, self.vectors.rows(list(texts.values())).tolist(), strict=True))
        asked = self.vectors.rows([query.text for query in queries], query=True)
        return [
            self._reranked(int(row), top, rows, k) if isinstance(answer, Ranking) else answer
            for row, answer, top in zip(asked, answers, tops, strict=True)
        ]

    def _reranked(self, query: int, top: Sequence[str], rows: dict[str, int], k: int) -> Ranking | SearchError:
        held = [id for id in top if id in rows]
        places = np.array([rows[id] for id in held], dtype=np.int64)
        if query < 0 or (places < 0).any():
            return SearchError(f"The encoder '{self.encoder.model}' failed on this query or one of its hits.")
        cosines = self.vectors.read(places) @ self.vectors.read(np.array([query]))[0]
        score = dict.fromkeys(top, _NO_TEXT) | dict(zip(held, cosines.tolist(), strict=True))
        return Ranking(tuple(Hit(id, score[id]) for id in sorted(top, key=lambda id: -score[id])[:k]))


class _NearestBaseline(_EncoderBaseline):
    """What those share that compare the query with all documents of the task."""

    documents: DocumentIndex

    def _open(self, context: BaselineContext) -> None:
        """Encode all documents of the task. Raises LeserError where it brings none."""
        super()._open(context)
        if context.task.documents is None:
            raise LeserError(
                f"The baseline {self.name} needs all documents, and the task {context.task.name} brings none. "
                f"Give the task its corpus.jsonl (`leser corpus` writes one of an engine's index), or take "
                f"{self.name} out of evaluation.baselines."
            )
        self.documents = DocumentIndex.shared(self.vectors, context.task.documents(), self.encoder.fields)


class EncoderAlone(_NearestBaseline):
    """The documents most similar to the query, without the engine (a vector search).

    Use when: replacing keyword search by vectors is the alternative; the task must bring its documents.
    Beware of: names, model numbers and sizes, which encoders blur; and judgments that only know what an engine showed.
    """

    name = "encoder-alone"

    def rankings(self, queries: Sequence[Query], k: int) -> list[Ranking | SearchError]:
        """The nearest documents of each query; where the model fails, a SearchError for all of them."""
        try:
            return list(self.documents.rank([query.text for query in queries], k))
        except EncodingFailed as error:
            return [SearchError(str(error))] * len(queries)


class EncoderFeedback(_NearestBaseline):
    """Words that stand out in the documents most similar to the query, added to it; their number and weight tuned on dev.

    Pseudo-relevance feedback on an encoder's ranking, as a keyword query. The words are those that a prompt shows with
    `prompt.nearest` (leser.shown_words). What the engine's own scores for the original query say of the new hits counts beside
    the rewards, as in verified search: an encoder alone would have ever more words of ever more weight. `chosen` holds what dev
    preferred.

    Use when: an encoder may be asked at search time, for the query alone; the task must bring its documents.
    Beware of: it never leaves a query as it is, unless dev prefers that for all.
    """

    name = "encoder-feedback"
    tuned = True

    class Options(_NearestBaseline.Options):
        """The encoder, the words, and the grid that is searched on dev."""

        words: PromptOptions = Field(
            PromptOptions.model_validate(_WORDS),
            description="which words: options of [prompt]; `terms` is set, `fields` and `nearest` are text and 30 unless given",
        )
        terms: tuple[int, ...] = Field((0, 1, 2, 3, 5, 8, 12), min_length=1, description="numbers of words added")
        weights: tuple[float, ...] = Field(
            (0.1, 0.15, 0.2, 0.25, 0.35, 0.5, 0.7), min_length=1, description="weights of a word"
        )
        agree: float = Field(
            BESIDE_A_JUDGE,
            ge=0,
            description="soft anchor on dev: what the engine's own scores count beside the rewards; 0: nothing",
        )
        dev_queries: int = Field(
            300, ge=1, description="dev queries that judge a setting, at most; of more, a seeded sample"
        )

        @field_validator("words", mode="before")
        @classmethod
        def _beside_the_usual(cls, given: Any) -> Any:
            """Who names one of these options keeps the others."""
            return {**_WORDS, **given} if isinstance(given, Mapping) else given

        @field_validator("words")
        @classmethod
        def _of_nearest(cls, words: PromptOptions) -> PromptOptions:
            if not words.nearest:
                raise ValueError("nearest must be 1 or more: the words are those of the encoder's nearest documents")
            return words

    options: EncoderFeedback.Options
    chosen: tuple[int, float]

    def _open(self, context: BaselineContext) -> None:
        super()._open(context)
        words = EngineWords(context.client.backend, context.client.ask)
        self._shown = ShownWords(words, context.task.title_field, lambda: self.documents)

    def fit(self, context: BaselineContext) -> None:
        """Search dev with every setting of the grid and keep the one of the highest mean reward."""
        self._open(context)
        dev, queries = context.task.dev, self._dev(context)
        found, grid = self._words(queries), list(product(self.options.terms, self.options.weights))
        self.chosen, self.dev_reward = best_setting(
            self.name,
            context,
            dev,
            queries,
            grid,
            lambda point: [clauses_of(words, *point) for words in found],
            lambda clauses: self._agreements(queries, clauses),
        )

    def _dev(self, context: BaselineContext) -> list[Query]:
        """The dev queries that judge a setting. Raises LeserError where there are none."""
        queries = drawn(context.task.dev.queries, self.options.dev_queries, context.seed)
        if not queries:
            raise LeserError(
                f"{self.name} is tuned on dev, and the task {context.task.name} has no dev queries. Drop it, or add some."
            )
        return queries

    def state(self) -> dict[str, Any]:
        """Words added and their weight, as dev chose them, and which encoder compared."""
        return {"chosen": list(self.chosen), "encoder": self.encoder.compared()}

    def restore(self, state: Mapping[str, Any], context: BaselineContext) -> None:
        """Take what dev chose, and open the documents' vectors. Raises LeserError where another encoder is configured."""
        count, weight = state["chosen"]
        self.chosen = (int(count), float(weight))
        self._open(context)
        if state["encoder"] != self.encoder.compared():
            raise LeserError(
                f"{self.name} was fitted with the encoder {state['encoder']}, and the configuration names "
                f"{self.encoder.compared()}. Fit it anew, or name the encoder that it was fitted with."
            )
        self.documents = self.documents.for_service()

    def terms(self, queries: Sequence[Query]) -> list[tuple[Term, ...]]:
        """The words of each query's nearest documents at the setting chosen on dev."""
        if not self.chosen[0]:
            return [()] * len(queries)
        return [clauses_of(words, *self.chosen) for words in self._words(queries)]

    def _agreements(self, queries: Sequence[Query], clauses: Sequence[Sequence[Term]]) -> list[float]:
        """The engine's own opinion of what each query finds with its clauses, as much as it counts; NaN for a failed search."""
        pairs = zip(self._context.originals(queries), self._context.search(queries, clauses), strict=True)
        return [
            self.options.agree * agreement(before, after, TOP)
            if isinstance(before, Ranking) and isinstance(after, Ranking)
            else nan
            for before, after in pairs
        ]

    def _words(self, queries: Sequence[Query]) -> list[tuple[str, ...]]:
        """The words that each query may be given, as many as the largest number tried."""
        return self._telling(queries, max(self.options.terms))

    def _telling(self, queries: Sequence[Query], count: int) -> list[tuple[str, ...]]:
        """At most `count` words of each query's nearest documents, the most telling first."""
        options = self.options.words.model_copy(update={"terms": count})
        found: list[tuple[str, ...]] = []
        for first in range(0, len(queries), QUERIES_AT_ONCE):
            found += self._shown.of_nearest(self._context.client, queries[first : first + QUERIES_AT_ONCE], options)
        return found


def clauses_of(words: Sequence[str], count: int, weight: float) -> tuple[Term, ...]:
    """The first `count` words as clauses of one weight."""
    return tuple(Term(word, weight) for word in words[:count])
