"""The benchmark of precompute counts what it says: queries of the log, and ratios of what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.precompute_speed import main, ratios, texts_of


def test_each_way_is_measured_on_the_same_queries(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ways = ["--ways", "one_process", "open_run", "command"]
    main([str(made), "--limit", "12", *ways, "--one-by-one", "6", "--commands", "1", "--rounds", "1"])
    result = json.loads(capsys.readouterr().out)
    assert (result["queries"], result["one_by_one"], result["commands"]) == (12, 6, 1)
    speed = result["queries_per_second"]
    assert speed["one_process"]["work"] > speed["one_process"]["whole"] > 0
    assert speed["open_run"]["work"] > speed["open_run"]["whole"] > speed["command"]["whole"]
    assert set(result["times"]) == {"one_process / open_run, work", "one_process / command, whole"}
    assert len(set(texts_of(made, None))) == 100


def test_ratios_are_quotients() -> None:
    speed = {"ray": {"work": 30.0, "whole": 5.0}, "one_process": {"work": 20.0, "whole": 10.0}}
    assert ratios(speed) == {"ray / one_process, work": 1.5, "ray / one_process, whole": 0.5}
