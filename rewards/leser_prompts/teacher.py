"""What the engine says of keywords: what they earn, what is found first with them and without, and which word helps.

It is read by a language model, as lines of a prompt, so that each text from outside is one short line without fences.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from leser.backend import Ranking, SearchError, Term
from leser.baseline import BaselineContext
from leser.task import Query, Split
from leser_prompts.base import line
from leser_prompts.writers import Written

_SHOWN = 3
"""Titles of one list."""
_WORDS = 8
"""Words of one query that are tried alone, the most frequent first."""
_JUDGED = 10
"""How far down the list a relevant document counts as found."""
_MARKS = re.compile(r"<[^<>\s]{1,40}>|\[/?[A-Z_]{2,20}\]|`+")
"""Marks of a turn in usual chat templates, the places in GEPA's own template, and code fences."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A query's keywords and what they earn; NaN where nothing was written or a search failed: that is not a score."""

    split: Split
    query: Query
    text: Written
    terms: tuple[Term, ...]
    reward: float

    @property
    def known(self) -> bool:
        """Whether the engine has said what they earn."""
        return not math.isnan(self.reward)


def quoted(text: str, longest: int = 120) -> str:
    """A text from outside as one line which cannot end the turn, nor the fence, that it stands in."""
    return line(_MARKS.sub(" ", text), longest)


def feedback(context: BaselineContext, marked: Sequence[Marked]) -> list[str]:
    """What the engine says of the keywords of each query, all of one split, as a few lines for a model to read."""
    split = marked[0].split
    queries = [one.query for one in marked]
    typed = context.reward(split, queries, [()] * len(queries))
    before, after = context.originals(queries), context.search(queries, [one.terms for one in marked])
    missed = [_missed(split, query, found) for query, found in zip(queries, after, strict=True)]
    wanted = [id for found in (*before, *after) for id in _top(found, _SHOWN)] + [id for ids in missed for id in ids]
    field = context.task.title_field
    documents = context.client.fetch(list(dict.fromkeys(wanted)), (field,))
    titles = {id: quoted(document.fields.get(field, "")) for id, document in documents.items()}
    alone = iter(_alone(context, split, marked))
    return [
        "\n".join(
            (
                f"Score of the results as typed: {typed[n]:.3f}. With the keywords: {one.reward:.3f}. More is better.",
                f"First results as typed: {_listed(_top(before[n], _SHOWN), titles)}",
                f"First results with the keywords: {_listed(_top(after[n], _SHOWN), titles)}",
                f"Change of the score by each keyword alone: {_changes(one, typed[n], alone)}",
                *([f"Relevant, and not found: {_listed(missed[n], titles)}"] if missed[n] else ()),
            )
        )
        for n, one in enumerate(marked)
    ]


def _alone(context: BaselineContext, split: Split, marked: Sequence[Marked]) -> list[float]:
    """What the first words of each query earn, each beside its query alone."""
    pairs = [(one.query, (term,)) for one in marked for term in one.terms[:_WORDS]]
    return context.reward(split, [query for query, _ in pairs], [terms for _, terms in pairs]) if pairs else []


def _changes(one: Marked, typed: float, alone: Iterable[float]) -> str:
    values = zip(one.terms[:_WORDS], alone, strict=False)
    known = [(term.text, value - typed) for term, value in values if not math.isnan(value)]
    return ", ".join(f"{quoted(text, 40)} {change:+.3f}" for text, change in known) or "none was written"


def _missed(split: Split, query: Query, found: Ranking | SearchError) -> list[str]:
    """The best judged documents that are not among the first hits."""
    grades = split.qrels.get(query.id, {})
    first = set(_top(found, _JUDGED))
    relevant = [id for id, grade in grades.items() if grade > 0 and id not in first]
    return sorted(relevant, key=lambda id: (-grades[id], id))[:_SHOWN]


def _top(found: Ranking | SearchError, count: int) -> tuple[str, ...]:
    return tuple(found.ids[:count]) if isinstance(found, Ranking) else ()


def _listed(ids: Iterable[str], titles: Mapping[str, str]) -> str:
    return "; ".join(titles[id] for id in ids if titles.get(id)) or "none"
