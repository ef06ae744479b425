"""The in-process engine: its scores against hand-worked numbers and bm25s, its analysis, its filters."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import bm25s
import numpy as np
import pytest
from leser_memory import MemoryBackend
from leser_memory.analysis import analyze

from leser.backend import Document, ExpandedQuery, Filter, Ranking, SearchError, Term
from leser.errors import LeserError


def documents(*texts: str) -> list[Document]:
    return [Document(str(number), {"text": text}) for number, text in enumerate(texts)]


def search(backend: MemoryBackend, text: str, *terms: Term, k: int = 10, filters: tuple[Filter, ...] = ()) -> Ranking:
    (answer,) = backend.search([ExpandedQuery("q", text, terms, filters)], k)
    assert isinstance(answer, Ranking)
    return answer


def test_a_score_worked_by_hand() -> None:
    backend = MemoryBackend.of(documents("red sofa red", "blue sofa", "green"), k1=0.9, b=0.4)
    (hit,) = search(backend, "red").hits
    idf = math.log(1 + (3 - 1 + 0.5) / (1 + 0.5))
    assert hit.score == pytest.approx(idf * 2 / (2 + 0.9 * (1 - 0.4 + 0.4 * 3 / 2)), rel=1e-6)


def test_scores_equal_bm25s_on_short_documents() -> None:
    """Below 40 words Lucene stores a document's length exactly, so an independent BM25 must agree."""
    draw = random.Random(7)
    words = [f"w{number}" for number in range(60)]
    texts = [" ".join(draw.choices(words, k=draw.randint(1, 39))) for _ in range(300)]
    peer = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    peer.index([text.split() for text in texts], show_progress=False)
    backend = MemoryBackend.of(documents(*texts), k1=1.2, b=0.75)
    for _ in range(30):
        query = draw.choices(words, k=4)
        expected = peer.get_scores(query)
        hits = search(backend, " ".join(query), k=300).hits
        assert len(hits) == np.count_nonzero(expected)
        for hit in hits:
            assert hit.score == pytest.approx(expected[int(hit.id)], rel=1e-5)


def test_ties_keep_the_documents_order() -> None:
    backend = MemoryBackend.of(documents(*["same words"] * 50))
    assert search(backend, "same", k=7).ids == tuple("0123456")
    assert search(backend, "words", k=50).ids == tuple(map(str, range(50)))


def test_field_weights() -> None:
    shelf = [Document("t", {"title": "sofa", "text": "blue"}), Document("b", {"title": "blue", "text": "sofa"})]
    assert search(MemoryBackend.of(shelf, fields="title^3,text"), "sofa").ids == ("t", "b")
    assert search(MemoryBackend.of(shelf, fields={"title": 1, "text": 3}), "sofa").ids == ("b", "t")
    with pytest.raises(LeserError, match=r"no document has a field 'body'. Available: contents, text, title"):
        MemoryBackend.of(shelf, fields="body")
    with pytest.raises(LeserError, match="Bad options of backend 'memory'"):
        MemoryBackend.of(shelf, fields="title^-1")


def test_every_word_of_all_may_stand_in_another_field() -> None:
    shelf = [Document("1", {"title": "red", "text": "sofa"}), Document("2", {"title": "red", "text": "chair"})]
    backend = MemoryBackend.of(shelf, fields="title,text")
    assert search(backend, "", Term("red sofa", match="all")).ids == ("1",)
    assert search(backend, "", Term("red sofa", match="phrase")).ids == ()


