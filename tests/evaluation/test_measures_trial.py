"""Every measure is tried on the task before training, and one that fails afterwards costs nothing but itself."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from bad_input import run_cli, shop, write
from leser_coverage.measures import Coverage

from leser.backend import Hit, Ranking
from leser.errors import LeserError
from leser.evaluation.evaluate import evaluate
from leser.evaluation.measures import Measurer
from leser.evaluation.outside import compute
from leser.evaluation.systems import SystemRun
from leser.plugins import load_plugins
from leser.reward import Outcome, Reward, RewardSpec, parse_spec
from leser.task import Query, Split

GRADES = {"1": {"d1": 1, "d2": 0}, "2": {"d3": 2}}
FAULTS = {
    "aborts": ("os.abort()", "it ends the process by SIGABRT"),
    "exits": ("os._exit(3)", "it ends the process with exit code 3"),
    "says goodbye": ("sys.exit('no licence')", "SystemExit: no licence"),
    "exits as if well": ("os._exit(0)", "it ends the process before it has answered"),
    "hangs": ("time.sleep(60)", "it has not answered within 2 seconds"),
    "raises": ("raise OSError('no table')", "OSError: no table"),
}


def split(*prefix: str) -> Split:
    (before,) = prefix or ("",)
    return Split(
        "test", tuple(Query(before + q, "red sofa") for q in GRADES), {before + q: g for q, g in GRADES.items()}
    )


def run(before: str = "") -> SystemRun:
    first, second = Ranking((Hit("d1", 3.0), Hit("d9", 2.0))), Ranking((Hit("d9", 3.0), Hit("d3", 2.0)))
    return SystemRun("system", {before + "1": first, before + "2": second})


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ("ERR@10", "The measure 'ERR@10' cannot be computed on the test queries: ir-measures' gdeval fails"),
        ("nDCG(dcg='exp-log2')@10", "It needs Perl, query ids that are numbers"),
        ("RBP(p=0.8)", "ir-measures does not compute 'RBP(p=0.8)' with these parameters, but RBP(rel=...,p=...)"),
        ("RBP(p=0.8,rel=1)", "Install it with: pip install ir-measures[cwl_eval]"),
        ("alpha_nDCG@10", "judgments for each subtopic of a query, which a task does not hold"),
        ("nDCG@0", "The measure 'nDCG@0' reads no document. Give it a cutoff of 1 or more, e.g. nDCG@10."),
        ("Accuracy@10", "ir-measures' accuracy fails: ZeroDivisionError"),
        ("nDCG(gains={1:1.5})@10", "ir-measures' pytrec_eval fails: TypeError: Expected relevance to be integer"),
        ("P@99999999999999999999", "ir-measures' pytrec_eval fails: KeyError"),
        ("R", "ir-measures refuses the measure 'R': a parameter that it needs is missing. Parameters: cutoff"),
    ],
)
def test_a_measure_that_cannot_be_computed_is_refused_before_training(measure: str, said: str, tmp_path: Path) -> None:
    write(tmp_path / "shop", shop({}))
    given = f'evaluation.measures=["nDCG@10", "{measure}"]'
    code, _, answer = run_cli(["--task", str(tmp_path / "shop"), "--backend", "memory", "-o", given, "--dry-run"])
    assert (code, said in answer, "Traceback" in answer) == (2, True, False), answer


def test_the_second_measure_of_the_monitor_is_tried_on_dev(tmp_path: Path) -> None:
    write(tmp_path / "shop", shop({}))
    given = [
        "--task",
        str(tmp_path / "shop"),
        "--backend",
        "memory",
        "-o",
        "training.monitor.measure=ERR@10",
        "--dry-run",
    ]
    code, _, answer = run_cli(given)
    said = "The measure 'ERR@10' cannot be computed on the dev queries: ir-measures' gdeval fails"
    assert (code, said in answer) == (2, True), answer


def test_no_measure_at_all_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "shop", shop({}))
    given = ["--task", str(tmp_path / "shop"), "--backend", "memory", "-o", "evaluation.measures=[]", "--dry-run"]
    code, _, answer = run_cli(given)
    assert (code, "measures: Tuple should have at least 1 item" in answer) == (2, True), answer


def test_values_of_a_measure_that_another_process_computes() -> None:
    """ERR by hand: a grade g stops with (2^g - 1) / 16; the second query's document stands at rank 2."""
    measurer = Measurer(split(), ["ERR@10", "RR@10", "Compat(p=0.5)"])
    measurer.try_out()
    values = measurer(run())
    assert values["ERR@10"] == pytest.approx({"1": 1 / 16, "2": 3 / 16 / 2}, abs=1e-5)
    assert values["RR@10"] == {"1": 1.0, "2": 0.5}
    assert values["Compat(p=0.5)"]["1"] == pytest.approx((1 + 0.5 / 2) / (1 + 0.5 / 2))


