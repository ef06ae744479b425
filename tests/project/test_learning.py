"""LESER learns: a short training whose gain over its own warm-up, on queries it never saw, must be beyond chance.

This is the test that fails when any part of the loop (prompt, sampling, search, reward, advantage, loss, update) is
broken in a way that no other test sees. Two to three minutes on two cores; fixed seed.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from settings import SHORT

from leser.config.build import complete
from leser.config.load import config_of
from leser.plugins import load_plugins
from leser.run.runner import run


@pytest.mark.timeout(1200)
def test_grpo_gains_over_its_warm_up_on_held_out_queries(tmp_path: Path):
    registry = load_plugins()
    config = complete(config_of({**SHORT, "out": str(tmp_path / "run")}), registry)
    run(config, registry)
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    gains = {
        c["baseline"]: c for c in evaluation["comparisons"] if c["system"] == "leser" and c["measure"] == "nDCG@10"
    }
    assert gains["warmup"]["ci95"][0] > 0, gains["warmup"]
    assert gains["original"]["ci95"][0] > 0, gains["original"]
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
