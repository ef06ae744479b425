"""Queries by how often they are typed, out of a log: CSV, UBI, JSON lines, or one query per line."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from leser.errors import LeserError
from leser.expansion_store import LONGEST_QUERY, query_key
from leser.formats.files import bad_line, json_lines, numbered_lines, open_text, text_of
from leser.formats.folder import plain_name
from leser.formats.ubi import Ubi, log_files

QUERY_COLUMNS, COUNT_COLUMNS = ("query", "user_query", "text"), ("count", "frequency", "searches")


@dataclass(frozen=True, slots=True)
class FrequentQuery:
    """A query in its most frequent spelling, and how often it was typed in any spelling."""

    text: str
    count: int

    @property
    def key(self) -> str:
        """The text as a store compares it."""
        return query_key(self.text)


def read_frequent(path: Path, limit: int | None = None) -> list[FrequentQuery]:
    """The file's queries, the most frequent first, equal ones in the file's order; each normalised text once.

    A CSV file names its columns `query` and perhaps `count`; lines without a count are one search each. Raises LeserError
    naming file and line. Queries that a store cannot hold (over LONGEST_QUERY characters) are left out.
    """
    spellings: dict[str, dict[str, int]] = {}
    for text, count in _read(path):
        spelled = " ".join(text.split())
        if key := query_key(spelled) if len(spelled) <= LONGEST_QUERY else "":
            own = spellings.setdefault(key, {})
            own[spelled] = own.get(spelled, 0) + count
    found = [FrequentQuery(max(own, key=lambda s: own[s]), sum(own.values())) for own in spellings.values()]
    if not found:
        raise LeserError(
            f"{path} holds no query. Give a CSV file with a column 'query', a UBI log, or one query per line."
        )
    found.sort(key=lambda query: -query.count)
    return found[:limit]


def _read(path: Path) -> Iterable[tuple[str, int]]:
    if not path.exists():
        raise LeserError(f"There is no file of queries at {path}. Check --queries.")
    name = plain_name(path).lower()
    if name.endswith((".csv", ".tsv")):
        return _table(path, "\t" if name.endswith(".tsv") else ",")
    if Ubi.recognises(path):
        return _log(path)
    if path.is_dir():
        raise LeserError(f"{path} is a folder without a UBI log. Name a file of queries.")
    if name.endswith((".jsonl", ".ndjson", ".json")):
        return (
            (text_of(row, "text", path, line), _count(row.get("count", 1), path, line))
            for line, row in json_lines(path)
        )
    return ((line, 1) for _, line in numbered_lines(path))


def _table(path: Path, delimiter: str) -> Iterator[tuple[str, int]]:
    with open_text(path) as file:
        rows = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            head = [name.strip().casefold() for name in next(rows, [])]
            query = next((head.index(name) for name in QUERY_COLUMNS if name in head), None)
            count = next((head.index(name) for name in COUNT_COLUMNS if name in head), None)
            if query is None:
                raise bad_line(
                    path,
                    1,
                    f"the first line names no column 'query', it names {', '.join(head) or 'nothing'}. Give the column of "
                    "queries that name",
                )
            for row in rows:
                if len(row) > query and row[query].strip():
                    given = row[count] if count is not None and len(row) > count else "1"
                    yield row[query], _count(given, path, rows.line_num)
        except (csv.Error, UnicodeDecodeError) as error:
            raise bad_line(path, rows.line_num, f"not readable as a table: {error}") from None


def _count(given: object, path: Path, line: int) -> int:
    text = str(given).strip()
    if isinstance(given, bool) or not text.isascii() or not text.isdigit() or len(text) > 15:
        raise bad_line(path, line, f"the count {text[:20]!r} is not a whole number of 0 or more")
    return int(text)


def _log(path: Path) -> Iterator[tuple[str, int]]:
    seen: set[str] = set()
    for file in log_files(path):
        for _, row in json_lines(file):
            text, search = row.get("user_query"), row.get("query_id")
            if isinstance(text, str) and isinstance(search, str) and search not in seen:
                seen.add(search)  # an event may repeat its search's text
                yield text, 1
