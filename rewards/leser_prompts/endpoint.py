"""A model behind an endpoint writes the texts of a prompt method: one request per text, bounded, and never a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

from leser.backend import SearchError
from leser.chat import ChatEndpoint, ChatFailed, ChatFailedForNow
from leser_prompts.options import WritingEndpointOptions
from leser_prompts.writers import Prompt, Written


class WritingEndpoint:
    """Writes through an endpoint; keeps what it has counted as long as it lives.

    Raises LeserError where the key's environment variable is not set.
    """

    def __init__(self, options: WritingEndpointOptions, seed: int, first_wait: float = 1.0) -> None:
        self.options = options
        self.requests = 0
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

    def _once(self, body: Mapping[str, Any]) -> str:
        self._take_from_budget()
        return self._chat.ask(body).text

    def _take_from_budget(self) -> None:
        with self._lock:
            if self._failed_in_a_row >= self.options.give_up:
                why = f"failed {self._failed_in_a_row} times in a row, and is asked no more"
                raise ChatFailed(self._chat.said(why))
            if self.requests >= self.options.max_requests:
                spent = f"is asked no more: endpoint.max_requests ({self.options.max_requests}) are spent"
                raise ChatFailed(self._chat.said(f"{spent}. Raise it, or ask for fewer samples"))
            self.requests += 1
