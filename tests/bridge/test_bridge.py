"""A task and its rewards in the hands of another trainer: TRL's own runs two steps, verl's call gets the same numbers."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from settings import small_task

from leser.backend import SearchError
from leser.bridge import Bridge, open_bridge
from leser.errors import EngineDown, LeserError
from leser.expansion import Code

REWARDS = ["nDCG@10=0.7", "R@100=0.3"]


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    folder = small_task(tmp_path_factory.mktemp("bridge"))
    with open_bridge(task=folder, backend="memory", rewards=REWARDS) as opened:
        yield opened


def test_rows_hold_what_the_engine_found(bridge: Bridge) -> None:
    queries = bridge.split.queries[:3]
    rows = bridge.rows(queries)
    assert [row["query_id"] for row in rows] == [q.id for q in queries]
    for row, query in zip(rows, queries, strict=True):
        assert [turn["role"] for turn in row["prompt"]] == ["system", "user"]
        assert f"Query: {query.text}" in row["prompt"][1]["content"]
        assert "Top results:" in row["prompt"][1]["content"]


def test_reward_is_the_environment_s_own(bridge: Bridge) -> None:
    query = bridge.split.queries[0]
    texts = ["none", "sofa; loveseat", "; ^^ ;"]
    scores = bridge.session.environment.score(bridge.outcomes([query.id] * 3, texts))
    as_text = bridge.trl_reward(completions=texts, query_id=[query.id] * 3, prompts=[""] * 3)
    as_turns = bridge.trl_reward(
        completions=[[{"role": "assistant", "content": text}] for text in texts], query_id=[query.id] * 3
    )
    assert as_text == as_turns == [float(total) for total in scores.total]
    assert scores.gated[2], "a completion that cannot be read is gated, not 0"
    rows = bridge.verl_scores(["leser"] * 3, texts, [query.id] * 3, [{}] * 3)
    assert [row["score"] for row in rows] == as_text
    assert math.isclose(rows[0]["score"], 0.7 * rows[0]["nDCG@10"] + 0.3 * rows[0]["R@100"])


def test_engine_failure_is_never_a_score(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    query = bridge.split.queries[0]
    bridge.session.environment.originals([query])
    backend = bridge.session.client.backend
    real = backend.search

    def failing(requests: Any, *given: Any, **named: Any) -> list[Any]:
        answers = list(real(requests, *given, **named))
        return [
            SearchError("too many clauses", "query") if r.terms else a for r, a in zip(requests, answers, strict=True)
        ]

    monkeypatch.setattr(backend, "search", failing)
    assert [o.code for o in bridge.outcomes([query.id], ["zyx"])] == [Code.ENGINE_ERROR]
    assert bridge.trl_reward(completions=["zyx"], query_id=[query.id]) == [None]
    with pytest.raises(EngineDown, match="too many clauses"):
        bridge.verl_scores(["leser"], ["zyx"], [query.id])


def test_unknown_query_says_where_rows_come_from(bridge: Bridge) -> None:
    with pytest.raises(
        LeserError, match=r"'q-none' is not one of the train queries .* Take the rows from Bridge\.rows"
    ):
        bridge.trl_reward(completions=["sofa"], query_id=["q-none"])


def test_verl_rows_name_the_query_as_ground_truth(bridge: Bridge) -> None:
    (row,) = bridge.verl_rows(bridge.split.queries[:1])
    assert row["reward_model"] == {"style": "rule", "ground_truth": bridge.split.queries[0].id}
    # the names by which verl's BatchRewardManager passes its arguments
    assert {"data_sources", "solution_strs", "ground_truths", "extra_infos"} <= set(
        inspect.signature(bridge.verl_scores).parameters
    )


def test_trl_trains_two_steps_with_it(bridge: Bridge, tmp_path: Path) -> None:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    from leser.policy.options import TinyOptions
    from leser.policy.tiny import make_model, train_tokenizer

    tokenizer = train_tokenizer(["red leather sofa", "Query: Found: Top results:"] * 10, 120)
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'][:40] }}{% endfor %}"
    model = make_model(len(tokenizer), TinyOptions(d_model=32, layers=2, heads=4, kv_heads=2, ffn=64))
    before = {name: value.clone() for name, value in model.named_parameters()}
    config = GRPOConfig(
        output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to=[], max_steps=2, per_device_train_batch_size=8,
        num_generations=4, max_completion_length=6, gradient_checkpointing=False, logging_steps=1, learning_rate=1e-2,
        save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=bridge.trl_reward,
        args=config,
        train_dataset=Dataset.from_list(bridge.rows(bridge.split.queries[:8])),
        processing_class=tokenizer,
    )
    trainer.train()
    logged = [row for row in trainer.state.log_history if "rewards/trl_reward/mean" in row]
    assert len(logged) == 2
    assert all(math.isfinite(row["rewards/trl_reward/mean"]) for row in logged)
    after = dict(trainer.model.named_parameters())
    assert any(not after[name].equal(value) for name, value in before.items())
