"""WANDS, Wayfair's annotated data set: query.csv, product.csv and label.csv in one folder."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pydantic import Field

from leser.backend import Document
from leser.errors import LeserError
from leser.formats.files import add_judgment, bad_line
from leser.formats.folder import data_file, has_file
from leser.formats.split import assemble
from leser.formats.table import TableRow, read_table
from leser.reader import Reader, ReaderOptions
from leser.task import Query, Task

GRADES = {"Exact": 2, "Partial": 1, "Irrelevant": 0}
_FILES = ("query.csv", "product.csv", "label.csv")
_QUERY, _LABEL, _PRODUCT = ("query_id", "query"), ("query_id", "product_id", "label"), ("product_id", "product_name")
_TITLE = "product_name"


class Wands(Reader):
    """WANDS folder: query.csv, product.csv and label.csv (Exact, Partial, Irrelevant); product_name is the title."""

    name = "wands"

    class Options(ReaderOptions):
        """Options of the WANDS reader."""

        grades: dict[str, int] = Field(default_factory=lambda: dict(GRADES), description="grade of each label")

    options: Options

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """True for a folder with the three files."""
        return path.is_dir() and all(has_file(path, name) for name in _FILES)

    def read(self) -> Task:
        """Read the folder; a query's class is its kind. Raises LeserError naming file and line."""
        folder = self.options.path
        if folder is None or not self.recognises(folder):
            raise LeserError(
                f"The reader 'wands' needs a folder with {', '.join(_FILES)} (task.path), given: {folder}."
            )
        queries: dict[str, Query] = {}
        for path, row, cells in _rows(folder, "query.csv", _QUERY):
            if cells["query_id"] in queries:
                raise bad_line(path, row.line, f"a second query with the id {cells['query_id']}")
            queries[cells["query_id"]] = Query(cells["query_id"], cells["query"], cells.get("query_class") or None)
        qrels: dict[str, dict[str, int]] = {key: {} for key in queries}
        for path, row, cells in _rows(folder, "label.csv", _LABEL):
            query, label = cells["query_id"], cells["label"]
            if query not in queries:
                raise bad_line(path, row.line, f"query {query} is not in query.csv")
            if label not in self.options.grades:
                raise bad_line(path, row.line, f"the label '{label}' is not one of {', '.join(self.options.grades)}")
            add_judgment(qrels, query, cells["product_id"], self.options.grades[label], path, row.line)
        return assemble(
            folder.resolve().name,
            queries,
            {"all": qrels},
            seed=self.options.seed,
            documents=partial(_products, folder),
            title_field=_TITLE,
            unjudged=self.options.unjudged,
        )


def _products(folder: Path) -> Iterator[Document]:
    for _, _, cells in _rows(folder, "product.csv", _PRODUCT):
        yield Document(
            cells["product_id"], {name: text for name, text in cells.items() if text and name != "product_id"}
        )


def _rows(folder: Path, name: str, needed: tuple[str, ...]) -> Iterator[tuple[Path, TableRow, dict[str, str]]]:
    """The rows of one file after its header, cells by column; raises LeserError for one that lacks a needed cell."""
    path = data_file(folder, name)
    assert path is not None  # `recognises` has seen it
    rows = read_table(path, lambda header: set(needed) <= set(header))
    header = next(rows, TableRow(1, [])).cells
    if missing := [column for column in needed if column not in header]:
        raise bad_line(path, 1, f"the header lacks {', '.join(missing)}")
    for row in rows:
        cells = dict(zip(header, row.cells, strict=False))
        if lacking := [column for column in needed if not cells.get(column)]:
            raise bad_line(path, row.line, f"nothing under {', '.join(lacking)}")
        yield path, row, cells
