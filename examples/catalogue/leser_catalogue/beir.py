"""Writes a world out as a BEIR folder, which LESER's reader `beir` and most retrieval tools read.

python -c "from leser_catalogue.beir import write_beir; write_beir(1, 'shop')"
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from leser.task import Query
from leser_catalogue.generator import make_catalogue
from leser_catalogue.words import World


def write_beir(seed: int, folder: str | Path, language: str = "en", world: World = "plain") -> Path:
    """Write corpus.jsonl, queries.jsonl and qrels/{train,dev,test}.tsv of a seed's world; returns the folder.

    A document's further fields stand in its `metadata`; a query's kind, needs (document ids of each) and ideal
    expansions in its own.
    """
    folder = Path(folder)
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    catalogue = make_catalogue(seed, language, world)
    _write_lines(folder / "corpus.jsonl", (_document(p.document.id, p.document.fields) for p in catalogue.products))
    queries = [query for split in catalogue.task.splits for query in split.queries]
    _write_lines(folder / "queries.jsonl", (_query(q, catalogue.intents[q.id].ideal) for q in queries))
    for split in catalogue.task.splits:
        lines = [f"{q.id}\t{doc}\t{grade}\n" for q in split.queries for doc, grade in split.qrels[q.id].items()]
        text = "query-id\tcorpus-id\tscore\n" + "".join(lines)
        (folder / "qrels" / f"{split.name}.tsv").write_text(text, encoding="utf-8")
    return folder


def _document(id_: str, fields: Mapping[str, str]) -> dict[str, Any]:
    metadata = {name: value for name, value in fields.items() if name not in ("title", "text")}
    return {"_id": id_, "title": fields["title"], "text": fields["text"], "metadata": metadata}


def _query(query: Query, ideal: Iterable[str]) -> dict[str, Any]:
    needs = {name: sorted(ids) for name, ids in query.subtopics.items()}
    return {"_id": query.id, "text": query.text, "metadata": {"kind": query.kind, "needs": needs, "ideal": list(ideal)}}


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
