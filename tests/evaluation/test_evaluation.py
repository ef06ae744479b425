"""Systems side by side: measures from the engine's order, comparisons, kinds, behaviour and TREC runs."""

from __future__ import annotations

import json
from pathlib import Path

import ir_measures
import pytest
from leser_coverage import Coverage, UnionRecall

from leser.backend import Hit, Ranking, SearchError, Term
from leser.errors import LeserError
from leser.evaluation.evaluate import evaluate
from leser.evaluation.systems import SystemRun, behaviour, run_of_terms
from leser.evaluation.trec import write_runs
from leser.expansion import Code, Expansion
from leser.task import Query, Split

QUERIES = (
    Query("q1", "navy couch", kind="plain"),
    Query("q2", "gift for a runner", kind="vague", subtopics={"shoes": frozenset({"a"}), "watch": frozenset({"b"})}),
    Query("q3", "acme 300", kind="brand"),
)
QRELS = {"q1": {"a": 2, "b": 1}, "q2": {"a": 1, "b": 1}, "q3": {"c": 1, "x": 0}}
SPLIT = Split("test", QUERIES, QRELS, (Query("q4", "nothing"),))
REWARDS = {"coverage": Coverage, "union_R": UnionRecall}


def tied(*ids: str, took_ms: float | None = None) -> Ranking:
    """A ranking whose scores are all equal, as engines give them: only the order may count."""
    return Ranking(tuple(Hit(doc, 1.0) for doc in ids), took_ms=took_ms)


ORIGINAL = SystemRun("original", {"q1": tied("x", "b"), "q2": tied("a"), "q3": tied("c")})
LESER = SystemRun("leser", {"q1": tied("a", "b"), "q2": tied("a", "b"), "q3": tied("x", "c")})


def test_values_come_from_the_engines_order() -> None:
    systems = evaluate(SPLIT, [ORIGINAL, LESER], rewards=REWARDS, resamples=200).systems
    assert systems["original"]["RR@10"] == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert systems["leser"]["RR@10"] == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert systems["leser"]["R@100"] == 1.0
    assert systems["original"]["R@100"] == pytest.approx((1 / 2 + 1 / 2 + 1) / 3)
    # Judged@10 counts judged documents among the hits there are: x is unjudged for q1 alone.
    assert systems["original"]["Judged@10"] == pytest.approx((1 / 2 + 1 + 1) / 3)
    # Coverage applies to the one query with needs.
    assert (systems["original"]["coverage@10"], systems["leser"]["coverage@10"]) == (0.5, 1.0)


def test_a_missing_failed_or_empty_answer_counts_zero() -> None:
    gone = SystemRun("gone", {"q1": SearchError("timeout", "transient"), "q2": tied()})
    figures = evaluate(SPLIT, [LESER, gone], rewards=REWARDS, resamples=200).systems["gone"]
    assert all(figures[name] == 0.0 for name in ("nDCG@10", "R@100", "RR@10", "Judged@10", "coverage@10"))
    assert figures["errors"] == pytest.approx(1 / 3)
    assert figures["zero_results"] == 1.0  # of the one query that was answered


def test_a_document_given_twice_counts_once() -> None:
    twice = SystemRun("twice", {"q1": tied("x", "x", "a"), "q3": tied("c", "c")})
    figures = evaluate(SPLIT, [twice], ["RR@10", "P@2"], resamples=200).systems["twice"]
    assert figures["RR@10"] == pytest.approx((1 / 2 + 0 + 1) / 3)
    assert figures["P@2"] == pytest.approx((1 / 2 + 0 + 1 / 2) / 3)


def test_a_grade_below_zero_is_judged_and_worth_nothing() -> None:
    split = Split("test", QUERIES[:2], {"q1": {"x": -2, "a": 1}, "q2": {"a": -1, "elsewhere": 1}})
    measures = ["nDCG", "RR@10", "P(judged_only=True)@1", "Judged@10"]
    figures = evaluate(split, [ORIGINAL, LESER], measures, resamples=200).systems
    assert figures["original"] == figures["original"] | {"nDCG": 0.0, "RR@10": 0.0, "Judged@10": (1 / 2 + 1) / 2}
    assert figures["leser"] == figures["leser"] | {"nDCG": 0.5, "RR@10": 0.5, "P(judged_only=True)@1": 0.5}


