"""The wheel: built, installed in an environment of its own outside the checkout, every entry point loaded there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from fresh import environment, run
from places import ROOT

PACKAGES = (
    "leser",
    "leser_memory",
    "leser_pyserini",
    "leser_elasticsearch",
    "leser_solr",
    "leser_relevance",
    "leser_coverage",
    "leser_shape",
    "leser_judges",
    "leser_click_log",
    "leser_sets",
    "leser_prompts",
    "leser_catalogue",
)
LIST = """
import importlib, json, sys
from importlib.metadata import entry_points
loaded = {entry.name: entry.load().__file__ for entry in entry_points(group="leser")}
commands = [entry for entry in entry_points(group="console_scripts") if entry.dist.name == "leser"]
scripts = {entry.name: callable(entry.load()) for entry in commands}
from leser.plugins import load_plugins
states = {f"{offer.kind} {offer.name}": offer.state for offer in load_plugins().offers()}
files = [module.__file__ for module in sys.modules.values() if getattr(module, "__file__", None)]
print(json.dumps({"loaded": loaded, "scripts": scripts, "states": states, "files": files}))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel that was built out of it, as a release is."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def one(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def test_the_wheel_holds_every_package_typed_and_nothing_else(built: Path) -> None:
    names = zipfile.ZipFile(one(built, "*.whl")).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == set(PACKAGES)
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)


def test_the_wheel_holds_every_file_of_its_packages(built: Path) -> None:
    names = set(zipfile.ZipFile(one(built, "*.whl")).namelist())
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    homes = ("leser/", "adapters/", "rewards/", "examples/catalogue/leser_catalogue/")
    expected = {
        re.sub(r"^(adapters|rewards|examples/catalogue)/", "", name)
        for name in listed
        if name.startswith(homes) and (ROOT / name).is_file()
    }
    assert expected
    assert expected - names == set()


def test_the_sdist_builds_and_carries_licence_and_tests(built: Path) -> None:
    with tarfile.open(one(built, "*.tar.gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "leser/plugins.py", "tests/project/test_packaging.py"} <= names
    assert not any(name.startswith(("runs/", ".venv/")) for name in names)


def test_every_entry_point_loads_from_the_wheel_without_the_checkout(built: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "fresh", one(built, "*.whl"))
    done = run([str(python), "-I", "-c", LIST], tmp_path)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(seen["loaded"]) == set(declared["entry-points"]["leser"])
    assert seen["scripts"] == dict.fromkeys(declared["scripts"], True)
    assert [state for state in seen["states"].items() if state[1] != "ok"] == []
    assert {Path(file).is_relative_to(python.parent.parent) for file in seen["loaded"].values()} == {True}
    dependencies = Path(sysconfig.get_path("purelib"))
    from_checkout = [
        file
        for file in map(Path, seen["files"])
        if file.resolve().is_relative_to(ROOT) and not file.resolve().is_relative_to(dependencies)
    ]
    assert from_checkout == []


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    hosts = r"(py[p]i|python[h]osted|maven\.[a]pache|[n]pmjs|[d]eb\.debian)\.(org|com)"
    roots = "|".join(("root", "work", "farm", "home/[a-z]+", "Users"))
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    found = []
    for name in listed:
        path = ROOT / name
        if name == "LICENSE" or not path.is_file():
            continue
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # no text
        found += [f"{name}: {line.strip()}" for line in lines if re.search(rf"{hosts}|(^|[\s\"'=(])/({roots})/", line)]
    assert found == []


def test_what_is_needed_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = {
        canonical(line) for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line
    }
    needed = [*project["dependencies"]]
    for name in ("pyserini", "encoder", "test", "docs"):
        needed += project["optional-dependencies"][name]
    assert {canonical(requirement) for requirement in needed} - pinned == set()


def test_a_release_has_one_version_everywhere() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    for name, line in {
        "CITATION.cff": f"version: {version}\n",
        "CHANGELOG.md": f"\n## [{version}] - ",
        "docs/badges/version.svg": f">{version}<",
        "README.md": f"![version {version}]",
    }.items():
        assert line in (ROOT / name).read_text(encoding="utf-8"), name


def canonical(requirement: str) -> str:
    """The name of a requirement as package indexes compare it."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()
