"""Writing a task's documents into an engine, behind `leser index`; the only place that asks a backend to write."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

from leser.adapter import CountedDocuments
from leser.backend import Backend, Document
from leser.engine.checked import CheckedBackend
from leser.errors import LeserError
from leser.task import Task

log = logging.getLogger(__name__)


def index_task(backend: Backend, task: Task, progress: Callable[[int], None] | None = None) -> int:
    """Create the backend's index from the task's documents; returns how many it holds, an id that comes again counted once.

    `progress` is called with the number handed over so far, every thousand. Raises LeserError when the backend can't write
    an index, when the task carries no documents, or when it carries none at all.
    """
    if "index" not in backend.capabilities:
        hint = (
            "it takes the task's documents by itself, so go on with `leser run`"
            if backend.takes_documents
            else "build its index with its own tools"
        )
        raise LeserError(f"Backend '{backend.name}' cannot write an index: {hint}.")
    if task.documents is None:
        raise LeserError(f"Task '{task.name}' carries no documents to index. Give a task folder with corpus.jsonl.")
    counted = CountedDocuments(_noted(task.documents(), progress))
    count = min(CheckedBackend(backend).index(counted), counted.distinct)
    if count == 0:
        raise LeserError(f"Task '{task.name}' has an empty corpus: the index was made with no document in it.")
    if again := counted.lines - counted.distinct:
        log.warning(
            "%d of %d documents of the task %s have an id that came before (e.g. %r): of each id the last one stays.",
            again,
            counted.lines,
            task.name,
            counted.repeated,
        )
    return count


def _noted(documents: Iterable[Document], progress: Callable[[int], None] | None) -> Iterator[Document]:
    for number, document in enumerate(documents, 1):
        yield document
        if progress and number % 1000 == 0:
            progress(number)
