"""Measures computed in a process of their own: a provider that exits, aborts or hangs there ends nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leser.errors import LeserError
from leser.evaluation.providers import Grades, evaluator_of, read_measure, values_of
from leser.printable import printable

PATIENCE_S = 600.0
"""Seconds after which a process that has not answered is ended."""

Scored = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Computed:
    """One measure's values of each query, run by run; or `failure`, why there are none."""

    values: tuple[dict[str, float], ...] = ()
    failure: str = ""


def compute(
    names: Sequence[str], grades: Grades, runs: Sequence[Scored], *, patience_s: float = PATIENCE_S
) -> dict[str, Computed]:
    """Each measure's values on the runs. All in one process; where that does not end well, each in its own."""
    if not names:
        return {}
    together = _ask(names, grades, runs, patience_s)
    if isinstance(together, list) and not any("failure" in row for row in together):
        return {name: Computed(tuple(row["values"])) for name, row in zip(names, together, strict=True)}
    found = {}
    for name in names:
        answer = together if len(names) == 1 else _ask([name], grades, runs, patience_s)
        failure = answer if isinstance(answer, str) else answer[0].get("failure", "")
        found[name] = (
            Computed((), failure) if isinstance(answer, str) or failure else Computed(tuple(answer[0]["values"]))
        )
    return found


def _ask(names: Sequence[str], grades: Grades, runs: Sequence[Scored], patience_s: float) -> list[dict[str, Any]] | str:
    """The answers of one process, one for each measure; a text, what became of it, where it gave none."""
    request = json.dumps({"measures": [*names], "grades": grades, "runs": [*runs]})
    path = os.pathsep.join(part or str(Path.cwd()) for part in sys.path)  # what is importable here is so there
    with tempfile.TemporaryDirectory() as place:  # cwl_eval leaves a log where it is imported
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", __name__],
                input=request,
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                timeout=patience_s,
                cwd=place,
                env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"},
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"it has not answered within {patience_s:g} seconds"
    last = printable(next((line for line in reversed(done.stderr.splitlines()) if line.strip()), ""), 300)
    if done.returncode:
        code = -done.returncode
        how = f"by {signal.Signals(code).name}" if code > 0 else f"with exit code {done.returncode}"
        return f"it ends the process {how}" + (f" ({last})" if last else "")
    try:
        rows: list[dict[str, Any]] = json.loads(done.stdout)
    except ValueError:
        return "it ends the process before it has answered" + (f" ({last})" if last else "")
    for row in rows:
        if "failure" in row and last and len(names) == 1:
            row["failure"] += f" ({last})"
    return rows


def _answer(name: str, grades: Grades, runs: Sequence[Scored]) -> dict[str, Any]:
    try:
        evaluator = evaluator_of(read_measure(name), grades)
        return {"values": [values_of(evaluator, run) for run in runs]}
    except subprocess.CalledProcessError as error:  # its message is a command line of temporary files
        return {"failure": f"{error.cmd[0]} ended with exit code {error.returncode}"}
    except LeserError as error:
        return {"failure": str(error)}
    except (Exception, SystemExit) as error:  # whatever a provider raises is the answer of this process
        return {"failure": " ".join(f"{type(error).__name__}: {error}".split())}


def main() -> None:
    """Read a request from stdin, write the answers to stdout."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a provider prints is no answer
    request = json.load(sys.stdin)
    rows = [_answer(name, request["grades"], request["runs"]) for name in request["measures"]]
    answers.write(json.dumps(rows))
    answers.close()


if __name__ == "__main__":
    main()
