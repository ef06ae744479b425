"""Environment: the engine's view of a completion. Reads it, checks it, searches with it, and says what came of it.

The five things that can become of a completion keep their own codes (leser.expansion.Code): a parse error, a broken rule,
an engine's failure and an empty result are never one zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from leser.backend import Document, Ranking, SearchError
from leser.constraints.asking import QueryConstraints
from leser.declared import Documents
from leser.engine import SearchClient
from leser.engine.words import EngineWords, Unanswered
from leser.errors import EngineDown
from leser.expansion import Code, Expansion, ExpansionOptions, Parsed, ParseError, parse, render
from leser.holes.expected import ExpectedGrades, filled_from
from leser.lesson import digest_of, lessons_of
from leser.originals import Originals
from leser.prompt import Observation, PromptOptions, titles_of
from leser.reward import Outcome
from leser.rules import RuleBook, default_book
from leser.scoring import RewardSet, Scores
from leser.shown_words import ShownWords
from leser.similarity import nearest_of
from leser.task import Query, Split

SEARCHES_AT_ONCE = 2048
"""Completions that callers have judged at once: outcomes hold their rankings, which is a bound on memory."""
OBSERVED_AT_ONCE = 1024
"""Queries whose documents are in memory at once: whole descriptions, where prompts show words of them."""
ORIGINAL_DEPTH = 100
"""How deep originals are searched. Fixed, so that a prompt never depends on how deep a reward or a measure reads."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A completion to be judged: whose it is, in which group, and whether it ended by itself."""

    query: Query
    group: int
    completion: str
    finished: bool = True


