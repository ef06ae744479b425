"""The rewards that come with LESER, against hand-worked numbers and against ir-measures."""

from __future__ import annotations

import ir_measures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leser_coverage import Coverage, Rescued, UnionRecall
from leser_relevance import NDCG, Precision, Recall, ReciprocalRank
from leser_shape import Format, Kept

from leser.backend import Hit, Ranking
from leser.errors import LeserError
from leser.expansion import Code, Expansion
from leser.reward import Outcome, Reward, parse_spec
from leser.task import Query

CLASSES: dict[str, type[Reward]] = {
    cls.name: cls for cls in (NDCG, Recall, ReciprocalRank, Precision, Coverage, UnionRecall, Rescued, Format, Kept)
}


def ranking(*ids: str) -> Ranking:
    return Ranking(tuple(Hit(doc, float(len(ids) - place)) for place, doc in enumerate(ids)))


def outcome(
    expanded: Ranking | None, grades: dict[str, int] | None = None, original: Ranking | None = None, **other
) -> Outcome:
    values = {
        "group": 0,
        "completion": "a",
        "expansions": (Expansion("a"),),
        "code": Code.OK,
        "query": Query("q", "query"),
    }
    values |= other
    return Outcome(original=original or ranking(), expanded=expanded, grades=grades or {}, **values)


def make(text: str) -> Reward:
    spec = parse_spec(text)
    return CLASSES[spec.family](spec)


def one(text: str, given: Outcome) -> float | None:
    (value,) = make(text).score([given])
    return value


