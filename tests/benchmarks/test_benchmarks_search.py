"""The search benchmark is fair: both sides of each ratio find the same with the same scores, and ratios are what they say."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from servers import Server
from servers.solr import HERE
from solr_indexes import remove

from benchmarks import search_overhead
from benchmarks.raw_in_process import Way, few, open_memory, open_pyserini, plain
from benchmarks.search_overhead import facts, make_documents, make_queries, open_server
from benchmarks.solr_requests import INDEX
from leser.backend import Document, ExpandedQuery, Ranking

K = 20
ROW = {"backend", "k", "ratio", "times_one_by_one", "microseconds_per_query"}


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return make_documents(random.Random(1), 400, vocabulary=500, length=20)


@pytest.fixture(scope="module")
def queries() -> list[ExpandedQuery]:
    return make_queries(random.Random(2), 24, vocabulary=500)


def scores(rankings: Any) -> list[list[float]]:
    """Scores of each query's hits: rankings of ours, or hits of Pyserini's."""
    return [[hit.score for hit in (r.hits if isinstance(r, Ranking) else r)] for r in rankings]


def same(one: Sequence[Sequence[float]], other: Sequence[Sequence[float]], within: float) -> None:
    """Both have found something for nearly every query, and as many hits with the same scores."""
    assert sum(map(bool, one)) > len(one) / 2
    assert [list(found) for found in one] == [pytest.approx(list(found), abs=within) for found in other]


def test_memory_and_bm25s_make_the_same_searches(documents: list[Document], queries: list[ExpandedQuery]) -> None:
    unknown = [plain(make_queries(random.Random(3), 24, vocabulary=500))]
    with open_memory(documents) as (_, peer):
        ways = peer(queries, unknown, K)
        assert ways["raw"](0) == ways["client"](0) == ways["cached"](0) == ways["cached"](0)
        assert ways["one_by_one"](0) == [[answer] for answer in ways["raw"](0)[: few(queries)]]  # type: ignore[index]
        _, found = ways["bm25s"](0)  # type: ignore[misc]
        ours = scores(ways["plain_unknown"](0))
    same(ours, [[score for score in row if score > 0] for row in found.tolist()], 1e-4)


def test_pyserini_makes_the_same_searches(documents: list[Document], queries: list[ExpandedQuery]) -> None:
    rounded = 1e-3  # Anserini cuts scores to four digits, less a little for each equal one before
    with open_pyserini(documents, threads=2) as (_, peer):
        ways = peer(queries, [], K)
        batch: dict[str, Any] = ways["raw"](0)  # type: ignore[assignment]
        assert {q.id: [(hit.docid, hit.score) for hit in batch[q.id]] for q in queries} == ways["raw_read"](0)
        same(scores(ways["client"](0)), scores(batch[query.id] for query in queries), rounded)
        weighted = scores(ways["weighted"](0))
        same(weighted[: few(queries)], scores(ways["weighted_objects"](0)), rounded)
        assert weighted != scores(ways["client"](0))


def test_elasticsearch_makes_the_same_searches(
    documents: list[Document],
    queries: list[ExpandedQuery],
    elasticsearch_8: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LESER_TEST_ELASTICSEARCH_URL", elasticsearch_8.url)
    with open_server("elasticsearch", documents) as (_, peer):
        ways = peer(queries, [], K)
        raw: list[list[tuple[str, float]]] = ways["raw"](0)  # type: ignore[assignment]
        same(scores(ways["client"](0)), [[score for _, score in found] for found in raw], 1e-4)


def test_solr_makes_the_same_searches(
    documents: list[Document], queries: list[ExpandedQuery], solr: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LESER_TEST_SOLR_URL", solr.url)
    if solr.folder is not None:  # one of ours, without the configset that every other has
        shutil.copytree(
            HERE / "configset", solr.folder / "home" / "configsets" / "_default" / "conf", dirs_exist_ok=True
        )
    try:
        with open_server("solr", documents) as (_, peer):
            ways = peer(queries, [], K)
            raw: list[list[tuple[str, float]]] = ways["raw"](0)  # type: ignore[assignment]
            answers: Any = ways["client"](0)
    finally:
        remove(solr, INDEX, cloud=False)
    assert [list(answer.ids) for answer in answers] == [[id for id, _ in found] for found in raw]
    same(scores(answers), [[score for _, score in found] for found in raw], 1e-4)


def test_ratios_are_of_neighbours_in_time() -> None:
    times = {"raw": [10.0, 30.0, 90.0], "client": [20.0, 30.0, 100.0], "one_by_one": [80.0, 90.0, 500.0]}
    assert facts(times) == {
        "ratio": 0.9,
        "times_one_by_one": 4.0,
        "microseconds_per_query": {"raw": 30.0, "client": 30.0, "one_by_one": 90.0},
    }


def test_each_round_runs_every_way_in_the_other_order(documents: list[Document], queries: list[ExpandedQuery]) -> None:
    called: list[tuple[str, int]] = []

    def peer(_: object, unknown: Sequence[Sequence[ExpandedQuery]], k: int) -> dict[str, Way]:
        assert [len(batch) for batch in unknown] == [len(queries)] * 4
        assert not {q.text for q in unknown[0]} & {q.text for q in unknown[1]}
        return {name: lambda number, name=name: called.append((name, number)) for name in ("raw", "client")}  # type: ignore[misc]

    with open_memory(documents) as (backend, _):
        rows = search_overhead.measure(backend, peer, queries, rounds=2)
    assert [(row["backend"], row["k"]) for row in rows] == [("memory", 10), ("memory", 100)]
    once = [("client", 0), ("raw", 0), ("raw", 1), ("client", 1), ("client", 2), ("raw", 2), ("raw", 3), ("client", 3)]
    assert called == once * 2


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict[str, Any]:
    small = ("--documents", "200", "--queries", "16", "--json")
    monkeypatch.setattr("sys.argv", ["search_overhead", *small, *arguments])
    search_overhead.main()
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


@pytest.mark.parametrize(
    ("backend", "further"),
    [
        ("memory", {"ratio_cpu", "times_cached", "ratio_bm25s"}),
        ("pyserini", {"ratio_cpu", "times_cached", "ratio_read", "ratio_weighted"}),
    ],
)
def test_a_row_for_each_k(
    backend: str, further: set[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = run(capsys, monkeypatch, "--backend", backend, "--rounds", "1")
    assert {"commit", "machine", "documents", "queries", "rounds"} <= set(content)
    assert [(row["backend"], row["k"]) for row in content["rows"]] == [(backend, 10), (backend, 100)]
    for row in content["rows"]:
        assert set(row) == ROW | further
        assert all(value > 0 for name, value in row.items() if name in further | {"ratio", "times_one_by_one"})


def test_evidence_is_written_with_what_must_be_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs" / "evidence").mkdir(parents=True)
    monkeypatch.setattr(search_overhead, "ROOT", tmp_path)
    said = run(capsys, monkeypatch, "--rounds", "5", "--evidence", "--note", "two cores")
    written = json.loads((tmp_path / "docs" / "evidence" / "search-overhead-memory.json").read_text())
    assert written == said
    assert written["note"] == "two cores"
    with pytest.raises(SystemExit):
        run(capsys, monkeypatch, "--rounds", "4", "--evidence")
