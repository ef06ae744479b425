"""An id that comes twice, in an index that others made or in a corpus: a document is an id, in rankings and in counts."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from elastic import opened
from elasticsearch import Elasticsearch
from leser_elasticsearch import ElasticsearchBackend
from leser_memory import MemoryBackend
from leser_pyserini import PyseriniBackend
from leser_pyserini.jvm import java_class
from leser_solr import SolrBackend
from servers import Server
from solr_indexes import index_name, options_for

from leser.backend import Backend, Document, ExpandedQuery, Ranking, Term
from leser.cli.main import group
from leser.errors import LeserError
from leser.indexing import index_task
from leser.options import validate_options
from leser.task import Split, Task

COUNT = 40
SHELF = tuple(
    Document(f"d{n:02}", {"title": f"red sofa {'sofa ' * (n % 7)}", "text": f"number {n}"}) for n in range(COUNT)
)
SOFA = ExpandedQuery("q", "sofa", (Term("red", 0.5),))


def lucene(index: Path, **options: object) -> PyseriniBackend:
    values = {"index": index, **options}
    return PyseriniBackend(validate_options(PyseriniBackend.Options, values, "backend 'pyserini'"))


def ranking(backend: Backend, k: int) -> Ranking:
    (answer,) = backend.search([SOFA], k)
    assert isinstance(answer, Ranking), answer
    return answer


@pytest.fixture(scope="module")
def anserinis(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Indexes that Anserini's own IndexCollection makes of the shelf, each document as often as one likes."""

    def made(times: int) -> Path:
        folder = tmp_path_factory.mktemp("anserini")
        rows = [{"id": d.id, "contents": " ".join(d.fields.values()), **d.fields} for d in SHELF]
        (folder / "collection").mkdir()
        for copy in range(times):
            (folder / "collection" / f"{copy}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        java_class("leser.LuceneEngine", "1g")  # starts the Java machine
        import jnius

        names = f"-input {folder / 'collection'} -index {folder / 'index'} -threads 1 -storeRaw -quiet"
        how = "-collection JsonCollection -generator DefaultLuceneDocumentGenerator"
        jnius.autoclass("io.anserini.index.IndexCollection").main(f"{how} {names}".split())
        return folder / "index"

    return made


def test_an_index_of_lucenes_that_holds_every_document_twice(anserinis: Callable[[int], Path]) -> None:
    once, twice = lucene(anserinis(1)), lucene(anserinis(2))
    assert (once.check()["documents"], twice.check()["documents"]) == (COUNT, 2 * COUNT)
    for k in (1, 7, 10, COUNT, 3 * COUNT):
        found = ranking(twice, k)
        assert len(found.hits) == len(set(found.ids)) == min(k, COUNT)
        scores = {hit.id: hit.score for hit in ranking(twice, 3 * COUNT).hits}
        assert [hit.score for hit in found.hits] == sorted(scores.values(), reverse=True)[: len(found.hits)]
        # what a word is worth depends a little on how many documents there are, their order by score does not
        lengths = {d.id: len(d.fields["title"]) for d in SHELF}
        assert [lengths[id] for id in found.ids] == [lengths[id] for id in ranking(once, k).ids]
    assert "warnings" not in once.check()
    (warning,) = twice.check()["warnings"]
    assert warning.startswith("40 of 40 ids looked at (e.g. 'd")
    assert twice.fetch(["d03"], ["title"])["d03"].fields == {"title": SHELF[3].fields["title"]}
    once.close()
    twice.close()


def test_documents_that_were_deleted_are_not_taken_for_repeated_ones(tmp_path: Path) -> None:
    backend = lucene(tmp_path / "index")
    backend.index(SHELF)
    again = lucene(tmp_path / "index", existing="append")
    assert again.index(SHELF[:5]) == 5
    backend.close()
    assert backend.check()["documents"] == COUNT
    assert "warnings" not in backend.check()
    backend.close()


def foreign(folder: Path, **fields: str) -> Path:
    """A Lucene index of one document that neither LESER nor Anserini made."""
    java_class("leser.LuceneEngine", "1g")
    from jnius import autoclass

    directory = autoclass("org.apache.lucene.store.FSDirectory").open(autoclass("java.nio.file.Paths").get(str(folder)))
    writer = autoclass("org.apache.lucene.index.IndexWriter")(
        directory, autoclass("org.apache.lucene.index.IndexWriterConfig")()
    )
    document = autoclass("org.apache.lucene.document.Document")()
    stored = autoclass("org.apache.lucene.document.Field$Store").YES
    for name, text in fields.items():
        document.add(autoclass("org.apache.lucene.document.TextField")(name, text, stored))
    writer.addDocument(document)
    writer.close()
    return folder


def test_an_index_without_ids_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(LeserError, match="has no field 'id': its documents have no ids that judgments could name"):
        lucene(foreign(tmp_path / "index", contents="red sofa")).check()


def test_a_default_field_that_the_index_lacks_is_not_said_to_be_the_users(tmp_path: Path) -> None:
    index = foreign(tmp_path / "index", id="d1", title="red sofa")
    with pytest.raises(
        LeserError, match=r"fields of backend 'pyserini' is not given.*no field 'contents'.*Available: title"
    ):
        lucene(index).check()
    with pytest.raises(LeserError, match=r"Option fields: the index in .* has no field 'titel'"):
        lucene(index, fields="titel").check()
    assert ranking(lucene(index, fields="title"), 5).ids == ("d1",)


@pytest.fixture(params=["pyserini", "solr", "elasticsearch"])
def writer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A backend of each kind at an index that is not there yet."""
    if request.param == "pyserini":
        backend = lucene(tmp_path / "index")
        yield backend
        backend.close()
    elif request.param == "solr":
        server: Server = request.getfixturevalue("solr")
        with index_name(server) as names:
            solr = SolrBackend(options_for(server, **names))
            yield solr
            solr.close()
    else:
        server = request.getfixturevalue("elasticsearch_8")
        name = f"repeated-{tmp_path.name.lower()}"
        elastic: ElasticsearchBackend = opened(server, name, analysis="standard")
        yield elastic
        elastic.close()
        with Elasticsearch(server.url) as client:
            client.indices.delete(index=name)


def test_documents_are_counted_and_not_lines(writer: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """Of one id the last document stays, and what is told is how many there are."""
    later = [Document(d.id, {**d.fields, "text": "the later one"}) for d in SHELF]
    empty = Split("train", (), {})
    task = Task("shop", empty, Split("dev", (), {}), Split("test", (), {}), lambda: iter([*SHELF, *later]))
    with caplog.at_level(logging.WARNING, logger="leser.indexing"):
        assert index_task(writer, task) == COUNT
    assert "40 of 80 documents of the task shop have an id that came before (e.g. 'd00')" in caplog.text
    assert writer.check()["documents"] == COUNT
    assert len(set(ranking(writer, 100).ids)) == len(ranking(writer, 100).hits) == COUNT
    assert writer.fetch(["d07"], ["text"])["d07"].fields == {"text": "the later one"}


def test_a_backend_counts_for_itself_what_it_is_handed(writer: Backend) -> None:
    assert writer.index([*SHELF, *SHELF[:10], SHELF[0]]) == COUNT


def test_the_command_says_how_many_documents_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = tmp_path / "task"
    (task / "qrels").mkdir(parents=True)
    (task / "queries.jsonl").write_text(
        "".join(json.dumps({"_id": f"q{n}", "text": f"sofa {n}"}) + "\n" for n in range(9))
    )
    (task / "qrels" / "test.tsv").write_text(
        "query-id\tcorpus-id\tscore\n" + "".join(f"q{n}\td0{n}\t1\n" for n in range(9))
    )
    row = '{{"_id": "d{:02}", "title": "red sofa", "text": "x"}}\n'
    (task / "corpus.jsonl").write_text("".join(row.format(n % COUNT) for n in range(2 * COUNT)))
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(group, ["index", "--backend", "pyserini", "--task", "task", "-o", "index=index"])
    assert said.exception is None, said.exception
    assert "Indexed 40 documents of the task task in the backend pyserini." in said.output


def test_documents_in_process_are_one_per_id() -> None:
    backend = MemoryBackend.of([*SHELF, *SHELF])
    assert backend.check()["documents"] == COUNT
    assert len(set(ranking(backend, 100).ids)) == len(ranking(backend, 100).hits) == COUNT
