"""train_one_step: one run in seconds shows what a plugin does in training, in the evaluation and in the report."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from places import ROOT
from plugin_pages import plugin_files

from leser.errors import LeserError
from leser.scaffold import Package
from leser.testing import BaselineContract, OneStep, ReaderContract, RuleContract, train_one_step

PLUGIN = '''"""A reward, a rule and a baseline of somebody's."""

from leser.backend import Term
from leser.baseline import Baseline
from leser.hooks import hookimpl
from leser.reward import Reward
from leser.rule import Rule, Violation


class Cheap(Reward):
    """Share of the top k that costs less than 100 (cheap@k)."""

    name, fields = "cheap", ("price",)

    def score(self, outcomes):
        return [self._share(outcome.documents, outcome.expanded.ids[: self.depth]) for outcome in outcomes]

    def _share(self, documents, top):
        return sum(float(documents[id].fields["price"]) < 100 for id in top) / self.depth


class NoVowel(Rule):
    """No expansion holds an e."""

    name = "no-e"

    def check(self, proposal):
        at = next((at for at, expansion in enumerate(proposal.expansions) if "e" in expansion.text), None)
        return None if at is None else Violation(self.name, "it holds an e", at)


class Chairs(Baseline):
    """Always a chair."""

    name = "chairs"

    def terms(self, queries):
        return [(Term("chair"),) for _ in queries]


@hookimpl
def leser_rewards():
    return [Cheap]


@hookimpl
def leser_rules():
    return [NoVowel]


@hookimpl
def leser_baselines():
    return [Chairs]
'''


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> OneStep:
    """One step with a reward, a rule and a baseline that nobody installed, on the engine of docs/one-file-plugins.md."""
    folder = tmp_path_factory.mktemp("one-step")
    files = [folder / "mine.py", folder / "my_engine.py"]
    for file, code in zip(files, (PLUGIN, plugin_files()["my_engine.py"]), strict=True):
        file.write_text(code, encoding="utf-8")
    return train_one_step(
        folder,
        files,
        backend={"name": "my-engine"},
        rewards={"weights": ["nDCG@10=0.5", "cheap@2=0.5"]},
        rules={"no-e": {}},
        evaluation={"measures": ["nDCG@10"], "baselines": ["original", "chairs"]},
    )


def test_the_reward_is_in_the_step_and_in_every_completion_that_was_searched(run: OneStep) -> None:
    assert 0 <= run.step["reward_cheap@2"] <= 1
    assert len(run.rollouts) == 8 * 4  # queries and completions of each
    for row in run.rollouts:
        searched = row["code"] in ("ok", "none", "nothing_found")
        assert row["reward_cheap@2"] in ((0.0, 0.5, 1.0) if searched else (None,))


def test_the_rule_takes_completions_out_and_its_reason_is_kept(run: OneStep) -> None:
    gated = [row for row in run.rollouts if row["code"] == "rule_violation"]
    broken = [row for row in gated if row["reason"] == "no-e: it holds an e"]
    assert broken
    assert {row["reason"].partition(":")[0] for row in gated} <= {"no-e", "repetition"}
    assert run.step["rule_violations"] == len(gated) / len(run.rollouts)
    assert all("e" in "".join(row["expansions"]) for row in broken)
    assert not [row for row in run.rollouts if row["code"] == "ok" and "e" in "".join(row["expansions"])]


def test_the_evaluation_and_the_report_name_what_was_tried(run: OneStep) -> None:
    assert {"original", "chairs", "leser"} <= set(run.systems)
    # a chair before the only document that is relevant, and one that finds nothing more
    assert run.systems["chairs"]["nDCG@10"] < run.systems["original"]["nDCG@10"]
    for words in ("cheap@2", "chairs", "my-engine", "Systems on test"):
        assert words in run.report
    assert "<td" not in run.report
    assert (run.folder / "report.html").is_file()


def test_what_is_wrong_is_the_error_that_a_run_gives(tmp_path: Path) -> None:
    with pytest.raises(LeserError, match="Unknown reward 'chaep'"):
        train_one_step(tmp_path, rewards={"weights": ["chaep@2"]})


def test_the_page_on_rules_shows_how_it_is_tried(install: Callable[..., Path], tmp_path: Path) -> None:
    package = Package.of("rule", "no-promises")
    install(package.distribution, "0.1.0", package.module, package.files()[f"{package.module}.py"])
    page = (ROOT / "docs" / "writing-a-rule.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(dedent(page[page.index("    from leser.testing import train_one_step") :]), names)
    (tmp_path / "run").mkdir()
    try:
        names["test_in_a_run"](tmp_path / "run")
    finally:
        sys.modules.pop(package.module, None)  # a module that is loaded would be one that is installed


@pytest.mark.parametrize("kit", [BaselineContract, ReaderContract, RuleContract])
def test_every_test_of_the_kits_says_where_to_look(kit: type) -> None:
    tests = {name: getattr(kit, name) for name in dir(kit) if name.startswith("test_")}
    assert len(tests) > 12
    assert [n for n, test in tests.items() if not (test.__doc__ or "").startswith("If this fails, ")] == []
