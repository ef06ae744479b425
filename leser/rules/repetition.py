"""Repetition must not be used as weighting: the one rule that holds everywhere.

A policy that may repeat finds that "husky; husky; husky" pays, because a term's frequency in the query weighs in BM25;
weights are given as weights. Words are compared after the engine's own analysis, so "shoe" and "shoes" are one word where
the engine stems.
"""

from __future__ import annotations

from collections.abc import Sequence

from leser.expansion import Expansion
from leser.rule import Proposal, Rule, Violation

NAME = "repetition"


class Repetition(Rule):
    """No expansion repeats the query or another one, after the engine's analysis. Always active."""

    name = NAME

    def check(self, proposal: Proposal) -> Violation | None:
        """The first repetition.

        `boost`: all expansions go into one search, so no analysed word may stand twice among them and each expansion brings
        a word that the query lacks. `fuse`: each is a search of its own, so they may share words, but no two may be equal,
        nor equal to the query.
        """
        return repeated(proposal.expansions, proposal.terms, one_search=proposal.one_search)


def repeated(expansions: Sequence[Expansion], terms: Sequence[Sequence[str]], *, one_search: bool) -> Violation | None:
    """The first repetition; `terms` are the index terms of the query and then of each expansion."""
    asked, *analysed = terms
    in_query = set(asked)
    seen: set[object] = set()
    for at, (expansion, words) in enumerate(zip(expansions, analysed, strict=True)):
        if not one_search:
            key = frozenset(words)
            if key == in_query or key in seen:
                return Violation(NAME, f"'{expansion.text}' repeats the query or another expansion", at)
            seen.add(key)
            continue
        if not set(words) - in_query:
            return Violation(NAME, f"'{expansion.text}' adds no word to the query", at)
        for word in words:
            if word in seen:
                return Violation(NAME, f"'{word}' stands twice", at)
            seen.add(word)
    return None
