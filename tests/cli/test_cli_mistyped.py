"""A slip of the hand: a mistyped command, a run folder that is not there, a page longer than the terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from bad_input import run_cli, shop, write
from rich.console import Console

from leser.cli.main import COMMANDS, main
from leser.inspect.live import page, standing
from leser.store.folder import RunFolder


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["rn"], "Error: Unknown command 'rn'. Did you mean 'run'? Available: "),
        (["judgments", "chek"], "Error: Unknown command 'chek' of 'leser judgments'. Did you mean 'check'?"),
        (["entries", "aprove", "s.db"], "Error: Unknown command 'aprove' of 'leser entries'. Did you mean 'approve'?"),
        (["platform"], "Did you mean 'platforms'?"),
        (["zzz"], f"Error: Unknown command 'zzz'. Available: {', '.join(sorted(COMMANDS))}."),
    ],
)
def test_a_mistyped_command_names_the_one_that_was_meant(
    typed: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["leser", *typed])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_resume_without_a_run_says_so_before_the_engine_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "shop", shop({}))
    write(tmp_path / "runs" / "spring", {"config.toml": ""})
    given = ["--task", "./shop", "--policy", "tiny", "--resume", "--dry-run", "--out"]
    said = run_cli([*given, "runs/sprin", "--backend", "pyserini", "-o", "index=no-index"])[2]
    first = "runs/sprin holds no run to resume: a new one begins there. If you meant runs/spring, give it with --out."
    assert first in " ".join(said.split())
    assert said.index("holds no run") < said.index("Error: "), said
    code, _, said = run_cli([*given, "elsewhere", "--backend", "memory"])
    assert (code, "elsewhere holds no run to resume: a new one begins there." in said) == (0, True)
    assert "If you meant" not in said


def test_warning_signs_stand_above_the_figures_and_each_figure_has_one_line(tmp_path: Path) -> None:
    rows = [
        {"phase": "grpo", "step": i, "elapsed_s": 2.0 * i, "zero_variance_groups": 0.9, "reward": 0.5} for i in range(9)
    ]
    write(tmp_path, {"config.toml": "", "metrics.jsonl": "".join(json.dumps(row) + "\n" for row in rows)})
    console = Console(width=80, record=True, highlight=False)
    with console.capture() as captured:
        console.print(page(standing(RunFolder(tmp_path))))
    lines = captured.get().splitlines()
    sign = next(n for n, line in enumerate(lines) if line.startswith("zero_variance_groups: "))
    header = next(n for n, line in enumerate(lines) if line.startswith("figure "))
    assert sign < header
    assert [line.split()[0] for line in lines[header + 1 :]] == ["reward", "zero_variance_groups"]
