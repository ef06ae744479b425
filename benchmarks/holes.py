"""Which way to count holes ranks systems as complete judgments do: `python -m benchmarks.holes [--task electronics]`.

A closed world: every ranking is reduced to the documents that people judged for the query, so that the full judgments have no
hole and say which system is better. Then half of each query's judgments are hidden, and ten systems are ranked by mean nDCG@10
again with holes as not relevant (zero), left out (skip), or filled with the expected grade (expected: MiniLM on titles,
calibrated on the labels left of the other half of the queries). Hidden are

  random   half of each query's judgments, drawn by a seed; five seeds
  depth    the half that the original ranking shows last or not at all: what a pool of an old engine lacks

Kendall's tau-b to the ranking by full judgments, its 95 % interval and the difference to `zero` by a bootstrap over queries; and
the mean absolute error of the systems' gains over the original. `--out FILE.json` writes the figures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from leser_judges.baselines import EncoderRerank
from leser_judges.options import EncoderOptions
from leser_judges.similarity import EncoderSimilarity
from leser_memory import MemoryBackend
from leser_relevance import NDCG
from scipy.stats import kendalltau

from benchmarks.evidence import ROOT, commit, machine
from leser.backend import Hit, Ranking, Term
from leser.baseline import BaselineContext
from leser.cli.console import replace_what_cannot_be_shown
from leser.engine import SearchClient
from leser.environment import Environment
from leser.evaluation.measures import Measurer
from leser.evaluation.systems import SystemRun, run_of_terms
from leser.expansion import ExpansionOptions
from leser.feedback import FeedbackOptions, rm3_terms
from leser.formats.beir import Beir
from leser.holes.expected import ExpectedGrades
from leser.holes.judge import DocumentJudge
from leser.reward import Reward, parse_spec
from leser.scoring import RewardSet
from leser.task import Query, Split, Task
from leser.verified.options import VerifiedOptions
from leser.verified.search import search_expansions
from leser.verified.sources import DocumentWords

WAYS = {"zero": "nDCG@10", "skip": "nDCG(holes=skip)@10", "expected": "nDCG(holes=expected)@10"}
CLASSES: dict[str, type[Reward]] = {"nDCG": NDCG, "encoder": EncoderSimilarity}
RM3_SETTINGS = ((5, 10, 0.5), (10, 10, 0.7), (10, 20, 0.3), (10, 40, 0.9))
SEEDS = 5
RESAMPLES = 1000
DEPTH = 1000


def ten_systems(task: Task, split: Split, vectors: Path) -> list[SystemRun]:
    """BM25 with two settings, RM3 with four, the encoder reranking 20 and 100 hits, verified search with two weights."""
    assert task.documents is not None
    spec = f"encoder(cache={str(vectors)!r})@10"
    runs = []
    with SearchClient(MemoryBackend.of(task.documents())) as client:
        context = BaselineContext(client, task, RewardSet([NDCG(parse_spec("nDCG@10"))], [1.0]), k=DEPTH)
        originals = context.originals(split.queries)

        def searched(name: str, terms: Sequence[Sequence[Term]]) -> SystemRun:
            return run_of_terms(name, split.queries, terms, context.search(split.queries, terms))

        runs.append(searched("original", [()] * len(split.queries)))
        for docs, terms, weight in RM3_SETTINGS:
            runs.append(searched(f"rm3 {docs}/{terms}/{weight}", _rm3(context, split.queries, docs, terms, weight)))
        for depth in (20, 100):
            options = EncoderRerank.Options(encoder=EncoderOptions(cache=vectors), depth=depth)
            rerank = EncoderRerank(options)
            rerank.fit(context)
            top = rerank.rankings(split.queries, DEPTH)
            rows = {q.id: _with_rest(new, old) for q, new, old in zip(split.queries, top, originals, strict=True)}
            runs.append(SystemRun(f"encoder-rerank {depth}", rows))
        environment = Environment(
            client,
            RewardSet([EncoderSimilarity(parse_spec(spec))], [1.0]),
            ExpansionOptions(weight=1.0),
            task.title_field,
        )
        for weight in (0.3, 1.0):
            options = VerifiedOptions(candidates=12, weights=(weight,), budget=40)
            found = search_expansions(
                environment, split.queries, options, [DocumentWords(environment, options)],
                split=Split("all", split.queries, {}),
            )  # fmt: skip
            given = [[Term(e.text, w) for e, w in zip(row.expansions, row.weights, strict=True)] for row in found]
            runs.append(searched(f"verified {weight}", given))
    with SearchClient(MemoryBackend.of(task.documents(), k1=1.2, b=0.75)) as client:
        other = BaselineContext(client, task, RewardSet([NDCG(parse_spec("nDCG@10"))], [1.0]), k=DEPTH)
        rows = dict(zip((q.id for q in split.queries), other.originals(split.queries), strict=True))
        runs.append(SystemRun("bm25 1.2/.75", rows))
    return runs


def _rm3(
    context: BaselineContext, queries: Sequence[Query], docs: int, terms: int, weight: float
) -> list[Sequence[Term]]:
    options = FeedbackOptions(docs=docs, terms=terms, keep_query_words=True)
    tops = [a.hits[:docs] if isinstance(a, Ranking) else () for a in context.originals(queries)]
    texts = context.texts([hit.id for top in tops for hit in top])
    return [
        rm3_terms(query.text, [texts[h.id] for h in top], [h.score for h in top], options, original_weight=weight)
        for query, top in zip(queries, tops, strict=True)
    ]


def _with_rest(new: Any, old: Any) -> Ranking:
    """A reranked top with the other hits after it."""
    assert isinstance(new, Ranking)
    assert isinstance(old, Ranking)
    return _ranking(dict.fromkeys((*new.ids, *old.ids)))


def _ranking(ids: Mapping[str, Any] | Sequence[str]) -> Ranking:
    listed = list(ids)
    return Ranking(tuple(Hit(id, float(len(listed) - n)) for n, id in enumerate(listed)))


def closed(run: SystemRun, split: Split) -> SystemRun:
    """The run in a world of judged documents alone."""
    rows = {
        q.id: _ranking([id for id in r.ids if id in split.qrels[q.id]] if (r := run.ranking(q.id)) else [])
        for q in split.queries
    }
    return SystemRun(run.name, rows)


def hidden(split: Split, original: SystemRun, way: str, seed: int) -> Split:
    """The split with half of each query's judgments; queries that keep no relevant document leave."""
    kept: dict[str, dict[str, int]] = {}
    for query in split.queries:
        grades = split.qrels[query.id]
        ranking = original.ranking(query.id)
        order = list(dict.fromkeys((*(ranking.ids if ranking else ()), *sorted(grades))))
        if way == "random":
            Random(f"{seed} {query.id}").shuffle(order)
        kept[query.id] = {id: grades[id] for id in order[: (len(order) + 1) // 2]}
    asked = tuple(q for q in split.queries if any(grade > 0 for grade in kept[q.id].values()))
    return Split(split.name, asked, kept)


def values_of(
    part: Split, runs: Sequence[SystemRun], vectors: Path, client: SearchClient
) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """By way, the values of systems (columns) on the part's queries (rows); a fold is filled from the other's labels."""
    found = {way: np.full((len(part.queries), len(runs)), np.nan) for way in WAYS}
    for fold in (0, 1):
        own = replace(part, queries=part.queries[fold::2])
        other = replace(part, queries=part.queries[1 - fold :: 2])
        judge = DocumentJudge.of(f"encoder(cache={str(vectors)!r})", CLASSES, client.fetch)
        measurer = Measurer(own, list(WAYS.values()), CLASSES, expected=ExpectedGrades(judge, other))
        for column, run in enumerate(runs):
            values = measurer(run, runs[0])
            for way, name in WAYS.items():
                found[way][fold::2, column] = [values[name][q.id] for q in own.queries]
    return found


def compared(full: Any, ways: Mapping[str, Any], seed: int = 0) -> dict[str, Any]:
    """Tau of each way's ranking of systems to the full one's, with intervals, and the error of gains."""
    rng = np.random.default_rng(seed)
    drawn = [rng.integers(len(full), size=len(full)) for _ in range(RESAMPLES)]

    def tau(values: Any, rows: Any) -> float:
        return float(kendalltau(full[rows].mean(axis=0), values[rows].mean(axis=0)).statistic)

    taus = {way: np.array([tau(values, rows) for rows in drawn]) for way, values in ways.items()}
    truth = full.mean(axis=0)
    told = {}
    for way, values in ways.items():
        means = values.mean(axis=0)
        error = np.abs((means - means[0]) - (truth - truth[0]))[1:].mean()
        told[way] = {
            "tau": round(tau(values, np.arange(len(full))), 3),
            "ci95": [round(float(x), 3) for x in np.percentile(taus[way], [2.5, 97.5])],
            "over_zero": [round(float(x), 3) for x in np.percentile(taus[way] - taus["zero"], [2.5, 97.5])],
            "gain_error": round(float(error), 4),
        }
    return told


def measure(folder: Path, vectors: Path, most: int) -> dict[str, Any]:
    """All figures of one task."""
    task = Beir(Beir.Options(path=folder)).read()
    assert task.documents is not None
    qrels = {query: dict(grades) for split in task.splits for query, grades in split.qrels.items()}
    queries = [q for split in task.splits for q in split.queries if len(set(qrels[q.id].values())) > 1]
    chosen = Random(1).sample(queries, min(most, len(queries)))
    split = Split("all", tuple(chosen), {q.id: qrels[q.id] for q in chosen})
    runs = [closed(run, split) for run in ten_systems(task, split, vectors)]
    content: dict[str, Any] = {"queries": len(chosen)}
    with SearchClient(MemoryBackend.of(task.documents())) as client:
        for way, seeds in (("random", range(SEEDS)), ("depth", range(1))):
            parts = []
            for seed in seeds:
                part = hidden(split, runs[0], way, seed)
                whole = Measurer(replace(split, queries=part.queries), ["nDCG@10", "Judged@10"], CLASSES)
                truth = [whole(run)["nDCG@10"] for run in runs]
                full = np.array([[values[q.id] for values in truth] for q in part.queries])
                seen = Measurer(part, ["Judged@10"], CLASSES)(runs[0])["Judged@10"]
                found = compared(full, values_of(part, runs, vectors, client), seed)
                parts.append(
                    {"queries": len(part.queries), "judged": round(float(np.mean(list(seen.values()))), 3), **found}
                )
                if "systems" not in content:
                    content["systems"] = {
                        r.name: round(float(v), 4) for r, v in zip(runs, full.mean(axis=0), strict=True)
                    }
            content[way] = parts
    return content


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of the tasks")
    parser.add_argument("--task", action="append", help="a task; default: electronics and movies")
    parser.add_argument("--queries", type=int, default=200, help="queries of a task, at most")
    parser.add_argument("--vectors", type=Path, default=ROOT / "runs" / "judged-pairs-vectors")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    content: dict[str, Any] = {"name": "holes", "commit": commit(), "machine": machine(), "tasks": {}}
    for name in given.task or ("electronics", "movies"):
        content["tasks"][name] = measure(given.data / name, given.vectors, given.queries)
    text = json.dumps(content, indent=1) + "\n"
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
