"""A prompt method whose prompt is searched for: GEPA."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from leser.baseline import BaselineContext
from leser.errors import LeserError
from leser.prompt import Message
from leser.task import Query, Split, drawn
from leser_prompts.base import PromptMethod, line, turns
from leser_prompts.endpoint import WritingEndpoint
from leser_prompts.keywords import KEYWORDS_FOR_A_QUERY
from leser_prompts.options import WritingEndpointOptions
from leser_prompts.teacher import Marked, feedback
from leser_prompts.writers import Writer, Written

if TYPE_CHECKING:
    from leser_prompts.prompt_search import Row, TriedPrompt

log = logging.getLogger(__name__)
COMPLETE = 0.9
"""Share of dev's queries that a prompt must have been marked for to be chosen."""


class GEPA(PromptMethod):
    """GEPA: keywords under a prompt that was searched for on train, by the rewards, and chosen on dev (arXiv 2507.19457).

    `prompt` is the one that dev chose, `tried` are all that came as far as dev, each with its mean reward there.
    """

    name = "gepa"

    class Options(PromptMethod.Options):
        """As for every prompt method, with the search: who proposes prompts, and how many keyword lists it may cost."""

        temperature: float = Field(0.0, ge=0, description="sampling temperature of the keywords; 0: greedy")
        dev_queries: int = Field(
            50, ge=1, description="dev queries that judge a prompt and a setting, at most; of more, a seeded sample"
        )
        prompt: str = Field(KEYWORDS_FOR_A_QUERY, min_length=1, description="the prompt that the search begins with")
        reflection: WritingEndpointOptions | None = Field(
            None,
            description="the model that reads what the engine found and proposes prompts; none: the one that writes",
        )
        reflection_tokens: int = Field(512, ge=16, description="longest answer of a proposal, in the model's tokens")
        reflection_temperature: float = Field(1.0, ge=0, description="sampling temperature of proposals")
        prompt_chars: int = Field(1500, ge=100, le=20_000, description="longest prompt that is proposed, in characters")
        budget: int = Field(
            1000, ge=1, description="most keyword lists that the search may take, those for dev included"
        )
        examples: int = Field(
            6, ge=1, description="train queries of a proposal: it is shown them, and must do better on them"
        )
        passes: int = Field(3, ge=1, description="how often each train query is shown, at most")
        train_queries: int = Field(
            200, ge=1, description="train queries that are shown, at most; of more, a seeded sample"
        )

    options: GEPA.Options
    prompt: str
    tried: list[tuple[str, float]]
    _reflecting: Writer

    def fit(self, context: BaselineContext) -> None:
        """Tune the first prompt on dev, search for better ones on train, and tune the one that dev likes best.

        Raises LeserError without the library, without a writer or train queries, and where the budget is too small.
        """
        try:
            from leser_prompts.prompt_search import EngineAdapter, SearchLimits, search_prompts
        except ImportError as error:
            raise LeserError(
                f"The baseline '{self.name}' needs the package gepa ({error}). Install it with: pip install 'leser[gepa]'"
            ) from error
        options = self.options
        train, dev = self._queries(context)
        reflection = WritingEndpoint(options.reflection, context.seed) if options.reflection else None
        super().fit(context)
        self._reflecting = reflection or self._writer
        rows = self._marked_rows(context.task.dev, dev)
        shown = self._marked_as_typed(context, train)
        limits = SearchLimits(
            budget=options.budget,
            proposals=options.passes * math.ceil(len(shown) / options.examples),
            examples=options.examples,
            chars=options.prompt_chars,
        )
        adapter = EngineAdapter(self._mark, lambda marked: feedback(context, marked), self._reflect, limits)
        found = search_prompts(self.prompt, shown, rows, adapter, limits, context.seed)
        if adapter.ended:
            log.warning("gepa: the search for a prompt ended early, and goes on with what it has. %s", adapter.ended)
        self.tried = [(one.prompt, one.mean) for one in found if not math.isnan(one.mean)]
        best = best_prompt(found)
        if best != self.prompt:
            self._take(best)
            self._tune([query for _, query in rows])
        log.info("gepa: %d prompts were tried on dev; chosen, with %s: %s", len(found), self.chosen, self.prompt)

    def state(self) -> dict[str, Any]:
        """The prompt and the setting that dev chose, and for readers the prompts tried there with their mean rewards."""
        tried = [{"prompt": prompt, "dev_reward": reward} for prompt, reward in self.tried]
        return {**super().state(), "prompt": self.prompt, "tried": tried}

    def restore(self, state: Mapping[str, Any], context: BaselineContext) -> None:
        """As for every prompt method, with the prompt that was found; the library is not needed."""
        super().restore(state, context)
        self._take(str(state["prompt"]))
        self.tried = [(str(one["prompt"]), float(one["dev_reward"])) for one in state["tried"]]

    def _begin(self, context: BaselineContext, *, lasting: bool = False) -> None:
        super()._begin(context, lasting=lasting)
        self._by_prompt: dict[str, dict[str, Written]] = {}
        self.tried = []
        self._take(self.options.prompt)

    def _take(self, prompt: str) -> None:
        """Write under this prompt from now on; what was written under it before is known."""
        self.prompt = prompt
        self._texts = self._by_prompt.setdefault(prompt, {})

    def _write(self, queries: Sequence[Query]) -> list[Written]:
        return self._ask([turns(self.prompt, f"Query: {line(query.text)}\nKeywords:") for query in queries])

    def _reflect(self, asked: str, number: int) -> Written:
        options = self.options
        prompt = [Message("user", asked)]
        (said,) = self._reflecting.write([prompt], options.reflection_tokens, options.reflection_temperature, number)
        return said

    def _mark(self, prompt: str, split: Split, queries: Sequence[Query]) -> list[Marked]:
        """Keywords under a prompt, and what they earn at the setting that dev chose for the first prompt."""
        first = self.prompt
        self._take(prompt)
        texts = self._written_for(queries)
        terms = self._terms(queries, *self.chosen)
        self._take(first)
        rewards = self._context.reward(split, queries, terms)
        return [
            Marked(split, query, text, own, reward if isinstance(text, str) else math.nan)
            for query, text, own, reward in zip(queries, texts, terms, rewards, strict=True)
        ]

    def _queries(self, context: BaselineContext) -> tuple[list[Query], list[Query]]:
        """Train's and dev's queries of the search; raises LeserError where there are none, or more than the budget."""
        options, task = self.options, context.task
        train = drawn(task.train.queries, options.train_queries, context.seed)
        dev = drawn(task.dev.queries, options.dev_queries, context.seed)
        if not train:
            raise LeserError(
                f"{self.name} searches for its prompt on train, and the task {task.name} has no train queries. Drop it, or "
                "add some."
            )
        least = 2 * (min(options.examples, len(train)) + len(dev))
        if options.budget < least:
            raise LeserError(
                f"budget={options.budget} of {self.name} is not enough for one new prompt, which takes {least}: dev's "
                f"{len(dev)} queries and the examples, each with the old prompt and the new. Raise budget, or lower dev_queries."
            )
        return train, dev

    def _marked_rows(self, split: Split, queries: Sequence[Query]) -> list[Row]:
        """The queries for which the first prompt's keywords were marked: the others can judge no prompt."""
        rows: list[Row] = [(split, one.query) for one in self._mark(self.prompt, split, queries) if one.known]
        if not rows:
            raise LeserError(f"{self.name} has no mark for any of {len(queries)} {split.name} queries.")
        return rows

    def _marked_as_typed(self, context: BaselineContext, queries: Sequence[Query]) -> list[Row]:
        """Train's queries of which the rewards say something; raises LeserError where there are none."""
        split = context.task.train
        typed = context.reward(split, queries, [()] * len(queries))
        rows: list[Row] = [(split, query) for query, value in zip(queries, typed, strict=True) if not math.isnan(value)]
        if not rows:
            raise LeserError(
                f"{self.name} learns nothing from train: for none of its {len(queries)} queries is there a reward. Try the "
                "engine with `leser doctor`, or drop it from evaluation.baselines."
            )
        return rows


def best_prompt(tried: Sequence[TriedPrompt]) -> str:
    """The prompt that dev likes best; of equal ones the first.

    Two are compared on the queries that both were marked for, and one that lacks more than a tenth of them is not chosen.
    """
    best = tried[0]
    for other in tried[1:]:
        gains = [b - a for a, b in zip(best.rewards, other.rewards, strict=True) if not math.isnan(b - a)]
        if len(gains) >= COMPLETE * len(other.rewards) and sum(gains) > 0:
            best = other
    return best.prompt
