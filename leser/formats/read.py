"""Reading a task, whatever its format: `read_task("demo", ...)`, `read_task("data/electronics", ...)`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from leser.backend import Document
from leser.errors import LeserError, unknown_name
from leser.formats.checked import catalogue, read, recognises
from leser.formats.split import check_splits, with_unjudged
from leser.options import validate_options
from leser.reader import Reader, ReaderOptions
from leser.task import Task


def read_task(
    source: str | Path, readers: Mapping[str, type[Reader]], options: Mapping[str, Any] | None = None
) -> Task:
    """Read the task at a path, or the one a reader makes itself (`demo`).

    `options` are the reader's own (`seed`, ...); `format` names the reader of a path that several recognise. Raises
    LeserError for an unknown name, a folder nobody recognises, bad options and malformed files (with file and line).
    """
    reader, given = _opened(source, readers, options or {})
    return check_splits(with_unjudged(read(reader, given), given.unjudged))


def read_catalogue(
    source: str | Path, readers: Mapping[str, type[Reader]], options: Mapping[str, Any] | None = None
) -> Callable[[], Iterable[Document]] | None:
    """The documents of a task alone, as `read_task` reads the whole; None where it brings none. Raises LeserError."""
    reader, given = _opened(source, readers, {**(options or {}), "unjudged": "all"})
    return catalogue(reader, given)


def _opened(
    source: str | Path, readers: Mapping[str, type[Reader]], options: Mapping[str, Any]
) -> tuple[type[Reader], ReaderOptions]:
    """The reader of a task, and its options with the path that it shall read."""
    values = dict(options)
    reader, path = find_reader(str(source), readers, values.pop("format", None))
    if path is not None:
        values["path"] = path
    return reader, validate_options(reader.Options, values, f"task '{reader.name}'")


def find_reader(
    source: str, readers: Mapping[str, type[Reader]], wanted: str | None = None
) -> tuple[type[Reader], Path | None]:
    """The reader class for `source`, and the path it shall read (None where the source is a reader's name)."""
    path = Path(source)
    if wanted is not None:
        return readers[wanted], None if source == wanted else path
    if source in readers and not (path.exists() and recognises(readers[source], path)):
        return readers[source], None
    if not path.exists():
        if path.name != source:
            raise LeserError(f"No task at {path.absolute()}: there is no such file or folder. Check --task.")
        raise LeserError(f"{unknown_name('task', source, readers)} Nor is there a file or folder of that name here.")
    matching = [name for name, reader in readers.items() if recognises(reader, path)]
    if len(matching) > 1:
        raise LeserError(f"{path} could be {' or '.join(matching)}. Say which with -o task.format=NAME.")
    if not matching:
        reasons = "".join(f"\n{reason}" for reader in readers.values() if (reason := reader.why_not(path)))
        reasons += "\n" if reasons else " "
        formats = "".join(f"\n  {name}: {(reader.__doc__ or '').splitlines()[0]}" for name, reader in readers.items())
        raise LeserError(f"No reader recognises {path}.{reasons}Known formats:{formats}")
    return readers[matching[0]], path
