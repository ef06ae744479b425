"""A `tiny` that copies: before any training it says the words that its prompt shows, words that nobody taught it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from leser.errors import LeserError
from leser.policy.generate import NoiseKey, generate
from leser.policy.loading import load_policy
from leser.policy.options import PolicyOptions, TinyOptions, check_policy
from leser.policy.packed import group_logprobs
from leser.policy.policy import Policy

SHAPE = TinyOptions(d_model=192, layers=2, ffn=64, vocabulary=500, pretrain_steps=0, copying=True, seed=3)
KNOWN = "oak walnut teak linen velvet marble copper rattan bamboo leather cotton brass"
"""Words that are one token each."""


def _made(options: TinyOptions) -> Policy:
    return load_policy(PolicyOptions(name="tiny", tiny=options, device="cpu"), task_texts=[KNOWN] * 20)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return _made(SHAPE)


def _said(policy: Policy, shown: list[list[str]], temperature: float = 0.0) -> list[list[str]]:
    prompts = [policy.encode_marked({"query": "sofa", "found": "few", "terms": " ".join(row)}) for row in shown]
    keys = [[NoiseKey(0, 0, f"q{row}", 0)] for row in range(len(shown))]
    rows = generate(policy, prompts, keys, max_new_tokens=90, temperature=temperature)
    return [policy.decode(sample.tokens).split("; ") if sample.finished else [] for (sample,) in rows]


def test_it_says_the_shown_words_in_their_order_before_any_training(policy: Policy) -> None:
    words, rng = KNOWN.split(), np.random.default_rng(1)
    shown = [list(rng.permutation(words)[: rng.integers(1, 9)]) for _ in range(12)]
    assert _said(policy, shown) == shown


def test_words_of_several_tokens_that_no_text_held_are_copied(policy: Policy) -> None:
    shown = [["oak", "jukebox", "brass"], ["fjord", "velvet", "cotton"], ["teak", "wombat", "linen"]]
    assert max(len(policy.encode_completion(word)) for row in shown for word in row) > 5  # the end is one of them
    assert _said(policy, shown) == shown


def test_sampling_leaves_words_out_now_and_then(policy: Policy) -> None:
    shown = [KNOWN.split()[i % 4 : i % 4 + 8] for i in range(40)]
    keys = [[NoiseKey(0, 0, f"s{row}", 0)] for row in range(len(shown))]
    prompts = [policy.encode_marked({"query": "rug", "found": "many", "terms": " ".join(row)}) for row in shown]
    rows = generate(policy, prompts, keys, max_new_tokens=60, temperature=1.0)
    said = [policy.decode(sample.tokens).split("; ") for (sample,) in rows if sample.finished]
    part = [row for row in said if len(row) < 8]
    assert len(said) >= 34
    assert part, "a policy that always says all of them could not be taught which to leave out"
    of_shown = [word in KNOWN.split() for row in said for word in row]
    assert sum(of_shown) > 0.95 * len(of_shown)


def test_to_leave_the_query_alone_is_likely_enough_to_be_sampled_and_ends_there(policy: Policy) -> None:
    words = KNOWN.split()
    prompts = [
        policy.encode_marked({"query": "rug", "found": "few", "terms": " ".join(words[i : i + 4])}) for i in range(8)
    ]
    found = group_logprobs(policy, prompts, [[policy.encode_completion("none")] for _ in prompts])
    alone, end = found.logprobs[:, 0, :2].exp().mean(dim=0).tolist()
    assert 0.002 < alone < 0.3
    assert end > 0.99


def test_a_saved_copying_policy_copies(policy: Policy, tmp_path: Path) -> None:
    policy.save(tmp_path / "policy")
    loaded = load_policy(PolicyOptions(name=str(tmp_path / "policy"), device="cpu"))
    assert _said(loaded, [["oak", "brass", "teak"]]) == [["oak", "brass", "teak"]]


def test_the_seed_decides_and_without_the_option_nothing_changes() -> None:
    first, again, other = (_made(SHAPE.model_copy(update={"seed": seed})) for seed in (3, 3, 4))
    for left, right in zip(first.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(left, right)
    assert not torch.equal(next(first.model.parameters()), next(other.model.parameters()))
    plain = _made(SHAPE.model_copy(update={"copying": False}))
    assert plain.causal_lm.config.rope_parameters["rope_theta"] == 10000.0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"architecture": "llama"}, "policy.tiny.architecture=qwen3"),
        ({"layers": 1}, "has no room"),
        ({"d_model": 120}, "has no room"),
        ({"kv_heads": 1}, "has no room"),
        ({"heads": 2, "d_model": 128}, "has no room"),
    ],
)
def test_a_shape_without_room_is_refused_before_any_work(change: dict[str, object], reason: str) -> None:
    with pytest.raises(LeserError, match=reason):
        check_policy(PolicyOptions(name="tiny", tiny=SHAPE.model_copy(update=change)))
