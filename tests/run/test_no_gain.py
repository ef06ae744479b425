"""A policy that earns less on dev than leaving every query alone is not praised: the run says so before anybody serves it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from settings import small, small_task

import leser

WARNING = re.compile(
    r"On dev the best policy \(of step (\d+)\) earns (-?[\d.]+), and leaving every query alone earns ([\d.]+)\."
)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(small_task(tmp_path_factory.mktemp("shop") / "task"))


SAYS_WHAT_IT_SEES: dict[str, Any] = {
    "policy.tiny.copying": True, "policy.tiny.d_model": 128, "policy.tiny.heads": 4, "policy.tiny.kv_heads": 2,
    "warmup.enabled": False, "prompt.terms": 5, "training.max_new_tokens": 40, "expansion.weight": 2.0,
}  # fmt: skip


def trained(out: Path, task: str, **more: Any) -> list[float]:
    """Run the small configuration without a GRPO step; returns what dev earned at each look."""
    tables = small(out, task={"name": task}, training={"steps": 0})
    options = {f"{table}.{key}": value for table in ("policy", "warmup", "training", "grpo", "evaluation")
               for key, value in tables[table].items()}  # fmt: skip
    leser.train(
        task=task, backend="memory", policy="tiny", out=out, options=options | {"evaluation.warmup_plus": False} | more
    )
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [row["dev_reward"] for row in rows if "dev_reward" in row]


def test_words_that_harm_are_worse_than_none(tmp_path: Path, task: str, capsys: pytest.CaptureFixture[str]) -> None:
    looks = trained(tmp_path / "run", task, **SAYS_WHAT_IT_SEES | {"rewards.weights": ["kept(all=true)@10"]})
    found = WARNING.search(" ".join("".join(capsys.readouterr()).split()))
    assert found is not None
    step, best, original = found.groups()
    assert (int(step), float(best)) == (0, round(max(looks), 4)), "nothing was trained"
    assert float(original) > float(best)


def test_one_that_leaves_all_alone_does_no_harm(tmp_path: Path, task: str, capsys: pytest.CaptureFixture[str]) -> None:
    looks = trained(
        tmp_path / "run", task, **{"warmup.min_gain": 2.0}
    )  # no term can prove that: all targets are "none"
    assert looks
    assert "On dev the best policy" not in "".join(capsys.readouterr())
