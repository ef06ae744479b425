"""Candidates of a query: what the sources say, in turn, without what is in the query already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leser.environment import Environment
from leser.task import Query
from leser.text import STOP_WORDS
from leser.verified.sources import CandidateSource, in_turn


@dataclass(frozen=True, slots=True)
class Candidate:
    """A term as it would be written, and what the engine makes of it: one key for "shoe" and "shoes"."""

    text: str
    key: str


def candidates_of(
    environment: Environment, queries: Sequence[Query], sources: Sequence[CandidateSource], count: int
) -> list[list[Candidate]]:
    """At most `count` candidates per query, each new to the query and to each other after the engine's analysis.

    Raises EngineDown where the engine does not analyse.
    """
    answers = [source(queries) for source in sources]
    found = [in_turn(*rows) for rows in zip(*answers, strict=True)] if answers else [[] for _ in queries]
    analysed = environment.analyze([text for row in found for text in row])
    asked = environment.analyze([query.text for query in queries])
    terms = iter(analysed)
    kept = []
    for row, own in zip(found, asked, strict=True):
        seen, fresh = set(own), []
        for text in row:
            made = next(terms)
            key = " ".join(made)
            if made and key not in seen and not set(made) <= set(own) and text not in STOP_WORDS:
                seen.add(key)
                fresh.append(Candidate(text, key))
        kept.append(fresh[:count])
    return kept
