"""The benchmark against TRL is fair: on its own inputs both sides do the same work and get the same gradient."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import TrainerCallback
from trl.trainer import utils

from benchmarks import grpo_vs_trl
from benchmarks.grpo_case import Case, Report, make_prompts, make_rewards
from benchmarks.grpo_ours import make_policy, our_options
from benchmarks.grpo_trl import head_on_completions, make_trainer
from leser.errors import LeserError
from leser.grpo.advantage import group_advantages
from leser.grpo.update import GroupBatch, accumulate

CASE = Case(size="toy", prompt=20, group=4, completion=6, prompts=2, rounds=1, warm_up=0)
FIELDS = {"size", "prompt", "group", "completion", "speedup_fair", "memory_ratio_fair", "token_ratio"}


class Gradients(TrainerCallback):
    """Keeps what TRL's optimiser is about to use."""

    def on_pre_optimizer_step(self, *_: Any, model: Any, **__: Any) -> None:
        self.kept = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("fair", [True, False])
def test_trl_takes_the_same_gradient_and_recomputes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fair: bool
) -> None:
    gradients = Gradients()
    trainer = make_trainer(CASE, tmp_path, gradients)
    losses: list[float] = []
    positions: list[int] = []
    shapes: list[tuple[int, ...]] = []
    compute, head = trainer._compute_loss, utils._ChunkedLogProbFunction.apply

    def noting_loss(model: Any, inputs: Any) -> Any:
        loss = compute(model, inputs)
        losses.append(loss.item())
        return loss

    def noting_head(hidden: Any, *rest: Any) -> Any:
        positions.append(len(hidden))
        return head(hidden, *rest)

    monkeypatch.setattr(trainer, "_compute_loss", noting_loss)
    monkeypatch.setattr(utils, "_ChunkedLogProbFunction", SimpleNamespace(apply=noting_head))
    trainer.model.base_model.register_forward_pre_hook(
        lambda _module, _given, named: shapes.append(tuple(named["input_ids"].shape)), with_kwargs=True
    )
    with head_on_completions() if fair else nullcontext():
        trainer.train()

    whole = CASE.prompt + CASE.completion
    sampling = [(CASE.completions, CASE.prompt), *[(CASE.completions, 1)] * (CASE.completion - 1)]
    assert shapes == [*sampling, *[(CASE.group, whole)] * CASE.prompts], "a cache, and no pass but the training's"
    assert positions == [CASE.group * (CASE.completion if fair else whole - 1)] * CASE.prompts

    policy, options = make_policy(CASE), our_options(CASE)
    prompts = policy.tokenizer(make_prompts(CASE))["input_ids"]
    assert trainer.prompt_rows[:: CASE.group] == prompts
    result = group_advantages(make_rewards(CASE), options=options)
    completions = np.array(trainer.completion_rows).reshape(CASE.prompts, CASE.group, CASE.completion).tolist()
    sums, passes = accumulate(policy, GroupBatch(prompts, completions, result.advantages, result.active), options)
    torch.nn.utils.clip_grad_norm_(policy.model.parameters(), options.max_grad_norm)

    assert policy.shared.enabled
    assert passes == CASE.prompts, "one group a pass, as on TRL's side"
    assert sums["loss"] == pytest.approx(sum(losses), abs=1e-6)
    ours = {name: p.grad for name, p in policy.model.named_parameters() if p.grad is not None}
    assert set(ours) == set(gradients.kept)
    scale = max(float(g.abs().max()) for g in ours.values())
    assert scale > 1e-3
    assert max(float((ours[n] - gradients.kept[n]).abs().max()) for n in ours) <= 1e-4 * scale


def reports_of(side: str, monkeypatch: pytest.MonkeyPatch) -> list[Report]:
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # restored afterwards: a worker prints to stderr
    ours, theirs = Pipe()
    for _ in range(CASE.steps):
        ours.send(None)
    grpo_vs_trl.serve(side, CASE, theirs)
    # in one process with the tests the memory is there already
    return [replace(found, memory=found.memory + 1) for found in (ours.recv() for _ in range(CASE.steps))]


def test_sides_report_the_same_work_and_make_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    reports = {side: reports_of(side, monkeypatch) for side in ("ours", "trl_fair")}
    last = {side: found[-1] for side, found in reports.items()}
    grpo_vs_trl.same_work(CASE, last)
    row = json.loads(json.dumps(grpo_vs_trl.row_of(CASE, reports)))
    assert set(row) >= FIELDS
    assert row["token_ratio"] == round(4 * 26 / (20 + 4 * 6), 2)
    for seconds in row["seconds"].values():
        assert 0 < seconds["sampling"] < seconds["sampling"] + seconds["training"] < seconds["step"]


def report(step: float, memory: float, **values: Any) -> Report:
    work: dict[str, Any] = {"prompts": "a", "sampled": 48, "trained": 48, "parameters": 1}
    return Report(
        step=step, sampling=step / 4, training=step / 2, cpu=step, memory=memory, resident=500, **(work | values)
    )


def test_row_takes_medians_after_the_warm_up_and_ratios_the_right_way() -> None:
    case = Case(size="toy", prompt=20, group=4, completion=6, prompts=2, rounds=3, warm_up=1)
    reports = {
        "ours": [report(9, 1), report(1, 20), report(2, 25), report(5, 30)],
        "trl_fair": [report(1, 1), report(8, 90), report(30, 110), report(10, 120)],
    }
    row = grpo_vs_trl.row_of(case, reports)
    assert (row["speedup_fair"], row["memory_ratio_fair"]) == (5.0, 0.25)
    assert row["seconds"]["ours"] == {"step": 2, "sampling": 0.5, "training": 1, "cpu": 2}


@pytest.mark.parametrize("other", [{"prompts": "b"}, {"trained": 47}, {"sampled": 40}])
def test_sides_that_did_other_work_are_refused(other: dict[str, Any]) -> None:
    with pytest.raises(LeserError, match=next(iter(other))):
        grpo_vs_trl.same_work(CASE, {"ours": report(1, 1), "trl_fair": report(1, 1, **other)})


def test_rows_of_this_commit_are_not_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "grpo-vs-trl.json"
    around = grpo_vs_trl.circumstances()
    keys = [(*case, "6M", 4, 2, None) for case in grpo_vs_trl.TABLE]
    names = ("prompt", "group", "completion", "size", "prompts", "threads", "trl_rows")
    rows = [dict(zip(names, key, strict=True)) | around for key in keys]
    path.write_text(json.dumps({"rows": rows}), encoding="utf-8")
    assert grpo_vs_trl.table(Case(threads=2), path) == rows
