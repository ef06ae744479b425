"""The index's own analysis of texts, through the _analyze API: many texts a request, separated by their offsets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING

from cachetools import LRUCache

from leser.adapter import well_formed

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

LONGEST = 4000  # characters of a piece; a request may make 10,000 terms (index.analyze.max_token_count)
REMEMBERED = 100_000  # texts
SHORT = 200  # characters of a text worth remembering: queries and expansions, which come again and again


class Analysis:
    """Index terms of texts in one index, remembered for short ones; safe to share between threads."""

    def __init__(self, client: Elasticsearch, index: str, analyzers: Mapping[str, str]) -> None:
        """`analyzers`: of the fields whose queries are read otherwise than their documents (mapping.search_analyzers)."""
        self._client = client
        self._index = index
        self._analyzers = analyzers
        self._known: LRUCache[tuple[str, str], list[str]] = LRUCache(REMEMBERED)
        self._lock = Lock()

    def terms(self, texts: Sequence[str], field: str) -> list[list[str]]:
        """Terms of each text, as a search in the field reads it."""
        with self._lock:
            found = {text: self._known[field, text] for text in texts if (field, text) in self._known}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        for text in missing:
            found[text] = []
        for request in _requests(missing):
            for (text, _), terms in zip(request, self._ask([piece for _, piece in request], field), strict=True):
                found[text] += terms
        with self._lock:
            self._known.update({(field, text): found[text] for text in missing if len(text) <= SHORT})
        return [list(found[text]) for text in texts]

    def _ask(self, pieces: list[str], field: str) -> list[list[str]]:
        """Terms of each piece. Elasticsearch answers one list: a value starts one character after the end of the last."""
        named = self._analyzers.get(field)  # with `field` alone, _analyze reads the texts as documents
        answer = self._client.indices.analyze(
            index=self._index,
            field=None if named else field,
            analyzer=named,
            text=pieces,
            filter_path="tokens.token,tokens.start_offset",
        )
        terms: list[list[str]] = [[] for _ in pieces]
        place, end = 0, _length(pieces[0])
        for token in answer.body.get("tokens", ()):
            while token["start_offset"] > end:
                place += 1
                end += 1 + _length(pieces[place])
            terms[place].append(token["token"])
        return terms


def _length(text: str) -> int:
    """Java counts characters beyond the first 65,536 as two."""
    return len(text.encode("utf-16-le")) // 2


def _requests(texts: Sequence[str]) -> Iterator[list[tuple[str, str]]]:
    """Pieces of texts, each with the text it is of, in requests of at most LONGEST characters."""
    request: list[tuple[str, str]] = []
    size = 0
    for text in texts:
        for piece in _pieces(well_formed(text)):
            if request and size + len(piece) > LONGEST:
                yield request
                request, size = [], 0
            request.append((text, piece))
            size += len(piece)
    if request:
        yield request


def _pieces(text: str) -> Iterator[str]:
    """The text, or where it is too long for one request its parts, cut at spaces where there are any."""
    while len(text) > LONGEST:
        cut = text.rfind(" ", 1, LONGEST)
        cut = LONGEST if cut < 0 else cut
        yield text[:cut]
        text = text[cut:]
    if text.strip():
        yield text
