"""TREC's topics: queries in lines of id and text, or title topics.

    <top>
    <num> Number: 301
    <title> International Organized Crime
    <desc> Description: ...
    </top>

Only TREC's own tags are tags: a title such as "c++ vector<int> table" or "couch <80 cm and depth >40 cm" stays whole.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from leser.formats.files import bad_line, numbered_lines
from leser.formats.sgml import decoded

_TITLED = re.compile(r"(?:\s*<[^<>]*>)*?\s*<top(?:\s[^<>]*)?>", re.IGNORECASE)
_TOPIC = re.compile(r"(?:^|(?<=>))\s*<top(?:\s[^<>]*)?>|(?P<end></top\s*>)", re.IGNORECASE | re.MULTILINE)
_OWN = "num|title|desc|narr"
_WORDS_OF_HTML = "head|dom|def|con|fac|smry|nat|time|date|lang|querytime|querytweettime"
_LABELS = {"num": re.compile(r"^number\s*:", re.IGNORECASE), "title": re.compile(r"^topic\s*:", re.IGNORECASE)}
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)


def read_topics(path: Path) -> dict[str, str]:
    """Query texts by id. Raises LeserError with file and line for what is no topic, and for a second one with an id."""
    lines = list(numbered_lines(path))
    titled = any(_TITLED.match(line) for _, line in lines)
    topics: dict[str, str] = {}
    for number, identifier, text in (_title_topics if titled else _rows)(path, lines):
        if identifier in topics:
            raise bad_line(path, number, f"a second query with the id {identifier}")
        topics[identifier] = text
    return topics


def _rows(path: Path, lines: list[tuple[int, str]]) -> Iterator[tuple[int, str, str]]:
    for number, line in lines:
        identifier, tab, text = line.partition("\t")
        if not tab or not identifier.strip() or not text.strip():
            raise bad_line(path, number, "expected a query id, a tab and the query's text")
        yield number, identifier.strip(), " ".join(text.split())


def _title_topics(path: Path, lines: list[tuple[int, str]]) -> Iterator[tuple[int, str, str]]:
    """Line, id and title of each topic."""
    text = "\n".join(line for _, line in lines)
    ends = list(accumulate(len(line) + 1 for _, line in lines))
    start, begun = -1, 0
    for mark in _TOPIC.finditer(text):
        number = lines[bisect_left(ends, mark.end())][0]
        if mark["end"] is None:
            if start >= 0:
                raise bad_line(path, begun, f"a <top> without </top>: the next one begins in line {number}")
            start, begun = mark.end(), number
        elif start < 0:
            raise bad_line(path, number, "</top> without a <top> before it")
        else:
            topic = text[start : mark.start()]
            yield begun, _element("num", topic, path, begun), _element("title", topic, path, begun)
            start = -1
    if start >= 0:
        raise bad_line(path, begun, "a <top> without </top>: the file ends within it. Is the file complete?")


def _element(name: str, topic: str, path: Path, line: int) -> str:
    """The text of <num> or <title>, to its end tag or, where it has none, to the next of TREC's tags.

    Of these, those that are words of HTML too end it only where they begin a line, and so does a second tag of its own name.
    """
    own = rf"<{name}(?:\s[^<>]*)?>"
    first = re.search(own, topic, re.IGNORECASE)
    if first is None:
        raise bad_line(path, line, "a topic without <num> or <title>")
    rest = topic[first.end() :]
    others = "|".join(other for other in _OWN.split("|") if other != name)
    after = rf"<(?:{others})(?:\s[^<>]*)?>|^\s*<(?:{_OWN}|{_WORDS_OF_HTML})(?:\s[^<>]*)?>"
    end = re.search(rf"</{name}\s*>", rest, re.IGNORECASE) or re.search(after, rest, re.IGNORECASE | re.MULTILINE)
    stop = end.start() if end else len(rest)
    if re.search(rf"(?:^|>)\s*{own}", rest[stop:], re.IGNORECASE | re.MULTILINE):
        raise bad_line(path, line, f"a topic with two <{name}>")
    pieces = _CDATA.split(rest[:stop])
    content = "".join(piece if number % 2 else decoded(piece) for number, piece in enumerate(pieces))
    text = " ".join(_LABELS[name].sub("", content.strip(), count=1).split())
    if not text:
        raise bad_line(path, line, "a topic without <num> or <title>")
    return text
