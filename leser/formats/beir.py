"""The BEIR layout: corpus.jsonl, queries.jsonl and qrels/{train,dev,test}.tsv in one folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from leser.errors import LeserError
from leser.formats import Reader, ReaderOptions
from leser.formats.files import add_judgment, bad_line, grade_of, json_corpus, json_lines, numbered_lines, text_of
from leser.formats.split import PARTS, assemble
from leser.task import Qrels, Query, Task


class Beir(Reader):
    """BEIR folder: queries.jsonl, qrels/{train,dev,test}.tsv, corpus.jsonl unless the engine holds the documents."""

    name = "beir"

    class Options(ReaderOptions):
        """Options of the BEIR reader."""

        title_field: str = Field("title", description="document field that holds the title")

    options: Options

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """True for a folder with queries.jsonl and qrels/."""
        return (path / "queries.jsonl").is_file() and (path / "qrels").is_dir()

    def read(self) -> Task:
        """Read the folder; corpus.jsonl is read only when its documents are asked for."""
        folder = self.options.path
        if folder is None or not folder.is_dir():
            raise LeserError(f"The reader 'beir' needs a folder (task.path), given: {folder}.")
        queries = read_queries(folder / "queries.jsonl")
        files = {part: folder / "qrels" / f"{part}.tsv" for part in PARTS}
        judged = {part: read_qrels(path, queries) for part, path in files.items() if path.is_file()}
        if not judged:
            raise LeserError(f"{folder / 'qrels'} holds none of {', '.join(f'{part}.tsv' for part in PARTS)}.")
        corpus = folder / "corpus.jsonl"
        unjudged = len(queries) - len(set().union(*judged.values()))
        notes = (
            [f"{unjudged} queries of {folder / 'queries.jsonl'} are judged in no split and not used."]
            if unjudged
            else []
        )
        return assemble(
            folder.resolve().name,
            queries,
            judged,
            seed=self.options.seed,
            documents=partial(json_corpus, corpus) if corpus.is_file() else None,
            title_field=self.options.title_field,
            notes=notes,
        )


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
    """Judgments of one tab-separated file: the header, then query id, document id and grade."""
    qrels: dict[str, dict[str, int]] = {}
    for line, row in numbered_lines(path):
        columns = [column.strip() for column in row.split("\t")]
        if len(columns) != 3:
            raise bad_line(
                path, line, f"expected 3 columns separated by tabs (query-id, corpus-id, score), found {len(columns)}"
            )
        query, document, grade = columns
        if line == 1 and query == "query-id":
            continue
        if query not in queries:
            raise bad_line(path, line, f"query {query} is not in queries.jsonl")
        add_judgment(qrels, query, document, grade_of(grade, path, line), path, line)
    return qrels
