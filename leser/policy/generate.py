"""Sampling: each prompt is read once, its keys and values are never copied for the G completions that read them.

Every completion's noise is its own: a counter-based generator keyed by (run seed, step, query id, sample index) gives
one uniform number for each token, turned into a token by the inverse of the cumulative distribution in the
vocabulary's order. What is sampled does therefore not depend on which other prompts share the pass, on their order,
or on the number of processes (up to the last bits of a matrix product, which may differ with its shape).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from leser.errors import LeserError
from leser.policy.attention import DoesNotFit, PackedRow
from leser.policy.decode import DecodeRow
from leser.policy.packed import compare, decoder_states, give_up, head, plain_logprobs

if TYPE_CHECKING:
    from leser.policy.policy import Policy

PASS_BYTES = 1 << 30  # keys, values and logits of one pass, roughly


class NoiseKey(NamedTuple):
    """Whose noise: the run's seed, the training step, the query's id and the number of the sample in its group."""

    seed: int
    step: int
    query: str
    sample: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A completion: token ids (the end token included when it ended by itself), their log-probabilities at the sampling
    temperature (at 1 for greedy), and whether it ended by itself rather than at the length limit."""

    tokens: list[int]
    logprobs: list[float]
    finished: bool


def uniforms(key: NoiseKey, count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """`count` uniform numbers in [0, 1) of this key; a longer request begins with the same numbers."""
    digest = hashlib.blake2b(repr(tuple(key)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little"))).random(count, dtype=np.float32)


@torch.no_grad()
def generate(
    policy: Policy,
    prompts: Sequence[list[int]],
    keys: Sequence[Sequence[NoiseKey]],
    *,
    max_new_tokens: int,
    temperature: float,
    prompts_per_pass: int | None = None,
) -> list[list[Sample]]:
    """One completion for each key of each prompt; `temperature` 0 is greedy (keys are then only counted).

    `prompts_per_pass` bounds memory; None chooses it so that a pass stays near one GiB. Raises LeserError when a
    prompt is empty or leaves no room for `max_new_tokens`.
    """
    longest = max((len(p) for p in prompts), default=0)
    if any(not p for p in prompts):
        raise LeserError("A prompt holds no token. Give every query at least a start token or some text.")
    if longest + max_new_tokens > policy.max_context:
        raise LeserError(
            f"A prompt of {longest} tokens and {max_new_tokens} new ones exceed the {policy.max_context} tokens that "
            f"policy '{policy.name}' can read. Show fewer hits in the prompt, or lower max_new_tokens."
        )
    policy.model.eval()
    noise = [[uniforms(key, max_new_tokens) for key in group] if temperature else [None] * len(group) for group in keys]
    if not policy.shared.fits(longest + max_new_tokens):
        return _generate_plain(policy, prompts, noise, max_new_tokens, temperature)
    size = prompts_per_pass or _pass_size(policy, longest, max(map(len, keys), default=1), max_new_tokens)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))  # like lengths together: less padding
    found: dict[int, list[Sample]] = {}
    for first in range(0, len(order), size):
        part = order[first : first + size]
        try:
            answers = _shared_pass(
                policy, [prompts[i] for i in part], [noise[i] for i in part], max_new_tokens, temperature
            )
        except DoesNotFit as error:
            give_up(policy, str(error))
            return _generate_plain(policy, prompts, noise, max_new_tokens, temperature)
        found |= zip(part, answers, strict=True)
        if not policy.shared.sampling_checked:
            _check_sampling(policy, prompts[part[0]], answers[0], temperature)
            if not policy.shared.enabled:
                return _generate_plain(policy, prompts, noise, max_new_tokens, temperature)
    return [found[i] for i in range(len(prompts))]


Noise = Sequence[Sequence[Any]]


def _shared_pass(
    policy: Policy, prompts: Sequence[list[int]], noise: Noise, limit: int, temperature: float
) -> list[list[Sample]]:
    device = policy.device
    lengths = [len(p) for p in prompts]
    prefill = PackedRow(lengths, [[] for _ in prompts], device, keep=True)
    ids = torch.tensor([[t for p in prompts for t in p]], device=device)
    positions = torch.tensor([[i for n in lengths for i in range(n)]], device=device)
    states = decoder_states(policy, ids, positions, prefill)
    last = states.index_select(0, torch.tensor(lengths, device=device).cumsum(0) - 1)
    owner = torch.tensor([b for b, group in enumerate(noise) for _ in group], device=device)
    drawing = _Drawing(policy, [u for group in noise for u in group], limit, temperature)
    rows = drawing.draw(head(policy, last), owner)
    assert prefill.cache is not None
    row = DecodeRow(prefill.cache, prefill.lengths, owner, limit)
    while drawing.alive and drawing.step < limit:
        row.keep(rows.keep)
        states = decoder_states(policy, rows.tokens.view(1, -1), row.next_positions().view(1, -1), row)
        rows = drawing.draw(head(policy, states), None)
    flat = iter(drawing.samples())
    return [[next(flat) for _ in group] for group in noise]


class _Rows(NamedTuple):
    tokens: Tensor  # (R',) the token each row that goes on was given
    keep: Tensor | None  # (R',) which of the rows so far go on; None for all


class _Drawing:
    """Draws a token for every row, notes it, and says which rows go on; the model sees only those."""

    def __init__(self, policy: Policy, noise: Sequence[Any], limit: int, temperature: float) -> None:
        device = policy.device
        self.temperature = temperature
        self.ends = torch.tensor(policy.eos_ids, device=device)
        self.noise = torch.from_numpy(np.stack(noise)).to(device) if temperature and noise else None  # (R, limit)
        self.tokens = torch.zeros(len(noise), limit, dtype=torch.long, device=device)
        self.logprobs = torch.zeros(len(noise), limit, device=device)
        self.lengths = torch.zeros(len(noise), dtype=torch.long, device=device)
        self.finished = torch.zeros(len(noise), dtype=torch.bool, device=device)
        self.rows = torch.arange(len(noise), device=device)
        self.step = 0

    @property
    def alive(self) -> bool:
        return self.rows.numel() > 0

    def draw(self, logits: Tensor, owner: Tensor | None) -> _Rows:
        """Tokens for the live rows from their logits (R', V); with `owner`, row r reads logits[owner[r]]."""
        uniform = None if self.noise is None else self.noise[self.rows, self.step]
        tokens, logprobs = draw_tokens(logits, uniform, owner, self.temperature)
        self.tokens[self.rows, self.step] = tokens
        self.logprobs[self.rows, self.step] = logprobs
        self.step += 1
        self.lengths[self.rows] = self.step
        ended = torch.isin(tokens, self.ends)
        if not bool(ended.any()):
            return _Rows(tokens, None)
        self.finished[self.rows] = ended
        keep = (~ended).nonzero().flatten()
        self.rows = self.rows[keep]
        return _Rows(tokens[keep], keep)

    def samples(self) -> list[Sample]:
        columns = (self.tokens.tolist(), self.logprobs.tolist(), self.lengths.tolist(), self.finished.tolist())
        return [Sample(t[:n], p[:n], bool(f)) for t, p, n, f in zip(*columns, strict=True)]


def draw_tokens(
    logits: Tensor, uniform: Tensor | None, owner: Tensor | None, temperature: float
) -> tuple[Tensor, Tensor]:
    """(N, V) logits -> tokens (R,), log-probabilities (R,): the first token where the cumulative sum exceeds `uniform`.

    `uniform` None takes the likeliest token. With `owner` (R,), row r reads logits[owner[r]].
    """
    probabilities = torch.softmax(logits / temperature if temperature else logits, dim=-1)
    if uniform is None:
        tokens = logits.argmax(-1)
        tokens = tokens if owner is None else tokens[owner]
    else:
        cumulative = probabilities.cumsum(-1)
        cumulative = cumulative if owner is None else cumulative[owner]
        total = cumulative[:, -1]
        # below the total, so that a token of probability 0 is never drawn
        point = torch.minimum(uniform * total, torch.nextafter(total, torch.zeros_like(total)))
        tokens = torch.searchsorted(cumulative, point.unsqueeze(-1), right=True).squeeze(-1)
    rows = torch.arange(len(tokens), device=logits.device) if owner is None else owner
    return tokens, probabilities[rows, tokens].log()


def _generate_plain(
    policy: Policy, prompts: Sequence[list[int]], noise: Noise, limit: int, temperature: float
) -> list[list[Sample]]:
    """The loop for any model: one prompt at a time, its samples as equal rows on the model's own cache, no padding."""
    answers = []
    for prompt, group in zip(prompts, noise, strict=True):
        drawing = _Drawing(policy, group, limit, temperature)
        ids = torch.tensor([prompt] * len(group), device=policy.device)
        out = policy.causal_lm(input_ids=ids, use_cache=True, logits_to_keep=1)
        current = torch.zeros(len(group), dtype=torch.long, device=policy.device)
        for _ in range(limit):
            drawn = drawing.rows
            rows = drawing.draw(out.logits[drawn, -1].float(), None)
            if not drawing.alive or drawing.step == limit:
                break
            current[drawing.rows] = rows.tokens  # rows that ended stay in the batch, their tokens are not read
            out = policy.causal_lm(input_ids=current.view(-1, 1), past_key_values=out.past_key_values, use_cache=True)
        answers.append(drawing.samples())
    return answers


def _check_sampling(policy: Policy, prompt: list[int], samples: Sequence[Sample], temperature: float) -> None:
    """Compare the log-probabilities noted while sampling with the plain path's, on one prompt's first samples."""
    some = samples[:4]
    plain = plain_logprobs(policy, [prompt], [[s.tokens for s in some]], temperature=temperature or 1.0)
    policy.shared.sampling_checked = True
    noted = torch.tensor([p for s in some for p in s.logprobs])
    compare(policy, noted, plain.logprobs[plain.mask].cpu(), "sampling")


def _pass_size(policy: Policy, longest: int, group: int, limit: int) -> int:
    config: Any = policy.causal_lm.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    token = 2 * config.num_hidden_layers * heads * head_dim * next(policy.model.parameters()).element_size()
    prompt = token * (longest + group * limit) + group * config.vocab_size * 12
    return int(max(1, PASS_BYTES // prompt))
