"""Rollouts and encoding by workers of one local Ray: what one process does, bit for bit, also where a worker is killed."""

from __future__ import annotations

import copy
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from leser_judges.blocks import KEPT_AT_ONCE
from leser_judges.encoder import Encoder
from leser_judges.options import EncoderOptions
from leser_judges.ray_encoding import check_same, encoding_on
from leser_judges.vectors import VectorFile, Vectors
from speaking import QUERIES, WIDE, sampler_of, speaking_policy
from transformers import BertConfig, BertModel

import leser.cluster.pool
from leser.cluster.connection import Cluster, open_ray
from leser.cluster.pool import in_order
from leser.errors import LeserError
from leser.grpo.options import GrpoOptions
from leser.policy.loading import prepare
from leser.policy.options import PolicyOptions
from leser.policy.policy import Policy
from leser.rollout import RolloutPlace, SamplingRequest
from leser.rollouts.copied import Outline
from leser.rollouts.own import PolicyRollouts
from leser.rollouts.ray_rollouts import RayRollouts
from leser.testing import RolloutCase, RolloutContract
from leser.testing.rollout_case import change_weights, prompts_of
from leser.training.grpo import Schedule, Step, grpo_step

TWO = Cluster(workers=2, join=True)
SEVERAL = prompts_of(1, 30, 7, 62, 12)


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        before = signal.getsignal(signal.SIGTERM)
        with open_ray(Cluster(workers=4)) as opened:  # for two of a rollout engine and two that encode
            assert signal.getsignal(signal.SIGTERM) is before
            yield opened
        assert signal.getsignal(signal.SIGTERM) is before


class TestRollouts(RolloutContract):
    @pytest.fixture
    def case(self, ray: Any, monkeypatch: pytest.MonkeyPatch) -> RolloutCase:
        def end_workers(engine: Any) -> None:
            monkeypatch.setattr(leser.cluster.pool, "DEATHS", 1)
            for worker in engine._pool._workers:
                ray.kill(worker)

        return RolloutCase(RayRollouts, {"workers": 1}, breaks=end_workers)


@pytest.fixture(scope="module")
def start() -> Policy:
    return prepare(speaking_policy(), PolicyOptions(device="cpu", attention="shared"), 0)


@pytest.fixture(scope="module")
def workers_of_two(ray: Any, start: Policy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayRollouts]:
    """An open engine; a policy's weights are synced before it samples."""
    engine, folder = RayRollouts(RayRollouts.Options(workers=2)), tmp_path_factory.mktemp("engine")
    engine.open(start, RolloutPlace(folder))
    yield engine
    engine.close()
    assert list(folder.iterdir()) == [], "nothing was written to disk"


