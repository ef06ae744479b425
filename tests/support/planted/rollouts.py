"""A rollout engine that samples token by token from a copy of the policy, and the same with one fault each: PLANTS."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, ClassVar

import numpy as np
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


@fault("test_new_weights_are_taken_over")
class KeepsItsWeights(Good):
    def sync_weights(self, policy: Any, step: int) -> None:
        pass


@fault("test_new_weights_are_taken_over")
class ForgetsTheEmbeddings(Good):
    def sync_weights(self, policy: Any, step: int) -> None:
        held = self.model.get_input_embeddings().weight
        kept = held.detach().clone()
        super().sync_weights(policy, step)
        with torch.no_grad():
            held.copy_(kept)


@fault("test_new_weights_are_taken_over")
class KeepsWhatItRead(Good):
    """The logits after a prompt, by the prompt."""

    def open(self, policy: Any, place: Any) -> None:
        super().open(policy, place)
        self.known: dict[Any, Any] = {}

    def first(self, prompts: Any, logits: Any, count: int) -> Any:
        own = zip(prompts, logits[::count], strict=True)
        found = [self.known.setdefault(tuple(prompt.tokens), row) for prompt, row in own]
        return torch.stack(found).repeat_interleave(count, dim=0)


@fault("test_it_rests")
class RestsOnce(Good):
    resting = False

    def rest(self) -> None:
        if self.resting:
            raise RuntimeError("it sleeps already")
        self.resting = True


@fault("test_it_rests")
class DoesNotWakeUp(Good):
    def rest(self) -> None:
        self.model.requires_grad_(False)
        for weight in self.model.parameters():
            weight.data = torch.empty(0)


@fault("test_the_policy_is_left_as_it_is")
class FreezesThePolicy(Good):
    def open(self, policy: Any, place: Any) -> None:
        super().open(policy, place)
        policy.model.requires_grad_(False)


@fault("test_disk_is_not_filled")
class KeepsEveryFile(Good):
    def sync_weights(self, policy: Any, step: int) -> None:
        super().sync_weights(policy, step)
        self.place.folder.mkdir(exist_ok=True)
        torch.save(dict(policy.weights()), self.place.folder / f"weights-{step}.pt")


@fault("test_a_prompt_that_does_not_fit")
class NothingWhereItDoesNotFit(Good):
    def too_long(self, request: Any) -> Any:
        return []


@fault("test_a_prompt_that_does_not_fit")
class EmptyCompletionsWhereItDoesNotFit(Good):
    def too_long(self, request: Any) -> Any:
        return [Sample([], [], True)] * request.count


@fault("test_a_prompt_that_does_not_fit")
class AnErrorOfItsOwn(Good):
    def too_long(self, request: Any) -> Any:
        raise IndexError("index out of range in self")


@fault("test_a_shared_one_serves_other_processes")
class SharedInNameAlone(Good):
    shared = True


@fault("test_the_same_after_a_restart")
class AnotherNoiseForEachLife(Good):
    lives: ClassVar[Any] = count()

    def open(self, policy: Any, place: Any) -> None:
        super().open(policy, place)
        self.life = next(self.lives)

    def noise(self, prompt: Any, request: Any) -> Any:
        return super().noise(TokenPrompt(f"{prompt.id} {self.life}", []), request)


@fault("test_it_closes_what_it_opened")
class LeavesAThread(Good):
    def open(self, policy: Any, place: Any) -> None:
        super().open(policy, place)
        threading.Thread(target=threading.Event().wait, args=(30,), daemon=True).start()


@fault("test_it_closes_what_it_opened")
class ClosesOnce(Good):
    def close(self) -> None:
        if self.model is None and hasattr(self, "place"):
            raise ValueError("closed already")
        super().close()


@fault("test_it_closes_what_it_opened")
class SamplesWhenClosed(Good):
    def close(self) -> None:
        pass


@fault("test_an_engine_that_fails")
class MakesUpAnAnswer(Good):
    def failed(self, prompts: Any, request: Any) -> Any:
        return [[Sample([2], [-0.1], True)] * request.count for _ in prompts]


@fault("test_an_engine_that_fails")
class AnswersNothing(Good):
    def failed(self, prompts: Any, request: Any) -> Any:
        return []


@fault("test_an_engine_that_fails")
class AnErrorThatIsNoMessage(Good):
    def failed(self, prompts: Any, request: Any) -> Any:
        raise ConnectionError("[Errno 111]")
