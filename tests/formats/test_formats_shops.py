"""ESCI and WANDS, in the exact forms they are published in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leser.errors import LeserError
from leser.formats.builtin import leser_readers
from leser.formats.esci import Esci
from leser.formats.read import read_task
from leser.formats.wands import Wands
from leser.task import Task
from leser.testing import ReaderCase, ReaderContract

READERS = {reader.name: reader for reader in leser_readers()}
QUERIES = {0: "salon chair", 1: "smart coffee table", 2: "dinosaur", 3: "turquoise pillows"}
LABELS = (
    (0, 25434, "Exact"),
    (0, 12088, "Irrelevant"),
    (1, 42931, "Partial"),
    (2, 25434, "Exact"),
    (3, 12088, "Partial"),
)
WANDS = {
    QUERIES[0]: {"25434": 2, "12088": 0},
    QUERIES[1]: {"42931": 1},
    QUERIES[2]: {"25434": 2},
    QUERIES[3]: {"12088": 1},
}


def wands(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    rows = "".join(f"{id}\t{text}\tClass {id}\n" for id, text in QUERIES.items())
    (folder / "query.csv").write_text(f"query_id\tquery\tquery_class\n{rows}")
    head = "product_id\tproduct_name\tproduct_class\tcategory hierarchy\tproduct_description\tproduct_features\trating_count"
    products = "".join(
        f'{id}\tchair {id}\tChairs\tFurniture / Seats\ta "fine" chair\tcolor:red|size:2\t15.0\n'
        for id in (25434, 12088)
    )
    (folder / "product.csv").write_text(f"{head}\n{products}42931\ttable\t\t\t\t\t\n")
    labels = "".join(f"{n}\t{query}\t{product}\t{label}\n" for n, (query, product, label) in enumerate(LABELS))
    (folder / "label.csv").write_text(f"id\tquery_id\tproduct_id\tlabel\n{labels}")
    return folder


class TestWands(ReaderContract):
    @pytest.fixture
    def case(self) -> ReaderCase:
        return ReaderCase(Wands, write=wands, grades=WANDS, bad_lines={"label.csv": "9\t0\t25434\tFine"})


ROWS: tuple[dict[str, Any], ...] = tuple(
    {
        "example_id": number,
        "query": text,
        "query_id": query,
        "product_id": product,
        "product_locale": locale,
        "esci_label": label,
        "small_version": small,
        "large_version": 1,
        "split": split,
    }
    for number, (query, text, product, locale, label, small, split) in enumerate(
        [
            (1, "revent 80 cfm", "B1", "us", "E", 1, "train"),
            (1, "revent 80 cfm", "B2", "us", "I", 1, "train"),
            (2, "red sofa", "B2", "us", "S", 1, "train"),
            (3, "desk lamp", "B1", "us", "C", 1, "train"),
            (4, "wool rug", "B2", "us", "E", 1, "test"),
            (5, "large only", "B1", "us", "E", 0, "train"),
            (6, "silla", "B1", "es", "E", 1, "train"),
        ]
    )
)
ESCI = {"revent 80 cfm": {"B1": 3, "B2": 0}, "red sofa": {"B2": 2}, "desk lamp": {"B1": 1}, "wool rug": {"B2": 3}}


def esci(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(ROWS)), folder / "shopping_queries_dataset_examples.parquet")
    products = [
        {
            "product_id": id,
            "product_title": title,
            "product_description": None,
            "product_bullet_point": "one\ntwo",
            "product_brand": "",
            "product_color": "red",
            "product_locale": locale,
        }
        for id, title, locale in (("B1", "fan", "us"), ("B2", "sofa", "us"), ("B1", "silla", "es"))
    ]
    pq.write_table(pa.Table.from_pylist(products), folder / "shopping_queries_dataset_products.parquet")
    return folder


class TestEsci(ReaderContract):
    @pytest.fixture
    def case(self) -> ReaderCase:
        return ReaderCase(Esci, write=esci, grades=ESCI)

    @pytest.mark.xfail(reason="Parquet has no lines: a test below holds the message to the row", strict=True)
    def test_lines_that_cannot_be_read(self, case: ReaderCase, tmp_path: Path) -> None:
        super().test_lines_that_cannot_be_read(case, tmp_path)

    @pytest.mark.xfail(reason="Parquet has no line ends", strict=True)
    def test_files_written_on_windows(self, case: ReaderCase, path: Path, tmp_path: Path) -> None:
        super().test_files_written_on_windows(case, path, tmp_path, "crlf")


def grades_of(task: Task) -> dict[str, dict[str, int]]:
    return {
        query.text: dict(split.qrels[query.id]) for split in task.splits for query in (*split.queries, *split.no_result)
    }


def test_wands_keeps_classes_and_products(tmp_path: Path) -> None:
    task = read_task(wands(tmp_path), READERS)
    assert {query.text: query.kind for split in task.splits for query in split.queries}["dinosaur"] == "Class 2"
    assert task.documents is not None
    products = {document.id: document.fields for document in task.documents()}
    assert products["25434"]["product_features"] == "color:red|size:2"
    assert products["42931"] == {"product_name": "table"}
    assert task.title_field == "product_name"


def test_wands_errors_name_the_line(tmp_path: Path) -> None:
    label = wands(tmp_path) / "label.csv"
    whole = label.read_text()
    for line, said in (
        ("9\t0\t25434\tFine", "the label 'Fine' is not one of"),
        ("9\t77\t25434\tExact", "query 77 is not in"),
    ):
        label.write_text(f"{whole}{line}\n")
        with pytest.raises(LeserError) as error:
            read_task(tmp_path, READERS)
        assert str(error.value).startswith(f"{label}, line 7: {said}")


def test_esci_reads_a_locale_and_a_version(tmp_path: Path) -> None:
    folder = esci(tmp_path)
    task = read_task(folder, READERS)
    assert grades_of(task) == ESCI
    assert [query.text for query in task.test.queries] == ["wool rug"]
    assert "large only" in grades_of(read_task(folder, READERS, {"version": "large"}))
    assert task.documents is not None
    assert {document.id: document.fields for document in task.documents()} == {
        id: {"title": title, "bullet_point": "one\ntwo", "color": "red"}
        for id, title in (("B1", "fan"), ("B2", "sofa"))
    }


def test_esci_names_row_and_column(tmp_path: Path) -> None:
    file = esci(tmp_path) / "shopping_queries_dataset_examples.parquet"
    rows = [dict(row) for row in ROWS]
    rows[3]["esci_label"] = "X"
    pq.write_table(pa.Table.from_pylist(rows), file)
    with pytest.raises(LeserError, match=r"examples.parquet, row 4: the label 'X'"):
        read_task(tmp_path, READERS)
    pq.write_table(pa.table({"query": ["x"]}), file)
    with pytest.raises(LeserError, match="lacks the columns query_id, product_id"):
        read_task(tmp_path, READERS)
    file.write_bytes(b"PAR1 no more")
    with pytest.raises(LeserError, match="is not a whole Parquet file"):
        read_task(tmp_path, READERS)
