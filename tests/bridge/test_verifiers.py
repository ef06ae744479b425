"""A task in the hands of verifiers: rows with its TaskData's fields, and the reward that the environment gives."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from places import ROOT
from settings import small_task

from leser.bridge import Bridge, open_bridge
from leser.errors import LeserError

TASK_DATA = {"idx", "id", "name", "description", "prompt", "system_prompt"}
"""Fields of verifiers 0.4's TaskData that say what a task is."""
CALLED = {"TaskConfig", "TasksetConfig", "Task", "TaskData", "State", "reward", "Trace", "Taskset"}
"""Names of verifiers.v1 0.4 that the example may use."""


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    folder = small_task(tmp_path_factory.mktemp("verifiers"))
    with open_bridge(task=folder, backend="memory", rewards=["nDCG@10=0.7", "R@100=0.3"]) as opened:
        yield opened


def test_rows_have_the_fields_of_task_data(bridge: Bridge) -> None:
    query = bridge.split.queries[0]
    (row,) = bridge.verifiers_rows([query])
    (turns,) = bridge.rows([query])
    assert set(row) <= TASK_DATA
    assert (row["id"], row["name"]) == (query.id, query.text)
    assert [row["system_prompt"], row["prompt"]] == [turn["content"] for turn in turns["prompt"]]


def test_scores_are_those_of_the_other_doors(bridge: Bridge) -> None:
    query, texts = bridge.split.queries[0], ["none", "sofa; loveseat", "; ^^ ;"]
    found = bridge.scores([query.id] * 3, texts)
    assert [total for total, _ in found] == bridge.trl_reward(completions=texts, query_id=[query.id] * 3)
    total, parts = found[0]
    assert set(parts) == {"nDCG@10", "R@100"}
    assert total == pytest.approx(0.7 * parts["nDCG@10"] + 0.3 * parts["R@100"])
    with pytest.raises(LeserError, match="is not one of the train queries"):
        bridge.scores(["q-none"], ["sofa"])


def test_the_example_uses_names_that_verifiers_has() -> None:
    tree = ast.parse((ROOT / "examples" / "trainers" / "verifiers_env.py").read_text(encoding="utf-8"))
    used = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == "vf"}
    assert used == CALLED
    (offered,) = [ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign)]
    assert offered == ["LeserTaskset"], "verifiers finds a taskset by __all__"
