"""Targets out of verified search whose terms like queries share: what stands for one query alone is luck."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leser.errors import LeserError
from leser.expansion import ExpansionOptions
from leser.task import Query, Split
from leser.warmup.options import WarmupOptions
from leser.warmup.searched import read_target_file, targets_of

QUERIES = {
    id: Query(id, text) for id, text in {"a": "warm macs", "b": "foldable mac", "c": "warm mug", "d": "mac"}.items()
}
ROWS = [("a", "jacket; k-110", 0.4), ("b", "jacket; outdoor", 0.3), ("c", "k-110", 0.2), ("d", "none", 0.0)]


@pytest.mark.parametrize(
    ("least", "said"),
    [
        (1, {"a": {"jacket", "k-110"}, "b": {"jacket", "outdoor"}, "c": {"k-110"}, "d": set()}),
        (2, {"a": {"jacket", "k-110"}, "b": {"jacket"}, "c": {"k-110"}, "d": set()}),
        (3, {"d": set()}),
    ],
)
def test_terms_count_where_so_many_queries_sharing_a_word_have_them(least: int, said: dict[str, set[str]]) -> None:
    options = WarmupOptions(min_alike=least, targets_per_query=1)
    found = targets_of(ROWS, QUERIES, options, ExpansionOptions(), Path("targets.jsonl"))
    terms = {t.query.id: set(t.completion.split("; ")) - {"none"} for t in found}
    assert terms == said  # a and c share "warm", a and b "mac"; c loses its term and is not taught "none"


def test_that_no_term_is_left_is_said_before_a_policy_is_taught_nothing(tmp_path: Path) -> None:
    path, split = tmp_path / "targets.jsonl", Split("train", tuple(QUERIES.values()), {})
    rows = [{"query_id": id, "query": QUERIES[id].text, "completion": said, "gain": gain} for id, said, gain in ROWS]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = read_target_file(path, split, WarmupOptions(min_alike=2), ExpansionOptions())
    assert {target.query.id for target in found} == {"a", "b", "c", "d"}
    with pytest.raises(LeserError, match=r"in the targets of 3 train queries.*Lower warmup\.min_alike"):
        read_target_file(path, split, WarmupOptions(min_alike=3), ExpansionOptions())
