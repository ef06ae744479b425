"""Files of a task's folder: which are read: gzip'd ones, no backups, one for each thing, and as BEIR's own loader reads them."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest
from bad_input import run_cli, shop
from task_folders import folder_of, trec

from leser.errors import LeserError
from leser.formats.files import json_corpus, open_text
from leser.formats.folder import data_files
from leser.formats.read import read_task
from leser.plugins import Classes, load_plugins
from leser.reader import Reader
from leser.task import Task


@pytest.fixture(scope="module")
def registry() -> Classes[Reader]:
    return load_plugins().all("reader")


def seen(task: Task) -> tuple[list[list[tuple[str, str]]], list[object], list[tuple[str, dict[str, str]]]]:
    """What a task holds: queries and judgments of each split, and documents."""
    assert task.documents is not None
    documents = [(document.id, dict(document.fields)) for document in task.documents()]
    queries = [[(q.id, q.text) for q in split.queries] for split in task.splits]
    return queries, [split.qrels for split in task.splits], documents


# -- gzip ----------------------------------------------------------------------------------------------------------

QUEPID = {
    "case.csv": "query,docid,rating\n" + "".join(f"query {i},A,{i % 3 + 1}\n" for i in range(6)),
    "corpus.jsonl": '{"_id": "A", "title": "a"}\n',
}
SGML = trec(**{"corpus.jsonl": None, "corpus.trec": "<DOC><DOCNO>A</DOCNO><TEXT>x</TEXT></DOC>"})


@pytest.mark.parametrize("files", [shop({}), trec(), SGML, QUEPID], ids=["beir", "trec", "sgml", "quepid"])
def test_every_reader_knows_and_reads_gzipped_files(
    tmp_path: Path, registry: Classes[Reader], files: dict[str, str]
) -> None:
    plain = read_task(folder_of(tmp_path / "plain" / "task", files), registry)
    packed = read_task(folder_of(tmp_path / "packed" / "task", files, packed=True), registry)
    assert seen(packed) == seen(plain)
    assert packed.name == plain.name
    if "case.csv" in files:
        assert seen(read_task(tmp_path / "packed" / "task" / "case.csv.gz", registry)) == seen(plain)


def test_a_packed_task_is_searched_like_any_other(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "shop", shop({}), packed=True)
    usual = [
        "--task",
        str(folder),
        "--backend",
        "memory",
        "--policy",
        "tiny",
        "--dry-run",
        "--out",
        str(tmp_path / "run"),
    ]
    code, _, said = run_cli([*usual, "-o", f"documents={folder}"])
    assert code == 0, said


def test_gzip_is_known_by_its_first_bytes_and_a_broken_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    whole = gzip.compress('\ufeff{"_id": "A", "title": "ü"}\n'.encode() * 1 + b'{"_id": "B"}\n' * 500)
    path.write_bytes(whole)
    first, *rest = json_corpus(path)
    assert (first.id, dict(first.fields), len(rest)) == ("A", {"title": "ü"}, 500)
    with open_text(path) as file:
        assert file.readline() == '{"_id": "A", "title": "ü"}\n'
    for broken in (whole[:-12], whole[:3] + b"nonsense" * 9):
        path.write_bytes(broken)
        with pytest.raises(LeserError, match=r"corpus\.jsonl is not a whole gzip file"):
            list(json_corpus(path))
    (tmp_path / "named.jsonl.gz").write_text('{"_id": "A"}\n')  # unpacked by a browser, which left the name
    assert [document.id for document in json_corpus(tmp_path / "named.jsonl.gz")] == ["A"]


# -- backups, and two files for one thing --------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["~", ".bak", ".orig", ".swp", ".BAK", ".bak2", ".~1~", ".bak.gz", ".orig.tsv"])
def test_backups_are_never_data(tmp_path: Path, registry: Classes[Reader], ending: str) -> None:
    stale = {
        "topics.tsv": "1\tstale\n",
        "qrels.test.txt": "1 0 A 1\n",
        "corpus.jsonl": '{"_id": "A", "title": "stale"}\n',
    }
    files = trec(**{f"{name}{ending}": text for name, text in stale.items()})
    task = read_task(folder_of(tmp_path, files), registry)
    assert seen(task) == seen(read_task(folder_of(tmp_path / "clean", trec()), registry))
    left = shop({f"qrels/test.tsv{ending}": "nonsense", f"qrels.tsv{ending}": "nonsense", "qrels/._test.tsv": "x"})
    assert read_task(folder_of(tmp_path / "shop", left), registry).notes == ()


@pytest.mark.parametrize(
    ("files", "both"),
    [
        (trec(**{"topics_old.tsv": "1\tstale\n"}), ("topics.tsv", "topics_old.tsv")),
        (trec(**{"topics.tsv.gz": "1\tstale\n"}), ("topics.tsv", "topics.tsv.gz")),
        (trec(**{"corpus_old.jsonl": '{"_id": "C"}\n'}), ("corpus.jsonl", "corpus_old.jsonl")),
        (trec(**{"corpus.trec": "<DOC></DOC>"}), ("corpus.jsonl", "corpus.trec")),
        (trec(**{"qrels_old.test.txt": "3 0 A 1\n"}), ("qrels.test.txt", "qrels_old.test.txt")),
        (trec(**{"qrels.valid.txt": "3 0 A 1\n"}), ("qrels.dev.txt", "qrels.valid.txt")),
        (trec(**{"qrels.txt": "3 0 A 1\n"}), ("qrels.dev.txt", "qrels.txt")),
        (trec(**{"qrels.txt": "3 0 A 1\n", "qrels/test.tsv": "x"}), ("qrels.txt", "qrels/test.tsv")),
        (shop({"qrels/validation.tsv": "q4\td5\t1\n"}), ("qrels/dev.tsv", "qrels/validation.tsv")),
        (shop({"qrels/test.tsv.gz": "x"}), ("qrels/test.tsv", "qrels/test.tsv.gz")),
        (shop({"qrels.tsv": "q4\td5\t1\n"}), ("qrels.tsv", "qrels/dev.tsv")),
        (shop({"queries.jsonl.gz": "x"}), ("queries.jsonl", "queries.jsonl.gz")),
        (shop({"corpus.jsonl.gz": "x"}), ("corpus.jsonl", "corpus.jsonl.gz")),
    ],
)
def test_two_files_for_one_thing_are_an_error_that_names_both(
    tmp_path: Path, registry: Classes[Reader], files: dict[str, str], both: tuple[str, str]
) -> None:
    with pytest.raises(LeserError) as caught:
        read_task(folder_of(tmp_path, files), registry)
    assert all(f"{tmp_path / name} " in f"{caught.value} ".replace(": ", " ").replace(". ", " ") for name in both)


def test_parts_of_a_corpus_and_of_topics_are_read_together_but_no_document_twice(
    tmp_path: Path, registry: Classes[Reader]
) -> None:
    files = trec(
        **{
            "corpus.jsonl": None,
            "corpus-1.jsonl": '{"_id": "A", "title": "new"}\n',
            "corpus-2.trec": "<DOC><DOCNO>B</DOCNO><TITLE>b</TITLE></DOC>\n",
            "topics.tsv": None,
            "topics.1-2.tsv": "1\tred sofa\n2\tlamp\n",
            "topics.3.txt": "<top><num>3<title>chair</top>",
        }
    )
    assert seen(read_task(folder_of(tmp_path / "parts", files), registry)) == seen(
        read_task(folder_of(tmp_path / "whole", trec()), registry)
    )
    files["corpus-3.json"] = '{"_id": "A", "title": "stale"}\n'
    task = read_task(folder_of(tmp_path / "parts", files), registry)
    assert task.documents is not None
    with pytest.raises(LeserError, match=r"Document A is in both .*corpus-1\.jsonl and .*corpus-3\.json\."):
        list(task.documents())


def test_names_that_only_look_like_backups_are_data(tmp_path: Path) -> None:
    for name in ("topics.original.tsv", "topics.swan.tsv", "topics-bakery.tsv"):
        (tmp_path / name).touch()
    assert len(data_files(tmp_path, "topics")) == 3


# -- splits and quotes of BEIR -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["validation", "valid", "val", "dev", "Validation", "development"])
def test_every_name_of_a_dev_split_is_dev(tmp_path: Path, registry: Classes[Reader], name: str) -> None:
    files = shop({})
    files[f"qrels/{name}.tsv"] = files.pop("qrels/dev.tsv")
    task = read_task(folder_of(tmp_path / "beir", files), registry)
    assert [query.id for query in task.dev.queries] == ["q4", "q5"]
    assert [query.id for query in task.train.queries] == ["q0", "q1", "q2", "q3"]
    files = trec(**{"qrels.dev.txt": None, f"qrels.{name}.txt": "2 0 A 1\n"})
    assert [query.id for query in read_task(folder_of(tmp_path / "trec", files), registry).dev.queries] == ["2"]


def test_a_file_that_is_no_splits_is_said_to_be_left_out(tmp_path: Path, registry: Classes[Reader]) -> None:
    task = read_task(folder_of(tmp_path, shop({"qrels/test_old.tsv": "nonsense", "qrels/README.md": "x"})), registry)
    assert [note for note in task.notes if "not read" in note] == [
        f"{tmp_path / 'qrels' / 'test_old.tsv'} is not read: its name is not that of a split (train, dev, test)."
    ]


IDS = ('27" red sofa', '"quoted"', "plain id", "it's", 'a"b"c', '""')


@pytest.mark.parametrize("header", [["query-id", "corpus-id", "score"], ["qid", "did", "label"], None])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_ids_that_csv_quoted_are_read_as_beirs_own_loader_reads_them(
    tmp_path: Path, registry: Classes[Reader], header: list[str] | None, end: str
) -> None:
    folder_of(tmp_path, shop({"queries.jsonl": "".join(json.dumps({"_id": f"q {i}", "text": i}) + "\n" for i in IDS)}))
    path = tmp_path / "qrels" / "train.tsv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file, delimiter="\t", lineterminator=end)
        rows.writerows([header] if header else [])
        rows.writerows([f"q {id}", id, 1] for id in IDS)
    (tmp_path / "qrels" / "dev.tsv").unlink()
    (tmp_path / "qrels" / "test.tsv").unlink()
    with path.open(newline="") as file:  # beir.datasets.data_loader.GenericDataLoader
        of_beir = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_MINIMAL))[1 if header else 0 :]
    task = read_task(tmp_path, registry)
    ours = [
        [q, doc, str(grade)] for split in task.splits for q, row in split.qrels.items() for doc, grade in row.items()
    ]
    assert sorted(ours) == sorted(of_beir)
    assert {row[1] for row in ours} == set(IDS)


def test_a_quote_that_is_not_closed_swallows_no_lines(tmp_path: Path, registry: Classes[Reader]) -> None:
    folder_of(tmp_path, shop({"qrels/train.tsv": 'q0\td1\t1\n"q1\td2\t1\nq2\td3\t1\n'}))
    with pytest.raises(LeserError, match=r"train\.tsv, line 2: expected 3 columns .* found 1"):
        read_task(tmp_path, registry)