class Environment:
    """Searches for one task through one client; keeps the originals it has seen.

    `expected` says what documents that nobody judged are worth, where a judge was named; `documents` are the task's, for
    prompts that show words of an encoder's nearest ones.
    """

    def __init__(
        self,
        client: SearchClient,
        rewards: RewardSet,
        expansion: ExpansionOptions,
        title_field: str = "title",
        rules: RuleBook | None = None,
        platform: str | None = None,
        ask: QueryConstraints | None = None,
        expected: ExpectedGrades | None = None,
        documents: Callable[[], Iterable[Document]] | None = None,
    ) -> None:
        self.client = client
        self.expected = expected
        self.rewards = rewards
        self.expansion = expansion
        self.ask = ask or QueryConstraints()
        self.title_field = title_field
        self.platform = platform
        self.depth = max(rewards.depth, 10)
        self._originals = Originals(client, self.ask)
        self.rules = rules or default_book(EngineWords(client.backend, client.ask), expansion)
        self._sentences = self.rules.sentences()
        self._words = ShownWords(
            self.rules.site.words, title_field, lambda: nearest_of(rewards.rewards, documents()) if documents else None
        )

    def originals(self, queries: Iterable[Query]) -> dict[str, Ranking]:
        """Each query's own ranking, searched once (see Originals). Raises EngineDown when one fails for good."""
        return self._originals.of(queries, max(self.depth, ORIGINAL_DEPTH))

    def forget(self, most: int) -> None:
        """Keep the originals of the `most` queries that were searched last; the others are searched again when asked for."""
        self._originals.forget(most)

    def refusal(self, query: Query) -> SearchError | None:
        """Why the engine refuses a query as it stands, once its original was asked for; None where it does not."""
        return self._originals.refusal(query)

    @property
    def learned_from(self) -> str | None:
        """A digest of the judgments that the rewards have learned from, beside those they read; None where none has."""
        rewards = self.rewards.rewards
        return digest_of([*lessons_of(rewards), *filled_from(rewards, self.expected)])

    def prepare(self, options: PromptOptions) -> None:
        """Open what these prompts need in a service, such as an encoder's vectors of all documents, before somebody waits.

        From then on the vectors of queries are kept in memory, the last ones, and none is written to disk.
        """
        if options.context and options.nearest:
            self._words.serve()

    def observe(self, queries: Sequence[Query], options: PromptOptions) -> list[Observation]:
        """What the engine shows for each query, ready for its prompt."""
        originals = self.originals(queries)
        if not options.context:
            return [Observation(query, originals[query.id], (), (), self._sentences) for query in queries]
        seen = []
        for first in range(0, len(queries), OBSERVED_AT_ONCE):
            part = queries[first : first + OBSERVED_AT_ONCE]
            seen += self._observed(part, [originals[query.id] for query in part], options)
        return seen

    def _observed(
        self, queries: Sequence[Query], rankings: Sequence[Ranking], options: PromptOptions
    ) -> list[Observation]:
        read = self._words.read(queries, rankings, options)
        ids = {hit.id for row in (*read, *(ranking.hits[: options.titles] for ranking in rankings)) for hit in row}
        documents = self.client.fetch(sorted(ids), self._words.fields(options)) if ids else {}
        terms = self._words(queries, read, documents, options)
        titles = [titles_of(ranking, documents, self.title_field, options.titles) for ranking in rankings]
        return [
            Observation(query, ranking, shown, words, self._sentences)
            for query, ranking, shown, words in zip(queries, rankings, titles, terms, strict=True)
        ]

    def weigh(self, weight: float) -> None:
        """Give expansions that name no weight this one from now on."""
        self.expansion = self.expansion.model_copy(update={"weight": weight})

    def analyze(self, texts: Sequence[str]) -> list[list[str]]:
        """The engine's index terms of each text, where it can say them; else lower-cased words. Raises EngineDown."""
        words = self._words_of(texts)
        if isinstance(words, SearchError):
            raise EngineDown(
                f"The engine did not analyse a text: {words.message}. Check it and run again with --resume."
            )
        return words

    def _words_of(self, texts: Sequence[str]) -> list[list[str]] | SearchError:
        try:
            return self.rules.site.words.analyze(texts)
        except Unanswered as error:
            return error.failure

    def say(self, expansions: Sequence[Expansion] = ()) -> str:
        """The completion that this environment reads as these expansions; without any, as "no expansion"."""
        return render(expansions, reasoning=self.expansion.reasoning)

    def read(self, attempt: Attempt) -> tuple[tuple[Expansion, ...], Code, str]:
        """A completion's expansions, its code before any search (ok, none, parse_error, rule_violation), and the reason.

        The reason for a broken rule begins with the rule's code: "banned: ...".
        """
        parsed = parse(attempt.completion, self.expansion, finished=attempt.finished)
        if isinstance(parsed, ParseError):
            return (), Code.PARSE_ERROR, parsed.reason
        broken = self.rules.check(attempt.query.text, parsed.expansions)
        if broken:
            return parsed.expansions, Code.RULE_VIOLATION, str(broken)
        return parsed.expansions, Code.OK if parsed.expansions else Code.NONE, ""

    def codes(self, attempts: Sequence[Attempt]) -> list[Code]:
        """What `read` makes of each completion, for a batch; engine_error where a rule had no answer from the engine."""
        return [code for _, code, _ in self._read_all(attempts)]

    def _read_all(self, attempts: Sequence[Attempt]) -> list[tuple[tuple[Expansion, ...], Code, str]]:
        """`read` for a batch, after one request that analyses all its words.

        Where the engine has no answer to that, nobody can say whether a rule is broken: its failure is the completion's code.
        """
        parsed = [parse(a.completion, self.expansion, finished=a.finished) for a in attempts]
        texts: dict[str, None] = {}
        for attempt, found in zip(attempts, parsed, strict=True):
            if isinstance(found, Parsed) and found.expansions:
                together = " ".join(expansion.text for expansion in found.expansions)
                texts |= dict.fromkeys((*self.rules.texts(attempt.query.text, found.expansions), together))
        words = self._words_of(list(texts)) if texts else []
        failure = words if isinstance(words, SearchError) else None
        return [self._read_or_failed(attempt, found, failure) for attempt, found in zip(attempts, parsed, strict=True)]

    def _read_or_failed(
        self, attempt: Attempt, found: Parsed | ParseError, failure: SearchError | None
    ) -> tuple[tuple[Expansion, ...], Code, str]:
        """`read`, unless the engine has failed or fails now, when a rule asks it (say, how many documents hold a word)."""
        if not isinstance(found, Parsed) or not found.expansions:
            return self.read(attempt)
        if failure is None:
            try:
                return self.read(attempt)
            except Unanswered as error:
                failure = error.failure
        return found.expansions, Code.ENGINE_ERROR, failure.message

    def judge(self, attempts: Sequence[Attempt], split: Split, depth: int | None = None) -> list[Outcome]:
        """Search with every readable completion, `depth` hits deep (none: as the rewards read), and say what came of each."""
        originals = self.originals({a.query.id: a.query for a in attempts}.values())
        read = [self._unless_refused(a, r) for a, r in zip(attempts, self._read_all(attempts), strict=True)]
        sent = [i for i, (_, code, _) in enumerate(read) if code in (Code.OK, Code.NONE)]
        requests = [(self.ask(attempts[i].query), read[i][0]) for i in sent]
        results = self.client.search_expansions(
            requests,
            depth or self.depth,
            options=self.expansion,
            per_expansion="per_expansion" in self.rewards.requires,
        )
        by_index = dict(zip(sent, results, strict=True))
        asked = {a.query.id for a in attempts}
        documents = Documents(self._documents(by_index.values(), asked, split, originals.values()))
        outcomes = []
        for i, (attempt, (expansions, code, reason)) in enumerate(zip(attempts, read, strict=True)):
            result = by_index.get(i)
            ranking = result.ranking if result else None
            single = result.per_expansion if result else None
            failure = next((r for r in (ranking, *(single or ())) if isinstance(r, SearchError)), None)
            failed = failure is not None
            if failure is not None:
                code, reason = Code.ENGINE_ERROR, failure.message
            elif isinstance(ranking, Ranking) and not ranking.hits:
                code = Code.NOTHING_FOUND
            outcomes.append(
                Outcome(
                    query=attempt.query,
                    group=attempt.group,
                    completion=attempt.completion,
                    expansions=expansions,
                    original=originals[attempt.query.id],
                    expanded=ranking if isinstance(ranking, Ranking) and not failed else None,
                    grades=split.qrels.get(attempt.query.id, {}),
                    code=code,
                    per_expansion=tuple(r for r in single if isinstance(r, Ranking))
                    if single is not None and not failed
                    else None,
                    documents=documents,
                    split=split.name,
                    platform=self.platform,
                    withheld=split.withheld.get(attempt.query.id, frozenset()),
                    reason=reason,
                )
            )
        return outcomes

    def _unless_refused(
        self, attempt: Attempt, read: tuple[tuple[Expansion, ...], Code, str]
    ) -> tuple[tuple[Expansion, ...], Code, str]:
        """The completion as it was read; beside a query that the engine refuses it is not searched with either."""
        refused = self.refusal(attempt.query)
        if refused is None or read[1] not in (Code.OK, Code.NONE):
            return read
        return read[0], Code.ENGINE_ERROR, refused.message

    def _documents(
        self, results: Iterable[object], asked: Iterable[str], split: Split, originals: Iterable[Ranking]
    ) -> dict[str, Document]:
        """The fields that rewards read, each document once: of hits, of what is judged for the queries `asked`, and of the
        originals' top, so that what a reward says of an original does not depend on which expansions stand beside it.
        """
        if not self.rewards.fields:
            return {}
        ids = {id for original in originals for id in original.ids[: self.rewards.depth]}
        ids |= {hit.id for r in results if isinstance(getattr(r, "ranking", None), Ranking) for hit in r.ranking.hits}  # type: ignore[attr-defined]
        ids |= {doc for query in asked for doc in split.qrels.get(query, {})}
        return self.client.fetch(sorted(ids), self.rewards.fields)

    @contextmanager
    def at(self, progress: float) -> Iterator[None]:
        """Meanwhile the rewards have the weights of a moment of GRPO, from 0 at its first step to 1 at its last."""
        last = self.rewards
        self.rewards = last.at(progress)
        try:
            yield
        finally:
            self.rewards = last

    def score(self, outcomes: Sequence[Outcome]) -> Scores:
        """The rewards of judged outcomes."""
        return self.rewards.score(outcomes)
