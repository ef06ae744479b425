"""What the report says of harm: shares with intervals, the oracle gate, and the abstaining policy in words."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from report_world import Page, assert_self_contained, page, world

from leser.evaluation.evaluate import evaluate
from leser.evaluation.statistics import share_interval
from leser.report.compare import Compared, render_comparison
from leser.report.harm import abstaining_said, harm_rows
from leser.run.harm_files import harm_content


def evaluation() -> dict[str, Any]:
    split, runs = world()
    result = evaluate(split, runs, ["nDCG@10"], resamples=200)
    titles = {"a": "sofa", "x": "lamp"}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "harm.jsonl"
        found = harm_content(
            split.queries, runs, result.per_query, "nDCG@10", lambda ids: {i: titles[i] for i in ids}, path
        )
    return result.to_json() | found


def test_wilson_by_hand_and_where_nobody_is_hurt() -> None:
    # 2 of 20: (.1 + 3.8415 / 40 -+ 1.96 sqrt(.1 * .9 / 20 + 3.8415 / 1600)) / (1 + 3.8415 / 20)
    assert share_interval(2, 20) == pytest.approx((0.02787, 0.30103), abs=1e-4)
    low, high = share_interval(0, 20)
    assert (low, high) == (0.0, pytest.approx(3.8415 / (20 + 3.8415), abs=1e-4))
    assert share_interval(20, 20)[1] == 1.0


def test_the_page_says_who_is_hurt_and_what_the_oracle_gate_reaches() -> None:
    given = evaluation()
    (row,) = harm_rows(given)
    assert (row.system, row.figures["queries"], row.figures["share_hurt"]) == ("leser", 20, 0.1)
    assert row.missed == pytest.approx(-0.1 * row.figures["mean_loss_where_hurt"]), "the gate leaves out the losses"
    text = page(evaluation=given, answers=[])
    assert_self_contained(text)
    words = " ".join(Page(text).words)
    for part in ("Do no harm", "10.0 %", "2.8 to 30.1 %", "80.0 %", "oracle gate"):
        assert part in words, part
    assert "Do no harm" not in page(), "an evaluation of an earlier version has no figures of harm"


def test_figures_without_an_interval_are_shown_without_it() -> None:
    given = evaluation()
    del given["harm"]["systems"]["leser"]["share_hurt_ci95"]
    assert "Do no harm" in page(evaluation=given)
    other = Compared("old", given, [], {})
    text = render_comparison([Compared("new", evaluation(), [], {}), other])
    assert_self_contained(text)
    words = " ".join(Page(text).words)
    assert "Whom the systems hurt" in words
    assert words.count("2.8 to 30.1 %") == 1


ABSTAIN = {"bound": 0.05, "least": -0.42, "queries": 196, "share_hurt": 0.046, "share_expanded": 0.71}


@pytest.mark.parametrize(("hurt", "kept"), [(0.05, "within the bound"), (0.06, "more than the bound")])
def test_the_abstaining_policy_in_words(hurt: float, kept: str) -> None:
    given = {"split": "test", "abstain": ABSTAIN, "harm": {"systems": {"leser-sure": {"share_hurt": hurt}}}}
    said = abstaining_said(given)
    assert said.endswith(
        "at most 5.0 % of the 196 dev queries may earn less than the original: it expands 71.0 % of them and hurts 4.6 %. "
        f"On test it hurts {100 * hurt:.1f} %: {kept}."
    )
    assert "−0.420 or more" in said


def test_a_policy_that_abstains_always_says_so_and_one_that_never_was_says_nothing() -> None:
    assert "expands no query" in abstaining_said({"abstain": ABSTAIN | {"least": None}})
    assert abstaining_said(evaluation()) == ""
