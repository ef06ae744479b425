"""BackendContract: what every backend must hold to, as tests an author inherits.

    import pytest
    from leser.testing import DOCUMENTS, BackendContract

    class TestMyEngine(BackendContract):
        backend = MyEngine

        @pytest.fixture(scope="class")
        @classmethod
        def open_backend(cls):
            index_into_my_engine(DOCUMENTS)              # title and text searched, brand and price filterable
            return lambda **options: MyEngine(MyEngine.Options(url=..., **options))

The scope says that the index is built once, not for each test. `backend` says which class is tested: tests of a capability it
doesn't declare are not collected. Three more fixtures may be overridden: `open_filtered` and `open_missing`
(leser.testing.backend_optional), and `open_unreachable` (leser.testing.backend_unreachable); without them their tests are not
collected.

Basics come first, then words, batches, terms, filters and hostile text, so the first failure is the one to look at:
`pytest -x`. A test that is known to fail is overridden with `@pytest.mark.xfail(reason=...)`; one overridden or deleted
without a reason fails the kit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from leser.backend import Backend
from leser.testing.asking import OpenBackend, applies
from leser.testing.backend_basics import BasicCases
from leser.testing.backend_batches import BatchCases, TogetherCases
from leser.testing.backend_expansion import ExpansionCases, FieldCases
from leser.testing.backend_filters import AnalysisCases, FilterCases, TotalCases
from leser.testing.backend_hostile import HostileCases
from leser.testing.backend_index import IndexCases
from leser.testing.backend_optional import FilteredCases, MissingCases
from leser.testing.backend_unreachable import UnreachableCases
from leser.testing.backend_words import SignCases, WordCases


class NoOverrides:
    """The first test of the kit: that none of the others is left out unsaid."""

    _overridden: ClassVar[tuple[str, ...]] = ()

    def test_no_overrides(self) -> None:
        """If this fails, check that your class overrides no test of the kit, or gives `pytest.mark.xfail(reason=...)`."""
        assert self._overridden == (), f"overridden or deleted without a reason: {', '.join(self._overridden)}"


class BackendContract(
    UnreachableCases,
    IndexCases,
    MissingCases,
    FilteredCases,
    HostileCases,
    SignCases,
    TogetherCases,
    AnalysisCases,
    TotalCases,
    FilterCases,
    FieldCases,
    ExpansionCases,
    BatchCases,
    WordCases,
    BasicCases,
    NoOverrides,
):
    """The contract of `leser.backend.Backend`; each test says where to look if it fails. pytest runs the last class's first."""

    backend: ClassVar[type[Backend]]

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
            if not applies(test, declared, cls, BackendContract):
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


def vars_of(cls: type) -> dict[str, Any]:
    """All attributes of a class, inherited ones included."""
    return {name: getattr(cls, name) for name in dir(cls)}


def _has_reason(cls: type, name: str) -> bool:
    marks = getattr(vars(cls)[name], "pytestmark", [])
    return any(mark.name == "xfail" and mark.kwargs.get("reason") for mark in marks)
