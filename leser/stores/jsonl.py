"""A store that a person can read: JSON lines, one file per generation.

    head.jsonl             the current generation: a header, its entries, then its edits, one line each
    head.jsonl.previous    the one before

The header holds the checksum of the entries below it as they were written. An edit is appended and carries a checksum of its
own, so that a last line that was cut by a crash is known and left out.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from leser.errors import LeserError
from leser.expansion_store import Checksum, Generation, Store, StoredEntry, StoreOptions, line_of, now, query_key
from leser.stores.decided import checked, holds, nothing_before, nothing_yet
from leser.stores.lines import entry_of

Entries = dict[tuple[str, str], StoredEntry]


class JsonlStore(Store):
    """JSON lines that a person can read, one file per generation; all of it is held in memory."""

    name = "jsonl"

    class Options(StoreOptions):
        """Options of the JSONL store."""

    options: Options

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._path, self._lock = Path(options.place), threading.RLock()
        self._before = self._path.with_name(self._path.name + ".previous")
        self._read: tuple[tuple[int, ...], Generation, Entries, list[StoredEntry]] | None = None
        if not self._path.is_file() and not options.create:
            raise LeserError(f"There is no store {self._path}. Write one with `leser precompute --out {self._path}`.")

    @classmethod
    def recognises(cls, place: str) -> bool:
        """True for a file that ends in .jsonl."""
        return place.endswith(".jsonl") and "://" not in place

    def generations(self) -> list[Generation]:
        """The generations that are there, the current one first."""
        with self._lock, self._readable():
            there = [self._load()[0]] if self._path.is_file() else []
            return [*there, *([self._parsed(self._before)[0]] if self._before.is_file() else [])]

    def current(self) -> Generation | None:
        """The generation that is served; None in a new store."""
        with self._lock, self._readable():
            return self._load()[0] if self._path.is_file() else None

    def get(self, query: str, platform: str = "") -> StoredEntry | None:
        """The current generation's entry of a query."""
        with self._lock, self._readable():
            return self._load()[1].get((platform, query_key(query))) if self._path.is_file() else None

    def entries(self) -> Iterator[StoredEntry]:
        """All entries of the current generation."""
        with self._lock, self._readable():
            found = list(self._load()[1].values()) if self._path.is_file() else []
        yield from found

    def write(self, entries: Iterable[StoredEntry], *, note: str = "", keep_decided: bool = True) -> Generation:
        """Write a file aside, link the current one as the one before, and rename the new one into place."""
        new: Entries = {entry.key: checked(entry) for entry in entries}
        with self._lock, self._readable(), self._alone():
            there = self.generations()
            for old in self._load()[1].values() if there and keep_decided else ():
                if holds(old, new.get(old.key)):
                    new[old.key] = old
            found = Checksum()
            for entry in new.values():
                found.add(entry)
            number = max((generation.number for generation in there), default=0) + 1
            made = Generation(number, found.count, found.value, now(), note)
            partial = self._path.with_name(self._path.name + ".part")
            with partial.open("w", encoding="utf-8") as file:
                file.write(json.dumps(_header(made)) + "\n")
                file.writelines(line_of(entry) + "\n" for entry in new.values())
                file.flush()
                os.fsync(file.fileno())
            if self._path.is_file():
                linked = self._path.with_name(self._path.name + ".link")
                linked.unlink(missing_ok=True)
                linked.hardlink_to(self._path)
                linked.replace(self._before)
            partial.replace(self._path)
            self._sync_folder()
        return made

    def put(self, entries: Iterable[StoredEntry]) -> None:
        """Append edits to the current file."""
        given = [checked(entry) for entry in entries]
        with self._lock, self._readable(), self._alone():
            if not self._path.is_file():
                raise nothing_yet(self.options.place)
            with self._path.open("r+b") as file:
                whole = file.read()
                file.seek(whole.rfind(b"\n") + 1)
                file.truncate()  # the rest of an edit that was cut off
                file.write(b"".join(_edit_line(entry).encode() for entry in given))
                file.flush()
                os.fsync(file.fileno())

    def changes(self, after: int) -> list[StoredEntry]:
        """What was put into the current generation after an edit."""
        with self._lock, self._readable():
            return self._load()[2][after:] if self._path.is_file() else []

    def rollback(self) -> Generation:
        """Exchange the current file and the one before."""
        with self._lock, self._readable(), self._alone():
            if not self._before.is_file():
                raise nothing_before(self.options.place)
            made = self._parsed(self._before)[0]  # what cannot be read does not become current
            parked = self._path.with_name(self._path.name + ".link")
            parked.unlink(missing_ok=True)
            if self._path.is_file():
                parked.hardlink_to(self._path)
            self._before.replace(self._path)
            if parked.is_file():
                parked.replace(self._before)
            self._sync_folder()
        return made

    def close(self) -> None:
        """Let go of what was read."""
        with self._lock:
            self._read = None

    def _load(self) -> tuple[Generation, Entries, list[StoredEntry]]:
        """The current file, read again only where it is another or has grown."""
        stat = self._path.stat()
        state = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if self._read is None or self._read[0] != state:
            self._read = (state, *self._parsed(self._path))
        return self._read[1:]

    def _parsed(self, path: Path) -> tuple[Generation, Entries, list[StoredEntry]]:
        place = str(path)
        lines = path.read_text(encoding="utf-8").split("\n")
        last = lines.pop()  # empty, or an edit that was cut off
        written = _generation(lines[0] if lines else last, place)
        body, rest = lines[1 : written.entries + 1], lines[written.entries + 1 :]
        entries: Entries = {}
        found = Checksum()
        for line in body:
            entry = entry_of(line, place)
            found.add(entry)
            entries[entry.key] = entry
        if (found.count, found.value) != (written.entries, written.checksum):
            raise LeserError(
                f"The store {place} is damaged: generation {written.number} should hold {written.entries} entries with "
                f"checksum {written.checksum[:12]}, and holds {found.count} with {found.value[:12]}. Go back with `leser "
                "store rollback`, or write it again."
            )
        edits = [_edit(line, place) for line in rest]
        for entry in edits:
            if entry.key in entries:
                found.remove(entries[entry.key])
            found.add(entry)
            entries[entry.key] = entry
        return replace(written, entries=found.count, checksum=found.value, edits=len(edits)), entries, edits

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One writer at a time; the lock goes with the process that holds it."""
        with self._path.with_name(self._path.name + ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _sync_folder(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Errors of files in words."""
        try:
            yield
        except (OSError, UnicodeDecodeError) as error:
            raise LeserError(
                f"The store {self._path} cannot be read or written: {error}. Put a copy in its place, or write it again."
            ) from error


