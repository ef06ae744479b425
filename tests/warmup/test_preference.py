"""Preference pairs out of stored rollouts, DPO's loss beside TRL's, and a run that learns from pairs."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tomli_w
import torch
from datasets import Dataset
from inspected_runs import refused, said
from settings import small
from toy_policies import token_rows, toy_model, toy_policy
from trl import DPOConfig, DPOTrainer
from verified_shop import SPLIT, environment_of

from leser.errors import LeserError
from leser.policy.policy import Policy
from leser.policy.tiny import train_tokenizer
from leser.training.preference import PairExample, preference_loss, preference_step, with_reference
from leser.warmup.options import WarmupOptions
from leser.warmup.pairs import preference_pairs

TEXTS = {"q1": "couch", "q2": "rug", "q3": "desk"}


def rollouts(path: Path, *rows: tuple[str, str, float | None, str]) -> Path:
    table = [
        {"step": step, "query_id": id_, "query": TEXTS[id_], "completion": said, "reward": reward, "code": code}
        for step, (id_, said, reward, code) in enumerate(rows)
    ]
    pq.write_table(pa.Table.from_pylist(table), path)
    return path


def options(path: Path, **values: object) -> WarmupOptions:
    return WarmupOptions.model_validate({"from_rollouts": path, "loss": "dpo", "targets_per_query": 2, **values})


def test_a_querys_best_is_paired_with_its_worst_as_this_engine_judges_them(tmp_path: Path) -> None:
    path = rollouts(
        tmp_path / "r.parquet",
        ("q1", "cover", 0.9, "ok"), ("q1", "sofa", 0.1, "ok"), ("q1", "none", 0.5, "none"),  # stored values are an old reward's
        ("q2", "wool", 0.9, "ok"), ("q2", "none", 0.2, "none"),
        ("q3", "lamp", 0.4, "ok"), ("q3", "x", 0.0, "parse_error"), ("q3", "lamp tall", None, "engine_error"),
    )  # fmt: skip
    pairs = preference_pairs(environment_of(), SPLIT, options(path), 1)
    assert [(pair.query_id, pair.chosen) for pair in pairs] == [("q1", "sofa")], (
        "rugs are found already, desks have one"
    )
    (pair,) = pairs
    assert pair.rejected in ("cover", "none")
    assert pair.difference >= 0.02


def test_completions_that_earn_alike_are_refused(tmp_path: Path) -> None:
    path = rollouts(tmp_path / "r.parquet", ("q2", "wool", 0.9, "ok"), ("q2", "none", 0.2, "none"))
    with pytest.raises(LeserError, match=r"no two of the 2 completions of a query differ by 0\.02"):
        preference_pairs(environment_of(), SPLIT, options(path), 1)


def test_pairs_need_rollouts() -> None:
    with pytest.raises(
        ValueError, match="loss=dpo compares completions that were sampled before: it needs from_rollouts"
    ):
        WarmupOptions.model_validate({"loss": "dpo"})


def test_the_loss_by_hand() -> None:
    chosen, rejected = torch.tensor([-1.0, -2.0]), torch.tensor([-3.0, -1.0])
    found = preference_loss(chosen, rejected, torch.tensor([[-2.0, -2.0], [-2.0, -1.0]]), 0.5)
    # margins 1 - (-1) = 2 and 0 - 0 = 0: -log sigmoid(1) = log(1 + 1/e), -log sigmoid(0) = log 2
    assert found.tolist() == pytest.approx([0.313262, 0.693147], abs=1e-6)


def examples() -> list[PairExample]:
    rng = random.Random(3)
    prompts, chosen = token_rows(rng, [5, 14, 9, 7]), token_rows(rng, [3, 6, 1, 4])
    rejected, reference = token_rows(rng, [4, 2, 5, 3]), [(-9.0, -11.0), (-20.0, -8.0), (-3.0, -16.0), (-14.0, -12.0)]
    return [PairExample(*row) for row in zip(prompts, chosen, rejected, reference, strict=True)]


def gradient(policy: Policy, bound: int, chosen: WarmupOptions) -> tuple[float | None, dict[str, torch.Tensor]]:
    """The loss of one update, and the gradient that it takes its step along, clipped to norm 1."""
    before = {n: p.detach().clone() for n, p in policy.model.named_parameters()}
    loss = preference_step(policy, torch.optim.SGD(policy.model.parameters(), lr=1.0), examples(), 1.0, bound, chosen)
    return loss, {n: before[n] - p.detach() for n, p in policy.model.named_parameters()}


@pytest.mark.parametrize("likelihood", [0.0, 0.3])
def test_loss_and_gradient_equal_trl(tmp_path: Path, likelihood: float) -> None:
    chosen = options(tmp_path, dpo_beta=0.3, dpo_likelihood=likelihood)
    loss, found = gradient(toy_policy("llama"), 10_000, chosen)
    trainer = DPOTrainer(
        model=toy_model("llama"),
        ref_model=toy_model("llama"),
        args=DPOConfig(
            output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to=[], beta=0.3, gradient_checkpointing=False,
            loss_type=["sigmoid", "sft"] if likelihood else ["sigmoid"], loss_weights=[1.0, likelihood] if likelihood else None,
        ),
        train_dataset=Dataset.from_list([{"prompt": "sofa", "chosen": " red", "rejected": " leather"}] * 4),
        processing_class=train_tokenizer(["red leather sofa"] * 10, 300),
    )  # fmt: skip
    trainer.precompute_ref_logps = True  # the reference's log-probabilities are given
    rows = [(e.prompt, e.chosen) for e in examples()] + [(e.prompt, e.rejected) for e in examples()]
    width = max(len(p) + len(c) for p, c in rows)

    def laid(part: list[list[int]]) -> torch.Tensor:
        return torch.tensor([row + [0] * (width - len(row)) for row in part])

    trainer.model.train()
    theirs: torch.Tensor = trainer._compute_loss(
        trainer.model,
        {
            "input_ids": laid([p + c for p, c in rows]),
            "attention_mask": laid([[1] * len(p + c) for p, c in rows]),
            "completion_mask": laid([[0] * len(p) + [1] * len(c) for p, c in rows]),
            "ref_chosen_logps": torch.tensor([e.reference[0] for e in examples()]),
            "ref_rejected_logps": torch.tensor([e.reference[1] for e in examples()]),
        },
        return_outputs=False,
    )
    theirs.backward()
    assert loss == pytest.approx(theirs.item(), rel=1e-5)
    torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), 1.0)
    wanted = {n: p.grad for n, p in trainer.model.named_parameters() if p.grad is not None}
    scale = max(float(g.abs().max()) for g in wanted.values())
    assert set(wanted) <= set(found)
    assert max(float((found[n] - wanted[n]).abs().max()) for n in wanted) <= 2e-5 * scale


def test_the_gradient_is_the_same_for_any_bound(tmp_path: Path) -> None:
    chosen = options(tmp_path, dpo_likelihood=0.3)
    loss, whole = gradient(toy_policy("qwen3"), 10_000, chosen)
    part_loss, part = gradient(toy_policy("qwen3"), 1, chosen)
    assert part_loss == pytest.approx(loss, rel=1e-5)
    scale = max(float(g.abs().max()) for g in whole.values())
    assert max(float((whole[n] - part[n]).abs().max()) for n in whole) <= 1e-5 * scale


def test_the_reference_gives_a_margin_of_zero_at_the_start() -> None:
    policy = toy_policy("llama")
    rows = torch.tensor([row.reference for row in with_reference(policy, examples())])
    assert preference_loss(rows[:, 0], rows[:, 1], rows, 0.1).tolist() == pytest.approx([0.693147] * 4, abs=1e-6)
    assert (rows < 0).all()


def test_a_run_learns_from_another_runs_pairs(made: Path, tmp_path: Path) -> None:
    task = {"name": str(made.parent / "task")}
    config = tmp_path / "run.toml"
    tables = {
        "task": task,
        "training": {"steps": 0},
        "warmup": {"loss": "dpo", "learning_rate": 1e-3, "min_addition": 0.0},
    }
    config.write_text(tomli_w.dumps(small(tmp_path / "run", **tables)), encoding="utf-8")
    asked = ("run", "--config", config, "--from-rollouts", made)
    assert "warmup.loss=dpo is not valid for the policy `tiny`" in refused(*asked, "--dry-run")
    output = said(*asked, "--policy", made / "policies" / "warmup")
    assert "pairs of completions out of" in output
    rows = [json.loads(line) for line in (tmp_path / "run" / "pairs.jsonl").read_text().splitlines()]
    assert rows
    assert all(row["chosen"] != row["rejected"] and row["difference"] >= 0 for row in rows)
    metrics = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in metrics if row["phase"] == "warmup"]
    assert losses[-1] < 0.693, "the chosen completions have become likelier than the rejected ones"
