"""Progress: one live line on a terminal, plain lines elsewhere; and the same facts for metrics.jsonl."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from leser.printable import printable_lines

_SHOWN = (
    ("reward", "reward {:.3f}"),
    ("loss", "loss {:.3f}"),
    ("dev_reward", "dev {:.3f}"),
    ("dev_nDCG@10", "nDCG@10 {:.3f}"),
    ("parse_errors", "unparsable {:.0%}"),
    ("rule_violations", "rules {:.0%}"),
    ("zero_variance_groups", "zero-variance {:.0%}"),
    ("length", "{:.1f} tokens"),
    ("entropy", "entropy {:.2f}"),
    ("searches_per_s", "{:.0f} searches/s"),
    ("cache_hits", "cache {:.0%}"),
)
"""What a line shows of a step, in order: metric, and how it is written."""


def line(row: dict[str, Any]) -> str:
    """A step's metrics in one short line; what a step doesn't have is left out."""
    return "  ".join(
        form.format(row[key]) for key, form in _SHOWN if isinstance(row.get(key), (int, float)) and row[key] == row[key]
    )


class Reporter:
    """Tells the user where the run stands. Everything it prints goes to stderr; results go to stdout."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._phase = ""
        self._last_line = 0.0

    def __enter__(self) -> Reporter:
        if self.console.is_terminal:
            self._progress = Progress(
                TextColumn("[bold]{task.description}"),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[facts]}"),
                console=self.console,
            )
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def say(self, text: str) -> None:
        """A sentence that stays on the screen; it may hold text from outside, which must not drive the terminal."""
        self.console.print(printable_lines(text), markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """A sentence that must not be overlooked."""
        self.console.print(f"WARNING: {printable_lines(text)}", style="bold yellow", markup=False, soft_wrap=True)

    def phase(self, name: str, total: int | None, done: int = 0) -> None:
        """Begin a phase of `total` steps (None: open-ended), `done` of them completed."""
        self._phase = name
        if self._progress is None:
            return
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(name, total=total, completed=done, facts="")

    def step(self, step: int, row: dict[str, Any], *, important: bool = False) -> None:
        """A step was done. Off a terminal at most one line in ten seconds, but always the important ones."""
        facts = line(row)
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=step, facts=facts)
            if important:
                self._progress.console.print(f"{self._phase} {step}: {facts}", markup=False, soft_wrap=True)
        elif important or time.monotonic() - self._last_line >= 10:
            self._last_line = time.monotonic()
            self.console.print(f"{self._phase} {step}: {facts}", markup=False, soft_wrap=True)
        sys.stderr.flush()
