"""What was found in a query: each constraint with its place in the text and what it asks of the engine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from leser.backend import Filter, Term

SIGNS = {"eq": "=", "in": "is one of", "lt": "<", "lte": "≤", "gt": ">", "gte": "≥"}


@dataclass(frozen=True, slots=True)
class Constraint:
    """One constraint: its kind, the words that say it (`start` and `end` in the query's text), and its clauses.

    `filters` must all be met; `excluded` are negated terms.
    """

    kind: str
    text: str
    start: int
    end: int
    filters: tuple[Filter, ...] = ()
    excluded: tuple[Term, ...] = ()

    def __str__(self) -> str:
        """In words, e.g. `"under $50": price < 50`."""
        said = [f"{f.field} {SIGNS[f.op]} {_plain(f.value)}" for f in self.filters]
        said += [f"{t.field or 'no text'} without {t.text}" for t in self.excluded]
        return f'"{self.text}": {" and ".join(said)}'


@dataclass(frozen=True, slots=True)
class Constraints:
    """All constraints of one query, in the order they stand there; prints one line each."""

    query: str
    found: tuple[Constraint, ...] = ()

    @property
    def filters(self) -> tuple[Filter, ...]:
        """Conditions that every hit must meet, each once."""
        return tuple(dict.fromkeys(f for constraint in self.found for f in constraint.filters))

    @property
    def excluded(self) -> tuple[Term, ...]:
        """Negated terms: what matches one is no hit."""
        return tuple(dict.fromkeys(t for constraint in self.found for t in constraint.excluded))

    @property
    def remainder(self) -> str:
        """The query without its constraints' words; the whole query where nothing else is left."""
        kept, last = [], 0
        for constraint in self.found:
            kept.append(self.query[last : constraint.start])
            last = constraint.end
        left = " ".join("".join((*(part + " " for part in kept), self.query[last:])).split()).strip(" ,;")
        return left or self.query

    def __str__(self) -> str:
        """One line for each constraint."""
        return "\n".join(map(str, self.found))


def _plain(value: str | float | Iterable[str | float]) -> str:
    if isinstance(value, str):
        return value
    return f"{value:g}" if isinstance(value, (int, float)) else ", ".join(map(_plain, value))
