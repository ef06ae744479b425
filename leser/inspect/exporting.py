"""An export with the engine that it is for, where one is named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from leser.config.build import task_of
from leser.engine.checked import CheckedBackend
from leser.engine.words import EngineWords
from leser.errors import LeserError
from leser.expansion_store import StoredEntry
from leser.export.forms import Exported, Form, export
from leser.inspect.precomputing import Source
from leser.session import open_backend


def export_for(
    entries: Sequence[StoredEntry], form: Form, folder: Path, source: Source, *, limit: int, hits: int
) -> Exported:
    """Export, checked by the analysis of the source's engine; raises LeserError where the engine cannot say it."""
    config, registry = source.read()
    backend = open_backend(config, registry, task_of(config, registry) if source.names_task else None)
    try:
        CheckedBackend(backend).check()
        if "analyze" not in backend.capabilities:
            raise LeserError(
                f"The backend '{backend.name}' cannot say how it analyses words. Export without --backend."
            )
        words = EngineWords(backend)
        return export(entries, form, folder, analyse=words.analyze, request=backend.request, limit=limit, hits=hits)
    finally:
        backend.close()
