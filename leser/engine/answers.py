"""What a backend answers, checked once, where it comes in: everything after may take it for what it says it is.

A ranking is looked at as a whole, beside engines that answer in a twentieth of a millisecond; each hit by itself only where
something is unusual. What cannot be used raises WrongAnswer, a PluginFault. Two faults are mended instead,
because engines have them that their users cannot put right (an index filled twice, a template that sorts by price):

- A document that comes twice counts where it comes first, and the hits after it close up.
- Scores that rise down the ranking are lowered to the score before. The order is the engine's, since that is what its
  users see and what rewards and measures read; sorting by score would make another ranking of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from math import isfinite
from numbers import Integral, Real
from typing import Any

from leser.backend import Document, ExpandedQuery, Hit, Ranking, SearchError
from leser.errors import PluginFault

Answer = Ranking | SearchError
_TOTAL, _TOOK = (int, type(None)), (float, int, type(None))
_KINDS = frozenset({"transient", "query", "engine"})
_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Mended:
    """How many rankings of a batch held a document twice, and how many had rising scores."""

    repeated_ids: int = 0
    rising_scores: int = 0


class WrongAnswer(PluginFault):
    """An answer that cannot be used: who gave it (plugin and method), what came and what was wanted."""

    def __init__(self, who: str, came: str, wanted: str) -> None:
        self.came, self.wanted = came, wanted
        super().__init__(f"{who} answered {came}. Wanted: {wanted}. Correct the plugin.")


def shown(value: object) -> str:
    """A value and its type in words, cut where it is long: what a plugin answered may be anything."""
    try:
        text = repr(value)
    except Exception:  # a third party's __repr__ must not hide the fault that it is shown for
        text = "a value that cannot be shown"
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return text if value is None else f"{text} (type {type(value).__name__})"


def rankings(who: str, answers: object, queries: Sequence[ExpandedQuery], k: int) -> tuple[list[Answer], Mended]:
    """A batch's answers, one per query and in order, with what was mended in them; raises WrongAnswer."""
    checked: list[Answer] = []
    repeated = rising = 0
    for answer, query in zip(batch(who, answers, len(queries)), queries, strict=True):
        if not _usual(answer, k):
            found = exact(f"{who}, searching for '{_short(query)}',", answer, k)
            if isinstance(found, Ranking):
                mended = _mended(found)
                repeated += len(mended.hits) != len(found.hits)
                rising += any(after.score > before.score for before, after in pairwise(found.hits))
                found = found if mended == found else mended
            checked.append(found)
        else:
            checked.append(answer)
    return checked, Mended(repeated, rising)


def batch(who: str, answers: object, queries: int) -> list[Any]:
    """A list with one answer per query, whatever each of them is; raises WrongAnswer."""
    if not isinstance(answers, list):
        raise WrongAnswer(who, shown(answers), f"a list of {queries} answers, a Ranking or a SearchError per query")
    if len(answers) != queries:
        raise WrongAnswer(who, f"{len(answers)} answers to {queries} queries", "one answer per query, in order")
    return answers


def _usual(answer: Any, k: int) -> bool:
    """Whether an answer is a ranking of which nothing needs a closer look; the way of all answers but the odd ones."""
    try:
        hits = answer.hits
        ids, scores = [hit.id for hit in hits], [hit.score for hit in hits]
        "".join(ids)  # raises TypeError unless all are text, in a fifth of the time of asking each
        total, unique = sum(scores, 0.0), set(ids)
    except (AttributeError, TypeError):
        return False
    return (
        type(answer) is Ranking
        and type(hits) is tuple
        and type(total) is float
        and isfinite(total)
        and len(unique) == len(ids) <= k
        and "" not in unique
        and sorted(scores, reverse=True) == scores
        and type(answer.total) in _TOTAL
        and type(answer.took_ms) in _TOOK
    )


def documents(who: str, answer: object) -> dict[str, Document]:
    """Documents by id, each with the text of its fields; raises WrongAnswer."""
    wanted = "a dictionary from document id to Document"
    if not isinstance(answer, dict):
        raise WrongAnswer(who, shown(answer), wanted)
    for id, document in answer.items():
        if not isinstance(id, str):
            raise WrongAnswer(who, f"a dictionary with the key {shown(id)}", f"{wanted}, ids as text")
        if not isinstance(document, Document):
            raise WrongAnswer(who, f"{shown(document)} for the document '{id}'", wanted)
        if document.id != id:
            raise WrongAnswer(who, f"the document {shown(document.id)} under the id '{id}'", wanted)
        _check_fields(who, document)
    return answer


def iterator(who: str, answer: object) -> Iterator[Any]:
    """An iterator over documents; a list or tuple of them is made one. Raises WrongAnswer."""
    if isinstance(answer, list | tuple):
        return iter(answer)
    if not isinstance(answer, Iterator):
        raise WrongAnswer(who, shown(answer), "an iterator over all documents")
    return answer


def document(who: str, answer: object) -> Document:
    """A document with an id and the text of its fields; raises WrongAnswer."""
    if not isinstance(answer, Document):
        raise WrongAnswer(who, f"{shown(answer)} for a document", "a Document")
    if not isinstance(answer.id, str) or not answer.id:
        raise WrongAnswer(who, f"a document whose id is {shown(answer.id)}", "the id as text, not empty")
    _check_fields(who, answer)
    return answer


