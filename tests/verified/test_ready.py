"""Ready-made sets: words of nearest documents that are good together only, and the limits that hold for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from leser_memory import MemoryBackend
from verified_shop import COUCH, changed, environment_of, shelf

from leser.backend import Hit, Ranking
from leser.engine.words import EngineWords
from leser.environment import Environment
from leser.errors import LeserError
from leser.expansion import Code, Expansion, ExpansionOptions, Parsed, parse
from leser.reward import Outcome, Reward, parse_spec
from leser.rule import Proposal, Rule, RuleOptions, Site, Violation
from leser.rules import RuleBook
from leser.verified.beam import Beam, BeamState, Single, proposals
from leser.verified.judging import Reading
from leser.verified.result import VerifiedAnswer, VerifiedExpansions
from leser.verified.search import search_expansions
from leser.verified.sources import DocumentWords

# each colour alone lifts its own plain couches; only all three together lift the golden one
TITLES = {
    **{f"{colour}{n}": f"couch {colour} {colour}" for colour in ("red", "blue", "green") for n in range(2)},
    "gold": "couch red blue green gold",
    "near1": "red blue green",
    "near2": "red blue green stool",
}


SILVER = TITLES | {"gold": "couch red blue gold", "silver": "couch red blue green silver"}


class Golden(Reward):
    """1 where the first hit is golden, .5 where it is silver (golden@1)."""

    name = "golden"
    fields = ("title",)

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        firsts = [None if o.expanded is None else o.documents[o.expanded.ids[0]].fields["title"] for o in outcomes]
        return [None if title is None else ("gold" in title) + ("silver" in title) / 2 for title in firsts]


class Near:
    """An encoder for which the same documents are near to every query."""

    def rank(self, queries: Sequence[str], n: int) -> list[Ranking]:
        return [Ranking((Hit("near1", 0.9), Hit("near2", 0.8))) for _ in queries]

    def likeness(self, query: str, texts: Sequence[str]) -> np.ndarray:
        return np.zeros(len(texts), dtype=np.float32)


def shop(titles: dict[str, str] = TITLES, book: RuleBook | None = None, most: int = 5) -> Environment:
    judge = [Golden(parse_spec("golden@1"))]
    return environment_of(MemoryBackend.of(shelf(titles)), judge, book, ExpansionOptions(max_expansions=most))


def searched(environment: Environment, nearest: Near | None, **values: object) -> VerifiedExpansions:
    options = changed(**{"weights": (1.0,), "keep": 0.0, "ready": (3,), "ready_weights": (1.0,), **values})
    sources = [DocumentWords(environment, options, nearest)]  # type: ignore[arg-type]
    (found,) = search_expansions(environment, [COUCH], options, sources)
    return found


def test_words_that_are_good_only_together_are_found_as_a_ready_made_set() -> None:
    alone = searched(shop(), Near(), ready=())
    assert (alone.answer, alone.expansions) == (VerifiedAnswer.NONE, ())
    found = searched(shop(), Near(), max_terms=1)
    assert {e.text for e in found.expansions} == {"red", "blue", "green"}
    assert (found.weights, found.before, found.after) == ((1.0,) * 3, 0.0, 1.0)
    assert found.expansions[0].weight == 2.0, "[expansion] weight is .5: a completion has to say 2"
    assert found.searches == alone.searches + 1, "one set at one weight"


def test_without_nearest_documents_there_is_no_ready_made_set() -> None:
    assert searched(shop(), None) == searched(shop(), None, ready=())


def test_a_set_longer_than_a_completion_may_be_is_not_tried() -> None:
    short = searched(shop(most=2), Near())
    assert (short.answer, short.failed) == (VerifiedAnswer.NONE, 0)
    assert short.searches == searched(shop(most=2), Near(), ready=()).searches


def test_the_anchor_and_the_budget_hold_for_ready_made_sets() -> None:
    assert searched(shop(), Near(), keep=1.0, keep_top=7, keep_within=1).answer is VerifiedAnswer.NONE
    searches = searched(shop(), Near(), ready=()).searches
    tight = searched(shop(), Near(), budget=searches)
    assert (tight.answer, tight.searches) == (VerifiedAnswer.NONE, searches)


def test_words_that_alone_cost_the_judge_something_are_left_out_of_ready_made_sets() -> None:
    titles = TITLES | {"short": "couch silver"}  # found first as typed, and lost as soon as a colour is added
    kept = searched(shop(titles), Near(), ready_proven=False)
    assert {e.text for e in kept.expansions} == {"red", "blue", "green"}
    proven = searched(shop(titles), Near())
    assert (proven.answer, proven.before) == (VerifiedAnswer.NONE, 0.5)
    unread = searched(shop(titles), Near(), candidates=1)
    assert unread.answer is VerifiedAnswer.NONE, "words that were no candidates are searched alone first"
    assert unread.searches == 1 + 1 + 3, "the original, the candidate, and the three other words"


class NoStools(Rule):
    """Forbids a word."""

    name = "no-stools"

    def check(self, proposal: Proposal) -> Violation | None:
        at = next((i for i, e in enumerate(proposal.expansions) if e.text == "stool"), None)
        return None if at is None else Violation(self.name, "a stool", at)


def test_a_word_that_a_rule_forbids_is_passed_over() -> None:
    titles = TITLES | {"near1": "red blue green stool"}
    spoilt = searched(shop(titles), Near(), ready=(3,))
    assert spoilt.answer is VerifiedAnswer.NONE, "the rarest word comes first"
    site = Site(EngineWords(MemoryBackend.of(shelf(titles))), ExpansionOptions())
    found = searched(shop(titles, RuleBook([NoStools(RuleOptions(), site)], site)), Near(), ready=(3,))
    assert {e.text for e in found.expansions} == {"red", "blue", "green"}


def state(texts: str, ready: bool) -> BeamState:
    singles = tuple(Single(Expansion(text), 1.0, text, 0.0, 0.1) for text in texts)
    return BeamState(singles, Reading(0.5, 1.0, Code.OK), 0.1, ready)


def sets(beam: Beam, most: int, longest: int) -> list[str]:
    return ["".join(single.key for single in singles) for _, singles in proposals(beam, most, longest)]


def test_only_a_set_that_began_ready_made_loses_words_and_grows_beyond_max_terms() -> None:
    before = Reading(0.4, 1.0, Code.OK)
    pool = state("xa", ready=False).singles

    def beam(texts: str, ready: bool) -> Beam:
        started = state(texts, ready)
        return Beam(0, before, pool, [started], started)

    assert sets(beam("abc", ready=True), 3, 5) == ["abcx", "bc", "ac", "ab"]
    assert sets(beam("abcde", ready=True), 3, 5) == ["bcde", "acde", "abde", "abce", "abcd"]
    assert sets(beam("abc", ready=False), 3, 5) == []
    assert sets(beam("ab", ready=False), 3, 5) == ["abx"]
    assert sets(beam("b", ready=True), 3, 5) == ["bx", "ba"]


def test_a_word_that_does_harm_is_taken_out_and_all_sets_can_be_written() -> None:
    environment = shop(SILVER)
    found = searched(environment, Near())
    assert ({e.text for e in found.expansions}, found.after) == ({"red", "blue"}, 1.0)
    assert [({e.text for e in o.expansions}, o.gain) for o in found.others] == [({"red", "blue", "green"}, 0.5)]
    for expansions in (found.expansions, *(other.expansions for other in found.others)):
        assert parse(environment.say(expansions), environment.expansion) == Parsed(expansions)


def test_a_weight_that_no_completion_may_write_is_refused() -> None:
    with pytest.raises(LeserError, match=r"verified\.ready_weights 9 is not valid"):
        searched(shop(), Near(), ready_weights=(9.0,))
    assert searched(shop(), None, ready_weights=(9.0,)).failed == 0, "without an encoder they are not needed"
