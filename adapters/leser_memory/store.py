"""The documents an engine in process holds: their fields, an inverted index per searched field, a column per filtered one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from leser.adapter import CONTENTS, filter_values, joined
from leser.backend import Document, Filter
from leser_memory.analysis import AnalysisName
from leser_memory.index import FieldIndex


class DocumentStore:
    """Documents in the order they came; indexes and columns are made when first asked for."""

    def __init__(
        self, documents: Iterable[Document], contents: Sequence[str], analysis: AnalysisName, k1: float, b: float
    ) -> None:
        self.documents = {document.id: document for document in documents}
        self.ids = list(self.documents)
        self.fields = frozenset(name for document in self.documents.values() for name in document.fields)
        self._contents = tuple(contents)
        self._settings: tuple[AnalysisName, float, float] = (analysis, k1, b)
        self._indexes: dict[str, FieldIndex] = {}
        self._columns: dict[str, tuple[NDArray[np.object_], NDArray[np.float64]]] = {}
        digest = hashlib.blake2b(digest_size=12)
        for document in self.documents.values():
            digest.update(repr((document.id, sorted(document.fields.items()))).encode())
        self.digest = digest.hexdigest()

    def __len__(self) -> int:
        return len(self.ids)

    def searchable(self) -> list[str]:
        """Fields a term or the option `fields` may name."""
        return sorted(self.fields | {CONTENTS})

    def index(self, field: str) -> FieldIndex:
        """The inverted index of a field, made on first use."""
        if field not in self._indexes:
            texts = (self._text(document, field) for document in self.documents.values())
            self._indexes[field] = FieldIndex(texts, *self._settings)
        return self._indexes[field]

    def _text(self, document: Document, field: str) -> str | None:
        return joined(document.fields, self._contents) if field == CONTENTS else document.fields.get(field)

    def mask(self, condition: Filter) -> NDArray[np.bool_]:
        """Which documents meet a filter: numbers are compared as numbers, strings by code point; a missing value never does."""
        strings, numbers = self._column(condition.field)
        if condition.op in ("eq", "in"):
            values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
            met = np.zeros(len(self), dtype=bool)
            for value in values:
                met |= strings == value if isinstance(value, str) else numbers == value
            return met
        assert not isinstance(condition.value, tuple)
        compare = {"lt": np.less, "lte": np.less_equal, "gt": np.greater, "gte": np.greater_equal}[condition.op]
        if not isinstance(condition.value, str):
            return np.asarray(compare(numbers, condition.value))  # false for what is no number (nan)
        present = strings != None  # noqa: E711 - elementwise
        met = np.zeros(len(self), dtype=bool)
        met[present] = compare(strings[present], condition.value).astype(bool)
        return met

    def _column(self, field: str) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
        if field not in self._columns:
            texts = (document.fields.get(field) for document in self.documents.values())
            values = [(None, None) if text is None else filter_values(text) for text in texts]
            strings = np.empty(len(values), dtype=object)
            strings[:] = [string for string, _ in values]
            numbers = np.array([np.nan if number is None else number for _, number in values], dtype=np.float64)
            self._columns[field] = strings, numbers
        return self._columns[field]
