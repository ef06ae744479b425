"""The arms of benchmarks.without_labels that are taught through learned@10 know what their teachers know, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.without_labels import arms

ARMS = arms(Path("log"), Path("vectors"))


@pytest.mark.parametrize("teacher", ["judged", "clicks", "ctr", "flipped-10", "flipped-30"])
def test_a_learned_arm_differs_from_its_teacher_in_reward_and_targets_alone(teacher: str) -> None:
    plain, learned = ARMS[teacher], ARMS[f"{teacher}-learned"]
    assert {**plain["task"], "unjudged": "all"} == learned["task"]
    assert learned["rewards"] == ["learned@10=1.0"]
    assert learned["warmup"] == {"targets": "search", "min_alike": 3}
