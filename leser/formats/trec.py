"""TREC files: topics, qrels, and a corpus unless the engine already holds the documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pydantic import Field

from leser.backend import Document
from leser.errors import LeserError
from leser.formats import Reader, ReaderOptions
from leser.formats.files import add_judgment, bad_line, grade_of, json_corpus, numbered_lines
from leser.formats.split import PARTS, assemble
from leser.task import Qrels, Query, Task

_TAG = re.compile(r"<(/?)(\w+)[^>]*>")
_LABEL = re.compile(r"^(number|topic)\s*:", re.IGNORECASE)
_DOCUMENT_TEXT = re.compile(r"<(?P<tag>\w+)[^>]*>(?P<text>.*?)</(?P=tag)\s*>", re.DOTALL)


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
        return path.is_dir() and bool(_files(path, "topics")) and bool(_files(path, "qrels"))

    def read(self) -> Task:
        """Read the folder; qrels files named after train, dev or test (qrels.test.txt) are those splits."""
        folder = self.options.path
        if folder is None or not folder.is_dir():
            raise LeserError(f"The reader 'trec' needs a folder (task.path), given: {folder}.")
        topics: dict[str, str] = {}
        for path in _files(folder, "topics"):
            topics.update(read_topics(path))
        judged: dict[str, Qrels] = {}
        needs: dict[str, dict[str, set[str]]] = {}
        for path in _files(folder, "qrels"):
            part = next((part for part in PARTS if part in re.split(r"[._-]", path.name)), "all")
            if part in judged or (judged and "all" in {part, *judged}):
                raise LeserError(
                    f"{path}: a second file for the split '{part}'. Name them qrels.train.txt, qrels.test.txt."
                )
            judged[part] = read_qrels(path, topics, needs)
        queries = {key: Query(key, text, needs=self._needs(needs.get(key, {}))) for key, text in topics.items()}
        return assemble(
            folder.resolve().name,
            queries,
            judged,
            seed=self.options.seed,
            documents=partial(_corpus, folder) if _files(folder, "corpus") else None,
            title_field=self.options.title_field,
        )

    def _needs(self, by_need: dict[str, set[str]]) -> dict[str, frozenset[str]]:
        return {need: frozenset(ids) for need, ids in by_need.items()} if self.options.subtopics else {}


def _files(folder: Path, stem: str) -> list[Path]:
    return sorted(path for path in folder.glob(f"{stem}*") if path.is_file())


def read_topics(path: Path) -> dict[str, str]:
    """Query texts by id: `id<TAB>text` lines, or title topics (<top> <num> Number: 301 <title> ... </top>)."""
    lines = list(numbered_lines(path))
    if any(line.lstrip().lower().startswith("<top>") for _, line in lines):
        return dict(_title_topics(path, lines))
    topics: dict[str, str] = {}
    for number, line in lines:
        identifier, tab, text = line.partition("\t")
        if not tab or not identifier.strip() or not text.strip():
            raise bad_line(path, number, "expected a query id, a tab and the query's text")
        if identifier.strip() in topics:
            raise bad_line(path, number, f"a second query with the id {identifier.strip()}")
        topics[identifier.strip()] = " ".join(text.split())
    return topics


def _title_topics(path: Path, lines: list[tuple[int, str]]) -> Iterator[tuple[str, str]]:
    """Title topics, in which <num> and <title> may lack an end tag and the text may stand on the next line."""
    topic: dict[str, str] = {}
    seen: set[str] = set()
    tag, start = "", 0
    for number, line in lines:
        position = 0
        for match in _TAG.finditer(line):
            topic[tag] = f"{topic.get(tag, '')} {line[position : match.start()]}"
            position = match.end()
            closing, tag = match[1], match[2].lower()
            if tag == "top" and not closing:
                topic, start = {}, number
            elif tag == "top":
                identifier, text = _label_off(topic.get("num", "")), _label_off(topic.get("title", ""))
                if not identifier or not text or identifier in seen:
                    problem = (
                        f"a second topic {identifier}" if identifier in seen else "a topic without <num> or <title>"
                    )
                    raise bad_line(path, start, problem)
                seen.add(identifier)
                yield identifier, text
            if closing:
                tag = ""
        topic[tag] = f"{topic.get(tag, '')} {line[position:]}"
    if not seen:
        raise bad_line(path, start, "no topic ends with </top>")


def _label_off(text: str) -> str:
    return " ".join(_LABEL.sub("", text.strip()).split())


def read_qrels(path: Path, topics: dict[str, str], needs: dict[str, dict[str, set[str]]]) -> Qrels:
    """Judgments: query id, iteration, document id, grade, separated by white space; `needs` gets the second column."""
    qrels: dict[str, dict[str, int]] = {}
    for line, row in numbered_lines(path):
        columns = row.split()
        if len(columns) != 4:
            raise bad_line(path, line, f"expected 4 columns (query, iteration, document, grade), found {len(columns)}")
        query, need, document, grade_text = columns
        if query not in topics:
            raise bad_line(path, line, f"query {query} is in no topics file")
        grade = grade_of(grade_text, path, line)
        if grade > 0:
            needs.setdefault(query, {}).setdefault(need, set()).add(document)
        add_judgment(qrels, query, document, grade, path, line)
    return qrels


def _corpus(folder: Path) -> Iterator[Document]:
    for path in _files(folder, "corpus"):
        yield from json_corpus(path) if path.suffix == ".jsonl" else _sgml_corpus(path)


def _sgml_corpus(path: Path) -> Iterator[Document]:
    """Documents between <DOC> and </DOC>: <DOCNO>, and every other element a field, named in small letters."""
    buffer: list[str] = []
    start = 0
    for number, line in numbered_lines(path):
        upper = line.strip().upper()
        if upper.startswith("<DOC>"):
            buffer, start = [], number
            line = line.strip()[len("<DOC>") :]
        end = line.upper().find("</DOC>")
        buffer.append(line if end < 0 else line[:end])
        if end >= 0:
            found = [
                (m["tag"].lower(), " ".join(m["text"].split())) for m in _DOCUMENT_TEXT.finditer("\n".join(buffer))
            ]
            fields = dict(found)
            identifier = fields.pop("docno", "")
            if not identifier:
                raise bad_line(path, start, "a <DOC> without <DOCNO>")
            yield Document(identifier, fields)
