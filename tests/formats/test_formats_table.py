"""Tables of ratings as spreadsheets and old exports write them: read where they can be, else named with what to do."""

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import pytest

from leser.errors import LeserError
from leser.formats.read import read_task
from leser.plugins import Classes, load_plugins
from leser.reader import Reader
from leser.task import Task

ROWS = [
    ("query", "docid", "rating"),
    *(
        (f"{shown}", f"d{n}", "2")
        for n, shown in enumerate(("stühle; rot", 'sofa 27" breit', "椅子, 赤", "lamp", "desk"))
    ),
]
EXPECTED = {
    "stühle; rot": {"d0": 2},
    'sofa 27" breit': {"d1": 2},
    "椅子, 赤": {"d2": 2},
    "lamp": {"d3": 2},
    "desk": {"d4": 2},
}


@pytest.fixture(scope="module")
def registry() -> Classes[Reader]:
    return load_plugins().all("reader")


def table(**dialect: Any) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, **dialect).writerows(ROWS)
    return out.getvalue()


def judged(task: Task) -> dict[str, dict[str, int]]:
    return {
        query.text: dict(split.qrels.get(query.id, {}))
        for split in task.splits
        for query in (*split.queries, *split.no_result)
    }


def read(path: Path, data: bytes, registry: Classes[Reader]) -> Task:
    path.write_bytes(data)
    return read_task(path, registry)


@pytest.mark.parametrize(
    "data",
    [
        table(lineterminator="\r").encode(),
        table(lineterminator="\n").encode("utf-8-sig"),
        table(delimiter=";").encode(),
        table(delimiter="\t").encode("utf-16"),
        table().encode("utf-16-le"),
        b"\xfe\xff" + table(delimiter=";").encode("utf-16-be"),
        table().encode("utf-32"),
        table(delimiter=";", quoting=csv.QUOTE_ALL).encode(),
        table(delimiter="|", quoting=csv.QUOTE_ALL).encode(),
        ("sep=;\r\n" + table(delimiter=";")).encode("utf-8-sig"),
        ("sep=\t\r" + table(delimiter="\t", lineterminator="\r")).encode("utf-16"),
        ('"sep=,"\n' + table()).encode(),
        ("sep=^\n" + table(delimiter="^")).encode(),
        ("\r\n\r\n" + table()).encode(),
        gzip.compress(table(delimiter=";").encode()),
    ],
    ids=[
        "cr", "bom", "semicolon", "utf-16 tab", "utf-16 unmarked", "utf-16-be", "utf-32", "all quoted", "bars", "sep=;",
        "sep=tab", "sep quoted", "sep=^", "blank lines", "gzip",
    ],
)  # fmt: skip
def test_every_dialect_gives_the_same_judgments(tmp_path: Path, registry: Classes[Reader], data: bytes) -> None:
    assert judged(read(tmp_path / "case.csv", data, registry)) == EXPECTED


def test_other_signs_in_the_header_do_not_mislead(tmp_path: Path, registry: Classes[Reader]) -> None:
    rows = "".join(f"query {n};d{n};1;a, b, c\n" for n in range(5))
    header = "query;doc_id;rating;note, and, more, of, it,,,\n"
    assert judged(read(tmp_path / "c.csv", (header + rows).encode(), registry))["query 3"] == {"d3": 1}


def test_a_field_of_any_length_is_read_and_the_limit_of_csv_stays(tmp_path: Path, registry: Classes[Reader]) -> None:
    before = csv.field_size_limit()
    rows = "".join(f"T,C,1,query {n},d{n},{'x ' * 100_000},3\n" for n in range(4))
    header = "Team Name,Case Name,Case ID,Query Text,Doc ID,Title,Rating\n"
    assert judged(read(tmp_path / "c.csv", (header + rows).encode(), registry))["query 2"] == {"d2": 3}
    assert csv.field_size_limit() == before


def test_a_field_of_several_lines_is_one_field(tmp_path: Path, registry: Classes[Reader]) -> None:
    rows = "".join(f'query {n},d{n},1,"first\r\n""second"", third"\r\n' for n in range(4))
    task = read(tmp_path / "c.csv", ("query,docid,rating,title\r\n" + rows).encode(), registry)
    assert judged(task) == {f"query {n}": {f"d{n}": 1} for n in range(4)}


