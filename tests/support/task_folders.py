"""Folders of small tasks for the readers' tests: BEIR's is bad_input's shop, TREC's is here."""

from __future__ import annotations

import gzip
from pathlib import Path

from bad_input import write


def folder_of(folder: Path, files: dict[str, str], *, packed: bool = False) -> Path:
    """A folder with these files; all of them gzip'd where asked for."""
    if not packed:
        write(folder, files)
    for name, text in files.items() if packed else ():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def trec(**changes: str | None) -> dict[str, str]:
    files: dict[str, str | None] = {
        "topics.tsv": "1\tred sofa\n2\tlamp\n3\tchair\n",
        "qrels.train.txt": "1 0 A 1\n",
        "qrels.dev.txt": "2 0 A 1\n",
        "qrels.test.txt": "3 0 B 1\n",
        "corpus.jsonl": '{"_id": "A", "title": "new"}\n{"_id": "B", "title": "b"}\n',
    }
    return {name: text for name, text in {**files, **changes}.items() if text is not None}
