"""How fast the engine answers: one query a call from 1, 4 and 16 callers at once, and a whole batch as training sends it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from statistics import quantiles

from leser.backend import ExpandedQuery, Ranking, SearchError
from leser.doctor.checks import Patient
from leser.doctor.finding import Finding, State, of_failure
from leser.search import SearchClient

CONCURRENCY = (1, 4, 16)
CALLS = 200
SECONDS = 2.0
"""Each level ends after so many calls or so long, whichever comes first."""
K = 10


@dataclass(frozen=True, slots=True)
class Load:
    """What a level measured: milliseconds of each call, its failures, and the seconds all took."""

    milliseconds: tuple[float, ...]
    failures: tuple[SearchError, ...]
    seconds: float

    @property
    def rate(self) -> float:
        """Queries a second."""
        return len(self.milliseconds) / self.seconds

    def quantile(self, percent: int) -> float:
        """A percentile of the calls' milliseconds."""
        if len(self.milliseconds) < 2:
            return self.milliseconds[0]
        return quantiles(self.milliseconds, n=100, method="inclusive")[percent - 1]


def load(patient: Patient, caller: SearchClient) -> Iterator[Finding]:
    """One finding a level; `caller` sends one query a call and has no cache. Texts differ, so that no cache answers."""
    texts = patient.sample.texts
    rate = 1.0
    for place, callers in enumerate(CONCURRENCY):
        measured = measure(caller, _turned(texts, place * CALLS)[:CALLS], callers)
        rate = max(rate, measured.rate)
        seen = f"p50 {measured.quantile(50):.1f} ms, p95 {measured.quantile(95):.1f} ms, {measured.rate:.0f} queries/s"
        if measured.failures:
            seen += f"; {len(measured.failures)} of {len(measured.milliseconds)} failed: {measured.failures[0].message}"
            advice = "Spare the engine: lower -o search.concurrency or set -o search.max_per_second."
            yield Finding(f"{callers} at once", seen, "warning", advice)
        else:
            yield Finding(f"{callers} at once", seen)
    yield _batch(patient, min(len(texts), max(1, int(rate * SECONDS)), patient.config.search.batch_size))


def measure(caller: SearchClient, texts: Sequence[str], callers: int) -> Load:
    """Search the texts one a call, from so many threads at once."""
    ends_at = time.perf_counter() + SECONDS

    def call(text: str) -> tuple[float, SearchError | None] | None:
        started = time.perf_counter()
        if started > ends_at:
            return None
        (answer,) = caller.search([ExpandedQuery("load", text)], K)
        return 1000 * (time.perf_counter() - started), answer if isinstance(answer, SearchError) else None

    started = time.perf_counter()
    with ThreadPoolExecutor(callers) as threads:
        calls = [done for done in threads.map(call, texts) if done is not None]
    failures = tuple(error for _, error in calls if error is not None)
    return Load(tuple(ms for ms, _ in calls), failures, time.perf_counter() - started)


def _batch(patient: Patient, size: int) -> Finding:
    """One call with many queries, as a training step makes it; where some fail, that is what is found."""
    texts = _turned(patient.sample.texts, len(CONCURRENCY) * CALLS)[:size]
    started = time.perf_counter()
    answers = patient.client.search([ExpandedQuery(str(n), text) for n, text in enumerate(texts)], K)
    if failure := of_failure("in batches", answers):
        # calls with one query were answered, so it is the batch that is too much: nothing that passes by itself
        state: State = "warning" if any(isinstance(answer, Ranking) for answer in answers) else "problem"
        advice = f"Spare the engine: lower -o search.batch_size (the batch had {size} queries). {failure.advice}"
        return replace(failure, state=state, advice=advice)
    rate = len(texts) / (time.perf_counter() - started)
    config = patient.config
    each = 1 if patient.expansion.mode == "boost" else config.expansion.max_expansions
    searches = config.training.queries_per_step * config.grpo.group_size * each
    step = f"a training step, of {searches} searches at most, waits about {searches / rate:.1f} s for them"
    return Finding("in batches", f"{len(texts)} queries in one batch, {rate:.0f} queries/s: {step}")


def _turned(texts: Sequence[str], by: int) -> Sequence[str]:
    """The texts from another place on, so that levels differ as long as there are enough."""
    start = by % len(texts)
    return (*texts[start:], *texts[:start])
