"""A rollout engine that samples token by token from a copy of the policy, and the list of those that do it with one fault."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch

from leser.errors import LeserError
from leser.rollout import RolloutEngine, RolloutOptions, Sample, SamplingRequest, TokenPrompt

PLANTS: list[tuple[type[RolloutEngine], str]] = []


def fault(test: str) -> Callable[[Any], Any]:
    """List a class with the first test that must fail for it."""

    def listed(cls: Any) -> Any:
        cls.__doc__ = cls.__doc__ or "A fault."
        PLANTS.append((cls, test))
        return cls

    return listed


class Good(RolloutEngine):
    """Samples from a copy of the policy, token by token, without a cache."""

    name = "good"

    class Options(RolloutOptions):
        """None."""

    model: Any = None
    broken = False

    def open(self, policy: Any, place: Any) -> None:
        self.model, self.place = copy.deepcopy(policy.causal_lm), place
        self.ends, self.context = set(policy.eos_ids), policy.max_context

    def check(self) -> str:
        return "a copy"

    def sync_weights(self, policy: Any, step: int) -> None:
        held = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, weight in policy.weights():
                held[name].copy_(self.arrived(name, weight))

    def sample(self, prompts: Sequence[TokenPrompt], request: SamplingRequest) -> Any:
        if self.model is None:
            raise LeserError(f"The rollout engine '{self.name}' is not open. Call open() first.")
        if self.broken:
            return self.failed(prompts, request)
        fits = [len(prompt.tokens) + request.max_new_tokens <= self.context for prompt in prompts]
        if not all(fits):
            return [self.too_long(request) for _ in prompts]
        return self.groups(prompts, request) if prompts else []

    def close(self) -> None:
        self.model = None

    def arrived(self, name: str, weight: torch.Tensor) -> torch.Tensor:
        return weight

    def failed(self, prompts: Any, request: Any) -> Any:
        raise LeserError("The engine has failed. Start it again.")

    def noise(self, prompt: TokenPrompt, request: SamplingRequest) -> torch.Generator:
        return torch.Generator().manual_seed(request.seed_of(prompt))

    @torch.no_grad()
    def groups(self, prompts: Sequence[TokenPrompt], request: SamplingRequest) -> list[list[Any]]:
        """All rows of all prompts at once, prompts padded on their left."""
        count, noises = request.count, [self.noise(prompt, request) for prompt in prompts]
        read = [self.read(prompt.tokens) for prompt in prompts for _ in range(count)]
        width = max(map(len, read))
        ids = torch.tensor([[0] * (width - len(row)) + row for row in read])
        seen = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in read])
        out = self.model(
            input_ids=ids, attention_mask=seen, position_ids=(seen.cumsum(-1) - 1).clamp(min=0), use_cache=True
        )
        logits, tokens, logprobs = self.first(prompts, out.logits[:, -1], count), [], []
        for _ in range(request.max_new_tokens):
            chances = self.probabilities(logits, request.temperature).split(count)
            drawn = torch.cat([torch.multinomial(p, 1, generator=n) for p, n in zip(chances, noises, strict=True)])
            tokens.append(drawn)
            logprobs.append(self.noted(logits, request.temperature).gather(-1, drawn))
            seen = torch.cat((seen, torch.ones_like(drawn)), dim=1)
            place = seen.sum(-1, keepdim=True) - 1
            out = self.model(
                input_ids=drawn,
                attention_mask=seen,
                position_ids=place,
                past_key_values=out.past_key_values,
                use_cache=True,
            )
            logits = out.logits[:, -1]
        table = list(zip(torch.cat(tokens, dim=1).tolist(), torch.cat(logprobs, dim=1).tolist(), strict=True))
        found = [self.sample_of(row, values) for row, values in table]
        return [found[start : start + count] for start in range(0, len(found), count)]

    def first(self, prompts: Sequence[TokenPrompt], logits: torch.Tensor, count: int) -> torch.Tensor:
        return logits

    def too_long(self, request: SamplingRequest) -> Any:
        raise LeserError("A prompt and its completion do not fit into the context. Show fewer hits.")

    def read(self, tokens: list[int]) -> list[int]:
        return tokens

    def probabilities(self, logits: torch.Tensor, temperature: float) -> torch.Tensor:
        return torch.softmax(logits / temperature, dim=-1)

    def noted(self, logits: torch.Tensor, temperature: float) -> torch.Tensor:
        return torch.log_softmax(logits / temperature, dim=-1)

    def sample_of(self, tokens: list[int], logprobs: list[float]) -> Any:
        length = next((i + 1 for i, token in enumerate(tokens) if token in self.ends), None)
        return Sample(tokens[:length], logprobs[:length], length is not None)
