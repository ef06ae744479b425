"""encoder@k: how similar to the query a model finds the top of a ranking. No judgment is needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from leser.backend import Document, Ranking
from leser.reward import Outcome, Reward, RewardSpec
from leser.similarity import Encoded, discounted_mean
from leser_judges.documents import DocumentIndex, text_of
from leser_judges.encoder import Encoder
from leser_judges.options import EncoderOptions, SimilarityOptions, check_model
from leser_judges.ray_encoding import encoding_on
from leser_judges.vectors import Vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from leser.cluster.connection import Cluster

ABSENT, WORDLESS, FAILED = -3, -2, -1
"""In place of a row: a rank without a document; a document without text; and a text on which the model failed."""
_PAIRS_AT_ONCE = 16_384
_MOST_SEEN = 1_000_000


class EncoderSimilarity(Reward):
    """Discounted mean similarity of the top k to the query under a sentence encoder (encoder@k).

    Cosines, those below 0 counted as 0, under DCG's discount and divided by the sum of all k discounts: 0 to 1. A rank
    without a document counts what the documents in the original's top k count on average (`empty`), 0 where that found
    nothing: were it 0, whatever filled the list of a query with few hits would raise its score. A document without text
    in `fields` counts 0, and each document once. Where the model fails on a text, all of the query's completions get None,
    and the log says why.

    Use when: judgments are few, or only know what the old engine showed, and titles say what a document is.
    Beware of: the model knows nothing of your customers, and the policy will find what it overrates (accessories,
    titles that repeat the query). It rewards drift where nothing holds the original's hits: pair it with `kept`, or with
    a relevance reward, and look at what people say of the results.
    """

    name = "encoder"
    range = (0.0, 1.0)
    Options = SimilarityOptions
    options: SimilarityOptions

    def __init__(self, spec: RewardSpec) -> None:
        super().__init__(spec)
        check_model(self.options)
        self.fields = self.options.fields
        self._seen: dict[str, tuple[Document, int]] = {}

    @cached_property
    def vectors(self) -> Vectors:
        """The encoder and what it has encoded; opened at the first outcome."""
        return open_vectors(self.options.encoder)

    def nearest_documents(self, documents: Iterable[Document]) -> DocumentIndex:
        """These documents under the same model, for whoever needs a query's nearest ones; encodes those that are new."""
        return DocumentIndex.shared(self.vectors, documents, self.fields)

    def encode_documents(self, documents: Iterable[Document], cluster: Cluster | None = None) -> Encoded:
        """Encode the documents that are new, here or by workers of a Ray: the file of vectors is the same, bit for bit."""
        texts = list(dict.fromkeys(text for d in documents if (text := text_of(d, self.fields))))
        new = self.vectors.new(texts)
        if cluster is None or not new:
            rows = self.vectors.rows(texts)
        else:
            with encoding_on(cluster, self.options.encoder, self.vectors.encoder.fingerprint) as elsewhere:
                rows = self.vectors.rows(texts, elsewhere=elsewhere)
        return Encoded(len(texts), new, int((rows == FAILED).sum()))

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """One similarity for each ranking; None for a group in which the model failed."""
        if not outcomes:
            return []
        queries = self.vectors.rows([outcome.query.text for outcome in outcomes], query=True)
        rows = self._rows(outcomes, [outcome.expanded for outcome in outcomes])
        broken = (queries == FAILED) | (rows == FAILED).any(axis=1)
        found = self._similarities(queries, rows)
        if self.options.empty == "mean":
            own = self._rows(outcomes, [outcome.original for outcome in outcomes])
            broken |= (own == FAILED).any(axis=1)
            found = np.where(rows == ABSENT, self._floors(queries, own, own != ABSENT)[:, None], found)
        failed = {_group(outcome) for outcome, lost in zip(outcomes, broken.tolist(), strict=True) if lost}
        values = discounted_mean(found, self.depth)
        scored = zip(outcomes, values.tolist(), strict=True)
        return [None if _group(outcome) in failed else min(value, 1.0) for outcome, value in scored]

    def _floors(
        self, queries: NDArray[np.int64], rows: NDArray[np.int64], filled: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """What an empty rank counts, per outcome: the mean similarity of the original's `filled` ranks, else 0."""
        own = self._similarities(queries, rows)
        return np.asarray((own * filled).sum(axis=1) / np.maximum(filled.sum(axis=1), 1), dtype=np.float64)

    def _rows(self, outcomes: Sequence[Outcome], rankings: Sequence[Ranking | None]) -> NDArray[np.int64]:
        """Rows of each ranking's first k documents, shape (outcomes, k); new documents are encoded all at once."""
        tops = [tuple(islice(dict.fromkeys(r.ids if r else ()), self.depth)) for r in rankings]
        new: dict[str, list[tuple[int, int]]] = {}
        rows = np.full((len(outcomes), self.depth), ABSENT, dtype=np.int64)
        for number, (outcome, top) in enumerate(zip(outcomes, tops, strict=True)):
            for rank, id in enumerate(top):
                document = outcome.documents.get(id)
                seen = self._seen.get(id)
                if document is not None and seen is not None and seen[0] is document:
                    rows[number, rank] = seen[1]
                elif document is not None and (text := text_of(document, self.fields)):
                    new.setdefault(text, []).append((number, rank))
                else:
                    rows[number, rank] = WORDLESS
        for text_row, places in zip(self.vectors.rows(list(new)).tolist(), new.values(), strict=True):
            for number, rank in places:
                rows[number, rank] = text_row
                if text_row != FAILED:
                    id = tops[number][rank]
                    self._seen[id] = (outcomes[number].documents[id], text_row)
        if len(self._seen) > _MOST_SEEN:
            self._seen.clear()
        return rows

    def _similarities(self, queries: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Cosine of each ranking's query and documents, at least 0, shape of `rows`; each pair is compared once."""
        found = np.zeros(rows.shape, dtype=np.float64)
        there = (rows >= 0) & (queries >= 0)[:, None]
        pairs = np.stack([np.broadcast_to(queries[:, None], rows.shape)[there], rows[there]], axis=1)
        unique, back = np.unique(pairs, axis=0, return_inverse=True)
        compared = np.zeros(len(unique), dtype=np.float64)
        for start in range(0, len(unique), _PAIRS_AT_ONCE):
            part = unique[start : start + _PAIRS_AT_ONCE]
            asked, held = self.vectors.read(part[:, 0]), self.vectors.read(part[:, 1])
            compared[start : start + len(part)] = np.einsum("ij,ij->i", asked, held)
        found[there] = np.clip(compared, 0.0, 1.0)[back.ravel()]
        return found


@lru_cache(maxsize=8)
def open_vectors(options: EncoderOptions) -> Vectors:
    """The vectors under these options; one model and one file for all who use the same in this process."""
    return Vectors.of(Encoder(options), options)


def _group(outcome: Outcome) -> tuple[str, int]:
    return outcome.query.id, outcome.group
