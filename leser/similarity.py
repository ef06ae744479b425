"""Similarity: what a model that compares texts offers, and the discounted mean by which a ranking is judged with it.

The classes that hold to these protocols come as plugins (leser_judges.encoder and leser_judges.documents); whoever
only uses an encoder, or the documents nearest to a query, depends on this file alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from leser.backend import Document, Ranking
from leser.composition import leaves
from leser.errors import LeserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from leser.cluster.connection import Cluster


TYPED_QUERIES = 10_000
"""Queries whose vectors a service keeps in memory: 15 MB of vectors of 384 numbers."""


class EncodingFailed(LeserError):
    """A model gave no vector for some texts: a fact about the model, never a similarity of 0."""


class TextEncoder(Protocol):
    """Turns texts into vectors of length 1, so that the dot product of two is their cosine."""

    @property
    def fingerprint(self) -> str:
        """A string that changes with whatever changes a vector: weights, length, prompts."""

    def encode(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        """Vectors of shape (texts, dimension); `query` for texts typed as a search. Raises EncodingFailed."""


class NearestDocuments(Protocol):
    """An index's documents, compared with queries by an encoder."""

    def nearest(self, query: str, n: int) -> Ranking:
        """The `n` documents most similar to a query, scores are cosines; of equal ones the lower id. Raises EncodingFailed."""

    def rank(self, queries: Sequence[str], n: int) -> list[Ranking]:
        """`nearest` for a batch of queries, which costs far less than one by one."""

    def similarity(self, query: str, ids: Sequence[str]) -> NDArray[np.float32]:
        """The cosine of a query and each document, shape (ids,); NaN for one without text. Raises EncodingFailed."""

    def views(self, queries: Sequence[str], n: int) -> NDArray[np.float32]:
        """Two vectors of each query, shape (queries, 2, dimension): its own, and its own plus the mean direction of its `n`
        nearest documents (Rocchio). Raises EncodingFailed."""

    def compare(self, vectors: NDArray[np.float32], ids: Sequence[str]) -> NDArray[np.float32]:
        """Cosines of vectors and documents, shape (vectors, ids); NaN for a document without text."""

    def likeness(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """The cosine of a query and each text, such as a word, shape (texts,). Raises EncodingFailed."""


@runtime_checkable
class ServesQueries(Protocol):
    """Nearest documents that can be asked by users for as long as a process lives."""

    def for_service(self, most: int = TYPED_QUERIES) -> NearestDocuments:
        """The same documents, ready at once; vectors of the `most` last queries are kept in memory, and none on disk."""


@runtime_checkable
class ComparesDocuments(Protocol):
    """What a reward offers that can also say which documents of a catalogue are nearest to a query."""

    def nearest_documents(self, documents: Iterable[Document]) -> NearestDocuments:
        """The documents under the reward's own model; encodes those that it has not met before."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """What became of a catalogue's texts: how many different ones there are, how many had to be encoded, how many failed."""

    texts: int
    new: int
    failed: int


@runtime_checkable
class EncodesDocuments(Protocol):
    """What a reward offers whose model reads documents: their vectors made ahead of a run, where it will look for them."""

    def encode_documents(self, documents: Iterable[Document], cluster: Cluster | None = None) -> Encoded:
        """Encode the documents that it has not met before, here or by workers of a Ray. Raises LeserError."""


def comparing(rewards: Iterable[object]) -> ComparesDocuments | None:
    """The first of these rewards, those within products among them, that compares documents, or None."""
    return next((reward for reward in leaves(rewards) if isinstance(reward, ComparesDocuments)), None)


def nearest_of(rewards: Iterable[object], documents: Iterable[Document]) -> NearestDocuments | None:
    """The documents under the model of the first of these rewards that has one, or None."""
    judge = comparing(rewards)
    return judge.nearest_documents(documents) if judge else None


def discounts(k: int) -> NDArray[np.float64]:
    """DCG's weights of the first `k` ranks, 1 / log2(rank + 1) (Jarvelin and Kekalainen, TOIS 20(4), 2002)."""
    return 1.0 / np.log2(np.arange(2, k + 2, dtype=np.float64))


def discounted_mean(similarities: NDArray[np.floating], k: int) -> NDArray[np.float64]:
    """Mean of the first `k` similarities under DCG's discounts; shape (..., ranks) to (...).

    Ranks beyond those given count 0, so that a ranking is not better for being shorter. Bounds are those of the
    similarities and 0.
    """
    weights = discounts(k)
    top = np.asarray(similarities, dtype=np.float64)[..., :k]
    # einsum sums each ranking by itself: a value does not depend on the rankings beside it, as with a matrix product
    found: NDArray[np.float64] = np.einsum("...j,j->...", top, weights[: top.shape[-1]]) / weights.sum()
    return found
