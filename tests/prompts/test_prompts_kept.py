"""Prompt methods in a store and in a service: what they keep, what a failed text becomes there, and that a service has no end."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import leser_prompts.endpoint
import pytest
from chat_server import Answer, chat_server
from environments import environment_of
from leser_memory import MemoryBackend
from leser_prompts import GenQR, Query2E
from leser_prompts.base import turns
from leser_prompts.endpoint import WritingEndpoint
from leser_prompts.options import WritingEndpointOptions
from prompted_shop import SHELF, context_of, method

from leser.backend import SearchError
from leser.baseline import Baseline
from leser.engine.answers import WrongAnswer
from leser.evaluation.calls import failures_of, ranks_itself, state_of
from leser.offline.by_baseline import BaselineProposer
from leser.offline.guards import GuardReason
from leser.originals import keep_last
from leser.task import Query, Split

ASKED = [turns("Be brief.", "Query: red couch")]


def settee(body: dict[str, Any], _: int) -> tuple[int, str]:
    return (400, "no") if "white" in body["messages"][-1]["content"] else (200, "a settee")


def test_a_method_keeps_what_dev_chose_and_query2e_its_examples() -> None:
    with chat_server(settee) as server:
        for cls, kept in ((GenQR, {"chosen"}), (Query2E, {"chosen", "examples"})):
            assert not ranks_itself(cls)
            made, again = (method(cls, server.address) for _ in range(2))
            made.fit(context_of())
            state = json.loads(json.dumps(state_of(made)))
            assert set(state) == kept
            bare = replace(context_of().task, train=Split("train", (), {}), dev=Split("dev", (), {}))
            again.restore(state, replace(context_of(), task=bare))
            queries = context_of().task.test.queries[:1]
            asked, clauses = [], []
            for one in (made, again):
                before = len(server.bodies)
                clauses.append(one.terms(queries))
                asked.append(server.bodies[before:])
            assert clauses[0] == clauses[1] != [()]
            assert asked[0] == asked[1], "the examples are kept, too"


def test_a_text_that_failed_is_no_answer_of_a_store_and_is_asked_for_again() -> None:
    trouble = [True]

    def answer(body: dict[str, Any], before: int) -> tuple[int, str]:
        return settee(body, before) if trouble[0] else (200, "a settee")

    context = context_of()
    brown, white = context.task.test.queries
    with chat_server(answer) as server:
        baseline = method(GenQR, server.address, samples=1)
        environment = environment_of(MemoryBackend.of(SHELF))
        proposer = BaselineProposer(baseline, context, environment, "genqr@1", pytest.fail)
        known, lacking = proposer.propose([brown, white], context.task.test)
        assert [e.text for e in known.expansions] == ["settee"]
        assert (known.lacking, known.failure) == (None, "")
        assert (lacking.expansions, lacking.lacking) == ((), GuardReason.ENGINE)
        assert "answered 400" in lacking.failure
        trouble.clear()
        trouble.append(False)
        (again,) = proposer.propose([white], context.task.test)
    assert [e.text for e in again.expansions] == ["settee"]


def test_what_a_baseline_says_of_failures_is_checked() -> None:
    class Wrong(Baseline):
        """It says something else."""

        name = "wrong"

        def terms(self, queries: Any) -> Any:
            return [()] * len(queries)

        def failures(self, queries: Any) -> Any:
            return self.said

        said: Any = None

    baseline, queries = Wrong(), [Query("1", "a"), Query("2", "b")]
    assert failures_of(baseline, queries) == [None, None]
    for said in ([None], "no", [None, "no"]):
        baseline.said = said
        with pytest.raises(WrongAnswer, match=r"Baseline 'wrong' .* failures\(\)"):
            failures_of(baseline, queries)


def lasting(address: str, **options: Any) -> WritingEndpoint:
    given = WritingEndpointOptions.model_validate({"url": address, "model": "m", "attempts": 1, **options})
    return WritingEndpoint(given, seed=0, first_wait=0.001, lasting=True)


def test_a_services_endpoint_has_no_number_of_requests() -> None:
    with chat_server(settee) as server:
        one = lasting(server.address, max_requests=2)
        assert [one.write(ASKED, 8, 0.0, 0) for _ in range(4)] == [["a settee"]] * 4


def test_a_services_endpoint_rests_after_failures_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now, well = [0.0], [False]
    monkeypatch.setattr(leser_prompts.endpoint, "monotonic", lambda: now[0])
    answer: Answer = lambda *_: (200, "a settee") if well[0] else (401, "no")  # noqa: E731
    with chat_server(answer) as server:
        one = lasting(server.address, give_up=2)

        def write() -> Any:
            return one.write(ASKED, 8, 0.0, 0)[0]

        assert "answered 401" in write().message
        assert "answered 401" in write().message
        now[0] = 29.0
        assert "failed 2 times in a row, and is not asked for 30 seconds" in write().message
        assert len(server.bodies) == 2
        now[0] = 30.0
        assert "answered 401" in write().message, "one request tries it"
        assert isinstance(write(), SearchError)
        assert len(server.bodies) == 3
        now[0], well[0] = 60.0, True
        assert [write(), write()] == ["a settee", "a settee"], "it is well again"
        assert len(server.bodies) == 5


def test_what_is_used_now_is_kept() -> None:
    kept = dict.fromkeys("abcd")
    keep_last(kept, 2, ["a", "d", "a"])
    assert list(kept) == ["a", "d"], "a was put in first, and is asked for now"
