"""Pseudo-relevance feedback against hand-worked numbers."""

from __future__ import annotations

import pytest

from leser.feedback import FeedbackOptions, feedback_terms, relevance_model, rm3_terms
from leser.text import STOP_WORDS, stem, words

TEXTS = ("Blue sofa, the sofa", "Grey sofas and lamps")
SCORES = (3.0, 1.0)


def test_words_are_lower_cased_and_keep_apostrophes() -> None:
    assert words("Men's KX-250 Sofa_bed") == ("men's", "kx", "250", "sofa", "bed")


def test_stems_join_plurals_and_possessives() -> None:
    assert stem("sofas") == stem("sofa")
    assert stem("men's") == stem("men’s") == "men"


def test_relevance_model_by_hand() -> None:
    model = relevance_model(TEXTS, SCORES)
    word, mass = model[stem("sofa")]
    assert word == "sofa"  # as the better hit displays it
    assert mass == pytest.approx(0.75 * 2 / 4 + 0.25 * 1 / 4)
    assert model["blue"][1] == pytest.approx(0.75 / 4)
    assert sum(mass for _, mass in model.values()) == pytest.approx(1.0)


def test_feedback_terms_leave_out_query_and_stop_words_and_sum_to_one() -> None:
    terms = feedback_terms("couch blue", TEXTS, SCORES)
    assert [t.text for t in terms] == ["sofa", "grey", "lamps"]
    assert sum(t.weight for t in terms) == pytest.approx(1.0)
    assert terms[0].weight == pytest.approx(0.4375 / 0.5625)


def test_options_keep_query_words_and_stop_words() -> None:
    kept = feedback_terms("blue", TEXTS, SCORES, FeedbackOptions(keep_query_words=True, keep_stop_words=True))
    assert {t.text for t in kept} == {"sofa", "blue", "the", "grey", "and", "lamps"}


def test_docs_and_terms_limit_what_is_read_and_kept() -> None:
    assert [t.text for t in feedback_terms("x", TEXTS, SCORES, FeedbackOptions(docs=1, terms=5))] == ["sofa", "blue"]
    assert [t.text for t in feedback_terms("x", TEXTS, SCORES, FeedbackOptions(terms=1))] == ["sofa"]


def test_scores_default_to_equal_and_ties_are_ordered_by_stem() -> None:
    assert [t.text for t in feedback_terms("q", ["zebra apple", "mango kiwi"])] == ["apple", "kiwi", "mango", "zebra"]
    zero = feedback_terms("q", ["zebra apple", "mango kiwi"], [0.0, 0.0])
    assert zero == feedback_terms("q", ["zebra apple", "mango kiwi"])


def test_no_hits_or_no_words_give_no_terms() -> None:
    assert feedback_terms("q", []) == ()
    assert feedback_terms("q", ["the of and"]) == ()
    assert rm3_terms("q", []) == ()


def test_rm3_weights_by_hand() -> None:
    options = FeedbackOptions(docs=2, terms=2, keep_query_words=True)
    clauses = rm3_terms("the blue couch", TEXTS, SCORES, options, original_weight=0.6)
    # p(t|R) over the two terms kept: sofa .4375, blue .1875; |q| = 2 without the stop word; (1 - .6) / .6 * 2 = 4/3
    assert [(c.text, c.field, c.match) for c in clauses] == [("sofa", None, "any"), ("blue", None, "any")]
    assert clauses[0].weight == pytest.approx(4 / 3 * 0.4375 / 0.625)
    assert clauses[1].weight == pytest.approx(4 / 3 * 0.1875 / 0.625)


def test_rm3_keeps_query_words_unless_told_otherwise() -> None:
    assert "blue" in {c.text for c in rm3_terms("blue", TEXTS, SCORES)}
    assert "blue" not in {c.text for c in rm3_terms("blue", TEXTS, SCORES, FeedbackOptions())}


def test_rm3_with_all_weight_on_the_original_adds_nothing() -> None:
    assert rm3_terms("blue", TEXTS, SCORES, original_weight=1) == ()


@pytest.mark.parametrize("weight", [0.0, -0.1, 1.5])
def test_rm3_refuses_impossible_interpolation(weight: float) -> None:
    with pytest.raises(ValueError, match="0 < original_weight"):
        rm3_terms("blue", TEXTS, SCORES, original_weight=weight)


def test_one_score_for_each_text() -> None:
    with pytest.raises(ValueError, match="2 texts but 1 scores"):
        feedback_terms("blue", TEXTS, [1.0])


def test_stop_words_are_function_words_only() -> None:
    assert {"the", "for", "with"} <= STOP_WORDS
    assert not {"new", "small", "light"} & STOP_WORDS
