"""Apache Solr 8 and newer, one server or a SolrCloud, through solrpy; structured queries only.

Where solrpy 2.x stands in the way, and what is done about it here, in the open:
- It turns every underscore of a parameter's name into a dot, and it and httpx build every request from nothing: address,
  headers, cookies: half of what a short search costs us. `Line` (connection.py) keeps what all requests share and hands
  each form to the transport of the connection's own httpx client, with solrpy's headers and credentials.
- It waits for ever by default. Every connection gets option `timeout`.
- Its connections are not safe between threads, and it has no batches. `Pool` lends each to one thread at a time, and a batch
  is as many requests as it has queries, `threads` of them under way at once.
- It repeats requests that failed to connect, and nothing else. Searching turns that off: leser.engine repeats what is worth
  it. Its SolrException and the httpx errors that it lets through both become a SearchError (failures.py), with Solr's own
  message out of the answer's body, which solrpy's message leaves out.
- It asks for the server's version, and where that is forbidden it takes the server for Solr 1.2 and writes XML. The version
  is set on every connection, so it never asks.
- It takes no authority's certificates (2.0.8). They are put among the arguments of its httpx client.
- Its client follows redirections as browsers do: 301, 302 and 303 make a GET without a body of whatever was sent. They are
  refused on every connection, with the address to give; 307 and 308 are followed.
- Its `get(ids=...)` joins ids by commas. Documents are fetched by `{!terms}` with a separator that no id holds.
"""

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
from leser.errors import LeserError
from leser.hooks import hookimpl
from leser_solr.options import SolrOptions

if TYPE_CHECKING:
    from leser_solr.engine import SolrEngine

__all__ = ["SolrBackend", "leser_backends"]


class SolrBackend(Backend):
    """Apache Solr, one server or SolrCloud, through solrpy; your own request parameters as a template if you like."""

    name = "solr"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {"index", "analyze", "doc_freq", "documents", "term_weights", "fields", "phrases", "filters", "total"}
    )

    class Options(SolrOptions):
        """Options of the backend 'solr'."""

    options: SolrOptions

    def __init__(self, options: BackendOptions) -> None:
        super().__init__(options)
        self._engine: SolrEngine | None = None
        self._lock = Lock()

    def _open(self) -> SolrEngine:
        with self._lock:
            if self._engine is None:
                from leser_solr.engine import SolrEngine

                self._engine = SolrEngine(self.options)
            return self._engine

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> list[Ranking | SearchError]:
        """Search a whole batch, `threads` requests at a time; the score decides, then the document's id."""
        if not queries:
            return []
        try:
            engine = self._open()
        except Transient as error:
            return [SearchError(str(error), "transient") for _ in queries]
        return engine.search(queries, k, total=total)

    def fetch(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
        """Stored fields; several values of one field are joined with a space. Raises Transient and LeserError."""
        return self._open().fetch(ids, fields) if ids else {}

    def documents(self) -> Iterator[Document]:
        """Every document, in the order of the ids: stored fields, and doc values that the schema gives as stored ones."""
        return Pages(lambda place: self._open().page(place))

    def request(self, query: ExpandedQuery, k: int) -> dict[str, Any] | None:
        """Parameters of the request to the search handler."""
        return self._open().request(query, k)

    def put_synonyms(self, name: str, rules: Sequence[SynonymRule]) -> str:
        """Put synonyms as the whole of the managed synonyms of a name, and load the core or collection again."""
        from leser_solr.synonyms import ManagedSynonyms

        with _at_start(), ManagedSynonyms(self.options, name) as synonyms:
            said = synonyms.put(rules)
        self.close()  # what it knew of the schema is that of before
        return said

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            if self._engine is not None:
                self._engine.close()
                self._engine = None

    def check(self) -> dict[str, Any]:
        """Version and kind of the server, number of documents, fields to search and to filter by, and how they are analysed."""
        with _at_start():
            return self._open().facts()

    def fingerprint(self) -> str:
        """Options, template, schema, and the index's state as of at most half a minute ago."""
        try:
            return f"{super().fingerprint()} {self._open().state()}"
        except Transient:
            return f"{super().fingerprint()} not ready"

    def analyze(self, texts: Sequence[str], field: str | None = None) -> list[list[str]]:
        """Index terms that each text is searched as, in `field` or in the first searched field."""
        return self._open().analyze(texts, field)

    def doc_freq(self, terms: Sequence[str], field: str | None = None) -> list[int]:
        """Documents that hold each index term in `field`, or in the first searched field."""
        return self._open().doc_freq(terms, field)

    def index(self, documents: Iterable[Document]) -> int:
        """Make the core or collection if it is missing, and its fields, and write the documents with one commit.

        Of one id the last document stays. Raises LeserError when there is an index already and option `existing` says
        "refuse", and when Solr refused a document: it names them, and a core made for them is removed again.
        """
        from leser_solr.writer import SolrWriter

        self.close()
        with _at_start(), SolrWriter(self.options) as writer:
            return writer.write(documents)


@contextmanager
def _at_start() -> Iterator[None]:
    """What may pass ends a command that has only begun: whoever typed it decides whether to try again."""
    try:
        yield
    except Transient as error:
        raise LeserError(str(error)) from error


@hookimpl
def leser_backends() -> list[type[Backend]]:
    """The Solr backend."""
    return [SolrBackend]
