"""Queries made of a catalogue: their kinds, what they leave out, and that the same seed makes the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from leser.backend import Document
from leser.cli.make_queries import command
from leser.made.catalogue import read_catalogue
from leser.made.make import make_queries
from leser.made.options import MakingOptions
from leser.made.phrases import Cohesion, phrases_of
from leser.task import Query

OPTIONS = MakingOptions(count=50, least=2, most_share=1.0, cohesion=0.1)


def shop() -> list[Document]:
    made = []
    for number, (maker, kind) in enumerate(
        [("acme", "desk lamp"), ("acme", "desk lamp"), ("acme", "wool rug"), ("bolt", "wool rug"), ("bolt", "desk lamp"),
         ("bolt", "desk lamp"), ("acme", "floor mat"), ("acme", "floor mat")]
    ):  # fmt: skip
        text = f"Brand: {maker} | product type: {kind} | country of origin: Mexico"
        made.append(Document(f"d{number}", {"title": f"{maker} {kind} X{number}00", "text": text}))
    return made


def texts(kind: str, taken: tuple[Query, ...] = (), options: MakingOptions = OPTIONS) -> set[str]:
    return {made.query.text for made in make_queries(shop(), options, taken) if made.query.kind == kind}


def test_attributes_of_a_text_are_read_and_the_maker_is_the_one_that_begins_titles() -> None:
    catalogue = read_catalogue(shop(), "title", 4)
    assert catalogue.products[0].attributes == {
        "brand": ("acme",),
        "product type": ("desk", "lamp"),
        "country of origin": ("mexico",),
    }
    assert catalogue.makers == {"brand"}


def test_the_kinds_that_there_are() -> None:
    made = {m.query.text: m.query.kind for m in make_queries(shop(), OPTIONS)}
    assert made["desk lamp"] in ("type", "attribute")
    assert made["acme floor mat"] in ("maker", "title")
    assert not any(any(sign.isdigit() for sign in text) for text in made), "model numbers are not typed"
    assert "mexico" not in made, "no title names it"


def test_every_query_names_documents_that_it_was_made_of() -> None:
    held = {d.id: d.fields["title"] for d in shop()}
    for made in make_queries(shop(), OPTIONS):
        assert made.documents
        assert all(set(made.query.text.split()) <= set(held[id].split()) for id in made.documents)


def test_near_duplicates_of_queries_that_are_taken_are_left_out() -> None:
    everything = {made.query.text for made in make_queries(shop(), OPTIONS)}
    assert "desk lamp" in everything
    left = {made.query.text for made in make_queries(shop(), OPTIONS, [Query("t", "Lamps desk"), Query("u", "rug")])}
    assert not {"desk lamp", "rug"} & left
    assert "wool" in left


def test_the_seed_decides_and_the_count_holds() -> None:
    options = OPTIONS.model_copy(update={"count": 5})
    first, again = make_queries(shop(), options), make_queries(list(reversed(shop())), options)
    assert [m.query for m in first] == [m.query for m in again]
    assert len(first) == 5
    other = make_queries(shop(), options.model_copy(update={"seed": 2}))
    assert [m.query.text for m in other] != [m.query.text for m in first]


def test_words_of_a_phrase_cohere() -> None:
    titles = [("desk", "lamp")] * 4 + [("red", "lamp")] + [("red", "rug")] * 4
    cohesion = Cohesion(titles)
    assert cohesion.of("desk", "lamp") == pytest.approx(0.725, abs=0.01)  # ln((4/9)/((4/9)(5/9))) / -ln(4/9)
    assert cohesion.of("red", "lamp") < 0
    assert phrases_of(("red", "lamp"), cohesion, 0.3) == {("red",), ("lamp",)}


def test_the_command_writes_queries_and_their_sources(tmp_path: Path) -> None:
    rows = [{"_id": d.id, **d.fields} for d in shop()]
    (tmp_path / "shop" / "qrels").mkdir(parents=True)
    (tmp_path / "shop" / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    queries = [{"_id": f"q{n}", "text": text} for n, text in enumerate(["desk lamp", "rug", "mat"])]
    (tmp_path / "shop" / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in queries))
    for n, part in enumerate(("train", "dev", "test")):
        (tmp_path / "shop" / "qrels" / f"{part}.tsv").write_text(f"q{n}\td0\t1\n")
    out, sources = tmp_path / "made.jsonl", tmp_path / "made.tsv"
    result = CliRunner().invoke(
        command,
        ["--task", str(tmp_path / "shop"), "--least", "2", "--sources", str(sources), "--out", str(out)],
        catch_exceptions=False,
    )
    assert result.exit_code == 0
    made = [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["metadata"]["kind"] for row in made} <= {"type", "attribute", "maker", "title"}
    assert not {"desk lamp", "rug", "mat"} & {row["text"] for row in made}
    header, *pairs = [line.split("\t") for line in sources.read_text().splitlines()]
    assert header == ["query-id", "corpus-id", "score"]
    assert {pair[0] for pair in pairs} == {row["_id"] for row in made}
