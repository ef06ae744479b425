"""Faults planted one by one: the kit names the cause in its first failure, and the doctor in its first finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import planted_faults_clauses  # noqa: F401 - each lists its faults
import planted_faults_documents  # noqa: F401
import planted_faults_filters  # noqa: F401
import planted_faults_methods  # noqa: F401
import planted_faults_texts  # noqa: F401
import pytest
from kit_corner import write_corner
from kit_runner import first_failure
from leser_memory import MemoryBackend
from planted_faults import PLANTS, Plant

from leser.backend import Backend
from leser.config.build import complete, task_of
from leser.config.load import load_config
from leser.doctor import Finding, examine
from leser.errors import LeserError
from leser.plugins import Registry, load_plugins
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


@pytest.fixture(scope="module")
def corner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kit's documents as a BEIR folder, with all their fields."""
    return write_corner(tmp_path_factory.mktemp("task") / "corner")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A registry that offers all planted backends, as one plugin."""
    plugin = tmp_path_factory.mktemp("plugin") / "planted_plugin.py"
    plugin.write_text(
        "from leser.hooks import hookimpl\nfrom planted_faults import PLANTS\n\n\n@hookimpl\ndef leser_backends():\n"
        "    return [plant.backend for plant in PLANTS]\n"
    )
    return load_plugins([plugin])


def first_finding(registry: Registry, corner: Path, name: str, *assignments: str) -> Finding | None:
    """The first thing that the doctor finds wrong."""
    flags = {"task.name": str(corner), "backend.name": name}
    config = complete(load_config(None, flags, ("search.backoff=0.001", *assignments)), registry)
    findings = examine(config, registry, task_of(config, registry))
    return next((f for f in findings if f.state not in ("ok", "note")), None)


def test_the_doctor_finds_nothing_wrong_with_a_good_backend(registry: Registry, corner: Path) -> None:
    assert first_finding(registry, corner, "memory") is None


@pytest.mark.parametrize("plant", [p for p in PLANTS if p.doctor], ids=lambda plant: plant.backend.__name__)
def test_the_doctor_names_the_cause(plant: Plant, registry: Registry, corner: Path) -> None:
    topic, words = plant.doctor or ("", "")
    if topic == "capabilities":  # such a class is not loaded: `leser doctor` ends with why
        with pytest.raises(LeserError, match=words):
            first_finding(registry, corner, plant.backend.name)
        return
    match = ("match=rerank",) if topic == "match=rerank" else ()
    found = first_finding(registry, corner, plant.backend.name, *match)
    assert found, "the doctor sees nothing"
    assert ("matching" if match else topic) in found.topic, found
    assert words in found.seen + found.advice, found
    assert found.advice
