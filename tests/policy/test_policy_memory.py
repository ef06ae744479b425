"""Memory: what a pass keeps against what is counted on, passes by free memory, the table of the dry run, the disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_policies import toy_policy
from transformers import Qwen2Config, Qwen2ForCausalLM

from leser.grpo.optimizer import make_optimizer
from leser.grpo.options import GrpoOptions
from leser.policy import memory, packed
from leser.policy.adapters import save_trained
from leser.policy.loading import prepare
from leser.policy.memory import activation_bytes, pass_tokens
from leser.policy.options import PolicyOptions
from leser.policy.packed import group_logprobs
from leser.policy.policy import Policy
from leser.policy.sizes import Batch, in_shards, memory_needed, memory_table
from leser.store.checkpoint import save_checkpoint
from leser.store.disk import held_bytes


def of_shape(device: str = "cpu", layers: int = 2, width: int = 128, **options: Any) -> Policy:
    shape = Qwen2Config(
        vocab_size=500, hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=True,
    )  # fmt: skip
    with torch.device(device):
        model: Any = Qwen2ForCausalLM(shape)
    policy = Policy(model, None, "shape", "text", (2,), 512)
    return prepare(policy, PolicyOptions(device=device, **options), 0)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_pass_keeps_about_what_is_counted_on(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = of_shape(precision=precision)
    policy.shared.training_checked = True
    prompts, completions = [[5] * 200, [7] * 150], [[[9] * 30] * 8] * 2
    tokens = 350 + 16 * 29
    whole = {tuple(p.shape) for p in policy.model.parameters()} | {
        tuple(p.t().shape) for p in policy.model.parameters() if p.dim() == 2
    }
    kept: dict[int, Any] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tuple(tensor.shape) not in whole:  # not a weight, nor its rounded copy
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    monkeypatch.setattr(packed, "score_hidden", lambda _, hidden, *rest, **how: (hidden.sum(-1), hidden.sum(-1)))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        group_logprobs(policy, prompts, completions)
    found = sum(tensor.untyped_storage().nbytes() for tensor in kept.values()) / tokens
    assert 0.75 * found <= activation_bytes(policy) <= 1.35 * found


@dataclass
class Bound:
    tokens_per_pass: int | None


def test_a_pass_follows_free_memory_where_it_is_not_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = toy_policy("qwen3")
    assert pass_tokens(policy, Bound(100)) == 100
    assert pass_tokens(policy, Bound(None)) == 8192
    found = []
    for free in (10**6, 10**8, 10**9, 10**12):
        monkeypatch.setattr(memory, "free_bytes", lambda _, free=free: free)
        found.append(pass_tokens(policy, Bound(None)))
    assert found == sorted(found)
    assert (found[0], found[-1]) == (1024, 65536)
    assert all(n & (n - 1) == 0 for n in found)
    assert found[2] * activation_bytes(policy) < 10**9


def test_memory_is_counted_from_the_configuration() -> None:
    batch = Batch(4, 8, 100, 10, None, reference=True)
    policy = of_shape("meta", layers=3)
    weights = sum(p.numel() for p in policy.model.parameters())
    needed = memory_needed(policy, PolicyOptions(), batch)
    assert (needed["weights"], needed["gradients"], needed["moments"]) == (4 * weights, 4 * weights, 8 * weights)
    assert (needed["reference"], needed["copy that samples"]) == (4 * weights, 2 * weights)
    assert needed["keys and values"] == (4 * 100 + 4 * 8 * 10) * 3 * 2 * 2 * 32 * 2  # layers, K and V, heads, d, bytes
    adapters = of_shape("meta", layers=3, lora_rank=4, dtype="bfloat16")
    trained = sum(p.numel() for p in adapters.model.parameters() if p.requires_grad)
    found = memory_needed(adapters, PolicyOptions(lora_rank=4, dtype="bfloat16"), batch)
    assert (found["weights"], found["moments"]) == (2 * weights + 4 * trained, 8 * trained)
    quantised = memory_needed(adapters, PolicyOptions(lora_rank=4, dtype="bfloat16", quantize="nf4"), batch)
    assert 4 * trained + 0.5 * weights < quantised["weights"] < 0.6 * found["weights"]


def test_the_table_says_which_cards_hold_a_model() -> None:
    """A shape of 7 billion weights trained whole fits none; its adapters over bfloat16 fit 40 GB."""
    shape = {"layers": 28, "width": 4096}
    batch = Batch(16, 16, 512, 32, None, reference=False)
    whole = memory_table(of_shape("meta", **shape), PolicyOptions(), batch).splitlines()
    assert [line.split()[-1] for line in whole[-3:]] == ["no", "no", "no"]
    given: dict[str, Any] = {"lora_rank": 16, "dtype": "bfloat16", "gradient_checkpointing": True}
    adapters = of_shape("meta", **shape, **given)
    plain = memory_table(adapters, PolicyOptions(**given), batch).splitlines()
    assert ["yes" in line for line in plain[-3:]] == [False, True, True]


def test_weights_in_shards_are_counted_for_each_process() -> None:
    """Of 16 bytes per trained weight four processes hold 4 each while they learn, and what is gathered: two layers of three."""
    batch, policy = Batch(4, 8, 100, 10, None, reference=False), of_shape("meta", layers=3)
    options = PolicyOptions(precision="fp32", shard="fsdp")
    weights = sum(p.numel() for p in policy.model.parameters())
    layer = sum(p.numel() for p in policy.causal_lm.model.layers[0].parameters())  # type: ignore[attr-defined]
    *_, cache, one_pass = memory_needed(policy, options, batch).values()
    learning, sampling = in_shards(policy, options, batch, 4)
    assert learning == pytest.approx(4 * weights + 4 * (weights - layer) + one_pass)
    assert sampling == pytest.approx(4 * weights + (4 + 8) * weights / 4 + cache)
    lines = memory_table(policy, options, batch).splitlines()
    assert [line.split()[3] for line in lines[-3:]] == ["2", "4", "8"]
    assert lines[-2].split()[5] == f"{max(learning, sampling) / 1e9:.2f},"


def test_the_disk_that_is_asked_for_is_what_a_run_comes_to_hold(tmp_path: Path) -> None:
    """Two latest checkpoints, the best and one being written; four policies and one being written."""
    policy = of_shape()
    optimizer = make_optimizer(policy, GrpoOptions())
    sum(p.sum() for p in policy.model.parameters()).backward()
    optimizer.step()
    one = size_of(save_checkpoint(tmp_path, "step-1", {}, policy.model, optimizer))
    policy.model.save_pretrained(tmp_path / "policy")  # type: ignore[operator]  # a model of a shape has no tokenizer
    held = 4 * one + 5 * size_of(tmp_path / "policy")
    assert held_bytes(policy.model, 2) == pytest.approx(held, rel=0.02)
    adapters = of_shape(lora_rank=4)
    save_trained(adapters, tmp_path / "lora")
    small, whole = size_of(tmp_path / "lora"), size_of(tmp_path / "policy")
    assert held_bytes(adapters.model, 2) == pytest.approx(small * (3 * 4 + 5) + whole, rel=0.05)


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
