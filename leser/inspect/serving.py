"""Opening a run to answer users: its engine, and who proposes expansions, the run's policy or a baseline that it keeps.

For a policy the run's task is read as always. For a baseline no query and no judgment is read, and documents only where the
engine or the baseline needs them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from leser.config.build import documents_of
from leser.inspect.opening import configured, open_folder, open_sampler
from leser.offline.by_baseline import BaselineProposer
from leser.offline.proposers import PolicyProposer, Proposer
from leser.run.keeping import restored
from leser.session import Session, context_of, open_environment, open_session
from leser.store.fitted import POLICY, read_fitted
from leser.task import Split, Task

REMEMBERED = 5_000
"""Queries whose prompts and hits are kept."""


def open_to_serve(run: Path, by: str, most_s: float) -> Session:
    """A run's session whose searches are given up after `most_s` seconds at the latest; raises LeserError."""
    folder = open_folder(run)
    fitted = None if by == POLICY else read_fitted(run, by)
    config, registry = configured(folder, {"task.format": fitted.reader} if fitted else None)
    search = config.search.model_copy(update={"deadline": min(config.search.deadline, most_s)})
    config = config.model_copy(update={"search": search})
    if fitted is None:
        return open_session(config, registry)
    train, dev, test = (Split(name, (), {}) for name in ("train", "dev", "test"))
    documents = partial(documents_of, config, registry)
    task = Task(Path(config.task.name).name, train, dev, test, documents, fitted.title_field)
    environment, facts = open_environment(config, registry, task, judging=False)
    return Session(config, registry, task, environment.client, environment, facts)


def open_proposer(run: Path, by: str, session: Session, warn: Callable[[str], None]) -> Proposer:
    """Who proposes, ready to be asked at once: models and vectors are loaded now. Raises LeserError."""
    environment = session.environment
    if by == POLICY:
        sampler = open_sampler(open_folder(run), session)
        environment.prepare(session.config.prompt)
        return PolicyProposer(sampler, run.name, REMEMBERED)
    fitted, context = read_fitted(run, by), context_of(session)
    baseline = restored(fitted, session.registry.all("baseline"), context)
    return BaselineProposer(baseline, context, environment, fitted.fitted, warn, fitted=True)
