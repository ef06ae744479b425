"""A full disk: reported before training where it can be foreseen, and else as a clear end that --resume continues from."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from leser.command import RUN_COMMAND, resume_command
from leser.errors import LeserError
from leser.store.folder import RunFolder

if TYPE_CHECKING:
    import torch

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NUMBER = re.compile(r"(?:os error |code: |\[Errno )(\d+)")
"""How safetensors and pyarrow, whose writers are not Python code, say the number of the system's error."""


class DiskFull(LeserError):
    """There is no room for what a run must write; --resume continues once there is (exit code 74, EX_IOERR)."""

    exit_code = 74


@contextmanager
def telling_when_full(folder: RunFolder) -> Iterator[None]:
    """Turn the system's "no space left", from whichever library it comes, into DiskFull; what was half written goes."""
    try:
        yield
    except Exception as error:
        number = _error_number(error)
        if number not in _FULL:
            raise
        _drop_parts(folder)
        resume = resume_command(folder.config_path) if folder.config_path.exists() else RUN_COMMAND.get()
        raise DiskFull(
            f"{folder.path} cannot be written: {os.strerror(number)} ({_megabytes(_free(folder.path))} free). "
            f"Nothing that a checkpoint holds is lost. Make room, then resume with: {resume}"
        ) from error


def check_room(folder: RunFolder, model: torch.nn.Module, keep: int) -> None:
    """Raise DiskFull when what a run of this model comes to hold does not fit; `keep` are the checkpoints it keeps.

    What a run that resumes holds already is not asked for again.
    """
    needed = held_bytes(model, keep) - _held(folder)
    free = _free(folder.path)
    if free < needed:
        raise DiskFull(
            f"Checkpoints and saved policies take {_megabytes(needed)}, but only {_megabytes(free)} are free where "
            f"{folder.path} lies. Make room, choose another folder with --out, or lower training.keep_checkpoints."
        )


def held_bytes(model: torch.nn.Module, keep: int) -> int:
    """Most bytes of checkpoints and policies that a run holds at once.

    Checkpoints: the latest `keep`, the best on dev and the one that is being written, each with weights and moments; of
    adapters over frozen weights the adapters alone. Policies: base, warmup, warmup-plus and the best, one of them being
    written beside its predecessor; adapters are merged into one whole policy in float32 when training ends.
    """
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    if any(not p.requires_grad for p in model.parameters()):
        merged = 4 * sum(p.numel() for p in model.parameters())
        return 4 * trained * (3 * (keep + 2) + 5) + merged
    return (keep + 2) * (weights + 8 * trained) + 5 * weights


def _held(folder: RunFolder) -> int:
    places = (folder.checkpoints, folder.path / "policies", folder.path / "policy")
    return sum(file.stat().st_size for place in places for file in place.rglob("*.safetensors"))


def _error_number(error: BaseException) -> int:
    """The system's number of an error, 0 where it is none of the system's."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    foreign = isinstance(error, OSError) or type(error).__module__.partition(".")[0].startswith("safetensors")
    found = _NUMBER.search(str(error)) if foreign else None
    return int(found[1]) if found else 0


def _drop_parts(folder: RunFolder) -> None:
    for place in (folder.path, folder.checkpoints, folder.path / "policies"):
        for part in place.glob(".*.part"):
            shutil.rmtree(part, ignore_errors=True)


def _free(path: Path) -> int:
    existing = next(p for p in (path, *path.absolute().parents) if p.exists())
    return shutil.disk_usage(existing).free


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"
