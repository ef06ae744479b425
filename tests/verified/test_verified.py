"""Verified search on the memory engine: the right expansion is found, an anchor holds, budgets and rules are kept."""

from __future__ import annotations

from math import log2

import pytest
from leser_memory import MemoryBackend
from verified_shop import COUCH, DESK, OPTIONS, RUG, SPLIT, Shiny, changed, environment_of, shelf, words_of

from leser.backend import SearchError
from leser.engine.words import EngineWords
from leser.errors import LeserError
from leser.expansion import Expansion, ExpansionOptions
from leser.reward import parse_spec
from leser.rule import Rule, RuleOptions, Site, Violation
from leser.rules import RuleBook
from leser.task import Query, Split
from leser.verified.halves import halve
from leser.verified.result import VerifiedAnswer
from leser.verified.search import search_expansions


def found_for(query, environment, options=OPTIONS, split=SPLIT, seed=0):
    sources = words_of(environment, options)
    (found,) = search_expansions(environment, [query], options, sources, split=split, seed=seed)
    return found


def gain_at(*ranks):
    return sum(1 / log2(rank + 1) for rank in ranks)


def test_the_right_expansion_is_found_and_its_worth_is_what_the_engine_gives():
    found = found_for(COUCH, environment_of())
    assert found.answer is VerifiedAnswer.EXPANSIONS
    assert [e.text for e in found.expansions] == ["sofa"]
    assert found.weights == (1.0,)
    # [expansion] weight is .5: a completion has to say 2 for a clause of weight 1
    assert found.expansions == (Expansion("sofa", 2.0),)
    ideal = gain_at(1, 2, 3, 4)
    # alone the shorter cover comes before both couches; with "sofa" it falls behind them and one sofa
    assert found.before == pytest.approx(gain_at(2, 3) / ideal)
    assert found.after == pytest.approx(gain_at(1, 2, 4, 5) / ideal)
    assert found.gain == pytest.approx(found.after - found.before)
    assert found.kept == 1.0
    assert found.row(str, 10)["kept@10"] == 1.0


def test_nothing_is_an_answer_of_its_own():
    found = found_for(RUG, environment_of())
    assert (found.answer, found.expansions, found.failed) == (VerifiedAnswer.NONE, (), 0)
    assert found.before == found.after == 1.0
    assert found.searches > 2, "candidates were tried"


def test_a_query_without_judgments_is_unjudged_not_left_alone():
    found = found_for(COUCH, environment_of(), split=None)
    assert (found.answer, found.before, found.after, found.gain) == (VerifiedAnswer.UNJUDGED, None, None, None)


SHINY = {
    "c1": "shiny couch", "c2": "shiny couch red", "c3": "plain couch", "c4": "plain couch old",
    **{f"l{i}": "shiny shiny" for i in range(4)},
}  # fmt: skip


def test_the_anchor_prevents_a_drift_that_a_fooled_judge_would_like():
    def answer(keep):
        environment = environment_of(MemoryBackend.of(shelf(SHINY)), [Shiny(parse_spec("shiny@10"))])
        options = changed(weights=(2.0,), keep=keep, keep_top=4, keep_within=4)
        return found_for(COUCH, environment, options, split=None)

    drifted = answer(0.0)
    assert [e.text for e in drifted.expansions] == ["shiny"]
    assert drifted.kept == 0.5, "the plain couches made room for lamps"
    held = answer(0.8)
    assert (held.answer, held.expansions) == (VerifiedAnswer.NONE, ())


@pytest.mark.parametrize("mode", ["boost", "fuse"])
@pytest.mark.parametrize("budget", [2, 3, 4, 7, 200])
def test_the_budget_is_kept_and_counts_what_the_engine_was_asked(budget, mode):
    environment = environment_of(expansion=ExpansionOptions(mode=mode))
    options = changed(budget=budget, weights=(0.2, 0.5, 1.0), margin=0.0, max_terms=3)
    found = search_expansions(environment, [COUCH, RUG, DESK], options, words_of(environment, options), split=SPLIT)
    assert all(f.searches <= budget for f in found)
    assert sum(f.searches for f in found) == environment.client.stats().asked


