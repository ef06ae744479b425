"""A small shop in which the right expansion is known, and judges for it: one by labels, one that a word can fool."""

from __future__ import annotations

from collections.abc import Sequence

from leser_memory import MemoryBackend
from leser_relevance import NDCG

from leser.backend import Document
from leser.engine import SearchClient, SearchOptions
from leser.environment import Environment
from leser.expansion import ExpansionOptions
from leser.lesson import Lesson, teach
from leser.reward import Outcome, Reward, parse_spec
from leser.rules import RuleBook
from leser.scoring import RewardSet
from leser.task import Query, Split
from leser.verified.options import VerifiedOptions
from leser.verified.sources import DocumentWords

TITLES = {
    "couch1": "couch sofa grey",
    "couch2": "couch sofa blue",
    "couch3": "couch cover",
    "sofa1": "sofa velvet",
    "sofa2": "sofa leather",
    "lamp1": "desk lamp",
    "lamp2": "desk lamp small",
    "lamp3": "lamp tall",
    "rug1": "wool rug",
    "rug2": "wool rug round",
}
COUCH, RUG, DESK = Query("q1", "couch"), Query("q2", "rug"), Query("q3", "desk")
SOFAS = {"couch1": 1, "couch2": 1, "sofa1": 1, "sofa2": 1}
SPLIT = Split("train", (COUCH, RUG, DESK), {"q1": SOFAS, "q2": {"rug1": 1, "rug2": 1}, "q3": {"lamp1": 1, "lamp3": 1}})
OPTIONS = VerifiedOptions(
    candidates=8,
    min_documents=2,
    lift=0.0,
    weights=(1.0,),
    trust=1.0,
    margin=0.01,
    keep=0.6,
    keep_within=10,
    agree=0.0,
    spelling=False,
)


class Shiny(Reward):
    """Share of the top k whose title says shiny (shiny@k): a judge that one word fools."""

    name = "shiny"
    fields = ("title",)

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """Counts the word."""
        return [
            None
            if o.expanded is None
            else sum("shiny" in o.documents[i].fields["title"] for i in o.expanded.ids[: self.depth]) / self.depth
            for o in outcomes
        ]


def shelf(titles: dict[str, str] = TITLES) -> list[Document]:
    return [Document(id, {"title": title}) for id, title in titles.items()]


def environment_of(
    backend: MemoryBackend | None = None,
    rewards: Sequence[Reward] = (NDCG(parse_spec("nDCG@5")),),
    book: RuleBook | None = None,
    expansion: ExpansionOptions | None = None,
    **client: int,
) -> Environment:
    judge = RewardSet(list(rewards), [1.0] * len(rewards))
    engine = SearchClient(backend or MemoryBackend.of(shelf()), SearchOptions(**client))
    return Environment(engine, judge, expansion or ExpansionOptions(), rules=book)


class Taught(Shiny):
    """A third party's reward that learns: likes the word shiny, and says that a lesson taught it."""

    lesson: Lesson | None = None

    def learn(self, lesson: Lesson) -> None:
        self.lesson = lesson

    def met(self, query: Query) -> bool:
        return self.lesson is not None and query.id in self.lesson.train.qrels


def taught_by(train: Split) -> Environment:
    """The shop under a `Taught` that has learned from these judgments."""
    environment = environment_of(rewards=[Taught(parse_spec("shiny@2"))])
    teach(environment.rewards.rewards, Lesson(train, environment.client.fetch, environment.originals))
    return environment


def changed(**values: object) -> VerifiedOptions:
    return OPTIONS.model_copy(update=values)


def words_of(environment: Environment, options: VerifiedOptions = OPTIONS) -> list[DocumentWords]:
    return [DocumentWords(environment, options)]
