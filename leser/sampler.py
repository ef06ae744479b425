"""Sampler: a policy together with what it is asked: prompts, sampled completions, and greedy answers on a split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from leser.environment import Attempt, Environment, keep_last
from leser.expansion import Code, Expansion
from leser.policy.generate import NoiseKey, Sample, generate
from leser.prompt import Message, Observation, PromptOptions, chat_prompt, marked_prompt
from leser.reward import Outcome
from leser.scoring import mean_of
from leser.task import Query, Split

if TYPE_CHECKING:
    from leser.policy.policy import Policy

Examples = Sequence[tuple[Observation, tuple[Expansion, ...]]]


@dataclass(frozen=True, slots=True)
class Answers:
    """A policy's greedy completions for a split's queries, judged whole: one that breaks a rule counts as no expansion.

    `outcomes` keep the code of what was written; `served` have every completion that is unparsable or breaks a rule replaced
    by the original query. A `ServingFilter` is milder: it takes out the expansions at fault and serves the rest. `value` is
    the mean reward of what was served,
    `parts` the mean of each reward in it, `tokens` each completion's length.
    """

    outcomes: tuple[Outcome, ...]
    served: tuple[Outcome, ...]
    value: float
    parts: dict[str, float]
    tokens: tuple[int, ...]


class Sampler:
    """Asks one policy about a task's queries; encoded prompts are kept, for they don't change while a run lasts."""

    def __init__(
        self,
        policy: Policy,
        environment: Environment,
        prompt: PromptOptions,
        max_new_tokens: int,
        examples: Examples = (),
    ) -> None:
        self.policy = policy
        self.environment = environment
        self.prompt = prompt
        self.max_new_tokens = max_new_tokens
        self.examples = examples
        self._prompts: dict[str, list[int]] = {}
        self._seen: dict[str, Observation] = {}
        self.hits_dropped = 0

    def forget(self, most: int) -> None:
        """Keep what was asked of the `most` queries that came last: an open run may be asked for as long as a process lives."""
        keep_last(self._prompts, most)
        keep_last(self._seen, most)
        self.environment.forget(most)

    def observations(self, queries: Sequence[Query]) -> list[Observation]:
        """What the engine shows for each query, asked once a run."""
        missing = [q for q in queries if q.id not in self._seen]
        for query, seen in zip(missing, self.environment.observe(missing, self.prompt), strict=True):
            self._seen[query.id] = seen
        return [self._seen[q.id] for q in queries]

    def prompts(self, queries: Sequence[Query]) -> list[list[int]]:
        """Token ids of each query's prompt; hits are dropped from the end until it fits the model's context."""
        missing = [q for q in queries if q.id not in self._prompts]
        for seen in self.observations(missing):
            self._prompts[seen.query.id] = self._encode(seen)
        return [self._prompts[q.id] for q in queries]

    def _encode(self, seen: Observation) -> list[int]:
        limit = self.policy.max_context - self.max_new_tokens
        shown = seen
        while True:
            if self.policy.kind == "tiny":
                tokens = self.policy.encode_marked(marked_prompt(shown, self.prompt))
            else:
                tokens = self._encode_turns(chat_prompt(shown, self.prompt, self.environment.expansion, self.examples))
            if len(tokens) <= limit or not (shown.titles or shown.terms):
                return tokens[-limit:]
            shown = replace(shown, titles=shown.titles[:-1], terms=shown.terms[:-1])
            self.hits_dropped += 1

    def _encode_turns(self, turns: Sequence[Message]) -> list[int]:
        if self.policy.kind == "chat":
            thinking = self.environment.expansion.reasoning
            return self.policy.encode_chat([(t.role, t.content) for t in turns], thinking=thinking)
        # a model without chat template reads the same turns as plain text
        return self.policy.encode_text("\n\n".join(t.content for t in turns) + "\nAnswer:")

    def mean_prompt_length(self) -> float:
        """Tokens of the prompts made so far, on average."""
        return fmean(len(p) for p in self._prompts.values()) if self._prompts else 0.0

    def sample(
        self, queries: Sequence[Query], count: int, *, seed: int, step: int, temperature: float
    ) -> list[list[Sample]]:
        """`count` completions for each query; the noise of each depends on (seed, step, query, index) alone."""
        keys = [[NoiseKey(seed, step, q.id, i) for i in range(count)] for q in queries]
        return generate(
            self.policy, self.prompts(queries), keys, max_new_tokens=self.max_new_tokens, temperature=temperature
        )

    def answer(self, split: Split, queries: Sequence[Query] | None = None, depth: int | None = None) -> Answers:
        """Greedy completions for a split's queries (or some of them), judged on rankings `depth` deep."""
        asked = list(split.queries if queries is None else queries)
        samples = [row[0] for row in self.sample(asked, 1, seed=0, step=0, temperature=0.0)]
        return self.served(split, asked, samples, depth)

    def served(
        self, split: Split, asked: Sequence[Query], samples: Sequence[Sample], depth: int | None = None
    ) -> Answers:
        """Judge one completion a query, whole: one that is unparsable or breaks a rule leaves the original query."""
        texts = [self.policy.decode(s.tokens) for s in samples]
        attempts = [Attempt(q, i, t, s.finished) for i, (q, t, s) in enumerate(zip(asked, texts, samples, strict=True))]
        outcomes = self.environment.judge(attempts, split, depth)
        plain = self.environment.judge(
            [Attempt(q, i, self.environment.say()) for i, q in enumerate(asked)], split, depth
        )
        gated = self.environment.score(outcomes).gated
        served = [p if g else o for o, p, g in zip(outcomes, plain, gated, strict=True)]
        # a search that failed is no reason to prefer another policy: it is valued as the original query
        valued = [p if o.code is Code.ENGINE_ERROR else s for o, s, p in zip(outcomes, served, plain, strict=True)]
        scores = self.environment.score(valued)
        parts = {name: mean_of(column) for name, column in zip(scores.names, scores.values.T, strict=True)}
        return Answers(
            tuple(outcomes), tuple(served), mean_of(scores.total), parts, tuple(len(s.tokens) for s in samples)
        )
