"""What every adapter of an engine needs, LESER's own and a third party's: options, checks of a query, texts for an index.

    from leser.adapter import IndexOptions, ServerOptions, Refused, check_terms, joined

An adapter of a server inherits its options from `ServerOptions`, one that writes an index from `IndexOptions` as well, so
that every engine has the same options of the same meaning. Where an option of an earlier version had another name, `renamed`
says so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import inf, isfinite
from pathlib import Path
from typing import Any, Generic, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from leser.backend import BackendOptions, Document, FieldWeights, Term, Transient
from leser.characters import well_formed
from leser.errors import LeserError

__all__ = [
    "CONTENTS", "INDEX_ORDER", "KEYWORD_LENGTH", "TRANSIENT_STATUS", "CountedDocuments", "IndexOptions", "Pages", "Refused",
    "ServerOptions", "Transient", "check_address", "check_terms", "filter_values", "joined", "refuse_credentials",
    "unknown_field", "well_formed", "without_joined",
]  # fmt: skip

CONTENTS = "contents"
"""The field that joins others (option `contents`), and that is searched where no option says otherwise."""
INDEX_ORDER = "index"
"""Value of option `ties`: hits of one score in the order in which the index has them."""
KEYWORD_LENGTH = 256
"""Longest text, in characters, that a filter compares as a string."""
TRANSIENT_STATUS = frozenset({408, 429, 502, 503, 504})
"""HTTP statuses after which the same request may succeed a moment later."""


PageStart = TypeVar("PageStart")


class Refused(Exception):
    """A query that is not sent to the engine; the message says why, for a SearchError of kind "query"."""


class ServerOptions(BackendOptions):
    """Options of every engine that is a server: what is searched, how it is reached, how one logs in."""

    fields: FieldWeights | None = Field(
        None,
        description="fields to search and their weights, e.g. title^3,text; default: contents, or the fields that the "
        "template searches",
    )
    template: Path | None = Field(
        None,
        description="JSON file with a query of your own: $query stands for the user's text, $expansions (if given) for "
        "the place of the expansions",
    )
    ties: str | None = Field(
        None,
        min_length=1,
        description=f"what orders hits of one score: the name of a sortable field, or {INDEX_ORDER} for the order in which "
        "the index has them (faster; may differ between replicas)",
    )
    timeout: float = Field(30.0, gt=0, description="seconds to wait for the answer to one request")
    user: str | None = Field(None, description="user name for basic authentication; needs password_env")
    password_env: str | None = Field(None, description="environment variable that holds the user's password")
    token_env: str | None = Field(None, description="environment variable that holds a bearer token")
    ca_file: Path | None = Field(None, description="certificates (PEM) of the authority that signed the server's")
    verify: bool = Field(True, description="check the server's certificate; false is for tests only")

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        ways = [name for name in ("api_key_env", "token_env", "user") if getattr(self, name, None) is not None]
        if len(ways) > 1:
            raise ValueError(f"give one way to log in, not {' and '.join(ways)}")
        if (self.user is None) != (self.password_env is None):
            raise ValueError("user and password_env belong together")
        return self


class IndexOptions(BackendOptions):
    """Options of every engine that `leser index` can write an index for."""

    contents: tuple[str, ...] = Field(
        ("title", "text"), description="when indexing: fields joined, with a space between, into the field 'contents'"
    )
    k1: float = Field(0.9, ge=0, description="BM25's saturation of term frequency; of a server, when indexing")
    b: float = Field(0.4, ge=0, le=1, description="BM25's share of length normalisation; of a server, when indexing")
    existing: Literal["refuse", "recreate", "append"] = Field(
        "refuse", description="what `leser index` does with an index that is already there"
    )


def refuse_credentials(value: Any, backend: str) -> None:
    """Raise LeserError where an address, or one of a list, holds a user or password.

    To be called before anything reads the value as an address: a password may hold any sign, and later errors repeat the value.
    """
    for one in value if isinstance(value, list | tuple) else [value]:
        if isinstance(one, str) and "@" in one:
            # not a ValueError: pydantic's report would repeat the address, and the password with it
            raise LeserError(
                f"Option url of backend '{backend}' has an @ in it, as addresses with credentials have, which would end up in "
                "config.toml and logs. Give the address alone, with -o user=NAME and -o password_env=VARIABLE."
            )


def check_address(url: str, example: str) -> None:
    """Raise ValueError, for pydantic, unless `url` is an address of http or https with a host."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"expected an address like {example}")


