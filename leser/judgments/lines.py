"""An examination in words, one fact per line: what the terminal shows, and the page in its tables' place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from leser.judgments.raters import FILE
from leser.shares import in_words

if TYPE_CHECKING:
    from leser.judgments.examine import Examination
    from leser.judgments.facts import Contradictions


def facts(found: Examination) -> Iterator[tuple[str, str]]:
    """Topic and what was found, without the table of systems."""
    depth = found.depth
    yield (
        "depth",
        f"{depth.pairs} judgments of {depth.queries} queries; a query has {_quartiles(depth.judged)} judged documents, "
        f"{_quartiles(depth.relevant)} of them relevant (quartiles); {depth.without_relevant} queries have no relevant document",
    )
    yield (
        "grades",
        ", ".join(f"{grade}: {count}" for grade, count in depth.grades.items())
        + (
            "; nothing is judged not relevant, so holes cannot be distinguished from bad documents"
            if depth.one_sided
            else ""
        ),
    )
    shares = ", ".join(f"{in_words(share)} of the top {k}" for k, share in found.judged.items())
    yield "holes", f"of the engine’s own hits are judged: {shares or 'nothing was found'}"
    yield "primary measure", found.primary
    bad = found.contradictions
    yield (
        "contradictions",
        f"{bad.same_title} of {bad.of_titles} pairs of documents with one title have different grades for one query; "
        f"{bad.same_query} of {bad.of_queries} pairs of judgments of one document for queries spelled alike differ"
        + _wrong(bad),
    )
    for example in bad.examples:
        yield "", example
    yield "raters", _raters(found)
    for judge in found.ordered:
        low, high = judge.ci95
        yield (
            "judge",
            f"{judge.judge} orders {judge.share:.1%} [{low:.1%}, {high:.1%}] of {judge.pairs} judged pairs of "
            f"{judge.queries} queries as people did (chance: 50%)",
        )
    for said in found.room.left_out:
        yield "left out", said


def _wrong(bad: Contradictions) -> str:
    if bad.as_if_wrong is None:
        return ""
    return (
        f"; {bad.opposed} pairs of one title hold a relevant and a not relevant document, as many as if {bad.as_if_wrong:.0%} of "
        "all judgments were wrong, unless more than their titles tells these documents apart"
    )


def _raters(found: Examination) -> str:
    agreement = found.agreement
    if agreement is None:
        return f"not known: the task holds one grade per pair and no {FILE} with each rater’s own"
    single = f"{agreement.pairs} pairs by {agreement.raters} raters, {agreement.single} of them by one alone"
    if not agreement.several:
        return f"{single}: nobody knows how far another would differ"
    kappa = (
        f"; Cohen’s kappa of two raters {agreement.kappa[0]:.2f} to {agreement.kappa[1]:.2f}" if agreement.kappa else ""
    )
    return (
        f"{single}; of the others all agree on {agreement.unanimous:.1%}, and {agreement.split:.1%} are relevant to one "
        f"rater and not to another{kappa}"
    )


def table(found: Examination) -> list[list[str]]:
    """Systems by measures with gains over the original, the head first."""
    names = found.forms.names
    rows = [["system", *names]]
    for system, figures in found.room.systems.items():
        gains = {g.measure: g for g in found.room.gains if g.system == system}
        cells = [system]
        for name in names:
            shown = f"{figures[name]:.3f}" if name in figures else ""
            if name in gains:
                gain = gains[name]
                shown += f" {gain.delta:+.3f} [{gain.ci95[0]:+.3f}, {gain.ci95[1]:+.3f}]"
            cells.append(shown)
        rows.append(cells)
    return rows


def _quartiles(values: tuple[float, float, float]) -> str:
    return "/".join(f"{value:.0f}" for value in values)
