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
from torch.utils.checkpoint import checkpoint

from leser.policy.attention import DoesNotFit, PackedRow

if TYPE_CHECKING:
    from leser.policy.policy import Policy

log = logging.getLogger(__name__)
CHUNK_ELEMENTS = 1 << 23  # logits alive at once in the head, as float32 elements
TOLERANCE = {torch.float16: 0.03, torch.bfloat16: 0.15}  # mean gap in nats a token; rounding is about a third of it
EXACT = 1e-3  # largest gap in float32; rounding is 10 to 100 times smaller


class GroupLogprobs(NamedTuple):
    """`logprobs` (B, G, C) float32 with gradient, 0 where `mask` is False; `entropy` (B, G, C) in nats, no gradient."""

    logprobs: Tensor
    mask: Tensor
    entropy: Tensor


Completions = Sequence[Sequence[Sequence[int]]]


def group_logprobs(
    policy: Policy, prompts: Sequence[list[int]], completions: Completions, *, temperature: float = 1.0
) -> GroupLogprobs:
    """Log-probability of every completion token, given its group's prompt.

    `completions[b][g]` are token ids (an empty list is masked out); groups may differ in size. Falls back to the
    plain path where the model cannot share prefixes.
    """
    longest = max((len(p) + len(c) for p, group in zip(prompts, completions, strict=True) for c in group), default=0)
    if not policy.shared.fits(longest):
        return plain_logprobs(policy, prompts, completions, temperature=temperature)
    if not policy.shared.training_checked:
        check_training(policy, prompts, completions, temperature)
        if not policy.shared.enabled:
            return plain_logprobs(policy, prompts, completions, temperature=temperature)
    return _packed(policy, prompts, completions, temperature)


def plain_logprobs(
    policy: Policy, prompts: Sequence[list[int]], completions: Completions, *, temperature: float = 1.0
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
                out = policy.causal_lm(input_ids=ids, use_cache=False, logits_to_keep=len(tokens))
                value, entropy = _score(out.logits[0], torch.tensor(tokens, device=policy.device), temperature)
                values.append(value)
                entropies.append(entropy)
    return _scatter(policy, values, entropies, completions)


def _packed(
    policy: Policy, prompts: Sequence[list[int]], completions: Completions, temperature: float
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
    # a completion's first token is predicted by the last token of its prompt, the others by the token before them
    sources: list[int] = []
    end, start = 0, context.prefix_tokens
    for prompt, group in zip(prompts, completions, strict=True):
        end += len(prompt)
        for tokens in group:
            if tokens:
                sources += [end - 1, *range(start, start + len(tokens) - 1)]
                start += len(tokens) - 1
    targets = torch.tensor([t for group in completions for c in group for t in c], dtype=torch.long, device=device)
    picked = hidden.index_select(0, torch.tensor(sources, dtype=torch.long, device=device))
    values, entropies = _score_hidden(policy, picked, targets, temperature)
    return _scatter(policy, [values], [entropies], completions)


def decoder_states(policy: Policy, ids: Tensor, positions: Tensor, context: Any) -> Tensor:
    """Last hidden states (N, d) of one packed row (1, N) under `context`, before the head."""
    # a 4D mask is handed through untouched: it keeps transformers from building one of its own, and is not read
    mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=ids.device)
    out = policy.causal_lm.base_model(
        input_ids=ids, position_ids=positions, attention_mask=mask, use_cache=False, prefix_context=context
    )
    states: Tensor = out.last_hidden_state[0]
    return states


def head(policy: Policy, hidden: Tensor) -> Tensor:
    """Logits (N, V) float32 of hidden states (N, d), with the scaling and capping its configuration names."""
    model: Any = policy.causal_lm
    config = model.config.get_text_config()
    logits: Tensor = model.get_output_embeddings()(hidden).float()
    if scaling := getattr(config, "logits_scaling", None):
        logits = logits / scaling
    if scale := getattr(config, "logit_scale", None):
        logits = logits * scale
    if cap := getattr(config, "final_logit_softcapping", None):
        logits = torch.tanh(logits / cap) * cap
    return logits


def _score(logits: Tensor, targets: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """(N, V), (N,) -> log-probability of the targets with gradient (N,), entropy without (N,)"""
    logits = logits.float() / temperature
    normaliser = torch.logsumexp(logits, dim=-1)
    with torch.no_grad():
        free = logits.detach()
        entropy = normaliser.detach() - (torch.softmax(free, dim=-1) * free).sum(-1)
    return logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1) - normaliser, entropy


def _score_hidden(policy: Policy, hidden: Tensor, targets: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    def score(states: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        return _score(head(policy, states), wanted, temperature)

    rows = max(16, CHUNK_ELEMENTS // policy.causal_lm.config.get_text_config().vocab_size)
    if len(targets) <= rows:
        return score(hidden, targets)
    parts = [
        checkpoint(score, states, wanted, use_reentrant=False)
        for states, wanted in zip(torch.split(hidden, rows), torch.split(targets, rows), strict=True)
    ]
    return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])


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
        empty.masked_scatter(mask, torch.cat(values)), mask, empty.masked_scatter(mask, torch.cat(entropies))
    )


@contextmanager
def _training_mode(policy: Policy) -> Iterator[None]:
    """Train mode while gradient checkpointing wants it (layers checkpoint only then); dropout was set to 0 at load."""
    policy.model.train(policy.gradient_checkpointing and torch.is_grad_enabled())
    try:
        yield
    finally:
        policy.model.eval()


def check_training(policy: Policy, prompts: Sequence[list[int]], completions: Completions, temperature: float) -> None:
    """Compare packed and plain log-probabilities on two prompts of this batch; if they differ, stop sharing."""
    chosen = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    chosen = [chosen[0], chosen[-1]] if len(chosen) > 1 else chosen  # of different lengths, where there are two
    some = [sorted(completions[i], key=len, reverse=True)[:2] for i in chosen]
    with torch.no_grad():
        try:
            packed = _packed(policy, [prompts[i] for i in chosen], some, temperature).logprobs
        except DoesNotFit as error:
            give_up(policy, str(error))
            return
        plain = plain_logprobs(policy, [prompts[i] for i in chosen], some, temperature=temperature)
    policy.shared.training_checked = True
    compare(policy, packed[plain.mask], plain.logprobs[plain.mask], "training")


def compare(policy: Policy, shared: Tensor, plain: Tensor, where: str) -> None:
    """Give up sharing when two sets of log-probabilities differ by more than rounding in the weights' type explains."""
    if not shared.numel():
        return
    dtype = next(policy.model.parameters()).dtype
    gaps = (shared - plain).abs()
    # in half precision single tokens may differ by tenths of a nat without any error, so the mean decides there
    gap, allowed = (gaps.mean().item(), TOLERANCE[dtype]) if dtype in TOLERANCE else (gaps.max().item(), EXACT)
    if not gap <= allowed:
        give_up(
            policy,
            f"in {where} its log-probabilities differ from the plain path's by {gap:.2g} nats ({allowed:g} allowed)",
        )


def give_up(policy: Policy, reason: str) -> None:
    """Stop sharing prefixes for good, and say so."""
    policy.shared.enabled, policy.shared.reason = False, reason
    log.warning("Policy '%s' does not share prompts within a group (slower, same results): %s.", policy.name, reason)
