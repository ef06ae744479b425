"""Events from the shop (User Behavior Insights 1.3): validated, appended, and on disk before they are acknowledged.

Many requests share one fsync: what came while the last one ran is written together. A line that a crash cut off was never
acknowledged, and is taken out when the file is opened again.
"""

from __future__ import annotations

import os
import queue
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from leser.errors import LeserError

MOST_EVENTS = 1_000
Name = Annotated[str, Field(min_length=1, max_length=100)]


class _Open(BaseModel):
    """A part that may hold more than the specification names."""

    model_config = ConfigDict(extra="allow")


class UbiObject(_Open):
    """What was acted on."""

    object_id: str | None = Field(None, max_length=256)
    object_id_field: str | None = Field(None, max_length=100)


class UbiPosition(_Open):
    """Where it stood in the list."""

    ordinal: int | None = Field(None, ge=0)


class UbiAttributes(_Open):
    """What was acted on, and where it stood."""

    object: UbiObject | None = None
    position: UbiPosition | None = None


class UbiEvent(_Open):
    """One event: a click, an impression, an add_to_cart."""

    action_name: Name
    query_id: str | None = Field(None, max_length=100)
    client_id: str | None = Field(None, max_length=100)
    session_id: str | None = Field(None, max_length=100)
    application: str | None = Field(None, max_length=100)
    timestamp: AwareDatetime
    user_query: str | None = Field(None, max_length=1_000)
    message_type: str | None = Field(None, max_length=100)
    message: str | None = Field(None, max_length=1_024)
    event_attributes: UbiAttributes | None = None


class UbiQuery(_Open):
    """One search: what was typed, and which hits were shown."""

    query_id: Name
    user_query: str = Field(max_length=1_000)
    client_id: str | None = Field(None, max_length=100)
    application: str | None = Field(None, max_length=100)
    timestamp: AwareDatetime
    query_attributes: dict[str, Any] | None = None
    query_response_hit_ids: list[str] | None = Field(None, max_length=1_000)
    query_response_id: str | None = Field(None, max_length=100)
    object_id_field: str | None = Field(None, max_length=100)
    action_name: Literal[None] = None


Events = Annotated[list[UbiEvent | UbiQuery], Field(min_length=1, max_length=MOST_EVENTS)]
ONE_OR_MORE: TypeAdapter[Any] = TypeAdapter(UbiEvent | UbiQuery | Events)


def read_events(body: bytes) -> list[UbiEvent | UbiQuery]:
    """One event or query, or a list of them; raises pydantic's ValidationError."""
    found = ONE_OR_MORE.validate_json(body)
    return list(found) if isinstance(found, list) else [found]


class EventLog:
    """A file that events are appended to; `append` gives a future that is done once they are on disk.

    Raises LeserError where the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            self._length = _whole_lines(self._file)
            os.ftruncate(self._file, self._length)
        except OSError as error:
            raise LeserError(
                f"The file of events {path} cannot be written: {error}. Give another with --events."
            ) from error
        self._waiting: queue.SimpleQueue[tuple[bytes, Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="events", daemon=True)
        self._thread.start()

    def append(self, events: list[UbiEvent | UbiQuery]) -> Future[None]:
        """Write events; the future raises OSError where they could not be written, and then none of them is in the file."""
        lines = "".join(event.model_dump_json(exclude_none=True) + "\n" for event in events)
        done: Future[None] = Future()
        self._waiting.put((lines.encode(), done))
        return done

    def close(self) -> None:
        """Write what waits, then close the file."""
        self._waiting.put(None)
        self._thread.join()
        os.close(self._file)

    def _write(self) -> None:
        ended = False
        while not ended:
            batch = [self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get())
            ended = None in batch
            given = [item for item in batch if item is not None]
            failure = self._appended(b"".join(lines for lines, _ in given)) if given else None
            for _, done in given:
                if failure is None:
                    done.set_result(None)
                else:
                    done.set_exception(failure)

    def _appended(self, data: bytes) -> OSError | None:
        """Put data at the end and flush it; what could not be written whole is taken back."""
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._file, data[written:], self._length + written)
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, self._length)
            return error
        self._length += len(data)
        return None


def _whole_lines(file: int) -> int:
    """The file's length up to its last line break."""
    end = os.fstat(file).st_size
    while end > 0:
        start = max(0, end - 65_536)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
