"""A shop where shoppers say couch and titles say settee, for methods that ask a model for the missing word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from leser_memory import MemoryBackend
from leser_prompts.base import PromptMethod
from leser_relevance import NDCG

from leser.backend import Document
from leser.baseline import BaselineContext
from leser.engine import SearchClient
from leser.scoring import RewardSet
from leser.task import Query, Split, Task

COLOURS = ("red", "green", "navy", "grey", "brown", "white")
SHELF = [
    Document(f"{kind}{number}", {"title": f"{colour} {kind}"})
    for number, colour in enumerate(COLOURS)
    for kind in ("lamp", "settee")
]
Method = type[PromptMethod]
Model = TypeVar("Model", bound=PromptMethod)


def split(name: str, numbers: range) -> Split:
    """Shoppers say couch, the catalogue says settee: colour alone finds the lamp first."""
    queries = tuple(Query(f"{name}{n}", f"{COLOURS[n]} couch") for n in numbers)
    return Split(name, queries, {q.id: {f"settee{n}": 1} for q, n in zip(queries, numbers, strict=True)})


def context_of(write: Callable[..., list[str]] | None = None, shelf: Sequence[Document] = SHELF) -> BaselineContext:
    """What a method is fitted with on this shop, two queries of each split."""
    task = Task("shop", split("train", range(2)), split("dev", range(2, 4)), split("test", range(4, 6)))
    rewards = RewardSet.from_specs(["nDCG@10"], {"nDCG": NDCG})
    return BaselineContext(SearchClient(MemoryBackend.of(shelf)), task, rewards, k=10, write=write)


def method(cls: type[Model], address: str | None = None, **options: Any) -> Model:
    """A method whose model is behind this address, else the policy."""
    given = {"endpoint": {"url": address, "model": "m", "attempts": 1}} if address else {}
    return cls(cls.Options.model_validate({**given, **options}))
