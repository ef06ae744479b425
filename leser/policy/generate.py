"""Sampling: each prompt is read once, its keys and values are never copied for the G completions that read them.

Every completion's noise is its own. What is sampled does therefore not depend on which other prompts share the pass, on
their order, on the number of processes, or on the way of decoding (up to the last bits of a matrix product, which may
differ with its shape).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from leser.errors import LeserError
from leser.policy.adapters import adapters_of
from leser.policy.attention import DoesNotFit, PackedRow
from leser.policy.decode import ragged_pass
from leser.policy.drawing import Drawing, Noise, NoiseKey, draw_tokens, uniforms
from leser.policy.graphs import SamplingState
from leser.policy.packed import compare, decoder_states, give_up, plain_logprobs
from leser.policy.precision import autocast
from leser.policy.shadow import next_logits
from leser.policy.static import static_pass
from leser.rollout import Sample

if TYPE_CHECKING:
    from leser.policy.policy import Policy

__all__ = ["Decoding", "NoiseKey", "Sample", "draw_tokens", "generate", "uniforms"]
Decoding = Literal["ragged", "static", "graph"]
"""ragged: ended rows leave at once; static: fixed shapes; graph: fixed shapes, replayed as a CUDA graph where one can be."""


@torch.no_grad()
def generate(
    policy: Policy,
    prompts: Sequence[list[int]],
    keys: Sequence[Sequence[NoiseKey]],
    *,
    max_new_tokens: int,
    temperature: float,
    prompts_per_pass: int | None = None,
    decoding: Decoding | None = None,
) -> list[list[Sample]]:
    """One completion for each key of each prompt; `temperature` 0 is greedy (keys are then only counted).

    `prompts_per_pass` bounds memory; None chooses it from free memory on a GPU, near one GiB elsewhere. `decoding` None is
    "graph" on CUDA and "ragged" elsewhere. Raises LeserError when a prompt is empty or leaves no room for
    `max_new_tokens`.
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
    how = decoding or ("graph" if policy.device.type == "cuda" else "ragged")
    with adapters_of(policy):
        run = _Run(policy, max_new_tokens, temperature, how)
        if not policy.shared.fits(longest + max_new_tokens):
            return run.plain(prompts, noise)
        found = run.shared(prompts, noise, prompts_per_pass)
        return run.plain(prompts, noise) if found is None else found


