"""Queries by frequency, out of every form of log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leser.errors import LeserError
from leser.offline.frequent import read_frequent


def read(path: Path, text: str, limit: int | None = None) -> list[tuple[str, int]]:
    path.write_text(text)
    return [(query.text, query.count) for query in read_frequent(path, limit)]


def test_csv_is_ranked_by_count_and_a_normalised_text_comes_once(tmp_path):
    text = 'count,query\n3,Red  Sofa\n10,lamp\n9,red sofa\n1,"desk, white"\n0,never\n'
    assert read(tmp_path / "q.csv", text) == [("red sofa", 12), ("lamp", 10), ("desk, white", 1), ("never", 0)]
    assert read(tmp_path / "q.csv", text, limit=1) == [("red sofa", 12)]


def test_plain_lines_count_themselves(tmp_path):
    assert read(tmp_path / "q.txt", "lamp\nsofa\n\nSofa\nsofa\n") == [("sofa", 3), ("lamp", 1)]


def test_a_ubi_log_counts_searches_not_events(tmp_path):
    rows = [
        {"query_id": "1", "user_query": "lamp", "query_response_hit_ids": ["a"]},
        {"query_id": "2", "user_query": "sofa", "query_response_hit_ids": ["a"]},
        {"query_id": "3", "user_query": "Sofa", "query_response_hit_ids": ["a"]},
        {
            "query_id": "1", "action_name": "click", "user_query": "lamp",
            "event_attributes": {"object": {"object_id": "a"}, "position": {"ordinal": 0}},
        },
    ]  # fmt: skip
    assert read(tmp_path / "log.ndjson", "".join(json.dumps(row) + "\n" for row in rows)) == [("sofa", 2), ("lamp", 1)]


def test_json_lines_are_read_as_queries(tmp_path):
    text = '{"_id": "1", "text": "lamp"}\n{"_id": "2", "text": "sofa", "count": 5}\n'
    assert read(tmp_path / "queries.jsonl", text) == [("sofa", 5), ("lamp", 1)]


def test_a_query_too_long_for_a_store_is_left_out(tmp_path):
    assert read(tmp_path / "q.txt", "x" * 1001 + "\nlamp\n") == [("lamp", 1)]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("q.csv", "q,n\nlamp,1\n", "line 1: the first line names no column 'query', it names q, n"),
        ("q.csv", "query,count\nlamp,many\n", "line 2: the count 'many' is not a whole number"),
        ("q.csv", "query,count\nlamp,-1\n", "line 2: the count '-1' is not a whole number"),
        ("q.txt", "\n", "holds no query"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(tmp_path, name, text, said):
    with pytest.raises(LeserError, match=said):
        read(tmp_path / name, text)
