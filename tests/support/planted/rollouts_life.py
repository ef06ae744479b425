"""Rollout engines with one fault each in what they do over their life, and the first test that must fail."""

from __future__ import annotations

import threading
from itertools import count
from typing import Any, ClassVar

import torch

from leser.rollout import Sample, TokenPrompt
from planted.rollout_engine import Good, fault


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
