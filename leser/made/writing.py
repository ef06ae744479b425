"""Made queries as files that a BEIR folder takes: queries.jsonl, and qrels of the documents that they were made of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from leser.files import write_atomically
from leser.made.make import MadeQuery


def write_queries(path: Path, made: Sequence[MadeQuery]) -> None:
    """One JSON line per query: _id, text, and its kind."""
    rows = [{"_id": m.query.id, "text": m.query.text, "metadata": {"kind": m.query.kind}} for m in made]
    write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write_sources(path: Path, made: Sequence[MadeQuery]) -> None:
    """The documents that each query was made of, as qrels of grade 1: known items, never judgments of people."""
    lines = [f"{m.query.id}\t{document}\t1\n" for m in made for document in m.documents]
    write_atomically(path, "query-id\tcorpus-id\tscore\n" + "".join(lines))
