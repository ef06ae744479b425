"""Vectors of queries that users type: their number has no end, so they are kept in memory, the last ones, and never on disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from cachetools import LRUCache

from leser.similarity import EncodingFailed
from leser_judges.blocks import encoded_block
from leser_judges.vectors import Vectors, key_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


class TypedQueries:
    """`typed(texts)`: vectors of queries, shape (texts, dimension), the same as `Vectors.of_texts` gives, bit for bit.

    Those that a run left on disk are read there. At most `most` others are kept, and nothing is written, so that neither
    time nor a full cache ends a service.
    """

    def __init__(self, vectors: Vectors, most: int) -> None:
        self._vectors = vectors
        self._kept: LRUCache[bytes, NDArray[np.float32]] = LRUCache(most)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Raises EncodingFailed where a text has no vector; what was found of the others is kept for the next call."""
        if not texts:
            return self._vectors.read(np.zeros(0, dtype=np.int64))
        by_key = {key_of(text, query=True): text for text in texts}
        found = {key: vector for key in by_key if (vector := self._known(key)) is not None}
        missing = [key for key in by_key if key not in found]
        new = [by_key[key] for key in missing]
        for start, stop, vectors, _ in encoded_block(self._vectors.encoder, new, query=True) if new else ():
            if vectors is not None:
                rounded = vectors.astype(self._vectors.file.type).astype(np.float32)
                found |= zip(missing[start:stop], rounded, strict=True)
        self._kept.update({key: found[key] for key in missing if key in found})
        if failed := next((text for key, text in by_key.items() if key not in found), None):
            raise EncodingFailed(f"Encoder '{self._vectors.name}' failed on '{failed[:80]}'.")
        return np.stack([found[key_of(text, query=True)] for text in texts])

    def _known(self, key: bytes) -> NDArray[np.float32] | None:
        row = self._vectors.file.row(key)
        vector: NDArray[np.float32] | None
        vector = self._kept.get(key) if row is None else self._vectors.read(np.array([row]))[0]
        return vector
