"""Products, clipped rewards and weights that move: read from a configuration, worked out by hand, shown as a formula."""

from __future__ import annotations

import pytest
from leser_coverage import Coverage
from leser_memory import MemoryBackend
from leser_relevance import NDCG, Precision
from leser_sets import Business
from leser_shape import Format, Kept

from leser.backend import Document
from leser.composition import Factor, leaves, read_composed
from leser.engine import SearchClient, SearchOptions
from leser.environment import Environment
from leser.errors import LeserError
from leser.expansion import Code, Expansion, ExpansionOptions
from leser.reward import Outcome, Reward
from leser.scoring import RewardSet
from leser.task import Query
from leser.testing.reward_contract import RewardContract, ranking

CLASSES: dict[str, type[Reward]] = {cls.name: cls for cls in (NDCG, Precision, Coverage, Business, Format, Kept)}
NEEDS = {"one": frozenset({"a"}), "two": frozenset({"b"})}
DOCUMENTS = {id: Document(id, {"stock": "1"}) for id in "ab"}


def outcome(*ids: str, needs=NEEDS, terms: int = 1) -> Outcome:
    expansions = tuple(Expansion(f"e{n}") for n in range(terms))
    found = ranking(*ids)
    return Outcome(
        Query("q", "q", subtopics=needs),
        0,
        "",
        expansions,
        found,
        found,
        {"a": 1, "b": 1},
        Code.OK,
        documents=DOCUMENTS,
    )


def rewards(*specs: str, **options: float) -> RewardSet:
    return RewardSet.from_specs(specs, CLASSES, **options)


class TestProduct(RewardContract):
    @pytest.fixture
    def reward(self) -> Reward:
        return rewards("P@3 * coverage@3[0.2:0.6]").rewards[0]

    @pytest.mark.xfail(
        reason="it is made of rewards, not of a spec; a configuration's parameters are checked factor by factor",
        strict=True,
    )
    def test_an_unknown_parameter_is_refused(self, reward: Reward) -> None:
        super().test_an_unknown_parameter_is_refused(reward)

    @pytest.mark.xfail(reason="it is made of rewards, not of a spec", strict=True)
    def test_batch_equals_one_by_one_in_any_order(self, reward: Reward, outcomes: list[Outcome]) -> None:
        super().test_batch_equals_one_by_one_in_any_order(reward, outcomes)


@pytest.mark.parametrize(
    ("text", "factors", "weight"),
    [
        ("nDCG@10", [("nDCG@10", None)], None),
        ("nDCG(dcg='exp-log2')@10=0.7", [("nDCG(dcg='exp-log2')@10", None)], ("0.7", "0.7")),
        ("P@2 * coverage@2=0.5", [("P@2", None), ("coverage@2", None)], ("0.5", "0.5")),
        ("P@2[0.2:0.8]=1", [("P@2", (0.2, 0.8))], ("1", "1")),
        ("a(x='*=[1:2]->')@3*b=0->2", [("a(x='*=[1:2]->')@3", None), ("b", None)], ("0", "2")),
        ("encoder(fields=['a', 'b'])@10", [("encoder(fields=['a', 'b'])@10", None)], None),
    ],
)
def test_what_is_read(
    text: str, factors: list[tuple[str, tuple[float, float] | None]], weight: tuple[str, str] | None
) -> None:
    read = read_composed(text)
    assert read.factors == tuple(Factor(*factor) for factor in factors)
    assert read.weight == weight


def test_a_product_is_worth_nothing_where_one_factor_is_0() -> None:
    made = rewards("P@2 * coverage@2=2")
    values = made.score([outcome("a", "x"), outcome("a", "b"), outcome("x", "y")])
    assert values.names == ("P@2 * coverage@2",)
    assert values.values[:, 0].tolist() == [0.25, 1.0, 0.0]
    assert values.total.tolist() == [0.5, 2.0, 0.0]
    assert made.score([outcome("a", needs={})]).excluded.tolist() == [True], (
        "it does not apply where one factor does not"
    )


def test_factors_bring_their_fields_and_depth() -> None:
    made = rewards("P@3 * business(field='stock')@7")
    assert (made.fields, made.depth) == (("stock",), 7)
    assert made.score([outcome("a", "b", "x")]).values[0, 0] > 0


def test_clipping_and_its_range() -> None:
    made = rewards("P@4[0.25:0.5]", "coverage@2[0.5:1]=-1")
    values = made.score([outcome("x"), outcome("a", "b"), outcome("a")])
    assert values.values.tolist() == [[0.25, 0.5], [0.5, 1.0], [0.25, 0.5]]
    assert made.gated_reward == pytest.approx(min(0.0, 0.25) - 1.0 - 0.1)


def test_weights_move_over_grpo_and_evaluations_take_the_last() -> None:
    made = rewards("P@2=1->0", "coverage@2=0.5")
    one = [outcome("a", "x")]
    assert made.score(one).total.tolist() == [0.25], "0 x 0.5 + 0.5 x 0.5"
    totals = [made.at(progress).score(one).total[0] for progress in (0.0, 0.5, 1.0)]
    assert totals == pytest.approx([0.75, 0.5, 0.25])
    assert made.at(0.5).weights == (0.5, 0.5)
    still = rewards("P@2=1")
    assert still.at(0.3) is still


def test_an_environment_has_them_for_a_step_alone() -> None:
    backend = MemoryBackend.of(DOCUMENTS.values())
    environment = Environment(SearchClient(backend, SearchOptions()), rewards("P@2=1->0"), ExpansionOptions())
    with environment.at(0.25):
        assert environment.rewards.weights == (0.75,)
    assert environment.rewards.weights == (0.0,)


def test_what_a_reward_is_made_of() -> None:
    made = rewards("P@2 * coverage@2[0.2:0.8]", "nDCG@10")
    assert [type(reward) for reward in leaves(made.rewards)] == [Precision, Coverage, NDCG]


def test_a_gated_completion_is_the_least_all_through_training() -> None:
    made = rewards("P@2=-2->1")
    assert made.gated_reward == pytest.approx(-2.1)
    assert made.at(1.0).gated_reward == made.at(0.0).gated_reward
    with pytest.raises(LeserError, match="gated_reward -1 is above -2"):
        rewards("P@2=-2->1", gated_reward=-1.0)


def test_the_formula() -> None:
    made = rewards("P@2 * coverage@2[0.2:0.8]=0.7", "nDCG@10=0->0.3", "format", term_cost=0.005)
    assert made.formula == (
        "0.7 x P@2 * coverage@2[0.2:0.8] + (0 -> 0.3 over GRPO) x nDCG@10 - 0.005 per expansion; "
        "-0.125 where unreadable, against a rule, or not format"
    )


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("P@2 * format", "'format' is a gate: it cannot be clipped, multiplied"),
        ("format[0:1]", "'format' is a gate"),
        ("P@2[0.8:0.2]", r"'\[0.8:0.2\]' in the reward .* is not a range. Write the lower bound first"),
        ("P@2[a:b]", "is not a range"),
        ("P@2 * nowhere@2", "nowhere"),
        ("P@2=a->1", "The weight 'a' of the reward 'P@2' must be a number"),
        ("P@2 * P@3=0", "must be a number other than 0"),
        ("P@2 *", "Invalid reward ''"),
    ],
)
def test_what_cannot_be_composed(spec: str, said: str) -> None:
    with pytest.raises(LeserError, match=said):
        rewards(spec)
