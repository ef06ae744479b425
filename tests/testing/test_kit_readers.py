"""Every reader that comes with LESER passes the contract a third party's reader is held to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from caught import failures
from leser_catalogue.reader import Demo
from planted import readers as planted

from leser.formats.builtin import leser_readers
from leser.plugins import load_plugins
from leser.testing import ReaderCase, ReaderContract

READERS = {cls.name: cls for cls in leser_readers()}
GRADES = {
    "red sofa": {"d1": 2, "d2": 1},
    "café “lamp”, 12\" & more": {"d2": 1, "d3": 0},
    "blue couch": {"d1": 1},
    "running shoes <80 eur": {"d3": 3},
    "nothing here": {"d1": 0},
}  # fmt: skip
IDS = {text: f"q{number}" for number, text in enumerate(GRADES, 1)}
TITLES = {"d1": "Velvet sofa", "d2": "Desk lamp", "d3": "Trail shoes"}


def corpus() -> str:
    rows = ({"_id": id, "title": title, "text": "café"} for id, title in TITLES.items())
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_beir(folder: Path) -> Path:
    (folder / "qrels").mkdir()
    queries = "".join(json.dumps({"_id": IDS[text], "text": text}, ensure_ascii=False) + "\n" for text in GRADES)
    (folder / "queries.jsonl").write_text(queries, encoding="utf-8")
    (folder / "corpus.jsonl").write_text(corpus(), encoding="utf-8")
    rows = [f"{IDS[text]}\t{document}\t{grade}\n" for text, own in GRADES.items() for document, grade in own.items()]
    (folder / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(rows), encoding="utf-8")
    return folder


def write_trec(folder: Path) -> Path:
    topics = "".join(f"{IDS[text]}\t{text}\n" for text in GRADES)
    (folder / "topics.tsv").write_text(topics, encoding="utf-8")
    rows = [f"{IDS[text]} 0 {document} {grade}\n" for text, own in GRADES.items() for document, grade in own.items()]
    (folder / "qrels.txt").write_text("".join(rows), encoding="utf-8")
    (folder / "corpus.jsonl").write_text(corpus(), encoding="utf-8")
    return folder


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def write_quepid(folder: Path) -> Path:
    rows = [f"{quoted(text)},{doc},{grade}\n" for text, own in GRADES.items() for doc, grade in own.items()]
    (folder / "case.csv").write_text("query,docid,rating\n" + "".join(rows), encoding="utf-8")
    (folder / "corpus.jsonl").write_text(corpus(), encoding="utf-8")
    return folder / "case.csv"


CASES = {
    "beir": ReaderCase(
        READERS["beir"],
        write_beir,
        GRADES,
        {"queries.jsonl": '{"_id": "q1"', "qrels/train.tsv": "q1\td1", "corpus.jsonl": '["d9"]'},
    ),
    "trec": ReaderCase(
        READERS["trec"], write_trec, GRADES, {"topics.tsv": "q9 no tab", "qrels.txt": "q1 0 d9 many"}
    ),
    "quepid": ReaderCase(READERS["quepid"], write_quepid, GRADES, {"case.csv": "red sofa,d9,many"}),
    "demo": ReaderCase(Demo),
}  # fmt: skip


class TestBuiltInReaders(ReaderContract):
    @pytest.fixture(params=CASES)
    def case(self, request: pytest.FixtureRequest) -> ReaderCase:
        return CASES[request.param]


def test_no_reader_is_left_out() -> None:
    elsewhere = {"raters", "opensearch-judgments", "ltr", "ubi", "esci", "wands"}  # tests/formats has theirs
    assert {case.reader.name for case in CASES.values()} | elsewhere == set(load_plugins().all("reader"))


def test_the_kit_finds_planted_faults_and_its_first_failure_names_the_cause() -> None:
    seen = failures(planted.__file__)
    assert {name: (seen.failed[name] or [None])[0] for name in planted.FIRST} == planted.FIRST
    assert seen.passed["TestGood"] > 15
