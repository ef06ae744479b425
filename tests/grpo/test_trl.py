"""Our loss and gradient against those of TRL's GRPOTrainer, on one batch and one model."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from toy_policies import token_rows, toy_model, toy_policy
from trl import GRPOConfig, GRPOTrainer

from leser.grpo.advantage import group_advantages
from leser.grpo.options import GrpoOptions
from leser.grpo.update import GroupBatch, accumulate
from leser.policy.packed import group_logprobs
from leser.policy.tiny import train_tokenizer

B, G, LIMIT = 3, 4, 12
MODES = {"dapo": "token", "grpo": "sequence", "dr_grpo": "constant"}


def trainer_for(folder: Path, **values: Any) -> GRPOTrainer:
    config = GRPOConfig(
        output_dir=str(folder), use_cpu=True, bf16=False, report_to=[], per_device_train_batch_size=B * G, num_generations=G,
        gradient_accumulation_steps=1, max_completion_length=LIMIT, gradient_checkpointing=False, **values,
    )  # fmt: skip
    trainer = GRPOTrainer(
        model=toy_model("llama"),
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=config,
        train_dataset=Dataset.from_list([{"prompt": "sofa"}] * B),
        processing_class=train_tokenizer(["red leather sofa"] * 10, 300),
    )
    trainer.current_gradient_accumulation_steps = 1
    return trainer


def batch() -> tuple[
    list[list[int]], list[list[list[int]]], np.ndarray, list[list[list[float]]], list[list[list[float]]]
]:
    """Prompts, completions, rewards, old and reference log-probabilities: some ratios outside the clip, KL above 0."""
    rng, numbers = random.Random(2), np.random.default_rng(2)
    prompts = token_rows(rng, [5, 14, 9])
    completions = [token_rows(rng, [rng.randrange(1, LIMIT + 1) for _ in range(G)]) for _ in range(B)]
    policy = toy_policy("llama")
    with torch.no_grad():
        result = group_logprobs(policy, prompts, completions)

    def noisy(size: float) -> list[list[list[float]]]:
        return [
            [[float(v + size * numbers.normal()) for v in row[m]] for row, m in zip(*pair, strict=True)]
            for pair in zip(result.logprobs, result.mask, strict=True)
        ]

    return prompts, completions, numbers.random((B, G)), noisy(0.3), noisy(0.5)


def padded(rows: list[list[Any]], width: int, left: bool, fill: Any = 0) -> torch.Tensor:
    return torch.tensor([[fill] * (width - len(r)) + r if left else r + [fill] * (width - len(r)) for r in rows])


@dataclass(frozen=True)
class Variant:
    """What a variant is called here and there; `there` are arguments of GRPOConfig, `correction` one of vLLM's."""

    here: dict[str, Any]
    there: dict[str, Any]
    kl: float = 0.0
    correction: str | None = None


