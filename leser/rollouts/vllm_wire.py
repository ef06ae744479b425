"""The HTTP side of a vLLM server: requests that are tried again while it is busy, and errors that say what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_exponential

from leser.errors import EngineDown, LeserError

if TYPE_CHECKING:
    import httpx

START = "VLLM_SERVER_DEV_MODE=1 vllm serve FOLDER --logprobs-mode processed_logprobs --enable-prefix-caching"
"""How a server is started that takes new weights."""
BUSY = frozenset({502, 503, 504})
LONGEST = 300
"""Characters of a server's own words that an error repeats."""


class VllmWire:
    """One vLLM server. Safe to use from several threads."""

    def __init__(self, url: str, key: str | None, timeout: float, patience: float) -> None:
        import httpx

        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.url = url.rstrip("/")
        self._client = httpx.Client(base_url=self.url, headers=headers, timeout=timeout)
        self._patience = patience

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, **query: str) -> Any:
        """The JSON answer of GET; raises LeserError."""
        return self._ask("GET", path, None, query)

    def post(self, path: str, body: Mapping[str, Any] | None = None, **query: str) -> Any:
        """The JSON answer of POST, None where it has no body; raises LeserError."""
        return self._ask("POST", path, body, query)

    def _ask(self, verb: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str]) -> Any:
        import httpx

        def call() -> httpx.Response:
            answer = self._client.request(verb, path, json=body, params=dict(query))
            if answer.status_code in BUSY:
                answer.raise_for_status()
            return answer

        def gives_up(state: RetryCallState) -> httpx.Response:
            assert state.outcome is not None
            raise EngineDown(
                f"The rollout server {self.url} did not answer {path} within {self._patience:g} s: "
                f"{state.outcome.exception()}. Start it ({START}), then run again with --resume."
            )

        again = retry_if_exception(lambda e: isinstance(e, httpx.TransportError | httpx.HTTPStatusError))
        answer: httpx.Response = Retrying(
            retry=again,
            stop=stop_after_delay(self._patience),
            wait=wait_exponential(0.1, max=5),
            retry_error_callback=gives_up,
        )(call)
        if answer.status_code == 404:
            raise LeserError(f"The rollout server {self.url} has no {verb} {path}. Start it with: {START}.")
        if answer.status_code in (401, 403):
            raise LeserError(
                f"The rollout server {self.url} refuses the key (HTTP {answer.status_code}). Name the environment variable that "
                "holds it with rollout.api_key_env."
            )
        if answer.status_code >= 400:
            raise LeserError(
                f"The rollout server {self.url} refuses {path} (HTTP {answer.status_code}): {answer.text[:LONGEST]}. See its log."
            )
        return answer.json() if answer.content else None
