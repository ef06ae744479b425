"""Judgments that come in after an entry was made: what was chosen or confirmed on others is done again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from settings import small_task

from leser.expansion_store import StoredEntry, line_of
from leser.inspect.precomputing import Source, open_job
from leser.offline.blocks import BlockJournal
from leser.offline.frequent import FrequentQuery
from leser.offline.refresh import Refreshed, refresh
from leser.stores import open_store


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return small_task(tmp_path / "shop")


def refreshed(shop: Path, place: Path, judgments: str = "train+dev", limit: int = 20) -> Refreshed:
    flags = {"task.name": str(shop), "backend.name": "memory", "rewards.weights": ("nDCG@10",)}
    texts = [json.loads(line)["text"] for line in (shop / "queries.jsonl").read_text().splitlines()]
    judged = [FrequentQuery(text, 1) for text in texts][:limit]
    with (
        open_job(Source(flags=flags), "search", judgments) as job,
        open_store(str(place), create=True) as store,
    ):
        return refresh(job, store, judged, BlockJournal(place.with_suffix(".journal")))


def test_a_new_judgment_makes_its_querys_entry_stale_and_no_other(shop, tmp_path):
    place = tmp_path / "head.db"
    refreshed(shop, place)
    again = refreshed(shop, place)
    assert again.stale == Counter()
    assert again.generation is None
    with open_store(str(place)) as store:
        before = {entry.query: entry for entry in store.entries()}
    ids = {row["text"]: row["_id"] for row in map(json.loads, (shop / "queries.jsonl").read_text().splitlines())}
    qrels = shop / "qrels" / "train.tsv"
    known = {line.split("\t")[0] for line in qrels.read_text().splitlines()}
    judged = next(query for query, entry in before.items() if entry.judgments and ids[query] in known)
    document = json.loads((shop / "corpus.jsonl").read_text().splitlines()[-1])["_id"]
    with qrels.open("a") as file:
        file.write(f"{ids[judged]}\t{document}\t1\n")
    changed = refreshed(shop, place)
    assert changed.stale == Counter(judgments=1)
    with open_store(str(place)) as store:
        after = {entry.query: entry for entry in store.entries()}
    assert {query for query in before if after[query].judgments != before[query].judgments} == {judged}
    assert refreshed(shop, place).generation is None


def test_judgments_that_may_not_be_read_are_not_noted(shop, tmp_path):
    place = tmp_path / "head.db"
    refreshed(shop, place)
    with open_store(str(place)) as store:
        entries = list(store.entries())
    assert all(len(entry.judgments) == 12 for entry in entries)
    unread = tmp_path / "unread.db"
    assert refreshed(shop, unread, "none").outcomes == Counter(unjudged=20)


def test_entries_without_judgments_are_written_as_they_were_before():
    entry = StoredEntry("red sofa", time="2026-11-27T10:00:00+00:00")
    assert "judgments" not in line_of(entry)
    assert StoredEntry.of(entry.row()) == entry
    judged = StoredEntry("red sofa", judgments="0123456789ab", time="2026-11-27T10:00:00+00:00")
    assert StoredEntry.of(judged.row()) == judged
