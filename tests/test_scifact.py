"""BM25 on a public collection against its published figure: the check that analysis, scoring and indexing are right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import ir_measures
import pytest
from ir_measures import Qrel, ScoredDoc, nDCG
from leser_memory import MemoryBackend
from leser_pyserini import PyseriniBackend

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


@pytest.mark.parametrize("engine", ["pyserini", "memory"])
def test_scifact_bm25(engine: str, tmp_path: Path, shared_data: Callable[[str], Path]) -> None:
    """Anserini publishes nDCG@10 .679 for BM25 flat (title and text as one field, k1 .9, b .4, Porter) on SciFact's test set."""
    folder = shared_data("scifact")
    backend: Backend
    if engine == "memory":
        backend = MemoryBackend.of(documents(folder))
    else:
        backend = PyseriniBackend(PyseriniBackend.Options(index=tmp_path / "index"))
        assert backend.index(documents(folder)) == 5183
    queries, qrels = judged_queries(folder)
    run = []
    for query, answer in zip(queries, backend.search(queries, 10), strict=True):
        assert isinstance(answer, Ranking)
        run += [ScoredDoc(query.id, id, -rank) for rank, id in enumerate(answer.ids)]
    measured = ir_measures.calc_aggregate([nDCG @ 10], qrels, run)[nDCG @ 10]
    assert measured == pytest.approx(0.679, abs=0.006)
    backend.close()
