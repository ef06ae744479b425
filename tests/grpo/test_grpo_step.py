"""A whole GRPO step on a real engine: refilled groups, masked completions, length penalty, entropy of all, any credit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from environments import COUCH, NOTHING, SHELF, SPLIT, environment_of
from leser_memory import MemoryBackend

from leser.expansion import ExpansionOptions
from leser.grpo.metrics import sampled_entropy
from leser.grpo.options import GrpoOptions
from leser.grpo.update import make_optimizer
from leser.monitor.meanings import meaning_of
from leser.policy.options import TinyOptions
from leser.policy.policy import Policy
from leser.policy.tiny import build_tiny
from leser.prompt import PromptOptions
from leser.sampler import Sampler
from leser.task import Query, Split
from leser.training.grpo import Schedule, Step, grpo_step
from leser.training.rollout import advantages_of, roll_out
from leser.training.supervised import Example, supervised_step

DEAD = [Query(f"dead{i}", "navy couch") for i in range(3)]
LIVE = [Query(f"live{i}", "navy couch") for i in range(3)]
WIDE = Split("train", (*DEAD, *LIVE), {q.id: SPLIT.qrels["q1"] if q in LIVE else {"absent": 1} for q in (*DEAD, *LIVE)})
"""Queries without a document to be found are zero-variance groups as long as all completions can be read."""


@pytest.fixture(scope="module")
def policy() -> Policy:
    """A policy that says "sofa", "tall; floor" or "none", having seen nothing else."""
    texts = [" ".join(d.fields.values()) for d in SHELF] * 3 + ["navy couch none"]
    made = build_tiny(
        texts, TinyOptions(d_model=32, layers=1, heads=2, kv_heads=1, ffn=32, vocabulary=400, pretrain_steps=0)
    )
    sampler, optimizer = sampler_of(made), make_optimizer(made, GrpoOptions())
    said = [made.encode_completion(t) for t in ("sofa", "tall; floor", "none")]
    for _ in range(150):
        supervised_step(sampler.policy, optimizer, [Example(p, said) for p in sampler.prompts([COUCH, NOTHING])], 1e-2)
    return made


def sampler_of(policy: Policy, limit: int = 12) -> Sampler:
    environment = environment_of(MemoryBackend.of(SHELF), ExpansionOptions(weight=2.0))
    return Sampler(policy, environment, PromptOptions(context=False), limit)


def step_of(policy: Policy, split: Split, queries: list[Query], limit: int = 12, **values: Any) -> Step:
    """One step at a rate of (almost) zero: the policy is shared by the tests."""
    options = GrpoOptions.model_validate({"group_size": 8, "learning_rate": 1e-12, **values})
    return grpo_step(
        sampler_of(policy, limit), make_optimizer(policy, options), split, queries, options, Schedule(1e-12, 10, 1), 0
    )


def test_dead_groups_are_replaced_until_all_teach(policy: Policy) -> None:
    plain = step_of(policy, WIDE, DEAD)
    assert plain.metrics["zero_variance_groups"] == 1.0
    assert plain.metrics["zero_variance_equal"] == 1.0
    assert (plain.metrics["refilled_groups"], plain.metrics["tokens"]) == (0, 0)
    step = step_of(policy, WIDE, DEAD, refill=3)
    assert step.metrics["refilled_groups"] == 3
    assert step.metrics["zero_variance_groups"] == 0.5
    assert step.metrics["tokens"] > 0
    assert {row["query_id"] for row in step.rollouts} == {q.id for q in WIDE.queries}
    assert len(step.rollouts) == 6 * 8


def test_refilling_ends_at_its_limit_and_where_queries_end(policy: Policy) -> None:
    alone = Split("train", tuple(DEAD), WIDE.qrels)
    assert step_of(policy, alone, DEAD[:1], refill=1).metrics["refilled_groups"] == 1
    assert step_of(policy, alone, DEAD[:1], refill=9).metrics["refilled_groups"] == 2


def test_why_a_group_teaches_nothing_is_said(policy: Policy) -> None:
    """A limit of one token cuts every completion: all are gated."""
    cut = step_of(policy, WIDE, LIVE, limit=1)
    assert (cut.metrics["zero_variance_gated"], cut.metrics["zero_variance_equal"]) == (1.0, 0.0)
    masked = step_of(policy, WIDE, LIVE, limit=1, truncated="masked")
    assert (masked.metrics["zero_variance_failed"], masked.metrics["zero_variance_gated"]) == (1.0, 0.0)


def test_masked_completions_leave_the_baseline(policy: Policy) -> None:
    """Where some are cut, the others are compared among themselves; gated, they would be compared with the cut ones too."""
    sampler = sampler_of(policy, limit=2)  # "sofa" and its end fit, what has more tokens does not
    chosen = GrpoOptions(group_size=16)
    found = roll_out(sampler, WIDE, LIVE, chosen, 1, 0)
    finished = np.array([[s.finished for s in row] for row in found.samples])
    assert 0 < finished.sum() < finished.size
    masked = advantages_of(found, sampler, chosen.model_copy(update={"truncated": "masked"}))
    assert not masked.active[~finished].any()
    gated = advantages_of(found, sampler, chosen)
    live = ~gated.zero_variance
    assert gated.active[live].all()
    assert (gated.advantages[live][~finished[live]] < 0).all()


def test_a_length_penalty_moves_advantages_and_no_reward(policy: Policy) -> None:
    sampler, chosen = sampler_of(policy), GrpoOptions(group_size=16, overlong_penalty=1.0, overlong_start=0.0)
    found = roll_out(sampler, WIDE, LIVE[:1], chosen, 1, 0)
    plain = advantages_of(found, sampler, GrpoOptions(group_size=16)).advantages[0]
    moved = advantages_of(found, sampler, chosen).advantages[0]
    lengths = np.array(found.lengths) / 12
    assert np.allclose(moved, plain - (lengths - lengths.mean()))


def test_the_entropy_of_all_holds_dead_groups_too(policy: Policy) -> None:
    """The live groups' entropy says nothing of a batch in which nothing lives."""
    step = step_of(policy, WIDE, DEAD)
    assert step.metrics["entropy"] == 0.0
    found = roll_out(sampler_of(policy), WIDE, DEAD, GrpoOptions(group_size=8), 1, 0)
    assert step.metrics["entropy_all"] == pytest.approx(sampled_entropy(found.samples))
    assert step.metrics["entropy_all"] > 0.1


def test_every_figure_of_a_step_has_a_meaning(policy: Policy) -> None:
    assert [name for name in step_of(policy, WIDE, LIVE).metrics if meaning_of(name) is None] == []


@pytest.mark.parametrize("credit", ["none", "prefix", "leave-one-out"])
@pytest.mark.parametrize("scale", ["none", "group"])
def test_a_step_with_every_credit(policy: Policy, credit: str, scale: str) -> None:
    step = step_of(policy, WIDE, LIVE, credit=credit, scale=scale, epochs_per_batch=2)
    assert step.metrics["updates"] == 2
    assert step.metrics["grad_norm"] > 0
    assert step.metrics["sampler_gap"] < 1e-4
