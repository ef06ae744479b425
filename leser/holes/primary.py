"""Which measure a run is judged by, settled before training from what the dev queries' own hits show.

The rule: the first configured measure, counted on judged documents alone (the condensed list) where less than JUDGED_ENOUGH
of the original dev queries' top hits are judged, and where condensing can tell rankings apart: at least CONTRAST_ENOUGH of those
queries have documents that were judged not relevant beside relevant ones (on judgments that name relevant documents alone, a
condensed list is perfect whatever was found). JUDGED_ENOUGH lies between the two sets on which both ways were measured: at
.89 they agree, at .83 they contradict each other (docs/holes.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leser.backend import Ranking
from leser.holes.treatment import Forms, depth_of_holes
from leser.shares import in_words
from leser.task import Query, Split, drawn

JUDGED_ENOUGH = 0.85
CONTRAST_ENOUGH = 0.5
ASKED = 300
"""Dev queries whose hits are looked at, at most."""


@dataclass(frozen=True, slots=True)
class Primary:
    """The measure, and why it is this one."""

    measure: str
    why: str


def choose(first: str, forms: Forms | None, judged: float | None, contrast: float) -> Primary:
    """The rule above; `judged` is the mean share of judged top hits (None: unknown), `contrast` a share of queries."""
    if forms is None or first not in (forms.plain, forms.condensed, forms.expected):
        return Primary(first, "the first of evaluation.measures")
    depth = depth_of_holes(first)
    if first != forms.plain:
        return Primary(first, "the first of evaluation.measures, which says how holes are counted")
    if judged is None:
        return Primary(first, "the first of evaluation.measures; no dev query found anything")
    seen = f"of the dev queries' top {depth} hits {in_words(judged)} are judged"
    if judged >= JUDGED_ENOUGH:
        return Primary(forms.plain, f"{seen}, at least the {JUDGED_ENOUGH:.0%} from which holes decide little")
    if contrast < CONTRAST_ENOUGH:
        few = in_words(contrast) if contrast < 0.01 else f"only {in_words(contrast)}"
        return Primary(
            forms.plain,
            f"{seen}, but {few} of the queries have documents judged not relevant: counted on judged documents alone every "
            "ranking would look perfect",
        )
    return Primary(forms.condensed, f"{seen}, fewer than {JUDGED_ENOUGH:.0%}: it is counted on judged documents alone")


def settled_by(dev: Split, seed: int) -> list[Query]:
    """The dev queries that settle it: ASKED of them, drawn by the seed as every sample of dev is."""
    return drawn(dev.queries, ASKED, seed)


def judged_share(queries: Sequence[Query], split: Split, rankings: Mapping[str, Ranking], depth: int) -> float | None:
    """Mean share of judged documents in the top `depth` (or as many as were found); None where nothing was."""
    shares = []
    for query in queries:
        ranking = rankings.get(query.id)
        top = tuple(dict.fromkeys(ranking.ids))[:depth] if ranking else ()
        if top:
            grades = split.qrels.get(query.id, {})
            shares.append(sum(id in grades for id in top) / len(top))
    return sum(shares) / len(shares) if shares else None


def contrast_of(queries: Sequence[Query], split: Split) -> float:
    """Share of queries with documents judged relevant and documents judged not relevant."""
    grades = [split.qrels.get(query.id, {}).values() for query in queries]
    both = sum(any(g > 0 for g in given) and any(g == 0 for g in given) for given in grades)
    return both / len(grades) if grades else 0.0


def names_with_forms(measures: Sequence[str], primary: str, forms: Forms | None) -> tuple[str, ...]:
    """What a table holds: the primary measure first, then the configured ones, then the primary's other forms."""
    return tuple(dict.fromkeys((primary, *measures, *(forms.names if forms else ()))))
