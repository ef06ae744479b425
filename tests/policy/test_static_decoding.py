"""Decoding over static shapes against the ragged loop: the same tokens for the same noise, log-probabilities within rounding."""

from __future__ import annotations

import gc
import random
import weakref
from itertools import pairwise
from typing import Any

import pytest
import torch
from toy_policies import EOS, token_rows, toy_policy

from leser.errors import LeserError
from leser.policy import generate as generate_module
from leser.policy import static
from leser.policy.drawing import BLOCK, NoiseKey, Sample, by_blocks, by_running_sum
from leser.policy.generate import generate
from leser.policy.graphs import KEPT_STEPS, GraphedStep, SamplingState, own_width
from leser.policy.packed import group_logprobs
from leser.policy.policy import Policy
from leser.policy.token_step import Place


def ragged_groups(sizes: list[int]) -> list[list[NoiseKey]]:
    return [[NoiseKey(7, 0, f"q{i}", g) for g in range(size)] for i, size in enumerate(sizes)]


def both(
    policy: Policy, lengths: list[int], sizes: list[int], limit: int, temperature: float, per_pass: int | None = None
) -> tuple[list[list[Sample]], list[list[Sample]]]:
    prompts, keys = token_rows(random.Random(1), lengths), ragged_groups(sizes)
    ragged = generate(policy, prompts, keys, max_new_tokens=limit, temperature=temperature, decoding="ragged")
    fixed = generate(
        policy,
        prompts,
        keys,
        max_new_tokens=limit,
        temperature=temperature,
        decoding="static",
        prompts_per_pass=per_pass,
    )
    return ragged, fixed


def assert_same(ragged: list[list[Sample]], fixed: list[list[Sample]]) -> None:
    assert [[s.tokens for s in g] for g in fixed] == [[s.tokens for s in g] for g in ragged]
    assert [[s.finished for s in g] for g in fixed] == [[s.finished for s in g] for g in ragged]
    gaps = [
        abs(a - b)
        for r, f in zip(ragged, fixed, strict=True)
        for x, y in zip(r, f, strict=True)
        for a, b in zip(x.logprobs, y.logprobs, strict=True)
    ]
    assert max(gaps) < 2e-5


@pytest.mark.parametrize("kind", ["qwen3", "llama", "gpt2"])
@pytest.mark.parametrize("temperature", [0.0, 1.0, 0.7])
def test_static_shapes_give_the_same_samples(kind: str, temperature: float) -> None:
    policy = toy_policy(kind)
    ragged, fixed = both(policy, [9, 4, 17, 70], [4, 4, 4, 4], 24, temperature)
    assert_same(ragged, fixed)
    assert policy.shared.enabled, policy.shared.reason
    ended = {s.finished for g in fixed for s in g}
    assert ended == {True, False} or temperature == 0.0  # early ends and the limit, both


def test_groups_of_unequal_sizes_and_several_passes() -> None:
    ragged, fixed = both(toy_policy("qwen3"), [9, 4, 17, 30, 5], [1, 7, 2, 0, 3], 20, 1.0, per_pass=2)
    assert_same(ragged, fixed)
    assert [len(g) for g in fixed] == [1, 7, 2, 0, 3]


