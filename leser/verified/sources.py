"""Where candidate terms come from: documents the engine found, an encoder's nearest ones, a dictionary counted on targets.

A source is anything that gives words for queries; a policy's samples, say, are one more:

    def sampled(queries: Sequence[Query]) -> list[list[str]]: ...
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

from leser.backend import Hit
from leser.distinctive import DIGIT, Distinctive, size_of
from leser.environment import Environment
from leser.expansion import ExpansionOptions, ParseError, parse
from leser.feedback import FeedbackOptions, feedback_terms
from leser.formats.files import bad_line, json_lines, text_of
from leser.lesson import SuggestsWords
from leser.similarity import NearestDocuments
from leser.task import Query
from leser.text import content_stems, stem, words
from leser.verified.options import VerifiedOptions

_SPARE = 2
"""How many times more words a reward is to suggest where those with digits are left out."""


class CandidateSource(Protocol):
    """Words or phrases worth trying for each query, best first."""

    def __call__(self, queries: Sequence[Query]) -> list[list[str]]:
        """One list per query, in order."""


class DocumentWords:
    """Words of the engine's own hits, and of an encoder's nearest documents where there is one.

    A word counts if at least `min_documents` of all these documents hold it. Where the engine can say how many documents
    hold a word, titles and `fields` are read and the most distinctive words come first (leser.distinctive); else
    feedback terms of the titles alone, those of hits and of nearest documents in turn.
    """

    def __init__(
        self, environment: Environment, options: VerifiedOptions, nearest: NearestDocuments | None = None
    ) -> None:
        self.environment, self.options, self.nearest = environment, options, nearest

    @cached_property
    def _distinctive(self) -> Distinctive | None:
        engine = self.environment.rules.site.words
        size = size_of(engine)
        return Distinctive(engine, self.options, size) if size else None

    def __call__(self, queries: Sequence[Query]) -> list[list[str]]:
        """Words of each query's documents."""
        count = self.options.documents
        originals = self.environment.originals(queries)
        hits = [originals[query.id].hits[:count] for query in queries]
        near: list[tuple[str, ...]] = [()] * len(queries)
        if self.nearest is not None and self.options.nearest:
            ranked = self.nearest.rank([query.text for query in queries], self.options.nearest)
            near = [ranking.ids for ranking in ranked]
        ids = {hit.id for row in hits for hit in row} | {document for row in near for document in row}
        field = self.environment.title_field
        fields = (field, *self.options.fields) if self._distinctive else (field,)
        documents = self.environment.client.fetch(sorted(ids), tuple(dict.fromkeys(fields))) if ids else {}
        if self._distinctive:
            texts = {id: " ".join(filter(None, map(d.fields.get, fields))) for id, d in documents.items()}
            pools = [dict.fromkeys([*(h.id for h in row), *close]) for row, close in zip(hits, near, strict=True)]
            found = self._distinctive([[texts[id] for id in pool if id in texts] for pool in pools])
            return [self._likely(query, row) for query, row in zip(queries, found, strict=True)]
        titles = {id: document.fields.get(field, "") for id, document in documents.items()}
        return [self._feedback(q, row, ids, titles) for q, row, ids in zip(queries, hits, near, strict=True)]

    def _likely(self, query: Query, found: Sequence[str]) -> list[str]:
        """The first `wide` words that are new to the query; of these the ones most like it, in their order."""
        own, count = {stem(word) for word in words(query.text)}, self.options.candidates
        fresh = [word for word in found if stem(word) not in own][: self.options.wide]
        if self.nearest is None or len(fresh) <= count:
            return fresh
        likeness = dict(zip(fresh, self.nearest.likeness(query.text, fresh).tolist(), strict=True))
        kept = set(sorted(fresh, key=lambda word: -likeness[word])[:count])
        return [word for word in fresh if word in kept]

    def _feedback(
        self, query: Query, found: Sequence[Hit], near: Sequence[str], titles: Mapping[str, str]
    ) -> list[str]:
        """Feedback terms of the titles of hits and of nearest documents, in turn."""
        close = near[: self.options.documents]
        own = [(titles[hit.id], hit.score) for hit in found if hit.id in titles]
        other = [titles[document] for document in close if document in titles]
        pool = [titles[id] for id in dict.fromkeys([*(h.id for h in found), *close]) if id in titles]
        common = self._common(pool)
        texts, scores = [text for text, _ in own], [score for _, score in own]
        return in_turn(self._terms(query, texts, scores, common), self._terms(query, other, None, common))

    def _common(self, titles: Iterable[str]) -> set[str]:
        """Stems that enough of the titles hold."""
        held = Counter(key for title in titles for key in {stem(word) for word in words(title)})
        return {key for key, count in held.items() if count >= self.options.min_documents}

    def _terms(self, query: Query, texts: Sequence[str], scores: Sequence[float] | None, common: set[str]) -> list[str]:
        wanted = FeedbackOptions(docs=self.options.documents, terms=10 * self.options.candidates)
        found = [term.text for term in feedback_terms(query.text, texts, scores, wanted)]
        return [w for w in found if stem(w) in common and (self.options.digits or not DIGIT.search(w))]


