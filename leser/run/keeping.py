"""What a run keeps of its baselines, so that one can be served without being fitted again (leser/store/fitted.py)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from leser.baseline import Baseline, BaselineContext
from leser.errors import PluginFault
from leser.evaluation.calls import make_baseline, ranks_itself, restore_baseline, state_of
from leser.formats.read import find_reader
from leser.offline.by_baseline import fitted_name
from leser.policy.passages import passage_writer
from leser.session import Session
from leser.store.fitted import FittedBaseline


def keep_fitted(baseline: Baseline, session: Session, run: Path) -> Path | None:
    """Write what a baseline found into the run's folder; None where it keeps nothing. Raises PluginFault."""
    state = None if ranks_itself(type(baseline)) else state_of(baseline)
    if state is None:
        return None
    config, kind = session.config, type(baseline)
    reader, _ = find_reader(config.task.name, session.registry.all("reader"), config.task.format)
    # the untrained policy, where it can be asked for passages
    writer = config.policy.model_dump_json() if passage_writer(config.policy) is not None else ""
    return FittedBaseline(
        name=baseline.name,
        kind=class_of(kind),
        fitted=fitted_name(baseline, session.task, (str(config.seed), writer)),
        options=baseline.options.model_dump(mode="json"),
        reader=reader.name,
        title_field=session.task.title_field,
        state=state,
    ).write(run)


def restored(fitted: FittedBaseline, classes: Mapping[str, type[Baseline]], context: BaselineContext) -> Baseline:
    """The baseline that was kept, ready to be asked; raises LeserError where that cannot be."""
    cls = classes[fitted.name]
    if class_of(cls) != fitted.kind:
        raise PluginFault(
            f"The baseline '{fitted.name}' was fitted as {fitted.kind}, and the one that is installed is {class_of(cls)}. "
            "Install what it was fitted with, or fit it anew with `leser fit`."
        )
    baseline = make_baseline(cls, fitted.options)
    restore_baseline(baseline, fitted.state, context)
    return baseline


def class_of(cls: type[Baseline]) -> str:
    """A class with its module."""
    return f"{cls.__module__}.{cls.__qualname__}"
