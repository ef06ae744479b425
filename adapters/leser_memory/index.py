"""One field's inverted index with Lucene's BM25 scores computed ahead, term by term.

The score of a term in a document is Lucene's BM25Similarity,
    idf * tf / (tf + k1 * (1 - b + b * length / average))      idf = ln(1 + (N - df + 0.5) / (df + 0.5)),
in single precision and with the length rounded as Lucene stores it (one byte: exact to 40, then four significant bits), so
rankings are Lucene's own on the same terms. bm25s computes the same formula but keeps exact lengths and no positions; the
tests compare both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from leser_memory.analysis import AnalysisName, analyze

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Clause = tuple[Ints, NDArray[np.float64]]
"""Documents that match, ascending, and what each scores there: single-precision numbers, held ready for adding up."""
NOTHING: Clause = (np.empty(0, np.int64), np.empty(0, np.float64))


class FieldIndex:
    """The terms of one field over all documents. `texts` holds one entry a document, None where the field is missing."""

    def __init__(self, texts: Iterable[str | None], analysis: AnalysisName, k1: float, b: float) -> None:
        self._analysis: AnalysisName = analysis
        self._vocabulary: dict[str, int] = {}
        terms, documents, positions, lengths = self._invert(texts)
        self._stride = int(positions.max(initial=0)) + 2
        order = np.lexsort((positions, documents, terms))
        # an occurrence is document * stride + position: a phrase is an intersection of shifted occurrences
        self._occurrences = documents[order] * self._stride + positions[order]
        bounds = np.arange(len(self._vocabulary) + 1)
        self._occurrence_start = np.searchsorted(terms[order], bounds)
        pairs, frequencies = np.unique(terms * (len(lengths) or 1) + documents, return_counts=True)
        pair_terms, self._documents = np.divmod(pairs, len(lengths) or 1)
        self._start = np.searchsorted(pair_terms, bounds)
        self._norm = _inverse_norms(lengths, k1, b)
        self._with_field = int(np.count_nonzero(lengths))
        frequency = np.diff(self._start)
        self._idf = np.log(1 + (self._with_field - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)
        self._scores = _saturate(np.repeat(self._idf, frequency), frequencies, self._norm[self._documents])

    def _invert(self, texts: Iterable[str | None]) -> tuple[Ints, Ints, Ints, Ints]:
        terms: list[int] = []
        documents: list[int] = []
        positions: list[int] = []
        lengths: list[int] = []
        vocabulary = self._vocabulary
        for number, text in enumerate(texts):
            found = analyze(text, self._analysis) if text else []
            lengths.append(len(found))
            documents.extend([number] * len(found))
            for term, position in found:
                terms.append(vocabulary.setdefault(term, len(vocabulary)))
                positions.append(position)
        as_array: Callable[[list[int]], Ints] = lambda values: np.array(values, dtype=np.int64)  # noqa: E731
        return as_array(terms), as_array(documents), as_array(positions), as_array(lengths)

    def terms(self, text: str) -> list[str]:
        """Index terms of a text, known to the index or not."""
        return [term for term, _ in analyze(text, self._analysis)]

    def doc_freq(self, term: str) -> int:
        """Number of documents that hold an index term."""
        number = self._vocabulary.get(term)
        return 0 if number is None else int(self._start[number + 1] - self._start[number])

    def word(self, term: str) -> Clause:
        """Documents of one index term and its scores there."""
        number = self._vocabulary.get(term)
        if number is None:
            return NOTHING
        span = slice(self._start[number], self._start[number + 1])
        return self._documents[span], self._scores[span].astype(np.float64)

    def phrase(self, text: str) -> Clause:
        """Documents that hold the phrase, scored as one term: the words' idf added up, tf the phrase's own frequency."""
        found = analyze(text, self._analysis)
        if len(found) == 1:
            return self.word(found[0][0])
        numbers = [self._vocabulary.get(term) for term, _ in found]
        if not found or None in numbers:
            return NOTHING
        starts: Ints | None = None
        idf = np.float32(0)
        for number, (_, position) in zip(numbers, found, strict=True):
            assert number is not None
            held = self._occurrences[self._occurrence_start[number] : self._occurrence_start[number + 1]]
            begins = held - (position - found[0][1])
            # a shifted occurrence must not slip into the document before
            begins = begins[begins // self._stride == held // self._stride]
            starts = begins if starts is None else np.intersect1d(starts, begins, assume_unique=True)
            idf += self._idf[number]
        assert starts is not None
        documents, frequencies = np.unique(starts // self._stride, return_counts=True)
        scores = _saturate(np.full(len(documents), idf), frequencies, self._norm[documents])
        return documents, scores.astype(np.float64)


def _saturate(weight: Floats, frequency: Ints, norm: Floats) -> Floats:
    """BM25's saturation, written as Lucene writes it so that rounding agrees: w - w / (1 + tf * norm)."""
    result: Floats = weight - weight / (np.float32(1) + frequency.astype(np.float32) * norm)
    return result


def _inverse_norms(lengths: Ints, k1: float, b: float) -> Floats:
    """1 / (k1 * (1 - b + b * length / average)) per document; the average counts documents that have the field."""
    with_field = np.count_nonzero(lengths)
    average = np.float32(lengths.sum() / with_field) if with_field else np.float32(1)
    share = np.float32(b) * _stored_lengths(lengths).astype(np.float32) / average
    result: Floats = np.float32(1) / (np.float32(k1) * (np.float32(1) - np.float32(b) + share))
    return result


def _stored_lengths(lengths: Ints) -> Ints:
    """Lengths after Lucene's SmallFloat.intToByte4 and back: the first 24 exact, the rest with four significant bits."""
    rest = np.maximum(lengths - 24, 0)
    shift = np.maximum(np.floor(np.log2(np.maximum(rest, 1))).astype(np.int64) - 3, 0)
    return np.where(lengths < 24, lengths, 24 + ((rest >> shift) << shift))
