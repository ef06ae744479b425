"""learned@k: what it learns from is searched before the first score, with progress and by name, and never twice."""

from __future__ import annotations

import io
from collections.abc import Sequence

from leser_judges import Learned
from leser_memory import MemoryBackend
from rich.console import Console
from verified_shop import changed

from leser.backend import Document
from leser.engine import SearchClient, SearchOptions
from leser.environment import Attempt, Environment
from leser.expansion import ExpansionOptions
from leser.lesson import Lesson, Prepares, prepare, teach
from leser.progress import Reporter
from leser.reward import parse_spec
from leser.scoring import RewardSet
from leser.task import Query, Split
from leser.verified.sources import SuggestedWords

STOCK = [Document(f"{kind}{n}", {"title": f"{kind} c{n % 6}"}) for kind in ("sofa", "rug", "lamp") for n in range(30)]
ASKED = tuple(Query(f"{kind}-{n}", f"c{n % 6} {kind} {n}") for kind in ("sofa", "rug") for n in range(30))
TRAIN = Split("train", ASKED, {q.id: {f"{q.text.split()[1]}{n}": 1 for n in range(5)} for q in ASKED})


def shop() -> Environment:
    """An environment of an engine that keeps no answer: whatever is searched twice is counted twice."""
    client = SearchClient(MemoryBackend.of(STOCK), SearchOptions(cache_size=0))
    rewards = RewardSet([Learned(parse_spec("learned@5"))], [1.0])
    environment = Environment(client, rewards, ExpansionOptions())
    teach(rewards.rewards, Lesson(TRAIN, client.fetch, environment.originals))
    return environment


def test_it_learns_before_the_first_score_once_and_by_name() -> None:
    environment, said = shop(), io.StringIO()
    (reward,) = environment.rewards.rewards
    queries = ASKED
    environment.originals(queries[:10])  # say, of an earlier step
    assert isinstance(reward, Prepares)
    assert not reward.prepared
    reporter = Reporter(Console(file=said, width=200))
    prepare(environment.rewards.rewards, reporter)
    assert reward.prepared
    assert f"learned@5 learns, searches {len(queries)} of {len(queries)}" in said.getvalue()
    assert f"learned@5 has learned ({len(queries)} searches, " in said.getvalue()
    searched = environment.client.stats().asked
    assert searched == len(queries), "those of the earlier step were not searched again"
    before = said.getvalue()
    prepare(environment.rewards.rewards, reporter)
    assert said.getvalue() == before
    environment.originals(queries)
    environment.score(environment.judge([Attempt(ASKED[0], 0, "none")], TRAIN))
    assert environment.client.stats().asked == searched + 1, "the search of what is scored, and none of train"


def test_without_being_prepared_it_learns_at_the_first_score_as_before() -> None:
    prepared, lazy = shop(), shop()
    prepare(prepared.rewards.rewards, Reporter(Console(file=io.StringIO())))
    totals = [
        environment.score(environment.judge([Attempt(ASKED[0], 0, "sofa"), Attempt(ASKED[0], 0, "none")], TRAIN)).total
        for environment in (prepared, lazy)
    ]
    assert totals[0].tolist() == totals[1].tolist()


class Suggesting:
    """Suggests words, some of which hold a digit."""

    def suggested(self, query: Query, count: int) -> list[str]:
        return ["mk2", "sofa", "x100", "couch", "settee", "divan"][:count]


def suggested(**options: object) -> Sequence[Sequence[str]]:
    return SuggestedWords(Suggesting(), changed(**options))([Query("q", "bed")])


def test_its_words_with_digits_are_candidates_only_where_digits_are() -> None:
    assert suggested(candidates=3) == [["sofa", "couch", "settee"]]
    assert suggested(candidates=3, digits=True) == [["mk2", "sofa", "x100"]]
