"""Guards: a judge that learned from a query's own judgments is no stranger to them, and proves nothing by itself."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

import pytest
from leser_memory import MemoryBackend
from verified_shop import COUCH, SOFAS, Shiny, environment_of, shelf

from leser.expansion import Expansion
from leser.expansion_store import EntryState
from leser.lesson import Lesson, teach
from leser.offline.guards import GuardedAnswer, Guards, ProposedExpansions
from leser.offline.options import PrecomputeOptions
from leser.reward import parse_spec
from leser.task import Query, Split
from leser.verified.halves import halve

SHOP = MemoryBackend.of(shelf({"couch1": "couch", "sofa1": "shiny sofa"}))


class Taught(Shiny):
    """Likes the word shiny, and says that train's queries taught it."""

    lesson: Lesson | None = None

    def learn(self, lesson: Lesson) -> None:
        self.lesson = lesson

    def met(self, query: Query) -> bool:
        return self.lesson is not None and query.text in [taught.text for taught in self.lesson.train.queries]


def weighed(taught_by: Sequence[Query], labels: Split) -> GuardedAnswer:
    environment = environment_of(SHOP, [Taught(parse_spec("shiny@2"))])
    train = Split("train", tuple(taught_by), {query.id: SOFAS for query in taught_by})
    teach(environment.rewards.rewards, Lesson(train, environment.client.fetch, environment.originals))
    guards = Guards(environment, PrecomputeOptions(measure="nDCG@5", top=3), labels)
    return guards.weigh([COUCH], [[ProposedExpansions("search", (Expansion("sofa"),))]])[0]


@pytest.mark.parametrize(
    ("taught_by", "state"),
    [((Query("other", "rug"),), EntryState.LIVE), ((COUCH,), EntryState.PROPOSED)],
    ids=["never met", "met in its lesson"],
)
def test_what_it_learned_from_is_proposed_and_what_it_never_met_is_live(
    taught_by: Sequence[Query], state: EntryState
) -> None:
    answer = weighed(taught_by, Split("none", (), {}))
    assert (answer.state, answer.expansions) == (state, (Expansion("sofa"),))
    assert answer.scores["gain"] == pytest.approx(0.5)


def test_the_second_half_of_the_labels_still_proves_it() -> None:
    given = ({"sofa1": 1, f"absent{n}": 1} for n in range(20))
    grades = next(g for g in given if "sofa1" in halve(Split("train", (COUCH,), {"q1": g}), 0)[1].qrels["q1"])
    answer = weighed((COUCH,), Split("train", (COUCH,), {"q1": grades}))
    assert answer.scores["nDCG@5 confirmed"] == pytest.approx(1 / log2(3)), "couch1 comes first"
    assert answer.state is EntryState.LIVE
