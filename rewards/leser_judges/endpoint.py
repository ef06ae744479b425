"""An OpenAI-compatible endpoint: chat completions with retries, and never past a budget of requests, tokens or money."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import Field
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from leser.errors import LeserError
from leser.options import CREDENTIALS, Options, secret

if TYPE_CHECKING:
    import httpx

_PER_TOKEN = 3
"""Characters of a token, before the endpoint has said how many there were: rather too many tokens than too few."""
_MINUTE = 60.0
_REFUSED = {401: "it wants another key", 403: "the key may not do this", 404: "it does not know this address or model"}
_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


class EndpointOptions(Options):
    """Which endpoint, and what it may cost."""

    url: str = Field(
        "",
        pattern=r"^https?://",
        description="address of an OpenAI-compatible API, up to and with /v1",
        validate_default=True,
    )
    model: str = Field("", min_length=1, description="the model's name there")
    api_key_env: str | None = Field(None, description="environment variable that holds the key")
    temperature: float = Field(0.0, ge=0, description="0: the likeliest answer")
    max_tokens: int = Field(512, ge=1, description="tokens of an answer, at most")
    timeout: float = Field(60.0, gt=0, description="seconds until a request has failed")
    attempts: int = Field(4, ge=1, description="tries of a request that fails in passing")
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


class _Passing(Exception):
    """A failure that may pass; `wait` is how long the endpoint says to wait, in seconds."""

    def __init__(self, said: str, wait: float | None = None) -> None:
        super().__init__(said)
        self.wait = wait


class Endpoint:
    """Asks one endpoint; safe to use from several threads. What was spent counts for the whole process."""

    def __init__(self, options: EndpointOptions) -> None:
        self.options = options
        self.requests = self.tokens_in = self.tokens_out = 0
        self.last_failure = ""
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
        expected = (len(system) + len(user)) // _PER_TOKEN + self.options.max_tokens
        most = self._price(expected - self.options.max_tokens, self.options.max_tokens)
        again = Retrying(
            stop=stop_after_attempt(self.options.attempts),
            retry=retry_if_exception_type(_Passing),
            wait=_wait,
            sleep=time.sleep,
            reraise=True,
        )
        try:
            return again(self._once, system, user, expected, most)
        except _Passing as error:
            self.last_failure = str(error)
            return Answer(None)

    def _once(self, system: str, user: str, expected: int, most: float) -> Answer:
        import httpx

        if not self._reserve(most):
            return Answer(None, over_budget=True)
        used = (0, 0)
        try:
            self._wait_for_turn(expected)
            body = {
                "model": self.options.model,
                "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
                "temperature": self.options.temperature,
                "max_tokens": self.options.max_tokens,
            }
            response = self._client.post("chat/completions", json=body)
            text, used = self._read(response, expected)
        except httpx.HTTPError as error:
            raise _Passing(f"{type(error).__name__}: {CREDENTIALS.sub('***@', str(error))}") from error
        finally:
            with self._lock:
                self._pending -= most
                self.tokens_in, self.tokens_out = self.tokens_in + used[0], self.tokens_out + used[1]
        return Answer(text)

    def _read(self, response: httpx.Response, expected: int) -> tuple[str | None, tuple[int, int]]:
        """The text and the tokens of an answer; None for one that is not in the API's form."""
        code = response.status_code
        if code in _AGAIN:
            raise _Passing(f"the endpoint answered {code}", _seconds(response.headers.get("retry-after")))
        if code != 200:
            self.last_failure = f"the endpoint answered {code}"
            if code in _REFUSED and not self._answered:
                raise LeserError(
                    f"llm_judge: {self.options.url} answered {code}: {_REFUSED[code]}. Check url, model ('{self.options.model}') "
                    f"and the environment variable named by api_key_env (now {self.options.api_key_env})."
                )
            return None, (0, 0)
        self._answered = True
        try:
            said: Any = response.json()
            text = said["choices"][0]["message"]["content"]
            usage = said.get("usage") or {}
            sent = expected - self.options.max_tokens
            used = (
                int(usage.get("prompt_tokens", sent)),
                int(usage.get("completion_tokens", len(str(text)) // _PER_TOKEN)),
            )
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            self.last_failure = f"the answer is not a chat completion ({type(error).__name__})"
            return None, (0, 0)
        return (text if isinstance(text, str) else None), used

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

    @cached_property
    def _client(self) -> httpx.Client:
        import httpx

        key = secret(self.options.api_key_env, "api_key_env")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.options.url.rstrip("/") + "/", headers=headers, timeout=self.options.timeout)


def _wait(state: RetryCallState) -> float:
    """As long as the endpoint says, else longer with each try."""
    error = state.outcome.exception() if state.outcome else None
    said = error.wait if isinstance(error, _Passing) else None
    return said if said is not None else float(wait_random_exponential(multiplier=0.5, max=20)(state))


def _seconds(text: str | None) -> float | None:
    try:
        return min(max(float(text or ""), 0.0), _MINUTE)
    except ValueError:
        return None
