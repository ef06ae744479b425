"""Rollout engines with one fault each in what they declare or draw, and the first test that must fail."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch

from leser.rollout import Sample, SamplingRequest, TokenPrompt
from planted.rollout_engine import Good, fault


@fault("test_is_declared")
class OptionsOfItsOwn(Good):
    class Options:
        """No RolloutOptions."""


@fault("test_is_declared")
class SharedInWords(Good):
    shared: ClassVar[Any] = "yes"


@fault("test_is_checked_before_it_is_opened")
class SaysNothing(Good):
    def check(self) -> Any:
        return None


@fault("test_nothing_is_sampled_before_it_is_open")
class EmptyBeforeItIsOpen(Good):
    def sample(self, prompts: Any, request: Any) -> Any:
        return [[] for _ in prompts] if self.model is None else super().sample(prompts, request)


@fault("test_what_is_answered")
class OneTooFew(Good):
    def sample(self, prompts: Any, request: Any) -> Any:
        return [group[:-1] if len(group) > 1 else group for group in super().sample(prompts, request)]


@fault("test_what_is_answered")
class NumbersOfNumpy(Good):
    def sample_of(self, tokens: Any, logprobs: Any) -> Any:
        found = super().sample_of(tokens, logprobs)
        return Sample(list(np.asarray(found.tokens)), found.logprobs, found.finished)


@fault("test_what_is_answered")
class WithoutTheEndToken(Good):
    def sample_of(self, tokens: Any, logprobs: Any) -> Any:
        found = super().sample_of(tokens, logprobs)
        kept = len(found.tokens) - found.finished
        return Sample(found.tokens[:kept], found.logprobs[:kept], found.finished)


@fault("test_what_is_answered")
class EverythingEnded(Good):
    def sample_of(self, tokens: Any, logprobs: Any) -> Any:
        found = super().sample_of(tokens, logprobs)
        return Sample(found.tokens, found.logprobs, True)


@fault("test_no_prompts")
class NeedsAPrompt(Good):
    def sample(self, prompts: Any, request: Any) -> Any:
        self.longest = max(len(prompt.tokens) for prompt in prompts) if self.model else 0
        return super().sample(prompts, request)


@fault("test_log_probabilities_are_the_policys")
class TheLikeliestToken(Good):
    def noted(self, logits: Any, temperature: float) -> Any:
        found = super().noted(logits, temperature)
        return found.max(-1, keepdim=True).values.expand_as(found)


@fault("test_log_probabilities_are_the_policys")
class WeightsInHalfPrecision(Good):
    def arrived(self, name: str, weight: torch.Tensor) -> torch.Tensor:
        return weight.to(torch.bfloat16)


@fault("test_log_probabilities_are_the_policys")
class ShortestFirst(Good):
    def sample(self, prompts: Any, request: Any) -> Any:
        return super().sample(sorted(prompts, key=lambda prompt: len(prompt.tokens)), request)


@fault("test_log_probabilities_at_a_temperature")
class BeforeTheTemperature(Good):
    def noted(self, logits: Any, temperature: float) -> Any:
        return super().noted(logits, 1.0)


@fault("test_draws_are_from_the_whole_distribution")
class DrawsAtTemperatureOne(Good):
    def probabilities(self, logits: Any, temperature: float) -> Any:
        return super().probabilities(logits, 1.0)


@fault("test_draws_are_from_the_whole_distribution")
class TheLikeliestFifty(Good):
    def probabilities(self, logits: Any, temperature: float) -> Any:
        found = super().probabilities(logits, temperature)
        return found * (found >= found.topk(50).values[:, -1:])


@fault("test_draws_are_from_the_whole_distribution")
class NinetyFivePercent(Good):
    def probabilities(self, logits: Any, temperature: float) -> Any:
        found = super().probabilities(logits, temperature)
        ordered, places = found.sort(descending=True)
        ordered[ordered.cumsum(-1) - ordered > 0.95] = 0.0
        return torch.zeros_like(found).scatter(-1, places, ordered)


@fault("test_draws_are_from_the_whole_distribution")
class OneSeedForAGroup(Good):
    def groups(self, prompts: Any, request: Any) -> Any:
        return [group[:1] * request.count for group in super().groups(prompts, request)]


@fault("test_every_end_token_ends_a_completion")
class EndsAtOneToken(Good):
    def open(self, policy: Any, place: Any) -> None:
        super().open(policy, place)
        self.ends = {policy.eos_ids[0]}


@fault("test_groups_stand_in_the_prompts_order")
class OnePromptOnce(Good):
    def sample(self, prompts: Any, request: Any) -> Any:
        return super().sample([*{prompt.id: prompt for prompt in prompts}.values()], request)


@fault("test_a_prompt_is_read_whole")
class ReadsTheLastTokens(Good):
    def read(self, tokens: Any) -> Any:
        return tokens[-80:]


@fault("test_completions_of_a_group_differ")
class SeededByThePrompt(Good):
    def noise(self, prompt: Any, request: Any) -> Any:
        return super().noise(TokenPrompt(str(prompt.tokens), []), request)


@fault("test_seeds_decide")
class DrawsByChance(Good):
    def noise(self, prompt: Any, request: Any) -> Any:
        noise = torch.Generator()
        noise.seed()
        return noise


@fault("test_seeds_decide")
class TheSameEveryStep(Good):
    def noise(self, prompt: Any, request: Any) -> Any:
        return super().noise(prompt, SamplingRequest(1, 1, 1.0, request.seed, 0))


@fault("test_company_does_not_matter")
class OneGeneratorForABatch(Good):
    def groups(self, prompts: Any, request: Any) -> Any:
        self.batch = torch.Generator().manual_seed(request.seed * 1000 + request.step)
        return super().groups(prompts, request)

    def noise(self, prompt: Any, request: Any) -> Any:
        return self.batch


@fault("test_the_trainers_noise_is_left_alone")
class SeedsTheTrainer(Good):
    def noise(self, prompt: Any, request: Any) -> Any:
        torch.manual_seed(request.seed_of(prompt))
        return super().noise(prompt, request)
