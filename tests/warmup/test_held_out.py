"""Held-out targets: which queries they are, what a unigram model says of them, and when a warm-up that learns by heart ends."""

from __future__ import annotations

from math import log

import pytest
import torch
from toy_policies import toy_policy
from verified_shop import environment_of

from leser.prompt import PromptOptions
from leser.sampler import Sampler
from leser.task import Query
from leser.training.held_out import HeldOut, hold_out
from leser.warmup.options import WarmupOptions
from leser.warmup.progress import WarmupProgress
from leser.warmup.targets import Target

TEXTS = ("red couch", "couch red", "desk lamp", "lamp desks", "wool rug", "floor mat", "oak table", "bed frame")
TARGETS = [Target(Query(f"q{i}", text), said, 0.1) for i, text in enumerate(TEXTS) for said in ("sofa", "sofa; teak")]


def test_near_duplicates_are_held_out_together_and_the_seed_decides() -> None:
    taught, held = hold_out(TARGETS, 0.5, 3)
    ids = {t.query.id for t in held}
    assert len(ids) == 4
    assert ids.isdisjoint(t.query.id for t in taught)
    assert len(taught) + len(held) == len(TARGETS)
    for seed in range(20):
        _, rows = hold_out(TARGETS, 0.4, seed)
        chosen = {t.query.id for t in rows}
        assert ("q0" in chosen) == ("q1" in chosen)
        assert ("q2" in chosen) == ("q3" in chosen)
    assert hold_out(TARGETS, 0.5, 3) == (taught, held)
    assert hold_out(TARGETS, 0.5, 4) != (taught, held)


def test_the_unigram_model_and_the_share_by_hand() -> None:
    policy = toy_policy()
    sampler = Sampler(policy, environment_of(), PromptOptions(), 8)
    held = HeldOut([([1, 2], [[5, 9], [7]])], [([1], [[5, 5, 9]]), ([2], [[6]])])
    found = held.likelihood(sampler)
    # 5 twice, 9 and 6 once, 7 never; four tokens and four types
    expected = log(3 / 8) + log(2 / 8) + log(1 / 8)
    assert found.unigram == pytest.approx(-expected / 3)
    with torch.no_grad():
        own = []
        for row in ([5, 9], [7]):
            logits = policy.causal_lm(torch.tensor([[1, 2, *row]])).logits[0, 1:-1].float()
            own.append(float(logits.log_softmax(-1)[range(len(row)), row].sum()))
    assert found.loss == pytest.approx(-sum(own) / 3, abs=1e-4)
    assert found.predicted == ((own[0] > log(3 / 8) + log(2 / 8)) + (own[1] > log(1 / 8))) / 2


def looks(values: list[float], held: list[float] | None, losses: list[float]) -> WarmupProgress:
    """How a warm-up goes whose dev earns `values` at each look, where leaving all alone earns .5; until it ends."""
    options, progress = WarmupOptions(patience=3), WarmupProgress()
    for number, (value, loss) in enumerate(zip(values, losses, strict=True)):
        if progress.ended(options):
            break
        progress.step += 20
        progress.losses = [loss]
        progress.note(value, 0.5, None if held is None else held[number])
    return progress


FALLING = [5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005]


def test_a_small_task_that_is_learned_by_heart_ends_where_held_out_loss_rises_from_the_first_look_on() -> None:
    dev, held = [0.48 - 0.01 * i for i in range(10)], [4.0 + 0.3 * i for i in range(10)]
    assert looks(dev, None, FALLING).evaluations == 10, "its own loss falls: no standstill is ever counted"
    ended = looks(dev, held, FALLING)
    assert (ended.evaluations, ended.best_step, ended.held_step) == (4, 20, 20)


def test_while_held_out_targets_become_likelier_a_fall_of_dev_is_no_standstill() -> None:
    dev = [0.45, 0.40, 0.42, 0.44, 0.50, 0.55, 0.60, 0.60, 0.60, 0.60]
    held = [5.0, 4.5, 4.0, 3.5, 3.2, 3.0, 2.9, 2.95, 3.0, 3.1]
    ended = looks(dev, held, FALLING)
    assert (ended.best, ended.best_step) == (0.60, 140)
    assert (ended.held_best, ended.held_step) == (2.9, 140)
    assert ended.evaluations == 10
