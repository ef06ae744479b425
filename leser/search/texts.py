"""What a query's texts must be before any backend sees them."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from leser.backend import ExpandedQuery

Value = TypeVar("Value", str, str | float)


def cleaned(query: ExpandedQuery) -> ExpandedQuery:
    """The query with lone surrogates replaced by U+FFFD: they are no UTF-8, and one would spoil a whole batch's request."""
    values = [one for f in query.filters for one in (f.value if isinstance(f.value, tuple) else (f.value,))]
    texts = [query.text, *(term.text for term in query.terms), *(value for value in values if isinstance(value, str))]
    if all(map(_sendable, texts)):
        return query
    return replace(
        query,
        text=_clean(query.text),
        terms=tuple(replace(term, text=_clean(term.text)) for term in query.terms),
        filters=tuple(
            replace(f, value=tuple(map(_clean, f.value)) if isinstance(f.value, tuple) else _clean(f.value))
            for f in query.filters
        ),
    )


def _sendable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _clean(value: Value) -> Value:
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(value, str) else value
