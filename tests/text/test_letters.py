"""Marks of every script: accents are left out where that leaves the word the same, and part of the word elsewhere."""

from __future__ import annotations

import pytest
from rule_cases import book_of, checked

from leser.backend import Document
from leser.doctor.sample import TriedQuery
from leser.feedback import feedback_terms
from leser.folding import Folder
from leser.formats.split import near_duplicates
from leser.letters import without_accents, words_of
from leser.task import Query
from leser.text import words

DIFFERENT = [
    ("कम", "काम"),  # Hindi: less, work
    ("कमल", "कमाल"),
    ("चीनी", "चना"),
    ("पत्नी", "पतनी"),  # a virama
    ("ไม้", "ไม่"),  # Thai: wood, not
    ("เสือ", "เสื้อ"),
    ("かき", "がき"),
    ("ハス", "バス"),
    ("କମ", "କାମ"),
    ("কাম", "কম"),
    ("மரம்", "மாரம்"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_words_that_differ_in_vowel_signs_tones_or_voicing_are_different_everywhere(one: str, other: str) -> None:
    assert len(near_duplicates([Query("1", one), Query("2", other)])) == 2
    assert words(f"{one} {other}") == (one, other)
    assert words_of(f"{one}, {other}") == [one, other]
    assert [term.text for term in feedback_terms(one, [f"{one} {other}"])] == [other]
    folder = Folder.of_locale("en")
    assert folder(one).readings != folder(other).readings
    assert folder(one).words == (folder(one).text,)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("café", "cafe"),
        ("cafe\u0301s", "Cafés"),
        ("ｃａｆｅ", "cafe"),
        ("ёлка", "елка"),
        ("Αθήνα", "αθηνα"),
        ("ガス", "ｶﾞｽ"),
        ("क़लम", "क\u093cलम"),
        ("한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8"),
        ("می\u200cخواهم", "می خواهم"),
        ("می\u200cخواهم", "میخواهم"),
        ("क्\u200dष", "क्ष"),
        ("हिन्दी किताब", "किताब, हिन्दी!"),
    ],
)
def test_accents_forms_and_joiners_make_near_duplicates(one: str, other: str) -> None:
    assert len(near_duplicates([Query("1", one), Query("2", other)])) == 1


def test_only_accents_are_taken_off() -> None:
    assert without_accents("crème brûlée Αθήνα ёлка") == "creme brulee Αθηνα елка"
    assert without_accents("हिन्दी ไม้ ガス 한국") == "हिन्दी ไม้ ガス 한국"


def test_words_are_what_they_were_where_no_marks_are_written() -> None:
    assert words("Men's m² ½ Sofa_bed l’eau Straßen-Café 12,5") == (
        "men's", "m²", "½", "sofa", "bed", "l’eau", "straßen", "café", "12", "5",
    )  # fmt: skip
    assert words("cafe\u0301 bar") == ("cafe\u0301", "bar")


def stopped(word: str, text: str, locale: str = "en") -> bool:
    return checked(book_of({"banned": {"words": [word]}}, locale=locale), "lamp", text) is not None


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_a_banned_word_is_found_and_not_taken_for_another(one: str, other: str) -> None:
    for locale in ("en", "hi", "th", "ja"):
        assert stopped(one, one, locale)
        assert not stopped(one, other, locale)
        assert not stopped(other, one, locale)


def test_a_mark_where_no_script_writes_it_hides_no_word() -> None:
    for disguised in (
        "gu\u093en",
        "g\u0e31un",
        "g u\u093e n",
        "gu-\u093en",
        "gú̃n",
        "\u093egun",
        "gun\u3099",
    ):
        assert stopped("gun", disguised), ascii(disguised)
    assert stopped("كتب", "كَتَبَ"), "points that are mostly left out make no other word"
    assert stopped("कमल", "क म ल"), "nor do spaces"


def test_a_query_in_hindi_keeps_its_number() -> None:
    book = book_of({"protected": {"kinds": ["model"]}})
    assert checked(book, "फ़ोन 14", "फ़ोन 13") is not None
    assert checked(book, "फ़ोन 14", "फ़ोन 14 pro") is None


def test_the_doctors_words_stand_in_the_documents() -> None:
    sample = TriedQuery("कम", None, {"1": Document("1", {"title": "हिन्दी किताब, red sofa ไม้ไผ่"})}, ())  # type: ignore[arg-type]
    assert sample.words("1") == ("हिन्दी", "किताब", "red", "sofa", "ไม้ไผ่")
