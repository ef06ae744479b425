"""The plugins on README and docs/one-file-plugins.md, as they stand there, pass the kits whole; README stays short."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bad_input import run_cli
from code_blocks import code_lines
from places import ROOT
from plugin_pages import BLOCK, plugin_files

from leser.backend import Backend, Ranking
from leser.config.build import complete
from leser.config.load import config_of
from leser.plugins import load_plugins
from leser.reward import Reward, parse_spec
from leser.session import open_session
from leser.testing import DOCUMENTS, BackendContract, RewardContract
from leser.testing.reward_contract import example_outcomes

README = (ROOT / "README.md").read_text(encoding="utf-8")


def executed(block: str, name: str) -> dict[str, Any]:
    """What a block defines."""
    names: dict[str, Any] = {"__name__": name}
    exec(compile(block, name, "exec"), names)
    return names


MyEngine = executed(plugin_files()["my_engine.py"], "my_engine")["MyEngine"]
InStock = executed(plugin_files()["in_stock.py"], "in_stock")["InStock"]
(SHORT_REWARD,) = BLOCK.findall(README)


class TestEngine(BackendContract):
    backend = MyEngine

    @pytest.fixture
    def open_backend(self) -> Callable[..., Backend]:
        def opened(**options: Any) -> Backend:
            backend: Backend = MyEngine(MyEngine.Options(**options))
            backend.load(DOCUMENTS)
            return backend

        return opened


class TestReward(RewardContract):
    @pytest.fixture
    def reward(self) -> Reward:
        reward: Reward = InStock(parse_spec("in_stock@10"))
        return reward


class TestReadmeReward(RewardContract):
    @pytest.fixture
    def reward(self) -> Reward:
        reward: Reward = executed(SHORT_REWARD, "brands")["Brands"](parse_spec("brands@10"))
        return reward


def test_readme_is_read_in_one_go() -> None:
    assert len(README.splitlines()) <= 130


def test_the_plugins_are_as_short_as_readme_says() -> None:
    assert code_lines(plugin_files()["my_engine.py"]) <= 40
    assert code_lines(plugin_files()["in_stock.py"]) <= 20
    assert code_lines(SHORT_REWARD) <= 10


def test_the_short_reward_works_on_the_demo_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (command,) = re.findall(r"^    leser run (--plugin brands\.py .*)$", README, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    Path("brands.py").write_text(SHORT_REWARD, encoding="utf-8")
    code, _, said = run_cli([*shlex.split(command), "--dry-run"])
    assert code == 0, said
    moves = re.search(r"brands@10 +moves on (\d+)% of the queries", said)
    assert moves, said
    assert int(moves[1]) > 20


def test_the_engine_holds_any_tasks_documents_and_is_ready_to_train_on(tmp_path: Path) -> None:
    file = tmp_path / "my_engine.py"
    file.write_text(plugin_files()["my_engine.py"], encoding="utf-8")
    registry = load_plugins([file])
    config = complete(config_of({"task": {"name": "demo"}, "backend": {"name": "my-engine"}}), registry)
    session = open_session(config, registry)
    assert session.facts["documents"] > 1000
    assert session.facts["judged_missing"] == ""
    (found,) = session.client.search([session.environment.ask(session.task.train.queries[0])], 3)
    assert isinstance(found, Ranking)
    assert len(found.hits) == 3
    session.client.close()


def test_the_reward_applies_to_all_of_a_group_or_to_none() -> None:
    outcomes = example_outcomes(InStock(parse_spec("in_stock@2")))
    asked = [replace(o, query=replace(o.query, text="pre-order sofa")) if o.group else o for o in outcomes]
    values = InStock(parse_spec("in_stock@2")).score(asked)
    assert [value is None for value in values] == [outcome.group == 1 for outcome in asked]
    assert values[1] == 1 / 2  # one hit, in stock, of two places
