"""Candidates out of whole documents: words that stand for these documents, chosen by what they mean; the soft anchor."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest
from leser_memory import MemoryBackend
from verified_shop import COUCH, Shiny, changed, environment_of

from leser.backend import Document, Hit, Ranking
from leser.distinctive import Distinctive, size_of
from leser.engine.words import EngineWords
from leser.expansion import Code
from leser.reward import parse_spec
from leser.task import Query
from leser.verified.anchor import agreement
from leser.verified.judging import Reading
from leser.verified.search import search_expansions
from leser.verified.sources import DocumentWords

CHARGERS = [
    Document(f"b{i}", {"title": f"battery {i}x", "text": "colour black | chemistry nickel metal | warranty"})
    for i in range(4)
]
OTHERS = [
    Document(f"o{i}", {"title": f"shelf {i}x", "text": "colour black | material oak | warranty"}) for i in range(12)
]
BATTERY = Query("q", "battery")


def shop(documents=(*CHARGERS, *OTHERS)):
    return environment_of(MemoryBackend.of(documents))


def test_words_of_descriptions_are_candidates_unless_every_document_holds_them():
    (found,) = DocumentWords(shop(), changed(lift=3.0))([BATTERY])
    assert found == ["chemistry", "metal", "nickel"], "colour, black and warranty stand everywhere"
    (titles,) = DocumentWords(shop(), changed(lift=3.0, fields=()))([BATTERY])
    assert titles == []


def test_the_more_distinctive_word_comes_first_and_lift_says_how_distinctive_it_must_be():
    engine = EngineWords(MemoryBackend.of([*CHARGERS, *OTHERS]))
    texts = ["nickel oak", "nickel oak", "nickel oak", "nickel"]

    def found(lift):
        return Distinctive(engine, changed(lift=lift), size_of(engine))([texts])[0]

    # nickel: 1 against 4 / 16, a lift of 4; oak: .75 against 12 / 16, a lift of 1
    assert (found(0.0), found(1.0), found(1.01), found(4.0), found(4.01)) == (
        ["nickel", "oak"], ["nickel", "oak"], ["nickel"], ["nickel"], [],
    )  # fmt: skip


def test_a_word_that_no_searched_field_holds_is_left_out():
    engine = EngineWords(MemoryBackend.of(CHARGERS, contents=("title",)))
    assert Distinctive(engine, changed(lift=0.0), size_of(engine))([["battery nickel", "battery nickel"]]) == [
        ["battery"]
    ]


class Silent(MemoryBackend):
    """An engine that cannot say document frequencies."""

    name = "silent"
    capabilities = MemoryBackend.capabilities - {"doc_freq"}


def test_titles_alone_are_read_where_the_engine_cannot_say_document_frequencies():
    titled = [Document(d.id, {**d.fields, "title": d.fields["title"] + " cell"}) for d in CHARGERS]
    environment = environment_of(Silent.of([*titled, *OTHERS]))
    assert size_of(environment.rules.site.words) == 0
    assert DocumentWords(environment, changed(lift=3.0))([BATTERY]) == [["cell"]]


LIKENESS = {"chemistry": 0.1, "metal": 0.3, "nickel": 0.2}


class Meaning:
    """Nearest documents as an encoder would give them, and likeness by a table."""

    def rank(self, queries, n):
        assert n == 30
        return [Ranking((Hit("b0", 0.9),)) for _ in queries]

    def likeness(self, query, texts):
        assert query == "battery"
        return np.array([LIKENESS[text] for text in texts], dtype=np.float32)


@pytest.mark.parametrize(("wide", "expected"), [(3, ["metal", "nickel"]), (2, ["chemistry", "metal"])])
def test_an_encoder_keeps_the_words_that_are_most_like_the_query_in_their_order(wide, expected):
    options = changed(candidates=2, wide=wide, lift=3.0)
    assert DocumentWords(shop(), options, Meaning())([BATTERY]) == [expected]


def ranking(**scores):
    return Ranking(tuple(Hit(id, score) for id, score in scores.items()))


def test_agreement_is_the_discounted_mean_of_the_originals_own_scores():
    original = ranking(a=4.0, b=2.0, c=1.0)
    total = 1 + 1 / log2(3)
    assert agreement(original, original, 2) == pytest.approx((1 + 0.5 / log2(3)) / total)
    assert agreement(original, ranking(x=9.0, c=8.0, a=1.0), 2) == pytest.approx(0.25 / log2(3) / total)
    assert agreement(ranking(), ranking(x=1.0), 2) == 0.0


TITLES = ("shiny couch", "shiny couch red", "plain couch", "plain couch old", *["shiny shiny"] * 4)
SHINY = [Document(f"d{i}", {"title": title}) for i, title in enumerate(TITLES)]


def test_what_the_engine_thinks_of_the_new_hits_counts_beside_the_judge():
    def answer(agree):
        environment = environment_of(MemoryBackend.of(SHINY), [Shiny(parse_spec("shiny@4"))])
        options = changed(weights=(2.0,), keep=0.0, keep_top=4, agree=agree)
        (found,) = search_expansions(environment, [COUCH], options, [DocumentWords(environment, options)])
        return found

    taken = answer(0.1)
    assert [e.text for e in taken.expansions] == ["shiny"]
    assert (taken.before, taken.after) == (0.5, 1.0), "the file says what the judge said"
    assert answer(2.0).expansions == ()


def test_a_reading_without_a_score_has_no_value():
    assert Reading(0.5, 1.0, Code.OK, 0.125).value == 0.625
    assert Reading(None, 0.0, Code.ENGINE_ERROR, 0.125).value is None
