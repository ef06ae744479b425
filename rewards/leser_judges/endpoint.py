"""A judge's endpoint of the chat-completions form, which is never asked past a budget of requests, tokens or money."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from leser.chat import ChatAnswer, ChatEndpoint, ChatFailed, ChatOptions
from leser.errors import LeserError

_PER_TOKEN = 3
"""Characters of a token, before the endpoint has said how many there were: rather too many tokens than too few."""
_MINUTE = 60.0
_REFUSED = {401: "it wants another key", 403: "the key may not do this", 404: "it does not know this address or model"}


class EndpointOptions(ChatOptions):
    """Which endpoint, and what it may cost."""

    temperature: float = Field(0.0, ge=0, description="0: the likeliest answer")
    max_tokens: int = Field(512, ge=1, description="tokens of an answer, at most")
    concurrency: int = Field(4, ge=1, description="requests at once")
    max_requests: int | None = Field(None, ge=0, description="requests of a process, at most")
    tokens_per_minute: int | None = Field(None, ge=1, description="tokens sent and received per minute, at most")
    price_in: float = Field(0.0, ge=0, description="price of a million tokens sent")
    price_out: float = Field(0.0, ge=0, description="price of a million tokens received")
    max_cost: float | None = Field(None, ge=0, description="money that a process may spend, in the prices' currency")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model wrote; None where it did not answer, `over_budget` where it was not asked."""

    text: str | None
    over_budget: bool = False


@dataclass(frozen=True, slots=True)
class _Cost:
    """Tokens that a request is expected to send, and the most that it may cost."""

    tokens_in: int
    money: float


class Endpoint:
    """Asks one endpoint; safe to use from several threads. What was spent counts for the whole process."""

    def __init__(self, options: EndpointOptions) -> None:
        self.options = options
        self.requests = self.tokens_in = self.tokens_out = 0
        self.last_failure = ""
        self._chat = ChatEndpoint(options)
        self._answered = False
        self._pending = 0.0  # money that requests under way may cost
        self._lock = threading.Lock()
        self._recent: deque[tuple[float, int]] = deque()

    @property
    def cost(self) -> float:
        """Money spent so far."""
        return self._price(self.tokens_in, self.tokens_out)

    @property
    def spent(self) -> str:
        """What was spent, in words."""
        money = f", {self.cost:.4g} of money" if self.cost else ""
        return f"Spent: {self.requests} requests, {self.tokens_in} tokens in, {self.tokens_out} out{money}."

    def ask(self, system: str, user: str) -> Answer:
        """The answer to one turn. Raises LeserError where the endpoint refuses whoever asks, before it ever answered."""
        options = self.options
        body = {
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "temperature": options.temperature,
            "max_tokens": options.max_tokens,
        }
        tokens = (len(system) + len(user)) // _PER_TOKEN
        cost = _Cost(tokens, self._price(tokens, options.max_tokens))
        try:
            return self._chat.retrying(lambda: self._once(body, cost))
        except ChatFailed as error:
            self.last_failure = str(error)
            if error.status in _REFUSED and not self._answered:
                raise LeserError(
                    f"llm_judge: {self._chat.place} answered {error.status}: {_REFUSED[error.status]}. Check url, model "
                    f"('{options.model}') and the environment variable named by api_key_env (now {options.api_key_env})."
                ) from error
            return Answer(None)

    def _once(self, body: Mapping[str, Any], cost: _Cost) -> Answer:
        if not self._reserve(cost.money):
            return Answer(None, over_budget=True)
        paid: ChatAnswer | None = None
        try:
            self._wait_for_turn(cost.tokens_in + self.options.max_tokens)
            paid = self._chat.ask(body)
            self._answered = True
            return Answer(paid.text)
        except ChatFailed as error:
            paid = error.answer
            raise
        finally:
            self._settle(cost, paid)

    def _reserve(self, most: float) -> bool:
        """Count a request and set its greatest price aside; False where the budget has no room for it."""
        options = self.options
        with self._lock:
            if options.max_requests is not None and self.requests >= options.max_requests:
                return False
            if options.max_cost is not None and self.cost + self._pending + most > options.max_cost:
                return False
            self.requests += 1
            self._pending += most
            return True

    def _settle(self, cost: _Cost, paid: ChatAnswer | None) -> None:
        """Count what an answer cost, as the endpoint counted it or as its length says."""
        with self._lock:
            self._pending -= cost.money
            if paid is not None:
                self.tokens_in += cost.tokens_in if paid.tokens_in is None else paid.tokens_in
                self.tokens_out += len(paid.text) // _PER_TOKEN if paid.tokens_out is None else paid.tokens_out

    def _wait_for_turn(self, tokens: int) -> None:
        """Wait until these tokens fit into the minute; one request alone always does."""
        limit = self.options.tokens_per_minute
        while limit is not None:
            with self._lock:
                now = time.monotonic()
                while self._recent and now - self._recent[0][0] >= _MINUTE:
                    self._recent.popleft()
                if not self._recent or sum(count for _, count in self._recent) + tokens <= limit:
                    self._recent.append((now, tokens))
                    return
                left = self._recent[0][0] + _MINUTE - now
            time.sleep(left)

    def _price(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self.options.price_in + tokens_out * self.options.price_out) / 1e6
