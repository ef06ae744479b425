"""The run folder: what a run leaves behind, written so that a kill at any moment loses nothing that a checkpoint holds.

config.toml            the resolved configuration (no secrets), and where its relative paths start
metrics.jsonl          one line a step or evaluation; timeline.jsonl: who was busy when, one line per GRPO step
rollouts/*.parquet     every completion with its expansions, rewards, advantage and code
checkpoints/step-N/    last two and the best on dev; policy/: the best on dev, as save_pretrained writes it
baselines/NAME/        what a baseline was fitted to, for whoever serves it (leser/store/fitted.py)
evaluation.json        systems, intervals, and where they come from; written last: it marks the run as complete
answers.jsonl          each test query: what it earned, what the policy wrote, the hits of those that changed most
trec/*.run, report.html
threads                how many threads torch had, for --resume
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from leser.characters import well_formed
from leser.config.anchor import anchor
from leser.errors import LeserError
from leser.files import write_atomically
from leser.store.resume import Known, differences
from leser.store.timeline import Timeline
from leser.textfile import read_text


class RunFolder:
    """A run's folder and its append-only files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metrics_path = path / "metrics.jsonl"
        self.rollouts = path / "rollouts"
        self.checkpoints = path / "checkpoints"
        self.config_path = path / "config.toml"
        self._threads = path / "threads"

    def create(self, config_text: str, *, resume: bool, known: Known | None = None) -> None:
        """Make the folder or take up an earlier run's; raises LeserError when that would mix two runs.

        `known` gives values of a configuration the defaults of this version: an earlier one's file may lack some.
        """
        if self.config_path.exists():
            if not resume:
                raise LeserError(
                    f"{self.path} already holds a run. Continue it with --resume, or choose another folder with --out."
                )
            changed, gone = differences(read_text(self.config_path), config_text, known, self.path)
            if gone:
                raise LeserError(
                    f"The run in {self.path} was begun by another version of LESER: this one has no {', '.join(gone)} of "
                    f"{self.config_path}. Resume with that version, or start a new run with another --out."
                )
            if changed:
                raise LeserError(
                    f"--resume with a changed configuration: {', '.join(changed)} differ from {self.config_path}. "
                    "Run with the same settings, or start a new run with another --out."
                )
            return
        begun = {p.name for p in (self.rollouts, self.checkpoints, self._threads)}  # by a run killed at once
        begun |= {f"{p.name}.part" for p in (self.config_path, self._threads)}
        if self.path.is_dir() and {p.name for p in self.path.iterdir()} - begun:
            raise LeserError(f"{self.path} is not empty and holds no run. Choose another folder with --out.")
        self.check_writable()
        for part in (self.path, self.rollouts, self.checkpoints):
            part.mkdir(parents=True, exist_ok=True)
        write_atomically(self.config_path, anchor(self.path) + config_text)

    def nothing_to_resume(self) -> str:
        """What --resume says where there is no run: a command that is repeated until its run is done begins one."""
        meant = self.like()
        hint = f" If you meant {meant}, give it with --out." if meant else ""
        return f"{self.path} holds no run to resume: a new one begins there.{hint}"

    def like(self) -> Path | None:
        """A run beside this folder whose name is like its own, which is probably meant where this one holds none."""
        runs = [p.parent.name for p in self.path.parent.glob(f"*/{self.config_path.name}")]
        meant = get_close_matches(self.path.name, runs, n=1, cutoff=0.4)
        return self.path.parent / meant[0] if meant else None

    @property
    def threads(self) -> int | None:
        """How many threads the run began with, None where that is not known: sums of another order end in other bits."""
        try:
            return int(self._threads.read_text(encoding="ascii"))
        except (OSError, ValueError):  # a run that is not there, or of a version that did not write it
            return None

    def note_threads(self, count: int) -> None:
        """Write down how many threads the run begins with."""
        write_atomically(self._threads, f"{count}\n")

    def forget(self) -> None:
        """Remove the configuration and what else a run has at once: one that could not begin would only be in the way."""
        for file in (self.config_path, self._threads):
            file.unlink(missing_ok=True)
        for part in (self.rollouts, self.checkpoints, self.path):
            if part.is_dir() and not any(part.iterdir()):
                part.rmdir()

    def check_writable(self) -> None:
        """Raise LeserError when files can't be written here; leaves no trace."""
        existing = next(p for p in (self.path, *self.path.absolute().parents) if p.exists())
        if not existing.is_dir() or not os.access(existing, os.W_OK):
            raise LeserError(
                f"Cannot write to {self.path}: {existing} is not a writable folder. Choose another folder with --out."
            )

    def log(self, row: Mapping[str, Any]) -> None:
        """Append one row to metrics.jsonl; numbers that are not finite become null."""
        clean = {k: (None if isinstance(v, float) and not -1e308 < v < 1e308 else v) for k, v in row.items()}
        with self.metrics_path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(well_formed(clean), ensure_ascii=False) + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """All rows logged so far; a line that a kill cut short is left out."""
        if not self.metrics_path.exists():
            return []
        *lines, _ = self.metrics_path.read_text(encoding="utf-8").split("\n")  # nothing else ends a line of JSON
        return [json.loads(line) for line in lines]

    def mark(self) -> int:
        """The length of metrics.jsonl in bytes, for a checkpoint to cut back to."""
        return self.metrics_path.stat().st_size if self.metrics_path.exists() else 0

    def cut_back(self, mark: int, last_step: int) -> None:
        """Forget the metrics after `mark` and the rollouts after `last_step`: they will be made again."""
        if self.metrics_path.exists():
            with self.metrics_path.open("r+b") as file:
                file.truncate(min(mark, self.metrics_path.stat().st_size))
        Timeline(self.path).cut_back(last_step)
        for file_path in self.rollouts.glob("*.parquet*"):
            end = file_path.name.split(".")[0].rpartition("-")[2]
            if file_path.suffix != ".parquet" or not end.isdigit() or int(end) > last_step:
                file_path.unlink()

    def write_rollouts(self, first: int, last: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the completions of steps `first`..`last` as one parquet file."""
        if not rows:
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.rollouts / f"steps-{first:06d}-{last:06d}.parquet"
        partial = path.with_name(path.name + ".part")
        pq.write_table(pa.Table.from_pylist([well_formed(dict(r)) for r in rows]), partial, compression="zstd")
        partial.replace(path)
