"""A process of its own for what may hang, crash or be slow: the policy, the engine.

Questions are gathered into small batches. A process that does not answer in time is killed and started again, with a growing
pause; the batch that it failed on is not asked again for a while, so that one query cannot keep it down.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

log = logging.getLogger("leser.serving")
LONGEST_PAUSE_S = 60.0
SHUNNED_S = 600.0
"""Seconds for which a question that a process failed on is not asked again."""
MOST_SHUNNED = 1_000
Answer = Callable[[Sequence[Any]], list[Any]]


class ProcessUnavailable(Exception):
    """The process has no answer: it starts, it failed, or too much waits for it. The text says which."""


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """How a process is asked: batch size, seconds to gather one, how many may wait, seconds to load and to answer."""

    batch: int
    gather_s: float
    waiting: int
    load_s: float
    hung_s: float
    nice: int = 0


@dataclass(slots=True)
class _Question:
    """What was asked, and everybody who waits for it."""

    value: Hashable
    done: Future[Any] = field(default_factory=Future)


class AskedProcess:
    """One process that answers batches of questions. `ask` never waits; its future holds the answer or ProcessUnavailable.

    `build` is MODULE:NAME of what is called with `arguments` in the process, once, and returns the function that answers a
    batch. `answered` is called, in a
    thread of this object, with each question and answer.
    """

    def __init__(
        self,
        name: str,
        build: str,
        arguments: tuple[Any, ...],
        limits: ProcessLimits,
        answered: Callable[[Sequence[tuple[Any, Any]]], None] = lambda _: None,
    ) -> None:
        self.name, self._build, self._arguments = name, build, arguments
        self._limits, self._answered = limits, answered
        self._questions: dict[Hashable, _Question] = {}
        self._shunned: dict[Hashable, float] = {}
        self._wake, self._stop = threading.Condition(), False
        self.ready, self.trouble, self.restarts = False, "", -1
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()

    def ask(self, value: Hashable) -> Future[Any]:
        """The future answer to a question; equal questions that wait share one. Raises ProcessUnavailable at once."""
        with self._wake:
            if not self.ready:
                raise ProcessUnavailable("down" if self.trouble else "loading")
            if self._shunned.get(value, 0.0) > time.monotonic():
                raise ProcessUnavailable("failed_before")
            known = self._questions.get(value)
            if known is None:
                if len(self._questions) >= self._limits.waiting:
                    raise ProcessUnavailable("busy")
                known = self._questions[value] = _Question(value)
                self._wake.notify_all()
            return known.done

    def close(self, within_s: float = 0.0) -> None:
        """End the process, at once or when all was answered within a time; whoever waits then gets ProcessUnavailable."""
        with self._wake:
            self._wake.wait_for(lambda: not self._questions, within_s)
            self._stop = True
            self._wake.notify_all()
        self._thread.join()

    def _live(self) -> None:
        pause = 1.0
        while not self._stop:
            began = time.monotonic()
            self.restarts += 1
            self._one_life()
            pause = 1.0 if time.monotonic() - began > LONGEST_PAUSE_S else min(2 * pause, LONGEST_PAUSE_S)
            with self._wake:
                if not self._stop:
                    self._wake.wait(pause)

    def _one_life(self) -> None:
        """Start the process and ask it until it fails or is to stop."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(theirs, self._build, self._arguments, self._limits.nice), name=self.name, daemon=True
        )
        process.start()
        theirs.close()
        try:
            self._received(ours, self._limits.load_s)
            self.ready, self.trouble = True, ""
            log.info("The %s process is ready: pid %s.", self.name, process.pid)
            while batch := self._gathered():
                self._exchange(ours, batch)
        except Exception as error:  # whatever it is: this thread lives on, or nothing would start the process again
            self.trouble = str(error) or "the process ended"
            log.warning("The %s process failed and is started again: %s", self.name, self.trouble)
        finally:
            self._end(process, ours)

    def _exchange(self, ours: Connection, batch: list[_Question]) -> None:
        try:
            ours.send([question.value for question in batch])
            answers = self._received(ours, self._limits.hung_s)
        except Exception:
            with self._wake:
                until = time.monotonic() + SHUNNED_S
                self._shunned = dict(list(self._shunned.items())[-MOST_SHUNNED:])
                self._shunned.update((question.value, until) for question in batch)
            raise
        with self._wake:
            for question in batch:
                self._questions.pop(question.value, None)
            self._wake.notify_all()
        for question, answer in zip(batch, answers, strict=True):
            question.done.set_result(answer)
        try:
            self._answered([(question.value, answer) for question, answer in zip(batch, answers, strict=True)])
        except Exception:  # the process is well, it has answered
            log.exception("The answers of the %s process could not be kept", self.name)

    def _gathered(self) -> list[_Question]:
        """The next batch; [] where the process is to stop."""
        with self._wake:
            while not self._questions and not self._stop:
                self._wake.wait()
            if not self._stop and len(self._questions) < self._limits.batch and self._limits.gather_s:
                self._wake.wait_for(
                    lambda: self._stop or len(self._questions) >= self._limits.batch, self._limits.gather_s
                )
            return [] if self._stop else list(self._questions.values())[: self._limits.batch]

    def _received(self, ours: Connection, within_s: float) -> Any:
        end = time.monotonic() + within_s
        while not ours.poll(0.2):
            if self._stop:
                raise EOFError("the service stops")
            if time.monotonic() > end:
                raise TimeoutError(f"no answer within {within_s:g} seconds")
        kind, value = ours.recv()
        if kind == "error":
            raise RuntimeError(value)
        return value

    def _end(self, process: Any, ours: Connection) -> None:
        with self._wake:
            self.ready = False
            waiting, self._questions = list(self._questions.values()), {}
        for question in waiting:
            question.done.set_exception(ProcessUnavailable("down"))
        ours.close()
        process.kill()
        process.join()


def _serve(theirs: Connection, build: str, arguments: tuple[Any, ...], nice: int) -> None:
    """The process: builds, says so, and answers until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service ends it
    os.nice(nice)
    try:
        module, _, name = build.partition(":")
        answer: Answer = getattr(import_module(module), name)(*arguments)
        theirs.send(("ready", None))
        while True:
            theirs.send(("answers", answer(theirs.recv())))
    except EOFError:
        return
    except BaseException as error:
        theirs.send(("error", f"{type(error).__name__}: {error}"))
        raise
