"""From a user's query to what the engine is asked: the one place where constraints join a search.

Originals, expansions and baselines all ask through an `QueryConstraints`, so that all are held to the same conditions.
"""

from __future__ import annotations

from collections.abc import Iterable

from leser.backend import Backend, Capability, ExpandedQuery, Filter, SearchError, Term
from leser.constraints.found import Constraints
from leser.constraints.options import ConstraintOptions, KindOptions
from leser.constraints.reader import ConstraintReader
from leser.constraints.wording import BUILT_IN
from leser.engine.checked import CheckedBackend
from leser.errors import LeserError
from leser.task import Query

MEMO = 100_000


class QueryConstraints:
    """Makes the ExpandedQuery of a query; without options that are enabled it is the query's text and nothing else."""

    def __init__(self, options: ConstraintOptions | None = None) -> None:
        self.options = (options or ConstraintOptions()).at(None)
        self._known: dict[str, Constraints] = {}
        self._reader = None
        if self.options.enabled:
            self._reader = ConstraintReader(self.options)

    def __call__(self, query: Query, terms: Iterable[Term] = ()) -> ExpandedQuery:
        """The query with its constraints' filters and negated terms, and then with these terms."""
        found = self.constraints(query.text)
        text = query.text if self.options.keep_words else found.remainder
        return ExpandedQuery(query.id, text, (*found.excluded, *terms), found.filters)

    def constraints(self, text: str) -> Constraints:
        """The constraints in a query's text; none where they are not enabled."""
        if self._reader is None:
            return Constraints(text)
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= MEMO:
                self._known = {}
            known = self._known[text] = self._reader.read(text)
        return known

    def kinds_in_words(self) -> list[str]:
        """What is read for each mapped kind, and the field that is held to it: a line each, in words."""
        return self._reader.kinds_in_words() if self._reader else []

    def check_able(self, backend: Backend | type[Backend]) -> None:
        """Raise LeserError where this engine lacks a capability that the mapped constraints need; contacts nothing."""
        for kind, mapped in self.options.kinds.items() if self.options.enabled else ():
            for capability, what in _needed(kind, mapped).items():
                if capability not in backend.capabilities:
                    raise LeserError(
                        f"[constraints.kinds.{kind}] needs {what}, but backend '{backend.name}' lacks the capability "
                        f"'{capability}'. Map kinds that need none, use another backend, or set -o constraints.enabled=false."
                    )

    def check(self, backend: Backend) -> None:
        """Raise LeserError where this engine can't hold searches to the mapped constraints; searches once for each kind."""
        self.check_able(backend)
        for kind, mapped in self.options.kinds.items() if self.options.enabled else ():
            needed = _needed(kind, mapped)
            words = "term_weights" in needed
            number = not words and not mapped.formats and kind != "size"
            condition = Filter(mapped.field, "lte", 0.0) if number else Filter(mapped.field, "eq", "leser")
            excluded = (Term("leser", field=mapped.field, match="phrase", negate=True),) if words else ()
            filters = (condition,) if "filters" in needed else ()
            answer = CheckedBackend(backend).search_one(ExpandedQuery(f"check-{kind}", "leser", excluded, filters), 1)
            if isinstance(answer, SearchError):
                raise LeserError(
                    f"[constraints.kinds.{kind}] field '{mapped.field}': a first search held to it fails: {answer.message}"
                )


def _needed(kind: str, mapped: KindOptions) -> dict[Capability, str]:
    """The capabilities a kind needs, and what for: words are excluded, all but words without values are filtered by."""

    needed: dict[Capability, str] = {}
    words = bool(mapped.values) or kind in BUILT_IN
    if words:
        needed |= {"term_weights": "excluded words", "fields": "words excluded in one field"}
        needed["phrases"] = "excluded words that stand together"
    if not words or mapped.values:
        needed["filters"] = "conditions on fields"
    return needed
