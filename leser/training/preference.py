"""Direct preference optimisation (DPO, arXiv 2305.18290) on pairs of completions that the engine told apart.

For a pair of a query x, chosen y and rejected z, with the policy p and the frozen policy r that training began with:

    loss = - log sigmoid(beta * (log p(y|x) / r(y|x) - log p(z|x) / r(z|x)))  +  likelihood * (- log p(y|x) per token)

the first term a mean over pairs, the second over the chosen completions' tokens (MPO, arXiv 2411.10442, without its classifier).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from leser.policy.packed import group_logprobs
from leser.policy.sharding import agree, learning
from leser.processes import all_sum
from leser.training.supervised import update_once
from leser.warmup.pairs import Pair, preference_pairs, read_pairs, write_pairs
from leser.warmup.reasoning import encoded
from leser.warmup.targets import Target

if TYPE_CHECKING:
    from leser.policy.policy import Policy
    from leser.sampler import Sampler
    from leser.task import Split
    from leser.training.state import TrainingState
    from leser.warmup.options import WarmupOptions

REFERENCE_PASS = 16
"""Pairs in a pass without gradient."""


@dataclass(frozen=True, slots=True)
class PairExample:
    """A query's prompt, the token ids of the chosen and the rejected completion, and the reference's log-probability of each."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]
    reference: tuple[float, float] = (0.0, 0.0)

    @property
    def tokens(self) -> int:
        """Tokens of a pass over the pair alone."""
        return len(self.prompt) + len(self.chosen) + len(self.rejected)


def preference_loss(chosen: Tensor, rejected: Tensor, reference: Tensor, beta: float) -> Tensor:
    """DPO's loss of each pair (B,), from summed log-probabilities (B,), (B,) and the reference's (B, 2)."""
    return -logsigmoid(beta * ((chosen - reference[:, 0]) - (rejected - reference[:, 1])))


def preference_step(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    batch: Sequence[PairExample],
    rate: float,
    bound: int,
    options: WarmupOptions,
) -> float | None:
    """One update, at most `bound` tokens or one pair in a pass; returns the loss.

    Every process holds some pairs of the batch, or none: the update is the one that a single process would make on all. A step
    whose gradient is not finite is skipped: no weight changes, and None is returned.
    """
    agree(policy, [e.prompt for e in batch], [[e.chosen, e.rejected] for e in batch], 1.0)
    with learning(policy) as learner:
        return _step(learner, optimizer, batch, rate, bound, options)


def _step(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    batch: Sequence[PairExample],
    rate: float,
    bound: int,
    options: WarmupOptions,
) -> float | None:
    pairs, tokens = all_sum([len(batch), sum(len(e.chosen) for e in batch)], policy.device)

    def loss_of(part: Sequence[PairExample]) -> Tensor:
        logprobs = _logprobs(policy, part)
        reference = torch.tensor([e.reference for e in part], device=policy.device)
        loss = preference_loss(logprobs[:, 0], logprobs[:, 1], reference, options.dpo_beta).sum() / pairs
        return loss - options.dpo_likelihood * logprobs[:, 0].sum() / tokens

    return update_once(policy, optimizer, rate, list(_passes(batch, bound)), loss_of)


def find_pairs(state: TrainingState) -> None:
    """Make the pairs, once per run; pairs.jsonl of the run folder keeps them, with what the starting policy gives each."""
    session, path = state.session, state.folder.path / "pairs.jsonl"
    if path.exists():
        return
    options, train = session.config.warmup, session.task.train
    pairs = preference_pairs(session.environment, train, options, session.config.seed)
    session.reporter.say(f"{len(pairs)} pairs of completions out of {options.from_rollouts}.")
    rows = encoded_pairs(state.sampler, train, pairs, leading_space=options.leading_space)
    write_pairs(path, pairs, [row.reference for row in with_reference(state.sampler.policy, rows)])


def pair_examples(state: TrainingState) -> list[PairExample]:
    """The run's pairs, encoded."""
    found = read_pairs(state.folder.path / "pairs.jsonl")
    space, train = state.session.config.warmup.leading_space, state.session.task.train
    rows = encoded_pairs(state.sampler, train, [pair for pair, _ in found], leading_space=space)
    return [replace(row, reference=known) for row, (_, known) in zip(rows, found, strict=True)]


def encoded_pairs(
    sampler: Sampler, split: Split, pairs: Sequence[Pair], *, leading_space: bool = False
) -> list[PairExample]:
    """Pairs of the split's queries as token ids; `leading_space` as in the options of the warm-up. No reference is known yet."""
    known, policy = {query.id: query for query in split.queries}, sampler.policy
    queries = [known[pair.query_id] for pair in pairs]
    rows = []
    for query, pair, prompt in zip(queries, pairs, sampler.prompts(queries), strict=True):
        chosen, rejected = (
            encoded(policy, Target(query, text, pair.difference), leading_space=leading_space)[0]
            for text in (pair.chosen, pair.rejected)
        )
        rows.append(PairExample(prompt, chosen, rejected))
    return rows


def with_reference(policy: Policy, rows: Sequence[PairExample]) -> list[PairExample]:
    """The pairs with the log-probabilities that this policy gives them now, in nats."""
    found: list[PairExample] = []
    with torch.no_grad():
        for first in range(0, len(rows), REFERENCE_PASS):
            part = rows[first : first + REFERENCE_PASS]
            values = _logprobs(policy, part).tolist()
            found += [replace(row, reference=(a, b)) for row, (a, b) in zip(part, values, strict=True)]
    return found


def _logprobs(policy: Policy, rows: Sequence[PairExample]) -> Tensor:
    """Summed log-probabilities (B, 2) of the chosen and the rejected completions."""
    result = group_logprobs(policy, [e.prompt for e in rows], [[e.chosen, e.rejected] for e in rows])
    return (result.logprobs * result.mask).sum(-1)


def _passes(batch: Sequence[PairExample], bound: int) -> Iterator[list[PairExample]]:
    chosen: list[PairExample] = []
    for example in batch:
        if chosen and sum(e.tokens for e in chosen) + example.tokens > bound:
            yield chosen
            chosen = []
        chosen.append(example)
    if chosen:
        yield chosen
