"""Baseline: a system the learned policy is compared with; fitted on train and dev, never on test.

A third party's baseline is one class and a hook `leser_baselines()` that returns `[Synonyms]`:

    class Synonyms(Baseline):
        \"\"\"Terms out of a hand-made synonym file.\"\"\"
        name = "synonyms"
        def terms(self, queries): ...
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from leser.backend import Document, Ranking, SearchError, Term
from leser.constraints.asking import QueryConstraints
from leser.declared import Documents
from leser.expansion import Code
from leser.options import Options
from leser.reward import Outcome

if TYPE_CHECKING:
    from leser.engine import SearchClient
    from leser.scoring import RewardSet
    from leser.task import Query, Split, Task


@dataclass(frozen=True, slots=True)
class BaselineContext:
    """What a baseline is fitted with; `k` hits a search, `rewards` say what is good, `fields` hold the text."""

    client: SearchClient
    task: Task
    rewards: RewardSet
    k: int = 100
    seed: int = 0
    fields: tuple[str, ...] = ()
    write: Callable[..., list[str]] | None = None
    """The policy before training as a writer: prompts and most tokens to texts; None where it writes no sentences.

    Greedy, unless `temperature` is given; then the noise depends on `seed`, on the prompt and on the number `sample`.
    """
    platform: str | None = None
    ask: QueryConstraints = field(default_factory=QueryConstraints, repr=False)
    """Makes what the engine is asked of a query and its clauses; with the constraints typed in it, where they are on."""
    _originals: dict[str, Ranking] = field(default_factory=dict, repr=False)

    @property
    def text_fields(self) -> tuple[str, ...]:
        """`fields`, or the task's title and "text"."""
        return self.fields or tuple(dict.fromkeys((self.task.title_field, "text")))

    def search(self, queries: Sequence[Query], terms: Sequence[Sequence[Term]]) -> list[Ranking | SearchError]:
        """Search each query with its clauses, deep enough for the rewards; in order."""
        expanded = [self.ask(q, ts) for q, ts in zip(queries, terms, strict=True)]
        return self.client.search_terms(expanded, max(self.k, self.rewards.depth))

    def originals(self, queries: Sequence[Query]) -> list[Ranking | SearchError]:
        """The queries' own rankings, searched once, and until the client's deadline; a failure is asked for again."""
        missing = [query for query in queries if query.text not in self._originals]
        asked = [self.ask(query, ()) for query in missing]
        answers = self.client.search(asked, max(self.k, self.rewards.depth), until_deadline=True)
        failed: dict[str, SearchError] = {}
        for query, answer in zip(missing, answers, strict=True):
            if isinstance(answer, Ranking):
                self._originals[query.text] = answer
            else:
                failed[query.text] = answer
        return [self._originals.get(query.text) or failed[query.text] for query in queries]

    def know(self, rankings: Mapping[str, Ranking]) -> None:
        """Take rankings of queries as they stand, by text, which somebody searched already: they are not searched again."""
        self._originals.update(rankings)

    def forget(self) -> None:
        """Forget the queries' own rankings; they are searched again when somebody asks for them."""
        self._originals.clear()

    def texts(self, ids: Sequence[str]) -> dict[str, str]:
        """Text of each document the engine holds, its fields joined."""
        documents = self.client.fetch(list(dict.fromkeys(ids)), self.text_fields)
        return {id_: " ".join(document.fields.values()) for id_, document in documents.items()}

    def reward(self, split: Split, queries: Sequence[Query], terms: Sequence[Sequence[Term]]) -> list[float]:
        """What each query earns with its clauses; NaN where a search failed or no reward applies."""
        rewards = self.rewards.two_rankings_only()
        answers = list(zip(queries, self.originals(queries), self.search(queries, terms), strict=True))
        documents: Mapping[str, Document] = {}
        if rewards.fields:
            ids = {hit.id for _, _, answer in answers if isinstance(answer, Ranking) for hit in answer.hits}
            ids |= {doc for query in queries for doc in split.qrels.get(query.id, {})}
            documents = self.client.fetch(sorted(ids), rewards.fields)
        held = Documents(documents)
        outcomes = [_outcome(split, group, *answer, held, self.platform) for group, answer in enumerate(answers)]
        totals: list[float] = rewards.score(outcomes).total.tolist()
        return totals


class Baseline(ABC):
    """A system that adds clauses to queries, or one that ranks documents itself (`rankings`).

    A class with a name, and a docstring whose first line says what it is.
    """

    name: ClassVar[str]
    api: ClassVar[int] = 1
    tuned: ClassVar[bool] = False
    """Whether `fit` asks what the rewards say of a search, so that a run checks before training that one of them can."""

    class Options(Options):
        """Options of this baseline."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or self.Options()

    def fit(self, context: BaselineContext) -> None:  # noqa: B027 - a baseline may have nothing to fit
        """Learn from train and tune on dev; test is not to be read."""

    def state(self) -> Mapping[str, Any] | None:
        """What `fit` found, as plain JSON values from which `restore` makes the same baseline on a machine without judgments.

        None, as here where `fit` is a class's own: it cannot be kept, and so not be served by `leser serve`.
        """
        return {} if type(self).fit is Baseline.fit else None

    def restore(self, state: Mapping[str, Any], context: BaselineContext) -> None:  # noqa: B027 - there may be none
        """Take a `state` in the place of `fit`, and open what `terms` needs, such as a model, before somebody waits for it.

        `context` has the engine; its task has the documents, where it had any, no queries and no judgments. `terms` is then asked
        for as long as a service lives: keep nothing per query without a bound.
        """

    @abstractmethod
    def terms(self, queries: Sequence[Query]) -> list[tuple[Term, ...]]:
        """The clauses for each query, in order; () leaves a query alone."""

    def failures(self, queries: Sequence[Query]) -> list[SearchError | None] | None:  # noqa: ARG002
        """Why a query got no clauses, where what they are made with failed, such as a model behind an endpoint; in order.

        It is asked after `terms`, about the same queries. None for a query that got what it gets. None alone, as here: nothing
        fails but searches.
        """
        return None

    def rankings(self, queries: Sequence[Query], k: int) -> list[Ranking | SearchError] | None:  # noqa: ARG002
        """At most `k` documents for each query, in order, from a system that ranks them itself; such a one adds no clauses.

        None, as here: the system adds clauses, and the engine is searched with them.
        """
        return None


def _outcome(
    split: Split,
    group: int,
    query: Query,
    before: Ranking | SearchError,
    after: Ranking | SearchError,
    documents: Mapping[str, Document],
    platform: str | None,
) -> Outcome:
    failed = isinstance(before, SearchError) or isinstance(after, SearchError)
    return Outcome(
        query=query,
        group=group,
        completion="",
        expansions=(),
        original=before if isinstance(before, Ranking) else Ranking(()),
        expanded=after if isinstance(after, Ranking) and not failed else None,
        grades=split.qrels.get(query.id, {}),
        code=Code.ENGINE_ERROR if failed else Code.OK,
        documents=documents,
        split=split.name,
        platform=platform,
    )
