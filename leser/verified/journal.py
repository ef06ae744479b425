"""Files that verified search grows line by line, so that a kill at any moment loses no line that was written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from leser.errors import LeserError
from leser.expansion import Code
from leser.verified.candidates import Candidate
from leser.verified.judging import Reading
from leser.verified.search import Probe


class Journal:
    """An append-only file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self) -> list[dict[str, Any]]:
        """All whole lines; the end of a file that a kill cut short is cut off. Raises LeserError for what is not JSON."""
        if not self.path.exists():
            return []
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            with self.path.open("r+b") as file:
                file.truncate(whole)
        rows = []
        # by line feeds alone: a text may hold what Python takes for an end of line, such as U+2028
        for number, line in enumerate(data[:whole].split(b"\n")[:-1], 1):
            try:
                rows.append(json.loads(line))
            except ValueError:
                raise LeserError(
                    f"{self.path}, line {number} is not valid JSON, so the search cannot go on from it. "
                    "Delete the file and its .terms.jsonl and search anew."
                ) from None
        return rows

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows to the end, and to the disk."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows))
            file.flush()
            os.fsync(file.fileno())


def probe_row(query_id: str, probe: Probe) -> dict[str, Any]:
    """A query's first pass as one JSON line: each term with [score, kept, code, agreed] at each weight, in the options' order;
    a fifth value is what people say, where that was looked at."""
    terms = [
        {"text": candidate.text, "key": candidate.key, "readings": [_row(reading) for reading in readings]}
        for candidate, readings in zip(probe.candidates, probe.readings, strict=True)
    ]
    return {
        "query_id": query_id,
        "before": _row(probe.before),
        "terms": terms,
        "searches": probe.searches,
        "failed": probe.failed,
    }


def read_probe(row: Mapping[str, Any]) -> Probe:
    """What `probe_row` wrote."""
    return Probe(
        _reading(row["before"]),
        tuple(Candidate(term["text"], term["key"]) for term in row["terms"]),
        tuple(tuple(_reading(reading) for reading in term["readings"]) for term in row["terms"]),
        row["searches"],
        row["failed"],
    )


def _row(reading: Reading) -> list[Any]:
    row = [reading.score, reading.kept, str(reading.code), reading.agreed]
    return row if reading.people is None else [*row, reading.people]


def _reading(row: list[Any]) -> Reading:
    return Reading(row[0], row[1], Code(row[2]), *row[3:])
