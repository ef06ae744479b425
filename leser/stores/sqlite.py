"""The default store: one SQLite file with a write-ahead log, which many processes read while one writes."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from pydantic import Field

from leser.errors import LeserError
from leser.expansion_store import Checksum, Generation, Store, StoredEntry, StoreOptions, line_of, now, query_key
from leser.stores.decided import checked, holds, nothing_before, nothing_yet
from leser.stores.lines import entry_of

BATCH = 5_000
"""Entries per transaction while a generation is written aside: edits of others wait no longer than one batch takes."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS generations (
    number INTEGER PRIMARY KEY, entries INTEGER, checksum TEXT, time TEXT, note TEXT, edits INTEGER, current INTEGER);
CREATE TABLE IF NOT EXISTS entries (
    generation INTEGER, platform TEXT, key TEXT, edit INTEGER, line TEXT,
    PRIMARY KEY (generation, platform, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS edited ON entries (generation, edit) WHERE edit > 0;
"""
_GENERATION = "SELECT number, entries, checksum, time, note, edits FROM generations"
_INSERT = "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?)"
_ONE = "SELECT line FROM entries WHERE generation = ? AND platform = ? AND key = ?"
_NOW = "SELECT line FROM entries WHERE generation = (SELECT number FROM generations WHERE current)"
_LINES_NOW = _NOW.replace("line", "platform, key, line", 1)


class SqliteStore(Store):
    """One SQLite file (WAL): many readers, generations swapped in one transaction. The default."""

    name = "sqlite"

    class Options(StoreOptions):
        """Options of the SQLite store."""

        wait_s: float = Field(10.0, gt=0, description="seconds to wait for another process's edit to end")

    options: Options

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._path, self._lock = Path(options.place), threading.RLock()
        if not self._path.is_file() and not options.create:
            raise LeserError(f"There is no store {self._path}. Write one with `leser precompute --out {self._path}`.")
        self._state: tuple[int, ...] = ()
        self._db: sqlite3.Connection
        with self._readable():
            pass

    @classmethod
    def recognises(cls, place: str) -> bool:
        """True for a file that ends as SQLite's do."""
        return place.endswith((".db", ".sqlite", ".sqlite3"))

    def generations(self) -> list[Generation]:
        """The generations that are there, the current one first."""
        with self._lock, self._readable():
            rows = self._db.execute(f"{_GENERATION} ORDER BY current DESC, number DESC").fetchall()
        return [Generation(*row) for row in rows]

    def get(self, query: str, platform: str = "") -> StoredEntry | None:
        """The current generation's entry of a query."""
        with self._lock, self._readable():
            row = self._db.execute(
                f"{_NOW} AND platform = ? AND key = ?",
                (platform, query_key(query)),
            ).fetchone()
        return self._entry(row[0]) if row else None

    def entries(self) -> Iterator[StoredEntry]:
        """All entries of the current generation, from one snapshot, whatever is written meanwhile."""
        with self._readable(), self._snapshot() as db:
            for (line,) in db.execute(_NOW):
                yield self._entry(line)

    def lines(self) -> Iterator[tuple[tuple[str, str], str]]:
        """The keys and lines of those entries, unread, in the order of their keys."""
        with self._readable(), self._snapshot() as db:
            for platform, key, line in db.execute(_LINES_NOW):
                yield (platform, key), line

    def write(self, entries: Iterable[StoredEntry], *, note: str = "", keep_decided: bool = True) -> Generation:
        """Write a generation in batches under a number that nobody reads yet, then make it current in one transaction."""
        with self._alone(), self._readable():
            number = self._free_number()
            self._remove("generation >= ?", number)  # of a writer that was killed
            rows = iter(entries)
            while batch := [checked(entry) for entry in islice(rows, BATCH)]:
                with self._transaction():
                    self._db.executemany(_INSERT, ((number, *e.key, 0, line_of(e)) for e in batch))
            with self._transaction():
                if keep_decided:
                    self._keep_decided(number)
                found = Checksum()
                for (line,) in self._db.execute("SELECT line FROM entries WHERE generation = ?", (number,)):
                    found.add(self._entry(line))
                before = self.current()
                self._db.execute("DELETE FROM generations WHERE NOT current")
                self._db.execute("UPDATE generations SET current = 0")
                made = Generation(number, found.count, found.value, now(), note)
                values = (made.number, made.entries, made.checksum, made.time, made.note, made.edits)
                self._db.execute("INSERT INTO generations VALUES (?, ?, ?, ?, ?, ?, 1)", values)
            kept = before.number if before else number
            self._remove("generation < ?", kept)
            self._remove("generation > ? AND generation < ?", kept, number)
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        return made

    def put(self, entries: Iterable[StoredEntry]) -> None:
        """Add or replace single entries of the current generation, in one transaction."""
        given = [checked(entry) for entry in entries]
        with self._lock, self._readable(), self._transaction():
            generation = self.current()
            if generation is None:
                raise nothing_yet(self.options.place)
            found, edits = Checksum(generation.checksum, generation.entries), generation.edits
            for entry in given:
                old = self._db.execute(_ONE, (generation.number, *entry.key)).fetchone()
                if old:
                    found.remove(self._entry(old[0]))
                found.add(entry)
                edits += 1
                self._db.execute(_INSERT, (generation.number, *entry.key, edits, line_of(entry)))
            self._db.execute(
                "UPDATE generations SET entries = ?, checksum = ?, edits = ? WHERE number = ?",
                (found.count, found.value, edits, generation.number),
            )

    def changes(self, after: int) -> list[StoredEntry]:
        """What was put into the current generation after an edit, each key once, as it is now."""
        with self._lock, self._readable():
            rows = self._db.execute(
                f"{_NOW} AND edit > ? AND edit > 0 ORDER BY edit",
                (after,),
            ).fetchall()
        return [self._entry(line) for (line,) in rows]

    def rollback(self) -> Generation:
        """Make the generation before current, in one transaction."""
        with self._lock, self._readable(), self._transaction():
            there = self.generations()
            if len(there) < 2:
                raise nothing_before(self.options.place)
            self._db.execute("UPDATE generations SET current = (number = ?)", (there[1].number,))
        return there[1]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._state:
                self._db.close()
            self._state = ()

    def _entry(self, line: str) -> StoredEntry:
        return entry_of(line, self.options.place)

    def _free_number(self) -> int:
        row = self._db.execute("SELECT max(number) FROM generations").fetchone()
        return int(row[0] or 0) + 1

    def _keep_decided(self, number: int) -> None:
        """Decisions of the current generation, those that were made while the new one was written among them."""
        current = self.current()
        if current is None:
            return
        decided = self._db.execute("SELECT line FROM entries WHERE generation = ?", (current.number,)).fetchall()
        for (line,) in decided:
            old = self._entry(line)
            new = self._db.execute(_ONE, (number, *old.key)).fetchone()
            if holds(old, self._entry(new[0]) if new else None):
                self._db.execute(_INSERT, (number, *old.key, 0, line_of(old)))

    def _remove(self, which: str, *values: int) -> None:
        """Remove entries in small transactions, so that edits of others get their turn."""
        while True:
            with self._transaction():
                rows = self._db.execute(
                    f"SELECT generation, platform, key FROM entries WHERE {which} LIMIT {BATCH}",  # noqa: S608 (texts of this class)
                    values,
                ).fetchall()
                self._db.executemany("DELETE FROM entries WHERE generation = ? AND platform = ? AND key = ?", rows)
            if len(rows) < BATCH:
                return

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own, so that a long read neither holds up nor sees edits."""
        db = sqlite3.connect(self._path, timeout=self.options.wait_s, isolation_level=None)
        try:
            db.execute("BEGIN")
            yield db
        finally:
            db.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One writer of generations at a time; the lock goes with the process that holds it."""
        with self._path.with_name(self._path.name + ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise LeserError(
                    f"Another process writes a generation of {self._path}. Wait until it is done."
                ) from error
            yield

    def _connect(self) -> None:
        """Open the file, and again where it was changed or replaced from outside: a connection stays with what it read."""
        if self._state and (self._db.in_transaction or self._file_state() == self._state):
            return
        if self._state:
            self._state = ()
            self._db.close()
        # a store that vanished must not come back empty
        address = f"{self._path.absolute().as_uri()}?mode={'rwc' if self.options.create else 'rw'}"
        wait = self.options.wait_s
        db = sqlite3.connect(address, uri=True, timeout=wait, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.executescript(SCHEMA)
            self._db, self._state = db, self._file_state()
        except BaseException:
            db.close()
            raise

    def _file_state(self) -> tuple[int, ...]:
        stat = self._path.stat()
        return stat.st_ino, stat.st_size, stat.st_mtime_ns

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """SQLite's errors in words."""
        try:
            with self._lock:
                self._connect()
            yield
        except (sqlite3.Error, OSError) as error:
            raise LeserError(
                f"The store {self._path} cannot be read or written: {error}. If the file is damaged, put a copy in its place "
                "or write it again; if it is locked or the disk is full, try again after that."
            ) from error
