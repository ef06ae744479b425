"""encoder-feedback in the eyes of people: words of the encoder's nearest documents beside the query as typed. No training.

    python -m benchmarks.encoder_feedback --task ../shared/data/movies --name encoder-feedback-movies
    python -m benchmarks.encoder_feedback --task ../shared/data/movies --name encoder-proven-movies --proven

Memory engine. Number and weight of the words are tuned on dev by encoder@10 and the engine's own scores; labels are read only
afterwards, on test. `--all-judged` measures all splits' judged queries together, for small tasks: then dev's labels are read,
but nothing was chosen by any label. Writes docs/evidence/NAME.json.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from leser_judges import EncoderFeedback, EncoderProven
from leser_memory import MemoryBackend

from benchmarks.evidence import ROOT, commit, machine, versions, write
from leser.baseline import BaselineContext
from leser.cli.console import replace_what_cannot_be_shown
from leser.engine import SearchClient
from leser.evaluation.builtin import Original, run_baseline
from leser.evaluation.evaluate import evaluate
from leser.formats.read import read_task
from leser.plugins import load_plugins
from leser.scoring import RewardSet
from leser.task import Split, Task

MEASURES = ["nDCG@10", "nDCG(judged_only=True)@10", "R@100", "Judged@10"]


def main() -> None:
    """Measure once, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", required=True)
    parser.add_argument("--name", required=True, help="of the file in docs/evidence")
    parser.add_argument("--proven", action="store_true", help="each word is tried alone first: encoder-proven")
    parser.add_argument("--all-judged", action="store_true")
    given = parser.parse_args()
    registry = load_plugins()
    task = read_task(given.task, registry.all("reader"))
    found = measured(
        task,
        RewardSet.from_specs(["encoder@10"], registry.all("reward")),
        given.all_judged,
        EncoderProven() if given.proven else EncoderFeedback(),
    )
    about = {"task": Path(given.task).name, "commit": commit(), "machine": machine(), "packages": versions()}
    write(ROOT / "docs" / "evidence" / f"{given.name}.json", about | found)
    print(json.dumps(found, indent=1))


def measured(task: Task, rewards: RewardSet, all_judged: bool, baseline: EncoderFeedback) -> dict[str, Any]:
    """The setting chosen on dev, what it reached, and each query better and worse."""
    assert task.documents is not None
    split = task.test
    if all_judged:
        queries = tuple(query for part in task.splits for query in part.queries)
        split = Split("all", queries, {query: grades for part in task.splits for query, grades in part.qrels.items()})
    if not task.dev.queries:  # tuned without labels, so train's queries do
        task = Task(task.name, task.train, task.train, task.test, documents=task.documents)
    begun = time.monotonic()
    with SearchClient(MemoryBackend.of(task.documents())) as client:
        context = BaselineContext(client, task, rewards)
        runs = [run_baseline(system, context, split) for system in (Original(), baseline)]
    evaluation = evaluate(split, runs, MEASURES, policy=baseline.name)
    return {
        "options": baseline.options.model_dump(mode="json"),
        "chosen": {"terms": baseline.chosen[0], "weight": baseline.chosen[1]},
        "seconds": round(time.monotonic() - begun),
        "evaluation": evaluation.to_json(),
    }


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
