"""Where figures come from is said as far as it is known, and what is not known throws no figure away."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

COMMIT = "from benchmarks.evidence import commit; print(commit())"


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """The benchmarks as a source archive holds them: in no checkout, without a folder of evidence."""
    shutil.copytree(
        ROOT / "benchmarks", tmp_path / "leser" / "benchmarks", ignore=shutil.ignore_patterns("__pycache__")
    )
    (tmp_path / "leser" / "tests").symlink_to(ROOT / "tests")
    return tmp_path / "leser"


def git(folder: Path, *arguments: str) -> None:
    names = ("-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True)


def said(folder: Path, *arguments: str, **environment: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**inherited, **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_outside_a_checkout_the_commit_is_unknown(unpacked: Path) -> None:
    assert said(unpacked, "-c", COMMIT) == "unknown"
    git(unpacked, "init")
    assert said(unpacked, "-c", COMMIT) == "unknown", "nothing is committed yet"


def test_the_commit_of_another_project_around_is_not_taken(unpacked: Path) -> None:
    git(unpacked.parent, "init")
    (unpacked.parent / "their.txt").write_text("theirs")
    git(unpacked.parent, "add", "their.txt")
    git(unpacked.parent, "commit", "-m", "theirs")
    assert said(unpacked, "-c", COMMIT) == "unknown"


def test_without_git_the_commit_is_unknown(unpacked: Path, tmp_path: Path) -> None:
    git(unpacked, "init")
    git(unpacked, "add", "benchmarks")
    git(unpacked, "commit", "-m", "ours")
    assert said(unpacked, "-c", COMMIT, PATH=str(tmp_path)) == "unknown"


def test_in_a_checkout_the_commit_is_named_and_evidence_makes_it_no_other(unpacked: Path) -> None:
    git(unpacked, "init")
    (unpacked / "docs" / "evidence").mkdir(parents=True)
    figures = unpacked / "docs" / "evidence" / "x.json"
    figures.write_text("{}")
    git(unpacked, "add", "benchmarks", "docs")
    git(unpacked, "commit", "-m", "ours")
    clean = said(unpacked, "-c", COMMIT)
    assert re.fullmatch(r"[0-9a-f]{12}", clean)
    figures.write_text('{"a": 1}')
    assert said(unpacked, "-c", COMMIT) == clean
    (unpacked / "benchmarks" / "soak.py").write_text("")
    assert said(unpacked, "-c", COMMIT) == f"{clean}-dirty"


def test_figures_are_kept_outside_a_checkout(unpacked: Path) -> None:
    arguments = (
        "--documents",
        "200",
        "--queries",
        "16",
        "--rounds",
        "5",
        "--json",
        "--evidence",
        "--note",
        "stühle 椅子",
    )
    out = said(unpacked, "-m", "benchmarks.search_overhead", *arguments, OMP_NUM_THREADS="1", PYTHONIOENCODING="cp1252")
    written = json.loads((unpacked / "docs" / "evidence" / "search-overhead-memory.json").read_text(encoding="utf-8"))
    assert written["commit"] == "unknown"
    assert written["note"] == "stühle 椅子"
    assert len(written["rows"]) == 2
    assert json.loads(out) == written


def test_every_benchmark_begins_by_making_the_console_lenient() -> None:
    mains = [path for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text(encoding="utf-8")]
    assert len(mains) > 8
    for path in mains:
        end = path.read_text(encoding="utf-8").partition('if __name__ == "__main__":\n')[2]
        assert end.split() == ["replace_what_cannot_be_shown()", "main()"], path
