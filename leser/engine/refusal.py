"""Refusal: which queries are not sent, because they are too big or ask for what the engine would leave out in silence."""

from __future__ import annotations

from leser.backend import Backend, Capability, ExpandedQuery, SearchError
from leser.engine.options import SearchOptions
from leser.engine.texts import SendableQuery

_OF_TERMS: tuple[Capability, ...] = ("term_weights", "fields", "phrases")


class Refusal:
    """Says why a query is not sent to one backend, or None; a refusal is an error of kind "query"."""

    def __init__(self, backend: Backend, options: SearchOptions) -> None:
        self._name = backend.name
        self._options = options
        self._lacking = frozenset(_OF_TERMS) - backend.capabilities
        self._filters = "filters" in backend.capabilities

    def __call__(self, asked: SendableQuery) -> SearchError | None:
        """Why this query is not sent."""
        query = asked.query
        if query.terms and self._lacking and (needed := self._missing(query)):
            return needed
        if query.filters and not self._filters:
            return self._lacks("filters", f"a condition on '{query.filters[0].field}'")
        return self._too_big(asked)

    def fused(self, query: ExpandedQuery) -> SearchError | None:
        """Why the terms of a query can't each be searched alone, as plain text, which knows no field and no phrase."""
        for term in query.terms:
            if term.negate:
                continue
            if term.field is not None:
                return self._lacks(
                    "fields" if "fields" in self._lacking else "term_weights", f"'{term.text}' in a field"
                )
            if term.match != "any":
                return self._lacks("term_weights", f"'{term.text}' matched as '{term.match}'")
        return None

    def _missing(self, query: ExpandedQuery) -> SearchError | None:
        """The capability that one of the query's terms needs, and this engine lacks."""
        if "term_weights" in self._lacking:
            return SearchError(f"The backend '{self._name}' has no weighted terms (mode fuse has none)", "query")
        for term in query.terms:
            if term.field is not None and "fields" in self._lacking:
                return self._lacks("fields", f"'{term.text}' in the field '{term.field}'")
            if term.match == "phrase" and "phrases" in self._lacking:
                return self._lacks("phrases", f"'{term.text}' as a phrase")
        return None

    def _lacks(self, capability: Capability, what: str) -> SearchError:
        return SearchError(
            f"The backend '{self._name}' lacks the capability '{capability}', which {what} needs", "query"
        )

    def _too_big(self, asked: SendableQuery) -> SearchError | None:
        query, most, limits = asked.query, len(asked.texts), self._options
        # a word is a character and a space at least: what is short as a whole needs no counting
        if most <= limits.max_length and (most + 1) // 2 + len(query.filters) <= limits.max_clauses:
            return None
        parts = [query.text, *(term.text for term in query.terms)]
        length = sum(map(len, parts))
        if length > limits.max_length:
            return SearchError(
                f"{length} characters, at most {limits.max_length} (search.max_length) are sent", "query"
            )
        clauses = sum(len(text.split()) for text in parts) + len(query.filters)
        if clauses > limits.max_clauses:
            return SearchError(
                f"{clauses} clauses, at most {limits.max_clauses} (search.max_clauses) are sent", "query"
            )
        return None
