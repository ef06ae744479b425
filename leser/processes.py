"""Processes: one run on several of them, each with the same weights and a share of every step's work.

`torchrun` and `accelerate launch` start them and say by the environment who is who. All of them take the same path through a
run; the first, the main process, alone writes the run folder and decides what a clock decides. What others have to wait for is
`first`, what each adds its share to is `gather`. Without a launcher there is one process, and nothing here costs anything.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from leser.errors import LeserError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What a launcher sets for each process."""
PATIENCE = timedelta(days=7)
"""How long others wait for what the main process does alone; one that ends is noticed at once, whatever this is."""
BUCKET = 1 << 24
"""Numbers of a gradient that are added up in one go."""


class ProcessLost(LeserError):
    """Another process of the run has ended; --resume continues, with any number of them (exit code 75, EX_TEMPFAIL)."""

    exit_code = 75


class Processes:
    """The processes of a run as one of them sees them: its own number, from 0, and how many there are."""

    def __init__(self, rank: int = 0, count: int = 1, patient: Any = None) -> None:
        self._rank, self._count, self._patient = rank, count, patient
        self._alone = False

    @property
    def main(self) -> bool:
        """Whether this is the process that writes the run folder."""
        return self._rank == 0

    @property
    def rank(self) -> int:
        """This process's number; 0 within what it does alone."""
        return 0 if self._alone else self._rank

    @property
    def count(self) -> int:
        """How many processes there are; 1 within what one does alone."""
        return 1 if self._alone else self._count

    def share(self, items: Sequence[T]) -> list[T]:
        """This process's part of `items`: every count-th, so that all parts together are all of them."""
        return list(items[self.rank :: self.count])

    def gather(self, value: T) -> list[T]:
        """Every process's value, in the order of their numbers, in each of them."""
        if self.count == 1:
            return [value]
        import torch.distributed as dist

        found: list[Any] = [None] * self.count
        with together():
            dist.all_gather_object(found, value)
        found[self.rank] = value
        return found

    def same(self, value: T) -> T:
        """The main process's value, in each of them: for what may differ, such as a time."""
        return self._broadcast(value, None)

    def any(self, flag: bool) -> bool:
        """Whether it holds in at least one process."""
        return any(self.gather(flag))

    def first(self, make: Callable[[], T]) -> T:
        """What `make` returns in the main process, in each of them; the others wait for it, however long it takes.

        Meanwhile the main process counts as the only one. What it raises ends the others with ProcessLost.
        """
        if self.count == 1:
            return make()
        if not self.main:
            made, value = self._broadcast((False, None), self._patient)
            if not made:
                raise ProcessLost("The main process of this run has ended; its own message says why.")
            return value  # type: ignore[return-value]
        self._alone = True
        try:
            value = make()
        except BaseException:
            self._alone = False
            with suppress(ProcessLost):  # those that are gone need not hear of it, and the error counts
                self._broadcast((False, None), self._patient)
            raise
        self._alone = False
        return self._broadcast((True, value), self._patient)[1]

    def _broadcast(self, value: T, group: Any) -> T:
        if self.count == 1:
            return value
        import torch.distributed as dist

        held = [value]
        with together():
            dist.broadcast_object_list(held, src=0, group=group)
        return value if self.main else held[0]

    def check_replicas(self, model: torch.nn.Module) -> None:
        """Raise LeserError where the processes no longer hold the same trained weights."""
        if self.count == 1:
            return
        trained = (p.detach() for p in model.parameters() if p.requires_grad)
        sums = [float(p.double().sum() + p.double().square().sum()) for p in trained]
        if any(other != sums for other in self.gather(sums)):
            raise LeserError(
                "The processes of this run no longer hold the same weights. Run all of them on machines of one kind with the "
                "same versions of LESER and torch, then resume from the last checkpoint with --resume."
            )


ALONE = Processes()
"""A run of one process."""


@contextmanager
def joined(seconds: float) -> Iterator[Processes]:
    """The processes that a launcher started together, until the run ends; one process where there was no launcher.

    `seconds` is how long one waits for the others' share of a step. Raises LeserError where they do not find each other.
    """
    if not all(os.environ.get(name) for name in VARIABLES) or os.environ["WORLD_SIZE"] == "1":
        yield ALONE
        return
    import torch
    import torch.distributed as dist

    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    ours = not dist.is_initialized()
    if ours:
        try:
            dist.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo", timeout=timedelta(seconds=seconds))
        except (RuntimeError, ValueError) as error:
            raise LeserError(
                f"The {os.environ['WORLD_SIZE']} processes of this run did not find each other at "
                f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}: {error}. Start all of them with one launcher."
            ) from error
    patient = dist.new_group(backend="gloo", timeout=PATIENCE)
    with _ended_by_launcher():
        yield Processes(dist.get_rank(), dist.get_world_size(), patient)
    if ours:  # not after an error: it would wait for those that are gone
        dist.destroy_process_group()


@contextmanager
def _ended_by_launcher() -> Iterator[None]:
    """Meanwhile SIGTERM, by which a launcher ends the processes that are left, is an error with a message."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - what `signal` hands over
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise ProcessLost("The launcher ended this process, because another one of the run has ended.")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except BaseException:
        signal.signal(
            signal.SIGTERM, signal.SIG_IGN
        )  # it ends by itself, and may say why; a launcher has SIGKILL as well
        raise
    signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


@contextmanager
def together() -> Iterator[None]:
    """Turn what torch.distributed raises when another process is gone or silent into ProcessLost."""
    try:
        yield
    except RuntimeError as error:  # a closed connection, or a wait that took too long
        reason = str(error).strip().partition("\n")[0]
        raise ProcessLost(f"Another process of this run has ended or does not answer: {reason}.") from error


def all_sum(values: Sequence[float], device: torch.device, *, largest: bool = False) -> list[float]:
    """Sums (or with `largest`, maxima) over all processes, one per value; the values themselves where there is one process."""
    import torch
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()):
        return list(values)
    where = device if dist.get_backend() == "nccl" else torch.device("cpu")
    tensor = torch.tensor(values, dtype=torch.float64, device=where)
    with together():
        dist.all_reduce(tensor, dist.ReduceOp.MAX if largest else dist.ReduceOp.SUM)
    return [float(v) for v in tensor.tolist()]


def add_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Add up the gradients of all processes, in each of them; nothing where there is one process."""
    import torch
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()):
        return
    for bucket in _buckets(parameters):
        for parameter in bucket:
            if parameter.grad is None:  # a process whose share taught nothing still takes part
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in bucket if parameter.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        with together():
            dist.all_reduce(flat)
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()


def _buckets(parameters: Iterable[torch.nn.Parameter]) -> Iterator[list[torch.nn.Parameter]]:
    """Neighbours of one type and device, up to BUCKET numbers together."""
    bucket: list[torch.nn.Parameter] = []
    size = 0
    for parameter in parameters:
        alike = not bucket or (parameter.dtype, parameter.device) == (bucket[0].dtype, bucket[0].device)
        if bucket and (not alike or size + parameter.numel() > BUCKET):
            yield bucket
            bucket, size = [], 0
        bucket.append(parameter)
        size += parameter.numel()
    if bucket:
        yield bucket
