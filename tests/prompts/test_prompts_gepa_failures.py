"""What fails in GEPA's search is not a score: neither a 0 that it learns from, nor a reason to prefer a prompt."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import pytest
from chat_server import chat_server
from leser_memory import MemoryBackend
from leser_prompts.keywords import KEYWORDS_FOR_A_QUERY
from leser_prompts.prompt_search import EngineAdapter, SearchLimits, TriedPrompt, search_prompts
from leser_prompts.searched import best_prompt
from leser_prompts.teacher import Marked
from prompted_model import Body, Fit, Model, Reply, fit_gepa, prompt_of
from prompted_shop import SHELF, context_of, split

from leser.backend import Document, ExpandedQuery, Ranking, SearchError
from leser.engine import SearchClient, SearchOptions
from leser.errors import EngineDown, LeserError
from leser.evaluation.calls import state_of
from leser.task import Query, Split

TAUGHT = "Always add the word settee."
NAN = math.nan


@pytest.fixture
def fitted() -> Iterator[Fit]:
    with ExitStack() as stack:
        yield partial(fit_gepa, stack)


def test_a_model_that_proposes_nothing_ends_the_search_with_the_first_prompt(
    fitted: Fit, caplog: pytest.LogCaptureFixture
) -> None:
    class Silent(Model):
        def __call__(self, body: Body, before: int) -> Reply:
            return super().__call__(body, before) if prompt_of(body) else (500, "no")

    made, server = fitted(Silent(TAUGHT), passes=50)
    assert made.prompt == KEYWORDS_FOR_A_QUERY
    assert made.dev_reward == pytest.approx(0.631, abs=0.001)
    assert sum(prompt_of(body) is None for body in server.bodies) == 3, "three failures in a row are enough"
    assert "ended early, and goes on with what it has. The endpoint" in caplog.text
    assert "answered 500" in caplog.text


def test_prompts_may_come_from_another_model_than_the_one_that_writes(fitted: Fit) -> None:
    with chat_server(Model(TAUGHT)) as other:
        made, server = fitted(Model(), reflection={"url": other.address, "model": "large"})
    assert made.prompt == TAUGHT
    assert all(prompt_of(body) for body in server.bodies), "the small model only writes"
    assert {prompt_of(body) for body in other.bodies} == {None}
    assert {(body["model"], body["max_tokens"], body["temperature"]) for body in other.bodies} == {("large", 512, 1.0)}


def test_a_key_that_is_not_there_is_said_before_anything_is_written(fitted: Fit) -> None:
    model = Model()
    reflection = {"url": "http://localhost:1/v1", "model": "large", "api_key_env": "NO_SUCH_KEY"}
    context = context_of()
    with pytest.raises(LeserError, match=r"NO_SUCH_KEY.* is not set"):
        fitted(model, context, reflection=reflection)
    assert context.client.stats().asked == 0


class DiesAfter(Model):
    """Its server refuses what comes after a number of keyword lists under the new prompt."""

    def __init__(self, lists: int) -> None:
        super().__init__(TAUGHT)
        self.left = lists

    def keywords(self, prompt: str, asked: str) -> Reply:
        if prompt == TAUGHT:
            self.left -= 1
        return super().keywords(prompt, asked) if self.left >= 0 else (401, "the key has expired")


@pytest.mark.parametrize(("lists", "found"), [(4, TAUGHT), *((few, KEYWORDS_FOR_A_QUERY) for few in (1, 2, 3))])
def test_a_model_that_dies_on_the_way_leaves_what_was_found_until_then(fitted: Fit, lists: int, found: str) -> None:
    made, _ = fitted(DiesAfter(lists))
    assert made.prompt == found, "two lists are for train, two for dev; half of dev judges no prompt"
    assert state_of(made)["prompt"] == found  # type: ignore[index]
    context = context_of()
    assert made.terms(context.task.test.queries) == [(), ()]
    assert ["answered 401" in why.message for why in made.failures(context.task.test.queries) if why] == [True, True]


def test_an_answer_that_failed_under_the_old_prompt_is_no_gain_of_the_new_one(fitted: Fit) -> None:
    class Fails(Model):
        def keywords(self, prompt: str, asked: str) -> Reply:
            failed = prompt == KEYWORDS_FOR_A_QUERY and "Query: red" in asked
            return (400, "no") if failed else (200, "lamp")

    model = Fails("Write lamp.")
    made, _ = fitted(model)
    assert [prompt for prompt, _ in made.tried] == [KEYWORDS_FOR_A_QUERY], "0 to .63 on the red couch would be a gain"
    assert "green couch" in model.read[0]
    assert "red couch" not in model.read[0], "nothing is learned from it"


def test_an_answer_that_failed_under_the_new_prompt_does_not_speak_against_it(fitted: Fit) -> None:
    class Fails(Model):
        def keywords(self, prompt: str, asked: str) -> Reply:
            failed = prompt == TAUGHT and "Query: red" in asked
            return (400, "no") if failed else super().keywords(prompt, asked)

    made, _ = fitted(Fails(TAUGHT))
    assert made.prompt == TAUGHT, "as a 0, the red couch would outweigh what the green one gains"


class Refusing(MemoryBackend):
    """Fails on every search for lamps beside a red couch."""

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> list[Ranking | SearchError]:
        found = super().search(queries, k, total=total)
        bad = [q.text == "red couch" and any(term.text == "lamp" for term in q.terms) for q in queries]
        return [SearchError("no") if b else f for b, f in zip(bad, found, strict=True)]


def test_a_search_that_failed_is_not_learned_from(fitted: Fit) -> None:
    model = Model("Write lamps.")
    made, _ = fitted(model, replace(context_of(), client=SearchClient(Refusing.of(SHELF))))
    assert [prompt for prompt, _ in made.tried] == [KEYWORDS_FOR_A_QUERY]
    assert "green couch" in model.read[0]
    assert "red couch" not in model.read[0]


class Forgetful(MemoryBackend):
    """Searches, and gives no document."""

    def fetch(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
        raise RuntimeError("no such shard")


def test_an_engine_that_is_down_while_the_library_reflects_is_not_swallowed(fitted: Fit) -> None:
    client = SearchClient(Forgetful.of(SHELF), SearchOptions(retries=0, deadline=0.1))
    with pytest.raises(EngineDown, match="no such shard"):
        fitted(Model(TAUGHT), replace(context_of(), client=client))


def test_what_is_raised_while_it_proposes_is_raised_once_more() -> None:
    def mark(prompt: str, part: Split, queries: Sequence[Query]) -> list[Marked]:
        return [Marked(part, query, "lamp", (), 0.0) for query in queries]

    def broken(asked: str, number: int) -> str:
        raise OSError(f"no memory for proposal {number}")

    limits = SearchLimits(budget=50, proposals=9, examples=2, chars=100)
    adapter = EngineAdapter(mark, lambda marked: ["said"] * len(marked), broken, limits)
    rows = [(part, query) for part in (split("train", range(2)),) for query in part.queries]
    with pytest.raises(OSError, match="no memory for proposal 0"):
        search_prompts("Write.", rows, rows, adapter, limits, 0)


def test_the_endpoints_own_limit_holds_for_search_and_test_together(fitted: Fit) -> None:
    made, server = fitted(Model(*(f"Be worse, way {n}." for n in range(50))), endpoint={"max_requests": 9}, passes=50)
    assert len(server.bodies) == 9
    assert made.prompt == KEYWORDS_FOR_A_QUERY
    context = context_of()
    made.terms(context.task.test.queries)
    (first, _) = made.failures(context.task.test.queries)
    assert first is not None
    assert "endpoint.max_requests (9) are spent" in first.message


def test_without_train_queries_or_a_reward_for_them_it_says_so(fitted: Fit) -> None:
    context = context_of()
    without = replace(context.task, train=Split("train", (), {}))
    with pytest.raises(
        LeserError, match="gepa searches for its prompt on train, and the task shop has no train queries"
    ):
        fitted(Model(), replace(context, task=without))
    blind = replace(context.task, train=replace(context.task.train, qrels={}))
    with pytest.raises(LeserError, match="for none of its 2 queries is there a reward"):
        fitted(Model(), replace(context, task=blind))


def test_prompts_are_compared_on_what_both_were_marked_for() -> None:
    first = TriedPrompt("first", (0.5,) * 10)
    assert best_prompt([first, TriedPrompt("equal", (0.5,) * 10)]) == "first"
    assert best_prompt([first, TriedPrompt("better", (NAN, *(0.6,) * 9))]) == "better"
    assert best_prompt([first, TriedPrompt("unknown", (NAN, NAN, *(0.9,) * 8))]) == "first"
    assert best_prompt([first, TriedPrompt("better", (0.6,) * 10), TriedPrompt("less", (0.55,) * 10)]) == "better"
    assert TriedPrompt("some", (NAN, 0.2, 0.4)).mean == pytest.approx(0.3)
