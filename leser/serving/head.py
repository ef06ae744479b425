"""Head: the service's own copy of the store's current generation, which nothing outside can damage.

Every lookup reads the copy, a private SQLite database that vanishes with the process. A watcher looks at the store and takes
over a new generation once all of it was read and its checksum holds; where the store cannot be read, the copy goes on.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from leser.errors import LeserError
from leser.expansion_store import Checksum, Generation, Store, StoredEntry, line_of, query_key
from leser.stores.lines import entry_of

log = logging.getLogger("leser.serving")
PAUSE_AFTER = 100
"""Entries after which a copy that is made beside the serving lets requests pass."""


class Copy:
    """One generation in a private database; safe to use from several threads."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)  # "": on disk, private, nameless
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("PRAGMA cache_size=-65536")
        self._db.execute(
            "CREATE TABLE e (platform TEXT, key TEXT, line TEXT, PRIMARY KEY (platform, key)) WITHOUT ROWID"
        )
        self._lock = threading.Lock()
        self.checksum = Checksum()

    def put(self, entry: StoredEntry) -> None:
        """Add or replace an entry; raises LeserError where there is no room for it."""
        with self._lock, _in_words():
            old = self._line(entry.key)
            self._db.execute("INSERT OR REPLACE INTO e VALUES (?, ?, ?)", (*entry.key, line_of(entry)))
            if old is not None:
                self.checksum.remove(entry_of(old, "the copy"))
            self.checksum.add(entry)

    def fill(self, lines: Sequence[tuple[tuple[str, str], str]]) -> None:
        """Add keys that are not there yet and their lines, in one transaction."""
        with self._lock, _in_words():
            self._db.execute("BEGIN")
            self._db.executemany("INSERT INTO e VALUES (?, ?, ?)", ((*key, line) for key, line in lines))
            self._db.execute("COMMIT")
            for _, line in lines:
                self.checksum.add_line(line)

    def filled(self) -> None:
        """From now on an edit that fails, on a full disk, leaves everything else as it was."""
        with self._lock, _in_words():
            self._db.execute("PRAGMA journal_mode=MEMORY")

    def get(self, query: str, platform: str) -> StoredEntry | None:
        """The entry of a query."""
        with self._lock:
            line = self._line((platform, query_key(query)))
        return None if line is None else entry_of(line, "the copy")

    def close(self) -> None:
        """Remove it."""
        with self._lock:
            self._db.close()

    def _line(self, key: tuple[str, str]) -> str | None:
        row = self._db.execute("SELECT line FROM e WHERE platform = ? AND key = ?", key).fetchone()
        return None if row is None else str(row[0])


class Head:
    """Lookups in the copy, edits of both, and the watcher that follows the store.

    Raises LeserError where the store cannot be read when the service starts.
    """

    def __init__(self, store: Store, refresh_s: float) -> None:
        self._store, self._refresh_s = store, refresh_s
        self._stop, self._lock = threading.Event(), threading.Lock()
        self.generation: Generation | None = None
        self.trouble = ""
        self._copy = Copy()
        self._follow(pause=False)
        self._thread = threading.Thread(target=self._watch, name="store", daemon=True)
        self._thread.start()

    def get(self, query: str, platform: str) -> StoredEntry | None:
        """The entry of a query, in whatever state, in the generation that is served."""
        return self._copy.get(query, platform)

    def put(self, entries: Iterable[StoredEntry], *, without_store: bool = False) -> None:
        """Edit the store, then the copy; raises LeserError where one of them cannot be edited.

        With `without_store` the copy is edited even where the store cannot be: an answer of the policy is of use until the
        next start. A person's decision is not served before it is stored.
        """
        given = list(entries)
        with self._lock:
            try:
                self._store.put(given)
            except LeserError:
                if without_store:
                    self._edit(given)
                raise
            self._edit(given)

    def _edit(self, entries: Sequence[StoredEntry]) -> None:
        for entry in entries:
            self._copy.put(entry)

    def close(self) -> None:
        """Stop following; the store is closed too."""
        self._stop.set()
        self._thread.join()
        self._store.close()

    def _watch(self) -> None:
        while not self._stop.wait(self._refresh_s):
            try:
                self._follow(pause=True)
            except Exception as error:  # whatever a store raises: what is served goes on
                if str(error) != self.trouble:
                    log.warning("The store cannot be read, the generation that is served goes on: %s", error)
                self.trouble = str(error)

    def _follow(self, *, pause: bool) -> None:
        """Take over what is new in the store."""
        found = self._store.current()
        if found is None and self.generation is not None:
            raise LeserError("The store is empty, and was not before.")
        served = self.generation
        if found is not None and (served is None or _written(found) != _written(served)):
            self._take_over(found, pause)
        elif found is not None and served is not None and found.edits > served.edits:
            with self._lock:
                for entry in self._store.changes(served.edits):
                    self._copy.put(entry)
                self.generation = found
        self.trouble = ""

    def _take_over(self, found: Generation, pause: bool) -> None:
        copy = Copy()
        try:
            old = self._swapped(copy, found) if self._filled(copy, pause) else copy
        except BaseException:
            copy.close()
            raise
        threading.Timer(5.0, old.close).start() if pause else old.close()

    def _filled(self, copy: Copy, pause: bool) -> bool:
        """Read all of the store; False where the service stops before the end."""
        lines = iter(self._store.lines())
        while part := list(islice(lines, PAUSE_AFTER)):
            copy.fill(part)
            if pause:
                time.sleep(0.001)
            if self._stop.is_set():
                return False
        copy.filled()
        return True

    def _swapped(self, copy: Copy, found: Generation) -> Copy:
        """Serve the copy if it is what the store holds; the copy that is not needed any more."""
        with self._lock:  # no edit of this service comes between
            after = self._store.current()
            if after is None or _written(after) != _written(found):
                return copy  # swapped once more while it was read
            for entry in self._store.changes(found.edits):
                copy.put(entry)
            if (copy.checksum.count, copy.checksum.value) != (after.entries, after.checksum):
                raise LeserError(f"The checksum of generation {after.number} differs: it is not taken over.")
            old, self._copy, self.generation = self._copy, copy, after
        log.info("Generation %d is served: %d entries.", after.number, after.entries)
        return old


def _written(generation: Generation) -> tuple[int, str]:
    return generation.number, generation.time


@contextmanager
def _in_words() -> Iterator[None]:
    """SQLite's errors on the copy as LeserError."""
    try:
        yield
    except sqlite3.Error as error:
        raise LeserError(
            f"The service's copy of the store cannot be written: {error}. Make room where temporary files lie "
            "(SQLITE_TMPDIR names another folder)."
        ) from error
