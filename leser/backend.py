"""Backend: what a search engine must offer, and the plain values that go to it and come back.

A third party's backend is one module and one entry-point line:

    # my_engine.py
    from leser.backend import Backend, BackendOptions, ExpandedQuery, Ranking, SearchError
    from leser.hooks import hookimpl

    class MyEngine(Backend):
        \"\"\"My engine, over its HTTP API.\"\"\"
        name = "my-engine"
        capabilities = frozenset({"term_weights"})

        class Options(BackendOptions):
            url: str = "http://localhost:7700"

        def search(self, queries, k, *, total=False): ...
        def fetch(self, ids, fields): ...

    @hookimpl
    def leser_backends():
        return [MyEngine]

    # pyproject.toml
    [project.entry-points.leser]
    my_engine = "my_engine"

Without packaging, the same file works as `--plugin my_engine.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from leser.characters import well_formed
from leser.errors import LeserError
from leser.options import Options

Capability = Literal[
    "index", "analyze", "doc_freq", "documents", "term_weights", "fields", "phrases", "filters", "total", "vectors"
]


@dataclass(frozen=True, slots=True)
class Term:
    """One weighted clause beside the original query; weight 1 counts as much as the same words in the original.

    `text` is data, never query syntax. `match`: "any" of its words, "all" of them, or the "phrase". `negate` excludes
    what matches. A weight of 0 does nothing at all: it neither scores nor matches.
    """

    text: str
    weight: float = 1.0
    field: str | None = None
    match: Literal["any", "all", "phrase"] = "any"
    negate: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition every hit must meet; `value` is a number, a string, or a tuple of them for `in`.

    Lone surrogates in it become U+FFFD.
    """

    field: str
    op: Literal["eq", "in", "lt", "lte", "gt", "gte"]
    value: str | float | tuple[str | float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", well_formed(self.value))


@dataclass(frozen=True, slots=True)
class ExpandedQuery:
    """The user's query, untouched, with the clauses added to it."""

    id: str
    text: str
    terms: tuple[Term, ...] = ()
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """A document's id and the score its engine gave it."""

    id: str
    score: float


_ID_OF = attrgetter("id")


@dataclass(frozen=True, slots=True)
class Ranking:
    """Hits in the engine's order; `total` matches when they were asked for (a lower bound unless `total_exact`)."""

    hits: tuple[Hit, ...]
    total: int | None = None
    total_exact: bool = True
    took_ms: float | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """The hits' ids, best first."""
        return tuple(map(_ID_OF, self.hits))

    def top(self, k: int, without: frozenset[str] = frozenset()) -> list[str]:
        """The first k different ids; what a measure at k reads, for a fraction of the price of all ids.

        Documents `without` are as if they were not there (Outcome.withheld).
        """
        if without:
            return [id for id in dict.fromkeys(map(_ID_OF, self.hits)) if id not in without][:k]
        first = dict.fromkeys(map(_ID_OF, self.hits[:k]))
        if len(first) < k < len(self.hits):  # a document was given twice
            first = dict.fromkeys(map(_ID_OF, self.hits))
        return list(first)[:k]


@dataclass(frozen=True, slots=True)
class SearchError:
    """One query's failure, as a value: it never ends a step and is never a score.

    `kind`: "transient" (worth a retry: timeouts, 429, 503), "query" (the engine refuses this query), "engine" (the engine
    or index is wrong: no retry helps).
    """

    message: str
    kind: Literal["transient", "query", "engine"] = "engine"


class Transient(Exception):
    """Raised by a backend's method for what may pass: a timeout, a lost connection, a server that is still starting.

    `fetch`, `analyze`, `doc_freq`, `documents` and `fingerprint` are called again until `search.retries` or `search.deadline`
    ends it; out of `search` it fails each query of the batch with kind "transient", as SearchError does for one; out of `check`,
    `index` and `load`, which are called once, the command ends with exit code 75 and this message. A client's own exceptions
    may be left as they are: what is neither this nor a LeserError is called again too, outside `search`.
    """


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document: its id and the text of the fields that were asked for. Lone surrogates become U+FFFD."""

    id: str
    fields: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", well_formed(self.id))
        object.__setattr__(self, "fields", well_formed(self.fields))


@dataclass(frozen=True, slots=True)
class SynonymRule:
    """A search-time synonym of an export: the words `left` are replaced by all of `right`, which holds `left` again.

    `line` is the rule in Solr's format (`couch => couch, sofa`), signs of its syntax escaped; `id` stays as long as the query
    does. There are no weights.
    """

    id: str
    left: str
    right: tuple[str, ...]
    line: str

    def __str__(self) -> str:
        return self.line


def _read_field_weights(value: Any) -> Any:
    """On the command line field weights are written as engines write them: `title^3,text`."""
    if not isinstance(value, str):
        return value
    pairs = (part.partition("^") for part in value.replace(",", " ").split())
    return {name: weight if mark else 1.0 for name, mark, weight in pairs}


FieldWeights = Annotated[
    dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]],
    BeforeValidator(_read_field_weights),
    Field(min_length=1),
]
"""Fields to search and their weights, as a table or as `title^3,text`."""


class BackendOptions(Options):
    """Options every backend shares."""

    match: Literal["widen", "rerank"] = Field(
        "widen",
        description="widen: a document matches if the original or an expansion matches; "
        "rerank: the original decides what matches, expansions only what comes first",
    )


class Backend(ABC):
    """A search engine. Built once from validated options; connects lazily, in the process that uses it.

    `capabilities` is declared on the class and checked at start-up, so nothing is found out by a stack trace in training.
    """

    name: ClassVar[str]
    api: ClassVar[int] = 1
    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    takes_documents: ClassVar[bool] = False
    """True for an in-process engine that needs no index of its own: the runner hands it the task's documents (`load`)."""

    class Options(BackendOptions):
        """Options of this backend."""

    def __init__(self, options: BackendOptions) -> None:
        self.options = options

    @abstractmethod
    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> list[Ranking | SearchError]:
        """Search a whole batch; the answers keep the queries' order, one each, at most `k` hits, scores not increasing."""

    @abstractmethod
    def fetch(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
        """Stored text of `fields` for each known id; an unknown id is absent, an unknown field is left out."""

    def close(self) -> None:  # noqa: B027 - optional for backends that hold nothing
        """Release connections; calling it twice is fine."""

    def check(self) -> dict[str, Any]:
        """Connect and return facts for start-up (documents, fields, version); raises LeserError saying what to do."""
        return {}

    def fingerprint(self) -> str:
        """A string that changes when the index or its scoring changes; part of the cache key of searches."""
        return f"{self.name} {self.options.model_dump_json()}"

    def index(self, documents: Iterable[Document]) -> int:
        """Create the index and store `documents`; returns their number. Capability "index"; only `leser index` calls it."""
        raise NotImplementedError(f"{self.name} does not declare the capability 'index'")

    def documents(self) -> Iterator[Document]:
        """Every document of the index once, with all its stored texts as `fetch` gives them. Capability "documents".

        Only `leser corpus` calls it. Where the iterator raises Transient, the same one is asked again for the document that
        it owes: `leser.adapter.Pages` can go on then. A generator cannot, so its first failure ends the reading.
        """
        raise NotImplementedError(f"{self.name} does not declare the capability 'documents'")

    def load(self, documents: Iterable[Document]) -> None:
        """Hold these documents from now on. Only where the class says `takes_documents`."""
        raise NotImplementedError(f"{self.name} does not take documents in process")

    def analyze(self, texts: Sequence[str], field: str | None = None) -> list[list[str]]:
        """Index terms the engine makes of each text. Capability "analyze"."""
        raise NotImplementedError(f"{self.name} does not declare the capability 'analyze'")

    def request(self, query: ExpandedQuery, k: int) -> dict[str, Any] | None:  # noqa: ARG002 - for backends that have one
        """What is sent for one query, as JSON holds it, for shops that search without LESER; None where nothing is sent.

        Raises LeserError for a query that cannot be sent.
        """
        return None

    def put_synonyms(self, name: str, rules: Sequence[SynonymRule]) -> str:  # noqa: ARG002 - for backends that have them
        """Put an export's synonyms under a name into the engine's own API, in place of all that the name held before.

        Returns what was done, in words. Optional; raises LeserError where the engine has no such API or does not take them.
        """
        raise LeserError(
            f"The backend '{self.name}' has no API that takes synonyms. Export without --load, and give the server the files."
        )

    def doc_freq(self, terms: Sequence[str], field: str | None = None) -> list[int]:
        """Number of documents that hold each analysed term. Capability "doc_freq"."""
        raise NotImplementedError(f"{self.name} does not declare the capability 'doc_freq'")
