"""Whatever reads a part of dev takes the sample that the seed draws, not the first of a file that may be sorted by kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bad_input import tables

import leser.holes.primary
from leser.config.build import complete
from leser.config.load import config_of
from leser.holes.primary import settled_by
from leser.monitor.monitor import open_monitor
from leser.plugins import load_plugins
from leser.run.final_evaluation import _abstaining_run
from leser.run.primary import settle_primary
from leser.run.runner import build_policy
from leser.sampler import Sampler
from leser.session import Session, open_session
from leser.store.folder import RunFolder
from leser.task import Query, Split, drawn
from leser.training.state import TrainingState

SEED = next(n for n in range(1, 20) if drawn(range(2), 1, n) == [1])  # of two: not the first


class Noting(Sampler):
    """A sampler that notes which queries it samples for."""

    asked: tuple[str, ...] = ()

    def sample(self, queries, *arguments, **more):  # type: ignore[no-untyped-def]
        self.asked += tuple(query.id for query in queries)
        return super().sample(queries, *arguments, **more)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    registry = load_plugins()
    values = tables(tmp_path, training={"dev_queries": 1, "max_new_tokens": 4}, evaluation={"abstain": 0.5})
    config = complete(config_of({**values, "out": str(tmp_path / "run"), "seed": SEED}), registry)
    with open_session(config, registry) as opened:
        yield opened


def test_the_abstaining_policy_is_tuned_on_devs_sample(session: Session, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir(exist_ok=True)
    sampler = Noting(build_policy(session, folder), session.environment, session.config.prompt, 4)
    _, said = _abstaining_run(TrainingState(session, sampler, folder, open_monitor(session)))
    first, second = session.task.dev.queries
    assert second.id in sampler.asked
    assert first.id not in sampler.asked
    assert said["abstain"]["queries"] == 1


def test_the_primary_measure_is_settled_by_devs_sample(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leser.holes.primary, "ASKED", 1)
    first, second = session.task.dev.queries
    assert settled_by(session.task.dev, SEED) == [second]
    # both find d5, which is judged for the second alone
    dev = Split("dev", (first, second), {first.id: {"d1": 1, "d2": 0}, second.id: {"d5": 1, "d1": 0}})
    task = replace(session.task, dev=dev)
    settled, said = settle_primary(replace(session, task=task), RunFolder(Path("absent")))
    assert {ranking.ids for ranking in session.environment.originals(dev.queries).values()} == {("d5",)}
    assert "hits all are judged" in said
    assert settled.task is task


def test_few_queries_are_all_taken() -> None:
    queries = tuple(Query(f"q{n}", f"query {n}") for n in range(300))
    assert settled_by(Split("dev", queries, {}), 3) == list(queries)
    many = (*queries, *(Query(f"r{n}", f"other {n}") for n in range(300)))
    assert 100 < sum(query.id.startswith("r") for query in settled_by(Split("dev", many, {}), 3)) < 200
