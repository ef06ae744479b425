"""The rule over patterns, in an engine that cannot backtrack."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_cases import book_of, checked
from rule_reasons import reason

from leser.errors import LeserError
from leser.folding import Folder
from leser.rules.patterns import Patterns

# -- patterns ------------------------------------------------------------------------------------------------------


def test_patterns_run_in_an_engine_that_cannot_backtrack() -> None:
    """The classic catastrophe answers at once, and what would need backtracking is refused when it is read."""
    patterns = Patterns([r"^(a+)+$", r"(x|xx|x?)*y"], "banned")
    assert all(type(compiled).__module__ in ("re2", "_re2") for _, compiled in patterns._compiled)
    assert patterns.find(Folder()("a" * 5000 + "!" + "x" * 5000)) is None
    for needs_backtracking in (r"(a)\1", r"(?=a)b", r"(?<!a)b", "(", "a{100000}"):
        with pytest.raises(LeserError, match=r"(?s)Cannot read the pattern .*of the rule 'banned'.*RE2"):
            Patterns([needs_backtracking], "banned")
    with pytest.raises(LeserError, match="at most 1000"):
        Patterns(["a" * 2000], "banned")


def test_patterns_see_folded_text() -> None:
    tables = {"banned": {"patterns": [r"\bviagr[a4]\b"]}}
    for text in ("VIAGRA", "vi\u200bagra", "v.i.a.g.r.a", "viagr4", "ⓥⓘⓐⓖⓡⓐ"):
        assert reason(tables, "lamp", text), text
    assert reason(tables, "lamp", "viagrand") is None


@pytest.mark.parametrize(
    ("pattern", "locale", "stopped", "passed"),
    [
        ("crème", "en", ("crème cake", "CRÈME", "cre\u0300me", "сrèmе"), ("cream", "creme")),
        (r"groß\w*", "de", ("großhandel", "GROSSHANDEL", "GROẞ"), ("gros",)),
        ("gross", "de", ("groß",), ()),
        ("möbel", "de", ("möbelhaus★", "möbеl", "MÖBEL"), ("mobel",)),
        ("stra(ß)?e", "de", ("straße", "strasse", "strae"), ("strase",)),
        ("[à-ü]", "en", ("café",), ("cafe",)),
        (r"\d\s*st(ü|ue)ck\b", "en", ("6 stück", "6 STUECK"), ("6 stuck",)),
        (r"\p{Cyrillic}", "en", ("sоfa",), ("sofa",)),
        ("диван", "ru", ("диван", "ДИВАН"), ("дива",)),
        (r"\brm\b", "en", ("rm",), ("ärm",)),
    ],
)
def test_patterns_may_hold_letters_beyond_ascii(pattern, locale, stopped, passed) -> None:
    book = book_of({"banned": {"patterns": [pattern, "zzz"]}}, locale=locale)
    for text in stopped:
        assert "banned pattern" in str(checked(book, "lamp", text)), text
    for text in passed:
        assert checked(book, "lamp", text) is None, text


@settings(deadline=None, max_examples=200)
@given(texts=st.lists(st.text("aox g8-.\u00fc\u0430", max_size=8), min_size=1, max_size=4))
@pytest.mark.parametrize(
    "patterns",
    [
        ["^go$", "x$"],
        [r"\Ago\z", "8"],
        ["(?-m)^8", "(?-m:8$)"],
        [r"\bgo\b", r"o\B", "[^a]x"],
        ["ü", "о"],
        [r"\Qo.g", "x"],
    ],
)
def test_one_look_at_all_texts_suspects_whatever_is_found_in_one(patterns: list[str], texts: list[str]) -> None:
    compiled, folder = Patterns(patterns, "banned", "ü"), Folder("ü")
    folded = [folder(text) for text in texts]
    found = any(compiled.find(text) is not None for text in folded)
    alone = Patterns(patterns, "banned", "ü")
    alone._any = None
    assert found == any(alone.find(text) is not None for text in folded)
    assert compiled.suspects(folded) or not found


def test_a_look_at_all_texts_suspects_none_that_are_clean() -> None:
    folded = [Folder()(text) for text in ("dark oak", "gun oil", "s-n-a-k-e")]
    assert not Patterns(["^oak", "gun$"], "banned").suspects(folded[1:])
    assert not Patterns(["^oak$", r"\bgu\b"], "banned").suspects(folded)
    assert Patterns(["snake"], "banned").suspects(folded)
    assert not Patterns([], "banned").suspects(folded)
