"""Term credit on a real engine and a real tokenizer: what each slot of a completion is paid."""

import numpy as np
import pytest
from environments import COUCH, SHELF, SPLIT, environment_of
from leser_memory import MemoryBackend

from leser.environment import Attempt
from leser.expansion import ExpansionOptions
from leser.grpo.credit import slot_of_token, term_credit
from leser.grpo.options import GrpoOptions
from leser.policy.generate import Sample
from leser.policy.options import TinyOptions
from leser.policy.tiny import build_tiny
from leser.prompt import PromptOptions
from leser.sampler import Sampler


@pytest.fixture(scope="module")
def policy():
    texts = [" ".join(d.fields.values()) for d in SHELF] * 3 + ["navy couch expansions:"]
    return build_tiny(
        texts, TinyOptions(d_model=32, layers=1, heads=2, kv_heads=1, ffn=32, vocabulary=400, pretrain_steps=0)
    )


def sampler_of(policy, **expansion):
    environment = environment_of(MemoryBackend.of(SHELF), ExpansionOptions(weight=2.0, **expansion))
    return Sampler(policy, environment, PromptOptions(), 16)


def test_a_separator_belongs_to_the_term_it_announces_and_the_end_has_a_slot_of_its_own(policy):
    sampler = sampler_of(policy)
    tokens = policy.encode_completion("sofa; grey rug")
    slots = slot_of_token(sampler, tokens, 2).tolist()
    assert slots == sorted(slots)
    assert slots[0] == 0
    assert slots[-1] == 2
    announced = next(i for i, t in enumerate(tokens) if ";" in policy.decode([t]))
    assert slots[announced] == 1


def test_a_filler_loses_and_a_term_that_helps_gains_in_the_same_slot(policy):
    sampler = sampler_of(policy)
    said = ["sofa", "tall", "none"]
    samples = [[Sample(policy.encode_completion(t), [0.0] * 20, True) for t in said]]
    outcomes = sampler.environment.judge([Attempt(COUCH, 0, t) for t in said], SPLIT)
    scores = sampler.environment.score(outcomes)
    paid = term_credit(sampler, SPLIT, samples, outcomes, scores, np.zeros((1, 3)), GrpoOptions(credit="leave-one-out"))
    good, filler, none = (row[0] for row in paid[0])
    worth = [scores.total[0] - scores.total[2], scores.total[1] - scores.total[2], 0.0]
    assert [good, filler, none] == pytest.approx([w - np.mean(worth) for w in worth])
    assert good > 0 > filler
    end = len(samples[0][0].tokens) - 1
    assert paid[0, 0, end] == pytest.approx(0.0)  # all who got that far ended there


def test_what_was_gated_keeps_its_own_advantage(policy):
    sampler = sampler_of(policy)
    said = ["sofa", "sofa; sofa"]
    samples = [[Sample(policy.encode_completion(t), [0.0] * 20, True) for t in said]]
    outcomes = sampler.environment.judge([Attempt(COUCH, 0, t) for t in said], SPLIT)
    scores = sampler.environment.score(outcomes)
    advantages = np.array([[0.5, -0.5]])
    paid = term_credit(
        sampler, SPLIT, samples, outcomes, scores, advantages, GrpoOptions(credit="leave-one-out", credit_share=0.5)
    )
    assert set(paid[0, 1]) == {-0.5}
    assert paid[0, 0, 0] == pytest.approx(0.25)  # alone in its slot, it is its own baseline
