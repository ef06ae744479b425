"""The model of word pairs: what it learns from clean and from partly wrong examples, and how it shrinks."""

from __future__ import annotations

import random

import numpy as np
import pytest
from leser_judges.word_pairs import WordPairs, WorthExample

from leser.text import content_stems

TYPES = {"settee": "sofa", "mac": "jacket", "carpet": "rug", "mower": "lawnmower"}
"""What customers type, and what the catalogue says."""
COLOURS = ("navy", "red", "green", "black", "white")


def shop(wrong: float, seed: int = 1) -> tuple[list[WorthExample], list[str], list[str]]:
    """Queries for a colour and a type in customers' words; documents of all types and colours; a share of wrong examples."""
    draw = random.Random(seed)
    documents = [f"{colour} {name} model {n}" for n in range(4) for name in TYPES.values() for colour in COLOURS]
    queries = [f"{colour} {typed}" for _ in range(12) for typed in TYPES for colour in COLOURS]
    examples = []
    for place, query in enumerate(queries):
        colour, typed = query.split()
        for number in draw.sample(range(len(documents)), 30):
            worth = (TYPES[typed] in documents[number].split()) * (0.5 + 0.5 * (colour in documents[number].split()))
            examples.append(WorthExample(place, number, 1.0 - worth if draw.random() < wrong else worth))
    return examples, queries, documents


@pytest.mark.parametrize("wrong", [0.0, 0.3])
def test_the_catalogues_word_for_what_customers_type_is_found_from_clean_and_from_wrong_examples(wrong: float) -> None:
    model = WordPairs(*shop(wrong))
    assert {typed: model.suggested(typed, 1) for typed in TYPES} == {typed: [name] for typed, name in TYPES.items()}
    found = model.worths(
        "navy settee", [content_stems(text) for text in ("navy sofa", "red sofa", "navy jacket", "red jacket")]
    )
    assert found[0] > found[1] > max(found[2], found[3])


def test_what_is_never_shown_together_is_learned_from_queries_that_share_a_word() -> None:
    examples, queries, documents = shop(0.0)
    blind = [e for e in examples if queries[e.query] != "navy settee"]
    model = WordPairs(blind, queries, documents)
    seen = WordPairs(examples, queries, documents)
    held = [content_stems("navy sofa"), content_stems("green rug")]
    assert model.worths("navy settee", held) == pytest.approx(seen.worths("navy settee", held), abs=0.1)


def test_worths_are_calibrated_and_stay_within_their_bounds() -> None:
    examples, queries, documents = shop(0.3)
    model = WordPairs(examples, queries, documents)
    assert model.error < model.spread
    held = [content_stems(text) for text in documents]
    predicted = np.concatenate([model.worths(query, held) for query in queries[:20]])
    assert predicted.min() >= 0.0
    assert predicted.max() <= 1.0
    assert predicted.mean() == pytest.approx(np.mean([e.worth for e in examples]), abs=0.05)


def test_it_is_the_same_again_and_words_in_most_documents_say_nothing() -> None:
    first, second = WordPairs(*shop(0.3)), WordPairs(*shop(0.3))
    assert np.array_equal(first.query("navy settee"), second.query("navy settee"))
    assert "model" not in first.terms
    assert first.suggested("nothing known", 3) == []