def _check_fields(who: str, document: Document) -> None:
    if not isinstance(document.fields, Mapping):
        came = f"{shown(document.fields)} as the fields of '{document.id}'"
        raise WrongAnswer(who, came, "a dictionary from field to text")
    for name, text in document.fields.items():
        if not (isinstance(name, str) and isinstance(text, str)):
            came = f"{shown(text)} in the field {name!r} of '{document.id}'"
            raise WrongAnswer(who, came, "text; a field that a document lacks is left out")


def terms(who: str, answer: object, count: int) -> list[list[str]]:
    """A list of index terms per text; raises WrongAnswer."""
    wanted = f"a list of {count} lists of index terms, one list per text"
    if not isinstance(answer, list):
        raise WrongAnswer(who, shown(answer), wanted)
    if len(answer) != count:
        raise WrongAnswer(who, f"{len(answer)} lists for {count} texts", wanted)
    for row in answer:
        if not isinstance(row, list) or not all(isinstance(term, str) for term in row):
            raise WrongAnswer(who, f"{shown(row)} for a text", wanted)
    return answer


def frequencies(who: str, answer: object, count: int) -> list[int]:
    """A number of documents per term; raises WrongAnswer."""
    wanted = f"a list of {count} whole numbers of 0 or more, one per term"
    if not isinstance(answer, list):
        raise WrongAnswer(who, shown(answer), wanted)
    if len(answer) != count:
        raise WrongAnswer(who, f"{len(answer)} numbers for {count} terms", wanted)
    for number in answer:
        if not _whole(number):
            raise WrongAnswer(who, f"{shown(number)} for a term", wanted)
    return [int(number) for number in answer]


def facts(who: str, answer: object) -> dict[str, Any]:
    """Facts by name, as start-up prints them; raises WrongAnswer."""
    if not isinstance(answer, dict) or not all(isinstance(name, str) for name in answer):
        raise WrongAnswer(who, shown(answer), "a dictionary of facts, such as {'documents': 1200}")
    return answer


def text(who: str, answer: object) -> str:
    """A text; raises WrongAnswer."""
    if not isinstance(answer, str):
        raise WrongAnswer(who, shown(answer), "a text")
    return answer


def number_of_documents(who: str, answer: object) -> int:
    """A whole number of 0 or more; raises WrongAnswer."""
    if not isinstance(answer, Integral) or not _whole(answer):
        raise WrongAnswer(who, shown(answer), "the number of documents that the index holds")
    return int(answer)


def exact(who: str, answer: object, k: int) -> Answer:
    """An answer looked at part by part: its numbers as Python's own, where they are another library's; raises WrongAnswer."""
    if isinstance(answer, SearchError):
        if not isinstance(answer.message, str) or answer.kind not in _KINDS:
            came = f"a SearchError with the message {shown(answer.message)} and the kind {shown(answer.kind)}"
            raise WrongAnswer(who, came, f"a message as text, and one of the kinds {', '.join(sorted(_KINDS))}")
        return answer
    if not isinstance(answer, Ranking):
        raise WrongAnswer(who, shown(answer), "a Ranking, or a SearchError where the search failed")
    if not isinstance(answer.hits, tuple):
        raise WrongAnswer(who, f"a Ranking whose hits are {shown(answer.hits)}", "a tuple of Hit(id, score)")
    if len(answer.hits) > k:
        raise WrongAnswer(who, f"{len(answer.hits)} hits", f"at most k hits, {k} here")
    hits = tuple(_exact_hit(who, hit) for hit in answer.hits)
    if answer.total is not None and not _whole(answer.total):
        raise WrongAnswer(who, f"a Ranking whose total is {shown(answer.total)}", "a whole number, or None")
    if answer.took_ms is not None and not _real(answer.took_ms):
        raise WrongAnswer(
            who, f"a Ranking whose took_ms is {shown(answer.took_ms)}", "milliseconds as a number, or None"
        )
    total = None if answer.total is None else int(answer.total)
    took = None if answer.took_ms is None else float(answer.took_ms)
    return replace(answer, hits=hits, total=total, took_ms=took)


def _exact_hit(who: str, hit: object) -> Hit:
    if not isinstance(hit, Hit):
        raise WrongAnswer(who, f"a Ranking that holds the hit {shown(hit)}", "Hit(id, score)")
    if not isinstance(hit.id, str) or not hit.id:
        raise WrongAnswer(who, f"a hit whose id is {shown(hit.id)}", "the id as text, not empty")
    if not _real(hit.score) or not isfinite(hit.score):
        raise WrongAnswer(who, f"the score {shown(hit.score)} for the document '{hit.id}'", "a finite number")
    return hit if type(hit.score) in (float, int) else Hit(hit.id, float(hit.score))


def _mended(ranking: Ranking) -> Ranking:
    """Each document once, where it comes first, and no score above the one before it."""
    first: dict[str, Hit] = {}
    for hit in ranking.hits:
        first.setdefault(hit.id, hit)
    scores = accumulate((hit.score for hit in first.values()), min)
    return replace(ranking, hits=tuple(Hit(id, score) for id, score in zip(first, scores, strict=True)))


def _real(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 0


def _short(query: ExpandedQuery) -> str:
    return query.text[:80]
