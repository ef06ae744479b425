"""How well a sentence encoder agrees with people's judgments: `python -m benchmarks.judged_pairs [--evidence]`.

For each task (electronics and movies by default), with nothing trained and nothing tuned:
  pairs     of judged documents of one query with different grades, the share that the cosine of query and document
            orders as people did (equal cosines count half), with its interval over queries
  systems   BM25 of the memory engine, its top 100 reranked by the encoder (encoder-rerank) and the nearest documents
            (encoder-alone): nDCG@10 plain and on judged documents only (the condensed list), and Judged@10; each
            difference to BM25 with its interval. All queries with a relevant document, of all splits
  cost      seconds of encoder@10 for 10,000 rankings of 10 documents, 625 queries with 16 rankings each as in training,
            all texts encoded before: `first` reads documents and vectors for the first time, `again` as in later steps
Vectors are kept in runs/judged-pairs-vectors. `--evidence` writes docs/evidence/judged-pairs.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from leser_judges.baselines import EncoderAlone, EncoderRerank
from leser_judges.documents import DocumentIndex, text_of
from leser_judges.options import EncoderOptions
from leser_judges.similarity import EncoderSimilarity, open_vectors
from leser_memory import MemoryBackend
from leser_relevance import NDCG

from benchmarks.condensed import write
from benchmarks.evidence import ROOT, commit, machine
from leser.backend import Document, Hit, Ranking
from leser.baseline import Baseline, BaselineContext
from leser.cli.console import replace_what_cannot_be_shown
from leser.engine import SearchClient
from leser.evaluation.builtin import Original, run_baseline
from leser.evaluation.evaluate import evaluate
from leser.evaluation.statistics import bootstrap_interval
from leser.expansion import Code
from leser.formats.beir import Beir
from leser.reward import Outcome, parse_spec
from leser.scoring import RewardSet
from leser.task import Query, Split, Task

TASKS = ("electronics", "movies")
MEASURES = ("nDCG@10", "nDCG(judged_only=True)@10", "Judged@10", "R@100")
RANKINGS, GROUP, TOP = 10_000, 16, 10
RESAMPLES = 10_000


def whole(task: Task) -> Split:
    """All splits as one: nothing is trained, so every judgment may be looked at."""
    qrels = {query: grades for split in task.splits for query, grades in split.qrels.items()}
    return Split("all", tuple(query for split in task.splits for query in split.queries), qrels)


def ordered_rightly(better: Sequence[float], worse: Sequence[float]) -> float:
    """How many pairs of one from each list the similarity orders rightly; equal ones count half."""
    low = np.sort(np.asarray(worse))
    below, upto = np.searchsorted(low, better, "left"), np.searchsorted(low, better, "right")
    return float((below + 0.5 * (upto - below)).sum())


def pairs_of_query(similarity: dict[str, float], grades: dict[str, int]) -> dict[tuple[int, int], tuple[float, int]]:
    """Pairs of one query by their two grades, the higher first: those ordered rightly, and all of them."""
    by_grade: dict[int, list[float]] = {}
    for id, grade in grades.items():
        if id in similarity:
            by_grade.setdefault(grade, []).append(similarity[id])
    return {
        (high, low): (ordered_rightly(by_grade[high], by_grade[low]), len(by_grade[high]) * len(by_grade[low]))
        for low, high in combinations(sorted(by_grade), 2)
    }


def judged_pairs(task: Task, index: DocumentIndex) -> dict[str, Any]:
    """The share of judged pairs ordered rightly over all queries, its interval, and the mean of the queries' shares."""
    texts = {query.id: query.text for split in task.splits for query in (*split.queries, *split.no_result)}
    index.vectors.rows(list(texts.values()), query=True)
    rights, counts = [], []
    by_grades: Counter[tuple[int, int]] = Counter()
    right_by_grades: dict[tuple[int, int], float] = defaultdict(float)
    for split in task.splits:
        for query, grades in split.qrels.items():
            if query in texts and len(set(grades.values())) > 1:
                near = dict(zip(grades, index.similarity(texts[query], list(grades)).tolist(), strict=True))
                found = pairs_of_query({id: s for id, s in near.items() if s == s}, dict(grades))
                if found:
                    rights.append(sum(right for right, _ in found.values()))
                    counts.append(sum(count for _, count in found.values()))
                for pair, (ordered, size) in found.items():
                    right_by_grades[pair] += ordered
                    by_grades[pair] += size
    right, count = np.array(rights), np.array(counts, dtype=float)
    share = right.sum() / count.sum()
    # the ratio of two means, linearised at the whole sample, so that the interval is one of means over queries
    low, high = bootstrap_interval(((right - share * count) / count.mean())[:, None], resamples=RESAMPLES)
    return {
        "queries": len(right),
        "pairs": int(count.sum()),
        "share": round(float(share), 4),
        "ci95": [round(float(share + low[0]), 4), round(float(share + high[0]), 4)],
        "mean_of_queries": round(float((right / count).mean()), 4),
        "by_grades": {
            f"{high} over {low}": {"pairs": size, "share": round(right_by_grades[high, low] / size, 4)}
            for (high, low), size in sorted(by_grades.items())
        },
    }


