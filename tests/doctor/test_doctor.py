"""leser doctor: a healthy engine is told ok, and each illness is found and named with what to do."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner
from kit_corner import write_corner
from leser_pyserini import PyseriniBackend
from places import ROOT
from servers import Server
from solr_indexes import index_name

from leser.cli.main import group
from leser.config.build import complete, task_of
from leser.config.load import load_config
from leser.doctor import Finding, examine, exit_code
from leser.errors import LeserError
from leser.plugins import Registry, load_plugins
from leser.testing import DOCUMENTS

SICK = ROOT / "tests" / "support" / "sick_engines.py"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_plugins([SICK])


@pytest.fixture(scope="module")
def corner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kit's documents as a BEIR folder."""
    return write_corner(tmp_path_factory.mktemp("task") / "corner", ("title", "text"))


@pytest.fixture(scope="module")
def lucene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lucene") / "index"
    PyseriniBackend(PyseriniBackend.Options(index=folder)).index(DOCUMENTS)
    return folder


def examined(registry: Registry, corner: Path, backend: str, *assignments: str) -> dict[str, Finding]:
    flags = {"task.name": str(corner), "backend.name": backend}
    config = complete(load_config(None, flags, ("search.backoff=0.01", *assignments)), registry)
    return {finding.topic: finding for finding in examine(config, registry, task_of(config, registry))}


def states(findings: dict[str, Finding], *topics: str) -> list[str]:
    return [findings[topic].state for topic in topics]


def told(*arguments: str | Path) -> tuple[int | LeserError, str]:
    """The command's exit code (or the error it ends with) and what it printed."""
    done = CliRunner().invoke(group, ["doctor", *map(str, arguments)], standalone_mode=False)
    if done.exception is not None:
        assert isinstance(done.exception, LeserError), done.exception
        return done.exception, done.output
    return done.return_value, done.output


def test_a_healthy_engine_is_ok(registry: Registry, corner: Path) -> None:
    findings = examined(registry, corner, "memory")
    assert {finding.state for finding in findings.values()} == {"ok", "note"}
    assert exit_code(findings.values()) == 0
    topics = "connection documents capabilities judgments weights matching repeating"
    assert set(topics.split()) <= set(findings)
    assert {"example search", "hostile text", "1 at once", "4 at once", "16 at once", "in batches"} <= set(findings)
    assert "weight 0 changes nothing" in findings["weights"].seen
    assert "is rescued" in findings["matching"].seen


def test_rerank_is_tried_as_rerank(registry: Registry, corner: Path) -> None:
    findings = examined(registry, corner, "memory", "match=rerank")
    assert "stays empty" in findings["matching"].seen
    assert exit_code(findings.values()) == 0


def test_fuse_is_tried_as_fuse(registry: Registry, corner: Path) -> None:
    findings = examined(registry, corner, "plain", "expansion.mode=fuse")
    assert "mode fuse" in findings["matching"].seen
    assert states(findings, "matching", "weights", "hostile text") == ["ok", "note", "ok"]
    assert "expansions" not in findings


@pytest.mark.parametrize(
    ("engine", "topic", "state", "words"),
    [
        ("parsing", "hostile text", "problem", "documents that its words do not"),
        ("unweighted", "weights", "problem", "terms are not searched with"),
        ("fickle", "repeating", "problem", "change their order"),
        ("drifting", "repeating", "warning", "change their scores"),
        ("stubborn", "matching", "problem", "not rescued"),
        ("plain", "configuration", "warning", "sorts by price"),
        ("plain", "expansions", "warning", "no term weights"),
        ("empty", "documents", "problem", "0"),
        ("down", "connection", "down", "No answer"),
        ("busy", "example search", "down", "timed out"),
        ("overfed", "in batches", "problem", "request too large"),
    ],
)
def test_each_illness_is_found(
    registry: Registry, corner: Path, engine: str, topic: str, state: str, words: str
) -> None:
    findings = examined(registry, corner, engine)
    assert findings[topic].state == state
    assert words in findings[topic].seen
    assert findings[topic].advice
    assert exit_code(findings.values()) == {"warning": 0, "problem": 1, "down": 75}[state]


def test_a_failed_search_accuses_nobody(registry: Registry, corner: Path) -> None:
    found = examined(registry, corner, "throttled")["hostile text"]
    assert found.state == "ok"
    assert "2 cannot be determined, as the search for their words failed (429)" in found.seen