def test_phrases_count_and_keep_gaps_of_stop_words() -> None:
    backend = MemoryBackend.of(
        documents("state of the art", "state art", "art state of the art state of the art", "the end")
    )
    assert search(backend, "", Term("state of the art", match="phrase")).ids == ("2", "0")
    assert search(backend, "", Term("state art", match="phrase")).ids == ("1",)
    assert search(MemoryBackend.of(documents("a b c", "d")), "", Term("c d", match="phrase")).ids == ()


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The runner's Running-Shoes, size 9.5!", ["runner", "run", "shoe", "size", "9.5"]),
        ("don't U.S.A. AT&T wi-fi foo_bar 1,000", ["don't", "u.s.a", "t", "wi", "fi", "foo_bar", "1,000"]),
        ("possibly biology archaeology relational", ["possibl", "biologi", "archaeolog", "relat"]),
        ("日本 ひら カタカナ", ["日", "本", "ひ", "ら", "カタカナ"]),
        ("m² ½ x' İzmir trekking", ["m", "x", "izmir", "trek"]),
    ],
)
def test_english_analysis(text: str, terms: list[str]) -> None:
    assert [term for term, _ in analyze(text, "english")] == terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Größe 42, groesse GRÖSSE Grösse", ["gross", "42", "gross", "gross", "gross"]),
        ("die dunkelblauen Laufschuhe für den Läufer", ["dunkelblau", "laufschuh", "lauf"]),
        ("neue Mauer, Quelle, Aerosol", ["neu", "mau", "quell", "arosol"]),
        ("schönste Häuser Kindern Sofas 1,5 Liter", ["schon", "haus", "kind", "sofas", "1,5", "lit"]),
        ("Ledersofa Leder-Sofa", ["ledersofa", "led", "sofa"]),
    ],
)
def test_german_analysis(text: str, terms: list[str]) -> None:
    """Umlauts and their other spellings are one term; a ue after a vowel or q stays; compounds are one word."""
    assert [term for term, _ in analyze(text, "german")] == terms


def test_german_stop_words_leave_gaps() -> None:
    assert analyze("Schuhe für den Regen", "german") == [("schuh", 0), ("reg", 3)]


def test_standard_analysis_keeps_words_as_they_are() -> None:
    assert MemoryBackend.of([], analysis="standard").analyze(["The Runner's shoes"]) == [["the", "runner's", "shoes"]]


def test_filters_of_missing_and_long_values() -> None:
    shelf = [
        Document("0", {"text": "sofa", "price": "10"}),
        Document("1", {"text": "sofa"}),
        Document("2", {"text": "sofa", "price": "ask us"}),
        Document("3", {"text": "sofa", "price": "x" * 300}),
        Document("4", {"text": "sofa", "price": "nan"}),
    ]
    backend = MemoryBackend.of(shelf)
    assert search(backend, "sofa", filters=(Filter("price", "lte", 10),)).ids == ("0",)
    assert search(backend, "sofa", filters=(Filter("price", "gt", "a"),)).ids == ("2", "4")
    assert search(backend, "sofa", filters=(Filter("price", "in", (10.0, "ask us")),)).ids == ("0", "2")
    assert search(backend, "sofa", filters=(Filter("price", "eq", "x" * 300),)).ids == ()
    (unknown,) = backend.search([ExpandedQuery("q", "sofa", filters=(Filter("prize", "eq", 1),))], 10)
    assert unknown == SearchError("No field 'prize' to filter by. Available: price, text.", "query")


@pytest.mark.parametrize("weight", [-1.0, math.inf, math.nan])
def test_weights_that_are_no_weights_are_refused(weight: float) -> None:
    (answer,) = MemoryBackend.of(documents("sofa")).search([ExpandedQuery("q", "sofa", (Term("x", weight),))], 10)
    assert isinstance(answer, SearchError)
    assert answer.kind == "query"


def test_documents_out_of_a_folder(tmp_path: Path) -> None:
    rows = [{"_id": 7, "title": "Sofa", "text": "red"}, {"_id": "8", "text": "bed", "metadata": {"brand": "Acme"}}]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    backend = MemoryBackend(MemoryBackend.Options(documents=tmp_path))
    assert backend.check() == {"documents": 2, "fields": ["brand", "text", "title"]}
    assert search(backend, "sofa red").ids == ("7",)
    with pytest.raises(LeserError, match=r"No corpus.jsonl in"):
        MemoryBackend(MemoryBackend.Options(documents=tmp_path / "none")).check()


def test_the_fingerprint_follows_documents_and_options() -> None:
    prints = {
        MemoryBackend.of(documents("a"), **options).fingerprint() for options in ({}, {"k1": 1.2}, {"match": "rerank"})
    }
    prints.add(MemoryBackend.of(documents("b")).fingerprint())
    assert len(prints) == 4
    assert MemoryBackend.of(documents("a")).fingerprint() in prints


def test_an_empty_corpus_finds_nothing() -> None:
    assert search(MemoryBackend.of([]), "sofa", Term("bed")).ids == ()
