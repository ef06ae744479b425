"""Who was busy when: one line per GRPO step in timeline.jsonl, which the report draws.

A line is {"step": N, "sampler": [[begin, end], ...], "engine": ..., "trainer": ..., "dev": ...}, in seconds since the epoch.
`sampler` draws completions and notes their log-probabilities, `engine` reads, searches and scores, `trainer` updates the policy.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Worker = Literal["sampler", "engine", "trainer", "dev"]
WORKERS: tuple[Worker, ...] = ("sampler", "engine", "trainer", "dev")
FILE = "timeline.jsonl"


@dataclass(frozen=True, slots=True)
class Span:
    """Time that one worker spent on a step, in seconds since the epoch."""

    worker: Worker
    begin: float
    end: float


class Timeline:
    """The timeline of a run folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def note(self, step: int, spans: Iterable[Span]) -> None:
        """Append a step's line."""
        row: dict[str, Any] = {"step": step}
        for span in spans:
            row.setdefault(span.worker, []).append([round(span.begin, 4), round(span.end, 4)])
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def cut_back(self, last_step: int) -> None:
        """Forget the steps after `last_step`: they will be made again."""
        rows = [row for row in read_timeline(self._path.parent) if row["step"] <= last_step]
        if self._path.exists():
            self._path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read_timeline(folder: Path) -> list[Mapping[str, Any]]:
    """The lines of a run folder's timeline; one that a kill cut short is left out, and [] where there is none."""
    path = folder / FILE
    if not path.exists():
        return []
    *lines, _ = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines]
