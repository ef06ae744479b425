"""The live page of a run, and the table of figures that it and docs/metrics.md are written from."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner
from rich.console import Console

from leser.cli.watch import command
from leser.inspect.live import page, sparkline, standing
from leser.monitor.meanings import as_markdown, meaning_of, signs
from leser.store.folder import RunFolder

ROOT = Path(__file__).resolve().parents[2]


def run_with(path: Path, rows: list[dict[str, object]], tail: str = "") -> Path:
    path.mkdir()
    (path / "config.toml").write_text('[task]\nname = "demo"\n')
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + tail)
    return path


def shown(folder: Path) -> str:
    console = Console(width=200, record=True, highlight=False)
    with console.capture() as captured:
        console.print(page(standing(RunFolder(folder))))
    return captured.get()


def grpo(step: int, **figures: float) -> dict[str, object]:
    return {"phase": "grpo", "step": step, "elapsed_s": 2.0 * step, **figures}


def test_figures_of_the_phase_and_their_course(tmp_path: Path) -> None:
    rows = [{"phase": "warmup", "step": 9, "loss": 3.0}, *(grpo(i, reward=0.1 * i, entropy=1.0) for i in range(1, 5))]
    text = shown(run_with(tmp_path / "run", rows, tail='{"phase": "grpo", "st'))  # a line that is being written
    assert "grpo step 4" in text
    assert "loss" not in text
    (line,) = [line for line in text.splitlines() if line.startswith("reward ")]
    assert line.split()[1:4] == ["0.4", "0.25", "▁▃▆█"]


def test_warning_sign_is_a_sentence(tmp_path: Path) -> None:
    text = shown(run_with(tmp_path / "run", [grpo(i, zero_variance_groups=0.9, skipped=0.0) for i in range(12)]))
    assert "zero_variance_groups: use a reward that moves more often" in text
    assert "skipped:" not in text


def test_signs_know_prefixes_and_sides() -> None:
    assert signs({"dev_no_expansion": 0.95, "entropy": 0.01, "no_expansion": 0.5, "made_by_a_plugin": 1e9}).keys() == {
        "dev_no_expansion",
        "entropy",
    }
    assert signs({"entropy": float("nan"), "grad_norm": None}) == {}


def test_run_that_has_not_begun_and_one_that_is_over(tmp_path: Path) -> None:
    folder = run_with(tmp_path / "run", [])
    assert "no step yet" in shown(folder)
    (folder / "evaluation.json").write_text("{}")
    result = CliRunner().invoke(command, [str(folder)])
    assert result.exit_code == 0
    assert "finished" in result.output


def test_sparkline_shows_the_course_in_a_fixed_width() -> None:
    assert sparkline([1.0, 1.0]) == "▁▁"
    assert sparkline([float(i) for i in range(100)], width=8) == "▁▂▃▄▅▆▇█"


def test_every_figure_of_a_real_run_has_a_meaning(run: Path) -> None:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    names = {name for row in rows for name in row}
    assert {name for name in names if meaning_of(name) is None} == set()


def test_docs_page_holds_the_table() -> None:
    assert as_markdown() in (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8"), (
        "docs/metrics.md is not what leser.monitor.meanings.as_markdown() writes"
    )
