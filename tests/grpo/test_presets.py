"""Presets set the options they name and no others, in the configuration that a dry run prints; what else is given wins."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from bad_input import run_cli
from places import ROOT

from leser.config.load import load_config
from leser.errors import LeserError
from leser.grpo.options import GrpoOptions
from leser.grpo.presets import PRESETS, preset


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_sets_what_it_names_and_no_more(name: str) -> None:
    found = load_config(flags={"preset": name}).grpo
    assert found == GrpoOptions(**PRESETS[name])
    assert found.model_fields_set == set(PRESETS[name])


def test_everything_that_is_given_wins(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("[grpo]\nclip_high = 0.3\nkl = 0.01\n")
    found = load_config(tmp_path / "run.toml", {"preset": "gspo", "grpo.group_size": 4}, ["grpo.kl=0.02"]).grpo
    assert (found.ratio, found.clip_low) == ("sequence", 3e-4)
    assert (found.clip_high, found.kl, found.group_size) == (0.3, 0.02, 4)


@pytest.mark.parametrize("name", list(PRESETS))
def test_the_page_shows_what_a_preset_sets(name: str) -> None:
    row = next(
        line for line in (ROOT / "docs" / "choosing-a-loss.md").read_text().splitlines() if f"| `{name}`" in line
    )
    assert set(re.findall(r"`(\w+=[^`]+)`", row.split("|")[2])) == {f"{k}={v}" for k, v in PRESETS[name].items()}


def test_no_shipped_configuration_pays_terms_by_leaving_them_out() -> None:
    tables = {
        path: tomllib.loads(path.read_text(encoding="utf-8")).get("grpo")
        for path in (ROOT / "examples").rglob("*.toml")
    }
    credits = {path.name: table.get("credit", "none") for path, table in tables.items() if table}
    assert len(credits) >= 4
    assert set(credits.values()) <= {"none", "prefix"}


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(LeserError, match=r"Unknown preset 'dr_grpo'\. Did you mean 'dr-grpo'"):
        preset("dr_grpo")


def test_a_dry_run_shows_it(tmp_path: Path) -> None:
    code, printed, said = run_cli(
        ["--task", "demo", "--backend", "memory", "--policy", "tiny", "--preset", "rloo", "-o", "grpo.loss_length=8",
         "--out", str(tmp_path / "run"), "--dry-run"]
    )  # fmt: skip
    assert code == 0, said
    assert 'baseline = "leave_one_out"' in printed
    assert "loss_length = 8" in printed