class NoLamps(MemoryBackend):
    """The memory engine, refusing every query that holds the word lamp."""

    def search(self, queries, k, *, total=False):
        answers = super().search(queries, k, total=total)
        return [
            SearchError("no lamps today", "query") if "lamp" in str(q) else a
            for q, a in zip(queries, answers, strict=True)
        ]


def test_a_search_that_fails_is_never_a_score():
    assert [e.text for e in found_for(DESK, environment_of()).expansions] == ["lamp"]
    found = found_for(DESK, environment_of(NoLamps.of(shelf())))
    assert (found.answer, found.expansions, found.failed) == (VerifiedAnswer.UNKNOWN, (), 1)
    assert found.after == found.before > 0


class OnlyOne(MemoryBackend):
    """The memory engine, failing every query with an added clause."""

    def search(self, queries, k, *, total=False):
        answers = super().search(queries, k, total=total)
        return [SearchError("overloaded", "query") if q.terms else a for q, a in zip(queries, answers, strict=True)]


def test_failed_searches_of_one_query_do_not_speak_for_like_queries():
    environment = environment_of(OnlyOne.of(shelf()))
    options = changed(trust=0.0)
    found = search_expansions(environment, [COUCH, RUG], options, words_of(environment, options), split=SPLIT)
    assert [f.answer for f in found] == [VerifiedAnswer.UNKNOWN, VerifiedAnswer.UNKNOWN]
    assert all(f.failed > 0 and f.gain == 0.0 for f in found)


class NoSofas(Rule):
    """Nobody says sofa."""

    name = "no-sofas"

    def check(self, proposal):
        at = next((i for i, e in enumerate(proposal.expansions) if e.text == "sofa"), None)
        return None if at is None else Violation(self.name, "a sofa", at)


def test_rules_are_kept_and_what_they_forbid_costs_no_search():
    free = found_for(COUCH, environment_of())
    backend = MemoryBackend.of(shelf())
    site = Site(EngineWords(backend), ExpansionOptions())
    book = RuleBook([NoSofas(RuleOptions(), site)], site)
    found = found_for(COUCH, environment_of(backend, book=book))
    assert (found.answer, found.expansions) == (VerifiedAnswer.NONE, ())
    assert found.searches == 2
    assert free.searches == 3, "the original's ranking, its score, and sofa"


def test_terms_chosen_on_one_half_of_the_judgments_must_hold_on_the_other():
    grades = {f"d{i}": 1 for i in range(6)}
    query = Query("q", "chair")
    split = Split("train", (query,), {"q": grades})
    lucky = halve(split, 3)[0].qrels["q"]
    titles = {f"x{i}": "chair old" for i in range(6)}
    titles |= {id: "chair lucky" if id in lucky else "chair plain" for id in grades}

    def answer(**values):
        environment = environment_of(MemoryBackend.of(shelf(titles)))
        options = changed(max_terms=1, keep=0.0, documents=12, **values)
        return found_for(query, environment, options, split, seed=3)

    assert answer(confirm=False).gain > 0.5, "to all judgments together, either half's word looks like a find"
    chosen = answer(confirm=True)
    assert (chosen.answer, chosen.expansions) == (VerifiedAnswer.NONE, ()), (
        "the first half's word lifts nothing of the second"
    )


def test_a_word_that_serves_both_halves_is_confirmed_and_reported_on_the_confirming_half():
    grades = {f"d{i}": 1 for i in range(6)}
    query = Query("q", "chair")
    titles = dict.fromkeys(grades, "chair oak") | {f"x{i}": "chair" for i in range(6)}
    split = Split("train", (query,), {"q": grades})
    environment = environment_of(MemoryBackend.of(shelf(titles)))
    found = found_for(query, environment, changed(confirm=True, max_terms=1), split)
    assert [e.text for e in found.expansions] == ["oak"]
    assert found.after > found.before


def test_confirming_without_judgments_is_refused():
    with pytest.raises(LeserError, match=r"verified\.confirm needs judgments"):
        found_for(COUCH, environment_of(), changed(confirm=True), split=None)


def test_a_weight_that_no_completion_may_write_is_refused():
    with pytest.raises(LeserError, match=r"verified\.weights 9 is not valid.*\^18"):
        found_for(COUCH, environment_of(), changed(weights=(9.0,)))