def test_comparisons_and_kinds_have_the_documented_form() -> None:
    rm3 = SystemRun("rm3", ORIGINAL.rankings)
    ideal = SystemRun("ideal", LESER.rankings)
    content = evaluate(SPLIT, [ORIGINAL, rm3, LESER, ideal], rewards=REWARDS, resamples=200, seed=4).to_json()
    assert json.loads(json.dumps(content)) == content
    assert set(content) == {"split", "queries", "systems", "comparisons", "kinds"}
    assert (content["split"], content["queries"]) == ("test", 3)
    rows = [row for row in content["comparisons"] if row["measure"] == "RR@10"]
    assert [(row["system"], row["baseline"]) for row in rows] == [
        ("leser", "original"),
        ("leser", "rm3"),
        ("leser", "ideal"),
        ("rm3", "original"),
        ("ideal", "original"),
    ]
    assert set(rows[0]) == {"system", "baseline", "measure", "delta", "ci95", "p", "wins", "ties", "losses"}
    assert (rows[0]["wins"], rows[0]["ties"], rows[0]["losses"]) == (1, 1, 1)
    assert rows[0]["delta"] == pytest.approx(0.0)
    assert set(content["kinds"]) == {"brand", "plain", "vague"}
    brand = content["kinds"]["brand"]
    assert brand["queries"] == 1
    assert brand["systems"]["leser"]["RR@10"] == 0.5
    lost = next(row for row in brand["comparisons"] if row["measure"] == "RR@10")
    assert lost["delta"] == -0.5
    assert all(row["measure"] != "coverage@10" for row in brand["comparisons"])


@pytest.mark.parametrize(
    ("measures", "complaint"),
    [
        (["covrage@10"], "Unknown measure 'covrage'. Did you mean 'coverage'"),
        (["union_R@10"], "needs per_expansion and cannot be reported"),
        (["nDCG(cut=1)@10"], "ir-measures refuses"),
        (["R"], "ir-measures refuses the measure 'R'"),
        (["nDCG@"], "cannot read"),
    ],
)
def test_measures_that_cannot_be_had_are_refused(measures: list[str], complaint: str) -> None:
    with pytest.raises(LeserError, match=complaint):
        evaluate(SPLIT, [ORIGINAL], measures, rewards=REWARDS)


def test_two_systems_of_one_name_and_an_empty_split_are_refused() -> None:
    with pytest.raises(LeserError, match="Two systems have one name"):
        evaluate(SPLIT, [ORIGINAL, ORIGINAL])
    with pytest.raises(LeserError, match="nothing to measure"):
        evaluate(Split("test", (), {}), [ORIGINAL])


def test_behaviour_by_hand() -> None:
    run = SystemRun(
        "leser",
        {"q1": tied("a", took_ms=1.0), "q2": tied(took_ms=3.0), "q4": tied()},
        expansions={"q1": (Expansion("blue couch"), Expansion("Blue sofa", 0.5)), "q2": (), "q3": ()},
        completions={"q1": "blue couch; Blue sofa ^0.5"},
        codes={"q1": Code.OK, "q2": Code.NONE, "q3": Code.PARSE_ERROR},
        tokens={"q1": 7, "q2": 1},
    )
    figures = behaviour(run, QUERIES, SPLIT.no_result)
    assert figures["zero_results"] == 1 / 2
    assert figures["zero_results_unjudged"] == 1.0
    assert figures["parse_errors"] == pytest.approx(1 / 3)
    assert figures["left_alone"] == pytest.approx(2 / 3)
    assert figures["distinct_terms"] == pytest.approx(3 / 3)  # blue, couch, sofa over three queries
    assert figures["words"] == pytest.approx(4 / 3)
    assert figures["echo"] == 1 / 4
    assert figures["tokens"] == 4.0
    assert figures["latency_p50_ms"] == 2.0
    assert "tokens" not in behaviour(ORIGINAL, QUERIES)


def test_run_of_terms_keeps_what_a_baseline_added() -> None:
    run = run_of_terms("rm3", QUERIES[:2], [(Term("sofa", 0.25),), ()], [tied("a"), tied("b")])
    assert run.expansions["q1"] == (Expansion("sofa", 0.25),)
    assert run.completions == {"q1": "sofa ^0.25", "q2": "none"}


def test_trec_runs_are_read_back_to_the_same_values(tmp_path: Path) -> None:
    paths = write_runs(tmp_path / "trec", [ORIGINAL, LESER], SPLIT)
    assert [path.name for path in paths] == ["original.run", "leser.run"]
    qrels = {query: dict(grades) for query, grades in QRELS.items()}
    for path, run in zip(paths, (ORIGINAL, LESER), strict=True):
        read = ir_measures.calc_aggregate([ir_measures.nDCG @ 10], qrels, ir_measures.read_trec_run(str(path)))
        ours = evaluate(SPLIT, [run], ["nDCG@10"], resamples=200).systems[run.name]["nDCG@10"]
        assert read[ir_measures.nDCG @ 10] == pytest.approx(ours)


def test_trec_ids_and_names_are_made_safe_or_refused(tmp_path: Path) -> None:
    paths = write_runs(tmp_path, [SystemRun("../warm up+", {"red sofa": tied("a\tb", "50%")})])
    assert paths[0].parent == tmp_path
    assert paths[0].read_text().splitlines() == [
        "red%20sofa Q0 a%09b 1 2 ..%2Fwarm%20up%2B",
        "red%20sofa Q0 50% 2 1 ..%2Fwarm%20up%2B",
    ]
    with pytest.raises(LeserError, match="empty document id"):
        write_runs(tmp_path, [SystemRun("a", {"q": tied("")})])
    with pytest.raises(LeserError, match="are one in a TREC run"):
        write_runs(tmp_path, [SystemRun("a", {"q": tied("a b", "a%20b")})])
