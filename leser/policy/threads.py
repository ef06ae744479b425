"""How many CPU threads torch gets: as many as help, not as many as there are cores.

The threads of one matrix product wait for the slowest of them. In a small model the products are so short that a core which
another process keeps busy makes two threads ten times slower than one; and a container that may use two of 64 cores stands
still most of the time when torch starts 64 threads. What a user set with OMP_NUM_THREADS is never changed.
"""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leser.policy.options import PolicyOptions

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
SMALL_BYTES = 120_000_000
"""Weights of a model whose products are short: 30 million numbers of 4 bytes."""
LOOK_S = 0.3
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Threads:
    """A number of threads and why it is that."""

    count: int
    reason: str

    def __str__(self) -> str:
        return f"Threads: {self.count}{self.reason}."


@dataclass(frozen=True, slots=True)
class Cores:
    """The cores this process may run on: how many, how many of them it may use up, how many others keep busy."""

    count: int
    quota: float = math.inf
    busy: float = 0.0


def choose_threads(options: PolicyOptions, begun: int | None = None) -> Threads:
    """Set and return torch's number of threads for a policy; `begun` is that of the run which is resumed.

    For a process that is LESER's own: a library must not change what the program around it has set.
    """
    import torch

    named = next((name for name in VARIABLES if os.environ.get(name)), None)
    now = torch.get_num_threads()
    if named:
        return Threads(now, f", as {named} says")
    small = is_small(options) and not _on_gpu(options)
    chosen = threads_for(now, cores(look=small and now > 1), small=small, begun=begun)
    if chosen.count != now:
        torch.set_num_threads(chosen.count)
    return chosen


def threads_for(now: int, found: Cores, *, small: bool, begun: int | None = None) -> Threads:
    """The number of threads where torch would take `now`: no more than that, except for a run that began with more."""
    change = f"; {VARIABLES[0]}=N before the command sets another number"
    if begun is not None and begun <= found.count:
        return Threads(begun, f", as this run began, so that it ends the same bit for bit{change}")
    count, reason = now, ""
    if found.quota < count:
        count, reason = max(1, math.ceil(found.quota)), f", because this container may use {found.quota:g} cores"
    if small and (quiet := max(1, int(found.count - found.busy + 0.5))) < count:
        count = quiet
        reason = (
            f", because other processes keep {found.busy:.1f} cores busy and a small model waits for its slowest thread"
        )
    return Threads(count, f" of {found.count} cores{reason}{change}")


def is_small(options: PolicyOptions) -> bool:
    """Whether a policy is one whose products are short; a hub id is taken for large, since nobody has looked yet."""
    if options.name == "tiny":
        shape = options.tiny
        layer = 2 * shape.d_model * shape.d_model + 3 * shape.d_model * shape.ffn
        return 4 * (shape.layers * layer + shape.vocabulary * shape.d_model) <= SMALL_BYTES
    folder = Path(options.name).expanduser()
    return folder.is_dir() and sum(file.stat().st_size for file in folder.glob("*.safetensors")) <= SMALL_BYTES


def _on_gpu(options: PolicyOptions) -> bool:
    import torch

    automatic = options.device == "auto" and (torch.cuda.is_available() or torch.backends.mps.is_available())
    return automatic or options.device not in ("auto", "cpu")


def cores(*, look: bool) -> Cores:
    """This process's cores; `look` takes LOOK_S seconds, in which the process sleeps, to see what others do on them."""
    own = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    return Cores(len(own), _quota(), _busy(own) if look else 0.0)


def _busy(own: set[int]) -> float:
    """Cores' worth of work that was done on these cores meanwhile; the system's load of a minute where nothing tells it."""
    before = _ticks(own)
    if before is None:
        return float(os.getloadavg()[0]) if hasattr(os, "getloadavg") else 0.0
    time.sleep(LOOK_S)
    after = _ticks(own) or before
    shares = []
    for core, (busy, total) in after.items():
        was_busy, was_total = before.get(core, (busy, total))
        shares.append((busy - was_busy) / (total - was_total) if total > was_total else 0.0)
    return sum(shares)


def _ticks(own: set[int]) -> dict[int, tuple[int, int]] | None:
    """Each core's busy and whole time so far, in the kernel's ticks; None on a system without /proc/stat."""
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = {}
    for name, *given in (line.split() for line in lines if line.startswith("cpu") and line[3:4].isdigit()):
        user_to_steal = [int(number) for number in given[:8]]  # guests' time is in user's already
        idle = sum(user_to_steal[3:5])
        if int(name[3:]) in own:
            found[int(name[3:])] = (sum(user_to_steal) - idle, sum(user_to_steal))
    return found or None


def _quota() -> float:
    try:
        return quota_of(Path("/proc/self/cgroup").read_text(encoding="utf-8"))
    except OSError:  # not Linux
        return math.inf


def quota_of(membership: str) -> float:
    """How many cores' time control groups (of version 2 or 1) allow; infinity where none limits it.

    `membership` is what /proc/self/cgroup says: one group per line.
    """
    limits = [math.inf]
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = CGROUPS / "cpu" if controllers else CGROUPS
        below = [root.joinpath(*Path(path).parts[1:]), *root.joinpath(*Path(path).parts[1:]).parents]
        limits += [_limit(folder) for folder in below if folder.is_relative_to(root)]
    return min(limits)


def _limit(folder: Path) -> float:
    """One control group's own limit in cores."""
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota, period = (
                (folder / f"cpu.cfs_{name}_us").read_text(encoding="ascii") for name in ("quota", "period")
            )
        return math.inf if quota == "max" or int(quota) < 0 else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or none that says a limit
        return math.inf
