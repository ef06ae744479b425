"""Prefix credit: unbiased by enumeration, and what each slot is paid on a real engine and a real tokenizer."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
from environments import COUCH, SHELF, SPLIT, environment_of
from leser_memory import MemoryBackend
from tokenizers import normalizers

from leser.environment import Attempt
from leser.expansion import Code, ExpansionOptions
from leser.grpo.credit import against_mean, against_others, slot_of_token, term_credit
from leser.grpo.options import GrpoOptions
from leser.policy.generate import Sample
from leser.policy.options import TinyOptions
from leser.policy.policy import Policy
from leser.policy.tiny import build_tiny
from leser.prompt import PromptOptions
from leser.sampler import Sampler

END = 2
LOGITS = np.array([[0.4, -0.3, 0.1], [0.2, 0.5, -0.6]])
REWARD = {(): 0.1, (0,): 1.0, (1,): 0.3, (0, 1): 1.0, (1, 0): 1.0, (0, 0): 0.9, (1, 1): 0.2}
"""Terms 0 and 1 in two slots; beside term 0 the other one is worth nothing."""


def probabilities() -> np.ndarray:
    return np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)


def completions() -> list[tuple[int, ...]]:
    """Every completion as its choices, slot by slot; after two terms the end is not a choice any more."""
    return [(END,), *((a, b) for a in (0, 1) for b in (0, 1, END))]


def terms(choices: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(c for c in choices if c != END)


def chance(choices: tuple[int, ...]) -> float:
    return float(np.prod([probabilities()[slot, c] for slot, c in enumerate(choices)]))


def slopes(choices: tuple[int, ...], pay: list[float]) -> np.ndarray:
    """sum over slots of pay times the derivative of log p(choice) by the logits."""
    total = np.zeros_like(LOGITS)
    for slot, choice in enumerate(choices):
        total[slot] += pay[slot] * (np.eye(3)[choice] - probabilities()[slot])
    return total


def returns(choices: tuple[int, ...]) -> list[float]:
    said = terms(choices)
    return [REWARD[said] - REWARD[said[:slot]] for slot in range(len(said))] + [0.0]


def worths(choices: tuple[int, ...]) -> list[float]:
    said = terms(choices)
    return [REWARD[said] - REWARD[said[:slot] + said[slot + 1 :]] for slot in range(len(said))] + [0.0]


def expected(
    group: int, credit: Callable[[dict[int, list[float]]], dict[int, list[float]]], worth: Callable
) -> np.ndarray:
    """The estimator's mean over all groups of this size, for one completion of each."""
    total = np.zeros_like(LOGITS)
    for members in itertools.product(completions(), repeat=group):
        p = float(np.prod([chance(m) for m in members]))
        pay = credit({i: worth(m) for i, m in enumerate(members)})
        total += p * sum(slopes(m, pay[i]) for i, m in enumerate(members)) / group
    return total


def exact() -> np.ndarray:
    return sum((chance(c) * slopes(c, [REWARD[terms(c)]] * 2) for c in completions()), np.zeros_like(LOGITS))


@pytest.mark.parametrize("group", [2, 3])
def test_prefix_credit_is_the_gradient_of_the_reward_on_average(group: int) -> None:
    alone = expected(group, lambda m: against_others(m, "leave_one_out"), returns)
    assert np.allclose(alone, exact(), atol=1e-12)
    with_mean = expected(group, lambda m: against_others(m, "mean"), returns)
    assert np.allclose(with_mean, exact() * (group - 1) / group, atol=1e-12)


def test_leave_one_out_credit_is_not() -> None:
    got, wanted = expected(3, against_mean, worths).ravel(), exact().ravel()
    cosine = got @ wanted / np.linalg.norm(got) / np.linalg.norm(wanted)
    assert cosine < 0.95


def test_prefix_credit_by_hand() -> None:
    """Slot 0: returns .8, .2, 0; slot 1: .3 and 0 against each other; the last is alone in its slot and keeps its own."""
    got = against_others({0: [0.8, 0.3, 0.0], 1: [0.2, 0.0], 2: [0.0]}, "leave_one_out")
    assert got[0] == pytest.approx([0.7, 0.3, 0.0])
    assert got[1] == pytest.approx([-0.2, -0.3])
    assert got[2] == pytest.approx([-0.5])
    whole = against_others({0: [0.8], 1: [0.2]}, "mean")
    assert [whole[0][0], whole[1][0]] == pytest.approx([0.3, -0.3])  # all in the slot: less the group's mean


