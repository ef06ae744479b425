"""Functions that a process of the service may run, healthy and sick."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def upper(journal: str) -> Callable[[Sequence[str]], list[str]]:
    """Answers in capitals; "hang" hangs, "die" ends the process, "raise" raises; each batch is a line of the journal."""

    def answer(questions: Sequence[str]) -> list[str]:
        with Path(journal).open("a") as file:
            file.write(f"{os.getpid()} {os.nice(0)} {' '.join(questions)}\n")
        if "hang" in questions:
            time.sleep(60)
        if "die" in questions:
            os._exit(9)
        if "raise" in questions:
            raise ValueError("planted")
        time.sleep(0.1)
        return [question.upper() for question in questions]

    return answer
