"""baselines/NAME/fitted.json of a run folder: what a baseline found when it was fitted, for whoever serves it.

Plain JSON, no code and no judgments:

    {"format": 1, "name": "rm3", "class": "leser.evaluation.rm3.RM3", "fitted": "rm3@1a2b3c4d5e6f",
     "options": {...}, "reader": "beir", "title_field": "title", "state": {"chosen": [10, 20, 0.5]}}

`fitted` changes with everything that the baseline was fitted with; `reader` and `title_field` say how its task is read, so that
a machine that serves needs the documents alone, or nothing of the task at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from leser.errors import LeserError
from leser.files import write_atomically

FOLDER = "baselines"
FILE = "fitted.json"
FORMAT = 1
POLICY = "policy"
"""Who answers where no baseline is named: the run's own policy."""
_TEXTS = ("name", "kind", "fitted", "reader", "title_field")


@dataclass(frozen=True, slots=True)
class FittedBaseline:
    """A fitted baseline as plain values; `kind` is its class, written as "class"."""

    name: str
    kind: str
    fitted: str
    options: Mapping[str, Any]
    reader: str
    title_field: str
    state: Mapping[str, Any]

    def write(self, run: Path) -> Path:
        """Write it into a run's folder, in one step."""
        path = file_of(run, self.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        values = asdict(self)
        content = {"format": FORMAT, "name": values.pop("name"), "class": values.pop("kind"), **values}
        write_atomically(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        return path


def file_of(run: Path, name: str) -> Path:
    """Where a run's folder keeps a baseline."""
    return run / FOLDER / name / FILE


def names_kept(run: Path) -> list[str]:
    """The baselines that a run's folder keeps."""
    return sorted(path.parent.name for path in (run / FOLDER).glob(f"*/{FILE}"))


def check_kept(run: Path, name: str) -> None:
    """Raise LeserError where a run's folder keeps no baseline of this name."""
    if not file_of(run, name).is_file():
        held = ", ".join(names_kept(run))
        beside = f", but {held}" if held else ""
        raise LeserError(
            f"The run in {run} keeps no fitted baseline '{name}'{beside}. Fit it: leser fit {run} --by {name}"
        )


def check_served(run: Path, by: str) -> None:
    """Raise LeserError where a run's folder does not hold who is to answer, its policy or a baseline; reads nothing of it."""
    if not (run / "config.toml").is_file() or (by == POLICY and not (run / "policy").is_dir()):
        held = "a run with a policy" if by == POLICY else "a run"
        raise LeserError(f"{run} is not {held}. `leser run` writes one with --out DIR.")
    if by != POLICY:
        check_kept(run, by)


def read_fitted(run: Path, name: str) -> FittedBaseline:
    """The baseline that a run's folder keeps; raises LeserError where there is none, or it cannot be read."""
    check_kept(run, name)
    path, again = file_of(run, name), f"Fit it anew: leser fit {run} --by {name}"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LeserError(f"{path} cannot be read: {error}. {again}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise LeserError(f"{path} is not of the format {FORMAT}, which this version of LESER reads. {again}")
    values = {("kind" if key == "class" else key): value for key, value in content.items() if key != "format"}
    whole = (
        set(values) == set(FittedBaseline.__dataclass_fields__)
        and all(isinstance(values[key], str) for key in _TEXTS)
        and all(isinstance(values[key], dict) for key in ("options", "state"))
    )
    if not whole or values["name"] != name:
        raise LeserError(f"{path} does not hold what a fitted baseline '{name}' needs. {again}")
    return FittedBaseline(**values)
