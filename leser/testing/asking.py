"""How the kit's tests ask a backend: every answer's shape is checked, and a refusal or an exception says what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from inspect import getattr_static
from typing import Any, TypeVar

from leser.backend import Backend, Capability, Document, ExpandedQuery, Filter, Ranking, SearchError, Term
from leser.contract.shapes import fault_in_answers, fault_in_documents

OpenBackend = Callable[..., Backend]
Test = TypeVar("Test", bound=Callable[..., None])
Value = TypeVar("Value")
EVERYTHING = "sofa couch shoes trainers jacket chair lamp table bottle mat cup"
"""Words that together find all of the kit's documents."""


def needs(*capabilities: Capability) -> Callable[[Test], Test]:
    """Mark a test as one of these capabilities: it is not collected for a backend that doesn't declare them all."""

    def mark(test: Test) -> Test:
        test.capabilities = capabilities  # type: ignore[attr-defined]
        return test

    return mark


def given(fixture: str) -> Callable[[Test], Test]:
    """Mark a test as one of an optional fixture: it is not collected for a class that doesn't override that fixture."""

    def mark(test: Test) -> Test:
        test.fixture = fixture  # type: ignore[attr-defined]
        return test

    return mark


def takes_documents(test: Test) -> Test:
    """Mark a test as one of backends that are handed their documents: it is not collected for others."""
    test.takes_documents = True  # type: ignore[attr-defined]
    return test


def applies(test: Any, declared: type[Backend], cls: type, kit: type) -> bool:
    """Whether a backend is what a test is for, and the class that inherits the kit overrides the fixture it needs."""
    # whatever else it is has a test of its own
    can = declared.capabilities if isinstance(declared.capabilities, frozenset) else frozenset()
    if any(capability not in can for capability in getattr(test, "capabilities", ())):
        return False
    if getattr(test, "takes_documents", False) and not declared.takes_documents:
        return False
    fixture: str | None = getattr(test, "fixture", None)
    # a fixture read as an attribute is a new object each time
    return fixture is None or getattr_static(cls, fixture) is not getattr_static(kit, fixture)


@contextmanager
def opened(open_backend: OpenBackend, **options: Any) -> Iterator[Backend]:
    """Open a backend with these options, and close it."""
    backend = open_backend(**options)
    try:
        yield backend
    finally:
        backend.close()


def called(name: str, call: Callable[[], Value]) -> Value:
    """What a method returns; an exception fails the test with the method's name."""
    try:
        return call()
    except Exception as error:
        raise AssertionError(f"{name}() raised {type(error).__name__}: {error}") from error


def answers_of(
    backend: Backend, queries: Sequence[ExpandedQuery], k: int = 100, *, total: bool = False
) -> list[Ranking | SearchError]:
    """Answers to one batch, each of the right shape."""
    answers = called("search", lambda: backend.search(queries, k, total=total))
    fault = fault_in_answers(answers, len(queries), k)
    assert not fault, fault
    return answers


def ranking_of(
    backend: Backend, text: str, *terms: Term, filters: tuple[Filter, ...] = (), k: int = 100, total: bool = False
) -> Ranking:
    """The ranking of one query alone; a SearchError fails the test with its message."""
    return ranked(answers_of(backend, [ExpandedQuery("q", text, terms, filters)], k, total=total)[0])


def ids_of(
    backend: Backend, text: str, *terms: Term, filters: tuple[Filter, ...] = (), k: int = 100
) -> tuple[str, ...]:
    """Ids of one search, best first; a SearchError fails the test with its message."""
    return ranking_of(backend, text, *terms, filters=filters, k=k).ids


def ids_together(backend: Backend, texts: Sequence[str], k: int = 100) -> list[tuple[str, ...]]:
    """Ids of each text, searched as one batch."""
    queries = [ExpandedQuery(str(number), text) for number, text in enumerate(texts)]
    return [ranked(answer).ids for answer in answers_of(backend, queries, k)]


def ranked(answer: Ranking | SearchError) -> Ranking:
    """The answer as a ranking; a SearchError fails the test with its message."""
    assert isinstance(answer, Ranking), f"the engine refused the query ({answer.kind}): {answer.message}"
    return answer


def scores_of(ranking: Ranking) -> dict[str, float]:
    """The score of each hit."""
    return {hit.id: hit.score for hit in ranking.hits}


def documents_of(backend: Backend, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
    """Documents fetched, of the right shape."""
    documents = called("fetch", lambda: backend.fetch(ids, fields))
    fault = fault_in_documents(documents, ids, fields)
    assert not fault, fault
    return documents


def refused_at_most(answer: Ranking | SearchError, allowed: set[str], what: object) -> None:
    """A text that is syntax somewhere finds what its words find at most, or is refused as a query."""
    if isinstance(answer, SearchError):
        assert answer.kind == "query", (
            f"{what!r} was answered with a SearchError of kind '{answer.kind}' ({answer.message}): a text that the engine "
            "refuses is of kind 'query'; 'transient' would be searched again and again, 'engine' says that the index is wrong"
        )
        return
    assert set(answer.ids) <= allowed, (
        f"{what!r} finds {sorted(set(answer.ids) - allowed)}, which hold none of its words"
    )
