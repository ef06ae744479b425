"""Quepid's CSV of a case: query, docid, rating."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path

from pydantic import Field

from leser.errors import LeserError
from leser.formats import Reader, ReaderOptions
from leser.formats.files import add_judgment, bad_line, json_corpus, number_of, numbered_lines, whole_grade
from leser.formats.folder import data_file, data_files, plain_name
from leser.formats.split import assemble
from leser.task import Query, Task

COLUMNS = (("query", "docid", "rating"), ("Query Text", "Doc ID", "Rating"))
"""The headers of Quepid's basic and detailed exports."""


class Quepid(Reader):
    """Quepid CSV (query,docid,rating), basic or detailed: the file, or a folder with it; corpus.jsonl beside it."""

    name = "quepid"

    class Options(ReaderOptions):
        """Options of the Quepid reader."""

        scale: float = Field(1.0, gt=0, description="factor that makes ratings whole grades, e.g. 2 for halves")
        title_field: str = Field("title", description="document field that holds the title")

    options: Options

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """True for a CSV file whose header has Quepid's columns, or a folder with exactly one CSV file that does."""
        file = _csv_in(path)
        header = next((line for _, line in numbered_lines(file)), "") if file else ""
        return _columns(next(csv.reader([header]))) is not None

    def read(self) -> Task:
        """Read the ratings; queries are told apart by their text, since Quepid's file has no ids."""
        path = self.options.path
        file = _csv_in(path) if path else None
        if file is None:
            raise LeserError(f"The reader 'quepid' needs a CSV file (task.path), given: {path}.")
        ids: dict[str, str] = {}
        qrels: dict[str, dict[str, int]] = {}
        for line, text, document, rating in _rows(file):
            identifier = ids.setdefault(text, f"q{len(ids) + 1}")
            qrels.setdefault(identifier, {})
            if rating:
                add_judgment(qrels, identifier, document, self._grade(rating, file, line), file, line)
        unrated = sum(not judgments for judgments in qrels.values())
        corpus = data_file(file.parent, "corpus.jsonl")
        return assemble(
            Path(plain_name(file)).stem,
            {identifier: Query(identifier, text) for text, identifier in ids.items()},
            {"all": qrels},
            seed=self.options.seed,
            documents=partial(json_corpus, corpus) if corpus else None,
            title_field=self.options.title_field,
            notes=[f"{unrated} queries have no rating at all."] if unrated else [],
        )

    def _grade(self, rating: str, path: Path, line: int) -> int:
        number = number_of(rating)
        if number is None:
            raise bad_line(path, line, f"the rating '{rating}' is no number")
        scale = self.options.scale
        problem = f"the rating {rating} times {scale:g} is no whole grade; set task.scale"
        return whole_grade(number * Decimal(str(scale)), path, line, problem)  # exact, unlike 0.29 * 100


def _csv_in(path: Path) -> Path | None:
    if path.is_file():
        return path if _is_csv(path) else None
    found = [file for file in data_files(path) if _is_csv(file)]
    return found[0] if len(found) == 1 else None


def _is_csv(path: Path) -> bool:
    return plain_name(path).lower().endswith(".csv")


def _columns(header: list[str]) -> tuple[int, int, int] | None:
    names = [name.strip() for name in header]
    for query, document, rating in COLUMNS:
        if {query, document, rating} <= set(names):
            return names.index(query), names.index(document), names.index(rating)
    return None


def _rows(path: Path) -> Iterator[tuple[int, str, str, str]]:
    """Line, query, document and rating of every row; edge spaces go (Quepid adds one before "-5 degrees")."""
    line = 0

    def lines() -> Iterator[str]:
        nonlocal line  # the reader's own count would miss blank lines
        for line, text in numbered_lines(path):  # noqa: B007 - the rows below read it
            yield f"{text}\n"

    reader = csv.reader(lines())
    columns = _columns(_next(reader, path, lambda: line) or [])
    if columns is None:
        raise bad_line(path, 1, "expected the header query,docid,rating")
    while (row := _next(reader, path, lambda: line)) is not None:
        if len(row) <= max(columns):
            raise bad_line(path, line, f"expected {max(columns) + 1} columns, found {len(row)}")
        query, document, rating = (row[column].strip() for column in columns)
        if not query or (rating and not document):
            raise bad_line(path, line, "a rating without a query or document")
        yield line, query, document, rating


def _next(reader: Iterator[list[str]], path: Path, line: Callable[[], int]) -> list[str] | None:
    try:
        return next(reader, None)
    except csv.Error as error:
        raise bad_line(path, line(), f"no CSV: {error}") from None
