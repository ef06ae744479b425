"""Both built-in engines hold to the backend contract, and the kit notices what does not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from leser_memory import MemoryBackend
from leser_pyserini import PyseriniBackend

from leser.backend import Backend
from leser.testing import DOCUMENTS, BackendContract


class TestMemory(BackendContract):
    backend = MemoryBackend

    @pytest.fixture
    def open_backend(self) -> Callable[..., Backend]:
        return partial(MemoryBackend.of, DOCUMENTS)


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


def test_a_capability_not_declared_is_not_collected() -> None:
    class Plain(MemoryBackend):
        capabilities: ClassVar = frozenset()

    class TestPlain(BackendContract):
        backend = Plain

    assert TestPlain.test_phrase is None
    assert TestPlain.test_fetch is BackendContract.test_fetch
    TestPlain().test_no_overrides()


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
