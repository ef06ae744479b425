"""What prompt methods share: texts per query, their words as clauses, and a grid that dev chooses from.

A method repeats the query n times before its texts, so that a long text does not drown it. As weighted clauses that is
tf / n for each word of the texts beside the query's own words; n and the number of words are tuned on dev, as every
rival's settings are, so that none loses by a constant of its paper.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

from pydantic import Field

from leser.backend import SearchError, Term
from leser.baseline import Baseline, BaselineContext
from leser.errors import LeserError
from leser.evaluation.grid import best_setting
from leser.originals import keep_last
from leser.prompt import Message
from leser.task import Query, drawn
from leser.text import STOP_WORDS, words
from leser_prompts.endpoint import WritingEndpoint
from leser_prompts.options import WritingEndpointOptions
from leser_prompts.writers import PolicyWriter, Prompt, Writer, Written

MOST_TEXTS = 10_000
"""Texts that are remembered at least: a run asks for fewer, a service without end."""


class PromptMethod(Baseline):
    """A text per query, written by a model; `chosen` holds the setting that dev preferred."""

    tuned = True

    class Options(Baseline.Options):
        """Who writes, how long, and the grid that is searched."""

        endpoint: WritingEndpointOptions | None = Field(
            None, description="the model that writes; none: the policy as it was before training"
        )
        tokens: int = Field(128, ge=8, description="longest text of one request, in the model's tokens")
        temperature: float = Field(0.8, ge=0, description="sampling temperature; 0: greedy")
        terms: tuple[int, ...] = Field((5, 10, 20, 40), description="numbers of words added, the most frequent first")
        repetitions: tuple[int, ...] = Field(
            (1, 2, 5, 10, 20), description="how often the query counts beside the texts once (n)"
        )
        dev_queries: int = Field(
            100, ge=1, description="dev queries that judge a setting, at most; of more, a seeded sample"
        )

    options: PromptMethod.Options
    chosen: tuple[int, int]

    def fit(self, context: BaselineContext) -> None:
        """Write for dev's queries, search with every setting, keep the one of the highest mean reward.

        A query for which nothing was written judges no setting. Raises LeserError without a writer, and where nothing was
        written at all.
        """
        self._begin(context)
        asked = drawn(context.task.dev.queries, self.options.dev_queries, context.seed)
        if not asked:
            raise LeserError(
                f"{self.name} is tuned on dev, and the task {context.task.name} has no dev queries. Drop it, or add some."
            )
        self._tune(asked)

    def _begin(self, context: BaselineContext, *, lasting: bool = False) -> None:
        """Open the writer; `lasting`: for a service, which has no end."""
        self._context, self._texts = context, dict[str, Written]()
        self._writer = self._open(lasting)

    def _tune(self, asked: Sequence[Query]) -> None:
        """Let dev choose number of words and weight, by those of `asked` for which something was written."""
        context, texts = self._context, self._written_for(asked)
        queries = [query for query, text in zip(asked, texts, strict=True) if isinstance(text, str)]
        if not queries:
            failure = next(text for text in texts if isinstance(text, SearchError))
            raise LeserError(f"{self.name} has no text for any of {len(asked)} dev queries. {failure.message}.")
        grid = list(product(self.options.terms, self.options.repetitions))
        self.chosen, self.dev_reward = best_setting(
            self.name, context, context.task.dev, queries, grid, lambda point: self._terms(queries, *point)
        )

    def state(self) -> dict[str, Any]:
        """The setting that dev chose; the texts are written anew for each query."""
        return {"chosen": list(self.chosen)}

    def restore(self, state: Mapping[str, Any], context: BaselineContext) -> None:
        """Take what dev chose, and a writer that answers for as long as a service lives. Raises LeserError without a writer."""
        self._begin(context, lasting=True)
        count, repetitions = state["chosen"]
        self.chosen = (int(count), int(repetitions))

    def terms(self, queries: Sequence[Query]) -> list[tuple[Term, ...]]:
        """The texts' clauses at the setting chosen on dev; none where nothing was written (see `failures`)."""
        self._written_for(queries)
        keep_last(self._texts, max(MOST_TEXTS, len(queries)), [query.text for query in queries])
        return self._terms(queries, *self.chosen)

    def failures(self, queries: Sequence[Query]) -> list[SearchError | None]:
        """Why nothing was written for a query: that is no query as typed."""
        texts = [self.text(query) for query in queries]
        return [text if isinstance(text, SearchError) else None for text in texts]

    def text(self, query: Query) -> Written:
        """What was written for a query that was asked about, or why nothing was."""
        return self._texts[query.text]

    @abstractmethod
    def _write(self, queries: Sequence[Query]) -> list[Written]:
        """The texts of different queries, joined per query."""

    def _ask(self, prompts: Sequence[Prompt], sample: int = 0) -> list[Written]:
        return self._writer.write(prompts, self.options.tokens, self.options.temperature, sample)

    def _ask_often(self, prompts: Sequence[Prompt], samples: int) -> list[Written]:
        """`samples` texts per prompt, joined; those that failed are left out unless all did."""
        if self.options.temperature == 0:
            samples = 1  # the same text every time
        rows = [self._ask(prompts, sample) for sample in range(samples)]
        return [joined(column) for column in zip(*rows, strict=True)]

    def _then(
        self, queries: Sequence[Query], before: Sequence[Written], prompt: Callable[[Query, str], Prompt]
    ) -> list[Written]:
        """What is written after an earlier text of each query; an earlier failure stays one."""
        known = [(query, text) for query, text in zip(queries, before, strict=True) if isinstance(text, str)]
        answers = iter(self._ask([prompt(query, text) for query, text in known]) if known else [])
        return [next(answers) if isinstance(text, str) else text for text in before]

    def _written_for(self, queries: Sequence[Query]) -> list[Written]:
        known = self._texts
        # a failure is no text: the next time the query comes, it is written for again
        missing = list({q.text: q for q in queries if not isinstance(known.get(q.text), str)}.values())
        if missing:
            written = self._write(missing)
            self._texts.update(zip((query.text for query in missing), written, strict=True))
        return [self._texts[query.text] for query in queries]

    def _terms(self, queries: Sequence[Query], count: int, repetitions: int) -> list[tuple[Term, ...]]:
        rows = []
        for query in queries:
            text = self._texts[query.text]
            counted = (
                Counter(word for word in words(text) if word not in STOP_WORDS and len(word) > 1)
                if isinstance(text, str)
                else Counter[str]()
            )
            rows.append(tuple(Term(word, times / repetitions) for word, times in counted.most_common(count)))
        return rows

    def _open(self, lasting: bool) -> Writer:
        context, endpoint = self._context, self.options.endpoint
        if endpoint is not None:
            return WritingEndpoint(endpoint, context.seed, lasting=lasting)
        if context.write is None:
            raise LeserError(
                f"A policy 'tiny' reads marked words, no sentences, and cannot write for the baseline {self.name}: name a model "
                f"in [evaluation.baseline_options.{self.name}.endpoint], or take it out of evaluation.baselines."
            )
        return PolicyWriter(context.write, context.seed)


def joined(texts: Sequence[Written]) -> Written:
    """Several texts as one; a failure only where all failed."""
    known = [text for text in texts if isinstance(text, str)]
    return "\n".join(known) if known else texts[0]


def turns(system: str, user: str) -> list[Message]:
    """A prompt of one question."""
    return [Message("system", system), Message("user", user)]


def line(text: str, longest: int = 200) -> str:
    """One line of at most `longest` characters: a text from outside must not look like a turn of the prompt."""
    return " ".join(text.split())[:longest]
