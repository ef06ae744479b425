"""Is the exam fair? Original, tuned RM3 and the ideal expansions on a world's test queries, per kind.

    python -m leser_catalogue.study --seeds 1 2 3

A fair world: RM3, tuned on dev, gains over the original with an interval above 0; the ideal expansions leave head-room
above RM3; brand queries are answered well by the original and harmed by careless expansion.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import ir_measures
import numpy as np
from ir_measures import nDCG
from leser_memory import MemoryBackend
from numpy.typing import NDArray

from leser.backend import ExpandedQuery, Ranking, SearchError, Term
from leser.cli.console import replace_what_cannot_be_shown
from leser.errors import LeserError
from leser.feedback import FeedbackOptions, rm3_terms
from leser.options import seed_argument
from leser.task import Query, Split
from leser_catalogue.generator import COUNTS, LANGUAGES, Catalogue, make_catalogue
from leser_catalogue.grammar import grammar

RM3_DOCS, RM3_TERMS, RM3_LAMBDAS = (3, 5, 10, 20), (5, 10, 20), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
IDEAL_WEIGHTS = (0.25, 0.5, 1.0, 2.0)
RESAMPLES = 5000

Expand = Callable[[Query], tuple[Term, ...]]


@dataclass(frozen=True, slots=True)
class Row:
    """One system on one kind of query: mean nDCG@10, and its gain over the original with a 95 % interval."""

    system: str
    kind: str
    queries: int
    mean: float
    gain: float
    low: float
    high: float


def _nothing(_: Query) -> tuple[Term, ...]:
    return ()


class World:
    """A catalogue and an engine that holds its products."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        analysis = grammar(catalogue.vocabulary.language).analysis
        self._engine = MemoryBackend.of((product.document for product in catalogue.products), analysis=analysis)
        self._texts = {p.id: f"{p.document.fields['title']} {p.document.fields['text']}" for p in catalogue.products}

    def search(self, queries: Sequence[ExpandedQuery], k: int = 10) -> list[Ranking]:
        """Rankings of a batch; raises LeserError when a query fails."""
        found: list[Ranking] = []
        for answer in self._engine.search(queries, k):
            if isinstance(answer, SearchError):
                raise LeserError(f"The memory backend failed: {answer.message}")
            found.append(answer)
        return found

    def ndcg(self, split: Split, expand: Expand) -> dict[str, float]:
        """nDCG@10 of every query of the split, searched with what `expand` adds."""
        rankings = self.search([ExpandedQuery(q.id, q.text, expand(q)) for q in split.queries])
        run = {
            query.id: {hit.id: float(-rank) for rank, hit in enumerate(ranking.hits)}
            for query, ranking in zip(split.queries, rankings, strict=True)
        }
        values = {query.id: 0.0 for query in split.queries}
        values |= {m.query_id: m.value for m in ir_measures.iter_calc([nDCG @ 10], split.qrels, run)}
        return values

    def rm3(self, split: Split, docs: int, terms: int, weight: float) -> Expand:
        """RM3 from the original's top hits."""
        options = FeedbackOptions(docs=docs, terms=terms, keep_query_words=True)
        rankings = self.search([ExpandedQuery(q.id, q.text) for q in split.queries], k=docs)
        hits = {query.id: ranking.hits for query, ranking in zip(split.queries, rankings, strict=True)}

        def expand(query: Query) -> tuple[Term, ...]:
            texts = [self._texts[hit.id] for hit in hits[query.id]]
            return rm3_terms(query.text, texts, [h.score for h in hits[query.id]], options, original_weight=weight)

        return expand

    def ideal(self, weight: float) -> Expand:
        """The catalogue's words for the query's needs."""
        return lambda query: tuple(Term(text, weight) for text in self.catalogue.intents[query.id].ideal)

    def tuned(self) -> tuple[dict[str, float], tuple[int, int, float], float]:
        """Best settings on dev: (docs, terms, lambda) of RM3 and the weight of ideal expansions, and dev's means."""
        dev = self.catalogue.task.dev

        def mean(expand: Expand) -> float:
            return float(np.mean(list(self.ndcg(dev, expand).values())))

        by_rm3 = {setting: mean(self.rm3(dev, *setting)) for setting in product(RM3_DOCS, RM3_TERMS, RM3_LAMBDAS)}
        by_weight = {weight: mean(self.ideal(weight)) for weight in IDEAL_WEIGHTS}
        best, weight = max(by_rm3, key=by_rm3.__getitem__), max(by_weight, key=by_weight.__getitem__)
        return {"rm3": by_rm3[best], "ideal": by_weight[weight]}, best, weight


def interval(differences: NDArray[np.float64]) -> tuple[float, float]:
    """Paired bootstrap 95 % interval of a mean difference."""
    rng = np.random.default_rng(0)
    means = rng.choice(differences, (RESAMPLES, len(differences))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def rows(split: Split, systems: Mapping[str, Mapping[str, float]]) -> list[Row]:
    """A row for each system and kind, and for all kinds together; the first system is the baseline."""
    baseline = next(iter(systems.values()))
    table = []
    for name, values in systems.items():
        for kind in ("all", *COUNTS):
            ids = [q.id for q in split.queries if kind in ("all", q.kind)]
            gains = np.array([values[i] - baseline[i] for i in ids])
            mean = float(np.mean([values[i] for i in ids]))
            table.append(Row(name, kind, len(ids), mean, float(gains.mean()), *interval(gains)))
    return table


def study(seed: int, language: str = "en") -> tuple[list[Row], tuple[int, int, float], float]:
    """The test table of one seed, with RM3's settings (docs, terms, lambda) and the ideal expansions' weight."""
    world = World(make_catalogue(seed, language))
    _, setting, weight = world.tuned()
    test = world.catalogue.task.test
    systems = {
        "original": world.ndcg(test, _nothing),
        "rm3": world.ndcg(test, world.rm3(test, *setting)),
        "ideal": world.ndcg(test, world.ideal(weight)),
    }
    return rows(test, systems), setting, weight


def main() -> None:
    """Print the table of each seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=seed_argument, nargs="+", default=[1, 2, 3])
    parser.add_argument("--language", choices=LANGUAGES, default="en")
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        table, (docs, terms, weight), ideal_weight = study(seed, arguments.language)
        print(f"seed {seed}: RM3 docs {docs}, terms {terms}, lambda {weight}; ideal weight {ideal_weight}")
        print(f"  {'system':<10}{'kind':<10}{'queries':>8}{'nDCG@10':>9}{'gain':>8}   95 % interval")
        for row in table:
            print(
                f"  {row.system:<10}{row.kind:<10}{row.queries:>8}{row.mean:>9.3f}{row.gain:>+8.3f}"
                f"   [{row.low:+.3f}, {row.high:+.3f}]"
            )


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
