"""The weight of an expansion is tuned by searches: what is written stays the same, and failed searches choose nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from leser_memory import MemoryBackend
from verified_shop import COUCH, RUG, SPLIT, environment_of, shelf

from leser.backend import SearchError
from leser.errors import LeserError
from leser.store.weights import keep_weight, kept_weights
from leser.training.weight import best_weight, weigh


def test_the_weight_that_earns_most_is_found_and_the_environment_is_left_as_it_was() -> None:
    environment = environment_of()
    values = weigh(environment, SPLIT, [[(COUCH, "sofa")], [(RUG, "none")]], (0.05, 0.5, 2.0))
    assert best_weight(values, 0.05) == 2.0
    assert values[0.05] < values[0.5] < values[2.0] == 1.0
    assert environment.expansion.weight == 0.5
    strong = weigh(environment, SPLIT, [[(COUCH, "sofa ^4")], [(RUG, "none")]], (0.25,))
    assert strong[0.25] == pytest.approx(weigh(environment, SPLIT, [[(COUCH, "sofa")], [(RUG, "none")]], (1.0,))[1.0])


def test_too_strong_a_filler_is_given_a_small_weight() -> None:
    titles = {
        "c1": "couch",
        "c2": "couch",
        **{f"k{i}": "cover cover" for i in range(3)},
        **{f"x{i}": "x" for i in range(9)},
    }
    environment = environment_of(MemoryBackend.of(shelf(titles)))
    split = type(SPLIT)("dev", (COUCH,), {"q1": {"c1": 1, "c2": 1}})
    values = weigh(environment, split, [[(COUCH, "cover")]], (0.1, 0.5, 2.8))
    assert values[0.1] == 1.0 > values[2.8]
    assert best_weight(values, 0.5) in (0.1, 0.5)


def test_of_a_group_the_best_answer_counts() -> None:
    both = weigh(environment_of(), SPLIT, [[(COUCH, "sofa"), (COUCH, "cover")]], (0.5,))
    assert both == weigh(environment_of(), SPLIT, [[(COUCH, "sofa")]], (0.5,))


def test_of_equal_weights_the_nearest_to_the_present_one_stays() -> None:
    assert best_weight({0.1: 0.7, 0.35: 0.7, 2.8: 0.7, 1.0: 0.6}, 0.5) == 0.35
    assert best_weight({}, 0.5) == 0.5


class NoClauses(MemoryBackend):
    """The memory engine, failing every query with an added clause."""

    def search(self, queries, k, *, total=False):
        answers = super().search(queries, k, total=total)
        return [SearchError("overloaded", "query") if q.terms else a for q, a in zip(queries, answers, strict=True)]


def test_a_failed_search_is_no_value() -> None:
    environment = environment_of(NoClauses.of(shelf()))
    assert weigh(environment, SPLIT, [[(COUCH, "sofa")]], (0.1, 1.0)) == {}
    assert set(weigh(environment, SPLIT, [[(COUCH, "sofa")], [(RUG, "none")]], (0.1, 1.0))) == {0.1, 1.0}


def test_the_file_of_chosen_weights(tmp_path: Path) -> None:
    assert kept_weights(tmp_path) == {}
    keep_weight(tmp_path, "grpo", 0.7)
    keep_weight(tmp_path, "leser", 1.0)
    assert kept_weights(tmp_path) == {"grpo": 0.7, "leser": 1.0}
    (tmp_path / "weight.json").write_text("[]")
    with pytest.raises(LeserError, match=r"weight\.json cannot be read"):
        kept_weights(tmp_path)
