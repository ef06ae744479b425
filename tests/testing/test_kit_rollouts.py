"""Rollout engines that come with LESER pass the contract of a third party's; planted faults are seen, each by its name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kit_runner import first_failure
from planted import rollouts, rollouts_life
from planted.rollout_engine import PLANTS, Good
from token_server import TokenServer, serving

import leser.testing.rollout_case as cases
from leser.rollout import RolloutEngine
from leser.rollouts.builtin import leser_rollouts
from leser.rollouts.own import PolicyRollouts
from leser.rollouts.vllm_server import VllmServerRollouts
from leser.scaffold import Package
from leser.testing import RolloutCase, RolloutContract, kit_policy
from leser.testing.rollout_case import Life


def written(name: str) -> type[RolloutEngine]:
    """The engine that `leser new rollout` writes."""
    module = ModuleType(f"leser_{name}")
    exec(Package.of("rollout", name).files()[f"leser_{name}.py"], module.__dict__)
    return module.HfRollout  # type: ignore[no-any-return]


class TestThePolicyItself(RolloutContract):
    @pytest.fixture
    def case(self) -> RolloutCase:
        return RolloutCase(PolicyRollouts)


@pytest.fixture(scope="module")
def server() -> Iterator[TokenServer]:
    """It speaks vLLM's routes and samples with the kit's policy."""
    with serving(kit_policy()) as opened:
        yield opened


class TestAVllmServer(RolloutContract):
    @pytest.fixture
    def case(self, server: TokenServer) -> RolloutCase:
        def stop(engine: RolloutEngine) -> None:
            server.busy = 10**6

        return RolloutCase(VllmServerRollouts, {"url": server.url, "patience": 0.3}, breaks=stop)


class TestWhatLeserNewWrites(RolloutContract):
    engine = written("hf")

    @pytest.fixture
    def case(self) -> RolloutCase:
        return RolloutCase(self.engine)


class TestGood(RolloutContract):
    @pytest.fixture
    def case(self) -> RolloutCase:
        return RolloutCase(Good, breaks=lambda engine: setattr(engine, "broken", True))


def test_engines_that_are_left_out_need_what_is_not_here() -> None:
    """vLLM in process is held to it on a GPU, by `RolloutCase(VllmRollouts, precision="bf16")`; Ray in tests/rollouts."""
    assert {engine.name for engine in leser_rollouts()} == {"policy", "vllm-server", "vllm", "ray"}


@pytest.mark.parametrize(("engine", "test"), PLANTS, ids=lambda value: getattr(value, "__name__", ""))
def test_the_kit_names_the_cause(engine: Any, test: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "SECONDS_TO_END", 0.2)
    case = RolloutCase(engine, breaks=lambda opened: setattr(opened, "broken", True))
    life = Life(case, kit_policy(), tmp_path)
    failure = first_failure(type("TestPlanted", (RolloutContract,), {}), {"case": lambda: case, "life": lambda: life})
    assert failure, "the kit sees nothing"
    assert failure[0] == test, failure[1]


def test_planted_faults_are_listed() -> None:
    assert {engine.__module__ for engine, _ in PLANTS} == {rollouts.__name__, rollouts_life.__name__}


def test_every_test_of_the_kit_says_where_to_look() -> None:
    tests = {name: getattr(RolloutContract, name) for name in dir(RolloutContract) if name.startswith("test_")}
    assert [name for name, test in tests.items() if not (test.__doc__ or "").startswith("If this fails, ")] == []
    assert set(tests) - {test for _, test in PLANTS} == {"test_no_overrides"}
