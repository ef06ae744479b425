"""The monitor: each way of gaming a reward, planted, is warned of in words; a healthy training is left in peace."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from leser_memory import MemoryBackend
from monitored import SHELF, batch, rows

from leser.config.training import MonitorOptions
from leser.engine.words import EngineWords
from leser.grpo.metrics import wording
from leser.monitor.watch import Watch, parts


def analyze(texts: Sequence[str]) -> list[list[str]]:
    return [text.split() for text in texts]


HEALTHY = batch(["settee{i}", "velvet{i} chair"], [])


def warned(stream: Iterable[Mapping[str, Any]], **options: Any) -> dict[str, str]:
    watch = Watch(MonitorOptions(**options), limit=24)
    found: dict[str, str] = {}
    for row in stream:
        found |= watch(row)
    return found


def test_figures_of_a_healthy_batch() -> None:
    assert wording(HEALTHY, analyze) == {"echo": 0.0, "repeated_terms": 0.0}
    assert wording([], analyze) == {}
    assert wording(batch([]), analyze) == {}


def test_figures_by_hand() -> None:
    given = [
        {
            "query_id": "a",
            "query": "red sofa",
            "expansions": ["red settee", "settee couch"],
        },  # 4 words: 1 echo, 1 repeat
        {"query_id": "b", "query": "lamp", "expansions": ["bulb"]},
        {"query_id": "c", "query": "rug", "expansions": []},
    ]
    assert wording(given, analyze, lambda words: [word not in {"bulb", "couch"} for word in words]) == {
        "echo": 0.2,
        "repeated_terms": 0.2,
        "unknown_expansions": pytest.approx(1 / 3),  # "settee couch" holds a known word, "bulb" does not
    }


@pytest.mark.parametrize(
    ("hack", "sign", "words"),
    [
        (batch(["{colour} couch settee{i}"]), "echo", "67% of the words in expansions are in the query already"),
        (batch(["sofa{i}", "sofa{i} chair{i}", "sofa{i} lamp{i}"]), "repeated_terms", "40% of the words"),
        (batch(["settee{i}", "best quality"]), "commonest_term", "all of the completions that expand hold one and the same"),
        (batch(["qzx{i} wvk{i}"], ["couch{i}"]), "unknown_expansions", "50% of the expansions hold no word"),
    ],
)  # fmt: skip
def test_each_way_of_writing_for_the_reward_is_named(hack: list[dict[str, Any]], sign: str, words: str) -> None:
    backend = MemoryBackend.of(SHELF)
    figures = wording(hack, analyze, EngineWords(backend).doc_freq if sign == "unknown_expansions" else None)
    healthy = wording(HEALTHY, analyze)
    assert list(warned(rows([healthy] * 12 + [figures] * 12))) == [sign]
    assert words in warned(rows([figures] * 12))[sign]


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ([6.0] * 10 + [13.0] * 10, "grew from 6.0 to"),
        ([6.0] * 10 + [1.0] * 10, "shrank from 6.0 to"),
        ([20.0] * 5 + [23.0] * 10, "at the limit of 24"),
    ],
)
def test_length_that_runs_away(lengths: list[float], words: str) -> None:
    found = warned(rows({"length": length} for length in lengths))
    assert list(found) == ["length"]
    assert words in found["length"]


def test_training_reward_that_rises_while_dev_falls() -> None:
    stream = rows({"reward": 0.5 + 0.01 * step} for step in range(30))
    for step, dev in ((0, 0.60), (14, 0.62), (29, 0.58)):
        stream[step]["dev_reward"] = dev
    found = warned(stream)
    assert list(found) == ["gap"]
    assert "dev fell from 0.620 to 0.580" in found["gap"]
    stream[29]["dev_reward"] = 0.63
    assert warned(stream) == {}


@pytest.mark.parametrize(
    ("name", "words"), [("dev_RR@10", "dev's RR@10 fell"), ("dev_second_engine", "dev on the second engine fell")]
)
def test_a_reward_that_another_measure_or_engine_does_not_confirm(name: str, words: str) -> None:
    stream = rows({} for _ in range(20))
    stream[0] |= {"dev_reward": 0.50, name: 0.70}
    stream[19] |= {"dev_reward": 0.55, name: 0.66}
    found = warned(stream)
    assert list(found) == [name]
    assert words in found[name]
    stream[19][name] = 0.71
    assert warned(stream) == {}


def test_both_halves_of_a_gap_must_be_there() -> None:
    assert parts((0.5, 0.6), (0.5, 0.47), 0.05)
    assert not parts((0.5, 0.6), (0.5, 0.49), 0.05)  # noise of dev
    assert not parts((0.6, 0.5), (0.5, 0.3), 0.05)  # both fall: no gaming
    assert not parts((0.5, 0.6), (0.5, 0.55), 0.05)  # overfitting, and yet a gain


def test_a_healthy_training_gives_no_warning() -> None:
    figures = [
        {"echo": 0.04, "repeated_terms": 0.07, "commonest_term": 0.24, "unknown_expansions": 0.1} for _ in range(60)
    ]
    stream = rows({**f, "reward": 0.5 + 0.004 * i, "length": 6 - 0.03 * i} for i, f in enumerate(figures))
    for step in range(0, 60, 10):
        stream[step] |= {"dev_reward": 0.5 + 0.001 * step + (-1) ** step * 0.01, "dev_RR@10": 0.5 + 0.001 * step}
    assert warned(stream) == {}


def test_a_warning_is_given_once_until_its_sign_was_gone_for_a_window() -> None:
    watch = Watch(MonitorOptions(window=3), limit=24)
    stream = rows([{"echo": 0.9}] * 9 + [{"echo": 0.0}] * 9 + [{"echo": 0.9}] * 9)
    assert [row["step"] for row in stream if watch(row)] == [
        3,
        20,
    ]  # the mean of three passes 0.4 at the second of them


def test_rows_read_back_bring_the_watch_to_where_it_stood() -> None:
    stream = rows({"reward": 0.5 + 0.01 * i, "echo": 0.1 * (i % 9), "length": float(i)} for i in range(30))
    for step in (0, 9, 19, 29):
        stream[step] |= {"dev_reward": 0.6 - 0.004 * step, "dev_RR@10": None}
    whole, first, second = (Watch(MonitorOptions(window=4), 24) for _ in range(3))
    answers = [whole(row) for row in stream]
    for row in stream[:17]:
        first(row)
    for row in [json.loads(json.dumps(row)) for row in stream[:17]]:
        second(row)
    assert [second(row) for row in stream[17:]] == answers[17:] == [first(row) for row in stream[17:]]
