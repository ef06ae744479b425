"""SystemRun: what one system answered for a split's queries, and how it behaved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from leser.backend import Ranking, SearchError, Term
from leser.baseline import Baseline
from leser.evaluation.calls import failures_of, rankings_of, terms_of
from leser.expansion import Code, Expansion, render
from leser.letters import words_of
from leser.task import Query


@dataclass(frozen=True, slots=True)
class SystemRun:
    """A system's rankings by query id, and what it wrote to get them.

    A query that is absent, or whose search failed, counts 0 in every measure. `tokens` are the completions' lengths in
    the policy's tokens.
    """

    name: str
    rankings: Mapping[str, Ranking | SearchError]
    expansions: Mapping[str, Sequence[Expansion]] = field(default_factory=dict)
    completions: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, Code] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)

    def ranking(self, query_id: str) -> Ranking | None:
        """The query's ranking; None where there is none."""
        answer = self.rankings.get(query_id)
        return answer if isinstance(answer, Ranking) else None


def run_of_terms(
    name: str, queries: Sequence[Query], terms: Sequence[Sequence[Term]], answers: Sequence[Ranking | SearchError]
) -> SystemRun:
    """The run of a system that adds clauses, such as a baseline: all three sequences in the queries' order."""
    expansions = {q.id: tuple(Expansion(t.text, t.weight) for t in ts) for q, ts in zip(queries, terms, strict=True)}
    completions = {query_id: render(given) for query_id, given in expansions.items()} if any(terms) else {}
    return SystemRun(name, dict(zip((q.id for q in queries), answers, strict=True)), expansions, completions)


def run_of_baseline(
    baseline: Baseline,
    queries: Sequence[Query],
    k: int,
    search: Callable[[Sequence[Sequence[Term]]], Sequence[Ranking | SearchError]],
) -> SystemRun:
    """The run of a fitted baseline: its own rankings of `k` documents, else what `search` finds with its clauses.

    Where a query's clauses could not be made, that failure is its answer.
    """
    own = rankings_of(baseline, queries, k)
    if own is None:
        terms = terms_of(baseline, queries)
        failed = failures_of(baseline, queries)  # a query without its clauses is not the query as typed
        answers = [why or found for why, found in zip(failed, search(terms), strict=True)]
        return run_of_terms(baseline.name, queries, terms, answers)
    # it writes nothing, so no figure of behaviour speaks of what it wrote
    return SystemRun(baseline.name, dict(zip((q.id for q in queries), own, strict=True)))


def behaviour(run: SystemRun, queries: Sequence[Query], no_result: Sequence[Query] = ()) -> dict[str, float]:
    """How a system behaved, beside how well it ranked; a figure nothing is known about is left out.

    Shares from 0 to 1: `errors` (failed searches), `zero_results` (queries that found nothing; `zero_results_unjudged`
    among those without a relevant document), `parse_errors`, `rule_violations`, `left_alone` ("none"), `echo`
    (expansion words that the query holds). Means a query: `expansions`, `distinct_terms` (different words), `words`,
    `tokens`. Milliseconds: `latency_p50_ms`, `latency_p95_ms`, of the engine.
    """
    figures = {"errors": _mean(isinstance(run.rankings.get(q.id), SearchError) for q in queries)}
    for name, group in (("zero_results", queries), ("zero_results_unjudged", no_result)):
        answers = [ranking for q in group if (ranking := run.ranking(q.id)) is not None]
        figures[name] = _mean(not ranking.hits for ranking in answers)
    codes = [run.codes[q.id] for q in queries if q.id in run.codes]
    for name, code in (("parse_errors", Code.PARSE_ERROR), ("rule_violations", Code.RULE_VIOLATION)):
        figures[name] = _mean(given is code for given in codes)
    figures |= _wording(run, queries)
    figures["tokens"] = _mean(run.tokens[q.id] for q in queries if q.id in run.tokens)
    took = [r.took_ms for q in queries if (r := run.ranking(q.id)) is not None and r.took_ms is not None]
    if took:
        figures["latency_p50_ms"], figures["latency_p95_ms"] = map(float, np.percentile(took, [50, 95]))
    return {name: value for name, value in figures.items() if not np.isnan(value)}


def _wording(run: SystemRun, queries: Sequence[Query]) -> dict[str, float]:
    known = [q for q in queries if q.id in run.expansions]
    words = {q.id: [w for e in run.expansions[q.id] for w in words_of(e.text.casefold())] for q in known}
    own = {q.id: set(words_of(q.text.casefold())) for q in known}
    return {
        "left_alone": _mean(not run.expansions[q.id] for q in known),
        "expansions": _mean(len(run.expansions[q.id]) for q in known),
        "words": _mean(len(words[q.id]) for q in known),
        "distinct_terms": _mean(len(set(words[q.id])) for q in known),
        "echo": _mean(word in own[q.id] for q in known for word in words[q.id]),
    }


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return float(np.mean(listed)) if listed else float("nan")
