"""`leser search-expansions`: a file that outlives a kill, is never mixed, and a command that writes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from leser_memory import MemoryBackend
from settings import small_task
from verified_shop import COUCH, DESK, RUG, SPLIT, changed, environment_of, shelf, words_of

from leser.cli.search_expansions import command
from leser.errors import LeserError
from leser.verified.result import VerifiedAnswer
from leser.verified.search import VerifiedSearch
from leser.verified.writing import write_expansions

OPTIONS = changed(queries_at_once=1, weights=(0.2, 1.0), trust=0.5)


def search_of(options=OPTIONS, titles=None):
    environment = environment_of(MemoryBackend.of(shelf(titles)) if titles else None)
    return VerifiedSearch(environment, [COUCH, RUG, DESK], options, words_of(environment, options), SPLIT)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out.jsonl"
    kinds = write_expansions(search_of(), out)
    assert kinds == {VerifiedAnswer.EXPANSIONS: 2, VerifiedAnswer.NONE: 1}
    return out


def terms_of(out: Path) -> Path:
    return out.with_name(out.name + ".terms.jsonl")


def test_one_line_per_query_in_order(whole):
    rows = [json.loads(line) for line in whole.read_text().splitlines()]
    assert [row["query_id"] for row in rows] == ["q1", "q2", "q3"]
    assert rows[0]["expansions"] == [{"text": "sofa", "weight": 0.2}]
    assert rows[0]["completion"] == "sofa ^0.4"
    assert set(rows[0]) == {
        "query_id", "query", "answer", "expansions", "completion", "before", "after", "kept@10", "searches", "failed",
        "others",
    }  # fmt: skip
    assert (rows[1]["answer"], rows[1]["completion"]) == ("none", "none")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_a_search_killed_in_the_first_pass_ends_with_the_same_bytes(whole, tmp_path, share):
    out, terms = tmp_path / "out.jsonl", terms_of(whole).read_bytes()
    terms_of(out).write_bytes(terms[: int(share * len(terms))])
    write_expansions(search_of(), out, resume=True)
    assert out.read_bytes() == whole.read_bytes()
    assert terms_of(out).read_bytes() == terms


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.99, 1.0])
def test_a_search_killed_in_the_second_pass_ends_with_the_same_bytes(whole, tmp_path, share):
    out = tmp_path / "out.jsonl"
    terms_of(out).write_bytes(terms_of(whole).read_bytes())
    out.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
    write_expansions(search_of(), out, resume=True)
    assert out.read_bytes() == whole.read_bytes()


def test_an_interrupted_search_goes_on_where_it_was(whole, tmp_path):
    out = tmp_path / "out.jsonl"

    def stop(name, done):
        if (name, done) == ("sets", 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_expansions(search_of(), out, progress=stop)
    assert len(out.read_text().splitlines()) == 1
    again = search_of()
    write_expansions(again, out, resume=True)
    assert out.read_bytes() == whole.read_bytes()


def test_two_searches_are_never_mixed(whole, tmp_path):
    out = tmp_path / "out.jsonl"
    terms_of(out).write_bytes(terms_of(whole).read_bytes())
    out.write_bytes(whole.read_bytes())
    with pytest.raises(LeserError, match=r"was begun before\. Continue it with --resume"):
        write_expansions(search_of(), out)
    with pytest.raises(LeserError, match="other settings: options differ"):
        write_expansions(search_of(changed(queries_at_once=1, keep=0.9)), out, resume=True)
    with pytest.raises(LeserError, match="other settings: engine differ"):
        write_expansions(search_of(titles={"couch1": "couch"}), out, resume=True)
    terms_of(out).unlink()
    with pytest.raises(LeserError, match=r"terms\.jsonl is missing"):
        write_expansions(search_of(), out, resume=True)
    assert out.read_bytes() == whole.read_bytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_task(tmp_path_factory.mktemp("task") / "shop")


def said(*arguments: object) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments)])


def test_the_command_searches_a_tasks_queries_with_their_judgments(folder, tmp_path):
    out = tmp_path / "found.jsonl"
    given = ("--task", folder, "--backend", "memory", "--reward", "nDCG@10", "--split", "dev", "--out", out)
    done = said(*given, "-o", "verified.margin=0.02")
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 8
    expanded = [row for row in rows if row["answer"] == "expansions"]
    assert expanded
    assert all(row["after"] - row["before"] >= 0.02 and row["kept@10"] >= 0.6 for row in expanded)
    assert f"expansions {len(expanded)}" in done.output
    assert isinstance(said(*given).exception, LeserError)
    settings = json.loads(terms_of(out).read_text().splitlines()[0])["settings"]
    assert settings["options"]["margin"] == 0.02


def test_queries_of_a_file_need_no_judgments_and_a_judge_of_labels_says_so(folder, tmp_path):
    queries, out = tmp_path / "typed.txt", tmp_path / "found.jsonl"
    queries.write_text("red sofa\n\ncouch\n")
    engine = ("--backend", "memory", "-o", f"documents={folder}")
    done = said(*engine, "--queries", queries, "--reward", "nDCG@10", "--out", out)
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["query_id"], row["query"], row["answer"]) for row in rows] == [
        ("1", "red sofa", "unjudged"),
        ("3", "couch", "unjudged"),
    ]
