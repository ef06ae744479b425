"""What files of tasks may hold: grades as numbers of any form, within limits, and values that are no texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bad_input import shop
from task_folders import folder_of, trec

from leser.backend import Document
from leser.errors import LeserError
from leser.formats.files import GRADE_LIMIT, grade_of, json_corpus
from leser.formats.read import read_task
from leser.formats.split import assemble, check_splits
from leser.plugins import Classes, load_plugins
from leser.reader import Reader
from leser.task import Query, Task


@pytest.fixture(scope="module")
def registry() -> Classes[Reader]:
    return load_plugins().all("reader")


@pytest.mark.parametrize(
    ("text", "grade"),
    [("2", 2), ("2.0", 2), ("1e0", 1), ("-1.00", -1), ("+3", 3), ("2.", 2), ("0.3E1", 3), ("1000", 1000)],
)
def test_whole_floats_are_grades_in_every_reader(
    tmp_path: Path, registry: Classes[Reader], text: str, grade: int
) -> None:
    tasks = [
        read_task(folder_of(tmp_path / "beir", shop({"qrels/train.tsv": f"q0\td1\t{text}\nq1\td2\t1\n"})), registry),
        read_task(folder_of(tmp_path / "trec", trec(**{"qrels.train.txt": f"1 0 d1 {text}\n1 0 A 1\n"})), registry),
        read_task(
            folder_of(tmp_path / "needs", trec(**{"qrels.train.txt": f"1 s1 d1 {text}\n1 s2 A 1\n"})),
            registry,
            {"subtopics": True},
        ),
    ]
    for task in tasks:
        assert next(row["d1"] for row in task.train.qrels.values() if "d1" in row) == grade
    rows = f"a,d1,{text}\na,d2,1\nb,d1,1\nc,d1,1\n"
    task = read_task(folder_of(tmp_path / "quepid", {"case.csv": f"query,docid,rating\n{rows}"}), registry)
    assert grade in {row["d1"] for split in task.splits for row in split.qrels.values()}


@pytest.mark.parametrize("text", ["2.5", "nan", "inf", "1_0", "", "0x1", "2,0", "½", "1e9999999999", "--1", "good"])
def test_what_is_no_whole_number_is_no_grade(text: str) -> None:
    with pytest.raises(LeserError, match=r"qrels\.tsv, line 7: the grade '.*' is not a whole number"):
        grade_of(text, Path("qrels.tsv"), 7)


@pytest.mark.parametrize("text", ["3000000000", "1001", "-1001", "1e300", "9" * 5000])
def test_a_grade_beyond_the_limit_is_an_error_in_every_reader(
    tmp_path: Path, registry: Classes[Reader], text: str
) -> None:
    tasks = {
        "beir": shop({"qrels/train.tsv": f"q0\td1\t{text}\n"}),
        "trec": trec(**{"qrels.train.txt": f"1 0 A {text}\n"}),
        "quepid": {"case.csv": f"query,docid,rating\na,d1,{text}\n"},
    }
    for name, files in tasks.items():
        with pytest.raises(LeserError, match=r"line \d: the grade .* is not between -1000 and 1000"):
            read_task(folder_of(tmp_path / name, files), registry)


def test_a_scale_multiplies_exactly(tmp_path: Path, registry: Classes[Reader]) -> None:
    rows = "".join(f"q{i},d,0.29\n" for i in range(4))
    task = read_task(folder_of(tmp_path, {"c.csv": f"query,docid,rating\n{rows}"}), registry, {"scale": 100})
    assert {grade for split in task.splits for row in split.qrels.values() for grade in row.values()} == {29}


def test_a_document_has_the_highest_grade_of_its_subtopics(tmp_path: Path, registry: Classes[Reader]) -> None:
    files = trec(**{"qrels.train.txt": "1 1 A 0\n1 2 A 2.0\n1 3 A 1\n1 2 B 1\n"})
    train = read_task(folder_of(tmp_path, files), registry, {"subtopics": True}).train
    assert train.qrels == {"1": {"A": 2, "B": 1}}
    assert train.queries[0].subtopics == {"2": {"A", "B"}, "3": {"A"}}
    with pytest.raises(LeserError, match="line 2: document A already has grade 0 for query 1, here 2"):
        read_task(tmp_path, registry)


@pytest.mark.parametrize("grade", [GRADE_LIMIT + 1, 2.0, float("nan")])
def test_grades_of_anybodys_reader_are_checked(grade: float) -> None:
    class Clicks(Reader):
        """A reader of somebody else's."""

        def read(self) -> Task:
            queries = {str(i): Query(str(i), f"query {i}") for i in range(4)}
            return assemble("clicks", queries, {"all": {i: {"d": grade} for i in queries}}, seed=1)  # type: ignore[dict-item]

    with pytest.raises(LeserError, match=r"Task 'clicks': the grade .* of document d for query . is not valid"):
        check_splits(Clicks(Reader.Options()).read())


def corpus(tmp_path: Path, *rows: str) -> list[Document]:
    (tmp_path / "corpus.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return list(json_corpus(tmp_path / "corpus.jsonl"))


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        ("NaN", {}),
        ("Infinity", {}),
        ("-Infinity", {}),
        ("1e999", {}),
        ("null", {}),
        ('""', {}),
        ("[]", {}),
        ("[null, NaN]", {}),
        ("3", {"title": "3"}),
        ("2.5", {"title": "2.5"}),
        ("true", {"title": "true"}),
        ('["red", NaN, 2, ["blü"]]', {"title": "red, 2, blü"}),
        ('{"en": "sofa", "de": NaN}', {"title.en": "sofa"}),
        ('[{"name": "Ü"}, {"name": "B", "n": 1}]', {"title.name": "Ü, B", "title.n": "1"}),
    ],
)
def test_values_that_are_no_texts(tmp_path: Path, value: str, fields: dict[str, str]) -> None:
    (document,) = corpus(tmp_path, f'{{"_id": "A", "title": {value}, "text": "x", "metadata": NaN}}')
    assert dict(document.fields) == {"text": "x"} | fields


def test_json_that_python_cannot_hold_is_an_error_with_file_and_line(tmp_path: Path) -> None:
    for bad in (f'{{"_id": "B", "n": {"1" * 5000}}}', f'{{"_id": "B", "n": {"[" * 100_000}'):
        with pytest.raises(LeserError, match=r"corpus\.jsonl, line 2: not readable as JSON"):
            corpus(tmp_path, '{"_id": "A"}', bad)


def test_a_query_without_a_text_is_an_error_and_one_of_digits_is_none(
    tmp_path: Path, registry: Classes[Reader]
) -> None:
    rows = [
        json.dumps({"_id": f"q{i}", "text": text}) for i, text in enumerate(["a", "b", "c", "d", "e", "f", 1984, "h"])
    ]
    task = read_task(folder_of(tmp_path, shop({"queries.jsonl": "\n".join(rows)})), registry)
    assert task.test.queries[0].text == "1984"
    for value in ("NaN", "null", '""', '["a"]', "true"):
        folder_of(tmp_path, shop({"queries.jsonl": f'{{"_id": "q0", "text": {value}}}'}))
        with pytest.raises(LeserError, match=r'queries\.jsonl, line 1: expected a text under "text"'):
            read_task(tmp_path, registry)
