"""Readers: each format read as its own tools write it, and malformed lines named by file and line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from leser.errors import LeserError
from leser.formats.read import read_task
from leser.plugins import Classes, load_plugins
from leser.reader import Reader


@pytest.fixture(scope="module")
def registry() -> Classes[Reader]:
    return load_plugins().all("reader")


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def beir_files(**changes: str) -> dict[str, str]:
    queries = [{"_id": f"q{i}", "text": f"query number {i}"} for i in range(6)]
    files = {
        "queries.jsonl": "".join(json.dumps(q) + "\n" for q in queries),
        "corpus.jsonl": '{"_id": "d1", "title": "Sofa", "text": "A couch.", "metadata": {"brand": "Acme", "seats": 3, '
        '"colours": ["red", "blue"], "none": null, "size": {"w": 2}}}\n{"_id": 2, "title": "", "text": "Lamp"}\n',
        "qrels/train.tsv": "query-id\tcorpus-id\tscore\nq0\td1\t2\nq1\td1\t1\nq1\t2\t0\n",
        "qrels/dev.tsv": "query-id\tcorpus-id\tscore\nq2\td1\t1\nq3\td1\t0\n",
        "qrels/test.tsv": "query-id\tcorpus-id\tscore\nq4\td1\t1\n",
    }
    files.update({name.replace("__", "/").replace("_", "."): text for name, text in changes.items()})
    return {name: text for name, text in files.items() if text}


def test_beir_reads_splits_grades_and_metadata(tmp_path: Path, registry: Classes[Reader]) -> None:
    task = read_task(write(tmp_path / "shop", beir_files()), registry)
    assert task.name == "shop"
    assert [query.id for query in task.train.queries] == ["q0", "q1"]
    assert task.train.qrels == {"q0": {"d1": 2}, "q1": {"d1": 1, "2": 0}}
    assert task.documents is not None
    first, second = task.documents()
    assert dict(first.fields) == {
        "title": "Sofa", "text": "A couch.", "brand": "Acme", "seats": "3", "colours": "red, blue", "size.w": "2",
    }  # fmt: skip
    assert (second.id, dict(second.fields)) == ("2", {"text": "Lamp"})
    assert list(task.documents()), "the documents can be read again"


def test_queries_without_a_relevant_document_are_kept_apart_and_counted(
    tmp_path: Path, registry: Classes[Reader]
) -> None:
    task = read_task(write(tmp_path, beir_files()), registry)
    assert [query.id for query in task.dev.queries] == ["q2"]
    assert [query.id for query in task.dev.no_result] == ["q3"]
    assert any("1 of 2 dev queries have no relevant document" in note for note in task.notes)
    assert any("1 queries" in note and "judged in no split" in note for note in task.notes)


def test_beir_without_corpus_leaves_the_documents_to_the_engine(tmp_path: Path, registry: Classes[Reader]) -> None:
    assert read_task(write(tmp_path, beir_files(corpus_jsonl="")), registry).documents is None


def test_beir_metadata_of_queries_gives_kind_and_needs(tmp_path: Path, registry: Classes[Reader]) -> None:
    row = {"_id": "q0", "text": "gift", "metadata": {"kind": "vague", "needs": {"shoes": ["d1"], "lamps": [2]}}}
    files = beir_files()
    files["queries.jsonl"] += json.dumps(row | {"_id": "q9"}) + "\n"
    files["qrels/test.tsv"] += "q9\td1\t1\n"
    query = read_task(write(tmp_path, files), registry).test.queries[-1]
    assert query.kind == "vague"
    assert query.subtopics == {"shoes": frozenset({"d1"}), "lamps": frozenset({"2"})}


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("queries.jsonl", '{"_id": "q0", "text": "a"}\nnot json\n', r"queries\.jsonl, line 2: not valid JSON"),
        ("queries.jsonl", '{"_id": "q0", "text": "a"}\n{"_id": "q0", "text": "b"}\n', "line 2: a second query"),
        ("queries.jsonl", '{"_id": "q0"}\n', 'line 1: expected a text under "text"'),
        ("queries.jsonl", "[1]\n", "line 1: expected a JSON object"),
        ("qrels/train.tsv", "query-id\tcorpus-id\tscore\nq0\td1\n", r"train\.tsv, line 2: expected 3 columns"),
        (
            "qrels/train.tsv",
            "query-id\tcorpus-id\tscore\n\nq0\td1\t0.5\n",
            "line 3: the grade '0.5' is not a whole number",
        ),
        ("qrels/train.tsv", "query-id\tcorpus-id\tscore\nq99\td1\t1\n", "line 2: query q99 is not in queries.jsonl"),
        ("qrels/train.tsv", "q0\td1\t1\nq0\td1\t2\n", "line 2: document d1 already has grade 1 for query q0, here 2"),
        ("qrels/train.tsv", "q4\td1\t1\n", "query q4 is in both train and test"),
        ("qrels/train.tsv", "q0\td1\t0\n", "no train query has a relevant document"),
    ],
)
def test_malformed_beir_files_name_file_and_line(
    tmp_path: Path, registry: Classes[Reader], file: str, text: str, message: str
) -> None:
    write(tmp_path, beir_files() | {file: text})
    with pytest.raises(LeserError, match=message):
        read_task(tmp_path, registry)


def test_a_malformed_corpus_is_named_when_it_is_read(tmp_path: Path, registry: Classes[Reader]) -> None:
    task = read_task(write(tmp_path, beir_files(corpus_jsonl='{"_id": "d1"}\n{"title": "x"}\n')), registry)
    assert task.documents is not None
    with pytest.raises(LeserError, match=r'corpus\.jsonl, line 2: expected a text under "_id"'):
        list(task.documents())


def test_bytes_that_are_no_utf8_are_named(tmp_path: Path, registry: Classes[Reader]) -> None:
    write(tmp_path, beir_files())
    (tmp_path / "queries.jsonl").write_bytes(b'{"_id": "q0", "text": "ok"}\n{"_id": "q1", "text": "\xff"}\n')
    with pytest.raises(LeserError, match=r"queries\.jsonl, line 2: not UTF-8"):
        read_task(tmp_path, registry)


TOPICS = """<top>
<num> Number: 301
<title> International Organized Crime

