"""Queries without judgments: left out as ever, taking part in train, or in all splits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bad_input import QUERIES, run_cli, shop, write

from leser.errors import LeserError
from leser.formats.builtin import leser_readers
from leser.formats.read import read_task
from leser.task import Split, Task

READERS = {reader.name: reader for reader in leser_readers()}
WITHOUT = {f"qrels/{part}.tsv": None for part in ("train", "dev", "test")}
MORE = (("u1", "white bed"), ("u2", "lamps, blue"), ("u3", "rugs red"))


def queries(*more: tuple[str, str]) -> str:
    rows = [*((f"q{number}", text) for number, text in enumerate(QUERIES)), *more]
    return "".join(json.dumps({"_id": id, "text": text}) + "\n" for id, text in rows)


def task(folder: Path, **options: object) -> Task:
    return read_task(folder, READERS, options)


def ids(split: Split) -> list[str]:
    return [query.id for query in split.queries]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    header = "query-id\tcorpus-id\tscore\n"
    dev = {"qrels/dev.tsv": f"{header}q4\td5\t1\nq5\td5\t0\n"}  # q5 has no relevant document
    write(tmp_path, shop({"queries.jsonl": queries(*MORE), **dev}))
    return tmp_path


def test_they_are_left_out_unless_named(folder: Path) -> None:
    read = task(folder)
    assert [ids(split) for split in read.splits] == [["q0", "q1", "q2", "q3"], ["q4"], ["q6", "q7"]]
    assert [query.id for query in read.dev.no_result] == ["q5"]


def test_train_takes_those_of_no_split_but_no_near_duplicate_of_a_held_out_query(folder: Path) -> None:
    read = task(folder, unjudged="train")
    assert ids(read.train) == ["q0", "q1", "q2", "q3", "u1", "u2"]  # u3 is test's "red rug" in other words
    assert [ids(read.dev), ids(read.test)] == [["q4"], ["q6", "q7"]]
    assert [query.id for query in read.dev.no_result] == ["q5"]
    assert any("2 queries that no split judges take part in train" in note for note in read.notes)


def test_all_takes_those_of_dev_and_test_too(folder: Path) -> None:
    read = task(folder, unjudged="all")
    assert ids(read.dev) == ["q4", "q5"]
    assert read.dev.no_result == ()
    assert not any("left out of rewards" in note for note in read.notes)
    assert any("1 of 2 dev queries have no relevant document and take part" in note for note in read.notes)


def test_a_folder_without_any_judgment_is_split_by_query(tmp_path: Path) -> None:
    write(tmp_path, shop({"queries.jsonl": queries(), **WITHOUT}))
    read = task(tmp_path, unjudged="all")
    assert sorted(ids(read.train) + ids(read.dev) + ids(read.test)) == [f"q{n}" for n in range(8)]
    assert all(split.queries and not split.no_result for split in read.splits)
    assert ids(task(tmp_path, unjudged="all").test) == ids(read.test)
    with pytest.raises(LeserError, match="Rewards that need no judgments"):
        task(tmp_path)


def test_quepids_unrated_queries_take_part(tmp_path: Path) -> None:
    path = tmp_path / "case.csv"
    path.write_text("query,docid,rating\nsofa,d1,1\nlamp,d2,1\nrug,d3,2\nchair,d4,\nbed,d5,\n")
    read = task(path, unjudged="train")
    assert not read.train.no_result
    judged = {query.text for split in read.splits for query in split.queries}
    held_out = {query.text for split in (read.dev, read.test) for query in split.no_result}
    assert judged | held_out == {"sofa", "lamp", "rug", "chair", "bed"}


def dry_run(folder: Path, *arguments: str) -> tuple[int, str]:
    write(folder / "shop", shop({"queries.jsonl": queries(), **WITHOUT}))
    usual = ["--task", str(folder / "shop"), "--policy", "tiny", "--backend", "memory", "--dry-run"]
    usual += ["-o", "task.unjudged=all", "--out", str(folder / "run"), "-o", 'evaluation.baselines=["original"]']
    code, _, said = run_cli([*usual, *arguments])
    return code, " ".join(said.split())


def test_a_dry_run_without_judgments(tmp_path: Path) -> None:
    code, said = dry_run(tmp_path, "--reward", "encoder@10", "-o", 'evaluation.measures=["encoder@10"]')
    assert code == 0, said
    assert "Task shop: queries: train 5, dev 1, test 2." in said


def test_measures_that_need_judgments_are_refused_where_there_are_none(tmp_path: Path) -> None:
    code, said = dry_run(tmp_path, "--reward", "encoder@10")
    assert code == 2
    assert "None of the test queries has a relevant document, so that nDCG@10" in said
    assert "evaluation.measures=" in said


def test_rewards_that_need_judgments_are_refused_where_there_are_none(tmp_path: Path) -> None:
    code, said = dry_run(tmp_path, "--reward", "nDCG@10", "-o", 'evaluation.measures=["encoder@10"]')
    assert code == 2
    assert "none of the rewards nDCG@10 has a value for the first 5 of them" in said
    assert "--reward encoder@10" in said
