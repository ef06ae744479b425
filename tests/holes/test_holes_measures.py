"""The three ways to count a document that nobody judged, in rewards and in measures, on numbers worked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

import numpy as np
import pytest
from leser_relevance import NDCG, Precision, Recall, ReciprocalRank

from leser.backend import Document, Hit, Ranking
from leser.errors import LeserError
from leser.evaluation.evaluate import evaluate
from leser.evaluation.measures import Measurer
from leser.evaluation.systems import SystemRun
from leser.expansion import Code
from leser.holes.calibration import Calibration, reliability
from leser.holes.expected import ExpectedGrades, bind
from leser.holes.judge import DocumentJudge
from leser.holes.treatment import Treatment, forms_of, split_name, treated
from leser.reward import Outcome, Reward, parse_spec
from leser.task import Query, Split

CLASSES: dict[str, type[Reward]] = {cls.name: cls for cls in (NDCG, Recall, ReciprocalRank, Precision)}
QUERY = Query("q", "couch")
GRADES = {"good": 2, "bad": 0, "fine": 1}


class Marked(Reward):
    """The mean of the numbers that stand in the titles of the top k; a title without one is a failure."""

    name, fields = "marked", ("title",)

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        return [self._one(o) for o in outcomes]

    def _one(self, outcome: Outcome) -> float | None:
        assert outcome.expanded is not None
        found = [outcome.documents[id].fields["title"] for id in outcome.expanded.ids[: self.depth]]
        return None if "broken" in found else sum(map(float, found)) / self.depth


def titles(ids: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
    """A document's title is its mark: what follows the underscore of its id, .9 for what people like."""
    return {id: Document(id, {"title": id.partition("_")[2] or "0.9"}) for id in ids}


def train(queries: int = 10) -> Split:
    """Ten queries with six judged documents each: of mark .9 all are relevant (grade 2), of .5 half, of .1 none."""
    grades = {"a_0.9": 2, "b_0.9": 2, "c_0.5": 2, "d_0.5": 0, "e_0.1": 0, "f_0.1": 0}
    asked = tuple(Query(f"t{n}", f"train {n}") for n in range(queries))
    return Split("train", asked, {query.id: grades for query in asked})


def expected() -> ExpectedGrades:
    return ExpectedGrades(DocumentJudge.of("marked@10", {"marked": Marked}, titles), train())


def ranking(*ids: str) -> Ranking:
    return Ranking(tuple(Hit(id, float(len(ids) - n)) for n, id in enumerate(ids)))


def outcome(expanded: Ranking, original: Ranking = Ranking(()), group: int = 0) -> Outcome:  # noqa: B008
    return Outcome(QUERY, group, "", (), original, expanded, GRADES, Code.OK)


def reward(text: str) -> Reward:
    spec = parse_spec(text)
    made = CLASSES[spec.family](spec)
    bind([made], expected())
    return made


def value(text: str, expanded: Ranking, original: Ranking = Ranking(())) -> float | None:  # noqa: B008
    return reward(text).score([outcome(expanded, original)])[0]


def d(rank: int) -> float:
    return 1 / log2(rank + 1)


IDEAL = 2 * d(1) + d(2)


def test_zero_skip_and_expected_of_one_ranking() -> None:
    shown = ranking("new_0.5", "good", "old_0.1", "fine")
    assert value("nDCG@3", shown) == pytest.approx(2 * d(2) / IDEAL)
    assert value("nDCG(holes=zero)@3", shown) == pytest.approx(2 * d(2) / IDEAL)
    assert value("nDCG(holes=skip)@3", shown) == pytest.approx((2 * d(1) + d(2)) / IDEAL)
    assert value("nDCG(judged_only=True)@3", shown) == value("nDCG(holes=skip)@3", shown)
    # of mark .5 a document has grade 2 or 0 with even chances: 1; of mark .1 it is 0
    assert value("nDCG(holes=expected)@3", shown) == pytest.approx((1 * d(1) + 2 * d(2)) / IDEAL)


def test_the_ideal_holds_the_filled_holes_of_the_original() -> None:
    """Else a query with few labels would be perfect as soon as anything good is on top."""
    ideal = 2 * d(1) + 2 * d(2) + d(3)
    assert value("nDCG(holes=expected)@3", ranking("new_0.9"), ranking("old_0.9")) == pytest.approx(2 * d(1) / ideal)


def test_expected_equals_plain_where_everything_is_judged() -> None:
    shown = ranking("bad", "fine", "good")
    for family in ("nDCG@10", "R@10", "RR@10", "P@10"):
        name = treated(family, Treatment.EXPECTED)
        assert value(name, shown, shown) == pytest.approx(value(family, shown, shown)), family


def test_binary_measures_take_the_probability_of_relevance() -> None:
    shown = ranking("new_0.5", "good")
    assert value("P(holes=expected)@2", shown) == pytest.approx((0.5 + 1) / 2)
    assert value("R(holes=expected)@2", shown) == pytest.approx(1.5 / 2)
    assert value("RR(holes=expected)@2", shown) == pytest.approx(0.5 * 1 + 0.5 * 1 / 2)
    # grade 2 of half of the documents of mark .5: relevant from grade 3 on none of them is
    assert value("P(rel=2, holes=expected)@2", shown) == pytest.approx((0.5 + 1) / 2)