def test_ids_that_a_provider_changes_are_not_taken_for_queries_that_found_nothing() -> None:
    """gdeval cuts what stands before a hyphen off a query's id; its answers would be about queries that nobody knows."""
    with pytest.raises(LeserError, match="it answers about the query '1', which is not in the run"):
        Measurer(split("MB-"), ["ERR@10"]).try_out()


def test_two_names_of_one_measure_both_have_values() -> None:
    values = Measurer(split(), ["nDCG@10", "NDCG(dcg='log2')@10"])(run())
    assert values["nDCG@10"] == values["NDCG(dcg='log2')@10"] == {"1": 1.0, "2": pytest.approx(0.6309, abs=1e-4)}


@pytest.fixture(params=FAULTS, ids=str)
def fault(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package cwl, where ir-measures looks for it, that does this once it is given a judgment; returns what is said."""
    code, said = FAULTS[request.param]
    handler = f"class TrecQrelHandler:\n    def __init__(self, file): pass\n    def put_value(self, *row): {code}\n"
    write(tmp_path / "cwl", {"__init__.py": "", "cwl_eval.py": f"import os, sys, time\n{handler}"})
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return said


def test_a_provider_that_dies_takes_nothing_with_it(fault: str) -> None:
    runs = [{"1": {"d1": 2.0}, "2": {"d3": 1.0}}]
    if "has not answered" in fault:
        assert compute(["RBP(rel=1)"], GRADES, runs, patience_s=2)["RBP(rel=1)"].failure == fault
        return
    found = compute(["nDCG@10", "RBP(rel=1)"], GRADES, runs)
    assert fault in found["RBP(rel=1)"].failure
    assert found["nDCG@10"].values == ({"1": 1.0, "2": 1.0},)


def test_an_evaluation_goes_on_without_a_measure_that_fails() -> None:
    """After the training: no perfect ranking in the trial would have shown this, so it is what Accuracy fails on."""
    perfect = SystemRun("leser", {"1": Ranking((Hit("d1", 1.0),)), "2": Ranking((Hit("d3", 1.0),))})
    told: list[str] = []
    result = evaluate(split(), [perfect], ["Accuracy@10", "nDCG@10"], resamples=100, warn=told.append)
    assert {name for name in result.systems["leser"] if "@" in name} == {"nDCG@10"}
    assert result.systems["leser"]["nDCG@10"] == 1.0
    assert len(told) == 1
    assert "'Accuracy@10' cannot be computed" in told[0]
    assert told[0].endswith("It is left out for leser.")
    with pytest.raises(LeserError, match="ZeroDivisionError"):
        evaluate(split(), [perfect], ["Accuracy@10", "nDCG@10"], resamples=100)


class Odd(Reward):
    """A reward that cannot tell of a query that found nothing."""

    name = "odd"

    def score(self, outcomes: list[Outcome]) -> list[float | None]:  # type: ignore[override]
        return [1.0 if o.expanded and o.expanded.ids[0] else 0.0 for o in outcomes]


def test_a_reward_is_tried_as_a_measure_too() -> None:
    with pytest.raises(LeserError, match=r"The reward 'odd' \(test_measures_trial\.Odd\) raised IndexError"):
        Measurer(split(), ["odd"], {"odd": Odd}).try_out()
    Measurer(split(), ["coverage@10"], {"coverage": Coverage}).try_out()


def test_a_measure_that_compares_with_the_original_has_a_value_where_nothing_is_judged() -> None:
    unjudged = Split("dev", (Query("1", "red sofa"),), {})
    rewards = load_plugins().all("reward")
    assert Measurer(unjudged, ["kept(all=true)@10"], rewards).try_out()
    assert not Measurer(unjudged, ["kept@10"], rewards).try_out()
    assert not Measurer(unjudged, ["RR@10"], rewards).try_out()


def test_how_deep_the_measures_look() -> None:
    assert Measurer(split(), ["nDCG@10", "R@1000", "coverage@20"], {"coverage": Coverage}).depth == 1000
    assert Measurer(split(), ["AP", "IPrec@0.5"]).depth == 0


@pytest.mark.parametrize(
    "text",
    [
        "nDCG@²",
        "nDCG@" + "9" * 5000,
        "P@99999999999999999999",
        "nDCG(gains={[1]:2})@10",
        "nDCG(gains={{}:2})@10",
        "nDCG\0@10",
    ],
)
def test_a_reward_that_is_none_is_told_from_one(text: str) -> None:
    with pytest.raises(LeserError, match="Invalid reward"):
        parse_spec(text)
    with pytest.raises(LeserError):
        Measurer(split(), [text]).try_out()
    assert parse_spec("R(rel=2)@0100") == RewardSpec("R(rel=2)@0100", "R", {"rel": 2}, 100)
