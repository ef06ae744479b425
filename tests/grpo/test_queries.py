"""Which queries a step trains on: whole batches, whole passes, the curriculum's draw, and what takes the place of dead groups."""

from __future__ import annotations

from collections import Counter

import pytest

from leser.grpo.queries import LEAST_WEIGHT, batch_of, curriculum_batch, note_spreads, refill_of
from leser.options import MOST_SEED
from leser.task import Query


def queries(count: int) -> list[Query]:
    return [Query(str(i), f"query {i}") for i in range(count)]


@pytest.mark.parametrize(("count", "size"), [(86, 32), (40, 32), (33, 32), (32, 32), (7, 3), (5, 8), (100, 1)])
def test_every_batch_is_full_and_every_pass_whole(count: int, size: int) -> None:
    asked, full = queries(count), min(size, count)
    drawn = []
    for step in range(200):
        batch = batch_of(asked, size, 3, step)
        assert len(batch) == len({q.id for q in batch}) == full
        drawn += [q.id for q in batch]
    for first in range(0, len(drawn) - count + 1, count):
        assert len(set(drawn[first : first + count])) == count, first


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    asked = queries(40)
    some = [batch_of(asked, 32, 7, step) for step in range(30)]
    assert [batch_of(asked, 32, 7, step) for step in reversed(range(30))] == some[::-1]
    assert batch_of(asked, 32, 8, 4) != some[4]


def test_no_queries_are_no_batch() -> None:
    assert batch_of([], 4, 1, 0) == []


def test_the_curriculum_draws_what_differs_more_often() -> None:
    asked = queries(40)
    spreads = {str(i): 0.4 if i < 10 else 0.0 for i in range(40)}
    drawn = Counter(q.id for step in range(400) for q in curriculum_batch(asked, 4, 1, step, spreads))
    often = sum(drawn[str(i)] for i in range(10)) / 10
    seldom = sum(drawn[str(i)] for i in range(10, 40)) / 30
    assert LEAST_WEIGHT * 0.8 < seldom / often < LEAST_WEIGHT * 2
    assert min(drawn[str(i)] for i in range(10, 40)) > 0
    assert all(len({q.id for q in curriculum_batch(asked, 8, 1, s, spreads)}) == 8 for s in range(20))


def test_queries_that_were_never_sampled_come_as_often_as_the_widest() -> None:
    asked = queries(20)
    drawn = Counter(q.id for step in range(400) for q in curriculum_batch(asked, 4, 1, step, {"0": 0.3}))
    assert 0.6 < drawn["0"] / (sum(drawn.values()) / 20) < 1.5


def test_spreads_run_on() -> None:
    spreads: dict[str, float] = {}
    note_spreads(spreads, {"a": [0.0, 1.0], "b": [1.0, float("nan")]})
    assert spreads == {"a": 0.5}
    note_spreads(spreads, {"a": [0.2, 0.2]})
    assert spreads == {"a": 0.25}


@pytest.mark.parametrize("seed", [0, MOST_SEED])
def test_refills_repeat_no_query(seed: int) -> None:
    asked = queries(10)
    known = {str(i) for i in range(6)}
    got = refill_of(asked, known, 3, seed, 5)
    assert len({q.id for q in got} - known) == 3
    assert got == refill_of(asked, known, 3, seed, 5)
    assert len(refill_of(asked, known, 9, seed, 5)) == 4
    assert curriculum_batch(asked, 3, seed, 10**6, {})
