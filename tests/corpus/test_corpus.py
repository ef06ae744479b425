"""An index's documents become corpus.jsonl: all of them or none, their fields under the names that a task reads."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from leser_memory import MemoryBackend

from leser.adapter import Pages, without_joined
from leser.backend import Capability, Document, Transient
from leser.corpus.fields import choose_fields
from leser.corpus.writing import write_corpus
from leser.engine import SearchOptions
from leser.errors import EngineDown, LeserError, PluginFault
from leser.formats.files import json_corpus

SHOP = tuple(
    Document(f"p{n}", {"name": f"Sofa {n}", "description": "soft\nand red", "price": f"{n}.5"}) for n in range(2300)
)
QUICK = SearchOptions(retries=2, backoff=0.001, deadline=5)


def read(path: Path) -> dict[str, dict[str, str]]:
    return {document.id: dict(document.fields) for document in json_corpus(path)}


def test_every_document_is_written_and_read_back(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    out = tmp_path / "new" / "corpus.jsonl"
    written = write_corpus(MemoryBackend.of(SHOP), out, progress=lambda done, of: seen.append((done, of)))
    expected = {
        d.id: {"title": d.fields["name"], "text": d.fields["description"], "price": d.fields["price"]} for d in SHOP
    }
    assert read(out) == expected
    assert (written.documents, written.notes) == (2300, ())
    assert written.fields.aliases == {"title": ("name",), "text": ("description",)}
    assert written.fields.others == ("price",)
    assert seen == [(1000, 2300), (2000, 2300)]
    assert [path.name for path in out.parent.iterdir()] == ["corpus.jsonl"]


def test_a_name_that_ends_in_gz_is_packed_and_the_same_each_time(tmp_path: Path) -> None:
    first, second = tmp_path / "corpus.jsonl.gz", tmp_path / "b" / "corpus.jsonl.gz"
    for out in (first, second):
        write_corpus(MemoryBackend.of(SHOP[:3]), out)
    assert first.read_bytes() == second.read_bytes()
    assert len(gzip.decompress(first.read_bytes()).splitlines()) == 3
    assert read(first)["p2"]["title"] == "Sofa 2"


def test_fields_that_are_named_are_taken_and_several_are_joined(tmp_path: Path) -> None:
    documents = [
        Document("1", {"title": "SKU 1", "label": "Lamp", "one": "warm", "two": "light", "metadata": "odd"}),
        Document("2", {"label": "Sofa", "two": "blue"}),
        Document("3", {"two": ""}),
    ]
    out = tmp_path / "corpus.jsonl"
    written = write_corpus(MemoryBackend.of(documents), out, title=["label"], text=["one", "two"])
    assert read(out) == {
        "1": {"title": "Lamp", "text": "warm light", "metadata": "odd"},
        "2": {"title": "Sofa", "text": "blue"},
        "3": {},
    }
    assert written.notes == (
        "The documents have a field title of their own, in whose place the one that you named stands.",
        "1 of 3 documents have no title.",
        "1 of 3 documents have no text.",
    )


def test_aliases_of_the_configuration_are_taken(tmp_path: Path) -> None:
    search = SearchOptions.model_validate({"aliases": {"title": "name,price", "cost": "price"}})
    write_corpus(MemoryBackend.of(SHOP[:1]), tmp_path / "corpus.jsonl", search=search)
    assert read(tmp_path / "corpus.jsonl") == {"p0": {"title": "Sofa 0 0.5", "text": "soft\nand red", "cost": "0.5"}}


@pytest.mark.parametrize(
    ("names", "title", "text"),
    [
        ("title text brand", "title", "text"),
        ("brand_name name body", "name", "body"),
        ("id_s product_name_t description_txt_en", "product_name_t", "description_txt_en"),
        ("title_s title_t title", "title", ""),
        ("Name Description category_name", "Name", "Description"),
        ("name contents", "name", "contents"),
        ("subtitle_count title.raw summary", "title.raw", "summary"),
    ],
)
def test_fields_are_chosen_by_what_they_are_called(names: str, title: str, text: str) -> None:
    chosen = choose_fields([Document("1", dict.fromkeys(names.split(), "x"))], (), ())
    assert (" ".join(chosen.title), " ".join(chosen.text)) == (title, text)


def test_without_a_title_the_fields_are_named(tmp_path: Path) -> None:
    odd = MemoryBackend.of([Document("1", {"brand_name": "Lumo", "sku": "7"})])
    with pytest.raises(LeserError, match=r"--title FIELD.*--text FIELD\. Their fields: brand_name, sku\."):
        write_corpus(odd, tmp_path / "corpus.jsonl")
    with pytest.raises(LeserError, match=r"--text: Unknown field 'skuu'.*Did you mean 'sku'"):
        write_corpus(odd, tmp_path / "corpus.jsonl", title=["sku"], text=["skuu"])
    assert not list(tmp_path.iterdir())


def test_what_is_there_stays_unless_it_may_be_replaced(tmp_path: Path) -> None:
    out = tmp_path / "corpus.jsonl"
    out.write_text("old")
    with pytest.raises(LeserError, match=r"is there already\. Add --overwrite"):
        write_corpus(Untouchable(MemoryBackend.Options()), out)
    with pytest.raises(LeserError, match=r"corpus\.jsonl is there already, and a task's folder holds one of the two"):
        write_corpus(Untouchable(MemoryBackend.Options()), tmp_path / "corpus.jsonl.gz", overwrite=True)
    with pytest.raises(LeserError, match=r"is a folder\. Name the file: --out .*corpus\.jsonl"):
        write_corpus(Untouchable(MemoryBackend.Options()), tmp_path)
    assert out.read_text() == "old"
    write_corpus(MemoryBackend.of(SHOP[:2]), out, overwrite=True)
    assert len(read(out)) == 2


class Untouchable(MemoryBackend):
    """Fails where it is asked for anything."""

    def check(self) -> dict[str, Any]:
        raise AssertionError("asked before the place was looked at")


def test_a_backend_that_cannot_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    class Unable(Untouchable):
        capabilities: ClassVar[frozenset[Capability]] = frozenset({"fields"})

    with pytest.raises(LeserError, match=r"'memory' cannot give its documents: it lacks the capability 'documents'"):
        write_corpus(Unable(MemoryBackend.Options()), tmp_path / "corpus.jsonl")


class Faulty(MemoryBackend):
    """Gives its documents in pages of 100; `page` may fail."""

    failures = 0
    broken: Exception = Transient("the server is busy")

    def documents(self) -> Iterator[Document]:
        def page(place: int | None) -> tuple[list[Document], int | None]:
            start = place or 0
            if start == 1500 and self.failures:
                self.failures -= 1
                raise self.broken
            end = start + 100
            return list(SHOP[start:end]), end if end < len(SHOP) else None

        return Pages(page)


def test_a_page_that_fails_for_the_moment_is_asked_for_again(tmp_path: Path) -> None:
    backend = Faulty.of(SHOP)
    backend.failures = 2
    write_corpus(backend, tmp_path / "corpus.jsonl", search=QUICK)
    assert list(read(tmp_path / "corpus.jsonl")) == [document.id for document in SHOP]


@pytest.mark.parametrize("error", [Transient("the server is busy"), ConnectionError("lost")])
def test_an_engine_that_stays_away_leaves_the_old_file(tmp_path: Path, error: Exception) -> None:
    backend = Faulty.of(SHOP)
    backend.failures, backend.broken = 100, error
    (tmp_path / "corpus.jsonl").write_text("old")
    with pytest.raises(EngineDown, match=r"did not give all its documents: .*(busy|lost)\. Check the engine"):
        write_corpus(backend, tmp_path / "corpus.jsonl", search=QUICK, overwrite=True)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("corpus.jsonl", "old")]


class Generating(MemoryBackend):
    """A generator, which after an exception says that it is at its end."""

    def documents(self) -> Iterator[Document]:
        yield from SHOP[:1500]
        raise Transient("the server is busy")


class Short(MemoryBackend):
    """Gives fewer documents than it counts."""

    def documents(self) -> Iterator[Document]:
        return iter(SHOP[:2299])


class Wrong(MemoryBackend):
    """Gives numbers in place of texts."""

    def documents(self) -> Iterator[Document]:
        return iter([Document("1", {"title": 7})])  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("cls", "error", "said"),
    [
        (Generating, EngineDown, "the server is busy"),
        (Short, LeserError, r"2299 documents were read of an index that holds 2300: nothing was written\."),
        (Wrong, PluginFault, r"documents\(\) answered 7 \(type int\) in the field 'title' of '1'"),
    ],
)
def test_a_part_of_the_documents_is_never_a_corpus(
    tmp_path: Path, cls: type[MemoryBackend], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        write_corpus(cls.of(SHOP), tmp_path / "corpus.jsonl", search=QUICK)
    assert not list(tmp_path.iterdir())


def test_documents_of_one_id_and_ids_with_spaces_are_said(tmp_path: Path) -> None:
    class Doubled(MemoryBackend):
        def documents(self) -> Iterator[Document]:
            return iter([*SHOP[:2], Document("p1", {"name": "other"}), Document(" p3", {"name": "spaced"})])

        def check(self) -> dict[str, Any]:
            return {"documents": 4}

    written = write_corpus(Doubled(MemoryBackend.Options()), tmp_path / "corpus.jsonl")
    assert {id: fields["title"] for id, fields in read(tmp_path / "corpus.jsonl").items()} == {
        "p0": "Sofa 0",
        "p1": "Sofa 1",
    }
    assert written.notes == (
        "1 documents have an id that came before (e.g. 'p1'): the first stays.",
        "1 documents are left out: their ids begin or end with white space (e.g. ' p3'), which no file of judgments and "
        "documents can hold.",
    )


def test_an_index_that_grows_is_said(tmp_path: Path) -> None:
    class Growing(MemoryBackend):
        count = 2298

        def check(self) -> dict[str, Any]:
            self.count += 2
            return {"documents": self.count}

        def documents(self) -> Iterator[Document]:
            return iter((*SHOP[:2300], Document("new", {"name": "Chair"})))

    written = write_corpus(Growing(MemoryBackend.Options()), tmp_path / "corpus.jsonl")
    assert written.notes[0] == "The index was written to meanwhile: it held 2300 documents before, and holds 2302 now."
    assert len(read(tmp_path / "corpus.jsonl")) == 2301


def test_corpus_of_the_kit_is_closed_when_it_is_left() -> None:
    closed: list[int] = []
    pages = Pages(lambda place: ([Document("1")], 1), lambda: closed.append(1))
    assert next(pages).id == "1"
    pages.close()
    pages.close()
    assert list(pages) == []
    assert closed == [1]


def test_a_field_that_only_joins_others_is_left_out() -> None:
    fields = {"title": "red sofa", "text": "soft", "contents": "red sofa soft"}
    assert without_joined(fields, ("title", "text")) == {"title": "red sofa", "text": "soft"}
    assert without_joined({**fields, "contents": "own"}, ("title", "text")) == {**fields, "contents": "own"}
    assert without_joined({"title": "red sofa"}, ("title",)) == {"title": "red sofa"}


def test_lines_are_beir(tmp_path: Path) -> None:
    write_corpus(MemoryBackend.of(SHOP[:1]), tmp_path / "corpus.jsonl")
    (line,) = (tmp_path / "corpus.jsonl").read_text().splitlines()
    assert json.loads(line) == {"_id": "p0", "title": "Sofa 0", "text": "soft\nand red", "price": "0.5"}
    assert list(json.loads(line))[:3] == ["_id", "title", "text"]
