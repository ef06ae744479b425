"""A model behind an endpoint of the chat-completions form: one request per text, bounded, repeated, never a score."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Any

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from leser.backend import SearchError
from leser.options import CREDENTIALS, secret
from leser.printable import printable
from leser_prompts.options import WritingEndpointOptions
from leser_prompts.writers import Prompt, Written

if TYPE_CHECKING:
    import httpx

_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_THOUGHT = re.compile(r"^.*</think(?:ing)?>", re.DOTALL)
_LONGEST_WAIT = 30.0
"""Seconds between two attempts, at most."""


class _Failed(Exception):
    """No answer, and another attempt would bring none."""


class _Passing(_Failed):
    """No answer now; perhaps after a wait."""


class WritingEndpoint:
    """Writes through an endpoint; keeps what it has counted as long as it lives.

    Raises LeserError where the key's environment variable is not set.
    """

    def __init__(self, options: WritingEndpointOptions, seed: int, first_wait: float = 1.0) -> None:
        self.options = options
        self.requests = 0
        self._seed, self._first_wait = seed, first_wait
        self._key = secret(options.api_key_env, "endpoint.api_key_env")
        self._failed_in_a_row = 0
        self._lock = Lock()

    def write(self, prompts: Sequence[Prompt], tokens: int, temperature: float, sample: int) -> list[Written]:
        """A text per prompt, in order; a SearchError where there was no answer, the budget is spent or too many failed."""
        import httpx

        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        usual = {"model": self.options.model, "max_tokens": tokens, "temperature": temperature}
        body = {**usual, "seed": self._seed + sample, **self.options.body}
        with (
            httpx.Client(headers=headers, timeout=self.options.timeout) as client,
            ThreadPoolExecutor(self.options.concurrency) as pool,
        ):
            return list(pool.map(lambda prompt: self._written(client, prompt, body), prompts))

    def _written(self, client: httpx.Client, prompt: Prompt, body: dict[str, Any]) -> Written:
        messages = [{"role": turn.role, "content": turn.content} for turn in prompt]
        attempts = Retrying(
            retry=retry_if_exception_type(_Passing),
            stop=stop_after_attempt(self.options.attempts),
            wait=wait_random_exponential(self._first_wait, _LONGEST_WAIT),
            reraise=True,
        )
        try:
            text = attempts(self._asked, client, {**body, "messages": messages})
        except _Failed as failure:
            self._note(failed=True)
            return SearchError(str(failure), "transient" if isinstance(failure, _Passing) else "engine")
        self._note(failed=False)
        return text

    def _note(self, *, failed: bool) -> None:
        with self._lock:
            self._failed_in_a_row = self._failed_in_a_row + 1 if failed else 0

    def _asked(self, client: httpx.Client, body: dict[str, Any]) -> str:
        import httpx

        self._take_from_budget()
        where = self.options.address.rstrip("/") + "/chat/completions"
        try:
            answer = client.post(where, json=body)
        except httpx.TransportError as error:
            raise _Passing(self._said(f"did not answer: {type(error).__name__}: {error}")) from error
        if answer.status_code != httpx.codes.OK:
            kind = _Passing if answer.status_code in _PASSING else _Failed
            raise kind(self._said(f"answered {answer.status_code}: {answer.text}"))
        return self._text_in(answer)

    def _take_from_budget(self) -> None:
        with self._lock:
            if self._failed_in_a_row >= self.options.give_up:
                raise _Failed(self._said(f"failed {self._failed_in_a_row} times in a row, and is asked no more"))
            if self.requests >= self.options.max_requests:
                spent = f"is asked no more: endpoint.max_requests ({self.options.max_requests}) are spent"
                raise _Failed(self._said(f"{spent}. Raise it, or ask for fewer samples"))
            self.requests += 1

    def _text_in(self, answer: httpx.Response) -> str:
        try:
            text = answer.json()["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError) as error:
            raise _Failed(self._said(f"sent no chat completion: {answer.text}")) from error
        if not isinstance(text, str) or not text.strip():
            raise _Failed(self._said("sent an empty text"))
        return _THOUGHT.sub("", text).strip()

    def _said(self, what: str) -> str:
        """A message that holds neither the key nor credentials of the address, whatever the endpoint repeats."""
        said = f"The endpoint {CREDENTIALS.sub('', self.options.address)} (model {self.options.model}) {what}"
        return printable(said.replace(self._key, "***") if self._key else said, 300)