CLIPS = {"clip_low": 0.2, "clip_high": 0.28}
EPSILONS = {"epsilon": 0.2, "epsilon_high": 0.28}
GSPO = {"ratio": "sequence", "clip_low": 0.03, "clip_high": 0.04}
VARIANTS = {
    **{
        f"{name}, kl {kl}": Variant({"loss": mode, **CLIPS}, {"loss_type": name, **EPSILONS}, kl)
        for name, mode in MODES.items()
        for kl in (0.0, 0.04)
    },
    **{
        f"gspo, {name}": Variant(
            {"loss": mode, **GSPO},
            {"loss_type": name, "importance_sampling_level": "sequence", "epsilon": 0.03, "epsilon_high": 0.04},
            kl=0.04,
        )
        for name, mode in MODES.items()
    },
    "cispo": Variant({"surrogate": "cispo", **CLIPS}, {"loss_type": "cispo", "epsilon_high": 1.28}, kl=0.04),
    "cispo, sequence ratio": Variant(
        {"surrogate": "cispo", "ratio": "sequence", "clip_high": 0.04},
        {"loss_type": "cispo", "importance_sampling_level": "sequence", "epsilon_high": 1.04},
    ),
    "dual clip": Variant({"dual_clip": 1.4, **CLIPS}, {"loss_type": "dapo", "delta": 1.4, **EPSILONS}),
    **{
        f"importance, {mode}": Variant(
            {"importance": mode.replace("_", "-"), "importance_cap": 1.2, **CLIPS},
            {"loss_type": "dapo", **EPSILONS},
            kl=0.04,
            correction=mode,
        )
        for mode in ("token_truncate", "token_mask", "sequence_truncate", "sequence_mask")
    },
}


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_loss_and_gradient_equal_trl(tmp_path: Path, variant: str) -> None:
    chosen = VARIANTS[variant]
    prompts, completions, rewards, old, reference = batch()
    options = GrpoOptions.model_validate(
        {"loss_length": LIMIT, "kl": chosen.kl, "kl_estimate": "k3", "scale": "group", **chosen.here}
    )
    got = group_advantages(rewards, options=options)
    policy = toy_policy("llama")
    sampled = [[[v + 0.1 * ((i * 7) % 5 - 2) for i, v in enumerate(row)] for row in group] for group in old]
    ours = GroupBatch(prompts, completions, got.advantages, got.active, old, reference, sampled)
    sums, _ = accumulate(policy, ours, options, on_policy=False)

    trainer = trainer_for(tmp_path, use_bias_correction_kl=False, **chosen.there)
    trainer.beta = chosen.kl  # set afterwards: its constructor would ask the hub for a reference model
    trainer.use_vllm = chosen.correction is not None
    rows = [c for group in completions for c in group]
    mask = padded([[1] * len(c) for c in rows], LIMIT, left=False)
    theirs = {
        "prompt_ids": padded([p for p in prompts for _ in range(G)], 14, left=True),
        "prompt_mask": padded([[1] * len(p) for p in prompts for _ in range(G)], 14, left=True),
        "completion_ids": padded(rows, LIMIT, left=False),
        "completion_mask": mask,
        "advantages": torch.tensor(trl_advantages(rewards), dtype=torch.float32),
        "old_per_token_logps": padded([r for group in old for r in group], LIMIT, left=False, fill=0.0),
        "ref_per_token_logps": padded([r for group in reference for r in group], LIMIT, left=False, fill=0.0),
        "num_items_in_batch": mask.sum(),
    }
    if chosen.correction:
        noted = padded([r for group in sampled for r in group], LIMIT, left=False, fill=0.0)
        theirs["importance_sampling_ratio"] = trl_correction(
            theirs["old_per_token_logps"], noted, mask, chosen.correction
        )
        assert sums["corrected"] > 0
    trainer.model.train()
    loss = trainer._compute_loss(trainer.model, theirs)
    loss.backward()

    assert sums["loss"] == pytest.approx(loss.item(), rel=1e-5, abs=1e-6)
    assert sums["clipped_low"] + sums["clipped_high"] > 0
    wanted = {n: p.grad for n, p in trainer.model.named_parameters() if p.grad is not None}
    found = {n: p.grad for n, p in policy.model.named_parameters() if p.grad is not None}
    assert set(wanted) == set(found)
    scale = max(float(g.abs().max()) for g in wanted.values())
    assert max(float((found[n] - wanted[n]).abs().max()) for n in wanted) <= 1e-5 * scale


def trl_correction(old: torch.Tensor, sampled: torch.Tensor, mask: torch.Tensor, mode: str) -> torch.Tensor:
    """TRL's own arithmetic for vLLM's log-probabilities (grpo_trainer.py, _generate_and_score_completions), cap 1.2."""
    gap = (old - sampled) * mask
    ratio = torch.exp(gap.sum(dim=-1, keepdim=True) if mode.startswith("sequence") else gap)
    return ratio.clamp(max=1.2) if mode.endswith("truncate") else ratio.masked_fill(ratio > 1.2, 0.0)


def trl_advantages(rewards: np.ndarray) -> np.ndarray:
    """TRL's own arithmetic (grpo_trainer.py): centred by group, divided by the unbiased deviation + 1e-4."""
    tensor = torch.tensor(rewards)
    centred = tensor - tensor.mean(dim=1, keepdim=True)
    return (centred / (tensor.std(dim=1, keepdim=True) + 1e-4)).flatten().numpy()