@pytest.fixture(scope="module")
def policy() -> Policy:
    texts = [" ".join(d.fields.values()) for d in SHELF] * 3 + ["navy couch expansions: Expansions: grün – 沙发 ソファ"]
    return build_tiny(
        texts, TinyOptions(d_model=32, layers=1, heads=2, kv_heads=1, ffn=32, vocabulary=400, pretrain_steps=0)
    )


def with_capitals(policy: Policy) -> Policy:
    """The policy with a tokenizer that keeps capitals, so that it can write the marker after its reasoning."""
    tokenizer = copy.deepcopy(policy.tokenizer)
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence([])
    return replace(policy, tokenizer=tokenizer)


def sampler_of(policy: Policy, **expansion: object) -> Sampler:
    environment = environment_of(MemoryBackend.of(SHELF), ExpansionOptions(weight=2.0, **expansion))
    return Sampler(policy, environment, PromptOptions(), 16)


@dataclass
class Paid:
    totals: np.ndarray
    tokens: list[list[int]]
    advantages: np.ndarray
    searches: int


def paid_for(policy: Policy, said: list[str], cut: int | None = None, **options: object) -> Paid:
    """What the tokens of one group are paid; number `cut` was cut at the limit. Advantages of completions are 9."""
    sampler = sampler_of(policy)
    tokens = [policy.encode_completion(t)[: -1 if i == cut else None] for i, t in enumerate(said)]
    samples = [[Sample(t, [0.0] * len(t), i != cut) for i, t in enumerate(tokens)]]
    environment = sampler.environment
    outcomes = environment.judge([Attempt(COUCH, 0, t, i != cut) for i, t in enumerate(said)], SPLIT)
    scores = environment.score(outcomes)
    before = environment.client.stats().searches
    chosen = GrpoOptions.model_validate({"credit": "prefix", "baseline": "leave_one_out", **options})
    paid = term_credit(sampler, SPLIT, samples, outcomes, scores, np.full((1, len(said)), 9.0), chosen)
    return Paid(scores.total, tokens, paid[0], environment.client.stats().searches - before)


def total_of(policy: Policy, text: str) -> float:
    environment = sampler_of(policy).environment
    return float(environment.score(environment.judge([Attempt(COUCH, 0, text)], SPLIT)).total[0])


def test_each_slot_is_paid_what_followed_from_it(policy: Policy) -> None:
    said = ["sofa; tall", "tall; sofa", "none"]
    paid = paid_for(policy, said)
    none, sofa, tall, both = (total_of(policy, t) for t in ("none", "sofa", "tall", "sofa; tall"))
    assert sofa > none
    first = [both - none, both - none, 0.0]
    second = [both - sofa, both - tall]
    assert paid.advantages[0, 0] == pytest.approx(first[0] - (first[1] + first[2]) / 2)
    assert paid.advantages[2, 0] == pytest.approx(first[2] - (first[0] + first[1]) / 2)
    last = len(paid.tokens[1]) - 2
    assert paid.advantages[1, last] == pytest.approx(second[1] - second[0])
    assert paid.advantages[0, len(paid.tokens[0]) - 2] == pytest.approx(second[0] - second[1])
    assert paid.advantages[0, len(paid.tokens[0]) - 1] == pytest.approx(0.0)  # both ended there


def test_of_two_terms_with_one_meaning_the_first_is_paid(policy: Policy) -> None:
    """Leaving either out changes little, so leave-one-out pays the good answer hardly more than the filler beside it."""
    said = ["sofa; seats", "tall; floor"]
    assert total_of(policy, "sofa") == total_of(policy, "sofa; seats") == 1.0
    assert total_of(policy, "seats") > 0.8
    good, filler = paid_for(policy, said).advantages[:, 0]
    assert good > 0.1 > -0.1 > filler
    old_good, _ = paid_for(policy, said, credit="leave-one-out").advantages[:, 0]
    assert old_good < good / 4


def test_the_slot_that_broke_a_completion_pays_for_it(policy: Policy) -> None:
    """'sofa' was right, and repeating it was against a rule: the loss is the second slot's."""
    paid = paid_for(policy, ["sofa; sofa", "sofa", "none"])
    gated, sofa, none = paid.totals
    assert gated < none < sofa
    token = len(paid.tokens[0]) - 2
    assert paid.advantages[0, token] == pytest.approx(gated - sofa - 0.0)  # against "sofa", which ended there
    assert paid.advantages[0, 0] == pytest.approx((gated - none) - ((sofa - none) + 0.0) / 2)


