"""The kit names the cause of each planted fault in its first failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import planted_faults_clauses  # noqa: F401 - lists its faults
import pytest
from kit_runner import first_failure
from leser_memory import MemoryBackend
from planted_faults import PLANTS, Plant

from leser.backend import Backend
from leser.testing import DOCUMENTS, BackendContract


def tried(backend: type[Any]) -> tuple[str, str] | None:
    """The first test of the kit that a backend like the memory one fails."""
    kit: Any = type(
        "TestPlanted", (BackendContract,), {"backend": backend, "open_missing": pytest.fixture(lambda _: None)}
    )
    open_backend: Callable[..., Backend] = partial(backend.of, DOCUMENTS)

    def engine() -> Iterator[Backend]:
        opened = open_backend()
        yield opened
        opened.close()

    nowhere = Path(__file__).with_name("nowhere")
    fixtures: dict[str, Callable[[], Any]] = {
        "engine": engine,
        "open_backend": lambda: open_backend,
        "open_missing": lambda: lambda **o: backend(backend.Options(documents=nowhere, **o)),
        "monkeypatch": pytest.MonkeyPatch,
    }
    return first_failure(kit, fixtures)


def test_a_good_backend_passes() -> None:
    assert tried(MemoryBackend) is None


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.backend.__name__)
def test_the_kit_names_the_cause(plant: Plant) -> None:
    failure = tried(plant.backend)
    assert failure, "the kit sees nothing"
    assert failure[0] == plant.test, failure[1]
