"""What judgments hold: depth, contradictions, raters, pairs a judge orders, each against numbers counted by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from leser.backend import Document
from leser.errors import LeserError
from leser.holes.judge import DocumentJudge
from leser.holes.treatment import Forms
from leser.judgments.facts import contradictions_of, depth_of
from leser.judgments.headroom import HeadRoom, HeadRoomGain, needed_queries, sample_of
from leser.judgments.pairs import ordered_rightly
from leser.judgments.raters import agreement_of, read_raters
from leser.judgments.sentence import conclude
from leser.reward import Outcome, Reward
from leser.task import Query, Split, Task

COUCH, COUCHES, LAMP = Query("1", "couch"), Query("2", "Couches!"), Query("3", "lamp")
TRAIN = Split("train", (COUCH, LAMP), {"1": {"a": 2, "b": 0, "c": 1}, "3": {"d": 1}})
DEV = Split("dev", (COUCHES,), {"2": {"a": 0, "b": 1, "c": 1}})
TEST = Split("test", (), {"4": {"x": 0}}, no_result=(Query("4", "netflix"),))
TASK = Task("shop", TRAIN, DEV, TEST)
TITLES = {"a": "Grey couch", "b": "grey  couch", "c": "sofa", "d": "lamp"}
FORMS = Forms("nDCG@10", "nDCG(holes=skip)@10", "nDCG(holes=expected)@10", "Judged@10")


class Longer(Reward):
    """A longer title is better."""

    name, fields, range = "longer", ("title",), (0.0, 99.0)

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        return [float(len(o.documents[o.expanded.ids[0]].fields["title"])) if o.expanded else None for o in outcomes]


def test_depth_counts_queries_pairs_and_grades() -> None:
    found = depth_of(TASK)
    assert (found.queries, found.without_relevant, found.pairs) == (4, 1, 8)
    assert found.judged == (1.0, 2.0, 3.0)
    assert found.grades == {0: 3, 1: 4, 2: 1}
    assert not found.one_sided
    assert depth_of(Task("t", Split("train", (LAMP,), {"3": {"d": 1}}), TEST, TEST)).one_sided is False
    only = Split("train", (LAMP,), {"3": {"d": 1}})
    assert depth_of(Task("t", only, Split("dev", (), {}), Split("test", (), {}))).one_sided is True


def test_contradictions_are_counted_with_examples() -> None:
    found = contradictions_of(TASK, TITLES)
    # a and b have one title: 2 against 0 for couch, 0 against 1 for Couches!
    assert (found.same_title, found.of_titles) == (2, 2)
    # couch and Couches! are one query: a 2 and 0, b 0 and 1, c 1 and 1
    assert (found.same_query, found.of_queries) == (2, 3)
    assert "'couch': a has grade 2, b has grade 0, and both are called 'Grey couch'" in found.examples
    assert "a has grade 2 for 'couch' and grade 0 for 'Couches!'" in found.examples


def test_agreement_of_raters_by_hand() -> None:
    found = agreement_of([{"r1": 1, "r2": 1}] * 20 + [{"r1": 0, "r2": 0}] * 15 + [{"r1": 1, "r2": 0}] * 5 + [{"r1": 2}])
    assert (found.raters, found.pairs, found.single, found.several) == (2, 41, 1, 40)
    assert found.unanimous == pytest.approx(35 / 40)
    assert found.split == pytest.approx(5 / 40)
    chance = (25 * 20 + 15 * 20) / 1600
    assert found.kappa is not None
    assert found.kappa[0] == pytest.approx((35 / 40 - chance) / (1 - chance))


def test_raters_of_the_real_set(shared_data: Callable[[str], Path]) -> None:
    """Counted by others before: unanimous 71.5 %, split between relevant (from 2 on) and not 19.7 %, kappa .60 to .68."""
    path = shared_data("electronics") / "raters.tsv"
    found = read_raters(path, relevant=2)
    assert (found.raters, found.pairs, found.single) == (3, 3188, 0)
    assert found.unanimous == pytest.approx(0.715, abs=0.001)
    assert found.split == pytest.approx(0.197, abs=0.001)
    assert found.kappa == pytest.approx((0.60, 0.68), abs=0.006)
    assert read_raters(path).split == pytest.approx(0.2196, abs=0.0001)


def test_a_table_of_raters_that_cannot_be_read_is_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "raters.tsv"
    path.write_text("query-id\tcorpus-id\trater1\nq\td\t1\nq\te\tgood\n")
    with pytest.raises(LeserError, match=r"line 3: rater1 says 'good', not a whole grade"):
        read_raters(path)
    path.write_text("query\tdoc\n")
    with pytest.raises(LeserError, match="line 1: expected the columns query-id, corpus-id, rater1"):
        read_raters(path)


def test_pairs_a_judge_orders_as_people_did() -> None:
    judge = DocumentJudge.of(
        "longer",
        {"longer": Longer},
        lambda ids, fields: {id: Document(id, {"title": TITLES[id].strip()}) for id in ids},
    )
    found = ordered_rightly(judge, (TRAIN, DEV))
    assert found is not None
    # couch: a (10 letters) > b (11) wrong, a > c right, c (4) > b wrong; Couches!: b > a right, c > a wrong
    assert (found.queries, found.pairs) == (2, 5)
    assert found.share == pytest.approx(2 / 5)
    assert ordered_rightly(judge, (Split("one", (LAMP,), {"3": {"d": 1}}),)) is None


def test_needed_queries_is_the_textbook_sample_size() -> None:
    """A mean of .5 standard deviations: (1.96 + .84)^2 / .25 = 31.4."""
    assert needed_queries([1.5, -0.5] * 50) == 32
    assert needed_queries([0.0] * 9) is None
    assert needed_queries([0.1] * 9) == 2


def test_a_sample_keeps_the_order_and_the_judgments() -> None:
    queries = tuple(Query(str(n), f"query {n}") for n in range(50))
    found = sample_of(Split("train", queries, {}), 10, seed=1)
    assert len(found.queries) == 10
    assert list(found.queries) == sorted(found.queries, key=lambda q: int(q.id))
    assert found == sample_of(Split("train", queries, {}), 10, seed=1)


def gain(measure: str, low: float, middle: float, high: float, system: str = "verified search") -> HeadRoomGain:
    return HeadRoomGain(system, measure, middle, (low, high), 30, 10, 120)


def said(*gains: HeadRoomGain, one_sided: bool = False) -> tuple[str, str]:
    depth = depth_of(TASK)
    if one_sided:
        only = Split("train", (LAMP,), {"3": {"d": 1}})
        depth = depth_of(Task("t", only, Split("dev", (), {}), Split("test", (), {})))
    found = conclude(HeadRoom(100, {}, gains, ()), FORMS, depth, 200)
    return found.sentence, found.reward


def test_the_sentence_names_the_reward_that_sees_a_gain_and_the_queries_it_takes() -> None:
    sentence, reward = said(gain(FORMS.plain, 0.01, 0.03, 0.05), gain(FORMS.condensed, 0.02, 0.05, 0.08))
    assert reward == "nDCG@10"
    assert sentence == (
        "There is something to learn: without any training verified search gains +0.030 [+0.010, +0.050] in nDCG@10, so reward "
        "nDCG@10; 120 test queries would show a gain of that size four times in five (there are 200)."
    )


def test_the_sentence_says_that_plain_labels_cannot_see_it() -> None:
    sentence, reward = said(
        gain(FORMS.plain, -0.06, -0.02, 0.03),
        gain(FORMS.condensed, 0.03, 0.06, 0.09),
        gain(FORMS.expected, 0.01, 0.04, 0.07),
    )
    assert reward == "nDCG(holes=expected)@10"
    assert "gains +0.060 [+0.030, +0.090] in nDCG(holes=skip)@10, which plain nDCG@10 cannot see (-0.020" in sentence
    assert "[-0.060, +0.030]), so reward nDCG(holes=expected)@10; 120 test queries" in sentence


def test_a_gain_in_the_eyes_of_the_judge_alone_is_called_so() -> None:
    sentence, reward = said(
        gain(FORMS.plain, -0.06, -0.02, 0.03),
        gain(FORMS.condensed, -0.03, 0.01, 0.09),
        gain(FORMS.expected, 0.01, 0.04, 0.07),
    )
    assert reward == "nDCG(holes=expected)@10"
    assert "but only in the eyes of the judge that chose it: have people judge what it finds first" in sentence


def test_the_sentence_says_when_nothing_shows() -> None:
    sentence, reward = said(gain(FORMS.plain, -0.01, 0.01, 0.03), gain(FORMS.condensed, -0.03, 0.0, 0.03))
    assert reward == ""
    assert "Nothing to learn shows on 100 train queries" in sentence
    assert "120 queries would show a gain of that size" in sentence
    assert "no system that needs no training gains anything" in said(gain(FORMS.plain, -0.09, -0.05, -0.02))[0]


def test_one_sided_judgments_are_read_plainly() -> None:
    """Where only relevant documents are named, a condensed list is perfect for everyone: its gains mean nothing."""
    sentence, reward = said(
        gain(FORMS.plain, -0.05, -0.01, 0.03), gain(FORMS.condensed, 0.03, 0.06, 0.09), one_sided=True
    )
    assert reward == ""
    assert "Nothing to learn shows here" in sentence
