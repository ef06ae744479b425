"""Vectors kept on disk: each text is encoded once, by whichever run meets it first.

One folder per model (weights, prompts, length) and precision, with two files that only grow: `vectors.bin`, memory-mapped,
one row per text, and `keys.bin`, the 16-byte digest of each row's text. A text is known by its digest, so a document that
changed is encoded again, one that did not is shared by all indexes, splits and fields that hold it, and no list of an
index's documents needs to be kept. A row counts once its key is written, which is after its vector reached the disk: a
process killed at any moment loses at most the texts that it was encoding.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import platformdirs
from filelock import FileLock

from leser.errors import LeserError
from leser.files import write_atomically
from leser.similarity import EncodingFailed, TextEncoder
from leser_judges.blocks import MOST_FAILURES_IN_A_ROW, EncodedPart, blocks_of, encoded_block
from leser_judges.options import EncoderOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Encoding = Callable[[Sequence[Sequence[str]], bool], Iterable[Iterable[EncodedPart]]]
    """Encodes blocks of texts, and gives the parts of each in the blocks' order."""

log = logging.getLogger(__name__)
KEY_BYTES = 16
_SECONDS_BETWEEN_LINES = 10.0


class VectorFile:
    """Rows of vectors by key, on disk; several processes may read and add at the same time."""

    def __init__(self, folder: Path, precision: str, most_bytes: float) -> None:
        self.folder = folder
        self.type = np.dtype(precision)
        self.most_bytes = most_bytes
        self._rows: dict[bytes, int] = {}
        self._map: NDArray[np.floating] | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(folder / "lock")
            self.dimension: int | None = None
            self._refresh()
        except OSError as error:
            raise self._unusable(error) from error

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, key: bytes) -> int | None:
        """The row of a key, None where it is not there."""
        return self._rows.get(key)

    def missing(self, keys: Sequence[bytes]) -> list[int]:
        """Places of the keys that no process has written yet, repeated ones once."""
        if any(key not in self._rows for key in keys):
            self._refresh()
        first = {key: place for place, key in reversed(list(enumerate(keys)))}
        return sorted(place for key, place in first.items() if key not in self._rows)

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Vectors of these rows, shape (rows, dimension)."""
        if self._map is None or not len(rows):
            return np.zeros((len(rows), self.dimension or 0), dtype=np.float32)
        return self._map[rows].astype(np.float32)

    def add(self, keys: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
        """Append vectors under their keys; those that another process wrote meanwhile are left as they are."""
        with self._lock:
            self._set_dimension(vectors.shape[1])
            self._refresh()
            places = self.missing(keys)
            count, width = len(self._rows), self.type.itemsize * vectors.shape[1]
            if (count + len(places)) * width > self.most_bytes:
                raise LeserError(
                    f"The vectors in {self.folder} would exceed cache_gib ({self.most_bytes / 2**30:g}): it holds {count} texts. "
                    "Delete that folder while no run uses it, or set cache_gib higher."
                )
            try:
                self._append("vectors.bin", count * width, vectors[places].astype(self.type).tobytes())
                self._append("keys.bin", count * KEY_BYTES, b"".join(keys[place] for place in places))
            except OSError as error:
                raise self._unusable(error) from error
            self._refresh()

    def _append(self, name: str, position: int, content: bytes) -> None:
        path = self.folder / name
        path.touch()
        with path.open("r+b") as file:
            file.seek(position)  # over what a killed process left without a key
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def _refresh(self) -> None:
        """Take in what this and other processes have added."""
        keys, vectors = self.folder / "keys.bin", self.folder / "vectors.bin"
        self.dimension = self.dimension or self._dimension()
        if not keys.is_file() or self.dimension is None:
            return
        count = keys.stat().st_size // KEY_BYTES
        known = len(self._rows)
        if count <= known:
            return
        with keys.open("rb") as file:
            file.seek(known * KEY_BYTES)
            added = file.read((count - known) * KEY_BYTES)
        self._rows |= {added[n * KEY_BYTES : (n + 1) * KEY_BYTES]: known + n for n in range(count - known)}
        self._map = np.memmap(vectors, dtype=self.type, mode="r", shape=(count, self.dimension))

    def _dimension(self) -> int | None:
        path = self.folder / "about.json"
        return int(json.loads(path.read_text(encoding="utf-8"))["dimension"]) if path.is_file() else None

    def _set_dimension(self, dimension: int) -> None:
        self.dimension = self.dimension or self._dimension()
        if self.dimension is None:
            write_atomically(self.folder / "about.json", json.dumps({"dimension": dimension, "type": str(self.type)}))
            self.dimension = dimension

    def _unusable(self, error: OSError) -> LeserError:
        return LeserError(
            f"Vectors cannot be kept in {self.folder}: {error.strerror or error}. "
            "Name a folder with space that can be written, e.g. encoder(cache='vectors')@10."
        )


class Vectors:
    """An encoder with its vectors on disk; rows are handles that stay valid as long as this object."""

    def __init__(self, encoder: TextEncoder, file: VectorFile, name: str = "the encoder") -> None:
        self.encoder = encoder
        self.file = file
        self.name = name

    @classmethod
    def of(cls, encoder: TextEncoder, options: EncoderOptions) -> Vectors:
        """The vectors of this encoder in the folder that options name."""
        base = options.cache.expanduser() if options.cache else platformdirs.user_cache_path("leser") / "encoder"
        folder = base / f"{Path(options.model).name}-{encoder.fingerprint[:16]}-{options.precision}"
        return cls(encoder, VectorFile(folder, options.precision, options.cache_gib * 2**30), options.model)

    def rows(
        self, texts: Sequence[str], *, query: bool = False, elsewhere: Encoding | None = None
    ) -> NDArray[np.int64]:
        """The row of each text, shape (texts,), encoding those that are new; -1 where the model failed, which is logged.

        `elsewhere` encodes blocks of texts in other processes; the file is the same, bit for bit, as without.
        """
        keys = [key_of(text, query=query) for text in texts]
        missing = self.file.missing(keys)
        if missing:
            self._encode([keys[place] for place in missing], [texts[place] for place in missing], query, elsewhere)
        found = (self.file.row(key) for key in keys)
        return np.fromiter((-1 if row is None else row for row in found), np.int64, len(keys))

    def new(self, texts: Sequence[str], *, query: bool = False) -> int:
        """How many of these texts have no vector yet."""
        return len(self.file.missing([key_of(text, query=query) for text in texts]))

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Vectors of these rows, shape (rows, dimension)."""
        return self.file.read(rows)

    def of_texts(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        """Vectors of these texts, shape (texts, dimension); raises EncodingFailed where one has none."""
        rows = self.rows(texts, query=query)
        if (rows < 0).any():
            text = texts[int(np.argmin(rows))]
            raise EncodingFailed(f"Encoder '{self.name}' failed on '{text[:80]}'; the log says why.")
        return self.read(rows)

    def _encode(
        self, keys: Sequence[bytes], texts: Sequence[str], query: bool, elsewhere: Encoding | None = None
    ) -> None:
        """Encode new texts block by block, and keep each block's vectors in the order of the texts."""
        started = said = time.monotonic()
        kept, failures_in_a_row, cause = 0, 0, ""
        blocks = blocks_of(texts)
        answers = elsewhere(blocks, query) if elsewhere else (encoded_block(self.encoder, b, query) for b in blocks)
        place = 0
        for block, parts in zip(blocks, answers, strict=True):
            for start, stop, vectors, failure in parts:
                if vectors is None:
                    failures_in_a_row, cause = failures_in_a_row + 1, failure
                    if failures_in_a_row >= MOST_FAILURES_IN_A_ROW:
                        break
                    continue
                self.file.add(keys[place + start : place + stop], vectors)
                kept, failures_in_a_row, now = kept + stop - start, 0, time.monotonic()
                if now - said >= _SECONDS_BETWEEN_LINES:
                    said = now
                    rate = kept / (now - started)
                    log.warning("Encoded %d of %d texts with %s, %.0f per second.", kept, len(texts), self.name, rate)
            if failures_in_a_row >= MOST_FAILURES_IN_A_ROW:
                break
            place += len(block)
        if kept < len(texts):
            lost = len(texts) - kept
            log.warning("%s %d of %d new texts are left out of what is judged.", cause, lost, len(texts))


def key_of(text: str, *, query: bool) -> bytes:
    """The digest that a text is known by; a query is another text than a document of the same words."""
    return hashlib.blake2b(
        text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES, person=b"query" if query else b"document"
    ).digest()
