"""The part of RolloutContract on one set of weights: declared, opened, and what is drawn."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from math import log
from typing import Any, ClassVar

import numpy as np
import pytest

from leser.errors import LeserError
from leser.rollout import RolloutOptions, Sample, TokenPrompt
from leser.rollouts.checked import fault
from leser.testing.kit import Kit, check_declared, check_message
from leser.testing.rollout_case import (
    CONTEXT,
    LONGEST,
    Life,
    RolloutCase,
    first_token_probabilities,
    kit_policy,
    prompts_of,
)

SEVERAL = prompts_of(1, 30, 7, 62)
ONE = SEVERAL[2:3]
DRAWS, PARTS = 400, 8
"""First tokens that are drawn to see how they are distributed, and parts of the vocabulary of about equal probability."""
MOST_CHI_SQUARE = 42.0
"""With 7 degrees of freedom, exceeded by one engine in two million that draws rightly."""
TAIL = 0.05


class RolloutSampling(Kit, kit=True):
    """Declared, checked, opened; what is answered, with which log-probabilities, and what decides a draw."""

    _life: ClassVar[Life | None] = None

    @pytest.fixture
    def case(self) -> RolloutCase:
        """The engine under test."""
        raise NotImplementedError("override the fixture `case`: return RolloutCase(YourEngine, {...})")

    @pytest.fixture
    def life(self, case: RolloutCase, tmp_path_factory: pytest.TempPathFactory) -> Life:
        """The class's engine, opened when it is first needed; another one where another case is meant."""
        cls = type(self)
        if cls._life is None or not cls._life.is_of(case):
            cls.teardown_class()
            cls._life = Life(case, kit_policy(), tmp_path_factory.mktemp("rollouts"))
        return cls._life

    @classmethod
    def teardown_class(cls) -> None:
        """Close what is open once the class's tests are done."""
        life, cls._life = cls._life, None
        if life is not None:
            life.close()

    def test_is_declared(self, case: RolloutCase) -> None:
        """If this fails, check the class: name, api, docstring, shared, and Options, which inherits RolloutOptions."""
        check_declared(case.engine, RolloutOptions)
        assert type(case.engine.shared) is bool, "shared is True or False"

    def test_is_checked_before_it_is_opened(self, case: RolloutCase) -> None:
        """If this fails, check `check`: a text that says what will sample, or a LeserError that says what to do."""
        engine = case.make()
        said = engine.check()
        assert isinstance(said, str), f"check() returned {said!r}"
        engine.close()

    def test_nothing_is_sampled_before_it_is_open(self, case: RolloutCase) -> None:
        """If this fails, check `sample` of an engine that is not open: a LeserError that names it, never an empty answer."""
        refuses(case)

    def test_what_is_answered(self, life: Life) -> None:
        """If this fails, check what `sample` returns: for each prompt a list of `count` Samples of plain numbers."""
        life.sync()
        for count, limit in ((8, LONGEST), (1, LONGEST), (3, 1), (2, 5)):
            request = life.request(count=count, max_new_tokens=limit)
            found = life.engine.sample(SEVERAL, request)
            assert isinstance(found, list), f"it is a {type(found).__name__}"
            assert [len(group) for group in found] == [count] * len(SEVERAL), "completions of each prompt"
            for sample in (sample for group in found for sample in group):
                assert isinstance(sample, Sample), f"a completion is a {type(sample).__name__}"
                _plain(sample)
                assert fault(sample, request, life.policy.eos_ids) == ""
                assert not sample.broken_off, f"it was broken off: {sample.broken_off}"

    def test_no_prompts(self, life: Life) -> None:
        """If this fails, check `sample` with no prompts: a process may have no share of a batch."""
        life.sync()
        assert life.engine.sample([], life.request()) == []

    def test_log_probabilities_are_the_policys(self, life: Life) -> None:
        """If this fails, check what a token's log-probability is: that of the whole softmax(logits), of the token drawn."""
        life.sync()
        found = life.draw(SEVERAL)
        assert life.gap(SEVERAL, found) == ""

    @pytest.mark.parametrize("temperature", [0.5, 1.7])
    def test_log_probabilities_at_a_temperature(self, life: Life, temperature: float) -> None:
        """If this fails, check whether log-probabilities are taken after dividing by the temperature: they must be."""
        life.sync()
        found = life.draw(SEVERAL, temperature=temperature)
        assert life.gap(SEVERAL, found, temperature) == ""

    @pytest.mark.parametrize("temperature", [1.0, 0.5])
    def test_draws_are_from_the_whole_distribution(self, life: Life, temperature: float) -> None:
        """If this fails, check top_k, top_p, min_p, penalties and the temperature: tokens are drawn from softmax(logits / T)."""
        life.sync()
        (group,) = life.draw(ONE, count=DRAWS, max_new_tokens=1, temperature=temperature)
        drawn = Counter(sample.tokens[0] for sample in group)
        expected = first_token_probabilities(life.policy, ONE[0], temperature)
        distance, tail, seen = _compared(drawn, expected)
        assert distance <= MOST_CHI_SQUARE, f"first tokens are distributed otherwise (chi-square {distance:.0f})"
        chance = DRAWS * log(1 - tail)  # of no draw among the least likely tokens
        assert seen or chance > log(1e-6), f"no token of the {tail:.0%} that are least likely was drawn {DRAWS} times"

    def test_every_end_token_ends_a_completion(self, life: Life) -> None:
        """If this fails, check the end tokens: all of policy.eos_ids end one, it is kept, and what follows it is cut off."""
        life.sync()
        ends, cut = set(), 0
        for group in life.draw(SEVERAL, count=16):
            for sample in group:
                inside = [token for token in sample.tokens[:-1] if token in life.policy.eos_ids]
                assert inside == [], f"it goes on after the end token {inside[:1]}"
                assert sample.finished == (sample.tokens[-1] in life.policy.eos_ids), "finished: its last token ends it"
                ends.update(sample.tokens[-1:] if sample.finished else [])
                cut += not sample.finished
        assert len(ends) > 2, "of 25 end tokens, few or none ever ended a completion"
        assert cut, "no completion reached the limit"

    def test_groups_stand_in_the_prompts_order(self, life: Life) -> None:
        """If this fails, check that answers are matched to prompts by place: each group's tokens come after its own prompt."""
        life.sync()
        for prompts in (SEVERAL[::-1], [*SEVERAL[1:3], *SEVERAL[1:3]]):
            assert life.gap(prompts, life.draw(prompts)) == ""

    def test_a_prompt_is_read_whole(self, life: Life) -> None:
        """If this fails, check long prompts: one that leaves room for the completion alone is read to its first token."""
        life.sync()
        prompts = prompts_of(CONTEXT - LONGEST, CONTEXT - LONGEST - 1, seed=1)
        first = TokenPrompt("other", [prompts[0].tokens[0] + 1, *prompts[0].tokens[1:]])
        assert life.gap([*prompts, first], life.draw([*prompts, first])) == ""

    def test_completions_of_a_group_differ(self, life: Life) -> None:
        """If this fails, check the seeds: completions of a group, and groups of two queries with one prompt, have their own."""
        life.sync()
        twin = TokenPrompt("another query", ONE[0].tokens)
        one, other = life.draw([ONE[0], twin])
        assert len({tuple(sample.tokens) for sample in one}) > 4, "completions of a group are alike"
        assert tokens_of([one]) != tokens_of([other]), "two queries with one prompt got the same completions"

    def test_seeds_decide(self, life: Life) -> None:
        """If this fails, check `request.seed_of(prompt)`: seed, step and query decide what is drawn, and nothing else does."""
        life.sync()
        found = life.draw(SEVERAL)
        assert tokens_of(life.draw(SEVERAL)) == tokens_of(found), "the same request twice gives other completions"
        assert tokens_of(life.draw(SEVERAL, seed=8)) != tokens_of(found), "another seed gives the same completions"
        life.sync()
        assert tokens_of(life.draw(SEVERAL)) != tokens_of(found), "another step gives the same completions"

    def test_company_does_not_matter(self, life: Life) -> None:
        """If this fails, check one generator of noise for a whole batch: what is drawn must not depend on who else is asked."""
        life.sync()
        together = tokens_of(life.draw(SEVERAL))
        assert tokens_of([group for prompt in SEVERAL for group in life.draw([prompt])]) == together
        assert tokens_of(life.draw(SEVERAL[::-1]))[::-1] == together

    def test_the_trainers_noise_is_left_alone(self, life: Life) -> None:
        """If this fails, check random.seed, numpy.random.seed and torch.manual_seed: they set the trainer's own generators."""
        import torch

        life.sync()
        before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # type: ignore[index]
        life.draw(SEVERAL)
        assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before  # type: ignore[index]


