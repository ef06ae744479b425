"""Writing an index's documents as corpus.jsonl, behind `leser corpus`: all of them, or none and the file that was there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from leser.backend import Backend, Document
from leser.corpus.fields import ChosenFields, choose_fields
from leser.engine.aliases import FieldAliases
from leser.engine.checked import CheckedBackend
from leser.engine.options import SearchOptions
from leser.engine.reading import check_gives_documents, read_documents
from leser.errors import LeserError
from leser.files import replacing

LOOKED_AT = 1000
"""Documents whose fields are looked at before the first is written."""
CORPUS = "corpus.jsonl"


@dataclass(frozen=True)
class WrittenCorpus:
    """What was written: how many documents, the fields, and in sentences what the user should know."""

    path: Path
    documents: int
    fields: ChosenFields
    notes: tuple[str, ...] = ()


def check_place(path: Path, *, overwrite: bool) -> None:
    """Raise LeserError where a corpus is there already that may not be replaced, or one that would stand beside this one."""
    if path.is_dir():
        raise LeserError(f"--out {path} is a folder. Name the file: --out {path / CORPUS}")
    if path.exists() and not overwrite:
        raise LeserError(f"{path} is there already. Add --overwrite to replace it, or name another file with --out.")
    other = path.with_suffix("") if path.suffix == ".gz" else path.with_name(f"{path.name}.gz")
    if other.exists():
        raise LeserError(
            f"{other} is there already, and a task's folder holds one of the two. Move it away, or write --out {other}."
        )


def write_corpus(
    backend: Backend,
    path: Path,
    *,
    title: Sequence[str] = (),
    text: Sequence[str] = (),
    overwrite: bool = False,
    search: SearchOptions | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> WrittenCorpus:
    """Write every document of the backend's index as a BEIR corpus, gzip'd where the name ends in .gz.

    `title` and `text` name fields, several joined with a space; left out, they are those of `search.aliases`, or those that
    are called so. `progress` is called with the number of
    documents so far and the index's. Raises LeserError, and leaves the file that was there, where the backend cannot give its
    documents, fails, or gives fewer than it counts.
    """
    check_gives_documents(backend)
    check_place(path, overwrite=overwrite)
    search = search or SearchOptions()
    counted = _count(backend)
    rows = read_documents(backend, search)
    try:
        first = list(islice(rows, LOOKED_AT))
        if not first:
            raise LeserError(f"The index of backend '{backend.name}' holds no document. Check its name: -o index=NAME.")
        given = search.aliases
        fields = choose_fields(first, title or given.get("title", ()), text or given.get("text", ()))
        lines = _Lines(FieldAliases({**given, **fields.aliases}))
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, packed=path.suffix == ".gz") as file:
            for number, document in enumerate(chain(first, rows), 1):
                file.write(lines.of(document))
                if progress and number % LOOKED_AT == 0:
                    progress(number, counted)
            notes = [*_compared(lines, counted, backend), *lines.notes(fields)]
    finally:
        rows.close()
    return WrittenCorpus(path, lines.written, fields, tuple(notes))


def _count(backend: Backend) -> int | None:
    """How many documents the index holds, where its backend says so."""
    documents = CheckedBackend(backend).check().get("documents")
    return documents if isinstance(documents, int) else None


def _compared(lines: _Lines, before: int | None, backend: Backend) -> Iterator[str]:
    """What the number of documents read is to the index's own; raises LeserError where some are lacking."""
    if before is None:
        yield "The backend does not say how many documents its index holds, so that this number is not checked."
        return
    if lines.read == before:
        return
    after = _count(backend)
    if after is None or not min(before, after) <= lines.read <= max(before, after):
        raise LeserError(
            f"{lines.read} documents were read of an index that holds {after}: nothing was written. If it is being written to, "
            "wait for the end. If several of its documents share an id (`leser doctor` says so), build it again."
        )
    yield f"The index was written to meanwhile: it held {before} documents before, and holds {after} now."


class _Lines:
    """Documents as lines of a corpus, counted."""

    def __init__(self, aliases: FieldAliases) -> None:
        self._aliases = aliases
        self._ids: set[str] = set()
        self.read = self.written = self._untitled = self._textless = 0
        self._repeated: list[str] = []
        self._unreadable: list[str] = []
        self._replaced: set[str] = set()

    def of(self, document: Document) -> str:
        """The document's line; nothing for one whose id came before, or that the file cannot hold."""
        self.read += 1
        if document.id in self._ids:
            self._repeated.append(document.id)
            return ""
        self._ids.add(document.id)
        if document.id != document.id.strip():
            self._unreadable.append(document.id)
            return ""
        self.written += 1
        aliases = self._aliases.aliases
        self._replaced.update(name for name in aliases if name in document.fields and name not in aliases[name])
        fields = self._aliases.whole(document).fields
        self._untitled += not fields.get("title", "").strip()
        self._textless += not fields.get("text", "").strip()
        return json.dumps(_row(document.id, fields), ensure_ascii=False) + "\n"

    def notes(self, fields: ChosenFields) -> Iterator[str]:
        """What the user should know, in sentences."""
        if self._repeated:
            yield f"{len(self._repeated)} documents have an id that came before (e.g. {self._repeated[0]!r}): the first stays."
        if self._unreadable:
            yield (
                f"{len(self._unreadable)} documents are left out: their ids begin or end with white space (e.g. "
                f"{self._unreadable[0]!r}), which no file of judgments and documents can hold."
            )
        for name in sorted(self._replaced):
            yield f"The documents have a field {name} of their own, in whose place the one that you named stands."
        if self._untitled:
            yield f"{self._untitled} of {self.written} documents have no title."
        if fields.text and self._textless:
            yield f"{self._textless} of {self.written} documents have no text."


def _row(id: str, fields: Mapping[str, str]) -> dict[str, Any]:
    """A document as a BEIR line; fields with names that mean something there stand under `metadata`, as fields all the same."""
    first = {name: fields[name] for name in ("title", "text") if name in fields}
    others = {name: text for name, text in fields.items() if name not in first and name not in ("_id", "metadata")}
    own = {"metadata": {"metadata": fields["metadata"]}} if "metadata" in fields else {}
    return {"_id": id, **first, **others, **own}
