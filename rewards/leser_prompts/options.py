"""Where a prompt method's model is, and how much it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from leser.chat import ChatOptions


class WritingEndpointOptions(ChatOptions):
    """A model behind an endpoint of the chat-completions form (OpenAI's, vLLM's, Ollama's)."""

    renamed: ClassVar[Mapping[str, str]] = {"address": "url"}

    max_requests: int = Field(
        5000,
        ge=1,
        description="most requests of one fit and evaluation, repeated ones included; a service has no such limit",
    )
    concurrency: int = Field(8, ge=1, le=256, description="requests at a time")
    give_up: int = Field(
        20,
        ge=1,
        description="failed answers in a row after which nothing more is asked; a service tries again every 30 seconds",
    )
    body: dict[str, Any] = Field(
        default_factory=dict,
        description="further keys of a request, such as top_p = 0.9, or other values of those sent",
    )
