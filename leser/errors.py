"""Errors a user can act on: each says what, where and what to do, and carries an exit code."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class LeserError(Exception):
    """An error with a message fit to print without a traceback; `exit_code` is the process's answer to it."""

    exit_code = 2


class EngineDown(LeserError):
    """The engine stopped answering; --resume continues from the last checkpoint (exit code 75, EX_TEMPFAIL)."""

    exit_code = 75


class PluginFault(LeserError):
    """A plugin does not keep its contract: no retry and no --resume helps before it is corrected."""


class IndexMissing(LeserError):
    """The engine answers, but the index is not there; `build` are the options of the `leser index` command that makes it."""

    def __init__(self, what: str, build: str) -> None:
        self.what, self.build = what, build
        super().__init__(self.message("DIR"))

    def message(self, task: str) -> str:
        """The message, with the exact command for a task."""
        return f"{self.what} Build it with: leser index {self.build.replace('TASK', task)}"


def unknown_name(kind: str, name: str, available: Iterable[str], owner: str = "") -> LeserError:
    """An error of the form: Unknown backend 'elastic'. Did you mean 'elasticsearch'? Available: ...

    `kind` is the word users know ("backend"); `available` may come in any order. `owner` says whose name it would be: Unknown
    option 'kk' of backend 'memory'.
    """
    names = sorted(set(available))
    lower = {n.lower(): n for n in names}  # ndgc means nDCG
    near = (
        get_close_matches(name.lower(), lower, n=1, cutoff=0.4) or [n for n in lower if n.startswith(name.lower())][:1]
    )
    close = [lower[n] for n in near]
    hint = f" Did you mean '{close[0]}'?" if close else ""
    whose = f" of {owner}" if owner else ""
    return LeserError(f"Unknown {kind} '{name}'{whose}.{hint} Available: {', '.join(names) or 'none'}.")
