"""`leser new`: names it takes and refuses, files it writes and never overwrites."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from places import ROOT

from leser.errors import LeserError
from leser.plugin_offers import KINDS as PLUGIN_KINDS
from leser.plugins import Registry, load_plugins
from leser.scaffold import KINDS, Package, write_package


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_plugins()


def test_every_kind_of_plugin_has_a_package() -> None:
    assert set(KINDS) == set(PLUGIN_KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["x", "my_shop9", "none", "rule", "a" * 40])
def test_the_files_are_python_and_toml_whatever_the_name(kind: str, name: str) -> None:
    package = Package.of(kind, name)
    files = package.files()
    assert set(files) == {"pyproject.toml", "README.md", f"{package.module}.py", f"tests/test_{package.module}.py"}
    for path, text in files.items():
        if path.endswith(".py"):
            assert any(isinstance(node, ast.ClassDef) for node in ast.parse(text).body)
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert project["name"] == package.distribution
    assert project["entry-points"]["leser"] == {package.module: package.module}
    assert name in files["README.md"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_loads_and_offers_the_plugin(kind: str, registry: Registry, tmp_path: Path) -> None:
    name = f"first_{kind}"  # one for each: a module that was loaded is taken
    folder = write_package(kind, name, registry, tmp_path / "package")
    cls = load_plugins([folder / f"leser_{name}.py"]).get(kind, name)
    assert cls.__name__ == f"First{kind.capitalize() * 2}"


def test_what_is_written_is_clean(registry: Registry, tmp_path: Path) -> None:
    for kind in KINDS:
        write_package(kind, "my_shop", registry, tmp_path / kind)
    ruff = [sys.executable, "-m", "ruff"]
    config = ["--config", str(ROOT / "pyproject.toml"), "--no-cache", str(tmp_path)]
    for command in ([*ruff, "check", *config], [*ruff, "format", "--check", *config]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "name",
    ["", "My-shop", "9lives", "my--shop", "-shop", "shop-", "a b", "../x", "x/y", "x'y", 'x"y', "x\n", "é", "a" * 41, "{{ 7 }}"],
)  # fmt: skip
def test_a_name_that_is_not_valid_is_refused(name: str, registry: Registry, tmp_path: Path) -> None:
    for kind in KINDS:
        with pytest.raises(LeserError, match="is not valid") as caught:
            write_package(kind, name, registry, tmp_path / "out")
        assert "For example: " in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("kind", "name", "reason"), [
    ("reward", "in-stock", "rewards have no hyphen"),
    ("reward", "class", "a word of Python"),
    ("rule", "banned", "The rule 'banned' is offered by leser .* already"),
    ("backend", "memory", "The backend 'memory' is offered by leser .* already"),
    ("rule", "memory", "The Python module leser_memory is installed already"),
    ("rewrd", "x", "Unknown kind of plugin 'rewrd'. Did you mean 'reward'?"),
])  # fmt: skip
def test_a_name_that_is_taken_or_cannot_work_is_refused(
    kind: str, name: str, reason: str, registry: Registry, tmp_path: Path
) -> None:
    with pytest.raises(LeserError, match=reason):
        write_package(kind, name, registry, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(registry: Registry, tmp_path: Path) -> None:
    full, file, link, empty = (tmp_path / name for name in ("full", "file", "link", "empty"))
    full.mkdir()
    (full / "notes.txt").write_text("mine")
    file.write_text("mine")
    link.symlink_to(tmp_path / "nowhere")
    for taken in (full, file, link):
        with pytest.raises(LeserError, match="is there already and is left alone"):
            write_package("rule", "my-rule", registry, taken)
    assert [path.name for path in full.iterdir()] == ["notes.txt"]
    assert file.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()
    empty.mkdir()
    assert (write_package("rule", "my-rule", registry, empty) / "leser_my_rule.py").is_file()
    with pytest.raises(LeserError, match="is there already"):
        write_package("rule", "my-rule", registry, empty)


def test_a_folder_that_cannot_be_made_is_an_error(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LeserError, match=r"cannot be written to .*Name another folder"):
        write_package("rule", "my-rule", registry, tmp_path / "file" / "below")


def test_the_command_writes_beside_the_user_and_says_what_comes_next(tmp_path: Path) -> None:
    def leser(*arguments: str) -> subprocess.CompletedProcess[str]:
        code = [sys.executable, "-c", "from leser.cli.main import main; main()", "new", *arguments]
        return subprocess.run(code, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)

    first, second = leser("reward", "new_hits"), leser("reward", "new_hits")
    assert first.returncode == 0, first.stderr
    assert "pip install './leser-new-hits[test]'" in first.stdout
    assert (tmp_path / "leser-new-hits" / "tests" / "test_leser_new_hits.py").is_file()
    assert second.returncode == 2
    assert second.stderr.startswith("Error: leser-new-hits is there already")
