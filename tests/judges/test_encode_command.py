"""`leser encode`: a catalogue's vectors are made once, and a run's reward finds them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from leser_judges.vectors import VectorFile
from settings import small_task

from leser.cli.main import group


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_task(tmp_path_factory.mktemp("task") / "shop")


def encode(task: Path, *more: str) -> tuple[int, str]:
    done = CliRunner().invoke(group, ["encode", "--task", str(task), *more])
    return done.exit_code, f"{done.output}{done.exception or ''}"


def test_documents_are_encoded_once(task: Path, tmp_path: Path) -> None:
    titles = {json.loads(line)["title"] for line in (task / "corpus.jsonl").read_text().splitlines()}
    reward = ("--reward", f"encoder(cache='{tmp_path}', max_length=16)@10", "--reward", "nDCG@10")
    code, said = encode(task, *reward)
    assert code == 0, said
    assert f": {len(titles)} texts, {len(titles)} of them new." in said
    (folder,) = tmp_path.iterdir()
    assert len(VectorFile(folder, "float16", 2**30)) == len(titles)
    assert f": {len(titles)} texts, 0 of them new." in encode(task, *reward)[1]


def test_what_cannot_be_encoded_is_said(task: Path) -> None:
    assert (
        "No reward of this configuration has an encoder. Name one: --reward encoder@10."
        in encode(task, "--reward", "nDCG@10")[1]
    )
    assert "need --engine ray" in encode(task, "--reward", "encoder@10", "--workers", "2")[1]
