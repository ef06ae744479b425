"""The part of BackendContract that all else rests on: declaring, opening, the shape of answers, ranking, documents.

Its tests come first, so that the first failure of a backend names its cause.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from leser.backend import Backend, BackendOptions, ExpandedQuery, Ranking
from leser.contract.shapes import fault_in_capabilities, fault_in_facts, fault_in_fingerprint
from leser.testing.asking import (
    EVERYTHING,
    OpenBackend,
    answers_of,
    called,
    documents_of,
    ids_of,
    ids_together,
    opened,
    ranking_of,
    scores_of,
)
from leser.testing.documents import DOCUMENTS

TIED = "trail jacket desk yoga cup"
"""A word each of five documents that are as long as each other, in all their fields: where words are counted, five scores tie."""
CONNECTIONS = frozenset({"socket.connect", "socket.getaddrinfo", "sqlite3.connect", "subprocess.Popen"})
MACHINE = (sys.prefix, sys.base_prefix, "/etc/", "/dev/", "/proc/", "/sys/", "/usr/")
METHODS = ("search", "fetch", "check", "fingerprint", "index", "load", "analyze", "doc_freq", "documents")


class BasicCases:
    """Tests of what every backend does."""

    backend: ClassVar[type[Backend]]

    def test_capabilities_are_known(self) -> None:
        """If this fails, check `capabilities` of the class: tests of what it doesn't declare are not collected."""
        fault = fault_in_capabilities(self.backend.capabilities)
        assert not fault, fault

    def test_opens_lazily(self, open_backend: OpenBackend, monkeypatch: pytest.MonkeyPatch) -> None:
        """If this fails, check that __init__ only keeps its options: connections are made by the process that searches."""
        with _watched(self.backend, monkeypatch) as seen:
            backend = called("__init__", open_backend)
        called("close", backend.close)
        assert not seen, f"__init__ did what only a call may do: {', '.join(seen)}"

    def test_is_declared(self, engine: Backend) -> None:
        """If this fails, check name, api, Options and docstring of the class, and that `backend` names that class."""
        assert type(engine) is self.backend
        assert isinstance(engine.name, str)
        assert engine.name
        assert engine.name.isprintable()
        assert " " not in engine.name
        assert engine.api == 1
        assert engine.__doc__, "its first line is what `leser plugins` shows"
        assert issubclass(engine.Options, BackendOptions)
        assert isinstance(engine.options, BackendOptions), "call super().__init__(options) in __init__"
        assert engine.options.match == "widen", "the default of option match"

    def test_check_reports_facts(self, engine: Backend) -> None:
        """If this fails, check that check() returns plain facts, with the number of documents the index holds."""
        facts = called("check", engine.check)
        fault = fault_in_facts(facts)
        assert not fault, fault
        assert facts.get("documents") == len(DOCUMENTS), (
            f"'documents' of check(), of {len(DOCUMENTS)} that were indexed"
        )

    def test_a_search_is_answered(self, engine: Backend) -> None:
        """If this fails, check what search() returns: a list with a Ranking of Hit(id, score) for each query."""
        (answer,) = answers_of(engine, [ExpandedQuery("q", "sofa")], 10)
        assert isinstance(answer, Ranking), f"the engine refused 'sofa': {answer.message}"
        assert answer.ids == ("d01",), "it is the one document that holds the word, by the id it was indexed with"

    def test_closed_twice(self, open_backend: OpenBackend) -> None:
        """If this fails, check that close() may be called again, and on a backend that was never used."""
        for used in (False, True):
            backend = open_backend()
            if used:
                answers_of(backend, [ExpandedQuery("q", "sofa")], 1)
            for _ in range(2):
                called("close", backend.close)

    def test_hits_are_well_formed(self, engine: Backend) -> None:
        """If this fails, check that any of the words is enough, and that hits come once each, the best first."""
        assert set(ids_of(engine, "couch lamp trainers mat")) == {"d01", "d02", "d03", "d04", "d07", "d08", "d11"}
        assert set(ids_of(engine, EVERYTHING)) == {document.id for document in DOCUMENTS}
        first, *_ = ids_of(engine, "couch reading lamp clip battery")
        assert first == "d08", "the document that holds most of the words comes first"

    def test_answers_keep_the_order(self, engine: Backend) -> None:
        """If this fails, check that answers are matched to queries by their place, not by their id or arrival."""
        words = {"sofa": ("d01",), "jacket": ("d05",), "settee": (), "yoga": ("d11",), "bottle": ("d10",)}
        queries = [ExpandedQuery("same-id", word) for word in words for _ in range(3)]
        answers = answers_of(engine, queries, 10)
        for query, answer in zip(queries, answers, strict=True):
            assert isinstance(answer, Ranking), f"the engine refused {query.text!r}: {answer.message}"
            assert answer.ids == words[query.text], f"the answer in the place of {query.text!r}"

    def test_empty_batch(self, engine: Backend) -> None:
        """If this fails, check that a batch of no queries is answered without asking the engine."""
        assert answers_of(engine, [], 10) == []

    @pytest.mark.parametrize("k", [1, 2, 3, 7, 1000])
    def test_at_most_k(self, engine: Backend, k: int) -> None:
        """If this fails, check that k goes to the engine, and that the best hits do not depend on k."""
        for text in ("couch lamp trainers mat", TIED, EVERYTHING):
            assert ids_of(engine, text, k=k) == ids_of(engine, text)[:k], text

    def test_ties_keep_their_order(self, open_backend: OpenBackend) -> None:
        """If this fails, check ties: equal scores need a fixed second order, such as the document's number or id."""
        with opened(open_backend) as engine, opened(open_backend) as another:
            first = ids_of(engine, TIED)
            assert set(first) == {"d04", "d05", "d07", "d11", "d12"}
            for _ in range(10):
                assert ids_of(engine, TIED) == first, "the same search, again"
            assert ids_together(engine, ["lamp", TIED, "sofa", *[TIED] * 5])[3:] == [first] * 5, "in one batch"
            assert ids_of(another, TIED) == first, "from a backend opened anew"

    def test_same_call_twice(self, engine: Backend) -> None:
        """If this fails, check what a search leaves behind: the same one again gives the same scores, and its arguments stay."""
        queries = [ExpandedQuery(str(n), text) for n, text in enumerate(["couch", "lamp", "velocity trainers light"])]
        given = list(queries)
        first = answers_of(engine, queries, 10)
        assert queries == given, "the list of queries was changed"
        for _ in range(3):
            for one, other in zip(first, answers_of(engine, tuple(queries), 10), strict=True):
                assert isinstance(one, Ranking)
                assert isinstance(other, Ranking)
                assert one.ids == other.ids
                assert scores_of(one) == pytest.approx(scores_of(other), rel=1e-6)

    def test_fingerprint(self, open_backend: OpenBackend) -> None:
        """If this fails, check fingerprint(), a key of cached answers: it changes with options and index, and only then."""
        with opened(open_backend) as engine, opened(open_backend, match="rerank") as other:
            fault = fault_in_fingerprint(called("fingerprint", engine.fingerprint))
            assert not fault, fault
            answers_of(engine, [ExpandedQuery("q", "sofa")], 1)
            assert engine.fingerprint() == engine.fingerprint(), "it changed though nothing else did"
            assert engine.fingerprint() != other.fingerprint(), "it is the same for match=widen and match=rerank"

    def test_fetch(self, engine: Backend) -> None:
        """If this fails, check that texts come back whole and as stored, unknown ids are absent and unknown fields left out."""
        fields = ("title", "brand")
        documents = documents_of(engine, ["d12", "nowhere", "d01", "d12"], [*fields, "no_such_field"])
        assert set(documents) == {"d01", "d12"}
        for document in (d for d in DOCUMENTS if d.id in documents):
            stored = {name: document.fields[name] for name in fields}
            assert dict(documents[document.id].fields) == stored, document.id

    def test_fetch_all(self, engine: Backend) -> None:
        """If this fails, check that numbers are given as the texts they were, long texts to their end, and every field."""
        fields = ("title", "text", "brand", "price")
        documents = documents_of(engine, [document.id for document in DOCUMENTS], fields)
        for document in DOCUMENTS:
            assert document.id in documents, f"{document.id} was indexed, but is not fetched"
            for name in fields:
                stored = document.fields[name]
                text = documents[document.id].fields.get(name)
                assert text == stored, f"{name} of {document.id}: {_shown(text)} in place of {_shown(stored)}"
        assert set(documents_of(engine, ["d02"], [])) == {"d02"}, "a known id without fields is known all the same"

    def test_fetch_nothing(self, engine: Backend) -> None:
        """If this fails, check that an empty list of ids is answered without asking the engine."""
        assert documents_of(engine, [], ["title"]) == {}

    def test_fetch_unknown(self, engine: Backend) -> None:
        """If this fails, check that ids nobody knows are left out, not raised for, and not filled in."""
        assert documents_of(engine, ["nowhere", "d99"], ["title"]) == {}
        assert dict(documents_of(engine, ["d01"], ["no_such_field"])["d01"].fields) == {}

    def test_long_texts_are_found(self, engine: Backend) -> None:
        """If this fails, check that the index holds long texts to their last word."""
        assert ids_of(engine, "trivet") == ("d09",)

    def test_total_can_be_asked_for(self, engine: Backend) -> None:
        """If this fails, check that search() takes `total`, a keyword; without the capability "total" None is an answer."""
        for total in (False, True):
            found = ranking_of(engine, "couch lamp", k=2, total=total)
            assert found.total is None or found.total == 4 or not found.total_exact, "total counts all matches"
            assert len(found.hits) == 2


