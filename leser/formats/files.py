"""Files of tasks, read line by line, so that every error names its file and line."""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from leser.backend import Document
from leser.characters import well_formed
from leser.errors import LeserError

GZIP = b"\x1f\x8b"
"""The first two bytes of every gzip file."""
GRADE_LIMIT = 1000
"""Highest grade that is read (the lowest is -1000): measures keep a counter for each grade, or take 2 to its power."""
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d{1,3})?", re.IGNORECASE | re.ASCII)


def bad_line(path: Path, line: int, reason: str) -> LeserError:
    """The error for a line that cannot be read: file, line and what was expected there."""
    return LeserError(f"{path}, line {line}: {reason}")


def open_bytes(path: Path) -> BinaryIO:
    """A file's bytes, unpacked where it is gzip'd: its first bytes say so, whatever its name says."""
    file = path.open("rb")
    if file.peek(2)[:2] != GZIP:
        return file
    unpacked = gzip.open(file, "rb")  # noqa: SIM115 - closed by the caller
    unpacked.myfileobj = file  # type: ignore[assignment]  # so that closing the one closes the other
    return cast(BinaryIO, unpacked)


def open_text(path: Path) -> TextIO:
    """A file's text, unpacked where it is gzip'd, without a byte order mark, line ends as they are (`newline=""`)."""
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline="")


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines of a UTF-8 file with their numbers from 1, without line ends; blank lines are left out."""
    try:
        with open_bytes(path) as file:
            for number, raw in enumerate(file, 1):
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                except UnicodeDecodeError as error:
                    raise bad_line(path, number, f"not UTF-8 ({error.reason} at byte {error.start})") from None
                if line.strip():
                    yield number, line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LeserError(f"{path} is not a whole gzip file: {error}. Pack or copy it again.") from None
    except OSError as error:
        raise LeserError(f"{path} cannot be read: {error.strerror}.") from None


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Objects of a JSON-lines file with their line numbers; NaN and Infinity, which are no JSON, are read as null."""
    for number, line in numbered_lines(path):
        try:
            row = json.loads(line, parse_constant=lambda _: None)
        except json.JSONDecodeError as error:
            raise bad_line(path, number, f"not valid JSON: {error.msg} at column {error.colno}") from None
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets thousands deep
            raise bad_line(path, number, f"not readable as JSON: {error}") from None
        if not isinstance(row, dict):
            raise bad_line(path, number, "expected a JSON object")
        yield number, well_formed(row)


def text_of(row: Mapping[str, Any], key: str, path: Path, line: int) -> str:
    """A required string (an integer id is taken as its digits)."""
    value = row.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise bad_line(path, line, f'expected a text under "{key}", found {json.dumps(value)}')
    return value.strip()


def number_of(text: str) -> Decimal | None:
    """A number as grades are written (2, -1, 2.0, 2e0), None for anything else."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def grade_of(text: str, path: Path, line: int) -> int:
    """A whole-number grade from -1000 to 1000, however it is written (2, 2.0, 2e0); measures need one."""
    problem = f"the grade '{text}' is not a whole number"
    number = number_of(text)
    if number is None:
        raise bad_line(path, line, problem)
    return whole_grade(number, path, line, problem)


def whole_grade(number: Decimal, path: Path, line: int, problem: str) -> int:
    """The number as a grade; raises LeserError outside of the limits, and with `problem` where it is not whole."""
    if abs(number) > GRADE_LIMIT:
        raise bad_line(
            path,
            line,
            f"the grade {number} is not between -{GRADE_LIMIT} and {GRADE_LIMIT}. Map grades to smaller ones",
        )
    if number != number.to_integral_value():
        raise bad_line(path, line, problem)
    return int(number)


def add_judgment(
    qrels: dict[str, dict[str, int]], query: str, document: str, grade: int, path: Path, line: int
) -> None:
    """Put one judgment in; the same pair with another grade is an error, since nobody could tell which one is meant."""
    known = qrels.setdefault(query, {}).setdefault(document, grade)
    if known != grade:
        raise bad_line(path, line, f"document {document} already has grade {known} for query {query}, here {grade}")


def json_corpus(path: Path) -> Iterator[Document]:
    """Documents of a BEIR corpus: `_id`, and every other key a field; those of `metadata` are fields too."""
    for number, row in json_lines(path):
        identifier = text_of(row, "_id", path, number)
        fields: dict[str, str] = {}
        metadata = row.pop("metadata", None) or {}
        if not isinstance(metadata, dict):
            raise bad_line(path, number, 'expected a JSON object under "metadata"')
        for key, value in [*row.items(), *metadata.items()]:
            if key == "_id":
                continue
            for name, text in _texts(key, value):
                if fields.setdefault(name, text) != text:
                    raise bad_line(path, number, f'"metadata" gives the field "{name}" a second value')
        yield Document(identifier, fields)


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """A JSON value as text fields: lists joined, objects as dotted names; null, what is no number, and empty left out."""
    if isinstance(value, str):  # nearly all are
        if value:
            yield key, value
        return
    found: dict[str, list[str]] = {}
    stack = [(key, value)]
    while stack:
        name, item = stack.pop()
        if isinstance(item, dict):
            stack.extend((f"{name}.{inner}", of_inner) for inner, of_inner in reversed(item.items()))
        elif isinstance(item, list):
            stack.extend((name, one) for one in reversed(item))
        elif item is not None and item != "" and not (isinstance(item, float) and not isfinite(item)):
            found.setdefault(name, []).append(item if isinstance(item, str) else json.dumps(item))
    for name, texts in found.items():
        yield name, ", ".join(texts)
