"""What LESER calls of vLLM is there: in the installed package where there is one, in the table of 0.33.0's otherwise."""

from __future__ import annotations

import ast
import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from places import ROOT

from leser.errors import LeserError
from leser.rollout import RolloutPlace
from leser.rollouts import vllm_calls
from leser.rollouts.vllm_calls import COLOCATED, SERVER, TRANSFER, check_installed, missing, signatures
from leser.rollouts.vllm_colocated import VllmRollouts

USED = {
    name: (*COLOCATED.get(name, ()), *SERVER.get(name, ()), *TRANSFER.get(name, ()))
    for name in COLOCATED | SERVER | TRANSFER
}
TABLE = {
    name: tuple(parameters)
    for name, parameters in json.loads((ROOT / "tests" / "rollouts" / "vllm-0.33.0.json").read_text()).items()
}


def known() -> dict[str, tuple[str, ...]]:
    spec = find_spec("vllm")
    if spec is not None and spec.submodule_search_locations:
        return signatures(Path(spec.submodule_search_locations[0]), USED)
    return TABLE


def test_vllm_has_all_that_is_called() -> None:
    assert missing(USED, known()) == []
    assert missing(USED, TABLE) == []


def test_what_is_missing_is_named() -> None:
    less = {name: parameters for name, parameters in TABLE.items() if not name.endswith("LLM.wake_up")}
    less["entrypoints/llm.py:LLM.sleep"] = ("mode",)
    assert missing(USED, less) == ["LLM.sleep(level)", "LLM.wake_up"]


def keywords(file: str, called: str) -> set[str]:
    """Keyword arguments that a module passes to what it calls by this name; of a dictionary of that name its keys."""
    tree = ast.parse((ROOT / "leser" / "rollouts" / file).read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == called:
            found |= {keyword.arg for keyword in node.keywords if keyword.arg}
    return found


@pytest.mark.parametrize(
    ("file", "called", "names"),
    [
        ("vllm_colocated.py", "LLM", ["entrypoints/llm.py:LLM.__init__", "engine/arg_utils.py:EngineArgs"]),
        ("vllm_colocated.py", "SamplingParams", ["sampling_params.py:SamplingParams"]),
        ("vllm_colocated.py", "generate", ["entrypoints/llm.py:LLM.generate"]),
        ("vllm_colocated.py", "wake_up", ["entrypoints/llm.py:LLM.wake_up"]),
        ("vllm_colocated.py", "sleep", ["entrypoints/llm.py:LLM.sleep"]),
        ("vllm_nccl.py", "NCCLTrainerInitInfo", [n for n in TRANSFER if n.endswith("TrainerInitInfo")]),
        ("vllm_nccl.py", "trainer_init", [n for n in TRANSFER if n.endswith("trainer_init")]),
        ("vllm_nccl.py", "ParamMeta", [n for n in TRANSFER if n.endswith("ParamMeta")]),
    ],
)
def test_each_call_is_in_the_table(file: str, called: str, names: list[str]) -> None:
    given = keywords(file, called)
    assert given, "nothing is called by this name"
    assert given <= {parameter for name in names for parameter in USED[name]}


def test_without_vllm_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_calls, "find_spec", lambda name: None)
    with pytest.raises(LeserError, match=r"needs the package vllm.*pip install 'vllm>=0\.33'.*rollout\.name=policy"):
        VllmRollouts(VllmRollouts.Options()).check()


def test_a_vllm_of_another_age_is_told_before_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sources are read, not imported: a package that cannot be imported here is judged all the same."""
    package = tmp_path / "vllm"
    (package / "entrypoints").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('no GPU')\n")
    (package / "entrypoints" / "llm.py").write_text("class LLM:\n    def generate(self, prompts, params): ...\n")
    found = type("Spec", (), {"submodule_search_locations": [str(package)]})
    monkeypatch.setattr(vllm_calls, "find_spec", lambda name: found)
    with pytest.raises(
        LeserError, match=r"lacks what the rollout engine 'vllm' calls: LLM\.__init__, EngineArgs, LLM\.generate"
    ):
        check_installed(COLOCATED, "vllm", "set -o rollout.name=policy")


def test_several_processes_are_sent_to_a_server(tmp_path: Path) -> None:
    from speaking import speaking_policy

    with pytest.raises(LeserError, match=r"a run of one process, this one has 2.*rollout\.name=vllm-server"):
        VllmRollouts(VllmRollouts.Options()).open(speaking_policy(), RolloutPlace(tmp_path, 0, 2))
