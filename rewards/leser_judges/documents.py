"""An index's documents under an encoder: which are nearest to a query, and how near given ones are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakValueDictionary

import numpy as np

from leser.backend import Document, Hit, Ranking
from leser.options import validate_options
from leser.similarity import TYPED_QUERIES
from leser_judges.encoder import Encoder
from leser_judges.options import EncoderOptions
from leser_judges.typed import TypedQueries
from leser_judges.vectors import Vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 65_536
"""Documents compared at once: 100 MB of vectors of 384 numbers."""


def text_of(document: Document, fields: Sequence[str]) -> str:
    """The document's fields joined with a space; empty where it has none of them."""
    return " ".join(value for name in fields if (value := document.fields.get(name, "").strip()))


class DocumentIndex:
    """NearestDocuments (leser.similarity): documents by id, compared with queries by exact search over all vectors."""

    def __init__(self, vectors: Vectors, texts: Mapping[str, str]) -> None:
        held = sorted(id for id, text in texts.items() if text)
        found = vectors.rows([texts[id] for id in held]).tolist()
        self.vectors = vectors
        self._typed: TypedQueries | None = None
        self._row_of = {id: row for id, row in zip(held, found, strict=True) if row >= 0}
        # documents of one text share a row, and are compared once: rounding cannot tell them apart
        self._ids_of: dict[int, list[str]] = {}
        for id, row in self._row_of.items():
            self._ids_of.setdefault(row, []).append(id)
        self._rows = np.array(sorted(self._ids_of), dtype=np.int64)

    @classmethod
    def of(cls, documents: Iterable[Document], model: str = "minilm", **options: Any) -> Self:
        """The index of these documents under a model; options by name, such as fields=("title", "text")."""
        chosen = validate_options(EncoderOptions, {"model": model, **options}, "an encoder")
        vectors = Vectors.of(Encoder(chosen), chosen)
        return cls(vectors, {document.id: text_of(document, chosen.fields) for document in documents})

    @classmethod
    def shared(cls, vectors: Vectors, documents: Iterable[Document], fields: Sequence[str]) -> DocumentIndex:
        """The index of these documents' fields, one per encoder and catalogue in this process while anybody uses it.

        One that lacks documents on which the encoder failed is not shared: whoever comes next tries them again.
        """
        texts = {document.id: text_of(document, fields) for document in documents}
        catalogue = hashlib.blake2b(digest_size=16)
        for item in texts.items():
            catalogue.update(repr(item).encode("utf-8", "backslashreplace"))
        key = (vectors, catalogue.digest())
        index = _OPEN.get(key)
        if index is None:
            index = cls(vectors, texts)
            if len(index) == sum(map(bool, texts.values())):
                _OPEN[key] = index
        return index

    def __len__(self) -> int:
        return len(self._row_of)

    def for_service(self, most: int = TYPED_QUERIES) -> Self:
        """The same documents for queries without end: vectors of the `most` last ones are kept in memory, none on disk.

        The model is loaded now. Raises EncodingFailed where it fails.
        """
        served = copy(self)
        self.vectors.encoder.encode(["a"], query=True)  # the first user must not wait for the model
        served._typed = TypedQueries(self.vectors, most)
        return served

    def nearest(self, query: str, n: int) -> Ranking:
        """The `n` documents most similar to a query, scores are cosines; of equal ones the lower id. Raises EncodingFailed."""
        return self.rank([query], n)[0]

    def rank(self, queries: Sequence[str], n: int) -> list[Ranking]:
        """`nearest` for a batch of queries, which costs far less than one by one."""
        asked = self._queries(queries)
        best: list[list[tuple[float, str]]] = [[] for _ in queries]
        for start in range(0, len(self._rows), _BLOCK):
            rows = self._rows[start : start + _BLOCK]
            for place, scores in enumerate(asked @ self.vectors.read(rows).T):
                best[place] = sorted(best[place] + self._top(scores, rows, n))[:n]
        return [Ranking(tuple(Hit(id, -negative) for negative, id in found)) for found in best]

    def similarity(self, query: str, ids: Sequence[str]) -> NDArray[np.float32]:
        """The cosine of a query and each document, shape (ids,); NaN for one without text. Raises EncodingFailed."""
        found: NDArray[np.float32] = self.compare(self._queries([query]), ids)[0]
        return found

    def compare(self, vectors: NDArray[np.float32], ids: Sequence[str]) -> NDArray[np.float32]:
        """Cosines of vectors and documents, shape (vectors, ids); NaN for a document without text."""
        rows = np.array([self._row_of.get(id, -1) for id in ids], dtype=np.int64)
        found = np.full((len(vectors), len(ids)), np.nan, dtype=np.float32)
        known = rows >= 0
        # einsum sums each pair by itself: a cosine does not depend on the documents beside it, as with a matrix product
        found[:, known] = np.einsum("vd,id->vi", vectors, self.vectors.read(rows[known]))
        return found

    def views(self, queries: Sequence[str], n: int) -> NDArray[np.float32]:
        """Two vectors of each query, shape (queries, 2, dimension): its own, and its own plus the mean direction of its `n`
        nearest documents. Raises EncodingFailed."""
        own = self._queries(queries)
        fed = own.copy()
        for place, ranking in enumerate(self.rank(queries, n)):
            if ranking.hits:
                near = self.vectors.read(np.array([self._row_of[id] for id in ranking.ids], dtype=np.int64))
                fed[place] += _unit(near.mean(axis=0))
            fed[place] = _unit(fed[place])
        return np.stack([own, fed], axis=1)

    def likeness(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """The cosine of a query and each text, shape (texts,); new texts are encoded and kept. Raises EncodingFailed."""
        found: NDArray[np.float32] = self.vectors.of_texts(texts) @ self._queries([query])[0]
        return found

    def _queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._typed(texts) if self._typed is not None else self.vectors.of_texts(texts, query=True)

    def _top(self, scores: NDArray[np.float32], rows: NDArray[np.int64], n: int) -> list[tuple[float, str]]:
        """The documents of these rows' best `n` as (negative score, id), all that are equal to the last of them included."""
        least = np.partition(scores, -n)[-n] if n < len(scores) else -np.inf
        places = np.flatnonzero(scores >= least)
        return [(-float(scores[place]), id) for place in places.tolist() for id in self._ids_of[int(rows[place])]]


_OPEN: WeakValueDictionary[tuple[Vectors, bytes], DocumentIndex] = WeakValueDictionary()
"""The indexes that somebody uses, by their vectors and a digest of ids and texts."""


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vector at length 1; one of length 0 as it is."""
    length = float(np.linalg.norm(vector))
    unit: NDArray[np.float32] = vector / np.float32(length) if length > 0 else vector
    return unit
