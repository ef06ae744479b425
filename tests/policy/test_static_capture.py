"""What a CUDA graph needs of the token step, as far as a CPU can show it: no value asked of the device, no tensor from Python."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from toy_policies import token_rows, toy_policy

from leser.policy.drawing import NoiseKey
from leser.policy.generate import generate
from leser.policy.graphs import GraphedStep
from leser.policy.policy import Policy

FORBIDDEN = (
    "_local_scalar_dense",
    "lift_fresh",
    "nonzero",
    "masked_select",
    "unique",
    "bincount",
    "isin",
    "is_nonzero",
)


class Recorder(TorchDispatchMode):
    """Names of the operators that reach the device, and the storages that each wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[str]]]:
    """The operators of every step, in turn."""
    steps: list[list[str]] = []
    advance = GraphedStep.advance

    def noted(self: GraphedStep, policy: Policy, done: int, *, graph: bool) -> None:
        with Recorder() as recorder:
            advance(self, policy, done, graph=graph)
        steps.append(recorder.names)

    monkeypatch.setattr(GraphedStep, "advance", noted)
    yield steps


@pytest.mark.parametrize("kind", ["qwen3", "llama", "gpt2"])
@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_no_step_asks_for_a_value_or_brings_one(kind: str, temperature: float, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = toy_policy(kind)
    prompts = token_rows(random.Random(1), [5, 9])
    keys = [[NoiseKey(0, 0, str(i), g) for g in range(3)] for i in range(2)]
    with recorded(monkeypatch) as steps:
        generate(policy, prompts, keys, max_new_tokens=8, temperature=temperature, decoding="static")
    assert len(steps) >= 4
    assert not {name for step in steps for name in step if any(word in name for word in FORBIDDEN)}
    assert all(step == steps[0] for step in steps)  # a graph replays what it captured


def test_the_recorder_sees_what_is_forbidden() -> None:
    with Recorder() as recorder:
        value = torch.ones(3)
        assert bool(value.any())
        torch.tensor([1.0, 2.0])
    assert {"_local_scalar_dense", "lift_fresh"} <= set(recorder.names)


def test_the_buffers_never_move(monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[list[int]] = []
    advance = GraphedStep.advance

    def noted(self: GraphedStep, policy: Policy, done: int, *, graph: bool) -> None:
        advance(self, policy, done, graph=graph)
        kept = [t for layer in self.buffers.layers.values() for t in layer] + self.buffers.counters()
        places.append([t.data_ptr() for t in (*kept, self.buffers.uniform, self.buffers.drawn, self.buffers.logprobs)])

    monkeypatch.setattr(GraphedStep, "advance", noted)
    policy = toy_policy("qwen3")
    for seed in (1, 2):
        prompts = token_rows(random.Random(seed), [5, 9 + seed])
        keys = [[NoiseKey(seed, 0, str(i), g) for g in range(3)] for i in range(2)]
        generate(policy, prompts, keys, max_new_tokens=8, temperature=1.0, decoding="static")
    assert len(places) > 8
    assert all(place == places[0] for place in places)


def test_a_trial_of_the_step_leaves_no_trace() -> None:
    """Before a capture the step runs twice for nothing; what it changed is put back."""
    policy = toy_policy("qwen3")
    prompts = token_rows(random.Random(1), [5, 9])
    keys = [[NoiseKey(0, 0, str(i), g) for g in range(3)] for i in range(2)]
    wanted = generate(policy, prompts, keys, max_new_tokens=8, temperature=1.0, decoding="static")
    advance = GraphedStep.advance

    def tried(self: GraphedStep, policy: Policy, done: int, *, graph: bool) -> None:
        self.try_out(policy, 8)
        advance(self, policy, done, graph=graph)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GraphedStep, "advance", tried)
        assert generate(policy, prompts, keys, max_new_tokens=8, temperature=1.0, decoding="static") == wanted
