"""Judgments with raters, as Quepid's books export them: query, docid and a column for each rater."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median_low
from typing import Literal

from pydantic import Field

from leser.errors import LeserError
from leser.formats.beir import read_queries
from leser.formats.files import add_judgment, bad_line, json_corpus
from leser.formats.folder import data_file, plain_name
from leser.formats.grades import GradeOptions, grade_from
from leser.formats.quepid import UNRATED
from leser.formats.split import assemble
from leser.formats.table import TableRow, header_of, read_table
from leser.reader import Reader
from leser.task import Query, Task

_TEXT, _ID = ("query", "query text"), ("query-id", "query_id", "qid")
_DOCUMENT = ("docid", "doc_id", "doc id", "corpus-id")
_OTHER = frozenset({"final", "published", "split", "title", "information_need", "notes", "position"})
"""Columns that are not raters."""
_FEWEST = 2


class Raters(Reader):
    """Judgments with raters (Quepid book): a CSV with query, docid and a column for each rater; corpus.jsonl beside it."""

    name = "raters"

    class Options(GradeOptions):
        """Options of the reader of judgments with raters."""

        combine: Literal["median", "lowest", "majority"] = Field(
            "median",
            description="grade out of the raters': the median (of two middle ones the lower), the lowest, or the one given most "
            "often (of equally many the lower)",
        )
        min_raters: int = Field(1, ge=1, description="raters of a document, below which it is unjudged")

    options: Options

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """True for a CSV file with a query, a document and two or more columns that can be raters, none of them `rating`."""
        if not path.is_file() or not plain_name(path).lower().endswith((".csv", ".tsv", ".txt")):
            return False
        try:
            return _columns(header_of(path, _is_header).cells) is not None
        except LeserError:
            return False

    def read(self) -> Task:
        """Read the file; queries by their text, or by ids of queries.jsonl beside it. Raises LeserError naming file and line."""
        path = self.options.path
        if path is None or not path.is_file():
            raise LeserError(f"The reader 'raters' needs a CSV file (task.path), given: {path}.")
        rows = read_table(path, _is_header)
        found = _columns(next(rows, TableRow(1, [])).cells)
        if found is None:
            raise bad_line(path, 1, "expected the header query,docid and a column for each of two raters or more")
        query_column, document_column, raters, by_id = found
        known = self._queries(path) if by_id else {}
        ids: dict[str, str] = {}
        qrels: dict[str, dict[str, int]] = {}
        apart = few = 0
        for row in rows:
            cells = [*row.cells, *[""] * (max(raters) + 1 - len(row.cells))]
            query, document = cells[query_column], cells[document_column]
            if not query or not document:
                raise bad_line(path, row.line, "a row without a query or a document")
            if by_id and query not in known:
                raise bad_line(
                    path,
                    row.line,
                    f"query {query} is not in queries.jsonl. Take both from one task, or leave the line out",
                )
            id = query if by_id else ids.setdefault(query, f"q{len(ids) + 1}")
            qrels.setdefault(id, {})
            given = [cells[column] for column in raters if cells[column].casefold() not in UNRATED]
            grades = [grade_from(rating, self.options, path, row.line) for rating in given]
            if len(grades) < self.options.min_raters:
                few += 1
                continue
            apart += max(grades) - min(grades) > 1
            add_judgment(qrels, id, document, self._combined(grades), path, row.line)
        queries = known if by_id else {id: Query(id, text) for text, id in ids.items()}
        corpus = data_file(path.parent, "corpus.jsonl")
        judged = sum(map(len, qrels.values()))
        notes = [f"{len(raters)} raters; {apart} of {judged} judged pairs have grades more than 1 apart."]
        return assemble(
            Path(plain_name(path)).stem,
            {id: queries[id] for id in qrels},
            {"all": qrels},
            seed=self.options.seed,
            documents=partial(json_corpus, corpus) if corpus else None,
            title_field=self.options.title_field,
            unjudged=self.options.unjudged,
            notes=[
                *notes,
                *([f"{few} pairs have fewer than {self.options.min_raters} raters and are left out."] if few else []),
            ],
        )

    def _combined(self, grades: Sequence[int]) -> int:
        if self.options.combine == "median":
            return median_low(grades)
        if self.options.combine == "lowest":
            return min(grades)
        counts = Counter(grades)
        return min(counts, key=lambda grade: (-counts[grade], grade))

    def _queries(self, path: Path) -> dict[str, Query]:
        beside = data_file(path.parent, "queries.jsonl")
        if beside is None:
            raise LeserError(f"{path} names queries by id, and no queries.jsonl lies beside it. Put it there.")
        return read_queries(beside)


def _is_header(header: Sequence[str]) -> bool:
    return _columns(header) is not None


def _columns(header: Sequence[str]) -> tuple[int, int, list[int], bool] | None:
    """Columns of the query, the document and the raters, and whether queries are named by id."""
    names = [name.casefold() for name in header]
    query = next((name for name in (*_TEXT, *_ID) if name in names), None)
    document = next((name for name in _DOCUMENT if name in names), None)
    if query is None or document is None or {"rating", "grade"} & set(names):
        return None
    taken = {query, document, *_TEXT, *_ID, *_DOCUMENT} | _OTHER
    raters = [place for place, name in enumerate(names) if name and name not in taken]
    if len(raters) < _FEWEST:
        return None
    return names.index(query), names.index(document), raters, query in _ID
