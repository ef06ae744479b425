"""The Java side as Python sees it: an open index, and a writer. Every call is one crossing with one JSON text each way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from leser.adapter import CONTENTS, filter_values, joined, well_formed
from leser.backend import Document
from leser.errors import IndexMissing, LeserError
from leser_pyserini.jvm import java_class

if TYPE_CHECKING:
    from leser_pyserini.options import PyseriniOptions

LOOKED_AT = 1000
"""Documents, spread over the index, whose ids are looked up at start-up."""
RESERVED = frozenset({"id", "raw", CONTENTS})
"""Lucene fields with a meaning of their own in an index that Anserini can open."""


class PyseriniEngine:
    """An open index; `facts` say what it holds. Raises LeserError when there is none or the options don't fit it."""

    def __init__(self, options: PyseriniOptions) -> None:
        folder = options.index
        if not _holds_index(folder):
            raise IndexMissing(f"No Lucene index in {folder}.", f"--backend pyserini --task TASK -o index={folder}")
        settings = options.model_dump(mode="json", include={"fields", "match", "k1", "b", "threads", "analysis"})
        settings["index"] = _place(folder)
        made = java_class("leser.LuceneEngine", options.heap)
        from jnius import JavaException  # importing it starts the Java machine, which has its options by now

        try:
            self._java = made(json.dumps(settings))
        except JavaException as error:
            raise LeserError(_unreadable(folder, error)) from error
        facts: dict[str, Any] = json.loads(self._java.facts())
        names = facts.pop("fields")
        if facts["documents"] and "id" not in names:
            raise LeserError(
                f"The index in {folder} has no field 'id': its documents have no ids that judgments could name. Build it with "
                f"`leser index --backend pyserini --task TASK -o index=DIR`, or with Anserini's IndexCollection."
            )
        facts["fields"] = [name for name in names if name != "id" and not name.endswith((".keyword", ".number"))]
        facts["filters"] = [name.removesuffix(".keyword") for name in names if name.endswith(".keyword")]
        indexed = facts.pop("indexed")
        if indexed and indexed != facts["analysis"]:
            raise LeserError(
                f"The index in {folder} was made with analysis={indexed}, but the option says {facts['analysis']}: words would "
                "not meet. Drop the option, or index again."
            )
        _check_fields(options, facts["fields"])
        self.facts = facts

    def call(self, method: str, request: Any) -> Any:
        """Call a method of LuceneEngine with a JSON text and read the one it answers."""
        return json.loads(getattr(self._java, method)(json.dumps(well_formed(request))))

    def warnings(self) -> list[str]:
        """What can be used, and may surprise: ids that several documents have, as after indexing twice."""
        looked, repeated = self.call("repeated", LOOKED_AT)
        if not repeated:
            return []
        return [
            f"{len(repeated)} of {looked} ids looked at (e.g. {repeated[0]!r}) stand for several documents of the index: a "
            "ranking keeps the best place of an id, one document's text speaks for all, and counts (documents, totals, what a "
            "word is worth) take each for one of its own. Build the index again, without indexing anything twice"
        ]

    def close(self) -> None:
        """Close the index and its threads."""
        self._java.close()


class PyseriniWriter:
    """Writes an index; what is not finished when the block ends is dropped. Raises LeserError for an unwanted old index."""

    def __init__(self, options: PyseriniOptions) -> None:
        folder = options.index
        if options.existing == "refuse" and _holds_index(folder):
            raise LeserError(
                f"There is an index in {folder} already. Add -o existing=recreate to replace it or "
                "-o existing=append to add to it."
            )
        append = options.existing == "append" and _holds_index(folder)
        analysis = options.analysis or "english"
        if append:
            engine = PyseriniEngine(options)
            analysis = engine.facts["analysis"]
            engine.close()
        folder.mkdir(parents=True, exist_ok=True)
        self._java = java_class("leser.LuceneWriter", options.heap)(_place(folder), analysis, append)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._java.close()

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add documents as `row_of` makes them."""
        self._java.add(json.dumps(rows))

    def finish(self) -> None:
        """Merge into one segment and commit."""
        self._java.finish()


def row_of(document: Document, contents: Sequence[str]) -> dict[str, Any]:
    """A document as LuceneWriter reads it: the joined field, each field's text, and what filters compare."""
    fields = document.fields
    own = {name: text for name, text in fields.items() if name not in RESERVED}
    values = {name: filter_values(text) for name, text in own.items()}
    return {
        "id": document.id,
        "contents": joined(fields, contents),
        "raw": json.dumps({**fields, "id": document.id}, ensure_ascii=False),
        "text": own,
        "keyword": {name: string for name, (string, _) in values.items() if string is not None},
        "number": {name: number for name, (_, number) in values.items() if number is not None},
    }


def _check_fields(options: PyseriniOptions, available: Sequence[str]) -> None:
    missing = next((name for name in options.fields if name not in available), None)
    if missing is None:
        return
    there = ", ".join(available)
    if "fields" not in options.model_fields_set:
        raise LeserError(
            f"Option fields of backend 'pyserini' is not given, and the index in {options.index} has no field '{missing}', which "
            f"is searched by default. Say which: -o fields=title^3,text. Available: {there}."
        )
    raise LeserError(f"Option fields: the index in {options.index} has no field '{missing}'. Available: {there}.")


def _place(folder: Path) -> str:
    """The folder from the root: Java keeps the working directory that it was started in, whatever Python's is now."""
    return str(folder.absolute())


def _holds_index(folder: Path) -> bool:
    return any(folder.glob("segments_*"))


def _unreadable(folder: Path, error: Exception) -> str:
    """Why Lucene cannot open an index, in words; `error` is jnius' JavaException."""
    kind = str(getattr(error, "classname", "")).rpartition(".")[2]
    cause = str(getattr(error, "innermessage", "") or error).partition(" (resource")[0]
    again = f"leser index --backend pyserini --task TASK -o index={folder} -o existing=recreate"
    if kind in ("IndexFormatTooOldException", "IndexFormatTooNewException"):
        age = "an older" if "Old" in kind else "a newer"
        return f"The index in {folder} was written by {age} version of Lucene than this one reads. Build it again with: {again}"
    return (
        f"The index in {folder} cannot be opened: {cause} ({kind}). Check the folder, or build it again with: {again}"
    )
