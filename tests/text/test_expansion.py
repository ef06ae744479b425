"""Completions are read strictly, and what could not be read says why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leser.expansion import Expansion, ExpansionOptions, Parsed, ParseError, parse, render

OPTIONS = ExpansionOptions(max_expansions=3, max_words=3)


@pytest.mark.parametrize(
    ("completion", "expansions"),
    [
        ("sofa", (Expansion("sofa"),)),
        (" sofa ;  leather   couch ^0.5 ", (Expansion("sofa"), Expansion("leather couch", 0.5))),
        ("None", ()),
        ("c++; 4k tv", (Expansion("c++"), Expansion("4k tv"))),
        ("no parking sign", (Expansion("no parking sign"),)),
    ],
)
def test_a_well_formed_completion_is_read(completion, expansions):
    assert parse(completion, OPTIONS) == Parsed(expansions)


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        ("", "empty"),
        ("sofa\ncouch", "more than one line"),
        ("sofa; ; couch", "without a word"),
        ("a; b; c; d", "4 expansions, at most 3"),
        ("one two three four", "4 words, at most 3"),
        ("sofa ^much", "'much' is not a number"),
        ("sofa ^nan", "outside"),
        ("sofa ^-1", "outside"),
        ("sofa ^inf", "outside"),
        ("sofa; none", "beside other expansions"),
        ("so\u200bfa", "invisible"),
        ("so\x00fa", "control"),
    ],
)
def test_a_malformed_completion_says_what_is_wrong(completion, reason):
    read = parse(completion, OPTIONS)
    assert isinstance(read, ParseError)
    assert reason in read.reason


def test_a_completion_cut_at_the_length_limit_is_not_read_in_part():
    assert parse("sofa; leather cou", OPTIONS, finished=False) == ParseError("cut at the length limit")


def test_reasoning_ends_with_the_marker_and_only_the_last_marker_counts():
    options = ExpansionOptions(reasoning=True)
    read = parse("They sell sofas; Expansions: not yet.\nExpansions: sofa; settee", options)
    assert isinstance(read, Parsed)
    assert [e.text for e in read.expansions] == ["sofa", "settee"]
    assert read.reasoning.startswith("They sell")
    assert isinstance(parse("sofa; settee", options), ParseError)


WORDS = st.from_regex(r"[a-z]{1,8}", fullmatch=True).filter(lambda w: w != "none")


@given(st.lists(st.tuples(WORDS, st.sampled_from([1.0, 0.25, 0.5, 2.0])), max_size=3))
def test_what_is_rendered_is_read_back(parts):
    expansions = tuple(Expansion(text, weight) for text, weight in parts)
    assert parse(render(expansions), OPTIONS) == Parsed(expansions)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text):
    read = parse(text, OPTIONS)
    assert isinstance(read, (Parsed, ParseError))
    if isinstance(read, Parsed):
        assert len(read.expansions) <= 3
        assert all(0 < e.weight <= OPTIONS.max_weight and e.text.strip() for e in read.expansions)
