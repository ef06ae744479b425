"""A model behind an endpoint writes the texts of a prompt method: one request per text, bounded, and never a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from time import monotonic
from typing import Any

from leser.backend import SearchError
from leser.chat import ChatEndpoint, ChatFailed, ChatFailedForNow
from leser_prompts.options import WritingEndpointOptions
from leser_prompts.writers import Prompt, Written

REST_S = 30.0
"""Seconds for which a service leaves an endpoint in peace that failed too often, before one request tries it again."""


class WritingEndpoint:
    """Writes through an endpoint; keeps what it has counted as long as it lives.

    A fit and an evaluation end: they keep to `max_requests`, and ask no more after `give_up` failures in a row. `lasting` is
    for a service, which has no end: it keeps to no number, and one request tries the endpoint again after each rest.
    Raises LeserError where the key's environment variable is not set.
    """

    def __init__(
        self, options: WritingEndpointOptions, seed: int, first_wait: float = 1.0, *, lasting: bool = False
    ) -> None:
        self.options = options
        self.requests = 0
        self._lasting, self._again = lasting, 0.0
        self._seed = seed
        self._chat = ChatEndpoint(options, key_option="endpoint.api_key_env", first_wait=first_wait)
        self._failed_in_a_row = 0
        self._lock = Lock()

    def write(self, prompts: Sequence[Prompt], tokens: int, temperature: float, sample: int) -> list[Written]:
        """A text per prompt, in order; a SearchError where there was no answer, the budget is spent or too many failed."""
        usual = {"max_tokens": tokens, "temperature": temperature, "seed": self._seed + sample}
        body = {**usual, **self.options.body}
        with ThreadPoolExecutor(self.options.concurrency) as pool:
            return list(pool.map(lambda prompt: self._written(prompt, body), prompts))

    def _written(self, prompt: Prompt, body: Mapping[str, Any]) -> Written:
        whole = {**body, "messages": [{"role": turn.role, "content": turn.content} for turn in prompt]}
        try:
            text = self._chat.retrying(lambda: self._once(whole))
        except ChatFailed as failure:
            self._note(failed=True)
            return SearchError(str(failure), "transient" if isinstance(failure, ChatFailedForNow) else "engine")
        self._note(failed=False)
        return text

    def _note(self, *, failed: bool) -> None:
        with self._lock:
            self._failed_in_a_row = self._failed_in_a_row + 1 if failed else 0
            if self._failed_in_a_row == self.options.give_up:
                self._again = monotonic() + REST_S

    def _once(self, body: Mapping[str, Any]) -> str:
        self._take_from_budget()
        return self._chat.ask(body).text

    def _take_from_budget(self) -> None:
        with self._lock:
            if self._failed_in_a_row >= self.options.give_up:
                self._rest()
            if not self._lasting and self.requests >= self.options.max_requests:
                spent = f"is asked no more: endpoint.max_requests ({self.options.max_requests}) are spent"
                raise ChatFailed(self._chat.said(f"{spent}. Raise it, or ask for fewer samples"))
            self.requests += 1

    def _rest(self) -> None:
        """Raise ChatFailed, unless the rest of a service's endpoint is over: then the next rest begins."""
        if self._lasting and monotonic() >= self._again:
            self._again = monotonic() + REST_S
            return
        for_now = f"for {REST_S:g} seconds" if self._lasting else "any more"
        raise ChatFailed(self._chat.said(f"failed {self._failed_in_a_row} times in a row, and is not asked {for_now}"))