def test_nothing_but_the_index_is_needed(lucene: Path) -> None:
    code, output = told("--backend", "pyserini", "-o", f"index={lucene}")
    assert code == 0, output
    lines = output.splitlines()
    assert lines[-1] == "ok"
    assert any(line.startswith("note     lucene") or "lucene" in line for line in lines)
    assert any(line.startswith("ok       documents") for line in lines)


def test_a_query_of_the_users_own(lucene: Path) -> None:
    code, output = told("--backend", "pyserini", "-o", f"index={lucene}", "--query", "zzqx")
    assert code == 1
    assert "'zzqx' finds nothing" in output
    assert output.endswith("What to do:\n  1. example search: Name a query that finds something: --query TEXT.\n")


def test_a_missing_index_is_told_with_its_command(tmp_path: Path) -> None:
    code, output = told("--backend", "pyserini", "-o", f"index={tmp_path / 'nowhere'}")
    assert code == 1
    assert "leser index --backend pyserini --task DIR" in output
    code, output = told("--backend", "pyserini", "-o", f"index={tmp_path / 'nowhere'}", "--task", "demo")
    assert code == 1
    assert "leser index --backend pyserini --task demo" in output


def test_the_engine_of_a_platform_is_tried(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(json.dumps({"_id": "d1", "title": "grey couch", "text": ""}) + "\n")
    site = '[platform]\nname = "here"\n[backend]\nname = "memory"\ndocuments = "."\n'
    (tmp_path / "site.toml").write_text(site)
    _, output = told("--platform", tmp_path / "site.toml", "--query", "couch")
    assert "finds 1 of 10" in output


def test_an_engine_that_is_down_is_75(corner: Path) -> None:
    code, output = told("--backend", "down", "--plugin", SICK, "--task", corner)
    assert code == 75
    assert "No answer from the engine" in output


def test_a_wrong_option_is_an_error() -> None:
    code, _ = told("--backend", "memory", "-o", "kk=1")
    assert isinstance(code, LeserError)
    assert code.exit_code == 2


def test_documents_can_not_drive_the_terminal(tmp_path: Path) -> None:
    row = {"_id": "d\x1b[31m1", "title": "couch \x1b]0;owned\x07", "text": "grey \u202ecouch"}
    (tmp_path / "corpus.jsonl").write_text(json.dumps(row) + "\n")
    _, output = told("--backend", "memory", "-o", f"documents={tmp_path}", "--query", "couch")
    assert "finds 1 of 10" in output
    assert not set("\x1b\x07\u202e") & set(output)


def indexed(corner: Path, *options: str) -> list[str]:
    """Build an index of the corner's documents with the command, and return the options of it."""
    chosen = ["--backend", options[0], "--task", str(corner)]
    for option in options[1:]:
        chosen += ["-o", option]
    done = CliRunner().invoke(group, ["index", *chosen], standalone_mode=False)
    assert done.exception is None, done.exception
    return chosen


def test_elasticsearch(elasticsearch_8: Server, corner: Path, tmp_path: Path) -> None:
    index = f"doctor-{uuid4().hex}"
    chosen = indexed(corner, "elasticsearch", f"url={elasticsearch_8.url}", f"index={index}", "analysis=standard")
    code, output = told(*chosen)
    assert (code, output.splitlines()[-1]) == (0, "ok"), output
    assert elasticsearch_8.version in output
    template = tmp_path / "query.json"
    template.write_text('{"query": {"query_string": {"query": "$query", "fields": ["title", "text"]}}}')
    code, output = told(*chosen, "-o", f"template={template}")
    assert code == 1, output
    assert "problem  hostile text" in output
    assert "warning  configuration" in output


def test_solr(solr: Server, corner: Path) -> None:
    with index_name(solr) as names:
        where = [f"url={solr.url}", *(f"{key}={value}" for key, value in names.items())]
        code, output = told(*indexed(corner, "solr", *where))
    assert (code, output.splitlines()[-1]) == (0, "ok"), output
    assert solr.version in output


@pytest.mark.parametrize("backend", ["elasticsearch", "solr"])
def test_a_server_that_is_not_there_is_75(backend: str) -> None:
    code, output = told("--backend", backend, "-o", "url=http://127.0.0.1:9/solr", "-o", "search.backoff=0.01")
    assert code == 75, output
    assert "127.0.0.1:9" in output
