"""What the report says of documents that nobody judged: agreement in silence, disagreement in words."""

from __future__ import annotations

from typing import Any

import pytest
from report_world import HOSTILE, assert_self_contained, page

from leser.report.verdict import verdict

FORMS = {
    "plain": "nDCG@10",
    "condensed": "nDCG(holes=skip)@10",
    "expected": "nDCG(holes=expected)@10",
    "judged": "Judged@10",
}


def evaluation(**gains: tuple[float, float, float]) -> dict[str, Any]:
    """A run on 50 queries whose policy gains so much (low, middle, high) by each way to count holes."""
    rows = [
        {
            "system": "leser",
            "baseline": "original",
            "measure": FORMS[way],
            "delta": middle,
            "ci95": [low, high],
            "p": 0.01,
            "wins": 30,
            "ties": 10,
            "losses": 10,
        }
        for way, (low, middle, high) in gains.items()
    ]
    figures = dict.fromkeys(FORMS.values(), 0.7)
    return {
        "split": "test",
        "queries": 50,
        "systems": {"original": figures | {"Judged@10": 0.83}, "leser": figures | {"Judged@10": 0.61}},
        "comparisons": rows,
        "holes": {
            "forms": {way: name for way, name in FORMS.items() if way in gains or way == "judged"},
            "next": [{"query": HOSTILE, "document": "d1"}, {"query": "couch", "document": "d2"}],
            "file": "judge-next.csv",
        },
    }


def test_a_verdict_that_holes_turn_round_says_so() -> None:
    said = verdict(evaluation(plain=(-0.12, -0.07, -0.021), condensed=(0.04, 0.074, 0.109)), "nDCG(holes=skip)@10")
    assert said.startswith("The policy learned to expand: on 50 test queries")
    assert said.endswith(
        "Holes in the judgments turn this round: with unjudged documents counted as not relevant, it is worse (−0.070, −0.120 to "
        "−0.021); left out, it is better (+0.074, +0.040 to +0.109); 61 % of its hits are judged (Judged@10; of the original’s "
        "83 %). judge-next.csv lists the 2 documents whose labels would settle it most."
    )


def test_a_verdict_that_shows_one_way_only_says_so() -> None:
    said = verdict(
        evaluation(plain=(-0.04, -0.01, 0.02), condensed=(0.01, 0.03, 0.05), expected=(-0.01, 0.02, 0.05)), "nDCG@10"
    )
    assert "Nothing was learned that shows" in said
    assert (
        "Holes in the judgments decide this: with unjudged documents counted as not relevant, it is not distingu"
        in said
    )
    assert "filled by the judge, it is not distinguishable (+0.020" in said


@pytest.mark.parametrize("sign", [1, -1])
def test_where_all_ways_agree_nothing_is_added(sign: int) -> None:
    low, high = sorted((sign * 0.01, sign * 0.09))
    given = evaluation(plain=(low, sign * 0.05, high), condensed=(low, sign * 0.05, high))
    assert "Holes" not in verdict(given, "nDCG@10")


def test_the_page_shows_all_ways_side_by_side_the_calibration_and_what_to_judge() -> None:
    given = evaluation(plain=(-0.1, -0.07, -0.02), condensed=(0.04, 0.07, 0.1), expected=(0.0, 0.02, 0.05))
    bins = [{"documents": 30, "predicted": n / 5, "judged": n / 6, "ci95": [n / 7, n / 4]} for n in range(10)]
    given["holes"]["calibration"] = {"judge": HOSTILE, "judged": 300, "queries": 30, "reliability": bins}
    text = page(evaluation=given, answers=[])
    assert_self_contained(text)
    for part in (
        "Documents that nobody judged",
        "left out",
        "Every system, side by side",
        "nDCG(holes=expected)@10",
        "300 judged documents of 30 train queries",
        "Expected against judged grades",
        "What to judge next (2 documents, judge-next.csv)",
    ):
        assert part in text, part


def test_where_nothing_is_judged_the_verdict_says_whose_word_it_is() -> None:
    gained = {
        "system": "leser", "baseline": "original", "measure": "encoder@10", "delta": 0.04, "ci95": [0.02, 0.06], "p": 0.01,
        "wins": 30, "ties": 10, "losses": 10,
    }  # fmt: skip
    given = evaluation() | {"comparisons": [gained], "judged_queries": 0, "primary": "encoder@10"}
    given["systems"] = {"original": {"encoder@10": 0.40}, "leser": {"encoder@10": 0.44}}
    given["holes"] |= {"forms": {}}
    said = verdict(given, "encoder@10")
    assert said.startswith(
        "The policy learned to expand: on 50 test queries it beats the original queries, encoder@10 0.400"
    )
    assert said.endswith(
        "None of these queries is judged: encoder@10 is a judge’s word, and people may say otherwise. judge-next.csv lists the 2 "
        "documents whose labels would settle it most."
    )
    shown = page(evaluation=given)
    assert "What to judge next (2 documents, judge-next.csv)" in shown
    assert "Every system, side by side" not in shown
    assert "judge’s word" not in verdict(given | {"judged_queries": 50}, "encoder@10")
