"""A query as a batch goes through it: what makes two of them the same search, and what its texts must be to be sent.

All of this is done for each query of each batch, beside engines that answer in a twentieth of a millisecond.
"""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter

from leser.backend import ExpandedQuery
from leser.characters import well_formed

_TEXT, _WEIGHT = attrgetter("text"), attrgetter("weight")


class SendableQuery:
    """A query that can be sent, with all its texts joined; equal to another that is the same search, whatever their ids.

    The hash is made once, of texts, weights and filters: whole terms cost more to hash, and are compared where these are
    equal. Without weights and filters a head query under a thousand price limits would be a thousand times one hash.
    """

    __slots__ = ("hash", "query", "texts")

    def __init__(self, query: ExpandedQuery) -> None:
        texts = _joined(query)
        if well_formed(texts) is not texts:
            query = cleaned(query)
            texts = _joined(query)
        self.query = query
        self.texts = texts
        self.hash = hash((texts, query.filters, *map(_WEIGHT, query.terms)))

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SendableQuery):
            return NotImplemented
        one, two = self.query, other.query
        return one.text == two.text and one.terms == two.terms and one.filters == two.filters


def cleaned(query: ExpandedQuery) -> ExpandedQuery:
    """The query with lone surrogates replaced by U+FFFD: they are no UTF-8, and one would spoil a whole batch's request."""
    return replace(
        query,
        text=well_formed(query.text),
        terms=tuple(replace(term, text=well_formed(term.text)) for term in query.terms),
    )


def _joined(query: ExpandedQuery) -> str:
    """The query's own text, its terms' and its filters' values, a space between two."""
    texts = [query.text, *map(_TEXT, query.terms)]
    for condition in query.filters:
        values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
        texts += [value for value in values if isinstance(value, str)]
    return " ".join(texts)
