"""A store in Redis, for services on several machines.

NAME:current            the number of the current generation; NAME:previous of the one before; NAME:counter the last given
NAME:N                  hash of generation N: its number, entries, checksum, time, note, edits
NAME:N:entries          hash: platform, U+001F and the query's key -> the entry as a line of JSON
NAME:N:edits            list of the lines that were put, in order
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from typing import Any

from pydantic import Field

from leser.errors import LeserError
from leser.expansion_store import Checksum, Generation, Store, StoredEntry, StoreOptions, line_of, now, query_key
from leser.options import secret
from leser.stores.decided import checked, holds, nothing_before, nothing_yet
from leser.stores.lines import entry_of

BATCH = 2_000
ABANDONED_S = 24 * 3600
"""A generation that is being written vanishes after this, unless it became current: its writer was killed."""


class RedisStore(Store):
    """Redis: for services on several machines; generations swapped in one transaction."""

    name = "redis"

    class Options(StoreOptions):
        """Options of the Redis store."""

        key: str = Field("leser", min_length=1, description="what every key of the store begins with")
        password_env: str | None = Field(None, description="environment variable that holds the password")
        timeout_s: float = Field(5.0, gt=0, description="seconds to wait for an answer")

    options: Options

    @classmethod
    def recognises(cls, place: str) -> bool:
        """True for redis:// and rediss:// (TLS)."""
        return place.startswith(("redis://", "rediss://"))

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        with self._reachable():
            self._client.ping()

    def generations(self) -> list[Generation]:
        """The generations that are there, the current one first."""
        with self._reachable():
            numbers = [n for n in self._client.mget(self._key("current"), self._key("previous")) if n is not None]
            found = [self._client.hgetall(self._key(n)) for n in numbers]
        return [_generation(row) for row in found if row]

    def get(self, query: str, platform: str = "") -> StoredEntry | None:
        """The current generation's entry of a query."""
        with self._reachable():
            number = self._client.get(self._key("current"))
            line = (
                None
                if number is None
                else self._client.hget(self._key(number, "entries"), _field((platform, query_key(query))))
            )
        return None if line is None else self._entry(line)

    def entries(self) -> Iterator[StoredEntry]:
        """All entries of the current generation, each once."""
        with self._reachable():
            number = self._client.get(self._key("current"))
        if number is not None:
            yield from self._of(number).values()

    def write(self, entries: Iterable[StoredEntry], *, note: str = "", keep_decided: bool = True) -> Generation:
        """Fill a hash of its own, then make it current in one transaction; tried again where an edit came between."""
        with self._reachable():
            number = str(self._client.incr(self._key("counter")))
            place, rows = self._key(number, "entries"), iter(entries)
            while batch := [checked(entry) for entry in islice(rows, BATCH)]:
                self._client.hset(place, mapping={_field(e.key): line_of(e) for e in batch})
                self._client.expire(place, ABANDONED_S)
            made: Generation = self._client.transaction(
                lambda pipe: self._swap(pipe, number, note, keep_decided),
                *self._watched(),
                value_from_callable=True,
            )
        return made

    def put(self, entries: Iterable[StoredEntry]) -> None:
        """Add or replace single entries of the current generation, in one transaction."""
        given = [checked(entry) for entry in entries]
        with self._reachable():
            self._client.transaction(lambda pipe: self._edit(pipe, given), *self._watched())

    def changes(self, after: int) -> list[StoredEntry]:
        """What was put into the current generation after an edit."""
        with self._reachable():
            number = self._client.get(self._key("current"))
            lines = [] if number is None else self._client.lrange(self._key(number, "edits"), after, -1)
        return [self._entry(line) for line in lines]

    def rollback(self) -> Generation:
        """Exchange the numbers of the current generation and of the one before, in one transaction."""
        there = self.generations()
        if len(there) < 2:
            raise nothing_before(self.options.place)

        def exchange(pipe: Any) -> None:
            pipe.multi()
            pipe.mset({self._key("current"): there[1].number, self._key("previous"): there[0].number})

        with self._reachable():
            self._client.transaction(exchange, self._key("current"), self._key("previous"))
        return there[1]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @cached_property
    def _client(self) -> Any:
        try:
            from redis import Redis
        except ImportError as error:
            raise LeserError(
                "The Redis store needs the package redis. Install it with: pip install 'leser[redis]'"
            ) from error
        password = secret(self.options.password_env, "password_env")
        return Redis.from_url(
            self.options.place, password=password, decode_responses=True,
            socket_timeout=self.options.timeout_s, socket_connect_timeout=self.options.timeout_s,
        )  # fmt: skip

    def _watched(self) -> list[str]:
        """Keys whose change makes a transaction start again: another generation, or an edit of this one."""
        number = self._client.get(self._key("current"))
        return [self._key("current"), *([self._key(number)] if number is not None else [])]

    def _swap(self, pipe: Any, number: str, note: str, keep_decided: bool) -> Generation:
        old, gone = pipe.get(self._key("current")), pipe.get(self._key("previous"))
        new = self._of(number)
        kept = []
        for entry in self._of(old).values() if old is not None and keep_decided else ():
            if holds(entry, new.get(entry.key)):
                kept.append(entry)
                new[entry.key] = entry
        found = Checksum()
        for entry in new.values():
            found.add(entry)
        made = Generation(int(number), found.count, found.value, now(), note)
        pipe.multi()
        if kept:
            pipe.hset(self._key(number, "entries"), mapping={_field(e.key): line_of(e) for e in kept})
        pipe.persist(self._key(number, "entries"))
        row = {name: getattr(made, name) for name in ("number", "entries", "checksum", "time", "note", "edits")}
        pipe.hset(self._key(number), mapping=row)
        pipe.set(self._key("current"), number)
        if old is not None:
            pipe.set(self._key("previous"), old)
        if gone is not None:
            pipe.unlink(self._key(gone), self._key(gone, "entries"), self._key(gone, "edits"))
        return made

    def _edit(self, pipe: Any, given: list[StoredEntry]) -> None:
        number = pipe.get(self._key("current"))
        if number is None:
            raise nothing_yet(self.options.place)
        place, last = self._key(number, "entries"), {entry.key: entry for entry in given}
        generation = _generation(pipe.hgetall(self._key(number)))
        found = Checksum(generation.checksum, generation.entries)
        for line in pipe.hmget(place, [_field(key) for key in last]) if last else ():
            if line is not None:
                found.remove(self._entry(line))
        for entry in last.values():
            found.add(entry)
        pipe.multi()
        for entry in given:
            pipe.hset(place, _field(entry.key), line_of(entry))
            pipe.rpush(self._key(number, "edits"), line_of(entry))
        edits = generation.edits + len(given)
        pipe.hset(self._key(number), mapping={"entries": found.count, "checksum": found.value, "edits": edits})

    def _of(self, number: str) -> dict[tuple[str, str], StoredEntry]:
        """The entries of a generation by key."""
        with self._reachable():
            lines = self._client.hscan_iter(self._key(number, "entries"), count=BATCH)
            return {entry.key: entry for entry in (self._entry(line) for _, line in lines)}

    def _entry(self, line: str) -> StoredEntry:
        return entry_of(line, self.options.place)

    def _key(self, *parts: object) -> str:
        return ":".join(map(str, (self.options.key, *parts)))

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        """Redis's errors in words."""
        _ = self._client  # raises where the package is missing
        from redis.exceptions import RedisError

        try:
            yield
        except RedisError as error:
            raise LeserError(
                f"The Redis store at {self.options.place} does not answer: {error}. Start Redis, or correct the address "
                "or password_env."
            ) from error


def _field(key: tuple[str, str]) -> str:
    return "\x1f".join(key)


def _generation(row: dict[str, str]) -> Generation:
    numbers = (int(row["number"]), int(row["entries"]), row["checksum"], row["time"], row["note"], int(row["edits"]))
    return Generation(*numbers)
