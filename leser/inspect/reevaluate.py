"""Evaluating a finished run's policy again: on the same engine or another, on its task or another."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from leser.config.load import load_config
from leser.errors import LeserError
from leser.evaluation.evaluate import Evaluation, evaluate
from leser.files import write_atomically
from leser.inspect.opening import FinishedRun, open_sampler
from leser.report.provenance import provenance
from leser.run.checks import check_final
from leser.run.holes import holes_content
from leser.run.primary import measures_shown
from leser.session import Session

log = logging.getLogger(__name__)
_UNFIT = re.compile(r"[^\w.+@-]+")


@dataclass(frozen=True, slots=True)
class Reevaluated:
    """A new evaluation and the file it was written to."""

    result: Evaluation
    path: Path


def reevaluate(
    run: FinishedRun, session: Session, split: Literal["test", "dev"], name: str | None = None
) -> Reevaluated:
    """Ask the saved policy, the configured baselines and the original about a split, and write evaluation-NAME.json.

    The run's own evaluation.json stays as it is. Raises LeserError as a run would, and where the split has no query.
    """
    from leser.run.final_evaluation import asked_of, baseline_runs, depth_of, policy_run

    config = session.config
    path = run.folder.path / f"evaluation-{_fit(name) if name else default_result_name(run, session, split)}.json"
    run.folder.check_writable()
    part = session.task.test if split == "test" else session.task.dev
    if not part.queries:
        raise LeserError(f"The task {session.task.name} has no {split} query with a relevant document.")
    check_final(session, part)
    sampler = open_sampler(run.folder, session)
    left_out: list[str] = []
    runs = baseline_runs(session, part, left_out.append)
    runs.append(policy_run("leser", sampler.answer(part, asked_of(part), depth_of(session, part))))
    result = evaluate(
        part,
        runs,
        measures_shown(session),
        rewards=session.registry.all("reward"),
        fetch=session.client.fetch,
        resamples=config.evaluation.resamples,
        seed=config.seed,
        platform=config.platform.name,
        warn=left_out.append,
        expected=session.environment.expected,
    )
    content = result.to_json() | ({"platform": config.platform.name} if config.platform.name else {})
    content |= holes_content(session, part, runs, path.with_name(f"judge-next-{path.stem}.csv"), left_out.append)
    for said in left_out:
        log.warning(said)
    content |= {
        "task": config.task.table(),
        "backend": config.backend.table(),
        "mean_prompt_tokens": sampler.mean_prompt_length(),
        "made": provenance(),
        **({"left_out": left_out} if left_out else {}),
    }
    write_atomically(path, json.dumps(content, indent=1, ensure_ascii=False))
    return Reevaluated(result, path)


def default_result_name(run: FinishedRun, session: Session, split: str) -> str:
    """What was evaluated: the split, the backend, and task and platform where they are others."""
    config = session.config
    own = load_config(run.folder.config_path).task.name  # seen from here, as the other is
    task = [] if config.task.name == own else [Path(config.task.name).resolve().name]
    platform = config.platform.name
    site = [platform] if platform and platform != run.config.get("platform", {}).get("name") else []
    return _fit("-".join([*site, *task, config.backend.name, split]))


def _fit(name: str) -> str:
    """A name that is one file's, wherever it came from."""
    fit = _UNFIT.sub("_", name).strip("._")
    if not fit:
        raise LeserError(f"'{name}' is not a valid file name. Use letters and digits.")
    return fit
