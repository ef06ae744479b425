"""Splits made here: seeded, near-duplicates on one side, nothing to measure left empty."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leser.formats.split import PARTS, SHARES, assemble, divide, near_duplicates
from leser.task import Query

WORDS = ("sofa", "lamp", "battery", "shoe", "red", "usb", "iphone", "12", "13", "box", "dress", "story")


def queries_of(texts: list[str]) -> list[Query]:
    return [Query(f"q{i}", text) for i, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("red sofa", "sofa red"),
        ("battery", "batteries"),
        ("Headset", "head set"),
        ("t-shirts", "T Shirt"),
        ("tshirt", "t-shirt"),
        ("men's shoes", "mens shoe!"),
        ("café table", "cafe tables"),
        ("laptop", "laptops"),
    ],
)
def test_near_duplicates_are_seen(one: str, other: str) -> None:
    assert len(near_duplicates(queries_of([one, other]))) == 1


@pytest.mark.parametrize(("one", "other"), [("iphone 12", "iphone 13"), ("red sofa", "sofa"), ("!!", "??")])
def test_different_queries_stay_different(one: str, other: str) -> None:
    assert len(near_duplicates(queries_of([one, other]))) == 2


def test_a_query_between_two_groups_joins_them() -> None:
    # "head set" equals "set head" as a bag of words and "headset" without its space
    groups = near_duplicates(queries_of(["headset", "set head", "head set", "lamp"]))
    assert sorted(len(group) for group in groups) == [1, 3]


@given(
    texts=st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join), min_size=3, max_size=60),
    seed=st.integers(0, 5),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=60, deadline=None)
def test_a_split_covers_all_once_ignores_order_and_keeps_groups_together(
    texts: list[str], seed: int, order: st.DataObject
) -> None:
    queries = queries_of(texts)
    qrels = {query.id: {"d": index % 3} for index, query in enumerate(queries)}
    parts = divide(queries, qrels, SHARES, seed)
    assert sorted(key for ids in parts.values() for key in ids) == sorted(qrels)
    for group in near_duplicates(queries):
        assert sum(bool({query.id for query in group} & ids) for ids in parts.values()) == 1
    shuffled = list(queries)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert divide(shuffled, qrels, SHARES, seed) == parts


def test_shares_are_kept_and_seeds_differ() -> None:
    queries = queries_of([f"thing{i} kind{i % 7}" for i in range(200)])
    qrels = {query.id: {"d": 1} for query in queries}
    parts = divide(queries, qrels, SHARES, 1)
    assert {part: len(ids) for part, ids in parts.items()} == {"train": 140, "dev": 20, "test": 40}
    assert divide(queries, qrels, SHARES, 2) != parts


def test_a_small_part_is_not_left_without_relevant_documents() -> None:
    queries = queries_of([f"thing{i}" for i in range(40)])
    qrels = {query.id: {"d": int(index < 10)} for index, query in enumerate(queries)}
    for seed in range(5):
        parts = divide(queries, qrels, SHARES, seed)
        assert all(any(qrels[key]["d"] for key in ids) for ids in parts.values())


@pytest.mark.parametrize(
    ("given_parts", "untouched"), [(["train", "test"], "test"), (["train", "dev"], "dev"), (["dev", "test"], "test")]
)
def test_a_missing_part_is_taken_out_of_one_and_the_others_stay(given_parts: list[str], untouched: str) -> None:
    queries = {query.id: query for query in queries_of([f"thing{i}" for i in range(60)])}
    ids = list(queries)
    judged = {
        part: {key: {"d": 1} for key in ids[index * 30 : index * 30 + 30]} for index, part in enumerate(given_parts)
    }
    task = assemble("t", queries, judged, seed=1)
    by_name = {split.name: split for split in task.splits}
    assert list(by_name) == list(PARTS)
    assert {query.id for query in by_name[untouched].queries} == set(judged[untouched])
    assert all(split.queries for split in task.splits)
    assert sum(len(split.queries) for split in task.splits) == 60