<desc> Description:
Identify organizations.
</top>
<top><num>302</num><title>Topic: Poliomyelitis
and Post-Polio</title></top>
<top>
<num> Number: 303 </num>
<title>
Hubble Telescope
</title>
</top>
"""
QRELS = "301 0 FT1 1\n301 0 FT2 0\n302 0 FT1 2\n303 0 FT2 -1\n303  0\tFT1 1\n"


def test_trec_reads_title_topics_and_four_columns(tmp_path: Path, registry: Classes[Reader]) -> None:
    task = read_task(write(tmp_path, {"topics.txt": TOPICS, "qrels.txt": QRELS}), registry)
    texts = {query.id: query.text for split in task.splits for query in split.queries}
    assert texts == {
        "301": "International Organized Crime",
        "302": "Poliomyelitis and Post-Polio",
        "303": "Hubble Telescope",
    }
    assert {doc: grade for split in task.splits for doc, grade in split.qrels.get("303", {}).items()} == {
        "FT2": -1,
        "FT1": 1,
    }
    assert task.documents is None


def test_trec_reads_tsv_topics_given_splits_and_an_sgml_corpus(tmp_path: Path, registry: Classes[Reader]) -> None:
    files = {
        "topics.tsv": "1\tred sofa\n2\tlamp\n3\tchair\n",
        "qrels.train.txt": "1 0 A 1\n",
        "qrels.dev.txt": "2 0 A 1\n",
        "qrels.test.txt": "3 0 B 1\n",
        "corpus.trec": "<DOC>\n<DOCNO> A </DOCNO>\n<TITLE>Sofa</TITLE>\n<TEXT>\nred and\nsoft\n</TEXT>\n</DOC>\n"
        "<DOC><DOCNO>B</DOCNO><TEXT>x</TEXT></DOC>\n",
    }
    task = read_task(write(tmp_path, files), registry)
    assert [[query.text for query in split.queries] for split in task.splits] == [["red sofa"], ["lamp"], ["chair"]]
    assert task.documents is not None
    documents = list(task.documents())
    assert [(document.id, dict(document.fields)) for document in documents] == [
        ("A", {"title": "Sofa", "text": "red and soft"}),
        ("B", {"text": "x"}),
    ]


def test_trec_subtopics_are_needs_when_asked_for(tmp_path: Path, registry: Classes[Reader]) -> None:
    files = {"topics.tsv": "1\ta\n2\tb\n3\tc\n", "qrels": "1 1 A 1\n1 2 B 1\n1 2 C 0\n2 1 A 1\n3 1 A 1\n"}
    task = read_task(write(tmp_path, files), registry, {"subtopics": "true"})
    query = next(q for split in task.splits for q in split.queries if q.id == "1")
    assert query.subtopics == {"1": frozenset({"A"}), "2": frozenset({"B"})}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"topics.tsv": "1\ta\n2 b\n", "qrels": "1 0 A 1\n"}, r"topics\.tsv, line 2: expected a query id, a tab"),
        ({"topics.tsv": "1\ta\n", "qrels": "1 0 A 1\n1 0 A\n"}, "qrels, line 2: expected 4 columns"),
        ({"topics.tsv": "1\ta\n", "qrels": "2 0 A 1\n"}, "qrels, line 1: query 2 is in no topics file"),
        ({"topics.txt": "<top>\n<num> 1\n</top>\n", "qrels": "1 0 A 1\n"}, "line 1: a topic without <num> or <title>"),
        ({"topics.tsv": "1\ta\n", "qrels.x": "1 0 A 1\n", "qrels.y": "1 0 A 1\n"}, "a second file for the split 'all'"),
    ],
)
def test_malformed_trec_files_name_file_and_line(
    tmp_path: Path, registry: Classes[Reader], files: dict[str, str], message: str
) -> None:
    with pytest.raises(LeserError, match=message):
        read_task(write(tmp_path, files), registry)


QUEPID = (
    'query,docid,rating\nstar wars,1,3\nstar wars,2,\n" -5 degrees",3,2.0\nstar trek,,\n'
    '"lamp, red",4,1\nsofa,5,3\ndesk,6,1\nchair,7,2\nunrated,8,\nbed,9,0'
)


def test_quepid_reads_ratings_and_its_own_oddities(tmp_path: Path, registry: Classes[Reader]) -> None:
    task = read_task(write(tmp_path, {"case.csv": QUEPID}) / "case.csv", registry)
    queries = {query.text: query.id for split in task.splits for query in split.queries}
    assert set(queries) == {"star wars", "-5 degrees", "lamp, red", "sofa", "desk", "chair"}
    assert {query.text for split in task.splits for query in split.no_result} == {"star trek", "unrated", "bed"}
    qrels = {key: grades for split in task.splits for key, grades in split.qrels.items()}
    assert qrels[queries["star wars"]] == {"1": 3}
    assert qrels[queries["-5 degrees"]] == {"3": 2}
    assert "2 queries have no rating at all." in task.notes
    assert task.name == "case"


def test_quepid_detailed_export_in_a_folder(tmp_path: Path, registry: Classes[Reader]) -> None:
    rows = "".join(f"T,C,1,query {i},d{i},1,Title,{i % 3 + 1}.0\n" for i in range(5))
    header = "Team Name,Case Name,Case ID,Query Text,Doc ID,Doc Position,Title,Rating\n"
    task = read_task(write(tmp_path, {"detailed.csv": header + rows}), registry)
    assert sum(len(split.queries) for split in task.splits) == 5


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("sofa,1,0.5", "line 2: the rating 0.5 times 1 is not a whole grade; set -o task.scale=N"),
        ("sofa,1,good", "line 2: the rating 'good' is not a number"),
        ("sofa,,3", "line 2: a rating without a query or document"),
        ("sofa,1", "line 2: expected 3 columns, found 2"),
        ("\nsofa,1,3\nsofa,1,2", "line 4: document 1 already has grade 3"),
    ],
)
def test_malformed_quepid_rows_name_file_and_line(
    tmp_path: Path, registry: Classes[Reader], row: str, message: str
) -> None:
    write(tmp_path, {"case.csv": f"query,docid,rating\n{row}\n"})
    with pytest.raises(LeserError, match=message):
        read_task(tmp_path / "case.csv", registry)


def test_quepid_scale_makes_halves_whole(tmp_path: Path, registry: Classes[Reader]) -> None:
    rows = "".join(f"query {i},d,1.5\n" for i in range(5))
    task = read_task(write(tmp_path, {"c.csv": "query,docid,rating\n" + rows}), registry, {"scale": "2"})
    assert {grade for split in task.splits for grades in split.qrels.values() for grade in grades.values()} == {3}


def test_unknown_tasks_say_what_there_is(tmp_path: Path, registry: Classes[Reader]) -> None:
    with pytest.raises(LeserError, match=r"Unknown task 'beirr'\. Did you mean 'beir'\?"):
        read_task("beirr", registry)
    with pytest.raises(LeserError, match="no such file or folder"):
        read_task(tmp_path / "nothing", registry)
    with pytest.raises(LeserError, match=r"(?s)No reader recognises .*beir: BEIR folder"):
        read_task(tmp_path, registry)
    with pytest.raises(LeserError, match="needs a folder"):
        read_task("beir", registry)
    with pytest.raises(LeserError, match=r"Unknown option 'sead' of task 'beir'. Did you mean 'seed'"):
        read_task(write(tmp_path, beir_files()), registry, {"sead": 1})


def test_a_folder_that_two_readers_recognise_needs_a_format(tmp_path: Path, registry: Classes[Reader]) -> None:
    both = write(
        tmp_path, beir_files() | {"topics.tsv": "1\ta\n2\tb\n3\tc\n", "qrels.txt": "1 0 A 1\n2 0 A 1\n3 0 A 1\n"}
    )
    with pytest.raises(LeserError, match="could be beir or trec"):
        read_task(both, registry)
    assert read_task(both, registry, {"format": "beir"}).test.queries[0].id == "q4"


def test_the_shop_of_real_ratings(shared_data: Callable[[str], Path], registry: Classes[Reader]) -> None:
    task = read_task(shared_data("electronics"), registry)
    assert [(len(s.queries), len(s.no_result)) for s in task.splits] == [(86, 11), (13, 2), (17, 6)]
    assert task.documents is not None
    assert sum(1 for _ in task.documents()) == 19_406


def test_scifact_takes_its_missing_dev_out_of_train(
    shared_data: Callable[[str], Path], registry: Classes[Reader]
) -> None:
    task = read_task(shared_data("scifact"), registry, {"seed": 2})
    assert len(task.test.queries) == 300
    assert len(task.train.queries) + len(task.dev.queries) == 809
    assert 90 <= len(task.dev.queries) <= 110
    assert any("from the train queries, seed 2" in note for note in task.notes)
