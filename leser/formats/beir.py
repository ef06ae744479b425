"""The BEIR layout: corpus.jsonl, queries.jsonl and qrels/{train,dev,test}.tsv in one folder.

Where nothing is judged, queries.txt may stand for queries.jsonl: what people typed, one query per line.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from leser.backend import Document
from leser.errors import LeserError
from leser.formats.files import (
    add_judgment,
    bad_line,
    grade_of,
    json_corpus,
    json_lines,
    number_of,
    numbered_lines,
    text_of,
)
from leser.formats.folder import (
    PART_NAMES,
    data_file,
    data_files,
    has_file,
    one_of,
    one_source_of_judgments,
    plain_name,
)
from leser.formats.split import PARTS, assemble
from leser.reader import Reader, ReaderOptions
from leser.task import Qrels, Query, Task

TYPED = "queries.txt"
"""Queries without ids, one per line."""


class Beir(Reader):
    """BEIR folder: queries.jsonl, qrels/{train,dev,test}.tsv, corpus.jsonl unless the engine holds the documents."""

    name = "beir"

    class Options(ReaderOptions):
        """Options of the BEIR reader."""

        title_field: str = Field("title", description="document field that holds the title")

    options: Options

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """True for a folder with queries.jsonl and qrels/, or with corpus.jsonl: judgments may be missing (task.unjudged)."""
        judged, documents = (path / "qrels").is_dir(), has_file(path, "corpus.jsonl")
        return (has_file(path, "queries.jsonl") and (judged or documents)) or (has_file(path, TYPED) and documents)

    @classmethod
    def why_not(cls, path: Path) -> str | None:
        """That queries without judgments lack their documents."""
        found = next((name for name in ("queries.jsonl", TYPED) if has_file(path, name)), None)
        if found is None:
            return None
        wanted = "neither qrels nor a corpus.jsonl beside it" if found != TYPED else "no corpus.jsonl beside it"
        return f"{path / found} has {wanted}. `leser corpus` writes an index's documents there."

    def read(self) -> Task:
        """Read the folder; corpus.jsonl is read only when its documents are asked for."""
        folder = self.options.path
        if folder is None or not folder.is_dir():
            raise LeserError(f"The reader 'beir' needs a folder (task.path), given: {folder}.")
        one_source_of_judgments(folder)
        path, queries = _queries(folder)
        files, ignored = _splits(folder / "qrels")
        judged = {part: read_qrels(files[part], queries) for part in PARTS if part in files}
        if not judged and self.options.unjudged != "all":
            raise LeserError(
                f"{folder / 'qrels'} holds none of {', '.join(f'{part}.tsv' for part in PARTS)}. Rewards that need no judgments, "
                "such as encoder@10, learn without: -o task.unjudged=all."
            )
        corpus = data_file(folder, "corpus.jsonl")
        unjudged = len(queries) - len(set().union(*judged.values()))
        notes = [f"{file} is not read: its name is not that of a split (train, dev, test)." for file in ignored]
        if unjudged and self.options.unjudged == "none":
            notes.append(f"{unjudged} queries of {path} are judged in no split and not used.")
        return assemble(
            folder.resolve().name,
            queries,
            judged,
            seed=self.options.seed,
            documents=partial(json_corpus, corpus) if corpus else None,
            title_field=self.options.title_field,
            notes=notes,
            unjudged=self.options.unjudged,
        )

    def catalogue(self) -> Callable[[], Iterable[Document]] | None:
        """The documents of corpus.jsonl; neither queries nor judgments need to be there."""
        corpus = data_file(self.options.path, "corpus.jsonl") if self.options.path else None
        return partial(json_corpus, corpus) if corpus else None


def _queries(folder: Path) -> tuple[Path, dict[str, Query]]:
    """The file of queries, queries.jsonl or queries.txt, and its queries."""
    path, typed = data_file(folder, "queries.jsonl"), data_file(folder, TYPED)
    if path and typed:
        one_of([path, typed], "hold the queries")
    if path:
        return path, read_queries(path)
    if typed is None:
        raise LeserError(f"The reader 'beir' finds no queries.jsonl in {folder}.")
    if data_files(folder / "qrels"):
        raise LeserError(
            f"{typed} gives its queries no ids that {folder / 'qrels'} could name. Write queries.jsonl, one line per query: "
            '{"_id": "q1", "text": "red sofa"}'
        )
    return typed, read_typed(typed)


def read_typed(path: Path) -> dict[str, Query]:
    """What people typed, one query per line; a line's number is its id, and a query that comes again counts once."""
    queries: dict[str, Query] = {}
    for line, row in numbered_lines(path):
        if "\t" in row.strip():
            raise bad_line(path, line, "found a tab. Write nothing but the query into a line, without counts or ids")
        text = " ".join(row.split())
        queries.setdefault(text.casefold(), Query(str(line), text))
    return {query.id: query for query in queries.values()}


