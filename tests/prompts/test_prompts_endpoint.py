"""A model behind an endpoint: what it is sent, what is repeated, what is a failure, and that no key is ever shown."""

from __future__ import annotations

import pytest
from chat_server import Answer, ChatServer, chat_server
from leser_prompts.base import turns
from leser_prompts.endpoint import WritingEndpoint
from leser_prompts.options import WritingEndpointOptions

from leser.backend import SearchError
from leser.errors import LeserError

KEY = "sk-very-secret"
PROMPTS = [turns("Be brief.", f"Query: q{n}") for n in range(6)]


def endpoint(server: ChatServer, **options: object) -> WritingEndpoint:
    given = WritingEndpointOptions.model_validate({"url": server.address, "model": "small", **options})
    return WritingEndpoint(given, seed=7, first_wait=0.001)


def echo(body: dict[str, object], _: int) -> tuple[int, str]:
    return 200, "about " + body["messages"][-1]["content"]  # type: ignore[index]


def test_each_prompt_has_its_own_answer_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", f"{KEY}\n")
    with chat_server(echo) as server:
        one = endpoint(server, api_key_env="MY_KEY", body={"top_p": 0.9, "max_tokens": 5})
        assert one.write(PROMPTS, 64, 0.8, 2) == [f"about Query: q{n}" for n in range(6)]
    assert {header["authorization"] for header in server.headers} == {f"Bearer {KEY}"}
    first = next(body for body in server.bodies if body["messages"][-1]["content"] == "Query: q0")
    assert first == {
        "model": "small",
        "max_tokens": 5,
        "temperature": 0.8,
        "seed": 9,
        "top_p": 0.9,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Query: q0"}],
    }
    assert one.requests == 6


def test_without_a_key_none_is_sent() -> None:
    with chat_server(echo) as server:
        assert endpoint(server).write(PROMPTS[:1], 8, 0.0, 0) == ["about Query: q0"]
    assert "authorization" not in server.headers[0]


def test_a_key_that_is_not_set_is_an_error_at_once() -> None:
    with pytest.raises(LeserError, match=r"named by endpoint\.api_key_env \(now NO_SUCH_KEY\) is not set"):
        WritingEndpoint(WritingEndpointOptions(url="http://x/v1", model="m", api_key_env="NO_SUCH_KEY"), 0)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_passes_is_repeated(status: int) -> None:
    with chat_server(lambda body, before: (status, "wait") if before < 2 else echo(body, before)) as server:
        one = endpoint(server, attempts=3)
        assert one.write(PROMPTS[:2], 8, 0.0, 0) == ["about Query: q0", "about Query: q1"]
    assert one.requests == 6


def test_what_does_not_pass_in_time_is_a_passing_failure() -> None:
    with chat_server(lambda *_: (503, "full")) as server:
        one = endpoint(server, attempts=2)
        (failure,) = one.write(PROMPTS[:1], 8, 0.0, 0)
    assert isinstance(failure, SearchError)
    assert failure.kind == "transient"
    assert "answered 503" in failure.message
    assert one.requests == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda *_: (400, '{"error": "no such model"}'), "answered 400"),
        (lambda *_: (401, f'{{"error": "the key {KEY} is wrong"}}'), "answered 401"),
        (lambda *_: (200, '{"choices": []}'), "sent no chat completion"),
        (lambda *_: (200, '{"choices": [{"message": {"content": null}}]}'), "sent an empty text"),
        (lambda *_: (200, "{nothing"), "sent no chat completion"),
        (lambda *_: (302, "elsewhere"), "answered 302"),
    ],
)
def test_a_failure_for_good_is_a_value_asked_once_without_the_key(
    answer: Answer, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with chat_server(answer) as server:
        one = endpoint(server, api_key_env="MY_KEY", url=server.address.replace("http://", "http://me:pass@"))
        (failure,) = one.write(PROMPTS[:1], 8, 0.0, 0)
    assert isinstance(failure, SearchError)
    assert said in failure.message
    assert "model small" in failure.message
    assert KEY not in failure.message
    assert "pass@" not in failure.message
    assert one.requests == 1


def test_an_endpoint_that_is_not_there() -> None:
    with chat_server(echo) as server:
        pass
    (failure,) = endpoint(server, attempts=2).write(PROMPTS[:1], 8, 0.0, 0)
    assert isinstance(failure, SearchError)
    assert "did not answer: ConnectError" in failure.message


def test_a_slow_answer_is_not_waited_for_without_end() -> None:
    import time

    def slow(body: dict[str, object], before: int) -> tuple[int, str]:
        time.sleep(0.5)
        return echo(body, before)

    with chat_server(slow) as server:
        (failure,) = endpoint(server, timeout=0.05, attempts=1).write(PROMPTS[:1], 8, 0.0, 0)
    assert isinstance(failure, SearchError)
    assert "ReadTimeout" in failure.message


def test_the_budget_holds_repeated_requests_too() -> None:
    with chat_server(lambda body, before: (503, "x") if before == 0 else echo(body, before)) as server:
        one = endpoint(server, max_requests=5, concurrency=1)
        texts = one.write(PROMPTS, 8, 0.0, 0)
    assert [isinstance(text, str) for text in texts] == [True, True, False, False, False, False]
    assert isinstance(texts[-1], SearchError)
    assert "endpoint.max_requests (5) are spent" in texts[-1].message
    assert len(server.bodies) == 5


def test_an_endpoint_that_only_fails_is_left_in_peace() -> None:
    with chat_server(lambda *_: (400, "no")) as server:
        one = endpoint(server, give_up=2, concurrency=1)
        texts = one.write(PROMPTS, 8, 0.0, 0)
    assert all(isinstance(text, SearchError) for text in texts)
    assert len(server.bodies) == 2


def test_a_reasoning_before_the_answer_is_left_out() -> None:
    with chat_server(lambda *_: (200, "<think>sofa? couch?</think>\n settee")) as server:
        assert endpoint(server).write(PROMPTS[:1], 8, 0.0, 0) == ["settee"]
