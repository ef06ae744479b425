"""What the doctor finds, and what it comes to as an exit code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from leser.backend import Ranking, SearchError
from leser.errors import EngineDown, LeserError

_SENTENCE_ENDS = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
State = Literal["note", "ok", "warning", "problem", "down"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: what was seen, and where it is not well what to do.

    `state`: "note" is a fact that is neither good nor bad, a "warning" lets a run begin, a "problem" must be put right
    first, and "down" is an engine that may answer later. `seen` may hold text of the index.
    """

    topic: str
    seen: str
    state: State = "ok"
    advice: str = ""


def exit_code(findings: Iterable[Finding]) -> int:
    """0 where a run can begin, 1 where something must be put right, 75 (EX_TEMPFAIL) for an engine that is down."""
    states = {finding.state for finding in findings}
    return EngineDown.exit_code if "down" in states else int("problem" in states)


def of_error(topic: str, error: LeserError) -> Finding:
    """The finding an error of LESER amounts to."""
    return of_message(topic, str(error), "down" if isinstance(error, EngineDown) else "problem")


def of_message(topic: str, message: str, state: State) -> Finding:
    """The finding of a message as LESER writes them: its first sentence is what was seen, the rest what to do."""
    seen, *rest = _SENTENCE_ENDS.split(message.strip(), maxsplit=1)
    return Finding(topic, seen, state, rest[0] if rest else seen)


def of_failure(topic: str, answers: Sequence[Ranking | SearchError]) -> Finding | None:
    """The finding that failed searches amount to, or None where all were answered."""
    failed = [answer for answer in answers if isinstance(answer, SearchError)]
    if not failed:
        return None
    first = failed[0]
    seen = f"{len(failed)} of {len(answers)} searches failed, the first ({first.kind}): {first.message}"
    if first.kind == "transient":
        return Finding(topic, seen, "down", f"Searches failed for the moment: {first.message} Try again later.")
    return Finding(topic, seen, "problem", f"Put right what the engine says: {first.message}")
