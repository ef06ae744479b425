"""RewardContract: what every reward must hold to, as tests a plugin author inherits.

    from leser.testing.reward_contract import RewardContract

    class TestCheaper(RewardContract):
        @pytest.fixture
        def reward(self):
            return Cheaper(parse_spec("cheaper@10"))

Override `outcomes` too where the reward reads fields or needs that the default outcomes lack.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest

from leser.backend import Document, Hit, Ranking
from leser.errors import LeserError
from leser.expansion import Code, Expansion
from leser.options import Options
from leser.reward import Outcome, Reward, parse_spec
from leser.scoring import RewardSet
from leser.task import Query

_RANKINGS: tuple[tuple[str, ...], ...] = ((), ("d1",), ("d9", "d3", "d1"), tuple(f"d{n}" for n in range(30)))


def ranking(*ids: str) -> Ranking:
    """A ranking of these documents, best first."""
    return Ranking(tuple(Hit(doc, float(len(ids) - place)) for place, doc in enumerate(ids)), total=len(ids))


def example_outcomes(reward: Reward) -> list[Outcome]:
    """Two groups of searched completions: one query that found something, one that found nothing by itself."""
    needs = {"one": frozenset({"d1", "d2"}), "two": frozenset({"d9"})}
    texts = dict.fromkeys(reward.fields, "12")
    documents = {f"d{n}": Document(f"d{n}", texts) for n in range(30)}
    outcomes = []
    for group, original in enumerate((ranking("d5", "d1", "d2"), ranking())):
        query = Query(f"q{group}", "navy couch", kind="vague", needs=needs)
        for ids in _RANKINGS:
            outcomes.append(
                Outcome(
                    query=query,
                    group=group,
                    completion="sofa; blue settee ^0.5",
                    expansions=(Expansion("sofa"), Expansion("blue settee", 0.5)),
                    original=original,
                    expanded=ranking(*ids),
                    grades={"d1": 2, "d3": 1, "d4": 0},
                    code=Code.OK if ids else Code.NOTHING_FOUND,
                    per_expansion=(ranking(*ids), ranking("d2")) if "per_expansion" in reward.needs else None,
                    documents=documents if reward.fields else {},
                )
            )
    return outcomes


class RewardContract:
    """The contract of `leser.reward.Reward`; each test says where to look if it fails."""

    known_needs: ClassVar[frozenset[str]] = frozenset({"per_expansion"})

    @pytest.fixture
    def reward(self) -> Reward:
        """The reward under test, made by its own class from a spec."""
        raise NotImplementedError("override the fixture `reward`: return YourReward(parse_spec('yours@10'))")

    @pytest.fixture
    def outcomes(self, reward: Reward) -> list[Outcome]:
        """Outcomes to score; every one was searched."""
        return example_outcomes(reward)

    def test_is_declared(self, reward: Reward) -> None:
        """If this fails, check the class: name, api, range, needs, and the docstring `leser plugins` shows."""
        assert parse_spec(reward.name).family == reward.name, "the name must be a word, e.g. 'cheaper'"
        assert reward.api == 1
        assert (type(reward).__doc__ or "").strip(), "the class has no docstring"
        low, high = reward.range
        assert low < high
        assert reward.needs <= self.known_needs, f"unknown needs: {sorted(reward.needs - self.known_needs)}"
        assert reward.depth >= 1
        options = getattr(type(reward), "Options", Options)
        assert issubclass(options, Options)

    def test_one_value_each_within_range(self, reward: Reward, outcomes: list[Outcome]) -> None:
        """If this fails, check that score returns a list as long as its input, of None or numbers inside `range`."""
        values = reward.score(outcomes)
        assert len(values) == len(outcomes)
        low, high = reward.range
        assert all(value is None or low - 1e-9 <= value <= high + 1e-9 for value in values), values

    def test_none_for_a_whole_group_or_nobody(self, reward: Reward, outcomes: list[Outcome]) -> None:
        """If this fails, check that None depends on the query and its own ranking, never on the completion."""
        applies: dict[int, set[bool]] = {}
        for outcome, value in zip(outcomes, reward.score(outcomes), strict=True):
            applies.setdefault(outcome.group, set()).add(value is None)
        assert all(len(kinds) == 1 for kinds in applies.values()), applies

    def test_batch_equals_one_by_one_in_any_order(self, reward: Reward, outcomes: list[Outcome]) -> None:
        """If this fails, check that no value depends on the outcomes beside it or on an earlier call."""
        together = reward.score(outcomes)
        assert [reward.score([outcome])[0] for outcome in outcomes] == together
        assert reward.score(outcomes[::-1]) == together[::-1]

    def test_an_empty_batch_has_no_values(self, reward: Reward) -> None:
        """If this fails, check that score copes with an empty list."""
        assert list(reward.score([])) == []

    def test_without_judgments_it_still_answers(self, reward: Reward, outcomes: list[Outcome]) -> None:
        """If this fails, check that a query without judgments gives None or a number, not an exception."""
        assert len(reward.score([replace(outcome, grades={}) for outcome in outcomes])) == len(outcomes)

    def test_unknown_documents_are_no_exception(self, reward: Reward, outcomes: list[Outcome]) -> None:
        """If this fails, check hits whose documents the engine did not give, or that lack a field in `fields`."""
        low, high = reward.range
        for documents in ({}, {f"d{n}": Document(f"d{n}") for n in range(30)}):
            values = reward.score([replace(outcome, documents=documents) for outcome in outcomes])
            assert all(value is None or low - 1e-9 <= value <= high + 1e-9 for value in values), values

    def test_works_in_a_reward_set(self, reward: Reward, outcomes: list[Outcome]) -> None:
        """If this fails, check what LeserError says: it names the part of the contract that was broken."""
        rewards = [reward, _Anything(parse_spec("anything"))] if reward.gate else [reward]
        scores = RewardSet(rewards, [1.0] * len(rewards)).score(outcomes)
        assert scores.values.shape == (len(outcomes), len(rewards))

    def test_an_unknown_parameter_is_refused(self, reward: Reward) -> None:
        """If this fails, check that the constructor validates spec.params (leser.options.validate_options)."""
        params: dict[str, Any] = {**reward.spec.params, "no_such_parameter": 1}
        with pytest.raises(LeserError):
            type(reward)(replace(reward.spec, params=params))


class _Anything(Reward):
    """1 for everything, so that a gate has something to guard."""

    name = "anything"

    def score(self, outcomes: Any) -> list[float | None]:
        return [1.0] * len(outcomes)
