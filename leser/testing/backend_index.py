"""The part of BackendContract about writing an index (capability "index"), reading one whole, and documents held in process.

These tests come last: what is wrong with writing may spoil what other tests read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from leser.backend import Backend, Document
from leser.errors import LeserError
from leser.testing.asking import OpenBackend, called, documents_of, given, ids_of, needs, opened, takes_documents
from leser.testing.documents import DOCUMENTS


class IndexCases:
    """Tests of index() and load()."""

    @takes_documents
    def test_load_takes_the_place(self, open_backend: OpenBackend) -> None:
        """If this fails, check that load() holds its documents from now on, in place of those before."""
        with opened(open_backend) as backend:
            called("load", lambda: backend.load(DOCUMENTS[:3]))
            assert backend.check().get("documents") == 3
            assert ids_of(backend, "lamp") == ()
            assert ids_of(backend, "sofa") == ("d01",)

    @given("open_missing")
    @needs("index")
    def test_index(self, open_missing: OpenBackend) -> None:
        """If this fails, check that index() stores what an iterator gives, all of it, and returns how many documents it holds."""
        with opened(open_missing) as backend:
            assert called("index", lambda: backend.index(_handed(DOCUMENTS))) == len(DOCUMENTS)
            _holds_the_documents(backend)
        with opened(open_missing) as again:
            _holds_the_documents(again)

    @given("open_missing")
    @needs("index")
    def test_index_many(self, open_missing: OpenBackend) -> None:
        """If this fails, check that documents which are written in parts are all written, the last part as well."""
        many = tuple(Document(f"m{n}", {"title": f"item zzqx{n}", "text": "settee"}) for n in range(2105))
        with opened(open_missing) as backend:
            assert called("index", lambda: backend.index(_handed(many))) == len(many)
            assert backend.check().get("documents") == len(many), "'documents' of check()"
            for number in (0, 999, 1000, 2047, 2104):
                assert ids_of(backend, f"zzqx{number}") == (f"m{number}",)
            assert len(ids_of(backend, "settee", k=1000)) == 1000

    @given("open_missing")
    @needs("index")
    def test_index_odd_texts(self, open_missing: OpenBackend) -> None:
        """If this fails, check documents with an empty text, without a field, and with signs: they are stored as they are."""
        signs = "a \"quoted\" 'text' <b>&amp;</b> \\ {x} 100% ; -- \t\n \U0001f6cb"
        odd = (Document("o 1/ü,*", {"title": "settee", "text": signs}), Document("o2", {"title": "settee", "text": ""}))
        with opened(open_missing) as backend:
            assert called("index", lambda: backend.index(_handed(odd))) == len(odd)
            assert set(ids_of(backend, "settee")) == {document.id for document in odd}
            fetched = documents_of(backend, [document.id for document in odd], ["title", "text"])
            assert dict(fetched["o 1/ü,*"].fields) == dict(odd[0].fields)

    @needs("documents")
    def test_documents(self, open_backend: OpenBackend) -> None:
        """If this fails, check documents(): every document once, all its fields, with the ids and texts that fetch() gives."""
        with opened(open_backend) as backend:
            read = called("documents", lambda: list(backend.documents()))
            assert sorted(document.id for document in read) == sorted(document.id for document in DOCUMENTS)
            held = {document.id: document.fields for document in read}
            for document in DOCUMENTS:
                lacking = {name for name, text in document.fields.items() if held[document.id].get(name) != text}
                assert not lacking, (
                    f"documents() gives {document.id} without {', '.join(sorted(lacking))}, or otherwise"
                )
            fields = sorted({name for document in read for name in document.fields})
            fetched = documents_of(backend, list(held), fields)
            assert {id: dict(document.fields) for id, document in fetched.items()} == held
            assert len(called("documents", lambda: list(backend.documents()))) == len(DOCUMENTS), "called again"

    @given("open_missing")
    @needs("index", "documents")
    def test_documents_many(self, open_missing: OpenBackend) -> None:
        """If this fails, check that documents() reads to the last page, and gives no document of two pages twice."""
        many = tuple(Document(f"m{n}", {"title": f"item {n}", "text": "settee"}) for n in range(2105))
        with opened(open_missing) as backend:
            assert called("index", lambda: backend.index(_handed(many))) == len(many)
            read = called("documents", lambda: list(backend.documents()))
            assert len(read) == len(many)
            assert {document.id: dict(document.fields) for document in read} == {d.id: dict(d.fields) for d in many}

    @needs("index")
    def test_index_again(self, open_backend: OpenBackend) -> None:
        """If this fails, check what index() does to documents that are there: LeserError, or it replaces them, never twice."""
        with opened(open_backend) as backend, suppress(LeserError):
            backend.index(_handed(DOCUMENTS))
        with opened(open_backend) as backend:
            _holds_the_documents(backend)


def _handed(documents: tuple[Document, ...]) -> Iterator[Document]:
    """Documents as `leser index` hands them over: one after the other, once."""
    yield from documents


def _holds_the_documents(backend: Backend) -> None:
    assert backend.check().get("documents") == len(DOCUMENTS), "'documents' of check()"
    assert ids_of(backend, "sofa") == ("d01",)
    assert set(ids_of(backend, "lamp")) == {"d07", "d08"}
    ids = [document.id for document in DOCUMENTS]
    assert set(documents_of(backend, ids, ["title"])) == set(ids)
