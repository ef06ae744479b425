"""Progress: one live line on a terminal and in a notebook, plain lines elsewhere; the same facts are in metrics.jsonl."""

from __future__ import annotations

import sys
import time
from html import escape
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


def roughly(seconds: float) -> str:
    """A time that is only known roughly."""
    if seconds < 90:
        return f"{max(10, 10 * round(seconds / 10))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


class NotebookOutput:
    """One output of a notebook's cell: what was said, and below it a live line that is replaced, not repeated."""

    def __init__(self) -> None:
        from IPython import display

        self._display: Any = display  # IPython has no types
        self._said: list[str] = []
        self._live = ""
        self._handle = self._display.display(self._shown(), display_id=True)

    def say(self, text: str) -> None:
        """Add a line that stays."""
        self._said.append(text)
        self._update()

    def live(self, text: str) -> None:
        """Replace the live line."""
        self._live = text
        self._update()

    def _update(self) -> None:
        if self._handle is not None:
            self._handle.update(self._shown())

    def _shown(self) -> Any:
        lines = [escape(line) for line in (*self._said, *([self._live] if self._live else []))]
        return self._display.HTML("<pre>" + "\n".join(lines) + "</pre>")


class Reporter:
    """Tells the user where the run stands. Everything it prints goes to stderr; results go to stdout."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._progress: Progress | None = None
        self._notebook: NotebookOutput | None = None
        self._task: TaskID | None = None
        self._phase = ""
        self._total: int | None = None
        self._last_line = 0.0

    def __enter__(self) -> Reporter:
        if self.console.is_jupyter:
            self._notebook = NotebookOutput()
        elif self.console.is_terminal:
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
        if self._notebook is not None:
            self._notebook.say(printable_lines(text))
            return
        self.console.print(printable_lines(text), markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """A sentence that must not be overlooked."""
        if self._notebook is not None:
            self._notebook.say(f"WARNING: {printable_lines(text)}")
            return
        self.console.print(f"WARNING: {printable_lines(text)}", style="bold yellow", markup=False, soft_wrap=True)

    def phase(self, name: str, total: int | None, done: int = 0) -> None:
        """Begin a phase of `total` steps (None: open-ended), `done` of them completed."""
        self._phase, self._total = name, total
        if self._progress is None:
            return
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(name, total=total, completed=done, facts="")

    def step(self, step: int, row: dict[str, Any], *, important: bool = False, left: float = 0.0) -> None:
        """A step was done; `left` are the seconds that the run will still take, as far as that is known.

        Off a terminal at most one line in ten seconds, but always the important ones.
        """
        facts = line(row) + (f"  about {roughly(left)} left" if left else "")
        said = f"{self._phase} {step}{f' of {self._total}' if self._total and not facts else ''}{f': {facts}' if facts else ''}"
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=step, facts=facts)
            if important:
                self._progress.console.print(said, markup=False, soft_wrap=True)
        elif self._notebook is not None:
            self._notebook.live(said)
        elif important or time.monotonic() - self._last_line >= 10:
            self._last_line = time.monotonic()
            self.console.print(said, markup=False, soft_wrap=True)
        sys.stderr.flush()