def test_a_failure_of_the_judge_is_none_for_the_whole_group_and_never_zero() -> None:
    made = reward("nDCG(holes=expected)@3")
    rows = [outcome(ranking("good")), outcome(ranking("x_broken")), outcome(ranking("good"), group=1)]
    assert made.score(rows) == [None, None, pytest.approx(2 * d(1) / IDEAL)]


def test_what_cannot_be_filled_is_an_error_before_anything_is_scored() -> None:
    made = NDCG(parse_spec("nDCG(holes=expected)@3"))
    with pytest.raises(LeserError, match=r"no judge is named. Set -o evaluation.judge=encoder"):
        bind([made], None)
    positives = Split("train", train().queries, {query: {"a": 1} for query in train().qrels})
    with pytest.raises(LeserError, match="0 queries with documents of different grades and 10 judged documents"):
        bind([made], ExpectedGrades(DocumentJudge.of("marked", {"marked": Marked}, titles), positives))
    with pytest.raises(LeserError, match="'nDCG' cannot judge single documents: it does not read their text"):
        DocumentJudge.of("nDCG@10", CLASSES, titles)
    with pytest.raises(LeserError, match="judged_only=True means holes=skip, and holes=expected is given"):
        NDCG(parse_spec("nDCG(holes=expected, judged_only=True)@3"))


def test_names_say_the_treatment_and_can_be_rewritten() -> None:
    assert split_name("R(rel=2, holes=skip)@100") == ("R(rel=2)@100", Treatment.SKIP)
    assert split_name("nDCG(gains={1:1,2:5})@5") == ("nDCG(gains={1:1,2:5})@5", None)
    assert split_name("IPrec@.5") == ("IPrec@.5", None)
    with pytest.raises(LeserError, match="holes=none is not one of zero, skip, expected"):
        split_name("nDCG(holes=none)@10")
    forms = forms_of("nDCG@10", CLASSES, judge=True)
    assert forms is not None
    assert forms.names == ("nDCG@10", "nDCG(holes=skip)@10", "nDCG(holes=expected)@10", "Judged@10")
    assert forms_of("coverage@10", CLASSES, judge=True) is None


def test_measures_of_ir_measures_take_holes_too() -> None:
    split = Split("test", (QUERY,), {"q": GRADES})
    names = ["nDCG@3", "nDCG(holes=skip)@3", "AP(holes=skip)@3", "AP@3", "Judged@3", "nDCG(holes=expected)@3"]
    run = SystemRun("leser", {"q": ranking("new_0.5", "good", "old_0.1", "fine")})
    values = {name: per["q"] for name, per in Measurer(split, names, CLASSES, expected=expected())(run).items()}
    assert values["nDCG@3"] == pytest.approx(2 * d(2) / IDEAL)
    assert values["nDCG(holes=skip)@3"] == pytest.approx(1.0)
    assert values["AP(holes=skip)@3"] == pytest.approx(1.0)
    assert values["AP@3"] == pytest.approx(0.5 / 2)
    assert values["Judged@3"] == pytest.approx(1 / 3)
    assert values["nDCG(holes=expected)@3"] == pytest.approx((1 * d(1) + 2 * d(2)) / IDEAL)


def test_the_interval_holds_the_uncertainty_of_the_calibration() -> None:
    """Every query has the same difference: what is left of the interval is the calibration's."""
    queries = tuple(Query(f"q{n}", f"couch {n}") for n in range(8))
    split = Split("test", queries, {query.id: GRADES for query in queries})
    runs = [
        SystemRun("original", {query.id: ranking("bad", "good") for query in queries}),
        SystemRun("leser", {query.id: ranking("new_0.5", "good") for query in queries}),
    ]
    uneven = {
        f"t{n}": {"a_0.9": 2, "c_0.5": 2 if n < 5 else 0, "e_0.1": 0, "g_0.2": 0, "h_0.15": 0, "i": 2}
        for n in range(10)
    }
    asked = Split("train", train().queries, uneven)
    filled = ExpectedGrades(DocumentJudge.of("marked", {"marked": Marked}, titles), asked)
    names = ["nDCG@10", "nDCG(holes=expected)@10"]
    result = evaluate(split, runs, names, rewards=CLASSES, resamples=400, expected=filled)
    plain, expectation = result.comparisons[0], result.comparisons[1]
    assert plain["ci95"] == [0.0, 0.0]
    low, high = expectation["ci95"]
    assert low < expectation["delta"] < high
    assert high - low > 0.05


def test_a_calibration_never_falls_and_its_reliability_is_of_other_queries() -> None:
    scores = np.array([0.1, 0.2, 0.3, 0.3, 0.9])
    made = Calibration.of(scores, np.array([1.0, 0.0, 0.0, 2.0, 3.0]))
    assert made(np.array([0.0, 0.1, 0.2, 0.3, 0.6, 0.9, 2.0])).tolist() == pytest.approx(
        [0.5, 0.5, 0.5, 1.0, 2.0, 3.0, 3.0]
    )
    # ten queries that each contradict the others: nothing is learned of the own one
    queries = np.repeat(np.arange(10), 20)
    rng = np.random.default_rng(1)
    marks, noise = rng.random(200), rng.random(200)
    bins = reliability(marks, (marks > noise).astype(float), queries, seed=0)
    assert sum(found.documents for found in bins) == 200
    assert all(found.ci95[0] - 0.2 <= found.predicted <= found.ci95[1] + 0.2 for found in bins)
