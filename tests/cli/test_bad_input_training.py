"""Bad input that only a training shows: told in words, nothing lost that a checkpoint holds, and --resume goes on."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from bad_input import holds, run_cli, told
from bad_input_cases import TRAININGS
from run_digests import digests, facts
from trainings import configuration

RUN = [sys.executable, "-c", "from leser.cli.main import run_main; run_main()"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
BETWEEN = 30
LONG = {"steps": 40, "queries_per_step": 2, "steps_between_evaluations": 1000, "max_new_tokens": 10}
"""No look at dev, and so no checkpoint of its own, between the first update and the last."""


def log_of(out: Path) -> str:
    return out.with_suffix(".log").read_text()


def hear_ctrl_c() -> None:
    """A shell that runs the tests in the background has its children ignore Ctrl-C; a person's terminal does not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(config: Path, out: Path, *more: str, prepare: Callable[[], None] | None = None) -> subprocess.Popen[bytes]:
    def before() -> None:
        hear_ctrl_c()
        if prepare:
            prepare()

    with out.with_suffix(".log").open("wb") as log:
        return subprocess.Popen(
            [*RUN, "--config", str(config), "--out", str(out), *more],
            stdout=log,
            stderr=log,
            env=ENVIRONMENT,
            preexec_fn=before,
        )


def finish(config: Path, out: Path, *more: str, prepare: Callable[[], None] | None = None) -> tuple[int, str]:
    code = start(config, out, *more, prepare=prepare).wait()
    return code, log_of(out)


def interrupt(config: Path, out: Path, phase: str, moment: float) -> int:
    """Press Ctrl-C once this phase has made an update (and some seconds later), and wait for the end."""
    process = start(config, out, "--resume")
    metrics = out / "metrics.jsonl"
    begun = {
        "warmup": lambda: any((out / "checkpoints").glob("step-*")),
        "grpo": lambda: "grad_norm" in metrics.read_text(),
    }
    while "Mean prompt length" not in log_of(out) or not begun[phase]():
        assert process.poll() is None, log_of(out)
        time.sleep(0.01)
    time.sleep(moment)
    process.send_signal(signal.SIGINT)
    return process.wait()


def interrupt_between_looks(config: Path, out: Path, phase: str) -> None:
    """Press Ctrl-C until it meets an update that no look at dev follows: a checkpoint that is written for it alone."""
    message, answer = TRAININGS["Ctrl-C"]
    for attempt in range(8):
        assert interrupt(config, out, phase, 0.02 * (1 + attempt)) == answer, log_of(out)
        if "after this update" in log_of(out):
            assert holds(log_of(out), message), log_of(out)
            if checkpoints(out)[-1] % BETWEEN:
                return
    raise AssertionError("eight times at a look")


def checkpoints(out: Path) -> list[int]:
    return sorted(int(p.name.removeprefix("step-")) for p in (out / "checkpoints").glob("step-*"))


def damage(out: Path, step: int) -> None:
    weights = out / "checkpoints" / f"step-{step}" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-3] ^= 1
    weights.write_bytes(content)


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As many threads in this process as ENVIRONMENT gives the others: sums of another order end in other bits."""
    monkeypatch.setenv("OMP_NUM_THREADS", ENVIRONMENT["OMP_NUM_THREADS"])
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("one_thread")
def test_ctrl_c_damage_and_a_full_disk_lose_nothing(tmp_path: Path) -> None:
    """One training, in peace, interrupted, damaged and out of disk: it ends the same each time, bit for bit."""
    warmup = {"steps_between_evaluations": BETWEEN, "patience": 9, "max_evaluations": 2, "samples": 0}
    config = configuration(tmp_path, training=LONG, warmup={**warmup, "learning_rate": 3e-3, "batch_size": 4})

    def here(out: Path, *more: str) -> tuple[int, str]:
        code, _, said = run_cli(["--config", str(config), "--out", str(out), *more])
        return code, said

    def ends(out: Path) -> tuple[Any, ...]:
        return digests(out), *facts(out)

    reference = tmp_path / "reference"
    code, said = here(reference)
    assert code == 0, said
    expected = ends(reference)
    assert sum(row.get("loss") not in (None, 0.0) for row in expected[1] if row["phase"] == "grpo") > 20, "too easy"

    out = tmp_path / "interrupted"
    interrupt_between_looks(config, out, "warmup")
    interrupt_between_looks(config, out, "grpo")
    damaged, ruined = (shutil.copytree(out, tmp_path / name) for name in ("damaged", "ruined"))
    assert here(out, "--resume")[0] == 0
    assert ends(out) == expected

    before = checkpoints(damaged)
    damage(damaged, before[-1])
    told("checkpoint that is damaged", *here(damaged, "--resume"), f"Resumed at step-{before[-2]}")
    assert ends(damaged) == expected

    for step in checkpoints(ruined):
        damage(ruined, step)
    told("no checkpoint that is whole", *here(ruined, "--resume"))
    assert ends(ruined) == expected

    full = tmp_path / "full"
    weights = (reference / "policies" / "base" / "model.safetensors").stat().st_size
    limit = (weights * 3) // 2  # a policy fits, the two moments of a checkpoint do not

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    told("disk that is full", *finish(config, full, prepare=no_room))
    assert not list(full.rglob(".*.part")), "what was half written takes no room"
    assert here(full, "--resume")[0] == 0
    assert ends(full) == expected


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    code = (
        "import os, signal, time\nfrom leser.training.interrupt import Interruption\n"
        "with Interruption() as stop:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n    assert stop.asked\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n    print('still here')\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=hear_ctrl_c)
    assert "Ctrl-C once more" in done.stderr
    assert "KeyboardInterrupt" in done.stderr
    assert "still here" not in done.stdout
