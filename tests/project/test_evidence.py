"""Evidence: one summary per file, short enough to read, that says what it was measured with and loses no mean or interval."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

from benchmarks.condensed import WIDTH, condensed, text_of, write

EVIDENCE = sorted((ROOT / "docs" / "evidence").glob("*.json"))


def comparison(system: str, baseline: str, measure: str, delta: float) -> dict[str, Any]:
    row = {"system": system, "baseline": baseline, "measure": measure, "delta": delta, "p": 0.01}
    return row | {"ci95": [delta - 0.1, delta + 0.1], "wins": 3, "ties": 2, "losses": 1}


def run(seed: int) -> dict[str, Any]:
    """A run with two measures and three systems, as an evaluation has them."""
    systems = {name: {"nDCG@10": value, "R@100": value, "errors": 0.0, "echo": 0.5} for name, value in MEANS.items()}
    systems["leser"]["rule_violations"] = 0.0251234
    comparisons = [
        comparison(*pair, measure, 0.12345)
        for measure in ("nDCG@10", "R@100")
        for pair in (("leser", "original"), ("leser", "dictionary"), ("dictionary", "original"))
    ]
    kinds = {"brand": {"queries": 6, "systems": systems, "comparisons": comparisons}}
    evaluation = {"split": "test", "queries": 6, "systems": systems, "comparisons": comparisons, "kinds": kinds}
    return {"config": {"seed": seed, "task": {"name": "demo"}}, "grpo_steps": 300, "evaluation": evaluation}


MEANS = {"original": 0.34871, "dictionary": 0.6, "leser": 0.7675681}


def evidence(**runs: dict[str, Any]) -> dict[str, Any]:
    return {"name": "demo", "commit": "abc", "machine": {"cores": 2}, "versions": {"torch": "2"}, "runs": runs}


@pytest.mark.parametrize("path", EVIDENCE, ids=lambda path: path.stem)
def test_each_file_is_a_short_summary_with_commit_and_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 200
    content = json.loads(text)
    for row in content["rows"] if path.stem == "grpo-vs-trl" else [content]:
        assert {"commit", "machine"} <= set(row)


def test_a_run_keeps_settings_means_intervals_and_counts() -> None:
    short = condensed(evidence(demo=run(1)))
    kept = short["runs"]["demo"]
    assert (short["commit"], short["machine"], kept["config"]["seed"]) == ("abc", {"cores": 2}, 1)
    assert dict(zip(kept["columns"], kept["systems"]["leser"], strict=True)) == {
        "nDCG@10": 0.768,
        "R@100": 0.768,
        "errors": 0.0,
        "zero_results": None,
        "parse_errors": None,
        "rule_violations": 0.025,
        "left_alone": None,
        "expansions": None,
        "distinct_terms": None,
    }
    assert short["gain"] == ["delta", "ci95_low", "ci95_high", "wins", "ties", "losses"]
    gain = [0.123, 0.023, 0.223, 3, 2, 1]
    assert kept["leser over"] == {"nDCG@10": {"original": gain, "dictionary": gain}, "R@100": {"original": gain}}
    assert kept["kinds"] == {
        "brand": {"queries": 6, "nDCG@10": [0.349, 0.6, 0.768], "leser over": {"original": gain}},
    }


def test_a_summary_is_not_condensed_again() -> None:
    short = condensed(evidence(demo=run(1)))
    assert condensed(short) == short
    assert len(short["full_sha256"]) == 64
    assert short["full_sha256"] != condensed(evidence(demo=run(2)))["full_sha256"]


def test_several_runs_are_several_files(tmp_path: Path) -> None:
    content = evidence(**{"demo-12": run(12), "other": run(13)}) | {"queries": {"demo-12": ["a"], "other": ["b"]}}
    paths = write(tmp_path, content)
    assert [path.name for path in paths] == ["demo-12.json", "demo-other.json"]
    second = json.loads(paths[1].read_text(encoding="utf-8"))
    assert (second["name"], list(second["runs"]), second["queries"]) == ("demo-other", ["other"], {"other": ["b"]})


def test_text_is_the_same_json_in_filled_lines() -> None:
    content = {"a": list(range(200)), "b": {"c": "x" * 200, "d": 1, "e": []}, "f": [{"g": "y" * 90}, {"h": "z" * 90}]}
    text = text_of(content)
    assert json.loads(text) == content
    lines = text.splitlines()
    assert [line for line in lines if len(line) > WIDTH] == ['  "c": "' + "x" * 200 + '",']
    assert len(lines) < 25


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_the_readmes_table_is_what_the_evidence_says(seed: int) -> None:
    content = json.loads((ROOT / "docs" / "evidence" / f"demo-{seed}.json").read_text(encoding="utf-8"))
    (measured,) = content["runs"].values()
    cells = []
    for system in ("original", "rm3", "dictionary", "warmup", "warmup+", "leser", "ideal"):
        value = decimal(measured["systems"][system][measured["columns"].index("nDCG@10")])
        if system == "leser":
            cells.append(f"**{value}**")
        elif system == "ideal":
            cells.append(value)
        else:
            delta, low, high = measured["leser over"]["nDCG@10"][system][:3]
            cells.append(f"{value}<br>+{decimal(delta)} [{decimal(low)}, {decimal(high)}]")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"| shop {seed} | {' | '.join(cells)} |\n" in readme


def decimal(value: float) -> str:
    """A number below 1 as the README writes it: three decimals, no leading zero."""
    return f"{value:.3f}".removeprefix("0")
