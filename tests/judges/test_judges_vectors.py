"""Vectors on disk: shared by processes, whole after a kill, bounded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from leser_judges.blocks import KEPT_AT_ONCE
from leser_judges.vectors import VectorFile, Vectors

from leser.errors import LeserError
from leser.similarity import EncodingFailed

ENCODER = """
import sys, time
import numpy as np
from leser_judges.vectors import VectorFile, Vectors

class Counting:
    fingerprint = "counting"
    calls = 0
    def encode(self, texts, *, query=False):
        time.sleep(0.05)
        return np.array([[float(text), 1.0] for text in texts], dtype=np.float32)

if __name__ == "__main__":
    from pathlib import Path
    print("begins", flush=True)
    Vectors(Counting(), VectorFile(Path(sys.argv[1]), "float32", 2**30)).rows([str(n) for n in range(200_000)])
"""


class Numbers:
    """An encoder of texts that are numbers: the vector of "7" is (7, 1)."""

    fingerprint = "numbers"

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        self.encoded += texts
        return np.array([[float(text), 2.0 if query else 1.0] for text in texts], dtype=np.float32)


def opened(folder: Path, most_bytes: float = 2**30, precision: str = "float32") -> Vectors:
    return Vectors(Numbers(), VectorFile(folder, precision, most_bytes))


def test_each_text_is_encoded_once_and_a_query_apart_from_a_document(tmp_path: Path) -> None:
    first = opened(tmp_path)
    assert first.of_texts(["3", "1", "3"]).tolist() == [[3, 1], [1, 1], [3, 1]]
    assert first.of_texts(["1"], query=True).tolist() == [[1, 2]]
    again = opened(tmp_path)
    assert again.of_texts(["1", "2", "3"]).tolist() == [[1, 1], [2, 1], [3, 1]]
    assert first.encoder.encoded == ["3", "1", "1"]  # type: ignore[attr-defined]
    assert again.encoder.encoded == ["2"]  # type: ignore[attr-defined]


def test_half_precision_takes_half_the_room(tmp_path: Path) -> None:
    vectors = opened(tmp_path, precision="float16")
    assert vectors.of_texts(["0.3"])[0, 0] == np.float32(np.float16(0.3))
    assert (tmp_path / "vectors.bin").stat().st_size == 2 * 2


def test_two_that_add_at_the_same_time_see_each_others_rows(tmp_path: Path) -> None:
    one, two = opened(tmp_path), opened(tmp_path)
    assert one.of_texts(["1", "2"]).tolist() == [[1, 1], [2, 1]]
    assert two.of_texts(["2", "3"]).tolist() == [[2, 1], [3, 1]]
    assert one.of_texts(["3", "4"]).tolist() == [[3, 1], [4, 1]]
    assert two.encoder.encoded == ["3"]  # type: ignore[attr-defined]
    assert one.encoder.encoded == ["1", "2", "4"]  # type: ignore[attr-defined]
    assert len(opened(tmp_path).file) == 4


@pytest.mark.parametrize(("vectors_tail", "keys_tail"), [(b"x" * 11, b""), (b"x" * 8, b"k" * 5)])
def test_what_a_killed_process_left_half_written_is_written_over(
    tmp_path: Path, vectors_tail: bytes, keys_tail: bytes
) -> None:
    opened(tmp_path).rows(["1", "2"])
    for name, tail in (("vectors.bin", vectors_tail), ("keys.bin", keys_tail)):
        with (tmp_path / name).open("ab") as file:
            file.write(tail)
    vectors = opened(tmp_path)
    assert vectors.of_texts(["1", "5", "2"]).tolist() == [[1, 1], [5, 1], [2, 1]]
    assert opened(tmp_path).of_texts(["5", "6"]).tolist() == [[5, 1], [6, 1]]


def test_a_killed_process_is_taken_up_where_it_was(tmp_path: Path) -> None:
    program, folder = tmp_path / "encode.py", tmp_path / "vectors"
    program.write_text(ENCODER)
    process = subprocess.Popen([sys.executable, str(program), str(folder)], stdout=subprocess.PIPE)
    keys, deadline = folder / "keys.bin", time.monotonic() + 60
    while not (keys.is_file() and keys.stat().st_size >= 3 * KEPT_AT_ONCE * 16):
        assert time.monotonic() < deadline, "nothing was encoded"
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    vectors = opened(folder)
    done = len(vectors.file)
    assert done >= 3 * KEPT_AT_ONCE
    texts = [str(n) for n in range(done + 5)]
    assert vectors.of_texts(texts)[:, 0].tolist() == list(range(done + 5))
    assert vectors.encoder.encoded == texts[done:]  # type: ignore[attr-defined]


class Picky(Numbers):
    """Numbers, which fails on what is no number, and on everything where it is dead."""

    dead = False
    calls = 0

    def encode(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        self.calls += 1
        if self.dead or "bad" in texts:
            raise EncodingFailed("Not a number.")
        return super().encode(texts, query=query)


def test_only_the_texts_that_are_to_blame_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    encoder = Picky()
    vectors = Vectors(encoder, VectorFile(tmp_path, "float32", 2**30))
    texts = [str(n) for n in range(1200)]
    texts[700] = "bad"
    rows = vectors.rows(texts)
    assert np.flatnonzero(rows < 0).tolist() == [700]
    assert vectors.read(rows[rows >= 0])[:, 0].tolist() == [n for n in range(1200) if n != 700]
    assert "Not a number. 1 of 1200 new texts are left out of what is judged." in caplog.text
    with pytest.raises(EncodingFailed, match="failed on 'bad'"):
        vectors.of_texts(["3", "bad"])


def test_a_model_that_fails_on_everything_is_not_tried_for_every_text(tmp_path: Path) -> None:
    encoder = Picky()
    encoder.dead = True
    rows = Vectors(encoder, VectorFile(tmp_path, "float32", 2**30)).rows([str(n) for n in range(50_000)])
    assert (rows == -1).all()
    assert encoder.calls < 50


def test_a_full_file_says_what_to_do(tmp_path: Path) -> None:
    vectors = opened(tmp_path, most_bytes=3 * 2 * 4)
    vectors.rows(["1", "2", "3"])
    with pytest.raises(LeserError, match=r"would exceed cache_gib .* it holds 3 texts. Delete that folder"):
        vectors.rows(["4"])
    assert vectors.of_texts(["1"]).tolist() == [[1, 1]]


def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LeserError, match=r"Vectors cannot be kept in .*Name a folder with space"):
        opened(tmp_path / "file" / "vectors")
