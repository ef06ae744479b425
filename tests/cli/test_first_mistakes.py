"""Mistakes of the first hour: each message says what is wrong, where, and what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from bad_input import run_cli, shop, write

from leser.api import configure
from leser.cli.main import main


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("run --task shop --backend memory --reward ndgc@10", "Unknown reward 'ndgc'. Did you mean 'nDCG'? "),
        ("run --task shop --backend memory -o trainin.steps=3", "Unknown table 'trainin'. Did you mean 'training'? "),
        ("run --task shopp --backend memory", "Nor is there a file or folder of that name here."),
        ("run --task ./shopp --backend memory", "there is no such file or folder. Check --task."),
        (
            "run --task other --backend memory",
            "query q99 is not in queries.jsonl. Take both from one task, or leave the",
        ),
        ("index --task shop --backend memory", "it takes the task's documents by itself, so go on with `leser run`."),
        ("doctor --backend elasticsearch -o url=localhost:9200", "  url: expected an address like http://host:port or"),
        ("expand runs/sprin sofa", "No run at runs/sprin: there is no such folder. Did you mean runs/spring?"),
        ("watch nowhere", "there is no such folder. `leser run` writes one with --out DIR."),
        ("precompute --queries none.csv --out s.db --task shop --backend memory", "Check --queries."),
        (
            "precompute --queries q.csv --out s.db --task shop --backend memory",
            "it names q, n. Give the column of queries",
        ),
        (
            "search-expansions --task shop --backend memory --queries empty.txt --out o.jsonl",
            "Write one query per line",
        ),
    ],
)
def test_a_message_says_what_to_do(
    typed: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "shop", shop({}))
    write(tmp_path / "other", shop({"qrels/train.tsv": "query-id\tcorpus-id\tscore\nq99\td1\t1\n"}))
    write(tmp_path, {"q.csv": "q,n\nlamp,1\n", "empty.txt": "", "runs/spring/config.toml": ""})
    monkeypatch.setattr(sys, "argv", ["leser", *typed.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = " ".join(capsys.readouterr().err.split())
    assert ended.value.code == 2
    assert " ".join(said.split()) in shown
    assert "Value error" not in shown


def test_a_nought_is_a_number() -> None:
    given = {"task": "demo", "backend": "memory", "steps": 0, "seed": 0, "resume": False, "plugins": (), "policy": None}
    config, _ = configure(given)
    assert (config.training.steps, config.seed, config.resume) == (0, 0, False)


def test_no_minutes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "shop", shop({}))
    code, _, said = run_cli(["--task", "./shop", "--backend", "memory", "--minutes", "0", "--dry-run"])
    assert (code, "minutes: Input should be greater than 0" in said) == (2, True), said
