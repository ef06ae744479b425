"""The kit's documents as a small task on disk, with queries that each of its checks can use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from leser.testing import DOCUMENTS

QUERIES = (
    "sofa lamp chair trainers mat",
    "couch",
    "reading lamp",
    "light trainers",
    "yoga mat",
    "desk",
    "rain",
    "bottle",
)


def write_corner(folder: Path, fields: Sequence[str] | None = None) -> Path:
    """Write a BEIR folder with these fields of the documents (none: with all), and return it."""
    (folder / "qrels").mkdir(parents=True)
    rows = [{"_id": d.id, **{name: d.fields[name] for name in fields or d.fields}} for d in DOCUMENTS]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "queries.jsonl").write_text("".join(json.dumps({"_id": q, "text": q}) + "\n" for q in QUERIES))
    for split, queries in (("train", QUERIES[:4]), ("dev", QUERIES[4:6]), ("test", QUERIES[6:])):
        lines = "".join(f"{query}\td01\t1\n" for query in queries)
        (folder / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{lines}")
    return folder
