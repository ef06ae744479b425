"""Repeating is no way to weight a term."""

from leser.expansion import Expansion
from leser.rules import repetition


def stems(texts):
    return [[w.rstrip("s") for w in t.lower().split()] for t in texts]


def broken(query, *texts, mode="boost"):
    return repetition(query, [Expansion(t) for t in texts], mode, stems)


def test_a_word_may_stand_once_among_boosted_expansions():
    assert broken("dog", "husky", "puppy") is None
    assert "'husky' stands twice" in broken("dog", "husky", "husky")
    assert "'husky' stands twice" in broken("dog", "husky", "huskys harness")  # after analysis
    assert "'very' stands twice" in broken("dog", "very very big")


def test_a_boosted_expansion_must_add_a_word_to_the_query():
    assert "adds no word" in broken("red shoes", "shoe")
    assert broken("red shoes", "shoe rack") is None


def test_fused_expansions_may_share_words_but_not_be_equal():
    assert broken("dog", "husky harness", "husky lead", mode="fuse") is None
    assert "repeats" in broken("dog", "husky lead", "lead husky", mode="fuse")
    assert "repeats" in broken("red dog", "dogs red", mode="fuse")


def test_no_expansion_breaks_no_rule():
    assert broken("dog") is None
