"""Lucene in process, through the jar that Pyserini carries; whole batches cross into Java at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar

from leser.adapter import CountedDocuments, Pages, Refused, check_terms, without_joined
from leser.backend import (
    Backend,
    BackendOptions,
    Capability,
    Document,
    ExpandedQuery,
    Hit,
    Ranking,
    SearchError,
)
from leser.hooks import hookimpl
from leser_pyserini.engine import PyseriniEngine, PyseriniWriter, row_of
from leser_pyserini.options import PyseriniOptions

if TYPE_CHECKING:
    from leser_pyserini.engine import PyseriniEngine

__all__ = ["PyseriniBackend", "leser_backends"]

CHUNK = 1000  # documents handed to Java at once


class PyseriniBackend(Backend):
    """Lucene in process, through Pyserini; opens an index of LESER's, Anserini's or Pyserini's, or builds one."""

    name = "pyserini"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {"index", "analyze", "doc_freq", "documents", "term_weights", "fields", "phrases", "filters", "total"}
    )

    class Options(PyseriniOptions):
        """Options of the backend 'pyserini'."""

    options: PyseriniOptions

    def __init__(self, options: BackendOptions) -> None:
        super().__init__(options)
        self._engine: PyseriniEngine | None = None
        self._lock = Lock()

    def _open(self) -> PyseriniEngine:
        with self._lock:
            if self._engine is None:
                self._engine = PyseriniEngine(self.options)
            return self._engine

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> list[Ranking | SearchError]:
        """Search a whole batch in one crossing, spread over the option's threads inside Java."""
        answers: list[Ranking | SearchError] = []
        sent = []
        for query in queries:
            try:
                check_terms(query.terms)
            except Refused as refusal:
                answers.append(SearchError(str(refusal), "query"))
            else:
                answers.append(Ranking(()))
                sent.append((len(answers) - 1, query))
        rows = self._open().call("search", {"k": k, "total": total, "queries": [_request(query) for _, query in sent]})
        for (place, _), row in zip(sent, rows, strict=True):
            if isinstance(row, str):
                answers[place] = SearchError(row, "query")
            else:
                ids, scores, found, micros = row
                answers[place] = Ranking(tuple(map(Hit, ids, scores)), found, took_ms=micros / 1000)
        return answers

    def fetch(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
        """Stored fields, or the members of the JSON text that Anserini and LESER store as `raw`."""
        found = self._open().call("fetch", {"ids": list(ids), "fields": list(fields)})
        return {id: Document(id, texts) for id, texts in found.items()}

    def documents(self) -> Iterator[Document]:
        """Every document that is not deleted, in the index's order: what is stored of it, or the members of its `raw`."""

        def page(start: int | None) -> tuple[list[Document], int | None]:
            answer = self._open().call("documents", {"from": start or 0, "size": CHUNK})
            rows = [Document(id, without_joined(texts, self.options.contents)) for id, texts in answer["documents"]]
            return rows, answer["next"]

        return Pages(page)

    def close(self) -> None:
        """Close the index; the Java machine stays, since a process can start only one."""
        with self._lock:
            if self._engine is not None:
                self._engine.close()
                self._engine = None

    def check(self) -> dict[str, Any]:
        """Number of documents, fields, analysis and Lucene's version, and a warning of ids that are there twice."""
        engine = self._open()
        warnings = engine.warnings()
        return {**engine.facts, "warnings": warnings} if warnings else dict(engine.facts)

    def fingerprint(self) -> str:
        """Options and the id of the index's last commit."""
        return f"{super().fingerprint()} {self._open().facts['commit']}"

    def analyze(self, texts: Sequence[str], field: str | None = None) -> list[list[str]]:  # noqa: ARG002
        """Index terms of each text; all fields share one analysis."""
        terms: list[list[str]] = self._open().call("analyze", list(texts))
        return terms

    def doc_freq(self, terms: Sequence[str], field: str | None = None) -> list[int]:
        """Documents that hold each index term in `field`, or in the first searched field."""
        field = field or next(iter(self.options.fields))
        frequencies: list[int] = self._open().call("docFreq", {"field": field, "terms": list(terms)})
        return frequencies

    def index(self, documents: Iterable[Document]) -> int:
        """Build the index; documents come into force all at once, when the last is written. Of one id the last stays.

        Raises LeserError when there is an index already and option `existing` says "refuse".
        """

        self.close()
        counted = CountedDocuments.of(documents)
        with PyseriniWriter(self.options) as writer:
            rows = (row_of(document, self.options.contents) for document in counted)
            while chunk := list(islice(rows, CHUNK)):
                writer.add(chunk)
            writer.finish()
        return counted.distinct


def _request(query: ExpandedQuery) -> dict[str, Any]:
    """A query as LuceneEngine reads it. Terms of weight 0 stay behind: they neither score nor match."""
    return {
        "text": query.text,
        "terms": [(t.text, t.weight, t.field, t.match, t.negate) for t in query.terms if t.weight],
        "filters": [(f.field, f.op, f.value if isinstance(f.value, tuple) else (f.value,)) for f in query.filters],
    }


@hookimpl
def leser_backends() -> list[type[Backend]]:
    """The Lucene backend."""
    return [PyseriniBackend]
