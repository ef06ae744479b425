"""Half a character in a text from outside becomes U+FFFD, the same way wherever it comes in, and harms nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from elastic import made, opened
from leser_memory import MemoryBackend
from leser_pyserini import PyseriniBackend
from servers import Server
from solr_indexes import indexed

from leser.backend import Backend, Document, ExpandedQuery, Filter, Hit, Ranking, Term
from leser.characters import well_formed
from leser.engine.words import EngineWords
from leser.evaluation.systems import SystemRun
from leser.evaluation.trec import write_runs
from leser.expansion import Expansion, ExpansionOptions, Parsed, parse
from leser.formats.read import read_task
from leser.plugins import load_plugins
from leser.policy.options import TinyOptions
from leser.policy.policy import Policy
from leser.policy.tiny import build_tiny
from leser.printable import printable
from leser.report.answers import ShownAnswer, read_answers, write_answers
from leser.rules import ServingFilter, build_book
from leser.store.folder import RunFolder
from leser.task import Query, Split
from leser.warmup.targets import Target, read_targets, write_targets

HALF, WHOLE = "red\ud83d couch", "red\ufffd couch"
DOCUMENTS = (
    Document("a\udc00", {"title": HALF, "brand": "Lu\ud800mo"}),
    Document("b", {"title": "green lamp", "brand": "Nord"}),
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (HALF, WHOLE),
        ("\ud83d\udecb sofa", "🛋 sofa"),
        ("\udecb\ud83d", "\ufffd\ufffd"),
        ("a\udce4b", "a\ufffdb"),
        ("椅子 🛋", "椅子 🛋"),
        ({"k\ud83d": [HALF, 1, None, (HALF,)]}, {"k\ufffd": [WHOLE, 1, None, (WHOLE,)]}),
        (frozenset({HALF}), frozenset({WHOLE})),
        (3.5, 3.5),
    ],
)
def test_halves_are_replaced_in_values_of_every_form(value: Any, expected: Any) -> None:
    found = well_formed(value)
    assert found == expected
    assert type(found) is type(value)
    assert well_formed(found) is found


def test_deeply_nested_values_are_looked_through() -> None:
    deep: Any = "sofa"
    for _ in range(5000):
        deep = [deep]
    assert well_formed(deep) is deep


def test_values_mend_themselves() -> None:
    query = Query(HALF, HALF, HALF, {HALF: frozenset({HALF})})
    assert (query.id, query.text, query.kind, query.subtopics) == (WHOLE, WHOLE, WHOLE, {WHOLE: {WHOLE}})
    assert Document(HALF, {HALF: HALF}) == Document(WHOLE, {WHOLE: WHOLE})
    assert Expansion(HALF) == Expansion(WHOLE)
    assert Filter("f", "in", (1, HALF)).value == (1, WHOLE)


def test_a_task_is_read(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "queries.jsonl").write_text(
        "".join(json.dumps({"_id": f"q{n}", "text": f"{HALF} {n}"}) + "\n" for n in range(4))
    )
    (tmp_path / "corpus.jsonl").write_text(json.dumps({"_id": "d\ud83d", "title": HALF}) + "\n")
    rows = "".join(f"q{n}\td\ufffd\t1\n" for n in range(4))
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + rows, encoding="utf-8")
    task = read_task(tmp_path, load_plugins().all("reader"))
    assert {query.text for split in task.splits for query in split.queries} == {f"{WHOLE} {n}" for n in range(4)}
    assert task.documents is not None
    assert list(task.documents()) == [Document("d\ufffd", {"title": WHOLE})]


def test_completions_are_read_and_judged() -> None:
    assert parse(f"sofa; {HALF} ^0.5", ExpansionOptions()) == Parsed((Expansion("sofa"), Expansion(WHOLE, 0.5)))
    tables = {"banned": {"words": ["gun"], "patterns": ["kn[i]fe", "mes+er"]}}
    book = build_book(tables, load_plugins().all("rule"), EngineWords(MemoryBackend.of(DOCUMENTS)), ExpansionOptions())
    serve = ServingFilter(book)
    assert serve.completion(HALF, f"{HALF} x; kn\ud83dife; sofa").expansions == (
        Expansion(f"{WHOLE} x"),
        Expansion("sofa"),
    )
    assert serve(HALF, [Expansion(f"{HALF} x")]).expansions == (Expansion(f"{WHOLE} x"),)


@pytest.fixture(scope="module")
def tiny() -> Policy:
    options = TinyOptions(d_model=32, layers=1, heads=2, kv_heads=1, ffn=32, vocabulary=300, pretrain_steps=1)
    return build_tiny([HALF, "green lamp " * 20], options)


def test_prompts_and_targets_are_encoded(tiny: Policy) -> None:
    assert tiny.encode_marked({"query": HALF}) == tiny.encode_marked({"query": WHOLE})
    assert tiny.encode_text(HALF) == tiny.encode_text(WHOLE)
    assert tiny.decode(tiny.encode_completion(HALF)) == WHOLE
    tiny.tokenizer.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    chat = Policy(tiny.model, tiny.tokenizer, "chat", "chat", tiny.eos_ids, tiny.max_context)
    assert chat.encode_chat([("user", HALF)]) == chat.encode_chat([("user", WHOLE)])


def test_what_is_written_can_be_read_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create("seed = 1\n", resume=False)
    folder.write_rollouts(1, 1, [{"step": 1, "query": HALF, "completion": HALF, "expansions": [HALF]}])
    assert pq.read_table(next(folder.rollouts.glob("*.parquet"))).to_pylist() == [
        {"step": 1, "query": WHOLE, "completion": WHOLE, "expansions": [WHOLE]}
    ]
    folder.log({"step": 1, "warnings": {"echo": f"{HALF}\u2028x\x85y"}})
    assert folder.metrics() == [{"step": 1, "warnings": {"echo": f"{WHOLE}\u2028x\x85y"}}]
    with folder.metrics_path.open("a", encoding="utf-8") as file:
        file.write('{"step": 2, "cut')
    assert len(folder.metrics()) == 1
    split = Split("train", (Query("1", "sofa\u2028red"),), {})
    write_targets(tmp_path / "targets.jsonl", [Target(split.queries[0], HALF, 0.5)])
    assert [t.completion for t in read_targets(tmp_path / "targets.jsonl", split)] == [WHOLE]
    answer = ShownAnswer("1", HALF, None, "nDCG@10", {"leser": 1.0}, completion=HALF)
    write_answers(tmp_path / "answers.jsonl", [answer])
    assert [(a.query, a.completion) for a in read_answers(tmp_path / "answers.jsonl")] == [(WHOLE, WHOLE)]
    (path,) = write_runs(tmp_path / "trec", [SystemRun("leser", {"q": Ranking((Hit("d\ud83d", 1.0),))})])
    assert path.read_text(encoding="utf-8") == "q Q0 d\ufffd 1 1 leser\n"
    assert printable(HALF) == WHOLE


@pytest.fixture(params=["memory", "pyserini", "elasticsearch", "solr"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    if request.param == "memory":
        yield MemoryBackend.of(DOCUMENTS)
    elif request.param == "pyserini":
        lucene = PyseriniBackend(PyseriniBackend.Options(index=tmp_path / "index"))
        assert lucene.index(DOCUMENTS) == 2
        yield lucene
        lucene.close()
    elif request.param == "elasticsearch":
        server: Server = request.getfixturevalue("elasticsearch_8")
        backend = opened(server, made(server, DOCUMENTS), fields={"contents": 1.0})
        yield backend
        backend.close()
    else:
        with indexed(request.getfixturevalue("solr"), DOCUMENTS) as open_:
            yield open_()


def test_every_engine_takes_u_fffd_in_its_place(engine: Backend) -> None:
    queries = [
        ExpandedQuery("q\ud83d", HALF),
        ExpandedQuery("1", "zzz", (Term("gr\ud83dx red\udc00"), Term(HALF, match="phrase"))),
        ExpandedQuery("2", "red", (), (Filter("brand", "eq", "Lu\ud800mo"),)),
        ExpandedQuery("3", "lamp"),
    ]
    answers = engine.search(queries, 10)
    assert [answer.ids if isinstance(answer, Ranking) else answer for answer in answers] == [
        ("a\ufffd",),
        ("a\ufffd",),
        ("a\ufffd",),
        ("b",),
    ]
    assert engine.fetch(["a\udc00", "a\ufffd"], ["title"]) == {"a\ufffd": Document("a\ufffd", {"title": WHOLE})}
    assert engine.analyze([HALF, "x\ud83dy"]) == engine.analyze([WHOLE, "x\ufffdy"])
    assert engine.doc_freq(["red", "r\ud83d"]) == [1, 0]
