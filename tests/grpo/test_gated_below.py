"""`grpo.gated_below`: a gated completion counts little less than its group's worst readable one, in advantages and in credit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from environments import COUCH, NOTHING, SHELF, SPLIT, environment_of
from leser_memory import MemoryBackend
from leser_relevance import NDCG

from leser.environment import Attempt
from leser.errors import LeserError
from leser.expansion import Code, ExpansionOptions
from leser.grpo.advantage import below_readable
from leser.grpo.credit import term_credit
from leser.grpo.options import GrpoOptions
from leser.grpo.update import make_optimizer
from leser.options import validate_options
from leser.policy.generate import Sample
from leser.policy.options import TinyOptions
from leser.policy.policy import Policy
from leser.policy.tiny import build_tiny
from leser.prompt import PromptOptions
from leser.sampler import Sampler
from leser.scoring import RewardSet
from leser.training.grpo import Schedule, grpo_step
from leser.training.rollout import Rollout, advantages_of, excluded, of_groups, rows_of, totals
from leser.training.supervised import Example, supervised_step

REWARDS = np.array([[0.8, 0.5, -0.125, 0.6], [-0.125, -0.125, -0.125, -0.125], [0.7, 0.7, -0.125, 0.7]])
GATED = REWARDS < 0
ALL = np.ones(REWARDS.shape, dtype=bool)


def test_by_hand() -> None:
    got = below_readable(REWARDS, GATED, ALL, 0.02)
    assert got[0].tolist() == pytest.approx([0.8, 0.5, 0.48, 0.6])
    assert got[1].tolist() == REWARDS[1].tolist(), "nothing of the group can be read"
    assert got[2].tolist() == pytest.approx([0.7, 0.7, 0.68, 0.7])
    assert below_readable(REWARDS, GATED, ALL, None) is REWARDS


def test_a_failed_search_is_not_the_worst_readable_one() -> None:
    usable, rewards = ALL.copy(), REWARDS.copy()
    usable[0, 1], rewards[0, 1] = False, np.nan
    got = below_readable(rewards, GATED & usable, usable, 0.02)
    assert got[0, [0, 2, 3]].tolist() == pytest.approx([0.8, 0.58, 0.6])


def test_components_by_hand() -> None:
    parts = np.stack([REWARDS, REWARDS - 1], axis=2)
    got = below_readable(parts, GATED, ALL, 0.02)
    assert got[0, 2].tolist() == pytest.approx([0.48, -0.52])
    assert got[0, [0, 1, 3]].tolist() == parts[0, [0, 1, 3]].tolist()


@pytest.fixture(scope="module")
def policy() -> Policy:
    texts = [" ".join(d.fields.values()) for d in SHELF] * 3 + ["navy couch none"]
    return build_tiny(
        texts, TinyOptions(d_model=32, layers=1, heads=2, kv_heads=1, ffn=32, vocabulary=400, pretrain_steps=0)
    )


@pytest.fixture(scope="module")
def speaking(policy: Policy) -> Policy:
    """The policy after it was taught to say "sofa", "rug; rug" or "none"; the other tests ask for no weights."""
    sampler, optimizer = sampler_of(policy), make_optimizer(policy, GrpoOptions())
    said = [policy.encode_completion(t) for t in ("sofa", "rug; rug", "none")]
    for _ in range(25):
        supervised_step(policy, optimizer, [Example(p, said) for p in sampler.prompts([COUCH, NOTHING])], 2e-2)
    return policy


def sampler_of(policy: Policy, *specs: str) -> Sampler:
    environment = environment_of(MemoryBackend.of(SHELF), ExpansionOptions(weight=2.0))
    if specs:
        environment.rewards = RewardSet.from_specs(specs, {"nDCG": NDCG}, None, 0.01)
    return Sampler(policy, environment, PromptOptions(context=False), 16)


def found_of(sampler: Sampler, *groups: list[str]) -> Rollout:
    """What was rolled out where these completions of the two queries were sampled."""
    queries = [COUCH, NOTHING][: len(groups)]
    said = [(q, g, text) for g, (q, row) in enumerate(zip(queries, groups, strict=True)) for text in row]
    tokens = [[sampler.policy.encode_completion(text) for text in row] for row in groups]
    outcomes = sampler.environment.judge([Attempt(q, g, text) for q, g, text in said], SPLIT)
    samples = [[Sample(t, [0.0] * len(t), True) for t in row] for row in tokens]
    return Rollout(queries, samples, outcomes, sampler.environment.score(outcomes), 0.0, 0.0)


def options_of(**values: Any) -> GrpoOptions:
    return GrpoOptions.model_validate({"gated_below": 0.08, **values})


def test_beside_equal_completions_a_gate_still_teaches(policy: Policy) -> None:
    """.08 below three equal ones: the mean is .02 below them."""
    sampler = sampler_of(policy)
    found = found_of(sampler, ["sofa", "sofa", "sofa; sofa", "sofa"])
    got = advantages_of(found, sampler, options_of())
    assert not got.zero_variance.any()
    assert got.advantages[0].tolist() == pytest.approx([0.02, 0.02, -0.06, 0.02])


def test_a_group_of_gated_completions_has_zero_variance(policy: Policy) -> None:
    sampler = sampler_of(policy)
    got = advantages_of(found_of(sampler, ["sofa; sofa", "tall; tall"]), sampler, options_of())
    assert got.zero_variance.all()


@pytest.mark.parametrize("specs", [["nDCG@10"], ["nDCG@10=-1"], ["nDCG@10=-1", "nDCG@2=0.5"]])
@pytest.mark.parametrize("values", [{}, {"scale": "group"}, {"scale": "batch"}, {"combine": "each"}])
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_gate_never_earns_more_than_what_can_be_read(
    policy: Policy, specs: list[str], values: dict[str, Any], penalty: float
) -> None:
    """However rewards are combined and weighted, and where a readable completion pays for its length."""
    sampler = sampler_of(policy, *specs)
    found = found_of(sampler, ["sofa; tall; rug; grey", "rug; rug", "none"], ["navy", "sofa", "sofa; sofa"])
    chosen = options_of(overlong_penalty=penalty, overlong_start=0.0, **values)
    got = advantages_of(found, sampler, chosen).advantages
    gated = found.scores.gated.reshape(found.shape)
    assert gated.sum() == 2
    for row, shut in zip(got, gated, strict=True):
        assert row[shut].max() < row[~shut].min()


def test_a_group_counts_the_same_alone(policy: Policy) -> None:
    """Each process credits its own groups alone."""
    sampler = sampler_of(policy)
    found = found_of(sampler, ["sofa", "rug; rug", "none"], ["navy", "sofa", "sofa; sofa"])
    whole = totals(found, sampler, options_of()).reshape(found.shape)
    assert totals(of_groups(found, [1]), sampler, options_of()).tolist() == whole[1].tolist()


def test_what_was_cut_and_is_masked_is_no_measure(policy: Policy) -> None:
    sampler = sampler_of(policy)
    found = found_of(sampler, ["sofa", "rug; rug", "none"])
    found.samples[0][2] = replace(found.samples[0][2], finished=False)
    got = totals(found, sampler, options_of(truncated="masked"))
    assert got[1] == pytest.approx(got[0] - 0.08)


def paid_for(policy: Policy, said: list[str]) -> tuple[Rollout, np.ndarray]:
    """What the tokens of one group are paid by prefix credit, against the mean of the others."""
    sampler, chosen = sampler_of(policy), options_of(credit="prefix", baseline="leave_one_out")
    found = found_of(sampler, said)
    scores = replace(found.scores, total=totals(found, sampler, chosen), excluded=excluded(found, chosen))
    before = np.full(found.shape, 9.0)
    return found, term_credit(sampler, SPLIT, found.samples, found.outcomes, scores, before, chosen)[0]


def reward_of(policy: Policy, text: str) -> float:
    return float(found_of(sampler_of(policy), [text]).scores.total[0])


def test_the_slot_that_broke_a_completion_pays_for_it(policy: Policy) -> None:
    """ "sofa; sofa" counts .08 less than "none", the worst of its group; repeating lost that and what "sofa" had gained."""
    found, paid = paid_for(policy, ["sofa; sofa", "sofa", "none"])
    none, sofa = reward_of(policy, "none"), reward_of(policy, "sofa")
    assert sofa > none
    last = len(found.samples[0][0].tokens) - 2
    assert paid[0, last] == pytest.approx((none - 0.08) - sofa - 0.0)  # against "sofa", which ended there
    assert paid[0, 0] == pytest.approx(-0.08 - ((sofa - none) + 0.0) / 2)


def test_breaking_a_rule_earns_nothing_where_the_prefix_was_worse_than_the_others(policy: Policy) -> None:
    """The group's worst readable one is far above "tall": the gated one counts .08 less than "tall", not than that."""
    found, paid = paid_for(policy, ["tall; tall", "sofa", "sofa; seats"])
    tall, sofa, both = (reward_of(policy, text) for text in ("tall", "sofa", "sofa; seats"))
    assert tall < sofa - 0.08
    last = len(found.samples[0][0].tokens) - 2
    assert paid[0, last] == pytest.approx(-0.08 - ((both - sofa) + 0.0) / 2)