def refuses(case: RolloutCase, engine: Any = None) -> None:
    """Assert that an engine which is not open raises LeserError."""
    with pytest.raises(LeserError) as caught:
        (engine or case.make()).sample(ONE, Life(case, None, None).request(step=0))  # type: ignore[arg-type]
    check_message(caught.value, case.name)


def _plain(sample: Sample) -> None:
    """Assert that tokens and log-probabilities are Python's own numbers, which JSON and arrays hold."""
    assert type(sample.tokens) is list, f"tokens are a {type(sample.tokens).__name__}"
    assert type(sample.logprobs) is list, f"log-probabilities are a {type(sample.logprobs).__name__}"
    assert {type(token) for token in sample.tokens} == {int}, "a token is not an int"
    assert {type(value) for value in sample.logprobs} == {float}, "a log-probability is not a float"
    assert type(sample.finished) is bool, "finished is True or False"


def tokens_of(found: Sequence[Sequence[Sample]]) -> list[list[list[int]]]:
    """The tokens of completions, group by group."""
    return [[sample.tokens for sample in group] for group in found]


def _compared(drawn: Counter[int], expected: Sequence[float]) -> tuple[float, float, int]:
    """Chi-square over parts of about equal probability; the probability of the least likely tokens, and how many were drawn."""
    order = sorted(range(len(expected)), key=lambda token: -expected[token])
    parts: list[list[int]] = [[]]
    for token in order:
        if len(parts) < PARTS and sum(expected[other] for other in parts[-1]) >= 1 / PARTS:
            parts.append([])
        parts[-1].append(token)
    total = sum(drawn.values())
    distance = 0.0
    for part in parts:
        wanted = total * sum(expected[token] for token in part)
        distance += (sum(drawn[token] for token in part) - wanted) ** 2 / wanted
    rare: list[int] = []
    for token in reversed(order):
        if sum(expected[other] for other in rare) + expected[token] > TAIL:
            break
        rare.append(token)
    return distance, sum(expected[token] for token in rare), sum(drawn[token] for token in rare)
