"""One query text in two given splits is said, with the number, wherever a task is described."""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_input import run_cli, shop, write

from leser.formats.split import check_splits, repeated_queries, split_of
from leser.task import Query, Task

HEADER = "query-id\tcorpus-id\tscore\n"


def task_of(**texts: list[str]) -> Task:
    splits = []
    for name in ("train", "dev", "test"):
        queries = [Query(f"{name}{n}", text) for n, text in enumerate(texts[name])]
        splits.append(split_of(name, queries, {q.id: {"d": 1} for q in queries}))
    return Task("shop", *splits)


def test_the_same_text_under_two_ids_is_counted_for_each_two_splits() -> None:
    task = task_of(
        train=["red sofa", "blue lamp", "rug", "rug"], dev=["Sofas, red", "chair"], test=["rugs", "blue lamp", "Chair"]
    )
    of_dev, dev, test = check_splits(task).warnings
    assert of_dev.startswith("1 of 3 test queries are dev queries too")
    assert "'Chair' (test test2) and 'chair' (dev dev1)" in of_dev
    assert dev.startswith("1 of 2 dev queries are train queries too")
    assert test.startswith("2 of 3 test queries are train queries too")
    assert test.endswith("What is measured on test is too good for them. Take them out of train.")


def test_other_texts_are_no_matter_and_neither_are_repetitions_within_a_split() -> None:
    assert repeated_queries(task_of(train=["red sofa", "sofa red"], dev=["iphone 12"], test=["iphone 13"])) == []


@pytest.mark.parametrize("given", ["all three", "dev is made of train"])
def test_a_dry_run_warns(tmp_path: Path, given: str) -> None:
    texts = ("red sofa", "blue sofa", "red lamp", "blue lamp", "green rug", "grey chair", "Sofas red!", "blue chair")
    lines = "".join(f'{{"_id": "q{i}", "text": "{text}"}}\n' for i, text in enumerate(texts))
    changes: dict[str, str | None] = {"queries.jsonl": lines}
    if given != "all three":
        rows = "".join(f"q{i}\td{i % 5 + 1}\t1\n" for i in range(6))
        changes |= {"qrels/dev.tsv": None, "qrels/train.tsv": HEADER + rows}
    write(tmp_path / "shop", shop(changes))
    usual = ["--task", str(tmp_path / "shop"), "--backend", "memory", "--out", str(tmp_path / "run"), "--dry-run"]
    code, _, said = run_cli(usual)
    assert code == 0, said
    flat = " ".join(said.split())
    assert "WARNING: 1 of 2 test queries are" in flat
    assert "'Sofas red!' (test q6) and 'red sofa'" in flat
    assert "queries too, but for word order" in flat
