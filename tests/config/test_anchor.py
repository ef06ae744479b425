"""A run whose paths are relative is opened, evaluated and resumed from any folder, and moves with its data."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest
import tomli_w
from inspected_runs import refused, said
from settings import small, small_task

from leser.config.anchor import anchored
from leser.config.load import load_config
from leser.errors import LeserError

OBSERVER = '''"""An observer."""
from leser.hooks import hookimpl

@hookimpl
def leser_step(metrics): pass
'''
PARTS = ("policy", "evaluation.json", "metrics.jsonl", "rollouts", "trec")


@pytest.fixture
def shop(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder in which a run was made with relative paths: a task, a Lucene index, a plugin, a list of a rule."""
    project = tmp_path / "shop"
    small_task(project / "data" / "task")
    (project / "lists").mkdir()
    (project / "lists" / "banned.txt").write_text("ugly\n")
    (project / "watch.py").write_text(OBSERVER)
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    monkeypatch.chdir(project)
    said("index", "--backend", "pyserini", "--task", "data/task", "-o", "index=indexes/lucene")
    values = small(
        Path("runs/first"),
        task={"name": "data/task"},
        backend={"name": "pyserini", "index": "indexes/lucene"},
        rules={"banned": {"files": ["lists/banned.txt"]}},
        plugins={},
    )
    (project / "run.toml").write_text(tomli_w.dumps({**values, "plugins": ["watch.py"]}), encoding="utf-8")
    _written(project, made)
    return project


def _written(project: Path, finished: Path) -> None:
    """The run folder as LESER writes it from here, with what another run of the same task came to."""
    from leser.config.build import complete
    from leser.plugins import load_plugins
    from leser.store.folder import RunFolder

    loaded = load_config(Path("run.toml"))
    config = complete(loaded, load_plugins(loaded.plugins))
    folder = RunFolder(Path(config.out))
    folder.create(config.resolved(), resume=False)
    for part in PARTS:
        into = project / "runs" / "first" / part
        if (finished / part).is_dir():
            shutil.copytree(finished / part, into, dirs_exist_ok=True)
        else:
            shutil.copy(finished / part, into)


def test_every_command_finds_what_the_run_was_made_with(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = said("expand", "runs/first", "cheap sofa", "-n", "3")
    written = tomllib.loads((shop / "runs" / "first" / "config.toml").read_text())
    assert (written["paths_from"], written["task"]["name"]) == ("../..", "data/task")
    assert written["plugins"] == [str((shop / "watch.py").resolve())], "a plugin's file is saved absolute"
    monkeypatch.chdir(shop.parent / "elsewhere" / "deep")
    run = Path("../../shop/runs/first")
    assert said("expand", run, "cheap sofa", "-n", "3") == here
    assert said("evaluate", run).endswith(f"Written: {run}/evaluation-pyserini-test.json\n")
    said("rollouts", run, "--worst", "1")
    said("report", run)  # no answers.jsonl: they are rebuilt from the task
    assert "cannot be shown" not in (shop / "runs" / "first" / "report.html").read_text(encoding="utf-8")


def test_what_is_given_on_the_command_line_starts_from_there(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop.parent / "elsewhere")
    shutil.move(shop / "indexes" / "lucene", "lucene")
    assert "No Lucene index in ../shop/indexes/lucene" in refused("expand", "../shop/runs/first", "sofa")
    said("expand", "../shop/runs/first", "sofa", "-o", "index=lucene")


def test_a_run_is_resumed_from_another_folder(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop.parent / "elsewhere")
    config = shop / "runs" / "first" / "config.toml"
    before = config.read_text()
    done = said("run", "--config", config, "--resume")
    assert "holds a finished run" in done
    text = (shop / "run.toml").read_text()
    for name in ("data/task", "indexes/lucene", "lists/banned.txt", "watch.py", "runs/first"):
        text = text.replace(f'"{name}"', f'"../shop/{name}"')
    Path("run.toml").write_text(text)
    done = said("run", "--config", "run.toml", "--resume")
    assert "holds a finished run" in done, "the same files by other names are no other configuration"
    shutil.copytree(shop / "data" / "task", "task")
    message = refused("run", "--config", config, "--resume", "--task", "task")
    assert "changed configuration: task.name differ" in message
    assert config.read_text() == before


def test_a_run_and_its_data_are_moved_together(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = said("expand", "runs/first", "cheap sofa", "-n", "3")
    moved = shop.parent / "elsewhere" / "moved"
    shutil.move(shop, moved)
    monkeypatch.chdir(moved.parent)
    shop.mkdir()
    shutil.copy(moved / "watch.py", shop / "watch.py")
    assert said("expand", "moved/runs/first", "cheap sofa", "-n", "3") == here


def test_a_run_that_is_moved_alone_finds_its_data_from_the_working_directory(shop: Path) -> None:
    here = said("expand", "runs/first", "cheap sofa", "-n", "3")
    archive = shop.parent / "elsewhere" / "deep" / "archive"
    shutil.move(shop / "runs" / "first", archive)
    assert said("expand", archive, "cheap sofa", "-n", "3") == here


def test_any_file_can_say_where_its_paths_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site" / "lists").mkdir(parents=True)
    file = tmp_path / "site" / "run.toml"
    text = '[backend]\nname = "pyserini"\nindex = "idx"\n[rules.banned]\nfiles = ["lists/a.txt"]\n'
    from leser.config.build import complete
    from leser.plugins import load_plugins

    monkeypatch.chdir(tmp_path)
    file.write_text(text)
    assert complete(load_config(file), load_plugins()).backend.options["index"] == "idx", "from the working directory"
    file.write_text('paths_from = "."\n' + text)
    config = complete(load_config(file), load_plugins())
    assert config.backend.options["index"] == "site/idx"
    assert config.rules.options["banned"]["files"] == ["site/lists/a.txt"]
    with pytest.raises(LeserError, match=r'paths_from in a configuration names a folder, e.g. "../..", found 3'):
        anchored(json.loads('{"paths_from": 3}'), tmp_path)
