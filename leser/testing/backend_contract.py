"""BackendContract: what every backend must hold to, as tests an author inherits.

    import pytest
    from leser.testing import DOCUMENTS, BackendContract

    class TestMyEngine(BackendContract):
        backend = MyEngine

        @pytest.fixture
        def open_backend(self):
            index_into_my_engine(DOCUMENTS)              # title and text searched, brand and price filterable
            return lambda **options: MyEngine(MyEngine.Options(url=..., **options))

`backend` says which class is tested: tests of a capability it doesn't declare are not collected. Two more fixtures may be
overridden, `open_filtered` and `open_missing` (leser.testing.backend_optional); without them their tests are not collected.
A test that is known to fail is overridden with `@pytest.mark.xfail(reason=...)`; one overridden or deleted without a reason
fails the kit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from inspect import getattr_static
from typing import Any, ClassVar

import pytest

from leser.backend import Backend, Capability, ExpandedQuery, Ranking, SearchError
from leser.expansion import Expansion, ExpansionOptions
from leser.search import SearchClient
from leser.testing.backend_expansion import ExpansionCases
from leser.testing.backend_hostile import HostileCases
from leser.testing.backend_optional import FilteredCases, MissingCases
from leser.testing.documents import DOCUMENTS

OpenBackend = Callable[..., Backend]


def found(answer: Ranking | SearchError) -> set[str]:
    """Ids of a ranking; a SearchError fails the test with its message."""
    assert isinstance(answer, Ranking), f"the engine refused the query: {answer.message}"
    return set(answer.ids)


class BackendContract(ExpansionCases, HostileCases, FilteredCases, MissingCases):
    """The contract of `leser.backend.Backend`; each test says where to look if it fails."""

    backend: ClassVar[type[Backend]]
    _overridden: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        kit = {name: test for name, test in vars_of(BackendContract).items() if name.startswith("test_")}
        cls._overridden = (
            *cls._overridden,
            *(name for name in vars(cls) if name in kit and not _has_reason(cls, name)),
        )
        declared = getattr(cls, "backend", None)
        for name, test in kit.items():
            if not declared or name in vars(cls):
                continue
            if not _applies(cls, declared, test):
                setattr(cls, name, None)  # pytest collects what can be called
            elif getattr(cls, name) is None and name not in cls._overridden:
                setattr(cls, name, test)  # a parent class lacked the fixture

    @pytest.fixture
    def open_backend(self) -> OpenBackend:
        """A callable that opens a backend with the given options; it holds `leser.testing.DOCUMENTS` and nothing else."""
        raise NotImplementedError("override the fixture open_backend: return lambda **options: MyEngine(...)")

    @pytest.fixture
    def engine(self, open_backend: OpenBackend) -> Iterator[Backend]:
        """An open backend with default options."""
        backend = open_backend()
        yield backend
        backend.close()

    def test_no_overrides(self) -> None:
        """If this fails, check that your class overrides no test of the kit, or gives `pytest.mark.xfail(reason=...)`."""
        assert self._overridden == (), f"overridden or deleted without a reason: {', '.join(self._overridden)}"

    def test_is_declared(self, engine: Backend) -> None:
        """If this fails, check name, api, capabilities and docstring of the class, and that `backend` names that class."""
        assert type(engine) is self.backend
        assert engine.name
        assert engine.name.isprintable()
        assert " " not in engine.name
        assert engine.api == 1
        assert engine.__doc__, "its first line is what `leser plugins` shows"
        assert engine.options.match == "widen", "the default of option match"

    def test_opens_lazily(self, open_backend: OpenBackend) -> None:
        """If this fails, check that __init__ only keeps its options: connections are made by the process that searches."""
        open_backend().close()

    def test_answers_keep_the_order(self, engine: Backend) -> None:
        """If this fails, check that answers are matched to queries by their place, not by their id or arrival."""
        words = {"sofa": "d01", "jacket": "d05", "settee": None, "yoga": "d11", "bottle": "d10"}
        queries = [ExpandedQuery("same-id", word) for word in words for _ in range(3)]
        answers = engine.search(queries, 10)
        assert len(answers) == len(queries)
        for query, answer in zip(queries, answers, strict=True):
            expected = words[query.text]
            assert found(answer) == ({expected} if expected else set())

    def test_empty_batch(self, engine: Backend) -> None:
        """If this fails, check that a batch of no queries is answered without asking the engine."""
        assert engine.search([], 10) == []

    def test_hits_are_well_formed(self, engine: Backend) -> None:
        """If this fails, check that ids are the documents' own, as str, each once, and scores are never rising floats."""
        (answer,) = engine.search([ExpandedQuery("q", "couch lamp trainers mat")], 100)
        assert isinstance(answer, Ranking)
        assert found(answer) == {"d01", "d02", "d03", "d04", "d07", "d08", "d11"}
        assert all(type(id) is str for id in answer.ids)
        assert len(set(answer.ids)) == len(answer.ids)
        scores = [hit.score for hit in answer.hits]
        assert all(type(score) is float for score in scores)
        assert scores == sorted(scores, reverse=True)

    @pytest.mark.parametrize("k", [1, 2, 7, 1000])
    def test_at_most_k(self, engine: Backend, k: int) -> None:
        """If this fails, check that k goes to the engine, and that the best hits do not depend on k."""
        query = ExpandedQuery("q", "couch lamp trainers mat")
        deep, cut = engine.search([query], 100)[0], engine.search([query], k)[0]
        assert isinstance(deep, Ranking)
        assert isinstance(cut, Ranking)
        assert cut.ids == deep.ids[:k]

    @pytest.mark.parametrize("text", ["", "   ", "the of", "?!", "settee", "zzqx zzqy"])
    def test_nothing_to_find(self, engine: Backend, text: str) -> None:
        """If this fails, check that a text without a known word finds nothing: neither an error nor everything."""
        assert found(engine.search([ExpandedQuery("q", text)], 10)[0]) == set()

    def test_case_and_punctuation_do_not_matter(self, engine: Backend) -> None:
        """If this fails, check that the user's text is analysed as the field it is searched in."""
        assert found(engine.search([ExpandedQuery("q", "LEATHER, sofa!")], 1)[0]) == {"d01"}

    def test_text_beyond_ascii(self, engine: Backend) -> None:
        """If this fails, check the encoding between Python and the engine."""
        assert found(engine.search([ExpandedQuery("q", "café zürich")], 10)[0]) == {"d12"}

    def test_batch_equals_one_by_one(self, engine: Backend) -> None:
        """If this fails, check that queries of one batch share no state, such as parameters or a builder."""
        queries = [ExpandedQuery(str(n), text) for n, text in enumerate(["couch", "", "lamp reading", "settee", "mat"])]
        together = [found_in_order(answer) for answer in engine.search(queries, 5)]
        assert together == [found_in_order(engine.search([query], 5)[0]) for query in queries]

    def test_same_call_twice(self, engine: Backend) -> None:
        """If this fails, check ties: equal scores need a fixed second order, such as the document's number."""
        queries = [ExpandedQuery(str(n), text) for n, text in enumerate(["couch", "lamp", "velocity trainers light"])]
        first = [found_in_order(answer) for answer in engine.search(queries, 10)]
        assert first == [found_in_order(answer) for answer in engine.search(queries, 10)]
        assert engine.fingerprint() == engine.fingerprint(), "it is a cache key: it changes only with the index"

    def test_two_threads_at_once(self, engine: Backend) -> None:
        """If this fails, check what searches share: a client, a builder or a cache that is not safe between threads."""
        queries = [
            ExpandedQuery(str(n), text) for n, text in enumerate(["couch", "lamp", "trainers", "mat", "settee"] * 4)
        ]
        expected = [found_in_order(answer) for answer in engine.search(queries, 5)]
        with ThreadPoolExecutor(2) as threads:
            for answers in threads.map(lambda _: engine.search(queries, 5), range(8)):
                assert [found_in_order(answer) for answer in answers] == expected

    @pytest.mark.parametrize("match", ["widen", "rerank"])
    def test_fusing_rescues(self, open_backend: OpenBackend, match: str) -> None:
        """If this fails, check that a plain search of an expansion finds what the same words find as a query."""
        with SearchClient(open_backend(match=match)) as client:
            request = ExpandedQuery("q", "settee"), (Expansion("couch"), Expansion("zzqx"))
            (result,) = client.search_expansions([request], 10, options=ExpansionOptions(mode="fuse"))
            assert found(result.ranking) == ({"d01", "d02"} if match == "widen" else set())

    def test_fetch(self, engine: Backend) -> None:
        """If this fails, check that texts come back as stored, unknown ids are absent and unknown fields left out."""
        documents = engine.fetch(["d12", "nowhere", "d01", "d12"], ["title", "brand", "no_such_field"])
        assert set(documents) == {"d01", "d12"}
        for id, document in documents.items():
            stored = next(one for one in DOCUMENTS if one.id == id)
            assert document.id == id
            assert dict(document.fields) == {name: stored.fields[name] for name in ("title", "brand")}

    def test_fetch_nothing(self, engine: Backend) -> None:
        """If this fails, check that an empty list of ids is answered without asking the engine."""
        assert engine.fetch([], ["title"]) == {}

    def test_closed_twice(self, open_backend: OpenBackend) -> None:
        """If this fails, check that close() may be called again, and on a backend that was never used."""
        backend = open_backend()
        backend.search([ExpandedQuery("q", "sofa")], 1)
        backend.close()
        backend.close()

    def test_check_reports_facts(self, engine: Backend) -> None:
        """If this fails, check that check() returns plain facts, with the number of documents the index holds."""
        assert engine.check()["documents"] == len(DOCUMENTS)


def found_in_order(answer: Ranking | SearchError) -> tuple[str, ...]:
    """Ids of a ranking, best first; a SearchError fails the test with its message."""
    assert isinstance(answer, Ranking), f"the engine refused the query: {answer.message}"
    return answer.ids


def vars_of(cls: type) -> dict[str, Any]:
    """All attributes of a class, inherited ones included."""
    return {name: getattr(cls, name) for name in dir(cls)}


def _applies(cls: type[BackendContract], declared: type[Backend], test: Any) -> bool:
    """Whether the backend declares the capability a test is of, and the class overrides the fixture it needs."""
    capability: Capability | None = getattr(test, "capability", None)
    fixture: str | None = getattr(test, "fixture", None)
    if capability is not None and capability not in declared.capabilities:
        return False
    # a fixture read as an attribute is a new object each time
    return fixture is None or getattr_static(cls, fixture) is not getattr_static(BackendContract, fixture)


def _has_reason(cls: type, name: str) -> bool:
    marks = getattr(vars(cls)[name], "pytestmark", [])
    return any(mark.name == "xfail" and mark.kwargs.get("reason") for mark in marks)
