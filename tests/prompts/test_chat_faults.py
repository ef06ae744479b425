"""What a chat endpoint may send that is no answer: a reasoning that was cut off, a wait that is no number; and no address."""

from __future__ import annotations

import pytest
from chat_server import chat_server

from leser.chat import ChatEndpoint, ChatFailed, ChatFailedForNow, ChatOptions, _seconds

BODY = {"messages": [{"role": "user", "content": "Query: q"}]}


@pytest.mark.parametrize("text", ["<think>sofa? couch?", " <thinking>\nsofa", "<think>a</think><think>sofa"])
def test_a_reasoning_that_was_cut_off_is_no_answer(text: str) -> None:
    with chat_server(lambda *_: (200, text)) as server, pytest.raises(ChatFailed, match="Raise max_tokens") as caught:
        ChatEndpoint(ChatOptions(url=server.address, model="m")).ask(BODY)
    assert not isinstance(caught.value, ChatFailedForNow), "the same request would be cut off again"
    assert "sofa" not in str(caught.value)
    assert caught.value.answer is not None, "it was paid for"


def test_what_only_speaks_of_thinking_is_an_answer() -> None:
    with chat_server(lambda *_: (200, "the <think> tag")) as server:
        assert ChatEndpoint(ChatOptions(url=server.address, model="m")).ask(BODY).text == "the <think> tag"


@pytest.mark.parametrize(
    ("said", "wait"), [("nan", None), ("inf", 60.0), ("-3", 0.0), ("7", 7.0), ("Fri, 01 Jan", None), (None, None)]
)
def test_a_wait_that_is_no_number_is_not_waited(said: str | None, wait: float | None) -> None:
    assert _seconds(said) == wait


def test_an_address_that_cannot_be_one_is_a_failure_with_its_cause() -> None:
    with pytest.raises(ChatFailed, match=r"is not a valid address: Invalid port"):
        ChatEndpoint(ChatOptions(url="http://[::1/v1", model="m")).ask(BODY)
