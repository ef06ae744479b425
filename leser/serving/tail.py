"""Tail: who proposes for a run and its engine, each in a process, and their replacement when the run changes.

A run changes where its folder is a link that now leads elsewhere, or where config.toml or a file of policy/ (of a baseline: of
its own folder) was written. Both are started beside those that answer, and take their place once both have answered a question.
What cannot be loaded is refused with a line in the log, and the old ones go on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leser.errors import LeserError
from leser.serving.answers import Found, LiveAnswer, Wanted
from leser.serving.options import ServingOptions
from leser.serving.process import AskedProcess, ProcessLimits, ProcessUnavailable
from leser.store.fitted import POLICY, check_served, file_of, read_fitted

log = logging.getLogger("leser.serving")
PROBE = "a"
"""The query that a new policy and its engine must answer before they are used; the answer is not stored."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 60.0, 3_600.0
"""Seconds until a refused run is tried again, doubling: its engine may have been down."""
State = tuple[str, tuple[tuple[str, int, int], ...]]
Keep = Callable[["LiveRun", Sequence[tuple[Any, Any]]], None]


@dataclass(frozen=True, slots=True)
class LiveRun:
    """A run's folder, with links followed, who proposes in it, and the two processes that answer for it.

    `by` is "policy" or a baseline's name; `made_with` is the run's name, or the fitted baseline's.
    """

    folder: Path
    by: str
    made_with: str
    proposer: AskedProcess
    engine: AskedProcess

    @property
    def kind(self) -> str:
        """What proposes: "policy" or "baseline"."""
        return kind_of(self.by)

    @property
    def name(self) -> str:
        """Who proposes, as answers and entries say it: the run, for its policy, or the baseline."""
        return self.made_with if self.by == POLICY else self.by

    def close(self, within_s: float = 0.0) -> None:
        """End both, after what was asked is answered or the time is over."""
        for process in (self.proposer, self.engine):
            process.close(within_s)


class Tail:
    """The run that answers now, as `live`, and the watcher that follows its folder.

    `by` says who proposes: "policy", or a baseline that the run keeps. `keep` is called, in another thread, with the live run
    and pairs of question and answer. Raises LeserError where the folder does not hold who is to answer.
    """

    def __init__(self, run: Path, options: ServingOptions, keep: Keep, by: str = POLICY) -> None:
        check_served(run, by)
        self._run, self._by, self._options, self._keep = run, by, options, keep
        self._stop = threading.Event()
        self.swaps = self.refusals = 0
        self._state = _state_of(run, by)
        self.live = self._started(run.resolve())
        self._thread = threading.Thread(target=self._watch, name="run", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop following, and end the processes."""
        self._stop.set()
        self._thread.join()
        self.live.close()

    def _started(self, folder: Path) -> LiveRun:
        options = self._options
        asked = ProcessLimits(
            options.batch, options.gather_ms / 1000, options.waiting, options.load_s, options.hung_s, options.nice
        )
        searches = ProcessLimits(options.batch, 0.0, options.waiting, options.load_s, options.hung_s)

        def kept(pairs: Sequence[tuple[Any, Any]]) -> None:
            self._keep(live, [pair for pair in pairs if pair[0] != (PROBE, "")])

        by, given = self._by, (folder, options, self._by)
        made_with = folder.name if by == POLICY else read_fitted(folder, by).fitted
        live = LiveRun(
            folder,
            by,
            made_with,
            AskedProcess(kind_of(by), "leser.serving.live:LiveProposer", given, asked, kept),
            AskedProcess("engine", "leser.serving.live:LiveEngine", given, searches),
        )
        return live

    def _watch(self) -> None:
        last, again, pause = self._state, 0.0, FIRST_PAUSE_S
        while not self._stop.wait(self._options.refresh_s):
            now = _state_of(self._run, self._by)
            if now != last:  # it may still be written
                last, again, pause = now, 0.0, FIRST_PAUSE_S
            elif now not in (self._state, None) and time.monotonic() >= again:
                try:
                    self._replace()
                    self._state = now
                except Exception as error:  # whatever the new run raises: the old one goes on
                    if self._stop.is_set():
                        return
                    self.refusals += 1
                    log.warning("The run %s changed and is not taken over, the old one goes on: %s", self._run, error)
                    again, pause = time.monotonic() + pause, min(2 * pause, LONGEST_PAUSE_S)

    def _replace(self) -> None:
        """Start the run as it is now, and let it answer once it can; raises where it cannot."""
        folder = self._run.resolve()
        check_served(folder, self._by)
        new = self._started(folder)
        try:
            self._wait_for(new)
            self._probe(new)
        except BaseException:
            new.close()
            raise
        old, self.live = self.live, new
        self.swaps += 1
        log.info("The run %s answers now; before it was %s.", folder.name, old.folder.name)
        self._stop.wait(0.1)  # a request that just took the old one is asking it
        old.close(self._options.hung_s)

    def _wait_for(self, new: LiveRun) -> None:
        both = (new.proposer, new.engine)
        while not all(process.ready for process in both):
            for process in both:
                if process.trouble and not process.ready:
                    raise LeserError(f"its {process.name} cannot be loaded: {process.trouble}")
            if self._stop.wait(0.05):
                raise LeserError("the service stops")

    def _probe(self, new: LiveRun) -> None:
        try:
            said: LiveAnswer = new.proposer.ask((PROBE, "")).result(self._options.hung_s)
            found: Found = new.engine.ask(Wanted(PROBE, (), 1, both=False)).result(self._options.hung_s)
        except (ProcessUnavailable, TimeoutError) as error:
            trouble = new.proposer.trouble or new.engine.trouble or str(error)
            raise LeserError(f"it does not answer: {trouble}") from error
        if said.reason == "engine_error" or found.error:
            raise LeserError(f"its engine does not answer: {found.error or said.reason}")


def kind_of(by: str) -> str:
    """What it is that proposes under this name."""
    return POLICY if by == POLICY else "baseline"


def _state_of(run: Path, by: str) -> State | None:
    """What a run's change shows in; None where it is not there, or not whole, for the moment."""
    try:
        folder = run.resolve(strict=True)
        own = folder / "policy" if by == POLICY else file_of(folder, by).parent
        files = [folder / "config.toml", *sorted(path for path in own.rglob("*") if path.is_file())]
        stats = [(str(path), path.stat()) for path in files]
    except OSError:
        return None
    return str(folder), tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