def test_rows_that_ended_are_left_out_without_changing_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[tuple[int, int]] = []
    carry = GraphedStep.carry_from

    def noted(self: GraphedStep, old: GraphedStep, place: Place, done: int) -> None:
        moved.append((old.buffers.shape.rows, self.buffers.shape.rows))
        carry(self, old, place, done)

    monkeypatch.setattr(GraphedStep, "carry_from", noted)
    policy = toy_policy("qwen3")
    ragged, fixed = both(policy, [9, 4, 17], [8, 8, 8], 230, 2.0)
    assert_same(ragged, fixed)
    assert len(moved) >= 2  # halved more than once
    assert all(new <= old // 2 + 4 for old, new in moved)
    assert len({len(s.tokens) for g in fixed for s in g}) > 5


def test_the_own_part_widens_with_the_completions() -> None:
    assert [own_width(n, 200) for n in (1, 64, 65, 128, 129)] == [64, 64, 128, 128, 200]
    assert own_width(3, 32) == 32


def test_buffers_are_used_again_and_hold_nothing_of_the_last_pass() -> None:
    policy = toy_policy("qwen3")
    ragged, fixed = both(policy, [9, 40], [3, 3], 16, 1.0)
    state = SamplingState.of(policy)
    shapes = list(state.steps)
    for step in state.steps.values():
        for layer in step.buffers.layers.values():
            for tensor in layer:
                tensor.fill_(float("nan"))
    again = both(policy, [9, 40], [3, 3], 16, 1.0)[1]
    assert again == fixed
    assert list(SamplingState.of(policy).steps) == shapes
    assert_same(ragged, again)


def test_noted_log_probabilities_are_the_training_ones() -> None:
    policy = toy_policy("llama")
    prompts, keys = token_rows(random.Random(2), [3, 20, 9]), ragged_groups([5, 5, 5])
    answers = generate(policy, prompts, keys, max_new_tokens=15, temperature=0.8, decoding="static")
    result = group_logprobs(policy, prompts, [[s.tokens for s in g] for g in answers], temperature=0.8)
    noted = torch.tensor([p for group in answers for s in group for p in s.logprobs])
    assert torch.allclose(noted, result.logprobs[result.mask], atol=1e-5)
    assert all(EOS not in s.tokens[:-1] for g in answers for s in g)


@pytest.mark.parametrize("count", [5, BLOCK, BLOCK + 1, 3000])
def test_the_inverse_by_blocks_is_exact(count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    logits = torch.randn(6, count, generator=generator) * 4
    logits[:, count // 2] = float("-inf")
    probabilities = torch.softmax(logits, -1)
    uniform = torch.rand(600, generator=generator)
    uniform[:2] = torch.tensor([0.0, 1.0 - 2**-24])
    owner = torch.arange(600) % 6
    cumulative = probabilities.double().cumsum(-1)[owner]
    drawn = by_blocks(probabilities, uniform, owner).unsqueeze(-1)
    point = uniform.double() * cumulative[:, -1]
    above = cumulative.gather(-1, drawn).squeeze(-1)
    below = above - probabilities.double()[owner].gather(-1, drawn).squeeze(-1)
    assert bool(((below <= point + 1e-6) & (point < above + 1e-6)).all())
    assert bool((probabilities[owner].gather(-1, drawn) > 0).all())
    same = (drawn.squeeze(-1) == by_running_sum(probabilities, uniform, owner)).double().mean()
    assert same > 0.99
    one = by_blocks(probabilities, uniform[:6], None)
    assert torch.equal(one, by_blocks(probabilities, uniform[:6], torch.arange(6)))


def test_rectangles_hold_every_row_once() -> None:
    rng = random.Random(3)
    for _ in range(50):
        starts = [0]
        for _ in range(rng.randrange(1, 9)):
            starts.append(starts[-1] + rng.randrange(0, 9))
        if not starts[-1]:
            continue
        rows = [list(range(a, b)) for a, b in pairwise(starts)]
        group, place = static.arrange(rows)
        assert len(place.rows) == group * len(place.prompts)
        assert sorted(r for r in place.rows if r >= 0) == list(range(starts[-1]))
        for slot, row in enumerate(place.rows):
            assert row < 0 or row in rows[place.prompts[slot // group]]
    assert static.arrange([[0, 1, 2], [3, 4, 5]])[0] == 3  # equal groups keep one line each
    assert static.arrange([list(range(64)), [64], [65], [66]])[1].prompts.count(0) > 1  # a large one has several


def test_out_of_memory_halves_the_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that is short is played by an error of the allocator's kind for more than two prompts."""
    policy = toy_policy("qwen3")
    wanted = both(policy, [9, 4, 17, 30, 5], [2, 2, 2, 2, 2], 12, 1.0)[1]
    sizes: list[int] = []
    whole = generate_module.static_pass

    def short(*given: Any, **how: Any) -> list[list[Sample]]:
        sizes.append(len(given[3]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return whole(*given, **how)

    monkeypatch.setattr(generate_module, "static_pass", short)
    assert_same(wanted, both(policy, [9, 4, 17, 30, 5], [2, 2, 2, 2, 2], 12, 1.0)[1])
    assert sizes == [5, 3, 2, 2, 1]


def test_what_is_kept_goes_with_the_model() -> None:
    policy = toy_policy("qwen3")
    both(policy, [9, 4], [2, 2], 6, 1.0)
    state = weakref.ref(SamplingState.of(policy))
    del policy
    gc.collect()
    assert state() is None


def test_few_shapes_are_kept() -> None:
    policy = toy_policy("llama")
    for limit in range(3, 3 + 2 * KEPT_STEPS):
        both(policy, [9, 4], [2, 2], limit, 1.0)
    assert [shape.limit for shape in SamplingState.of(policy).steps] == list(range(3 + KEPT_STEPS, 3 + 2 * KEPT_STEPS))


def test_weights_that_are_not_numbers_are_an_error() -> None:
    policy = toy_policy("llama")
    both(policy, [9], [2], 4, 1.0)
    with torch.no_grad():
        next(iter(policy.model.parameters())).fill_(float("nan"))
    with pytest.raises(LeserError, match="not numbers"):
        generate(policy, [[3, 4]], ragged_groups([2]), max_new_tokens=4, temperature=1.0, decoding="static")
