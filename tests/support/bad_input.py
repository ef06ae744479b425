"""What docs/bad-input.md is made of: every bad input, how it is produced, and what LESER must answer.

The quick ones (CASES) are run as they stand, and the page holds what they said. The ones that need a training
(TRAININGS) have tests of their own, which hold the message to the page's. Both lie in bad_input_cases. Write the page anew
with: python tests/support/bad_input.py
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bad_input_cases import CASES, TRAININGS, Case
from places import ROOT

PAGE = ROOT / "docs" / "bad-input.md"
INTRO = """# Bad input

What LESER answers to input that cannot work: a message that says what, where and what to do, and an exit code. Everything
in the first table is found before any training, and writes nothing. What the second table holds can only show later: the
run ends (or continues) without losing what a checkpoint holds.

Exit codes: 0 done; 2 something to correct in the command, the configuration or the data; 74 the disk is full; 75 the engine is
down; 130 Ctrl-C. After 74, 75 and 130 the same command with `--resume` continues from the last checkpoint.

This page is written by the tests that check it (`python tests/support/bad_input.py`); `…` stands for what differs from run
to run.
"""
QUERIES = ("red sofa", "blue sofa", "red lamp", "blue lamp", "green rug", "grey chair", "red rug", "blue chair")
DOCUMENTS = {
    "d1": "settee in red velvet",
    "d2": "settee in blue linen",
    "d3": "lantern of red glass",
    "d4": "lantern of blue glass",
    "d5": "carpet and stool, green or grey",
}
RELEVANT = ("d1", "d2", "d3", "d4", "d5", "d5", "d5", "d5")


def shop(changes: Mapping[str, str | None]) -> dict[str, str]:
    """A task of five documents and eight queries as the files of a BEIR folder; a change to None leaves a file out."""
    header = "query-id\tcorpus-id\tscore\n"
    rows = [f"q{i}\t{doc}\t1\n" for i, doc in enumerate(RELEVANT)]
    files: dict[str, str | None] = {
        "queries.jsonl": "".join(json.dumps({"_id": f"q{i}", "text": t}) + "\n" for i, t in enumerate(QUERIES)),
        "corpus.jsonl": "".join(json.dumps({"_id": i, "title": t}) + "\n" for i, t in DOCUMENTS.items()),
        "qrels/train.tsv": header + "".join(rows[:4]),
        "qrels/dev.tsv": header + "".join(rows[4:6]),
        "qrels/test.tsv": header + "".join(rows[6:]),
    }
    return {name: text for name, text in {**files, **changes}.items() if text is not None}


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def tables(folder: Path, **changes: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a training of seconds on the shop, which is written to `folder`."""
    write(folder / "shop", shop({}))
    shape = {"d_model": 32, "layers": 1, "heads": 2, "kv_heads": 1, "ffn": 48, "vocabulary": 400, "pretrain_steps": 2}
    usual: dict[str, dict[str, Any]] = {
        "task": {"name": str(folder / "shop")},
        "backend": {"name": "memory"},
        "rewards": {"weights": ["nDCG@10"]},
        "policy": {"name": "tiny", "device": "cpu", "tiny": shape},
        "warmup": {
            "learning_rate": 1e-2,
            "steps_between_evaluations": 8,
            "patience": 1,
            "max_evaluations": 2,
            "batch_size": 4,
            "samples": 2,
        },
        "training": {"steps": 4, "queries_per_step": 2, "steps_between_evaluations": 2, "max_new_tokens": 10},
        "grpo": {"group_size": 4},
        "evaluation": {
            "baselines": ["original"],
            "passages": False,
            "best_of": 0,
            "prompted": False,
            "warmup_plus": False,
            "resamples": 100,
        },
    }
    return {name: {**usual.get(name, {}), **changes.get(name, {})} for name in {**usual, **changes}}


def run_cli(arguments: Sequence[str]) -> tuple[int, str, str]:
    """The console script `leser run` in this process: exit code, stdout and stderr."""
    from leser.cli.main import run_main

    out, err = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, ["leser-run", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            run_main()
    except SystemExit as end:
        return int(end.code or 0), out.getvalue(), err.getvalue()
    finally:
        sys.argv = before
    raise AssertionError("a console script ends with sys.exit")


def answer(case: Case, folder: Path) -> tuple[int, str]:
    """Exit code and message of a case, run in an empty folder."""
    write(folder / "shop", shop(case.task))
    for name, text in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    usual = ["--task", "./shop", "--backend", "memory", "--policy", "tiny", "--out", "run"]
    with contextlib.chdir(folder):
        if case.begun is not None:
            code, resolved, said = run_cli([*usual, *case.begun, "--dry-run"])
            assert code == 0, said
            write(folder / "run", {"config.toml": resolved})
        before = tree(folder)
        code, _, said = run_cli([*usual, *case.arguments])
    assert tree(folder) == before, "a refused run left something behind"
    assert "Traceback" not in said
    found = re.search(r"^(Error: .*|Usage: .*)", said, re.MULTILINE | re.DOTALL)
    assert found, f"no error in: {said}"
    message = re.sub(r"Available: [^.]*\.", "Available: …", found[1].strip())  # grows with what is installed
    return code, re.sub(r"(Known formats:).*", r"\1 …", message, flags=re.DOTALL).replace(str(folder), "…")


def tree(folder: Path) -> list[tuple[str, int]]:
    """Every file below, with its size; compiled plugins are Python's own."""
    return sorted(
        (str(p.relative_to(folder)), p.stat().st_size) for p in folder.rglob("*") if "__pycache__" not in p.parts
    )


def cell(message: str) -> str:
    return (
        message.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("*", "\\*").replace("\n", "<br>")
    )


def row(given: str, message: str, code: int) -> str:
    return f"| {given} | {cell(message)} | {code} |"


def page(quick: Mapping[str, tuple[int, str]]) -> str:
    """The whole page; `quick` holds what each of CASES answered."""
    head = ["| input | message | exit code |", "|---|---|---|"]
    first = [row(given, message, code) for given, (code, message) in quick.items()]
    second = [row(given, message, code) for given, (message, code) in TRAININGS.items()]
    return "\n".join([INTRO, "## Before training\n", *head, *first, "\n## In training\n", *head, *second]) + "\n"


def told(given: str, code: int, said: str, also: str = "") -> None:
    """The answer that docs/bad-input.md has for this input was given, without a traceback."""
    message, expected = TRAININGS[given]
    assert code == expected, said
    assert holds(said, message), said
    assert also in said
    assert "Traceback" not in said


def holds(said: str, message: str) -> bool:
    """Whether an output holds a message, `…` standing for anything; line breaks don't count."""
    pattern = ".*?".join(re.escape(" ".join(part.split())) for part in message.split("…"))
    return re.search(pattern, " ".join(said.split()), re.DOTALL) is not None


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    answers = {}
    for one in CASES:
        with tempfile.TemporaryDirectory() as place:
            answers[one.input] = answer(one, Path(place))
    PAGE.write_text(page(answers), encoding="utf-8")
