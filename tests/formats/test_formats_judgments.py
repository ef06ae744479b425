"""Readers of judgment lists: OpenSearch's, learning to rank's, and judgments with raters; round trips and line errors."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from leser.errors import LeserError
from leser.formats.builtin import leser_readers
from leser.formats.ltr import Ltr
from leser.formats.opensearch import OpenSearchJudgments
from leser.formats.raters import Raters
from leser.formats.read import read_task
from leser.task import Task
from leser.testing import ReaderCase, ReaderContract

READERS = {reader.name: reader for reader in leser_readers()}
GRADES = {
    "red sofa": {"d1": 3, "d2": 0},
    "desk lamp": {"d3": 2},
    'wool "rug"; {round}': {"d1": 1, "d4": 2},
    "oak bed": {"d5": 1},
}


def opensearch(folder: Path, grades: dict[str, dict[str, int]] = GRADES) -> Path:
    lists = [
        {"query": text, "ratings": [{"docId": d, "rating": f"{g}.000"} for d, g in rated.items()]}
        for text, rated in grades.items()
    ]
    folder.mkdir(exist_ok=True)
    path = folder / "judgments.json"
    path.write_text(json.dumps({"name": "x", "type": "IMPORT_JUDGMENT", "judgmentRatings": lists}, indent=1))
    return path


def quepid_ltr(folder: Path) -> Path:
    lines = [
        f"{grade}\tqid:{number}\t#\t{document}\t{text}\n"
        for number, (text, rated) in enumerate(GRADES.items(), start=1)
        for document, grade in rated.items()
    ]
    folder.mkdir(exist_ok=True)
    path = folder / "case.txt"
    path.write_text("".join(lines))
    return path


def book(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "book.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["query", "docid", "Ann", "Bo", "Cy"])
        for text, rated in GRADES.items():
            rows.writerows([text, document, grade, "", grade] for document, grade in rated.items())
    return path


class TestOpenSearch(ReaderContract):
    @pytest.fixture
    def case(self) -> ReaderCase:
        return ReaderCase(OpenSearchJudgments, write=opensearch, grades=GRADES, bad_lines={"judgments.json": "},{"})


class TestLtr(ReaderContract):
    @pytest.fixture
    def case(self) -> ReaderCase:
        return ReaderCase(Ltr, write=quepid_ltr, grades=GRADES, bad_lines={"case.txt": "3 qid:1"})


class TestRaters(ReaderContract):
    @pytest.fixture
    def case(self) -> ReaderCase:
        return ReaderCase(Raters, write=book, grades=GRADES, bad_lines={"book.csv": "red sofa,d9,good,,"})


def grades_of(task: Task) -> dict[str, dict[str, int]]:
    return {
        query.text: dict(split.qrels[query.id]) for split in task.splits for query in (*split.queries, *split.no_result)
    }


def read(path: Path, **options: object) -> Task:
    return read_task(path, READERS, options)


@pytest.mark.parametrize("write", [opensearch, quepid_ltr, book])
def test_what_was_written_is_read_again(write: Callable[[Path], Path], tmp_path: Path) -> None:
    assert grades_of(read(write(tmp_path))) == GRADES


def test_opensearch_errors_name_the_line_of_the_part_that_is_wrong(tmp_path: Path) -> None:
    path = opensearch(tmp_path)
    whole = path.read_text()
    lines = whole.split("\n")

    def said(old: str, new: str, count: int = 1) -> str:
        path.write_text(whole.replace(old, new, count))
        with pytest.raises(LeserError) as error:
            read(path)
        return str(error.value)

    at = next(n for n, line in enumerate(lines, 1) if '"2.000"' in line)
    assert said('"2.000"', '"good"').startswith(f"{path}, line {at}: the rating 'good' is not a number")
    assert said('"2.000"', '"2.5"').startswith(f"{path}, line {at}: the rating 2.5 times 1 is not a whole grade")
    assert said('"2.000"', "null") == f'{path}, line {at}: expected a text under "rating", found null'
    at = next(n for n, line in enumerate(lines, 1) if '"d3"' in line)
    assert said('"docId": "d3"', '"doc": "d3"').startswith(f'{path}, line {at - 1}: expected a text under "docId"')
    assert said('"docId": "d3",', '"docId": "d3"').startswith(f"{path}, line {at + 1}: not valid JSON")
    assert said('"docId": "d2"', '"docId": "d1"').endswith("document d1 already has grade 3 for query q1, here 0")


def test_ratings_are_mapped_by_name_or_by_scale(tmp_path: Path) -> None:
    percent = {"a": {"d1": 100, "d2": 10}, "b": {"d1": 1}, "c": {"d1": 100}}
    path = opensearch(tmp_path, percent)
    mapped = read(path, grades={"100": 3, "10": 2, "1": 1, "0": 0})
    assert grades_of(mapped) == {"a": {"d1": 3, "d2": 2}, "b": {"d1": 1}, "c": {"d1": 3}}
    path.write_text(path.read_text().replace("1.000", "0.500"))
    assert grades_of(read(path, scale=2))["b"] == {"d1": 1}


def test_public_samples_of_opensearch(shared_data: Callable[[str], Path]) -> None:
    folder = shared_data("fixtures")
    esci = read(folder / "esci_us_judgments.json", grades={"100": 3, "10": 2, "1": 1, "0": 0})
    assert sum(map(len, grades_of(esci).values())) == 6678
    assert sum(len(split.queries) + len(split.no_result) for split in esci.splits) == 150
    art = grades_of(read(folder / "art_judgments.json"))
    assert len(art) == 27
    assert art["3 year old boy birthday gift"]["B08QJ2L34M"] == 3


NAMED = "# qid:1: red sofa\n# qid:2: lamp\n# qid:3: rug\n"
LTR = {
    "svmrank": NAMED + "2 qid:1 1:0.5 7:2 # d1\n0 qid:1 1:.1 # d2\n1 qid:2 # d3\n1 qid:3 # d3\n",
    "letor": NAMED + "2 qid:1 1:0 #docid = d1 inc = 1\n0 qid:1 #docid = d2\n1 qid:2 #docid = d3\n1 qid:3 #docid = d3\n",
    "elastic": "query_id\tquery\tdoc_id\tgrade\nqid:1\tred sofa\td1\t2\nqid:1\tred sofa\td2\t0\nqid:2\tlamp\td3\t1\n"
    "qid:3\trug\td3\t1\n",
    "list": "grade,keywords,movie\n2,red sofa,d1\n0,red sofa,d2\n1,lamp,d3\n1,rug,d3\n",
}


@pytest.mark.parametrize("form", LTR)
def test_forms_of_ltr_files(form: str, tmp_path: Path) -> None:
    path = tmp_path / "judgments.txt"
    path.write_text(LTR[form])
    assert grades_of(read(path)) == {"red sofa": {"d1": 2, "d2": 0}, "lamp": {"d3": 1}, "rug": {"d3": 1}}


def test_texts_of_svmrank_queries_stand_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "train.dat"
    path.write_text("2 qid:1 1:0.5 # d1\n1 qid:2 # d3\n1 qid:3 # d3\n")
    with pytest.raises(
        LeserError, match=r"train.dat, line 1: query 1 has no text. Write it after the document, or put queries.tsv"
    ):
        read(path)
    (tmp_path / "queries.tsv").write_text("1\tred sofa\n2\tlamp\n3\trug\n")
    assert grades_of(read(path)) == {"red sofa": {"d1": 2}, "lamp": {"d3": 1}, "rug": {"d3": 1}}
    path.write_text("2 qid:1 # d1 blue sofa\n")
    with pytest.raises(LeserError, match=r"line 1: query 1 is 'red sofa' before, 'blue sofa' here"):
        read(path)


def test_raters_are_combined(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    rows = [
        "sofa,d1,0,3,3",
        "sofa,d2,2,,1",
        "sofa,d3,,2,",
        "lamp,d1,1,1,0",
        "rug,d1,3,0,",
        *(f"{text},d1,1,1,1" for text in ("bed", "vase", "mug", "tray")),
    ]
    path.write_text("query,docid,Ann,Bo,Cy\n" + "\n".join(rows))
    expected = {
        "median": {"d1": 3, "d2": 1, "d3": 2},  # of two middle ones the lower
        "lowest": {"d1": 0, "d2": 1, "d3": 2},
        "majority": {"d1": 3, "d2": 1, "d3": 2},
    }
    for way, grades in expected.items():
        task = read(path, combine=way)
        assert grades_of(task)["sofa"] == grades
        assert "3 raters; 2 of 9 judged pairs have grades more than 1 apart." in task.notes
    two = read(path, min_raters=2)
    assert grades_of(two)["sofa"] == {"d1": 3, "d2": 1}
    assert any("1 pairs have fewer than 2 raters" in note for note in two.notes)


def test_the_raters_of_a_real_shop(shared_data: Callable[[str], Path]) -> None:
    task = read(shared_data("electronics") / "raters.tsv")
    assert sum(map(len, grades_of(task).values())) == 3188
    assert any(note.startswith("3 raters; ") for note in task.notes)
