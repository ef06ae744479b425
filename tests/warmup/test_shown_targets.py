"""warmup.targets=shown: what the prompt shows is the target, unless the search says that it harms."""

from __future__ import annotations

import pytest
from leser_memory import MemoryBackend
from verified_shop import COUCH, DESK, RUG, SPLIT, environment_of, shelf

from leser.backend import SearchError
from leser.environment import Attempt
from leser.expansion import ExpansionOptions
from leser.prompt import Observation, PromptOptions
from leser.task import Query, Task
from leser.verified.options import VerifiedOptions
from leser.warmup.shown import HarmlessWords, say_shown, shown_targets

ONE = ExpansionOptions(weight=1.0)


def seen(query: Query, *terms: str) -> Observation:
    return Observation(query, environment_of().originals([query])[query.id], terms=terms)


def test_shown_words_are_said_unless_they_harm_or_there_are_none() -> None:
    observed = [seen(COUCH, "sofa", "velvet"), seen(DESK, "cover", "wool", "rug", "round"), seen(RUG)]
    environment = environment_of(expansion=ExpansionOptions(weight=4.0, max_expansions=4))
    targets = shown_targets(environment, SPLIT, observed, PromptOptions())
    assert [(t.query.id, t.completion) for t in targets] == [("q1", "sofa; velvet"), ("q3", "none"), ("q2", "none")]
    assert targets[0].gain > 0
    assert [t.gain for t in targets[1:]] == [0.0, 0.0]


def test_words_that_harm_alone_are_left_out_and_the_others_keep_their_order() -> None:
    environment = environment_of(expansion=ExpansionOptions(weight=4.0, max_expansions=4))
    task = Task("shop", SPLIT, SPLIT, SPLIT)
    observed = [seen(COUCH, "velvet", "desk", "sofa"), seen(RUG)]
    harmless = HarmlessWords(environment, task, PromptOptions(), VerifiedOptions(weights=(4.0,), keep=0.0))
    targets = shown_targets(environment, SPLIT, observed, PromptOptions(), harmless)
    by_query = {t.query.id: t.completion for t in targets}
    alone = {
        w: environment.score(environment.judge([Attempt(COUCH, 0, w)], SPLIT)).total[0]
        for w in ("none", *observed[0].terms)
    }
    passing = [word for word in observed[0].terms if alone[word] >= alone["none"]]
    assert 0 < len(passing) < 3, "the shop has a word that harms, and one that does not"
    assert by_query["q1"] == "; ".join(passing)
    assert by_query["q2"] == "none"
    few = HarmlessWords(environment, task, PromptOptions(terms=1), VerifiedOptions(weights=(4.0,)))
    assert len(few(observed)[0]) <= 1


def test_words_that_harm_on_average_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    environment = environment_of(expansion=ExpansionOptions(weight=4.0, max_expansions=4))
    shown_targets(environment, SPLIT, [seen(COUCH, "sofa", "velvet")], PromptOptions())
    assert caplog.text == ""
    shown_targets(environment, SPLIT, [seen(DESK, "cover", "wool", "rug", "round")], PromptOptions())
    assert "lower the reward by" in caplog.text
    assert "on average over 1 train queries" in caplog.text


@pytest.mark.parametrize(
    ("terms", "most", "said"), [(2, 5, "a; b"), (8, 3, "a; b; c"), (8, 5, "a; b; c; d"), (0, 5, "none")]
)
def test_no_more_than_the_prompt_shows_and_an_answer_holds(terms: int, most: int, said: str) -> None:
    environment = environment_of(expansion=ExpansionOptions(max_expansions=most))
    assert say_shown(environment, seen(COUCH, "a", "b", "c", "d"), PromptOptions(terms=terms)) == said


class NoClauses(MemoryBackend):
    """The memory engine, failing every query with an added clause."""

    def search(self, queries, k, *, total=False):
        answers = super().search(queries, k, total=total)
        return [SearchError("overloaded", "query") if q.terms else a for q, a in zip(queries, answers, strict=True)]


def test_a_failed_search_teaches_nothing_not_even_to_leave_the_query_alone() -> None:
    environment = environment_of(NoClauses.of(shelf()), expansion=ONE)
    assert shown_targets(environment, SPLIT, [seen(COUCH, "sofa")], PromptOptions()) == []
