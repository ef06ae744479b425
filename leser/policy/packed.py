"""Log-probabilities of completions under the policy, the prompt of each group computed once.

log p(c_t) = z[c_t] - logsumexp(z), z = logits / temperature, in float32. The head sees completion positions only, in
chunks, so that no (B, T, V) tensor ever exists. The first batch is checked against the plain path (one unpadded row for
each completion); a model that fails it goes on with the plain path, with a loud warning.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from leser.policy.adapters import adapters_of
from leser.policy.attention import DoesNotFit, PackedRow
from leser.policy.head import head, score, score_hidden
from leser.policy.precision import autocast, disagreement, exactly, weight_dtype
from leser.policy.predicting import Predicting

if TYPE_CHECKING:
    from leser.policy.policy import Policy

__all__ = ["GroupLogprobs", "decoder_states", "group_logprobs", "head", "plain_logprobs"]
log = logging.getLogger(__name__)


class GroupLogprobs(NamedTuple):
    """`logprobs` (B, G, C) float32 with gradient, 0 where `mask` is False; `entropy` (B, G, C) in nats."""

    logprobs: Tensor
    mask: Tensor
    entropy: Tensor


Completions = Sequence[Sequence[Sequence[int]]]


def group_logprobs(
    policy: Policy,
    prompts: Sequence[list[int]],
    completions: Completions,
    *,
    temperature: float = 1.0,
    entropy_gradient: bool = False,
) -> GroupLogprobs:
    """Log-probability of every completion token, given its group's prompt.

    `completions[b][g]` are token ids (an empty list is masked out); groups may differ in size. Falls back to the
    plain path where the model cannot share prefixes. With `entropy_gradient` the entropies carry a gradient too.
    """
    how: dict[str, Any] = {"temperature": temperature, "entropy_gradient": entropy_gradient}
    longest = max((len(p) + len(c) for p, group in zip(prompts, completions, strict=True) for c in group), default=0)
    if not policy.shared.fits(longest):
        return plain_logprobs(policy, prompts, completions, **how)
    if not policy.shared.training_checked:
        check_training(policy, prompts, completions, temperature)
        if not policy.shared.enabled:
            return plain_logprobs(policy, prompts, completions, **how)
    if policy.root is None:
        return _packed(policy, prompts, completions, temperature, entropy_gradient)
    found: GroupLogprobs = policy.root(lambda: _packed(policy, prompts, completions, temperature, entropy_gradient))
    return found


def plain_logprobs(
    policy: Policy,
    prompts: Sequence[list[int]],
    completions: Completions,
    *,
    temperature: float = 1.0,
    entropy_gradient: bool = False,
) -> GroupLogprobs:
    """The same by one unpadded forward pass for each completion: the reference, and the way of other models."""
    values: list[Tensor] = []
    entropies: list[Tensor] = []
    with _training_mode(policy):
        for prompt, group in zip(prompts, completions, strict=True):
            for tokens in group:
                if not tokens:
                    continue
                ids = torch.tensor([[*prompt, *tokens[:-1]]], device=policy.device)
                with autocast(policy):
                    out = policy.causal_lm(input_ids=ids, use_cache=False, logits_to_keep=len(tokens))
                value, entropy = score(
                    out.logits[0],
                    torch.tensor(tokens, device=policy.device),
                    temperature,
                    with_entropy=entropy_gradient,
                )
                values.append(value)
                entropies.append(entropy)
    return _scatter(policy, values, entropies, completions)


def _packed(
    policy: Policy,
    prompts: Sequence[list[int]],
    completions: Completions,
    temperature: float,
    entropy_gradient: bool = False,
) -> GroupLogprobs:
    device = policy.device
    suffixes = [[max(0, len(c) - 1) for c in group] for group in completions]
    context = PackedRow([len(p) for p in prompts], suffixes, device)
    ids = [t for p in prompts for t in p] + [t for group in completions for c in group for t in c[:-1]]
    positions = [i for p in prompts for i in range(len(p))]
    positions += [len(p) + i for p, group in zip(prompts, suffixes, strict=True) for n in group for i in range(n)]
    with _training_mode(policy):
        hidden = decoder_states(
            policy, torch.tensor([ids], device=device), torch.tensor([positions], device=device), context
        )
    targets = torch.tensor([t for group in completions for c in group for t in c], dtype=torch.long, device=device)
    picked = Predicting.of([len(p) for p in prompts], completions, device).pick(hidden)
    values, entropies = score_hidden(policy, picked, targets, temperature, with_entropy=entropy_gradient)
    return _scatter(policy, [values], [entropies], completions)


def decoder_states(policy: Policy, ids: Tensor, positions: Tensor, context: Any) -> Tensor:
    """Last hidden states (N, d) of one packed row (1, N) under `context`, before the head."""
    # a 4D mask is handed through untouched: it keeps transformers from building one of its own, and is not read
    mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=ids.device)
    with autocast(policy):
        out = policy.causal_lm.base_model(
            input_ids=ids, position_ids=positions, attention_mask=mask, use_cache=False, prefix_context=context
        )
    states: Tensor = out.last_hidden_state[0]
    return states


def _scatter(policy: Policy, values: list[Tensor], entropies: list[Tensor], completions: Completions) -> GroupLogprobs:
    """Values in reading order -> padded (B, G, C)."""
    groups = max((len(group) for group in completions), default=0)
    width = max((len(c) for group in completions for c in group), default=0)
    lengths = torch.tensor(
        [[len(c) for c in group] + [0] * (groups - len(group)) for group in completions], dtype=torch.long
    )
    mask = (torch.arange(width) < lengths.view(len(completions), groups, 1)).to(policy.device)
    empty = torch.zeros(mask.shape, dtype=torch.float32, device=policy.device)
    if not values:
        return GroupLogprobs(empty, mask, empty)
    return GroupLogprobs(
        empty.masked_scatter(mask, torch.cat(values).float()),
        mask,
        empty.masked_scatter(mask, torch.cat(entropies).float()),
    )


@contextmanager
def _training_mode(policy: Policy) -> Iterator[None]:
    """Train mode while gradient checkpointing requires it (layers checkpoint only then); dropout was set to 0 at load."""
    policy.model.train(policy.gradient_checkpointing and torch.is_grad_enabled())
    try:
        with adapters_of(policy):
            yield
    finally:
        policy.model.eval()


def check_training(policy: Policy, prompts: Sequence[list[int]], completions: Completions, temperature: float) -> None:
    """Compare packed and plain log-probabilities on two prompts of this batch; if they differ, stop sharing."""
    chosen = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    chosen = [chosen[0], chosen[-1]] if len(chosen) > 1 else chosen  # of different lengths, where there are two
    some = [sorted(completions[i], key=len, reverse=True)[:2] for i in chosen]
    rows = [prompts[i] for i in chosen]
    with torch.no_grad():
        try:
            packed = _packed(policy, rows, some, temperature).logprobs
        except DoesNotFit as error:
            give_up(policy, str(error))
            return
        plain = plain_logprobs(policy, rows, some, temperature=temperature)
        exact = None
        if policy.precision != "fp32" and weight_dtype(policy) == torch.float32:
            with exactly(policy):
                exact = plain_logprobs(policy, rows, some, temperature=temperature).logprobs[plain.mask]
    policy.shared.training_checked = True
    compare(policy, packed[plain.mask], plain.logprobs[plain.mask], "training", exact)


def compare(policy: Policy, shared: Tensor, plain: Tensor, where: str, exact: Tensor | None = None) -> None:
    """Give up sharing when two sets of log-probabilities differ by more than rounding explains (see `disagreement`)."""
    gap = disagreement(policy, shared, plain, exact)
    if gap is not None:
        give_up(policy, f"in {where} its log-probabilities differ from the plain path's by {gap}")


def give_up(policy: Policy, reason: str) -> None:
    """Stop sharing prefixes for good, and say so."""
    policy.shared.enabled, policy.shared.reason = False, reason
    log.warning("Policy '%s' does not share prompts within a group (slower, same results): %s.", policy.name, reason)
