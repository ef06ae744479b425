"""What a run draws: its dev sample, its train queries, its first weights. All of it from the run's seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from bad_input import tables
from leser_memory import MemoryBackend
from leser_relevance import NDCG

from leser.backend import Document
from leser.baseline import BaselineContext
from leser.config.build import complete
from leser.config.load import config_of
from leser.engine import SearchClient
from leser.evaluation.dictionary import Dictionary
from leser.evaluation.pseudo_documents import Query2Doc
from leser.evaluation.rm3 import RM3
from leser.monitor.monitor import open_monitor
from leser.plugins import load_plugins
from leser.run.runner import build_policy
from leser.sampler import Sampler
from leser.scoring import RewardSet
from leser.session import Session, open_session
from leser.store.folder import RunFolder
from leser.task import Query, Split, Task, drawn
from leser.training.stages import find_targets
from leser.training.state import TrainingState

KINDS = ("lamp", "sofa", "rug", "chair")
COUNT = 40
"""Dev queries in the file, sorted by kind: ten of each."""


def opened(folder: Path, **changes: Any) -> Session:
    registry = load_plugins()
    return open_session(
        complete(config_of({**tables(folder, **changes), "out": str(folder / "run")}), registry), registry
    )


def state_of(session: Session) -> TrainingState:
    folder = RunFolder(Path(session.config.out))
    folder.path.mkdir(exist_ok=True)
    policy = build_policy(session, folder)
    sampler = Sampler(policy, session.environment, session.config.prompt, session.config.training.max_new_tokens)
    return TrainingState(session, sampler, folder, open_monitor(session))


def weights(folder: Path, seed: int, **policy: Any) -> dict[str, torch.Tensor]:
    folder.mkdir()
    with opened(folder, policy=policy) as session:
        seeded = Session(
            session.config.model_copy(update={"seed": seed}),
            *(session.registry, session.task, session.client, session.environment, session.facts, session.reporter),
        )
        made = build_policy(seeded, RunFolder(folder / "run"))
    return {name: weight.detach().clone() for name, weight in made.model.named_parameters()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], part: str) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one if part in name)


def test_the_seed_of_a_run_draws_the_weights_of_tiny(tmp_path: Path) -> None:
    first, again, other = (weights(tmp_path / name, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert same(first, again, "")
    assert not same(first, other, "embed_tokens")


def test_a_seed_that_tiny_names_is_its_own(tmp_path: Path) -> None:
    tiny = {"d_model": 32, "layers": 1, "heads": 2, "kv_heads": 1, "ffn": 48, "vocabulary": 400, "pretrain_steps": 0}
    first, other = (weights(tmp_path / str(seed), seed, tiny={**tiny, "seed": 5}) for seed in (1, 2))
    assert same(first, other, "")


def test_the_seed_of_a_run_draws_the_adapters_of_lora(tmp_path: Path) -> None:
    first, again, other = (weights(tmp_path / n, seed, lora_rank=2) for n, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert any("lora_A" in name for name in first)
    assert same(first, again, "lora_A")
    assert not same(first, other, "lora_A")


def test_targets_are_sought_for_the_drawn_queries_alone(tmp_path: Path) -> None:
    """A large train split is not searched through for the sake of a few queries."""
    with opened(tmp_path, warmup={"max_queries": 2}) as session:
        state = state_of(session)
        find_targets(state)
        searched = set(session.environment._originals._rankings)
        assert searched == {q.id for q in drawn(session.task.train.queries, 2, session.config.seed)}
        assert len(searched) == 2 < len(session.task.train.queries)


def sorted_split(name: str) -> Split:
    queries = tuple(Query(f"{name}{n:02}", f"{KINDS[n // 10]} number{n}") for n in range(COUNT))
    return Split(name, queries, {q.id: {q.text.split()[0]: 1} for q in queries})


class Noting(MemoryBackend):
    """Keeps the texts it was searched with."""

    asked: set[str]

    def search(self, queries: Any, k: int, **more: Any) -> Any:
        self.asked |= {query.text for query in queries}
        return super().search(queries, k, **more)


def kinds_of(texts: set[str]) -> set[str]:
    return {text.split()[0] for text in texts}


@pytest.mark.parametrize("cls", [RM3, Dictionary, Query2Doc])
def test_a_baseline_is_tuned_on_a_sample_of_dev_and_not_on_its_head(cls: type[RM3 | Dictionary | Query2Doc]) -> None:
    backend = Noting.of([Document(kind, {"title": f"a {kind}"}) for kind in KINDS])
    backend.asked = set()
    dev = sorted_split("dev")
    task = Task("shop", Split("train", (), {}), dev, Split("test", (), {}))
    rewards = RewardSet.from_specs(["nDCG@10"], {"nDCG": NDCG})
    context = BaselineContext(
        SearchClient(backend), task, rewards, seed=3, write=lambda asked, _: ["a rug"] * len(asked)
    )
    cls(cls.Options(dev_queries=12)).fit(context)
    assert backend.asked == {q.text for q in drawn(dev.queries, 12, 3)}
    assert len(backend.asked) == 12
    assert kinds_of(backend.asked) == set(KINDS), "the first 12 would be lamps and two sofas"


def test_dev_evaluations_of_training_ask_the_same_sample(tmp_path: Path) -> None:
    with opened(tmp_path, training={"dev_queries": 1, "max_new_tokens": 4}) as session:
        state = state_of(session)
        asked = [outcome.query for outcome in state.evaluate_on_dev().outcomes]
        assert asked == drawn(session.task.dev.queries, 1, session.config.seed)
        assert state.dev_queries() == asked


def test_a_sample_keeps_the_order_depends_on_the_seed_and_is_all_where_there_are_no_more() -> None:
    queries = sorted_split("dev").queries
    one, again, other = drawn(queries, 10, 1), drawn(queries, 10, 1), drawn(queries, 10, 2)
    assert one == again != other
    assert [q.id for q in one] == sorted(q.id for q in one)
    assert drawn(queries, COUNT, 1) == drawn(queries, 999, 7) == list(queries)