class _Run:
    """One call of `generate`: the policy, the one that passes are run with, and what is the same for all passes."""

    def __init__(self, policy: Policy, limit: int, temperature: float, how: Decoding) -> None:
        self.policy, self.limit, self.temperature, self.how = policy, limit, temperature, how
        self.state = SamplingState.of(policy)
        self.sampler = self.state.sampler(policy)

    def shared(
        self, prompts: Sequence[list[int]], noise: Noise, prompts_per_pass: int | None
    ) -> list[list[Sample]] | None:
        """Completions by prompt, or None when the policy was found not to share prompts; out of memory halves a pass."""
        waiting = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))  # like lengths together: less padding
        size = prompts_per_pass or self._pass_size(prompts, max(map(len, noise), default=1))
        found: dict[int, list[Sample]] = {}
        while waiting:
            part = waiting[:size]
            answers: list[list[Sample]] | None = None
            try:
                answers = self._pass([prompts[i] for i in part], [noise[i] for i in part])
            except DoesNotFit as error:
                give_up(self.policy, str(error))
                return None
            except torch.OutOfMemoryError:
                if len(part) == 1:
                    raise
            if answers is None:  # out of memory; what the pass held went with the exception
                size = -(-len(part) // 2)
                self.state.release()
                continue
            found |= zip(part, answers, strict=True)
            waiting = waiting[size:]
            if not self.policy.shared.sampling_checked:
                self._check(prompts[part[0]], answers[0])
                if not self.policy.shared.enabled:
                    return None
        return [found[i] for i in range(len(prompts))]

    def _pass(self, prompts: Sequence[list[int]], noise: Noise) -> list[list[Sample]]:
        with autocast(self.sampler):  # once per pass, so that weights are rounded once
            read = read_prompts(self.sampler, prompts)
            if self.how == "ragged":
                return ragged_pass(self.sampler, read, noise, self.limit, self.temperature)
            return static_pass(
                self.state, self.sampler, read, noise, self.limit, self.temperature, graph=self.how == "graph"
            )

    def _check(self, prompt: list[int], samples: Sequence[Sample]) -> None:
        """Compare the log-probabilities noted while sampling with the plain path's, on one prompt's first samples."""
        some = samples[:4]
        plain = plain_logprobs(self.policy, [prompt], [[s.tokens for s in some]], temperature=self.temperature or 1.0)
        self.policy.shared.sampling_checked = True
        noted = torch.tensor([p for s in some for p in s.logprobs])
        compare(self.policy, noted, plain.logprobs[plain.mask].cpu(), "sampling")

    def _pass_size(self, prompts: Sequence[list[int]], group: int) -> int:
        """Prompts of one pass: keys, values and logits take what a pass may; on a GPU, passes of like size."""
        config: Any = self.sampler.causal_lm.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        weight = next(self.sampler.model.parameters())
        token = 2 * config.num_hidden_layers * heads * head_dim * weight.element_size()
        longest = max((len(p) for p in prompts), default=0)
        prompt = token * (longest + group * self.limit) + group * config.vocab_size * 12
        size = int(max(1, self.state.pass_bytes // prompt))
        if self.how == "ragged":
            return size
        passes = max(1, -(-len(prompts) // size))
        return max(1, -(-len(prompts) // passes))  # a last pass of another shape would need graphs of its own

    def plain(self, prompts: Sequence[list[int]], noise: Noise) -> list[list[Sample]]:
        """The loop for any model: one prompt at a time, its samples as equal rows on the model's own cache, no padding."""
        with autocast(self.sampler):
            return [self._plain_pass(prompt, group) for prompt, group in zip(prompts, noise, strict=True)]

    def _plain_pass(self, prompt: list[int], group: Sequence[Any]) -> list[Sample]:
        model, device = self.sampler.causal_lm, self.sampler.device
        drawing = Drawing(self.policy.eos_ids, device, group, self.limit, self.temperature)
        ids = torch.tensor([prompt] * len(group), device=device)
        out = model(input_ids=ids, use_cache=True, logits_to_keep=1)
        current = torch.zeros(len(group), dtype=torch.long, device=device)
        for _ in range(self.limit):
            drawn = drawing.rows
            rows = drawing.draw(out.logits[drawn, -1].float(), None)
            if not drawing.alive or drawing.step == self.limit:
                break
            current[drawing.rows] = rows.tokens  # rows that ended stay in the batch, their tokens are not read
            out = model(input_ids=current.view(-1, 1), past_key_values=out.past_key_values, use_cache=True)
        return drawing.samples()


def read_prompts(
    policy: Policy, prompts: Sequence[list[int]]
) -> tuple[dict[int, tuple[Tensor, Tensor]], Tensor, Tensor]:
    """One pass over the prompts: keys and values by layer (B, Hkv, P, d), tokens (B,), next-token logits (B, V)."""
    device = policy.device
    lengths = [len(p) for p in prompts]
    row = PackedRow(lengths, [[] for _ in prompts], device, keep=True)
    ids = torch.tensor([[t for p in prompts for t in p]], device=device)
    positions = torch.tensor([[i for n in lengths for i in range(n)]], device=device)
    states = decoder_states(policy, ids, positions, row)
    last = states.index_select(0, torch.tensor(lengths, device=device).cumsum(0) - 1)
    assert row.cache is not None
    return row.cache, row.lengths, next_logits(policy, last)