def test_unrated_rows_of_old_exports_are_left_out_and_counted(tmp_path: Path, registry: Classes[Reader]) -> None:
    rows = "rated,d1,2\nrated,d2,\nrated,d3,--\nrated,d4,null\nno results\nno match,,\nnot yet,d5,\n\n"
    rows += "".join(f"query {n},d{n},1\n" for n in range(4))
    task = read(tmp_path / "case.csv", ("\n\nquery,doc_id,rating\n\n" + rows).encode(), registry)
    assert judged(task)["rated"] == {"d1": 2}
    assert {"no results", "no match", "not yet"} == {q.text for split in task.splits for q in split.no_result}
    assert "6 rows of case.csv have no rating and are left out." in task.notes
    assert "3 queries have no rating at all." in task.notes


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            "query,docid,rating\nstühle,1,2\n".encode("latin-1"),
            r"own\.csv, line 2: not UTF-8 .*0xFC.*Export it again as UTF-8: in Excel",
        ),
        ("query;docid;rating\r\rstühle;1;2\r".encode("cp1252"), r"own\.csv, line 3: not UTF-8 .*Export it again"),
        (b"\xff\xfeq\x00u\x00\x00", r"own\.csv, line 1: not UTF-16.*Export it again"),
        (b"PK\x03\x04\x14\x00\x06\x00\xff\xfe\x00", r"own\.csv, line 1: not UTF-8 .*Export it again"),
        (b'query,docid,rating\nsofa,1,2\n"lamp,2,3\ndesk,3,1\n', r'own\.csv, line 3: a field begins with a quote \("\) that no'),
        (b"name,price\nsofa,1\n", r"own\.csv, line 1: expected the header query,docid,rating, found name,price"),
        (b"sep=;\nname;price\n", r"own\.csv, line 2: expected the header"),
        (b"", r"own\.csv, line 1: expected the header query,docid,rating, found nothing"),
        (b"\x1f\x8bnothing", r"own\.csv is not a whole gzip file"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_with_what_to_do(
    tmp_path: Path, registry: Classes[Reader], data: bytes, message: str
) -> None:
    with pytest.raises(LeserError, match=rf"(?s){message}"):
        read(tmp_path / "own.csv", data, registry)
    with pytest.raises(LeserError, match=rf"(?s){message}"):  # the only table of a folder is meant too
        read_task(tmp_path, registry)


@pytest.mark.parametrize(
    "stray",
    [
        b"name;preis\rst\xfchle;1\r", b"\xff\xfe\x00", b"\x00\x01\x02\xff", b'a,"b\n' * 9, b"x" * 300_000, b"", b"sep=\n",
        b"query,docid,rating\n" + b"sofa,1,2\n" * 20_000 + b"st\xfchle,2,1\n",
    ],
)  # fmt: skip
def test_a_stray_table_does_not_break_a_task(tmp_path: Path, registry: Classes[Reader], stray: bytes) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "queries.jsonl").write_text("".join(f'{{"_id": "q{n}", "text": "query {n}"}}\n' for n in range(5)))
    rows = "".join(f"q{n}\td{n}\t1\n" for n in range(5))
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + rows)
    (tmp_path / "prices.csv").write_bytes(stray)
    (tmp_path / "._prices.csv").write_bytes(b"\x00\x05\x16\x07")
    assert judged(read_task(tmp_path, registry)) == {f"query {n}": {f"d{n}": 1} for n in range(5)}


def test_the_one_table_of_ratings_in_a_folder_is_found_among_others(tmp_path: Path, registry: Classes[Reader]) -> None:
    (tmp_path / "prices.csv").write_bytes(b"name;preis\nst\xfchle;1\n")
    (tmp_path / "CASE.CSV").write_text(table(), encoding="utf-8")
    assert judged(read_task(tmp_path, registry)) == EXPECTED
    (tmp_path / "second.csv").write_text(table(), encoding="utf-8")
    with pytest.raises(LeserError, match=r"several tables of ratings: CASE\.CSV and second\.csv"):
        read_task(tmp_path, registry)
