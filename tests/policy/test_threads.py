"""Torch gets as many threads as help; the first lines of a run say how many and why, and a resumed run keeps its number."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from bad_input import run_cli, shop, write

from leser.policy import threads
from leser.policy.options import PolicyOptions, TinyOptions
from leser.policy.threads import Cores, Threads, choose_threads, cores, is_small, threads_for
from leser.store.folder import RunFolder

QUIET, BUSY = Cores(2), Cores(2, busy=1.8)
CHANGE = "; OMP_NUM_THREADS=N before the command sets another number"


@pytest.mark.parametrize(
    ("now", "found", "small", "expected"),
    [
        (2, QUIET, True, 2),
        (2, BUSY, True, 1),
        (2, BUSY, False, 2),
        (2, Cores(2, busy=0.3), True, 2),
        (2, Cores(2, busy=2.0), True, 1),
        (16, Cores(16, busy=3.2), True, 13),
        (64, Cores(64, quota=2.0, busy=30.0), True, 2),
        (64, Cores(64, quota=1.5), False, 2),
        (8, Cores(16), True, 8),
        (1, BUSY, True, 1),
    ],
)
def test_the_number(now: int, found: Cores, small: bool, expected: int) -> None:
    assert threads_for(now, found, small=small).count == expected


def test_what_is_said() -> None:
    assert str(threads_for(2, QUIET, small=True)) == f"Threads: 2 of 2 cores{CHANGE}."
    assert str(threads_for(2, BUSY, small=True)) == (
        "Threads: 1 of 2 cores, because other processes keep 1.8 cores busy and a small model waits for its slowest thread"
        f"{CHANGE}."
    )
    assert "because this container may use 1.5 cores" in str(threads_for(64, Cores(64, quota=1.5), small=True))
    assert threads_for(2, BUSY, small=True, begun=2).count == 2
    assert threads_for(2, BUSY, small=True, begun=16).count == 1, "not on a machine that has fewer cores"


def test_which_policies_are_small(tmp_path: Path) -> None:
    assert is_small(PolicyOptions(name="tiny"))
    assert not is_small(PolicyOptions(name="tiny", tiny=TinyOptions(d_model=2048, ffn=8192, heads=16)))
    assert not is_small(PolicyOptions(name="owner/model"))
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    assert is_small(PolicyOptions(name=str(tmp_path)))


@pytest.fixture
def busy_cores() -> Iterator[int]:
    """A process on each core that never rests; gives the number of cores."""
    count = cores(look=False).count
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    yield count
    for burner in burners:
        burner.kill()
        burner.wait()


def test_cores_that_others_keep_busy_are_seen(busy_cores: int) -> None:
    assert cores(look=True).busy > 0.7 * busy_cores


@pytest.mark.parametrize(
    ("files", "membership", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, "0::/\n", 1.5),
        ({"cpu.max": "max 100000\n"}, "0::/\n", math.inf),
        (
            {"cpu.max": "400000 100000\n", "a/b/cpu.max": "max 100000\n", "a/cpu.max": "200000 100000\n"},
            "0::/a/b\n",
            2.0,
        ),
        (
            {"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"},
            "4:cpu,cpuacct:/\n1:name=x:/\n",
            3.0,
        ),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, "4:cpu,cpuacct:/\n", math.inf),
        ({}, "0::/gone\n", math.inf),
    ],
)
def test_the_limit_of_a_container(
    files: dict[str, str], membership: str, expected: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "groups", files)
    monkeypatch.setattr(threads, "CGROUPS", tmp_path / "groups")
    assert threads.quota_of(membership) == expected


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Torch as it starts on two cores, whatever the tests run with."""
    for name in threads.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_torch_is_set(busy_cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = PolicyOptions(name="tiny", device="cpu")
    assert choose_threads(tiny).count == torch.get_num_threads() == 1
    assert choose_threads(tiny, begun=busy_cores).count == torch.get_num_threads() == busy_cores
    torch.set_num_threads(2)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert choose_threads(tiny) == Threads(2, ", as OMP_NUM_THREADS says")
    assert torch.get_num_threads() == 2


def test_a_run_says_so_among_its_first_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "shop", shop({}))
    arguments = ["--task", str(tmp_path / "shop"), "--backend", "memory", "--dry-run"]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    code, _, said = run_cli(arguments)
    assert (code, "as OMP_NUM_THREADS says." in said) == (0, True), said
    environment = {name: value for name, value in os.environ.items() if name not in threads.VARIABLES}
    command = [sys.executable, "-c", "from leser.cli.main import run_main; run_main()", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    first = "".join(done.stderr.split("Policy tiny")[0])
    assert re.search(r"Threads: \d+ of \d+ cores", " ".join(first.split())), done.stderr


def test_a_run_folder_remembers_the_number(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    assert folder.threads is None
    folder.create("seed = 1\n", resume=False)
    folder.note_threads(2)
    assert RunFolder(tmp_path / "run").threads == 2
    folder.forget()
    assert not folder.path.exists()