def nearest_in(sources: Iterable[CandidateSource]) -> NearestDocuments | None:
    """An encoder's comparison of the documents, where one of the sources reads them by it."""
    return next((s.nearest for s in sources if isinstance(s, DocumentWords) and s.nearest is not None), None)


class SuggestedWords:
    """Words that a reward suggests, such as those that the train judgments speak for (learned@k); digits as `options` say."""

    def __init__(self, reward: SuggestsWords, options: VerifiedOptions) -> None:
        self.reward, self.options = reward, options

    def __call__(self, queries: Sequence[Query]) -> list[list[str]]:
        """At most `candidates` words of each query."""
        count, digits = self.options.candidates, self.options.digits
        rows = [self.reward.suggested(query, count if digits else _SPARE * count) for query in queries]
        return [[word for word in row if digits or not DIGIT.search(word)][:count] for row in rows]


class CountedDictionary:
    """Terms that earlier targets give to queries that share a word with this one, the most often given first."""

    def __init__(self, pairs: Iterable[tuple[str, Sequence[str]]], least: int = 2) -> None:
        self._terms: dict[str, Counter[str]] = defaultdict(Counter)
        for query, terms in pairs:
            for word in content_stems(query):
                self._terms[word].update(dict.fromkeys(terms, 1))
        self.least = least

    def __call__(self, queries: Sequence[Query]) -> list[list[str]]:
        """Terms given for at least `least` queries that share a word."""
        rows = []
        for query in queries:
            counts: Counter[str] = Counter()
            for word in content_stems(query.text):
                counts.update({t: n for t, n in self._terms.get(word, Counter()).items() if n >= self.least})
            rows.append(sorted(counts, key=lambda term: (-counts[term], term)))
        return rows


def read_dictionary(path: Path, expansion: ExpansionOptions) -> CountedDictionary:
    """A dictionary counted on a file of targets: JSON lines with "query" and "completion", as the warm-up and
    `leser search-expansions` write them. Raises LeserError naming file and line."""
    pairs = []
    for number, row in json_lines(path):
        query, completion = text_of(row, "query", path, number), text_of(row, "completion", path, number)
        read = parse(completion, expansion)
        if isinstance(read, ParseError):
            raise bad_line(path, number, f"the completion '{completion[:80]}' cannot be read: {read.reason}")
        pairs.append((query, [found.text for found in read.expansions]))
    return CountedDictionary(pairs)


def in_turn(*rows: Sequence[str]) -> list[str]:
    """The rows' first ones, then their second ones, and so on; each text once."""
    longest = max(map(len, rows), default=0)
    return list(dict.fromkeys(row[place] for place in range(longest) for row in rows if place < len(row)))
