"""TREC files: topics, qrels, and a corpus unless the engine already holds the documents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from pydantic import Field

from leser.backend import Document
from leser.errors import LeserError
from leser.formats.files import add_judgment, bad_line, grade_of, json_corpus, numbered_lines
from leser.formats.folder import data_files, one_of, one_source_of_judgments, part_of, plain_name
from leser.formats.sgml import sgml_corpus
from leser.formats.split import assemble
from leser.formats.topics import read_topics
from leser.reader import Reader, ReaderOptions
from leser.task import Qrels, Query, Task


class Trec(Reader):
    """TREC folder: topics* (title topics or TSV), qrels* (4 columns, one file or one a split), corpus* or none."""

    name = "trec"

    class Options(ReaderOptions):
        """Options of the TREC reader."""

        title_field: str = Field("title", description="document field that holds the title")
        subtopics: bool = Field(False, description="the qrels' second column names the need that a document serves")

    options: Options

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """True for a folder with files topics* and qrels*."""
        return path.is_dir() and bool(data_files(path, "topics")) and bool(data_files(path, "qrels"))

    def read(self) -> Task:
        """Read the folder; qrels files named after train, dev (validation) or test (qrels.test.txt) are those splits."""
        folder = self.options.path
        if folder is None or not folder.is_dir():
            raise LeserError(f"The reader 'trec' needs a folder (task.path), given: {folder}.")
        one_source_of_judgments(folder)
        topics = self._topics(data_files(folder, "topics"))
        corpus = _corpus_files(folder)
        judged: dict[str, Qrels] = {}
        needs: dict[str, dict[str, set[str]]] = {}
        for part, path in self._parts(data_files(folder, "qrels")).items():
            judged[part] = read_qrels(path, topics, needs if self.options.subtopics else None)
        served = {key: {need: frozenset(ids) for need, ids in by_need.items()} for key, by_need in needs.items()}
        queries = {key: Query(key, text, subtopics=served.get(key, {})) for key, text in topics.items()}
        return assemble(
            folder.resolve().name,
            queries,
            judged,
            seed=self.options.seed,
            documents=partial(_corpus, corpus) if corpus else None,
            title_field=self.options.title_field,
            unjudged=self.options.unjudged,
        )

    def _topics(self, files: Sequence[Path]) -> dict[str, str]:
        topics: dict[str, str] = {}
        source: dict[str, Path] = {}
        for path in files:
            for key, text in read_topics(path).items():
                if key in topics:
                    raise LeserError(
                        f"Query {key} is in both {source[key]} and {path}. Keep one of the two files, and move the other "
                        "one out of the folder or add .bak to its name."
                    )
                topics[key], source[key] = text, path
        return topics

    def _parts(self, files: Sequence[Path]) -> dict[str, Path]:
        """The file of each split, or one of all queries."""
        parts: dict[str, Path] = {}
        for path in files:
            part = part_of(path.name) or "all"
            other = parts.get(part) or next((given for name, given in parts.items() if "all" in (part, name)), None)
            if other is not None:
                raise LeserError(
                    f"{path}: a second file for the split '{part}', beside {other}. Name them after their splits "
                    "(qrels.train.txt, qrels.dev.txt, qrels.test.txt), or add .bak to the one that is not meant."
                )
            parts[part] = path
        return parts


def read_qrels(path: Path, topics: dict[str, str], needs: dict[str, dict[str, set[str]]] | None = None) -> Qrels:
    """Judgments: query id, iteration, document id, grade, separated by white space.

    With `needs` the second column is a subtopic: `needs` gets it, and a document's grade is the highest of its subtopics'.
    """
    judged: dict[tuple[str, str], dict[str, dict[str, int]]] = {}
    for line, row in numbered_lines(path):
        columns = row.split()
        if len(columns) != 4:
            raise bad_line(path, line, f"expected 4 columns (query, iteration, document, grade), found {len(columns)}")
        query, need, document, grade_text = columns
        if query not in topics:
            raise bad_line(path, line, f"query {query} is in no topics file")
        grade = grade_of(grade_text, path, line)
        add_judgment(judged.setdefault((query, "" if needs is None else need), {}), query, document, grade, path, line)
    qrels: dict[str, dict[str, int]] = {}
    for (query, need), found in judged.items():
        for document, grade in found[query].items():
            grades = qrels.setdefault(query, {})
            grades[document] = max(grade, grades.get(document, grade))
            if needs is not None and grade > 0:
                needs.setdefault(query, {}).setdefault(need, set()).add(document)
    return qrels


def _corpus(files: Sequence[Path]) -> Iterator[Document]:
    """Documents of all files; raises LeserError where two files hold one, for nobody could tell which one is meant."""
    seen: dict[str, int] = {}
    for number, path in enumerate(files):
        for document in json_corpus(path) if _is_json(path) else sgml_corpus(path):
            if len(files) > 1:
                before = seen.setdefault(document.id, number)
                if before != number:
                    raise LeserError(
                        f"Document {document.id} is in both {files[before]} and {path}. Keep one of the two files, and "
                        "move the other one out of the folder or add .bak to its name."
                    )
            yield document


def _is_json(path: Path) -> bool:
    return plain_name(path).endswith(".jsonl") or next(
        (line for _, line in numbered_lines(path)), ""
    ).lstrip().startswith("{")


def _corpus_files(folder: Path) -> list[Path]:
    """The files of the corpus; one called just "corpus" is all of it, and raises LeserError beside any other."""
    files = data_files(folder, "corpus")
    whole = [path for path in files if re.fullmatch(r"corpus(\.[a-z]+)?", plain_name(path), re.IGNORECASE)]
    if whole and len(files) > 1:
        one_of([whole[0], next(path for path in files if path != whole[0])], "be the corpus")
    return files
