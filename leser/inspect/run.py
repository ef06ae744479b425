"""Run: a run folder as an object: what was measured, and the policy it keeps, to expand queries with."""

from __future__ import annotations

from functools import cached_property
from html import escape
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from leser.environment import Attempt
from leser.expansion import Expansion
from leser.inspect.lookup import Looked, look_up, typed
from leser.inspect.opening import FinishedRun, configured, open_finished, open_folder, open_sampler
from leser.inspect.table import EvaluationTable
from leser.report.verdict import verdict
from leser.rules import Filtered, ServingFilter
from leser.session import Session, open_session
from leser.store.folder import RunFolder

if TYPE_CHECKING:
    from leser.sampler import Sampler


REMEMBERED = 5_000
"""Queries whose hits and prompts an open run keeps, about 100 MB; one that is asked about again later is searched again."""


class Run:
    """A run that was trained. What needs the engine or the policy opens them once, on first use; `close` closes them.

    Raises LeserError where the run has not finished, or what it needs is not there any more.
    """

    def __init__(self, folder: RunFolder, plugins: tuple[Path | type[Any], ...] = ()) -> None:
        self.folder = folder
        self._plugins = plugins
        self._session: Session | None = None

    @classmethod
    def open(cls, path: Path, plugins: tuple[Path | type[Any], ...] = ()) -> Run:
        """The run in a folder; raises LeserError where there is none."""
        return cls(open_folder(path), plugins)

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.folder.path

    @property
    def report(self) -> Path:
        """The page that shows all of it."""
        return self.folder.path / "report.html"

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl, one per step or evaluation."""
        return self.folder.metrics()

    @property
    def config(self) -> dict[str, Any]:
        """The configuration as it was written."""
        return self._finished.config

    @property
    def evaluation(self) -> EvaluationTable:
        """Systems by measures on test, with the policy's gain over each and its interval."""
        return EvaluationTable(self._finished.evaluation)

    @cached_property
    def _finished(self) -> FinishedRun:
        return open_finished(self.folder.path)

    def expand(self, query: str) -> list[Expansion]:
        """The expansions that the policy writes for a query, less what a rule forbids; [] leaves the query alone."""
        sampler = self._sampler
        asked = typed(query)
        sample = sampler.sample([asked], 1, seed=0, step=0, temperature=0.0)[0][0]
        sampler.forget(REMEMBERED)
        attempt = Attempt(asked, 0, sampler.policy.decode(sample.tokens), sample.finished)
        return list(self._filter.completion(query, attempt.completion, finished=attempt.finished).expansions)

    def filter(self, query: str, completion: str) -> Filtered:
        """What of a completion may be served beside a query, and what was refused and why."""
        return self._filter.completion(query, completion)

    def look_up(self, query: str, hits: int = 10) -> Looked:
        """All that `leser expand` shows of a query: its prompt, what was written, and the hits before and after."""
        looked = look_up(self._sampler, self._open, query, hits)
        self._sampler.forget(REMEMBERED)
        return looked

    @property
    def _open(self) -> Session:
        if self._session is None:
            self._session = open_session(*configured(self.folder, plugins=self._plugins))
        return self._session

    @cached_property
    def _sampler(self) -> Sampler:
        return open_sampler(self.folder, self._open)

    @cached_property
    def _filter(self) -> ServingFilter:
        return ServingFilter(self._open.environment.rules)

    def close(self) -> None:
        """Close the engine, where it was opened; calling it twice is fine."""
        if self._session is not None:
            self._session.client.close()
        self._session = None
        self.__dict__.pop("_sampler", None)
        self.__dict__.pop("_filter", None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Run('{self.folder.path}')"

    def _repr_html_(self) -> str:
        table = self.evaluation
        said = verdict(self._finished.evaluation, table.measures[0]) if table.measures else ""
        return f"<p><b>{escape(str(self.folder.path))}</b>: {escape(said)}</p>{table._repr_html_()}"
