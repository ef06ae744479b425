"""Where a prompt method's model is."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from leser.options import Options


class WritingEndpointOptions(Options):
    """A model behind an endpoint of the chat-completions form (OpenAI's, vLLM's, Ollama's)."""

    address: str = Field(
        description="address before /chat/completions, such as http://localhost:11434/v1", pattern="^https?://"
    )
    model: str = Field(min_length=1, description="the model's name, as the endpoint calls it")
    api_key_env: str | None = Field(None, description="environment variable that holds the key; none: no key is sent")
    max_requests: int = Field(5000, ge=1, description="most requests of one fit and evaluation, repeated ones included")
    concurrency: int = Field(8, ge=1, le=256, description="requests at a time")
    timeout: float = Field(60.0, gt=0, description="seconds that an answer may take")
    attempts: int = Field(4, ge=1, description="most requests for one answer; only passing failures are repeated")
    give_up: int = Field(20, ge=1, description="failed answers in a row after which nothing more is asked")
    body: dict[str, Any] = Field(
        default_factory=dict,
        description="further keys of a request, such as top_p = 0.9, or other values of those sent",
    )
