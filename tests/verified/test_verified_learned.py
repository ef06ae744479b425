"""Verified search by a judge that learned: a file begun with one lesson does not go on with another."""

from __future__ import annotations

from pathlib import Path

import pytest
from verified_shop import COUCH, DESK, OPTIONS, SPLIT, environment_of, taught_by, words_of

from leser.errors import LeserError
from leser.task import Split
from leser.verified.search import VerifiedSearch
from leser.verified.writing import settings_of, write_expansions


def search_of(train: Split) -> VerifiedSearch:
    environment = taught_by(train)
    return VerifiedSearch(environment, [COUCH, DESK], OPTIONS, words_of(environment))


def test_a_search_is_not_resumed_with_a_judge_that_learned_from_other_judgments(tmp_path: Path) -> None:
    out = tmp_path / "found.jsonl"
    write_expansions(search_of(SPLIT), out)
    write_expansions(search_of(SPLIT), out, resume=True)
    more = Split("train", SPLIT.queries, {**SPLIT.qrels, "q1": {"rug1": 1}})
    with pytest.raises(LeserError, match="other settings: learned from differ"):
        write_expansions(search_of(more), out, resume=True)


def test_what_learns_nothing_has_the_settings_it_always_had() -> None:
    environment = environment_of()
    assert "learned from" not in settings_of(
        VerifiedSearch(environment, [COUCH], OPTIONS, words_of(environment), SPLIT)
    )
