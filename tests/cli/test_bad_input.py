"""Every bad input is answered before any training: what, where, what to do, an exit code, and nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_input import PAGE, answer, holds, row, run_cli, shop, write
from bad_input_cases import CASES, TRAININGS, Case

DOCUMENTED = PAGE.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.input)
def test_the_answer_is_the_documented_one(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, message = answer(case, tmp_path)
    assert code == case.code
    assert row(case.input, message, code) in DOCUMENTED, "write the page anew: python tests/support/bad_input.py"


def test_the_page_holds_nothing_else() -> None:
    rows = [line for line in DOCUMENTED if line.startswith("| ") and not line.startswith("| input |")]
    assert [line.split(" | ")[0].removeprefix("| ") for line in rows] == [*(case.input for case in CASES), *TRAININGS]
    for given, (message, code) in TRAININGS.items():
        assert row(given, message, code) in rows


def test_every_message_says_what_to_do_in_words_of_the_user() -> None:
    for line in DOCUMENTED:
        assert "Traceback" not in line
        assert "pydantic.dev" not in line


def test_some_judged_documents_that_the_index_lacks_are_a_warning(tmp_path: Path) -> None:
    files = shop(
        {"qrels/train.tsv": "query-id\tcorpus-id\tscore\nq0\td1\t1\nq1\td2\t1\nq2\td3\t1\nq3\td4\t1\nq3\tgone\t1\n"}
    )
    write(tmp_path / "shop", files)
    code, _, said = run_cli(["--task", str(tmp_path / "shop"), "--backend", "memory", "--policy", "tiny", "--dry-run"])
    message, expected = TRAININGS["judgments of documents that the index lacks, less than half"]
    assert code == expected
    assert holds(said, message), said


def test_a_broken_line_of_the_memory_backends_own_corpus_is_named(tmp_path: Path) -> None:
    write(tmp_path / "shop", shop({}))
    write(tmp_path / "own", {"corpus.jsonl": '{"_id": "d1", "title": "a"}\nnot json\n'})
    arguments = ["--task", str(tmp_path / "shop"), "--backend", "memory", "--policy", "tiny", "--dry-run"]
    code, _, said = run_cli([*arguments, "-o", f"documents={tmp_path / 'own'}"])
    assert code == 2
    assert "own/corpus.jsonl, line 2: not valid JSON" in said
