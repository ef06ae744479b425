"""Sampling: equal to Hugging Face's greedy search, independent of the batch's layout, true to the distribution."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from toy_policies import EOS, token_rows, toy_model, toy_policy

from leser.errors import LeserError
from leser.policy.generate import NoiseKey, Sample, draw_tokens, generate, uniforms
from leser.policy.packed import group_logprobs


def keys_for(count: int, group: int, step: int = 0) -> list[list[NoiseKey]]:
    return [[NoiseKey(7, step, f"q{i}", g) for g in range(group)] for i in range(count)]


def prompts_of(lengths: list[int], seed: int = 1) -> list[list[int]]:
    return token_rows(random.Random(seed), lengths)


def tokens(answers: list[list[Sample]]) -> list[list[list[int]]]:
    return [[s.tokens for s in group] for group in answers]


@pytest.mark.parametrize("kind", ["qwen3", "llama", "gpt2", "gemma2", "lfm2"])
def test_greedy_equals_hugging_face(kind: str) -> None:
    policy, model = toy_policy(kind), toy_model(kind)
    prompts = prompts_of([9, 4, 17])
    got = generate(policy, prompts, keys_for(3, 1), max_new_tokens=12, temperature=0.0)
    for prompt, group in zip(prompts, got, strict=True):
        reference = model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=12,
            do_sample=False,
        )[0, len(prompt) :].tolist()
        assert group[0].tokens == reference
        assert group[0].finished == (reference[-1] == EOS)


def test_samples_do_not_depend_on_the_layout() -> None:
    prompts, keys = prompts_of([3, 20, 9, 9, 31]), keys_for(5, 6)
    whole = generate(toy_policy("qwen3"), prompts, keys, max_new_tokens=20, temperature=1.0)
    assert len({tuple(s.tokens) for group in whole for s in group}) == 30  # noise of their own
    assert any(s.finished for group in whole for s in group)
    assert any(not s.finished for group in whole for s in group)
    for size in (1, 2):
        parts = generate(toy_policy("qwen3"), prompts, keys, max_new_tokens=20, temperature=1.0, prompts_per_pass=size)
        assert tokens(parts) == tokens(whole)
    turned = generate(
        toy_policy("qwen3"), prompts[::-1], [k[::-1] for k in keys[::-1]], max_new_tokens=20, temperature=1.0
    )
    assert [g[::-1] for g in tokens(turned)[::-1]] == tokens(whole)
    plain = generate(toy_policy("qwen3", attention="plain"), prompts, keys, max_new_tokens=20, temperature=1.0)
    assert tokens(plain) == tokens(whole)
    other = generate(toy_policy("qwen3"), prompts, keys_for(5, 6, step=1), max_new_tokens=20, temperature=1.0)
    assert tokens(other) != tokens(whole)


def test_groups_may_differ_in_size() -> None:
    prompts, keys = prompts_of([3, 20, 9]), keys_for(3, 4)
    whole = generate(toy_policy("llama"), prompts, keys, max_new_tokens=10, temperature=1.3)
    some = generate(
        toy_policy("llama"), prompts, [keys[0][:1], keys[1][2:], keys[2]], max_new_tokens=10, temperature=1.3
    )
    assert tokens(some) == [tokens(whole)[0][:1], tokens(whole)[1][2:], tokens(whole)[2]]


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_noted_log_probabilities_are_the_training_ones(temperature: float) -> None:
    policy = toy_policy("qwen3")
    prompts = prompts_of([3, 20, 9])
    answers = generate(policy, prompts, keys_for(3, 5), max_new_tokens=15, temperature=temperature)
    result = group_logprobs(policy, prompts, tokens(answers), temperature=temperature)
    noted = torch.tensor([p for group in answers for s in group for p in s.logprobs])
    assert torch.allclose(noted, result.logprobs[result.mask], atol=1e-5)
    for group in answers:
        for sample in group:
            assert sample.finished == (sample.tokens[-1] == EOS)
            assert EOS not in sample.tokens[:-1]
            assert sample.finished or len(sample.tokens) == 15


def test_the_inverse_of_the_cumulative_distribution() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.0, 0.25, 0.25, 0.0]]))
    points = torch.tensor([0.0, 0.49, 0.5, 0.74, 0.76, 1.0 - 2**-24])
    drawn, logprobs = draw_tokens(logits, points, torch.zeros(6, dtype=torch.long), 1.0)
    assert drawn.tolist() == [0, 0, 2, 2, 3, 3]  # tokens of probability 0 never
    assert torch.allclose(logprobs.exp(), torch.tensor([0.5, 0.5, 0.25, 0.25, 0.25, 0.25]))


def test_samples_follow_the_distribution() -> None:
    policy = toy_policy("qwen3")
    prompt, count = prompts_of([6])[0], 4000
    keys = [[NoiseKey(0, 0, "q", i) for i in range(count)]]
    drawn = [s.tokens[0] for s in generate(policy, [prompt], keys, max_new_tokens=1, temperature=1.0)[0]]
    expected = torch.softmax(policy.causal_lm(input_ids=torch.tensor([prompt])).logits[0, -1], -1).detach().numpy()
    seen = np.bincount(drawn, minlength=len(expected)) / count
    assert np.abs(seen - expected).max() < 4 * np.sqrt(expected.max() / count)


def test_noise_is_of_the_key_alone() -> None:
    key = NoiseKey(1, 2, "a:b", 3)
    assert np.array_equal(uniforms(key, 5), uniforms(key, 9)[:5])
    for other in (NoiseKey(2, 2, "a:b", 3), NoiseKey(1, 3, "a:b", 3), NoiseKey(1, 2, "a", 3), NoiseKey(1, 2, "a:b", 4)):
        assert not np.array_equal(uniforms(key, 5), uniforms(other, 5))


def test_sliding_window_model_samples_as_its_plain_self() -> None:
    prompts, keys = prompts_of([9, 30]), keys_for(2, 3)
    shared = toy_policy("mistral")
    got = generate(shared, prompts, keys, max_new_tokens=8, temperature=1.0)
    assert tokens(got) == tokens(
        generate(toy_policy("mistral", attention="plain"), prompts, keys, max_new_tokens=8, temperature=1.0)
    )
    assert shared.shared.enabled  # still used for rows that fit the window


def test_too_long_a_prompt_says_what_to_do() -> None:
    with pytest.raises(LeserError, match="lower max_new_tokens"):
        generate(toy_policy("qwen3"), prompts_of([250]), keys_for(1, 1), max_new_tokens=10, temperature=1.0)
    with pytest.raises(LeserError, match="holds no token"):
        generate(toy_policy("qwen3"), [[]], keys_for(1, 1), max_new_tokens=10, temperature=1.0)
