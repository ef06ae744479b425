"""Vectors of queries that users type: those that a run would read from disk, kept in memory and bounded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from leser_judges.documents import DocumentIndex
from leser_judges.vectors import VectorFile, Vectors

from leser.similarity import EncodingFailed, ServesQueries

TEXTS = {"a": "1", "b": "2", "c": "3"}


class Numbers:
    """An encoder of texts that are numbers, which notes what it encodes and fails on other texts."""

    fingerprint = "numbers"

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        if any(not text.replace(".", "").isdigit() for text in texts if text != "a"):
            raise EncodingFailed("Not a number.")
        self.encoded += texts
        return np.array([[0.0 if text == "a" else float(text) / 3, 1.0] for text in texts], dtype=np.float32)


def index_of(folder: Path, most_bytes: float = 2**30) -> DocumentIndex:
    return DocumentIndex(Vectors(Numbers(), VectorFile(folder, "float16", most_bytes)), TEXTS)


def encoded(index: DocumentIndex) -> list[str]:
    seen: list[str] = index.vectors.encoder.encoded  # type: ignore[attr-defined]
    return seen


def test_a_service_answers_as_a_run_does_and_writes_nothing(tmp_path: Path) -> None:
    run, index = index_of(tmp_path / "run"), index_of(tmp_path / "service")
    assert isinstance(index, ServesQueries)
    served = index.for_service()
    before = len(index.vectors.file)
    assert served.rank(["1", "2.5"], 2) == run.rank(["1", "2.5"], 2), "rounded as on disk"
    assert served.rank([], 2) == []
    assert (len(index.vectors.file), len(run.vectors.file)) == (before, before + 2)
    run.rank(["2.5"], 2)
    assert index_of(tmp_path / "run").for_service().rank(["2.5"], 2) == run.rank(["2.5"], 2)


def test_what_was_asked_last_is_kept_and_what_a_run_left_is_read(tmp_path: Path) -> None:
    index_of(tmp_path).rank(["1"], 1)
    index = index_of(tmp_path)
    served = index.for_service(2)
    for asked in (["1"], ["4", "5"], ["5", "4"], ["6"], ["6"], ["4"], ["5"]):
        served.rank(asked, 1)
    assert encoded(index) == ["a", "4", "5", "6", "5"], "5 was the oldest when 6 came"


def test_a_full_file_does_not_end_a_service(tmp_path: Path) -> None:
    served = index_of(tmp_path, most_bytes=len(TEXTS) * 2 * 2).for_service()
    assert [hit.id for hit in served.nearest("3", 1).hits] == ["c"]


def test_a_text_that_fails_costs_the_others_nothing(tmp_path: Path) -> None:
    index = index_of(tmp_path)
    served = index.for_service()
    with pytest.raises(EncodingFailed, match="failed on 'bad'"):
        served.rank(["7", "bad", "8"], 1)
    served.rank(["8", "7"], 1)
    assert encoded(index)[-2:] == ["7", "8"], "both were kept"
