"""Guards: each refuses by itself, and nothing goes live that no judge or unseen judgment speaks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from leser_memory import MemoryBackend
from leser_relevance import NDCG
from verified_shop import COUCH, RUG, SOFAS, Shiny, environment_of, shelf

from leser.backend import ExpandedQuery, Ranking, SearchError
from leser.expansion import Expansion
from leser.expansion_store import EntryState
from leser.offline.guards import GuardedAnswer, GuardReason, Guards, ProposedExpansions
from leser.offline.options import PrecomputeOptions
from leser.reward import parse_spec
from leser.task import Query, Split

LABELS = Split("train", (COUCH,), {"q1": SOFAS})
NO_LABELS = Split("none", (), {})


class FailsOnLamp(MemoryBackend):
    """An engine that fails whenever "lamp" is added to a query."""

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> Any:
        answers = super().search(queries, k, total=total)
        broken = SearchError("out of memory", "engine")
        return [broken if any(t.text == "lamp" for t in q.terms) else a for q, a in zip(queries, answers, strict=True)]


def weighed(
    *proposals: Sequence[str | Expansion],
    query: Query = COUCH,
    labels: Split = LABELS,
    environment: Any = None,
    **options: Any,
) -> GuardedAnswer:
    given = [
        ProposedExpansions(str(n), tuple(e if isinstance(e, Expansion) else Expansion(e) for e in words))
        for n, words in enumerate(proposals)
    ]
    guards = Guards(environment or environment_of(), PrecomputeOptions(measure="nDCG@5", top=3, **options), labels)
    return guards.weigh([query], [given])[0]


def test_what_both_halves_of_the_judgments_speak_for_is_live():
    answer = weighed(["sofa"])
    assert (answer.state, answer.expansions, answer.reason) == (EntryState.LIVE, (Expansion("sofa"),), None)
    assert answer.scores["gain"] > 0.01
    assert answer.scores["nDCG@5 confirmed"] > 0


def test_the_better_proposal_is_kept_whoever_makes_it():
    assert weighed(["cover"], ["sofa"]).by == "1"
    assert weighed(["sofa"], ["cover"]).by == "0"


def test_labels_that_a_set_was_chosen_on_do_not_prove_it():
    one = Split("train", (COUCH,), {"q1": {"sofa1": 1}})  # the second half is empty
    answer = weighed(["sofa"], labels=one)
    assert (answer.state, answer.expansions) == (EntryState.PROPOSED, (Expansion("sofa"),))
    assert "nDCG@5 confirmed" not in answer.scores


def test_without_any_judge_it_is_only_proposed():
    answer = weighed(["sofa"], labels=NO_LABELS)
    assert (answer.state, answer.expansions) == (EntryState.PROPOSED, (Expansion("sofa"),))
    assert "gain" not in answer.scores


def test_a_judge_that_needs_no_labels_proves_by_itself():
    shiny = environment_of(
        MemoryBackend.of(shelf({"couch1": "couch", "sofa1": "shiny sofa"})), [Shiny(parse_spec("shiny@2"))]
    )
    answer = weighed(["sofa"], labels=NO_LABELS, environment=shiny)
    assert (answer.state, answer.scores["gain"]) == (EntryState.LIVE, pytest.approx(0.5 - 0.0))


def test_the_second_half_refuses_what_the_first_was_fooled_by():
    halves = Guards(environment_of(), PrecomputeOptions(), LABELS)
    first, second = set(halves.chosen_on.qrels["q1"]), set(halves.confirmed_on.qrels["q1"])
    assert first | second == set(SOFAS)
    assert not first & second
    plain, gems = ("a1", "a2", *sorted(second)), ("b1", "b2", *sorted(first))
    titles = dict.fromkeys(plain, "couch") | dict.fromkeys(gems, "couch gem")
    fooled = environment_of(MemoryBackend.of(shelf(titles)))
    answer = weighed(["gem"], environment=fooled, overlap=0)
    assert (answer.expansions, answer.reason) == ((), GuardReason.JUDGMENTS)
    assert answer.state is EntryState.LIVE  # left alone, and known to be best so


def test_overlap_with_the_originals_top():
    assert weighed(["lamp"], overlap=1.0, labels=NO_LABELS).scores["overlap@3"] == 1.0
    answer = weighed([Expansion("lamp", 4.0)], overlap=0.9, labels=NO_LABELS)
    assert answer.reason is GuardReason.OVERLAP
    assert answer.scores["overlap@3"] < 0.9


def test_a_judges_margin():
    assert weighed(["grey"], margin=0.0).reason is None
    assert weighed(["sofa"], margin=0.9).reason is GuardReason.JUDGE


def test_rules_take_expansions_out_and_an_empty_rest_is_refused():
    assert weighed(["couch"]).reason is GuardReason.RULES  # repeats the query
    assert weighed(["couch", "sofa"]).expansions == (Expansion("sofa"),)


def test_nothing_found_is_no_reason_to_store_expansions():
    answer = weighed(["zzz"], query=Query("x", "yyy"), labels=NO_LABELS)
    assert (answer.expansions, answer.reason) == ((), GuardReason.NOTHING_FOUND)


def test_a_failed_search_is_no_verdict():
    sick = environment_of(FailsOnLamp.of(shelf()), retries=0)
    answer = weighed(["lamp"], environment=sick)
    assert (answer.state, answer.reason) == (None, GuardReason.ENGINE)
    assert weighed(["lamp"], ["sofa"], environment=sick).expansions == (Expansion("sofa"),)


def test_nothing_proposed_means_left_alone_and_a_lacking_answer_means_none():
    answer = weighed([])
    assert (answer.state, answer.reason) == (EntryState.LIVE, GuardReason.NONE)
    guards = Guards(environment_of(rewards=[NDCG(parse_spec("nDCG@5"))]), PrecomputeOptions(), NO_LABELS)
    lacking = [ProposedExpansions("search", (), GuardReason.UNJUDGED)]
    assert guards.weigh([RUG], [lacking])[0].state is None
    assert guards.weigh([RUG], [[*lacking, ProposedExpansions("policy", ())]])[0].reason is GuardReason.NONE


def test_a_batch_is_weighed_as_one_by_one():
    guards = Guards(environment_of(), PrecomputeOptions(measure="nDCG@5", top=3), LABELS)
    queries = [COUCH, RUG, Query("x", "desk")]
    given = [[ProposedExpansions("0", (Expansion(w),))] for w in ("sofa", "round", "lamp")]
    together = guards.weigh(queries, given)
    assert together == [guards.weigh([q], [g])[0] for q, g in zip(queries, given, strict=True)]
    assert isinstance(guards.environment.originals([COUCH])["q1"], Ranking)
