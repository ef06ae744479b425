"""The reward learned@k: taught by a task's train judgments, asked about rankings, and refused where it cannot learn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from leser_judges import Learned

from leser.backend import Document, Ranking
from leser.errors import LeserError
from leser.evaluation.measures import Measurer
from leser.expansion import Code
from leser.holes.judge import DocumentJudge
from leser.lesson import Lesson, learned_from, suggesting, teach
from leser.reward import Outcome, Reward, RewardSpec, parse_spec
from leser.similarity import discounted_mean
from leser.task import Query, Split
from leser.testing.reward_contract import RewardContract, ranking

TYPES = {"settee": "sofa", "mac": "jacket", "carpet": "rug"}
COLOURS = ("navy", "red", "green", "black", "white", "brown")
STOCK = {
    f"{name}-{colour}-{n}": Document(f"{name}-{colour}-{n}", {"title": f"{colour} {name}", "text": "in stock"})
    for name in TYPES.values()
    for colour in COLOURS
    for n in range(3)
}
TEXTS = [f"{colour} {typed} {n}" for n in range(4) for typed in TYPES for colour in COLOURS]
QUERIES = tuple(Query(f"q{place}", text) for place, text in enumerate(TEXTS))


def fetch(ids: Sequence[str], fields: Sequence[str]) -> Mapping[str, Document]:
    return {id: Document(id, {f: STOCK[id].fields[f] for f in fields}) for id in ids if id in STOCK}


def originals(queries: Iterable[Query]) -> Mapping[str, Ranking]:
    """An engine that knows colours alone."""
    return {q.id: ranking(*(id for id in STOCK if q.text.split()[0] in id.split("-"))) for q in queries}


def lesson(queries: Sequence[Query] = QUERIES) -> Lesson:
    """Each query's relevant documents: those of its type."""
    qrels = {q.id: {id: 1 for id in STOCK if id.startswith(TYPES[q.text.split()[1]])} for q in queries}
    return Lesson(Split("train", tuple(queries), qrels), fetch, originals, seed=1)


def taught(text: str = "learned@3") -> Learned:
    reward = Learned(parse_spec(text))
    teach([reward], lesson())
    return reward


def outcome(text: str, *ids: str) -> Outcome:
    return Outcome(
        query=Query("new", text),
        group=0,
        completion="",
        expansions=(),
        original=ranking(),
        expanded=ranking(*ids),
        grades={},
        code=Code.OK,
        documents=STOCK,
    )


class Ready(Learned):
    """Taught as soon as it is made, as a session does it."""

    def __init__(self, spec: RewardSpec) -> None:
        super().__init__(spec)
        self.learn(lesson())


class TestLearned(RewardContract):
    @pytest.fixture
    def reward(self) -> Reward:
        return Ready(parse_spec("learned@3"))


def test_documents_that_nobody_judged_for_a_new_query_are_worth_what_like_queries_say() -> None:
    reward = taught()
    right, wrong = ("sofa-navy-0", "sofa-red-1", "sofa-green-2"), ("rug-navy-0", "jacket-navy-1", "rug-red-2")
    found = reward.score([outcome("navy settee", *right), outcome("navy settee", *wrong), outcome("navy settee")])
    assert found[0] is not None
    assert found[1] is not None
    assert found[0] > 0.8
    assert found[1] < 0.2
    assert found[2] == 0.0


def test_the_value_is_the_discounted_mean_of_the_documents_worths_and_a_missing_rank_counts_nothing() -> None:
    reward = taught()
    both = reward.score([outcome("red mac", "jacket-red-0", "rug-red-0", "jacket-red-0")])
    alone = [reward.score([outcome("red mac", id)])[0] for id in ("jacket-red-0", "rug-red-0")]
    first = discounted_mean(np.ones(1), 3)
    assert both == pytest.approx([discounted_mean(np.array(alone, dtype=float) / first, 3)])


def test_its_words_become_candidates() -> None:
    reward = taught()
    assert suggesting([reward]) is reward
    assert reward.suggested(Query("new", "navy settee"), 1) == ["sofa"]


def test_too_few_judged_queries_or_no_task_are_refused_before_anything_is_scored() -> None:
    with pytest.raises(LeserError, match="too little to learn from: 49 train queries"):
        teach([Learned(parse_spec("learned@10"))], lesson(QUERIES[:49]))
    with pytest.raises(LeserError, match="no task is given"):
        teach([Learned(parse_spec("learned@10"))], None)


def test_it_is_neither_a_measure_nor_a_judge_of_holes() -> None:
    with pytest.raises(LeserError, match="cannot be reported as a measure"):
        Measurer(lesson().train, ["learned@10"], {"learned": Learned})
    with pytest.raises(LeserError, match="cannot fill holes"):
        DocumentJudge.of("learned", {"learned": Learned}, fetch)


def test_it_knows_whose_judgments_it_met() -> None:
    reward = taught()
    assert reward.met(Query("typed: 1", " Navy  SETTEE 0 "))
    assert not reward.met(Query("new", "navy settee"))
    assert learned_from([reward], QUERIES[0])
    assert not learned_from([], QUERIES[0])


def test_an_engine_that_holds_other_documents_than_those_judged_is_named() -> None:
    reward = Learned(parse_spec("learned@3"))
    teach([reward], replace(lesson(), fetch=lambda ids, fields: {}))
    with pytest.raises(LeserError, match=r"too little to learn from: the engine holds 0 of \d+ documents"):
        reward.score([outcome("navy settee", "sofa-navy-0")])
