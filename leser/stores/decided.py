"""What a new generation takes over from the current one: the decisions that people made."""

from __future__ import annotations

from leser.errors import LeserError
from leser.expansion_store import DECIDED, LONGEST_QUERY, StoredEntry, query_key


def holds(old: StoredEntry, new: StoredEntry | None) -> bool:
    """Whether an entry of the current generation replaces the new generation's one of the same key."""
    return old.state in DECIDED and (new is None or new.state not in DECIDED)


def checked(entry: StoredEntry) -> StoredEntry:
    """The entry, which can be stored; raises LeserError for an empty or too long query."""
    if not query_key(entry.query):
        raise LeserError("An entry without a query cannot be stored. Take it out.")
    if len(entry.query) > LONGEST_QUERY:
        raise LeserError(
            f"An entry's query has {len(entry.query)} characters, at most {LONGEST_QUERY} can be stored. Take it out."
        )
    return entry


def nothing_before(place: str) -> LeserError:
    """The error of a rollback where there is no generation before."""
    return LeserError(f"The store {place} has no generation before the current one, so it cannot go back.")


def nothing_yet(place: str) -> LeserError:
    """The error of an edit where no generation was written."""
    return LeserError(f"The store {place} has no generation yet. Write one first with `leser precompute`.")
