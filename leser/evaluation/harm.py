"""Do no harm, in numbers: per query what an expansion moved, what it lost of the query's own words, and whom it hurt.

    change     the measure with expansions, less that of the original query
    drift      share of the original's first ten hits that are no longer among the first ten
    lost       greatest fall, over the query's words, of the share of the first ten titles that hold the word

A query is hurt where its change is below 0. The oracle gate is what a system would reach that expands a query only where
that helps: an upper bound for whoever decides when to leave a query alone, for it reads the judgments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from leser.backend import Ranking
from leser.evaluation.statistics import TIE, share_interval
from leser.evaluation.systems import SystemRun
from leser.task import Query
from leser.text import content_stems, stem, words

TOP = 10


@dataclass(frozen=True, slots=True)
class Harm:
    """One query's figures."""

    query_id: str
    change: float
    drift: float
    lost: float

    def row(self) -> dict[str, Any]:
        """As a line of harm.jsonl."""
        return asdict(self)


def harm_of(
    queries: Sequence[Query],
    before: SystemRun,
    after: SystemRun,
    values: Mapping[str, Mapping[str, float]],
    titles: Callable[[Sequence[str]], Mapping[str, str]],
) -> list[Harm]:
    """The figures of a system beside the original, for the queries that both are measured on; `values` by system and query."""
    own, base = values.get(after.name, {}), values.get(before.name, {})
    rows = [(q, _top(before, q), _top(after, q)) for q in queries if q.id in own and q.id in base]
    known = titles(sorted({id for _, first, second in rows for id in (*first, *second)})) if rows else {}
    held = {id: {stem(word) for word in words(title)} for id, title in known.items()}
    return [
        Harm(
            query.id,
            own[query.id] - base[query.id],
            len(set(first) - set(second)) / len(first) if first else 0.0,
            _lost(query, first, second, held),
        )
        for query, first, second in rows
    ]


def summary(harms: Sequence[Harm], values: Mapping[str, float]) -> dict[str, Any]:
    """Means of a system, and what the oracle gate would reach; `values` are the original's."""
    if not harms:
        return {}
    hurt = sum(harm.change < -TIE for harm in harms)
    return {
        "queries": len(harms),
        "share_hurt": hurt / len(harms),
        "share_hurt_ci95": list(share_interval(hurt, len(harms))),
        "share_helped": sum(harm.change > TIE for harm in harms) / len(harms),
        "mean_loss_where_hurt": fmean([harm.change for harm in harms if harm.change < -TIE] or [0.0]),
        "drift": fmean(harm.drift for harm in harms),
        "lost": fmean(harm.lost for harm in harms),
        "oracle_gate": fmean(values[harm.query_id] + max(0.0, harm.change) for harm in harms),
    }


def _top(run: SystemRun, query: Query) -> tuple[str, ...]:
    ranking = run.ranking(query.id) or Ranking(())
    return tuple(dict.fromkeys(ranking.ids))[:TOP]


def _lost(query: Query, before: Sequence[str], after: Sequence[str], held: Mapping[str, set[str]]) -> float:
    """How much the query's word that fell most fell; a word that no title before held cannot fall."""
    falls = [_share(term, before, held) - _share(term, after, held) for term in content_stems(query.text)]
    return max([0.0, *falls])


def _share(term: str, ids: Sequence[str], held: Mapping[str, set[str]]) -> float:
    return sum(term in held.get(id, ()) for id in ids) / len(ids) if ids else 0.0