def kill_one_at_work() -> int:
    """Kill a worker of this process's Ray in the middle of a block; its process's number."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if process.cmdline()[:1] == ["ray::Worker.work"]:
                    process.send_signal(signal.SIGKILL)
                    return process.pid
        time.sleep(0.002)
    raise TimeoutError


def test_tokens_are_the_policys_and_a_killed_workers_groups_are_sampled_again(
    workers_of_two: RayRollouts, start: Policy, caplog: pytest.LogCaptureFixture
) -> None:
    engine, policy = workers_of_two, copy.deepcopy(start)
    own = PolicyRollouts.of(policy)
    for step in range(2):
        engine.sync_weights(policy, step)
        request = SamplingRequest(4, 12, 0.9, 3, step)
        found = engine.sample(SEVERAL, request)
        assert [[s.tokens for s in g] for g in found] == [[s.tokens for s in g] for g in own.sample(SEVERAL, request)]
        # of passes of one shape, every bit of the log-probabilities
        assert [found[0::2], found[1::2]] == [own.sample(SEVERAL[first::2], request) for first in range(2)]
        change_weights(policy, step)
    engine.sync_weights(policy, 2)
    many, request = prompts_of(*[20] * 400), SamplingRequest(32, 12, 1.0, 3, 2)
    killer = threading.Thread(target=kill_one_at_work)
    killer.start()
    found = engine.sample(many, request)
    killer.join()
    assert engine.deaths == 1
    assert [found[0::2], found[1::2]] == [own.sample(many[first::2], request) for first in range(2)]
    assert engine.sample(SEVERAL[:1], request) == own.sample(SEVERAL[:1], request), "one group is one worker's"
    assert "at 200 groups, of the queries from 'q" in caplog.text
    assert "a new one does that again" in caplog.text


def test_training_with_workers_is_training_with_the_policy_itself(workers_of_two: RayRollouts, start: Policy) -> None:
    options = GrpoOptions(group_size=6, warmup_steps=0, max_grad_norm=1e9)

    def trained(engine: Any) -> tuple[list[Step], Any]:
        policy = copy.deepcopy(start)
        sampler, optimizer = sampler_of(policy, rollouts=engine), torch.optim.SGD(policy.model.parameters(), lr=1.0)
        schedule = Schedule(0.3, 10, 1)
        steps = [grpo_step(sampler, optimizer, WIDE, QUERIES[:3], options, schedule, number) for number in range(3)]
        return steps, policy.model.state_dict()

    (alone, wanted), (steps, found) = trained(None), trained(workers_of_two)
    assert [step.rollouts for step in steps] == [step.rollouts for step in alone]
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert all(step.metrics["sampler_gap"] < 1e-5 for step in steps)
    assert all(step.metrics["tokens"] > 0 for step in steps)


def test_a_model_whose_code_comes_with_it_is_refused() -> None:
    outline = Outline("theirs", '{"model_type": "their_own"}', (2,), 96, "fp32", "cpu")
    with pytest.raises(LeserError, match=r"'theirs' cannot be made from its configuration alone.*rollout\.name=policy"):
        outline.policy()


def test_more_workers_than_there_could_be_are_refused(ray: Any, start: Policy, tmp_path: Path) -> None:
    engine = RayRollouts(RayRollouts.Options(workers=9))
    with pytest.raises(LeserError, match=r"Ray has 4 CPUs, and 9 workers need 9\. Take fewer rollout\.workers\."):
        engine.open(start, RolloutPlace(tmp_path))
    engine.close()


def test_another_ray_than_the_one_that_is_joined_is_refused(ray: Any) -> None:
    joined = ray.get_runtime_context().gcs_address
    with pytest.raises(
        LeserError, match=rf"10\.0\.0\.5:6379 cannot be used: this process is connected to .* {joined} "
    ):
        open_ray(replace(TWO, address="10.0.0.5:6379")).__enter__()
    for address in (joined, None, "auto"):
        with open_ray(replace(TWO, address=address)) as found:
            assert found is ray


def test_answers_are_put_in_order() -> None:
    assert list(in_order([(2, "c"), (0, "a"), (1, "b"), (3, "d")])) == ["a", "b", "c", "d"]


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> EncoderOptions:
    """A model of one small random layer in the format of sentence-transformers."""
    folder = tmp_path_factory.mktemp("encoder") / "model"
    shutil.copytree(Encoder.of("minilm").folder, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
        BertModel(BertConfig(vocab_size=30522, **sizes)).save_pretrained(folder)
    return EncoderOptions(model=str(folder), max_length=16, device="cpu")


TEXTS = [
    f"{colour} {thing} number {n}"
    for n in range(250)
    for colour in ("red", "navy")
    for thing in ("sofa", "floor lamp", "rug")
]
assert KEPT_AT_ONCE * 2 < len(TEXTS) < KEPT_AT_ONCE * 3


def vectors(options: EncoderOptions, folder: Path) -> Vectors:
    return Vectors(Encoder(options), VectorFile(folder, options.precision, 2**30))


def content(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("keys.bin", "vectors.bin", "about.json")]


def test_the_file_of_vectors_is_the_same_bit_for_bit_and_goes_on(
    ray: Any, options: EncoderOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    alone = vectors(options, tmp_path / "alone")
    alone.rows(TEXTS)
    torch.set_num_threads(threads)
    shared = vectors(options, tmp_path / "shared")
    fingerprint = shared.encoder.fingerprint
    with monkeypatch.context() as patch:
        added = shared.file.add

        def stops(keys: Any, rows: Any) -> None:
            if len(shared.file):
                raise KeyboardInterrupt
            added(keys, rows)

        patch.setattr(shared.file, "add", stops)
        with encoding_on(TWO, options, fingerprint) as elsewhere:
            with pytest.raises(KeyboardInterrupt):
                shared.rows(TEXTS, elsewhere=elsewhere)
            again = vectors(options, tmp_path / "shared")
            assert len(again.file) == KEPT_AT_ONCE
            again.rows(TEXTS, elsewhere=elsewhere)
    assert content(tmp_path / "shared") == content(tmp_path / "alone")
    with pytest.raises(LeserError, match=r"is not the one that is here: its files differ"):
        check_same("another", fingerprint, options)
