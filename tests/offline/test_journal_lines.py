"""A journal's lines end with a line feed alone: texts of users hold other signs that Python takes for an end of line."""

from __future__ import annotations

from pathlib import Path

import pytest

from leser.errors import LeserError
from leser.offline.blocks import BlockJournal


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\x0c", "\r"])
def test_a_text_with_another_end_of_line_is_resumed(tmp_path: Path, sign: str) -> None:
    rows = [{"key": "a", "text": f"red{sign}sofa"}, {"key": "b", "text": "lamp"}]
    journal = BlockJournal(tmp_path / "job.jsonl")
    journal.begin({"size": 2}, resume=False)
    journal.append(rows)
    found = BlockJournal(journal.path).begin({"size": 2}, resume=True)
    assert found == [rows[0], {**rows[1], "end": True}]


def test_a_line_that_is_broken_is_named(tmp_path: Path) -> None:
    path = tmp_path / "job.jsonl"
    path.write_bytes(b'{"settings": {}}\n\xff{}\n')
    with pytest.raises(LeserError, match="line 2 is not valid JSON"):
        BlockJournal(path).begin({}, resume=True)
