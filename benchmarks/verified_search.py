"""Verified search in the eyes of people: a file of `leser search-expansions` beside the original queries, by judgments.

    python -m benchmarks.verified_search --task DIR --found FILE.jsonl [--half a|b]

Both sides: the memory engine, the same queries (those of the file that have a relevant document), rankings 1,000 deep.
Plain measures count an unjudged document as not relevant; the condensed one leaves unjudged documents out (Sakai, SIGIR
2007). Intervals are 95 % bootstrap over queries. `--half` takes one of two fixed halves of the queries (seed 1,
near-duplicates on one side; b is the half that holds the query "laptop" where there is one).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import numpy as np
from leser_memory import MemoryBackend

from leser.backend import ExpandedQuery, Ranking
from leser.cli.console import replace_what_cannot_be_shown
from leser.engine import SearchClient
from leser.evaluation.measures import Measurer
from leser.evaluation.statistics import paired
from leser.evaluation.systems import SystemRun
from leser.expansion import Expansion, ExpansionOptions
from leser.formats.read import read_task
from leser.formats.split import divide
from leser.plugins import load_plugins
from leser.task import Query, Split, Task

MEASURES = ("nDCG@10", "R@100", "Judged@10")
DEPTH = 1000


@click.command()
@click.option("--task", "source", required=True, help="Folder of the task whose judgments are used.")
@click.option(
    "--found", type=click.Path(exists=True, path_type=Path), required=True, help="What search-expansions wrote."
)
@click.option("--half", type=click.Choice(["a", "b"]), help="Only one half of the queries.")
def main(source: str, found: Path, half: str | None) -> None:
    """Print a table: original, gain with its interval, queries up and down."""
    task = read_task(source, load_plugins().all("reader"))
    rows = {row["query_id"]: row for row in map(json.loads, found.read_text(encoding="utf-8").splitlines())}
    queries = [q for split in task.splits for q in split.queries if q.id in rows]
    qrels = {query: grades for split in task.splits for query, grades in split.qrels.items()}
    if half is not None:
        queries = _half(queries, qrels, half)
    before, after = _measured(task, Split("found", tuple(queries), {q.id: qrels[q.id] for q in queries}), rows)
    click.echo(f"{len(queries)} queries, {sum(bool(rows[q.id]['expansions']) for q in queries)} expanded")
    names = ("condensed nDCG@10", *MEASURES)
    gains = np.array([[after[name][q.id] - before[name][q.id] for name in names] for q in queries])
    for name, gain in zip(names, paired(gains), strict=True):
        original = np.mean(list(before[name].values()))
        low, high = gain.ci95
        click.echo(
            f"{name:18} {original:.3f}  {gain.delta:+.3f} [{low:+.3f}, {high:+.3f}]  up {gain.wins} down {gain.losses}"
        )


def _half(queries: Sequence[Query], qrels: Mapping[str, Mapping[str, int]], half: str) -> list[Query]:
    parts = divide(queries, qrels, {"first": 0.5, "second": 0.5}, 1)
    laptop = {q.id for q in queries if q.text == "laptop"}
    b = "first" if laptop & parts["first"] else "second"
    return [q for q in queries if (q.id in parts[b]) is (half == "b")]


def _measured(
    task: Task, split: Split, rows: Mapping[str, Mapping[str, list[dict[str, float | str]]]]
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Values by measure and query: of the originals, and of the queries with what was found for them."""
    assert task.documents is not None
    measurer = Measurer(split, MEASURES)
    with SearchClient(MemoryBackend.of(task.documents())) as client:

        def run(expand: bool) -> dict[str, dict[str, float]]:
            asked = [
                (
                    ExpandedQuery(q.id, q.text),
                    tuple(Expansion(str(e["text"]), float(e["weight"])) for e in rows[q.id]["expansions"] if expand),
                )
                for q in split.queries
            ]
            # the file's weights are what the engine is asked with: [expansion] weight must not multiply them again
            answers = client.search_expansions(asked, DEPTH, options=ExpansionOptions(weight=1.0))
            rankings = {q.id: answer.ranking for q, answer in zip(split.queries, answers, strict=True)}
            judged = {
                id: Ranking(tuple(h for h in ranking.hits if h.id in split.qrels[id]))
                for id, ranking in rankings.items()
                if isinstance(ranking, Ranking)
            }
            return {
                **measurer(SystemRun("run", rankings)),
                "condensed nDCG@10": measurer(SystemRun("condensed", judged))["nDCG@10"],
            }

        return run(False), run(True)


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
