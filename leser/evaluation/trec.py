"""TREC run files: `query_id Q0 doc_id rank score tag`, one file a system, as trec_eval reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from leser.characters import well_formed
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
    paths = [folder / file for file in run_files([run.name for run in runs])]
    for run, path in zip(runs, paths, strict=True):
        query_id, doc_id, tag = _encoder("query"), _encoder("document"), _encoder("system")
        with path.open("w", encoding="utf-8", newline="\n") as file:
            for query in order or run.rankings:
                ranking = run.ranking(query)
                scores = decreasing(ranking) if ranking else {}
                for rank, (doc, score) in enumerate(scores.items(), start=1):
                    file.write(f"{query_id(query)} Q0 {doc_id(doc)} {rank} {score:g} {tag(run.name)}\n")
    return paths


def run_files(systems: Sequence[str]) -> list[str]:
    """The name of each system's file; raises LeserError where two systems have one."""
    files: dict[str, str] = {}
    for name in systems:
        file = f"{quote(name, safe=' +@').replace(' ', '_')}.run"
        if file in files:
            raise LeserError(f"Two systems would write {file}: '{files[file]}' and '{name}'. Rename one.")
        files[file] = name
    return list(files)


def check_ids(kind: str, ids: Iterable[str]) -> None:
    """Raise LeserError for ids that no TREC run can tell apart; `kind` says of what, in messages."""
    encode = _encoder(kind)
    for given in ids:
        encode(given)


def _encoder(kind: str) -> Callable[[str], str]:
    """A function from ids to what the file carries, which remembers them all and refuses two that collide."""
    seen: dict[str, str] = {}

    def encode(given: str) -> str:
        if not given:
            raise LeserError(f"An empty {kind} id cannot be written to a TREC run. Give every {kind} an id.")
        written = well_formed(given)
        if written.split() != [written]:
            written = quote(written, safe="")
        if seen.setdefault(written, given) != given:
            raise LeserError(f"The {kind} ids '{given}' and '{seen[written]}' are one in a TREC run. Rename one.")
        return written

    return encode
