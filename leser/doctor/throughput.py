"""How fast the engine answers: one query a call from 1, 4 and 16 callers at once, and a whole batch as training sends it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from statistics import quantiles

from leser.backend import ExpandedQuery, Ranking, SearchError
from leser.doctor.asking import Broken, answers_of
from leser.doctor.finding import Finding, State, of_failure
from leser.doctor.subject import Subject
from leser.engine import SearchClient

CONCURRENCY = (1, 4, 16)
CALLS = 200
SECONDS = 2.0
"""Each level ends after so many calls or so long, whichever comes first."""
K = 10
LOOKED_AT = 40


@dataclass(frozen=True, slots=True)
class Load:
    """What a level measured: milliseconds of each call, what was answered to which text, and the seconds all took."""

    milliseconds: tuple[float, ...]
    answers: tuple[tuple[str, Ranking | SearchError], ...]
    seconds: float

    @property
    def failures(self) -> tuple[SearchError, ...]:
        """The calls that failed."""
        return tuple(answer for _, answer in self.answers if isinstance(answer, SearchError))

    @property
    def rate(self) -> float:
        """Queries a second."""
        return len(self.milliseconds) / self.seconds

    def quantile(self, percent: int) -> float:
        """A percentile of the calls' milliseconds."""
        if len(self.milliseconds) < 2:
            return self.milliseconds[0]
        return quantiles(self.milliseconds, n=100, method="inclusive")[percent - 1]


def load(subject: Subject, caller: SearchClient) -> Iterator[Finding]:
    """One finding a level; `caller` sends one query a call and has no cache. Texts differ, so that no cache answers."""
    texts = subject.sample.texts
    rate = 1.0
    for place, callers in enumerate(CONCURRENCY):
        measured = measure(caller, _turned(texts, place * CALLS)[:CALLS], callers)
        rate = max(rate, measured.rate)
        seen = f"p50 {measured.quantile(50):.1f} ms, p95 {measured.quantile(95):.1f} ms, {measured.rate:.0f} queries/s"
        if measured.failures:
            seen += f"; {len(measured.failures)} of {len(measured.milliseconds)} failed: {measured.failures[0].message}"
            advice = "Spare the engine: lower -o search.concurrency or set -o search.max_per_second."
            yield Finding(f"{callers} at once", seen, "warning", advice)
        elif wrong := _anothers(subject, measured):
            advice = "Keep nothing of a search in the backend itself: calls come from several threads at once."
            seen = f"{wrong} answers are not those of their query, which is answered otherwise alone"
            yield Finding(f"{callers} at once", seen, "problem", advice)
        else:
            yield Finding(f"{callers} at once", seen)
    size = min(len(texts), max(1, int(rate * SECONDS)), subject.config.search.batch_size)
    try:
        yield _batch(subject, size)
    except Broken as broken:
        yield broken.finding("in batches")


def measure(caller: SearchClient, texts: Sequence[str], callers: int) -> Load:
    """Search the texts one per call, from this many threads at once."""
    ends_at = time.perf_counter() + SECONDS

    def call(text: str) -> tuple[float, tuple[str, Ranking | SearchError]] | None:
        started = time.perf_counter()
        if started > ends_at:
            return None
        (answer,) = caller.search([ExpandedQuery("load", text)], K)
        return 1000 * (time.perf_counter() - started), (text, answer)

    started = time.perf_counter()
    with ThreadPoolExecutor(callers) as threads:
        calls = [done for done in threads.map(call, texts) if done is not None]
    return Load(tuple(ms for ms, _ in calls), tuple(answer for _, answer in calls), time.perf_counter() - started)


def _anothers(subject: Subject, measured: Load) -> int:
    """How many of the answers given to several callers differ from what one caller alone is given, of those looked at."""
    looked_at = measured.answers[:: max(1, len(measured.answers) // LOOKED_AT)]
    wrong = 0
    for text, answer in looked_at:
        once, again = (subject.client.search([ExpandedQuery("alone", text)], K)[0] for _ in range(2))
        if isinstance(once, Ranking) and isinstance(again, Ranking) and isinstance(answer, Ranking):
            wrong += once.ids == again.ids != answer.ids
    return wrong


def _batch(subject: Subject, size: int) -> Finding:
    """One call with many queries, as a training step makes it; where some fail, that is what is found."""
    texts = _turned(subject.sample.texts, len(CONCURRENCY) * CALLS)[:size]
    started = time.perf_counter()
    queries = [ExpandedQuery(str(n), text) for n, text in enumerate(texts)]
    answers = subject.client.search(queries, K)
    if failure := of_failure("in batches", answers):
        answers_of(subject.backend, queries, K)  # where it is no failure, but too few answers
        # calls with one query were answered, so it is the batch that is too much: nothing that passes by itself
        state: State = "warning" if any(isinstance(answer, Ranking) for answer in answers) else "problem"
        advice = f"Spare the engine: lower -o search.batch_size (the batch had {size} queries). {failure.advice}"
        return replace(failure, state=state, advice=advice)
    rate = len(texts) / (time.perf_counter() - started)
    if wrong := _anothers(subject, Load((), tuple(zip(texts, answers, strict=True)), 1.0)):
        seen = f"in a batch of {size} queries {wrong} answers are not in the place of their query"
        return Finding(
            "in batches", seen, "problem", "Answers keep the queries' order, in a large batch as in a small one."
        )
    config = subject.config
    each = 1 if subject.expansion.mode == "boost" else config.expansion.max_expansions
    searches = config.training.queries_per_step * config.grpo.group_size * each
    step = f"a training step, of {searches} searches at most, waits about {searches / rate:.1f} s for them"
    return Finding("in batches", f"{len(texts)} queries in one batch, {rate:.0f} queries/s: {step}")


def _turned(texts: Sequence[str], by: int) -> Sequence[str]:
    """The texts from another place on, so that levels differ as long as there are enough."""
    start = by % len(texts)
    return (*texts[start:], *texts[:start])
