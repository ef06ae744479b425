"""Documents in TREC's SGML: <DOC>, a DOCNO and any elements, </DOC>, as news archives and web crawls are given out.

Every element directly below <DOC> is a field, named in small letters; elements of one name are joined, and so is text
outside of any element, which goes to `text`. Within a field tags are taken out and entities decoded. What only looks like a
tag stays: "a < b", and "vector<int>" where the document has no "</int>" and HTML no such element that may stay open.

Elements that only group others (<BODY> around <HEADLINE> and <TEXT>) are no fields. After <DOCHDR>, and within <html>, a
document is a web page: its <title> is the field `title`, all its other text `text`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

from leser.backend import Document
from leser.errors import LeserError
from leser.formats.files import bad_line, numbered_lines

_DOC = re.compile(r"<(/?)DOC(\s[^<>]*)?>", re.IGNORECASE)
_DOC_CUT = re.compile(r"<DOC(?:\s[^<>]*)?$", re.IGNORECASE)
_ID = re.compile(r"\b(?:id|docno|docid)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"']+))", re.IGNORECASE)
_TOKEN = re.compile(
    r"<!\[CDATA\[(?P<cdata>.*?)\]\]>"
    r"|<DOCHDR\s*>(?P<header>.*?)</DOCHDR\s*>"
    r"|(?P<unread><!--.*?-->|<![a-z][^>]*>|<\?[^>]*>|<(?P<raw>script|style)\b[^>]*>.*?</(?P=raw)\s*>)"
    r"|<(?P<end>/?)(?P<name>[a-z][\w:.-]*)(?:\s(?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*|\s[^<>]*)?/?>",
    re.DOTALL | re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|\w{2,32});", re.IGNORECASE)
_OF_TREC = {"&hyph;": "-", "&blank;": " "}
"""Entities of TREC's own collections that are none of HTML's, or another one there."""
_WITHIN_WORDS = "a abbr acronym b big em font i mark small span strike strong sub sup tt u"
_ALWAYS_PARTS = "li td th tr thead tbody tfoot"
_BLOCKS = "p br hr div center pre blockquote table ul ol img html h1 h2 h3 h4 h5 h6"
_OFTEN_OPEN = "p br hr img dd dt option input link meta area base col colgroup wbr html head body"
_INLINE = frozenset(_WITHIN_WORDS.split())
"""Elements that may stand within a word; any other one parts words."""
_MARKUP = _INLINE | frozenset(_ALWAYS_PARTS.split()) | frozenset(_BLOCKS.split())
"""Elements of HTML that are never fields."""
_MAY_STAY_OPEN = frozenset(_ALWAYS_PARTS.split()) | frozenset(_OFTEN_OPEN.split())
_FIELDS = frozenset({"docno", "title", "headline", "text"})
"""Fields that are known without an end tag; an element around one of them only groups."""


def sgml_corpus(path: Path) -> Iterator[Document]:
    """Documents of a file, read as a stream. Raises LeserError with file and line for one that is not closed or has no id."""
    held, inside = "", list[str]()
    held_from, start, attributes, count = 0, 0, "", 0
    for number, line in numbered_lines(path):
        if held:
            number, line, held = held_from, f"{held}\n{line}", ""
        position = 0
        for mark in _DOC.finditer(line):
            if mark[1]:
                if not start:
                    raise bad_line(path, number, "</DOC> without a <DOC> before it")
                inside.append(line[position : mark.start()])
                yield _document(path, start, attributes, "\n".join(inside))
                count, start = count + 1, 0
            else:
                if start:
                    raise bad_line(path, start, f"a <DOC> without </DOC>: the next one begins in line {number}")
                start, attributes, inside = number, mark[2] or "", []
            position = mark.end()
        if start:
            inside.append(line[position:])
        elif _DOC_CUT.search(line, position):  # a tag over two lines
            held, held_from = line[position:], number
    if start:
        raise bad_line(path, start, "a <DOC> without </DOC>: the file ends within it. Is the file complete?")
    if not count:
        raise LeserError(f"{path} holds no <DOC>. A corpus is TREC's SGML, or JSON lines with _id, title and text.")


def _document(path: Path, line: int, attributes: str, text: str) -> Document:
    fields: dict[str, list[str]] = {}
    for name, content in _Elements(text).read():
        if content:
            fields.setdefault(name, []).append(content)
    ids = list(dict.fromkeys(fields.pop("docno", ())))
    if not ids and (named := _ID.search(attributes)):
        ids = [id for id in named.groups() if id and id.strip()]
    if len(ids) > 1:
        raise bad_line(path, line, f"a <DOC> with two <DOCNO>, {ids[0]} and {ids[1]}")
    if not ids:
        raise bad_line(path, line, "a <DOC> without <DOCNO>")
    return Document(ids[0].strip(), {name: " ".join(contents) for name, contents in fields.items()})


class _Elements:
    """One document's text, cut into its fields."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_TOKEN.finditer(text))
        self._ended = {token["name"].lower() for token in self._tokens if token["end"]}
        self._found: list[tuple[str, list[str]]] = [("text", [])]
        self._open = ""
        self._depth = 0
        self._web = False

    def read(self) -> list[tuple[str, str]]:
        """Name and text of every field in order, also of empty ones; text outside of them is called `text`."""
        position = 0
        for number, token in enumerate(self._tokens):
            self._add(self._decoded(self._text[position : token.start()]))
            position = token.end()
            if token["cdata"] is not None:
                self._add(token["cdata"])
            elif token["header"] is not None:
                self._found += [("dochdr", [token["header"]]), (self._open or "text", [])]
                self._web = True
            elif token["name"]:
                self._tag(number, token["name"].lower(), ended=bool(token["end"]))
        self._add(self._decoded(self._text[position:]))
        return [(name, " ".join("".join(pieces).split())) for name, pieces in self._found]

    def _add(self, text: str) -> None:
        self._found[-1][1].append(text)

    def _decoded(self, text: str) -> str:
        return html.unescape(text) if self._web else decoded(text)

    def _tag(self, number: int, name: str, *, ended: bool) -> None:
        written = self._tokens[number][0]
        empty = written.endswith("/>")
        if not (empty or self._is_tag(name) or self._begins_line(number)):
            self._add(written)
            return
        self._web |= name == "html"
        if name == self._open and not empty:
            self._depth += -1 if ended else 1
            if self._depth == 0:
                self._open = ""
                self._found.append(("text", []))
        elif not ended and not empty and self._opens(name, number):
            self._open, self._depth = name, 1
            self._found.append((name, []))
        if name not in _INLINE:
            self._add(" ")

    def _is_tag(self, name: str) -> bool:
        return self._web or name in self._ended or name in _MAY_STAY_OPEN or (name in _FIELDS and self._may_open)

    def _begins_line(self, number: int) -> bool:
        start = self._tokens[number].start()
        return not self._text[self._text.rfind("\n", 0, start) + 1 : start].strip()

    @property
    def _may_open(self) -> bool:
        """Whether a field can begin here: none is open, or one that has no end tag."""
        return not self._open or self._open not in self._ended

    def _opens(self, name: str, number: int) -> bool:
        if self._web:
            return name == "title" and "title" in self._ended and not self._open
        if not self._may_open or name in _MARKUP:
            return False
        return name in _FIELDS or name not in self._ended or not self._groups(name, number)

    def _groups(self, name: str, number: int) -> bool:
        """Whether the element that begins here holds a field of those that are known."""
        depth = 1
        for place in range(number + 1, len(self._tokens)):
            token = self._tokens[place]
            inner = (token["name"] or "").lower()
            if inner == name:
                depth += -1 if token["end"] else 1
                if depth == 0:
                    break
            elif inner in _FIELDS and not token["end"]:
                return True
        return False


def decoded(text: str) -> str:
    """The text with its entities (&amp;, &#8217;, &nbsp;) as the characters they stand for; "AT&T" is none."""
    return _ENTITY.sub(_character, text)


def _character(entity: re.Match[str]) -> str:
    written = entity[0]
    known = _OF_TREC.get(written.lower()) or html.unescape(written)
    return known if known != written else html.unescape(written.lower())  # some collections write them in capitals
