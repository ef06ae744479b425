"""Verified search: expansions that the engine and a judge have proven for a query, with labels or without any."""

from leser.verified.options import VerifiedOptions
from leser.verified.result import Answer, Found
from leser.verified.search import VerifiedSearch, search_expansions
from leser.verified.sources import CandidateSource, CountedDictionary, DocumentWords
from leser.verified.spelling import SpellingNeighbours

__all__ = [
    "Answer", "CandidateSource", "CountedDictionary", "DocumentWords", "Found", "SpellingNeighbours", "VerifiedOptions",
    "VerifiedSearch", "search_expansions",
]  # fmt: skip
