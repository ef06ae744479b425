"""The rule that settles what a run is judged by, and the documents whose labels would settle the comparison, out and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from leser_relevance import NDCG

from leser.backend import Hit, Ranking
from leser.errors import LeserError
from leser.formats.quepid import Quepid
from leser.holes.next import judge_next, with_ratings, write_next
from leser.holes.primary import choose, contrast_of, judged_share, names_with_forms
from leser.holes.treatment import forms_of
from leser.reward import parse_spec
from leser.task import Query, Split, Task

FORMS = forms_of("nDCG@10", {"nDCG": NDCG}, judge=False)
A, B = Query("a", "couch"), Query("b", "lamp, tall")
SPLIT = Split("test", (A, B), {"a": {"1": 2, "2": 0}, "b": {"3": 1}})


def ranking(*ids: str) -> Ranking:
    return Ranking(tuple(Hit(id, float(len(ids) - n)) for n, id in enumerate(ids)))


@pytest.mark.parametrize(
    ("judged", "contrast", "measure", "why"),
    [
        (0.85, 1.0, "nDCG@10", "85% are judged, at least the 85%"),
        (0.84, 1.0, "nDCG(holes=skip)@10", "84% are judged, fewer than 85%"),
        (0.09, 0.4, "nDCG@10", "only 40% of the queries have documents judged not relevant"),
        (0.0, 0.0, "nDCG@10", "hits none are judged, but none of the queries have documents judged not relevant"),
        (1.0, 1.0, "nDCG@10", "hits all are judged, at least the 85%"),
        (None, 1.0, "nDCG@10", "no dev query found anything"),
    ],
)
def test_the_primary_measure_is_chosen_from_the_share_of_judged_hits(
    judged: float | None, contrast: float, measure: str, why: str
) -> None:
    found = choose("nDCG@10", FORMS, judged, contrast)
    assert found.measure == measure
    assert why in found.why


def test_a_first_measure_that_says_how_holes_are_counted_is_taken_as_it_is() -> None:
    assert choose("nDCG(holes=skip)@10", FORMS, 1.0, 1.0).measure == "nDCG(holes=skip)@10"
    assert choose("coverage@10", None, 0.1, 1.0).measure == "coverage@10"


def test_shares_and_contrast_are_counted_by_query() -> None:
    rankings = {"a": ranking("1", "x", "y", "2"), "b": ranking("3")}
    assert judged_share(SPLIT.queries, SPLIT, rankings, 2) == pytest.approx((0.5 + 1.0) / 2)
    assert judged_share(SPLIT.queries, SPLIT, {}, 2) is None
    assert contrast_of(SPLIT.queries, SPLIT) == 0.5


def test_the_primary_measure_leads_and_the_forms_stand_in_the_table() -> None:
    names = names_with_forms(("nDCG@10", "R@100"), "nDCG(holes=skip)@10", FORMS)
    assert names == ("nDCG(holes=skip)@10", "nDCG@10", "R@100", "Judged@10")


def test_what_to_judge_next_is_what_could_move_the_difference_most() -> None:
    before = {"a": ranking("both", "1", "deep"), "b": ranking("3", "c")}
    after = {"a": ranking("both", "new", "1"), "b": ranking("3", "c")}
    rows = judge_next(SPLIT, before, after, NDCG(parse_spec("nDCG@3")), 3)
    # both: at one rank in both systems it still changes the ideal; c: both systems are alike on b, whatever its label
    assert [row.document for row in rows] == ["new", "deep", "both"]
    assert {row.query.id for row in rows} == {"a"}
    assert rows[0].leverage > rows[1].leverage > rows[2].leverage > 0


def test_ratings_go_out_in_quepids_form_and_come_back(tmp_path: Path) -> None:
    rows = judge_next(SPLIT, {"b": ranking("3")}, {"b": ranking("x", "3")}, NDCG(parse_spec("nDCG@3")), 3)
    path = tmp_path / "judge-next.csv"
    write_next(path, rows)
    assert path.read_text() == 'query,docid,rating\n"lamp, tall",x,\n'
    assert Quepid.recognises(path)
    task = Task("shop", SPLIT, SPLIT, SPLIT)
    assert with_ratings(task, path).test == SPLIT  # nothing is rated yet
    path.write_text('query,docid,rating\n"Lamp,  tall",x,2\n')
    assert with_ratings(task, path).test.qrels == {"a": {"1": 2, "2": 0}, "b": {"3": 1, "x": 2}}


def test_ratings_of_another_query_or_against_a_label_are_errors(tmp_path: Path) -> None:
    task, path = Task("shop", SPLIT, SPLIT, SPLIT), tmp_path / "rated.csv"
    with pytest.raises(LeserError, match="There is no file of ratings at"):
        with_ratings(task, path)
    path.write_text("query,docid,rating\nrug,x,2\n")
    with pytest.raises(LeserError, match="rates the query 'rug', which the task shop does not have"):
        with_ratings(task, path)
    path.write_text("query,docid,rating\ncouch,2,1\n")
    with pytest.raises(LeserError, match="rates document 2 for the query 'couch' 1, and the task has grade 0"):
        with_ratings(task, path)


def test_a_query_that_a_rating_makes_answerable_joins_the_others(tmp_path: Path) -> None:
    lost = Query("c", "netflix")
    split = Split("test", (A,), {"a": {"1": 2}, "c": {"9": 0}}, no_result=(lost,))
    path = tmp_path / "rated.csv"
    path.write_text("query,docid,rating\nnetflix,x,1\n")
    found = with_ratings(Task("shop", split, split, split), path).test
    assert found.queries == (A, lost)
    assert found.no_result == ()
