"""What backends answer to a search: a third party's mistakes, one each, which a real engine does not make on demand.

All go through the client, as in a run: a wrong answer is PluginFault, naming plugin, method, what came and what was wanted.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from leser_memory import MemoryBackend
from sick_answers import Change, sick

from leser.backend import ExpandedQuery, Hit, Ranking, SearchError
from leser.engine import SearchClient, SearchOptions
from leser.environment import Attempt, Environment
from leser.errors import LeserError, PluginFault
from leser.evaluation.measures import Measurer
from leser.evaluation.systems import SystemRun
from leser.expansion import ExpansionOptions
from leser.plugins import load_plugins
from leser.scoring import RewardSet
from leser.task import Query, Split
from leser.testing import DOCUMENTS

QUERY = ExpandedQuery("q", "lamp")


def hits(change: Callable[[Hit], Any]) -> Change:
    """A change of every hit of every ranking."""
    return lambda answers: [Ranking(tuple(change(hit) for hit in answer.hits)) for answer in answers]


def score(value: Any) -> Change:
    return hits(lambda hit: Hit(hit.id, value))


WRONG: dict[str, tuple[Change, str]] = {
    "None": (lambda _: None, r"answered None\. Wanted: a list of 1 answers"),
    "a generator": (iter, r"type list_iterator\)\. Wanted: a list of 1 answers"),
    "too few answers": (lambda _: [], r"answered 0 answers to 1 queries\. Wanted: one answer per query"),
    "too many": (lambda answers: answers * 2, r"answered 2 answers to 1 queries"),
    "a dictionary per query": (lambda answers: [{"hits": a.ids} for a in answers], r"type dict\)\. Wanted: a Ranking"),
    "a class": (lambda _: [Ranking], r"type type\)\. Wanted: a Ranking"),
    "None per query": (lambda answers: [None for _ in answers], r"answered None\. Wanted: a Ranking"),
    "a list of hits": (lambda a: [Ranking(list(one.hits)) for one in a], r"type list\)\. Wanted: a tuple of Hit"),  # type: ignore[arg-type]
    "pairs for hits": (hits(lambda hit: (hit.id, hit.score)), r"type tuple\)\. Wanted: Hit\(id, score\)"),
    "dictionaries for hits": (hits(lambda hit: {"id": hit.id}), r"type dict\)\. Wanted: Hit\(id, score\)"),
    "integer ids": (
        hits(lambda hit: Hit(int(hit.id[1:]), hit.score)),
        r"id is \d \(type int\)\. Wanted: the id as text",
    ),  # type: ignore[arg-type]
    "empty ids": (hits(lambda hit: Hit("", hit.score)), r"id is '' .*Wanted: the id as text, not empty"),
    "no ids": (hits(lambda hit: Hit(None, hit.score)), r"id is None\. Wanted: the id as text"),  # type: ignore[arg-type]
    "scores as text": (
        score("1.5"),
        r"the score '1\.5' \(type str\) for the document 'd\d+'\. Wanted: a finite number",
    ),
    "no scores": (score(None), r"the score None for the document"),
    "scores that are no number": (score(math.nan), r"the score nan \(type float\) for the document"),
    "endless scores": (score(math.inf), r"the score inf \(type float\) for the document"),
    "more than k": (
        lambda a: [Ranking((*one.hits, Hit("x", 0.0), Hit("y", 0.0))) for one in a],
        r"4 hits\. Wanted: at most",
    ),
    "a total as text": (lambda a: [Ranking(one.hits, total="2") for one in a], r"total is '2' \(type str\)"),  # type: ignore[arg-type]
    "a time as text": (lambda a: [Ranking(one.hits, took_ms="2ms") for one in a], r"took_ms is '2ms'"),  # type: ignore[arg-type]
    "an unknown kind of error": (
        lambda a: [SearchError("slow", "timeout") for _ in a],
        r"kinds engine, query, transient",
    ),  # type: ignore[arg-type]
    "an error without words": (lambda a: [SearchError(None) for _ in a], r"the message None"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_answer_to_a_search_is_told_at_the_first_call(case: str) -> None:
    change, said = WRONG[case]
    with SearchClient(sick("search", change)) as client, pytest.raises(PluginFault, match=said) as told:
        client.search([QUERY], 2)
    assert str(told.value).startswith("Backend 'sick' (sick_answers.Sick): search()")
    assert told.value.exit_code == 2


def test_the_query_that_was_answered_wrongly_is_named() -> None:
    def third(answers: Any) -> Any:
        return [Ranking((Hit(3, 1.0),)) if place == 2 else answer for place, answer in enumerate(answers)]  # type: ignore[arg-type]

    batch = [ExpandedQuery(str(n), text) for n, text in enumerate(("sofa", "lamp", "wool rug", "table"))]
    with (
        SearchClient(sick("search", third)) as client,
        pytest.raises(PluginFault, match="searching for 'wool rug', answered"),
    ):
        client.search(batch, 2)


def test_numbers_of_another_library_become_pythons_own() -> None:
    right = MemoryBackend.of(DOCUMENTS).search([QUERY], 10)[0]
    with SearchClient(sick("search", hits(lambda hit: Hit(hit.id, np.float32(hit.score))))) as client:  # type: ignore[arg-type]
        (answer,) = client.search([QUERY], 10)
    assert answer == right
    assert isinstance(answer, Ranking)
    assert {type(hit.score) for hit in answer.hits} == {float}


class Doubling(MemoryBackend):
    """Gives the first document again at the end, and the best score last."""

    name = "doubling"

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> list[Ranking | SearchError]:
        answers = super().search(queries, k, total=total)
        return [
            Ranking((*a.hits[:-1], Hit(a.hits[0].id, 99.0))) if isinstance(a, Ranking) and len(a.hits) > 2 else a
            for a in answers
        ]


def test_repeats_and_rising_scores_are_mended_counted_and_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    right = MemoryBackend.of(DOCUMENTS).search([ExpandedQuery("q", "lamp sofa")], 3)[0]
    assert isinstance(right, Ranking)
    with caplog.at_level(logging.WARNING), SearchClient(Doubling.of(DOCUMENTS)) as client:
        (answer,) = client.search([ExpandedQuery("q", "lamp sofa")], 3)
        client.search([ExpandedQuery("q", "sofa lamp rug")], 3)
    assert answer == Ranking(right.hits[:2])
    assert (client.stats().repeated_ids, client.stats().rising_scores) == (2, 2)
    assert caplog.text.count("holds documents twice") == 1
    assert caplog.text.count("scores that rise") == 1
    assert "'doubling'" in caplog.text

    rising = hits(lambda hit: Hit(hit.id, -hit.score))
    with SearchClient(sick("search", rising)) as client:
        (answer,) = client.search([ExpandedQuery("q", "lamp sofa")], 3)
    assert isinstance(answer, Ranking)
    assert answer.ids == right.ids, "the order is the engine's"
    assert [hit.score for hit in answer.hits] == [-right.hits[0].score] * 3
    assert client.stats().rising_scores == 1


def test_rewards_and_measures_see_the_same_mended_ranking() -> None:
    query = Query("q", "lamp sofa")
    split = Split("test", (query,), {"q": {"d07": 1, "d08": 1, "d01": 1}})
    rewards = RewardSet.from_specs(["P@3"], load_plugins().all("reward"))
    with SearchClient(Doubling.of(DOCUMENTS), SearchOptions(cache_size=0)) as client:
        environment = Environment(client, rewards, ExpansionOptions())
        (outcome,) = environment.judge([Attempt(query, 0, "none")], split)
        assert outcome.expanded is not None
        assert len(set(outcome.expanded.ids)) == len(outcome.expanded.ids)
        measured = Measurer(split, ["P@3"])(SystemRun("s", {"q": outcome.expanded}))["P@3"]["q"]
        assert environment.score([outcome]).total[0] == pytest.approx(measured)


def test_a_search_that_ends_the_process_is_a_fault() -> None:
    def leave(_: Any) -> Any:
        raise SystemExit

    with (
        SearchClient(sick("search", leave)) as client,
        pytest.raises(LeserError, match=r"search\(\) ended the process"),
    ):
        client.search([QUERY], 2)
