"""The client of a vLLM server against a local server that speaks its routes and samples with real weights."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from places import ROOT
from speaking import QUERIES, WIDE, sampler_of, speaking_policy
from token_server import TokenServer, serving

from leser.errors import EngineDown, LeserError
from leser.grpo.options import GrpoOptions
from leser.options import validate_options
from leser.policy.policy import Policy
from leser.processes import ALONE
from leser.rollout import RolloutPlace
from leser.rollouts.vllm_server import VllmServerRollouts
from leser.training.grpo import Schedule, Step, grpo_step
from leser.training.rollout import roll_out, sync_weights

OPTIONS = GrpoOptions(group_size=6, warmup_steps=0, max_grad_norm=1e9)


@pytest.fixture(scope="module")
def trained() -> Policy:
    return speaking_policy()


def engine_of(server: TokenServer, **options: Any) -> VllmServerRollouts:
    given = {"url": server.url, "patience": 5, **options}
    return VllmServerRollouts(validate_options(VllmServerRollouts.Options, given, "the test"))


def train(policy: Policy, engine: VllmServerRollouts, folder: Path, steps: int = 3, **changes: Any) -> list[Step]:
    sampler, optimizer = sampler_of(policy, rollouts=engine), torch.optim.SGD(policy.model.parameters(), lr=1.0)
    engine.open(policy, RolloutPlace(folder))
    options = OPTIONS.model_copy(update=changes)
    try:
        return [
            grpo_step(sampler, optimizer, WIDE, QUERIES[:3], options, Schedule(0.3, 10, 1), number)
            for number in range(steps)
        ]
    finally:
        engine.close()


def test_weights_are_new_before_every_batch(trained: Policy, tmp_path: Path) -> None:
    """The server's log-probabilities are those of the weights that are trained at that step: the gap is rounding."""
    policy = copy.deepcopy(trained)
    with serving(copy.deepcopy(trained)) as server:
        steps = train(policy, engine_of(server), tmp_path)
        routes = [route for route, _ in server.log]
    assert [step.metrics["sampler_gap"] < 1e-4 for step in steps] == [True] * 3
    assert all(step.metrics["tokens"] > 0 for step in steps)
    assert len(steps[0].rollouts) == 18
    once = [
        "POST /pause", "POST /collective_rpc", "POST /reset_prefix_cache", "POST /update_weight_version", "POST /resume",
        *["POST /inference/v1/generate"] * 3,
    ]  # fmt: skip
    assert routes == once * 3
    assert not list(tmp_path.iterdir()), "weights are removed with the last of them"


def test_weights_that_stay_old_show_as_a_gap(trained: Policy, tmp_path: Path) -> None:
    with serving(copy.deepcopy(trained), deaf=True) as server:
        steps = train(copy.deepcopy(trained), engine_of(server), tmp_path)
    assert steps[0].metrics["sampler_gap"] < 1e-4
    assert steps[-1].metrics["sampler_gap"] > 0.02


def test_the_correction_takes_the_servers_log_probabilities(trained: Policy, tmp_path: Path) -> None:
    """Old weights are another sampler: truncated importance weights see it, and say for how many tokens."""
    with serving(copy.deepcopy(trained), deaf=True) as server:
        steps = train(
            copy.deepcopy(trained), engine_of(server), tmp_path, importance="token-truncate", importance_cap=1.01
        )
    assert steps[0].metrics["corrected"] == 0
    assert steps[-1].metrics["corrected"] > 0


def test_samples_repeat_and_groups_differ(trained: Policy, tmp_path: Path) -> None:
    policy = copy.deepcopy(trained)
    with serving(copy.deepcopy(trained)) as server:
        engine = engine_of(server)
        sampler = sampler_of(policy, rollouts=engine)
        engine.open(policy, RolloutPlace(tmp_path))
        found = [
            roll_out(sampler, WIDE, QUERIES[:4], OPTIONS, seed, step).samples for seed, step in ((1, 0), (1, 0), (1, 1))
        ]
        engine.close()
    assert found[0] == found[1]
    assert found[0] != found[2]
    assert found[0][0] != found[0][1]


def test_a_busy_server_is_asked_again(trained: Policy, tmp_path: Path) -> None:
    with serving(copy.deepcopy(trained), busy=2) as server:
        assert len(train(copy.deepcopy(trained), engine_of(server), tmp_path, steps=1)) == 1
    with (
        serving(copy.deepcopy(trained), busy=10**6) as server,
        pytest.raises(EngineDown, match=r"/server_info within 0\.3 s"),
    ):
        engine_of(server, patience=0.3).check()


@pytest.mark.parametrize(
    ("state", "options", "said"),
    [
        ({"forgets": False}, {}, r"did not forget the prompts"),
        ({"finish": "length"}, {}, r"was cut after \d+ tokens, before the limit of 12"),
        ({"key": "right"}, {}, r"refuses the key \(HTTP 401\).*rollout\.api_key_env"),
    ],
)
def test_what_is_wrong_is_said(
    trained: Policy, tmp_path: Path, state: dict[str, Any], options: dict[str, Any], said: str
) -> None:
    with serving(copy.deepcopy(trained), **state) as server, pytest.raises(LeserError, match=said):
        train(copy.deepcopy(trained), engine_of(server, **options), tmp_path, steps=1)


def test_a_server_is_checked_before_a_run(trained: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLOUT_KEY", "right")
    with serving(copy.deepcopy(trained), key="right") as server:
        assert engine_of(server, api_key_env="ROLLOUT_KEY").check() == f"the vLLM server {server.url}"
        server.logprobs_mode = "raw_logprobs"
        with pytest.raises(LeserError, match=r"before the temperature.*--logprobs-mode processed_logprobs"):
            engine_of(server, api_key_env="ROLLOUT_KEY").check()
        with pytest.raises(LeserError, match=r"needs the package vllm.*rollout\.transfer=disk"):
            engine_of(server, api_key_env="ROLLOUT_KEY", transfer="nccl").check()


def test_completions_that_were_broken_off_teach_nothing(trained: Policy, tmp_path: Path) -> None:
    """An aborted completion is the server's failure, not the policy's: no reward, no place in the baseline."""
    with serving(copy.deepcopy(trained), finish="abort") as server:
        (step,) = train(copy.deepcopy(trained), engine_of(server), tmp_path, steps=1)
    assert step.metrics["tokens"] == 0
    assert step.metrics["zero_variance_failed"] == 1.0


def test_weights_of_another_step_are_refused(trained: Policy, tmp_path: Path) -> None:
    policy = copy.deepcopy(trained)
    with serving(copy.deepcopy(trained)) as server:
        engine = engine_of(server)
        sampler = sampler_of(policy, rollouts=engine)
        engine.open(policy, RolloutPlace(tmp_path))
        sync_weights(sampler, 4, ALONE)
        server.version = "somebody's"
        with pytest.raises(LeserError, match=r"weights of version somebody's, not 4"):
            roll_out(sampler, WIDE, QUERIES[:1], OPTIONS, 1, 4)
        engine.close()


def test_the_page_names_the_command_that_starts_a_server() -> None:
    from leser.rollouts.vllm_wire import START

    assert START in (ROOT / "docs" / "rollouts.md").read_text(encoding="utf-8")