def test_a_completion_that_was_cut_is_paid_by_its_slots_too(policy: Policy) -> None:
    paid = paid_for(policy, ["sofa; ta", "sofa", "none"], cut=0)
    gated, sofa, _ = paid.totals
    assert paid.advantages[0, len(paid.tokens[0]) - 1] == pytest.approx(gated - sofa)


def test_prefixes_that_a_group_shares_are_searched_once(policy: Policy) -> None:
    """'tall' before 'grey' and before 'rug': one search; 'none' and 'sofa' were searched when they were judged."""
    assert paid_for(policy, ["tall; grey", "tall; rug", "sofa; rug", "sofa", "none"]).searches == 1


def test_a_zero_variance_group_costs_no_search_and_keeps_its_advantage(policy: Policy) -> None:
    paid = paid_for(policy, ["tall; grey", "grey; tall"])
    assert paid.totals[0] == paid.totals[1]
    assert (paid.searches, set(paid.advantages.ravel())) == (0, {9.0})


def test_credit_is_divided_by_what_the_advantage_was_divided_by(policy: Policy) -> None:
    said = ["sofa; tall", "tall", "none"]
    plain, scaled = paid_for(policy, said), paid_for(policy, said, scale="group")
    assert np.allclose(scaled.advantages[0] * (np.std(plain.totals, ddof=1) + 1e-4), plain.advantages[0])


@pytest.mark.parametrize("text", ["ソファ; 椅子", "沙发; 地毯", "sofa – grün; ✨ rug", "grün"])
@pytest.mark.parametrize("reasoning", [False, True])
def test_a_letter_of_many_bytes_is_no_end(policy: Policy, text: str, reasoning: bool) -> None:
    policy = with_capitals(policy)
    sampler = sampler_of(policy, reasoning=reasoning)
    lead = policy.encode_completion("a 沙发; couch.\nExpansions:")[:-1] if reasoning else []
    tokens = lead + policy.encode_completion((" " if reasoning else "") + text)
    count = text.count(";") + 1
    slots = slot_of_token(sampler, tokens, count).tolist()
    assert slots[: len(lead)] == [-1] * len(lead)
    assert slots.count(count) == 1
    assert slots[-1] == count
    assert slots[len(lead) :] == sorted(slots[len(lead) :])
    if count == 2:
        first = slots.index(1)
        assert ";" in policy.decode([tokens[first]])


class Counting(Policy):
    """A policy that counts the tokens it decodes."""

    decoded = 0

    def decode(self, tokens):  # type: ignore[no-untyped-def]
        self.decoded += len(tokens)
        return super().decode(tokens)


def test_slots_take_time_linear_in_the_tokens(policy: Policy) -> None:
    counting = Counting(**{f.name: getattr(policy, f.name) for f in fields(Policy)})
    sampler = sampler_of(counting)
    tokens = policy.encode_completion("; ".join(["椅子 sofa"] * 100))
    slot_of_token(sampler, tokens, 100)
    assert counting.decoded <= len(tokens)


def test_a_failed_search_leaves_its_slot_the_advantage(policy: Policy) -> None:
    """An engine error of a prefix is no return: NaN in the slot, and nothing for the others' mean."""
    got = against_others({0: [float("nan"), 0.4, 0.0], 1: [0.2, 0.0]}, "leave_one_out")
    assert np.isnan(got[0][0])
    assert got[1][0] == pytest.approx(0.2)


def test_an_excluded_completion_keeps_its_advantage(policy: Policy) -> None:
    sampler = sampler_of(policy)
    said = ["sofa", "tall", "none"]
    tokens = [policy.encode_completion(t) for t in said]
    outcomes = sampler.environment.judge([Attempt(COUCH, 0, t) for t in said], SPLIT)
    scores = sampler.environment.score(outcomes)
    failed = replace(outcomes[1], code=Code.ENGINE_ERROR, expanded=None)
    outcomes = [outcomes[0], failed, outcomes[2]]
    scores = sampler.environment.score(outcomes)
    samples = [[Sample(t, [0.0] * len(t), True) for t in tokens]]
    paid = term_credit(sampler, SPLIT, samples, outcomes, scores, np.full((1, 3), 9.0), GrpoOptions(credit="prefix"))
    assert set(paid[0, 1]) == {9.0}
    assert paid[0, 0, 0] == pytest.approx((scores.total[0] - scores.total[2]) / 2)
