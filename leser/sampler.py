"""Sampler: a policy together with what it is asked: prompts, sampled completions, and greedy answers on a split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from leser.environment import Attempt, Environment
from leser.expansion import Code, Expansion
from leser.originals import keep_last
from leser.policy.generate import NoiseKey, Sample, generate
from leser.processes import ALONE, Processes
from leser.prompt import Message, Observation, PromptOptions, chat_prompt, marked_prompt
from leser.reward import Outcome
from leser.rollout import RolloutEngine, SamplingRequest, TokenPrompt
from leser.rollouts.checked import sampled
from leser.rollouts.own import PolicyRollouts
from leser.scoring import Scores, mean_of
from leser.task import Query, Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from leser.policy.policy import Policy

    Array = NDArray[np.float64]

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
    """Asks one policy about a task's queries; encoded prompts are kept, for they don't change while a run lasts.

    `rollouts` draws the completions that training learns from (`draw`), and must be open; none: the policy itself does. What
    is evaluated is always sampled by the policy itself (`sample`).
    """

    def __init__(
        self,
        policy: Policy,
        environment: Environment,
        prompt: PromptOptions,
        max_new_tokens: int,
        examples: Examples = (),
        rollouts: RolloutEngine | None = None,
    ) -> None:
        self.policy = policy
        self.environment = environment
        self.prompt = prompt
        self.max_new_tokens = max_new_tokens
        self.examples = examples
        self.rollouts = PolicyRollouts.of(policy) if rollouts is None else rollouts
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

    def draw(
        self, queries: Sequence[Query], count: int, *, seed: int, step: int, temperature: float
    ) -> list[list[Sample]]:
        """`count` completions for each query, to learn from: drawn by the rollout engine, which must be open."""
        prompts = [TokenPrompt(q.id, p) for q, p in zip(queries, self.prompts(queries), strict=True)]
        request = SamplingRequest(count, self.max_new_tokens, temperature, seed, step)
        return sampled(self.rollouts, prompts, request, self.policy.eos_ids)

    def answer(
        self,
        split: Split,
        queries: Sequence[Query] | None = None,
        depth: int | None = None,
        processes: Processes = ALONE,
    ) -> Answers:
        """Greedy completions for a split's queries (or some of them), judged on rankings `depth` deep.

        Each process answers its share of the queries; all of them get all answers, in the queries' order.
        """
        asked = list(split.queries if queries is None else queries)
        share = processes.share(asked)
        if processes.count == 1:
            return self._greedy(split, share, depth)[0]
        parts = processes.gather(self._greedy(split, share, depth) if share else None)
        return _joined([part for part in parts if part is not None], len(parts))

    def _greedy(self, split: Split, asked: Sequence[Query], depth: int | None) -> tuple[Answers, Scores]:
        samples = [row[0] for row in self.sample(asked, 1, seed=0, step=0, temperature=0.0)]
        return self._served(split, asked, samples, depth)

    def served(
        self, split: Split, asked: Sequence[Query], samples: Sequence[Sample], depth: int | None = None
    ) -> Answers:
        """Judge one completion a query, whole: one that is unparsable or breaks a rule leaves the original query."""
        return self._served(split, asked, samples, depth)[0]

    def _served(
        self, split: Split, asked: Sequence[Query], samples: Sequence[Sample], depth: int | None
    ) -> tuple[Answers, Scores]:
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
        tokens = tuple(len(s.tokens) for s in samples)
        return _answers(outcomes, served, scores.total, scores.values, scores.names, tokens), scores


def _answers(
    outcomes: Sequence[Outcome],
    served: Sequence[Outcome],
    total: Array,
    values: Array,
    names: Sequence[str],
    tokens: Sequence[int],
) -> Answers:
    parts = {name: mean_of(column) for name, column in zip(names, values.T, strict=True)}
    return Answers(tuple(outcomes), tuple(served), mean_of(total), parts, tuple(tokens))


def _joined(parts: Sequence[tuple[Answers, Scores]], count: int) -> Answers:
    """All answers out of the shares of `count` processes, in the order that they were dealt in."""
    starts = np.cumsum([0, *(len(answers.tokens) for answers, _ in parts)]).tolist()
    order = [starts[i % count] + i // count for i in range(starts[-1])]
    outcomes = [outcome for answers, _ in parts for outcome in answers.outcomes]
    served = [outcome for answers, _ in parts for outcome in answers.served]
    tokens = [length for answers, _ in parts for length in answers.tokens]
    total = np.concatenate([scores.total for _, scores in parts])[order]
    values = np.concatenate([scores.values for _, scores in parts])[order]
    return _answers(
        [outcomes[i] for i in order],
        [served[i] for i in order],
        total,
        values,
        parts[0][1].names,
        [tokens[i] for i in order],
    )
