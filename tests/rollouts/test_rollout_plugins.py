"""A rollout engine of one file: found, listed, checked, and trained with; faults of its answers are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from settings import small, small_task
from speaking import speaking_policy

from leser.config.build import complete
from leser.config.load import config_of, load_config
from leser.errors import LeserError, PluginFault
from leser.plugins import load_plugins
from leser.policy.policy import Policy
from leser.rollout import RolloutPlace, Sample, SamplingRequest, TokenPrompt
from leser.rollouts.checked import fault, sampled
from leser.rollouts.own import PolicyRollouts
from leser.run.runner import run
from leser.scaffold import Package

REQUEST = SamplingRequest(2, 4, 1.0, 7, 0)


@pytest.fixture
def page_plugin(tmp_path: Path) -> Path:
    """The engine that `leser new rollout` writes, as a file."""
    path = tmp_path / "hf_rollouts.py"
    path.write_text(Package.of("rollout", "hf").files()["leser_hf.py"])
    return path


@pytest.fixture(scope="module")
def policy() -> Policy:
    return speaking_policy()


def test_a_file_is_a_rollout_engine_and_trains(page_plugin: Path, tmp_path: Path) -> None:
    """Its log-probabilities are those of the weights that are trained, at every step: they arrive."""
    registry = load_plugins([page_plugin])
    (offer,) = [o for o in registry.offers() if (o.kind, o.name) == ("rollout", "hf")]
    assert (offer.state, offer.description) == ("ok", "Samples with transformers' generate, from a copy of the policy.")
    table = small(
        tmp_path / "run",
        task={"name": str(small_task(tmp_path / "task"))},
        warmup={"max_evaluations": 1, "max_queries": 20, "samples": 0},
        training={"steps": 2},
        grpo={"learning_rate": 1e-2},
        evaluation={"baselines": ["original"], "best_of": 0, "prompted": False, "warmup_plus": False},
    )
    table |= {"rollout": {"name": "hf", "device": "cpu"}, "plugins": [str(page_plugin)]}
    folder = run(complete(config_of(table), registry), registry)
    rows = [row for row in folder.metrics() if row["phase"] == "grpo" and "sampler_gap" in row]
    assert len(rows) == 2
    assert all(row["sampler_gap"] < 1e-4 for row in rows)
    assert any(row["tokens"] > 0 for row in rows)
    assert all(row["tokens_per_s"] >= row["completions_per_s"] > 0 for row in rows)
    assert all("mfu" not in row for row in rows), "nobody knows the peak of a CPU"
    again = load_config(folder.config_path)
    assert (again.rollout.name, again.rollout.options) == ("hf", {"device": "cpu"})
    timeline = [json.loads(line) for line in (folder.path / "timeline.jsonl").read_text().splitlines()]
    assert [set(row) >= {"step", "sampler", "engine", "trainer"} for row in timeline] == [True, True]


def test_names_and_options_are_checked_before_anything_runs(tmp_path: Path) -> None:
    registry = load_plugins()
    with pytest.raises(
        LeserError, match=r"Unknown rollout 'vlm'\. Did you mean 'vllm'\? Available: policy, ray, vllm, vllm-server"
    ):
        complete(config_of({"rollout": {"name": "vlm"}}), registry)
    with pytest.raises(LeserError, match=r"Unknown option 'gpu_memory' of rollout engine 'vllm'"):
        complete(config_of({"rollout": {"name": "vllm", "gpu_memory": 0.5}}), registry)
    with pytest.raises(LeserError, match=r"rollout engine 'policy'"):
        complete(config_of({"rollout": {"url": "http://x"}}), registry)


def test_the_default_leaves_no_trace_in_a_configuration() -> None:
    registry = load_plugins()
    assert "[rollout]" not in complete(config_of({}), registry).resolved()
    written = complete(config_of({"rollout": {"name": "vllm"}}), registry).resolved()
    assert "[rollout]" in written
    assert "gpu_memory_utilization = 0.3" in written


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        (Sample([5, 2], [-0.1, -0.2], True), ""),
        (Sample([5, 5, 5, 5], [-0.1] * 4, False), ""),
        (Sample([5], [-0.1], False, "the context was full"), ""),
        (Sample([], [], True), "it holds no token"),
        (Sample([5, 2], [-0.1], True), "2 tokens and 1 log-probabilities"),
        (Sample([5, 2], [-0.1, 0.5], True), "above 0"),
        (Sample([5, 2], [-0.1, float("nan")], True), "not a number"),
        (Sample([5, 2], [-0.1, -9999.0], True), "below -1000"),
        (Sample([5, 5, 5, 5, 2], [-0.1] * 5, True), "5 tokens, more than 4"),
        (Sample([5, 5], [-0.1] * 2, True), "its last token is not one that ends"),
        (Sample([5, 5], [-0.1] * 2, False), "cut after 2 tokens, before the limit of 4"),
    ],
)
def test_what_is_wrong_with_a_completion_is_told(sample: Sample, said: str) -> None:
    assert said in fault(sample, REQUEST, (2,))
    assert bool(said) == bool(fault(sample, REQUEST, (2,)))


class Crooked(PolicyRollouts):
    """Answers with what it was given."""

    name = "crooked"
    answer: Any = None

    def sample(self, prompts: Any, request: Any) -> Any:
        return self.answer(prompts) if callable(self.answer) else self.answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([], r"'crooked' gave 0 groups for 1 prompts"),
        ([[]], r"gave 0 completions of 'q' for 2"),
        ([[Sample([5], [-0.1], True)] * 2], r"a completion of 'q' that is not valid: .*ends a completion"),
        (lambda prompts: 1 / 0, r"failed in sample\(\): ZeroDivisionError"),
    ],
)
def test_an_answer_that_breaks_the_contract_is_the_plugins_fault(answer: Any, said: str) -> None:
    engine = Crooked(Crooked.Options())
    engine.answer = answer
    with pytest.raises(PluginFault, match=said):
        sampled(engine, [TokenPrompt("q", [1])], REQUEST, (2,))


def test_seeds_depend_on_run_step_and_query_alone() -> None:
    prompt = TokenPrompt("q1", [1, 2])
    seeds = {
        SamplingRequest(2, 4, 1.0, *at).seed_of(p)
        for at in ((7, 0), (7, 1), (8, 0))
        for p in (prompt, TokenPrompt("q2", []))
    }
    assert len(seeds) == 6
    assert all(0 <= seed < 2**48 for seed in seeds)
    assert (
        REQUEST.seed_of(prompt) == SamplingRequest(9, 99, 0.5, 7, 0).seed_of(TokenPrompt("q1", [])) == 264623899705937
    )


def test_the_policys_own_engine_is_closed_for_good(policy: Policy, tmp_path: Path) -> None:
    engine = PolicyRollouts(PolicyRollouts.Options())
    with pytest.raises(LeserError, match=r"is not open"):
        engine.sample([TokenPrompt("q", [1])], REQUEST)
    engine.open(policy, RolloutPlace(tmp_path))
    assert [len(group) for group in engine.sample([TokenPrompt("q", [1])], REQUEST)] == [2]
    engine.close()
    engine.close()
