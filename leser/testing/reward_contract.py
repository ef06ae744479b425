"""RewardContract: what every reward must hold to, as tests a plugin author inherits.

    from leser.testing.reward_contract import RewardContract

    class TestCheaper(RewardContract):
        @pytest.fixture
        def reward(self):
            return Cheaper(parse_spec("cheaper@10"))

Override `outcomes` too where the reward reads fields or requires what the default outcomes lack.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from numbers import Real
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
    subtopics = {"one": frozenset({"d1", "d2"}), "two": frozenset({"d9"})}
    texts = dict.fromkeys(reward.fields, "12")
    documents = {f"d{n}": Document(f"d{n}", texts) for n in range(30)}
    outcomes = []
    for group, original in enumerate((ranking("d5", "d1", "d2", *(f"d{n}" for n in range(6, 30))), ranking())):
        query = Query(f"q{group}", "navy couch", kind="vague", subtopics=subtopics)
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
                    per_expansion=(ranking(*ids), ranking("d2")) if "per_expansion" in reward.requires else None,
                    documents=documents if reward.fields else {},
                )
            )
    return outcomes


class RewardContract:
    """The contract of `leser.reward.Reward`; each test says where to look if it fails."""

    known_requirements: ClassVar[frozenset[str]] = frozenset({"per_expansion"})

    @pytest.fixture
    def reward(self) -> Reward:
        """The reward under test, made by its own class from a spec."""
        raise NotImplementedError("override the fixture `reward`: return YourReward(parse_spec('yours@10'))")

    @pytest.fixture
    def outcomes(self, reward: Reward) -> list[Outcome]:
        """Outcomes to score; every one was searched."""
        return example_outcomes(reward)

    def test_is_declared(self, reward: Reward) -> None:
        """If this fails, check the class: name, api, range, requires, fields, and the docstring `leser plugins` shows."""
        assert isinstance(reward.name, str)
        assert parse_spec(reward.name).family == reward.name, "the name must be a word, e.g. 'cheaper'"
        assert reward.api == 1
        assert (type(reward).__doc__ or "").strip(), "the class has no docstring"
        low, high = reward.range
        assert all(_number(bound) for bound in (low, high)), f"range is {reward.range!r}: two numbers"
        assert low < high, "range is the least value, then the greatest"
        assert isinstance(reward.requires, frozenset), f"requires is {reward.requires!r}: write frozenset({{...}})"
        assert reward.requires <= self.known_requirements, (
            f"unknown requirements: {sorted(reward.requires - self.known_requirements)}"
        )
        assert isinstance(reward.fields, tuple), f"fields is {reward.fields!r}: a tuple of names, such as ('price',)"
        assert all(isinstance(name, str) and name for name in reward.fields)
        assert type(reward.depth) is int
        assert reward.depth >= 1
        options = getattr(type(reward), "Options", Options)
        assert issubclass(options, Options)

    def test_an_unknown_parameter_is_refused(self, reward: Reward) -> None:
        """If this fails, check that the constructor validates spec.params (leser.options.validate_options)."""
        params: dict[str, Any] = {**reward.spec.params, "no_such_parameter": 1}
        with pytest.raises(LeserError):
            type(reward)(replace(reward.spec, params=params))

    def test_one_value_each_within_range(self, reward: Reward, outcomes: list[Outcome]) -> None:
        """If this fails, check that score returns a list as long as its input, of None or numbers inside `range`."""
        values_of(reward, outcomes)

    def test_an_empty_batch_has_no_values(self, reward: Reward) -> None:
        """If this fails, check that score copes with an empty list."""
        assert values_of(reward, []) == []

    def test_the_same_again(self, reward: Reward, outcomes: list[Outcome]) -> None:
        """If this fails, check for chance and for changed arguments: the same outcomes have the same values, and stay."""
        before = deepcopy(outcomes)
        first = values_of(reward, outcomes)
        for _ in range(3):
            assert values_of(reward, outcomes) == first, "the same outcomes, again"
        assert outcomes == before, "score() changed what it was given"

    def test_none_for_a_whole_group_or_nobody(self, reward: Reward, outcomes: list[Outcome]) -> None:
        """If this fails, check that None depends on the query and its own ranking, never on the completion."""
        applies: dict[int, set[bool]] = {}
        for outcome, value in zip(outcomes, values_of(reward, outcomes), strict=True):
            applies.setdefault(outcome.group, set()).add(value is None)
        assert all(len(kinds) == 1 for kinds in applies.values()), applies

    def test_batch_equals_one_by_one_in_any_order(self, reward: Reward, outcomes: list[Outcome]) -> None:
        """If this fails, check that no value depends on the outcomes beside it or on an earlier call."""
        fresh = [values_of(type(reward)(reward.spec), [outcome])[0] for outcome in outcomes]
        assert values_of(reward, outcomes) == fresh, "one batch, and each outcome alone by a reward made for it"
        assert [values_of(reward, [outcome])[0] for outcome in outcomes] == fresh
        assert values_of(reward, outcomes[::-1]) == fresh[::-1]
        assert values_of(reward, [*outcomes, *outcomes]) == [*fresh, *fresh], "each outcome twice"

    def test_groups_are_only_numbers(self, reward: Reward, outcomes: list[Outcome]) -> None:
        """If this fails, check that a value comes from the outcome's own content, not from its group's number or query's id."""
        moved = [
            replace(o, group=o.group + 1000, query=replace(o.query, id=f"other-{o.query.id}"), split="dev")
            for o in outcomes
        ]
        assert values_of(reward, moved) == values_of(reward, outcomes)

    def test_reads_no_deeper_than_its_depth(self, reward: Reward, outcomes: list[Outcome]) -> None:
        """If this fails, check the cutoff: hits below `depth` are there in one run and missing in another."""
        cut = [
            replace(
                outcome,
                original=_cut(outcome.original, reward.depth),
                expanded=_cut(outcome.expanded, reward.depth) if outcome.expanded else None,
                per_expansion=outcome.per_expansion and tuple(_cut(one, reward.depth) for one in outcome.per_expansion),
            )
            for outcome in outcomes
        ]
        assert values_of(reward, cut) == values_of(reward, outcomes)

    def test_reads_what_it_declares(self, reward: Reward, outcomes: list[Outcome]) -> None:
        """If this fails, check `fields` and `requires` of the class: what they don't name is missing in training."""
        read: set[str] = set()
        ids = {id for o in outcomes for id in (*o.original.ids, *(o.expanded.ids if o.expanded else ()), *o.grades)}
        documents = {id: Document(id, _Recorded(read)) for id in ids}
        values_of(reward, [replace(outcome, documents=documents) for outcome in outcomes], anything=True)
        assert read <= set(reward.fields), f"it reads {sorted(read - set(reward.fields))}, which `fields` doesn't name"
        if "per_expansion" not in reward.requires:
            more = [replace(o, per_expansion=tuple(o.original for _ in o.expansions)) for o in outcomes]
            assert values_of(reward, more) == values_of(reward, outcomes), (
                "it reads per_expansion: name it in `requires`"
            )

    def test_without_judgments_it_still_answers(self, reward: Reward, outcomes: list[Outcome]) -> None:
        """If this fails, check that a query without judgments or subtopics gives None or a number, not an exception."""
        grades: list[dict[str, int]] = [{}, {"d1": 0}, {"d1": -2, "d3": 0}, {"d1": 1000, "elsewhere": 3}]
        for given in grades:
            values_of(reward, [replace(outcome, grades=given) for outcome in outcomes])
        values_of(reward, [replace(outcome, query=replace(outcome.query, subtopics={})) for outcome in outcomes])

    def test_unknown_documents_are_no_exception(self, reward: Reward, outcomes: list[Outcome]) -> None:
        """If this fails, check hits whose documents the engine did not give, or whose fields are missing or not as expected."""
        texts: list[dict[str, str]] = [{}, dict.fromkeys(reward.fields, ""), dict.fromkeys(reward.fields, "n/a, 3 €")]
        for documents in ({}, *({f"d{n}": Document(f"d{n}", fields) for n in range(30)} for fields in texts)):
            values_of(reward, [replace(outcome, documents=documents) for outcome in outcomes])

    def test_what_was_not_searched(self, reward: Reward, outcomes: list[Outcome]) -> None:
        """If this fails, check `unsearched`: such a reward is given outcomes whose `expanded` is None, and must answer."""
        if reward.unsearched:
            for code in (Code.PARSE_ERROR, Code.RULE_VIOLATION):
                none = [replace(o, expanded=None, expansions=(), per_expansion=None, code=code) for o in outcomes]
                values_of(reward, none)

    def test_works_in_a_reward_set(self, reward: Reward, outcomes: list[Outcome]) -> None:
        """If this fails, check what LeserError says: it names the part of the contract that was broken."""
        rewards = [reward, _Anything(parse_spec("anything"))] if reward.gate else [reward]
        scores = RewardSet(rewards, [1.0] * len(rewards)).score(outcomes)
        assert scores.values.shape == (len(outcomes), len(rewards))


