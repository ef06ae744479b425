"""An export with the engine that it is for, where one is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from leser.config.build import task_of
from leser.engine.checked import CheckedBackend
from leser.engine.words import EngineWords
from leser.errors import LeserError
from leser.expansion_store import StoredEntry
from leser.export.forms import SYNONYMS, Exported, Form, export
from leser.inspect.precomputing import Source
from leser.session import open_backend


def export_for(
    entries: Sequence[StoredEntry],
    form: Form,
    folder: Path,
    source: Source,
    *,
    limit: int,
    hits: int,
    load: str | None = None,
) -> Exported:
    """Export, checked by the analysis of the source's engine; raises LeserError where the engine cannot say it.

    `load` names a set of synonyms that the engine's own API is given once the files are written.
    """
    if load is not None and form not in SYNONYMS:
        raise LeserError(
            f"--load puts synonyms into the server, and the format '{form}' has none. Write --format elasticsearch or solr."
        )
    config, registry = source.read()
    backend = open_backend(config, registry, task_of(config, registry) if source.names_task else None)
    try:
        checked = CheckedBackend(backend)
        checked.check()
        if "analyze" not in backend.capabilities:
            raise LeserError(
                f"The backend '{backend.name}' cannot say how it analyses words. Export without --backend."
            )
        words = EngineWords(backend)
        done = export(entries, form, folder, analyse=words.analyze, request=backend.request, limit=limit, hits=hits)
        if load is None:
            return done
        if not done.rules:  # what the set holds would go, and nothing would come
            raise LeserError(
                f"No query of the store can be said as a synonym, so nothing was put into the server: '{load}' holds what it "
                f"held. {folder / 'left-out.csv'} says why."
            )
        return replace(done, loaded=checked.put_synonyms(load, done.rules))
    finally:
        backend.close()