def _header(generation: Generation) -> dict[str, Any]:
    return {
        "leser_store": 1,
        "generation": generation.number,
        "entries": generation.entries,
        "checksum": generation.checksum,
        "time": generation.time,
        "note": generation.note,
    }


def _generation(line: str, place: str) -> Generation:
    try:
        row = json.loads(line)
        if row["leser_store"] != 1:
            raise ValueError(f"it is of version {row['leser_store']}, this LESER reads 1")
        return Generation(row["generation"], row["entries"], row["checksum"], row["time"], row["note"])
    except (ValueError, KeyError, TypeError) as error:
        raise LeserError(
            f"{place} is not a store: its first line is not a store's header ({error}). Write it with `leser precompute`."
        ) from error


def _edit_line(entry: StoredEntry) -> str:
    found = Checksum()
    found.add(entry)
    return json.dumps({"edit": entry.row(), "checksum": found.value}, ensure_ascii=False, sort_keys=True) + "\n"


def _edit(line: str, place: str) -> StoredEntry:
    try:
        row = json.loads(line)
        entry, checksum = StoredEntry.of(row["edit"], f"An edit of {place}"), row["checksum"]
    except (ValueError, KeyError, TypeError) as error:
        raise LeserError(f"The store {place} is damaged: an edit cannot be read ({error}). Write it again.") from error
    found = Checksum()
    found.add(entry)
    if found.value != checksum:
        raise LeserError(f"The store {place} is damaged: the edit of '{entry.query}' differs from its checksum.")
    return entry