def test_after_a_rule_is_broken_nothing_is_gained_or_lost(policy: Policy) -> None:
    found, paid = paid_for(policy, ["sofa; sofa; tall", "sofa", "none"])
    last = len(found.samples[0][0].tokens) - 2
    assert paid[0, last] == pytest.approx(0.0)


def test_leave_one_out_counts_a_gated_rest_so_too(policy: Policy) -> None:
    """Without "rug" a completion that must have two terms would be gated: it is worth .08 then, not the whole reward."""
    sampler, chosen = sampler_of(policy), options_of(credit="leave-one-out")
    found = found_of(sampler, ["sofa; rug", "none"])
    scores = replace(found.scores, total=totals(found, sampler, chosen))
    environment, judge = sampler.environment, sampler.environment.judge

    def strict(attempts, split, depth=None):  # type: ignore[no-untyped-def]
        return [
            replace(o, code=Code.RULE_VIOLATION, expanded=None) if len(o.expansions) == 1 else o
            for o in judge(attempts, split, depth)
        ]

    environment.judge = strict  # type: ignore[method-assign]
    paid = term_credit(sampler, SPLIT, found.samples, found.outcomes, scores, np.zeros(found.shape), chosen)[0]
    worst = min(scores.total)
    assert paid[0, 0] == pytest.approx((scores.total[0] - (worst - 0.08)) - (scores.total[0] - (worst - 0.08)) / 2)


