"""Reports out of finished run folders: one run's page again, or several runs on one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from leser.errors import LeserError
from leser.files import write_atomically
from leser.inspect.answers import answers_for
from leser.inspect.opening import open_finished
from leser.report.compare import Compared, render_comparison
from leser.report.page import render_report
from leser.store.timeline import read_timeline


def write_again(path: Path, out: Path | None = None) -> Path:
    """Write a finished run's report into its folder, or to `out`; raises LeserError."""
    run = open_finished(path)
    answers, note = answers_for(run)
    timeline = read_timeline(run.folder.path)
    page = render_report(run.evaluation, run.folder.metrics(), run.config, answers, note, run.name, timeline)
    return _write(out or path / "report.html", page)


def write_comparison(paths: Sequence[Path], out: Path | None = None) -> Path:
    """Write a page that compares finished runs to `out`, or beside the first run's folder; raises LeserError."""
    if len({path.resolve() for path in paths}) < len(paths):
        raise LeserError("A run is named twice. Name each run once.")
    compared = []
    for path in paths:
        run = open_finished(path)
        answers, _ = answers_for(run)
        compared.append(Compared(_name(path, paths), run.evaluation, run.folder.metrics(), run.config, answers))
    return _write(out or paths[0].resolve().parent / "compare.html", render_comparison(compared))


def _name(path: Path, paths: Sequence[Path]) -> str:
    """The folder's name, with its parent's where another run has the same."""
    whole = path.resolve()
    alike = [other for other in paths if other.resolve().name == whole.name]
    return whole.name if len(alike) == 1 else f"{whole.parent.name}/{whole.name}"


def _write(path: Path, page: str) -> Path:
    try:
        write_atomically(path, page)
    except OSError as error:
        raise LeserError(f"{path} cannot be written: {error.strerror}. Choose another file with --out.") from error
    return path
