"""The UBI reader: the log's forms, what it makes of clicks, errors with file and line, and a public sample."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from leser.errors import LeserError
from leser.formats.read import read_task
from leser.formats.ubi import Ubi, read_log
from leser.testing import ReaderCase, ReaderContract

TEXTS = ("red sofa", "desk lamp", "wool rug", "oak bed")


def event(action: str, search: str, document: object, ordinal: object) -> dict[str, object]:
    attributes = {"object": {"object_id": document}, "position": {"ordinal": ordinal}}
    return {
        "action_name": action,
        "query_id": search,
        "event_attributes": attributes,
        "timestamp": "2026-01-01T00:00:00Z",
    }


def write_log(folder: Path) -> Path:
    """Each text searched ten times, A above B (ordinals from 1); A is clicked in all, B in one."""
    folder.mkdir(exist_ok=True)
    lines: list[dict[str, object]] = []
    for text in TEXTS:
        for number in range(10):
            search = f"{text}-{number}"
            lines += [{"index": {"_index": "ubi_queries"}}, {"query_id": search, "user_query": text}]
            lines += [event("impression", search, f"{text[:1]}{place}", place) for place in (1, 2)]
            lines.append(event("click", search, f"{text[:1]}1", 1))
            lines += [event("purchase", search, f"{text[:1]}2", 2)] if number == 0 else []
    (folder / "ubi.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


class TestUbi(ReaderContract):
    @pytest.fixture
    def case(self) -> ReaderCase:
        grades = {text: {f"{text[:1]}1": 2, f"{text[:1]}2": 0} for text in TEXTS}
        lines = '{"query_id": "s", "action_name": "click"}'
        return ReaderCase(
            Ubi,
            write=write_log,
            grades=grades,
            bad_lines={"ubi.ndjson": lines},
            options={"thresholds": (0.5, 1.0, 3.0), "model": "ctr"},
        )


def test_ordinals_from_one_are_ranks_from_zero(tmp_path: Path) -> None:
    counts = read_log([write_log(tmp_path) / "ubi.ndjson"])
    shown = {(pair, rank): (s.impressions, s.clicks) for pair, ranks in counts.items() for rank, s in ranks.items()}
    assert shown[("red sofa", "r1"), 0] == (10, 10)
    assert shown[("red sofa", "r2"), 1] == (10, 1)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"query_id": "s", "action_name": "click"}, "the event 'click' names no event_attributes.object.object_id"),
        (event("impression", "s", "d", None), "the impression has no event_attributes.position.ordinal"),
        (event("impression", "s", "d", "third"), "the ordinal 'third' is not a whole number"),
        ({"query_id": "s"}, 'a UBI query without "user_query"'),
        ({"query_id": 7, "user_query": "x"}, '"query_id" must be a text'),
        ({"something": "else", "and": "more"}, "neither a UBI query nor an event"),
        (
            {"query_id": "s", "user_query": "x", "query_response_hit_ids": "d1"},
            '"query_response_hit_ids" must be a list',
        ),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, line: dict[str, object], said: str) -> None:
    log = write_log(tmp_path) / "ubi.ndjson"
    before = log.read_text()
    log.write_text(before + "\n" + json.dumps(line) + "\n")
    number = before.count("\n") + 2
    with pytest.raises(LeserError) as error:
        read_log([log])
    assert str(error.value).startswith(f"{log}, line {number}: {said}")


def test_what_is_not_a_result_is_passed_over(tmp_path: Path) -> None:
    log = write_log(tmp_path) / "ubi.ndjson"
    before = read_log([log])
    others = [{"action_name": "page_view", "timestamp": "x"}, {"action_name": "view", "query_id": "red sofa-0"}]
    log.write_text(log.read_text() + "".join(json.dumps(other) + "\n" for other in others))
    assert read_log([log]) == before


def test_ips_says_when_bias_cannot_be_told_from_relevance(tmp_path: Path) -> None:
    task = read_task(write_log(tmp_path), {"ubi": Ubi}, {"model": "ips"})
    assert any("position bias and relevance cannot be separated" in note for note in task.notes)


def test_a_public_sample(shared_data: Callable[[str], Path]) -> None:
    sample = shared_data("fixtures") / "ubi_queries_events.ndjson"
    assert Ubi.recognises(sample)
    counts = read_log([sample])
    assert sum(s.impressions for ranks in counts.values() for s in ranks.values()) == 750
    assert sum(s.clicks for ranks in counts.values() for s in ranks.values()) == 50
    task = read_task(sample, {"ubi": Ubi}, {"min_impressions": 1})
    assert sum(len(split.queries) for split in task.splits) > 20
