"""Pseudo-relevance feedback: the words that an engine's own top hits suggest for a query.

RM1, the relevance model of Lavrenko and Croft (SIGIR 2001), estimated on the top hits; RM3 adds it to the original
query (Abdul-Jaleel et al., TREC 2004). Differences from Lucene-side versions such as Anserini's: documents are read as
displayed text, so that no engine needs term vectors; words that share a stem count as one and the first is shown.

    terms = feedback_terms("navy couch", texts, scores, FeedbackOptions(docs=10, terms=8))   # what a prompt shows
    clauses = rm3_terms("navy couch", texts, scores, FeedbackOptions(), original_weight=0.6)  # what RM3 searches
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pydantic import Field

from leser.backend import Term
from leser.options import Options
from leser.text import STOP_WORDS, _stem, words

_MAX_LETTERS = 20  # longer tokens are codes and addresses, as in Anserini's RM3


class FeedbackOptions(Options):
    """What counts as a feedback term, and how many."""

    docs: int = Field(10, ge=1, description="hits read, best first (fb_docs)")
    terms: int = Field(10, ge=1, description="terms kept, heaviest first (fb_terms)")
    keep_query_words: bool = Field(False, description="also return words of the query itself")
    keep_stop_words: bool = Field(False, description="also return English function words")


@dataclass(frozen=True, slots=True)
class FeedbackTerm:
    """A word as the hits display it, lower-cased, and p(t|R), its share of the relevance model."""

    text: str
    weight: float


@lru_cache(maxsize=100_000)
def _profile(text: str) -> tuple[tuple[str, str, float], ...]:
    """A document as (stem, word as first displayed, share of the document's words); shares sum to at most 1."""
    tokens = words(text)
    counts: dict[str, int] = {}
    shown: dict[str, str] = {}
    for token in tokens:
        key = _stem(token)
        counts[key] = counts.get(key, 0) + 1
        shown.setdefault(key, token)
    return tuple(
        (key, shown[key], count / len(tokens)) for key, count in counts.items() if 1 < len(shown[key]) <= _MAX_LETTERS
    )


def _document_weights(scores: Sequence[float] | None, number: int) -> list[float]:
    """p(d|q) of the hits read: scores over their sum; equal where there are no positive scores."""
    if scores is None:
        return [1.0 / number] * number
    positive = [max(score, 0.0) for score in scores[:number]]
    total = sum(positive)
    return [score / total for score in positive] if total > 0 else [1.0 / number] * number


def relevance_model(texts: Sequence[str], scores: Sequence[float] | None = None) -> dict[str, tuple[str, float]]:
    """RM1: stem to (displayed word, p(t|R)), where p(t|R) = sum over documents of p(d|q) * p(t|d).

    `texts` are the hits' texts, best first; `scores` their engine scores (None: all equal, e.g. for known relevant
    documents). Raises ValueError when the lengths differ.
    """
    if scores is not None and len(scores) != len(texts):
        raise ValueError(f"{len(texts)} texts but {len(scores)} scores: one score is needed for each text")
    model: dict[str, float] = {}
    shown: dict[str, str] = {}
    for text, weight in zip(texts, _document_weights(scores, len(texts)), strict=True):
        for key, word, share in _profile(text):
            if key in model:
                model[key] += weight * share
            else:
                model[key] = weight * share
                shown[key] = word
    return {key: (shown[key], mass) for key, mass in model.items()}


def feedback_terms(
    query: str,
    texts: Sequence[str],
    scores: Sequence[float] | None = None,
    options: FeedbackOptions | None = None,
) -> tuple[FeedbackTerm, ...]:
    """The heaviest terms of the relevance model of a query's top hits, their weights scaled to sum to 1.

    Equal weights are ordered by stem, so that the answer does not depend on hash order. No hits give no terms.
    Raises ValueError when `texts` and `scores` differ in length.
    """
    options = options or FeedbackOptions()
    top_scores = None if scores is None else scores[: options.docs]
    if scores is not None and len(scores) != len(texts):
        raise ValueError(f"{len(texts)} texts but {len(scores)} scores: one score is needed for each text")
    if not texts:
        return ()
    model = relevance_model(texts[: options.docs], top_scores)
    return _heaviest(model, {_stem(word) for word in words(query)}, options)


def _heaviest(
    model: Mapping[str, tuple[str, float]], query_stems: set[str], options: FeedbackOptions
) -> tuple[FeedbackTerm, ...]:
    kept = [
        (mass, key, word)
        for key, (word, mass) in model.items()
        if (options.keep_query_words or key not in query_stems) and (options.keep_stop_words or word not in STOP_WORDS)
    ]
    kept.sort(key=lambda item: (-item[0], item[1]))
    top = kept[: options.terms]
    total = sum(mass for mass, _, _ in top)
    return tuple(FeedbackTerm(word, mass / total) for mass, _, word in top) if total > 0 else ()


def rm3_terms(
    query: str,
    texts: Sequence[str],
    scores: Sequence[float] | None = None,
    options: FeedbackOptions | None = None,
    *,
    original_weight: float = 0.5,
) -> tuple[Term, ...]:
    """RM3's clauses beside the original query, each of weight (1 - lambda) / lambda * p(t|R) * |q|.

    lambda is `original_weight`. RM3 scores with lambda * p(t|q) + (1 - lambda) * p(t|R), where p(t|q) = 1/|q| for each
    word of the query; divided by lambda / |q|, so that the words of the original, which the engine searches anyway,
    keep weight 1. Query words that the hits hold are clauses too, as in RM3, unless the options leave them out.
    Raises ValueError unless 0 < lambda <= 1.
    """
    feedback = feedback_terms(query, texts, scores, options or FeedbackOptions(keep_query_words=True))
    return rm3_clauses(query, feedback, original_weight)


def rm3_clauses(query: str, feedback: Sequence[FeedbackTerm], original_weight: float) -> tuple[Term, ...]:
    """`rm3_terms` of feedback terms that are known already: lambda only scales them. Raises ValueError as it does."""
    if not 0 < original_weight <= 1:
        raise ValueError(f"original_weight is {original_weight}: RM3 needs 0 < original_weight <= 1")
    if original_weight == 1:
        return ()
    length = max(1, sum(word not in STOP_WORDS for word in words(query)))
    factor = (1 - original_weight) / original_weight * length
    return tuple(Term(term.text, factor * term.weight) for term in feedback)
