"""Both built-in engines hold to the backend contract, and the kit notices what does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from leser_memory import MemoryBackend
from leser_pyserini import PyseriniBackend

from leser.backend import Backend, ExpandedQuery, Filter, Ranking, SearchError
from leser.testing import DOCUMENTS, BackendContract, RewardContract


class Nordhem(MemoryBackend):
    """The memory backend as an engine whose own query keeps to one brand."""

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> list[Ranking | SearchError]:
        own = Filter("brand", "eq", "Nordhem")
        return super().search([replace(query, filters=(*query.filters, own)) for query in queries], k, total=total)


class TestMemory(BackendContract):
    backend = MemoryBackend

    @pytest.fixture
    def open_backend(self) -> Callable[..., Backend]:
        return partial(MemoryBackend.of, DOCUMENTS)

    @pytest.fixture
    def open_filtered(self) -> Callable[..., Backend]:
        return partial(Nordhem.of, DOCUMENTS)

    @pytest.fixture
    def open_missing(self, tmp_path: Path) -> Callable[..., Backend]:
        return lambda **options: MemoryBackend(MemoryBackend.Options(documents=tmp_path / "nowhere", **options))


class TestMemoryStandard(BackendContract):
    """The same engine without stemming and stop words."""

    backend = MemoryBackend

    @pytest.fixture
    def open_backend(self) -> Callable[..., Backend]:
        return partial(MemoryBackend.of, DOCUMENTS, analysis="standard", fields="title^2,text")


@pytest.fixture(scope="module")
def lucene_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lucene") / "index"
    assert PyseriniBackend(PyseriniBackend.Options(index=folder)).index(DOCUMENTS) == len(DOCUMENTS)
    return folder


class TestPyserini(BackendContract):
    backend = PyseriniBackend

    @pytest.fixture
    def open_backend(self, lucene_index: Path) -> Callable[..., Backend]:
        def open_(**options: Any) -> Backend:
            return PyseriniBackend(PyseriniBackend.Options(index=lucene_index, threads=2, **options))

        return open_

    @pytest.fixture
    def open_missing(self, tmp_path: Path) -> Callable[..., Backend]:
        return lambda **options: PyseriniBackend(PyseriniBackend.Options(index=tmp_path / "nowhere", **options))


def test_a_capability_not_declared_is_not_collected() -> None:
    class Plain(MemoryBackend):
        capabilities: ClassVar = frozenset()

    class TestPlain(BackendContract):
        backend = Plain

    assert TestPlain.test_phrase is None
    assert TestPlain.test_fetch is BackendContract.test_fetch
    TestPlain().test_no_overrides()


def test_tests_of_an_optional_fixture_come_with_it() -> None:
    class TestPlain(BackendContract):
        backend = MemoryBackend

    class TestWithTemplate(TestPlain):
        @pytest.fixture
        def open_filtered(self) -> Callable[..., Backend]:
            return partial(Nordhem.of, DOCUMENTS)

    assert TestPlain.test_own_filter_holds is None
    assert TestWithTemplate.test_own_filter_holds is BackendContract.test_own_filter_holds
    assert TestWithTemplate.test_missing_index_is_told is None
    TestWithTemplate().test_no_overrides()


def test_every_test_of_the_kits_says_where_to_look() -> None:
    for kit in (BackendContract, RewardContract):
        tests = {name: getattr(kit, name) for name in dir(kit) if name.startswith("test_")}
        assert len(tests) > 8
        assert [n for n, test in tests.items() if not (test.__doc__ or "").startswith("If this fails, check ")] == []


def test_an_override_needs_a_reason() -> None:
    class TestSly(BackendContract):
        backend = MemoryBackend

        def test_fetch(self) -> None: ...

    class TestDeleting(BackendContract):
        backend = MemoryBackend
        test_fetch = None

    class TestHonest(BackendContract):
        backend = MemoryBackend

        @pytest.mark.xfail(reason="documents are not stored")
        def test_fetch(self) -> None: ...

    for cls in (TestSly, TestDeleting, type("TestChild", (TestSly,), {})):
        with pytest.raises(AssertionError, match="test_fetch"):
            cls().test_no_overrides()
    TestHonest().test_no_overrides()
