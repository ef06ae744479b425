"""In-process BM25 with the rankings of Lucene and no Java: for tests, documentation and learning experiments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field

from leser.backend import (
    Backend,
    BackendOptions,
    Capability,
    Document,
    ExpandedQuery,
    FieldWeights,
    Ranking,
    SearchError,
)
from leser.characters import well_formed
from leser.errors import LeserError
from leser.formats.files import json_corpus
from leser.formats.folder import data_file
from leser.hooks import hookimpl
from leser.options import validate_options

if TYPE_CHECKING:
    from leser_memory.scoring import Scorer
    from leser_memory.store import DocumentStore

__all__ = ["MemoryBackend", "leser_backends"]


class MemoryBackend(Backend):
    """BM25 in process, with Lucene's rankings and no Java; holds the task's own documents."""

    name = "memory"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {"analyze", "doc_freq", "documents", "term_weights", "fields", "phrases", "filters", "total"}
    )
    takes_documents = True

    class Options(BackendOptions):
        """Options of the backend 'memory'."""

        documents: Path | None = Field(
            None, description="folder with corpus.jsonl; without it the documents of the task are taken"
        )
        fields: FieldWeights = Field(
            default={"contents": 1.0}, description="fields to search and their weights, e.g. title^3,text"
        )
        contents: tuple[str, ...] = Field(
            ("title", "text"), description="fields joined, with a space between, into the field 'contents'"
        )
        analysis: Literal["english", "german", "standard"] = Field(
            "english",
            description="english: possessives, stop words and Porter stems as in Lucene's EnglishAnalyzer; german: stop "
            "words, umlauts (also written ae, oe, ue) and light stems as in its GermanAnalyzer, compounds kept whole; "
            "standard: words and lower case only",
        )
        k1: float = Field(0.9, ge=0, description="BM25's saturation of term frequency")
        b: float = Field(0.4, ge=0, le=1, description="BM25's share of length normalisation")

    options: Options

    def __init__(self, options: BackendOptions) -> None:
        super().__init__(options)
        self._store: DocumentStore | None = None
        self._scorer: Scorer | None = None
        self._lock = Lock()

    @classmethod
    def of(cls, documents: Iterable[Document], **options: Any) -> Self:
        """A backend that holds these documents."""
        backend = cls(validate_options(cls.Options, options, "backend 'memory'"))
        backend.load(documents)
        return backend

    def load(self, documents: Iterable[Document]) -> None:
        """Hold these documents from now on; of two with one id the later one stays. Raises LeserError for an unknown field."""
        from leser_memory.scoring import Scorer
        from leser_memory.store import DocumentStore

        options = self.options
        store = DocumentStore(documents, options.contents, options.analysis, options.k1, options.b)
        for name in options.fields:
            if name not in store.searchable():
                available = ", ".join(store.searchable())
                raise LeserError(
                    f"Option fields of backend 'memory': no document has a field '{name}'. Available: {available}."
                )
        scorer = Scorer(store, options.fields, rerank=options.match == "rerank")
        self._store, self._scorer = store, scorer

    def _open(self) -> tuple[DocumentStore, Scorer]:
        with self._lock:
            if self._store is None or self._scorer is None:
                if self.options.documents is None:
                    raise LeserError(
                        "Backend 'memory' holds no documents. Give a folder with corpus.jsonl: -o documents=DIR."
                    )
                self.load(_read_corpus(self.options.documents))
            assert self._store is not None
            assert self._scorer is not None
            return self._store, self._scorer

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> list[Ranking | SearchError]:
        """Search a whole batch, one query after the other."""
        _, scorer = self._open()
        return [scorer.search(query, k, total=total) for query in queries]

    def fetch(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
        """Fields of the documents with these ids."""
        store, _ = self._open()
        known = (store.documents[id] for id in map(well_formed, ids) if id in store.documents)
        return {
            document.id: Document(
                document.id, {name: document.fields[name] for name in fields if name in document.fields}
            )
            for document in known
        }

    def documents(self) -> Iterator[Document]:
        """The documents, in the order they came."""
        store, _ = self._open()
        return iter(list(store.documents.values()))

    def check(self) -> dict[str, Any]:
        """Number of documents and the fields they have."""
        store, _ = self._open()
        return {"documents": len(store), "fields": sorted(store.fields)}

    def fingerprint(self) -> str:
        """Options and a digest of all documents."""
        return f"{super().fingerprint()} {self._open()[0].digest}"

    def analyze(self, texts: Sequence[str], field: str | None = None) -> list[list[str]]:  # noqa: ARG002
        """Index terms of each text; all fields share one analysis."""
        from leser_memory.analysis import analyze

        return [[term for term, _ in analyze(well_formed(text), self.options.analysis)] for text in texts]

    def doc_freq(self, terms: Sequence[str], field: str | None = None) -> list[int]:
        """Documents that hold each index term in `field`, or in the first searched field."""
        store, _ = self._open()
        index = store.index(field or next(iter(self.options.fields)))
        return [index.doc_freq(well_formed(term)) for term in terms]


def _read_corpus(folder: Path) -> Iterable[Document]:

    path = data_file(folder, "corpus.jsonl")
    if path is None:
        raise LeserError(f"No corpus.jsonl in {folder}, the folder that option documents of backend 'memory' names.")
    return json_corpus(path)


@hookimpl
def leser_backends() -> list[type[Backend]]:
    """The in-process backend."""
    return [MemoryBackend]
