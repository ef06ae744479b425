"""RM3's weight only scales the feedback terms: one look at the hits serves every weight of the grid."""

from __future__ import annotations

import pytest

from leser.feedback import FeedbackOptions, feedback_terms, rm3_clauses, rm3_terms

TEXTS = ["red velvet sofa", "sofa bed with storage", "oak table"]


@pytest.mark.parametrize("weight", [0.1, 0.5, 0.9, 1.0])
def test_clauses_of_known_terms_are_those_of_the_texts(weight: float) -> None:
    options = FeedbackOptions(docs=2, terms=4, keep_query_words=True)
    known = feedback_terms("red couch", TEXTS, [3.0, 2.0, 1.0], options)
    expected = rm3_terms("red couch", TEXTS, [3.0, 2.0, 1.0], options, original_weight=weight)
    assert rm3_clauses("red couch", known, weight) == expected
    assert bool(expected) == (weight < 1)


def test_a_weight_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="original_weight is 0"):
        rm3_clauses("red couch", (), 0.0)
