"""Learning curves beside TRL's: its trainer gets LESER's prompts, rewards and weights; figures and plots by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from environments import SHELF, environment_of
from leser_memory import MemoryBackend

from benchmarks import cost_curve, curves_vs_trl, plots
from benchmarks.curves_trl import _plain_copy, _take_over
from benchmarks.grpo_case import Case
from leser.expansion import ExpansionOptions
from leser.policy.attention import ATTENTION_NAME
from leser.policy.loading import prepare
from leser.policy.options import PolicyOptions, TinyOptions
from leser.policy.tiny import build_tiny
from leser.prompt import PromptOptions
from leser.sampler import Sampler


def part(values: list[float], seconds: float) -> dict[str, Any]:
    """The rows of one side: dev's two queries at the start and at the end."""
    return {
        "rows": [
            {"step": 0, "seconds": 0.0, "value": 0.1},
            {
                "step": 4,
                "seconds": seconds,
                "value": sum(values) / 2,
                "queries": dict(zip(("a", "b"), values, strict=True)),
            },
        ]
    }


PARTS = {
    "ours-1": part([0.6, 0.4], 10.0), "trl-1": part([0.5, 0.4], 50.0),
    "ours-2": part([0.3, 0.3], 12.0), "trl-2": part([0.4, 0.3], 38.0),
    "ours-3": part([0.3, 0.3], 12.0),
}  # fmt: skip


def test_the_report_pairs_sides_by_query_and_by_seed() -> None:
    found = curves_vs_trl.report(PARTS, [1, 2, 3])
    assert [row["seed"] for row in found["seeds"]] == [1, 2], "a seed without both sides is left out"
    assert [row["difference"] for row in found["seeds"]] == [0.05, -0.05]
    assert [row["times"] for row in found["seeds"]] == [5.0, 3.17]
    assert found["difference"] == 0
    # t of one degree of freedom: 12.706 x .0707 / sqrt(2)
    assert found["ci95"] == [-0.6353, 0.6353]
    assert found["times"] == 4.0


def test_plots_read_on_light_and_dark_pages(tmp_path: Path) -> None:
    curves_vs_trl.plot(PARTS, [1, 2], tmp_path / "curves.svg")
    text = (tmp_path / "curves.svg").read_text()
    assert plots.GREY in text
    assert ">LESER<" in text
    assert ">TRL<" in text
    assert "fill: #ffffff" not in text, "no background"
    assert "#000000" not in text, "no black letters"
    again = tmp_path / "again.svg"
    curves_vs_trl.plot(PARTS, [1, 2], again)
    assert again.read_text() == text


def test_the_cost_curve_doubles_one_size_at_a_time(tmp_path: Path) -> None:
    cases = cost_curve.points(Case(**cost_curve.BASE), 2)
    sizes = [tuple(getattr(case, name) for name in cost_curve.BASE) for case in cases]
    assert sizes == [
        (256, 8, 16, 4), (512, 8, 16, 4), (1024, 8, 16, 4), (256, 16, 16, 4), (256, 32, 16, 4),
        (256, 8, 32, 4), (256, 8, 64, 4), (256, 8, 16, 8), (256, 8, 16, 16),
    ]  # fmt: skip
    rows = [
        {**dict(zip(cost_curve.BASE, size, strict=True)), "step": sum(size), "memory_mb": size[0]} for size in sizes
    ]
    cost_curve.plot(rows, tmp_path / "cost.svg")
    assert "seconds per step" in (tmp_path / "cost.svg").read_text()


@pytest.fixture(scope="module")
def sampler() -> Sampler:
    texts = [" ".join(d.fields.values()) for d in SHELF] * 3 + ["navy couch none"]
    shape = TinyOptions(d_model=32, layers=1, heads=2, kv_heads=1, ffn=32, vocabulary=400, pretrain_steps=0, seed=1)
    policy = prepare(build_tiny(texts, shape), PolicyOptions(device="cpu", attention="shared"), 0)
    environment = environment_of(MemoryBackend.of(SHELF), ExpansionOptions(weight=2.0))
    return Sampler(policy, environment, PromptOptions(context=False), 12)


def test_trl_trains_a_copy_whose_weights_come_back(sampler: Sampler) -> None:
    policy = sampler.policy
    model = _plain_copy(policy)
    assert model.config._attn_implementation == "sdpa"
    assert policy.causal_lm.config._attn_implementation == ATTENTION_NAME, "LESER's own is left as it was"
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), policy.causal_lm.parameters(), strict=True))
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(1.0)
    before = next(policy.causal_lm.parameters()).clone()
    _take_over(policy, model)
    assert torch.equal(next(policy.causal_lm.parameters()), before + 1.0)
