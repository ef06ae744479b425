"""Batches of completions, and the documents of an engine, for tests of the monitor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from leser.backend import Document

COLOURS = ("red", "blue", "green", "grey", "navy", "white", "black", "brown", "pink", "teal")


SHELF = [Document(f"d{i}", {"title": f"{colour} sofa", "text": f"couch{i} velvet"}) for i, colour in enumerate(COLOURS)]


def batch(*expansions: Sequence[str], queries: int = 10) -> list[dict[str, Any]]:
    """A step's rollouts: for each query one completion, whose `{i}` and `{colour}` are its query's own."""
    return [
        {
            "query_id": f"q{i}",
            "query": f"{colour} couch",
            "expansions": [text.format(i=i, colour=colour) for text in expansions[i % len(expansions)]],
        }
        for i, colour in enumerate(COLOURS[:queries])
    ]


def rows(figures: Iterable[Mapping[str, float]]) -> list[dict[str, Any]]:
    usual = {"phase": "grpo", "reward": 0.5, "length": 6.0}
    return [{**usual, "step": number, **figure} for number, figure in enumerate(figures, 1)]