def test_logs_show_what_was_earned(policy: Policy) -> None:
    sampler = sampler_of(policy)
    found = found_of(sampler, ["sofa", "rug; rug", "none"])
    rows = rows_of(1, found, advantages_of(found, sampler, options_of()).advantages)
    assert rows[1]["reward"] == pytest.approx(sampler.environment.rewards.gated_reward)
    assert rows[1]["advantage"] > rows[1]["reward"] - np.mean([row["reward"] for row in rows])


@pytest.mark.parametrize("credit", ["none", "prefix", "leave-one-out"])
def test_a_step_with_it_changes_the_gradient_alone(speaking: Policy, credit: str) -> None:
    """Figures and rewards stay those of before."""
    sampler = sampler_of(speaking)
    steps = []
    for values in ({}, {"gated_below": 0.02}):
        options = GrpoOptions.model_validate({"group_size": 8, "learning_rate": 1e-12, "credit": credit, **values})
        steps.append(
            grpo_step(
                sampler, make_optimizer(speaking, options), SPLIT, [COUCH, NOTHING], options,
                Schedule(1e-12, 10, 1), 0,
            )
        )  # fmt: skip
    plain, below = steps
    assert [row["reward"] for row in below.rollouts] == [row["reward"] for row in plain.rollouts]
    assert {"sofa", "rug; rug"} <= {row["completion"] for row in below.rollouts}
    assert below.metrics["reward"] == plain.metrics["reward"]
    assert 0 < below.metrics["grad_norm"] < plain.metrics["grad_norm"]


def test_a_margin_that_could_not_be_seen_is_refused() -> None:
    assert GrpoOptions().gated_below is None
    with pytest.raises(LeserError, match="gated_below"):
        validate_options(GrpoOptions, {"gated_below": 0.0}, "grpo")
    with pytest.raises(LeserError, match=r"gated_below=0\.01 is not above zero_variance_range=0\.05"):
        validate_options(GrpoOptions, {"gated_below": 0.01, "zero_variance_range": 0.05}, "grpo")