def _splits(folder: Path) -> tuple[dict[str, Path], list[Path]]:
    """The file of each split (validation.tsv is dev), and those .tsv files that are no split's."""
    found: dict[str, list[Path]] = {}
    ignored = []
    for path in data_files(folder):
        stem, dot, ending = plain_name(path).lower().rpartition(".")
        if dot and ending == "tsv":
            part = PART_NAMES.get(stem)
            if part is None:
                ignored.append(path)
            else:
                found.setdefault(part, []).append(path)
    return {part: one_of(paths, f"hold the judgments of {part}") for part, paths in found.items()}, ignored


def read_queries(path: Path) -> dict[str, Query]:
    """Queries by id. `metadata.kind` names a query's kind, `metadata.needs` maps each need behind it to documents."""
    queries: dict[str, Query] = {}
    for line, row in json_lines(path):
        identifier, text = text_of(row, "_id", path, line), text_of(row, "text", path, line)
        if identifier in queries:
            raise bad_line(path, line, f"a second query with the id {identifier}")
        metadata = row.get("metadata") or {}
        if not isinstance(metadata, dict):
            raise bad_line(path, line, 'expected a JSON object under "metadata"')
        kind = metadata.get("kind")
        if kind is not None and not isinstance(kind, str):
            raise bad_line(path, line, '"metadata.kind" must be a text')
        queries[identifier] = Query(identifier, text, kind, _needs(metadata.get("needs"), path, line))
    return queries


def _needs(value: Any, path: Path, line: int) -> dict[str, frozenset[str]]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(ids, list) for ids in value.values()):
        raise bad_line(path, line, '"metadata.needs" must map each need to a list of document ids')
    return {need: frozenset(map(str, ids)) for need, ids in value.items()}


def read_qrels(path: Path, queries: dict[str, Query]) -> Qrels:
    """Judgments of one tab-separated file: a header or none, then query id, document id and grade, quoted where need be."""
    qrels: dict[str, dict[str, int]] = {}
    first = True
    for line, row in numbered_lines(path):
        columns = _columns(row, path, line)
        if len(columns) != 3:
            raise bad_line(
                path, line, f"expected 3 columns separated by tabs (query-id, corpus-id, score), found {len(columns)}"
            )
        query, document, grade = columns
        header = first and query not in queries and (query == "query-id" or number_of(grade) is None)
        first = False
        if header:
            continue
        if query not in queries:
            raise bad_line(
                path, line, f"query {query} is not in queries.jsonl. Take both from one task, or leave the line out"
            )
        add_judgment(qrels, query, document, grade_of(grade, path, line), path, line)
    return qrels


def _columns(row: str, path: Path, line: int) -> list[str]:
    """Columns as BEIR's own loader reads them: those in quotes, which csv.writer puts around a quote, without them."""
    if '"' not in row:
        return [column.strip() for column in row.split("\t")]
    try:
        return [column.strip() for column in next(csv.reader([row], delimiter="\t"))]
    except csv.Error as error:
        raise bad_line(path, line, f"not readable as tab-separated values: {error}") from None
