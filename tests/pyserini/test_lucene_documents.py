"""All documents of a Lucene index: page by page, without deleted ones."""

from __future__ import annotations

from pathlib import Path

import leser_pyserini
import pytest
from leser_pyserini import PyseriniBackend

from leser.backend import Document

SHELF = tuple(Document(f"d{n}", {"title": f"sofa {n}", "price": f"{n}"}) for n in range(25))


def test_pages_of_what_is_not_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leser_pyserini, "CHUNK", 7)
    PyseriniBackend(PyseriniBackend.Options(index=tmp_path / "index")).index(SHELF)
    backend = PyseriniBackend(PyseriniBackend.Options(index=tmp_path / "index", existing="append"))
    backend.index([Document("d3", {"title": "armchair", "contents": "armchair of my own"})])
    read = [(document.id, dict(document.fields)) for document in backend.documents()]
    backend.close()
    assert len(read) == len(SHELF)
    expected = {document.id: dict(document.fields) for document in SHELF}
    assert dict(read) == {**expected, "d3": {"title": "armchair", "contents": "armchair of my own"}}
