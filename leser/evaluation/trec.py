"""TREC run files: `query_id Q0 doc_id rank score tag`, one file a system, as trec_eval reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from leser.errors import LeserError
from leser.evaluation.measures import decreasing
from leser.evaluation.systems import SystemRun

if TYPE_CHECKING:
    from leser.task import Split


def write_runs(folder: Path, runs: Sequence[SystemRun], split: Split | None = None) -> list[Path]:
    """Write NAME.run for each system, its queries in the split's order if given; creates `folder`, returns the paths.

    An id that holds white space, which the format cannot carry, is percent-encoded ("red sofa" is red%20sofa). Raises
    LeserError for an empty id and for two ids that become one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    order = [query.id for query in (*split.queries, *split.no_result)] if split else []
    paths: list[Path] = []
    for run in runs:
        path = folder / f"{quote(run.name, safe=' +@').replace(' ', '_')}.run"
        if path in paths:
            raise LeserError(f"Two systems would write {path}. Rename '{run.name}'.")
        query_id, doc_id, tag = _encoder("query"), _encoder("document"), _encoder("system")
        with path.open("w", encoding="utf-8", newline="\n") as file:
            for query in order or run.rankings:
                ranking = run.ranking(query)
                scores = decreasing(ranking) if ranking else {}
                for rank, (doc, score) in enumerate(scores.items(), start=1):
                    file.write(f"{query_id(query)} Q0 {doc_id(doc)} {rank} {score:g} {tag(run.name)}\n")
        paths.append(path)
    return paths


def _encoder(kind: str) -> Callable[[str], str]:
    """A function from ids to what the file carries, which remembers them all and refuses two that collide."""
    seen: dict[str, str] = {}

    def encode(given: str) -> str:
        if not given:
            raise LeserError(f"An empty {kind} id cannot be written to a TREC run. Give every {kind} an id.")
        written = quote(given, safe="") if given.split() != [given] else given
        if seen.setdefault(written, given) != given:
            raise LeserError(f"The {kind} ids '{given}' and '{seen[written]}' are one in a TREC run. Rename one.")
        return written

    return encode