def _shown(text: str | None) -> str:
    return (
        repr(text) if text is None or len(text) < 80 else f"{text[:40]!r} ... {text[-20:]!r} ({len(text)} characters)"
    )


_watching: list[list[str]] = []


@contextmanager
def _watched(cls: type[Backend], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What instances of a class do while they are made: connections, and calls of their own methods."""
    seen: list[str] = []
    made = cls.__init__

    def watched(self: Backend, *arguments: Any, **options: Any) -> None:
        _watching.append(seen)
        with monkeypatch.context() as inside:
            for name in METHODS:
                inside.setattr(cls, name, _recorded(getattr(cls, name), name, seen))
            try:
                made(self, *arguments, **options)
            finally:
                _watching.remove(seen)

    with monkeypatch.context() as patched:
        patched.setattr(cls, "__init__", watched)
        yield seen


def _recorded(method: Any, name: str, seen: list[str]) -> Any:
    def recorded(*arguments: Any, **options: Any) -> Any:
        seen.append(f"{name}()")
        return method(*arguments, **options)

    return recorded


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and (event in CONNECTIONS or (event == "open" and _is_data(arguments[0]))):
        for seen in _watching:
            seen.append(event if event in CONNECTIONS else f"open({str(arguments[0])!r})")


def _is_data(path: object) -> bool:
    """Whether a file is none of Python's own or of the machine's, which imports and clients read."""
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else ""
    return bool(text) and not text.endswith((".py", ".pyc", ".so", ".jar")) and not text.startswith(MACHINE)


sys.addaudithook(_audit)  # stays for good, so it only looks while something is watched
