"""A model behind an endpoint of the chat-completions form (OpenAI's, vLLM's, Ollama's): one request, and which failures pass.

    chat = ChatEndpoint(options)
    answer = chat.retrying(lambda: chat.ask({"messages": [...], "max_tokens": 64}))

A budget is the caller's: what is to hold for every attempt goes into the function that is retried.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from leser.options import CREDENTIALS, Options, secret
from leser.printable import printable

if TYPE_CHECKING:
    import httpx

AnswerT = TypeVar("AnswerT")
_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_REASONING = re.compile(r"^.*</think(?:ing)?>", re.DOTALL)
_CUT_OFF = re.compile(r"\s*<think(?:ing)?>")
"""What an answer begins with whose tokens were spent before the reasoning came to its end."""
_LONGEST_WAIT = 30.0
"""Seconds between two attempts, at most, where the endpoint names no time."""
_LONGEST_NAMED = 60.0
"""Seconds between two attempts, at most, where it does."""
_SHOWN = 300


class ChatOptions(Options):
    """Where the model is, and how long an answer is waited for."""

    url: str = Field(
        "", pattern=r"^https?://", description="address up to and with /v1, such as http://localhost:11434/v1"
    )
    model: str = Field("", min_length=1, description="the model's name, as the endpoint calls it")
    api_key_env: str | None = Field(None, description="environment variable that holds the key; none: no key is sent")
    timeout: float = Field(60.0, gt=0, description="seconds that an answer may take")
    attempts: int = Field(4, ge=1, description="most requests for one answer; only passing failures are repeated")


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """What the model wrote, without a reasoning before it; tokens sent and received, None where they were not counted."""

    text: str
    tokens_in: int | None = None
    tokens_out: int | None = None


class ChatFailed(Exception):
    """No answer, and the same request would bring none. The text is fit to be shown; `answer` is what was paid for."""

    def __init__(self, said: str, status: int = 0, answer: ChatAnswer | None = None) -> None:
        super().__init__(said)
        self.status, self.answer = status, answer


class ChatFailedForNow(ChatFailed):
    """No answer now, perhaps one after a wait; `wait` is how long the endpoint says to wait, in seconds."""

    def __init__(self, said: str, status: int = 0, wait: float | None = None) -> None:
        super().__init__(said, status)
        self.wait = wait


class ChatEndpoint:
    """Asks one endpoint; safe to use from several threads. Raises LeserError where the key's variable is not set.

    `key_option` is what messages call the option that names it, `first_wait` about the seconds before a second attempt.
    """

    def __init__(self, options: ChatOptions, *, key_option: str = "api_key_env", first_wait: float = 1.0) -> None:
        self.options = options
        self._key = secret(options.api_key_env, key_option)
        self._first_wait = first_wait

    @property
    def place(self) -> str:
        """The address without credentials."""
        return CREDENTIALS.sub("", self.options.url)

    def retrying(self, ask: Callable[[], AnswerT]) -> AnswerT:
        """Call `ask` until it answers, at most `attempts` times; raises ChatFailed, the last one where none answered."""
        attempts = Retrying(
            retry=retry_if_exception_type(ChatFailedForNow),
            stop=stop_after_attempt(self.options.attempts),
            wait=self._wait,
            reraise=True,
        )
        return attempts(ask)

    def ask(self, body: Mapping[str, Any]) -> ChatAnswer:
        """One request with these keys beside the model's name; raises ChatFailed or ChatFailedForNow."""
        import httpx

        try:
            answer = self._client.post("chat/completions", json={"model": self.options.model, **body})
        except httpx.InvalidURL as error:
            raise ChatFailed(self.said(f"is not a valid address: {error}")) from error
        except httpx.HTTPError as error:
            raise ChatFailedForNow(self.said(f"did not answer: {type(error).__name__}: {error}")) from error
        status = answer.status_code
        if status in _PASSING:
            wait = _seconds(answer.headers.get("retry-after"))
            raise ChatFailedForNow(self.said(f"answered {status}: {answer.text}"), status, wait)
        if status != httpx.codes.OK:
            raise ChatFailed(self.said(f"answered {status}: {answer.text}"), status)
        return self._read(answer)

    def said(self, what: str) -> str:
        """A message that holds neither the key nor credentials of the address, whatever the endpoint repeats."""
        told = CREDENTIALS.sub("", f"The endpoint {self.options.url} (model {self.options.model}) {what}")
        return printable(told.replace(self._key, "***") if self._key else told, _SHOWN)

    def _read(self, answer: httpx.Response) -> ChatAnswer:
        status = answer.status_code
        try:
            told: Any = answer.json()
            text, usage = told["choices"][0]["message"]["content"], told.get("usage") or {}
            counts = [
                None if usage.get(name) is None else int(usage[name]) for name in ("prompt_tokens", "completion_tokens")
            ]
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ChatFailed(self.said(f"sent no chat completion: {answer.text}"), status) from error
        read = ChatAnswer(_REASONING.sub("", text).strip() if isinstance(text, str) else "", *counts)
        if _CUT_OFF.match(read.text):
            raise ChatFailed(self.said("was cut off inside its reasoning. Raise max_tokens"), status, read)
        if not read.text:
            raise ChatFailed(self.said("sent an empty text"), status, read)
        return read

    @cached_property
    def _client(self) -> httpx.Client:
        import httpx

        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        return httpx.Client(base_url=self.options.url.rstrip("/") + "/", headers=headers, timeout=self.options.timeout)

    def _wait(self, state: RetryCallState) -> float:
        """As long as the endpoint says, else longer with each attempt."""
        error = state.outcome.exception() if state.outcome else None
        named = error.wait if isinstance(error, ChatFailedForNow) else None
        return named if named is not None else float(wait_random_exponential(self._first_wait, _LONGEST_WAIT)(state))


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), _LONGEST_NAMED)
