"""Learning-to-rank files: SVMrank lines, `grade qid:1 1:0.5 # document query`, and lists with a header.

The text of a query stands after the document in the comment (Quepid's export, the Elasticsearch LTR plugin), in a comment line
`# qid:1: text` at the top, or in queries.tsv beside the file (id, tab, text). Feature values are not read. Lists have the
header query_id, query, doc_id, grade (Elastic's tutorial) or grade, keywords and a document column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from leser.errors import LeserError
from leser.formats.files import add_judgment, bad_line, json_corpus, numbered_lines
from leser.formats.folder import data_file, plain_name
from leser.formats.grades import GradeOptions, grade_from
from leser.formats.split import assemble
from leser.formats.table import header_of, read_table
from leser.printable import printable
from leser.reader import Reader
from leser.task import Query, Task

_LINE = re.compile(r"(?P<grade>\S+)\s+qid:(?P<id>\S+)(?:\s+\S+:\S+)*\s*(?:#\s*(?P<comment>.*))?")
_NAMED = re.compile(r"#\s*qid:(?P<id>[^\s:]+):\s*(?P<text>.*\S)\s*")
_LETOR = re.compile(r"docid\s*=\s*(?P<document>\S+)", re.IGNORECASE)
_LISTS = (("query_id", "query", "doc_id", "grade"), ("keywords", "keywords", "", "grade"))
"""Columns of lists: query id, query, document (empty: the one that is left) and grade."""
_ENDINGS = (".txt", ".dat", ".svm", ".ltr", ".tsv", ".csv", ".judgments")
Judgment = tuple[int, str, str | None, str, str]
"""Line, query id, query text where it is given, document, grade."""


class Ltr(Reader):
    """LTR or SVMrank file: `grade qid:1 ... # document query`, or a list with query_id, query, doc_id and grade."""

    name = "ltr"

    class Options(GradeOptions):
        """Options of the reader of learning-to-rank files."""

    options: Options

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """True for a file whose first line that is not a comment has a grade and a qid, or the header of a list."""
        if not path.is_file() or not plain_name(path).lower().endswith(_ENDINGS):
            return False
        try:
            return _is_svm(path) or _columns(header_of(path, _is_list).cells) is not None
        except LeserError:
            return False

    def read(self) -> Task:
        """Read the file. Raises LeserError naming file and line, and for a query without a text."""
        path = self.options.path
        if path is None or not path.is_file():
            raise LeserError(f"The reader 'ltr' needs a file (task.path), given: {path}.")
        texts = _texts_beside(path)
        qrels: dict[str, dict[str, int]] = {}
        for line, id, text, document, grade in _svm(path, texts) if _is_svm(path) else _list(path):
            if text and texts.setdefault(id, text) != text:
                raise bad_line(
                    path, line, f"query {id} is '{printable(texts[id], 80)}' before, '{printable(text, 80)}' here"
                )
            if id not in texts:
                raise bad_line(
                    path,
                    line,
                    f"query {id} has no text. Write it after the document, or put queries.tsv (id, tab, text) beside",
                )
            add_judgment(qrels, id, document, grade_from(grade, self.options, path, line), path, line)
        corpus = data_file(path.parent, "corpus.jsonl")
        return assemble(
            Path(plain_name(path)).stem,
            {id: Query(id, texts[id]) for id in qrels},
            {"all": qrels},
            seed=self.options.seed,
            documents=partial(json_corpus, corpus) if corpus else None,
            title_field=self.options.title_field,
            unjudged=self.options.unjudged,
        )


def _is_svm(path: Path) -> bool:
    first = next((row for _, row in numbered_lines(path) if not row.lstrip().startswith("#")), "")
    return re.match(r"\s*\S+\s+qid:\S", first) is not None


def _svm(path: Path, texts: dict[str, str]) -> Iterator[Judgment]:
    for line, row in numbered_lines(path):
        if row.lstrip().startswith("#"):
            if named := _NAMED.fullmatch(row.strip()):
                texts[named["id"]] = named["text"]
            continue
        match = _LINE.fullmatch(row.strip())
        comment = (match["comment"] or "").strip() if match else ""
        if match is None or not comment:
            raise bad_line(path, line, f"expected `grade qid:ID ... # document`, found '{printable(row, 80)}'")
        if letor := _LETOR.match(comment):
            yield line, match["id"], None, letor["document"], match["grade"]
        else:
            document, _, text = comment.partition("\t" if "\t" in comment else " ")
            yield line, match["id"], " ".join(text.split()) or None, document.strip(), match["grade"]


def _list(path: Path) -> Iterator[Judgment]:
    rows = read_table(path, _is_list)
    header = next(rows, None)
    columns = _columns(header.cells) if header else None
    if columns is None:
        raise bad_line(
            path, 1, "expected lines `grade qid:ID ... # document`, or the header query_id, query, doc_id, grade"
        )
    for row in rows:
        cells = [row.cells[column] if column < len(row.cells) else "" for column in columns]
        if not all(cells):
            raise bad_line(path, row.line, "a judgment without a query, a document or a grade")
        id, text, document, grade = cells
        yield row.line, id.removeprefix("qid:"), text, document, grade


def _is_list(header: Sequence[str]) -> bool:
    return _columns(header) is not None


def _columns(header: Sequence[str]) -> tuple[int, int, int, int] | None:
    names = [name.casefold() for name in header]
    for id, query, document, grade in _LISTS:
        left = [name for name in names if name not in (id, query, grade)]
        chosen = document or (left[0] if len(left) == 1 else "")
        if {id, query, chosen, grade} <= set(names):
            return names.index(id), names.index(query), names.index(chosen), names.index(grade)
    return None


def _texts_beside(path: Path) -> dict[str, str]:
    beside = data_file(path.parent, "queries.tsv")
    texts: dict[str, str] = {}
    for line, row in numbered_lines(beside) if beside and beside != path else ():
        id, tab, text = row.partition("\t")
        if not tab or not id.strip() or not text.strip():
            raise bad_line(beside or path, line, "expected a query's id, a tab and its text")
        texts[id.strip()] = text.strip()
    return texts
