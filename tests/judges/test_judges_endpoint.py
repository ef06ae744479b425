"""A judge's endpoint: reasoning is no grade, what was paid for is counted, and no secret is in a message."""

from __future__ import annotations

import json

import pytest
from chat_server import Answer, ChatServer, chat_server
from leser_judges.endpoint import Endpoint, EndpointOptions

from leser.chat import ChatEndpoint, ChatFailedForNow, ChatOptions
from leser.errors import LeserError
from leser.options import validate_options

KEY = "sk-very-secret"
USED = {"usage": {"prompt_tokens": 30, "completion_tokens": 7}}


def endpoint(server: ChatServer, **options: object) -> Endpoint:
    return Endpoint(EndpointOptions.model_validate({"url": server.address, "model": "m", "attempts": 1, **options}))


def whole(text: str | None) -> str:
    return json.dumps({"choices": [{"message": {"content": text}}], **USED})


def test_a_draft_in_the_reasoning_is_not_the_answer() -> None:
    said = '<think>perhaps {"1": 0}?</think>\n{"1": 3}'
    with chat_server(lambda *_: (200, whole(said))) as server:
        one = endpoint(server)
        assert one.ask("grade", "x").text == '{"1": 3}'
    assert one.spent == "Spent: 1 requests, 30 tokens in, 7 out."


@pytest.mark.parametrize("text", [None, "", "<think>for ever</think>"])
def test_an_empty_answer_is_a_failure_and_was_paid_for(text: str | None) -> None:
    with chat_server(lambda *_: (200, whole(text))) as server:
        one = endpoint(server)
        assert one.ask("grade", "x").text is None
    assert "sent an empty text" in one.last_failure
    assert one.spent == "Spent: 1 requests, 30 tokens in, 7 out."


@pytest.mark.parametrize(
    "answer", [lambda *_: (400, f'{{"error": "{KEY} may not"}}'), lambda *_: (503, f'{{"error": "{KEY}"}}')]
)
def test_neither_key_nor_password_is_in_the_last_failure(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with chat_server(answer) as server:
        url = server.address.replace("http://", "http://me:pass@")
        one = endpoint(server, url=url, api_key_env="MY_KEY")
        assert one.ask("grade", "x").text is None
    assert "answered" in one.last_failure
    assert KEY not in one.last_failure
    assert "pass" not in one.last_failure


def test_a_refused_login_names_the_address_without_its_password() -> None:
    with chat_server(lambda *_: (401, "no")) as server, pytest.raises(LeserError) as error:
        endpoint(server, url=server.address.replace("http://", "http://me:pass@")).ask("grade", "x")
    assert f"llm_judge: {server.address} answered 401: it wants another key" in str(error.value)


def test_the_endpoint_says_how_long_to_wait() -> None:
    with chat_server(lambda *_: (529, "overloaded")) as server:
        chat = ChatEndpoint(ChatOptions(url=server.address, model="m"))
        with pytest.raises(ChatFailedForNow, match="answered 529") as failure:
            chat.ask({"messages": []})
    assert failure.value.wait is None


def test_both_kinds_of_endpoint_call_their_address_alike() -> None:
    from leser_prompts.keywords import GenQR

    with pytest.raises(LeserError, match=r"endpoint: The option 'address' has a new name\. Write 'url'"):
        validate_options(GenQR.Options, {"endpoint": {"address": "http://x/v1", "model": "m"}}, "baseline 'genqr'")
    assert {"url", "model", "api_key_env", "timeout", "attempts"} <= set(EndpointOptions.model_fields)
