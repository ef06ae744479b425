"""The words of documents that a prompt shows: what the policy may want to say and the query lacks.

By default feedback terms of the hits' titles. With `prompt.fields`, where the engine can say how many documents hold a word,
the words of titles and these fields that stand out against the whole index, the most distinctive first: whole descriptions
can be read that way (leser.distinctive), and verified search reads its candidates so. With `prompt.nearest` the documents are
not the hits but an encoder's nearest ones, where most of what verified search proves is found. A policy that is taught by
verified search must see the words that it is to choose from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from leser.backend import Document, Hit, Ranking
from leser.distinctive import Distinctive, size_of
from leser.engine import SearchClient
from leser.engine.words import EngineWords
from leser.feedback import FeedbackOptions, feedback_terms
from leser.prompt import PromptOptions
from leser.similarity import NearestDocuments, ServesQueries
from leser.task import Query
from leser.text import stem, words


class ShownWords:
    """Chooses the words; `nearest` opens an encoder's comparison of the documents, which is asked for once it is needed."""

    def __init__(
        self, engine: EngineWords, title_field: str, nearest: Callable[[], NearestDocuments | None] = lambda: None
    ) -> None:
        self.engine, self.title_field, self._open_nearest = engine, title_field, nearest

    @cached_property
    def _nearest(self) -> NearestDocuments | None:
        return self._open_nearest()

    def serve(self) -> None:
        """Open the comparison now, for a service: documents that the encoder has not met are encoded, and queries that users
        type will not be written to disk."""
        if isinstance(self._nearest, ServesQueries):
            self._nearest = self._nearest.for_service()

    @cached_property
    def _size(self) -> int:
        return size_of(self.engine)

    def _whole(self, options: PromptOptions) -> bool:
        """Whether words are read from more than titles of hits, and the engine can say which of them stand out."""
        return bool(options.fields or options.nearest) and self._size > 0

    def fields(self, options: PromptOptions) -> tuple[str, ...]:
        """The fields that documents must be fetched with."""
        return tuple(dict.fromkeys((self.title_field, *(options.fields if self._whole(options) else ()))))

    def read(
        self, queries: Sequence[Query], rankings: Sequence[Ranking], options: PromptOptions
    ) -> list[tuple[Hit, ...]]:
        """The documents that words are read from, best first: each query's nearest ones, or the first of its ranking."""
        if not options.nearest or self._nearest is None:
            return [ranking.hits[: options.feedback_docs] for ranking in rankings]
        return [ranking.hits for ranking in self._nearest.rank([query.text for query in queries], options.nearest)]

    def of_nearest(
        self, client: SearchClient, queries: Sequence[Query], options: PromptOptions
    ) -> list[tuple[str, ...]]:
        """The words of each query's nearest documents, which are fetched for it; `options.nearest` is 1 or more."""
        read = self.read(queries, [Ranking(())] * len(queries), options)
        ids = sorted({hit.id for row in read for hit in row})
        documents = client.fetch(ids, self.fields(options)) if ids else {}
        return self(queries, read, documents, options)

    def __call__(
        self,
        queries: Sequence[Query],
        read: Sequence[Sequence[Hit]],
        documents: Mapping[str, Document],
        options: PromptOptions,
    ) -> list[tuple[str, ...]]:
        """At most `options.terms` (one at least) words per query, best first, none of them a word of the query.

        `read` as the method of this name says; documents that are lacking are passed over.
        """
        held = [[hit for hit in row if hit.id in documents] for row in read]
        if self._whole(options):
            return self._distinctive(queries, held, documents, options)
        return [self._feedback(query, row, documents, options) for query, row in zip(queries, held, strict=True)]

    def _distinctive(
        self,
        queries: Sequence[Query],
        read: Sequence[Sequence[Hit]],
        documents: Mapping[str, Document],
        options: PromptOptions,
    ) -> list[tuple[str, ...]]:
        fields = self.fields(options)
        texts = {id: " ".join(filter(None, map(d.fields.get, fields))) for id, d in documents.items()}
        distinctive = Distinctive(self.engine, options, self._size)
        found = distinctive([[texts[hit.id] for hit in row] for row in read], ranked=True)
        shown = []
        for query, row in zip(queries, found, strict=True):
            own = {stem(word) for word in words(query.text)}
            shown.append(tuple([word for word in row if stem(word) not in own][: max(options.terms, 1)]))
        return shown

    def _feedback(
        self, query: Query, read: Sequence[Hit], documents: Mapping[str, Document], options: PromptOptions
    ) -> tuple[str, ...]:
        """Feedback terms of titles alone: of a shop's descriptions, without document frequencies, the phrases that all of
        them repeat would come first."""
        texts = [documents[hit.id].fields.get(self.title_field, "") for hit in read]
        wanted = FeedbackOptions(docs=max(len(read), 1), terms=max(options.terms, 1))
        return tuple(term.text for term in feedback_terms(query.text, texts, [hit.score for hit in read], wanted))
