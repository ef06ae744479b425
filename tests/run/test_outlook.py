"""The time left: named from the first updates on, by stage, and corrected by what was measured."""

from __future__ import annotations

import pytest

from leser.progress import roughly
from leser.report.systems import comparison, meaning
from leser.training.outlook import Outlook


def demo() -> Outlook:
    return Outlook(updates=1500, least_updates=180, steps=300, control=0.5, step_in_updates=2.0, evaluations=24)


def test_nothing_is_named_before_anything_was_measured() -> None:
    assert demo().left() == {}


def test_the_first_estimate_is_of_the_whole_run() -> None:
    outlook = demo()
    outlook.dev_s = 0.5
    outlook.note("warmup", 10, 1.0)
    assert outlook.left() == pytest.approx({"warm-up": 149.0, "GRPO": 60.0, "control": 30.0, "evaluation": 12.0})
    assert str(outlook) == (
        "About 4 min left: warm-up 2 min, GRPO 60 s, control 30 s, evaluation 10 s. This is a first estimate."
    )


def test_a_warm_up_that_goes_on_takes_at_least_its_patience() -> None:
    outlook = demo()
    outlook.note("warmup", 2000, 200.0)
    assert outlook.left()["warm-up"] == pytest.approx(18.0)


def test_measured_steps_replace_the_guess() -> None:
    outlook = demo()
    outlook.note("warmup", 1500, 150.0)
    outlook.note("grpo", 100, 50.0)
    assert outlook.left() == pytest.approx({"GRPO": 100.0, "control": 75.0})
    outlook.note("grpo", 300, 150.0)
    outlook.note("warmup+", 200, 30.0)
    assert outlook.left() == pytest.approx({"control": 45.0})
    outlook.note("warmup+", 500, 80.0)
    assert outlook.left() == {}


def test_a_run_without_control_and_warm_up_has_neither() -> None:
    outlook = Outlook(
        updates=0, least_updates=180, steps=10, control=0.0, step_in_updates=2.0, evaluations=0, stage="grpo"
    )
    outlook.note("grpo", 4, 8.0)
    assert outlook.left() == {"GRPO": 12.0}


@pytest.mark.parametrize(
    ("seconds", "words"), [(3, "10 s"), (44, "40 s"), (89, "90 s"), (95, "2 min"), (3000, "50 min"), (9000, "2.5 h")]
)
def test_times_are_round(seconds: float, words: str) -> None:
    assert roughly(seconds) == words


def test_the_report_says_what_share_of_the_time_the_control_had() -> None:
    assert meaning("warmup+") == "the control: the warm-up’s training for as long as GRPO took"
    assert meaning("warmup+", 0.5) == "the control: the warm-up’s training for 50% of the time that GRPO took"
    content = {"systems": {"warmup+": {"nDCG@10": 0.5}, "leser": {"nDCG@10": 0.6}}, "comparisons": []}
    rows = comparison({**content, "warmup_plus_share": 0.5}, "nDCG@10").rows
    assert rows[0].meaning.endswith("for 50% of the time that GRPO took")
