"""Rewards with one fault each: the first test of the kit that fails names the cause."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from kit_runner import first_failure

from leser.reward import Reward, RewardSpec, parse_spec
from leser.testing import RewardContract
from leser.testing.reward_contract import example_outcomes

PLANTS: list[tuple[type[Reward], str]] = []


def fault(test: str) -> Callable[[type[Reward]], type[Reward]]:
    """List a reward with the first test that must fail for it."""

    def listed(cls: type[Reward]) -> type[Reward]:
        cls.__doc__ = cls.__doc__ or "A fault."
        PLANTS.append((cls, test))
        return cls

    return listed


class Found(Reward):
    """Share of the judged documents that are found."""

    name = "found"

    def score(self, outcomes: Any) -> Any:
        return [self.one(outcome) for outcome in outcomes]

    def one(self, outcome: Any) -> Any:
        relevant = {id for id, grade in outcome.grades.items() if grade > 0}
        top = outcome.expanded.ids[: self.depth]
        return len(relevant.intersection(top)) / len(relevant) if relevant else None


@fault("test_one_value_each_within_range")
class Generator(Found):
    def score(self, outcomes: Any) -> Any:
        return (self.one(outcome) for outcome in outcomes)


@fault("test_one_value_each_within_range")
class Dictionary(Found):
    def score(self, outcomes: Any) -> Any:
        return {number: self.one(outcome) for number, outcome in enumerate(outcomes)}


@fault("test_one_value_each_within_range")
class OneAGroup(Found):
    def score(self, outcomes: Any) -> Any:
        return list({outcome.group: self.one(outcome) for outcome in outcomes}.values())


@fault("test_one_value_each_within_range")
class AsText(Found):
    def one(self, outcome: Any) -> Any:
        return str(super().one(outcome))


@fault("test_one_value_each_within_range")
class AsCount(Found):
    def one(self, outcome: Any) -> Any:
        return 3.0 * super().one(outcome)


@fault("test_one_value_each_within_range")
class NotANumber(Found):
    def one(self, outcome: Any) -> Any:
        return super().one(outcome) or float("nan")


@fault("test_none_for_a_whole_group_or_nobody")
class NoneForNothing(Found):
    def one(self, outcome: Any) -> Any:
        return super().one(outcome) if outcome.expanded.hits else None


@fault("test_batch_equals_one_by_one_in_any_order")
class LessTheMean(Found):
    range = (-1.0, 1.0)

    def score(self, outcomes: Any) -> Any:
        values = super().score(outcomes)
        known = [value for value in values if value is not None]
        return [None if value is None else value - sum(known) / len(known) for value in values]


@fault("test_batch_equals_one_by_one_in_any_order")
class Sorted(Found):
    def score(self, outcomes: Any) -> Any:
        return sorted(super().score(outcomes), key=lambda value: (value is None, value))


@fault("test_batch_equals_one_by_one_in_any_order")
class RemembersTheQuery(Found):
    def __init__(self, spec: RewardSpec) -> None:
        super().__init__(spec)
        self.known: dict[str, Any] = {}

    def one(self, outcome: Any) -> Any:
        return self.known.setdefault(outcome.query.id + outcome.completion, super().one(outcome))


@fault("test_the_same_again")
class ByChance(Found):
    def one(self, outcome: Any) -> Any:
        return random.random()


@fault("test_the_same_again")
class CountsItsCalls(Found):
    calls = 0

    def one(self, outcome: Any) -> Any:
        self.calls += 1
        return 1 / self.calls


@fault("test_the_same_again")
class ChangesTheGrades(Found):
    def one(self, outcome: Any) -> Any:
        value = super().one(outcome)
        outcome.grades.update(seen=0)
        return value


@fault("test_reads_no_deeper_than_its_depth")
class NoCutoff(Found):
    def one(self, outcome: Any) -> Any:
        return len(outcome.expanded.ids) / 100


@fault("test_reads_what_it_declares")
class UndeclaredField(Found):
    def one(self, outcome: Any) -> Any:
        top = [outcome.documents[id] for id in outcome.expanded.ids[: self.depth] if id in outcome.documents]
        return sum(float(document.fields.get("price", 0)) < 10 for document in top) / 10


@fault("test_reads_what_it_declares")
class UndeclaredNeed(Found):
    def one(self, outcome: Any) -> Any:
        return min(1.0, len(outcome.per_expansion or ()) / 10)


@fault("test_one_value_each_within_range")
class FirstHit(Found):
    def one(self, outcome: Any) -> Any:
        return float(outcome.grades.get(outcome.expanded.ids[0], 0) > 0)


@fault("test_without_judgments_it_still_answers")
class DividesByTheJudged(Found):
    def one(self, outcome: Any) -> Any:
        relevant = {id for id, grade in outcome.grades.items() if grade > 0}
        return len(relevant.intersection(outcome.expanded.ids[: self.depth])) / len(relevant)


@fault("test_without_judgments_it_still_answers")
class GradesAsGain(Found):
    def one(self, outcome: Any) -> Any:
        return min(1.0, sum(outcome.grades.get(id, 0) for id in outcome.expanded.ids[: self.depth]) / 10)


@fault("test_unknown_documents_are_no_exception")
class DocumentsForSure(Found):
    fields = ("price",)

    def one(self, outcome: Any) -> Any:
        return float(all(outcome.documents[id].fields["price"] for id in outcome.expanded.ids[: self.depth]))


@fault("test_unknown_documents_are_no_exception")
class PricesForSure(Found):
    fields = ("price",)

    def one(self, outcome: Any) -> Any:
        known = [outcome.documents[id].fields for id in outcome.expanded.ids[: self.depth] if id in outcome.documents]
        return float(all(float(fields["price"]) < 20 for fields in known if fields.get("price")))


@fault("test_an_empty_batch_has_no_values")
class NeverNobody(Found):
    def score(self, outcomes: Any) -> Any:
        best = max(len(outcome.expanded.ids) for outcome in outcomes)
        return [value if best >= 0 else None for value in super().score(outcomes)]


@fault("test_an_unknown_parameter_is_refused")
class AnyParameter(Found):
    def __init__(self, spec: RewardSpec) -> None:
        self.spec = spec


@fault("test_is_declared")
class NeedsAsText(Found):
    requires: Any = "per_expansion"


@fault("test_is_declared")
class FieldsAsText(Found):
    fields: Any = "price"


@fault("test_is_declared")
class RangeTurned(Found):
    range: ClassVar = (1.0, 0.0)


@fault("test_is_declared")
class NameOfTwoWords(Found):
    name = "found first"


@fault("test_groups_are_only_numbers")
class SomeGroupsOnly(Found):
    def one(self, outcome: Any) -> Any:
        return super().one(outcome) if outcome.group < 512 else 0.0


@fault("test_what_was_not_searched")
class UnsearchedForSure(Found):
    unsearched = True


def tried(reward: type[Reward]) -> tuple[str, str] | None:
    """The first test of the kit that a reward fails."""
    spec = parse_spec("found@10")
    return first_failure(
        RewardContract, {"reward": lambda: reward(spec), "outcomes": lambda: example_outcomes(reward(spec))}
    )


def test_a_good_reward_passes() -> None:
    assert tried(Found) is None


@pytest.mark.parametrize(("reward", "test"), PLANTS, ids=lambda value: getattr(value, "__name__", ""))
def test_the_kit_names_the_cause(reward: type[Reward], test: str) -> None:
    failure = tried(reward)
    assert failure, "the kit sees nothing"
    assert failure[0] == test, failure[1]
