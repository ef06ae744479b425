"""Tokens per second and model FLOPs utilisation, by hand."""

from __future__ import annotations

import pytest
from toy_policies import SHAPE, VOCABULARY, toy_policy

from leser.processes import ALONE, Processes
from leser.training import speed
from leser.training.speed import Tokens, model_flops, peak_of, speeds

HEAD = VOCABULARY * SHAPE["hidden_size"]


def test_a_steps_tokens_come_from_its_figures() -> None:
    metrics = {"zero_variance_groups": 0.25, "length": 3.5, "tokens": 80}
    assert Tokens.of(metrics, completions=32, group=8, prompt=100.0) == Tokens(400.0, 112.0, 300.0, 80)


@pytest.mark.parametrize(("kind", "rank"), [("qwen3", 0), ("llama", 0), ("qwen3", 4)])
def test_operations_are_those_of_the_products(kind: str, rank: int) -> None:
    """A tied head (qwen3) and one of its own (llama); embeddings are looked up, and adapters are all that is trained."""
    policy = toy_policy(kind, lora_rank=rank, lora_alpha=8)
    body = sum(p.numel() for n, p in policy.model.named_parameters() if "embed_tokens" not in n and "lm_head" not in n)
    trained = sum(p.numel() for n, p in policy.model.named_parameters() if ".lora_" in n) if rank else body
    head = 0 if rank else HEAD
    tokens = Tokens(prompts=10, completions=4, trained_prompts=6, trained_completions=3)
    sampled = 2 * body * 14 + 2 * HEAD * 4
    learned = (4 * body + 2 * trained) * 9 + (4 * HEAD + 2 * head) * 3
    assert model_flops(policy, tokens) == sampled + learned


def test_peaks_are_found_by_the_devices_name() -> None:
    names = (
        "NVIDIA H100 80GB HBM3",
        "NVIDIA H100 PCIe",
        "NVIDIA A100-SXM4-80GB",
        "NVIDIA A10",
        "NVIDIA L4",
        "NVIDIA L40S",
    )
    assert [peak_of(name, "bf16") for name in names] == [989e12, 756e12, 312e12, 125e12, 121e12, 362e12]
    assert peak_of("NVIDIA A100-SXM4-80GB", "tf32") == 156e12
    assert peak_of("Somebody's card", "bf16") is None


def test_utilisation_is_of_all_processes_and_only_where_a_peak_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, tokens = toy_policy(), Tokens(400.0, 112.0, 300.0, 80.0)
    assert speeds(policy, tokens, 32, 2.0, ALONE) == {"completions_per_s": 16.0, "tokens_per_s": 56.0}
    monkeypatch.setattr(speed, "_peak", lambda policy: 1e9)
    one, two = (speeds(policy, tokens, 32, 2.0, processes)["mfu"] for processes in (ALONE, Processes(0, 2)))
    assert one == model_flops(policy, tokens) / 2e9
    assert two == one / 2
