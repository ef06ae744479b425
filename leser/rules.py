"""Rules: what an expansion may not do, whatever the reward would pay for it.

One rule holds everywhere: repeating is no way to weight. A policy that may repeat finds that "husky; husky; husky" pays,
because a term's frequency in the query weighs in BM25; weights are given as weights. Words are compared after the engine's
own analysis, so "shoe" and "shoes" are one word where the engine stems.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from leser.expansion import Expansion

Analyze = Callable[[Sequence[str]], list[list[str]]]


def repetition(
    query: str, expansions: Sequence[Expansion], mode: Literal["boost", "fuse"], analyze: Analyze
) -> str | None:
    """Why these expansions repeat each other or the query, or None when they don't.

    `boost`: all expansions go into one search, so no analysed word may stand twice among them and each expansion brings a
    word that the query lacks. `fuse`: each is a search of its own, so they may share words, but no two may be equal, nor
    equal to the query.
    """
    if not expansions:
        return None
    asked, *analysed = analyze([query, *(e.text for e in expansions)])
    in_query = set(asked)
    seen: set[object] = set()
    for expansion, words in zip(expansions, analysed, strict=True):
        if mode == "fuse":
            key = frozenset(words)
            if key == in_query or key in seen:
                return f"'{expansion.text}' repeats the query or another expansion"
            seen.add(key)
            continue
        if not set(words) - in_query:
            return f"'{expansion.text}' adds no word to the query"
        for word in words:
            if word in seen:
                return f"'{word}' stands twice"
            seen.add(word)
    return None
