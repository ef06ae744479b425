"""Where candidate terms come from: documents the engine found, an encoder's nearest ones, a dictionary counted on targets.

A source is anything that gives words for queries; a policy's samples, say, are one more:

    def sampled(queries: Sequence[Query]) -> list[list[str]]: ...
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from leser.environment import Environment
from leser.errors import LeserError
from leser.expansion import ExpansionOptions, Parsed, parse
from leser.feedback import FeedbackOptions, feedback_terms
from leser.task import Query
from leser.text import STOP_WORDS, stem, words
from leser.verified.options import VerifiedOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIGIT = re.compile(r"\d")


class CandidateSource(Protocol):
    """Words or phrases worth trying for each query, best first."""

    def __call__(self, queries: Sequence[Query]) -> list[list[str]]:
        """One list per query, in order."""


@runtime_checkable
class NearestDocuments(Protocol):
    """Something that knows the nearest documents of a text, such as a reward that holds encoded documents."""

    def nearest(self, texts: Sequence[str], k: int) -> Sequence[Sequence[str]]:
        """Ids of the k nearest documents of each text, nearest first."""


class TextEncoder(Protocol):
    """A sentence encoder."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(texts, dimensions), each row of length 1."""


class EncodedDocuments:
    """Nearest documents by cosine among documents encoded beforehand: `vectors` is (ids, dimensions), rows of length 1."""

    def __init__(self, encoder: TextEncoder, ids: Sequence[str], vectors: NDArray[np.float32]) -> None:
        if len(ids) != len(vectors):
            raise ValueError(f"{len(ids)} ids but {len(vectors)} vectors: one vector is needed for each document")
        self._encoder, self._ids, self._vectors = encoder, tuple(ids), vectors

    def nearest(self, texts: Sequence[str], k: int) -> list[list[str]]:
        """Ids of the k nearest documents of each text; of equally near ones the first in `ids` comes first."""
        found = []
        for vector in self._encoder.encode(texts):
            near = self._vectors @ vector
            floor = np.partition(near, -k)[-k] if k < len(near) else -np.inf
            best = np.flatnonzero(near >= floor)
            found.append([self._ids[i] for i in best[np.argsort(-near[best], kind="stable")][:k]])
        return found


class DocumentWords:
    """Feedback terms of the engine's own hits, and of an encoder's nearest documents where there is one, in turn.

    A word counts if at least `min_documents` of all these documents hold it in their titles.
    """

    def __init__(
        self, environment: Environment, options: VerifiedOptions, nearest: NearestDocuments | None = None
    ) -> None:
        self.environment, self.options, self.nearest = environment, options, nearest

    def __call__(self, queries: Sequence[Query]) -> list[list[str]]:
        """Words of each query's documents."""
        count = self.options.documents
        originals = self.environment.originals(queries)
        hits = [originals[query.id].hits[:count] for query in queries]
        near: Sequence[Sequence[str]] = [()] * len(queries)
        if self.nearest is not None:
            near = self.nearest.nearest([query.text for query in queries], count)
        ids = {hit.id for row in hits for hit in row} | {document for row in near for document in row}
        field = self.environment.title_field
        documents = self.environment.client.fetch(sorted(ids), (field,)) if ids else {}
        titles = {id: document.fields.get(field, "") for id, document in documents.items()}
        rows = []
        for query, found, close in zip(queries, hits, near, strict=True):
            own = [(titles[hit.id], hit.score) for hit in found if hit.id in titles]
            other = [titles[document] for document in close if document in titles]
            pool = [titles[id] for id in dict.fromkeys([*(h.id for h in found), *close]) if id in titles]
            common = self._common(pool)
            texts, scores = [text for text, _ in own], [score for _, score in own]
            rows.append(in_turn(self._terms(query, texts, scores, common), self._terms(query, other, None, common)))
        return rows

    def _common(self, titles: Iterable[str]) -> set[str]:
        """Stems that enough of the titles hold."""
        held = Counter(key for title in titles for key in {stem(word) for word in words(title)})
        return {key for key, count in held.items() if count >= self.options.min_documents}

    def _terms(self, query: Query, texts: Sequence[str], scores: Sequence[float] | None, common: set[str]) -> list[str]:
        wanted = FeedbackOptions(docs=self.options.documents, terms=10 * self.options.candidates)
        found = [term.text for term in feedback_terms(query.text, texts, scores, wanted)]
        return [w for w in found if stem(w) in common and (self.options.digits or not _DIGIT.search(w))]


class CountedDictionary:
    """Terms that earlier targets give to queries that share a word with this one, the most often given first."""

    def __init__(self, pairs: Iterable[tuple[str, Sequence[str]]], least: int = 2) -> None:
        self._terms: dict[str, Counter[str]] = defaultdict(Counter)
        for query, terms in pairs:
            for word in _content_words(query):
                self._terms[word].update(dict.fromkeys(terms, 1))
        self.least = least

    def __call__(self, queries: Sequence[Query]) -> list[list[str]]:
        """Terms given for at least `least` queries that share a word."""
        rows = []
        for query in queries:
            counts: Counter[str] = Counter()
            for word in _content_words(query.text):
                counts.update({t: n for t, n in self._terms.get(word, Counter()).items() if n >= self.least})
            rows.append(sorted(counts, key=lambda term: (-counts[term], term)))
        return rows


def read_dictionary(path: Path, expansion: ExpansionOptions) -> CountedDictionary:
    """A dictionary counted on a file of targets: JSON lines with "query" and "completion", as the warm-up and
    `leser search-expansions` write them. Raises LeserError naming file and line."""
    pairs = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LeserError(f"The targets {path} cannot be read: {error}.") from None
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            query, completion = row["query"], row["completion"]
        except (ValueError, TypeError, KeyError):
            raise LeserError(
                f'{path}, line {number} is not a valid target. Write one JSON object per line with "query" and '
                '"completion", as `leser search-expansions` does.'
            ) from None
        read = parse(str(completion), expansion)
        if isinstance(read, Parsed):
            pairs.append((str(query), [expansion.text for expansion in read.expansions]))
    return CountedDictionary(pairs)


def find_nearest(rewards: Iterable[object]) -> NearestDocuments | None:
    """The first of these rewards that also knows nearest documents, or None."""
    return next((reward for reward in rewards if isinstance(reward, NearestDocuments)), None)


def in_turn(*rows: Sequence[str]) -> list[str]:
    """The rows' first ones, then their second ones, and so on; each text once."""
    longest = max(map(len, rows), default=0)
    return list(dict.fromkeys(row[place] for place in range(longest) for row in rows if place < len(row)))


def _content_words(text: str) -> set[str]:
    return {stem(word) for word in words(text) if word not in STOP_WORDS}


Sources = Mapping[str, CandidateSource]
"""Candidate sources by name."""
