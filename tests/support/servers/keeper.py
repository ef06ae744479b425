"""Keeps one server: starts it, and ends it when the process that it belongs to is gone, however that went.

    python keeper.py OWNER FOLDER COMMAND...

Writes the server's process id to FOLDER/pid and its output to FOLDER/output.log. The server leads a process group of its
own, so that what it starts (Elasticsearch's launcher starts a second JVM) ends with it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

PATIENCE = 20.0
"""Seconds from SIGTERM to SIGKILL."""


def group(leader: int) -> list[psutil.Process]:
    """The living processes of a group; a zombie that nobody reaps is not alive."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
    return members


def end(leader: int, *, at_once: bool = False) -> None:
    """End a group: SIGTERM, later SIGKILL; returns when none of it is left. `at_once` starts with SIGKILL."""
    last = time.monotonic() + (0.0 if at_once else PATIENCE)
    killed = False
    if not at_once:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGTERM)
    while group(leader):
        if not killed and time.monotonic() >= last:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(leader, signal.SIGKILL)
            killed = True
        time.sleep(0.05)


def lives(process: psutil.Process) -> bool:
    """Whether it is still that process (not a later one with its number), and not a zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def keep(owner: psutil.Process, folder: Path, command: list[str]) -> int:
    """Run the command until it ends or the owner does; in the second case its folder goes too."""
    with (folder / "output.log").open("ab") as log:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    written = folder / "pid.new"
    written.write_text(str(child.pid))
    written.replace(folder / "pid")
    while child.poll() is None and lives(owner):
        time.sleep(0.2)
    if child.poll() is None or not lives(owner):
        end(child.pid)
        child.wait()
        shutil.rmtree(folder, ignore_errors=True)
    return child.returncode


if __name__ == "__main__":
    sys.exit(keep(psutil.Process(int(sys.argv[1])), Path(sys.argv[2]), sys.argv[3:]))
