"""Sampling ahead: the next batch is sampled while the engine searches, and its ratio is to the policy that sampled it."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from environments import SHELF
from leser_memory import MemoryBackend
from speaking import QUERIES, WIDE, sampler_of, speaking_policy

from leser.grpo.options import GrpoOptions
from leser.policy.policy import Policy
from leser.processes import ALONE
from leser.rollout import Sample, SamplingRequest, TokenPrompt
from leser.rollouts.own import PolicyRollouts
from leser.training.ahead import Ahead, Waiting
from leser.training.grpo import Schedule, Step, grpo_step
from leser.training.noting import noted

OPTIONS = GrpoOptions(group_size=8, warmup_steps=0, max_grad_norm=1e9)
FIRST, SECOND = QUERIES[:3], QUERIES[3:6]


@pytest.fixture(scope="module")
def trained() -> Policy:
    return speaking_policy()


@pytest.fixture
def policy(trained: Policy) -> Policy:
    return copy.deepcopy(trained)


def train(
    policy: Policy,
    rate: float,
    ahead: Ahead | None,
    options: GrpoOptions = OPTIONS,
    batches: Sequence[Any] = (FIRST, SECOND),
) -> list[Step]:
    """One step of plain gradient descent on each batch."""
    sampler, optimizer = sampler_of(policy), torch.optim.SGD(policy.model.parameters(), lr=1.0)
    steps = []
    for number, queries in enumerate(batches):
        if ahead is not None:
            ahead.following = batches[number + 1] if number + 1 < len(batches) else ()
        schedule = Schedule(rate, 10, 1)
        steps.append(grpo_step(sampler, optimizer, WIDE, queries, options, schedule, number, ahead=ahead))
    return steps


def weights(policy: Policy) -> torch.Tensor:
    return torch.cat([p.detach().reshape(-1) for p in policy.model.parameters()])


class Meeting:
    """Lets a search wait until the next batch is being sampled, and a sampling until a search has begun."""

    def __init__(self) -> None:
        self.searching, self.sampling, self.waits = threading.Event(), threading.Event(), False
        self.met: list[bool] = []

    @contextmanager
    def watched(self) -> Iterator[None]:
        self.waits = True
        yield
        self.waits = False


class SlowBackend(MemoryBackend):
    """Answers a batch only once the next one is being sampled, or after a while."""

    meeting: Meeting

    def search(self, queries: Any, k: int, *, total: bool = False) -> Any:
        if self.meeting.waits and not self.meeting.searching.is_set():
            self.meeting.searching.set()
            self.meeting.met.append(self.meeting.sampling.wait(20))
        return super().search(queries, k, total=total)


class WatchedRollouts(PolicyRollouts):
    """Samples the batch of step 1 only once the engine has been asked about that of step 0."""

    meeting: Meeting

    def sample(self, prompts: Sequence[TokenPrompt], request: SamplingRequest) -> list[list[Sample]]:
        if request.step == 1:
            self.meeting.met.append(self.meeting.searching.wait(20))
            self.meeting.sampling.set()
        return super().sample(prompts, request)


def test_the_engine_searches_while_the_next_batch_is_sampled(policy: Policy) -> None:
    """Each waits for the other: one after the other, both would wait in vain."""
    meeting, backend, engine = Meeting(), SlowBackend.of(SHELF), WatchedRollouts.of(policy)
    backend.meeting = engine.meeting = meeting  # type: ignore[attr-defined]
    sampler = sampler_of(policy, backend, engine)
    sampler.prompts([*FIRST, *SECOND])
    optimizer = torch.optim.SGD(policy.model.parameters(), lr=1.0)
    ahead = Ahead(following=SECOND)
    with meeting.watched():
        step = grpo_step(sampler, optimizer, WIDE, FIRST, OPTIONS, Schedule(1e-3, 10, 1), 0, ahead=ahead)
    assert meeting.met == [True, True]
    (engine_span,) = [s for s in step.spans if s.worker == "engine"]
    assert ahead.waiting is not None
    assert ahead.waiting.span is not None
    assert engine_span.begin < ahead.waiting.span.end
    assert ahead.waiting.span.begin < engine_span.end
    assert step.metrics["hidden_s"] > 0


def test_without_a_move_of_the_policy_it_is_the_same_training(policy: Policy) -> None:
    """At a rate of (almost) nothing the batch that waited is as if it had been sampled now."""
    other = copy.deepcopy(policy)
    plain, ahead = train(policy, 1e-12, None), train(other, 1e-12, Ahead())
    for one, two in zip(plain, ahead, strict=True):
        assert one.rollouts == two.rollouts
        assert two.metrics["loss"] == pytest.approx(one.metrics["loss"], abs=1e-6)
        assert two.metrics["grad_norm"] == pytest.approx(one.metrics["grad_norm"], rel=1e-4)
    assert ahead[1].metrics["log_ratio_max"] < 1e-5


def test_the_loss_takes_the_ratio_to_the_policy_that_sampled(policy: Policy) -> None:
    """By hand: l = -min(rho A, clip(rho, .8, 1.28) A), rho = p after the first update / p before it, mean over tokens."""
    sampler, optimizer = sampler_of(policy), torch.optim.SGD(policy.model.parameters(), lr=1.0)
    ahead = Ahead(following=SECOND)
    grpo_step(sampler, optimizer, WIDE, FIRST, OPTIONS, Schedule(2.0, 10, 1), 0, ahead=ahead)
    assert ahead.waiting is not None
    batch, before = ahead.waiting, ahead.waiting.stale
    assert before is not None
    after = noted(sampler, batch.queries, batch.samples, OPTIONS, ALONE)
    ahead.following = ()
    step = grpo_step(sampler, optimizer, WIDE, SECOND, OPTIONS, Schedule(1e-12, 10, 1), 1, ahead=ahead)
    assert [row["query_id"] for row in step.rollouts[::8]] == [q.id for q in SECOND]

    advantages = np.array([row["advantage"] for row in step.rollouts]).reshape(3, 8)
    total = tokens = clipped = 0.0
    biggest = 0.0
    for b in range(3):
        if not np.any(advantages[b]):
            continue
        for g in range(8):
            log_ratio = np.array(after[b][g]) - np.array(before[b][g])
            rho, a = np.exp(log_ratio), advantages[b, g]
            total -= np.minimum(rho * a, np.clip(rho, 0.8, 1.28) * a).sum()
            clipped += ((rho < 0.8) & (a < 0)).sum() + ((rho > 1.28) & (a > 0)).sum()
            tokens += len(rho)
            biggest = max(biggest, float(np.abs(log_ratio).max()))
    assert biggest > 0.05, "the first update must have moved the policy"
    assert step.metrics["tokens"] == tokens
    assert step.metrics["loss"] == pytest.approx(total / tokens, abs=1e-5)
    assert step.metrics["log_ratio_max"] == pytest.approx(biggest, abs=1e-4)
    assert (step.metrics["clipped_low"] + step.metrics["clipped_high"]) * tokens == pytest.approx(clipped, abs=0.1)
    assert step.metrics["sampler_gap"] < 1e-4, "the gap is between sampler and trainer, of the same weights"


def test_several_updates_from_a_waiting_batch_keep_its_ratio(policy: Policy) -> None:
    """Mini-batches would note the present policy as the old one; a batch that waited has its own."""
    ahead = Ahead()
    options = OPTIONS.model_copy(update={"mini_batches": 2, "epochs_per_batch": 2})
    steps = train(policy, 0.2, ahead, options)
    assert steps[1].metrics["updates"] == 4
    assert steps[1].metrics["update_kl"] > 0


def test_refilled_groups_come_from_the_present_policy(policy: Policy) -> None:
    """Queries without a document to be found are replaced; their groups were not sampled ahead, so their ratio begins at 1."""
    dead = WIDE.qrels | {q.id: {"absent": 1} for q in SECOND}
    split = WIDE.__class__("train", WIDE.queries, dead)
    sampler, optimizer = sampler_of(policy), torch.optim.SGD(policy.model.parameters(), lr=1.0)
    options, ahead = OPTIONS.model_copy(update={"refill": 1}), Ahead(following=SECOND)
    grpo_step(sampler, optimizer, split, FIRST, options, Schedule(2.0, 10, 1), 0, ahead=ahead)
    ahead.following = ()
    step = grpo_step(sampler, optimizer, split, SECOND, options, Schedule(1e-12, 10, 1), 1, ahead=ahead)
    assert step.metrics["refilled_groups"] == 3
    assert step.metrics["tokens"] > 0
    assert step.metrics["log_ratio_max"] < 1e-4


def test_a_waiting_batch_comes_back_from_a_checkpoint_bit_for_bit(policy: Policy) -> None:
    import json

    sampler, optimizer = sampler_of(policy), torch.optim.SGD(policy.model.parameters(), lr=1.0)
    ahead = Ahead(following=SECOND)
    grpo_step(sampler, optimizer, WIDE, FIRST, OPTIONS, Schedule(0.5, 10, 1), 0, ahead=ahead)
    assert ahead.waiting is not None
    again = Waiting.of(json.loads(json.dumps(ahead.waiting.row())), WIDE)
    assert (again.step, again.queries, again.samples, again.stale) == (
        1, ahead.waiting.queries, ahead.waiting.samples, ahead.waiting.stale,
    )  # fmt: skip
    assert again.stale is not None
    assert all(p < 0 for group in again.stale for row in group for p in row)
