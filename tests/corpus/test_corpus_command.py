"""`leser corpus`: what it says, and that the run which it names works on what it wrote."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from loaded_modules import HEAVY, modules_after

from leser.cli.main import group
from leser.cli.run import command as run
from leser.config.load import load_config


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an index in memory, whose fields are not called title and text."""
    folder = tmp_path_factory.mktemp("index")
    words = ("red sofa", "blue couch", "desk lamp", "oak table", "rain jacket")
    rows = [{"_id": f"p{n}", "name": words[n % 5], "description": f"a {words[n % 5]}", "sku": n} for n in range(20)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def leser(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(group, arguments)
    return done.exit_code, f"{done.output}{done.exception or ''}"


def test_the_command_that_it_names_works(held: Path, tmp_path: Path) -> None:
    out = tmp_path / "shop" / "corpus.jsonl"
    index = ("--backend", "memory", "-o", f"documents={held}", "-o", "fields=name")
    code, said = leser("corpus", *index, "--out", str(out))
    assert code == 0, said
    lines = said.splitlines()
    assert lines[:4] == [
        f"Written: {out} (20 documents)",
        "title: name",
        "text: description",
        "under their own names: sku",
    ]
    assert str(tmp_path / "shop" / "queries.txt") in lines[4]
    command = shlex.split(lines[5])
    assert command[:4] == ["leser", "run", "--recipe", "encoder"]
    assert command[-1] == "--dry-run"
    (tmp_path / "shop" / "queries.txt").write_text("sofa\ncouch\nlamp\ntable\njacket\n")
    given = run.make_context("run", command[2:]).params
    assert (given["recipe"], given["dry_run"]) == ("encoder", True)
    config = load_config(None, {}, given["assignments"])
    assert config.search.aliases == {"title": ("name",), "text": ("description",)}
    assert config.task.given["unjudged"] == "all"
    code, said = leser("doctor", *command[4:-1])
    assert code == 0, said
    assert "documents found come with a 'title'" in said


def test_it_is_refused_in_words(held: Path, tmp_path: Path) -> None:
    index = ("--backend", "memory", "-o", f"documents={held}", "--out", str(tmp_path / "corpus.jsonl"))
    assert "--title: Unknown field 'nme' in the documents" in leser("corpus", *index, "--title", "nme")[1].replace(
        "of the", "in the"
    )
    assert not list(tmp_path.iterdir())
    assert "No corpus.jsonl in" in leser("corpus", *index, "-o", f"documents={tmp_path}")[1]


def test_help_loads_nothing_heavy() -> None:
    loaded = modules_after("corpus", "--help")
    assert "leser.cli.corpus" in loaded
    assert not loaded & {*HEAVY, "pydantic", "rich", "leser.plugins"}
