"""BM25 on a public collection against its published figure: the check that analysis, scoring and indexing are right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import ir_measures
import pytest
from ir_measures import Qrel, ScoredDoc, nDCG
from leser_elasticsearch import ElasticsearchBackend
from leser_memory import MemoryBackend
from leser_pyserini import PyseriniBackend
from leser_solr import SolrBackend
from servers import Server

from leser.backend import Backend, Document, ExpandedQuery, Ranking


def documents(folder: Path) -> Iterator[Document]:
    with (folder / "corpus.jsonl").open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            yield Document(row["_id"], {"title": row["title"], "text": row["text"]})


def judged_queries(folder: Path) -> tuple[list[ExpandedQuery], list[Qrel]]:
    rows = [line.split("\t") for line in (folder / "qrels" / "test.tsv").read_text().splitlines()[1:]]
    qrels = [Qrel(query, document, int(grade)) for query, document, grade in rows]
    judged = {qrel.query_id for qrel in qrels}
    texts = map(json.loads, (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines())
    return [ExpandedQuery(row["_id"], row["text"]) for row in texts if row["_id"] in judged], qrels


def measure(backend: Backend, folder: Path) -> float:
    """nDCG@10 of the queries as they stand."""
    queries, qrels = judged_queries(folder)
    run = []
    for query, answer in zip(queries, backend.search(queries, 10), strict=True):
        assert isinstance(answer, Ranking)
        run += [ScoredDoc(query.id, id, -rank) for rank, id in enumerate(answer.ids)]
    return float(ir_measures.calc_aggregate([nDCG @ 10], qrels, run)[nDCG @ 10])


@pytest.fixture
def folder(shared_data: Callable[[str], Path]) -> Path:
    return shared_data("scifact")


@pytest.mark.parametrize("engine", ["pyserini", "memory"])
def test_scifact_bm25(engine: str, tmp_path: Path, folder: Path) -> None:
    """Anserini publishes nDCG@10 .679 for BM25 flat (title and text as one field, k1 .9, b .4, Porter) on SciFact's test set."""
    backend: Backend
    if engine == "memory":
        backend = MemoryBackend.of(documents(folder))
    else:
        backend = PyseriniBackend(PyseriniBackend.Options(index=tmp_path / "index"))
        assert backend.index(documents(folder)) == 5183
    assert measure(backend, folder) == pytest.approx(0.679, abs=0.006)
    backend.close()


def test_elasticsearch_agrees(folder: Path, tmp_path: Path, elasticsearch_8: Server) -> None:
    """The `standard` analysis on both sides: the test distribution of Elasticsearch carries no stemmer."""
    backend = ElasticsearchBackend(
        ElasticsearchBackend.Options(url=elasticsearch_8.url, index="scifact", analysis="standard", existing="recreate")
    )
    assert backend.index(documents(folder)) == 5183
    assert measure(backend, folder) == pytest.approx(through_lucene(folder, tmp_path, "standard"), abs=0.005)
    backend.close()


def test_solr_agrees(folder: Path, tmp_path: Path, solr: Server) -> None:
    """Porter stems on both sides."""
    options = SolrBackend.Options(url=solr.url, index="scifact", existing="recreate", configset="leser")
    backend = SolrBackend(options)
    assert backend.index(documents(folder)) == 5183
    assert measure(backend, folder) == pytest.approx(through_lucene(folder, tmp_path, "english"), abs=0.005)
    backend.close()


def through_lucene(folder: Path, tmp_path: Path, analysis: str) -> float:
    backend = PyseriniBackend(PyseriniBackend.Options(index=tmp_path / "index", analysis=analysis))
    assert backend.index(documents(folder)) == 5183
    measured = measure(backend, folder)
    backend.close()
    return measured
