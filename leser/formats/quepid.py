"""Quepid's CSV of a case: query, docid, rating."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path

from pydantic import Field

from leser.errors import LeserError
from leser.formats.files import add_judgment, bad_line, json_corpus, number_of, whole_grade
from leser.formats.folder import data_file, data_files, plain_name
from leser.formats.split import assemble
from leser.formats.table import header_of, read_table
from leser.printable import printable
from leser.reader import Reader, ReaderOptions
from leser.task import Query, Task

COLUMNS = (("query", "docid", "rating"), ("query", "doc_id", "rating"), ("query text", "doc id", "rating"))
"""The headers of Quepid's exports, in small letters: basic, basic of old, detailed."""
UNRATED = frozenset({"", "-", "--", "null", "nil", "none", "undefined", "nan", "n/a"})
"""What exports hold, in small letters, where nobody has rated a document."""
_TABLES = (".csv", ".tsv", ".txt")


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
        try:
            return _table_in(path) is not None
        except LeserError:
            return False

    @classmethod
    def why_not(cls, path: Path) -> str | None:
        """What is wrong with a CSV file that is given itself, or with the only ones in a folder."""
        try:
            _table_in(path)
        except LeserError as error:
            return str(error)
        return None

    def read(self) -> Task:
        """Read the ratings; queries are distinguished by their text, since Quepid's file has no ids. Unrated rows are counted."""
        path = self.options.path
        file = _table_in(path) if path else None
        if file is None:
            raise LeserError(f"The reader 'quepid' needs a CSV file (task.path), given: {path}.")
        ids: dict[str, str] = {}
        qrels: dict[str, dict[str, int]] = {}
        unrated_rows = 0
        for line, text, document, rating in _ratings(file):
            identifier = ids.setdefault(text, f"q{len(ids) + 1}")
            qrels.setdefault(identifier, {})
            if rating is None:
                unrated_rows += 1
            else:
                add_judgment(qrels, identifier, document, self._grade(rating, file, line), file, line)
        unrated = sum(not judgments for judgments in qrels.values())
        notes = [f"{unrated_rows} rows of {file.name} have no rating and are left out."] if unrated_rows else []
        corpus = data_file(file.parent, "corpus.jsonl")
        return assemble(
            Path(plain_name(file)).stem,
            {identifier: Query(identifier, text) for text, identifier in ids.items()},
            {"all": qrels},
            seed=self.options.seed,
            documents=partial(json_corpus, corpus) if corpus else None,
            title_field=self.options.title_field,
            unjudged=self.options.unjudged,
            notes=[*notes, *([f"{unrated} queries have no rating at all."] if unrated else [])],
        )

    def rated(self) -> dict[str, dict[str, int]]:
        """The ratings by query text and document, rows without one left out. Raises LeserError as `read` does."""
        file = _table_in(self.options.path) if self.options.path else None
        if file is None:
            raise LeserError(f"The reader 'quepid' needs a CSV file (task.path), given: {self.options.path}.")
        found: dict[str, dict[str, int]] = {}
        for line, text, document, rating in _ratings(file):
            if rating is not None:
                add_judgment(found, text, document, self._grade(rating, file, line), file, line)
        return found

    def _grade(self, rating: str, path: Path, line: int) -> int:
        number = number_of(rating)
        if number is None:
            raise bad_line(path, line, f"the rating '{rating}' is not a number")
        scale = self.options.scale
        problem = f"the rating {rating} times {scale:g} is not a whole grade; set -o task.scale=N"
        return whole_grade(number * Decimal(str(scale)), path, line, problem)  # exact, unlike 0.29 * 100


def _table_in(path: Path) -> Path | None:
    """The table of ratings that `path` is or holds; None where there is no CSV file at all. Raises LeserError."""
    if path.is_file():
        if _suffix(path) not in _TABLES:
            return None
        _check(path)
        return path
    tables = [file for file in data_files(path) if _suffix(file) == ".csv"]
    good, bad = [], []
    for table in tables:
        try:
            _check(table)
        except LeserError as error:
            bad.append(str(error))
        else:
            good.append(table)
    if len(good) > 1:
        names = " and ".join(table.name for table in good)
        raise LeserError(f"{path} holds several tables of ratings: {names}. Name the one to read, as a file.")
    if bad and not good:
        raise LeserError("\n".join(bad))
    return good[0] if good else None


def _suffix(path: Path) -> str:
    """The end of a file's name that says what it is, in small letters, whether it is packed or not."""
    return Path(plain_name(path).lower()).suffix


def _check(path: Path) -> None:
    header = header_of(path, _is_header)
    if not _is_header(header.cells):
        found = ",".join(header.cells)
        raise bad_line(
            path, header.line, f"expected the header query,docid,rating, found {printable(found, 80) or 'nothing'}"
        )


def _is_header(header: Sequence[str]) -> bool:
    return _columns(header) is not None


def _columns(header: Sequence[str]) -> tuple[int, int, int] | None:
    names = [name.casefold() for name in header]
    for query, document, rating in COLUMNS:
        if {query, document, rating} <= set(names):
            return names.index(query), names.index(document), names.index(rating)
    return None


def _ratings(path: Path) -> Iterator[tuple[int, str, str, str | None]]:
    """Line, query, document and rating (None: unrated) of every row.

    Edge spaces are gone (Quepid adds one before "-5 degrees"). Of a query without ratings older exports write its text alone.
    """
    rows = read_table(path, _is_header)
    columns = _columns(next(rows).cells)
    assert columns is not None  # `_check` has read it
    for row in rows:
        cells = row.cells
        alone = sum(map(bool, cells)) == 1 and columns[0] < len(cells) and bool(cells[columns[0]])
        if len(cells) <= max(columns) and not alone:
            raise bad_line(path, row.line, f"expected {max(columns) + 1} columns, found {len(cells)}")
        query, document, rating = (cells[column] if column < len(cells) else "" for column in columns)
        unrated = rating.casefold() in UNRATED
        if not query or not (unrated or document):
            raise bad_line(path, row.line, "a rating without a query or document")
        yield row.line, query, document, None if unrated else rating