def systems(task: Task, split: Split, options: EncoderOptions) -> dict[str, Any]:
    """BM25, encoder-rerank and encoder-alone on all queries."""
    assert task.documents is not None
    with SearchClient(MemoryBackend.of(task.documents())) as client:
        context = BaselineContext(client, task, RewardSet([NDCG(parse_spec("nDCG@10"))], [1.0]))
        rerank = EncoderRerank(EncoderRerank.Options(encoder=options))
        alone = EncoderAlone(EncoderAlone.Options(encoder=options))
        baselines: list[Baseline] = [Original(), rerank, alone]
        runs = [run_baseline(baseline, context, split) for baseline in baselines]
    result = evaluate(split, runs, MEASURES, resamples=RESAMPLES)
    return {"queries": result.queries, "systems": result.systems, "comparisons": result.comparisons}


def rankings(task: Task, split: Split) -> list[Outcome]:
    """10,000 rankings as a training step has them: 16 for each query, drawn from the engine's top 50."""
    assert task.documents is not None
    documents = {d.id: d for d in task.documents()}
    draw = random.Random(1)
    queries = [split.queries[n % len(split.queries)] for n in range(RANKINGS // GROUP)]
    with SearchClient(MemoryBackend.of(task.documents())) as client:
        context = BaselineContext(client, task, RewardSet([NDCG(parse_spec("nDCG@10"))], [1.0]), k=50)
        answers = context.originals(queries)
    outcomes = []
    for group, (query, answer) in enumerate(zip(queries, answers, strict=True)):
        ids = answer.ids if isinstance(answer, Ranking) else ()
        for _ in range(GROUP):
            top = draw.sample(ids, min(TOP, len(ids)))
            ranking = Ranking(tuple(Hit(id, float(TOP - place)) for place, id in enumerate(top)))
            outcomes.append(_outcome(query, group, ranking, documents, split))
    return outcomes


def _outcome(query: Query, group: int, ranking: Ranking, documents: dict[str, Document], split: Split) -> Outcome:
    grades = split.qrels.get(query.id, {})
    return Outcome(query, group, "", (), ranking, ranking, grades, Code.OK, documents=documents)


def cost(task: Task, split: Split, options: EncoderOptions, rounds: int = 5) -> dict[str, Any]:
    """Seconds for 10,000 rankings under encoder@10, beside nDCG@10, and how fast titles are encoded here."""
    outcomes = rankings(task, split)
    given = {"cache": str(options.cache), "model": options.model, "fields": list(options.fields)}
    spec = f"encoder({', '.join(f'{key}={value!r}' for key, value in given.items())})@10"
    EncoderSimilarity(parse_spec(spec)).score(outcomes)  # encodes what is new
    first, again, ndcg = [], [], []
    for _ in range(rounds):
        reward, relevance = EncoderSimilarity(parse_spec(spec)), NDCG(parse_spec("nDCG@10"))
        first.append(timed(reward, outcomes))
        again.append(timed(reward, outcomes))
        ndcg.append(timed(relevance, outcomes))
    titles = [document.fields["title"] for document in list(outcomes[0].documents.values())[:512]]
    started = time.perf_counter()
    open_vectors(options).encoder.encode(titles)
    return {
        "rankings": len(outcomes),
        "first_s": round(statistics.median(first), 3),
        "again_s": round(statistics.median(again), 3),
        "ndcg_s": round(statistics.median(ndcg), 3),
        "titles_per_s": round(len(titles) / (time.perf_counter() - started)),
        "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
    }


def timed(reward: Any, outcomes: Sequence[Outcome]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    reward.score(outcomes)
    return time.perf_counter() - started


def measure(folder: Path, options: EncoderOptions) -> dict[str, Any]:
    """All figures of one task."""
    task = Beir(Beir.Options(path=folder)).read()
    assert task.documents is not None
    split, vectors = whole(task), open_vectors(options)
    index = DocumentIndex(vectors, {d.id: text_of(d, options.fields) for d in task.documents()})
    return {
        "documents": len(index),
        "pairs": judged_pairs(task, index),
        **systems(task, split, options),
        "cost": cost(task, split, options),
    }


def main() -> None:
    """Print the figures, or write them as evidence."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of the tasks")
    parser.add_argument("--task", action="append", help="a task; default: electronics and movies")
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--fields", default="title", help="document fields, separated by commas")
    parser.add_argument("--evidence", action="store_true", help="write docs/evidence/judged-pairs.json")
    parser.add_argument("--note", help="a sentence the reader of the figures must know")
    given = parser.parse_args()
    cache = ROOT / "runs" / "judged-pairs-vectors"
    options = EncoderOptions(model=given.model, fields=tuple(given.fields.split(",")), cache=cache)
    content: dict[str, Any] = {
        "name": "judged-pairs",
        "commit": commit(),
        **({"note": given.note} if given.note else {}),
        "machine": machine(),
        "versions": {package: version(package) for package in ("torch", "transformers", "numpy", "ir-measures")},
        "encoder": options.model_dump(mode="json", include={"model", "fields", "max_length", "precision"}),
        "tasks": {name: measure(given.data / name, options) for name in given.task or TASKS},
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    if given.evidence:
        write(ROOT / "docs" / "evidence", content)
    print(text)


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
