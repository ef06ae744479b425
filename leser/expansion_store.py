"""Store: where verified expansions lie between the job that finds them and the service that answers with them.

A store holds generations. A generation is all entries of all platforms that one refresh wrote; it is written aside and
becomes the current one in a single step, so that a reader sees the old one or the new one whole. `put` edits single entries
of the current generation: a merchandiser's decision, the answer to a new query. The generation before the current one is
kept, and `rollback` makes it current again.

A third party's store is one class that inherits from `Store`, and a hook `leser_stores()` that returns it.
"""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Any, ClassVar, Self

from pydantic import Field

from leser.characters import well_formed
from leser.errors import LeserError
from leser.expansion import Expansion
from leser.options import Options

LONGEST_QUERY = 1_000
"""Characters of a query that a store holds; a longer one is searched as it was typed."""


class EntryState(StrEnum):
    """Where an entry stands in its life: only approved and live ones are served."""

    PROPOSED = "proposed"  # found, and waits for a person
    APPROVED = "approved"  # a person said yes: survives a refresh
    LIVE = "live"  # passed every guard, without a person
    WITHDRAWN = "withdrawn"  # a person said no: survives a refresh, and the query is searched as it was typed


DECIDED = frozenset({EntryState.APPROVED, EntryState.WITHDRAWN})
"""States that a person gave."""
SERVED = frozenset({EntryState.APPROVED, EntryState.LIVE})
"""States whose expansions leave the store."""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """What is known of one query on one platform.

    The weights of `expansions` are those that the engine is asked with, beside the original query's 1; no expansions means
    that the query is best left alone. `policy`, `profile`, `engine` and `judge` say what it was made with (runs, "search" and
    baselines, joined by "+"; digests), `judgments` is a digest of the query's judgments that were read (empty: none were),
    `reason` the guard that left the query alone, `scores` what was measured, by name. `by` is who proposed the expansions,
    where that is known: a run's name, "search" or a baseline's name. `time` is ISO 8601 in UTC.
    """

    query: str
    expansions: tuple[Expansion, ...] = ()
    platform: str = ""
    state: EntryState = EntryState.PROPOSED
    policy: str = ""
    profile: str = ""
    engine: str = ""
    judge: str = ""
    judgments: str = ""
    reason: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    time: str = field(default_factory=lambda: now())
    by: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """The platform, and the query as a store compares it."""
        return self.platform, query_key(self.query)

    @property
    def served(self) -> tuple[Expansion, ...]:
        """The expansions that may be searched with: none of one that is only proposed, or withdrawn."""
        return self.expansions if self.state in SERVED else ()

    def in_state(self, state: EntryState | str) -> StoredEntry:
        """The same entry in another state, from now on."""
        return replace(self, state=EntryState(state), time=now())

    def row(self) -> dict[str, Any]:
        """The entry as plain values, as every store and export writes it."""
        # what older stores lack is left out where it is empty, so that their entries keep their checksum
        later = {name: value for name in ("judgments", "reason", "by") if (value := getattr(self, name))}
        return {
            "query": self.query,
            "platform": self.platform,
            "expansions": [{"text": e.text, "weight": float(e.weight)} for e in self.expansions],
            "state": str(self.state),
            "policy": self.policy,
            "profile": self.profile,
            "engine": self.engine,
            "judge": self.judge,
            **later,
            "scores": {name: float(value) for name, value in self.scores.items()},  # 7 would come back as 7.0
            "time": self.time,
        }

    @classmethod
    def of(cls, row: Mapping[str, Any], where: str = "the entry") -> StoredEntry:
        """The entry of such plain values; raises LeserError naming `where` it stands."""
        try:
            expansions = tuple(Expansion(_text(e["text"]), _number(e["weight"])) for e in row.get("expansions", ()))
            scores = {_text(name): _number(value) for name, value in dict(row.get("scores", {})).items()}
            names = ("platform", "policy", "profile", "engine", "judge", "judgments", "reason", "by")
            texts = {name: _text(row.get(name, "")) for name in names}
            made = {"time": _text(row["time"])} if "time" in row else {}
            return cls(_text(row["query"]), expansions, state=EntryState(row["state"]), scores=scores, **texts, **made)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
            raise LeserError(f"{where} is not valid: {reason}. Write it again, or take it out.") from error


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation: its number, how many entries it has, their checksum, when it was written, and how often it was edited."""

    number: int
    entries: int
    checksum: str
    time: str
    note: str = ""
    edits: int = 0


class StoreOptions(Options):
    """Options every store shares."""

    place: str = Field(description="where the store lies: a file, or an address")
    create: bool = Field(False, description="make the store where there is none")


class Store(ABC):
    """Generations of entries under one address. A context manager that closes it; safe to use from several threads.

    Raises LeserError where the store cannot be reached or read; `verify` raises it where the checksum differs.
    """

    name: ClassVar[str]
    api: ClassVar[int] = 1

    class Options(StoreOptions):
        """Options of this store."""

    def __init__(self, options: Any) -> None:
        self.options = options

    @classmethod
    def recognises(cls, place: str) -> bool:  # noqa: ARG003
        """Whether an address without the store's name can only be this store's: by its ending or its scheme."""
        return False

    @abstractmethod
    def generations(self) -> list[Generation]:
        """The generations that are there, the current one first, then the one that `rollback` returns to; [] in a new store."""

    @abstractmethod
    def get(self, query: str, platform: str = "") -> StoredEntry | None:
        """The current generation's entry of a query, compared by `query_key`, in whatever state it is."""

    @abstractmethod
    def entries(self) -> Iterator[StoredEntry]:
        """All entries of the current generation, each once, as they are after every edit; no order is promised."""

    def lines(self) -> Iterator[tuple[tuple[str, str], str]]:
        """The key and the line (`line_of`) of each of those entries, as the checksum counts them.

        A store that keeps lines hands them out unread, which is several times as fast as `entries`; a line that is not what
        was written shows in the checksum.
        """
        for entry in self.entries():
            yield entry.key, line_of(entry)

    @abstractmethod
    def write(self, entries: Iterable[StoredEntry], *, note: str = "", keep_decided: bool = True) -> Generation:
        """Write a whole generation aside and make it the current one in one step.

        Of two entries with one key the later holds. With `keep_decided`, entries of the current generation that a person
        approved or withdrew replace the new one's of the same key, those decided meanwhile too; an entry that is itself
        approved or withdrawn is never replaced. The one before the current generation is removed, the current one is kept.
        """

    @abstractmethod
    def put(self, entries: Iterable[StoredEntry]) -> None:
        """Add or replace single entries of the current generation; on disk before it returns. Raises in a new store."""

    @abstractmethod
    def changes(self, after: int) -> list[StoredEntry]:
        """What was put into the current generation after its edit number `after`, in order."""

    @abstractmethod
    def rollback(self) -> Generation:
        """Make the generation before the current one current again; twice is where you began. Raises where there is none."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections; calling it twice is fine."""

    def current(self) -> Generation | None:
        """The generation that is served; None in a new store."""
        return next(iter(self.generations()), None)

    def verify(self) -> None:
        """Raise LeserError where the entries of the current generation are not those that were written."""
        before = self.current()
        if before is None:
            return
        found = Checksum()
        for entry in self.entries():
            found.add(entry)
        now_there = self.current()
        if now_there != before:  # swapped or edited while it was read: what is there now is another matter
            return
        if (found.count, found.value) != (before.entries, before.checksum):
            raise LeserError(
                f"The store {self.options.place} is damaged: generation {before.number} should hold {before.entries} "
                f"entries with checksum {before.checksum[:12]}, and holds {found.count} with {found.value[:12]}. "
                "Go back with `leser store rollback`, or write it again."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Checksum:
    """The checksum of a set of entries: the sum of their SHA-256 digests modulo 2**256.

    A sum does not depend on order, and an edit changes it by the difference of two digests.
    """

    def __init__(self, value: str = "0", count: int = 0) -> None:
        self._sum, self.count = int(value, 16), count

    @property
    def value(self) -> str:
        """64 hexadecimal digits."""
        return f"{self._sum:064x}"

    def add(self, entry: StoredEntry) -> None:
        """One more entry."""
        self.add_line(line_of(entry))

    def add_line(self, line: str) -> None:
        """One more entry, by its line."""
        self._sum, self.count = (self._sum + _digest(line)) % 2**256, self.count + 1

    def remove(self, entry: StoredEntry) -> None:
        """One entry fewer."""
        self._sum, self.count = (self._sum - _digest(line_of(entry))) % 2**256, self.count - 1


def query_key(query: str) -> str:
    """A query as stores compare it: Unicode's composed form (NFC), case folded, one blank between words."""
    folded = unicodedata.normalize("NFC", well_formed(query)).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())


def line_of(entry: StoredEntry) -> str:
    """One line of JSON, the same for equal entries."""
    return json.dumps(entry.row(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _digest(line: str) -> int:
    return int.from_bytes(hashlib.sha256(line.encode()).digest(), "big")


def _number(value: Any) -> float:
    found = float(value)
    if not math.isfinite(found):  # JSON has no such number: no service could answer with it
        raise ValueError(f"{found} is not a finite number")
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return well_formed(value)
