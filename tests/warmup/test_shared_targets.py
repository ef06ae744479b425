"""Targets out of verified search whose terms like queries share: what stands for one query alone is luck."""

from __future__ import annotations

from pathlib import Path

import pytest

from leser.expansion import ExpansionOptions
from leser.task import Query
from leser.warmup.options import WarmupOptions
from leser.warmup.searched import targets_of

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
