"""queries.txt beside corpus.jsonl: what people typed, one query per line, without judgments."""

from __future__ import annotations

from pathlib import Path

import pytest

from leser.errors import LeserError
from leser.formats.beir import Beir
from leser.formats.read import read_task


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "corpus.jsonl").write_text('{"_id": "1", "title": "red sofa"}\n')
    (folder / "queries.txt").write_bytes("\ufeffred  sofa\r\n\n couch\nRed sofa\nküche\nlamp\n".encode())
    return folder


def test_each_line_is_a_query(shop: Path) -> None:
    task = read_task(shop, {"beir": Beir}, {"unjudged": "all"})
    queries = {query.id: query.text for split in task.splits for query in split.queries}
    assert queries == {"1": "red sofa", "3": "couch", "5": "küche", "6": "lamp"}
    assert all(split.queries for split in task.splits)
    assert task.documents is not None
    assert [document.id for document in task.documents()] == ["1"]


def test_judgments_are_asked_for_unless_none_are_needed(shop: Path) -> None:
    with pytest.raises(LeserError, match=r"-o task\.unjudged=all"):
        read_task(shop, {"beir": Beir}, {})


def test_what_queries_without_ids_cannot_be(shop: Path) -> None:
    typed = shop / "queries.txt"
    typed.write_text("red sofa\t17\n")
    with pytest.raises(LeserError, match=r"queries\.txt, line 1: found a tab\. Write nothing but the query"):
        read_task(shop, {"beir": Beir}, {"unjudged": "all"})
    (shop / "qrels").mkdir()
    (shop / "qrels" / "train.tsv").write_text("1\t1\t1\n")
    with pytest.raises(LeserError, match=r"gives its queries no ids that .*qrels could name\. Write queries\.jsonl"):
        read_task(shop, {"beir": Beir}, {"unjudged": "all"})
    (shop / "queries.jsonl").write_text('{"_id": "1", "text": "red sofa"}\n')
    with pytest.raises(LeserError, match=r"queries\.jsonl and .*queries\.txt could both hold the queries"):
        read_task(shop, {"beir": Beir}, {"unjudged": "all"})


def test_a_folder_without_documents_is_not_recognised_and_it_is_said_why(shop: Path) -> None:
    (shop / "corpus.jsonl").unlink()
    said = r"queries\.txt has no corpus\.jsonl beside it\. `leser corpus` writes an index's documents there\."
    with pytest.raises(LeserError, match=said):
        read_task(shop, {"beir": Beir}, {"unjudged": "all"})
    (shop / "queries.jsonl").write_text('{"_id": "1", "text": "red sofa"}\n')
    with pytest.raises(LeserError, match=r"queries\.jsonl has neither qrels nor a corpus\.jsonl beside it"):
        read_task(shop, {"beir": Beir}, {"unjudged": "all"})
