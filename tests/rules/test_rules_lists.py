"""The rules over lists: banned, competitor, restricted, trademark."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leser_memory import MemoryBackend
from rule_cases import SHELF, book_of, checked
from rule_reasons import Mute, reason

from leser.errors import LeserError
from leser.folding import Folder

# -- lists ---------------------------------------------------------------------------------------------------------


def test_banned_words_and_phrases_are_whole_words() -> None:
    tables = {"banned": {"words": ["gun", "fake fur", "snake-oil"]}}
    for text in ("gun", "GUNS", "toy gun", "g-u-n", "fake fur coat", "fur, fake", "snake oil", "snakeoil"):
        assert "banned" in (reason(tables, "lamp", text) or ""), text
    for text in ("gunmetal", "faux fur", "fur coat", "burgundy", "oil lamp"):
        assert reason(tables, "lamp", text) is None, text


def test_a_disguised_plural_is_the_banned_word_too() -> None:
    for word, text in (
        ("gun", "ɡuns"), ("gun", "g.u.n.s"), ("gun", "GUN\u200bS"), ("replica", "rеplicas"), ("café", "cafés"),
        ("café", "cafe"), ("fake fur", "fаke furs"),
    ):  # fmt: skip
        assert "banned" in (reason({"banned": {"words": [word]}}, "lamp", text) or ""), (word, text)
    german = {"banned": {"words": ["schön"]}}
    assert reason(german, "sofa", "schons", locale="de") is None, (
        "a clean text keeps the locale's letters, analysed or not"
    )
    assert reason(german, "sofa", "sсhons", locale="de") is not None
    assert "'Zeta'" in reason({"competitor": {"brands": ["Zeta"]}}, "shoes", "zetаs")
    assert reason({"competitor": {"brands": ["Zeta"]}}, "zetаs shoes", "zeta") is None, "the query may be disguised too"


def test_an_s_behind_a_listed_word_is_no_way_around_whatever_the_engine_stems() -> None:
    german = MemoryBackend.of(SHELF, analysis="german")  # whose stemmer leaves "wodkas" alone
    tables = {"restricted": {"categories": {"alcohol": ["Wodka", "craft beer", "no warranty"]}, "analysed": False}}
    for text in ("wodkas", "w-o-d-k-a-s", "wоdkas", "craft beers", "craftbeers", "no warranties", "beers, craft"):
        assert checked(book_of(tables, german, "de"), "glas", text) is not None, text
        assert checked(book_of(tables, locale="en"), "glass", text) is not None, text
    assert checked(book_of(tables, german, "de"), "zwei wodkas", "craft beer") is None, (
        "the query's plural opens it too"
    )
    brand = {"competitor": {"brands": ["Stattpix", "Feckgis"]}}
    assert reason(brand, "lamp", "stattpixes") is not None
    short = {"banned": {"words": ["as", "new", "Stattpix"], "analysed": False}}
    for text in ("ass", "news", "stattpi", "stattpixs"):
        assert reason(short, "lamp", text) is None, f"{text} is another word"


SPOKEN = ("Swatch", "Coach", "Apple", "Jean", "Boot", "Berry", "Blue Lagoon")
"""Brands whose plural is a word."""


def test_the_plural_of_a_brand_is_a_word_and_its_genitive_is_the_brand() -> None:
    tables = {"competitor": {"brands": SPOKEN, "analysed": False}}
    for text in ("fabric swatches", "coaches", "apples", "jeans", "boots", "berries", "blue lagoons", "bluelagoons"):
        assert reason(tables, "fruit bowl", text) is None, text
        assert "banned" in (reason({"banned": {"words": SPOKEN, "analysed": False}}, "fruit bowl", text) or ""), text
    for text in ("swatch", "Swatch's", "coach\u2019s bag", "c-o-a-c-h's", "Blue Lagoon's", "lagoon's, blue", "berry's"):
        assert "competitor" in (reason(tables, "fruit bowl", text) or ""), text
    assert "'Coach'" in (reason(tables, "jean's", "coach") or ""), "the query names another brand"
    assert reason(tables, "coach's bag", "coach handbag") is None


def test_a_query_with_the_plural_of_a_brand_names_no_brand(tmp_path) -> None:
    (tmp_path / "brands.txt").write_text("Swatch\nCoach\n", encoding="utf-8")
    for options in ({"brands": ["Swatch", "Coach"]}, {"files": [str(tmp_path / "brands.txt")]}):
        book = book_of({"protected": {**options, "max_weight": 0.1}}, Mute.of(SHELF))
        assert checked(book, "fabric swatches", "coach") is None
        assert "brand 'Coach'" in str(checked(book, "swatch's watch", "coach"))
        assert "weigh" in str(checked(book, "swatch's watch", "coaches")), "not a brand: only the weight is wrong"


def test_one_character_more_does_not_hide_spaced_letters() -> None:
    for text in ("2 g u n", "a g u n", "g u n x", "a-g-u-n", "2.g.u.n.s", "ɡ u n 4", "a 2 g u"):
        found = reason({"banned": {"words": ["gun", "agug"]}}, "lamp", text)
        assert (found is None) == (text == "a 2 g u"), text
    assert "snake oil" in reason({"banned": {"words": ["snake oil"]}}, "lamp", "x.s-n-a-k-e-o-i-l")
    assert reason({"banned": {"words": ["gun"]}}, "lamp", "a gu n") is None


def test_a_phrase_that_repeats_a_word_needs_it_as_often() -> None:
    tables = {"banned": {"words": ["pom pom", "B&B"]}}
    for text in ("pom beanie", "vitamin b", "b complex"):
        assert reason(tables, "lamp", text) is None, text
    for text in ("pom pom hat", "pom-pom", "pompom", "b & b", "bb"):
        assert "banned" in (reason(tables, "lamp", text, mode="fuse") or ""), text


def test_inside_finds_a_word_within_a_compound() -> None:
    assert reason({"banned": {"words": ["pelz"]}}, "mantel", "pelzmantel") is None
    assert "'pelz'" in reason({"banned": {"words": ["pelz"], "inside": True}}, "mantel", "pelzmantel")


def test_a_ban_on_one_word_does_not_stop_another_that_looks_like_it_in_ascii() -> None:
    assert reason({"banned": {"words": ["bum", "ass"]}}, "lamp", "burn") is None
    assert reason({"banned": {"words": ["bum", "ass"]}}, "lamp", "a55", "brass") is None


def test_letters_of_the_locale_are_letters_and_tricks_with_them_are_none() -> None:
    tables = {"banned": {"words": ["schon", "bar", "möse"]}}
    for text in ("schön", "Bär", "mo\u0308bel"):
        assert reason(tables, "sofa", text, locale="de") is None, text
    for text in ("schon", "bár", "ba\u0308\u0301r", "mo\u200b\u0308se", "MÖSE", "mőse", "mоse"):
        assert reason(tables, "sofa", text, locale="de") is not None, text
    assert reason(tables, "sofa", "schön") is not None, "in English a mark is decoration"


def test_lists_come_from_files_too(tmp_path) -> None:
    (tmp_path / "a.txt").write_text("\ufeff# ours\n\ncontraband\n  fake fur \n", encoding="utf-8")
    (tmp_path / "p.txt").write_text("x{3,}\n", encoding="utf-8")
    tables = {"banned": {"files": [str(tmp_path / "a.txt")], "pattern_files": [str(tmp_path / "p.txt")]}}
    assert "contraband" in reason(tables, "lamp", "contraband")
    assert "pattern" in reason(tables, "lamp", "xxxx")
    assert reason(tables, "lamp", "ours") is None
    with pytest.raises(LeserError, match=r"none\.txt of the rule 'banned' cannot be read"):
        reason({"banned": {"files": [str(tmp_path / "none.txt")]}}, "lamp", "x")
    (tmp_path / "latin1.txt").write_bytes(b"m\xf6se\n")
    with pytest.raises(LeserError, match="not UTF-8"):
        reason({"banned": {"files": [str(tmp_path / "latin1.txt")]}}, "lamp", "x")


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"banned": {}}, r"\[rules.banned\] has no words or patterns"),
        ({"banned": {"words": ["--"]}}, "'--' in a rule's list holds no letter"),
        ({"competitor": {}}, "has no brands"),
        ({"restricted": {"categories": {"alcohol": []}}}, "has no categories"),
        ({"banned": {"word": ["x"]}}, r"Unknown option 'word' of \[rules.banned\]. Did you mean 'words'"),
        ({"baned": {"words": ["x"]}}, "Unknown rule 'baned'. Did you mean 'banned'"),
        ({"script": {"scripts": ["Latim"]}}, r"\[rules.script\] cannot read scripts"),
        ({"count": {"most": 0}}, r"(?s)Bad options of \[rules.count\].*most"),
    ],
)
def test_a_mistake_in_a_table_is_named(tables, message: str) -> None:
    with pytest.raises(LeserError, match=message):
        book_of(tables)


def test_a_competitor_may_be_named_where_the_query_names_it() -> None:
    tables = {"competitor": {"brands": ["Zeta", "Blue Lagoon"]}}
    assert "competitor 'Zeta'" in reason(tables, "running shoes", "zeta trainers")
    assert reason(tables, "Zeta running shoes", "zeta trainers") is None
    assert "Blue Lagoon" in reason(tables, "zeta towel", "lagoon blue towel")
    assert reason(tables, "zeta towel", "lagoon") is None


def test_a_restricted_category_opens_with_the_query() -> None:
    tables = {"restricted": {"categories": {"alcohol": ["wine", "craft beer"], "weapons": ["knife"]}}}
    assert "restricted category 'alcohol'" in reason(tables, "glass", "wine glass")
    assert reason(tables, "wines", "craft beer") is None, "one word of the category opens all of it"
    assert "weapons" in reason(tables, "wine", "knives knife")


@settings(deadline=None, max_examples=300)
@given(text=st.text("aB9 .-_\t\x00\x1c\n", max_size=12))
def test_plain_words_are_folded_as_any_text_is(text: str) -> None:
    folder = Folder("ü")
    assert folder(text) == Folder._read(text, folder._plain, False)
