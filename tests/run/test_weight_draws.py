"""The weight of an expansion is tuned on the sample of dev that all other evaluations take, not on the first of a file."""

from __future__ import annotations

from pathlib import Path

from bad_input import tables

from leser.config.build import complete
from leser.config.load import config_of
from leser.monitor.monitor import open_monitor
from leser.plugins import load_plugins
from leser.run.runner import build_policy
from leser.sampler import Answers, Sampler
from leser.session import open_session
from leser.store.folder import RunFolder
from leser.store.weights import kept_weights
from leser.task import drawn
from leser.training.state import TrainingState
from leser.training.weight import GRPO, tune_on_dev


class Noting(Sampler):
    """A sampler that notes which queries it answered."""

    answered: tuple[str, ...] = ()

    def answer(self, split, queries=None, depth=None, processes=None) -> Answers:  # type: ignore[no-untyped-def]
        self.answered = tuple(q.id for q in queries)
        return super().answer(split, queries, depth)


def test_the_weight_is_tuned_on_devs_sample(tmp_path: Path) -> None:
    registry = load_plugins()
    values = tables(tmp_path, training={"dev_queries": 1, "max_new_tokens": 4}, expansion={"tune_weight": True})
    seed = next(n for n in range(1, 20) if drawn(range(2), 1, n) == [1])  # one of two: not the first
    config = complete(config_of({**values, "out": str(tmp_path / "run"), "seed": seed}), registry)
    with open_session(config, registry) as session:
        folder = RunFolder(tmp_path / "run")
        folder.path.mkdir(exist_ok=True)
        sampler = Noting(build_policy(session, folder), session.environment, session.config.prompt, 4)
        state = TrainingState(session, sampler, folder, open_monitor(session))
        tune_on_dev(state, GRPO, sampler)
        first, second = session.task.dev.queries
        assert sampler.answered == (second.id,) != (first.id,)
        assert GRPO in kept_weights(folder.path)
