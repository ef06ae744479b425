"""Corners of tasks for profiles."""

from __future__ import annotations

import json
from pathlib import Path


def corner(folder: Path, into: Path) -> Path:
    """A few queries of a real shop with the documents judged for them: the whole would take minutes to hold in process."""
    (into / "qrels").mkdir(parents=True)
    judged: set[str] = set()
    for part in ("train", "dev", "test"):
        header, *rows = (folder / "qrels" / f"{part}.tsv").read_text(encoding="utf-8").splitlines()
        kept = dict.fromkeys(row.split("\t")[0] for row in rows if not row.endswith("\t0"))
        chosen = [row for row in rows if row.split("\t")[0] in list(kept)[:6]]
        (into / "qrels" / f"{part}.tsv").write_text("\n".join([header, *chosen]) + "\n", encoding="utf-8")
        judged |= {row.split("\t")[1] for row in chosen}
    (into / "queries.jsonl").write_bytes((folder / "queries.jsonl").read_bytes())
    with (folder / "corpus.jsonl").open(encoding="utf-8") as corpus:
        lines = [line for line in corpus if json.loads(line)["_id"] in judged]
    (into / "corpus.jsonl").write_text("".join(lines), encoding="utf-8")
    return into
