"""`leser precompute --by NAME`: a baseline's clauses become guarded expansions that search as the baseline's own row does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from click.testing import CliRunner, Result
from settings import small_task

from leser.backend import Term
from leser.baseline import Baseline
from leser.cli.main import group
from leser.config.build import complete
from leser.config.load import load_config
from leser.errors import LeserError
from leser.evaluation.builtin import run_baseline
from leser.evaluation.dictionary import Dictionary
from leser.evaluation.systems import SystemRun
from leser.expansion_store import EntryState, StoredEntry, line_of
from leser.inspect.precomputing import Source, open_job, proposers_of
from leser.offline.blocks import BlockJournal
from leser.offline.frequent import FrequentQuery
from leser.offline.refresh import Refreshed, refresh
from leser.plugins import load_plugins
from leser.session import context_of, open_session
from leser.stores import open_store
from leser.task import Query

NOTHING_REFUSED = ("precompute.overlap=0", "precompute.margin=0")
WEIGHTS = {"evaluation.baseline_options.dictionary.weights": (0.2, 0.75)}
TAUGHT = "Stands beside 'sofa'."


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_task(tmp_path_factory.mktemp("task") / "shop")


def flags_of(shop: Path, **more: object) -> dict[str, object]:
    return {"task.name": str(shop), "backend.name": "memory", "rewards.weights": ("nDCG@10",), **WEIGHTS, **more}


def texts_of(shop: Path) -> list[str]:
    return [json.loads(line)["text"] for line in (shop / "queries.jsonl").read_text().splitlines()]


def refreshed(shop: Path, place: Path, by: str = "dictionary", **more: object) -> Refreshed:
    assignments = more.pop("assignments", NOTHING_REFUSED)
    source = Source(flags=flags_of(shop, **more), assignments=tuple(assignments))
    wanted = [FrequentQuery(text, 1) for text in texts_of(shop)]
    with open_job(source, by, "train+dev") as job, open_store(str(place), create=True) as store:
        return refresh(job, store, wanted, BlockJournal(place.with_suffix(".journal")))


def entries(place: Path) -> dict[str, StoredEntry]:
    with open_store(str(place)) as store:
        store.verify()
        return {entry.query: entry for entry in store.entries()}


def leser(*arguments: object) -> Result:
    return CliRunner().invoke(group, [*map(str, arguments)])


def test_stored_expansions_search_as_the_baselines_own_row_does(shop: Path, tmp_path: Path) -> None:
    place = tmp_path / "head.db"
    refreshed(shop, place)
    found = {query: entry for query, entry in entries(place).items() if entry.expansions}
    loaded = load_config(None, flags_of(shop))
    registry = load_plugins(loaded.plugins)
    config = complete(loaded, registry)
    with open_session(config, registry) as session:
        task, context = session.task, context_of(session)
        options = config.evaluation.baseline_options["dictionary"]
        own: dict[str, SystemRun] = {}
        for split in task.splits:
            own[split.name] = run_baseline(Dictionary(Dictionary.Options(**options)), context, split)
        compared = 0
        for split in task.splits:
            queries = [query for query in split.queries if query.text in found]
            stored = [[Term(e.text, e.weight) for e in found[q.text].expansions] for q in queries]
            for query, answer in zip(queries, context.search(queries, stored), strict=True):
                assert answer == own[split.name].ranking(query.id), query
                assert any(e.text for e in own[split.name].expansions[query.id])
                compared += 1
    assert compared == len(found)
    assert compared > 20
    for entry in found.values():
        assert entry.by == "dictionary"
        assert entry.policy.startswith("dictionary@")
    untouched = [entry for entry in entries(place).values() if not entry.expansions]
    assert {entry.by for entry in untouched} == {"dictionary"}


def test_a_refresh_redoes_what_was_fitted_on_other_judgments_or_with_other_options(tmp_path: Path) -> None:
    shop, place = small_task(tmp_path / "shop"), tmp_path / "head.db"
    made = refreshed(shop, place).done
    assert refreshed(shop, place).generation is None
    changed = {"evaluation.baseline_options.dictionary.weights": (0.2, 0.35)}
    assert refreshed(shop, place, **changed).stale == Counter(policy=made)
    assert refreshed(shop, place).stale == Counter(policy=made)
    judged = json.loads((shop / "corpus.jsonl").read_text().splitlines()[-1])["_id"]
    train = shop / "qrels" / "train.tsv"
    query = train.read_text().splitlines()[1].split("\t")[0]
    with train.open("a") as file:
        file.write(f"{query}\t{judged}\t1\n")
    assert refreshed(shop, place).stale == Counter(policy=made, judgments=1)
