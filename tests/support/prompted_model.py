"""A language model behind a real server that does what its prompt says, for the search of a prompt."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from chat_server import ChatServer, chat_server
from leser_prompts import GEPA
from prompted_shop import context_of

from leser.baseline import BaselineContext

Reply = tuple[int, str]
Body = dict[str, Any]
Fit = Callable[..., tuple[GEPA, ChatServer]]


def prompt_of(body: Body) -> str | None:
    """The instruction that keywords are asked for under; None where a new one is asked for."""
    first = body["messages"][0]
    return first["content"] if first["role"] == "system" else None


class Model:
    """It writes `settee` for who tells it to, else `lamp`; asked for a prompt, it says the next of `proposals`."""

    def __init__(self, *proposals: str) -> None:
        self.proposals = iter(proposals)
        self.read: list[str] = []

    def __call__(self, body: Body, _: int) -> Reply:
        prompt, asked = prompt_of(body), body["messages"][-1]["content"]
        if prompt is not None:
            return self.keywords(prompt, asked)
        self.read.append(asked)
        return 200, f"Here it is:\n```\n{next(self.proposals, 'Say nothing new.')}\n```"

    def keywords(self, prompt: str, asked: str) -> Reply:
        """Keywords under a prompt."""
        return 200, "settee" if "settee" in prompt else "lamp"


def fit_gepa(
    stack: ExitStack, model: Callable[[Body, int], Reply], context: BaselineContext | None = None, **options: Any
) -> tuple[GEPA, ChatServer]:
    """GEPA, fitted with a model behind a server that runs as long as the stack; one request at a time is sent there."""
    server = stack.enter_context(chat_server(model))
    given = {"url": server.address, "model": "m", "attempts": 1, "concurrency": 1, **options.pop("endpoint", {})}
    made = GEPA(GEPA.Options.model_validate({"endpoint": given, **options}))
    made.fit(context or context_of())
    return made, server
