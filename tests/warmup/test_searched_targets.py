"""Targets out of verified search: in the run, resumed, from a file of another machine; and how many may be 'none'."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from verified_shop import COUCH, DESK, RUG, SPLIT, Shiny, changed, environment_of, shelf, words_of

from leser.errors import LeserError
from leser.expansion import ExpansionOptions
from leser.reward import parse_spec
from leser.task import Query, Split, Task
from leser.verified.search import VerifiedSearch, search_expansions
from leser.verified.writing import write_expansions
from leser.warmup.nothing import left_alone, limit_left_alone
from leser.warmup.options import WarmupOptions
from leser.warmup.searched import read_target_file, searched_targets, targets_of
from leser.warmup.targets import Target, write_targets

EMPTY = Split("dev", (), {})
TASK = Task("shop", SPLIT, EMPTY, EMPTY, shelf)
OPTIONS, EXPANSION = WarmupOptions(), ExpansionOptions()
SEARCHED = changed(weights=(0.5,))


@pytest.fixture
def found(tmp_path: Path) -> Path:
    environment, path = environment_of(), tmp_path / "found.jsonl"
    write_expansions(
        VerifiedSearch(environment, [COUCH, RUG, DESK], SEARCHED, words_of(environment, SEARCHED), SPLIT), path
    )
    return path


def test_targets_are_what_the_search_found_and_none_where_it_found_nothing(found: Path) -> None:
    targets = read_target_file(found, SPLIT, OPTIONS, EXPANSION)
    assert {t.query.id: t.completion for t in targets} == {"q1": "sofa", "q2": "none", "q3": "lamp"}
    assert {t.query.id: t.gain > 0 for t in targets} == {"q1": True, "q2": False, "q3": True}
    assert {t.query.id: t.query for t in targets}["q1"] is COUCH


def test_in_a_run_the_same_and_a_killed_search_goes_on(found: Path, tmp_path: Path) -> None:
    whole = searched_targets(environment_of(), TASK, OPTIONS, SEARCHED, 1, tmp_path / "whole.jsonl")
    assert [(t.query.id, t.completion) for t in whole] == [("q1", "sofa"), ("q2", "none"), ("q3", "lamp")]
    terms = Path(f"{tmp_path / 'whole.jsonl'}.terms.jsonl").read_bytes()
    Path(f"{tmp_path / 'cut.jsonl'}.terms.jsonl").write_bytes(terms[: terms.rstrip().rfind(b"\n") + 9])
    environment = environment_of()
    assert searched_targets(environment, TASK, OPTIONS, SEARCHED, 1, tmp_path / "cut.jsonl") == whole
    fresh = environment_of()
    searched_targets(fresh, TASK, OPTIONS, SEARCHED, 1, tmp_path / "again.jsonl")
    assert environment.client.stats().asked < fresh.client.stats().asked


def test_no_label_is_needed() -> None:
    environment = environment_of(rewards=[Shiny(parse_spec("shiny@3"))])
    unjudged = Task("shop", Split("train", (COUCH, RUG, DESK), {}), EMPTY, EMPTY, shelf)
    found = search_expansions(environment, unjudged.train.queries, SEARCHED, words_of(environment, SEARCHED))
    assert [str(answer.answer) for answer in found] == ["none", "none", "none"]


def test_a_query_has_one_term_and_many_in_the_order_of_their_worth() -> None:
    queries = {"a": Query("a", "couch"), "b": Query("b", "settee")}
    rows = [("a", "teak; sofa; grey", 0.5), ("a", "grey; sofa", 0.4), ("a", "sofa", 0.3), ("b", "sofa; grey ^0.4", 0.2)]
    targets = targets_of(rows, queries, OPTIONS, EXPANSION, Path("found.jsonl"))
    assert [(t.query.id, t.completion, t.gain) for t in targets] == [
        ("a", "sofa; grey; teak", 0.5),  # sofa and grey are given for two queries, sofa in more sets; teak for one
        ("a", "sofa; grey", 0.4),
        ("a", "sofa", 0.3),
        ("b", "sofa; grey ^0.4", 0.2),
    ]
    fewer = targets_of(rows, queries, WarmupOptions(targets_per_query=1), EXPANSION, Path("found.jsonl"))
    assert [t.completion for t in fewer] == ["sofa; grey; teak", "sofa; grey ^0.4"]


def test_the_search_offers_the_best_set_of_each_length() -> None:
    titles = {f"c{i}": "couch" for i in range(3)} | {f"g{i}": f"couch grey sofa {i}" for i in range(6)}
    split = Split("train", (COUCH,), {"q1": {f"g{i}": 1 for i in range(6)}})
    environment = environment_of(type(environment_of().client.backend).of(shelf(titles)))
    options = changed(weights=(0.05,), margin=0.0, keep=0.0, max_terms=2)
    (found,) = search_expansions(environment, [COUCH], options, words_of(environment, options), split=split)
    lengths = [len(found.expansions), *(len(other.expansions) for other in found.others)]
    assert sorted(lengths) == [1, 2]
    assert found.gain is not None
    assert all(other.gain > 0 for other in found.others)


def test_the_run_own_targets_can_be_read_too(tmp_path: Path) -> None:
    written = [Target(COUCH, "sofa; loveseat", 0.3), Target(COUCH, "sofa", 0.2), Target(RUG, "none", 0.0)]
    write_targets(tmp_path / "targets.jsonl", written)
    read = read_target_file(tmp_path / "targets.jsonl", SPLIT, OPTIONS, EXPANSION)
    assert [(t.completion, t.gain) for t in read] == [("sofa; loveseat", 0.3), ("sofa", 0.2), ("none", 0.0)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"query": "other"}, "line 1: the query q1 is 'couch' in this task. Make the file anew"),
        ({"query_id": "x"}, "has no target for any of the 1 train queries"),
        ({"completion": "a; b; c; d; e; f"}, "cannot be read: 6 expansions, at most 5"),
        ({"gain": "much"}, "line 1: expected a number under \"gain\", found 'much'"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, str], said: str) -> None:
    row = {"query_id": "q1", "query": "couch", "completion": "sofa", "gain": 0.3, **change}
    (tmp_path / "t.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(LeserError, match=r"t\.jsonl") as raised:
        read_target_file(tmp_path / "t.jsonl", replace(SPLIT, queries=(COUCH,)), OPTIONS, EXPANSION)
    assert said in str(raised.value)


def test_what_failed_or_was_not_judged_is_no_target(found: Path) -> None:
    rows = [json.loads(line) for line in found.read_text().splitlines()]
    found.write_text(
        "".join(json.dumps(r | ({"answer": "unknown"} if r["answer"] == "none" else {})) + "\n" for r in rows)
    )
    assert {t.query.id for t in read_target_file(found, SPLIT, OPTIONS, EXPANSION)} == {"q1", "q3"}


def test_no_more_queries_are_left_alone_than_wanted() -> None:
    targets = [Target(Query(f"g{i}", "x"), "sofa", 0.1) for i in range(6)]
    targets += [Target(Query("g0", "x"), "none", 0.0)]  # beside one that gains it leaves nothing alone
    targets += [Target(Query(f"n{i}", "x"), "none", 0.0) for i in range(14)]
    assert len(left_alone(targets)) == 14
    assert limit_left_alone(targets, 1.0, 1) == targets
    kept = limit_left_alone(targets, 0.25, 1)
    assert len(left_alone(kept)) == 2, "2 of 8"
    assert [t for t in kept if t.gain > 0] == targets[:6]
    assert limit_left_alone(targets, 0.25, 1) == kept
    assert left_alone(limit_left_alone(targets, 0.25, 2)) != left_alone(kept)
    assert limit_left_alone(targets[7:], 0.25, 1) == targets[7:], "with nothing else to learn from all are kept"
