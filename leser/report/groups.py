"""Groups of queries: who gains and who doesn't, by kind, by length, and by what the engine found before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from leser.evaluation.evaluate import ORIGINAL, POLICY
from leser.evaluation.statistics import Paired, paired
from leser.report.answers import ShownAnswer

FEWEST = 5
"""Queries below which a group gets no interval: resampling so few says nothing."""
LONG = 5
FOUND = ((0, "nothing"), (9, "1 to 9"), (99, "10 to 99"))


@dataclass(frozen=True, slots=True)
class Group:
    """Some queries and what the policy did for them: means before and after, and the paired difference."""

    label: str
    queries: int
    before: float
    after: float
    gain: Paired | None


def grouped(answers: Sequence[ShownAnswer], seed: int = 0) -> dict[str, list[Group]]:
    """Groups under a heading each; a heading that would hold one group only is left out."""
    known = [a for a in answers if ORIGINAL in a.values and POLICY in a.values]
    headings: dict[str, Callable[[ShownAnswer], tuple[int, str] | None]] = {
        "Kind": lambda a: (0, a.kind) if a.kind else None,
        "Length of the query": lambda a: _length(a.query),
        "Found before expansion": lambda a: _found(a.found),
    }
    found = {}
    for heading, sort in headings.items():
        parts: dict[tuple[int, str], list[ShownAnswer]] = {}
        for answer in known:
            if (part := sort(answer)) is not None:
                parts.setdefault(part, []).append(answer)
        if len(parts) > 1:
            found[heading] = [_group(label, parts[order, label], seed) for order, label in sorted(parts)]
    return found


def _group(label: str, answers: Sequence[ShownAnswer], seed: int) -> Group:
    before, after = ([a.values[name] for a in answers] for name in (ORIGINAL, POLICY))
    differences = np.array(after)[:, None] - np.array(before)[:, None]
    gain = paired(differences, seed=seed)[0] if len(answers) >= FEWEST else None
    return Group(label, len(answers), fmean(before), fmean(after), gain)


def _length(query: str) -> tuple[int, str]:
    words = len(query.split())
    if words >= LONG:
        return LONG, f"{LONG} words and more"
    return words, f"{words} word{'s' if words != 1 else ''}"


def _found(hits: int | None) -> tuple[int, str] | None:
    if hits is None:
        return None
    return next(((most, label) for most, label in FOUND if hits <= most), (100, "100 and more"))
