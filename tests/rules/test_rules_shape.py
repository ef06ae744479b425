"""The rules of shape, vocabulary and contact."""

from __future__ import annotations

import pytest
from leser_memory import MemoryBackend
from rule_cases import SHELF, book_of, checked
from rule_reasons import Mute, reason

from leser.errors import LeserError

# -- shape, vocabulary, contact --------------------------------------------------------------------------------------


def test_only_the_scripts_of_the_locale() -> None:
    for text in (
        "с\u043eфа",
        "沙发",
        "сofa",
        "so\u200bfa",
        "ѕofa",
        "sofa😀",
        "so\u0301fa",
        "ｓofa",
        "ʂofa",
        "sofa\u202e",
    ):
        assert "script" in (reason({"script": {}}, "couch", text) or ""), text
    for text in ("café", "jalapeño", "1.5 l", "men's", "50 % wool", "120 × 60", "œuvre"):
        assert reason({"script": {}}, "couch", text) is None, text
    assert reason({"script": {}}, "couch", "диван", locale="ru") is None
    assert reason({"script": {"letters": "äöüß"}}, "couch", "Größe", locale="de") is None
    assert "LATIN SMALL LETTER E WITH ACUTE" in reason({"script": {"letters": "äöüß"}}, "couch", "café", locale="de")


def test_number_and_length_are_limited() -> None:
    tables = {"count": {"most": 2, "most_words": 2, "total_words": 3, "most_characters": 12, "least_characters": 3}}
    assert reason(tables, "lamp", "oak", "desk lamp") is None
    for texts in (("oak", "ash", "elm"), ("a-b-c d",), ("oak wood", "elm wood"), ("abcdefghijklm",), ("ab",)):
        assert "count" in (reason(tables, "lamp", *texts) or ""), texts


def test_only_words_the_index_holds() -> None:
    assert reason({"vocabulary": {}}, "lamp", "velvet sofas") is None
    assert reason({"vocabulary": {}}, "chesterfield", "chesterfield sofa") is None, "words of the query may stand"
    assert "'zeppelin' stands in 0 documents" in reason({"vocabulary": {}}, "lamp", "zeppelin sofa")
    assert "stands in 1 documents" in reason({"vocabulary": {"least": 2}}, "lamp", "velvet")


class Counting(MemoryBackend):
    """The memory engine, which counts how often it is asked."""

    asked = 0

    def doc_freq(self, terms, field=None):
        self.asked += 1
        return super().doc_freq(terms, field)


def test_the_index_is_asked_once_about_all_words_of_a_completion() -> None:
    backend = Counting.of(SHELF)
    book = book_of({"vocabulary": {"least": 2}}, backend)
    assert (
        str(checked(book, "lamp", "navy", "lamp navy", "brass"))
        == "vocabulary: 'brass' stands in 1 documents of the index"
    )
    assert backend.asked == 1
    assert checked(book, "brass lamp", "navy brass") is None, "words of the query may stand"


def test_a_word_that_any_searched_field_holds_is_known() -> None:
    backend = MemoryBackend.of(SHELF, fields={"title": 1.0, "text": 1.0})
    assert reason_on(backend, {"vocabulary": {}}, "washable") is None
    assert "'velvet'" in (reason_on(backend, {"vocabulary": {"field": "text"}}, "velvet") or "")
    assert "'zeppelin'" in (reason_on(backend, {"vocabulary": {}}, "zeppelin") or "")


def reason_on(backend: MemoryBackend, tables, text: str) -> str | None:
    broken = checked(book_of(tables, backend), "lamp", text)
    return str(broken) if broken else None


def test_only_words_of_a_vocabulary_file(tmp_path) -> None:
    (tmp_path / "words.txt").write_text("velvet sofa\nOak\n", encoding="utf-8")
    tables = {"vocabulary": {"file": str(tmp_path / "words.txt")}}
    assert reason(tables, "lamp", "oak sofa") is None
    assert reason(tables, "lamp", "lamp oak") is None
    assert "'linen' is not in the vocabulary" in reason(tables, "lamp", "linen sofa")


def test_a_rule_that_the_engine_cannot_serve_is_refused_at_the_start(tmp_path) -> None:
    with pytest.raises(LeserError, match=r"does not offer analyze and doc_freq\. Give the rule a `file`"):
        book_of({"vocabulary": {}}, Mute.of(SHELF))
    book = book_of({"banned": {"words": ["gun"]}}, Mute.of(SHELF))
    assert checked(book, "lamp", "gun") is not None
    assert checked(book, "lamp", "guns") is None, "without the engine's analysis only the word itself is known"


@pytest.mark.parametrize(
    "text",
    [
        "me@shop.example", "me (at) shop (dot) com", "me at shop dot com", "ｍｅ＠shop．com", "m\u200be@shop.com", "@handle",
        "www.shop.example", "https://x.y", "cheap-shop.com", "555 123 4567", "+49 (0) 30 / 123456", "5-5-5-1-2-3-4",
        "cheapstuff dot com", "shop.fr", "laden.at", "bit.ly/x", "t.me/x", "shop . com", "laden punkt de", "x1 (dot) ch",
        "shop-24.co.at", "ｓhop．fr", "call 0800.123.456", "٥٥٥١٢٣٤", "５５５１２３４",
    ],
)  # fmt: skip
def test_nobody_can_be_reached(text: str) -> None:
    assert "contact" in (reason({"contact": {}}, "lamp", text) or ""), text


def test_numbers_that_are_no_phone_numbers_pass() -> None:
    for text in (
        "polka dot it bag",
        "polka dot dress",
        "dr.martens",
        "12 fl.oz",
        "250.ml",
        "u.s.a",
        "no. 5",
        "st. john",
    ):
        assert reason({"contact": {}}, "lamp", text) is None, text
    for text in ("120 x 200 cm", "2019-2024 model", "usb 3.2", "ean 123456", "iso 9001", "size 42.5"):
        assert reason({"contact": {}}, "lamp", text) is None, text
    assert reason({"contact": {}}, "4006381333931", "pen 4006381333931") is None, "the query's own article number"
