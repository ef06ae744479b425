"""A seed that some generator could not take is refused before anything is read, with the range, on every option."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from bad_input import run_cli, shop, write
from places import ROOT

from leser.cli.main import main
from leser.evaluation.statistics import paired
from leser.options import MOST_SEED
from leser.training.supervised import Example
from leser.training.warmup import batches

RANGE = f"A seed is a whole number from 0 to {MOST_SEED}"
TOO_LONG = "12345678901234567890"


@pytest.mark.parametrize("seed", ["-1", TOO_LONG, str(MOST_SEED + 1), "1.5"])
@pytest.mark.parametrize("option", ["task.seed", "policy.tiny.seed"])
def test_a_seed_out_of_range_is_refused_at_once(option: str, seed: str, tmp_path: Path) -> None:
    write(tmp_path / "shop", shop({}))
    code, _, said = run_cli(
        ["--task", str(tmp_path / "shop"), "--backend", "memory", "-o", f"{option}={seed}", "--dry-run"]
    )
    assert code == 2
    assert f"{option.removeprefix('policy.').removeprefix('task.')}: {RANGE} (got '{seed}')" in said


@pytest.mark.parametrize("seed", ["-1", TOO_LONG])
def test_the_flag_too(seed: str) -> None:
    code, _, said = run_cli(["--task", "demo", "--backend", "memory", "--seed", seed, "--dry-run"])
    assert (code, f"seed: {RANGE} (got {seed})" in said) == (2, True), said


def test_a_seed_of_a_configuration_file(tmp_path: Path) -> None:
    write(tmp_path, {"run.toml": f"seed = {TOO_LONG}\n"})
    code, _, said = run_cli(["--config", str(tmp_path / "run.toml"), "--backend", "memory", "--dry-run"])
    assert (code, RANGE in said) == (2, True), said


@pytest.mark.parametrize("command", ["doctor", "index"])
def test_other_commands_read_the_same_options(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["leser", command, "--task", "demo", "--backend", "memory", "-o", "task.seed=-1"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert RANGE in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("benchmarks.constraints", ["--seed", "-1"]),
        ("benchmarks.rules_audit", ["--platform", "x.toml", "--seed", TOO_LONG]),
        ("leser_catalogue.study", ["--seeds", "1", "-1"]),
        ("leser_catalogue.brands", [TOO_LONG]),
    ],
)
def test_scripts_too(
    module: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    monkeypatch.syspath_prepend(str(ROOT))
    with pytest.raises(SystemExit) as end:
        runpy.run_module(module, run_name="__main__")
    assert end.value.code == 2
    assert RANGE in capsys.readouterr().err


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", [0, MOST_SEED])
def test_every_generator_takes_what_is_allowed(seed: int) -> None:
    rows = [Example([1], [[2]]), Example([3], [[4]])]
    assert len(next(batches(rows, 2, seed, 0))[1]) == 2
    assert paired(np.zeros((80, 1)), resamples=200, seed=seed)[0].delta == 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