DOCUMENTS = st.sampled_from([f"d{n}" for n in range(30)])
MEASURES = [
    "nDCG@1", "nDCG@5", "nDCG@10", "nDCG@100", "nDCG", "nDCG(judged_only=True)@5", "nDCG(gains={1:1,2:5,3:9})@5",
    "R@3", "R@10", "R(rel=2)@10", "R(judged_only=True)@3", "RR@10", "RR", "RR@2", "RR(rel=2)@10",
    "RR(judged_only=True)",
    "P@5", "P@10", "P(rel=3)@2", "P(judged_only=True)@5",
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    batch=st.lists(
        st.tuples(
            st.lists(DOCUMENTS, max_size=40),
            st.dictionaries(DOCUMENTS, st.integers(-1, 3), max_size=20),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_values_equal_ir_measures(batch: list[tuple[list[str], dict[str, int]]]) -> None:
    """Graded and negative labels, repeats, unjudged documents, empty rankings, nothing relevant."""
    outcomes, qrels, run = [], {}, {}
    for number, (ids, grades) in enumerate(batch):
        query = Query(f"q{number}", "query")
        # Equal scores throughout: only the engine's order may decide.
        outcomes.append(outcome(Ranking(tuple(Hit(doc, 1.0) for doc in ids)), grades, query=query))
        # trec_eval takes grades below 0 as unjudged, but may loop without end over a query that has no others.
        if judged := {doc: grade for doc, grade in grades.items() if grade >= 0}:
            qrels[query.id] = judged
        unique = list(dict.fromkeys(ids))
        if unique:
            run[query.id] = {doc: float(len(unique) - place) for place, doc in enumerate(unique)}
    for text in MEASURES:
        expected = {}
        if qrels:
            measure = ir_measures.parse_measure(text)
            expected = {m.query_id: m.value for m in ir_measures.iter_calc([measure], qrels, run)}
        for given_outcome, value in zip(outcomes, make(text).score(outcomes), strict=True):
            if value is None:
                assert not any(grade > 0 for grade in given_outcome.grades.values()) or "rel=" in text
                value = 0.0
            assert value == pytest.approx(expected.get(given_outcome.query.id, 0.0), abs=1e-9), text


def test_exponential_gain_is_ndcg_with_its_gains_written_out() -> None:
    given_outcome = outcome(ranking("b", "x", "a"), {"a": 3, "b": 1, "c": 2})
    assert one("nDCG(dcg='exp-log2')@10", given_outcome) == pytest.approx(
        one("nDCG(gains={1:1,2:3,3:7})@10", given_outcome)
    )


def test_a_ranking_with_ties_is_taken_in_the_engines_order() -> None:
    """trec_eval would put document b first, because ties are broken by id there."""
    tied = Ranking((Hit("a", 1.0), Hit("b", 1.0)))
    assert one("RR@10", outcome(tied, {"a": 1})) == 1.0
    assert one("P@1", outcome(tied, {"b": 1})) == 0.0


def test_relevance_does_not_apply_without_a_relevant_document() -> None:
    assert one("nDCG@10", outcome(ranking("a"), {"a": 0})) is None
    assert one("R(rel=2)@10", outcome(ranking("a"), {"a": 1})) is None


def test_judgments_that_change_under_one_query_id_are_read_again() -> None:
    reward = make("R@10")
    assert reward.score([outcome(ranking("a"), {"a": 1, "b": 1})]) == [0.5]
    assert reward.score([outcome(ranking("a"), {"a": 1})]) == [1.0]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("R", "needs a cutoff"),
        ("R(level=2)@10", "Unknown option 'level' of reward 'R\\(level=2\\)@10'"),
        ("R(rel=0)@10", "rel"),
        ("nDCG(dcg='ln')@10", "dcg"),
        ("coverage(rel=1)@10", "Unknown option"),
        ("kept(min=1.5)@10", "min"),
    ],
)
def test_bad_specs_are_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(LeserError, match=complaint):
        make(text)


def test_depths() -> None:
    assert make("nDCG@7").depth == 7
    assert make("nDCG").depth == 1000
    assert make("nDCG(judged_only=True)@7").depth == 1000
    assert make("coverage@5").depth == 5


NEEDS = {
    "shoes": frozenset({"a", "b"}),
    "watch": frozenset({"c"}),
    "socks": frozenset({"d"}),
    "no document": frozenset(),
}


@pytest.mark.parametrize(
    ("ids", "expected"), [(("a", "b", "x"), 1 / 3), (("a", "a", "c"), 2 / 3), (("a", "x", "y", "c"), 1 / 3), ((), 0.0)]
)
def test_coverage_counts_needs_reached_in_the_top_k(ids: tuple[str, ...], expected: float) -> None:
    assert one("coverage@3", outcome(ranking(*ids), query=Query("q", "gift", subtopics=NEEDS))) == pytest.approx(
        expected
    )


def test_coverage_does_not_apply_to_a_query_without_needs() -> None:
    assert one("coverage@3", outcome(ranking("a"), {"a": 1})) is None


def test_union_recall_draws_in_turn_and_never_more_than_k() -> None:
    grades = {"b": 1, "c": 1, "e": 1, "z": 1}
    given_outcome = outcome(
        ranking(), grades, original=ranking("a", "b"), per_expansion=(ranking("c", "d"), ranking("a", "e"))
    )
    # Turns: a c (a) | b d e; the first four are a c b d.
    assert one("union_R@4", given_outcome) == 2 / 4
    # Without the original: c a | d e.
    assert one("union_R(original=False)@4", given_outcome) == 2 / 4
    assert one("union_R(original=False)@3", given_outcome) == 1 / 4
    assert make("union_R@4").requires == {"per_expansion"}


def test_union_recall_gains_nothing_from_a_repeated_expansion() -> None:
    grades = {"a": 1, "b": 1}
    once = outcome(ranking(), grades, original=ranking("x", "y"), per_expansion=(ranking("a", "b"),))
    twice = outcome(ranking(), grades, original=ranking("x", "y"), per_expansion=(ranking("a", "b"),) * 2)
    assert one("union_R@4", once) == one("union_R@4", twice) == 1.0


def test_rescued_applies_only_to_queries_that_found_nothing() -> None:
    assert one("rescued", outcome(ranking("a"), original=ranking("b"))) is None
    assert one("rescued", outcome(ranking("a"))) == 1.0
    assert one("rescued", outcome(ranking())) == 0.0
    assert one("rescued(rel=1)@1", outcome(ranking("x", "a"), {"a": 1})) == 0.0
    assert one("rescued(rel=1)@2", outcome(ranking("x", "a"), {"a": 1})) == 1.0


def test_kept_is_the_share_of_the_originals_relevant_results() -> None:
    grades = {"a": 1, "b": 2, "c": 1}
    given_outcome = outcome(ranking("b", "y", "a", "c"), grades, original=ranking("a", "x", "b"))
    assert one("kept@3", given_outcome) == 1.0
    assert one("kept@2", given_outcome) == 0.0
    assert one("kept@10", outcome(ranking("a"), grades, original=ranking("a", "b"))) == 0.5
    assert one("kept@10", outcome(ranking("a"), grades, original=ranking("x"))) is None
    assert not make("kept@10").gate


def test_kept_with_a_threshold_is_a_gate() -> None:
    given_outcome = outcome(ranking("a"), {"a": 1, "b": 1}, original=ranking("a", "b"))
    assert make("kept(min=0.8)@10").gate
    assert one("kept(min=0.8)@10", given_outcome) == 0.0
    assert one("kept(min=0.5)@10", given_outcome) == 1.0


def test_format_tells_what_was_read_from_what_was_not() -> None:
    repeated = (Expansion("Sofa"), Expansion("sofa", 0.5))
    assert one("format", outcome(None, code=Code.PARSE_ERROR)) == 0.0
    assert one("format", outcome(None, code=Code.RULE_VIOLATION)) == 0.0
    assert one("format", outcome(ranking(), code=Code.NOTHING_FOUND)) == 1.0
    assert one("format", outcome(ranking(), code=Code.NONE, expansions=())) == 1.0
    assert one("format(none=False)", outcome(ranking(), code=Code.NOTHING_FOUND, expansions=())) == 0.0
    assert one("format", outcome(ranking(), expansions=repeated)) == 1.0
    assert one("format(distinct=True)", outcome(ranking(), expansions=repeated)) == 0.0
