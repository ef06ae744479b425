"""The command that starts a run, as its user typed it: messages that say how to resume name that one."""

from __future__ import annotations

import shlex
from contextvars import ContextVar
from pathlib import Path

RUN_COMMAND = ContextVar("RUN_COMMAND", default="leser run")
"""`leser run` or `leser-run`: one command with two names."""


def resume_command(file: Path) -> str:
    """The command line that resumes the run whose config.toml this is."""
    return f"{RUN_COMMAND.get()} --config {shlex.quote(str(file))} --resume"
