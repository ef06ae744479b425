"""What the teachers of benchmarks.without_labels know: nothing of train and dev, clicks, or a share of wrong judgments."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from leser_catalogue.generator import generate

from benchmarks.click_log import Shoppers, write_log
from benchmarks.taught_demo import TaughtDemo
from benchmarks.without_labels import LOOKS, folder_of, share_interval, table
from leser.formats.clicks import click_rates
from leser.formats.ubi import read_log
from leser.task import Split, Task, drawn

TRUE = generate(1)


def taught(**options: object) -> Task:
    return TaughtDemo(TaughtDemo.Options.model_validate({"seed": 1, "train": 60, **options})).read()


def test_without_labels_train_and_dev_know_nothing_and_test_everything() -> None:
    task = taught(labels="none")
    for split in (task.train, task.dev):
        assert not split.qrels
        assert not split.queries
        assert not any(query.subtopics for query in split.no_result)
    assert [len(task.train.no_result), len(task.dev.no_result)] == [60, 300]
    assert task.ideal is None
    assert task.test.qrels == TRUE.test.qrels


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_a_flipped_share_misses_as_many_relevant_documents_as_it_takes_hits_for_relevant(share: float) -> None:
    task = taught(labels="flipped", share=share)
    for split, true in ((task.train, TRUE.train), (task.dev, TRUE.dev)):
        wrong = missed = relevant = 0
        for query in split.queries:
            grades, known = split.qrels[query.id], true.qrels[query.id]
            marked = {document for document, grade in grades.items() if grade > 0}
            assert len(marked) == len(known)
            wrong += len(marked - known.keys())
            missed += sum(grades[document] == 0 for document in known)
            relevant += len(known)
        assert wrong == missed
        assert missed / relevant == pytest.approx(share, abs=0.01)
    assert task.test.qrels == TRUE.test.qrels
    assert taught(labels="flipped", share=share).train.qrels == task.train.qrels


def test_the_log_holds_the_bias_that_it_was_drawn_with(tmp_path: Path) -> None:
    kept = drawn(TRUE.train.queries, 60, 1)
    path = tmp_path / "ubi.ndjson"
    counts = write_log(TRUE, [Split("train", tuple(kept), TRUE.train.qrels)], path, Shoppers(searches=40), 1)
    assert counts["searches"] == 60 * 40
    assert 0 < counts["noise_clicks"] < counts["clicks"]
    rates = click_rates(read_log([path]))
    assert max(rates) == 29
    assert rates[0] > 3 * rates[9] > 3 * rates[29]
    task = taught(labels="clicks", log=path, model="ips", unjudged="all")
    true = [TRUE.train.qrels[q.id].get(d, 0) for q in kept for d, g in task.train.qrels[q.id].items() if g == 3]
    assert np.mean([grade > 0 for grade in true]) > 0.6


def test_a_share_s_interval_draws_both_gains_together() -> None:
    rng = np.random.default_rng(1)
    reference = rng.normal(0.4, 0.3, 500)
    low, high = share_interval(reference / 2, reference, 500)
    assert low == pytest.approx(0.5)
    assert high == pytest.approx(0.5)
    low, high = share_interval(np.full(500, 0.2), reference, 500)
    assert low < 0.2 / reference.mean() < high


def made_run(folder: Path, gains: list[float]) -> None:
    """A finished run's files, as far as the table reads them: a query is worth .3 as typed and .3 plus its gain afterwards."""
    folder.mkdir(parents=True)
    rows = [
        {
            "id": f"q{n}", "query": f"query {n}", "kind": None, "measure": "nDCG@10",
            "values": {"original": 0.3, "warmup": 0.3, "leser": 0.3 + gain},
        }
        for n, gain in enumerate(gains)
    ]  # fmt: skip
    (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "metrics.jsonl").write_text('{"phase": "grpo", "step": 1, "reward": 0.4}\n', encoding="utf-8")
    (folder / "evaluation.json").write_text("{}", encoding="utf-8")


def test_the_table_holds_each_arm_s_share_of_what_judgments_taught(tmp_path: Path) -> None:
    made_run(folder_of(tmp_path, 21, "judged", LOOKS), [0.4, 0.2] * 50)
    made_run(folder_of(tmp_path, 21, "encoder", LOOKS), [0.1, 0.2] * 50)
    made_run(folder_of(tmp_path, 21, "judged", 24), [0.5, 0.5] * 50)
    made_run(folder_of(tmp_path, 21, "encoder", 24), [0.25, 0.25] * 50)
    made_run(folder_of(tmp_path, 22, "encoder", LOOKS), [0.9] * 100)  # no reference on that shop
    rows = table([21, 22], ["judged", "encoder", "clicks"], tmp_path)["arms"]
    assert rows.keys() == {"judged", "encoder", "judged, 1920 updates of warm-up", "encoder, 1920 updates of warm-up"}
    assert rows["encoder"]["seeds"] == [21]
    assert rows["encoder"]["gain"][0] == pytest.approx(0.15)
    assert rows["encoder"]["share"] == 0.5
    low, high = rows["encoder"]["share_ci95"]
    assert low < 0.5 < high
    assert rows["encoder, 1920 updates of warm-up"]["share_ci95"] == [0.5, 0.5]
    assert rows["judged"]["completions"] == [32 * 16]
