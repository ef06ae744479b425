"""How much raters agree, from a table of each one's own grades (raters.tsv: query-id, corpus-id, rater1, rater2, ...)."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from leser.errors import LeserError
from leser.textfile import read_text

FILE = "raters.tsv"
_NEEDED = ("query-id", "corpus-id")
_LEAST_SHARED = 30
"""Pairs that two raters must both have graded for their kappa to mean something."""


@dataclass(frozen=True, slots=True)
class RaterAgreement:
    """How much raters agree.

    `pairs` are judged pairs of query and document, `single` of them have one rater only. Of the others: `unanimous`, and
    `split`, where somebody says relevant and somebody not; both are shares. `kappa` holds the least and greatest
    of Cohen's kappa (Educational and Psychological Measurement 20, 1960) between two raters on the grades as they are; None
    where no two raters share enough pairs.
    """

    raters: int
    pairs: int
    single: int
    unanimous: float
    split: float
    kappa: tuple[float, float] | None

    @property
    def several(self) -> int:
        """Pairs with two raters or more."""
        return self.pairs - self.single


def read_raters(path: Path, relevant: int = 1) -> RaterAgreement:
    """Read a table of raters; raises LeserError naming the line that cannot be read. An empty cell is no rating."""
    rows = csv.DictReader(read_text(path).splitlines(), delimiter="\t")
    names = list(rows.fieldnames or ())
    raters = [name for name in names if name.startswith("rater")]
    if not raters or not set(_NEEDED) <= set(names):
        raise LeserError(
            f"{path}, line 1: expected the columns query-id, corpus-id, rater1, rater2, ..., found {', '.join(names)}."
        )
    table = []
    for row in rows:
        given: dict[str, int] = {}
        for name in raters:
            text = (row.get(name) or "").strip()
            if not text:
                continue
            try:
                given[name] = int(text)
            except ValueError:
                raise LeserError(f"{path}, line {rows.line_num}: {name} says '{text}', not a whole grade.") from None
        if given:
            table.append(given)
    if not table:
        raise LeserError(f"{path} holds no rating.")
    return agreement_of(table, relevant)


def agreement_of(table: list[dict[str, int]], relevant: int = 1) -> RaterAgreement:
    """How much raters agree; each row maps raters to their grade of one pair, `relevant` is the least relevant grade."""
    several = [list(row.values()) for row in table if len(row) > 1]
    names = sorted({name for row in table for name in row})
    kappas = [k for a, b in combinations(names, 2) if (k := _kappa(table, a, b)) is not None]
    return RaterAgreement(
        len(names),
        len(table),
        len(table) - len(several),
        _share([len(set(grades)) == 1 for grades in several]),
        _share([len({grade >= relevant for grade in grades}) == 2 for grades in several]),
        (min(kappas), max(kappas)) if kappas else None,
    )


def _kappa(table: list[dict[str, int]], first: str, second: str) -> float | None:
    """Agreement beyond chance of two raters; None where they share too few pairs, or chance alone explains all."""
    pairs = [(row[first], row[second]) for row in table if first in row and second in row]
    if len(pairs) < _LEAST_SHARED:
        return None
    n = len(pairs)
    seen = sum(a == b for a, b in pairs) / n
    left, right = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(left[grade] * right[grade] for grade in left) / n**2
    return (seen - chance) / (1 - chance) if chance < 1 else None


def _share(truths: list[bool]) -> float:
    return sum(truths) / len(truths) if truths else float("nan")
