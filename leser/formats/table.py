"""CSV files as spreadsheets and search tools write them: delimiter, line ends and encoding are found, never asked for.

Read: commas, semicolons, tabs or bars between columns (csv's Sniffer says which, from the header; a first line `sep=;` says
so itself), line ends of every system, fields of any length, UTF-8 with or without a byte order mark, and UTF-16. Anything
else is an error that says how to export the file again.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from leser.errors import LeserError
from leser.formats.files import bad_line
from leser.textfile import decoded

AGAIN = (
    "Export it again as UTF-8: in Excel, Save As, type 'CSV UTF-8 (Comma delimited)'; in LibreOffice, Save As, "
    "Text CSV, character set 'Unicode (UTF-8)'."
)
DELIMITERS = ",;\t|"
_SEPARATOR = re.compile(r'"?sep=(?P<sign>[^\r\n"]|\\t)"?[,;\t|]*(?:\r\n|\r|\n)', re.IGNORECASE)
"""The line by which Excel says how the columns are parted."""
_LONGEST = min(sys.maxsize, 2**31 - 1)  # a C long
HEADER_BYTES = 1 << 16  # read to see what a file is
Dialect = dict[str, str | bool]
Header = Callable[[Sequence[str]], bool]
_END = "\x00end of the table"
"""A last line of ours: a field that holds it began with a quote that nothing ends, and took the rest of the file."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """Cells of one row, without space at their edges, and the line of the file that it begins on."""

    line: int
    cells: list[str]


def read_table(path: Path, expected: Header) -> Iterator[TableRow]:
    """Rows of a CSV file, the header first; blank lines are left out. Raises LeserError naming file and line.

    `expected` says of a header's cells whether they are the ones that the reader knows.
    """
    yield from _rows(path, _text(path), expected)


def header_of(path: Path, expected: Header) -> TableRow:
    """A CSV file's first row, without cells where the file is empty; the whole file is decoded where they are expected.

    Raises LeserError.
    """
    header = _first(path, _text(path, HEADER_BYTES), expected)
    return _first(path, _text(path), expected) if expected(header.cells) else header


def _first(path: Path, text: str, expected: Header) -> TableRow:
    return next(_rows(path, text, expected), TableRow(1, []))


def _text(path: Path, most: int | None = None) -> str:
    """The file's text, or that of its first `most` bytes."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            data = file.read(-1 if most is None else most)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LeserError(f"{path} is not a whole gzip file: {error}. Pack or copy it again.") from None
    except OSError as error:
        raise LeserError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        return decoded(data, whole=most is None or len(data) < most)
    except UnicodeDecodeError as error:
        before, wrong = error.object[: error.start], error.object[error.start]
        name = error.encoding.upper()
        reason = f"not {name} ({error.reason}: byte 0x{wrong:02X} at {error.start}). {AGAIN}"
        raise bad_line(path, len(re.findall(rb"\r\n?|\n", before)) + 1, reason) from None


def _rows(path: Path, text: str, expected: Header) -> Iterator[TableRow]:
    said = _SEPARATOR.match(text)
    skipped = 0
    if said:
        sign = "\t" if said["sign"] == "\\t" else said["sign"]
        dialect: Dialect = {"delimiter": sign}
        text, skipped = text[said.end() :], 1
    else:
        dialect = _dialect(text, expected)
    reader = csv.reader(io.StringIO(f"{text}\n{_END}\n", newline=""), **dialect)  # type: ignore[arg-type]
    while True:
        line = skipped + reader.line_num + 1
        try:
            with _fields_of_any_length():
                cells = next(reader)
        except csv.Error as error:
            raise bad_line(path, line, f"not readable as CSV: {error}. {AGAIN}") from None
        if cells == [_END]:
            return
        if cells and cells[-1].rstrip("\n").endswith(_END):
            raise bad_line(path, line, 'a field begins with a quote (") that no other quote ends')
        if any(cell.strip() for cell in cells):
            yield TableRow(line, [cell.strip() for cell in cells])


def _dialect(text: str, expected: Header) -> Dialect:
    """How columns are parted: as the sniffer says, unless only another way makes the header the expected one."""
    header = next((line for line in io.StringIO(text, newline="") if line.strip()), "")
    try:
        found = csv.Sniffer().sniff(header, DELIMITERS)
    except csv.Error:  # one column, or no table at all: what reads it will say so
        sniffed: Dialect = {}
    else:
        sniffed = {"delimiter": found.delimiter, "skipinitialspace": found.skipinitialspace}
    others: list[Dialect] = [{"delimiter": sign, "skipinitialspace": True} for sign in DELIMITERS]
    return next((way for way in (sniffed, *others) if expected(_cells(header, way))), sniffed)


def _cells(line: str, dialect: Dialect) -> list[str]:
    with _fields_of_any_length():
        return [cell.strip() for cell in next(csv.reader([line], **dialect), [])]  # type: ignore[arg-type]


@contextmanager
def _fields_of_any_length() -> Iterator[None]:
    before = csv.field_size_limit(_LONGEST)
    try:
        yield
    finally:
        csv.field_size_limit(before)
