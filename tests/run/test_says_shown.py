"""A policy that says what it is shown must be able to: refused before training otherwise, with the number to set."""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_input import run_cli, shop, write

COPYING = (
    "policy.tiny.copying=true",
    "warmup.targets=shown",
    "expansion.max_expansions=8",
    "training.max_new_tokens=64",
)


def dry_run(folder: Path, *options: str) -> tuple[int, str]:
    write(folder / "shop", shop({}))
    given = [part for option in (*COPYING, *options) for part in ("-o", option)]
    usual = ["--task", str(folder / "shop"), "--backend", "memory", "--policy", "tiny", "--out", str(folder / "run")]
    code, _, said = run_cli([*usual, *given, "-o", 'evaluation.baselines=["original"]', "--dry-run"])
    assert "Traceback" not in said
    return code, " ".join(said.split())


def test_a_run_that_fits_is_let_through(tmp_path: Path) -> None:
    assert dry_run(tmp_path)[0] == 0


def test_words_may_be_shown_that_are_left_out_of_targets(tmp_path: Path) -> None:
    options = ("policy.tiny.copying=false", "expansion.max_expansions=5")
    assert dry_run(tmp_path, *options, "warmup.shown=harmless")[0] == 0
    assert dry_run(tmp_path, *options)[0] != 0


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        (
            "expansion.max_expansions=5",
            "prompt.terms=8 is not valid: the policy begins by saying all words that it is shown",
        ),
        ("training.max_new_tokens=3", "training.max_new_tokens=3 is too short for the words that prompts show"),
        ("policy.tiny.architecture=llama", "Set policy.tiny.architecture=qwen3"),
    ],
)
def test_what_could_not_be_said_is_refused_before_training(tmp_path: Path, option: str, reason: str) -> None:
    code, said = dry_run(tmp_path, option)
    assert code != 0
    assert reason in said
