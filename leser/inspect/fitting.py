"""Fitting baselines to be served, for `leser fit`: into the folder of a run, or into a new one without a policy."""

from __future__ import annotations

from pathlib import Path

from leser.baseline import Baseline
from leser.config.anchor import anchor
from leser.errors import LeserError
from leser.evaluation.calls import fit_baseline
from leser.files import write_atomically
from leser.inspect.precomputing import Source, baselines_named, proposers_of
from leser.offline.proposers import SEARCH
from leser.run.keeping import keep_fitted
from leser.session import context_of, open_session
from leser.store.fitted import POLICY
from leser.store.folder import RunFolder


def fit_to_serve(source: Source, by: str, out: Path | None) -> list[Path]:
    """Fit the baselines that `by` names (by commas) on train and dev, and keep each; returns the files.

    They are kept in the folder of the source's run, or in `out`, which gets the configuration, too. Raises LeserError, for what
    cannot be kept before anything is opened.
    """
    names = proposers_of(by)
    if not names or {POLICY, SEARCH} & set(names):
        raise LeserError("--by names the baselines to fit, such as encoder-feedback, rm3 or dictionary.")
    folder = _folder(source, out)
    config, registry = source.read()
    baselines = baselines_named(by, (config, registry))
    for baseline in baselines:
        _check_keeps(type(baseline))
    paths = []
    with open_session(config, registry) as session:
        for baseline in baselines:
            fit_baseline(baseline, context_of(session))
            if not folder.config_path.exists():
                folder.path.mkdir(parents=True, exist_ok=True)
                write_atomically(folder.config_path, anchor(folder.path) + config.resolved())
            path = keep_fitted(baseline, session, folder.path)
            if path is None:
                raise LeserError(f"The baseline '{baseline.name}' kept nothing: its state() is None.")
            paths.append(path)
    return paths


def _folder(source: Source, out: Path | None) -> RunFolder:
    if source.run is not None:
        if out is not None or source.flags or source.assignments or source.config or source.platform:
            raise LeserError(
                f"A baseline is kept in the run {source.run} as the run's own configuration says. For other options name a new "
                f"folder: leser fit --config {source.run / 'config.toml'} -o KEY=VALUE --by NAME --out FOLDER."
            )
        return RunFolder(source.run)
    if out is None:
        raise LeserError("Where is it to be kept? Name a run, or a new folder with --out FOLDER.")
    folder = RunFolder(out)
    if folder.config_path.exists():
        raise LeserError(
            f"{out} already holds a run. Name it as the RUN to fit in, or choose another folder with --out."
        )
    folder.check_writable()
    return folder


def _check_keeps(cls: type[Baseline]) -> None:
    if cls.state is Baseline.state and cls.fit is not Baseline.fit:
        raise LeserError(
            f"The baseline '{cls.name}' cannot be kept: its class has no state(), so that it would have to be fitted anew, with "
            "the judgments, wherever it is served. Write state() and restore() (docs/writing-a-baseline.md), or store what it "
            f"adds: leser precompute --by {cls.name}."
        )
