"""Each built-in rule: what it stops, what it lets through, and what it says of a bad option."""

from __future__ import annotations

import re

import pytest
from places import ROOT
from rule_cases import book_of, checked
from rule_reasons import reason

from leser.plugins import load_plugins

# -- all of them -----------------------------------------------------------------------------------------------------


def test_every_rule_has_a_line_for_the_list_and_says_what_its_options_are() -> None:
    rules = load_plugins().all("rule")
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert set(rules) == {
        "banned", "competitor", "contact", "count", "protected", "repetition", "restricted", "script", "vocabulary",
    }  # fmt: skip
    for name, cls in rules.items():
        assert re.match(r"[A-Z].*\.$", cls.__doc__.splitlines()[0]), name
        assert f"\n### {name}\n" in page, f"docs/rules.md says nothing of {name}"
        for option, field in cls.Options.model_fields.items():
            assert field.description, f"{name}.{option}"


def test_a_pattern_that_quotes_does_not_swallow_the_next() -> None:
    tables = {"banned": {"patterns": [r"\Qa.b", r"\Qxe\E"]}}
    assert reason(tables, "lamp", "a.b") is not None
    assert reason(tables, "lamp", "xenon") is not None
    assert reason(tables, "lamp", "oak") is None


@pytest.mark.parametrize("tick", ["\u02bc", "\u02b9", "\u02c8", "\u02d1", "\ua78b", "\ua78c"])
def test_a_letter_that_looks_like_an_apostrophe_hides_no_word(tick: str) -> None:
    book = book_of({"banned": {"words": ["gun"], "analysed": False}, "competitor": {"brands": ["Zeta"]}})
    for text, code in ((f"gun{tick}s", "banned"), (f"{tick}gun", "banned"), (f"zeta{tick}s", "competitor")):
        found = checked(book, "case", text)
        assert found is not None, text
        assert found.code == code
    assert checked(book, "case", f"bur{tick}gundy") is None
