"""Former names of the contracts give an error that says the new one: Query.needs is subtopics, Reward.needs is requires."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from leser.errors import LeserError
from leser.plugins import load_plugins
from leser.reward import Outcome, Reward
from leser.task import Query

SERVED = {"shoes": frozenset({"d1"})}


def test_a_querys_former_name_is_an_error_that_gives_the_new_one() -> None:
    query = Query("q", "gift", subtopics=SERVED)
    assert query.subtopics == SERVED
    with pytest.raises(AttributeError, match=r"Query\.needs has a new name\. Write Query\.subtopics\."):
        query.needs  # noqa: B018
    old: Any = {"needs": SERVED}
    with pytest.raises(TypeError, match=r"Query\(needs=\.\.\.\) has a new name\. Write Query\(subtopics=\.\.\.\)\."):
        Query("q", "gift", **old)
    again = pickle.loads(pickle.dumps(replace(copy.copy(query), text="present")))
    assert (again.text, again.subtopics) == ("present", SERVED)


def test_a_rewards_former_name_is_an_error_that_gives_the_new_one() -> None:
    class Old(Reward):
        """Declared as an earlier version had it."""

        name = "old"
        needs = frozenset({"per_expansion"})

        def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
            return [0.0 for _ in outcomes]

    with pytest.raises(LeserError, match=r"needs has a new name\. Write requires = "):
        load_plugins([Old])