def check_terms(terms: Iterable[Term], most: float = inf) -> None:
    """Raise Refused for the first term whose weight is not a number from 0 to `most`."""
    for term in terms:
        if not isfinite(term.weight) or not 0 <= term.weight <= most:
            raise Refused(f"Weight {term.weight:g} of the term {term.text!r}: give a number of 0 or more.")


def unknown_field(name: str, available: Sequence[str], purpose: Literal["search", "filter by"] = "search") -> Refused:
    """The refusal of a query that names a field which the index cannot search, or filter by."""
    return Refused(f"No field '{name}' to {purpose}. Available: {', '.join(available) or 'none'}.")


def joined(fields: Mapping[str, str], contents: Iterable[str]) -> str:
    """The text of the field 'contents': a document's own, or else the fields that option `contents` names, by spaces."""
    return fields.get(CONTENTS) or " ".join(fields[name] for name in contents if fields.get(name))


def without_joined(fields: Mapping[str, str], contents: Iterable[str]) -> dict[str, str]:
    """The fields without 'contents', where that only joins others as an index of `leser index` has it."""
    own = {name: text for name, text in fields.items() if name != CONTENTS}
    return own if fields.get(CONTENTS) == joined(own, contents) else dict(fields)


def filter_values(text: str) -> tuple[str | None, float | None]:
    """What a stored text is to a filter: the string itself, unless it is longer than 256 characters, and its number if any."""
    try:
        number: float | None = float(text)
    except ValueError:
        number = None
    if number is not None and not isfinite(number):
        number = None
    return text if len(text) <= KEYWORD_LENGTH else None, number


class CountedDocuments:
    """Documents on their way into an index, counted by their ids: of several with one id an index keeps the last.

    `lines` is how many came, `distinct` how many different ids they had, `repeated` one that came again.
    """

    def __init__(self, documents: Iterable[Document]) -> None:
        self._documents = documents
        self._ids: set[str] = set()
        self.lines = 0
        self.repeated: str | None = None

    @classmethod
    def of(cls, documents: Iterable[Document]) -> CountedDocuments:
        """The documents, counted; as they are where they are counted already."""
        return documents if isinstance(documents, cls) else cls(documents)

    def __iter__(self) -> Iterator[Document]:
        for document in self._documents:
            if document.id in self._ids:
                self.repeated = self.repeated or document.id
            self._ids.add(document.id)
            self.lines += 1
            yield document

    @property
    def distinct(self) -> int:
        """How many documents an index of them holds."""
        return len(self._ids)


class Pages(Iterator[Document], Generic[PageStart]):
    """All documents of an index, read page by page (Backend.documents); after an exception the same page is asked for again.

    `read` takes the place where a page begins, None for the first, and returns its documents and the place of the next
    page, None after the last. `finish` is called once, when all is read or by `close`.
    """

    def __init__(
        self,
        read: Callable[[PageStart | None], tuple[Iterable[Document], PageStart | None]],
        finish: Callable[[], None] | None = None,
    ) -> None:
        self._read, self._finish = read, finish
        self._page: deque[Document] = deque()
        self._place: PageStart | None = None
        self._ended = False

    def __next__(self) -> Document:
        while not self._page:
            if self._ended:
                self.close()
                raise StopIteration
            documents, place = self._read(self._place)
            self._page.extend(documents)
            self._place, self._ended = place, place is None
        return self._page.popleft()

    def close(self) -> None:
        """End the reading; calling it twice is fine."""
        self._ended = True
        self._page.clear()
        finish, self._finish = self._finish, None
        if finish is not None:
            finish()
