"""Elasticsearch 8 and 9: one msearch per batch, expansions as weighted clauses, and the user's own query kept as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar

from leser.adapter import Pages
from leser.backend import (
    Backend,
    BackendOptions,
    Capability,
    Document,
    ExpandedQuery,
    Ranking,
    SearchError,
    SynonymRule,
    Transient,
)
from leser.hooks import hookimpl
from leser_elasticsearch.analysis import Analysis
from leser_elasticsearch.checks import facts_of
from leser_elasticsearch.connection import connect
from leser_elasticsearch.engine import ElasticsearchEngine
from leser_elasticsearch.failures import is_transient, start_error
from leser_elasticsearch.mapping import search_analyzers
from leser_elasticsearch.options import ElasticsearchOptions
from leser_elasticsearch.reading import ElasticsearchDocuments, PageStart
from leser_elasticsearch.state import read_state
from leser_elasticsearch.synonyms import put_synonyms
from leser_elasticsearch.template import read_template
from leser_elasticsearch.writer import ElasticsearchWriter

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from leser_elasticsearch.analysis import Analysis
    from leser_elasticsearch.engine import ElasticsearchEngine
    from leser_elasticsearch.template import ElasticsearchTemplate

__all__ = ["ElasticsearchBackend", "leser_backends"]


class ElasticsearchBackend(Backend):
    """Elasticsearch 8 or 9 over HTTP; searches an index of yours with your own query, or builds one."""

    name = "elasticsearch"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            "index",
            "analyze",
            "doc_freq",
            "documents",
            "term_weights",
            "fields",
            "phrases",
            "filters",
            "total",
            "vectors",
        }
    )

    class Options(ElasticsearchOptions):
        """Options of the backend 'elasticsearch'."""

    options: ElasticsearchOptions

    def __init__(self, options: BackendOptions) -> None:
        super().__init__(options)
        self._client: Elasticsearch | None = None
        self._engine: ElasticsearchEngine | None = None
        self._analysis: Analysis | None = None
        self._template: ElasticsearchTemplate | None = None
        self._lock = Lock()

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> list[Ranking | SearchError]:
        """Search a whole batch in one request; each query has an answer or an error of its own.

        The first call reads the index's mapping, and raises LeserError as `check` does when there is none to read.
        """
        if not queries:
            return []

        try:
            with self._worded():
                engine = self._open()
        except Transient as error:
            return [SearchError(str(error), "transient")] * len(queries)
        return engine.search(queries, k, total)

    def request(self, query: ExpandedQuery, k: int) -> dict[str, Any] | None:
        """Body of a search, without a vector's clause."""
        with self._worded():
            return self._open().request(query, k)

    def put_synonyms(self, name: str, rules: Sequence[SynonymRule]) -> str:
        """Put synonyms as the whole of a synonyms set, through the synonyms API."""
        with self._worded(at_start=True):
            self._open()
            assert self._client is not None
            return put_synonyms(self._client, self.options, name, rules)

    def fetch(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
        """Stored fields; numbers and lists as text. Raises Transient, and LeserError for what a retry will not mend."""
        if not ids:
            return {}
        with self._worded():
            return self._open().fetch(ids, fields)

    def documents(self) -> Iterator[Document]:
        """Every document, as all are when the first is read: `_source` without vectors, and what else the index keeps.

        Raises LeserError for an index that keeps no texts to read.
        """
        with self._worded():
            documents = ElasticsearchDocuments(self._open(), self.options)

        def page(place: PageStart | None) -> tuple[list[Document], PageStart | None]:
            with self._worded():
                return documents.page(place)

        return Pages(page, documents.finish)

    def close(self) -> None:
        """Close the connections; a later call opens them again."""
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = self._engine = self._analysis = None

    def check(self) -> dict[str, Any]:
        """Server, index, number of documents, fields, and warnings about the template."""
        with self._worded(at_start=True):
            return facts_of(self._open(), self.options, self._template)

    def fingerprint(self) -> str:
        """Options, template, and the index's identity, settings and number of documents when it was opened.

        An index that is written to while it is open keeps its fingerprint: a run asks one engine, not a moving one.
        Where the server does not answer for the moment, it says so: the search that follows has the error.
        """
        try:
            with self._worded():
                return f"{super().fingerprint()} {self._open().fingerprint}"
        except Transient:
            return f"{super().fingerprint()} not ready"

    def index(self, documents: Iterable[Document]) -> int:
        """Create the index and fill it. Of one id the last document stays; one refused document is an error."""
        self.close()
        client = connect(self.options)
        try:
            with self._worded(at_start=True):
                return ElasticsearchWriter(client, self.options).write(documents)
        finally:
            client.close()

    def analyze(self, texts: Sequence[str], field: str | None = None) -> list[list[str]]:
        """Index terms that each text is searched as, in `field` or in the first searched field."""
        with self._worded():
            engine = self._open()
            assert self._analysis is not None
            return self._analysis.terms(texts, field or engine.analysed)

    def doc_freq(self, terms: Sequence[str], field: str | None = None) -> list[int]:
        """Documents that hold each index term in `field`, or in the first searched field."""
        with self._worded():
            return self._open().doc_freq(terms, field)

    def _open(self) -> ElasticsearchEngine:
        """The engine, opened by whoever needs it first. Raises LeserError, and the client's errors."""
        with self._lock:
            if self._engine is None:
                if self.options.template is not None:
                    self._template = read_template(self.options.template, rerank=self.options.match == "rerank")
                self._client = self._client or connect(self.options)
                state = read_state(self._client, self.options)
                # _analyze takes no name that stands for several indices: the first of them speaks for all
                first = min(state.indices or [self.options.index])
                self._analysis = Analysis(self._client, first, search_analyzers((state.indices or {}).get(first, {})))
                self._engine = ElasticsearchEngine(self._client, self.options, state, self._template)
            return self._engine

    @contextmanager
    def _worded(self, *, at_start: bool = False) -> Iterator[None]:
        """Turn the client's errors into LeserError with what to do; where a call is tried again, what may pass into Transient."""
        try:
            yield
        except _client_errors() as error:
            if is_transient(error) and not at_start:
                raise Transient(f"No answer from Elasticsearch at {self.options.place}: {error}") from error
            raise start_error(error, self.options, self._client) from error


def _client_errors() -> tuple[type[Exception], ...]:
    try:
        from elasticsearch import ApiError, SerializationError, TransportError
    except ImportError:  # `connect` says so
        return ()
    return (ApiError, TransportError, SerializationError)


@hookimpl
def leser_backends() -> list[type[Backend]]:
    """The Elasticsearch backend."""
    return [ElasticsearchBackend]
