"""What a relevance model reaches without any training: the engine's hits reranked, and the nearest documents.

Both use the encoder of the run's reward encoder@k, where it has one, so that the table says what LESER must reach at the
cost of a keyword search; else `minilm` on the task's titles. Options given by hand come before either.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from leser.backend import Hit, Ranking, SearchError, Term
from leser.baseline import Baseline, BaselineContext
from leser.composition import leaves
from leser.errors import LeserError
from leser.similarity import EncodingFailed
from leser.task import Query
from leser_judges.documents import DocumentIndex, text_of
from leser_judges.options import EncoderOptions
from leser_judges.similarity import EncoderSimilarity, open_vectors
from leser_judges.vectors import Vectors

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


class EncoderAlone(_EncoderBaseline):
    """The documents most similar to the query, without the engine (a vector search).

    Use when: replacing keyword search by vectors is the alternative; the task must bring its documents.
    Beware of: names, model numbers and sizes, which encoders blur; and judgments that only know what an engine showed.
    """

    name = "encoder-alone"

    def fit(self, context: BaselineContext) -> None:
        """Encode all documents of the task. Raises LeserError where it brings none."""
        super().fit(context)
        if context.task.documents is None:
            raise LeserError(
                f"The baseline {self.name} needs all documents, and the task {context.task.name} brings none. "
                f"Give the task its corpus.jsonl, or take {self.name} out of evaluation.baselines."
            )
        texts = {document.id: text_of(document, self.encoder.fields) for document in context.task.documents()}
        self.documents = DocumentIndex(self.vectors, texts)

    def rankings(self, queries: Sequence[Query], k: int) -> list[Ranking | SearchError]:
        """The nearest documents of each query; where the model fails, a SearchError for all of them."""
        try:
            return list(self.documents.rank([query.text for query in queries], k))
        except EncodingFailed as error:
            return [SearchError(str(error))] * len(queries)
