"""The monitor's second measure where nothing is judged: a reward that reads documents, measured as the final evaluation does."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from leser_memory import MemoryBackend
from leser_relevance import NDCG
from monitored import SHELF

from leser.config.training import MonitorOptions
from leser.engine import SearchClient
from leser.environment import Attempt, Environment
from leser.expansion import Expansion, ExpansionOptions
from leser.monitor.monitor import Monitor
from leser.reward import Outcome, Reward, parse_spec
from leser.sampler import Answers
from leser.scoring import RewardSet
from leser.task import Query, Split


class Sofas(Reward):
    """Share of the top k whose title holds "sofa", less that of the original's (sofas@k): reads documents and both rankings."""

    name, fields = "sofas", ("title",)

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        return [self._share(o, o.expanded) - self._share(o, o.original) for o in outcomes]

    def _share(self, outcome: Outcome, ranking: object) -> float:
        ids = getattr(ranking, "ids", ())[: self.depth]
        found = [outcome.documents[id] for id in ids if id in outcome.documents]
        return sum("sofa" in document.fields["title"] for document in found) / self.depth


DEV = Split("dev", (Query("q", "red"), Query("r", "blue")), {})
"""Two queries, neither judged."""


@pytest.fixture
def environment() -> Environment:
    rewards = RewardSet([NDCG(parse_spec("nDCG@10"))], [1.0])
    return Environment(SearchClient(MemoryBackend.of(SHELF)), rewards, ExpansionOptions(weight=2.0))


def test_a_reward_that_reads_documents_is_dev_s_second_measure(environment: Environment) -> None:
    said: list[str] = []
    monitor = Monitor(MonitorOptions(measure="sofas@4"), environment, DEV, 24, said.append, rewards={"sofas": Sofas})
    attempts = [Attempt(q, i, environment.say([Expansion("sofa")])) for i, q in enumerate(DEV.queries)]
    outcomes = tuple(environment.judge(attempts, DEV))
    row = monitor.examine(
        {"phase": "grpo", "step": 0, "dev_reward": 0.5}, answers=Answers(outcomes, outcomes, 0.5, {}, (3, 3))
    )
    titles = {document.id: document.fields["title"] for document in SHELF}
    gained = [
        sum("sofa" in titles[id] for id in o.expanded.ids[:4]) - sum("sofa" in titles[id] for id in o.original.ids[:4])
        for o in outcomes
        if o.expanded is not None
    ]
    assert max(gained) > 0
    assert row["dev_sofas@4"] == pytest.approx(sum(gained) / 4 / 2)
    assert said == []


def test_a_measure_without_a_value_on_dev_is_said_before_training(environment: Environment) -> None:
    said: list[str] = []
    Monitor(MonitorOptions(), environment, DEV, 24, said.append, rewards={"sofas": Sofas})
    assert len(said) == 1
    assert said[0].startswith("training.monitor.measure: RR@10 has no value on dev")
    assert "such as -o 'training.monitor.measure=encoder@10'" in said[0]
    Monitor(MonitorOptions(measure=""), environment, DEV, 24, said.append)
    Monitor(MonitorOptions(enabled=False), environment, DEV, 24, said.append)
    assert len(said) == 1
