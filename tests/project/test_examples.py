"""The example packages, as a third party has them: small, explained word for word, installed and tested on their own."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from code_blocks import code_lines
from fresh import environment, run
from places import ROOT

from leser.plugins import load_plugins
from leser.scaffold import Package, write_package

BACKEND = ROOT / "examples" / "custom_backend"
REWARD = ROOT / "examples" / "custom_reward"
NEW = {
    "backend": "my-engine", "reward": "new_hits", "rule": "no-promises", "baseline": "first-titles", "reader": "clicks",
    "store": "one-file", "rollout": "hf",
}  # fmt: skip
"""Plugins that `leser new` writes packages for; five of them are explained on pages of their own."""
PAGES = {"writing-a-backend.md": BACKEND, "writing-a-reward.md": REWARD} | {
    f"writing-a-{kind}.md": Package.of(kind, NEW[kind]) for kind in ("rule", "baseline", "reader", "store")
}
PAGES["writing-a-rollout-engine.md"] = Package.of("rollout", NEW["rollout"])
"""A page and the package it explains: one of the examples, or one that `leser new` writes."""


def files_of(package: Path | Package) -> dict[str, str]:
    """The text of a package's files, by their paths in its folder."""
    if isinstance(package, Package):
        return package.files()
    paths = [path for path in package.rglob("*") if path.suffix in (".py", ".toml")]
    return {str(path.relative_to(package)): path.read_text(encoding="utf-8") for path in sorted(paths)}


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page, in order."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def without_blank(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def test_lines_of_code_are_counted_right() -> None:
    source = '"""Doc.\n\nMore."""\n\n# comment\nX = """a\nb"""\n\ndef f():\n    """Doc."""\n    return (1,\n        2)  # two\n'
    assert code_lines(source) == 2 + 1 + 2


def test_the_backend_has_at_most_40_lines() -> None:
    assert code_lines((BACKEND / "leser_sqlite.py").read_text(encoding="utf-8")) <= 40


def test_the_reward_has_at_most_15_lines() -> None:
    assert code_lines((REWARD / "leser_in_stock.py").read_text(encoding="utf-8")) <= 15


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_its_package_word_for_word(page: str) -> None:
    held = files_of(PAGES[page])
    module, test = (text for name, text in sorted(held.items()) if name.endswith(".py"))
    shown = blocks(page, "python")
    for block in shown:
        assert block in module or block in test, f"in no file of the package:\n{block}"
    assert without_blank("".join(shown)) == without_blank(module + test), "something is left out, or out of order"
    assert blocks(page, "toml"), "the page does not show the entry point"
    for block in blocks(page, "toml"):
        assert block in held["pyproject.toml"]


@dataclass(frozen=True)
class ThirdParty:
    """Somebody else's environment with both packages, and copies of their folders outside the checkout."""

    python: Path
    folder: Path

    def leser(self, *arguments: str) -> str:
        done = run([str(self.python.with_name("leser")), *arguments], self.folder)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def third_party(tmp_path_factory: pytest.TempPathFactory) -> ThirdParty:
    folder = tmp_path_factory.mktemp("third-party")
    built = run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)], ROOT)
    assert built.returncode == 0, built.stdout + built.stderr
    copies = [shutil.copytree(package, folder / package.name) for package in (BACKEND, REWARD)]
    copies += [write_package(kind, name, load_plugins(), folder / f"new-{kind}") for kind, name in NEW.items()]
    (wheel,) = folder.glob("leser-*.whl")
    return ThirdParty(environment(folder / "venv", wheel, *copies), folder)


@pytest.mark.parametrize("package", [BACKEND, REWARD], ids=lambda path: path.name)
def test_a_package_passes_its_own_tests(third_party: ThirdParty, package: Path) -> None:
    done = run(
        [str(third_party.python), "-m", "pytest", "-q", "-p", "no:cacheprovider"], third_party.folder / package.name
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) >= 9
    assert "skipped" not in done.stdout


def test_what_leser_new_writes_installs_and_passes_its_kit(third_party: ThirdParty) -> None:
    folders = [f"new-{kind}" for kind in NEW]
    done = run(
        [str(third_party.python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", *folders],
        third_party.folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) > 120
    assert "skipped" not in done.stdout


def test_all_that_leser_new_writes_works_in_one_run(third_party: ThirdParty) -> None:
    task = third_party.folder / "click-log"
    task.mkdir()
    (task / "clicks.tsv").write_text(
        "".join(f"{word} lamp\td{n}\t1\n" for n, word in enumerate(("desk", "floor", "oak")))
    )
    corpus = [
        json.dumps({"_id": f"d{n}", "title": f"{word} lamp"}) + "\n" for n, word in enumerate(("desk", "floor", "oak"))
    ]
    (task / "corpus.jsonl").write_text("".join(corpus))
    said = third_party.leser(
        "run", "--task", "click-log", "--backend", "my-engine", "--policy", "tiny", "--reward", "nDCG@10=0.8", "--reward",
        "new_hits@10=0.2", "-o", 'evaluation.baselines=["original", "first-titles"]', "-o", 'rules.no-promises.words=["best"]',
        "--dry-run",
    )  # fmt: skip
    assert "rules: no-promises, repetition" in said
    assert "finds 3 of 3 requested" in said
    assert "everything was checked" in said


def test_an_installed_leser_writes_the_same(third_party: ThirdParty) -> None:
    said = third_party.leser("new", "rule", "never-free", "--out", "never-free")
    assert "python -m pytest never-free" in said
    written = third_party.folder / "never-free"
    files = {str(path.relative_to(written)): path.read_text() for path in written.rglob("*") if path.is_file()}
    assert files == Package.of("rule", "never-free").files()


def test_leser_lists_both(third_party: ThirdParty) -> None:
    rows = json.loads(third_party.leser("plugins", "--json"))
    states = {(row["kind"], row["name"]): (row["distribution"], row["state"]) for row in rows}
    assert states["backend", "sqlite"] == ("leser-sqlite", "ok")
    assert states["reward", "in_stock"] == ("leser-in-stock", "ok")
    for kind, name in NEW.items():
        assert states[kind, name] == (Package.of(kind, name).distribution, "ok")
    assert {state for _, state in states.values()} == {"ok"}


def test_a_newcomer_can_train_on_it(third_party: ThirdParty) -> None:
    chosen = ("--backend", "sqlite", "--task", "demo", "-o", "path=demo.db", "-o", "expansion.mode=fuse")
    assert "documents of the task demo in the backend sqlite" in third_party.leser("index", *chosen)
    own = [option for option in chosen if option not in ("--task", "demo")]
    assert third_party.leser("doctor", *own).rstrip().endswith("ok")
    assert "everything was checked" in third_party.leser("run", *chosen, "--policy", "tiny", "--dry-run")