def values_of(reward: Reward, outcomes: Sequence[Outcome], *, anything: bool = False) -> list[float | None]:
    """What a reward gives, each None or a number within its range; any number where `anything`."""
    try:
        values = reward.score(outcomes)
    except Exception as error:
        raise AssertionError(f"score() raised {type(error).__name__}: {error}") from error
    assert isinstance(values, list), f"score() returned {type(values).__name__}: a list of None or numbers was expected"
    assert len(values) == len(outcomes), f"score() returned {len(values)} values for {len(outcomes)} outcomes"
    low, high = reward.range
    for value in values:
        assert value is None or _number(value), f"score() gave {value!r}: a number was expected, or None"
        if value is not None and not anything:
            assert low - 1e-9 <= value <= high + 1e-9, f"score() gave {value!r}, outside its range {low:g} to {high:g}"
    return values


def _number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _cut(ranking: Ranking, depth: int) -> Ranking:
    return replace(ranking, hits=ranking.hits[:depth])


class _Recorded(Mapping[str, str]):
    """Fields of a document that note which of them are read; all have a text."""

    def __init__(self, read: set[str]) -> None:
        self._read = read

    def __getitem__(self, name: str) -> str:
        self._read.add(name)
        return "12"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _Anything(Reward):
    """1 for everything, so that a gate has something to guard."""

    name = "anything"

    def score(self, outcomes: Any) -> list[float | None]:
        return [1.0] * len(outcomes)
